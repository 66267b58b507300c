-- Admin tools show the name of a constraint as the message: it says what is wrong.
alter table marketing.contact rename constraint contact_member_no_key to "Two contacts cannot have the same member number";
alter table marketing.contact_point rename constraint contact_point_contact_id_fkey to "The contact of an address must exist";
alter index marketing.contact_point_once rename to "A contact has the same address only once";
alter table marketing.topic rename constraint topic_name_key to "Two topics cannot have the same name";
alter table marketing.consent rename constraint consent_topic_id_fkey to "The topic of a consent must exist";
alter table marketing.consent rename constraint consent_contact_id_fkey to "The contact of a consent must exist";
alter index marketing.consent_once rename to "One answer per contact, channel and topic";
alter index marketing.suppression_once rename to "An address is on the list once";
alter table marketing.segment rename constraint segment_name_key to "Two segments cannot have the same name";
alter table marketing.template rename constraint template_name_key to "Two templates cannot have the same name";
alter table marketing.template_version rename constraint template_version_template_id_fkey to "A version needs a template, which then stays";
alter table marketing.campaign rename constraint campaign_name_key to "Two campaigns cannot have the same name";
alter table marketing.campaign rename constraint campaign_segment_id_fkey to "A campaign needs an existing segment, which then stays";
alter table marketing.campaign rename constraint campaign_topic_id_fkey to "A campaign needs an existing topic, which then stays";
alter table marketing.step rename constraint step_template_id_fkey to "A step needs an existing template, which then stays";
alter table marketing.step rename constraint step_campaign_id_fkey to "The campaign of a step must exist";
alter table delivery.provider_account rename constraint provider_account_name_key to "Two accounts cannot have the same name";
alter table delivery.provider_account rename constraint provider_account_driver_fkey to "The driver must be one that delivery.provider lists";
alter table delivery.rate_limit rename constraint rate_limit_provider_account_id_fkey to "The account of a rate limit must exist";
alter table delivery.lane rename constraint lane_provider_account_id_fkey to "An account that has been used stays: switch it off instead";
alter table delivery.campaign_run rename constraint campaign_run_campaign_id_fkey to "A campaign that has run stays, with what it sent";
alter table delivery.run_step rename constraint run_step_step_id_fkey to "A step that has run stays, with what it sent";
alter table delivery.run_step rename constraint run_step_template_version_id_fkey to "A text that has been sent stays";

alter table delivery.lane_pulse rename constraint lane_pulse_lane_id_fkey to "The lane of a pulse must exist";
alter table delivery.run_step rename constraint run_step_campaign_run_id_fkey to "The run of a step must exist";
alter table delivery.run_step rename constraint run_step_lane_id_fkey to "The lane of a step must exist";

-- Keys and the sequences behind them all mean the same.
do $$
declare
  thing record;
begin
  for thing in
    select k.oid, k.conname, c.relname
    from pg_constraint k join pg_class c on c.oid = k.conrelid
    where k.contype = 'p' and c.relnamespace = 'marketing'::regnamespace and k.conname !~ ' '
  loop
    execute format('alter table marketing.%I rename constraint %I to %I', thing.relname, thing.conname,
      format('Each %s has a number of its own', replace(thing.relname, '_', ' ')));
  end loop;
  for thing in
    select k.conindid::regclass as index_name, c.relname, k.contype
    from pg_constraint k join pg_class c on c.oid = k.conrelid
    where k.contype in ('p', 'u') and k.connamespace in ('marketing'::regnamespace, 'delivery'::regnamespace) and not c.relispartition
  loop
    execute format('comment on index %s is %L', thing.index_name, format(case thing.contype
      when 'p' then 'The key of %s: finds a row, and no two rows have the same.' else 'Keeps the rows of %s apart.' end, thing.relname));
  end loop;
  for thing in
    select d.objid::regclass as sequence_name, d.refobjid::regclass as table_name, a.attname
    from pg_depend d
    join pg_class c on c.oid = d.objid and c.relkind = 'S'
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.deptype = 'i' and d.classid = 'pg_class'::regclass and c.relnamespace in ('marketing'::regnamespace, 'delivery'::regnamespace)
  loop
    execute format('comment on sequence %s is %L', thing.sequence_name, format('Gives out %s.%s.', thing.table_name, thing.attname));
  end loop;
end
$$;
