-- needs: partitions
-- needs: count_moves
-- needs: doubt
-- Repairs what a crash left behind, for one step of a run at a time; several schedulers share the steps.
-- p_attention_ms: a delivery that is on its way for longer gets a next_at and leaves the window between the cursors. Returns how many
-- deliveries were moved or marked.
create or replace function delivery.sweep(p_attention_ms bigint, p_limit integer)
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_bitmapscan = off -- a generic plan takes a month of delivery_ids for few and would walk through its whole index
as $$
declare
  work record;
  range record;
  touched integer := 0;
  steps bigint[] := '{}';
  cursors bigint[] := '{}';
begin
  for work in
    select rs.run_step_id, rs.dispatch_cursor, rs.settled_cursor, r.month, r.close_as
    from delivery.campaign_run r
    join delivery.run_step rs using (campaign_run_id)
    where r.ended_at is null and rs.swept_at < now() - interval '500 milliseconds'
    order by rs.swept_at, rs.run_step_id
    limit 100
  loop
    -- Not the row itself: dispatching moves a cursor in it and must not wait for a sweep.
    continue when not pg_try_advisory_xact_lock(hashtextextended('postrider sweep', work.run_step_id));
    if work.close_as is not null then
      touched := touched + delivery.close_rest(work.run_step_id, work.month, work.close_as, p_limit);
    end if;
    range := delivery.sweep_range(work.run_step_id, work.month, work.settled_cursor, work.dispatch_cursor, p_limit);
    if range.oldest_at < now() - p_attention_ms * interval '1 millisecond' then
      touched := touched + delivery.sweep_window(work.run_step_id, work.month, range.settled_upto, range.seen_upto, p_attention_ms, p_limit);
    end if;
    touched := touched + delivery.sweep_overdue(work.run_step_id, work.month, p_limit);
    steps := steps || work.run_step_id;
    cursors := cursors || range.settled_upto;
  end loop;
  -- At the very end, and never waiting: who dispatches from a step holds its row and may be waiting for what is counted here. Such a
  -- step is swept again the next time.
  with free as (
    select rs.run_step_id from delivery.run_step rs where rs.run_step_id = any (steps)
    for no key update skip locked
  )
  update delivery.run_step rs
  set swept_at = now(), settled_cursor = greatest(rs.settled_cursor, done.settled_upto)
  from unnest(steps, cursors) as done (run_step_id, settled_upto)
  join free using (run_step_id)
  where rs.run_step_id = done.run_step_id;
  return touched;
end
$$;
comment on function delivery.sweep is 'Finds deliveries that a crash left hanging and sets them going again.';

-- How far everything is settled or has a next_at, how far was looked: at most p_limit deliveries, and since when the oldest of those
-- that are open has been on its way.
create or replace function delivery.sweep_range(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_limit integer,
  out settled_upto bigint, out seen_upto bigint, out oldest_at timestamptz)
language plpgsql
as $$
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  oldest_open bigint;
begin
  if p_from < p_to then
    select max(w.contact_id), min(w.contact_id) filter (where w.is_open), min(w.since) filter (where w.is_open)
    into seen_upto, oldest_open, oldest_at
    from (
      select d.contact_id, coalesce(d.queued_at, d.planned_at) as since,
             d.status in ('planned', 'queued', 'sending') and d.next_at is null as is_open
      from delivery.delivery d
      where d.run_step_id = p_run_step_id and d.contact_id > p_from and d.contact_id <= p_to
        and d.delivery_id >= low
      order by d.contact_id limit p_limit
    ) w;
    seen_upto := coalesce(seen_upto, p_to);
    settled_upto := coalesce(oldest_open - 1, seen_upto);
  else
    settled_upto := p_from;
    seen_upto := p_from;
  end if;
end
$$;
comment on function delivery.sweep_range is 'Finds how far the settled cursor of a step may move.';

-- What lies between the cursors and has been open for longer than p_attention_ms gets a next_at.
create or replace function delivery.sweep_window(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_attention_ms bigint, p_limit integer)
returns integer
language plpgsql
as $$
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  marked integer;
begin
  if p_from >= p_to then
    return 0;
  end if;
  update delivery.delivery d
  set next_at = case d.status when 'sending' then d.lease_until else now() end
  from (
    select s.delivery_id, s.epoch from delivery.delivery s
    where s.run_step_id = p_run_step_id and s.contact_id > p_from and s.contact_id <= p_to
      and s.delivery_id >= low
      and s.status in ('planned', 'queued', 'sending') and s.next_at is null
      and coalesce(s.queued_at, s.planned_at) < now() - p_attention_ms * interval '1 millisecond'
    order by s.contact_id limit p_limit
    for update skip locked
  ) old
  where d.delivery_id = old.delivery_id and d.delivery_id >= low and d.delivery_id < high
    and d.next_at is null and d.status in ('planned', 'queued', 'sending');
  get diagnostics marked = row_count;
  return marked;
end
$$;
comment on function delivery.sweep_window is 'Marks what has been on its way for too long.';

-- Deliveries whose next_at has passed and that are not simply due: leases that ran out, messages that the broker lost.
create or replace function delivery.sweep_overdue(p_run_step_id bigint, p_month integer, p_limit integer)
returns integer
language plpgsql
as $$
#variable_conflict use_column
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  expired bigint;
  lost bigint;
  leases integer;
begin
  -- 1. Its worker is gone: nobody knows whether it was sent. A provider that recognises repeats gets it again. After a restart of the
  -- database the workers get a moment to record what they could not.
  with gone as (
    select d.delivery_id, d.attempt, d.failures, d.lane_id from delivery.delivery d
    where d.run_step_id = p_run_step_id and d.next_at <= now() and d.status = 'sending' and d.lease_until <= now()
      and pg_postmaster_start_time() < now() - interval '5 seconds'
      and d.delivery_id >= low and d.delivery_id < high
    order by d.next_at limit p_limit
    for update skip locked
  ), noted as (
    insert into delivery.attempt (delivery_id, attempt, outcome, code, words, worker)
    select d.delivery_id, d.attempt, 'uncertain', 'lease_expired', 'The worker that had it disappeared.', coalesce(d.claimed_by, '')
    from delivery.delivery d join gone using (delivery_id)
    on conflict do nothing
  ), moved as (
    update delivery.delivery d
    set status = (case when again then 'planned' else 'uncertain' end)::delivery.delivery_status,
        reason = 'lease_expired',
        waiting_for = case when again then 'its next attempt' else 'the provider''s word, or a person''s decision' end,
        next_at = case when again then now() end,
        failures = d.failures + 1, claim_token = null, lease_until = null
    from gone g
    join delivery.step_lanes(p_run_step_id) sl using (lane_id)
    cross join lateral (select sl.resend and g.failures + 1 < sl.attempts_max as again) v
    where d.delivery_id = g.delivery_id and d.delivery_id >= low and d.delivery_id < high
    returning d.status, d.reason
  ), counted as (
    insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
    select p_run_step_id, n.status, n.reason, pg_backend_pid() % 32, n.amount
    from (
      select 'sending'::delivery.delivery_status as status, '' as reason, -count(*) as amount from moved having count(*) > 0
      union all
      select m.status, case m.status when 'planned' then '' else m.reason end, count(*) from moved m group by 1, 2
      order by 1, 2
    ) n
    on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount
  )
  select count(*) into leases from moved;

  -- 2. Too late, whatever it waited for.
  expired := delivery.close_waiting(p_run_step_id, p_month, 'expired', 'too_late', now(), p_limit);

  -- 3. Lost on the broker: the lane is first in, first out, so what was queued a minute before the newest message that a worker took is
  -- gone, and so is everything when nothing has waited on the broker for 5 seconds. The patience doubles with each
  -- dispatch; a mistake costs a stale message and nothing else.
  with overdue as (
    select d.delivery_id, coalesce(d.queued_at < sl.newest_queued_at - interval '60 seconds' * power(2, least(d.epoch, 6) - 1), false)
        or coalesce(sl.quiet_since < now() - interval '5 seconds' and d.queued_at < now() - interval '5 seconds' * power(2, least(d.epoch, 6) - 1), false) as is_lost
    from delivery.delivery d
    join delivery.step_lanes(p_run_step_id) sl using (lane_id)
    where d.run_step_id = p_run_step_id and d.next_at <= now() and d.status = 'queued'
      and d.delivery_id >= low and d.delivery_id < high
    order by d.next_at limit p_limit
    for update of d skip locked
  ), moved as (
    update delivery.delivery d
    set status = (case when o.is_lost then 'planned' else 'queued' end)::delivery.delivery_status,
        waiting_for = case when o.is_lost then 'its turn: the broker lost it' else 'a worker' end,
        next_at = case when o.is_lost then now() else now() + interval '2 seconds' end
    from overdue o where d.delivery_id = o.delivery_id and d.delivery_id >= low and d.delivery_id < high
    returning o.is_lost
  )
  select count(*) filter (where is_lost) into lost from moved;
  if lost > 0 then
    perform delivery.count_change(array[p_run_step_id], array[lost], 'queued', '', 'planned', '');
  end if;
  return leases + expired::integer + lost::integer;
end
$$;
comment on function delivery.sweep_overdue is 'Decides about deliveries that nobody has answered for in time.';

-- The lanes of a step as the sweeper sees them: whether an attempt in doubt is made again there, the newest message that a worker took from
-- the lane, and since when nothing has waited in it (null: something waits, or nobody has looked lately).
create or replace function delivery.step_lanes(p_run_step_id bigint)
returns table (lane_id integer, resend boolean, attempts_max integer, newest_queued_at timestamptz, quiet_since timestamptz)
language sql
stable
as $$
  select sl.lane_id, p.is_keyed or c.on_uncertain = 'resend', c.attempts_max,
         (select max(lp.newest_queued_at) from delivery.lane_pulse lp where lp.lane_id = sl.lane_id),
         case when l.measured_at > now() - interval '5 seconds' then l.empty_since end
  from delivery.run_step_lane sl
  join delivery.run_step rs using (run_step_id)
  join delivery.campaign_run r using (campaign_run_id)
  join marketing.campaign c using (campaign_id)
  join delivery.lane l on l.lane_id = sl.lane_id
  join delivery.provider_account a using (provider_account_id)
  join delivery.provider p using (driver)
  where sl.run_step_id = p_run_step_id
$$;
comment on function delivery.step_lanes is 'What the sweeper needs to know of the lanes of a step.';

-- What is left of a cancelled or expired run: nothing of it is sent any more. Moves the dispatch cursor, so it can stop anywhere.
create or replace function delivery.close_rest(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_limit integer)
returns integer
language plpgsql
as $$
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  why text := case p_as when 'cancelled' then 'campaign_cancelled' else 'too_late' end;
  from_contact bigint;
  planned_upto bigint;
  to_contact bigint;
  closed bigint := 0;
begin
  select rs.dispatch_cursor, r.plan_cursor into from_contact, planned_upto
  from delivery.run_step rs join delivery.campaign_run r using (campaign_run_id) where rs.run_step_id = p_run_step_id;
  select max(p.contact_id) into to_contact from (
    select d.contact_id from delivery.delivery d
    where d.run_step_id = p_run_step_id and d.contact_id > from_contact and d.contact_id <= planned_upto and d.delivery_id >= low
    order by d.contact_id limit p_limit
  ) p;
  if to_contact is not null then
    update delivery.delivery d
    set status = p_as, reason = why, waiting_for = null, settled_at = now()
    where d.run_step_id = p_run_step_id and d.contact_id > from_contact and d.contact_id <= to_contact
      and d.delivery_id >= low and d.status = 'planned' and d.next_at is null;
    get diagnostics closed = row_count;
    update delivery.run_step rs set dispatch_cursor = to_contact where rs.run_step_id = p_run_step_id;
  end if;
  if closed > 0 then
    perform delivery.count_change(array[p_run_step_id], array[closed], 'planned', '', p_as, why);
  end if;
  -- Those that have been on the way before: waiting for a retry, or with a message somewhere on the broker.
  return (closed + delivery.close_waiting(p_run_step_id, p_month, p_as, why, 'infinity', p_limit))::integer;
end
$$;
comment on function delivery.close_rest is 'Closes what is left of a cancelled or expired run.';

-- Deliveries that have a next_at and wait, for their turn or for a worker, are not sent any more, if they expire by p_expire_by. One of which
-- an attempt may have arrived does not end as if nothing had been sent.
create or replace function delivery.close_waiting(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_why text,
  p_expire_by timestamptz, p_limit integer)
returns bigint
language plpgsql
as $$
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  closed bigint;
begin
  with waiting as (
    select d.delivery_id, d.status, d.attempt from delivery.delivery d
    where d.run_step_id = p_run_step_id and d.next_at is not null and d.status in ('planned', 'queued') and d.expires_at <= p_expire_by
      and d.delivery_id >= low and d.delivery_id < high
    limit p_limit
    for update skip locked
  ), moved as (
    update delivery.delivery d
    set status = case when v.in_doubt then 'uncertain' else p_as end,
        reason = case when v.in_doubt then 'outcome_unknown' else p_why end,
        waiting_for = case when v.in_doubt then 'the provider''s word, or a person''s decision' end,
        settled_at = case when not v.in_doubt then now() end,
        next_at = null, epoch = d.epoch + 1
    from waiting w
    cross join lateral (select delivery.is_in_doubt(w.delivery_id, w.attempt) as in_doubt) v
    where d.delivery_id = w.delivery_id and d.delivery_id >= low and d.delivery_id < high
    returning w.status as was, d.status, d.reason
  ), counted as (
    insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
    select p_run_step_id, n.status, n.reason, pg_backend_pid() % 32, n.amount
    from (
      select m.was as status, '' as reason, -count(*) as amount from moved m group by 1
      union all
      select m.status, m.reason, count(*) from moved m group by 1, 2
      order by 1, 2
    ) n
    on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount
  )
  select count(*) into closed from moved;
  return closed;
end
$$;
comment on function delivery.close_waiting is 'Closes deliveries that have been on the way and wait, because they are cancelled or too late.';
