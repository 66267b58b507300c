-- needs: partitions
-- The accounts whose providers may call back, for the receiver.
create or replace function delivery.callback_accounts()
returns table (provider_account_id integer, name text, driver text, settings text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.provider_account_id, a.name, a.driver, a.settings::text from delivery.provider_account a order by a.provider_account_id
$$;
comment on function delivery.callback_accounts is 'The provider accounts, for those whose providers call back. Switched off ones too: what was sent through them still has a fate.';

-- Writes events down. Arrays of the same length: callback, then what callback_event holds. happened_at in ms; at the latest when the
-- callback came, so that a wrong clock cannot put an answer into the future.
create or replace function delivery.put_events(p_inbox_ids bigint[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[],
  p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[])
returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
begin
  insert into delivery.callback_event (callback_inbox_id, position, provider_account_id, kind, happened_at, is_machine, delivery_id, provider_message_id, event_key,
    address, code, words, link, answer)
  select x.callback_inbox_id, row_number() over (partition by x.callback_inbox_id order by x.n), i.provider_account_id, x.kind,
         least(timestamptz 'epoch' + x.at_ms * interval '1 millisecond', i.received_at), x.is_machine, nullif(x.delivery_id, 0),
         x.message_id, x.event_key, x.address, x.code, x.words, x.link, x.answer
  from unnest(p_inbox_ids, p_kinds, p_at_ms, p_machine, p_delivery_ids, p_message_ids, p_keys, p_addresses, p_codes, p_words, p_links, p_answers)
    with ordinality as x (callback_inbox_id, kind, at_ms, is_machine, delivery_id, message_id, event_key, address, code, words, link, answer, n)
  join delivery.callback_inbox i on i.callback_inbox_id = x.callback_inbox_id;
end
$$;
comment on function delivery.put_events is 'Writes down what callbacks say.';

-- Keeps callbacks, many at a time, in one transaction; the receiver answers 200 after it. Arrays of the same length: account, fingerprint
-- in hexadecimal digits, target, headers, body in base64, problem. Then the events: the place of the callback in those arrays, from 1, and what
-- callback_event holds. What is already there is left alone. Returns how many were new.
create or replace function delivery.keep_callbacks(p_account_ids integer[], p_sha256 text[], p_targets text[], p_headers text[], p_bodies text[],
  p_problems text[], p_places integer[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[],
  p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[])
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  month integer := delivery.month_of(now());
  ids bigint[];
  kept bigint[];
begin
  if to_regclass('delivery.callback_event_' || month) is null then
    perform delivery.ensure_partition(month);
  end if;
  select array_agg(delivery.first_id_of(month) + nextval('delivery.callback_number')) into ids from generate_subscripts(p_account_ids, 1);
  with told as (
    insert into delivery.callback_inbox (callback_inbox_id, provider_account_id, sha256, target, headers, body, problem)
    select x.id, x.account_id, decode(x.sha256, 'hex'), x.target, x.headers, decode(x.body, 'base64'), x.problem
    from unnest(ids, p_account_ids, p_sha256, p_targets, p_headers, p_bodies, p_problems)
      as x (id, account_id, sha256, target, headers, body, problem)
    on conflict do nothing
    returning callback_inbox_id
  )
  select array_agg(t.callback_inbox_id) into kept from told t;
  if kept is null then
    return 0;
  end if;
  if cardinality(p_places) > 0 then
    perform delivery.put_events(array_agg(ids[x.place]), array_agg(x.kind), array_agg(x.at_ms), array_agg(x.is_machine), array_agg(x.delivery_id),
      array_agg(x.message_id), array_agg(x.event_key), array_agg(x.address), array_agg(x.code), array_agg(x.words), array_agg(x.link),
      array_agg(x.answer))
    from unnest(p_places, p_kinds, p_at_ms, p_machine, p_delivery_ids, p_message_ids, p_keys, p_addresses, p_codes, p_words, p_links, p_answers)
      as x (place, kind, at_ms, is_machine, delivery_id, message_id, event_key, address, code, words, link, answer)
    where ids[x.place] = any (kept);
    insert into delivery.callback_todo (callback_inbox_id)
    select distinct ids[x.place] from unnest(p_places) as x (place) where ids[x.place] = any (kept);
  end if;
  return cardinality(kept);
end
$$;
comment on function delivery.keep_callbacks is 'Keeps callbacks of providers word for word, once each, to be folded.';

-- Reads the callbacks of a time again, after a receiver that understands more has been started, and folds them again. Harmless to repeat.
-- Returns how many. The receivers do the work: see delivery.callback_todo for what is left of it.
create or replace function delivery.refold(p_from timestamptz, p_to timestamptz)
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with waiting as (
    insert into delivery.callback_todo (callback_inbox_id, needs_parsing)
    select i.callback_inbox_id, true from delivery.callback_inbox i
    where i.received_at >= p_from and i.received_at < p_to
      and i.callback_inbox_id >= delivery.first_id_of(delivery.month_of(p_from))
      and i.callback_inbox_id < delivery.first_id_of(delivery.month_of(p_to) + 1)
    on conflict (callback_inbox_id) do update set needs_parsing = true
    returning 1
  )
  select count(*) from waiting
$$;
comment on function delivery.refold is
  'Reads and folds old callbacks again, for example after a fault in a parser was mended: select delivery.refold(''2026-11-01'', now()).';

-- Callbacks that are to be read again, oldest first. The transaction's end lets go of them: several receivers may read the same one.
create or replace function delivery.callbacks_to_parse(p_limit integer)
returns table (callback_inbox_id bigint, provider_account_id integer, target text, headers text, body text, received_ms bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select i.callback_inbox_id, i.provider_account_id, i.target, i.headers, translate(encode(i.body, 'base64'), E'\n', ''),
         (extract(epoch from i.received_at) * 1000)::bigint
  from (select t.callback_inbox_id from delivery.callback_todo t where t.needs_parsing order by t.callback_inbox_id limit p_limit) t
  join delivery.callback_inbox i on i.callback_inbox_id = t.callback_inbox_id
  order by i.callback_inbox_id
$$;
comment on function delivery.callbacks_to_parse is 'Callbacks that a receiver is to read again.';

-- What a receiver has read anew replaces what had been understood before. p_inbox_ids, p_readable, p_problems: the callbacks that were looked at; one
-- that could not be read, because its account is gone or broken, stays as it is. Then the events, as in put_events. What the events had led to and
-- is not said any more goes; their deliveries are settled by what is left.
create or replace function delivery.replace_events(p_inbox_ids bigint[], p_readable boolean[], p_problems text[], p_event_inbox_ids bigint[], p_kinds text[], p_at_ms bigint[],
  p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[],
  p_links text[], p_answers text[])
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
-- As delivery.fold_callbacks does it.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set join_collapse_limit = 1
as $$
declare
  asked bigint[];
  waiting bigint[];
  bereft bigint[];
begin
  -- Another receiver may have been quicker.
  select array_agg(t.callback_inbox_id) into asked
  from (select t.callback_inbox_id from delivery.callback_todo t where t.callback_inbox_id = any (p_inbox_ids) and t.needs_parsing
        order by t.callback_inbox_id for update) t;
  if asked is null then
    return 0;
  end if;
  select coalesce(array_agg(x.callback_inbox_id), '{}') into waiting
  from unnest(p_inbox_ids, p_readable) as x (callback_inbox_id, is_readable) where x.is_readable and x.callback_inbox_id = any (asked);
  update delivery.callback_inbox i set problem = x.problem
  from unnest(p_inbox_ids, p_problems) as x (callback_inbox_id, problem)
  where i.callback_inbox_id = x.callback_inbox_id and i.callback_inbox_id = any (waiting) and i.problem is distinct from x.problem;
  delete from delivery.callback_event e where e.callback_inbox_id = any (waiting);
  delete from delivery.callback_orphan o where o.callback_inbox_id = any (waiting);
  perform delivery.put_events(array_agg(x.callback_inbox_id), array_agg(x.kind), array_agg(x.at_ms), array_agg(x.is_machine),
    array_agg(x.delivery_id), array_agg(x.message_id), array_agg(x.event_key), array_agg(x.address), array_agg(x.code), array_agg(x.words),
    array_agg(x.link), array_agg(x.answer))
  from unnest(p_event_inbox_ids, p_kinds, p_at_ms, p_machine, p_delivery_ids, p_message_ids, p_keys, p_addresses, p_codes, p_words, p_links, p_answers)
    as x (callback_inbox_id, kind, at_ms, is_machine, delivery_id, message_id, event_key, address, code, words, link, answer)
  where x.callback_inbox_id = any (waiting)
  having count(*) > 0;
  -- What is said as before stays as it is, so that it has no consequences a second time.
  with gone as (
    delete from delivery.delivery_event d
    where d.callback_inbox_id = any (waiting)
      and not exists (select from delivery.match_events(array[d.callback_inbox_id]) m
        where m.matched_id = d.delivery_id and m.kind = d.kind and m.event_key = d.event_key)
    returning d.delivery_id
  )
  select array_agg(distinct g.delivery_id) into bereft from gone g;
  if bereft is not null then
    perform from delivery.delivery d where d.delivery_id = any (bereft) order by d.delivery_id for update;
    perform delivery.settle_by_events(bereft, array_fill(false, array[cardinality(bereft)]));
  end if;
  update delivery.callback_todo t set needs_parsing = false where t.callback_inbox_id = any (asked);
  return cardinality(asked);
end
$$;
comment on function delivery.replace_events is 'What callbacks say, after they have been read again.';

-- The oldest waiting callback cannot be folded: it is kept with the problem and holds up no other. delivery.refold tries it again.
create or replace function delivery.set_aside_callback(p_problem text)
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with oldest as (
    delete from delivery.callback_todo t
    where t.callback_inbox_id = (select o.callback_inbox_id from delivery.callback_todo o where not o.needs_parsing
      order by o.callback_inbox_id limit 1 for update skip locked)
    returning t.callback_inbox_id
  )
  update delivery.callback_inbox i set problem = 'It could not be folded: ' || p_problem
  from oldest where i.callback_inbox_id = oldest.callback_inbox_id
  returning i.callback_inbox_id
$$;
comment on function delivery.set_aside_callback is 'Takes a callback that cannot be folded out of the way.';
