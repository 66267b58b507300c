create or replace view report.template_status as
select t.template_id, t.name as template, t.channel, v.template_version_id,
       case when v.template_version_id is null then 'has no text' when v.problem is not null then 'does not work'
         when not v.is_current then 'waits to be checked' else 'works' end as status,
       v.problem,
       (select string_agg(format('%s: %s', concat_ws(', ', d.field, 'line ' || d.line_number, 'column ' || d.column_number), d.sentence), E'\n'
          order by d.position)
        from marketing.template_diagnostic d where d.template_version_id = v.template_version_id and d.severity <> 'error') as remarks,
       (select string_agg(distinct k.path, ', ' order by k.path)
        from marketing.template_token k where k.template_version_id = v.template_version_id) as tokens,
       array_to_string(v.partial_names, ', ') as partials, v.checked_at
from marketing.template t
left join lateral (select x.* from marketing.template_version x where x.template_id = t.template_id order by x.template_version_id desc limit 1) v on true;
comment on view report.template_status is 'Each template''s newest version: whether it works, what was found, what it reads.';
comment on column report.template_status.template_id is 'Number of the template.';
comment on column report.template_status.template is 'Its name.';
comment on column report.template_status.channel is 'Which channel it is written for.';
comment on column report.template_status.template_version_id is 'The newest version.';
comment on column report.template_status.status is 'works, does not work, waits to be checked (a worker does that within a second), or has no text.';
comment on column report.template_status.problem is 'What is wrong with it, with line and column: campaigns with it do not start.';
comment on column report.template_status.remarks is 'What else was found: warnings, and for an SMS how many segments it makes. Nothing of it stops a campaign.';
comment on column report.template_status.tokens is 'What it reads of a contact, for example contact.first_name, profile.city.';
comment on column report.template_status.partials is 'The partials that it uses.';
comment on column report.template_status.checked_at is 'When the programs last looked at it.';
