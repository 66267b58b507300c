-- needs: partitions
-- Why a campaign cannot start, as a sentence; null when it can.
create or replace function marketing.start_problem(p_campaign_id bigint)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when not exists (select from marketing.step s where s.campaign_id = p_campaign_id)
      then 'The campaign has no step: add at least one with a template.'
    else (
      select min(case
        when v.template_version_id is null then format('Template "%s" has no version: add its texts.', t.name)
        when v.problem is not null then format('Template "%s" does not work: %s', t.name, v.problem)
        when a.provider_account_id is null then format('No active provider account for %s.', t.channel)
        when a.channel <> t.channel then format('Account "%s" serves %s, but template "%s" is for %s.', a.name, a.channel, t.name, t.channel)
      end)
      from marketing.step s
      join marketing.template t using (template_id)
      left join lateral (select * from marketing.template_version tv where tv.template_id = t.template_id order by template_version_id desc limit 1) v on true
      left join lateral (select * from delivery.provider_account pa
        where (s.provider_account_id is null and pa.channel = t.channel and pa.is_active) or pa.provider_account_id = s.provider_account_id
        order by pa.priority, pa.provider_account_id limit 1) a on true
      where s.campaign_id = p_campaign_id)
  end
$$;
comment on function marketing.start_problem is 'What stands in the way of starting a campaign; empty when nothing does.';

-- Makes the run of a campaign with its steps, lanes and pinned template versions. The caller has checked start_problem.
create or replace function delivery.make_run(p_campaign_id bigint)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  run_id bigint;
  this_month integer := delivery.month_of(now());
begin
  perform delivery.ensure_partition(this_month);
  insert into delivery.campaign_run (campaign_id, month, segment_condition, expires_at)
  select c.campaign_id, this_month, s.condition, now() + c.expires_after
  from marketing.campaign c left join marketing.segment s using (segment_id)
  where c.campaign_id = p_campaign_id
  returning campaign_run_id into run_id;

  insert into delivery.lane (provider_account_id, class, queue_name)
  select distinct a.provider_account_id, c.class, format('postrider.%s.%s.%s', a.channel, a.name, c.class)
  from marketing.campaign c
  join marketing.step s using (campaign_id)
  join marketing.template t using (template_id)
  cross join lateral (select * from delivery.provider_account pa
    where (s.provider_account_id is null and pa.channel = t.channel and pa.is_active) or pa.provider_account_id = s.provider_account_id
    order by pa.priority, pa.provider_account_id limit 1) a
  where c.campaign_id = p_campaign_id
  on conflict do nothing;

  insert into delivery.run_step (campaign_run_id, step_id, channel, lane_id, template_version_id)
  select run_id, s.step_id, t.channel, l.lane_id, v.template_version_id
  from marketing.campaign c
  join marketing.step s using (campaign_id)
  join marketing.template t using (template_id)
  cross join lateral (select * from marketing.template_version tv where tv.template_id = t.template_id order by template_version_id desc limit 1) v
  cross join lateral (select * from delivery.provider_account pa
    where (s.provider_account_id is null and pa.channel = t.channel and pa.is_active) or pa.provider_account_id = s.provider_account_id
    order by pa.priority, pa.provider_account_id limit 1) a
  join delivery.lane l on l.provider_account_id = a.provider_account_id and l.class = c.class
  where c.campaign_id = p_campaign_id
  order by s.position;
  return run_id;
end
$$;
comment on function delivery.make_run is 'Starts one firing of a campaign.';

-- What people wished for becomes what is: starts due broadcasts, and notes pauses, resumptions and cancellations.
-- Returns the number of campaigns that changed. Called by the leading scheduler several times a second.
create or replace function delivery.follow_wishes()
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  due record;
  problem text;
  changed integer := 0;
  more integer;
begin
  for due in
    select c.* from marketing.campaign c
    where c.kind = 'broadcast' and c.desired_status = 'running' and c.actual_status in ('draft', 'scheduled')
    order by c.campaign_id
    for update skip locked
  loop
    if due.send_at > now() then
      if due.actual_status <> 'scheduled' then
        update marketing.campaign set actual_status = 'scheduled' where campaign_id = due.campaign_id;
        changed := changed + 1;
      end if;
      continue;
    end if;
    problem := marketing.start_problem(due.campaign_id);
    if problem is not null then
      update marketing.campaign set blocked_reason = problem
      where campaign_id = due.campaign_id and blocked_reason is distinct from problem;
      continue;
    end if;
    perform delivery.make_run(due.campaign_id);
    update marketing.campaign set actual_status = 'running', blocked_reason = null where campaign_id = due.campaign_id;
    changed := changed + 1;
  end loop;

  update marketing.campaign c
  set actual_status = case when c.desired_status = 'running' then 'running' else 'paused' end,
      blocked_reason = case when c.desired_status = 'running' then null else c.blocked_reason end
  where (c.desired_status = 'paused' and c.actual_status = 'running') or (c.desired_status = 'running' and c.actual_status = 'paused');
  get diagnostics more = row_count;
  changed := changed + more;

  update marketing.campaign c set actual_status = 'draft', blocked_reason = null
  where c.desired_status = 'draft' and c.actual_status = 'scheduled';
  get diagnostics more = row_count;
  changed := changed + more;

  -- A broadcast that never started has nothing to close.
  update marketing.campaign c set actual_status = 'cancelled', blocked_reason = null
  where c.desired_status = 'cancelled' and c.actual_status in ('draft', 'scheduled');
  get diagnostics more = row_count;
  changed := changed + more;

  update delivery.campaign_run r
  set close_as = (case when c.desired_status = 'cancelled' then 'cancelled' else 'expired' end)::delivery.delivery_status
  from marketing.campaign c
  where c.campaign_id = r.campaign_id and r.ended_at is null and r.close_as is null and c.kind = 'broadcast'
    and (c.desired_status = 'cancelled' or r.expires_at <= now());
  get diagnostics more = row_count;
  return changed + more;
end
$$;
comment on function delivery.follow_wishes is 'Starts, pauses, resumes and cancels campaigns as people wished.';
