-- THE rule: why this contact may not be sent this message now; null when it may.
-- Pure over facts, so that the claim, why_not and the tests all ask the same one.
create or replace function marketing.refusal(
  p_class marketing.message_class, p_desired_status text, p_needs_opt_in boolean, p_expires_at timestamptz,
  p_erased_at timestamptz, p_address text, p_suppressed boolean, p_channel_denied boolean, p_topic_granted boolean,
  p_topic_denied boolean, p_now timestamptz)
returns text
language sql
immutable
as $$
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
comment on function marketing.refusal is
  'Why a message may not be sent, in one word that delivery.reason explains; empty when it may. The only place where this is decided.';

-- The facts about one contact on one channel for one topic that the rule needs. Inlined into its callers.
create or replace function marketing.reach(p_contact_id bigint, p_channel marketing.channel, p_topic_id bigint)
returns table (contact_point_id bigint, address text, suppressed boolean, channel_denied boolean, topic_granted boolean, topic_denied boolean)
language sql
stable
as $$
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
comment on function marketing.reach is 'A contact''s address on a channel and what is known of their consent.';
