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
    'skip',
    'default'
);
COMMENT ON TYPE marketing.undefined_policy IS 'What to do when a token has no value for a contact: blank (print nothing), skip (do not send to this contact) or default (print the text in token_default, and skip where there is none).';
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
    problem text,
    checked_at timestamp with time zone,
    checked_mark text,
    weight integer DEFAULT 1 NOT NULL,
    soft_bounces_max integer DEFAULT 5 NOT NULL,
    connections_max integer,
    CONSTRAINT "An account has 1 to 2,000 requests under way in each worker" CHECK (((connections_max >= 1) AND (connections_max <= 2000))),
    CONSTRAINT "An account name has 1 to 40 small letters, digits and hyphens" CHECK ((name ~ '^[a-z0-9-]{1,40}$'::text)),
    CONSTRAINT "An account's weight is 1 to 100" CHECK (((weight >= 1) AND (weight <= 100))),
    CONSTRAINT "An address is left alone after 1 to 1,000 soft bounces" CHECK (((soft_bounces_max >= 1) AND (soft_bounces_max <= 1000))),
    CONSTRAINT "Settings must be a JSON object" CHECK ((jsonb_typeof(settings) = 'object'::text))
);
COMMENT ON TABLE delivery.provider_account IS 'An account of ours at a provider. Secrets are never here: settings name them, for example env:SMTP_PASSWORD.';
COMMENT ON COLUMN delivery.provider_account.provider_account_id IS 'Number of the account.';
COMMENT ON COLUMN delivery.provider_account.name IS 'Short name, part of queue names, for example main.';
COMMENT ON COLUMN delivery.provider_account.driver IS 'Which provider.';
COMMENT ON COLUMN delivery.provider_account.channel IS 'Which channel it serves.';
COMMENT ON COLUMN delivery.provider_account.settings IS 'The driver''s settings, for example {"host": "mail", "port": 25, "from_email": "club@example.org"}.';
COMMENT ON COLUMN delivery.provider_account.is_active IS 'Off: nothing is sent through it.';
COMMENT ON COLUMN delivery.provider_account.priority IS 'The smallest number is taken first; a larger one only while none of the smaller ones works.';
COMMENT ON COLUMN delivery.provider_account.breaker_reason IS 'Why the circuit breaker is open. Empty: closed.';
COMMENT ON COLUMN delivery.provider_account.open_until IS 'When the breaker lets exactly one message through to try.';
COMMENT ON COLUMN delivery.provider_account.opened_count IS 'How often it opened in a row.';
COMMENT ON COLUMN delivery.provider_account.probe_delivery_id IS 'The one message that tries whether the provider is back.';
COMMENT ON COLUMN delivery.provider_account.probe_until IS 'How long that try may take.';
COMMENT ON COLUMN delivery.provider_account.paused_until IS 'The provider asked us to wait until then.';
COMMENT ON COLUMN delivery.provider_account.paused_reason IS 'What the provider said when it asked us to wait.';
COMMENT ON COLUMN delivery.provider_account.problem IS 'What is wrong with the settings, a second after they were saved, for example "auth_token: the environment variable TWILIO_TOKEN is not set." Empty: nothing. Written by the programs.';
COMMENT ON COLUMN delivery.provider_account.checked_at IS 'When a worker last looked at the settings. Empty: never. Written by the programs.';
COMMENT ON COLUMN delivery.provider_account.checked_mark IS 'A fingerprint of the settings that it looked at: when they are changed it differs, and they are looked at again. Written by the programs.';
COMMENT ON COLUMN delivery.provider_account.weight IS 'Its share beside other accounts of the same priority: 9 beside 1 gets nine of ten messages, as long as both keep up.';
COMMENT ON COLUMN delivery.provider_account.soft_bounces_max IS 'After so many messages in a row that did not arrive for a passing reason, such as a full mailbox, the address is left alone.';
COMMENT ON COLUMN delivery.provider_account.connections_max IS 'The most requests that each worker has under way at this account, where that should be fewer than the workers'' own setting allows.';
CREATE FUNCTION delivery.account_mark(p_account delivery.provider_account) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select md5(concat_ws(' ', p_account.driver, p_account.channel, p_account.settings))
$$;
COMMENT ON FUNCTION delivery.account_mark(p_account delivery.provider_account) IS 'A fingerprint of what is checked of an account: driver, channel and settings.';
CREATE FUNCTION delivery.account_works(p_is_active boolean, p_open_until timestamp with time zone, p_paused_until timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  select p_is_active and p_open_until is null and coalesce(p_paused_until, '-infinity') < now() + interval '1 minute'
$$;
COMMENT ON FUNCTION delivery.account_works(p_is_active boolean, p_open_until timestamp with time zone, p_paused_until timestamp with time zone) IS 'Whether an account is switched on, its breaker closed, and no long pause asked for or cap used up.';
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
CREATE FUNCTION delivery.callback_accounts() RETURNS TABLE(provider_account_id integer, name text, driver text, settings text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select a.provider_account_id, a.name, a.driver, a.settings::text from delivery.provider_account a order by a.provider_account_id
$$;
COMMENT ON FUNCTION delivery.callback_accounts() IS 'The provider accounts, for those whose providers call back. Switched off ones too: what was sent through them still has a fate.';
CREATE FUNCTION delivery.callbacks_to_parse(p_limit integer) RETURNS TABLE(callback_inbox_id bigint, provider_account_id integer, target text, headers text, body text, received_ms bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select i.callback_inbox_id, i.provider_account_id, i.target, i.headers, translate(encode(i.body, 'base64'), E'\n', ''),
         (extract(epoch from i.received_at) * 1000)::bigint
  from (select t.callback_inbox_id from delivery.callback_todo t where t.needs_parsing order by t.callback_inbox_id limit p_limit) t
  join delivery.callback_inbox i on i.callback_inbox_id = t.callback_inbox_id
  order by i.callback_inbox_id
$$;
COMMENT ON FUNCTION delivery.callbacks_to_parse(p_limit integer) IS 'Callbacks that a receiver is to read again.';
CREATE FUNCTION delivery.claim(p_worker text, p_lane_id integer, p_claim_token bigint, p_lease_ms bigint, p_delivery_ids bigint[], p_epochs integer[]) RETURNS TABLE(delivery_id bigint, refusal text, attempt integer, failures smallint, not_sent smallint, run_step_id bigint, expires_in_ms bigint, expires_at_ms bigint, planned_at_ms bigint, contact_id bigint, contact_point_id bigint, address text, member_no text, first_name text, last_name text, language text, time_zone text, tier text, points bigint, profile text, data text, was_uncertain boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_bitmapscan TO 'off'
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
    LANGUAGE plpgsql
    AS $$
begin
  insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
  select m.run_step_id, m.status, coalesce(m.reason, ''), pg_backend_pid() % 32, sum(m.amount)
  from unnest(p_run_step_ids, p_statuses, p_reasons, p_amounts) as m (run_step_id, status, reason, amount)
  group by m.run_step_id, m.status, coalesce(m.reason, '')
  having sum(m.amount) <> 0
  order by m.run_step_id, m.status, coalesce(m.reason, '')
  on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount;
end
$$;
COMMENT ON FUNCTION delivery.count_moves(p_run_step_ids bigint[], p_statuses delivery.delivery_status[], p_reasons text[], p_amounts bigint[]) IS 'Adds to the tally of deliveries by status. Called by the functions that move deliveries, in the same transaction.';
CREATE FUNCTION delivery.cursors_at_end(p_campaign_run_id bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
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
COMMENT ON FUNCTION delivery.cursors_at_end(p_campaign_run_id bigint) IS 'Whether everything of a run has been put on the broker at least once.';
CREATE FUNCTION delivery.day_cap(p_provider_account_id integer, p_day date) RETURNS integer
    LANGUAGE sql STABLE
    AS $$
  select least(r.per_day, (
    select w.per_day from delivery.warm_up w
    where w.provider_account_id = r.provider_account_id and w.day_number <= p_day - r.warm_up_from + 1
    order by w.day_number desc limit 1))
  from delivery.rate_limit r where r.provider_account_id = p_provider_account_id
$$;
COMMENT ON FUNCTION delivery.day_cap(p_provider_account_id integer, p_day date) IS 'How many messages an account may send on a day: its cap, or what its warm-up allows.';
CREATE FUNCTION delivery.dispatch(p_lane_id integer, p_limit integer) RETURNS TABLE(delivery_id bigint, epoch integer, expires_at_ms bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_bitmapscan TO 'off'
    AS $$
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
CREATE FUNCTION delivery.ensure_index(p_table text, p_name text, p_statement text, p_comment text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  if to_regclass(format('delivery.%I', p_table || '_' || p_name)) is null then
    execute format(p_statement, p_table || '_' || p_name, p_table);
    execute format('comment on index delivery.%I is %L', p_table || '_' || p_name, p_comment);
  end if;
end
$$;
COMMENT ON FUNCTION delivery.ensure_index(p_table text, p_name text, p_statement text, p_comment text) IS 'Makes an index of a month unless it is there.';
CREATE FUNCTION delivery.ensure_partition(p_month integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  parent text;
begin
  -- The last one that is made.
  if to_regclass(format('delivery.callback_event_%s', p_month)) is not null then
    return false;
  end if;
  perform pg_advisory_xact_lock(hashtext('postrider partitions'));
  foreach parent in array array['delivery', 'attempt', 'delivery_event', 'callback_inbox', 'callback_event'] loop
    if to_regclass(format('delivery.%s_%s', parent, p_month)) is null then
      execute format('create table delivery.%I partition of delivery.%I for values from (%s) to (%s)',
        parent || '_' || p_month, parent, low, high);
      execute format('comment on table delivery.%I is %L', parent || '_' || p_month,
        'The ' || parent || ' rows of one month. To forget the month, drop this table.');
    end if;
  end loop;
  -- A delivery is rewritten three times within seconds; room in its page keeps that out of the indexes.
  execute format('alter table delivery.%I set (fillfactor = 35, autovacuum_vacuum_scale_factor = 0.2, '
    'autovacuum_analyze_scale_factor = 0.05)', 'delivery_' || p_month);
  perform delivery.ensure_index('delivery_' || p_month, 'once', 'create unique index %I on delivery.%I (run_step_id, contact_id, occurrence)',
    'Nobody gets the same step of the same run twice; also the order in which a run is worked off.');
  perform delivery.ensure_index('delivery_' || p_month, 'next', 'create index %I on delivery.%I (run_step_id, next_at) where next_at is not null',
    'Finds what is to be looked at again.');
  perform delivery.ensure_index('delivery_' || p_month, 'contact', 'create index %I on delivery.%I (contact_id)',
    'Finds what a contact was sent.');
  perform delivery.ensure_index('callback_inbox_' || p_month, 'once', 'create unique index %I on delivery.%I (provider_account_id, sha256)',
    'The same words of the same account are kept once.');
  return true;
end
$$;
COMMENT ON FUNCTION delivery.ensure_partition(p_month integer) IS 'Makes room for the deliveries of one month, such as 202611.';
CREATE FUNCTION delivery.ensure_partitions() RETURNS integer
    LANGUAGE sql
    AS $$
  select count(*) filter (where delivery.ensure_partition(delivery.month_of(now() + make_interval(months => ahead))))::integer
  from generate_series(0, 1) as ahead
$$;
COMMENT ON FUNCTION delivery.ensure_partitions() IS 'Makes room for this month''s and the next month''s deliveries.';
CREATE FUNCTION delivery.event_weight(p_kind text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
  select case p_kind when 'failed' then 1 when 'delivered' then 2 when 'bounced_soft' then 3 when 'bounced_hard' then 4 else 0 end
$$;
COMMENT ON FUNCTION delivery.event_weight(p_kind text) IS 'Which event decides when a provider reports several: the one with the greatest weight.';
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
CREATE FUNCTION delivery.fold_callbacks(p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_bitmapscan TO 'off'
    SET join_collapse_limit TO '1'
    AS $$
declare
  inboxes bigint[];
  e_inbox bigint[];
  e_position integer[];
  e_kind text[];
  e_key text[];
  e_delivery bigint[];
  wanted bigint[];
  locked bigint[];
  busy bigint[] := '{}';
  waiting bigint[] := '{}';
begin
  perform delivery.wake_orphans();
  select array_agg(t.callback_inbox_id) into inboxes
  from (select t.callback_inbox_id from delivery.callback_todo t where not t.needs_parsing
        order by t.callback_inbox_id limit p_limit for update skip locked) t;
  if inboxes is null then
    return 0;
  end if;
  -- An answer by SMS speaks of no message: its number says who wrote it.
  perform delivery.sms_reply(i.provider_account_id, e.address, e.answer, coalesce(e.event_key, format('%s.%s', e.callback_inbox_id, e.position)), e.happened_at)
  from unnest(inboxes) as asked (callback_inbox_id)
  join delivery.callback_inbox i on i.callback_inbox_id = asked.callback_inbox_id
  join delivery.callback_event e on e.callback_inbox_id = asked.callback_inbox_id
  join delivery.provider_account a on a.provider_account_id = i.provider_account_id
  where e.kind = 'replied' and a.channel = 'sms' and e.address is not null
  order by e.happened_at;
  select array_agg(m.callback_inbox_id), array_agg(m.position), array_agg(m.kind), array_agg(m.event_key), array_agg(m.matched_id)
  into e_inbox, e_position, e_kind, e_key, e_delivery
  from delivery.match_events(inboxes) m;
  select array_agg(distinct x.delivery_id) into wanted from unnest(e_delivery) as x (delivery_id) where x.delivery_id is not null;
  select array_agg(d.delivery_id) into locked
  from (select d.delivery_id from delivery.delivery d where d.delivery_id = any (wanted)
        order by d.delivery_id for update skip locked) d;
  if cardinality(locked) is distinct from cardinality(wanted) then
    select array_agg(x) into busy from (select unnest(wanted) as x except select unnest(locked)) x;
    select array_agg(distinct x.callback_inbox_id) into waiting
    from unnest(e_inbox, e_delivery) as x (callback_inbox_id, delivery_id) where x.delivery_id = any (busy);
  end if;
  delete from delivery.callback_orphan o
  using unnest(e_inbox, e_position, e_delivery) as x (callback_inbox_id, position, delivery_id)
  where o.callback_inbox_id = x.callback_inbox_id and o.position = x.position and x.delivery_id is not null;
  -- Not ours, or not ours yet.
  insert into delivery.callback_orphan (callback_inbox_id, position, provider_message_id, next_at)
  select x.callback_inbox_id, x.position, e.provider_message_id, now() + interval '2 seconds'
  from unnest(e_inbox, e_position, e_delivery) as x (callback_inbox_id, position, delivery_id)
  join delivery.callback_event e on e.callback_inbox_id = x.callback_inbox_id and e.position = x.position
  where x.delivery_id is null and e.provider_message_id is not null and e.kind <> 'other'
  on conflict do nothing;
  if locked is not null then
    perform delivery.fold_events(e_inbox, e_position, e_kind, e_key, e_delivery, busy);
  end if;
  delete from delivery.callback_todo t where t.callback_inbox_id = any (inboxes) and t.callback_inbox_id <> all (waiting);
  return cardinality(inboxes);
end
$$;
COMMENT ON FUNCTION delivery.fold_callbacks(p_limit integer) IS 'Applies what providers have said to the deliveries, many callbacks at a time.';
CREATE FUNCTION delivery.fold_events(p_inbox_ids bigint[], p_positions integer[], p_kinds text[], p_keys text[], p_delivery_ids bigint[], p_busy bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
declare
  n_inbox bigint[];
  n_position integer[];
  n_delivery bigint[];
begin
  with told as (
    select distinct on (x.delivery_id, x.kind, x.event_key) x.*, e.happened_at, e.is_machine, e.link,
           concat_ws(' ', e.code, coalesce(e.answer, e.words)) as detail, e.code, a.name as account,
           not exists (select from delivery.delivery_event ev
             where ev.delivery_id = x.delivery_id and ev.kind = x.kind and ev.event_key = x.event_key) as is_new
    from unnest(p_inbox_ids, p_positions, p_kinds, p_keys, p_delivery_ids) as x (callback_inbox_id, position, kind, event_key, delivery_id)
    join delivery.callback_event e on e.callback_inbox_id = x.callback_inbox_id and e.position = x.position
    join delivery.provider_account a on a.provider_account_id = e.provider_account_id
    where x.delivery_id <> all (p_busy) and x.kind not in ('queued', 'sent', 'other')
    order by x.delivery_id, x.kind, x.event_key, e.happened_at, e.is_machine, detail, coalesce(e.link, '')
  ), noted as (
    insert into delivery.delivery_event as ev (delivery_id, kind, event_key, happened_at, source, detail, is_machine, link, callback_inbox_id)
    select t.delivery_id, t.kind, t.event_key, t.happened_at, 'callback of ' || t.account, nullif(t.detail, ''), t.is_machine, t.link, t.callback_inbox_id
    from told t
    -- Told in two ways: the same one stays, whichever came first.
    on conflict (delivery_id, kind, event_key) do update
      set happened_at = excluded.happened_at, source = excluded.source, detail = excluded.detail, is_machine = excluded.is_machine,
          link = excluded.link, callback_inbox_id = excluded.callback_inbox_id
      where ev.callback_inbox_id is not null
        and (excluded.happened_at, excluded.is_machine, coalesce(excluded.detail, ''), coalesce(excluded.link, ''))
          < (ev.happened_at, ev.is_machine, coalesce(ev.detail, ''), coalesce(ev.link, ''))
  )
  select array_agg(t.callback_inbox_id), array_agg(t.position), array_agg(t.delivery_id) into n_inbox, n_position, n_delivery
  from told t
  -- What most callbacks say has no consequences for anybody.
  where t.is_new and (t.kind in ('bounced_hard', 'bounced_soft', 'complained', 'unsubscribed', 'resubscribed')
    or (t.kind = 'failed' and t.code is not null)
    or (t.kind = 'delivered' and exists (select from delivery.delivery d
      join marketing.contact_point cp on cp.contact_point_id = d.contact_point_id
      join marketing.suppression s on s.channel = cp.channel and s.address = cp.address and s.reason = 'soft bounces'
      where d.delivery_id = t.delivery_id)));
  perform delivery.settle_by_events(array_agg(y.delivery_id), array_agg(y.is_proven))
  from (
    select x.delivery_id, bool_or(x.kind not in ('failed', 'resubscribed', 'other')) as is_proven
    from unnest(p_delivery_ids, p_kinds) as x (delivery_id, kind)
    where x.delivery_id is not null and x.delivery_id <> all (p_busy)
    group by x.delivery_id
  ) y;
  -- Only what is new has consequences: a repeated complaint does not undo what a person has mended since.
  if n_inbox is not null then
    perform delivery.heed_events(n_inbox, n_position, n_delivery);
  end if;
end
$$;
COMMENT ON FUNCTION delivery.fold_events(p_inbox_ids bigint[], p_positions integer[], p_kinds text[], p_keys text[], p_delivery_ids bigint[], p_busy bigint[]) IS 'Writes events down once each and lets them decide about their deliveries.';
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
COMMENT ON FUNCTION delivery.follow_wishes() IS 'Starts, pauses, resumes and cancels campaigns as people wished.';
CREATE FUNCTION delivery.has_other_way(p_run_step_id bigint, p_lane_id integer) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
  return exists (
    select from delivery.run_step_lane sl
    join delivery.lane l using (lane_id)
    join delivery.provider_account a using (provider_account_id)
    where sl.run_step_id = p_run_step_id and sl.lane_id <> p_lane_id
      and delivery.account_works(a.is_active, a.open_until, a.paused_until));
end
$$;
COMMENT ON FUNCTION delivery.has_other_way(p_run_step_id bigint, p_lane_id integer) IS 'Whether a step''s messages can go through another account.';
CREATE FUNCTION delivery.heed_answers(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) RETURNS void
    LANGUAGE sql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
  select delivery.note_answers(array_agg(d.contact_id), array_agg(a.channel), array_agg(e.kind = 'resubscribed'), array_agg('callback of ' || a.name),
    array_agg(format('%s, callback %s, delivery %s', coalesce(p.code, e.kind), e.callback_inbox_id, d.delivery_id)), array_agg(e.happened_at))
  from unnest(p_inbox_ids, p_positions, p_delivery_ids) as x (callback_inbox_id, position, delivery_id)
  join delivery.callback_event e on e.callback_inbox_id = x.callback_inbox_id and e.position = x.position
  join delivery.provider_account a on a.provider_account_id = e.provider_account_id
  join delivery.delivery d on d.delivery_id = x.delivery_id
  left join delivery.provider_code p on p.driver = a.driver and p.code = e.code and p.meaning = 'unsubscribed'
  where e.kind in ('complained', 'unsubscribed', 'resubscribed') or p.code is not null
  having count(*) > 0
$$;
COMMENT ON FUNCTION delivery.heed_answers(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) IS 'Unsubscribed, complained, subscribed again: becomes consent, with its source and proof.';
CREATE FUNCTION delivery.heed_bounces(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) RETURNS void
    LANGUAGE sql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
  with news as materialized (
    select e.kind, a.channel, 'callback of ' || a.name as source, coalesce(cp.address, e.address) as address, cp.contact_point_id,
           left(coalesce(nullif(concat_ws(' ', e.code, e.words), ''), 'The provider said that it does not exist.'), 500) as words
    from unnest(p_inbox_ids, p_positions, p_delivery_ids) as x (callback_inbox_id, position, delivery_id)
    join delivery.callback_event e on e.callback_inbox_id = x.callback_inbox_id and e.position = x.position
    join delivery.provider_account a on a.provider_account_id = e.provider_account_id
    join delivery.delivery d on d.delivery_id = x.delivery_id
    left join marketing.contact_point cp on cp.contact_point_id = d.contact_point_id
      and (e.address is null or lower(cp.address) = lower(e.address))
    where e.kind in ('bounced_hard', 'complained')
  ), switched_off as (
    update marketing.contact_point p set is_usable = false, unusable_reason = n.words
    from (select contact_point_id, min(words) as words from news where kind = 'bounced_hard' group by 1) n
    where p.contact_point_id = n.contact_point_id and p.is_usable
  )
  insert into marketing.suppression as s (channel, address, reason, source)
  select distinct on (n.channel, n.address) n.channel, n.address, v.reason, n.source
  from news n cross join lateral (select case n.kind when 'complained' then 'complaint' else 'hard bounce' end as reason) v
  where n.address is not null
  order by n.channel, n.address, delivery.suppression_weight(v.reason) desc, n.source
  on conflict (channel, address) do update
    set reason = excluded.reason, source = excluded.source, until = null,
        created_at = case when s.until <= now() then now() else s.created_at end -- what has ended begins anew
    where s.until is not null
       or (delivery.suppression_weight(s.reason) > 0 and delivery.suppression_weight(s.reason) < delivery.suppression_weight(excluded.reason))
$$;
COMMENT ON FUNCTION delivery.heed_bounces(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) IS 'Hard bounces and complaints: the address is not written to again.';
CREATE FUNCTION delivery.heed_codes(p_delivery_ids bigint[], p_attempts integer[], p_codes text[]) RETURNS void
    LANGUAGE sql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
  select delivery.note_answers(array_agg(d.contact_id), array_agg(a.channel), array_agg(false), array_agg('answer of ' || a.name),
    array_agg(format('%s, delivery %s, attempt %s', x.code, x.delivery_id, x.attempt)), array_agg(now()))
  from unnest(p_delivery_ids, p_attempts, p_codes) as x (delivery_id, attempt, code)
  join delivery.delivery d on d.delivery_id = x.delivery_id
  join delivery.run_step rs on rs.run_step_id = d.run_step_id
  join delivery.lane l on l.lane_id = coalesce(d.lane_id, rs.lane_id)
  join delivery.provider_account a on a.provider_account_id = l.provider_account_id
  join delivery.provider_code p on p.driver = a.driver and p.code = x.code and p.meaning = 'unsubscribed'
  having count(*) > 0
$$;
COMMENT ON FUNCTION delivery.heed_codes(p_delivery_ids bigint[], p_attempts integer[], p_codes text[]) IS 'A provider refused because the person has unsubscribed there: becomes consent.';
CREATE FUNCTION delivery.heed_events(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
begin
  perform delivery.heed_answers(p_inbox_ids, p_positions, p_delivery_ids);
  perform delivery.heed_bounces(p_inbox_ids, p_positions, p_delivery_ids);
  perform delivery.heed_soft_bounces(p_inbox_ids, p_positions, p_delivery_ids);
end
$$;
COMMENT ON FUNCTION delivery.heed_events(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) IS 'Draws the consequences of new events for addresses and consent.';
CREATE FUNCTION delivery.heed_soft_bounces(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) RETURNS void
    LANGUAGE sql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
  with point as materialized (
    select distinct d.contact_id, d.contact_point_id, cp.channel, cp.address, 'callback of ' || a.name as source, a.soft_bounces_max
    from unnest(p_inbox_ids, p_positions, p_delivery_ids) as x (callback_inbox_id, position, delivery_id)
    join delivery.callback_event e on e.callback_inbox_id = x.callback_inbox_id and e.position = x.position
    join delivery.provider_account a on a.provider_account_id = e.provider_account_id
    join delivery.delivery d on d.delivery_id = x.delivery_id
    join marketing.contact_point cp on cp.contact_point_id = d.contact_point_id
    where e.kind = 'bounced_soft'
       or (e.kind = 'delivered' and exists (select from marketing.suppression s
         where s.channel = cp.channel and s.address = cp.address and s.reason = 'soft bounces'))
  ), counted as materialized (
    select p.*, n.bounces >= p.soft_bounces_max as is_enough
    from point p
    cross join lateral (
      select count(distinct d.delivery_id) filter (where e.kind = 'bounced_soft' and e.happened_at > l.delivered_at) as bounces
      from (select coalesce(max(e.happened_at), '-infinity') as delivered_at
            from delivery.delivery d join delivery.delivery_event e on e.delivery_id = d.delivery_id
            where d.contact_id = p.contact_id and d.contact_point_id = p.contact_point_id and e.kind = 'delivered'
              and d.delivery_id >= delivery.first_id_of(delivery.month_of(now() - interval '3 months'))) l,
           delivery.delivery d join delivery.delivery_event e on e.delivery_id = d.delivery_id
      where d.contact_id = p.contact_id and d.contact_point_id = p.contact_point_id
        and d.delivery_id >= delivery.first_id_of(delivery.month_of(now() - interval '3 months'))
    ) n
  ), lifted as (
    delete from marketing.suppression s using counted c
    where s.channel = c.channel and s.address = c.address and s.reason = 'soft bounces' and not c.is_enough
  )
  insert into marketing.suppression (channel, address, reason, source)
  select distinct on (c.channel, c.address) c.channel, c.address, 'soft bounces', c.source
  from counted c where c.is_enough
  order by c.channel, c.address, c.source
  on conflict (channel, address) do nothing
$$;
COMMENT ON FUNCTION delivery.heed_soft_bounces(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) IS 'Messages that did not arrive for a passing reason, again and again: the address is left alone until it works.';
CREATE FUNCTION delivery.inbox_delivered(p_delivery_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
begin
  with fetched as (
    update delivery.inbox_message m set delivered_at = now()
    where m.delivery_id = any (p_delivery_ids) and m.delivered_at is null
    returning m.delivery_id
  ), noted as (
    insert into delivery.delivery_event (delivery_id, kind, happened_at, source)
    select f.delivery_id, 'delivered', now(), 'our own inbox' from fetched f
  ), moved as (
    update delivery.delivery d set status = 'delivered', settled_at = now()
    from fetched f
    where d.delivery_id = f.delivery_id and d.status = 'sent'
    returning d.run_step_id
  )
  insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
  select n.run_step_id, n.status, '', pg_backend_pid() % 32, n.amount
  from (
    select m.run_step_id, 'sent'::delivery.delivery_status as status, -count(*) as amount from moved m group by 1
    union all
    select m.run_step_id, 'delivered', count(*) from moved m group by 1
    order by 1, 2
  ) n
  on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount;
end
$$;
COMMENT ON FUNCTION delivery.inbox_delivered(p_delivery_ids bigint[]) IS 'Notes that the member''s app has fetched messages.';
CREATE FUNCTION delivery.inbox_feed(p_contact_id bigint, p_limit integer, p_with_read boolean, p_after_weight integer, p_after_id bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  shown bigint[];
  feed text;
begin
  with page as (
    select m.*
    from delivery.inbox_message m
    join marketing.contact p on p.contact_id = m.contact_id and p.erased_at is null
    join delivery.delivery d on d.delivery_id = m.delivery_id and d.status in ('sent', 'delivered')
    where m.contact_id = p_contact_id and m.visible_since <= now() and m.visible_until > now() and (p_with_read or m.read_at is null)
      and (p_after_id is null or (m.weight, m.delivery_id) < (p_after_weight, p_after_id))
    order by m.weight desc, m.delivery_id desc
    limit p_limit + 1
  ), numbered as (
    select page.*, row_number() over (order by page.weight desc, page.delivery_id desc) as place from page
  )
  select array_agg(n.delivery_id) filter (where n.place <= p_limit),
         jsonb_build_object(
           'messages', coalesce(jsonb_agg(jsonb_build_object(
             'id', n.delivery_id::text, 'title', n.title, 'text', n.body, 'link', n.link, 'image', n.image, 'data', n.data, 'weight', n.weight,
             'sent_at', to_char(n.sent_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
             'visible_until', to_char(n.visible_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
             'is_read', n.read_at is not null) order by n.place) filter (where n.place <= p_limit), '[]'),
           'next', case when count(*) > p_limit then max(n.weight || '.' || n.delivery_id) filter (where n.place = p_limit) end)::text
  into shown, feed
  from numbered n;
  if shown is not null then
    perform delivery.inbox_delivered(shown);
  end if;
  return feed;
end
$$;
COMMENT ON FUNCTION delivery.inbox_feed(p_contact_id bigint, p_limit integer, p_with_read boolean, p_after_weight integer, p_after_id bigint) IS 'The messages in a contact''s inbox, for their app.';
CREATE FUNCTION delivery.inbox_put(p_messages text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
begin
  delete from delivery.inbox_message m
  where m.delivery_id in (
    select o.delivery_id from delivery.inbox_message o where o.visible_until < now() - interval '30 days'
    order by o.visible_until limit 100 for update skip locked);
  insert into delivery.inbox_message (delivery_id, contact_id, weight, visible_since, visible_until, title, body, link, image, data)
  select d.delivery_id, d.contact_id, coalesce(x.weight, 0), v.visible_since,
         coalesce(to_timestamp(x.visible_until_ms / 1000.0), v.visible_since + interval '30 days'), x.title, x.body, x.link, x.image, x.data
  from unnest(p_messages) as m (message)
  cross join lateral jsonb_to_record(m.message::jsonb) as x (delivery_id bigint, title text, body text, link text, image text, data jsonb,
    weight integer, visible_from_ms bigint, visible_until_ms bigint)
  join delivery.delivery d on d.delivery_id = x.delivery_id
  cross join lateral (select coalesce(to_timestamp(x.visible_from_ms / 1000.0), now()) as visible_since) v
  order by d.delivery_id
  on conflict (delivery_id) do nothing;
  return (select count(*) from unnest(p_messages) as m (message)
          join delivery.inbox_message i on i.delivery_id = (m.message::jsonb ->> 'delivery_id')::bigint);
end
$$;
COMMENT ON FUNCTION delivery.inbox_put(p_messages text[]) IS 'Puts messages into our own inbox. Repeating it changes nothing.';
CREATE FUNCTION delivery.inbox_read(p_contact_id bigint, p_delivery_ids bigint[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  mine bigint[];
begin
  with marked as (
    update delivery.inbox_message m set read_at = now()
    where m.delivery_id = any (p_delivery_ids) and m.contact_id = p_contact_id and m.read_at is null
    returning m.delivery_id
  ), noted as (
    insert into delivery.delivery_event (delivery_id, kind, happened_at, source)
    select m.delivery_id, 'opened', now(), 'our own inbox' from marked m
  )
  select array_agg(m.delivery_id) into mine from marked m;
  if mine is null then
    return 0;
  end if;
  perform delivery.inbox_delivered(mine);
  return cardinality(mine);
end
$$;
COMMENT ON FUNCTION delivery.inbox_read(p_contact_id bigint, p_delivery_ids bigint[]) IS 'Marks messages in a contact''s inbox as read.';
CREATE FUNCTION delivery.is_first_way(p_run_step_id bigint, p_lane_id integer, p_priority integer) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
  return not exists (
    select from delivery.run_step_lane sl
    join delivery.lane l using (lane_id)
    join delivery.provider_account a using (provider_account_id)
    where sl.run_step_id = p_run_step_id and sl.lane_id <> p_lane_id and a.priority < p_priority
      and delivery.account_works(a.is_active, a.open_until, a.paused_until));
end
$$;
COMMENT ON FUNCTION delivery.is_first_way(p_run_step_id bigint, p_lane_id integer, p_priority integer) IS 'Whether an account is the first that works for a step.';
CREATE FUNCTION delivery.is_in_doubt(p_delivery_id bigint, p_attempts_made integer) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
  return p_attempts_made > 0 and exists (
    select from delivery.attempt a where a.delivery_id = p_delivery_id and a.outcome in ('uncertain', 'accepted'));
end
$$;
COMMENT ON FUNCTION delivery.is_in_doubt(p_delivery_id bigint, p_attempts_made integer) IS 'Whether an earlier attempt has arrived, or may have, although the delivery goes on.';
CREATE FUNCTION delivery.keep_callbacks(p_account_ids integer[], p_sha256 text[], p_targets text[], p_headers text[], p_bodies text[], p_problems text[], p_places integer[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  month integer := delivery.month_of(now());
  ids bigint[];
  kept bigint[];
begin
  if to_regclass('delivery.callback_event_' || month) is null then
    perform delivery.ensure_partition(month);
  end if;
  select array_agg(delivery.first_id_of(month) + nextval('delivery.callback_number')) into ids from generate_subscripts(p_account_ids, 1);
  with told as (
    insert into delivery.callback_inbox (callback_inbox_id, provider_account_id, sha256, target, headers, body, problem)
    select x.id, x.account_id, decode(x.sha256, 'hex'), x.target, x.headers, decode(x.body, 'base64'), x.problem
    from unnest(ids, p_account_ids, p_sha256, p_targets, p_headers, p_bodies, p_problems)
      as x (id, account_id, sha256, target, headers, body, problem)
    on conflict do nothing
    returning callback_inbox_id
  )
  select array_agg(t.callback_inbox_id) into kept from told t;
  if kept is null then
    return 0;
  end if;
  if cardinality(p_places) > 0 then
    perform delivery.put_events(array_agg(ids[x.place]), array_agg(x.kind), array_agg(x.at_ms), array_agg(x.is_machine), array_agg(x.delivery_id),
      array_agg(x.message_id), array_agg(x.event_key), array_agg(x.address), array_agg(x.code), array_agg(x.words), array_agg(x.link),
      array_agg(x.answer))
    from unnest(p_places, p_kinds, p_at_ms, p_machine, p_delivery_ids, p_message_ids, p_keys, p_addresses, p_codes, p_words, p_links, p_answers)
      as x (place, kind, at_ms, is_machine, delivery_id, message_id, event_key, address, code, words, link, answer)
    where ids[x.place] = any (kept);
    insert into delivery.callback_todo (callback_inbox_id)
    select distinct ids[x.place] from unnest(p_places) as x (place) where ids[x.place] = any (kept);
  end if;
  return cardinality(kept);
end
$$;
COMMENT ON FUNCTION delivery.keep_callbacks(p_account_ids integer[], p_sha256 text[], p_targets text[], p_headers text[], p_bodies text[], p_problems text[], p_places integer[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) IS 'Keeps callbacks of providers word for word, once each, to be folded.';
CREATE FUNCTION delivery.lane_feeds(p_lane_id integer) RETURNS TABLE(run_step_id bigint, weight integer, month integer, dispatch_cursor bigint, plan_cursor bigint, is_only boolean, is_first boolean)
    LANGUAGE sql STABLE
    AS $$
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
COMMENT ON FUNCTION delivery.lane_feeds(p_lane_id integer) IS 'Which steps of which runs have deliveries due on a lane.';
CREATE FUNCTION delivery.lane_quota(p_run_step_id bigint, p_lane_id integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION delivery.lane_quota(p_run_step_id bigint, p_lane_id integer) IS 'How many messages of a step an account may take now, beside others of the same priority.';
CREATE FUNCTION delivery.lanes() RETURNS TABLE(lane_id integer, queue_name text, class marketing.message_class, provider_account_id integer, account_name text, driver text, channel marketing.channel, settings text, is_active boolean, per_second numeric, breaker_is_open boolean, pause_ms bigint, connections_max integer)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
  return query
  select l.lane_id, l.queue_name, l.class, a.provider_account_id, a.name, a.driver, a.channel, a.settings::text, a.is_active,
         coalesce(rl.per_second, case when rl.per_day is not null or rl.warm_up_from is not null then 100000 end),
         a.open_until is not null,
         ceil(extract(epoch from greatest(a.open_until, a.paused_until, now()) - now()) * 1000)::bigint, a.connections_max
  from delivery.lane l
  join delivery.provider_account a using (provider_account_id)
  left join delivery.rate_limit rl using (provider_account_id)
  order by l.class, l.lane_id;
end
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
CREATE FUNCTION delivery.lock_texts() RETURNS void
    LANGUAGE sql
    AS $$
  select pg_advisory_xact_lock(hashtext('postrider texts'))
$$;
COMMENT ON FUNCTION delivery.lock_texts() IS 'Lets one program at a time write what it found in a text.';
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
COMMENT ON FUNCTION delivery.make_run(p_campaign_id bigint) IS 'Starts one firing of a campaign.';
CREATE FUNCTION delivery.match_events(p_inbox_ids bigint[]) RETURNS TABLE(callback_inbox_id bigint, "position" integer, kind text, event_key text, matched_id bigint)
    LANGUAGE sql STABLE
    AS $$
  select e.callback_inbox_id, e.position, e.kind, coalesce(case when p.keeps_event_keys then e.event_key end, (extract(epoch from e.happened_at) * 1000)::bigint::text || coalesce(' ' || md5(e.link), '')),
         d.delivery_id
  from unnest(p_inbox_ids) as asked (callback_inbox_id)
  join delivery.callback_event e on e.callback_inbox_id = asked.callback_inbox_id
  join delivery.provider_account a on a.provider_account_id = e.provider_account_id
  join delivery.provider p on p.driver = a.driver
  left join lateral (
    select x.delivery_id
    from (select known.delivery_id from delivery.delivery known where known.delivery_id = e.delivery_id
          union all
          select told.delivery_id from delivery.attempt told where told.provider_message_id = e.provider_message_id) x
    cross join lateral (select y.run_step_id, y.lane_id from delivery.delivery y where y.delivery_id = x.delivery_id offset 0) y
    where (select b.driver = a.driver and b.channel = a.channel
      from delivery.run_step rs
      join delivery.lane l on l.lane_id = coalesce(y.lane_id, rs.lane_id)
      join delivery.provider_account b on b.provider_account_id = l.provider_account_id
      where rs.run_step_id = y.run_step_id)
    order by x.delivery_id is not distinct from e.delivery_id desc, x.delivery_id desc
    limit 1
  ) d on true
$$;
COMMENT ON FUNCTION delivery.match_events(p_inbox_ids bigint[]) IS 'Which deliveries the events of some callbacks speak of.';
CREATE FUNCTION delivery.month_of(p_at timestamp with time zone) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
  select (extract(year from p_at at time zone 'UTC') * 100 + extract(month from p_at at time zone 'UTC'))::integer
$$;
COMMENT ON FUNCTION delivery.month_of(p_at timestamp with time zone) IS 'The month of a moment, as in 202611.';
CREATE FUNCTION delivery.note_account_check(p_provider_account_id integer, p_mark text, p_problem text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update delivery.provider_account a
  set problem = p_problem, checked_at = now(), checked_mark = p_mark
  where a.provider_account_id = p_provider_account_id and delivery.account_mark(a) = p_mark;
  update delivery.provider_account a
  set breaker_reason = null, open_until = null, opened_count = 0, probe_delivery_id = null, probe_until = null
  where a.provider_account_id = p_provider_account_id and a.checked_mark = p_mark and a.problem is null
    and a.breaker_reason like 'The account cannot be used:%'
$$;
COMMENT ON FUNCTION delivery.note_account_check(p_provider_account_id integer, p_mark text, p_problem text) IS 'Writes down what is wrong with an account''s settings, or that nothing is.';
CREATE FUNCTION delivery.note_answers(p_contact_ids bigint[], p_channels marketing.channel[], p_granted boolean[], p_sources text[], p_proofs text[], p_given_at timestamp with time zone[]) RETURNS void
    LANGUAGE sql
    AS $$
  insert into marketing.consent as k (contact_id, channel, topic_id, is_granted, source, proof, changed_at)
  select distinct on (x.contact_id, x.channel) x.contact_id, x.channel, null::bigint, x.is_granted, x.source, x.proof, x.given_at
  from unnest(p_contact_ids, p_channels, p_granted, p_sources, p_proofs, p_given_at)
    as x (contact_id, channel, is_granted, source, proof, given_at)
  join marketing.contact c on c.contact_id = x.contact_id
  order by x.contact_id, x.channel, x.given_at desc, x.is_granted, x.proof
  on conflict (contact_id, channel, topic_id) do update
    set is_granted = excluded.is_granted, source = excluded.source, proof = excluded.proof, changed_at = excluded.changed_at
    where k.changed_at < excluded.changed_at or (k.changed_at = excluded.changed_at and k.is_granted and not excluded.is_granted)
$$;
COMMENT ON FUNCTION delivery.note_answers(p_contact_ids bigint[], p_channels marketing.channel[], p_granted boolean[], p_sources text[], p_proofs text[], p_given_at timestamp with time zone[]) IS 'Writes into consent what people have said at a provider about a whole channel.';
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
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  update delivery.lane l
  set ready_count = p_ready, consumer_count = p_consumers, measured_at = now(),
      empty_since = case when p_ready > 0 then null else coalesce(l.empty_since, now()) end
  where l.lane_id = p_lane_id
    and (l.measured_at is null or l.measured_at < now() - interval '500 milliseconds');
end
$$;
COMMENT ON FUNCTION delivery.note_depth(p_lane_id integer, p_ready bigint, p_consumers bigint) IS 'Writes down how many messages wait on the broker.';
CREATE FUNCTION delivery.note_partial_check(p_partial_version_id bigint, p_problem text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform delivery.lock_texts();
  update marketing.partial_version pv set checked_at = clock_timestamp(), problem = p_problem where pv.partial_version_id = p_partial_version_id;
  update marketing.template_version v set is_current = false
  from marketing.partial_version pv join marketing.partial p using (partial_id)
  where pv.partial_version_id = p_partial_version_id and pv.problem is null and v.partial_names <> '{}' and p.name = any (v.partial_names)
    and v.template_version_id = (select max(x.template_version_id) from marketing.template_version x where x.template_id = v.template_id);
end
$$;
COMMENT ON FUNCTION delivery.note_partial_check(p_partial_version_id bigint, p_problem text) IS 'Writes down whether a partial works.';
CREATE FUNCTION delivery.note_preview(p_preview_id bigint, p_template_version_id bigint, p_outcome text, p_explanation text, p_subject text, p_body_text text, p_body_html text, p_sms_segments integer, p_sms_remark text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update marketing.preview w
  set template_version_id = p_template_version_id, outcome = p_outcome, explanation = p_explanation, subject = p_subject, body_text = p_body_text,
      body_html = p_body_html, sms_segments = p_sms_segments, sms_remark = p_sms_remark, made_at = clock_timestamp()
  where w.preview_id = p_preview_id and w.made_at is null;
  delete from marketing.preview w where w.created_at < now() - interval '1 day';
$$;
COMMENT ON FUNCTION delivery.note_preview(p_preview_id bigint, p_template_version_id bigint, p_outcome text, p_explanation text, p_subject text, p_body_text text, p_body_html text, p_sms_segments integer, p_sms_remark text) IS 'Fills in a preview.';
CREATE FUNCTION delivery.note_results(p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_provider_ids text[]) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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
COMMENT ON FUNCTION delivery.note_results(p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_provider_ids text[]) IS 'Keeps the results of deliveries that a provider''s callback had settled before.';
CREATE FUNCTION delivery.note_template_check(p_template_version_id bigint, p_partial_names text[], p_partial_version_ids bigint[], p_severities text[], p_fields text[], p_lines integer[], p_columns integer[], p_sentences text[], p_token_fields text[], p_token_paths text[], p_token_partials text[], p_token_lines integer[], p_token_guarded boolean[], p_token_defaults text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform delivery.lock_texts();
  perform from marketing.template_version v where v.template_version_id = p_template_version_id for no key update;
  if not found then
    return;
  end if;
  delete from marketing.template_diagnostic d where d.template_version_id = p_template_version_id;
  insert into marketing.template_diagnostic (template_version_id, position, severity, field, line_number, column_number, sentence)
  select p_template_version_id, x.position, x.severity, x.field, nullif(x.line_number, 0), nullif(x.column_number, 0), x.sentence
  from unnest(p_severities, p_fields, p_lines, p_columns, p_sentences)
    with ordinality as x (severity, field, line_number, column_number, sentence, position);
  delete from marketing.template_token k where k.template_version_id = p_template_version_id;
  insert into marketing.template_token (template_version_id, position, field, path, partial_name, line_number, is_guarded, default_text)
  select p_template_version_id, x.position, x.field, x.path, x.partial_name, nullif(x.line_number, 0), x.is_guarded, x.default_text
  from unnest(p_token_fields, p_token_paths, p_token_partials, p_token_lines, p_token_guarded, p_token_defaults)
    with ordinality as x (field, path, partial_name, line_number, is_guarded, default_text, position);
  update marketing.template_version v
  set checked_at = clock_timestamp(), is_current = p_partial_version_ids = marketing.newest_partials(p_partial_names),
      partial_names = p_partial_names, partial_version_ids = p_partial_version_ids,
      problem = (select format('%s%s: %s', d.field, coalesce(format(', line %s, column %s', d.line_number, d.column_number), ''), d.sentence)
                 from marketing.template_diagnostic d
                 where d.template_version_id = p_template_version_id and d.severity = 'error' order by d.position limit 1)
  where v.template_version_id = p_template_version_id;
end
$$;
COMMENT ON FUNCTION delivery.note_template_check(p_template_version_id bigint, p_partial_names text[], p_partial_version_ids bigint[], p_severities text[], p_fields text[], p_lines integer[], p_columns integer[], p_sentences text[], p_token_fields text[], p_token_paths text[], p_token_partials text[], p_token_lines integer[], p_token_guarded boolean[], p_token_defaults text[]) IS 'Writes down what the programs found in a template version.';
CREATE FUNCTION delivery.note_template_problem(p_template_version_id bigint, p_problem text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update marketing.template_version v set problem = p_problem
  where v.template_version_id = p_template_version_id and v.problem is distinct from p_problem
$$;
COMMENT ON FUNCTION delivery.note_template_problem(p_template_version_id bigint, p_problem text) IS 'Writes down what is wrong with a template.';
CREATE FUNCTION delivery.note_tracking(p_delivery_ids bigint[], p_kinds text[], p_happened_at_ms bigint[], p_event_keys text[], p_places integer[], p_links text[], p_sources text[], p_is_machine boolean[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
declare
  noted_count integer;
begin
  with told as (
    select x.*, to_timestamp(x.happened_at_ms / 1000.0) as happened_at
    from unnest(p_delivery_ids, p_kinds, p_happened_at_ms, p_event_keys, p_places, p_links, p_sources, p_is_machine)
      as x (delivery_id, kind, happened_at_ms, event_key, place, link, source, is_machine)
    where x.kind in ('opened', 'clicked')
  ), noted as (
    insert into delivery.delivery_event (delivery_id, kind, event_key, happened_at, source, link, link_place, is_machine)
    select t.delivery_id, t.kind, t.event_key, t.happened_at,
           case when v.is_too_soon and not t.is_machine then t.source || ', too soon for a person' else t.source end,
           t.link, t.place, t.is_machine or v.is_too_soon
    from told t
    join delivery.delivery d on d.delivery_id = t.delivery_id
    cross join lateral (select t.kind = 'clicked' and (d.settled_at is null or t.happened_at < d.settled_at + interval '1 second') as is_too_soon) v
    where (select count(*) from (
        select from delivery.delivery_event e where e.delivery_id = t.delivery_id and e.kind = t.kind limit 100) x) < 100
    on conflict (delivery_id, kind, event_key) do nothing
    returning 1
  )
  select count(*) into noted_count from noted;
  with touched as (
    select x.delivery_id, max(to_timestamp(x.happened_at_ms / 1000.0)) as newest_at
    from unnest(p_delivery_ids, p_kinds, p_happened_at_ms) as x (delivery_id, kind, happened_at_ms)
    where x.kind = 'clicked'
    group by 1
  ), swept as (
    select t.delivery_id, t.newest_at
    from touched t
    join delivery.delivery_event e on e.delivery_id = t.delivery_id and e.kind = 'clicked'
      and e.happened_at between t.newest_at - interval '10 seconds' and t.newest_at
    group by 1, 2
    having count(distinct e.link_place) >= 3
  )
  update delivery.delivery_event e
  set is_machine = true, source = e.source || ', several links at once'
  from swept s
  where e.delivery_id = s.delivery_id and e.kind = 'clicked' and not e.is_machine
    and e.happened_at between s.newest_at - interval '10 seconds' and s.newest_at;
  return noted_count;
end
$$;
COMMENT ON FUNCTION delivery.note_tracking(p_delivery_ids bigint[], p_kinds text[], p_happened_at_ms bigint[], p_event_keys text[], p_places integer[], p_links text[], p_sources text[], p_is_machine boolean[]) IS 'Writes down that messages were opened and links clicked, and tells scanners from people.';
CREATE FUNCTION delivery.note_unsubscribed(p_delivery_id bigint, p_contact_id bigint, p_source text) RETURNS void
    LANGUAGE sql
    AS $$
  insert into delivery.delivery_event (delivery_id, kind, happened_at, source)
  select d.delivery_id, 'unsubscribed', now(), p_source
  from delivery.delivery d
  join delivery.run_step rs using (run_step_id)
  join delivery.campaign_run r using (campaign_run_id)
  join marketing.campaign c using (campaign_id)
  cross join lateral marketing.reach(d.contact_id, rs.channel, c.topic_id) x
  where d.delivery_id = p_delivery_id and d.contact_id = p_contact_id and (x.channel_denied or x.topic_denied)
    and not exists (select from delivery.delivery_event e where e.delivery_id = d.delivery_id and e.kind = 'unsubscribed')
$$;
COMMENT ON FUNCTION delivery.note_unsubscribed(p_delivery_id bigint, p_contact_id bigint, p_source text) IS 'Notes with a message that its recipient unsubscribed through it.';
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
CREATE TABLE marketing.template_version (
    template_version_id bigint NOT NULL,
    template_id bigint NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    body_text text DEFAULT ''::text NOT NULL,
    body_html text DEFAULT ''::text NOT NULL,
    problem text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    checked_at timestamp with time zone,
    is_current boolean DEFAULT false NOT NULL,
    partial_names text[] DEFAULT '{}'::text[] NOT NULL,
    partial_version_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
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
COMMENT ON COLUMN marketing.template_version.problem IS 'What is wrong with it, with line and column: a campaign with it does not start. Empty when it works; template_diagnostic has all that was found.';
COMMENT ON COLUMN marketing.template_version.created_at IS 'When it was saved.';
COMMENT ON COLUMN marketing.template_version.checked_at IS 'When the programs last looked whether it works, which takes them a second. Empty: not yet.';
COMMENT ON COLUMN marketing.template_version.is_current IS 'Yes: it was looked at as it is now, its partials included. No: campaigns wait for that. Written by the programs.';
COMMENT ON COLUMN marketing.template_version.partial_names IS 'The partials that its texts use, as in {% render "footer" %}. Written by the programs.';
COMMENT ON COLUMN marketing.template_version.partial_version_ids IS 'The versions of those partials that it was checked with. Written by the programs.';
COMMENT ON COLUMN marketing.template_version.link IS 'Push, web push and in-app: where a tap leads, for example https://club.example.org/offers?member={{ contact.member_no }}. Values are encoded for an address.';
COMMENT ON COLUMN marketing.template_version.image IS 'Push, web push and in-app: the address of a picture to show, https://...';
COMMENT ON COLUMN marketing.template_version.data IS 'Push, web push and in-app: a JSON object for the app, for example {"screen": "points", "points": {{ contact.points }}, "name": "{{ contact.first_name }}"}.';
CREATE FUNCTION delivery.pinned_partials(p_version marketing.template_version) RETURNS bigint[]
    LANGUAGE sql STABLE
    AS $$
  select case when p_version.checked_at is not null then p_version.partial_version_ids
    else (select p.partial_version_ids
          from marketing.partials_of(concat_ws(E'\n', p_version.subject, p_version.body_text, p_version.body_html, p_version.link,
            p_version.image, p_version.data)) p) end
$$;
COMMENT ON FUNCTION delivery.pinned_partials(p_version marketing.template_version) IS 'The texts of the partials that a run keeps from its start to its end.';
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
COMMENT ON FUNCTION delivery.plan(p_campaign_run_id bigint, p_after bigint, p_contact_ids bigint[], p_is_last boolean) IS 'Makes the deliveries of the next contacts of a run.';
CREATE FUNCTION delivery.previews_to_make(p_limit integer) RETURNS TABLE(preview_id bigint, channel marketing.channel, on_undefined marketing.undefined_policy, template_version_id bigint, subject text, body_text text, body_html text, link text, image text, data text, partials text, token_defaults text, asked_at_ms bigint, contact_id bigint, points bigint, member_no text, first_name text, last_name text, language text, time_zone text, tier text, profile text, message_data text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
begin
  return query
  select w.preview_id, t.channel, w.on_undefined, v.template_version_id, v.subject, v.body_text, v.body_html, v.link, v.image, v.data,
         marketing.partial_texts(p.partial_version_ids)::text, marketing.token_defaults()::text,
         (date_part('epoch', w.created_at) * 1000)::bigint, c.contact_id, c.points, c.member_no, c.first_name, c.last_name, c.language,
         c.time_zone, c.tier, c.profile::text, w.data::text
  from marketing.preview w
  join marketing.template t using (template_id)
  join marketing.contact c using (contact_id)
  left join lateral (select x.* from marketing.template_version x where x.template_id = t.template_id order by x.template_version_id desc limit 1) v on true
  cross join lateral marketing.partials_of(concat_ws(E'\n', v.subject, v.body_text, v.body_html, v.link, v.image, v.data)) p
  where w.made_at is null
  order by w.preview_id
  limit p_limit;
end
$$;
COMMENT ON FUNCTION delivery.previews_to_make(p_limit integer) IS 'Previews that people have asked for and that are not made yet.';
CREATE FUNCTION delivery.put_events(p_inbox_ids bigint[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
begin
  insert into delivery.callback_event (callback_inbox_id, position, provider_account_id, kind, happened_at, is_machine, delivery_id, provider_message_id, event_key,
    address, code, words, link, answer)
  select x.callback_inbox_id, row_number() over (partition by x.callback_inbox_id order by x.n), i.provider_account_id, x.kind,
         least(timestamptz 'epoch' + x.at_ms * interval '1 millisecond', i.received_at), x.is_machine, nullif(x.delivery_id, 0),
         x.message_id, x.event_key, x.address, x.code, x.words, x.link, x.answer
  from unnest(p_inbox_ids, p_kinds, p_at_ms, p_machine, p_delivery_ids, p_message_ids, p_keys, p_addresses, p_codes, p_words, p_links, p_answers)
    with ordinality as x (callback_inbox_id, kind, at_ms, is_machine, delivery_id, message_id, event_key, address, code, words, link, answer, n)
  join delivery.callback_inbox i on i.callback_inbox_id = x.callback_inbox_id;
end
$$;
COMMENT ON FUNCTION delivery.put_events(p_inbox_ids bigint[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) IS 'Writes down what callbacks say.';
CREATE FUNCTION delivery.recheck(p_claim_token_per_delivery bigint[], p_delivery_ids bigint[]) RETURNS TABLE(delivery_id bigint, refusal text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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
COMMENT ON FUNCTION delivery.recheck(p_claim_token_per_delivery bigint[], p_delivery_ids bigint[]) IS 'Whether claimed deliveries may still be sent, for those that had to wait for a moment.';
CREATE FUNCTION delivery.record(p_worker text, p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_statuses delivery.delivery_status[], p_outcomes delivery.outcome_class[], p_codes text[], p_words text[], p_provider_ids text[], p_reasons text[], p_waiting_for text[], p_wait_ms bigint[], p_failed boolean[], p_not_sent boolean[], p_durations_ms integer[], p_payload_sha256 text[], p_places integer[] DEFAULT NULL::integer[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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
COMMENT ON FUNCTION delivery.record(p_worker text, p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_statuses delivery.delivery_status[], p_outcomes delivery.outcome_class[], p_codes text[], p_words text[], p_provider_ids text[], p_reasons text[], p_waiting_for text[], p_wait_ms bigint[], p_failed boolean[], p_not_sent boolean[], p_durations_ms integer[], p_payload_sha256 text[], p_places integer[]) IS 'Writes down what became of deliveries that a worker had.';
CREATE FUNCTION delivery.refold(p_from timestamp with time zone, p_to timestamp with time zone) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with waiting as (
    insert into delivery.callback_todo (callback_inbox_id, needs_parsing)
    select i.callback_inbox_id, true from delivery.callback_inbox i
    where i.received_at >= p_from and i.received_at < p_to
      and i.callback_inbox_id >= delivery.first_id_of(delivery.month_of(p_from))
      and i.callback_inbox_id < delivery.first_id_of(delivery.month_of(p_to) + 1)
    on conflict (callback_inbox_id) do update set needs_parsing = true
    returning 1
  )
  select count(*) from waiting
$$;
COMMENT ON FUNCTION delivery.refold(p_from timestamp with time zone, p_to timestamp with time zone) IS 'Reads and folds old callbacks again, for example after a fault in a parser was mended: select delivery.refold(''2026-11-01'', now()).';
CREATE FUNCTION delivery.replace_events(p_inbox_ids bigint[], p_readable boolean[], p_problems text[], p_event_inbox_ids bigint[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_bitmapscan TO 'off'
    SET join_collapse_limit TO '1'
    AS $$
declare
  asked bigint[];
  waiting bigint[];
  bereft bigint[];
begin
  -- Another receiver may have been quicker.
  select array_agg(t.callback_inbox_id) into asked
  from (select t.callback_inbox_id from delivery.callback_todo t where t.callback_inbox_id = any (p_inbox_ids) and t.needs_parsing
        order by t.callback_inbox_id for update) t;
  if asked is null then
    return 0;
  end if;
  select coalesce(array_agg(x.callback_inbox_id), '{}') into waiting
  from unnest(p_inbox_ids, p_readable) as x (callback_inbox_id, is_readable) where x.is_readable and x.callback_inbox_id = any (asked);
  update delivery.callback_inbox i set problem = x.problem
  from unnest(p_inbox_ids, p_problems) as x (callback_inbox_id, problem)
  where i.callback_inbox_id = x.callback_inbox_id and i.callback_inbox_id = any (waiting) and i.problem is distinct from x.problem;
  delete from delivery.callback_event e where e.callback_inbox_id = any (waiting);
  delete from delivery.callback_orphan o where o.callback_inbox_id = any (waiting);
  perform delivery.put_events(array_agg(x.callback_inbox_id), array_agg(x.kind), array_agg(x.at_ms), array_agg(x.is_machine),
    array_agg(x.delivery_id), array_agg(x.message_id), array_agg(x.event_key), array_agg(x.address), array_agg(x.code), array_agg(x.words),
    array_agg(x.link), array_agg(x.answer))
  from unnest(p_event_inbox_ids, p_kinds, p_at_ms, p_machine, p_delivery_ids, p_message_ids, p_keys, p_addresses, p_codes, p_words, p_links, p_answers)
    as x (callback_inbox_id, kind, at_ms, is_machine, delivery_id, message_id, event_key, address, code, words, link, answer)
  where x.callback_inbox_id = any (waiting)
  having count(*) > 0;
  -- What is said as before stays as it is, so that it has no consequences a second time.
  with gone as (
    delete from delivery.delivery_event d
    where d.callback_inbox_id = any (waiting)
      and not exists (select from delivery.match_events(array[d.callback_inbox_id]) m
        where m.matched_id = d.delivery_id and m.kind = d.kind and m.event_key = d.event_key)
    returning d.delivery_id
  )
  select array_agg(distinct g.delivery_id) into bereft from gone g;
  if bereft is not null then
    perform from delivery.delivery d where d.delivery_id = any (bereft) order by d.delivery_id for update;
    perform delivery.settle_by_events(bereft, array_fill(false, array[cardinality(bereft)]));
  end if;
  update delivery.callback_todo t set needs_parsing = false where t.callback_inbox_id = any (asked);
  return cardinality(asked);
end
$$;
COMMENT ON FUNCTION delivery.replace_events(p_inbox_ids bigint[], p_readable boolean[], p_problems text[], p_event_inbox_ids bigint[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) IS 'What callbacks say, after they have been read again.';
CREATE FUNCTION delivery.resign(p_task text, p_holder text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update delivery.leader l set until = '-infinity' where l.task = p_task and l.holder = p_holder
$$;
COMMENT ON FUNCTION delivery.resign(p_task text, p_holder text) IS 'A scheduler that leaves gives the lead away.';
CREATE FUNCTION delivery.run_step_facts(p_run_step_id bigint) RETURNS TABLE(campaign_id bigint, campaign_name text, class marketing.message_class, on_uncertain marketing.uncertain_policy, on_undefined marketing.undefined_policy, attempts_max integer, template_version_id bigint, subject text, body_text text, body_html text, partial_version_ids text, partials text, token_defaults text, track_opens boolean, track_clicks boolean, is_silent boolean, link text, image text, data text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select c.campaign_id, c.name, c.class, c.on_uncertain, c.on_undefined, c.attempts_max, v.template_version_id, v.subject, v.body_text, v.body_html,
         rs.partial_version_ids::text, marketing.partial_texts(rs.partial_version_ids)::text, rs.token_defaults::text,
         rs.channel = 'email' and coalesce(c.track_opens, c.class = 'marketing'),
         case rs.channel when 'email' then coalesce(c.track_clicks, c.class = 'marketing') when 'sms' then c.track_sms_links else false end,
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
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
COMMENT ON FUNCTION delivery.runs_to_plan(p_limit integer) IS 'Runs whose audience is still being made.';
CREATE FUNCTION delivery.set_aside_callback(p_problem text) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with oldest as (
    delete from delivery.callback_todo t
    where t.callback_inbox_id = (select o.callback_inbox_id from delivery.callback_todo o where not o.needs_parsing
      order by o.callback_inbox_id limit 1 for update skip locked)
    returning t.callback_inbox_id
  )
  update delivery.callback_inbox i set problem = 'It could not be folded: ' || p_problem
  from oldest where i.callback_inbox_id = oldest.callback_inbox_id
  returning i.callback_inbox_id
$$;
COMMENT ON FUNCTION delivery.set_aside_callback(p_problem text) IS 'Takes a callback that cannot be folded out of the way.';
CREATE FUNCTION delivery.settle_by_events(p_delivery_ids bigint[], p_proven boolean[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
begin
  with was as materialized (
    select d.delivery_id, d.run_step_id, d.status, d.reason, v.kind, v.detail,
           case when v.kind like 'bounced%' then 'bounced'
                when v.kind is not null then v.kind
                when asked.is_proven or d.status in ('delivered', 'bounced') or d.reason = 'provider_failed' then 'sent'
           end::delivery.delivery_status as becomes
    from unnest(p_delivery_ids, p_proven) as asked (delivery_id, is_proven)
    join delivery.delivery d on d.delivery_id = asked.delivery_id
    left join lateral (
      select e.kind, e.detail from delivery.delivery_event e
      where e.delivery_id = d.delivery_id and delivery.event_weight(e.kind) > 0 and e.callback_inbox_id is not null
      order by delivery.event_weight(e.kind) desc, e.happened_at, coalesce(e.detail, '')
      limit 1
    ) v on true
    where d.status <> 'held_out'
  ), moved as (
    update delivery.delivery d
    set status = w.becomes,
        reason = case w.becomes when 'bounced' then w.kind when 'failed' then 'provider_failed' end,
        detail = case when w.becomes in ('bounced', 'failed') then w.detail end,
        waiting_for = null, next_at = null,
        settled_at = case when w.becomes = w.status then d.settled_at else now() end
    from was w
    where d.delivery_id = w.delivery_id and w.becomes is not null
      and (d.status, d.reason, d.detail) is distinct from
          (w.becomes, case w.becomes when 'bounced' then w.kind when 'failed' then 'provider_failed' end,
           case when w.becomes in ('bounced', 'failed') then w.detail end)
    returning d.delivery_id, d.run_step_id, d.status, d.reason, w.status as was, w.reason as was_reason
  ), noted as (
    insert into delivery.delivery_event (delivery_id, kind, event_key, happened_at, source)
    select m.delivery_id, 'sent_after_all', 'callback', now(), 'the provider''s callback' from moved m where m.was = 'uncertain'
    on conflict do nothing
  )
  insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
  select n.run_step_id, n.status, n.reason, pg_backend_pid() % 32, sum(n.amount)
  from (
    select m.run_step_id, m.was as status,
           case when m.was in ('planned', 'queued', 'sending', 'sent') then '' else coalesce(m.was_reason, '') end as reason, -1 as amount from moved m
    union all
    select m.run_step_id, m.status, coalesce(m.reason, ''), 1 from moved m
  ) n
  group by 1, 2, 3
  having sum(n.amount) <> 0
  order by 1, 2, 3
  on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount;
end
$$;
COMMENT ON FUNCTION delivery.settle_by_events(p_delivery_ids bigint[], p_proven boolean[]) IS 'Gives deliveries the status that their events say, and keeps the tally.';
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
CREATE FUNCTION delivery.sms_reply(p_provider_account_id integer, p_address text, p_text text, p_event_key text, p_at timestamp with time zone) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  word record;
  person record;
  answer text;
  proof text := format('SMS %s', p_event_key);
begin
  insert into delivery.sms_reply (provider_account_id, event_key, received_at) values (p_provider_account_id, p_event_key, p_at)
  on conflict do nothing;
  if not found then
    return (select r.reply from delivery.sms_reply r where r.provider_account_id = p_provider_account_id and r.event_key = p_event_key);
  end if;
  select k.meaning, k.language into word from marketing.sms_keyword k
  where k.word = upper(regexp_replace(btrim(left(p_text, 200), E' \t\r\n.,!?"''«»„“”'), '\s+', ' ', 'g'));
  if not found then
    return null;
  end if;
  if word.meaning = 'start' and not exists (
      select from marketing.suppression s where s.channel = 'sms' and s.address = p_address and s.reason = 'stop by SMS' and s.created_at <= p_at) then
    return null;
  end if;
  if word.meaning = 'stop' then
    insert into marketing.suppression (channel, address, reason, source, created_at) values ('sms', p_address, 'stop by SMS', proof, p_at)
    on conflict (channel, address) do nothing;
  elsif word.meaning = 'start' then
    delete from marketing.suppression s where s.channel = 'sms' and s.address = p_address and s.reason = 'stop by SMS';
  end if;
  for person in
    select p.contact_id, p.language from marketing.contact_point cp join marketing.contact p using (contact_id)
    where cp.channel = 'sms' and cp.address = p_address and p.erased_at is null
    order by p.contact_id
    for no key update of p
  loop
    word.language := coalesce(word.language, person.language);
    if word.meaning <> 'help' then
      perform marketing.set_consent(person.contact_id, 'sms', null, word.meaning = 'start', 'reply by SMS', proof);
    end if;
  end loop;
  answer := marketing.page_texts(coalesce(word.language, 'en')) ->> ('sms_' || word.meaning);
  update delivery.sms_reply r set meaning = word.meaning, reply = answer
  where r.provider_account_id = p_provider_account_id and r.event_key = p_event_key;
  return answer;
end
$$;
COMMENT ON FUNCTION delivery.sms_reply(p_provider_account_id integer, p_address text, p_text text, p_event_key text, p_at timestamp with time zone) IS 'Acts on an answer to an SMS: STOP, START or HELP, in each language of marketing.sms_keyword.';
CREATE FUNCTION delivery.standing_run(p_campaign_id bigint) RETURNS TABLE(campaign_run_id bigint, month integer, run_step_id bigint)
    LANGUAGE sql STABLE
    AS $$
  select r.campaign_run_id, r.month, rs.run_step_id
  from marketing.step_choice(p_campaign_id) s
  join marketing.template_version v on v.template_version_id = s.template_version_id and v.problem is null
  join delivery.campaign_run r on r.campaign_id = p_campaign_id and r.ended_at is null and r.month = delivery.month_of(now())
  join delivery.run_step rs on rs.campaign_run_id = r.campaign_run_id and rs.template_version_id = v.template_version_id
    and rs.partial_version_ids = delivery.pinned_partials(v) and rs.token_defaults = marketing.token_defaults()
  -- An older one may be ended at any moment: see finish_runs.
  where r.campaign_run_id = (select max(newest.campaign_run_id) from delivery.campaign_run newest where newest.campaign_id = p_campaign_id)
$$;
COMMENT ON FUNCTION delivery.standing_run(p_campaign_id bigint) IS 'Where messages that are sent one at a time go to at the moment.';
CREATE FUNCTION delivery.step_lanes(p_run_step_id bigint) RETURNS TABLE(lane_id integer, resend boolean, attempts_max integer, newest_queued_at timestamp with time zone, quiet_since timestamp with time zone)
    LANGUAGE sql STABLE
    AS $$
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
COMMENT ON FUNCTION delivery.step_lanes(p_run_step_id bigint) IS 'What the sweeper needs to know of the lanes of a step.';
CREATE FUNCTION delivery.suppression_weight(p_reason text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
  select case p_reason when 'soft bounces' then 1 when 'hard bounce' then 2 when 'complaint' then 3 else 0 end
$$;
COMMENT ON FUNCTION delivery.suppression_weight(p_reason text) IS 'Which reason stays when an address is to be left alone for several; 0: one that a person gave, which always stays.';
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
COMMENT ON FUNCTION delivery.sweep(p_attention_ms bigint, p_limit integer) IS 'Finds deliveries that a crash left hanging and sets them going again.';
CREATE FUNCTION delivery.sweep_overdue(p_run_step_id bigint, p_month integer, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
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
COMMENT ON FUNCTION delivery.sweep_overdue(p_run_step_id bigint, p_month integer, p_limit integer) IS 'Decides about deliveries that nobody has answered for in time.';
CREATE FUNCTION delivery.sweep_range(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_limit integer, OUT settled_upto bigint, OUT seen_upto bigint, OUT oldest_at timestamp with time zone) RETURNS record
    LANGUAGE plpgsql
    AS $$
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
COMMENT ON FUNCTION delivery.sweep_range(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_limit integer, OUT settled_upto bigint, OUT seen_upto bigint, OUT oldest_at timestamp with time zone) IS 'Finds how far the settled cursor of a step may move.';
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
CREATE FUNCTION delivery.take_rate(p_provider_account_id integer, p_wanted integer) RETURNS TABLE(wait_ms bigint, gap_us bigint, places integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  account delivery.rate_limit;
  today date := (clock_timestamp() at time zone 'UTC')::date;
  first_at timestamptz;
  gap interval;
  granted integer;
begin
  select r.* into account from delivery.rate_limit r where r.provider_account_id = p_provider_account_id for update;
  if not found then
    return query select 0::bigint, 0::bigint, p_wanted;
    return;
  end if;
  if account.day is distinct from today then
    account.day_taken := 0;
  end if;
  granted := greatest(least(p_wanted, delivery.day_cap(p_provider_account_id, today) - account.day_taken), 0);
  -- Whole microseconds, rounded up: never faster than the limit.
  gap := coalesce(ceil(1000000 / account.per_second), 0) * interval '1 microsecond';
  first_at := greatest(account.next_slot_at, clock_timestamp());
  update delivery.rate_limit r
  set next_slot_at = case when r.per_second is null then r.next_slot_at else first_at + granted * gap end,
      day = today, day_taken = account.day_taken + granted
  where r.provider_account_id = p_provider_account_id;
  if granted = 0 then
    first_at := (today + 1)::timestamp at time zone 'UTC';
    perform delivery.pause_account(p_provider_account_id, 'Its cap for today is used up.',
      ceil(extract(epoch from first_at - clock_timestamp()) * 1000)::bigint);
  end if;
  return query select greatest(0, ceil(extract(epoch from first_at - clock_timestamp()) * 1000))::bigint,
                      (extract(epoch from gap) * 1000000)::bigint, granted;
end
$$;
COMMENT ON FUNCTION delivery.take_rate(p_provider_account_id integer, p_wanted integer) IS 'Reserves moments for sending, so that the whole fleet together keeps an account''s rate limit and its cap for the day.';
CREATE FUNCTION delivery.templates_to_check(p_limit integer) RETURNS TABLE(kind text, version_id bigint, channel marketing.channel, subject text, body_text text, body_html text, link text, image text, data text, partials text, partial_names text, partial_version_ids text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
begin
  return query
  select 'partial', pv.partial_version_id, null::marketing.channel, '', pv.body, '', '', '', '',
         (select coalesce(jsonb_object_agg(n.name, ''), '{}') from marketing.partial_names(pv.body) n (name))::text, '{}', '{}'
  from marketing.partial_version pv
  where pv.checked_at is null
  order by pv.partial_version_id desc limit p_limit;
  if found then
    return;
  end if;
  return query
  select 'template', v.template_version_id, t.channel, v.subject, v.body_text, v.body_html, v.link, v.image, v.data,
         marketing.partial_texts(p.partial_version_ids)::text,         p.partial_names::text, p.partial_version_ids::text
  from (select w.template_version_id from marketing.template_version w where not w.is_current order by w.template_version_id desc limit p_limit) waiting
  join marketing.template_version v using (template_version_id)
  join marketing.template t using (template_id)
  cross join lateral marketing.partials_of(concat_ws(E'\n', v.subject, v.body_text, v.body_html, v.link, v.image, v.data)) p;
end
$$;
COMMENT ON FUNCTION delivery.templates_to_check(p_limit integer) IS 'Texts that people have saved and that the programs have not looked at yet.';
CREATE FUNCTION delivery.unchecked_accounts() RETURNS TABLE(provider_account_id integer, driver text, channel marketing.channel, settings text, mark text, problem text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select a.provider_account_id, a.driver, a.channel, a.settings::text, delivery.account_mark(a), a.problem
  from delivery.provider_account a
  where a.checked_mark is distinct from delivery.account_mark(a)
    or (a.problem is not null and a.checked_at < now() - interval '10 seconds')
  order by a.provider_account_id
$$;
COMMENT ON FUNCTION delivery.unchecked_accounts() IS 'The provider accounts whose settings are still to be checked.';
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
CREATE FUNCTION delivery.wake_events(p_provider_ids text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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
COMMENT ON FUNCTION delivery.wake_events(p_provider_ids text[]) IS 'Sets events going that waited for the provider''s number of their message.';
CREATE FUNCTION delivery.wake_orphans() RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
begin
  with due as (
    select o.callback_inbox_id, o.position from delivery.callback_orphan o
    where o.next_at <= now() order by o.next_at limit 100 for update skip locked
  ), given_up as (
    delete from delivery.callback_orphan o using due
    where o.callback_inbox_id = due.callback_inbox_id and o.position = due.position and o.waits_since < now() - interval '1 day'
  ), later as (
    update delivery.callback_orphan o set next_at = now() + greatest(now() - o.waits_since, interval '2 seconds')
    from due
    where o.callback_inbox_id = due.callback_inbox_id and o.position = due.position and o.waits_since >= now() - interval '1 day'
    returning o.callback_inbox_id, o.position, o.provider_message_id
  )
  insert into delivery.callback_todo (callback_inbox_id)
  select distinct l.callback_inbox_id from later l
  where exists (select from delivery.attempt a where a.provider_message_id = l.provider_message_id)
  on conflict do nothing;
end
$$;
COMMENT ON FUNCTION delivery.wake_orphans() IS 'Looks again for the deliveries of events that came too early.';
CREATE FUNCTION marketing.forget_inbox() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if tg_op = 'DELETE' then
    delete from delivery.inbox_message m using old_rows o where m.contact_id = o.contact_id;
  else
    delete from delivery.inbox_message m where m.contact_id = new.contact_id;
  end if;
  return null;
end
$$;
COMMENT ON FUNCTION marketing.forget_inbox() IS 'Empties the inbox of a contact who asked to be forgotten or is deleted.';
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
CREATE FUNCTION marketing.guard_partial() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if new.name is distinct from old.name then
    raise exception 'A partial keeps its name: templates call it by that' using hint = 'Add another partial, with the new name.';
  end if;
  return new;
end
$$;
COMMENT ON FUNCTION marketing.guard_partial() IS 'Keeps the names of partials.';
CREATE FUNCTION marketing.guard_partial_version() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if tg_op = 'INSERT' then
    new.problem := null;
    new.checked_at := null;
  elsif (new.partial_id, new.body, new.created_at) is distinct from (old.partial_id, old.body, old.created_at) then
    raise exception 'A partial version never changes' using hint = 'Add a new version instead; campaigns that start afterwards use it.';
  end if;
  return new;
end
$$;
COMMENT ON FUNCTION marketing.guard_partial_version() IS 'Keeps partial versions as they were sent, and lets the programs check each.';
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
  if tg_op = 'INSERT' then -- what the programs find is theirs to write
    new.problem := null;
    new.checked_at := null;
    new.is_current := false;
    new.partial_names := '{}';
    new.partial_version_ids := '{}';
  elsif (new.template_id, new.subject, new.body_text, new.body_html, new.link, new.image, new.data, new.created_at)
      is distinct from (old.template_id, old.subject, old.body_text, old.body_html, old.link, old.image, old.data, old.created_at) then
    raise exception 'A template version never changes' using hint = 'Add a new version instead; campaigns that start afterwards use it.';
  end if;
  return new;
end
$$;
COMMENT ON FUNCTION marketing.guard_template_version() IS 'Keeps template versions as they were sent, and lets the programs check each.';
CREATE FUNCTION marketing.hold_contact(p_contact_id bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
begin
  perform from marketing.contact c where c.contact_id = p_contact_id and c.erased_at is null for no key update;
  return found;
end
$$;
COMMENT ON FUNCTION marketing.hold_contact(p_contact_id bigint) IS 'Lets one change of a contact''s answers at a time through.';
CREATE FUNCTION marketing.newest_partials(p_names text[]) RETURNS bigint[]
    LANGUAGE sql STABLE
    AS $$
  select coalesce(array_agg(v.partial_version_id order by v.partial_version_id), '{}')
  from marketing.partial p
  cross join lateral (select pv.partial_version_id from marketing.partial_version pv
    where pv.partial_id = p.partial_id and pv.checked_at is not null and pv.problem is null
    order by pv.partial_version_id desc limit 1) v
  where p.name = any (p_names)
$$;
COMMENT ON FUNCTION marketing.newest_partials(p_names text[]) IS 'The newest texts that work of these partials.';
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
CREATE FUNCTION marketing.page_texts(p_language text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
  select coalesce(jsonb_object_agg(t.key, t.text), '{}')
  from (
    select distinct on (p.key) p.key, p.text
    from marketing.page_text p
    where p.language in (p_language, split_part(p_language, '-', 1), 'en')
    order by p.key, (p.language = p_language) desc, (p.language <> 'en') desc
  ) t
$$;
COMMENT ON FUNCTION marketing.page_texts(p_language text) IS 'What our pages say in a language; in English where there is no translation.';
CREATE FUNCTION marketing.partial_names(p_text text) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE
    AS $$
  select distinct m[2] from regexp_matches(p_text, '\m(?:render|include)\s*(["''])([A-Za-z0-9][A-Za-z0-9 ._/-]{0,99})\1', 'g') m
$$;
COMMENT ON FUNCTION marketing.partial_names(p_text text) IS 'The partials that a text names.';
CREATE FUNCTION marketing.partial_texts(p_partial_version_ids bigint[]) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
  select coalesce(jsonb_object_agg(p.name, pv.body), '{}')
  from marketing.partial_version pv join marketing.partial p using (partial_id)
  where pv.partial_version_id = any (p_partial_version_ids)
$$;
COMMENT ON FUNCTION marketing.partial_texts(p_partial_version_ids bigint[]) IS 'The texts of some versions of partials, by name.';
CREATE FUNCTION marketing.partials_of(p_text text) RETURNS TABLE(partial_names text[], partial_version_ids bigint[])
    LANGUAGE sql STABLE
    AS $$
  with recursive named (name) as (
    select n.name from marketing.partial_names(p_text) n (name)
    union
    select n.name
    from named
    join marketing.partial_version pv on pv.partial_version_id = any (marketing.newest_partials(array[named.name]))
    cross join lateral marketing.partial_names(pv.body) n (name)
  ), names as (
    select coalesce(array_agg(named.name order by named.name), '{}') as names from named
  )
  select names.names, marketing.newest_partials(names.names) from names
$$;
COMMENT ON FUNCTION marketing.partials_of(p_text text) IS 'Everything that a text needs of the partials.';
CREATE FUNCTION marketing.preferences(p_contact_id bigint) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select jsonb_build_object(
    'language', coalesce(l.language, 'en'),
    'texts', marketing.page_texts(p.language),
    'channels', coalesce((
      select jsonb_agg(x.channel order by x.channel)
      from (select distinct cp.channel from marketing.contact_point cp where cp.contact_id = p.contact_id and cp.is_usable) x), '[]'),
    'topics', coalesce((
      select jsonb_agg(jsonb_build_object(
          'topic_id', t.topic_id, 'name', coalesce(tt.name, t.name),
          'description', case when tt.name is null then t.description else tt.description end,
          'on', coalesce((
            select jsonb_object_agg(x.channel, not coalesce(r.channel_denied, false) and not coalesce(r.topic_denied, false)
                                               and (not t.needs_opt_in or coalesce(r.topic_granted, false)))
            from (select distinct cp.channel from marketing.contact_point cp where cp.contact_id = p.contact_id and cp.is_usable) x
            cross join lateral marketing.reach(p.contact_id, x.channel, t.topic_id) r), '{}'))
        order by t.topic_id)
      from marketing.topic t
      left join lateral (
        select y.name, y.description from marketing.topic_translation y
        where y.topic_id = t.topic_id and y.language in (p.language, split_part(p.language, '-', 1))
        order by y.language = p.language desc limit 1) tt on true
      where t.is_listed), '[]'))
  from marketing.contact p
  left join lateral (
    select x.language from marketing.page_text x where x.language in (p.language, split_part(p.language, '-', 1))
    order by x.language = p.language desc limit 1) l on true
  where p.contact_id = p_contact_id and p.erased_at is null
$$;
COMMENT ON FUNCTION marketing.preferences(p_contact_id bigint) IS 'What a contact may choose on the preference page, and what they have chosen.';
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
CREATE FUNCTION marketing.save_preferences(p_delivery_id bigint, p_contact_id bigint, p_topic_ids bigint[], p_channels text[], p_wanted boolean[], p_source text, p_proof text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_channel marketing.channel;
  asked record;
  changed integer := 0;
begin
  if not marketing.hold_contact(p_contact_id) then
    return null;
  end if;
  for v_channel in
    select distinct c.channel
    from unnest(p_channels, p_wanted) as x (channel, wanted)
    join marketing.consent c on c.contact_id = p_contact_id and c.channel::text = x.channel and c.topic_id is null and not c.is_granted
    join marketing.contact_point cp on cp.contact_id = p_contact_id and cp.channel = c.channel and cp.is_usable
    where x.wanted
  loop
    changed := changed + marketing.set_consent(p_contact_id, v_channel, null, true, p_source, p_proof)::integer;
    perform marketing.set_consent(p_contact_id, v_channel, t.topic_id, false, p_source, p_proof)
    from marketing.topic t
    where t.topic_id not in (select x.topic_id from unnest(p_topic_ids, p_channels) as x (topic_id, channel) where x.channel = v_channel::text);
  end loop;
  for asked in
    select distinct on (t.topic_id, cp.channel) t.topic_id, cp.channel, x.wanted,
      not coalesce(r.topic_denied, false) and (not t.needs_opt_in or coalesce(r.topic_granted, false)) as holds
    from unnest(p_topic_ids, p_channels, p_wanted) as x (topic_id, channel, wanted)
    join marketing.topic t on t.topic_id = x.topic_id and t.is_listed
    join marketing.contact_point cp on cp.contact_id = p_contact_id and cp.channel::text = x.channel and cp.is_usable
    cross join lateral marketing.reach(p_contact_id, cp.channel, t.topic_id) r
    where not coalesce(r.channel_denied, false)
  loop
    if asked.wanted <> asked.holds then
      changed := changed + marketing.set_consent(p_contact_id, asked.channel, asked.topic_id, asked.wanted, p_source, p_proof)::integer;
    end if;
  end loop;
  if changed > 0 then
    perform delivery.note_unsubscribed(p_delivery_id, p_contact_id, p_source);
  end if;
  return changed;
end
$$;
COMMENT ON FUNCTION marketing.save_preferences(p_delivery_id bigint, p_contact_id bigint, p_topic_ids bigint[], p_channels text[], p_wanted boolean[], p_source text, p_proof text) IS 'Writes what a contact chose on the preference page.';
CREATE FUNCTION marketing.segment_lacking(p_condition text, p_from bigint, p_limit integer, p_paths text[]) RETURNS TABLE(last_id bigint, matched bigint, path text, lacking bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
  return query execute format($query$
    with slice as materialized (
      select * from marketing.segment_contact where contact_id >= $1 order by contact_id limit $2
    ), audience as materialized (
      select jsonb_build_object('contact', jsonb_build_object('contact_id', contact_id, 'first_name', first_name, 'last_name', last_name,
               'member_no', member_no, 'language', language, 'time_zone', time_zone, 'tier', tier, 'points', points), 'profile', profile) as document
      from slice as segment_contact where (%s)
    )
    select (select max(contact_id) from slice), (select count(*) from audience), x.path,
           (select count(*) from audience where coalesce(jsonb_typeof(document #> x.path::text[]), 'null') = 'null')
    from unnest($3) as x (path)$query$, p_condition || E'\n')
    using p_from, p_limit, p_paths;
end
$_$;
ALTER FUNCTION marketing.segment_lacking(p_condition text, p_from bigint, p_limit integer, p_paths text[]) OWNER TO postrider_segment;
COMMENT ON FUNCTION marketing.segment_lacking(p_condition text, p_from bigint, p_limit integer, p_paths text[]) IS 'How many contacts of a segment lack a value, in a slice of all contacts.';
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
  select o.* into run from delivery.standing_run(standing.campaign_id) o;
  if not found then
    perform pg_advisory_xact_lock(hashtext('postrider standing run'), standing.campaign_id::integer);
    select o.* into run from delivery.standing_run(standing.campaign_id) o;
    if not found then
      problem := marketing.start_problem(standing.campaign_id);
      if problem is not null then
        raise exception '%', problem;
      end if;
      perform delivery.make_run(standing.campaign_id);
      select o.* into run from delivery.standing_run(standing.campaign_id) o;
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
CREATE FUNCTION marketing.set_consent(p_contact_id bigint, p_channel marketing.channel, p_topic_id bigint, p_is_granted boolean, p_source text, p_proof text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
begin
  insert into marketing.consent as c (contact_id, channel, topic_id, is_granted, source, proof)
  values (p_contact_id, p_channel, p_topic_id, p_is_granted, p_source, p_proof)
  on conflict (contact_id, channel, topic_id) do update
  set is_granted = excluded.is_granted, source = excluded.source, proof = excluded.proof, changed_at = now()
  where c.is_granted <> excluded.is_granted;
  return found;
end
$$;
COMMENT ON FUNCTION marketing.set_consent(p_contact_id bigint, p_channel marketing.channel, p_topic_id bigint, p_is_granted boolean, p_source text, p_proof text) IS 'Writes one answer of a contact, unless they said the same before.';
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
COMMENT ON FUNCTION marketing.start_problem(p_campaign_id bigint) IS 'What stands in the way of starting a campaign; empty when nothing does.';
CREATE FUNCTION marketing.step_accounts(p_step_id bigint) RETURNS TABLE(provider_account_id integer, priority integer)
    LANGUAGE sql STABLE
    AS $$
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
COMMENT ON FUNCTION marketing.step_accounts(p_step_id bigint) IS 'The provider accounts that a step may use.';
CREATE FUNCTION marketing.step_choice(p_campaign_id bigint) RETURNS TABLE(step_id bigint, "position" integer, class marketing.message_class, template_id bigint, channel marketing.channel, template_version_id bigint, provider_account_id integer)
    LANGUAGE sql STABLE
    AS $$
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
COMMENT ON FUNCTION marketing.step_choice(p_campaign_id bigint) IS 'Which text and which account each step of a campaign would use if it started now.';
CREATE FUNCTION marketing.token_defaults() RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
  select coalesce(jsonb_object_agg(d.path, d.text), '{}') from marketing.token_default d
$$;
COMMENT ON FUNCTION marketing.token_defaults() IS 'The defaults of tokens without a value, by path.';
CREATE FUNCTION marketing.unsubscribe(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_channel marketing.channel := 'email';
  v_topic_id bigint;
  is_new boolean;
begin
  if not marketing.hold_contact(p_contact_id) then
    return 'unknown';
  end if;
  select rs.channel, c.topic_id into v_channel, v_topic_id
  from delivery.delivery d
  join delivery.run_step rs using (run_step_id)
  join delivery.campaign_run r using (campaign_run_id)
  join marketing.campaign c using (campaign_id)
  where d.delivery_id = p_delivery_id and d.contact_id = p_contact_id;
  is_new := marketing.set_consent(p_contact_id, coalesce(v_channel, 'email'), v_topic_id, false, p_source, p_proof);
  perform delivery.note_unsubscribed(p_delivery_id, p_contact_id, p_source);
  return case when is_new then 'unsubscribed' else 'already' end;
end
$$;
COMMENT ON FUNCTION marketing.unsubscribe(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text) IS 'A contact unsubscribes from the topic of a message with one click.';
CREATE FUNCTION marketing.unsubscribe_everything(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  changed integer;
begin
  if not marketing.hold_contact(p_contact_id) then
    return null;
  end if;
  select count(*) filter (where marketing.set_consent(p_contact_id, x.channel, null, false, p_source, p_proof)) into changed
  from unnest(enum_range(null::marketing.channel)) as x (channel);
  perform delivery.note_unsubscribed(p_delivery_id, p_contact_id, p_source);
  return changed;
end
$$;
COMMENT ON FUNCTION marketing.unsubscribe_everything(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text) IS 'A contact wants no more marketing on any channel.';
CREATE FUNCTION report.audience_gaps(p_campaign_id bigint) RETURNS TABLE(template text, field text, path text, line_number integer, looked_at bigint, lacking bigint, sentence text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare
  slice_count constant integer := 40;
  slice_size constant integer := 1000;
  until constant timestamptz := clock_timestamp() + interval '2 seconds';
  campaign record;
  paths text[];
  lacks bigint[];
  audience bigint := 0;
  first_id bigint;
  highest_id bigint;
  from_id bigint;
  reached_id bigint;
  share record;
begin
  select c.kind, c.on_undefined, s.condition into campaign
  from marketing.campaign c left join marketing.segment s using (segment_id) where c.campaign_id = p_campaign_id;
  if not found then
    raise exception 'There is no campaign %', p_campaign_id using hint = 'See marketing.campaign for the numbers.';
  end if;
  if campaign.condition is null then
    raise exception 'Campaign % has no audience: its messages are sent one at a time', p_campaign_id;
  end if;
  -- What is read of each element of a list is lacking when the list is.
  select coalesce(array_agg(distinct '{' || replace(split_part(k.path, '[', 1), '.', ',') || '}'), '{}') into paths
  from marketing.step_choice(p_campaign_id) s
  join marketing.template_token k using (template_version_id)
  where not k.is_guarded and k.path ~ '^(contact|profile)\.[A-Za-z0-9_.-]+(\[|$)' and k.path !~ '\.(\.|\[|$)';
  lacks := array_fill(0::bigint, array[cardinality(paths)]);
  select min(c.contact_id), max(c.contact_id) into first_id, highest_id from marketing.contact c;
  for place in 0 .. slice_count - 1 loop
    exit when first_id is null or cardinality(paths) = 0;
    -- Each slice begins where its share of the numbers does, or behind the one before.
    from_id := greatest(first_id + ((highest_id - first_id)::numeric * place / slice_count)::bigint, coalesce(reached_id + 1, first_id));
    continue when from_id > highest_id;
    for share in select l.*, array_position(paths, l.path) as position from marketing.segment_lacking(campaign.condition, from_id, slice_size, paths) l loop
      lacks[share.position] := lacks[share.position] + share.lacking;
      reached_id := coalesce(share.last_id, highest_id);
      if share.position = 1 then
        audience := audience + share.matched;
      end if;
    end loop;
    exit when clock_timestamp() > until;
  end loop;
  return query
  with token as (
    select t.name as template, k.field, k.path, min(k.line_number) filter (where k.partial_name is null) as line_number,
           '{' || replace(split_part(k.path, '[', 1), '.', ',') || '}' as place
    from marketing.step_choice(p_campaign_id) s
    join marketing.template t using (template_id)
    join marketing.template_token k using (template_version_id)
    where not k.is_guarded
    group by t.name, k.field, k.path
  ), counted as (
    select k.*, case when k.place = any (paths) then lacks[array_position(paths, k.place)] end as lacking, d.text as default_text
    from token k left join marketing.token_default d using (path)
  )
  select k.template, k.field, k.path, k.line_number, case when k.place = any (paths) then audience end, k.lacking,
    case
      when k.path ~ '^data(\.|\[|$)' then format('Nobody has %s: only messages sent by marketing.send_message have data.', k.path)
      when k.lacking is null then format('Nobody has %s: a token begins with contact, profile, data or campaign.', k.path)
      else format('%s of %s contacts that were looked at have no %s', k.lacking, audience, k.path) || case
        when campaign.on_undefined::text = 'skip' then ': they are skipped.'
        when campaign.on_undefined::text = 'blank' then ': nothing is printed there.'
        when k.default_text is not null then format(': "%s" is printed there.', k.default_text)
        else ': they are skipped, since token_default has no text for it.' end
    end
  from counted k
  where coalesce(k.lacking, 1) > 0 and k.path !~ '^campaign\.name$'
  order by k.lacking desc nulls first, k.template, k.field, k.line_number, k.path;
end
$_$;
COMMENT ON FUNCTION report.audience_gaps(p_campaign_id bigint) IS 'Who of a campaign''s audience lacks what its templates read: select * from report.audience_gaps(7). Ask before you start it.';
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
CREATE TABLE delivery.callback_event (
    callback_inbox_id bigint NOT NULL,
    "position" integer NOT NULL,
    provider_account_id integer NOT NULL,
    kind text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    is_machine boolean DEFAULT false NOT NULL,
    delivery_id bigint,
    provider_message_id text,
    event_key text,
    address text,
    code text,
    words text,
    link text,
    answer text,
    CONSTRAINT "A callback says one of the things that we know" CHECK ((kind = ANY (ARRAY['queued'::text, 'sent'::text, 'deferred'::text, 'delivered'::text, 'bounced_hard'::text, 'bounced_soft'::text, 'failed'::text, 'opened'::text, 'clicked'::text, 'complained'::text, 'unsubscribed'::text, 'resubscribed'::text, 'replied'::text, 'other'::text])))
)
PARTITION BY RANGE (callback_inbox_id);
COMMENT ON TABLE delivery.callback_event IS 'What a callback says, event by event, as the receiver understood it. A month is one table, as in callback_inbox.';
COMMENT ON COLUMN delivery.callback_event.callback_inbox_id IS 'Which callback.';
COMMENT ON COLUMN delivery.callback_event."position" IS 'Its first, second, ... event.';
COMMENT ON COLUMN delivery.callback_event.provider_account_id IS 'For which account it came.';
COMMENT ON COLUMN delivery.callback_event.kind IS 'What happened: queued, sent, deferred, delivered, bounced_hard (the address will never work), bounced_soft, failed, opened, clicked, complained, unsubscribed, resubscribed, replied, other.';
COMMENT ON COLUMN delivery.callback_event.happened_at IS 'When it happened, as the provider says, at the latest when we heard of it.';
COMMENT ON COLUMN delivery.callback_event.is_machine IS 'On: opened or clicked by a mail scanner or proxy, not by a person.';
COMMENT ON COLUMN delivery.callback_event.delivery_id IS 'Our own number of the delivery, if the provider told it back.';
COMMENT ON COLUMN delivery.callback_event.provider_message_id IS 'The provider''s number of the message.';
COMMENT ON COLUMN delivery.callback_event.event_key IS 'The provider''s number of the event.';
COMMENT ON COLUMN delivery.callback_event.address IS 'To which address, if told.';
COMMENT ON COLUMN delivery.callback_event.code IS 'The provider''s code, for example 550 or 30005.';
COMMENT ON COLUMN delivery.callback_event.words IS 'The provider''s explanation.';
COMMENT ON COLUMN delivery.callback_event.link IS 'Where a click led.';
COMMENT ON COLUMN delivery.callback_event.answer IS 'What the recipient wrote back.';
CREATE TABLE delivery.callback_inbox (
    callback_inbox_id bigint NOT NULL,
    provider_account_id integer NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    sha256 bytea NOT NULL,
    target text NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL,
    problem text
)
PARTITION BY RANGE (callback_inbox_id);
COMMENT ON TABLE delivery.callback_inbox IS 'Every callback that a provider has sent and signed, word for word, once. A month is one table: to forget the month, drop it. Until then delivery.refold can read it again.';
COMMENT ON COLUMN delivery.callback_inbox.callback_inbox_id IS 'Its number: the month in which it came, then twelve digits.';
COMMENT ON COLUMN delivery.callback_inbox.provider_account_id IS 'For which account it came.';
COMMENT ON COLUMN delivery.callback_inbox.received_at IS 'When it came.';
COMMENT ON COLUMN delivery.callback_inbox.sha256 IS 'Fingerprint of what was said; the same words of the same account are kept once.';
COMMENT ON COLUMN delivery.callback_inbox.target IS 'Path and query that were called, for example /callbacks/main?d=202611000000000042.';
COMMENT ON COLUMN delivery.callback_inbox.headers IS 'The headers that say something about the body, line by line.';
COMMENT ON COLUMN delivery.callback_inbox.body IS 'The body, byte by byte.';
COMMENT ON COLUMN delivery.callback_inbox.problem IS 'Why it could not be understood, although its signature is right. Empty: it was.';
CREATE SEQUENCE delivery.callback_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
COMMENT ON SEQUENCE delivery.callback_number IS 'The last twelve digits of a callback_inbox_id.';
CREATE TABLE delivery.callback_orphan (
    callback_inbox_id bigint NOT NULL,
    "position" integer NOT NULL,
    provider_message_id text NOT NULL,
    waits_since timestamp with time zone DEFAULT now() NOT NULL,
    next_at timestamp with time zone NOT NULL
);
COMMENT ON TABLE delivery.callback_orphan IS 'Events that came before the result of their sending was written down, and events of messages that are not ours. Given up after a day.';
COMMENT ON COLUMN delivery.callback_orphan.callback_inbox_id IS 'Which callback.';
COMMENT ON COLUMN delivery.callback_orphan."position" IS 'Which of its events.';
COMMENT ON COLUMN delivery.callback_orphan.provider_message_id IS 'The provider''s number of the message, by which its delivery will be found.';
COMMENT ON COLUMN delivery.callback_orphan.waits_since IS 'Since when it waits.';
COMMENT ON COLUMN delivery.callback_orphan.next_at IS 'When it is looked for again at the latest.';
CREATE TABLE delivery.callback_todo (
    callback_inbox_id bigint NOT NULL,
    needs_parsing boolean DEFAULT false NOT NULL,
    waits_since timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE delivery.callback_todo IS 'Callbacks whose events have not been folded into the deliveries yet; nearly empty as a rule.';
COMMENT ON COLUMN delivery.callback_todo.callback_inbox_id IS 'Which callback.';
COMMENT ON COLUMN delivery.callback_todo.needs_parsing IS 'On: a receiver is to read the callback again first; see delivery.refold.';
COMMENT ON COLUMN delivery.callback_todo.waits_since IS 'Since when it waits.';
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
    data jsonb,
    lane_id integer
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
COMMENT ON COLUMN delivery.delivery.lane_id IS 'The lane it was last put on, and so the account it went through.';
CREATE TABLE delivery.delivery_event (
    delivery_event_id bigint NOT NULL,
    delivery_id bigint NOT NULL,
    kind text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    source text NOT NULL,
    detail text,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    event_key text,
    is_machine boolean DEFAULT false NOT NULL,
    callback_inbox_id bigint,
    link text,
    link_place integer,
    CONSTRAINT "An event is one that we know" CHECK ((kind = ANY (ARRAY['delivered'::text, 'bounced'::text, 'bounced_hard'::text, 'bounced_soft'::text, 'deferred'::text, 'failed'::text, 'opened'::text, 'clicked'::text, 'complained'::text, 'unsubscribed'::text, 'resubscribed'::text, 'replied'::text, 'converted'::text, 'settled_by_hand'::text, 'sent_after_all'::text])))
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
COMMENT ON COLUMN delivery.delivery_event.event_key IS 'Tells apart events of one kind: the provider''s number of the event, or its time. The same one counts once.';
COMMENT ON COLUMN delivery.delivery_event.is_machine IS 'On: opened or clicked by a mail scanner or proxy, not by a person.';
COMMENT ON COLUMN delivery.delivery_event.callback_inbox_id IS 'Which callback said so. Empty: none did.';
COMMENT ON COLUMN delivery.delivery_event.link IS 'Where a click led.';
COMMENT ON COLUMN delivery.delivery_event.link_place IS 'Which link of the message was clicked: 1 is the first one.';
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
CREATE TABLE delivery.inbox_message (
    delivery_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    weight integer DEFAULT 0 NOT NULL,
    visible_since timestamp with time zone NOT NULL,
    visible_until timestamp with time zone NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    link text,
    image text,
    data jsonb,
    sent_at timestamp with time zone DEFAULT now() NOT NULL,
    delivered_at timestamp with time zone,
    read_at timestamp with time zone,
    CONSTRAINT "A message is visible until after it became visible" CHECK ((visible_until > visible_since))
);
COMMENT ON TABLE delivery.inbox_message IS 'Our own inbox: messages that the member''s app fetches. They go by themselves 30 days after they are no longer visible.';
COMMENT ON COLUMN delivery.inbox_message.delivery_id IS 'Which delivery.';
COMMENT ON COLUMN delivery.inbox_message.contact_id IS 'Whose inbox.';
COMMENT ON COLUMN delivery.inbox_message.weight IS 'Greater ones stand above, then newer ones.';
COMMENT ON COLUMN delivery.inbox_message.visible_since IS 'The app does not see it before.';
COMMENT ON COLUMN delivery.inbox_message.visible_until IS 'The app does not see it afterwards.';
COMMENT ON COLUMN delivery.inbox_message.title IS 'Its title.';
COMMENT ON COLUMN delivery.inbox_message.body IS 'Its text.';
COMMENT ON COLUMN delivery.inbox_message.link IS 'Where a tap leads. Empty: nowhere.';
COMMENT ON COLUMN delivery.inbox_message.image IS 'Address of an image. Empty: none.';
COMMENT ON COLUMN delivery.inbox_message.data IS 'More for the app, as a JSON object. Empty: nothing.';
COMMENT ON COLUMN delivery.inbox_message.sent_at IS 'When it was put there.';
COMMENT ON COLUMN delivery.inbox_message.delivered_at IS 'When the app fetched it for the first time.';
COMMENT ON COLUMN delivery.inbox_message.read_at IS 'When the app said that it was read.';
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
    description text NOT NULL,
    keeps_event_keys boolean DEFAULT true NOT NULL,
    addresses text DEFAULT 'address'::text NOT NULL
);
COMMENT ON TABLE delivery.provider IS 'The providers that the workers know. Filled by the programs.';
COMMENT ON COLUMN delivery.provider.driver IS 'Name of the driver, for example smtp.';
COMMENT ON COLUMN delivery.provider.channels IS 'Which channels it serves.';
COMMENT ON COLUMN delivery.provider.is_keyed IS 'On: the provider recognises a repeated message by its key, so sending again is harmless.';
COMMENT ON COLUMN delivery.provider.description IS 'What it is.';
COMMENT ON COLUMN delivery.provider.keeps_event_keys IS 'On: an event has the same number when the provider tells it again. Off: it has another one, so it is recognised by its kind, time and link.';
COMMENT ON COLUMN delivery.provider.addresses IS 'What an address is for it. Accounts share a step only when this is the same: a token of Firebase means nothing to Apple.';
ALTER TABLE delivery.provider_account ALTER COLUMN provider_account_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME delivery.provider_account_provider_account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE delivery.provider_account_provider_account_id_seq IS 'Gives out delivery.provider_account.provider_account_id.';
CREATE TABLE delivery.provider_code (
    driver text NOT NULL,
    code text NOT NULL,
    meaning text NOT NULL,
    description text NOT NULL,
    CONSTRAINT "The meaning of a code is one that we know: unsubscribed" CHECK ((meaning = 'unsubscribed'::text))
);
COMMENT ON TABLE delivery.provider_code IS 'Codes of providers, in answers and in callbacks, that say something about the person and not only about the message.';
COMMENT ON COLUMN delivery.provider_code.driver IS 'Which provider, for example twilio.';
COMMENT ON COLUMN delivery.provider_code.code IS 'Its code, for example 21610.';
COMMENT ON COLUMN delivery.provider_code.meaning IS 'unsubscribed: the person has said no to this channel, at the provider.';
COMMENT ON COLUMN delivery.provider_code.description IS 'What the provider''s documentation says.';
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
    per_second numeric,
    next_slot_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    per_day integer,
    warm_up_from date,
    day date,
    day_taken integer DEFAULT 0 NOT NULL,
    CONSTRAINT "A day's cap is 1 or more" CHECK ((per_day > 0)),
    CONSTRAINT "A rate limit is 0.01 to 100,000 messages a second" CHECK (((per_second >= 0.01) AND (per_second <= (100000)::numeric)))
);
COMMENT ON TABLE delivery.rate_limit IS 'How fast an account may be used by the whole fleet together, and how much in a day.';
COMMENT ON COLUMN delivery.rate_limit.provider_account_id IS 'Which account.';
COMMENT ON COLUMN delivery.rate_limit.per_second IS 'Messages a second. Empty: as fast as it goes.';
COMMENT ON COLUMN delivery.rate_limit.next_slot_at IS 'The next moment that no worker has taken yet. Written by the programs.';
COMMENT ON COLUMN delivery.rate_limit.per_day IS 'Messages a day (UTC). Empty: as many as there are. When they are used up the next account is taken, or the next day.';
COMMENT ON COLUMN delivery.rate_limit.warm_up_from IS 'The first day of a new account''s warm-up; delivery.warm_up says how many messages each day may bring. Empty: none.';
COMMENT ON COLUMN delivery.rate_limit.day IS 'The day that day_taken counts. Written by the programs.';
COMMENT ON COLUMN delivery.rate_limit.day_taken IS 'Places given out that day. Written by the programs.';
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
    swept_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    partial_version_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    token_defaults jsonb DEFAULT '{}'::jsonb NOT NULL
);
COMMENT ON TABLE delivery.run_step IS 'A step as one run does it: with the template version and account that it started with.';
COMMENT ON COLUMN delivery.run_step.run_step_id IS 'Number of the step in this run.';
COMMENT ON COLUMN delivery.run_step.campaign_run_id IS 'Which run.';
COMMENT ON COLUMN delivery.run_step.step_id IS 'Which step of the campaign.';
COMMENT ON COLUMN delivery.run_step.channel IS 'Which channel.';
COMMENT ON COLUMN delivery.run_step.lane_id IS 'The lane of the account that came first when the run started; run_step_lane has all of them.';
COMMENT ON COLUMN delivery.run_step.template_version_id IS 'Which text: a retry says the same as the first attempt.';
COMMENT ON COLUMN delivery.run_step.dispatch_cursor IS 'Contacts up to this number have been put on the broker once.';
COMMENT ON COLUMN delivery.run_step.settled_cursor IS 'Contacts up to this number are settled, or have a next_at.';
COMMENT ON COLUMN delivery.run_step.swept_at IS 'When it was last searched for stuck deliveries.';
COMMENT ON COLUMN delivery.run_step.partial_version_ids IS 'Which texts of the partials: a retry says the same as the first attempt.';
COMMENT ON COLUMN delivery.run_step.token_defaults IS 'The defaults of tokens as they were when the run started.';
CREATE TABLE delivery.run_step_lane (
    run_step_id bigint NOT NULL,
    lane_id integer NOT NULL,
    taken_count integer DEFAULT 0 NOT NULL,
    round_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE delivery.run_step_lane IS 'Through which lanes the messages of a step may go. Which of them does, is decided for each message when it is put on the broker.';
COMMENT ON COLUMN delivery.run_step_lane.run_step_id IS 'Which step of which run.';
COMMENT ON COLUMN delivery.run_step_lane.lane_id IS 'One of its lanes.';
COMMENT ON COLUMN delivery.run_step_lane.taken_count IS 'How many messages it took in the present round of sharing by weight.';
COMMENT ON COLUMN delivery.run_step_lane.round_at IS 'When that round began.';
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
CREATE TABLE delivery.sms_reply (
    provider_account_id integer NOT NULL,
    event_key text NOT NULL,
    meaning text,
    reply text,
    received_at timestamp with time zone NOT NULL
);
COMMENT ON TABLE delivery.sms_reply IS 'Answers by SMS that have been acted on, so that one that is reported twice counts once. Neither number nor text is kept.';
COMMENT ON COLUMN delivery.sms_reply.provider_account_id IS 'Which account took it.';
COMMENT ON COLUMN delivery.sms_reply.event_key IS 'The provider''s number for it.';
COMMENT ON COLUMN delivery.sms_reply.meaning IS 'What it meant: stop, start or help. Empty: none of them.';
COMMENT ON COLUMN delivery.sms_reply.reply IS 'What was to be answered. Empty: nothing.';
COMMENT ON COLUMN delivery.sms_reply.received_at IS 'When it came.';
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
CREATE TABLE delivery.warm_up (
    provider_account_id integer NOT NULL,
    day_number integer NOT NULL,
    per_day integer NOT NULL,
    CONSTRAINT "A day of a warm-up brings 1 message or more" CHECK ((per_day > 0)),
    CONSTRAINT "Days of a warm-up are counted from 1" CHECK ((day_number > 0))
);
COMMENT ON TABLE delivery.warm_up IS 'How a new account is made known to the mailbox providers: for example 500 messages on day 1, 1,000 on day 2. A day without a row is like the one before; after the last row its number stays.';
COMMENT ON COLUMN delivery.warm_up.provider_account_id IS 'Which account.';
COMMENT ON COLUMN delivery.warm_up.day_number IS '1 for rate_limit.warm_up_from, 2 for the day after.';
COMMENT ON COLUMN delivery.warm_up.per_day IS 'How many messages that day may bring.';
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
    track_opens boolean,
    track_clicks boolean,
    track_sms_links boolean DEFAULT false NOT NULL,
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
COMMENT ON COLUMN marketing.campaign.on_undefined IS 'When a token has no value: blank, skip the contact, or default: print the text in token_default, and skip where it has none.';
COMMENT ON COLUMN marketing.campaign.attempts_max IS 'How often a message is tried when the provider has troubles.';
COMMENT ON COLUMN marketing.campaign.weight IS 'Its share of the speed beside other campaigns: 2 gets twice as much as 1.';
COMMENT ON COLUMN marketing.campaign.description IS 'What it is for.';
COMMENT ON COLUMN marketing.campaign.created_at IS 'When it was made.';
COMMENT ON COLUMN marketing.campaign.track_opens IS 'Emails tell when they are opened. Empty: on for marketing, off for transactional.';
COMMENT ON COLUMN marketing.campaign.track_clicks IS 'Links in emails lead through us and are counted. Empty: on for marketing, off for transactional.';
COMMENT ON COLUMN marketing.campaign.track_sms_links IS 'Links in SMS lead through us, too. They grow by a third and about 60 characters, which may cost a second SMS.';
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
CREATE TABLE marketing.page_text (
    language text NOT NULL,
    key text NOT NULL,
    text text NOT NULL,
    CONSTRAINT "The language of a page's text is written as en or pt-BR" CHECK ((language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'::text))
);
COMMENT ON TABLE marketing.page_text IS 'What the preference page and the answers to SMS say, in each language. To add a language, add its rows; what is missing is said in English.';
COMMENT ON COLUMN marketing.page_text.language IS 'Language code, for example lv.';
COMMENT ON COLUMN marketing.page_text.key IS 'Which text, for example title. The rows with language en show all of them.';
COMMENT ON COLUMN marketing.page_text.text IS 'The text itself.';
CREATE TABLE marketing.partial (
    partial_id bigint NOT NULL,
    name text NOT NULL,
    description text,
    CONSTRAINT "A name has up to 100 letters, digits, spaces and . _ / -" CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,99}$'::text))
);
COMMENT ON TABLE marketing.partial IS 'A piece of text that several templates share, for example a footer: {% render "footer" %}. Its texts stand in partial_version.';
COMMENT ON COLUMN marketing.partial.partial_id IS 'Number of the partial.';
COMMENT ON COLUMN marketing.partial.name IS 'What templates call it, for example footer. It never changes.';
COMMENT ON COLUMN marketing.partial.description IS 'What it is for.';
ALTER TABLE marketing.partial ALTER COLUMN partial_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.partial_partial_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.partial_partial_id_seq IS 'Gives out partial.partial_id.';
CREATE TABLE marketing.partial_version (
    partial_version_id bigint NOT NULL,
    partial_id bigint NOT NULL,
    body text DEFAULT ''::text NOT NULL,
    problem text,
    checked_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT "A partial's text is at most 256 KB" CHECK ((octet_length(body) <= 262144))
);
COMMENT ON TABLE marketing.partial_version IS 'The text of a partial. A version never changes; to edit a partial, add a new version: campaigns that start afterwards use it, a run that has begun keeps the old one.';
COMMENT ON COLUMN marketing.partial_version.partial_version_id IS 'Number of the version.';
COMMENT ON COLUMN marketing.partial_version.partial_id IS 'Which partial.';
COMMENT ON COLUMN marketing.partial_version.body IS 'The text, for example: You have {{ contact.points }} points. Values are escaped as the place asks where it is used.';
COMMENT ON COLUMN marketing.partial_version.problem IS 'What is wrong with it, with line and column. Written by the programs; empty when it works. The newest version that works is used.';
COMMENT ON COLUMN marketing.partial_version.checked_at IS 'When the programs looked whether it works, which takes them a second. It is used from then on.';
COMMENT ON COLUMN marketing.partial_version.created_at IS 'When it was saved.';
ALTER TABLE marketing.partial_version ALTER COLUMN partial_version_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.partial_version_partial_version_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.partial_version_partial_version_id_seq IS 'Gives out partial_version.partial_version_id.';
CREATE TABLE marketing.preview (
    preview_id bigint NOT NULL,
    template_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    on_undefined marketing.undefined_policy DEFAULT 'blank'::marketing.undefined_policy NOT NULL,
    template_version_id bigint,
    outcome text,
    explanation text,
    subject text,
    body_text text,
    body_html text,
    sms_segments integer,
    sms_remark text,
    made_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT "The data is at most 64 KB" CHECK ((octet_length((data)::text) <= 65536)),
    CONSTRAINT "The data must be a JSON object such as {""code"": ""123456""}" CHECK ((jsonb_typeof(data) = 'object'::text))
);
COMMENT ON TABLE marketing.preview IS 'What a contact would be sent: add a row with a template and a contact, and a worker fills in the rest within a second, with the code that sends. Gone after a day.';
COMMENT ON COLUMN marketing.preview.preview_id IS 'Number of the preview.';
COMMENT ON COLUMN marketing.preview.template_id IS 'Which template; its newest version is taken, also one that does not work yet.';
COMMENT ON COLUMN marketing.preview.contact_id IS 'For whom.';
COMMENT ON COLUMN marketing.preview.data IS 'What send_message would be given, as in {{ data.code }}.';
COMMENT ON COLUMN marketing.preview.on_undefined IS 'What to do with tokens without a value, as in campaign.on_undefined.';
COMMENT ON COLUMN marketing.preview.template_version_id IS 'The version that was taken.';
COMMENT ON COLUMN marketing.preview.outcome IS 'What would become of it: sent, skipped or failed. Empty: not made yet.';
COMMENT ON COLUMN marketing.preview.explanation IS 'Why it would not be sent.';
COMMENT ON COLUMN marketing.preview.subject IS 'The subject or title.';
COMMENT ON COLUMN marketing.preview.body_text IS 'The text.';
COMMENT ON COLUMN marketing.preview.body_html IS 'The HTML body of an email.';
COMMENT ON COLUMN marketing.preview.sms_segments IS 'How many SMS it makes, on that channel.';
COMMENT ON COLUMN marketing.preview.sms_remark IS 'How full the last one is, and which character makes them dear.';
COMMENT ON COLUMN marketing.preview.made_at IS 'When it was made.';
COMMENT ON COLUMN marketing.preview.created_at IS 'When it was asked for; what now means in the text.';
ALTER TABLE marketing.preview ALTER COLUMN preview_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.preview_preview_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.preview_preview_id_seq IS 'Gives out preview.preview_id.';
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
CREATE TABLE marketing.sms_keyword (
    word text NOT NULL,
    meaning text NOT NULL,
    language text,
    CONSTRAINT "A word is written in capitals, without blanks around it" CHECK (((word = upper(word)) AND (word = btrim(word)) AND (word <> ''::text))),
    CONSTRAINT "A word means stop, start or help" CHECK ((meaning = ANY (ARRAY['stop'::text, 'start'::text, 'help'::text])))
);
COMMENT ON TABLE marketing.sms_keyword IS 'What a contact may answer to an SMS, as the only words of the message. The capital and small letters, dots and exclamation marks do not matter.';
COMMENT ON COLUMN marketing.sms_keyword.word IS 'The word, for example STOP.';
COMMENT ON COLUMN marketing.sms_keyword.meaning IS 'stop: send no more. start: send again what was stopped. help: explain.';
COMMENT ON COLUMN marketing.sms_keyword.language IS 'Language of the word, which the answer is written in. Empty: the contact''s own.';
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
CREATE TABLE marketing.template_diagnostic (
    template_version_id bigint NOT NULL,
    "position" integer NOT NULL,
    severity text NOT NULL,
    field text NOT NULL,
    line_number integer,
    column_number integer,
    sentence text NOT NULL,
    CONSTRAINT "A finding is about one of the texts" CHECK ((field = ANY (ARRAY['subject'::text, 'body_text'::text, 'body_html'::text, 'link'::text, 'image'::text, 'data'::text]))),
    CONSTRAINT "A finding is an error, a warning or a note" CHECK ((severity = ANY (ARRAY['error'::text, 'warning'::text, 'note'::text])))
);
COMMENT ON TABLE marketing.template_diagnostic IS 'What the programs found when they checked a template version. Written by the programs.';
COMMENT ON COLUMN marketing.template_diagnostic.template_version_id IS 'Which version.';
COMMENT ON COLUMN marketing.template_diagnostic."position" IS 'Its place among the findings, from 1.';
COMMENT ON COLUMN marketing.template_diagnostic.severity IS 'error: the template does not work and its campaign does not start. warning: look at it. note: good to know, for example the segments of an SMS.';
COMMENT ON COLUMN marketing.template_diagnostic.field IS 'Which text: subject, body_text, body_html, link, image or data.';
COMMENT ON COLUMN marketing.template_diagnostic.line_number IS 'Which line of the text, from 1. Empty: the text as a whole.';
COMMENT ON COLUMN marketing.template_diagnostic.column_number IS 'Which character of the line, from 1.';
COMMENT ON COLUMN marketing.template_diagnostic.sentence IS 'What was found and what to do.';
ALTER TABLE marketing.template ALTER COLUMN template_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.template_template_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.template_template_id_seq IS 'Gives out marketing.template.template_id.';
CREATE TABLE marketing.template_token (
    template_version_id bigint NOT NULL,
    "position" integer NOT NULL,
    field text NOT NULL,
    path text NOT NULL,
    partial_name text,
    line_number integer,
    is_guarded boolean NOT NULL,
    default_text text,
    CONSTRAINT "A token stands in one of the texts" CHECK ((field = ANY (ARRAY['subject'::text, 'body_text'::text, 'body_html'::text, 'link'::text, 'image'::text, 'data'::text])))
);
COMMENT ON TABLE marketing.template_token IS 'What a template version reads of a contact, its partials included. Written by the programs; report.audience_gaps counts who lacks it.';
COMMENT ON COLUMN marketing.template_token.template_version_id IS 'Which version.';
COMMENT ON COLUMN marketing.template_token."position" IS 'Its place among the tokens, from 1.';
COMMENT ON COLUMN marketing.template_token.field IS 'Which text reads it: subject, body_text, body_html, link, image or data.';
COMMENT ON COLUMN marketing.template_token.path IS 'The token without its brackets, for example contact.first_name.';
COMMENT ON COLUMN marketing.template_token.partial_name IS 'The partial that reads it. Empty: the text itself.';
COMMENT ON COLUMN marketing.template_token.line_number IS 'Which line of the text or partial, from 1.';
COMMENT ON COLUMN marketing.template_token.is_guarded IS 'Yes: the template says itself what happens without a value, by default or if.';
COMMENT ON COLUMN marketing.template_token.default_text IS 'What the template prints without a value, where that is a plain text.';
ALTER TABLE marketing.template_version ALTER COLUMN template_version_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.template_version_template_version_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.template_version_template_version_id_seq IS 'Gives out marketing.template_version.template_version_id.';
CREATE TABLE marketing.token_default (
    path text NOT NULL,
    text text NOT NULL,
    CONSTRAINT "A default is at most 1,000 characters long" CHECK ((length(text) <= 1000)),
    CONSTRAINT "A path is names joined by dots, such as contact.first_name" CHECK (((path ~ '^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+$'::text) AND (length(path) <= 200)))
);
COMMENT ON TABLE marketing.token_default IS 'What is printed where a token has no value and the campaign says on_undefined = default. A run keeps the defaults that it started with.';
COMMENT ON COLUMN marketing.token_default.path IS 'The token without its brackets, for example contact.first_name.';
COMMENT ON COLUMN marketing.token_default.text IS 'What is printed instead, for example friend.';
CREATE TABLE marketing.topic (
    topic_id bigint NOT NULL,
    name text NOT NULL,
    description text,
    needs_opt_in boolean DEFAULT true NOT NULL,
    is_listed boolean DEFAULT true NOT NULL
);
COMMENT ON TABLE marketing.topic IS 'A kind of message that a contact may accept or refuse, for example "Weekly offers".';
COMMENT ON COLUMN marketing.topic.topic_id IS 'Our number for the topic.';
COMMENT ON COLUMN marketing.topic.name IS 'What contacts see on the preference page.';
COMMENT ON COLUMN marketing.topic.description IS 'A sentence for contacts.';
COMMENT ON COLUMN marketing.topic.needs_opt_in IS 'On: only contacts who said yes get it. Off: everybody who did not say no.';
COMMENT ON COLUMN marketing.topic.is_listed IS 'On: contacts see it on the preference page. Off: only you change what they said, and "unsubscribe from everything" does.';
ALTER TABLE marketing.topic ALTER COLUMN topic_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME marketing.topic_topic_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
COMMENT ON SEQUENCE marketing.topic_topic_id_seq IS 'Gives out marketing.topic.topic_id.';
CREATE TABLE marketing.topic_translation (
    topic_id bigint NOT NULL,
    language text NOT NULL,
    name text NOT NULL,
    description text,
    CONSTRAINT "A language is written as en or pt-BR" CHECK ((language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'::text))
);
COMMENT ON TABLE marketing.topic_translation IS 'What a topic is called in another language, for the preference page.';
COMMENT ON COLUMN marketing.topic_translation.topic_id IS 'Which topic.';
COMMENT ON COLUMN marketing.topic_translation.language IS 'Language code, for example lv.';
COMMENT ON COLUMN marketing.topic_translation.name IS 'Its name in that language, for example "Nedēļas piedāvājumi".';
COMMENT ON COLUMN marketing.topic_translation.description IS 'A sentence for contacts. Empty: none.';
CREATE VIEW report.callback_problem AS
 SELECT i.callback_inbox_id,
    a.name AS account,
    a.driver,
    i.received_at,
    i.problem,
    octet_length(i.body) AS body_bytes
   FROM (delivery.callback_inbox i
     LEFT JOIN delivery.provider_account a USING (provider_account_id))
  WHERE (i.problem IS NOT NULL);
COMMENT ON VIEW report.callback_problem IS 'Callbacks that providers have signed and that we did not understand or could not apply. They are kept; after an update, delivery.refold reads them again.';
COMMENT ON COLUMN report.callback_problem.callback_inbox_id IS 'Which callback.';
COMMENT ON COLUMN report.callback_problem.account IS 'For which account it came.';
COMMENT ON COLUMN report.callback_problem.driver IS 'From which provider.';
COMMENT ON COLUMN report.callback_problem.received_at IS 'When it came.';
COMMENT ON COLUMN report.callback_problem.problem IS 'What is wrong with it.';
COMMENT ON COLUMN report.callback_problem.body_bytes IS 'How long it is.';
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
CREATE VIEW report.links AS
 SELECT r.campaign_run_id,
    c.name AS campaign,
    rs.channel,
    e.link_place AS place,
    e.link,
    count(*) FILTER (WHERE (NOT e.is_machine)) AS clicks,
    count(DISTINCT d.contact_id) FILTER (WHERE (NOT e.is_machine)) AS people,
    count(*) FILTER (WHERE e.is_machine) AS machine_clicks,
    min(e.happened_at) FILTER (WHERE (NOT e.is_machine)) AS first_at,
    max(e.happened_at) FILTER (WHERE (NOT e.is_machine)) AS last_at
   FROM ((((delivery.campaign_run r
     JOIN marketing.campaign c USING (campaign_id))
     JOIN delivery.run_step rs USING (campaign_run_id))
     JOIN delivery.delivery d ON (((d.run_step_id = rs.run_step_id) AND (d.delivery_id >= (r.month * '1000000000000'::bigint)) AND (d.delivery_id < ((r.month + 1) * '1000000000000'::bigint)))))
     JOIN delivery.delivery_event e ON (((e.delivery_id = d.delivery_id) AND (e.kind = 'clicked'::text))))
  GROUP BY r.campaign_run_id, c.name, rs.channel, e.link_place, e.link;
COMMENT ON VIEW report.links IS 'Which links were clicked: select * from report.links where campaign = ''Autumn 2026'' order by people desc.';
COMMENT ON COLUMN report.links.campaign_run_id IS 'Which run.';
COMMENT ON COLUMN report.links.campaign IS 'Which campaign.';
COMMENT ON COLUMN report.links.channel IS 'Which channel.';
COMMENT ON COLUMN report.links.place IS 'Its place in the message: 1 is the first link. Empty where the provider counted the click.';
COMMENT ON COLUMN report.links.link IS 'Where it leads, without what stands behind a question mark.';
COMMENT ON COLUMN report.links.clicks IS 'Clicks by people, as far as that can be told.';
COMMENT ON COLUMN report.links.people IS 'How many contacts clicked it.';
COMMENT ON COLUMN report.links.machine_clicks IS 'Clicks by scanners.';
COMMENT ON COLUMN report.links.first_at IS 'First click by a person.';
COMMENT ON COLUMN report.links.last_at IS 'Last one.';
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
CREATE VIEW report.run_engagement AS
 SELECT r.campaign_run_id,
    c.campaign_id,
    c.name AS campaign,
    rs.channel,
    rs.run_step_id,
    t.reached,
    t.delivered,
    t.bounced,
    COALESCE(e.opened, (0)::bigint) AS opened,
    COALESCE(e.opened_by_machines, (0)::bigint) AS opened_by_machines,
    COALESCE(e.clicked, (0)::bigint) AS clicked,
    COALESCE(e.clicked_by_machines, (0)::bigint) AS clicked_by_machines,
    COALESCE(e.complained, (0)::bigint) AS complained,
    COALESCE(e.unsubscribed, (0)::bigint) AS unsubscribed,
    COALESCE(e.replied, (0)::bigint) AS replied,
        CASE
            WHEN (t.reached > 0) THEN round(((100.0 * (COALESCE(e.opened, (0)::bigint))::numeric) / (t.reached)::numeric), 1)
            ELSE NULL::numeric
        END AS open_percent,
        CASE
            WHEN (t.reached > 0) THEN round(((100.0 * (COALESCE(e.clicked, (0)::bigint))::numeric) / (t.reached)::numeric), 1)
            ELSE NULL::numeric
        END AS click_percent
   FROM ((((delivery.campaign_run r
     JOIN marketing.campaign c USING (campaign_id))
     JOIN delivery.run_step rs USING (campaign_run_id))
     CROSS JOIN LATERAL ( SELECT (COALESCE(sum(y.amount) FILTER (WHERE (y.status = ANY (ARRAY['sent'::delivery.delivery_status, 'delivered'::delivery.delivery_status]))), (0)::numeric))::bigint AS reached,
            (COALESCE(sum(y.amount) FILTER (WHERE (y.status = 'delivered'::delivery.delivery_status)), (0)::numeric))::bigint AS delivered,
            (COALESCE(sum(y.amount) FILTER (WHERE (y.status = 'bounced'::delivery.delivery_status)), (0)::numeric))::bigint AS bounced
           FROM delivery.tally y
          WHERE (y.run_step_id = rs.run_step_id)) t)
     LEFT JOIN LATERAL ( SELECT count(DISTINCT d.delivery_id) FILTER (WHERE ((v.kind = 'opened'::text) AND (NOT v.is_machine))) AS opened,
            count(DISTINCT d.delivery_id) FILTER (WHERE ((v.kind = 'opened'::text) AND v.is_machine)) AS opened_by_machines,
            count(DISTINCT d.delivery_id) FILTER (WHERE ((v.kind = 'clicked'::text) AND (NOT v.is_machine))) AS clicked,
            count(DISTINCT d.delivery_id) FILTER (WHERE ((v.kind = 'clicked'::text) AND v.is_machine)) AS clicked_by_machines,
            count(DISTINCT d.delivery_id) FILTER (WHERE (v.kind = 'complained'::text)) AS complained,
            count(DISTINCT d.delivery_id) FILTER (WHERE (v.kind = 'unsubscribed'::text)) AS unsubscribed,
            count(DISTINCT d.delivery_id) FILTER (WHERE (v.kind = 'replied'::text)) AS replied
           FROM (delivery.delivery d
             JOIN delivery.delivery_event v ON ((v.delivery_id = d.delivery_id)))
          WHERE ((d.run_step_id = rs.run_step_id) AND (d.delivery_id >= (r.month * '1000000000000'::bigint)) AND (d.delivery_id < ((r.month + 1) * '1000000000000'::bigint)) AND (v.delivery_id >= (r.month * '1000000000000'::bigint)) AND (v.delivery_id < ((r.month + 1) * '1000000000000'::bigint)) AND (v.kind = ANY (ARRAY['opened'::text, 'clicked'::text, 'complained'::text, 'unsubscribed'::text, 'replied'::text])))) e ON (true));
COMMENT ON VIEW report.run_engagement IS 'What people did with the messages of a run, by channel. Each message counts once in each column: select * from report.run_engagement where campaign = ''Autumn 2026''.';
COMMENT ON COLUMN report.run_engagement.campaign_run_id IS 'Which run.';
COMMENT ON COLUMN report.run_engagement.campaign_id IS 'Which campaign.';
COMMENT ON COLUMN report.run_engagement.campaign IS 'Its name.';
COMMENT ON COLUMN report.run_engagement.channel IS 'Which channel.';
COMMENT ON COLUMN report.run_engagement.run_step_id IS 'Which step of the run.';
COMMENT ON COLUMN report.run_engagement.reached IS 'Messages that the provider took and that did not come back: sent and delivered.';
COMMENT ON COLUMN report.run_engagement.delivered IS 'Those that were reported as delivered; providers do not report on every channel.';
COMMENT ON COLUMN report.run_engagement.bounced IS 'Reported as bounced.';
COMMENT ON COLUMN report.run_engagement.opened IS 'Opened by a person, as far as one can tell.';
COMMENT ON COLUMN report.run_engagement.opened_by_machines IS 'Opened by a mail scanner or proxy; says nothing of the person.';
COMMENT ON COLUMN report.run_engagement.clicked IS 'With a click by a person.';
COMMENT ON COLUMN report.run_engagement.clicked_by_machines IS 'With a click by a mail scanner.';
COMMENT ON COLUMN report.run_engagement.complained IS 'Reported as spam.';
COMMENT ON COLUMN report.run_engagement.unsubscribed IS 'After which the person unsubscribed.';
COMMENT ON COLUMN report.run_engagement.replied IS 'Which the person answered.';
COMMENT ON COLUMN report.run_engagement.open_percent IS 'Opened of reached.';
COMMENT ON COLUMN report.run_engagement.click_percent IS 'Clicked of reached.';
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
           FROM (((((delivery.campaign_run r
             JOIN delivery.run_step rs USING (campaign_run_id))
             JOIN marketing.campaign c USING (campaign_id))
             CROSS JOIN LATERAL ( SELECT w.lane_id
                   FROM ((delivery.run_step_lane w
                     JOIN delivery.lane wl USING (lane_id))
                     JOIN delivery.provider_account wa USING (provider_account_id))
                  WHERE (w.run_step_id = rs.run_step_id)
                  ORDER BY (delivery.account_works(wa.is_active, wa.open_until, wa.paused_until)) DESC, wa.priority, wa.provider_account_id
                 LIMIT 1) first_way)
             JOIN delivery.lane l ON ((l.lane_id = first_way.lane_id)))
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
CREATE VIEW report.template_status AS
 SELECT t.template_id,
    t.name AS template,
    t.channel,
    v.template_version_id,
        CASE
            WHEN (v.template_version_id IS NULL) THEN 'has no text'::text
            WHEN (v.problem IS NOT NULL) THEN 'does not work'::text
            WHEN (NOT v.is_current) THEN 'waits to be checked'::text
            ELSE 'works'::text
        END AS status,
    v.problem,
    ( SELECT string_agg(format('%s: %s'::text, concat_ws(', '::text, d.field, ('line '::text || d.line_number), ('column '::text || d.column_number)), d.sentence), '
'::text ORDER BY d."position") AS string_agg
           FROM marketing.template_diagnostic d
          WHERE ((d.template_version_id = v.template_version_id) AND (d.severity <> 'error'::text))) AS remarks,
    ( SELECT string_agg(DISTINCT k.path, ', '::text ORDER BY k.path) AS string_agg
           FROM marketing.template_token k
          WHERE (k.template_version_id = v.template_version_id)) AS tokens,
    array_to_string(v.partial_names, ', '::text) AS partials,
    v.checked_at
   FROM (marketing.template t
     LEFT JOIN LATERAL ( SELECT x.template_version_id,
            x.template_id,
            x.subject,
            x.body_text,
            x.body_html,
            x.problem,
            x.created_at,
            x.checked_at,
            x.is_current,
            x.partial_names,
            x.partial_version_ids,
            x.link,
            x.image,
            x.data
           FROM marketing.template_version x
          WHERE (x.template_id = t.template_id)
          ORDER BY x.template_version_id DESC
         LIMIT 1) v ON (true));
COMMENT ON VIEW report.template_status IS 'Each template''s newest version: whether it works, what was found, what it reads.';
COMMENT ON COLUMN report.template_status.template_id IS 'Number of the template.';
COMMENT ON COLUMN report.template_status.template IS 'Its name.';
COMMENT ON COLUMN report.template_status.channel IS 'Which channel it is written for.';
COMMENT ON COLUMN report.template_status.template_version_id IS 'The newest version.';
COMMENT ON COLUMN report.template_status.status IS 'works, does not work, waits to be checked (a worker does that within a second), or has no text.';
COMMENT ON COLUMN report.template_status.problem IS 'What is wrong with it, with line and column: campaigns with it do not start.';
COMMENT ON COLUMN report.template_status.remarks IS 'What else was found: warnings, and for an SMS how many segments it makes. Nothing of it stops a campaign.';
COMMENT ON COLUMN report.template_status.tokens IS 'What it reads of a contact, for example contact.first_name, profile.city.';
COMMENT ON COLUMN report.template_status.partials IS 'The partials that it uses.';
COMMENT ON COLUMN report.template_status.checked_at IS 'When the programs last looked at it.';
ALTER TABLE ONLY delivery.callback_todo
    ADD CONSTRAINT "A callback waits once" PRIMARY KEY (callback_inbox_id);
ALTER TABLE ONLY delivery.provider_code
    ADD CONSTRAINT "A code of a provider has one meaning" PRIMARY KEY (driver, code);
ALTER TABLE ONLY delivery.inbox_message
    ADD CONSTRAINT "A delivery is in the inbox once" PRIMARY KEY (delivery_id);
ALTER TABLE ONLY delivery.run_step
    ADD CONSTRAINT "A run has each step once" UNIQUE (campaign_run_id, step_id);
ALTER TABLE ONLY delivery.run_step_lane
    ADD CONSTRAINT "A step has each lane once" PRIMARY KEY (run_step_id, lane_id);
ALTER TABLE ONLY delivery.warm_up
    ADD CONSTRAINT "A warm-up has each day once" PRIMARY KEY (provider_account_id, day_number);
ALTER TABLE ONLY delivery.sms_reply
    ADD CONSTRAINT "An answer by SMS is taken once" PRIMARY KEY (provider_account_id, event_key);
ALTER TABLE ONLY delivery.callback_orphan
    ADD CONSTRAINT "An event waits for its delivery once" PRIMARY KEY (callback_inbox_id, "position");
ALTER TABLE ONLY delivery.callback_inbox
    ADD CONSTRAINT "Each callback has a number of its own" PRIMARY KEY (callback_inbox_id);
ALTER TABLE ONLY delivery.callback_event
    ADD CONSTRAINT "Each event has its place in a callback" PRIMARY KEY (callback_inbox_id, "position");
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
ALTER TABLE ONLY marketing.sms_keyword
    ADD CONSTRAINT "A word is on the list once" PRIMARY KEY (word);
ALTER TABLE ONLY marketing.campaign
    ADD CONSTRAINT "Each campaign has a number of its own" PRIMARY KEY (campaign_id);
ALTER TABLE ONLY marketing.consent_event
    ADD CONSTRAINT "Each consent event has a number of its own" PRIMARY KEY (consent_event_id);
ALTER TABLE ONLY marketing.contact
    ADD CONSTRAINT "Each contact has a number of its own" PRIMARY KEY (contact_id);
ALTER TABLE ONLY marketing.contact_point
    ADD CONSTRAINT "Each contact point has a number of its own" PRIMARY KEY (contact_point_id);
ALTER TABLE ONLY marketing.template_diagnostic
    ADD CONSTRAINT "Each finding of a version has its own position" PRIMARY KEY (template_version_id, "position");
ALTER TABLE ONLY marketing.partial
    ADD CONSTRAINT "Each partial has a number of its own" PRIMARY KEY (partial_id);
ALTER TABLE ONLY marketing.partial_version
    ADD CONSTRAINT "Each partial version has a number of its own" PRIMARY KEY (partial_version_id);
ALTER TABLE ONLY marketing.token_default
    ADD CONSTRAINT "Each path has one default" PRIMARY KEY (path);
ALTER TABLE ONLY marketing.preview
    ADD CONSTRAINT "Each preview has a number of its own" PRIMARY KEY (preview_id);
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
ALTER TABLE ONLY marketing.template_token
    ADD CONSTRAINT "Each token of a version has its own position" PRIMARY KEY (template_version_id, "position");
ALTER TABLE ONLY marketing.topic
    ADD CONSTRAINT "Each topic has a number of its own" PRIMARY KEY (topic_id);
ALTER TABLE ONLY marketing.page_text
    ADD CONSTRAINT "One text per language and key" PRIMARY KEY (language, key);
ALTER TABLE ONLY marketing.topic_translation
    ADD CONSTRAINT "One translation per topic and language" PRIMARY KEY (topic_id, language);
ALTER TABLE ONLY marketing.campaign
    ADD CONSTRAINT "Two campaigns cannot have the same name" UNIQUE (name);
ALTER TABLE ONLY marketing.contact
    ADD CONSTRAINT "Two contacts cannot have the same member number" UNIQUE (member_no);
ALTER TABLE ONLY marketing.partial
    ADD CONSTRAINT "Two partials cannot have the same name" UNIQUE (name);
ALTER TABLE ONLY marketing.segment
    ADD CONSTRAINT "Two segments cannot have the same name" UNIQUE (name);
ALTER TABLE ONLY marketing.template
    ADD CONSTRAINT "Two templates cannot have the same name" UNIQUE (name);
ALTER TABLE ONLY marketing.topic
    ADD CONSTRAINT "Two topics cannot have the same name" UNIQUE (name);
COMMENT ON INDEX delivery."A callback waits once" IS 'The key of callback_todo: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery."A code of a provider has one meaning" IS 'The key of provider_code: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery."A delivery is in the inbox once" IS 'The key of inbox_message: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery."A run has each step once" IS 'Keeps the rows of run_step apart.';
COMMENT ON INDEX delivery."A step has each lane once" IS 'Finds the lanes of a step.';
COMMENT ON INDEX delivery."A warm-up has each day once" IS 'Finds the days of a warm-up.';
COMMENT ON INDEX delivery."An answer by SMS is taken once" IS 'The key of sms_reply: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery."An event waits for its delivery once" IS 'The key of callback_orphan: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery."Each callback has a number of its own" IS 'The key of callback_inbox: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery."Each event has its place in a callback" IS 'The key of callback_event: finds the events of a callback.';
COMMENT ON INDEX delivery."One lane per account and class" IS 'Keeps the rows of lane apart.';
COMMENT ON INDEX delivery."Two accounts cannot have the same name" IS 'Keeps the rows of provider_account apart.';
COMMENT ON INDEX delivery.a_definition_has_a_name IS 'The key of schema_definition: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.a_migration_has_a_number IS 'The key of schema_migration: finds a row, and no two rows have the same.';
CREATE INDEX attempt_of_message ON ONLY delivery.attempt USING hash (provider_message_id) WHERE (provider_message_id IS NOT NULL);
COMMENT ON INDEX delivery.attempt_of_message IS 'Finds the delivery that a provider speaks of by its own number.';
COMMENT ON INDEX delivery.attempt_pkey IS 'The key of attempt: finds a row, and no two rows have the same.';
CREATE INDEX callback_orphan_next ON delivery.callback_orphan USING btree (next_at);
COMMENT ON INDEX delivery.callback_orphan_next IS 'Finds what is to be looked at again.';
CREATE INDEX callback_orphan_of_message ON delivery.callback_orphan USING btree (provider_message_id);
COMMENT ON INDEX delivery.callback_orphan_of_message IS 'Finds what a provider had said before we knew its number of the message.';
CREATE INDEX callback_todo_to_parse ON delivery.callback_todo USING btree (callback_inbox_id) WHERE needs_parsing;
COMMENT ON INDEX delivery.callback_todo_to_parse IS 'Finds the callbacks that a receiver is to read again.';
CREATE INDEX campaign_run_of_campaign ON delivery.campaign_run USING btree (campaign_id);
COMMENT ON INDEX delivery.campaign_run_of_campaign IS 'Finds the runs of a campaign.';
CREATE INDEX campaign_run_open ON delivery.campaign_run USING btree (campaign_run_id) WHERE (ended_at IS NULL);
COMMENT ON INDEX delivery.campaign_run_open IS 'Finds the runs that still have work.';
COMMENT ON INDEX delivery.campaign_run_pkey IS 'The key of campaign_run: finds a row, and no two rows have the same.';
CREATE INDEX dead_letter_of_delivery ON delivery.dead_letter USING btree (delivery_id);
COMMENT ON INDEX delivery.dead_letter_of_delivery IS 'Counts how often a delivery died on the broker.';
COMMENT ON INDEX delivery.dead_letter_pkey IS 'The key of dead_letter: finds a row, and no two rows have the same.';
CREATE INDEX delivery_event_of_callback ON ONLY delivery.delivery_event USING btree (callback_inbox_id) WHERE (callback_inbox_id IS NOT NULL);
COMMENT ON INDEX delivery.delivery_event_of_callback IS 'Finds what a callback has led to.';
CREATE UNIQUE INDEX delivery_event_once ON ONLY delivery.delivery_event USING btree (delivery_id, kind, event_key);
COMMENT ON INDEX delivery.delivery_event_once IS 'The same event counts once, however often it is told; also finds the events of a delivery.';
COMMENT ON INDEX delivery.delivery_event_pkey IS 'The key of delivery_event: finds a row, and no two rows have the same.';
COMMENT ON INDEX delivery.delivery_pkey IS 'The key of delivery: finds a row, and no two rows have the same.';
CREATE INDEX inbox_message_of_contact ON delivery.inbox_message USING btree (contact_id, weight DESC, delivery_id DESC);
COMMENT ON INDEX delivery.inbox_message_of_contact IS 'The inbox of a contact, in its order.';
CREATE INDEX inbox_message_over ON delivery.inbox_message USING btree (visible_until);
COMMENT ON INDEX delivery.inbox_message_over IS 'Finds what may go.';
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
COMMENT ON INDEX marketing."A word is on the list once" IS 'The key of sms_keyword: finds a row, and no two rows have the same.';
CREATE UNIQUE INDEX "An address is on the list once" ON marketing.suppression USING btree (channel, address);
COMMENT ON INDEX marketing."An address is on the list once" IS 'An address is on the list once.';
COMMENT ON INDEX marketing."Each campaign has a number of its own" IS 'The key of campaign: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each consent event has a number of its own" IS 'The key of consent_event: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each contact has a number of its own" IS 'The key of contact: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each contact point has a number of its own" IS 'The key of contact_point: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each finding of a version has its own position" IS 'The key of template_diagnostic: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each partial has a number of its own" IS 'The key of partial: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each partial version has a number of its own" IS 'The key of partial_version: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each path has one default" IS 'The key of token_default: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each preview has a number of its own" IS 'The key of preview: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each segment has a number of its own" IS 'The key of segment: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each step has a number of its own" IS 'The key of step: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each step of a campaign has its own position" IS 'Keeps the rows of step apart.';
COMMENT ON INDEX marketing."Each suppression has a number of its own" IS 'The key of suppression: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each template has a number of its own" IS 'The key of template: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each template version has a number of its own" IS 'The key of template_version: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each token of a version has its own position" IS 'The key of template_token: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Each topic has a number of its own" IS 'The key of topic: finds a row, and no two rows have the same.';
CREATE UNIQUE INDEX "One answer per contact, channel and topic" ON marketing.consent USING btree (contact_id, channel, topic_id) NULLS NOT DISTINCT;
COMMENT ON INDEX marketing."One answer per contact, channel and topic" IS 'One answer per contact, channel and topic.';
COMMENT ON INDEX marketing."One text per language and key" IS 'The key of page_text: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."One translation per topic and language" IS 'The key of topic_translation: finds a row, and no two rows have the same.';
COMMENT ON INDEX marketing."Two campaigns cannot have the same name" IS 'Keeps the rows of campaign apart.';
COMMENT ON INDEX marketing."Two contacts cannot have the same member number" IS 'Keeps the rows of contact apart.';
COMMENT ON INDEX marketing."Two partials cannot have the same name" IS 'Keeps the rows of partial apart.';
COMMENT ON INDEX marketing."Two segments cannot have the same name" IS 'Keeps the rows of segment apart.';
COMMENT ON INDEX marketing."Two templates cannot have the same name" IS 'Keeps the rows of template apart.';
COMMENT ON INDEX marketing."Two topics cannot have the same name" IS 'Keeps the rows of topic apart.';
CREATE INDEX consent_event_of_contact ON marketing.consent_event USING btree (contact_id, happened_at);
COMMENT ON INDEX marketing.consent_event_of_contact IS 'Finds the history of one contact.';
CREATE INDEX contact_point_in_order ON marketing.contact_point USING btree (contact_id, channel, is_preferred DESC, contact_point_id) WHERE is_usable;
COMMENT ON INDEX marketing.contact_point_in_order IS 'Finds the address that is taken first on a channel.';
CREATE INDEX contact_point_of_address ON marketing.contact_point USING btree (channel, address);
COMMENT ON INDEX marketing.contact_point_of_address IS 'Finds whose an address is.';
CREATE INDEX partial_version_of_partial ON marketing.partial_version USING btree (partial_id, partial_version_id DESC);
COMMENT ON INDEX marketing.partial_version_of_partial IS 'Finds the newest version.';
CREATE INDEX partial_version_unchecked ON marketing.partial_version USING btree (partial_version_id) WHERE (checked_at IS NULL);
COMMENT ON INDEX marketing.partial_version_unchecked IS 'Finds the versions that wait to be checked.';
CREATE INDEX preview_by_age ON marketing.preview USING btree (created_at);
COMMENT ON INDEX marketing.preview_by_age IS 'Finds what is old enough to go.';
CREATE INDEX preview_of_contact ON marketing.preview USING btree (contact_id);
COMMENT ON INDEX marketing.preview_of_contact IS 'Finds the previews of a contact who is deleted.';
CREATE INDEX preview_to_make ON marketing.preview USING btree (preview_id) WHERE (made_at IS NULL);
COMMENT ON INDEX marketing.preview_to_make IS 'Finds what is to be made.';
CREATE INDEX suppression_of_soft_bounces ON marketing.suppression USING btree (channel, address) WHERE (reason = 'soft bounces'::text);
COMMENT ON INDEX marketing.suppression_of_soft_bounces IS 'Finds what a delivery may take back.';
CREATE INDEX template_version_of_template ON marketing.template_version USING btree (template_id, template_version_id DESC);
COMMENT ON INDEX marketing.template_version_of_template IS 'Finds the newest version.';
CREATE INDEX template_version_unchecked ON marketing.template_version USING btree (template_version_id) WHERE (NOT is_current);
COMMENT ON INDEX marketing.template_version_unchecked IS 'Finds the versions that wait to be checked.';
CREATE INDEX template_version_with_partials ON marketing.template_version USING btree (template_id, template_version_id) WHERE (partial_names <> '{}'::text[]);
COMMENT ON INDEX marketing.template_version_with_partials IS 'Finds the versions that a changed partial may concern.';
CREATE TRIGGER forget_inbox_deleted AFTER DELETE ON marketing.contact REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION marketing.forget_inbox();
CREATE TRIGGER forget_inbox_erased AFTER UPDATE OF erased_at ON marketing.contact FOR EACH ROW WHEN (((new.erased_at IS NOT NULL) AND (old.erased_at IS NULL))) EXECUTE FUNCTION marketing.forget_inbox();
CREATE TRIGGER guard_campaign BEFORE INSERT OR UPDATE ON marketing.campaign FOR EACH ROW EXECUTE FUNCTION marketing.guard_campaign();
CREATE TRIGGER guard_consent_event BEFORE DELETE OR UPDATE OR TRUNCATE ON marketing.consent_event FOR EACH STATEMENT EXECUTE FUNCTION marketing.guard_consent_event();
CREATE TRIGGER guard_partial BEFORE UPDATE ON marketing.partial FOR EACH ROW EXECUTE FUNCTION marketing.guard_partial();
CREATE TRIGGER guard_partial_version BEFORE INSERT OR UPDATE ON marketing.partial_version FOR EACH ROW EXECUTE FUNCTION marketing.guard_partial_version();
CREATE TRIGGER guard_segment BEFORE INSERT OR UPDATE OF condition ON marketing.segment FOR EACH ROW EXECUTE FUNCTION marketing.guard_segment();
CREATE TRIGGER guard_template_version BEFORE INSERT OR UPDATE ON marketing.template_version FOR EACH ROW EXECUTE FUNCTION marketing.guard_template_version();
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
ALTER TABLE ONLY delivery.warm_up
    ADD CONSTRAINT "The account of a warm-up needs a rate limit" FOREIGN KEY (provider_account_id) REFERENCES delivery.rate_limit(provider_account_id) ON DELETE CASCADE;
ALTER TABLE ONLY delivery.provider_account
    ADD CONSTRAINT "The driver must be one that delivery.provider lists" FOREIGN KEY (driver) REFERENCES delivery.provider(driver);
ALTER TABLE ONLY delivery.run_step_lane
    ADD CONSTRAINT "The lane of a choice must exist" FOREIGN KEY (lane_id) REFERENCES delivery.lane(lane_id);
ALTER TABLE ONLY delivery.lane_pulse
    ADD CONSTRAINT "The lane of a pulse must exist" FOREIGN KEY (lane_id) REFERENCES delivery.lane(lane_id);
ALTER TABLE ONLY delivery.run_step
    ADD CONSTRAINT "The lane of a step must exist" FOREIGN KEY (lane_id) REFERENCES delivery.lane(lane_id);
ALTER TABLE ONLY delivery.run_step
    ADD CONSTRAINT "The run of a step must exist" FOREIGN KEY (campaign_run_id) REFERENCES delivery.campaign_run(campaign_run_id);
ALTER TABLE ONLY delivery.run_step_lane
    ADD CONSTRAINT "The step of a choice must exist" FOREIGN KEY (run_step_id) REFERENCES delivery.run_step(run_step_id);
ALTER TABLE ONLY marketing.campaign
    ADD CONSTRAINT "A campaign needs an existing segment, which then stays" FOREIGN KEY (segment_id) REFERENCES marketing.segment(segment_id);
ALTER TABLE ONLY marketing.campaign
    ADD CONSTRAINT "A campaign needs an existing topic, which then stays" FOREIGN KEY (topic_id) REFERENCES marketing.topic(topic_id);
ALTER TABLE ONLY marketing.template_diagnostic
    ADD CONSTRAINT "A finding belongs to a version" FOREIGN KEY (template_version_id) REFERENCES marketing.template_version(template_version_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.step
    ADD CONSTRAINT "A step needs an existing template, which then stays" FOREIGN KEY (template_id) REFERENCES marketing.template(template_id);
ALTER TABLE ONLY marketing.template_token
    ADD CONSTRAINT "A token belongs to a version" FOREIGN KEY (template_version_id) REFERENCES marketing.template_version(template_version_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.partial_version
    ADD CONSTRAINT "A version needs a partial, which then stays" FOREIGN KEY (partial_id) REFERENCES marketing.partial(partial_id);
ALTER TABLE ONLY marketing.template_version
    ADD CONSTRAINT "A version needs a template, which then stays" FOREIGN KEY (template_id) REFERENCES marketing.template(template_id);
ALTER TABLE ONLY marketing.step
    ADD CONSTRAINT "The campaign of a step must exist" FOREIGN KEY (campaign_id) REFERENCES marketing.campaign(campaign_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.consent
    ADD CONSTRAINT "The contact of a consent must exist" FOREIGN KEY (contact_id) REFERENCES marketing.contact(contact_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.preview
    ADD CONSTRAINT "The contact of a preview must exist" FOREIGN KEY (contact_id) REFERENCES marketing.contact(contact_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.contact_point
    ADD CONSTRAINT "The contact of an address must exist" FOREIGN KEY (contact_id) REFERENCES marketing.contact(contact_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.step
    ADD CONSTRAINT "The provider account must exist" FOREIGN KEY (provider_account_id) REFERENCES delivery.provider_account(provider_account_id);
ALTER TABLE ONLY marketing.preview
    ADD CONSTRAINT "The template of a preview must exist" FOREIGN KEY (template_id) REFERENCES marketing.template(template_id) ON DELETE CASCADE;
ALTER TABLE ONLY marketing.consent
    ADD CONSTRAINT "The topic of a consent must exist" FOREIGN KEY (topic_id) REFERENCES marketing.topic(topic_id);
ALTER TABLE ONLY marketing.topic_translation
    ADD CONSTRAINT "The topic of a translation must exist" FOREIGN KEY (topic_id) REFERENCES marketing.topic(topic_id) ON DELETE CASCADE;
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
GRANT USAGE ON SCHEMA marketing TO postrider_receiver;
GRANT USAGE ON SCHEMA report TO postrider_marketer;
GRANT USAGE ON SCHEMA report TO postrider_analyst;
GRANT USAGE ON SCHEMA report TO postrider_ops;
GRANT USAGE ON SCHEMA report TO postrider_scheduler;
GRANT SELECT ON TABLE delivery.provider_account TO postrider_marketer;
GRANT SELECT ON TABLE delivery.provider_account TO postrider_analyst;
GRANT SELECT,INSERT,UPDATE ON TABLE delivery.provider_account TO postrider_ops;
REVOKE ALL ON FUNCTION delivery.account_mark(p_account delivery.provider_account) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.account_works(p_is_active boolean, p_open_until timestamp with time zone, p_paused_until timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.account_works(p_is_active boolean, p_open_until timestamp with time zone, p_paused_until timestamp with time zone) TO postrider_marketer;
GRANT ALL ON FUNCTION delivery.account_works(p_is_active boolean, p_open_until timestamp with time zone, p_paused_until timestamp with time zone) TO postrider_analyst;
GRANT ALL ON FUNCTION delivery.account_works(p_is_active boolean, p_open_until timestamp with time zone, p_paused_until timestamp with time zone) TO postrider_ops;
GRANT ALL ON FUNCTION delivery.account_works(p_is_active boolean, p_open_until timestamp with time zone, p_paused_until timestamp with time zone) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.block_run(p_campaign_run_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.block_run(p_campaign_run_id bigint, p_reason text) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.callback_accounts() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.callback_accounts() TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.callbacks_to_parse(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.callbacks_to_parse(p_limit integer) TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.claim(p_worker text, p_lane_id integer, p_claim_token bigint, p_lease_ms bigint, p_delivery_ids bigint[], p_epochs integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.claim(p_worker text, p_lane_id integer, p_claim_token bigint, p_lease_ms bigint, p_delivery_ids bigint[], p_epochs integer[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.close_breaker(p_provider_account_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.close_breaker(p_provider_account_id integer) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.close_rest(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.close_waiting(p_run_step_id bigint, p_month integer, p_as delivery.delivery_status, p_why text, p_expire_by timestamp with time zone, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.count_change(p_run_step_ids bigint[], p_amounts bigint[], p_from delivery.delivery_status, p_from_reason text, p_to delivery.delivery_status, p_to_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.count_moves(p_run_step_ids bigint[], p_statuses delivery.delivery_status[], p_reasons text[], p_amounts bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.cursors_at_end(p_campaign_run_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.day_cap(p_provider_account_id integer, p_day date) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.dispatch(p_lane_id integer, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.dispatch(p_lane_id integer, p_limit integer) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.drop_address(p_contact_point_ids bigint[], p_reasons text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.drop_address(p_contact_point_ids bigint[], p_reasons text[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.ensure_index(p_table text, p_name text, p_statement text, p_comment text) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.ensure_partition(p_month integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.ensure_partition(p_month integer) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.ensure_partitions() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.ensure_partitions() TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.event_weight(p_kind text) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.finish_runs() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.finish_runs() TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.first_id_of(p_month integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.fold_callbacks(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.fold_callbacks(p_limit integer) TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.fold_events(p_inbox_ids bigint[], p_positions integer[], p_kinds text[], p_keys text[], p_delivery_ids bigint[], p_busy bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.follow_wishes() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.follow_wishes() TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.has_other_way(p_run_step_id bigint, p_lane_id integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.heed_answers(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.heed_bounces(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.heed_codes(p_delivery_ids bigint[], p_attempts integer[], p_codes text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.heed_events(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.heed_soft_bounces(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.inbox_delivered(p_delivery_ids bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.inbox_feed(p_contact_id bigint, p_limit integer, p_with_read boolean, p_after_weight integer, p_after_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.inbox_feed(p_contact_id bigint, p_limit integer, p_with_read boolean, p_after_weight integer, p_after_id bigint) TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.inbox_put(p_messages text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.inbox_put(p_messages text[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.inbox_read(p_contact_id bigint, p_delivery_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.inbox_read(p_contact_id bigint, p_delivery_ids bigint[]) TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.is_first_way(p_run_step_id bigint, p_lane_id integer, p_priority integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.is_in_doubt(p_delivery_id bigint, p_attempts_made integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.keep_callbacks(p_account_ids integer[], p_sha256 text[], p_targets text[], p_headers text[], p_bodies text[], p_problems text[], p_places integer[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.keep_callbacks(p_account_ids integer[], p_sha256 text[], p_targets text[], p_headers text[], p_bodies text[], p_problems text[], p_places integer[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.lane_feeds(p_lane_id integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.lane_quota(p_run_step_id bigint, p_lane_id integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.lanes() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.lanes() TO postrider_scheduler;
GRANT ALL ON FUNCTION delivery.lanes() TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.lead(p_task text, p_holder text, p_hold_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.lead(p_task text, p_holder text, p_hold_ms bigint) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.lock_texts() FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.make_run(p_campaign_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.match_events(p_inbox_ids bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.month_of(p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.month_of(p_at timestamp with time zone) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.note_account_check(p_provider_account_id integer, p_mark text, p_problem text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_account_check(p_provider_account_id integer, p_mark text, p_problem text) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.note_answers(p_contact_ids bigint[], p_channels marketing.channel[], p_granted boolean[], p_sources text[], p_proofs text[], p_given_at timestamp with time zone[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.note_dead_letter(p_source text, p_reason text, p_body text, p_delivery_id bigint, p_epoch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_dead_letter(p_source text, p_reason text, p_body text, p_delivery_id bigint, p_epoch integer) TO postrider_scheduler;
GRANT ALL ON FUNCTION delivery.note_dead_letter(p_source text, p_reason text, p_body text, p_delivery_id bigint, p_epoch integer) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.note_depth(p_lane_id integer, p_ready bigint, p_consumers bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_depth(p_lane_id integer, p_ready bigint, p_consumers bigint) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.note_partial_check(p_partial_version_id bigint, p_problem text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_partial_check(p_partial_version_id bigint, p_problem text) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.note_preview(p_preview_id bigint, p_template_version_id bigint, p_outcome text, p_explanation text, p_subject text, p_body_text text, p_body_html text, p_sms_segments integer, p_sms_remark text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_preview(p_preview_id bigint, p_template_version_id bigint, p_outcome text, p_explanation text, p_subject text, p_body_text text, p_body_html text, p_sms_segments integer, p_sms_remark text) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.note_results(p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_provider_ids text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.note_template_check(p_template_version_id bigint, p_partial_names text[], p_partial_version_ids bigint[], p_severities text[], p_fields text[], p_lines integer[], p_columns integer[], p_sentences text[], p_token_fields text[], p_token_paths text[], p_token_partials text[], p_token_lines integer[], p_token_guarded boolean[], p_token_defaults text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_template_check(p_template_version_id bigint, p_partial_names text[], p_partial_version_ids bigint[], p_severities text[], p_fields text[], p_lines integer[], p_columns integer[], p_sentences text[], p_token_fields text[], p_token_paths text[], p_token_partials text[], p_token_lines integer[], p_token_guarded boolean[], p_token_defaults text[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.note_template_problem(p_template_version_id bigint, p_problem text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_template_problem(p_template_version_id bigint, p_problem text) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.note_tracking(p_delivery_ids bigint[], p_kinds text[], p_happened_at_ms bigint[], p_event_keys text[], p_places integer[], p_links text[], p_sources text[], p_is_machine boolean[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.note_tracking(p_delivery_ids bigint[], p_kinds text[], p_happened_at_ms bigint[], p_event_keys text[], p_places integer[], p_links text[], p_sources text[], p_is_machine boolean[]) TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.note_unsubscribed(p_delivery_id bigint, p_contact_id bigint, p_source text) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.open_breaker(p_provider_account_id integer, p_reason text, p_wait_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.open_breaker(p_provider_account_id integer, p_reason text, p_wait_ms bigint) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.pause_account(p_provider_account_id integer, p_reason text, p_wait_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.pause_account(p_provider_account_id integer, p_reason text, p_wait_ms bigint) TO postrider_worker;
GRANT SELECT,INSERT ON TABLE marketing.template_version TO postrider_marketer;
GRANT SELECT ON TABLE marketing.template_version TO postrider_ops;
REVOKE ALL ON FUNCTION delivery.pinned_partials(p_version marketing.template_version) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.plan(p_campaign_run_id bigint, p_after bigint, p_contact_ids bigint[], p_is_last boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.plan(p_campaign_run_id bigint, p_after bigint, p_contact_ids bigint[], p_is_last boolean) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.previews_to_make(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.previews_to_make(p_limit integer) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.put_events(p_inbox_ids bigint[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.recheck(p_claim_token_per_delivery bigint[], p_delivery_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.recheck(p_claim_token_per_delivery bigint[], p_delivery_ids bigint[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.record(p_worker text, p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_statuses delivery.delivery_status[], p_outcomes delivery.outcome_class[], p_codes text[], p_words text[], p_provider_ids text[], p_reasons text[], p_waiting_for text[], p_wait_ms bigint[], p_failed boolean[], p_not_sent boolean[], p_durations_ms integer[], p_payload_sha256 text[], p_places integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.record(p_worker text, p_delivery_ids bigint[], p_claim_tokens bigint[], p_attempts integer[], p_statuses delivery.delivery_status[], p_outcomes delivery.outcome_class[], p_codes text[], p_words text[], p_provider_ids text[], p_reasons text[], p_waiting_for text[], p_wait_ms bigint[], p_failed boolean[], p_not_sent boolean[], p_durations_ms integer[], p_payload_sha256 text[], p_places integer[]) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.refold(p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.refold(p_from timestamp with time zone, p_to timestamp with time zone) TO postrider_ops;
REVOKE ALL ON FUNCTION delivery.replace_events(p_inbox_ids bigint[], p_readable boolean[], p_problems text[], p_event_inbox_ids bigint[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.replace_events(p_inbox_ids bigint[], p_readable boolean[], p_problems text[], p_event_inbox_ids bigint[], p_kinds text[], p_at_ms bigint[], p_machine boolean[], p_delivery_ids bigint[], p_message_ids text[], p_keys text[], p_addresses text[], p_codes text[], p_words text[], p_links text[], p_answers text[]) TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.resign(p_task text, p_holder text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.resign(p_task text, p_holder text) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.run_step_facts(p_run_step_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.run_step_facts(p_run_step_id bigint) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.runs_to_plan(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.runs_to_plan(p_limit integer) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.set_aside_callback(p_problem text) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.set_aside_callback(p_problem text) TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.settle_by_events(p_delivery_ids bigint[], p_proven boolean[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.settle_by_hand(p_delivery_id bigint, p_status delivery.delivery_status) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.settle_by_hand(p_delivery_id bigint, p_status delivery.delivery_status) TO postrider_ops;
REVOKE ALL ON FUNCTION delivery.settle_late(p_delivery_ids bigint[], p_attempts integer[], p_outcomes delivery.outcome_class[], p_provider_ids text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.share_provider_token(p_provider_account_id integer, p_oldest_slot bigint, p_slot bigint, p_sealed bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.share_provider_token(p_provider_account_id integer, p_oldest_slot bigint, p_slot bigint, p_sealed bytea) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.sms_reply(p_provider_account_id integer, p_address text, p_text text, p_event_key text, p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.sms_reply(p_provider_account_id integer, p_address text, p_text text, p_event_key text, p_at timestamp with time zone) TO postrider_receiver;
REVOKE ALL ON FUNCTION delivery.standing_run(p_campaign_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.step_lanes(p_run_step_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.suppression_weight(p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.sweep(p_attention_ms bigint, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.sweep(p_attention_ms bigint, p_limit integer) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.sweep_overdue(p_run_step_id bigint, p_month integer, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.sweep_range(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_limit integer, OUT settled_upto bigint, OUT seen_upto bigint, OUT oldest_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.sweep_window(p_run_step_id bigint, p_month integer, p_from bigint, p_to bigint, p_attention_ms bigint, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.take_rate(p_provider_account_id integer, p_wanted integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.take_rate(p_provider_account_id integer, p_wanted integer) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.templates_to_check(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.templates_to_check(p_limit integer) TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.unchecked_accounts() FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.unchecked_accounts() TO postrider_worker;
REVOKE ALL ON FUNCTION delivery.undispatch(p_delivery_ids bigint[], p_epochs integer[], p_wait_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION delivery.undispatch(p_delivery_ids bigint[], p_epochs integer[], p_wait_ms bigint) TO postrider_scheduler;
REVOKE ALL ON FUNCTION delivery.wake_events(p_provider_ids text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION delivery.wake_orphans() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.forget_inbox() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.guard_campaign() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.guard_consent_event() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.guard_partial() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.guard_partial_version() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.guard_segment() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.guard_template_version() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.hold_contact(p_contact_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.newest_partials(p_names text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.note_consent() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.page_texts(p_language text) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.partial_names(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.partial_texts(p_partial_version_ids bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.partials_of(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.preferences(p_contact_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.preferences(p_contact_id bigint) TO postrider_receiver;
REVOKE ALL ON FUNCTION marketing.reach(p_contact_id bigint, p_channel marketing.channel, p_topic_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.refusal(p_class marketing.message_class, p_desired_status text, p_needs_opt_in boolean, p_expires_at timestamp with time zone, p_erased_at timestamp with time zone, p_address text, p_suppressed boolean, p_channel_denied boolean, p_topic_granted boolean, p_topic_denied boolean, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.save_preferences(p_delivery_id bigint, p_contact_id bigint, p_topic_ids bigint[], p_channels text[], p_wanted boolean[], p_source text, p_proof text) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.save_preferences(p_delivery_id bigint, p_contact_id bigint, p_topic_ids bigint[], p_channels text[], p_wanted boolean[], p_source text, p_proof text) TO postrider_receiver;
REVOKE ALL ON FUNCTION marketing.segment_lacking(p_condition text, p_from bigint, p_limit integer, p_paths text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.segment_page(p_condition text, p_after bigint, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.segment_page(p_condition text, p_after bigint, p_limit integer) TO postrider_scheduler;
GRANT ALL ON FUNCTION marketing.segment_page(p_condition text, p_after bigint, p_limit integer) TO postrider_marketer;
REVOKE ALL ON FUNCTION marketing.segment_problem(p_condition text) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.segment_try(p_query text) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.send_message(contact_id bigint, template_name text, data jsonb, idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.send_message(contact_id bigint, template_name text, data jsonb, idempotency_key text) TO postrider_marketer;
GRANT ALL ON FUNCTION marketing.send_message(contact_id bigint, template_name text, data jsonb, idempotency_key text) TO postrider_ops;
REVOKE ALL ON FUNCTION marketing.set_consent(p_contact_id bigint, p_channel marketing.channel, p_topic_id bigint, p_is_granted boolean, p_source text, p_proof text) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.start_problem(p_campaign_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.start_problem(p_campaign_id bigint) TO postrider_marketer;
GRANT ALL ON FUNCTION marketing.start_problem(p_campaign_id bigint) TO postrider_ops;
REVOKE ALL ON FUNCTION marketing.step_accounts(p_step_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.step_choice(p_campaign_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.token_defaults() FROM PUBLIC;
REVOKE ALL ON FUNCTION marketing.unsubscribe(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.unsubscribe(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text) TO postrider_receiver;
REVOKE ALL ON FUNCTION marketing.unsubscribe_everything(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text) FROM PUBLIC;
GRANT ALL ON FUNCTION marketing.unsubscribe_everything(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text) TO postrider_receiver;
REVOKE ALL ON FUNCTION report.audience_gaps(p_campaign_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION report.audience_gaps(p_campaign_id bigint) TO postrider_marketer;
GRANT ALL ON FUNCTION report.audience_gaps(p_campaign_id bigint) TO postrider_ops;
REVOKE ALL ON FUNCTION report.why_not(p_campaign_id bigint, p_contact_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION report.why_not(p_campaign_id bigint, p_contact_id bigint) TO postrider_marketer;
GRANT ALL ON FUNCTION report.why_not(p_campaign_id bigint, p_contact_id bigint) TO postrider_ops;
GRANT SELECT ON TABLE delivery.attempt TO postrider_ops;
GRANT SELECT ON TABLE delivery.callback_event TO postrider_ops;
GRANT SELECT ON TABLE delivery.callback_inbox TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.callback_number TO postrider_ops;
GRANT SELECT ON TABLE delivery.callback_orphan TO postrider_ops;
GRANT SELECT ON TABLE delivery.callback_todo TO postrider_ops;
GRANT SELECT ON TABLE delivery.campaign_run TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.campaign_run_campaign_run_id_seq TO postrider_ops;
GRANT SELECT ON TABLE delivery.dead_letter TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.dead_letter_dead_letter_id_seq TO postrider_ops;
GRANT SELECT ON TABLE delivery.delivery TO postrider_ops;
GRANT SELECT ON TABLE delivery.delivery_event TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.delivery_event_delivery_event_id_seq TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.delivery_number TO postrider_ops;
GRANT SELECT ON TABLE delivery.inbox_message TO postrider_ops;
GRANT SELECT ON TABLE delivery.lane TO postrider_marketer;
GRANT SELECT ON TABLE delivery.lane TO postrider_analyst;
GRANT SELECT ON TABLE delivery.lane TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.lane_lane_id_seq TO postrider_ops;
GRANT SELECT ON TABLE delivery.lane_pulse TO postrider_ops;
GRANT SELECT ON TABLE delivery.leader TO postrider_ops;
GRANT SELECT ON TABLE delivery.provider TO postrider_marketer;
GRANT SELECT ON TABLE delivery.provider TO postrider_analyst;
GRANT SELECT ON TABLE delivery.provider TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.provider_account_provider_account_id_seq TO postrider_ops;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE delivery.provider_code TO postrider_ops;
GRANT SELECT ON TABLE delivery.provider_token TO postrider_ops;
GRANT SELECT,INSERT,UPDATE ON TABLE delivery.rate_limit TO postrider_ops;
GRANT SELECT ON TABLE delivery.reason TO postrider_marketer;
GRANT SELECT ON TABLE delivery.reason TO postrider_analyst;
GRANT SELECT ON TABLE delivery.reason TO postrider_ops;
GRANT SELECT ON TABLE delivery.run_step TO postrider_ops;
GRANT SELECT ON TABLE delivery.run_step_lane TO postrider_ops;
GRANT USAGE ON SEQUENCE delivery.run_step_run_step_id_seq TO postrider_ops;
GRANT SELECT ON TABLE delivery.schema_definition TO postrider_ops;
GRANT SELECT ON TABLE delivery.schema_migration TO postrider_ops;
GRANT SELECT ON TABLE delivery.send_key TO postrider_ops;
GRANT SELECT ON TABLE delivery.sms_reply TO postrider_ops;
GRANT SELECT ON TABLE delivery.tally TO postrider_ops;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE delivery.warm_up TO postrider_ops;
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
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.page_text TO postrider_marketer;
GRANT SELECT ON TABLE marketing.page_text TO postrider_ops;
GRANT SELECT,INSERT,UPDATE ON TABLE marketing.partial TO postrider_marketer;
GRANT SELECT ON TABLE marketing.partial TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.partial_partial_id_seq TO postrider_marketer;
GRANT SELECT,INSERT ON TABLE marketing.partial_version TO postrider_marketer;
GRANT SELECT ON TABLE marketing.partial_version TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.partial_version_partial_version_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE ON TABLE marketing.preview TO postrider_marketer;
GRANT SELECT ON TABLE marketing.preview TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.preview_preview_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.segment TO postrider_marketer;
GRANT SELECT ON TABLE marketing.segment TO postrider_ops;
GRANT SELECT ON TABLE marketing.segment_contact TO postrider_segment;
GRANT SELECT ON TABLE marketing.segment_contact TO postrider_marketer;
GRANT SELECT ON TABLE marketing.segment_contact TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.segment_segment_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.sms_keyword TO postrider_marketer;
GRANT SELECT ON TABLE marketing.sms_keyword TO postrider_ops;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.step TO postrider_marketer;
GRANT SELECT ON TABLE marketing.step TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.step_step_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.suppression TO postrider_marketer;
GRANT SELECT ON TABLE marketing.suppression TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.suppression_suppression_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.template TO postrider_marketer;
GRANT SELECT ON TABLE marketing.template TO postrider_ops;
GRANT SELECT ON TABLE marketing.template_diagnostic TO postrider_marketer;
GRANT SELECT ON TABLE marketing.template_diagnostic TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.template_template_id_seq TO postrider_marketer;
GRANT SELECT ON TABLE marketing.template_token TO postrider_marketer;
GRANT SELECT ON TABLE marketing.template_token TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.template_version_template_version_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.token_default TO postrider_marketer;
GRANT SELECT ON TABLE marketing.token_default TO postrider_ops;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.topic TO postrider_marketer;
GRANT SELECT ON TABLE marketing.topic TO postrider_ops;
GRANT USAGE ON SEQUENCE marketing.topic_topic_id_seq TO postrider_marketer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE marketing.topic_translation TO postrider_marketer;
GRANT SELECT ON TABLE marketing.topic_translation TO postrider_ops;
GRANT SELECT ON TABLE report.callback_problem TO postrider_marketer;
GRANT SELECT ON TABLE report.callback_problem TO postrider_analyst;
GRANT SELECT ON TABLE report.callback_problem TO postrider_ops;
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
GRANT SELECT ON TABLE report.links TO postrider_marketer;
GRANT SELECT ON TABLE report.links TO postrider_analyst;
GRANT SELECT ON TABLE report.links TO postrider_ops;
GRANT SELECT ON TABLE report.not_started TO postrider_scheduler;
GRANT SELECT ON TABLE report.not_started TO postrider_marketer;
GRANT SELECT ON TABLE report.not_started TO postrider_analyst;
GRANT SELECT ON TABLE report.not_started TO postrider_ops;
GRANT SELECT ON TABLE report.run_engagement TO postrider_marketer;
GRANT SELECT ON TABLE report.run_engagement TO postrider_analyst;
GRANT SELECT ON TABLE report.run_engagement TO postrider_ops;
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
GRANT SELECT ON TABLE report.template_status TO postrider_marketer;
GRANT SELECT ON TABLE report.template_status TO postrider_analyst;
GRANT SELECT ON TABLE report.template_status TO postrider_ops;
