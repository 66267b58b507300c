-- needs: partitions
-- Plans one page: one delivery per contact and step. p_after must be the run's cursor, else nothing happens (somebody
-- else planned it) and null comes back. p_contact_ids in order; p_is_last says that the segment has no more.
-- Returns the number of deliveries made. Cursor and rows move in one transaction, so it can stop anywhere.
create or replace function delivery.plan(p_campaign_run_id bigint, p_after bigint, p_contact_ids bigint[], p_is_last boolean)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  run record;
  run_step record;
  made bigint;
  total bigint := 0;
begin
  select r.* into run from delivery.campaign_run r
  where r.campaign_run_id = p_campaign_run_id and r.plan_ended_at is null and r.plan_cursor = p_after
    and r.close_as is null and r.ended_at is null
  for update;
  if not found then
    return null;
  end if;
  for run_step in select rs.run_step_id from delivery.run_step rs where rs.campaign_run_id = p_campaign_run_id order by 1 loop
    -- Behind the cursor nobody has a delivery yet, so nothing is looked for first. Should there be one after all, the page is made again
    -- without it.
    begin
      insert into delivery.delivery (delivery_id, run_step_id, contact_id, expires_at)
      select delivery.first_id_of(run.month) + nextval('delivery.delivery_number'), run_step.run_step_id, c.contact_id, run.expires_at
      from unnest(p_contact_ids) as c (contact_id);
      get diagnostics made = row_count;
    exception when unique_violation then
      insert into delivery.delivery (delivery_id, run_step_id, contact_id, expires_at)
      select delivery.first_id_of(run.month) + nextval('delivery.delivery_number'), run_step.run_step_id, c.contact_id, run.expires_at
      from unnest(p_contact_ids) as c (contact_id)
      on conflict do nothing;
      get diagnostics made = row_count;
    end;
    total := total + made;
    if made > 0 then
      perform delivery.count_moves(array[run_step.run_step_id], array['planned']::delivery.delivery_status[], array[''], array[made]);
    end if;
  end loop;
  update delivery.campaign_run r
  set plan_cursor = coalesce(p_contact_ids[array_upper(p_contact_ids, 1)], r.plan_cursor),
      plan_ended_at = case when p_is_last then now() end
  where r.campaign_run_id = p_campaign_run_id;
  return total;
end
$$;
comment on function delivery.plan is 'Makes the deliveries of the next contacts of a run.';

-- Runs whose audience is not complete, oldest page first: at most p_limit rows.
create or replace function delivery.runs_to_plan(p_limit integer)
returns table (campaign_run_id bigint, plan_cursor bigint, segment_condition text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select r.campaign_run_id, r.plan_cursor, r.segment_condition
  from delivery.campaign_run r
  join marketing.campaign c using (campaign_id)
  where r.ended_at is null and r.plan_ended_at is null and r.close_as is null and c.desired_status = 'running'
    and r.segment_condition is not null
  order by r.plan_cursor, r.campaign_run_id
  limit p_limit;
end
$$;
comment on function delivery.runs_to_plan is 'Runs whose audience is still being made.';

-- The segment cannot be read: the campaign stops with the reason, nothing is lost; planning goes on when it is run again.
create or replace function delivery.block_run(p_campaign_run_id bigint, p_reason text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update marketing.campaign c
  set desired_status = 'paused', blocked_reason = p_reason
  from delivery.campaign_run r
  where r.campaign_run_id = p_campaign_run_id and c.campaign_id = r.campaign_id
$$;
comment on function delivery.block_run is 'Pauses the campaign of a run and says why.';
