-- needs: refusal
-- One answer of a contact, if it says something new. Returns whether it did. The history writes itself.
create or replace function marketing.set_consent(p_contact_id bigint, p_channel marketing.channel, p_topic_id bigint, p_is_granted boolean,
  p_source text, p_proof text)
returns boolean
language plpgsql
as $$
begin
  insert into marketing.consent as c (contact_id, channel, topic_id, is_granted, source, proof)
  values (p_contact_id, p_channel, p_topic_id, p_is_granted, p_source, p_proof)
  on conflict (contact_id, channel, topic_id) do update
  set is_granted = excluded.is_granted, source = excluded.source, proof = excluded.proof, changed_at = now()
  where c.is_granted <> excluded.is_granted;
  return found;
end
$$;
comment on function marketing.set_consent is 'Writes one answer of a contact, unless they said the same before.';

-- Holds the contact's row, so that two answers at once do not see half of each other. False: nobody, or somebody who asked to be forgotten.
create or replace function marketing.hold_contact(p_contact_id bigint)
returns boolean
language plpgsql
as $$
begin
  perform from marketing.contact c where c.contact_id = p_contact_id and c.erased_at is null for no key update;
  return found;
end
$$;
comment on function marketing.hold_contact is 'Lets one change of a contact''s answers at a time through.';

-- The delivery through which somebody unsubscribed gets an event, once, if its own topic or channel is refused now.
create or replace function delivery.note_unsubscribed(p_delivery_id bigint, p_contact_id bigint, p_source text)
returns void
language sql
as $$
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
comment on function delivery.note_unsubscribed is 'Notes with a message that its recipient unsubscribed through it.';

-- One click in a mail program (RFC 8058): a no to the topic of that message on its channel. Of a message without a topic, or one that is
-- not kept any more, a no to the whole channel: email. Harmless to repeat. Returns unsubscribed, already or unknown (no such contact).
create or replace function marketing.unsubscribe(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function marketing.unsubscribe is 'A contact unsubscribes from the topic of a message with one click.';

-- Every channel, whatever the topic. Returns how many answers were new; null: no such contact.
create or replace function marketing.unsubscribe_everything(p_delivery_id bigint, p_contact_id bigint, p_source text, p_proof text)
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function marketing.unsubscribe_everything is 'A contact wants no more marketing on any channel.';

-- The best of the languages that there are: lv-LV, then lv, then en.
create or replace function marketing.page_texts(p_language text)
returns jsonb
language sql
stable
as $$
  select coalesce(jsonb_object_agg(t.key, t.text), '{}')
  from (
    select distinct on (p.key) p.key, p.text
    from marketing.page_text p
    where p.language in (p_language, split_part(p_language, '-', 1), 'en')
    order by p.key, (p.language = p_language) desc, (p.language <> 'en') desc
  ) t
$$;
comment on function marketing.page_texts is 'What our pages say in a language; in English where there is no translation.';

-- What the preference page shows, as JSON: language, texts, channels that the contact has an address on, and the topics with the answer on
-- each channel. No name and no address: a letter may be forwarded. Null: no such contact.
create or replace function marketing.preferences(p_contact_id bigint)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function marketing.preferences is 'What a contact may choose on the preference page, and what they have chosen.';

-- What a contact chose. Arrays of the same length: topic, channel, wanted. Only what differs from what holds is written. A yes on a channel that
-- was refused as a whole opens that channel again; for topics that were not asked about there, the refusal stays. Topics and channels that
-- are not on the contact's page are passed over. Returns how many answers were new; null: no such contact.
create or replace function marketing.save_preferences(p_delivery_id bigint, p_contact_id bigint, p_topic_ids bigint[], p_channels text[],
  p_wanted boolean[], p_source text, p_proof text)
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function marketing.save_preferences is 'Writes what a contact chose on the preference page.';
