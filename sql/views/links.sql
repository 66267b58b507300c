create or replace view report.links as
select r.campaign_run_id, c.name as campaign, rs.channel, e.link_place as place, e.link,
       count(*) filter (where not e.is_machine) as clicks,
       count(distinct d.contact_id) filter (where not e.is_machine) as people,
       count(*) filter (where e.is_machine) as machine_clicks,
       min(e.happened_at) filter (where not e.is_machine) as first_at,
       max(e.happened_at) filter (where not e.is_machine) as last_at
from delivery.campaign_run r
join marketing.campaign c using (campaign_id)
join delivery.run_step rs using (campaign_run_id)
join delivery.delivery d on d.run_step_id = rs.run_step_id
  and d.delivery_id >= r.month * 1000000000000 and d.delivery_id < (r.month + 1) * 1000000000000
join delivery.delivery_event e on e.delivery_id = d.delivery_id and e.kind = 'clicked'
group by r.campaign_run_id, c.name, rs.channel, e.link_place, e.link;
comment on view report.links is 'Which links were clicked: select * from report.links where campaign = ''Autumn 2026'' order by people desc.';
comment on column report.links.campaign_run_id is 'Which run.';
comment on column report.links.campaign is 'Which campaign.';
comment on column report.links.channel is 'Which channel.';
comment on column report.links.place is 'Its place in the message: 1 is the first link. Empty where the provider counted the click.';
comment on column report.links.link is 'Where it leads, without what stands behind a question mark.';
comment on column report.links.clicks is 'Clicks by people, as far as that can be told.';
comment on column report.links.people is 'How many contacts clicked it.';
comment on column report.links.machine_clicks is 'Clicks by scanners.';
comment on column report.links.first_at is 'First click by a person.';
comment on column report.links.last_at is 'Last one.';
