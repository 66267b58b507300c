-- needs: account_choice
-- needs: doubt
-- needs: partitions
-- needs: count_moves
-- Takes up to p_limit deliveries that are due on a lane: planned -> queued, epoch + 1. COMMIT, then publish them.
-- Shares the lane between runs by their campaigns' weights: nobody waits behind a large campaign. A share is rounded up or down at
-- random so that over many calls each gets exactly its own, also where fewer are taken than there are runs. Retries of a run
-- come before its new deliveries. Where a step has several lanes, account_choice.sql says which of them takes what. One scheduler at a time fills a lane; another one gets nothing and does not wait.
create or replace function delivery.dispatch(p_lane_id integer, p_limit integer)
returns table (delivery_id bigint, epoch integer, expires_at_ms bigint)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_bitmapscan = off -- a generic plan takes a month of delivery_ids for few and would walk through its whole index
as $$
#variable_conflict use_column
declare
  feed record;
  steps bigint[];
  left_over integer;
  budget integer;
  rounding double precision;
  share integer;
  taken integer;
  upper_contact bigint;
  low bigint;
  high bigint;
  round integer := 0;
  took_any boolean := true;
begin
  -- An idle lane is asked often: no lock, so nothing to write.
  steps := array(select f.run_step_id from delivery.lane_feeds(p_lane_id) f);
  if cardinality(steps) = 0 then
    return;
  end if;
  -- An open breaker lets a single delivery through after its pause.
  select case when a.open_until is null then p_limit
              when a.probe_until is null or a.probe_until <= now() then 1 else 0 end into left_over
  from delivery.lane l
  join delivery.provider_account a using (provider_account_id)
  where l.lane_id = p_lane_id and a.is_active and coalesce(a.open_until, '-infinity') <= now()
    and coalesce(a.paused_until, '-infinity') <= now()
  for no key update of l skip locked;
  if not found then
    return;
  end if;
  -- Cursors move in these rows: taken in one order, the sweeper's.
  perform from delivery.run_step rs
  where rs.run_step_id = any (steps)
  order by rs.run_step_id for no key update;
  -- A second round hands out what the small ones left.
  while left_over > 0 and took_any and round < 4 loop
    round := round + 1;
    took_any := false;
    budget := left_over;
    rounding := random();
    for feed in
      select f.*, sum(f.weight) over () as weights, sum(f.weight) over (order by f.run_step_id) as weights_up_to
      from delivery.lane_feeds(p_lane_id) f where f.run_step_id = any (steps) order by f.run_step_id
    loop
      share := floor(rounding + budget * feed.weights_up_to::double precision / feed.weights)
             - floor(rounding + budget * (feed.weights_up_to - feed.weight)::double precision / feed.weights);
      continue when share <= 0;
      low := delivery.first_id_of(feed.month);
      high := delivery.first_id_of(feed.month + 1);

      return query
      with due as materialized (
        select d.delivery_id from delivery.delivery d
        where d.run_step_id = feed.run_step_id and d.next_at <= now() and d.status = 'planned'
          and d.delivery_id >= low and d.delivery_id < high
          and (feed.is_only or case when d.attempt > 0 and delivery.is_in_doubt(d.delivery_id, d.attempt)
            then d.lane_id = p_lane_id else feed.is_first end)
        order by d.next_at limit share
        for update skip locked
      )
      update delivery.delivery d
      set status = 'queued', epoch = d.epoch + 1, queued_at = now(), next_at = now() + interval '10 seconds',
          waiting_for = null, lane_id = p_lane_id
      from due
      where d.delivery_id = due.delivery_id and d.delivery_id >= low and d.delivery_id < high
      returning d.delivery_id, d.epoch, (date_part('epoch', d.expires_at) * 1000)::bigint;
      get diagnostics taken = row_count;
      if taken > 0 then
        perform delivery.count_moves(array[feed.run_step_id, feed.run_step_id],
          array['planned', 'queued']::delivery.delivery_status[], array['', ''], array[-taken, taken]);
        share := share - taken;
        left_over := left_over - taken;
        took_any := true;
      end if;
      continue when share <= 0 or feed.dispatch_cursor >= feed.plan_cursor or not feed.is_first;
      if not feed.is_only then
        share := least(share, delivery.lane_quota(feed.run_step_id, p_lane_id));
        continue when share <= 0;
      end if;

      -- Of the month only the lower bound: with both the planner takes the month for few rows and reads all of its primary key.
      select max(p.contact_id) into upper_contact from (
        select d.contact_id from delivery.delivery d
        where d.run_step_id = feed.run_step_id and d.contact_id > feed.dispatch_cursor and d.contact_id <= feed.plan_cursor
          and d.delivery_id >= low
        order by d.contact_id limit share
      ) p;
      if upper_contact is null then
        update delivery.run_step rs set dispatch_cursor = feed.plan_cursor where rs.run_step_id = feed.run_step_id;
        continue;
      end if;
      return query
      update delivery.delivery d
      set status = 'queued', epoch = d.epoch + 1, queued_at = now(), lane_id = p_lane_id
      where d.run_step_id = feed.run_step_id and d.contact_id > feed.dispatch_cursor and d.contact_id <= upper_contact
        and d.delivery_id >= low and d.status = 'planned' and d.next_at is null
      returning d.delivery_id, d.epoch, (date_part('epoch', d.expires_at) * 1000)::bigint;
      get diagnostics taken = row_count;
      update delivery.run_step rs set dispatch_cursor = upper_contact where rs.run_step_id = feed.run_step_id;
      took_any := true;
      if taken > 0 then
        perform delivery.count_moves(array[feed.run_step_id, feed.run_step_id],
          array['planned', 'queued']::delivery.delivery_status[], array['', ''], array[-taken, taken]);
        left_over := left_over - taken;
        if not feed.is_only then
          update delivery.run_step_lane sl set taken_count = sl.taken_count + taken
          where sl.run_step_id = feed.run_step_id and sl.lane_id = p_lane_id;
        end if;
      end if;
    end loop;
  end loop;
end
$$;
comment on function delivery.dispatch is 'Takes the next deliveries of a lane, fairly between campaigns, for the scheduler to publish.';

-- The steps that have something for a lane now. is_only: they have no other lane; is_first: what may go through any lane goes through
-- this one. A lane that is not the first still gets what has to stay with it.
create or replace function delivery.lane_feeds(p_lane_id integer)
returns table (run_step_id bigint, weight integer, month integer, dispatch_cursor bigint, plan_cursor bigint, is_only boolean, is_first boolean)
language sql
stable
as $$
  select rs.run_step_id, c.weight, r.month, rs.dispatch_cursor, r.plan_cursor, w.is_only, w.is_first
  from delivery.campaign_run r
  join delivery.run_step rs using (campaign_run_id)
  join delivery.run_step_lane sl on sl.run_step_id = rs.run_step_id and sl.lane_id = p_lane_id
  join marketing.campaign c using (campaign_id)
  cross join lateral (
    select not exists (select from delivery.run_step_lane o where o.run_step_id = rs.run_step_id and o.lane_id <> p_lane_id) as is_only,
           delivery.is_first_way(rs.run_step_id, p_lane_id, (
             select a.priority from delivery.lane l join delivery.provider_account a using (provider_account_id) where l.lane_id = p_lane_id)) as is_first
  ) w
  where r.ended_at is null and c.desired_status = 'running' and r.close_as is null
    and ((rs.dispatch_cursor < r.plan_cursor and w.is_first) or exists (
      select from delivery.delivery d
      where d.run_step_id = rs.run_step_id and d.next_at <= now() and d.status = 'planned'
        and d.delivery_id >= delivery.first_id_of(r.month) and d.delivery_id < delivery.first_id_of(r.month + 1)))
$$;
comment on function delivery.lane_feeds is 'Which steps of which runs have deliveries due on a lane.';

-- What the broker did not take goes back: queued -> planned, tried again after p_wait. The epoch decides, so a delivery that has moved
-- on meanwhile stays as it is; a copy that reached the broker after all is stale from the next dispatch on.
create or replace function delivery.undispatch(p_delivery_ids bigint[], p_epochs integer[], p_wait_ms bigint)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  steps bigint[];
  amounts bigint[];
begin
  with moved as (
    update delivery.delivery d
    set status = 'planned', next_at = now() + p_wait_ms * interval '1 millisecond', waiting_for = 'the broker, which did not take it'
    from unnest(p_delivery_ids, p_epochs) as t (delivery_id, epoch)
    where d.delivery_id = t.delivery_id and d.epoch = t.epoch and d.status = 'queued'
    returning d.run_step_id
  )
  select array_agg(g.run_step_id), array_agg(g.amount) into steps, amounts
  from (select run_step_id, count(*) as amount from moved group by 1) g;
  return delivery.count_change(steps, amounts, 'queued', '', 'planned', '');
end
$$;
comment on function delivery.undispatch is 'Takes back what the broker did not take.';

-- What the scheduler saw on the broker. Returns nothing.
create or replace function delivery.note_depth(p_lane_id integer, p_ready bigint, p_consumers bigint)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update delivery.lane l
  set ready_count = p_ready, consumer_count = p_consumers, measured_at = now(),
      empty_since = case when p_ready > 0 then null else coalesce(l.empty_since, now()) end
  where l.lane_id = p_lane_id
    and (l.measured_at is null or l.measured_at < now() - interval '500 milliseconds');
end
$$;
comment on function delivery.note_depth is 'Writes down how many messages wait on the broker.';
