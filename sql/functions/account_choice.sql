-- Which account takes a message: the smallest priority that works, in shares by weight; a message of which an attempt may have arrived stays
-- with its account, because nobody else can recognise the repeat.

-- The accounts that a step's messages may go through, were it to start now: the one it names, or all of its channel that are switched on and
-- understand the same addresses as the first of them.
create or replace function marketing.step_accounts(p_step_id bigint)
returns table (provider_account_id integer, priority integer)
language sql
stable
as $$
  select c.provider_account_id, c.priority
  from (
    select a.provider_account_id, a.priority, p.addresses,
           first_value(p.addresses) over (order by a.priority, a.provider_account_id) as first_addresses
    from marketing.step s
    join marketing.template t using (template_id)
    join delivery.provider_account a on case when s.provider_account_id is null then a.channel = t.channel and a.is_active
      else a.provider_account_id = s.provider_account_id end
    join delivery.provider p using (driver)
    where s.step_id = p_step_id
  ) c
  where c.addresses = c.first_addresses
$$;
comment on function marketing.step_accounts is 'The provider accounts that a step may use.';

-- Whether an account is worth a message now. Short pauses are waited for: a provider that asks us to be slower is not down.
create or replace function delivery.account_works(p_is_active boolean, p_open_until timestamptz, p_paused_until timestamptz)
returns boolean
language sql
stable
as $$
  select p_is_active and p_open_until is null and coalesce(p_paused_until, '-infinity') < now() + interval '1 minute'
$$;
comment on function delivery.account_works is 'Whether an account is switched on, its breaker closed, and no long pause asked for or cap used up.';

-- Whether another lane than p_lane_id works for this step.
create or replace function delivery.has_other_way(p_run_step_id bigint, p_lane_id integer)
returns boolean
language plpgsql
stable
as $$
begin
  return exists (
    select from delivery.run_step_lane sl
    join delivery.lane l using (lane_id)
    join delivery.provider_account a using (provider_account_id)
    where sl.run_step_id = p_run_step_id and sl.lane_id <> p_lane_id
      and delivery.account_works(a.is_active, a.open_until, a.paused_until));
end
$$;
comment on function delivery.has_other_way is 'Whether a step''s messages can go through another account.';

-- Whether the lane is the one to take messages of the step that may go through any: no working one comes before it.
create or replace function delivery.is_first_way(p_run_step_id bigint, p_lane_id integer, p_priority integer)
returns boolean
language plpgsql
stable
as $$
begin
  return not exists (
    select from delivery.run_step_lane sl
    join delivery.lane l using (lane_id)
    join delivery.provider_account a using (provider_account_id)
    where sl.run_step_id = p_run_step_id and sl.lane_id <> p_lane_id and a.priority < p_priority
      and delivery.account_works(a.is_active, a.open_until, a.paused_until));
end
$$;
comment on function delivery.is_first_way is 'Whether an account is the first that works for a step.';

-- How many messages of a step a lane may take now, so that accounts of one priority get their shares by weight. They share rounds of 2,000;
-- the next round begins when all have had theirs, or after half a second: who does not keep up forfeits the rest.
create or replace function delivery.lane_quota(p_run_step_id bigint, p_lane_id integer)
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  mine record;
begin
  select w.share, w.taken, w.is_round_over into mine
  from (
    select sl.lane_id, s.share, sl.taken_count as taken, bool_and(sl.taken_count >= s.share) over () or min(sl.round_at) over () < now() - interval '500 milliseconds' as is_round_over
    from (
      select x.lane_id, x.taken_count, x.round_at, a.weight, sum(a.weight) over () as weights
      from delivery.run_step_lane x
      join delivery.lane l using (lane_id)
      join delivery.provider_account a using (provider_account_id)
      where x.run_step_id = p_run_step_id
        and (x.lane_id = p_lane_id or delivery.account_works(a.is_active, a.open_until, a.paused_until))
        and a.priority = (select m.priority from delivery.lane k join delivery.provider_account m using (provider_account_id) where k.lane_id = p_lane_id)
    ) sl
    cross join lateral (select ceil(2000.0 * sl.weight / sl.weights)::integer as share) s
  ) w
  where w.lane_id = p_lane_id;
  if mine.taken < mine.share then
    return mine.share - mine.taken;
  elsif not mine.is_round_over then
    return 0;
  end if;
  update delivery.run_step_lane sl set taken_count = 0, round_at = now() where sl.run_step_id = p_run_step_id;
  return mine.share;
end
$$;
comment on function delivery.lane_quota is 'How many messages of a step an account may take now, beside others of the same priority.';
