-- needs: count_moves
-- needs: partitions
-- Ends runs with nothing open and nothing uncertain, writes pace and time left of the others. Returns the number of runs ended.
create or replace function delivery.finish_runs()
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_bitmapscan = off -- a generic plan takes a month of delivery_ids for few and would walk through its whole index
as $$
declare
  run record;
  ended integer := 0;
  speed numeric;
begin
  for run in
    select r.campaign_run_id, r.campaign_id, r.plan_ended_at, r.close_as, r.settled_count, r.paced_at, r.per_second,
           c.kind, c.desired_status, c.actual_status,
           coalesce(sum(t.amount) filter (where t.status in ('planned', 'queued', 'sending')), 0) as open,
           coalesce(sum(t.amount) filter (where t.status = 'uncertain'), 0) as uncertain,
           coalesce(sum(t.amount) filter (where t.status in ('failed', 'bounced')), 0) as failed,
           coalesce(sum(t.amount), 0) as audience
    from delivery.campaign_run r
    join marketing.campaign c using (campaign_id)
    left join delivery.run_step rs using (campaign_run_id)
    left join delivery.tally t using (run_step_id)
    where r.ended_at is null and c.kind = 'broadcast'
    group by r.campaign_run_id, c.campaign_id
  loop
    if (run.plan_ended_at is not null or run.close_as is not null) and run.open = 0 and run.uncertain = 0
       and delivery.cursors_at_end(run.campaign_run_id) then
      update delivery.campaign_run r set ended_at = now(), settled_count = run.audience where r.campaign_run_id = run.campaign_run_id;
      update marketing.campaign c
      set actual_status = case when run.desired_status = 'cancelled' then 'cancelled'
                               when run.failed > 0 or run.close_as = 'expired' then 'completed_with_failures' else 'completed' end,
          blocked_reason = null, eta = null
      where c.campaign_id = run.campaign_id;
      ended := ended + 1;
    elsif run.paced_at is null or run.paced_at < now() - interval '1 second' then
      speed := (run.audience - run.open - run.settled_count) / greatest(extract(epoch from now() - run.paced_at), 0.001);
      speed := case when run.paced_at is null then null else round(greatest(coalesce(run.per_second * 0.7 + speed * 0.3, speed), 0), 3) end;
      update delivery.campaign_run r set settled_count = run.audience - run.open, paced_at = now(), per_second = speed
      where r.campaign_run_id = run.campaign_run_id;
      update marketing.campaign c
      set eta = case when run.open > 0 and speed >= 0.1 then now() + least(run.open / speed, 8640000) * interval '1 second' end,
          blocked_reason = case when run.open = 0 and run.uncertain > 0 and run.plan_ended_at is not null
            then format('%s deliveries are uncertain: settled by the provider''s callback, or by delivery.settle_by_hand(delivery_id, ''sent'' or ''failed'').', run.uncertain)
            else c.blocked_reason end
      where c.campaign_id = run.campaign_id;
    end if;
  end loop;
  -- The month or the text of a standing campaign has changed: a newer run takes its messages. An hour is more than a message that is
  -- just being accepted needs.
  with done as (
    update delivery.campaign_run r set ended_at = now()
    from marketing.campaign c
    where c.campaign_id = r.campaign_id and c.kind = 'standing' and r.ended_at is null
      and exists (select from delivery.campaign_run newer
        where newer.campaign_id = r.campaign_id and newer.campaign_run_id > r.campaign_run_id and newer.started_at < now() - interval '1 hour')
      and 0 = (select coalesce(sum(t.amount), 0) from delivery.run_step rs join delivery.tally t using (run_step_id)
        where rs.campaign_run_id = r.campaign_run_id and t.status in ('planned', 'queued', 'sending', 'uncertain'))
    returning 1
  )
  select ended + count(*) into ended from done;
  return ended;
end
$$;
comment on function delivery.finish_runs is 'Ends the runs that are done and estimates when the others will be.';

-- Whether every step of a run has come to its end.
create or replace function delivery.cursors_at_end(p_campaign_run_id bigint)
returns boolean
language plpgsql
stable
as $$
begin
  return (
    select coalesce(bool_and(not exists (
      select from delivery.delivery d
      where d.run_step_id = rs.run_step_id and d.contact_id > rs.dispatch_cursor and d.contact_id <= r.plan_cursor
        and d.status = 'planned' and d.delivery_id >= delivery.first_id_of(r.month))), true)
    from delivery.run_step rs join delivery.campaign_run r using (campaign_run_id)
    where rs.campaign_run_id = p_campaign_run_id);
end
$$;
comment on function delivery.cursors_at_end is 'Whether everything of a run has been put on the broker at least once.';

-- A person decides what became of an uncertain delivery. Returns the new status.
create or replace function delivery.settle_by_hand(p_delivery_id bigint, p_status delivery.delivery_status)
returns delivery.delivery_status
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  step bigint;
  was text;
begin
  if p_status not in ('sent', 'failed') then
    raise exception 'An uncertain delivery can be settled as sent or failed, not as %', p_status;
  end if;
  select d.run_step_id, d.reason into step, was from delivery.delivery d
  where d.delivery_id = p_delivery_id and d.status = 'uncertain' for update;
  if not found then
    raise exception 'Delivery % is not uncertain', p_delivery_id
      using hint = 'Only uncertain deliveries need a decision; see report.stuck.';
  end if;
  update delivery.delivery d
  set status = p_status, reason = case when p_status = 'failed' then 'settled_by_hand' end, waiting_for = null, settled_at = now()
  where d.delivery_id = p_delivery_id;
  insert into delivery.delivery_event (delivery_id, kind, happened_at, source, detail)
  values (p_delivery_id, 'settled_by_hand', now(), session_user, p_status::text);
  perform delivery.count_change(array[step], array[1::bigint], 'uncertain', was, p_status,
    case when p_status = 'failed' then 'settled_by_hand' else '' end);
  return p_status;
end
$$;
comment on function delivery.settle_by_hand is 'Decides about a delivery of which nobody knows whether it went out: sent or failed.';
