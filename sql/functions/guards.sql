-- needs: segment
-- Guards on what people edit. Each refusal says what to do instead.

create or replace function marketing.guard_campaign()
returns trigger
language plpgsql
as $$
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
comment on function marketing.guard_campaign is 'Refuses changes of a campaign that make no sense, with a hint.';

create or replace function marketing.guard_template_version()
returns trigger
language plpgsql
as $$
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
comment on function marketing.guard_template_version is 'Keeps template versions as they were sent, and lets the programs check each.';

create or replace function marketing.guard_partial()
returns trigger
language plpgsql
as $$
begin
  if new.name is distinct from old.name then
    raise exception 'A partial keeps its name: templates call it by that' using hint = 'Add another partial, with the new name.';
  end if;
  return new;
end
$$;
comment on function marketing.guard_partial is 'Keeps the names of partials.';

create or replace function marketing.guard_partial_version()
returns trigger
language plpgsql
as $$
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
comment on function marketing.guard_partial_version is 'Keeps partial versions as they were sent, and lets the programs check each.';

create or replace function marketing.guard_segment()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function marketing.guard_segment is 'Tries a segment''s condition when it is saved.';

create or replace function marketing.note_consent()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function marketing.note_consent is 'Writes every change of consent to consent_event.';

create or replace function marketing.guard_consent_event()
returns trigger
language plpgsql
as $$
begin
  raise exception 'The history of consent is never changed' using hint = 'Change marketing.consent; the history is written by itself.';
end
$$;
comment on function marketing.guard_consent_event is 'Keeps the history of consent as it was.';

create or replace trigger guard_campaign before insert or update on marketing.campaign
  for each row execute function marketing.guard_campaign();
create or replace trigger guard_template_version before insert or update on marketing.template_version
  for each row execute function marketing.guard_template_version();
create or replace trigger guard_partial before update on marketing.partial
  for each row execute function marketing.guard_partial();
create or replace trigger guard_partial_version before insert or update on marketing.partial_version
  for each row execute function marketing.guard_partial_version();
create or replace trigger guard_segment before insert or update of condition on marketing.segment
  for each row execute function marketing.guard_segment();
create or replace trigger note_consent_insert after insert on marketing.consent
  referencing new table as new_rows for each statement execute function marketing.note_consent();
create or replace trigger note_consent_update after update on marketing.consent
  referencing new table as new_rows for each statement execute function marketing.note_consent();
create or replace trigger note_consent_delete after delete on marketing.consent
  referencing old table as old_rows for each statement execute function marketing.note_consent();
create or replace trigger guard_consent_event before update or delete or truncate on marketing.consent_event
  for each statement execute function marketing.guard_consent_event();
