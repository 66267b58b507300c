-- needs: heed
-- Folds the oldest waiting callbacks into deliveries, events, addresses and consent. The result does not depend on the order in which
-- callbacks come, nor on how often: a delivery's status is a function of the set of its events and of what its worker recorded.
--
--     by us < sent < failed < delivered < bounced_soft < bounced_hard
--
-- The provider's word beats ours, whatever we believed: it has seen the message. Deliveries that somebody else is just moving are left
-- for the next time. Returns how many callbacks were looked at; 0: nothing waits.
create or replace function delivery.fold_callbacks(p_limit integer)
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
-- A batch finds its rows by their keys, in the order in which the joins are written; a month that has not been analyzed yet looks as if reading
-- all of it were cheaper.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set join_collapse_limit = 1
as $$
declare
  inboxes bigint[];
  e_inbox bigint[];
  e_position integer[];
  e_kind text[];
  e_key text[];
  e_delivery bigint[];
  wanted bigint[];
  locked bigint[];
  busy bigint[] := '{}';
  waiting bigint[] := '{}';
begin
  perform delivery.wake_orphans();
  select array_agg(t.callback_inbox_id) into inboxes
  from (select t.callback_inbox_id from delivery.callback_todo t where not t.needs_parsing
        order by t.callback_inbox_id limit p_limit for update skip locked) t;
  if inboxes is null then
    return 0;
  end if;
  -- An answer by SMS speaks of no message: its number says who wrote it.
  perform delivery.sms_reply(i.provider_account_id, e.address, e.answer, coalesce(e.event_key, format('%s.%s', e.callback_inbox_id, e.position)), e.happened_at)
  from unnest(inboxes) as asked (callback_inbox_id)
  join delivery.callback_inbox i on i.callback_inbox_id = asked.callback_inbox_id
  join delivery.callback_event e on e.callback_inbox_id = asked.callback_inbox_id
  join delivery.provider_account a on a.provider_account_id = i.provider_account_id
  where e.kind = 'replied' and a.channel = 'sms' and e.address is not null
  order by e.happened_at;
  select array_agg(m.callback_inbox_id), array_agg(m.position), array_agg(m.kind), array_agg(m.event_key), array_agg(m.matched_id)
  into e_inbox, e_position, e_kind, e_key, e_delivery
  from delivery.match_events(inboxes) m;
  select array_agg(distinct x.delivery_id) into wanted from unnest(e_delivery) as x (delivery_id) where x.delivery_id is not null;
  select array_agg(d.delivery_id) into locked
  from (select d.delivery_id from delivery.delivery d where d.delivery_id = any (wanted)
        order by d.delivery_id for update skip locked) d;
  if cardinality(locked) is distinct from cardinality(wanted) then
    select array_agg(x) into busy from (select unnest(wanted) as x except select unnest(locked)) x;
    select array_agg(distinct x.callback_inbox_id) into waiting
    from unnest(e_inbox, e_delivery) as x (callback_inbox_id, delivery_id) where x.delivery_id = any (busy);
  end if;
  delete from delivery.callback_orphan o
  using unnest(e_inbox, e_position, e_delivery) as x (callback_inbox_id, position, delivery_id)
  where o.callback_inbox_id = x.callback_inbox_id and o.position = x.position and x.delivery_id is not null;
  -- Not ours, or not ours yet.
  insert into delivery.callback_orphan (callback_inbox_id, position, provider_message_id, next_at)
  select x.callback_inbox_id, x.position, e.provider_message_id, now() + interval '2 seconds'
  from unnest(e_inbox, e_position, e_delivery) as x (callback_inbox_id, position, delivery_id)
  join delivery.callback_event e on e.callback_inbox_id = x.callback_inbox_id and e.position = x.position
  where x.delivery_id is null and e.provider_message_id is not null and e.kind <> 'other'
  on conflict do nothing;
  if locked is not null then
    perform delivery.fold_events(e_inbox, e_position, e_kind, e_key, e_delivery, busy);
  end if;
  delete from delivery.callback_todo t where t.callback_inbox_id = any (inboxes) and t.callback_inbox_id <> all (waiting);
  return cardinality(inboxes);
end
$$;
comment on function delivery.fold_callbacks is 'Applies what providers have said to the deliveries, many callbacks at a time.';

-- The events of these callbacks and the deliveries that they speak of: by our own number, else by the provider's. A callback may speak of what
-- was sent by the same kind of provider on the same channel only. matched_id is null when there is none (yet).
create or replace function delivery.match_events(p_inbox_ids bigint[])
returns table (callback_inbox_id bigint, "position" integer, kind text, event_key text, matched_id bigint)
language sql
stable
as $$
  select e.callback_inbox_id, e.position, e.kind, coalesce(case when p.keeps_event_keys then e.event_key end, (extract(epoch from e.happened_at) * 1000)::bigint::text || coalesce(' ' || md5(e.link), '')),
         d.delivery_id
  from unnest(p_inbox_ids) as asked (callback_inbox_id)
  join delivery.callback_event e on e.callback_inbox_id = asked.callback_inbox_id
  join delivery.provider_account a on a.provider_account_id = e.provider_account_id
  join delivery.provider p on p.driver = a.driver
  left join lateral (
    select x.delivery_id
    from (select known.delivery_id from delivery.delivery known where known.delivery_id = e.delivery_id
          union all
          select told.delivery_id from delivery.attempt told where told.provider_message_id = e.provider_message_id) x
    cross join lateral (select y.run_step_id, y.lane_id from delivery.delivery y where y.delivery_id = x.delivery_id offset 0) y
    where (select b.driver = a.driver and b.channel = a.channel
      from delivery.run_step rs
      join delivery.lane l on l.lane_id = coalesce(y.lane_id, rs.lane_id)
      join delivery.provider_account b on b.provider_account_id = l.provider_account_id
      where rs.run_step_id = y.run_step_id)
    order by x.delivery_id is not distinct from e.delivery_id desc, x.delivery_id desc
    limit 1
  ) d on true
$$;
comment on function delivery.match_events is 'Which deliveries the events of some callbacks speak of.';

-- How much an event weighs when several decide about a status; 0: it decides nothing.
create or replace function delivery.event_weight(p_kind text)
returns integer
language sql
immutable
as $$
  select case p_kind when 'failed' then 1 when 'delivered' then 2 when 'bounced_soft' then 3 when 'bounced_hard' then 4 else 0 end
$$;
comment on function delivery.event_weight is 'Which event decides when a provider reports several: the one with the greatest weight.';

-- Arrays of the same length: events and their deliveries, which the caller holds but for p_busy; events of those are passed over.
create or replace function delivery.fold_events(p_inbox_ids bigint[], p_positions integer[], p_kinds text[], p_keys text[],
  p_delivery_ids bigint[], p_busy bigint[])
returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
declare
  n_inbox bigint[];
  n_position integer[];
  n_delivery bigint[];
begin
  with told as (
    select distinct on (x.delivery_id, x.kind, x.event_key) x.*, e.happened_at, e.is_machine, e.link,
           concat_ws(' ', e.code, coalesce(e.answer, e.words)) as detail, e.code, a.name as account,
           not exists (select from delivery.delivery_event ev
             where ev.delivery_id = x.delivery_id and ev.kind = x.kind and ev.event_key = x.event_key) as is_new
    from unnest(p_inbox_ids, p_positions, p_kinds, p_keys, p_delivery_ids) as x (callback_inbox_id, position, kind, event_key, delivery_id)
    join delivery.callback_event e on e.callback_inbox_id = x.callback_inbox_id and e.position = x.position
    join delivery.provider_account a on a.provider_account_id = e.provider_account_id
    where x.delivery_id <> all (p_busy) and x.kind not in ('queued', 'sent', 'other')
    order by x.delivery_id, x.kind, x.event_key, e.happened_at, e.is_machine, detail, coalesce(e.link, '')
  ), noted as (
    insert into delivery.delivery_event as ev (delivery_id, kind, event_key, happened_at, source, detail, is_machine, link, callback_inbox_id)
    select t.delivery_id, t.kind, t.event_key, t.happened_at, 'callback of ' || t.account, nullif(t.detail, ''), t.is_machine, t.link, t.callback_inbox_id
    from told t
    -- Told in two ways: the same one stays, whichever came first.
    on conflict (delivery_id, kind, event_key) do update
      set happened_at = excluded.happened_at, source = excluded.source, detail = excluded.detail, is_machine = excluded.is_machine,
          link = excluded.link, callback_inbox_id = excluded.callback_inbox_id
      where ev.callback_inbox_id is not null
        and (excluded.happened_at, excluded.is_machine, coalesce(excluded.detail, ''), coalesce(excluded.link, ''))
          < (ev.happened_at, ev.is_machine, coalesce(ev.detail, ''), coalesce(ev.link, ''))
  )
  select array_agg(t.callback_inbox_id), array_agg(t.position), array_agg(t.delivery_id) into n_inbox, n_position, n_delivery
  from told t
  -- What most callbacks say has no consequences for anybody.
  where t.is_new and (t.kind in ('bounced_hard', 'bounced_soft', 'complained', 'unsubscribed', 'resubscribed')
    or (t.kind = 'failed' and t.code is not null)
    or (t.kind = 'delivered' and exists (select from delivery.delivery d
      join marketing.contact_point cp on cp.contact_point_id = d.contact_point_id
      join marketing.suppression s on s.channel = cp.channel and s.address = cp.address and s.reason = 'soft bounces'
      where d.delivery_id = t.delivery_id)));
  perform delivery.settle_by_events(array_agg(y.delivery_id), array_agg(y.is_proven))
  from (
    select x.delivery_id, bool_or(x.kind not in ('failed', 'resubscribed', 'other')) as is_proven
    from unnest(p_delivery_ids, p_kinds) as x (delivery_id, kind)
    where x.delivery_id is not null and x.delivery_id <> all (p_busy)
    group by x.delivery_id
  ) y;
  -- Only what is new has consequences: a repeated complaint does not undo what a person has mended since.
  if n_inbox is not null then
    perform delivery.heed_events(n_inbox, n_position, n_delivery);
  end if;
end
$$;
comment on function delivery.fold_events is 'Writes events down once each and lets them decide about their deliveries.';

-- The status of deliveries by all their events. The caller holds the deliveries. p_proven, for each: the provider has had it, as something just said
-- shows, even if it says nothing more. A worker that still has the delivery keeps its token and lease: it has its result to record.
create or replace function delivery.settle_by_events(p_delivery_ids bigint[], p_proven boolean[])
returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
begin
  with was as materialized (
    select d.delivery_id, d.run_step_id, d.status, d.reason, v.kind, v.detail,
           case when v.kind like 'bounced%' then 'bounced'
                when v.kind is not null then v.kind
                when asked.is_proven or d.status in ('delivered', 'bounced') or d.reason = 'provider_failed' then 'sent'
           end::delivery.delivery_status as becomes
    from unnest(p_delivery_ids, p_proven) as asked (delivery_id, is_proven)
    join delivery.delivery d on d.delivery_id = asked.delivery_id
    left join lateral (
      select e.kind, e.detail from delivery.delivery_event e
      where e.delivery_id = d.delivery_id and delivery.event_weight(e.kind) > 0 and e.callback_inbox_id is not null
      order by delivery.event_weight(e.kind) desc, e.happened_at, coalesce(e.detail, '')
      limit 1
    ) v on true
    where d.status <> 'held_out'
  ), moved as (
    update delivery.delivery d
    set status = w.becomes,
        reason = case w.becomes when 'bounced' then w.kind when 'failed' then 'provider_failed' end,
        detail = case when w.becomes in ('bounced', 'failed') then w.detail end,
        waiting_for = null, next_at = null,
        settled_at = case when w.becomes = w.status then d.settled_at else now() end
    from was w
    where d.delivery_id = w.delivery_id and w.becomes is not null
      and (d.status, d.reason, d.detail) is distinct from
          (w.becomes, case w.becomes when 'bounced' then w.kind when 'failed' then 'provider_failed' end,
           case when w.becomes in ('bounced', 'failed') then w.detail end)
    returning d.delivery_id, d.run_step_id, d.status, d.reason, w.status as was, w.reason as was_reason
  ), noted as (
    insert into delivery.delivery_event (delivery_id, kind, event_key, happened_at, source)
    select m.delivery_id, 'sent_after_all', 'callback', now(), 'the provider''s callback' from moved m where m.was = 'uncertain'
    on conflict do nothing
  )
  insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
  select n.run_step_id, n.status, n.reason, pg_backend_pid() % 32, sum(n.amount)
  from (
    select m.run_step_id, m.was as status,
           case when m.was in ('planned', 'queued', 'sending', 'sent') then '' else coalesce(m.was_reason, '') end as reason, -1 as amount from moved m
    union all
    select m.run_step_id, m.status, coalesce(m.reason, ''), 1 from moved m
  ) n
  group by 1, 2, 3
  having sum(n.amount) <> 0
  order by 1, 2, 3
  on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount;
end
$$;
comment on function delivery.settle_by_events is 'Gives deliveries the status that their events say, and keeps the tally.';

-- Orphans whose time has come are looked for again, later each time; what has not been found for a day is not ours.
create or replace function delivery.wake_orphans()
returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
begin
  with due as (
    select o.callback_inbox_id, o.position from delivery.callback_orphan o
    where o.next_at <= now() order by o.next_at limit 100 for update skip locked
  ), given_up as (
    delete from delivery.callback_orphan o using due
    where o.callback_inbox_id = due.callback_inbox_id and o.position = due.position and o.waits_since < now() - interval '1 day'
  ), later as (
    update delivery.callback_orphan o set next_at = now() + greatest(now() - o.waits_since, interval '2 seconds')
    from due
    where o.callback_inbox_id = due.callback_inbox_id and o.position = due.position and o.waits_since >= now() - interval '1 day'
    returning o.callback_inbox_id, o.position, o.provider_message_id
  )
  insert into delivery.callback_todo (callback_inbox_id)
  select distinct l.callback_inbox_id from later l
  where exists (select from delivery.attempt a where a.provider_message_id = l.provider_message_id)
  on conflict do nothing;
end
$$;
comment on function delivery.wake_orphans is 'Looks again for the deliveries of events that came too early.';
