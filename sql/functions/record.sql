-- needs: account_choice
-- needs: count_moves
-- needs: doubt
-- needs: heed
-- Writes down what became of claimed deliveries, many at a time, in one transaction. Arrays of the same length of what each has for itself:
-- delivery, claim token, attempt, provider's id, duration in ms, fingerprint of the payload, and the place of its result among the results.
-- Results, for many mostly the same one, are arrays of the same length: new status, outcome (null: none was made), code, words, reason,
-- detail of the wait, wait in ms until the next look (null: settled), counts as failure, counts as not sent. p_places null: the first has the
-- first result, and so on.
-- Only where the claim token is still the caller's does the delivery move; otherwise the result is kept as late evidence with the attempt
-- (see delivery.settle_late). Returns the number of deliveries moved.
create or replace function delivery.record(p_worker text, p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[],
  p_statuses delivery.delivery_status[], p_outcomes delivery.outcome_class[], p_codes text[], p_words text[], p_provider_ids text[],
  p_reasons text[], p_waiting_for text[], p_wait_ms bigint[], p_failed boolean[], p_not_sent boolean[], p_durations_ms integer[],
  p_payload_sha256 text[], p_places integer[] default null)
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  moved_count integer;
  moved_ids bigint[];
  places integer[] := coalesce(p_places, array(select generate_series(1, cardinality(p_delivery_ids))));
  outcomes delivery.outcome_class[];
begin
  with told as (
    select x.delivery_id, x.claim_token, x.attempt, x.provider_message_id, x.duration_ms, x.payload_sha256, p_statuses[x.place] as status,
           p_outcomes[x.place] as outcome, p_codes[x.place] as code, p_words[x.place] as words, p_reasons[x.place] as reason,
           p_waiting_for[x.place] as waiting_for, p_wait_ms[x.place] as wait_ms, p_failed[x.place] as failed, p_not_sent[x.place] as not_sent
    from unnest(p_delivery_ids, p_claim_tokens, p_attempts, p_provider_ids, p_durations_ms, p_payload_sha256, places)
      as x (delivery_id, claim_token, attempt, provider_message_id, duration_ms, payload_sha256, place)
  ), moved as (
    update delivery.delivery d
    set status = v.status,
        reason = case when v.status = t.status then t.reason else 'outcome_unknown' end,
        waiting_for = case when v.status = t.status then t.waiting_for else 'the provider''s word, or a person''s decision' end,
        detail = case when t.status = 'sent' then null else t.words end,
        -- Another account need not wait for this one's provider. Asked for no other row: a call for each costs more than all the rest, and
        -- "and" asks behind what is null, too.
        next_at = now() + case when t.waiting_for is not distinct from 'the provider' and delivery.has_other_way(d.run_step_id, d.lane_id)
          then 0 else t.wait_ms end * interval '1 millisecond',
        failures = d.failures + t.failed::integer::smallint,
        not_sent = d.not_sent + t.not_sent::integer::smallint,
        provider_message_id = coalesce(t.provider_message_id, d.provider_message_id),
        lease_until = null,
        settled_at = case when v.status not in ('planned', 'queued', 'sending', 'uncertain') then now() end
    from told t
    cross join lateral (select case
        when t.status in ('skipped', 'cancelled', 'expired', 'failed') and delivery.is_in_doubt(t.delivery_id, t.attempt - 1)
          then 'uncertain' else t.status end as status) v
    where d.delivery_id = t.delivery_id and d.status = 'sending'
      and d.claim_token = t.claim_token -- guard: claim_token
    returning d.delivery_id, d.attempt, d.run_step_id, d.status, d.reason
  ), counted as (
    insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
    select n.run_step_id, n.status, n.reason, pg_backend_pid() % 32, n.amount
    from (
      select m.run_step_id, 'sending'::delivery.delivery_status as status, '' as reason, -count(*) as amount from moved m group by 1
      union all
      select m.run_step_id, m.status, case when m.status in ('planned', 'sent') then '' else coalesce(m.reason, '') end, count(*)
      from moved m group by 1, 2, 3
      order by 1, 2, 3
    ) n
    on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount
  ), attempted as ( -- the attempt of a claim that holds is nobody else's
    insert into delivery.attempt (delivery_id, attempt, outcome, code, words, provider_message_id, payload_sha256, duration_ms, worker)
    select t.delivery_id, t.attempt, t.outcome, t.code, t.words, t.provider_message_id, t.payload_sha256, t.duration_ms, p_worker
    from told t join moved m on m.delivery_id = t.delivery_id and m.attempt = t.attempt
    where t.outcome is not null
  )
  select count(*), array_agg(m.delivery_id) into moved_count, moved_ids from moved m;
  if moved_count < array_length(p_delivery_ids, 1) then
    -- The sweeper may have written that nothing is known of it.
    insert into delivery.attempt as a (delivery_id, attempt, outcome, code, words, provider_message_id, payload_sha256, duration_ms, worker, is_late)
    select t.delivery_id, t.attempt, p_outcomes[t.place], p_codes[t.place], p_words[t.place], t.provider_message_id, t.payload_sha256, t.duration_ms,
           p_worker, true
    from unnest(p_delivery_ids, p_attempts, p_provider_ids, p_durations_ms, p_payload_sha256, places)
      as t (delivery_id, attempt, provider_message_id, duration_ms, payload_sha256, place)
    where p_outcomes[t.place] is not null and t.delivery_id <> all (coalesce(moved_ids, '{}'))
    on conflict (delivery_id, attempt) do update
      set outcome = excluded.outcome, code = excluded.code, words = excluded.words, provider_message_id = excluded.provider_message_id,
          payload_sha256 = excluded.payload_sha256, duration_ms = excluded.duration_ms, is_late = true
      where a.outcome = 'uncertain';
    moved_count := moved_count + delivery.note_results(p_delivery_ids, p_claim_tokens, p_attempts, p_provider_ids);
  end if;
  if moved_count < array_length(p_delivery_ids, 1) then
    outcomes := array(select p_outcomes[x.place] from unnest(places) with ordinality as x (place, n) order by x.n);
    perform delivery.settle_late(p_delivery_ids, p_attempts, outcomes, p_provider_ids);
  end if;
  perform delivery.wake_events(p_provider_ids);
  if exists (select from unnest(p_outcomes, p_codes) as x (outcome, code) where x.code is not null and x.outcome <> 'accepted') then
    perform delivery.heed_codes(p_delivery_ids, p_attempts,
      array(select p_codes[x.place] from unnest(places) with ordinality as x (place, n) order by x.n));
  end if;
  -- An attempt whose answer came late had been accepted, and now a later one was not: it was sent all the same.
  if exists (select from unnest(p_attempts, places) as x (attempt, place) where x.attempt > 1 and p_statuses[x.place] <> 'sent') then
    perform delivery.settle_late(array_agg(d.delivery_id), array_agg(d.attempt), array_agg(a.outcome), array_agg(a.provider_message_id))
    from delivery.delivery d
    join delivery.attempt a on a.delivery_id = d.delivery_id and a.outcome = 'accepted'
    where d.delivery_id = any (p_delivery_ids) and d.status in ('uncertain', 'planned')
    having count(*) > 0;
  end if;
  return moved_count;
end
$$;
comment on function delivery.record is 'Writes down what became of deliveries that a worker had.';

-- A callback was quicker than the worker: it has settled the delivery and left the worker its token and lease. The provider's word stands; the
-- result is kept with it. Returns how many deliveries that were.
create or replace function delivery.note_results(p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_provider_ids text[])
returns integer
language sql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
  with told as (
    select d.delivery_id, t.attempt, t.provider_message_id
    from unnest(p_delivery_ids, p_claim_tokens, p_attempts, p_provider_ids) as t (delivery_id, claim_token, attempt, provider_message_id)
    join delivery.delivery d on d.delivery_id = t.delivery_id and d.claim_token = t.claim_token
    where d.lease_until is not null and d.status in ('sent', 'delivered', 'bounced', 'failed')
    order by d.delivery_id
    for update of d
  ), noted as (
    update delivery.delivery d
    set lease_until = null, provider_message_id = coalesce(t.provider_message_id, d.provider_message_id)
    from told t
    where d.delivery_id = t.delivery_id
    returning d.delivery_id
  ), in_time as (
    update delivery.attempt a set is_late = false
    from told t
    where a.delivery_id = t.delivery_id and a.attempt = t.attempt
  )
  select count(*)::integer from noted
$$;
comment on function delivery.note_results is 'Keeps the results of deliveries that a provider''s callback had settled before.';

-- What a provider has said of these messages before we knew its numbers for them is folded now.
create or replace function delivery.wake_events(p_provider_ids text[])
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  -- Hardly ever there is one: the usual answer must cost the workers nothing.
  if exists (select from delivery.callback_orphan) then
    insert into delivery.callback_todo (callback_inbox_id)
    select distinct o.callback_inbox_id
    from unnest(p_provider_ids) as x (provider_message_id)
    join delivery.callback_orphan o on o.provider_message_id = x.provider_message_id
    on conflict do nothing;
  end if;
end
$$;
comment on function delivery.wake_events is 'Sets events going that waited for the provider''s number of their message.';

-- Late evidence, of a worker whose lease had run out. The last attempt was accepted: it was sent, unless it is on its way again
-- with another worker. It never began, or never left us: an `uncertain` delivery goes back to `planned`, and the attempt does
-- not count as a failure.
create or replace function delivery.settle_late(p_delivery_ids bigint[], p_attempts integer[], p_outcomes delivery.outcome_class[], p_provider_ids text[])
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  with told as (
    select d.delivery_id, d.run_step_id, d.attempt, d.status as was, coalesce(d.reason, '') as reason, t.provider_message_id,
           t.outcome is not distinct from 'accepted' as is_sent
    from unnest(p_delivery_ids, p_attempts, p_outcomes, p_provider_ids) as t (delivery_id, attempt, outcome, provider_message_id)
    join delivery.delivery d on d.delivery_id = t.delivery_id and d.attempt = t.attempt
    where (d.status = 'uncertain' and (t.outcome is null or t.outcome in ('accepted', 'not_sent')))
       or (d.status in ('planned', 'queued') and t.outcome = 'accepted')
    order by d.delivery_id
    for update of d
  ), moved as (
    update delivery.delivery d
    set status = (case when t.is_sent then 'sent' else 'planned' end)::delivery.delivery_status,
        reason = null, detail = null,
        waiting_for = case when not t.is_sent then 'its next attempt' end,
        next_at = case when not t.is_sent then now() end,
        settled_at = case when t.is_sent then now() end,
        failures = case when t.is_sent then d.failures else greatest(d.failures - 1, 0) end,
        provider_message_id = coalesce(t.provider_message_id, d.provider_message_id)
    from told t
    where d.delivery_id = t.delivery_id and d.status = t.was and d.attempt = t.attempt
    returning d.delivery_id, d.run_step_id, d.attempt, d.status, t.was, t.reason
  ), corrected as (
    update delivery.attempt a
    set outcome = 'not_sent', code = null, words = 'The worker gave it back without having begun.', is_late = true
    from moved m
    where a.delivery_id = m.delivery_id and a.attempt = m.attempt and m.status = 'planned' and a.code = 'lease_expired'
  ), noted as (
    insert into delivery.delivery_event (delivery_id, kind, happened_at, source)
    select m.delivery_id, 'sent_after_all', now(), 'the worker''s late answer' from moved m where m.status = 'sent'
  )
  insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
  select n.run_step_id, n.status, n.reason, pg_backend_pid() % 32, sum(n.amount)
  from (
    select m.run_step_id, m.was as status, case m.was when 'uncertain' then m.reason else '' end as reason, -1 as amount from moved m
    union all
    select m.run_step_id, m.status, '', 1 from moved m
  ) n
  group by 1, 2, 3
  order by 1, 2, 3
  on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount;
end
$$;
comment on function delivery.settle_late is 'Settles deliveries whose answer came after their worker''s time was up.';

-- The address will never work: the endpoint is switched off, the person is not.
create or replace function delivery.drop_address(p_contact_point_ids bigint[], p_reasons text[])
returns integer
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with moved as (
    update marketing.contact_point p set is_usable = false, unusable_reason = t.reason
    from unnest(p_contact_point_ids, p_reasons) as t (contact_point_id, reason)
    where p.contact_point_id = t.contact_point_id and p.is_usable
    returning 1
  )
  select count(*)::integer from moved
$$;
comment on function delivery.drop_address is 'Switches off addresses that a provider said will never work.';
