-- needs: account_choice
-- needs: partitions
-- needs: templates
-- What each step of a campaign would use if it started now: the version of its template and the account that sends it. Either is null where
-- there is none. A broadcast takes the newest version. What is sent one at a time goes on with the version that works until a newer one is
-- checked and works too: a mistake in a text must not stop the one-time codes.
create or replace function marketing.step_choice(p_campaign_id bigint)
returns table (step_id bigint, "position" integer, class marketing.message_class, template_id bigint, channel marketing.channel,
  template_version_id bigint, provider_account_id integer)
language sql
stable
as $$
  select s.step_id, s.position, c.class, t.template_id, t.channel, v.template_version_id, a.provider_account_id
  from marketing.campaign c
  join marketing.step s using (campaign_id)
  join marketing.template t using (template_id)
  left join lateral (
    select tv.template_version_id
    from marketing.template_version tv
    where tv.template_id = t.template_id
    order by case when c.kind <> 'standing' then 0 when tv.problem is not null then 2 when tv.checked_at is null then 1 else 0 end,
             tv.template_version_id desc
    limit 1) v on true
  left join lateral (
    select sa.provider_account_id
    from marketing.step_accounts(s.step_id) sa
    order by sa.priority, sa.provider_account_id
    limit 1) a on true
  where c.campaign_id = p_campaign_id
$$;
comment on function marketing.step_choice is 'Which text and which account each step of a campaign would use if it started now.';

-- Why a campaign cannot start, as a sentence; null when it can. What is sent one at a time does not wait to be checked.
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
        when partial.problem is not null then partial.problem
        when a.provider_account_id is null then format('No active provider account for %s.', t.channel)
        when a.channel <> t.channel then format('Account "%s" serves %s, but template "%s" is for %s.', a.name, a.channel, t.name, t.channel)
        when c.kind <> 'standing' and not v.is_current then format(
          'Template "%s" waits to be checked. A worker does that within a second: if this stays, no worker is running.', t.name)
      end)
      from marketing.campaign c
      cross join lateral marketing.step_choice(c.campaign_id) s
      join marketing.template t using (template_id)
      left join marketing.template_version v using (template_version_id)
      left join delivery.provider_account a using (provider_account_id)
      left join lateral (
        select format('Partial "%s", which template "%s" uses, does not work: %s', p.name, t.name, pv.problem) as problem
        from marketing.partial p
        cross join lateral (select x.problem from marketing.partial_version x
          where x.partial_id = p.partial_id order by x.partial_version_id desc limit 1) pv
        where c.kind <> 'standing' and p.name = any (v.partial_names) and pv.problem is not null
        order by p.name limit 1) partial on true
      where c.campaign_id = p_campaign_id)
  end
$$;
comment on function marketing.start_problem is 'What stands in the way of starting a campaign; empty when nothing does.';

-- Makes the run of a campaign with its steps and lanes, and pins what its messages are made of: template versions, the partials that they
-- were checked with, and the defaults of tokens. The caller has checked start_problem.
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
  select distinct a.provider_account_id, s.class, format('postrider.%s.%s.%s', a.channel, a.name, s.class)
  from marketing.step_choice(p_campaign_id) s
  cross join lateral marketing.step_accounts(s.step_id) sa
  join delivery.provider_account a on a.provider_account_id = sa.provider_account_id
  on conflict do nothing;

  insert into delivery.run_step (campaign_run_id, step_id, channel, lane_id, template_version_id, partial_version_ids, token_defaults)
  select run_id, s.step_id, s.channel, l.lane_id, v.template_version_id, delivery.pinned_partials(v), marketing.token_defaults()
  from marketing.step_choice(p_campaign_id) s
  join marketing.template_version v using (template_version_id)
  join delivery.lane l on l.provider_account_id = s.provider_account_id and l.class = s.class
  order by s.position;

  insert into delivery.run_step_lane (run_step_id, lane_id)
  select rs.run_step_id, l.lane_id
  from marketing.step_choice(p_campaign_id) s
  join delivery.run_step rs on rs.campaign_run_id = run_id and rs.step_id = s.step_id
  cross join lateral marketing.step_accounts(s.step_id) sa
  join delivery.lane l on l.provider_account_id = sa.provider_account_id and l.class = s.class;
  return run_id;
end
$$;
comment on function delivery.make_run is 'Starts one firing of a campaign.';

-- Which partials a run that starts now keeps: those that its version was checked with; not yet checked: the newest.
create or replace function delivery.pinned_partials(p_version marketing.template_version)
returns bigint[]
language sql
stable
as $$
  select case when p_version.checked_at is not null then p_version.partial_version_ids
    else (select p.partial_version_ids
          from marketing.partials_of(concat_ws(E'\n', p_version.subject, p_version.body_text, p_version.body_html, p_version.link,
            p_version.image, p_version.data)) p) end
$$;
comment on function delivery.pinned_partials is 'The texts of the partials that a run keeps from its start to its end.';

-- The open run of a standing campaign that says what a message sent now should say; no row when one is to be made.
create or replace function delivery.standing_run(p_campaign_id bigint)
returns table (campaign_run_id bigint, month integer, run_step_id bigint)
language sql
stable
as $$
  select r.campaign_run_id, r.month, rs.run_step_id
  from marketing.step_choice(p_campaign_id) s
  join marketing.template_version v on v.template_version_id = s.template_version_id and v.problem is null
  join delivery.campaign_run r on r.campaign_id = p_campaign_id and r.ended_at is null and r.month = delivery.month_of(now())
  join delivery.run_step rs on rs.campaign_run_id = r.campaign_run_id and rs.template_version_id = v.template_version_id
    and rs.partial_version_ids = delivery.pinned_partials(v) and rs.token_defaults = marketing.token_defaults()
  -- An older one may be ended at any moment: see finish_runs.
  where r.campaign_run_id = (select max(newest.campaign_run_id) from delivery.campaign_run newest where newest.campaign_id = p_campaign_id)
$$;
comment on function delivery.standing_run is 'Where messages that are sent one at a time go to at the moment.';

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
    if problem is null then
      -- A worker may be looking at the templates again, because of a partial: what is asked from here on is what the run gets.
      perform from marketing.step s join marketing.template_version v using (template_id)
      where s.campaign_id = due.campaign_id for share of v;
      problem := marketing.start_problem(due.campaign_id);
    end if;
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
