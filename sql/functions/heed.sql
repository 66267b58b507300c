-- needs: partitions
-- What new events mean for people and addresses. Arrays of the same length: events and the deliveries they belong to.
--
--     hard bounce    the address is switched off and suppressed, the person is not
--     complaint      the address is suppressed; a no to the channel
--     unsubscribed   a no to the channel: marketing ends, receipts and codes still come
--     resubscribed   takes such a no back
--     soft bounce    the account's soft_bounces_max in a row without a delivery between suppress the address
--
-- Of several answers the latest counts by the time at which it was given, so a late callback never beats what the person has said since.
create or replace function delivery.heed_events(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[])
returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
begin
  perform delivery.heed_answers(p_inbox_ids, p_positions, p_delivery_ids);
  perform delivery.heed_bounces(p_inbox_ids, p_positions, p_delivery_ids);
  perform delivery.heed_soft_bounces(p_inbox_ids, p_positions, p_delivery_ids);
end
$$;
comment on function delivery.heed_events is 'Draws the consequences of new events for addresses and consent.';

-- A no or a yes to a channel, given at the provider. The newest answer stays; at the same moment a no beats a yes.
create or replace function delivery.note_answers(p_contact_ids bigint[], p_channels marketing.channel[], p_granted boolean[], p_sources text[],
  p_proofs text[], p_given_at timestamptz[])
returns void
language sql
as $$
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
comment on function delivery.note_answers is 'Writes into consent what people have said at a provider about a whole channel.';

create or replace function delivery.heed_answers(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[])
returns void
language sql
set plan_cache_mode = force_generic_plan
as $$
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
comment on function delivery.heed_answers is 'Unsubscribed, complained, subscribed again: becomes consent, with its source and proof.';

-- How long a reason for suppressing an address lasts against another: the strongest stays, whichever came first.
create or replace function delivery.suppression_weight(p_reason text)
returns integer
language sql
immutable
as $$
  select case p_reason when 'soft bounces' then 1 when 'hard bounce' then 2 when 'complaint' then 3 else 0 end
$$;
comment on function delivery.suppression_weight is 'Which reason stays when an address is to be left alone for several; 0: one that a person gave, which always stays.';

-- The address as contact_point has it; one that has been changed since is not the one that bounced.
create or replace function delivery.heed_bounces(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[])
returns void
language sql
set plan_cache_mode = force_generic_plan
as $$
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
comment on function delivery.heed_bounces is 'Hard bounces and complaints: the address is not written to again.';

-- Counted from what is known of the last three months, not added up: a delivery that is told late takes the suppression back.
create or replace function delivery.heed_soft_bounces(p_inbox_ids bigint[], p_positions integer[], p_delivery_ids bigint[])
returns void
language sql
set plan_cache_mode = force_generic_plan
as $$
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
comment on function delivery.heed_soft_bounces is 'Messages that did not arrive for a passing reason, again and again: the address is left alone until it works.';

-- Codes of a provider's answer to a sending that say something about the person: delivery.provider_code lists them. Arrays of the same length.
create or replace function delivery.heed_codes(p_delivery_ids bigint[], p_attempts integer[], p_codes text[])
returns void
language sql
set plan_cache_mode = force_generic_plan
as $$
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
comment on function delivery.heed_codes is 'A provider refused because the person has unsubscribed there: becomes consent.';
