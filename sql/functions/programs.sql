-- needs: partials
-- What the programs need to know and to tell. Each is one statement.

-- The lanes and how to reach their providers; pause_ms: how long the account is not to be used, 0 when it may be. per_second is null where
-- nothing limits the account; with a cap for the day alone it is only there so that workers ask for places.
create or replace function delivery.lanes()
returns table (lane_id integer, queue_name text, class marketing.message_class, provider_account_id integer, account_name text, driver text,
  channel marketing.channel, settings text, is_active boolean, per_second numeric, breaker_is_open boolean, pause_ms bigint, connections_max integer)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function delivery.lanes is 'The lanes, transactional ones first, with their provider accounts.';

-- What is the same for all deliveries of a step: asked once per step by each worker. partial_version_ids, partials and token_defaults are
-- those that the run started with; the last two are objects: {"footer": "..."}, {"contact.first_name": "friend"}.
drop function if exists delivery.run_step_facts(bigint);
create function delivery.run_step_facts(p_run_step_id bigint)
returns table (campaign_id bigint, campaign_name text, class marketing.message_class, on_uncertain marketing.uncertain_policy,
  on_undefined marketing.undefined_policy, attempts_max integer, template_version_id bigint, subject text, body_text text, body_html text,
  partial_version_ids text, partials text, token_defaults text, track_opens boolean, track_clicks boolean,
  is_silent boolean, link text, image text, data text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function delivery.run_step_facts is 'Template and policies of a step, for the workers.';

-- How many messages an account may send on a day: the smaller of its cap and its warm-up's; null: no limit.
create or replace function delivery.day_cap(p_provider_account_id integer, p_day date)
returns integer
language sql
stable
as $$
  select least(r.per_day, (
    select w.per_day from delivery.warm_up w
    where w.provider_account_id = r.provider_account_id and w.day_number <= p_day - r.warm_up_from + 1
    order by w.day_number desc limit 1))
  from delivery.rate_limit r where r.provider_account_id = p_provider_account_id
$$;
comment on function delivery.day_cap is 'How many messages an account may send on a day: its cap, or what its warm-up allows.';

-- Takes p_wanted places in the account's timetable for the whole fleet: the caller may send one message at start, start + gap, ...
-- Returns the wait until the first place in ms, the gap in microseconds and how many places it got. No limit: wait 0, gap 0. None: the
-- day's cap is used up; the account is paused until midnight UTC, which the workers learn like any pause.
create or replace function delivery.take_rate(p_provider_account_id integer, p_wanted integer)
returns table (wait_ms bigint, gap_us bigint, places integer)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function delivery.take_rate is 'Reserves moments for sending, so that the whole fleet together keeps an account''s rate limit and its cap for the day.';

-- The account does not work: nothing is sent through it for a while, then one message tries.
create or replace function delivery.open_breaker(p_provider_account_id integer, p_reason text, p_wait_ms bigint)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update delivery.provider_account a
  set breaker_reason = p_reason, opened_count = a.opened_count + 1, probe_delivery_id = null, probe_until = null,
      open_until = now() + least(300000, greatest(p_wait_ms, 5000 * power(2, least(a.opened_count, 6)))) * interval '1 millisecond'
  where a.provider_account_id = p_provider_account_id and (a.open_until is null or a.open_until <= now())
$$;
comment on function delivery.open_breaker is 'Stops using an account for a while, longer each time in a row.';

-- It works again.
create or replace function delivery.close_breaker(p_provider_account_id integer)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update delivery.provider_account a
  set breaker_reason = null, open_until = null, opened_count = 0, probe_delivery_id = null, probe_until = null
  where a.provider_account_id = p_provider_account_id and a.open_until <= now()
$$;
comment on function delivery.close_breaker is 'Uses an account again.';

-- The provider asked for a pause: the whole lane waits, no attempt is used up.
create or replace function delivery.pause_account(p_provider_account_id integer, p_reason text, p_wait_ms bigint)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update delivery.provider_account a
  set paused_until = greatest(a.paused_until, now() + p_wait_ms * interval '1 millisecond'), paused_reason = p_reason
  where a.provider_account_id = p_provider_account_id
$$;
comment on function delivery.pause_account is 'Waits as long as the provider asked for.';

-- The fleet agrees upon a provider token: the first that is offered for a stretch of time is everybody's. p_oldest_slot: tokens of
-- earlier slots are over. Returns the one to use, which is the offered one where there was none. The account's row is locked, so that two
-- workers whose clocks differ do not offer for different slots at once.
create or replace function delivery.share_provider_token(p_provider_account_id integer, p_oldest_slot bigint, p_slot bigint, p_sealed bytea)
returns table (slot bigint, sealed bytea)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function delivery.share_provider_token is 'Makes all workers use the same provider token of an account.';

-- A message on the broker that makes no sense, or that died there. p_delivery_id null: unreadable. A delivery that is
-- still queued under that epoch gets another turn; the third time it fails.
create or replace function delivery.note_dead_letter(p_source text, p_reason text, p_body text, p_delivery_id bigint, p_epoch integer)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function delivery.note_dead_letter is 'Keeps a message that made no sense or died on the broker, and sets its delivery going again.';

-- Who may do the work that only one scheduler does. Returns true while the caller leads; renew well before p_hold_ms is over.
create or replace function delivery.lead(p_task text, p_holder text, p_hold_ms bigint)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into delivery.leader as l (task, holder, term, until)
  values (p_task, p_holder, 1, now() + p_hold_ms * interval '1 millisecond')
  on conflict (task) do update
    set holder = excluded.holder, until = excluded.until, term = l.term + (l.holder <> excluded.holder)::integer
    where l.holder = excluded.holder or l.until < now();
  return found;
end
$$;
comment on function delivery.lead is 'Makes one scheduler the leader for a while.';

-- Hands the work over at once when a scheduler leaves.
create or replace function delivery.resign(p_task text, p_holder text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update delivery.leader l set until = '-infinity' where l.task = p_task and l.holder = p_holder
$$;
comment on function delivery.resign is 'A scheduler that leaves gives the lead away.';
