-- needs: account_choice
-- needs: refusal
-- needs: doubt
-- A worker takes deliveries of one lane: checks the epoch and everything that may have changed since they were planned, in one
-- transaction. Who may be sent to becomes `sending` with a lease; who may not ends here, with the reason; who has to wait goes back to
-- `planned`. Stale or already taken messages return no row: acknowledge them and forget them.
--
-- p_claim_token: random, this worker's and this batch's. Asking again with the same token gives the same deliveries: a worker whose connection
-- broke before the answer repeats the call. What is left until the expiry is told in ms, so that a worker's clock may be wrong, and the
-- hour itself for the provider. Returns a row per delivery that was looked at; refusal is null for those to send.
create or replace function delivery.claim(p_worker text, p_lane_id integer, p_claim_token bigint, p_lease_ms bigint,
  p_delivery_ids bigint[], p_epochs integer[])
returns table (
  delivery_id bigint, refusal text, attempt integer, failures smallint, not_sent smallint, run_step_id bigint,
  expires_in_ms bigint, expires_at_ms bigint, planned_at_ms bigint, contact_id bigint, contact_point_id bigint, address text, member_no text,
  first_name text, last_name text, language text, time_zone text, tier text, points bigint, profile text, data text, was_uncertain boolean)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_bitmapscan = off -- an address has a suppression or none: a bitmap for each recipient costs more than the look-up
as $$
#variable_conflict use_column
declare
  account record;
  v_probe bigint;
  v_until timestamptz;
begin
  select a.provider_account_id, a.is_active, a.open_until, a.paused_until into account
  from delivery.lane l join delivery.provider_account a using (provider_account_id) where l.lane_id = p_lane_id;
  v_until := greatest(account.open_until, account.paused_until);
  -- After its pause an open breaker lets one delivery of the whole fleet through; the account's row decides which.
  if account.open_until <= now() then
    select min(d.delivery_id) into v_probe from delivery.delivery d
    join unnest(p_delivery_ids, p_epochs) as x (delivery_id, epoch) on d.delivery_id = x.delivery_id and d.epoch = x.epoch
    where d.status = 'queued' or (d.status = 'sending' and d.claim_token = p_claim_token);
    update delivery.provider_account a
    set probe_delivery_id = v_probe, probe_until = now() + p_lease_ms * interval '1 millisecond'
    where a.provider_account_id = account.provider_account_id and a.open_until <= now() and v_probe is not null
      and (a.probe_until is null or a.probe_until <= now() or a.probe_delivery_id = v_probe);
    if not found then
      v_probe := null;
    end if;
    v_until := now() + interval '2 seconds';
  end if;

  return query
  with asked as (
    select x.delivery_id, x.epoch from unnest(p_delivery_ids, p_epochs) as x (delivery_id, epoch)
  ), found as materialized (
    select d.delivery_id, d.epoch, d.status as was, d.attempt, d.run_step_id, d.contact_id, d.expires_at, d.planned_at
    from asked
    join delivery.delivery d on d.delivery_id = asked.delivery_id
      and d.epoch = asked.epoch -- guard: epoch
    where d.status = 'queued' or (d.status = 'sending' and d.claim_token = p_claim_token)
  ), step as materialized ( -- few: what the deliveries have in common is looked up once
    select rs.run_step_id, rs.channel, c.class, c.desired_status, c.topic_id, t.needs_opt_in
    from delivery.run_step rs
    join delivery.campaign_run cr on cr.campaign_run_id = rs.campaign_run_id
    join marketing.campaign c on c.campaign_id = cr.campaign_id
    left join marketing.topic t on t.topic_id = c.topic_id
    where rs.run_step_id in (select f.run_step_id from found f)
  ), fact as materialized (
    select d.delivery_id, d.epoch, d.was, d.attempt, r.contact_point_id, r.address,
           case
             when not account.is_active then 'account_off'
             when account.paused_until > now() or (account.open_until is not null and d.delivery_id is distinct from v_probe) then 'provider_paused'
             else marketing.refusal(s.class, s.desired_status, s.needs_opt_in, d.expires_at,
                    case when p.contact_id is null then d.planned_at else p.erased_at end, r.address,
                    coalesce(r.suppressed, false), coalesce(r.channel_denied, false), r.topic_granted,
                    coalesce(r.topic_denied, false), now())
           end as refusal,
           p.member_no, p.first_name, p.last_name, p.language, p.time_zone, p.tier, p.points, p.profile
    from found d
    join step s on s.run_step_id = d.run_step_id
    left join marketing.contact p on p.contact_id = d.contact_id
    cross join lateral marketing.reach(d.contact_id, s.channel, s.topic_id) r
  ), moved as (
    update delivery.delivery d
    set status = v.status,
        attempt = d.attempt + (f.refusal is null and f.was = 'queued')::integer,
        claim_token = case when f.refusal is null then p_claim_token end,
        claimed_by = p_worker,
        lease_until = case when f.refusal is null then now() + p_lease_ms * interval '1 millisecond' end,
        contact_point_id = f.contact_point_id,
        reason = case v.status when 'uncertain' then 'outcome_unknown' else f.refusal end,
        waiting_for = case
          when v.status = 'uncertain' then 'the provider''s word, or a person''s decision'
          when f.refusal = 'campaign_paused' then 'the campaign to be resumed'
          when f.refusal = 'provider_paused' then 'the provider'
          when f.refusal = 'account_off' then 'the provider account to be switched on' end,
        next_at = case when f.refusal is null then case when d.next_at is not null then now() + p_lease_ms * interval '1 millisecond' end
          when v.status = 'planned' then case
            when f.refusal = 'campaign_paused' or delivery.has_other_way(d.run_step_id, p_lane_id) then now()
            else coalesce(greatest(v_until, now()), now() + interval '5 seconds') end end,
        settled_at = case when f.refusal is not null and v.status not in ('planned', 'uncertain') then now() end
    from fact f
    cross join lateral (select (case
        when f.refusal is null then 'sending'
        when f.refusal in ('campaign_paused', 'provider_paused', 'account_off') then 'planned'
        when delivery.is_in_doubt(f.delivery_id, f.attempt) then 'uncertain'
        when f.refusal = 'campaign_cancelled' then 'cancelled'
        when f.refusal = 'too_late' then 'expired'
        else 'skipped' end)::delivery.delivery_status as status) v
    where d.delivery_id = f.delivery_id and d.status = f.was
      and (d.status = 'queued' or d.claim_token = p_claim_token)
      and d.epoch = f.epoch -- guard: epoch
    returning f.was, d.delivery_id, d.status, d.reason, d.attempt, d.failures, d.not_sent, d.run_step_id, d.expires_at, d.planned_at, d.contact_id,
      d.queued_at, d.data, f.refusal, f.contact_point_id, f.address, f.member_no, f.first_name, f.last_name, f.language, f.time_zone,
      f.tier, f.points, f.profile,
      -- A function call for each row is most of this statement; first attempts, nearly all, need none.
      d.attempt > 1 and delivery.is_in_doubt(d.delivery_id, d.attempt - 1) as was_uncertain
  ), counted as (
    insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
    select n.run_step_id, n.status, n.reason, pg_backend_pid() % 32, sum(n.amount)
    from (
      select m.run_step_id, m.was as status, '' as reason, -count(*) as amount from moved m group by 1, 2
      union all
      select m.run_step_id, m.status, case when m.status in ('sending', 'planned') then '' else m.reason end, count(*) from moved m group by 1, 2, 3
    ) n
    group by 1, 2, 3 having sum(n.amount) <> 0
    order by 1, 2, 3
    on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount
  ), pulsed as (
    insert into delivery.lane_pulse as lp (lane_id, slot, newest_queued_at)
    select p_lane_id, pg_backend_pid() % 32, max(m.queued_at) from moved m having count(*) > 0
    on conflict (lane_id, slot) do update set newest_queued_at = greatest(lp.newest_queued_at, excluded.newest_queued_at)
  )
  select m.delivery_id, m.refusal, m.attempt, m.failures, m.not_sent, m.run_step_id, (date_part('epoch', m.expires_at - now()) * 1000)::bigint,
    (date_part('epoch', m.expires_at) * 1000)::bigint, (date_part('epoch', m.planned_at) * 1000)::bigint, m.contact_id, m.contact_point_id, m.address, m.member_no, m.first_name,
    m.last_name, m.language, m.time_zone, m.tier, m.points, m.profile::text, m.data::text, m.was_uncertain
  from moved m;
  -- A probe that may not be sent tries nothing: another one may.
  if v_probe is not null then
    update delivery.provider_account a set probe_delivery_id = null, probe_until = null
    where a.provider_account_id = account.provider_account_id and a.probe_delivery_id = v_probe
      and not exists (select from delivery.delivery d
        where d.delivery_id = v_probe and d.status = 'sending' and d.claim_token = p_claim_token);
  end if;
end
$$;
comment on function delivery.claim is 'A worker takes deliveries to send them; consent, suppression, expiry and campaign status are asked here.';

-- Which of these claimed deliveries may still be sent. For those that waited more than a moment after the claim.
create or replace function delivery.recheck(p_claim_token_per_delivery bigint[], p_delivery_ids bigint[])
returns table (delivery_id bigint, refusal text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select d.delivery_id,
         case when a.paused_until > now() or (a.open_until is not null and a.probe_delivery_id is distinct from d.delivery_id)
         then 'provider_paused' else
         marketing.refusal(c.class, c.desired_status, t.needs_opt_in, d.expires_at, case when p.contact_id is null then d.planned_at else p.erased_at end, r.address,
           coalesce(r.suppressed, false), coalesce(r.channel_denied, false), r.topic_granted, coalesce(r.topic_denied, false), now()) end
  from unnest(p_claim_token_per_delivery, p_delivery_ids) as asked (claim_token, delivery_id)
  join delivery.delivery d on d.delivery_id = asked.delivery_id and d.claim_token = asked.claim_token and d.status = 'sending'
  join delivery.run_step rs on rs.run_step_id = d.run_step_id
  join delivery.lane l on l.lane_id = coalesce(d.lane_id, rs.lane_id)
  join delivery.provider_account a on a.provider_account_id = l.provider_account_id
  join delivery.campaign_run cr on cr.campaign_run_id = rs.campaign_run_id
  join marketing.campaign c on c.campaign_id = cr.campaign_id
  left join marketing.topic t on t.topic_id = c.topic_id
  left join marketing.contact p on p.contact_id = d.contact_id
  cross join lateral marketing.reach(d.contact_id, rs.channel, c.topic_id) r;
end
$$;
comment on function delivery.recheck is 'Whether claimed deliveries may still be sent, for those that had to wait for a moment.';
