-- needs: refusal
-- needs: start
-- Sends one transactional message. template: by name; data: a JSON object, {{ data.code }}. The same key again returns the
-- same delivery and sends nothing. Fails with a sentence for an unknown template or contact, or data that is not an object.
create or replace function marketing.send_message(contact_id bigint, template_name text, data jsonb default '{}', idempotency_key text default null)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function marketing.send_message is
  'Sends one transactional message: select marketing.send_message(42, ''one-time code'', ''{"code": "123456"}'', ''login-77''). Returns the delivery.';

-- Why a contact is or is not messaged by a campaign, in a sentence. Asks the same rule as the claim.
create or replace function report.why_not(p_campaign_id bigint, p_contact_id bigint)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function report.why_not is 'Why a contact is or is not messaged by a campaign: select report.why_not(7, 4711).';
