-- Made by sql/make_schema from the migrations, functions, views and roles beside it. Do not edit.
CREATE SCHEMA delivery;
COMMENT ON SCHEMA delivery IS 'What the programs write: who was sent what, when, and what came of it. Read it, do not edit it.';
CREATE SCHEMA marketing;
COMMENT ON SCHEMA marketing IS 'What people edit: contacts, consent, segments, templates, campaigns.';
CREATE SCHEMA report;
COMMENT ON SCHEMA report IS 'Questions answered: how far is a run, why did messages fail, what is stuck and why.';
CREATE TYPE delivery.delivery_status AS ENUM (
    'planned',
    'queued',
    'sending',
    'sent',
    'delivered',
    'bounced',
    'failed',
    'skipped',
    'cancelled',
    'expired',
    'held_out',
    'uncertain'
);
COMMENT ON TYPE delivery.delivery_status IS 'planned: waits for its turn. queued: on its way to a worker. sending: a worker has it. sent: the provider took it. delivered, bounced: the provider reported so. failed: refused for good. skipped: not sent on purpose, see reason. cancelled, expired: stopped or too late. held_out: in the control group. uncertain: nobody knows whether it went out.';
CREATE TYPE delivery.outcome_class AS ENUM (
    'accepted',
    'not_sent',
    'throttled',
    'transient',
    'uncertain',
    'bad_address',
    'bad_payload',
    'bad_credentials',
    'expired'
);
COMMENT ON TYPE delivery.outcome_class IS 'What one call to a provider came to. Each class has its own rule for what follows.';
CREATE TYPE marketing.channel AS ENUM (
    'email',
    'sms',
    'push',
    'web_push',
    'in_app'
);
COMMENT ON TYPE marketing.channel IS 'A way to reach a person.';
CREATE TYPE marketing.message_class AS ENUM (
    'transactional',
    'marketing'
);
COMMENT ON TYPE marketing.message_class IS 'transactional: the person asked for it (a receipt, a one-time code) and topics do not apply; marketing: everything else.';
CREATE TYPE marketing.uncertain_policy AS ENUM (
    'skip',
    'resend'
);
COMMENT ON TYPE marketing.uncertain_policy IS 'What to do when nobody knows whether a message went out: skip (never twice) or resend (never missed).';
CREATE TYPE marketing.undefined_policy AS ENUM (
    'blank',
    'skip'
);
COMMENT ON TYPE marketing.undefined_policy IS 'What to do when a token has no value for a contact: blank (print nothing) or skip (do not send to this contact).';
CREATE FUNCTION delivery.block_run(p_campaign_run_id bigint, p_reason text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update marketing.campaign c
  set desired_status = 'paused', blocked_reason = p_reason
  from delivery.campaign_run r
  where r.campaign_run_id = p_campaign_run_id and c.campaign_id = r.campaign_id
$$;
COMMENT ON FUNCTION delivery.block_run(p_campaign_run_id bigint, p_reason text) IS 'Pauses the campaign of a run and says why.';
CREATE FUNCTION delivery.claim(p_worker text, p_lane_id integer, p_claim_token bigint, p_lease_ms bigint, p_delivery_ids bigint[], p_epochs integer[]) RETURNS TABLE(delivery_id bigint, refusal text, attempt integer, failures smallint, not_sent smallint, run_step_id bigint, expires_in_ms bigint, planned_at_ms bigint, contact_id bigint, contact_point_id bigint, address text, member_no text, first_name text, last_name text, language text, time_zone text, tier text, points bigint, profile text, data text, was_uncertain boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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
          when v.status = 'planned' then case f.refusal when 'campaign_paused' then now() else coalesce(greatest(v_until, now()), now() + interval '5 seconds') end end,
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
      delivery.is_in_doubt(d.delivery_id, d.attempt - 1) as was_uncertain
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
    (date_part('epoch', m.planned_at) * 1000)::bigint, m.contact_id, m.contact_point_id, m.address, m.member_no, m.first_name,
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
COMMENT ON FUNCTION delivery.claim(p_worker text, p_lane_id integer, p_claim_token bigint, p_lease_ms bigint, p_delivery_ids bigint[], p_epochs integer[]) IS 'A worker takes deliveries to send them; consent, suppression, expiry and campaign status are asked here.';
CREATE FUNCTION delivery.close_breaker(p_provider_account_id integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update delivery.provider_account a
  set breaker_reason = null, open_until = null, opened_count = 0, probe_delivery_id = null, probe_until = null
  where a.provider_account_id = p_provider_account_id and a.open_until <= now()
$$;
COMMENT ON FUNCTION delivery.close_breaker(p_provider_account_id integer) IS 'Uses an account again.';
CREATE FUNCTION delivery.close_rest(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
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
COMMENT ON FUNCTION delivery.close_rest(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_limit integer) IS 'Closes what is left of a cancelled or expired run.';
CREATE FUNCTION delivery.close_waiting(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_why text, p_expire_by timestamp with time zone, p_limit integer) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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
COMMENT ON FUNCTION delivery.close_waiting(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_why text, p_expire_by timestamp with time zone, p_limit integer) IS 'Closes deliveries that have been on the way and wait, because they are cancelled or too late.';
CREATE FUNCTION delivery.count_change(p_run_step_ids bigint[], p_amounts bigint[], p_from delivery.delivery_status, p_from_reason text, p_to delivery.delivery_status, p_to_reason text) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
declare
  total bigint;
begin
  perform delivery.count_moves(array_agg(c.run_step_id), array_agg(c.status), array_agg(c.reason), array_agg(c.amount))
  from (
    select m.run_step_id, p_from as status, p_from_reason as reason, -m.amount as amount from unnest(p_run_step_ids, p_amounts) as m (run_step_id, amount)
    union all
    select m.run_step_id, p_to, p_to_reason, m.amount from unnest(p_run_step_ids, p_amounts) as m (run_step_id, amount)
  ) c;
  select coalesce(sum(a), 0) into total from unnest(p_amounts) a;
  return total;
end
$$;
COMMENT ON FUNCTION delivery.count_change(p_run_step_ids bigint[], p_amounts bigint[], p_from delivery.delivery_status, p_from_reason text, p_to delivery.delivery_status, p_to_reason text) IS 'Notes in the tally that deliveries went from one status to another; returns how many.';
CREATE FUNCTION delivery.count_moves(p_run_step_ids bigint[], p_statuses delivery.delivery_status[], p_reasons text[], p_amounts bigint[]) RETURNS void
    LANGUAGE sql
    AS $$
  insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
  select m.run_step_id, m.status, coalesce(m.reason, ''), pg_backend_pid() % 32, sum(m.amount)
  from unnest(p_run_step_ids, p_statuses, p_reasons, p_amounts) as m (run_step_id, status, reason, amount)
  group by m.run_step_id, m.status, coalesce(m.reason, '')
  having sum(m.amount) <> 0
  order by m.run_step_id, m.status, coalesce(m.reason, '')
  on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount
$$;
COMMENT ON FUNCTION delivery.count_moves(p_run_step_ids bigint[], p_statuses delivery.delivery_status[], p_reasons text[], p_amounts bigint[]) IS 'Adds to the tally of deliveries by status. Called by the functions that move deliveries, in the same transaction.';
CREATE FUNCTION delivery.cursors_at_end(p_campaign_run_id bigint) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  select coalesce(bool_and(not exists (
    select from delivery.delivery d
    where d.run_step_id = rs.run_step_id and d.contact_id > rs.dispatch_cursor and d.contact_id <= r.plan_cursor
      and d.status = 'planned' and d.delivery_id >= delivery.first_id_of(r.month))), true)
  from delivery.run_step rs join delivery.campaign_run r using (campaign_run_id)
  where rs.campaign_run_id = p_campaign_run_id
$$;
COMMENT ON FUNCTION delivery.cursors_at_end(p_campaign_run_id bigint) IS 'Whether everything of a run has been put on the broker at least once.';
CREATE FUNCTION delivery.dispatch(p_lane_id integer, p_limit integer) RETURNS TABLE(delivery_id bigint, epoch integer, expires_at_ms bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_bitmapscan TO 'off'
    AS $$
#variable_conflict use_column
declare
  feed record;
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
  if not exists (select from delivery.lane_feeds(p_lane_id)) then
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
  where rs.run_step_id in (select f.run_step_id from delivery.lane_feeds(p_lane_id) f)
  order by rs.run_step_id for no key update;
  -- A second round hands out what the small ones left.
  while left_over > 0 and took_any and round < 4 loop
    round := round + 1;
    took_any := false;
    budget := left_over;
    rounding := random();
    for feed in
      select f.*, sum(f.weight) over () as weights, sum(f.weight) over (order by f.run_step_id) as weights_up_to
      from delivery.lane_feeds(p_lane_id) f order by f.run_step_id
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
        order by d.next_at limit share
        for update skip locked
      )
      update delivery.delivery d
      set status = 'queued', epoch = d.epoch + 1, queued_at = now(), next_at = now() + interval '10 seconds',
          waiting_for = null
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
      continue when share <= 0 or feed.dispatch_cursor >= feed.plan_cursor;
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
      set status = 'queued', epoch = d.epoch + 1, queued_at = now()
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
      end if;
    end loop;
  end loop;
end
$$;
COMMENT ON FUNCTION delivery.dispatch(p_lane_id integer, p_limit integer) IS 'Takes the next deliveries of a lane, fairly between campaigns, for the scheduler to publish.';
CREATE FUNCTION delivery.drop_address(p_contact_point_ids bigint[], p_reasons text[]) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with moved as (
    update marketing.contact_point p set is_usable = false, unusable_reason = t.reason
    from unnest(p_contact_point_ids, p_reasons) as t (contact_point_id, reason)
    where p.contact_point_id = t.contact_point_id and p.is_usable
    returning 1
  )
  select count(*)::integer from moved
$$;
COMMENT ON FUNCTION delivery.drop_address(p_contact_point_ids bigint[], p_reasons text[]) IS 'Switches off addresses that a provider said will never work.';
CREATE FUNCTION delivery.ensure_partition(p_month integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  parent text;
begin
  if to_regclass(format('delivery.delivery_%s', p_month)) is not null then
    return false;
  end if;
  perform pg_advisory_xact_lock(hashtext('postrider partitions'));
  if to_regclass(format('delivery.delivery_%s', p_month)) is not null then
    return false;
  end if;
  foreach parent in array array['delivery', 'attempt', 'delivery_event'] loop
    execute format('create table delivery.%I partition of delivery.%I for values from (%s) to (%s)',
      parent || '_' || p_month, parent, low, high);
    execute format('comment on table delivery.%I is %L', parent || '_' || p_month,
      'The ' || parent || ' rows of one month. To forget the month, drop this table.');
  end loop;
  -- A delivery is rewritten three times within seconds; room in its page keeps that out of the indexes.
  execute format('alter table delivery.%I set (fillfactor = 35, autovacuum_vacuum_scale_factor = 0.1, '
    'autovacuum_analyze_scale_factor = 0.05)', 'delivery_' || p_month);
  execute format('create unique index %I on delivery.%I (run_step_id, contact_id, occurrence)',
    'delivery_' || p_month || '_once', 'delivery_' || p_month);
  execute format('comment on index delivery.%I is %L', 'delivery_' || p_month || '_once',
    'Nobody gets the same step of the same run twice; also the order in which a run is worked off.');
  execute format('create index %I on delivery.%I (run_step_id, next_at) where next_at is not null',
    'delivery_' || p_month || '_next', 'delivery_' || p_month);
  execute format('comment on index delivery.%I is %L', 'delivery_' || p_month || '_next',
    'Finds what is to be looked at again.');
  execute format('create index %I on delivery.%I (contact_id)', 'delivery_' || p_month || '_contact',
    'delivery_' || p_month);
  execute format('comment on index delivery.%I is %L', 'delivery_' || p_month || '_contact',
    'Finds what a contact was sent.');
  return true;
end
$$;
COMMENT ON FUNCTION delivery.ensure_partition(p_month integer) IS 'Makes room for the deliveries of one month, such as 202611.';
CREATE FUNCTION delivery.ensure_partitions() RETURNS integer
    LANGUAGE sql
    AS $$
  select count(*) filter (where delivery.ensure_partition(delivery.month_of(now() + make_interval(months => ahead))))::integer
  from generate_series(0, 3) as ahead
$$;
COMMENT ON FUNCTION delivery.ensure_partitions() IS 'Makes room for this month''s and the next three months'' deliveries.';
CREATE FUNCTION delivery.finish_runs() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_bitmapscan TO 'off'
    AS $$
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
COMMENT ON FUNCTION delivery.finish_runs() IS 'Ends the runs that are done and estimates when the others will be.';
CREATE FUNCTION delivery.first_id_of(p_month integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
  select p_month::bigint * 1000000000000
$$;
COMMENT ON FUNCTION delivery.first_id_of(p_month integer) IS 'The first delivery_id of a month.';
CREATE FUNCTION delivery.follow_wishes() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION delivery.follow_wishes() IS 'Starts, pauses, resumes and cancels campaigns as people wished.';
CREATE FUNCTION delivery.is_in_doubt(p_delivery_id bigint, p_attempts_made integer) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  select p_attempts_made > 0 and exists (
    select from delivery.attempt a where a.delivery_id = p_delivery_id and a.outcome in ('uncertain', 'accepted'))
$$;
COMMENT ON FUNCTION delivery.is_in_doubt(p_delivery_id bigint, p_attempts_made integer) IS 'Whether an earlier attempt has arrived, or may have, although the delivery goes on.';
CREATE FUNCTION delivery.lane_feeds(p_lane_id integer) RETURNS TABLE(run_step_id bigint, weight integer, month integer, dispatch_cursor bigint, plan_cursor bigint)
    LANGUAGE sql STABLE
    AS $$
  select rs.run_step_id, c.weight, r.month, rs.dispatch_cursor, r.plan_cursor
  from delivery.campaign_run r
  join delivery.run_step rs using (campaign_run_id)
  join marketing.campaign c using (campaign_id)
  where r.ended_at is null and rs.lane_id = p_lane_id and c.desired_status = 'running' and r.close_as is null
    and (rs.dispatch_cursor < r.plan_cursor or exists (
      select from delivery.delivery d
      where d.run_step_id = rs.run_step_id and d.next_at <= now() and d.status = 'planned'
        and d.delivery_id >= delivery.first_id_of(r.month) and d.delivery_id < delivery.first_id_of(r.month + 1)))
$$;
COMMENT ON FUNCTION delivery.lane_feeds(p_lane_id integer) IS 'Which steps of which runs have deliveries due on a lane.';
CREATE FUNCTION delivery.lanes() RETURNS TABLE(lane_id integer, queue_name text, class marketing.message_class, provider_account_id integer, account_name text, driver text, channel marketing.channel, settings text, is_active boolean, per_second numeric, breaker_is_open boolean, pause_ms bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select l.lane_id, l.queue_name, l.class, a.provider_account_id, a.name, a.driver, a.channel, a.settings::text, a.is_active, rl.per_second,
         a.open_until is not null,
         ceil(extract(epoch from greatest(a.open_until, a.paused_until, now()) - now()) * 1000)::bigint
  from delivery.lane l
  join delivery.provider_account a using (provider_account_id)
  left join delivery.rate_limit rl using (provider_account_id)
  order by l.class, l.lane_id
$$;
COMMENT ON FUNCTION delivery.lanes() IS 'The lanes, transactional ones first, with their provider accounts.';
CREATE FUNCTION delivery.lead(p_task text, p_holder text, p_hold_ms bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into delivery.leader as l (task, holder, term, until)
  values (p_task, p_holder, 1, now() + p_hold_ms * interval '1 millisecond')
  on conflict (task) do update
    set holder = excluded.holder, until = excluded.until, term = l.term + (l.holder <> excluded.holder)::integer
    where l.holder = excluded.holder or l.until < now();
  return found;
end
$$;
COMMENT ON FUNCTION delivery.lead(p_task text, p_holder text, p_hold_ms bigint) IS 'Makes one scheduler the leader for a while.';
CREATE FUNCTION delivery.make_run(p_campaign_id bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION delivery.make_run(p_campaign_id bigint) IS 'Starts one firing of a campaign.';
CREATE FUNCTION delivery.month_of(p_at timestamp with time zone) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
  select (extract(year from p_at at time zone 'UTC') * 100 + extract(month from p_at at time zone 'UTC'))::integer
$$;
COMMENT ON FUNCTION delivery.month_of(p_at timestamp with time zone) IS 'The month of a moment, as in 202611.';
CREATE FUNCTION delivery.note_dead_letter(p_source text, p_reason text, p_body text, p_delivery_id bigint, p_epoch integer) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  deaths integer;
  step bigint;
begin
  insert into delivery.dead_letter (source, delivery_id, reason, body) values (p_source, p_delivery_id, p_reason, p_body);
  if p_delivery_id is null then
    return 'unreadable';
  end if;
  select count(*) into deaths from delivery.dead_letter d where d.delivery_id = p_delivery_id;
  update delivery.delivery d
  set status = (case when deaths >= 3 then 'failed' else 'planned' end)::delivery.delivery_status,
      reason = case when deaths >= 3 then 'poison' end,
      waiting_for = case when deaths < 3 then 'its turn: its message died on the broker' end,
      next_at = case when deaths < 3 then now() + interval '5 seconds' end,
      settled_at = case when deaths >= 3 then now() end
  where d.delivery_id = p_delivery_id and d.epoch = p_epoch and d.status = 'queued'
  returning d.run_step_id into step;
  if not found then
    return 'stale';
  end if;
  perform delivery.count_change(array[step], array[1::bigint], 'queued', '',
    (case when deaths >= 3 then 'failed' else 'planned' end)::delivery.delivery_status, case when deaths >= 3 then 'poison' else '' end);
  return case when deaths >= 3 then 'failed' else 'again' end;
end
$$;
COMMENT ON FUNCTION delivery.note_dead_letter(p_source text, p_reason text, p_body text, p_delivery_id bigint, p_epoch integer) IS 'Keeps a message that made no sense or died on the broker, and sets its delivery going again.';
CREATE FUNCTION delivery.note_depth(p_lane_id integer, p_ready bigint, p_consumers bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update delivery.lane l
  set ready_count = p_ready, consumer_count = p_consumers, measured_at = now(),
      empty_since = case when p_ready > 0 then null else coalesce(l.empty_since, now()) end
  where l.lane_id = p_lane_id
    and (l.measured_at is null or l.measured_at < now() - interval '500 milliseconds')
$$;
COMMENT ON FUNCTION delivery.note_depth(p_lane_id integer, p_ready bigint, p_consumers bigint) IS 'Writes down how many messages wait on the broker.';
CREATE FUNCTION delivery.note_template_problem(p_template_version_id bigint, p_problem text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update marketing.template_version v set problem = p_problem
  where v.template_version_id = p_template_version_id and v.problem is distinct from p_problem
$$;
COMMENT ON FUNCTION delivery.note_template_problem(p_template_version_id bigint, p_problem text) IS 'Writes down what is wrong with a template.';
CREATE FUNCTION delivery.open_breaker(p_provider_account_id integer, p_reason text, p_wait_ms bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update delivery.provider_account a
  set breaker_reason = p_reason, opened_count = a.opened_count + 1, probe_delivery_id = null, probe_until = null,
      open_until = now() + least(300000, greatest(p_wait_ms, 5000 * power(2, least(a.opened_count, 6)))) * interval '1 millisecond'
  where a.provider_account_id = p_provider_account_id and (a.open_until is null or a.open_until <= now())
$$;
COMMENT ON FUNCTION delivery.open_breaker(p_provider_account_id integer, p_reason text, p_wait_ms bigint) IS 'Stops using an account for a while, longer each time in a row.';
CREATE FUNCTION delivery.pause_account(p_provider_account_id integer, p_reason text, p_wait_ms bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update delivery.provider_account a
  set paused_until = greatest(a.paused_until, now() + p_wait_ms * interval '1 millisecond'), paused_reason = p_reason
  where a.provider_account_id = p_provider_account_id
$$;
COMMENT ON FUNCTION delivery.pause_account(p_provider_account_id integer, p_reason text, p_wait_ms bigint) IS 'Waits as long as the provider asked for.';
CREATE FUNCTION delivery.plan(p_campaign_run_id bigint, p_after bigint, p_contact_ids bigint[], p_is_last boolean) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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
    insert into delivery.delivery (delivery_id, run_step_id, contact_id, expires_at)
    select delivery.first_id_of(run.month) + nextval('delivery.delivery_number'), run_step.run_step_id, c.contact_id, run.expires_at
    from unnest(p_contact_ids) as c (contact_id)
    on conflict do nothing;
    get diagnostics made = row_count;
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
COMMENT ON FUNCTION delivery.plan(p_campaign_run_id bigint, p_after bigint, p_contact_ids bigint[], p_is_last boolean) IS 'Makes the deliveries of the next contacts of a run.';
CREATE FUNCTION delivery.recheck(p_claim_token_per_delivery bigint[], p_delivery_ids bigint[]) RETURNS TABLE(delivery_id bigint, refusal text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
  select d.delivery_id,
         case when a.paused_until > now() or (a.open_until is not null and a.probe_delivery_id is distinct from d.delivery_id)
         then 'provider_paused' else
         marketing.refusal(c.class, c.desired_status, t.needs_opt_in, d.expires_at, case when p.contact_id is null then d.planned_at else p.erased_at end, r.address,
           coalesce(r.suppressed, false), coalesce(r.channel_denied, false), r.topic_granted, coalesce(r.topic_denied, false), now()) end
  from unnest(p_claim_token_per_delivery, p_delivery_ids) as asked (claim_token, delivery_id)
  join delivery.delivery d on d.delivery_id = asked.delivery_id and d.claim_token = asked.claim_token and d.status = 'sending'
  join delivery.run_step rs on rs.run_step_id = d.run_step_id
  join delivery.lane l on l.lane_id = rs.lane_id
  join delivery.provider_account a on a.provider_account_id = l.provider_account_id
  join delivery.campaign_run cr on cr.campaign_run_id = rs.campaign_run_id
  join marketing.campaign c on c.campaign_id = cr.campaign_id
  left join marketing.topic t on t.topic_id = c.topic_id
  left join marketing.contact p on p.contact_id = d.contact_id
  cross join lateral marketing.reach(d.contact_id, rs.channel, c.topic_id) r
$$;
COMMENT ON FUNCTION delivery.recheck(p_claim_token_per_delivery bigint[], p_delivery_ids bigint[]) IS 'Whether claimed deliveries may still be sent, for those that had to wait for a moment.';
CREATE FUNCTION delivery.record(p_worker text, p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_statuses delivery.delivery_status[], p_outcomes delivery.outcome_class[], p_codes text[], p_words text[], p_provider_ids text[], p_reasons text[], p_waiting_for text[], p_wait_ms bigint[], p_failed boolean[], p_not_sent boolean[], p_durations_ms integer[], p_payload_sha256 text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
declare
  moved_count integer;
begin
  with told as (
    select x.*
    from unnest(p_delivery_ids, p_claim_tokens, p_attempts, p_statuses, p_outcomes, p_codes, p_words, p_provider_ids, p_reasons, p_waiting_for,
      p_wait_ms, p_failed, p_not_sent, p_durations_ms, p_payload_sha256)
      as x (delivery_id, claim_token, attempt, status, outcome, code, words, provider_message_id, reason, waiting_for, wait_ms, failed, not_sent,
        duration_ms, payload_sha256)
  ), moved as (
    update delivery.delivery d
    set status = v.status,
        reason = case when v.status = t.status then t.reason else 'outcome_unknown' end,
        waiting_for = case when v.status = t.status then t.waiting_for else 'the provider''s word, or a person''s decision' end,
        detail = case when t.status = 'sent' then null else t.words end,
        next_at = now() + t.wait_ms * interval '1 millisecond',
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
    returning d.delivery_id, d.run_step_id, d.status, d.reason
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
  ), attempted as (
    insert into delivery.attempt as a (delivery_id, attempt, outcome, code, words, provider_message_id, payload_sha256, duration_ms, worker, is_late)
    select t.delivery_id, t.attempt, t.outcome, t.code, t.words, t.provider_message_id, t.payload_sha256, t.duration_ms, p_worker,
           m.delivery_id is null
    from told t left join moved m on m.delivery_id = t.delivery_id
    where t.outcome is not null
    on conflict (delivery_id, attempt) do update
      set outcome = excluded.outcome, code = excluded.code, words = excluded.words, provider_message_id = excluded.provider_message_id,
          payload_sha256 = excluded.payload_sha256, duration_ms = excluded.duration_ms, is_late = true
      where a.outcome = 'uncertain'
  )
  select count(*) into moved_count from moved;
  if moved_count < array_length(p_delivery_ids, 1) then
    perform delivery.settle_late(p_delivery_ids, p_attempts, p_outcomes, p_provider_ids);
  end if;
  -- An attempt whose answer came late had been accepted, and now a later one was not: it was sent all the same.
  if exists (select from unnest(p_attempts, p_statuses) as x (attempt, status) where x.attempt > 1 and x.status <> 'sent') then
    perform delivery.settle_late(array_agg(d.delivery_id), array_agg(d.attempt), array_agg(a.outcome), array_agg(a.provider_message_id))
    from delivery.delivery d
    join delivery.attempt a on a.delivery_id = d.delivery_id and a.outcome = 'accepted'
    where d.delivery_id = any (p_delivery_ids) and d.status in ('uncertain', 'planned')
    having count(*) > 0;
  end if;
  return moved_count;
end
$$;
COMMENT ON FUNCTION delivery.record(p_worker text, p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_statuses delivery.delivery_status[], p_outcomes delivery.outcome_class[], p_codes text[], p_words text[], p_provider_ids text[], p_reasons text[], p_waiting_for text[], p_wait_ms bigint[], p_failed boolean[], p_not_sent boolean[], p_durations_ms integer[], p_payload_sha256 text[]) IS 'Writes down what became of deliveries that a worker had.';
CREATE FUNCTION delivery.resign(p_task text, p_holder text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update delivery.leader l set until = '-infinity' where l.task = p_task and l.holder = p_holder
$$;
COMMENT ON FUNCTION delivery.resign(p_task text, p_holder text) IS 'A scheduler that leaves gives the lead away.';
CREATE FUNCTION delivery.run_step_facts(p_run_step_id bigint) RETURNS TABLE(campaign_id bigint, campaign_name text, class marketing.message_class, on_uncertain marketing.uncertain_policy, on_undefined marketing.undefined_policy, attempts_max integer, template_version_id bigint, subject text, body_text text, body_html text, is_silent boolean, link text, image text, data text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select c.campaign_id, c.name, c.class, c.on_uncertain, c.on_undefined, c.attempts_max, v.template_version_id, v.subject, v.body_text, v.body_html,
         t.is_silent, v.link, v.image, v.data
  from delivery.run_step rs
  join delivery.campaign_run r using (campaign_run_id)
  join marketing.campaign c using (campaign_id)
  join marketing.template_version v using (template_version_id)
  join marketing.template t using (template_id)
  where rs.run_step_id = p_run_step_id
$$;
COMMENT ON FUNCTION delivery.run_step_facts(p_run_step_id bigint) IS 'Template and policies of a step, for the workers.';
CREATE FUNCTION delivery.runs_to_plan(p_limit integer) RETURNS TABLE(campaign_run_id bigint, plan_cursor bigint, segment_condition text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select r.campaign_run_id, r.plan_cursor, r.segment_condition
  from delivery.campaign_run r
  join marketing.campaign c using (campaign_id)
  where r.ended_at is null and r.plan_ended_at is null and r.close_as is null and c.desired_status = 'running'
    and r.segment_condition is not null
  order by r.plan_cursor, r.campaign_run_id
  limit p_limit
$$;
COMMENT ON FUNCTION delivery.runs_to_plan(p_limit integer) IS 'Runs whose audience is still being made.';
CREATE FUNCTION delivery.settle_by_hand(p_delivery_id bigint, p_status delivery.delivery_status) RETURNS delivery.delivery_status
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION delivery.settle_by_hand(p_delivery_id bigint, p_status delivery.delivery_status) IS 'Decides about a delivery of which nobody knows whether it went out: sent or failed.';
CREATE FUNCTION delivery.settle_late(p_delivery_ids bigint[], p_attempts integer[], p_outcomes delivery.outcome_class[], p_provider_ids text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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
COMMENT ON FUNCTION delivery.settle_late(p_delivery_ids bigint[], p_attempts integer[], p_outcomes delivery.outcome_class[], p_provider_ids text[]) IS 'Settles deliveries whose answer came after their worker''s time was up.';
CREATE FUNCTION delivery.share_provider_token(p_provider_account_id integer, p_oldest_slot bigint, p_slot bigint, p_sealed bytea) RETURNS TABLE(slot bigint, sealed bytea)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
  perform from delivery.provider_account a where a.provider_account_id = p_provider_account_id for no key update;
  if not exists (select from delivery.provider_token t where t.provider_account_id = p_provider_account_id and t.slot >= p_oldest_slot) then
    -- A worker whose clock is ahead must not take away what the others still use.
    delete from delivery.provider_token t where t.provider_account_id = p_provider_account_id and t.slot < p_oldest_slot - 2;
    insert into delivery.provider_token as t (provider_account_id, slot, sealed) values (p_provider_account_id, p_slot, p_sealed);
  end if;
  return query
    select t.slot, t.sealed from delivery.provider_token t
    where t.provider_account_id = p_provider_account_id and t.slot >= p_oldest_slot
    order by t.slot limit 1;
end
$$;
COMMENT ON FUNCTION delivery.share_provider_token(p_provider_account_id integer, p_oldest_slot bigint, p_slot bigint, p_sealed bytea) IS 'Makes all workers use the same provider token of an account.';
CREATE FUNCTION delivery.sweep(p_attention_ms bigint, p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_bitmapscan TO 'off'
    AS $$
declare
  work record;
  range record;
  touched integer := 0;
  steps bigint[] := '{}';
  cursors bigint[] := '{}';
begin
  for work in
    select rs.run_step_id, rs.lane_id, rs.dispatch_cursor, rs.settled_cursor, r.month, r.close_as
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
    touched := touched + delivery.sweep_window(work.run_step_id, work.month, range.settled_upto, range.seen_upto, p_attention_ms, p_limit);
    touched := touched + delivery.sweep_overdue(work.run_step_id, work.lane_id, work.month, p_limit);
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
COMMENT ON FUNCTION delivery.sweep(p_attention_ms bigint, p_limit integer) IS 'Finds deliveries that a crash left hanging and sets them going again.';
CREATE FUNCTION delivery.sweep_overdue(p_run_step_id bigint, p_lane_id integer, p_month integer, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  resend boolean;
  attempts_max integer;
  newest timestamptz;
  quiet_since timestamptz;
  expired bigint;
  lost bigint;
  leases integer;
begin
  select p.is_keyed or c.on_uncertain = 'resend', c.attempts_max into resend, attempts_max
  from delivery.run_step rs
  join delivery.campaign_run r using (campaign_run_id)
  join marketing.campaign c using (campaign_id)
  join delivery.lane l using (lane_id)
  join delivery.provider_account a using (provider_account_id)
  join delivery.provider p using (driver)
  where rs.run_step_id = p_run_step_id;
  -- 1. Its worker is gone: nobody knows whether it was sent. A provider that recognises repeats gets it again. After a restart of the
  -- database the workers get a moment to record what they could not.
  with gone as (
    select d.delivery_id, d.attempt, d.failures from delivery.delivery d
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
    cross join lateral (select resend and g.failures + 1 < attempts_max as again) v
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
  select max(lp.newest_queued_at) into newest from delivery.lane_pulse lp where lp.lane_id = p_lane_id;
  select case when l.measured_at > now() - interval '5 seconds' then l.empty_since end into quiet_since
  from delivery.lane l where l.lane_id = p_lane_id;
  with overdue as (
    select d.delivery_id, coalesce(d.queued_at < newest - interval '60 seconds' * power(2, least(d.epoch, 6) - 1), false)
        or coalesce(quiet_since < now() - interval '5 seconds' and d.queued_at < now() - interval '5 seconds' * power(2, least(d.epoch, 6) - 1), false) as is_lost
    from delivery.delivery d
    where d.run_step_id = p_run_step_id and d.next_at <= now() and d.status = 'queued'
      and d.delivery_id >= low and d.delivery_id < high
    order by d.next_at limit p_limit
    for update skip locked
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
COMMENT ON FUNCTION delivery.sweep_overdue(p_run_step_id bigint, p_lane_id integer, p_month integer, p_limit integer) IS 'Decides about deliveries that nobody has answered for in time.';
CREATE FUNCTION delivery.sweep_range(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_limit integer, OUT settled_upto bigint, OUT seen_upto bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  oldest_open bigint;
begin
  if p_from < p_to then
    select max(w.contact_id), min(w.contact_id) filter (where w.status in ('planned', 'queued', 'sending') and w.next_at is null)
    into seen_upto, oldest_open
    from (
      select d.contact_id, d.status, d.next_at from delivery.delivery d
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
COMMENT ON FUNCTION delivery.sweep_range(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_limit integer, OUT settled_upto bigint, OUT seen_upto bigint) IS 'Finds how far the settled cursor of a step may move.';
CREATE FUNCTION delivery.sweep_window(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_attention_ms bigint, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
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
COMMENT ON FUNCTION delivery.sweep_window(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_attention_ms bigint, p_limit integer) IS 'Marks what has been on its way for too long.';
CREATE FUNCTION delivery.take_rate(p_provider_account_id integer, p_wanted integer) RETURNS TABLE(wait_ms bigint, gap_us bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  first_at timestamptz;
  gap interval;
begin
  -- Whole microseconds, rounded up: never faster than the limit.
  update delivery.rate_limit r
  set next_slot_at = greatest(r.next_slot_at, clock_timestamp()) + p_wanted * (ceil(1000000 / r.per_second) * interval '1 microsecond')
  where r.provider_account_id = p_provider_account_id
  returning r.next_slot_at - p_wanted * (ceil(1000000 / r.per_second) * interval '1 microsecond'), ceil(1000000 / r.per_second) * interval '1 microsecond'
  into first_at, gap;
  if not found then
    return query select 0::bigint, 0::bigint;
  else
    return query select greatest(0, ceil(extract(epoch from first_at - clock_timestamp()) * 1000))::bigint,
                        (extract(epoch from gap) * 1000000)::bigint;
  end if;
end
$$;
COMMENT ON FUNCTION delivery.take_rate(p_provider_account_id integer, p_wanted integer) IS 'Reserves moments for sending, so that the whole fleet together keeps an account''s rate limit.';
CREATE FUNCTION delivery.undispatch(p_delivery_ids bigint[], p_epochs integer[], p_wait_ms bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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
COMMENT ON FUNCTION delivery.undispatch(p_delivery_ids bigint[], p_epochs integer[], p_wait_ms bigint) IS 'Takes back what the broker did not take.';
CREATE FUNCTION marketing.guard_campaign() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if tg_op = 'INSERT' then
    if new.kind = 'broadcast' and new.actual_status <> 'draft' then
      raise exception 'A new campaign starts as a draft' using hint = 'Leave actual_status alone; set desired_status to running.';
    end if;
    return new;
  end if;
  if (new.actual_status, new.blocked_reason, new.eta) is distinct from (old.actual_status, old.blocked_reason, old.eta)
     and not pg_has_role(current_user, (select t.relowner from pg_class t where t.oid = tg_relid), 'member') then
    raise exception 'What campaign "%" does is written by the programs', old.name using hint = 'Set desired_status instead: running, paused or cancelled.';
  end if;
  if new.desired_status is distinct from old.desired_status then
    if old.desired_status = 'cancelled' then
      raise exception 'Campaign "%" was cancelled and stays so', old.name using hint = 'Make a new campaign for those who are still to get it.';
    elsif old.actual_status in ('completed', 'completed_with_failures', 'failed', 'cancelled') then
      raise exception 'Campaign "%" is over (%)', old.name, old.actual_status using hint = 'Make a new campaign to send again.';
    elsif new.desired_status = 'draft' and old.actual_status not in ('draft', 'scheduled') then
      raise exception 'Campaign "%" has started and cannot become a draft again', old.name using hint = 'Set desired_status to paused or cancelled.';
    elsif new.desired_status = 'paused' and old.actual_status = 'draft' and old.desired_status = 'draft' then
      raise exception 'Campaign "%" has not been started, so there is nothing to pause', old.name using hint = 'Set desired_status to running when it is ready.';
    end if;
  end if;
  if old.actual_status not in ('draft', 'scheduled') and (new.segment_id, new.topic_id, new.class, new.kind)
      is distinct from (old.segment_id, old.topic_id, old.class, old.kind) then
    raise exception 'Campaign "%" has started: its audience, topic and class are fixed', old.name
      using hint = 'Cancel it and make a new one, or wait until it is done.';
  end if;
  return new;
end
$$;
COMMENT ON FUNCTION marketing.guard_campaign() IS 'Refuses changes of a campaign that make no sense, with a hint.';
CREATE FUNCTION marketing.guard_consent_event() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception 'The history of consent is never changed' using hint = 'Change marketing.consent; the history is written by itself.';
end
$$;
COMMENT ON FUNCTION marketing.guard_consent_event() IS 'Keeps the history of consent as it was.';
CREATE FUNCTION marketing.guard_segment() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  problem text;
begin
  begin
    problem := marketing.segment_problem(new.condition);
    if problem is null then
      perform marketing.segment_page(new.condition, 9223372036854775806, 1);
    end if;
  exception
    when query_canceled then raise;
    when others then problem := sqlerrm;
  end;
  if problem is not null then
    raise exception 'The condition of segment "%" does not work: %', new.name, problem
      using hint = 'It may use the columns of marketing.segment_contact only, for example: tier = ''gold'' and points > 1000';
  end if;
  return new;
end
$$;
COMMENT ON FUNCTION marketing.guard_segment() IS 'Tries a segment''s condition when it is saved.';
CREATE FUNCTION marketing.guard_template_version() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if (new.template_id, new.subject, new.body_text, new.body_html, new.created_at)
      is distinct from (old.template_id, old.subject, old.body_text, old.body_html, old.created_at) then
    raise exception 'A template version never changes' using hint = 'Add a new version instead; campaigns that start afterwards use it.';
  end if;
  return new;
end
$$;
COMMENT ON FUNCTION marketing.guard_template_version() IS 'Keeps template versions as they were sent.';
CREATE FUNCTION marketing.note_consent() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if tg_op = 'DELETE' then
    insert into marketing.consent_event (contact_id, channel, topic_id, is_granted, source, proof)
    select o.contact_id, o.channel, o.topic_id, false, 'answer taken back', o.proof from old_rows o;
  else
    insert into marketing.consent_event (contact_id, channel, topic_id, is_granted, source, proof, happened_at)
    select n.contact_id, n.channel, n.topic_id, n.is_granted, n.source, n.proof, n.changed_at from new_rows n;
  end if;
  return null;
end
$$;
COMMENT ON FUNCTION marketing.note_consent() IS 'Writes every change of consent to consent_event.';
CREATE FUNCTION marketing.reach(p_contact_id bigint, p_channel marketing.channel, p_topic_id bigint) RETURNS TABLE(contact_point_id bigint, address text, suppressed boolean, channel_denied boolean, topic_granted boolean, topic_denied boolean)
    LANGUAGE sql STABLE
    AS $$
  select p.contact_point_id, p.address, s.suppressed, k.channel_denied, k.topic_granted, k.topic_denied
  from (select 1) as one
  left join lateral (
    select cp.contact_point_id, cp.address
    from marketing.contact_point cp
    where cp.contact_id = p_contact_id and cp.channel = p_channel and cp.is_usable
    order by cp.is_preferred desc, cp.contact_point_id
    limit 1
  ) as p on true
  left join lateral (
    select true as suppressed
    from marketing.suppression su
    where su.channel = p_channel and su.address = p.address and (su.until is null or su.until > now())
  ) as s on true
  left join lateral (
    select bool_or(not c.is_granted) filter (where c.topic_id is null) as channel_denied,
           bool_or(c.is_granted) filter (where c.topic_id = p_topic_id) as topic_granted,
           bool_or(not c.is_granted) filter (where c.topic_id = p_topic_id) as topic_denied
    from marketing.consent c
    where c.contact_id = p_contact_id and c.channel = p_channel
  ) as k on true
$$;
COMMENT ON FUNCTION marketing.reach(p_contact_id bigint, p_channel marketing.channel, p_topic_id bigint) IS 'A contact''s address on a channel and what is known of their consent.';
CREATE FUNCTION marketing.refusal(p_class marketing.message_class, p_desired_status text, p_needs_opt_in boolean, p_expires_at timestamp with time zone, p_erased_at timestamp with time zone, p_address text, p_suppressed boolean, p_channel_denied boolean, p_topic_granted boolean, p_topic_denied boolean, p_now timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
  select case
    when p_desired_status = 'cancelled' then 'campaign_cancelled'
    when p_expires_at <= p_now then 'too_late'
    when p_desired_status <> 'running' then 'campaign_paused'
    when p_erased_at is not null then 'erased'
    when p_address is null then 'no_address'
    when p_suppressed then 'suppressed' -- guard: consent
    when p_class = 'transactional' then null
    when p_channel_denied or p_topic_denied then 'topic_off' -- guard: consent
    when p_needs_opt_in and not coalesce(p_topic_granted, false) then 'not_subscribed' -- guard: consent
  end
$$;
COMMENT ON FUNCTION marketing.refusal(p_class marketing.message_class, p_desired_status text, p_needs_opt_in boolean, p_expires_at timestamp with time zone, p_erased_at timestamp with time zone, p_address text, p_suppressed boolean, p_channel_denied boolean, p_topic_granted boolean, p_topic_denied boolean, p_now timestamp with time zone) IS 'Why a message may not be sent, in one word that delivery.reason explains; empty when it may. The only place where this is decided.';
CREATE FUNCTION marketing.segment_page(p_condition text, p_after bigint, p_limit integer) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
  return query execute format(
    'select contact_id from marketing.segment_contact where contact_id > $1 and (%s) order by contact_id limit $2',
    p_condition || E'\n')
    using p_after, p_limit;
end
$_$;
ALTER FUNCTION marketing.segment_page(p_condition text, p_after bigint, p_limit integer) OWNER TO postrider_segment;
COMMENT ON FUNCTION marketing.segment_page(p_condition text, p_after bigint, p_limit integer) IS 'The next contacts of a segment, in order of their number.';
CREATE FUNCTION marketing.segment_problem(p_condition text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  stored text;
  found text;
begin
  -- Inside brackets as well as inside parentheses: what closes one cannot close the other, so it is one whole expression.
  perform marketing.segment_try(format(E'select array[%s\n] from marketing.segment_contact limit 0', p_condition));
  execute format(E'create temporary view segment_tried as select contact_id from marketing.segment_contact where (%s\n)', p_condition);
  select r.ev_action into stored from pg_rewrite r where r.ev_class = 'pg_temp.segment_tried'::regclass;
  select min(t.table_id::regclass::text) into found
  from (select m[1]::oid as table_id from regexp_matches(stored, ':relid (\d+)', 'g') m) t
  where t.table_id not in (0, 'marketing.segment_contact'::regclass, 'pg_temp.segment_tried'::regclass);
  drop view pg_temp.segment_tried;
  if found is not null then
    return format('it reads %s', found);
  end if;
  select min(p.proname) into found
  from (select m[1]::oid as function_id from regexp_matches(stored, ':(?:func|opfunc|aggfn|winfn)(?:id|oid) (\d+)', 'g') m) f
  join pg_proc p on p.oid = f.function_id
  where p.provolatile = 'v' and p.proname not in ('random', 'clock_timestamp', 'timeofday');
  if found is not null then
    return format('it calls %s, which may do more than look and compute', found);
  end if;
  perform marketing.segment_try(format(E'select count(*) from (select * from marketing.segment_contact order by contact_id limit 1000) segment_contact where (%s\n)', p_condition));
  return null;
end
$$;
ALTER FUNCTION marketing.segment_problem(p_condition text) OWNER TO postrider_segment;
COMMENT ON FUNCTION marketing.segment_problem(p_condition text) IS 'What is wrong with a segment''s condition; empty when it works.';
CREATE FUNCTION marketing.segment_try(p_query text) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  line record;
begin
  for line in execute p_query loop
    exit;
  end loop;
end
$$;
ALTER FUNCTION marketing.segment_try(p_query text) OWNER TO postrider_segment;
COMMENT ON FUNCTION marketing.segment_try(p_query text) IS 'Runs a query that only reads, with the rights of a segment''s condition.';
CREATE FUNCTION marketing.send_message(contact_id bigint, template_name text, data jsonb DEFAULT '{}'::jsonb, idempotency_key text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  template record;
  standing record;
  problem text;
  new_id bigint;
  known bigint;
  made_run bigint;
  run record;
begin
  select t.* into template from marketing.template t where t.name = template_name;
  if not found then
    raise exception 'There is no template named "%"', template_name using hint = 'See marketing.template for the names.';
  end if;
  if not exists (select from marketing.contact c where c.contact_id = send_message.contact_id) then
    raise exception 'There is no contact %', contact_id using hint = 'See marketing.contact for the numbers.';
  end if;
  if jsonb_typeof(coalesce(data, '{}')) <> 'object' then
    raise exception 'The data must be a JSON object such as {"code": "123456"}, not %', jsonb_typeof(data);
  end if;
  if octet_length(data::text) > 65536 then
    raise exception 'The data may be at most 64 KB';
  end if;
  if idempotency_key is not null then
    select k.delivery_id into known from delivery.send_key k where k.idempotency_key = send_message.idempotency_key;
    if found then
      return known;
    end if;
  end if;
  select c.* into standing from marketing.campaign c where c.name = 'Transactional: ' || template_name;
  if not found then
    insert into marketing.campaign (name, kind, class, desired_status, actual_status, on_uncertain, expires_after, description)
    values ('Transactional: ' || template_name, 'standing', 'transactional', 'running', 'running', 'resend', '1 hour',
            'Holds the messages sent one at a time from template "' || template_name || '".')
    on conflict (name) do nothing;
    select c.* into standing from marketing.campaign c where c.name = 'Transactional: ' || template_name;
    insert into marketing.step (campaign_id, position, template_id) values (standing.campaign_id, 1, template.template_id)
    on conflict do nothing;
  end if;
  if standing.kind <> 'standing' then
    raise exception 'Campaign "%" has the name under which messages from template "%" are kept', standing.name, template_name
      using hint = 'Give that campaign another name.';
  end if;
  select r.campaign_run_id, r.month, rs.run_step_id into run
  from delivery.campaign_run r join delivery.run_step rs using (campaign_run_id)
  where r.campaign_id = standing.campaign_id and r.ended_at is null and r.month = delivery.month_of(now())
    and rs.template_version_id = (select max(v.template_version_id) from marketing.template_version v where v.template_id = template.template_id);
  if not found then
    perform pg_advisory_xact_lock(hashtext('postrider standing run'), standing.campaign_id::integer);
    select r.campaign_run_id, r.month, rs.run_step_id into run
    from delivery.campaign_run r join delivery.run_step rs using (campaign_run_id)
    where r.campaign_id = standing.campaign_id and r.ended_at is null and r.month = delivery.month_of(now())
      and rs.template_version_id = (select max(v.template_version_id) from marketing.template_version v where v.template_id = template.template_id);
    if not found then
      problem := marketing.start_problem(standing.campaign_id);
      if problem is not null then
        raise exception '%', problem;
      end if;
      made_run := delivery.make_run(standing.campaign_id);
      select r.campaign_run_id, r.month, rs.run_step_id into run
      from delivery.campaign_run r join delivery.run_step rs using (campaign_run_id)
      where r.campaign_run_id = made_run;
    end if;
  end if;
  new_id := delivery.first_id_of(run.month) + nextval('delivery.delivery_number');
  if idempotency_key is not null then
    insert into delivery.send_key (idempotency_key, delivery_id) values (send_message.idempotency_key, new_id)
    on conflict do nothing;
    if not found then
      select k.delivery_id into known from delivery.send_key k where k.idempotency_key = send_message.idempotency_key;
      return known;
    end if;
  end if;
  insert into delivery.delivery (delivery_id, run_step_id, contact_id, occurrence, next_at, expires_at, data)
  values (new_id, run.run_step_id, send_message.contact_id, new_id, now(), now() + standing.expires_after, coalesce(data, '{}'));
  perform delivery.count_moves(array[run.run_step_id], array['planned']::delivery.delivery_status[], array[''], array[1::bigint]);
  return new_id;
end
$$;
COMMENT ON FUNCTION marketing.send_message(contact_id bigint, template_name text, data jsonb, idempotency_key text) IS 'Sends one transactional message: select marketing.send_message(42, ''one-time code'', ''{"code": "123456"}'', ''login-77''). Returns the delivery.';
CREATE FUNCTION marketing.start_problem(p_campaign_id bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION marketing.start_problem(p_campaign_id bigint) IS 'What stands in the way of starting a campaign; empty when nothing does.';
CREATE FUNCTION report.why_not(p_campaign_id bigint, p_contact_id bigint) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  campaign marketing.campaign;
  contact marketing.contact;
  answer text := '';
  line record;
  belongs boolean;
begin
  select c.* into campaign from marketing.campaign c where c.campaign_id = p_campaign_id;
  if not found then
    return format('There is no campaign %s.', p_campaign_id);
  end if;
  select c.* into contact from marketing.contact c where c.contact_id = p_contact_id;
  if not found then
    return format('There is no contact %s.', p_contact_id);
  end if;
  for line in
    select t.channel, d.status, d.reason, d.detail, d.waiting_for, d.settled_at, d.next_at, d.delivery_id, z.sentence,
           marketing.refusal(campaign.class, case when campaign.desired_status = 'draft' then 'running' else campaign.desired_status end,
             topic.needs_opt_in, coalesce(d.expires_at, 'infinity'), contact.erased_at, r.address, coalesce(r.suppressed, false),
             coalesce(r.channel_denied, false), r.topic_granted, coalesce(r.topic_denied, false), now()) as refusal
    from marketing.step s
    join marketing.template t using (template_id)
    left join marketing.topic topic on topic.topic_id = campaign.topic_id
    left join lateral (
      select x.* from delivery.campaign_run cr
      join delivery.run_step rs using (campaign_run_id)
      join delivery.delivery x on x.run_step_id = rs.run_step_id and x.contact_id = p_contact_id
        and x.delivery_id >= delivery.first_id_of(cr.month) and x.delivery_id < delivery.first_id_of(cr.month + 1)
      where cr.campaign_id = p_campaign_id and rs.step_id = s.step_id
      order by x.delivery_id desc limit 1) d on true
    left join delivery.reason z on z.reason = d.reason
    cross join lateral marketing.reach(p_contact_id, t.channel, campaign.topic_id) r
    where s.campaign_id = p_campaign_id
    order by s.position
  loop
    answer := answer || case when answer = '' then '' else ' ' end || line.channel || ': ' ||
      case
        when line.delivery_id is not null and line.status in ('planned', 'queued', 'sending') and line.refusal is null then
          format('on its way (%s%s).', line.status, coalesce(', waiting for ' || line.waiting_for, ''))
        when line.delivery_id is not null and line.status in ('planned', 'queued', 'sending') then
          format('will not be sent as things stand: %s', (select x.sentence from delivery.reason x where x.reason = line.refusal))
        when line.delivery_id is not null then
          format('%s%s%s', line.status, coalesce(' at ' || to_char(line.settled_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC', ''),
            coalesce(': ' || line.sentence, '.')) || coalesce(' (' || line.detail || ')', '')
        when line.refusal is not null then
          format('would not be sent: %s', (select x.sentence from delivery.reason x where x.reason = line.refusal))
        else 'allowed.'
      end;
  end loop;
  if answer = '' then
    return 'The campaign has no step.';
  end if;
  if campaign.kind = 'broadcast' and not exists (
      select from delivery.campaign_run cr join delivery.run_step rs using (campaign_run_id)
      join delivery.delivery d on d.run_step_id = rs.run_step_id and d.contact_id = p_contact_id where cr.campaign_id = p_campaign_id) then
    select exists (select from marketing.segment_page(format(E'contact_id = %s and (%s\n)', p_contact_id, sg.condition), p_contact_id - 1, 1))
    into belongs from marketing.segment sg where sg.segment_id = campaign.segment_id;
    if not coalesce(belongs, false) then
      return 'Not in the audience: the contact does not belong to the campaign''s segment. ' || answer;
    end if;
    return case campaign.actual_status when 'draft' then 'The campaign has not been started. ' when 'scheduled' then 'The campaign has not begun yet. '
      when 'running' then 'Not planned yet. ' else 'Not in the audience that was frozen when the campaign ran. ' end || answer;
  end if;
  return answer;
end
$$;
COMMENT ON FUNCTION report.why_not(p_campaign_id bigint, p_contact_id bigint) IS 'Why a contact is or is not messaged by a campaign: select report.why_not(7, 4711).';
CREATE TABLE delivery.attempt (
    delivery_id bigint NOT NULL,
    attempt integer NOT NULL,
    outcome delivery.outcome_class NOT NULL,
    code text,
    words text,
    provider_message_id text,
    payload_sha256 text,
    duration_ms integer,
    worker text NOT NULL,
    is_late boolean DEFAULT false NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (delivery_id);
COMMENT ON TABLE delivery.attempt IS 'One call to a provider and what it answered.';
COMMENT ON COLUMN delivery.attempt.delivery_id IS 'Which delivery.';
COMMENT ON COLUMN delivery.attempt.attempt IS 'Its first, second, ... attempt.';
COMMENT ON COLUMN delivery.attempt.outcome IS 'What it came to.';
COMMENT ON COLUMN delivery.attempt.code IS 'The provider''s code, for example 250 or 550 5.1.1.';
COMMENT ON COLUMN delivery.attempt.words IS 'What the provider said.';
COMMENT ON COLUMN delivery.attempt.provider_message_id IS 'The provider''s own number for the message.';
COMMENT ON COLUMN delivery.attempt.payload_sha256 IS 'Fingerprint of what was sent: two attempts with the same one said the same.';
COMMENT ON COLUMN delivery.attempt.duration_ms IS 'How long the provider took.';
COMMENT ON COLUMN delivery.attempt.worker IS 'Which worker made it.';
COMMENT ON COLUMN delivery.attempt.is_late IS 'The answer came after the worker''s time was up.';
COMMENT ON COLUMN delivery.attempt.recorded_at IS 'When it was written down.';
CREATE TABLE delivery.campaign_run (
    campaign_run_id bigint NOT NULL,
    campaign_id bigint NOT NULL,
    month integer NOT NULL,
    segment_condition text,
    plan_cursor bigint DEFAULT 0 NOT NULL,
    plan_ended_at timestamp with time zone,
    expires_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    close_as delivery.delivery_status,
    settled_count bigint DEFAULT 0 NOT NULL,
    paced_at timestamp with time zone,
    per_second numeric,
    CONSTRAINT "A month is written as 202611" CHECK (((month >= 200001) AND (month <= 999912)))
);
COMMENT ON TABLE delivery.campaign_run IS 'One firing of a campaign. Its deliveries are the frozen audience.';
COMMENT ON COLUMN delivery.campaign_run.campaign_run_id IS 'Number of the run.';
COMMENT ON COLUMN delivery.campaign_run.campaign_id IS 'Which campaign.';
COMMENT ON COLUMN delivery.campaign_run.month IS 'All its deliveries lie in this month''s partition, for example 202611.';
COMMENT ON COLUMN delivery.campaign_run.segment_condition IS 'The segment''s condition as it was when the run started.';
COMMENT ON COLUMN delivery.campaign_run.plan_cursor IS 'Contacts up to this number are planned.';
COMMENT ON COLUMN delivery.campaign_run.plan_ended_at IS 'When the audience was complete.';
COMMENT ON COLUMN delivery.campaign_run.expires_at IS 'Nothing of this run is sent after this moment.';
COMMENT ON COLUMN delivery.campaign_run.started_at IS 'When it started.';
COMMENT ON COLUMN delivery.campaign_run.ended_at IS 'When everything was settled.';
COMMENT ON COLUMN delivery.campaign_run.close_as IS 'Set when what is left is not to be sent: cancelled or expired.';
COMMENT ON COLUMN delivery.campaign_run.settled_count IS 'Deliveries settled when last counted.';
COMMENT ON COLUMN delivery.campaign_run.paced_at IS 'When that was.';
COMMENT ON COLUMN delivery.campaign_run.per_second IS 'Deliveries settled a second, lately.';
ALTER TABLE delivery.campaign_run ALTER COLUMN campaign_run_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME delivery.campaign_run_campaign_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE delivery.campaign_run_campaign_run_id_seq IS 'Gives out delivery.campaign_run.campaign_run_id.';
CREATE TABLE delivery.dead_letter (
    dead_letter_id bigint NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    source text NOT NULL,
    delivery_id bigint,
    reason text NOT NULL,
    body text NOT NULL
);
COMMENT ON TABLE delivery.dead_letter IS 'Messages on the broker that could not be understood or that died there.';
COMMENT ON COLUMN delivery.dead_letter.dead_letter_id IS 'Number of the entry.';
COMMENT ON COLUMN delivery.dead_letter.received_at IS 'When it was found.';
COMMENT ON COLUMN delivery.dead_letter.source IS 'Where it was found.';
COMMENT ON COLUMN delivery.dead_letter.delivery_id IS 'Which delivery it speaks of, if that can be read.';
COMMENT ON COLUMN delivery.dead_letter.reason IS 'What is wrong with it.';
COMMENT ON COLUMN delivery.dead_letter.body IS 'Its first 512 bytes, written so that anything can be shown.';
ALTER TABLE delivery.dead_letter ALTER COLUMN dead_letter_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME delivery.dead_letter_dead_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE delivery.dead_letter_dead_letter_id_seq IS 'Gives out delivery.dead_letter.dead_letter_id.';
CREATE TABLE delivery.delivery (
    delivery_id bigint NOT NULL,
    run_step_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    occurrence bigint DEFAULT 0 NOT NULL,
    status delivery.delivery_status DEFAULT 'planned'::delivery.delivery_status NOT NULL,
    epoch integer DEFAULT 0 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    failures smallint DEFAULT 0 NOT NULL,
    not_sent smallint DEFAULT 0 NOT NULL,
    next_at timestamp with time zone,
    expires_at timestamp with time zone NOT NULL,
    planned_at timestamp with time zone DEFAULT now() NOT NULL,
    queued_at timestamp with time zone,
    lease_until timestamp with time zone,
    claim_token bigint,
    settled_at timestamp with time zone,
    contact_point_id bigint,
    reason text,
    waiting_for text,
    detail text,
    claimed_by text,
    provider_message_id text,
    data jsonb
)
PARTITION BY RANGE (delivery_id);
COMMENT ON TABLE delivery.delivery IS 'One message to one contact. Who, when, what came of it and why. Read report.delivery for names instead of numbers.';
COMMENT ON COLUMN delivery.delivery.delivery_id IS 'Its number: the month it was planned for, then twelve digits.';
COMMENT ON COLUMN delivery.delivery.run_step_id IS 'Which step of which run.';
COMMENT ON COLUMN delivery.delivery.contact_id IS 'To whom.';
COMMENT ON COLUMN delivery.delivery.occurrence IS '0 in a broadcast; tells apart several messages of a standing campaign to one contact.';
COMMENT ON COLUMN delivery.delivery.status IS 'How far it is.';
COMMENT ON COLUMN delivery.delivery.epoch IS 'How often it was put on the broker. Only the newest message counts.';
COMMENT ON COLUMN delivery.delivery.attempt IS 'How often a worker took it to send it.';
COMMENT ON COLUMN delivery.delivery.failures IS 'Attempts that count against the campaign''s attempts_max.';
COMMENT ON COLUMN delivery.delivery.not_sent IS 'Attempts that provably never left us; they do not count as failures.';
COMMENT ON COLUMN delivery.delivery.next_at IS 'When the programs look at it again. Empty while it goes its normal way and when it is settled.';
COMMENT ON COLUMN delivery.delivery.expires_at IS 'It is not sent after this moment.';
COMMENT ON COLUMN delivery.delivery.planned_at IS 'When it was planned.';
COMMENT ON COLUMN delivery.delivery.queued_at IS 'When it was last put on the broker.';
COMMENT ON COLUMN delivery.delivery.lease_until IS 'How long the worker that has it may keep it.';
COMMENT ON COLUMN delivery.delivery.claim_token IS 'Proves which worker has it.';
COMMENT ON COLUMN delivery.delivery.settled_at IS 'When it reached its last status.';
COMMENT ON COLUMN delivery.delivery.contact_point_id IS 'Which address was used.';
COMMENT ON COLUMN delivery.delivery.reason IS 'Why it is as it is, in one fixed word; delivery.reason explains each.';
COMMENT ON COLUMN delivery.delivery.waiting_for IS 'What an open delivery waits for.';
COMMENT ON COLUMN delivery.delivery.detail IS 'More about the reason, for example the provider''s words.';
COMMENT ON COLUMN delivery.delivery.claimed_by IS 'Which worker had it last.';
COMMENT ON COLUMN delivery.delivery.provider_message_id IS 'The provider''s own number for it.';
COMMENT ON COLUMN delivery.delivery.data IS 'What send_message was given, as in {{ data.code }}.';
CREATE TABLE delivery.delivery_event (
    delivery_event_id bigint NOT NULL,
    delivery_id bigint NOT NULL,
    kind text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    source text NOT NULL,
    detail text,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT "An event is one that we know" CHECK ((kind = ANY (ARRAY['delivered'::text, 'bounced'::text, 'deferred'::text, 'opened'::text, 'clicked'::text, 'complained'::text, 'unsubscribed'::text, 'converted'::text, 'settled_by_hand'::text, 'sent_after_all'::text])))
)
PARTITION BY RANGE (delivery_id);
COMMENT ON TABLE delivery.delivery_event IS 'What happened to a message after it was sent, or what a person decided about it.';
COMMENT ON COLUMN delivery.delivery_event.delivery_event_id IS 'Number of the event.';
COMMENT ON COLUMN delivery.delivery_event.delivery_id IS 'Which delivery.';
COMMENT ON COLUMN delivery.delivery_event.kind IS 'What happened, for example opened.';
COMMENT ON COLUMN delivery.delivery_event.happened_at IS 'When it happened.';
COMMENT ON COLUMN delivery.delivery_event.source IS 'Who says so.';
COMMENT ON COLUMN delivery.delivery_event.detail IS 'More about it.';
COMMENT ON COLUMN delivery.delivery_event.recorded_at IS 'When we learned of it.';
ALTER TABLE delivery.delivery_event ALTER COLUMN delivery_event_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME delivery.delivery_event_delivery_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE delivery.delivery_event_delivery_event_id_seq IS 'Gives out delivery.delivery_event.delivery_event_id.';
CREATE SEQUENCE delivery.delivery_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
COMMENT ON SEQUENCE delivery.delivery_number IS 'The last twelve digits of a delivery_id.';
CREATE TABLE delivery.lane (
    lane_id integer NOT NULL,
    provider_account_id integer NOT NULL,
    class marketing.message_class NOT NULL,
    queue_name text NOT NULL,
    ready_count bigint,
    consumer_count bigint,
    measured_at timestamp with time zone,
    empty_since timestamp with time zone
);
COMMENT ON TABLE delivery.lane IS 'A queue on the broker: one for each account and class, so that transactional messages never wait behind marketing.';
COMMENT ON COLUMN delivery.lane.lane_id IS 'Number of the lane.';
COMMENT ON COLUMN delivery.lane.provider_account_id IS 'Which account.';
COMMENT ON COLUMN delivery.lane.class IS 'Which class of messages.';
COMMENT ON COLUMN delivery.lane.queue_name IS 'Its name on the broker.';
COMMENT ON COLUMN delivery.lane.ready_count IS 'Messages waiting on the broker when last looked at.';
COMMENT ON COLUMN delivery.lane.consumer_count IS 'Workers listening when last looked at.';
COMMENT ON COLUMN delivery.lane.measured_at IS 'When that was.';
COMMENT ON COLUMN delivery.lane.empty_since IS 'Since when nothing has waited on the broker. Empty: something waits.';
ALTER TABLE delivery.lane ALTER COLUMN lane_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME delivery.lane_lane_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE delivery.lane_lane_id_seq IS 'Gives out delivery.lane.lane_id.';
CREATE TABLE delivery.lane_pulse (
    lane_id integer NOT NULL,
    slot integer NOT NULL,
    newest_queued_at timestamp with time zone NOT NULL
);
COMMENT ON TABLE delivery.lane_pulse IS 'How far the workers have come through a lane, so that a lost message is told from a waiting one.';
COMMENT ON COLUMN delivery.lane_pulse.lane_id IS 'Which lane.';
COMMENT ON COLUMN delivery.lane_pulse.slot IS 'Which share of the writers.';
COMMENT ON COLUMN delivery.lane_pulse.newest_queued_at IS 'The newest message taken from the lane was put there at this moment.';
CREATE TABLE delivery.leader (
    task text NOT NULL,
    holder text NOT NULL,
    term bigint NOT NULL,
    until timestamp with time zone NOT NULL
);
COMMENT ON TABLE delivery.leader IS 'Which scheduler does the work that only one may do.';
COMMENT ON COLUMN delivery.leader.task IS 'Which work.';
COMMENT ON COLUMN delivery.leader.holder IS 'Which scheduler.';
COMMENT ON COLUMN delivery.leader.term IS 'Goes up each time another one takes over.';
COMMENT ON COLUMN delivery.leader.until IS 'How long it may go on without renewing.';
CREATE TABLE delivery.provider (
    driver text NOT NULL,
    channels marketing.channel[] NOT NULL,
    is_keyed boolean NOT NULL,
    description text NOT NULL
);
COMMENT ON TABLE delivery.provider IS 'The providers that the workers know. Filled by the programs.';
COMMENT ON COLUMN delivery.provider.driver IS 'Name of the driver, for example smtp.';
COMMENT ON COLUMN delivery.provider.channels IS 'Which channels it serves.';
COMMENT ON COLUMN delivery.provider.is_keyed IS 'On: the provider recognises a repeated message by its key, so sending again is harmless.';
COMMENT ON COLUMN delivery.provider.description IS 'What it is.';
CREATE TABLE delivery.provider_account (
    provider_account_id integer NOT NULL,
    name text NOT NULL,
    driver text NOT NULL,
    channel marketing.channel NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    priority integer DEFAULT 1 NOT NULL,
    breaker_reason text,
    open_until timestamp with time zone,
    opened_count integer DEFAULT 0 NOT NULL,
    probe_delivery_id bigint,
    probe_until timestamp with time zone,
    paused_until timestamp with time zone,
    paused_reason text,
    CONSTRAINT "An account name has 1 to 40 small letters, digits and hyphens" CHECK ((name ~ '^[a-z0-9-]{1,40}$'::text)),
    CONSTRAINT "Settings must be a JSON object" CHECK ((jsonb_typeof(settings) = 'object'::text))
);
COMMENT ON TABLE delivery.provider_account IS 'An account of ours at a provider. Secrets are never here: settings name them, for example env:SMTP_PASSWORD.';
COMMENT ON COLUMN delivery.provider_account.provider_account_id IS 'Number of the account.';
COMMENT ON COLUMN delivery.provider_account.name IS 'Short name, part of queue names, for example main.';
COMMENT ON COLUMN delivery.provider_account.driver IS 'Which provider.';
COMMENT ON COLUMN delivery.provider_account.channel IS 'Which channel it serves.';
COMMENT ON COLUMN delivery.provider_account.settings IS 'The driver''s settings, for example {"host": "mail", "port": 25, "from_email": "club@example.org"}.';
COMMENT ON COLUMN delivery.provider_account.is_active IS 'Off: nothing is sent through it.';
COMMENT ON COLUMN delivery.provider_account.priority IS 'The smallest number is taken first.';
COMMENT ON COLUMN delivery.provider_account.breaker_reason IS 'Why the circuit breaker is open. Empty: closed.';
COMMENT ON COLUMN delivery.provider_account.open_until IS 'When the breaker lets exactly one message through to try.';
COMMENT ON COLUMN delivery.provider_account.opened_count IS 'How often it opened in a row.';
COMMENT ON COLUMN delivery.provider_account.probe_delivery_id IS 'The one message that tries whether the provider is back.';
COMMENT ON COLUMN delivery.provider_account.probe_until IS 'How long that try may take.';
COMMENT ON COLUMN delivery.provider_account.paused_until IS 'The provider asked us to wait until then.';
COMMENT ON COLUMN delivery.provider_account.paused_reason IS 'What the provider said when it asked us to wait.';
ALTER TABLE delivery.provider_account ALTER COLUMN provider_account_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME delivery.provider_account_provider_account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE delivery.provider_account_provider_account_id_seq IS 'Gives out delivery.provider_account.provider_account_id.';
CREATE TABLE delivery.provider_token (
    provider_account_id integer NOT NULL,
    slot bigint NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT "A sealed token has at most 8 KB" CHECK (((octet_length(sealed) >= 1) AND (octet_length(sealed) <= 8192)))
);
COMMENT ON TABLE delivery.provider_token IS 'A token that all workers together show to a provider which does not want to see many, sealed: only who has the account''s private key can open it. Written by the programs.';
COMMENT ON COLUMN delivery.provider_token.provider_account_id IS 'Which account.';
COMMENT ON COLUMN delivery.provider_token.slot IS 'The stretch of time at whose end it is over.';
COMMENT ON COLUMN delivery.provider_token.sealed IS 'The token, encrypted.';
CREATE TABLE delivery.rate_limit (
    provider_account_id integer NOT NULL,
    per_second numeric NOT NULL,
    next_slot_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT "A rate limit is 0.01 to 100,000 messages a second" CHECK (((per_second >= 0.01) AND (per_second <= (100000)::numeric)))
);
COMMENT ON TABLE delivery.rate_limit IS 'How fast an account may be used by the whole fleet together.';
COMMENT ON COLUMN delivery.rate_limit.provider_account_id IS 'Which account.';
COMMENT ON COLUMN delivery.rate_limit.per_second IS 'Messages a second.';
COMMENT ON COLUMN delivery.rate_limit.next_slot_at IS 'The next moment that no worker has taken yet. Written by the programs.';
CREATE TABLE delivery.reason (
    reason text NOT NULL,
    sentence text NOT NULL
);
COMMENT ON TABLE delivery.reason IS 'What the words in delivery.delivery.reason mean.';
COMMENT ON COLUMN delivery.reason.reason IS 'The word.';
COMMENT ON COLUMN delivery.reason.sentence IS 'What it means.';
CREATE TABLE delivery.run_step (
    run_step_id bigint NOT NULL,
    campaign_run_id bigint NOT NULL,
    step_id bigint NOT NULL,
    channel marketing.channel NOT NULL,
    lane_id integer NOT NULL,
    template_version_id bigint NOT NULL,
    dispatch_cursor bigint DEFAULT 0 NOT NULL,
    settled_cursor bigint DEFAULT 0 NOT NULL,
    swept_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
);
COMMENT ON TABLE delivery.run_step IS 'A step as one run does it: with the template version and account that it started with.';
COMMENT ON COLUMN delivery.run_step.run_step_id IS 'Number of the step in this run.';
COMMENT ON COLUMN delivery.run_step.campaign_run_id IS 'Which run.';
COMMENT ON COLUMN delivery.run_step.step_id IS 'Which step of the campaign.';
COMMENT ON COLUMN delivery.run_step.channel IS 'Which channel.';
COMMENT ON COLUMN delivery.run_step.lane_id IS 'Which lane takes its messages.';
COMMENT ON COLUMN delivery.run_step.template_version_id IS 'Which text: a retry says the same as the first attempt.';
COMMENT ON COLUMN delivery.run_step.dispatch_cursor IS 'Contacts up to this number have been put on the broker once.';
COMMENT ON COLUMN delivery.run_step.settled_cursor IS 'Contacts up to this number are settled, or have a next_at.';
COMMENT ON COLUMN delivery.run_step.swept_at IS 'When it was last searched for stuck deliveries.';
ALTER TABLE delivery.run_step ALTER COLUMN run_step_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME delivery.run_step_run_step_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE delivery.run_step_run_step_id_seq IS 'Gives out delivery.run_step.run_step_id.';
CREATE TABLE delivery.schema_definition (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE delivery.schema_definition IS 'What is replaced as a whole whenever it changes: functions and views, and the roles'' rights. Written by postrider-scheduler migrate.';
COMMENT ON COLUMN delivery.schema_definition.name IS 'definitions (functions and views) or roles.';
COMMENT ON COLUMN delivery.schema_definition.sha256 IS 'Checksum of all its files when they were applied.';
COMMENT ON COLUMN delivery.schema_definition.applied_at IS 'When they were applied last.';
CREATE TABLE delivery.schema_migration (
    number integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE delivery.schema_migration IS 'The steps in which this database was built, each applied once. Written by postrider-scheduler migrate.';
COMMENT ON COLUMN delivery.schema_migration.number IS 'The number that the file begins with, for example 7.';
COMMENT ON COLUMN delivery.schema_migration.name IS 'The file, for example 0007_quiet_hours.sql.';
COMMENT ON COLUMN delivery.schema_migration.sha256 IS 'Checksum of the file when it was applied; an applied file is never edited.';
COMMENT ON COLUMN delivery.schema_migration.applied_at IS 'When it was applied here.';
CREATE TABLE delivery.send_key (
    idempotency_key text NOT NULL,
    delivery_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT "A key is 1 to 200 characters long" CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 200)))
);
COMMENT ON TABLE delivery.send_key IS 'Remembers the keys given to marketing.send_message, so that asking twice sends once.';
COMMENT ON COLUMN delivery.send_key.idempotency_key IS 'The caller''s key.';
COMMENT ON COLUMN delivery.send_key.delivery_id IS 'The delivery it stands for.';
COMMENT ON COLUMN delivery.send_key.created_at IS 'When it was first used.';
CREATE TABLE delivery.tally (
    run_step_id bigint NOT NULL,
    status delivery.delivery_status NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    slot integer NOT NULL,
    amount bigint NOT NULL
)
WITH (fillfactor='50');
COMMENT ON TABLE delivery.tally IS 'How many deliveries of a step are in which status, kept to the letter in the same transaction that moves them. Add the slots up.';
COMMENT ON COLUMN delivery.tally.run_step_id IS 'Which step of which run.';
COMMENT ON COLUMN delivery.tally.status IS 'Which status.';
COMMENT ON COLUMN delivery.tally.reason IS 'Which reason; empty for none.';
COMMENT ON COLUMN delivery.tally.slot IS 'Which share of the writers, so that they do not wait for each other.';
COMMENT ON COLUMN delivery.tally.amount IS 'How many; may be below zero in one slot, never in the sum.';
CREATE TABLE marketing.campaign (
    campaign_id bigint NOT NULL,
    name text NOT NULL,
    kind text DEFAULT 'broadcast'::text NOT NULL,
    class marketing.message_class DEFAULT 'marketing'::marketing.message_class NOT NULL,
    desired_status text DEFAULT 'draft'::text NOT NULL,
    actual_status text DEFAULT 'draft'::text NOT NULL,
    blocked_reason text,
    eta timestamp with time zone,
    segment_id bigint,
    topic_id bigint,
    send_at timestamp with time zone,
    expires_after interval DEFAULT '24:00:00'::interval NOT NULL,
    on_uncertain marketing.uncertain_policy DEFAULT 'skip'::marketing.uncertain_policy NOT NULL,
    on_undefined marketing.undefined_policy DEFAULT 'blank'::marketing.undefined_policy NOT NULL,
    attempts_max integer DEFAULT 5 NOT NULL,
    weight integer DEFAULT 1 NOT NULL,
    description text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT "A broadcast needs a segment" CHECK (((kind <> 'broadcast'::text) OR (segment_id IS NOT NULL))),
    CONSTRAINT "A campaign is a broadcast or standing" CHECK ((kind = ANY (ARRAY['broadcast'::text, 'standing'::text]))),
    CONSTRAINT "A marketing campaign needs a topic that people can refuse" CHECK (((class <> 'marketing'::marketing.message_class) OR (topic_id IS NOT NULL))),
    CONSTRAINT "A weight is 1 to 100" CHECK (((weight >= 1) AND (weight <= 100))),
    CONSTRAINT "Between 1 and 20 attempts" CHECK (((attempts_max >= 1) AND (attempts_max <= 20))),
    CONSTRAINT "Messages may expire after 1 second to 60 days" CHECK (((expires_after >= '00:00:01'::interval) AND (expires_after <= '60 days'::interval))),
    CONSTRAINT "Wish for draft, running, paused or cancelled" CHECK ((desired_status = ANY (ARRAY['draft'::text, 'running'::text, 'paused'::text, 'cancelled'::text])))
);
COMMENT ON TABLE marketing.campaign IS 'A message, or several, to a segment. Set desired_status to running to start it.';
COMMENT ON COLUMN marketing.campaign.campaign_id IS 'Number of the campaign.';
COMMENT ON COLUMN marketing.campaign.name IS 'What it is called.';
COMMENT ON COLUMN marketing.campaign.kind IS 'broadcast: once, to a segment. standing: holds messages sent one at a time by marketing.send_message.';
COMMENT ON COLUMN marketing.campaign.class IS 'marketing, or transactional for what the person asked for.';
COMMENT ON COLUMN marketing.campaign.desired_status IS 'What you want: draft, running, paused or cancelled. Takes effect within a second.';
COMMENT ON COLUMN marketing.campaign.actual_status IS 'What it does: draft, scheduled, running, paused, completed, completed_with_failures, cancelled or failed. Written by the programs.';
COMMENT ON COLUMN marketing.campaign.blocked_reason IS 'Why it does not go on, and what to do. Empty when all is well.';
COMMENT ON COLUMN marketing.campaign.eta IS 'When it will be done, at the present speed.';
COMMENT ON COLUMN marketing.campaign.segment_id IS 'Who gets it.';
COMMENT ON COLUMN marketing.campaign.topic_id IS 'Which topic it belongs to; contacts who refuse the topic do not get it.';
COMMENT ON COLUMN marketing.campaign.send_at IS 'Nobody receives this campaign before this moment. Empty: as soon as it is started.';
COMMENT ON COLUMN marketing.campaign.expires_after IS 'How long after the start a message still makes sense. Later it is not sent.';
COMMENT ON COLUMN marketing.campaign.on_uncertain IS 'When nobody knows whether a message went out: skip or resend.';
COMMENT ON COLUMN marketing.campaign.on_undefined IS 'When a token has no value: blank or skip the contact.';
COMMENT ON COLUMN marketing.campaign.attempts_max IS 'How often a message is tried when the provider has troubles.';
COMMENT ON COLUMN marketing.campaign.weight IS 'Its share of the speed beside other campaigns: 2 gets twice as much as 1.';
COMMENT ON COLUMN marketing.campaign.description IS 'What it is for.';
COMMENT ON COLUMN marketing.campaign.created_at IS 'When it was made.';
ALTER TABLE marketing.campaign ALTER COLUMN campaign_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.campaign_campaign_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.campaign_campaign_id_seq IS 'Gives out marketing.campaign.campaign_id.';
CREATE TABLE marketing.consent (
    contact_id bigint NOT NULL,
    channel marketing.channel NOT NULL,
    topic_id bigint,
    is_granted boolean NOT NULL,
    source text NOT NULL,
    proof text,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE marketing.consent IS 'What a contact said yes or no to, today. A row without a topic speaks for the whole channel: a no there beats every yes.';
COMMENT ON COLUMN marketing.consent.contact_id IS 'Who said it.';
COMMENT ON COLUMN marketing.consent.channel IS 'For which channel.';
COMMENT ON COLUMN marketing.consent.topic_id IS 'For which topic. Empty: for the whole channel.';
COMMENT ON COLUMN marketing.consent.is_granted IS 'Yes or no.';
COMMENT ON COLUMN marketing.consent.source IS 'Where it was said, for example "till 12, Riga" or "preference page".';
COMMENT ON COLUMN marketing.consent.proof IS 'What shows it, for example a form number.';
COMMENT ON COLUMN marketing.consent.changed_at IS 'When it was said.';
CREATE TABLE marketing.consent_event (
    consent_event_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    channel marketing.channel NOT NULL,
    topic_id bigint,
    is_granted boolean NOT NULL,
    source text NOT NULL,
    proof text,
    happened_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE marketing.consent_event IS 'Every yes and no ever said. Written by the database whenever consent changes; never edited.';
COMMENT ON COLUMN marketing.consent_event.consent_event_id IS 'Number of the event.';
COMMENT ON COLUMN marketing.consent_event.contact_id IS 'Who said it.';
COMMENT ON COLUMN marketing.consent_event.channel IS 'For which channel.';
COMMENT ON COLUMN marketing.consent_event.topic_id IS 'For which topic. Empty: for the whole channel.';
COMMENT ON COLUMN marketing.consent_event.is_granted IS 'Yes or no. Taking an answer back counts as no.';
COMMENT ON COLUMN marketing.consent_event.source IS 'Where it was said.';
COMMENT ON COLUMN marketing.consent_event.proof IS 'What shows it.';
COMMENT ON COLUMN marketing.consent_event.happened_at IS 'When it was said.';
ALTER TABLE marketing.consent_event ALTER COLUMN consent_event_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.consent_event_consent_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.consent_event_consent_event_id_seq IS 'Gives out marketing.consent_event.consent_event_id.';
CREATE TABLE marketing.contact (
    contact_id bigint NOT NULL,
    member_no text,
    first_name text,
    last_name text,
    language text DEFAULT 'en'::text NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    tier text,
    points bigint DEFAULT 0 NOT NULL,
    profile jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    erased_at timestamp with time zone,
    CONSTRAINT "The profile must be a JSON object such as {""city"": ""Riga""}" CHECK ((jsonb_typeof(profile) = 'object'::text))
);
COMMENT ON TABLE marketing.contact IS 'A person in the programme. Addresses stand in contact_point, permissions in consent.';
COMMENT ON COLUMN marketing.contact.contact_id IS 'Our number for the person.';
COMMENT ON COLUMN marketing.contact.member_no IS 'The number on the loyalty card, for example 40012345.';
COMMENT ON COLUMN marketing.contact.first_name IS 'First name, as in {{ contact.first_name }}. May be empty.';
COMMENT ON COLUMN marketing.contact.last_name IS 'Last name, as in {{ contact.last_name }}.';
COMMENT ON COLUMN marketing.contact.language IS 'Language code, for example en or lv.';
COMMENT ON COLUMN marketing.contact.time_zone IS 'IANA name, for example Europe/Riga.';
COMMENT ON COLUMN marketing.contact.tier IS 'Loyalty tier, for example gold.';
COMMENT ON COLUMN marketing.contact.points IS 'Points balance.';
COMMENT ON COLUMN marketing.contact.profile IS 'Everything else that is known, as a JSON object: {{ profile.city }} prints {"city": ...}.';
COMMENT ON COLUMN marketing.contact.created_at IS 'When the person joined.';
COMMENT ON COLUMN marketing.contact.erased_at IS 'Set when the person asked to be forgotten: nothing is sent from then on.';
ALTER TABLE marketing.contact ALTER COLUMN contact_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.contact_contact_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.contact_contact_id_seq IS 'Gives out marketing.contact.contact_id.';
CREATE TABLE marketing.contact_point (
    contact_point_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    channel marketing.channel NOT NULL,
    address text NOT NULL,
    is_usable boolean DEFAULT true NOT NULL,
    unusable_reason text,
    is_preferred boolean DEFAULT false NOT NULL,
    verified_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT "An address is 1 to 2,000 characters long" CHECK (((length(address) >= 1) AND (length(address) <= 2000)))
);
COMMENT ON TABLE marketing.contact_point IS 'An address of a contact: an email address, a phone number, a device, an inbox.';
COMMENT ON COLUMN marketing.contact_point.contact_point_id IS 'Our number for the address.';
COMMENT ON COLUMN marketing.contact_point.contact_id IS 'Whose address it is.';
COMMENT ON COLUMN marketing.contact_point.channel IS 'Which channel it belongs to.';
COMMENT ON COLUMN marketing.contact_point.address IS 'The address itself, for example anna@example.org or +37120000000.';
COMMENT ON COLUMN marketing.contact_point.is_usable IS 'Off when the provider said that this address will never work.';
COMMENT ON COLUMN marketing.contact_point.unusable_reason IS 'Why it is off, for example "550 5.1.1 no such mailbox".';
COMMENT ON COLUMN marketing.contact_point.is_preferred IS 'Taken first when a contact has several addresses on one channel.';
COMMENT ON COLUMN marketing.contact_point.verified_at IS 'When the contact proved that the address is theirs.';
COMMENT ON COLUMN marketing.contact_point.created_at IS 'When we learned of it.';
ALTER TABLE marketing.contact_point ALTER COLUMN contact_point_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.contact_point_contact_point_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.contact_point_contact_point_id_seq IS 'Gives out marketing.contact_point.contact_point_id.';
CREATE TABLE marketing.segment (
    segment_id bigint NOT NULL,
    name text NOT NULL,
    condition text DEFAULT 'true'::text NOT NULL,
    description text,
    CONSTRAINT "A condition is at most 10,000 characters long" CHECK ((length(condition) <= 10000))
);
COMMENT ON TABLE marketing.segment IS 'A saved rule that says who belongs, for example "gold members in Riga".';
COMMENT ON COLUMN marketing.segment.segment_id IS 'Number of the segment.';
COMMENT ON COLUMN marketing.segment.name IS 'What it is called.';
COMMENT ON COLUMN marketing.segment.condition IS 'A condition over the columns of marketing.segment_contact, for example: tier = ''gold'' and profile->>''city'' = ''Riga''. It is tried when saved.';
COMMENT ON COLUMN marketing.segment.description IS 'What it is for.';
CREATE VIEW marketing.segment_contact AS
 SELECT c.contact_id,
    c.member_no,
    c.first_name,
    c.last_name,
    c.language,
    c.time_zone,
    c.tier,
    c.points,
    c.profile,
    c.created_at
   FROM marketing.contact c
  WHERE (c.erased_at IS NULL);
COMMENT ON VIEW marketing.segment_contact IS 'What a segment''s condition may ask about a contact.';
COMMENT ON COLUMN marketing.segment_contact.contact_id IS 'Number of the contact, for example: contact_id % 10 = 0 is every tenth.';
COMMENT ON COLUMN marketing.segment_contact.member_no IS 'Loyalty card number.';
COMMENT ON COLUMN marketing.segment_contact.first_name IS 'First name.';
COMMENT ON COLUMN marketing.segment_contact.last_name IS 'Last name.';
COMMENT ON COLUMN marketing.segment_contact.language IS 'Language code, for example: language = ''lv''.';
COMMENT ON COLUMN marketing.segment_contact.time_zone IS 'IANA time zone.';
COMMENT ON COLUMN marketing.segment_contact.tier IS 'Loyalty tier, for example: tier in (''gold'', ''platinum'').';
COMMENT ON COLUMN marketing.segment_contact.points IS 'Points balance, for example: points between 100 and 500.';
COMMENT ON COLUMN marketing.segment_contact.profile IS 'Everything else, for example: profile->>''city'' = ''Riga''.';
COMMENT ON COLUMN marketing.segment_contact.created_at IS 'When the person joined, for example: created_at > now() - interval ''30 days''.';
ALTER TABLE marketing.segment ALTER COLUMN segment_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.segment_segment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.segment_segment_id_seq IS 'Gives out marketing.segment.segment_id.';
CREATE TABLE marketing.step (
    step_id bigint NOT NULL,
    campaign_id bigint NOT NULL,
    "position" integer DEFAULT 1 NOT NULL,
    kind text DEFAULT 'send'::text NOT NULL,
    template_id bigint,
    provider_account_id integer,
    CONSTRAINT "A sending step needs a template" CHECK (((kind <> 'send'::text) OR (template_id IS NOT NULL))),
    CONSTRAINT "A step sends a message" CHECK ((kind = 'send'::text))
);
COMMENT ON TABLE marketing.step IS 'What a campaign does for each contact. A broadcast on two channels has two steps.';
COMMENT ON COLUMN marketing.step.step_id IS 'Number of the step.';
COMMENT ON COLUMN marketing.step.campaign_id IS 'Which campaign.';
COMMENT ON COLUMN marketing.step."position" IS 'Its place in the campaign, from 1.';
COMMENT ON COLUMN marketing.step.kind IS 'send: send a message.';
COMMENT ON COLUMN marketing.step.template_id IS 'Which message; the template also says on which channel.';
COMMENT ON COLUMN marketing.step.provider_account_id IS 'Through which account. Empty: the first active one of the channel.';
ALTER TABLE marketing.step ALTER COLUMN step_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.step_step_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.step_step_id_seq IS 'Gives out marketing.step.step_id.';
CREATE TABLE marketing.suppression (
    suppression_id bigint NOT NULL,
    channel marketing.channel NOT NULL,
    address text NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    until timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE marketing.suppression IS 'Addresses that must not be written to, whoever they belong to: hard bounces, complaints, requests.';
COMMENT ON COLUMN marketing.suppression.suppression_id IS 'Number of the entry.';
COMMENT ON COLUMN marketing.suppression.channel IS 'On which channel.';
COMMENT ON COLUMN marketing.suppression.address IS 'The address, exactly as in contact_point.';
COMMENT ON COLUMN marketing.suppression.reason IS 'Why, for example complaint.';
COMMENT ON COLUMN marketing.suppression.source IS 'Who put it there, for example "provider callback".';
COMMENT ON COLUMN marketing.suppression.until IS 'When it ends. Empty: never.';
COMMENT ON COLUMN marketing.suppression.created_at IS 'Since when.';
ALTER TABLE marketing.suppression ALTER COLUMN suppression_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.suppression_suppression_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.suppression_suppression_id_seq IS 'Gives out marketing.suppression.suppression_id.';
CREATE TABLE marketing.template (
    template_id bigint NOT NULL,
    name text NOT NULL,
    channel marketing.channel NOT NULL,
    description text,
    is_silent boolean DEFAULT false NOT NULL,
    CONSTRAINT "Only push and web push messages can be silent" CHECK (((NOT is_silent) OR (channel = ANY (ARRAY['push'::marketing.channel, 'web_push'::marketing.channel]))))
);
COMMENT ON TABLE marketing.template IS 'A message with tokens. Its texts stand in template_version.';
COMMENT ON COLUMN marketing.template.template_id IS 'Number of the template.';
COMMENT ON COLUMN marketing.template.name IS 'What it is called, for example "welcome".';
COMMENT ON COLUMN marketing.template.channel IS 'Which channel it is written for.';
COMMENT ON COLUMN marketing.template.description IS 'What it is for.';
COMMENT ON COLUMN marketing.template.is_silent IS 'Push and web push: on means that nothing is shown to the person; the app gets the data in the background, for example to load a new points balance.';
ALTER TABLE marketing.template ALTER COLUMN template_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.template_template_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.template_template_id_seq IS 'Gives out marketing.template.template_id.';
CREATE TABLE marketing.template_version (
    template_version_id bigint NOT NULL,
    template_id bigint NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    body_text text DEFAULT ''::text NOT NULL,
    body_html text DEFAULT ''::text NOT NULL,
    problem text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    link text DEFAULT ''::text NOT NULL,
    image text DEFAULT ''::text NOT NULL,
    data text DEFAULT ''::text NOT NULL,
    CONSTRAINT "A link and an image are at most 10 KB each, data at most 1 MB" CHECK (((octet_length(link) <= 10240) AND (octet_length(image) <= 10240) AND (octet_length(data) <= 1048576))),
    CONSTRAINT "A template's texts are at most 1 MB each" CHECK (((octet_length(subject) <= 1048576) AND (octet_length(body_text) <= 1048576) AND (octet_length(body_html) <= 1048576)))
);
COMMENT ON TABLE marketing.template_version IS 'The texts of a template. A version never changes; to edit a template, add a new version: the newest is used by campaigns that start afterwards.';
COMMENT ON COLUMN marketing.template_version.template_version_id IS 'Number of the version.';
COMMENT ON COLUMN marketing.template_version.template_id IS 'Which template.';
COMMENT ON COLUMN marketing.template_version.subject IS 'Email subject, or title of a push or in-app message.';
COMMENT ON COLUMN marketing.template_version.body_text IS 'The text, for example: Dear {{ contact.first_name | default: "friend" }}';
COMMENT ON COLUMN marketing.template_version.body_html IS 'The HTML body of an email. Values are escaped for HTML.';
COMMENT ON COLUMN marketing.template_version.problem IS 'What is wrong with it, with line and column. Written by the programs; empty when it works.';
COMMENT ON COLUMN marketing.template_version.created_at IS 'When it was saved.';
COMMENT ON COLUMN marketing.template_version.link IS 'Push, web push and in-app: where a tap leads, for example https://club.example.org/offers?member={{ contact.member_no }}. Values are encoded for an address.';
COMMENT ON COLUMN marketing.template_version.image IS 'Push, web push and in-app: the address of a picture to show, https://...';
COMMENT ON COLUMN marketing.template_version.data IS 'Push, web push and in-app: a JSON object for the app, for example {"screen": "points", "points": {{ contact.points }}, "name": "{{ contact.first_name }}"}.';
ALTER TABLE marketing.template_version ALTER COLUMN template_version_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.template_version_template_version_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.template_version_template_version_id_seq IS 'Gives out marketing.template_version.template_version_id.';
CREATE TABLE marketing.topic (
    topic_id bigint NOT NULL,
    name text NOT NULL,
    description text,
    needs_opt_in boolean DEFAULT true NOT NULL
);
COMMENT ON TABLE marketing.topic IS 'A kind of message that a contact may accept or refuse, for example "Weekly offers".';
COMMENT ON COLUMN marketing.topic.topic_id IS 'Our number for the topic.';
COMMENT ON COLUMN marketing.topic.name IS 'What contacts see on the preference page.';
COMMENT ON COLUMN marketing.topic.description IS 'A sentence for contacts.';
COMMENT ON COLUMN marketing.topic.needs_opt_in IS 'On: only contacts who said yes get it. Off: everybody who did not say no.';
ALTER TABLE marketing.topic ALTER COLUMN topic_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.topic_topic_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.topic_topic_id_seq IS 'Gives out marketing.topic.topic_id.';
CREATE VIEW report.delivery AS
 SELECT d.delivery_id,
    c.name AS campaign,
    rs.channel,
    d.contact_id,
    p.member_no,
    d.status,
    d.reason,
    z.sentence,
    d.detail,
    d.waiting_for,
    d.next_at,
    d.attempt AS attempts,
    d.planned_at,
    d.queued_at,
    d.settled_at,
    d.expires_at,
    d.provider_message_id,
    rs.campaign_run_id
   FROM (((((delivery.delivery d
     JOIN delivery.run_step rs USING (run_step_id))
     JOIN delivery.campaign_run r USING (campaign_run_id))
     JOIN marketing.campaign c USING (campaign_id))
     LEFT JOIN marketing.contact p USING (contact_id))
     LEFT JOIN delivery.reason z USING (reason));
COMMENT ON VIEW report.delivery IS 'Deliveries with names instead of numbers: select * from report.delivery where contact_id = 4711.';
COMMENT ON COLUMN report.delivery.delivery_id IS 'Number of the delivery.';
COMMENT ON COLUMN report.delivery.campaign IS 'Which campaign.';
COMMENT ON COLUMN report.delivery.channel IS 'Which channel.';
COMMENT ON COLUMN report.delivery.contact_id IS 'To whom.';
COMMENT ON COLUMN report.delivery.member_no IS 'Their loyalty card number.';
COMMENT ON COLUMN report.delivery.status IS 'How far it is.';
COMMENT ON COLUMN report.delivery.reason IS 'Why, in one word.';
COMMENT ON COLUMN report.delivery.sentence IS 'Why, explained.';
COMMENT ON COLUMN report.delivery.detail IS 'More about it.';
COMMENT ON COLUMN report.delivery.waiting_for IS 'What it waits for.';
COMMENT ON COLUMN report.delivery.next_at IS 'When it is looked at again.';
COMMENT ON COLUMN report.delivery.attempts IS 'How often it was tried.';
COMMENT ON COLUMN report.delivery.planned_at IS 'When it was planned.';
COMMENT ON COLUMN report.delivery.queued_at IS 'When it was last put on the broker.';
COMMENT ON COLUMN report.delivery.settled_at IS 'When it was settled.';
COMMENT ON COLUMN report.delivery.expires_at IS 'When it is too late.';
COMMENT ON COLUMN report.delivery.provider_message_id IS 'The provider''s number.';
COMMENT ON COLUMN report.delivery.campaign_run_id IS 'Which run.';
CREATE VIEW report.failures_by_reason AS
 SELECT rs.campaign_run_id,
    c.name AS campaign,
    rs.channel,
    t.status,
    t.reason,
    COALESCE(z.sentence, ''::text) AS sentence,
    (sum(t.amount))::bigint AS deliveries
   FROM ((((delivery.tally t
     JOIN delivery.run_step rs USING (run_step_id))
     JOIN delivery.campaign_run r USING (campaign_run_id))
     JOIN marketing.campaign c USING (campaign_id))
     LEFT JOIN delivery.reason z USING (reason))
  WHERE (t.status = ANY (ARRAY['failed'::delivery.delivery_status, 'bounced'::delivery.delivery_status, 'skipped'::delivery.delivery_status, 'cancelled'::delivery.delivery_status, 'expired'::delivery.delivery_status, 'uncertain'::delivery.delivery_status]))
  GROUP BY rs.campaign_run_id, c.name, rs.channel, t.status, t.reason, z.sentence
 HAVING (sum(t.amount) > (0)::numeric);
COMMENT ON VIEW report.failures_by_reason IS 'Why messages were not sent, counted.';
COMMENT ON COLUMN report.failures_by_reason.campaign_run_id IS 'Which run.';
COMMENT ON COLUMN report.failures_by_reason.campaign IS 'Which campaign.';
COMMENT ON COLUMN report.failures_by_reason.channel IS 'Which channel.';
COMMENT ON COLUMN report.failures_by_reason.status IS 'What became of them.';
COMMENT ON COLUMN report.failures_by_reason.reason IS 'The reason, in one word.';
COMMENT ON COLUMN report.failures_by_reason.sentence IS 'The reason, explained.';
COMMENT ON COLUMN report.failures_by_reason.deliveries IS 'How many.';
CREATE VIEW report.lane AS
 SELECT l.queue_name,
    a.name AS account,
    a.channel,
    l.class,
    l.ready_count,
    l.consumer_count,
    l.measured_at,
        CASE
            WHEN (NOT a.is_active) THEN 'switched off'::text
            WHEN (a.open_until > now()) THEN ('stopped: '::text || a.breaker_reason)
            WHEN (a.open_until IS NOT NULL) THEN ('trying again: '::text || a.breaker_reason)
            WHEN (a.paused_until > now()) THEN ('waiting as the provider asked: '::text || a.paused_reason)
            ELSE 'working'::text
        END AS state
   FROM (delivery.lane l
     JOIN delivery.provider_account a USING (provider_account_id));
COMMENT ON VIEW report.lane IS 'The queues: how much waits, who listens, and whether the provider works.';
COMMENT ON COLUMN report.lane.queue_name IS 'Name on the broker.';
COMMENT ON COLUMN report.lane.account IS 'Which provider account.';
COMMENT ON COLUMN report.lane.channel IS 'Which channel.';
COMMENT ON COLUMN report.lane.class IS 'Transactional or marketing.';
COMMENT ON COLUMN report.lane.ready_count IS 'Messages waiting.';
COMMENT ON COLUMN report.lane.consumer_count IS 'Workers listening.';
COMMENT ON COLUMN report.lane.measured_at IS 'When that was looked at.';
COMMENT ON COLUMN report.lane.state IS 'Whether the account works.';
CREATE VIEW report.not_started AS
 SELECT c.campaign_id,
    c.name AS campaign,
    c.actual_status AS status,
    c.send_at,
    c.blocked_reason
   FROM marketing.campaign c
  WHERE ((c.kind = 'broadcast'::text) AND (c.desired_status = 'running'::text) AND (c.actual_status = ANY (ARRAY['draft'::text, 'scheduled'::text])));
COMMENT ON VIEW report.not_started IS 'Campaigns that somebody started and that do not run yet, and why.';
COMMENT ON COLUMN report.not_started.campaign_id IS 'Which campaign.';
COMMENT ON COLUMN report.not_started.campaign IS 'Its name.';
COMMENT ON COLUMN report.not_started.status IS 'scheduled: waits for its time. draft: something stands in its way.';
COMMENT ON COLUMN report.not_started.send_at IS 'When it may begin.';
COMMENT ON COLUMN report.not_started.blocked_reason IS 'What stands in its way, and what to do.';
CREATE VIEW report.run_ledger AS
 SELECT r.campaign_run_id,
    c.campaign_id,
    c.name AS campaign,
    rs.channel,
    rs.run_step_id,
    (COALESCE(sum(t.amount), (0)::numeric))::bigint AS audience,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'planned'::delivery.delivery_status)), (0)::numeric))::bigint AS planned,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'queued'::delivery.delivery_status)), (0)::numeric))::bigint AS queued,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'sending'::delivery.delivery_status)), (0)::numeric))::bigint AS sending,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'sent'::delivery.delivery_status)), (0)::numeric))::bigint AS sent,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'delivered'::delivery.delivery_status)), (0)::numeric))::bigint AS delivered,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'bounced'::delivery.delivery_status)), (0)::numeric))::bigint AS bounced,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'failed'::delivery.delivery_status)), (0)::numeric))::bigint AS failed,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'skipped'::delivery.delivery_status)), (0)::numeric))::bigint AS skipped,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'cancelled'::delivery.delivery_status)), (0)::numeric))::bigint AS cancelled,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'expired'::delivery.delivery_status)), (0)::numeric))::bigint AS expired,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'held_out'::delivery.delivery_status)), (0)::numeric))::bigint AS held_out,
    (COALESCE(sum(t.amount) FILTER (WHERE (t.status = 'uncertain'::delivery.delivery_status)), (0)::numeric))::bigint AS uncertain
   FROM (((delivery.campaign_run r
     JOIN marketing.campaign c USING (campaign_id))
     JOIN delivery.run_step rs USING (campaign_run_id))
     LEFT JOIN delivery.tally t USING (run_step_id))
  GROUP BY r.campaign_run_id, c.campaign_id, c.name, rs.channel, rs.run_step_id;
COMMENT ON VIEW report.run_ledger IS 'Every message of a run accounted for, by channel: audience is always the sum of the rest.';
COMMENT ON COLUMN report.run_ledger.campaign_run_id IS 'Which run.';
COMMENT ON COLUMN report.run_ledger.campaign_id IS 'Which campaign.';
COMMENT ON COLUMN report.run_ledger.campaign IS 'Its name.';
COMMENT ON COLUMN report.run_ledger.channel IS 'Which channel.';
COMMENT ON COLUMN report.run_ledger.run_step_id IS 'Which step of the run.';
COMMENT ON COLUMN report.run_ledger.audience IS 'Deliveries made for this run and channel.';
COMMENT ON COLUMN report.run_ledger.planned IS 'Waiting for their turn.';
COMMENT ON COLUMN report.run_ledger.queued IS 'On their way to a worker.';
COMMENT ON COLUMN report.run_ledger.sending IS 'With a worker.';
COMMENT ON COLUMN report.run_ledger.sent IS 'Taken by the provider.';
COMMENT ON COLUMN report.run_ledger.delivered IS 'Reported as delivered.';
COMMENT ON COLUMN report.run_ledger.bounced IS 'Reported as bounced.';
COMMENT ON COLUMN report.run_ledger.failed IS 'Refused for good.';
COMMENT ON COLUMN report.run_ledger.skipped IS 'Not sent on purpose.';
COMMENT ON COLUMN report.run_ledger.cancelled IS 'Stopped by a person.';
COMMENT ON COLUMN report.run_ledger.expired IS 'Too late.';
COMMENT ON COLUMN report.run_ledger.held_out IS 'In the control group.';
COMMENT ON COLUMN report.run_ledger.uncertain IS 'Nobody knows whether it went out.';
CREATE VIEW report.run_progress AS
 SELECT r.campaign_run_id,
    c.campaign_id,
    c.name AS campaign,
    c.actual_status AS status,
    r.started_at,
    r.ended_at,
    l.audience,
    l.settled,
        CASE
            WHEN (l.audience = 0) THEN (0)::numeric
            ELSE round(((100.0 * (l.settled)::numeric) / (l.audience)::numeric), 1)
        END AS percent,
    round(r.per_second, 1) AS per_second,
    c.eta,
    (r.plan_ended_at IS NULL) AS is_still_planning,
    c.blocked_reason
   FROM ((delivery.campaign_run r
     JOIN marketing.campaign c USING (campaign_id))
     LEFT JOIN LATERAL ( SELECT (COALESCE(sum(t.amount), (0)::numeric))::bigint AS audience,
            (COALESCE(sum(t.amount) FILTER (WHERE (t.status <> ALL (ARRAY['planned'::delivery.delivery_status, 'queued'::delivery.delivery_status, 'sending'::delivery.delivery_status]))), (0)::numeric))::bigint AS settled
           FROM (delivery.run_step rs
             JOIN delivery.tally t USING (run_step_id))
          WHERE (rs.campaign_run_id = r.campaign_run_id)) l ON (true));
COMMENT ON VIEW report.run_progress IS 'How far each run is, how fast, and when it will be done.';
COMMENT ON COLUMN report.run_progress.campaign_run_id IS 'Which run.';
COMMENT ON COLUMN report.run_progress.campaign_id IS 'Which campaign.';
COMMENT ON COLUMN report.run_progress.campaign IS 'Its name.';
COMMENT ON COLUMN report.run_progress.status IS 'What the campaign does.';
COMMENT ON COLUMN report.run_progress.started_at IS 'When the run started.';
COMMENT ON COLUMN report.run_progress.ended_at IS 'When it ended.';
COMMENT ON COLUMN report.run_progress.audience IS 'Deliveries made so far.';
COMMENT ON COLUMN report.run_progress.settled IS 'Deliveries that have reached their last status.';
COMMENT ON COLUMN report.run_progress.percent IS 'How much of the audience is settled.';
COMMENT ON COLUMN report.run_progress.per_second IS 'Deliveries settled a second, lately.';
COMMENT ON COLUMN report.run_progress.eta IS 'When it will be done at this speed.';
COMMENT ON COLUMN report.run_progress.is_still_planning IS 'On while the audience is still being made.';
COMMENT ON COLUMN report.run_progress.blocked_reason IS 'Why it does not go on.';
CREATE VIEW report.stuck AS
 WITH step AS (
         SELECT rs.campaign_run_id,
            rs.run_step_id,
            c.name AS campaign,
            rs.channel,
            GREATEST(rs.swept_at, r.started_at) AS swept_at,
            r.month,
            l.queue_name,
            COALESCE(l.consumer_count, (0)::bigint) AS consumer_count,
                CASE
                    WHEN (c.desired_status = 'paused'::text) THEN 'the campaign to be resumed'::text
                    WHEN (a.open_until > now()) THEN format('account "%s", which does not work: %s'::text, a.name, a.breaker_reason)
                    WHEN (a.paused_until > now()) THEN format('account "%s", where the provider asked us to wait: %s'::text, a.name, a.paused_reason)
                    WHEN (NOT a.is_active) THEN format('account "%s" to be switched on'::text, a.name)
                    ELSE NULL::text
                END AS obstacle
           FROM ((((delivery.campaign_run r
             JOIN delivery.run_step rs USING (campaign_run_id))
             JOIN marketing.campaign c USING (campaign_id))
             JOIN delivery.lane l USING (lane_id))
             JOIN delivery.provider_account a USING (provider_account_id))
          WHERE (r.ended_at IS NULL)
        )
 SELECT s.campaign_run_id,
    s.campaign,
    s.channel,
    d.status,
    COALESCE(s.obstacle,
        CASE
            WHEN ((d.status = 'queued'::delivery.delivery_status) AND (s.consumer_count = 0)) THEN format('a worker: nobody listens to %s'::text, s.queue_name)
            ELSE NULL::text
        END, d.waiting_for, 'its turn'::text) AS waiting_for,
    count(*) AS deliveries,
    min(d.next_at) AS next_at,
    min(COALESCE(d.queued_at, d.planned_at)) AS oldest_since
   FROM (step s
     JOIN delivery.delivery d ON (((d.run_step_id = s.run_step_id) AND (d.next_at IS NOT NULL) AND (d.delivery_id >= (s.month * '1000000000000'::bigint)))))
  WHERE (((d.status = ANY (ARRAY['queued'::delivery.delivery_status, 'sending'::delivery.delivery_status])) OR ((d.status = 'planned'::delivery.delivery_status) AND (s.obstacle IS NULL))) AND (COALESCE(d.queued_at, d.planned_at) < (now() - '00:00:30'::interval)))
  GROUP BY s.campaign_run_id, s.campaign, s.channel, d.status, COALESCE(s.obstacle,
        CASE
            WHEN ((d.status = 'queued'::delivery.delivery_status) AND (s.consumer_count = 0)) THEN format('a worker: nobody listens to %s'::text, s.queue_name)
            ELSE NULL::text
        END, d.waiting_for, 'its turn'::text)
UNION ALL
 SELECT s.campaign_run_id,
    s.campaign,
    s.channel,
    t.status,
        CASE
            WHEN (t.status = 'uncertain'::delivery.delivery_status) THEN 'the provider''s word, or a person''s decision'::text
            ELSE COALESCE(s.obstacle, format('a scheduler: none has looked at it since %s UTC'::text, to_char((s.swept_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD HH24:MI'::text)))
        END AS waiting_for,
    (sum(t.amount))::bigint AS deliveries,
    NULL::timestamp with time zone AS next_at,
    NULL::timestamp with time zone AS oldest_since
   FROM (step s
     JOIN delivery.tally t USING (run_step_id))
  WHERE ((t.status = 'uncertain'::delivery.delivery_status) OR ((t.status = 'planned'::delivery.delivery_status) AND (s.obstacle IS NOT NULL)) OR ((t.status = ANY (ARRAY['planned'::delivery.delivery_status, 'queued'::delivery.delivery_status, 'sending'::delivery.delivery_status])) AND (s.obstacle IS NULL) AND (s.swept_at < (now() - '00:01:00'::interval))))
  GROUP BY s.campaign_run_id, s.campaign, s.channel, t.status, s.obstacle, s.swept_at
 HAVING (sum(t.amount) > (0)::numeric);
COMMENT ON VIEW report.stuck IS 'Deliveries that do not go on, and what they wait for.';
COMMENT ON COLUMN report.stuck.campaign_run_id IS 'Which run.';
COMMENT ON COLUMN report.stuck.campaign IS 'Which campaign.';
COMMENT ON COLUMN report.stuck.channel IS 'Which channel.';
COMMENT ON COLUMN report.stuck.status IS 'How far they are.';
COMMENT ON COLUMN report.stuck.waiting_for IS 'What they wait for.';
COMMENT ON COLUMN report.stuck.deliveries IS 'How many.';
COMMENT ON COLUMN report.stuck.next_at IS 'When the first of them is looked at again. Empty: when what they wait for happens.';
COMMENT ON COLUMN report.stuck.oldest_since IS 'Since when the oldest has waited, where that is known.';
ALTER TABLE ONLY delivery.run_step
    ADD CONSTRAINT "A run has each step once" UNIQUE (campaign_run_id, step_id);
ALTER TABLE ONLY delivery.lane
    ADD CONSTRAINT "One lane per account and class" UNIQUE (provider_account_id, class);
ALTER TABLE ONLY delivery.provider_account
    ADD CONSTRAINT "Two accounts cannot have the same name" UNIQUE (name);
ALTER TABLE ONLY delivery.schema_definition
    ADD CONSTRAINT a_definition_has_a_name PRIMARY KEY (name);
ALTER TABLE ONLY delivery.schema_migration
    ADD CONSTRAINT a_migration_has_a_number PRIMARY KEY (number);
ALTER TABLE ONLY delivery.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (delivery_id, attempt);
ALTER TABLE ONLY delivery.campaign_run
    ADD CONSTRAINT campaign_run_pkey PRIMARY KEY (campaign_run_id);
ALTER TABLE ONLY delivery.dead_letter
    ADD CONSTRAINT dead_letter_pkey PRIMARY KEY (dead_letter_id);
ALTER TABLE ONLY delivery.delivery_event
    ADD CONSTRAINT delivery_event_pkey PRIMARY KEY (delivery_id, delivery_event_id);
ALTER TABLE ONLY delivery.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (delivery_id);
ALTER TABLE ONLY delivery.lane
    ADD CONSTRAINT lane_pkey PRIMARY KEY (lane_id);
ALTER TABLE ONLY delivery.lane_pulse
    ADD CONSTRAINT lane_pulse_pkey PRIMARY KEY (lane_id, slot);
ALTER TABLE ONLY delivery.lane
    ADD CONSTRAINT lane_queue_name_key UNIQUE (queue_name);
ALTER TABLE ONLY delivery.leader
    ADD CONSTRAINT leader_pkey PRIMARY KEY (task);
ALTER TABLE ONLY delivery.provider_account
    ADD CONSTRAINT provider_account_pkey PRIMARY KEY (provider_account_id);
ALTER TABLE ONLY delivery.provider
    ADD CONSTRAINT provider_pkey PRIMARY KEY (driver);
ALTER TABLE ONLY delivery.provider_token
    ADD CONSTRAINT provider_token_pkey PRIMARY KEY (provider_account_id, slot);
ALTER TABLE ONLY delivery.rate_limit
    ADD CONSTRAINT rate_limit_pkey PRIMARY KEY (provider_account_id);
ALTER TABLE ONLY delivery.reason
    ADD CONSTRAINT reason_pkey PRIMARY KEY (reason);
ALTER TABLE ONLY delivery.run_step
    ADD CONSTRAINT run_step_pkey PRIMARY KEY (run_step_id);
ALTER TABLE ONLY delivery.send_key
    ADD CONSTRAINT send_key_pkey PRIMARY KEY (idempotency_key);
ALTER TABLE ONLY delivery.tally
    ADD CONSTRAINT tally_pkey PRIMARY KEY (run_step_id, status, reason, slot);
ALTER TABLE ONLY marketing.campaign
    ADD CONSTRAINT "Each campaign has a number of its own" PRIMARY KEY (campaign_id);
ALTER TABLE ONLY marketing.consent_event
    ADD CONSTRAINT "Each consent event has a number of its own" PRIMARY KEY (consent_event_id);
ALTER TABLE ONLY marketing.contact
    ADD CONSTRAINT "Each contact has a number of its own" PRIMARY KEY (contact_id);
ALTER TABLE ONLY marketing.contact_point
    ADD CONSTRAINT "Each contact point has a number of its own" PRIMARY KEY (contact_point_id);
ALTER TABLE ONLY marketing.segment
    ADD CONSTRAINT "Each segment has a number of its own" PRIMARY KEY (segment_id);
ALTER TABLE ONLY marketing.step
    ADD CONSTRAINT "Each step has a number of its own" PRIMARY KEY (step_id);
ALTER TABLE ONLY marketing.step
    ADD CONSTRAINT "Each step of a campaign has its own position" UNIQUE (campaign_id, "position");
ALTER TABLE ONLY marketing.suppression
    ADD CONSTRAINT "Each suppression has a number of its own" PRIMARY KEY (suppression_id);
ALTER TABLE ONLY marketing.template
    ADD CONSTRAINT "Each template has a number of its own" PRIMARY KEY (template_id);
ALTER TABLE ONLY marketing.template_version
    ADD CONSTRAINT "Each template version has a number of its own" PRIMARY KEY (template_version_id);
ALTER TABLE ONLY marketing.topic
    ADD CONSTRAINT "Each topic has a number of its own" PRIMARY KEY (topic_id);
ALTER TABLE ONLY marketing.campaign
    ADD CONSTRAINT "Two campaigns cannot have the same name" UNIQUE (name);
ALTER TABLE ONLY marketing.contact
    ADD CONSTRAINT "Two contacts cannot have the same member number" UNIQUE (member_no);
ALTER TABLE ONLY marketing.segment
    ADD CONSTRAINT "Two segments cannot have the same name" UNIQUE (name);
ALTER TABLE ONLY marketing.template
    ADD CONSTRAINT "Two templates cannot have the same name" UNIQUE (name);
ALTER TABLE ONLY marketing.topic
    ADD CONSTRAINT "Two topics cannot have the same name" UNIQUE (name);
COMMENT ON INDEX delivery."A run has each step once" IS 'Keeps the rows of run_step apart.';
COMMENT ON INDEX delivery."One lane per account and class" IS 'Keeps the rows of lane apart.';
COMMENT ON INDEX delivery."Two accounts cannot have the same name" IS 'Keeps the rows of provider_account apart.';
COMMENT ON INDEX delivery.a_definition_has_a_name IS 'The key of schema_definition: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.a_migration_has_a_number IS 'The key of schema_migration: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.attempt_pkey IS 'The key of attempt: finds a row, and no two rows have the same.';
CREATE INDEX campaign_run_of_campaign ON delivery.campaign_run USING btree (campaign_id);
COMMENT ON INDEX delivery.campaign_run_of_campaign IS 'Finds the runs of a campaign.';
CREATE INDEX campaign_run_open ON delivery.campaign_run USING btree (campaign_run_id) WHERE (ended_at IS NULL);
COMMENT ON INDEX delivery.campaign_run_open IS 'Finds the runs that still have work.';
COMMENT ON INDEX delivery.campaign_run_pkey IS 'The key of campaign_run: finds a row, and no two rows have the same.';
CREATE INDEX dead_letter_of_delivery ON delivery.dead_letter USING btree (delivery_id);
COMMENT ON INDEX delivery.dead_letter_of_delivery IS 'Counts how often a delivery died on the broker.';
COMMENT ON INDEX delivery.dead_letter_pkey IS 'The key of dead_letter: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.delivery_event_pkey IS 'The key of delivery_event: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.delivery_pkey IS 'The key of delivery: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.lane_pkey IS 'The key of lane: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.lane_pulse_pkey IS 'The key of lane_pulse: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.lane_queue_name_key IS 'Keeps the rows of lane apart.';
COMMENT ON INDEX delivery.leader_pkey IS 'The key of leader: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.provider_account_pkey IS 'The key of provider_account: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.provider_pkey IS 'The key of provider: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.provider_token_pkey IS 'Finds the tokens of an account.';
COMMENT ON INDEX delivery.rate_limit_pkey IS 'The key of rate_limit: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.reason_pkey IS 'The key of reason: finds a row, and no two rows have the same.';
CREATE INDEX run_step_of_lane ON delivery.run_step USING btree (lane_id);
COMMENT ON INDEX delivery.run_step_of_lane IS 'Finds the steps that feed a lane.';
COMMENT ON INDEX delivery.run_step_pkey IS 'The key of run_step: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.send_key_pkey IS 'The key of send_key: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.tally_pkey IS 'The key of tally: finds a row, and no two rows have the same.';
CREATE UNIQUE INDEX "A contact has the same address only once" ON marketing.contact_point USING btree (contact_id, channel, address);
COMMENT ON INDEX marketing."A contact has the same address only once" IS 'A contact has the same address only once; also finds the addresses of a contact.';
CREATE UNIQUE INDEX "An address is on the list once" ON marketing.suppression USING btree (channel, address);
COMMENT ON INDEX marketing."An address is on the list once" IS 'An address is on the list once.';
COMMENT ON INDEX marketing."Each campaign has a number of its own" IS 'The key of campaign: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each consent event has a number of its own" IS 'The key of consent_event: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each contact has a number of its own" IS 'The key of contact: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each contact point has a number of its own" IS 'The key of contact_point: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each segment has a number of its own" IS 'The key of segment: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each step has a number of its own" IS 'The key of step: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each step of a campaign has its own position" IS 'Keeps the rows of step apart.';
COMMENT ON INDEX marketing."Each suppression has a number of its own" IS 'The key of suppression: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each template has a number of its own" IS 'The key of template: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each template version has a number of its own" IS 'The key of template_version: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each topic has a number of its own" IS 'The key of topic: finds a row, and no two rows have the same.';
CREATE UNIQUE INDEX "One answer per contact, channel and topic" ON marketing.consent USING btree (contact_id, channel, topic_id) NULLS NOT DISTINCT;
COMMENT ON INDEX marketing."One answer per contact, channel and topic" IS 'One answer per contact, channel and topic.';
COMMENT ON INDEX marketing."Two campaigns cannot have the same name" IS 'Keeps the rows of campaign apart.';
COMMENT ON INDEX marketing."Two contacts cannot have the same member number" IS 'Keeps the rows of contact apart.';
COMMENT ON INDEX marketing."Two segments cannot have the same name" IS 'Keeps the rows of segment apart.';
COMMENT ON INDEX marketing."Two templates cannot have the same name" IS 'Keeps the rows of template apart.';
COMMENT ON INDEX marketing."Two topics cannot have the same name" IS 'Keeps the rows of topic apart.';
CREATE INDEX consent_event_of_contact ON marketing.consent_event USING btree (contact_id, happened_at);
COMMENT ON INDEX marketing.consent_event_of_contact IS 'Finds the history of one contact.';
CREATE INDEX template_version_of_template ON marketing.template_version USING btree (template_id, template_version_id DESC);
COMMENT ON INDEX marketing.template_version_of_template IS 'Finds the newest version.';
CREATE TRIGGER guard_campaign BEFORE INSERT OR UPDATE ON marketing.campaign FOR EACH ROW EXECUTE FUNCTION marketing.guard_campaign();
CREATE TRIGGER guard_consent_event BEFORE DELETE OR UPDATE OR TRUNCATE ON marketing.consent_event FOR EACH STATEMENT EXECUTE FUNCTION marketing.guard_consent_event();
CREATE TRIGGER guard_segment BEFORE INSERT OR UPDATE OF condition ON marketing.segment FOR EACH ROW EXECUTE FUNCTION marketing.guard_segment();
CREATE TRIGGER guard_template_version BEFORE UPDATE ON marketing.template_version FOR EACH ROW EXECUTE FUNCTION marketing.guard_template_version();
CREATE TRIGGER note_consent_delete AFTER DELETE ON marketing.consent REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION marketing.note_consent();
CREATE TRIGGER note_consent_insert AFTER INSERT ON marketing.consent REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION marketing.note_consent();
CREATE TRIGGER note_consent_update AFTER UPDATE ON marketing.consent REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION marketing.note_consent();
ALTER TABLE ONLY delivery.campaign_run
    ADD CONSTRAINT "A campaign that has run stays, with what it sent" FOREIGN KEY (campaign_id) REFERENCES marketing.campaign(campaign_id);
ALTER TABLE ONLY delivery.run_step
    ADD CONSTRAINT "A step that has run stays, with what it sent" FOREIGN KEY (step_id) REFERENCES marketing.step(step_id);
ALTER TABLE ONLY delivery.run_step
    ADD CONSTRAINT "A text that has been sent stays" FOREIGN KEY (template_version_id) REFERENCES marketing.template_version(template_version_id);
ALTER TABLE ONLY delivery.provider_token
    ADD CONSTRAINT "A token belongs to a provider account" FOREIGN KEY (provider_account_id) REFERENCES delivery.provider_account(provider_account_id) ON DELETE CASCADE;
ALTER TABLE ONLY delivery.lane
    ADD CONSTRAINT "An account that has been used stays: switch it off instead" FOREIGN KEY (provider_account_id) REFERENCES delivery.provider_account(provider_account_id);
ALTER TABLE ONLY delivery.rate_limit
    ADD CONSTRAINT "The account of a rate limit must exist" FOREIGN KEY (provider_account_id) REFERENCES delivery.provider_account(provider_account_id) ON DELETE CASCADE;
ALTER TABLE ONLY delivery.provider_account
    ADD CONSTRAINT "The driver must be one that delivery.provider lists" FOREIGN KEY (driver) REFERENCES delivery.provider(driver);
ALTER TABLE ONLY delivery.lane_pulse
    ADD CONSTRAINT "The lane of a pulse must exist" FOREIGN KEY (lane_id) REFERENCES delivery.lane(lane_id);
ALTER TABLE ONLY delivery.run_step
    ADD CONSTRAINT "The lane of a step must exist" FOREIGN KEY (lane_id) REFERENCES delivery.lane(lane_id);
ALTER TABLE ONLY delivery.run_step
    ADD CONSTRAINT "The run of a step must exist" FOREIGN KEY (campaign_run_id) REFERENCES delivery.campaign_run(campaign_run_id);
ALTER TABLE ONLY marketing.campaign
    ADD CONSTRAINT "A campaign needs an existing segment, which then stays" FOREIGN KEY (segment_id) REFERENCES marketing.segment(segment_id);
ALTER TABLE ONLY marketing.campaign
    ADD CONSTRAINT "A campaign needs an existing topic, which then stays" FOREIGN KEY (topic_id) REFERENCES marketing.topic(topic_id);
ALTER TABLE ONLY marketing.step
    ADD CONSTRAINT "A step needs an existing template, which then stays" FOREIGN KEY (template_id) REFERENCES marketing.template(template_id);
ALTER TABLE ONLY marketing.template_version
    ADD CONSTRAINT "A version needs a template, which then stays" FOREIGN KEY (template_id) REFERENCES marketing.template(template_id);
ALTER TABLE ONLY marketing.step
    ADD CONSTRAINT "The campaign of a step must exist" FOREIGN KEY (campaign_id) REFERENCES marketing.campaign(campaign_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.consent
    ADD CONSTRAINT "The contact of a consent must exist" FOREIGN KEY (contact_id) REFERENCES marketing.contact(contact_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.contact_point
    ADD CONSTRAINT "The contact of an address must exist" FOREIGN KEY (contact_id) REFERENCES marketing.contact(contact_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.step
    ADD CONSTRAINT "The provider account must exist" FOREIGN KEY (provider_account_id) REFERENCES delivery.provider_account(provider_account_id);
ALTER TABLE ONLY marketing.consent
    ADD CONSTRAINT "The topic of a consent must exist" FOREIGN KEY (topic_id) REFERENCES marketing.topic(topic_id);
GRANT USAGE ON SCHEMA delivery TO postrider_marketer;
GRANT USAGE ON SCHEMA delivery TO postrider_analyst;
GRANT USAGE ON SCHEMA delivery TO postrider_ops;
GRANT USAGE ON SCHEMA delivery TO postrider_scheduler;
GRANT USAGE ON SCHEMA delivery TO postrider_worker;
GRANT USAGE ON SCHEMA delivery TO postrider_receiver;
GRANT USAGE ON SCHEMA marketing TO postrider_marketer;
GRANT USAGE ON SCHEMA marketing TO postrider_analyst;
GRANT USAGE ON SCHEMA marketing TO postrider_ops;
GRANT USAGE ON SCHEMA marketing TO postrider_scheduler;
GRANT USAGE ON SCHEMA marketing TO postrider_segment;
GRANT USAGE ON SCHEMA report TO postrider_marketer;
GRANT USAGE ON SCHEMA report TO postrider_analyst;
GRANT USAGE ON SCHEMA report TO postrider_ops;
GRANT USAGE ON SCHEMA report TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.block_run(p_campaign_run_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.block_run(p_campaign_run_id bigint, p_reason text) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.claim(p_worker text, p_lane_id integer, p_claim_token bigint, p_lease_ms bigint, p_delivery_ids bigint[], p_epochs integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.claim(p_worker text, p_lane_id integer, p_claim_token bigint, p_lease_ms bigint, p_delivery_ids bigint[], p_epochs integer[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.close_breaker(p_provider_account_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.close_breaker(p_provider_account_id integer) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.close_rest(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.close_waiting(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_why text, p_expire_by timestamp with time zone, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.count_change(p_run_step_ids bigint[], p_amounts bigint[], p_from delivery.delivery_status, p_from_reason text, p_to delivery.delivery_status, p_to_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.count_moves(p_run_step_ids bigint[], p_statuses delivery.delivery_status[], p_reasons text[], p_amounts bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.cursors_at_end(p_campaign_run_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.dispatch(p_lane_id integer, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.dispatch(p_lane_id integer, p_limit integer) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.drop_address(p_contact_point_ids bigint[], p_reasons text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.drop_address(p_contact_point_ids bigint[], p_reasons text[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.ensure_partition(p_month integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.ensure_partition(p_month integer) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.ensure_partitions() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.ensure_partitions() TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.finish_runs() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.finish_runs() TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.first_id_of(p_month integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.follow_wishes() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.follow_wishes() TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.is_in_doubt(p_delivery_id bigint, p_attempts_made integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.lane_feeds(p_lane_id integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.lanes() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.lanes() TO postrider_scheduler;
GRANT ALL ON FUNCTION delivery.lanes() TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.lead(p_task text, p_holder text, p_hold_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.lead(p_task text, p_holder text, p_hold_ms bigint) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.make_run(p_campaign_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.month_of(p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.month_of(p_at timestamp with time zone) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.note_dead_letter(p_source text, p_reason text, p_body text, p_delivery_id bigint, p_epoch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_dead_letter(p_source text, p_reason text, p_body text, p_delivery_id bigint, p_epoch integer) TO postrider_scheduler;
GRANT ALL ON FUNCTION delivery.note_dead_letter(p_source text, p_reason text, p_body text, p_delivery_id bigint, p_epoch integer) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.note_depth(p_lane_id integer, p_ready bigint, p_consumers bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_depth(p_lane_id integer, p_ready bigint, p_consumers bigint) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.note_template_problem(p_template_version_id bigint, p_problem text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_template_problem(p_template_version_id bigint, p_problem text) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.open_breaker(p_provider_account_id integer, p_reason text, p_wait_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.open_breaker(p_provider_account_id integer, p_reason text, p_wait_ms bigint) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.pause_account(p_provider_account_id integer, p_reason text, p_wait_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.pause_account(p_provider_account_id integer, p_reason text, p_wait_ms bigint) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.plan(p_campaign_run_id bigint, p_after bigint, p_contact_ids bigint[], p_is_last boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.plan(p_campaign_run_id bigint, p_after bigint, p_contact_ids bigint[], p_is_last boolean) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.recheck(p_claim_token_per_delivery bigint[], p_delivery_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.recheck(p_claim_token_per_delivery bigint[], p_delivery_ids bigint[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.record(p_worker text, p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_statuses delivery.delivery_status[], p_outcomes delivery.outcome_class[], p_codes text[], p_words text[], p_provider_ids text[], p_reasons text[], p_waiting_for text[], p_wait_ms bigint[], p_failed boolean[], p_not_sent boolean[], p_durations_ms integer[], p_payload_sha256 text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.record(p_worker text, p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_statuses delivery.delivery_status[], p_outcomes delivery.outcome_class[], p_codes text[], p_words text[], p_provider_ids text[], p_reasons text[], p_waiting_for text[], p_wait_ms bigint[], p_failed boolean[], p_not_sent boolean[], p_durations_ms integer[], p_payload_sha256 text[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.resign(p_task text, p_holder text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.resign(p_task text, p_holder text) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.run_step_facts(p_run_step_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.run_step_facts(p_run_step_id bigint) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.runs_to_plan(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.runs_to_plan(p_limit integer) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.settle_by_hand(p_delivery_id bigint, p_status delivery.delivery_status) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.settle_by_hand(p_delivery_id bigint, p_status delivery.delivery_status) TO postrider_ops;
REVOKE ALL ON FUNCTION delivery.settle_late(p_delivery_ids bigint[], p_attempts integer[], p_outcomes delivery.outcome_class[], p_provider_ids text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.share_provider_token(p_provider_account_id integer, p_oldest_slot bigint, p_slot bigint, p_sealed bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.share_provider_token(p_provider_account_id integer, p_oldest_slot bigint, p_slot bigint, p_sealed bytea) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.sweep(p_attention_ms bigint, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.sweep(p_attention_ms bigint, p_limit integer) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.sweep_overdue(p_run_step_id bigint, p_lane_id integer, p_month integer, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.sweep_range(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_limit integer, OUT settled_upto bigint, OUT seen_upto bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.sweep_window(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_attention_ms bigint, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.take_rate(p_provider_account_id integer, p_wanted integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.take_rate(p_provider_account_id integer, p_wanted integer) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.undispatch(p_delivery_ids bigint[], p_epochs integer[], p_wait_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.undispatch(p_delivery_ids bigint[], p_epochs integer[], p_wait_ms bigint) TO postrider_scheduler;
REVOKE ALL ON FUNCTION marketing.guard_campaign() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.guard_consent_event() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.guard_segment() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.guard_template_version() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.note_consent() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.reach(p_contact_id bigint, p_channel marketing.channel, p_topic_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.refusal(p_class marketing.message_class, p_desired_status text, p_needs_opt_in boolean, p_expires_at timestamp with time zone, p_erased_at timestamp with time zone, p_address text, p_suppressed boolean, p_channel_denied boolean, p_topic_granted boolean, p_topic_denied boolean, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.segment_page(p_condition text, p_after bigint, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.segment_page(p_condition text, p_after bigint, p_limit integer) TO postrider_scheduler;
GRANT ALL ON FUNCTION marketing.segment_page(p_condition text, p_after bigint, p_limit integer) TO postrider_marketer;
REVOKE ALL ON FUNCTION marketing.segment_problem(p_condition text) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.segment_try(p_query text) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.send_message(contact_id bigint, template_name text, data jsonb, idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.send_message(contact_id bigint, template_name text, data jsonb, idempotency_key text) TO postrider_marketer;
GRANT ALL ON FUNCTION marketing.send_message(contact_id bigint, template_name text, data jsonb, idempotency_key text) TO postrider_ops;
REVOKE ALL ON FUNCTION marketing.start_problem(p_campaign_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.start_problem(p_campaign_id bigint) TO postrider_marketer;
GRANT ALL ON FUNCTION marketing.start_problem(p_campaign_id bigint) TO postrider_ops;
REVOKE ALL ON FUNCTION report.why_not(p_campaign_id bigint, p_contact_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION report.why_not(p_campaign_id bigint, p_contact_id bigint) TO postrider_marketer;
GRANT ALL ON FUNCTION report.why_not(p_campaign_id bigint, p_contact_id bigint) TO postrider_ops;
GRANT SELECT ON TABLE delivery.attempt TO postrider_ops;
GRANT SELECT ON TABLE delivery.campaign_run TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.campaign_run_campaign_run_id_seq TO postrider_ops;
GRANT SELECT ON TABLE delivery.dead_letter TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.dead_letter_dead_letter_id_seq TO postrider_ops;
GRANT SELECT ON TABLE delivery.delivery TO postrider_ops;
GRANT SELECT ON TABLE delivery.delivery_event TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.delivery_event_delivery_event_id_seq TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.delivery_number TO postrider_ops;
GRANT SELECT ON TABLE delivery.lane TO postrider_marketer;
GRANT SELECT ON TABLE delivery.lane TO postrider_analyst;
GRANT SELECT ON TABLE delivery.lane TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.lane_lane_id_seq TO postrider_ops;
GRANT SELECT ON TABLE delivery.lane_pulse TO postrider_ops;
GRANT SELECT ON TABLE delivery.leader TO postrider_ops;
GRANT SELECT ON TABLE delivery.provider TO postrider_marketer;
GRANT SELECT ON TABLE delivery.provider TO postrider_analyst;
GRANT SELECT ON TABLE delivery.provider TO postrider_ops;
GRANT SELECT ON TABLE delivery.provider_account TO postrider_marketer;
GRANT SELECT ON TABLE delivery.provider_account TO postrider_analyst;
GRANT SELECT,INSERT,UPDATE ON TABLE delivery.provider_account TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.provider_account_provider_account_id_seq TO postrider_ops;
GRANT SELECT ON TABLE delivery.provider_token TO postrider_ops;
GRANT SELECT,INSERT,UPDATE ON TABLE delivery.rate_limit TO postrider_ops;
GRANT SELECT ON TABLE delivery.reason TO postrider_marketer;
GRANT SELECT ON TABLE delivery.reason TO postrider_analyst;
GRANT SELECT ON TABLE delivery.reason TO postrider_ops;
GRANT SELECT ON TABLE delivery.run_step TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.run_step_run_step_id_seq TO postrider_ops;
GRANT SELECT ON TABLE delivery.schema_definition TO postrider_ops;
GRANT SELECT ON TABLE delivery.schema_migration TO postrider_ops;
GRANT SELECT ON TABLE delivery.send_key TO postrider_ops;
GRANT SELECT ON TABLE delivery.tally TO postrider_ops;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.campaign TO postrider_marketer;
GRANT SELECT ON TABLE marketing.campaign TO postrider_ops;
GRANT UPDATE(desired_status) ON TABLE marketing.campaign TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.campaign_campaign_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.consent TO postrider_marketer;
GRANT SELECT ON TABLE marketing.consent TO postrider_ops;
GRANT SELECT ON TABLE marketing.consent_event TO postrider_marketer;
GRANT SELECT ON TABLE marketing.consent_event TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.consent_event_consent_event_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.contact TO postrider_marketer;
GRANT SELECT ON TABLE marketing.contact TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.contact_contact_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.contact_point TO postrider_marketer;
GRANT SELECT ON TABLE marketing.contact_point TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.contact_point_contact_point_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.segment TO postrider_marketer;
GRANT SELECT ON TABLE marketing.segment TO postrider_ops;
GRANT SELECT ON TABLE marketing.segment_contact TO postrider_segment;
GRANT SELECT ON TABLE marketing.segment_contact TO postrider_marketer;
GRANT SELECT ON TABLE marketing.segment_contact TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.segment_segment_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.step TO postrider_marketer;
GRANT SELECT ON TABLE marketing.step TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.step_step_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.suppression TO postrider_marketer;
GRANT SELECT ON TABLE marketing.suppression TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.suppression_suppression_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.template TO postrider_marketer;
GRANT SELECT ON TABLE marketing.template TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.template_template_id_seq TO postrider_marketer;
GRANT SELECT,INSERT ON TABLE marketing.template_version TO postrider_marketer;
GRANT SELECT ON TABLE marketing.template_version TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.template_version_template_version_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.topic TO postrider_marketer;
GRANT SELECT ON TABLE marketing.topic TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.topic_topic_id_seq TO postrider_marketer;
GRANT SELECT ON TABLE report.delivery TO postrider_marketer;
GRANT SELECT ON TABLE report.delivery TO postrider_analyst;
GRANT SELECT ON TABLE report.delivery TO postrider_ops;
GRANT SELECT ON TABLE report.failures_by_reason TO postrider_marketer;
GRANT SELECT ON TABLE report.failures_by_reason TO postrider_analyst;
GRANT SELECT ON TABLE report.failures_by_reason TO postrider_ops;
GRANT SELECT ON TABLE report.lane TO postrider_scheduler;
GRANT SELECT ON TABLE report.lane TO postrider_marketer;
GRANT SELECT ON TABLE report.lane TO postrider_analyst;
GRANT SELECT ON TABLE report.lane TO postrider_ops;
GRANT SELECT ON TABLE report.not_started TO postrider_scheduler;
GRANT SELECT ON TABLE report.not_started TO postrider_marketer;
GRANT SELECT ON TABLE report.not_started TO postrider_analyst;
GRANT SELECT ON TABLE report.not_started TO postrider_ops;
GRANT SELECT ON TABLE report.run_ledger TO postrider_scheduler;
GRANT SELECT ON TABLE report.run_ledger TO postrider_marketer;
GRANT SELECT ON TABLE report.run_ledger TO postrider_analyst;
GRANT SELECT ON TABLE report.run_ledger TO postrider_ops;
GRANT SELECT ON TABLE report.run_progress TO postrider_scheduler;
GRANT SELECT ON TABLE report.run_progress TO postrider_marketer;
GRANT SELECT ON TABLE report.run_progress TO postrider_analyst;
GRANT SELECT ON TABLE report.run_progress TO postrider_ops;
GRANT SELECT ON TABLE report.stuck TO postrider_scheduler;
GRANT SELECT ON TABLE report.stuck TO postrider_marketer;
GRANT SELECT ON TABLE report.stuck TO postrider_analyst;
GRANT SELECT ON TABLE report.stuck TO postrider_ops;
