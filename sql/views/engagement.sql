create or replace view report.run_engagement as
select r.campaign_run_id, c.campaign_id, c.name as campaign, rs.channel, rs.run_step_id, t.reached, t.delivered, t.bounced,
       coalesce(e.opened, 0) as opened, coalesce(e.opened_by_machines, 0) as opened_by_machines, coalesce(e.clicked, 0) as clicked,
       coalesce(e.clicked_by_machines, 0) as clicked_by_machines, coalesce(e.complained, 0) as complained,
       coalesce(e.unsubscribed, 0) as unsubscribed, coalesce(e.replied, 0) as replied,
       case when t.reached > 0 then round(100.0 * coalesce(e.opened, 0) / t.reached, 1) end as open_percent,
       case when t.reached > 0 then round(100.0 * coalesce(e.clicked, 0) / t.reached, 1) end as click_percent
from delivery.campaign_run r
join marketing.campaign c using (campaign_id)
join delivery.run_step rs using (campaign_run_id)
cross join lateral (
  select coalesce(sum(y.amount) filter (where y.status in ('sent', 'delivered')), 0)::bigint as reached,
         coalesce(sum(y.amount) filter (where y.status = 'delivered'), 0)::bigint as delivered,
         coalesce(sum(y.amount) filter (where y.status = 'bounced'), 0)::bigint as bounced
  from delivery.tally y where y.run_step_id = rs.run_step_id
) t
-- Each message counts once, however often it was opened.
left join lateral (
  select count(distinct d.delivery_id) filter (where v.kind = 'opened' and not v.is_machine) as opened,
         count(distinct d.delivery_id) filter (where v.kind = 'opened' and v.is_machine) as opened_by_machines,
         count(distinct d.delivery_id) filter (where v.kind = 'clicked' and not v.is_machine) as clicked,
         count(distinct d.delivery_id) filter (where v.kind = 'clicked' and v.is_machine) as clicked_by_machines,
         count(distinct d.delivery_id) filter (where v.kind = 'complained') as complained,
         count(distinct d.delivery_id) filter (where v.kind = 'unsubscribed') as unsubscribed,
         count(distinct d.delivery_id) filter (where v.kind = 'replied') as replied
  from delivery.delivery d
  join delivery.delivery_event v on v.delivery_id = d.delivery_id
  where d.run_step_id = rs.run_step_id
    and d.delivery_id >= r.month * 1000000000000 and d.delivery_id < (r.month + 1) * 1000000000000
    and v.delivery_id >= r.month * 1000000000000 and v.delivery_id < (r.month + 1) * 1000000000000
    and v.kind in ('opened', 'clicked', 'complained', 'unsubscribed', 'replied')
) e on true;
comment on view report.run_engagement is
  'What people did with the messages of a run, by channel. Each message counts once in each column: select * from report.run_engagement where campaign = ''Autumn 2026''.';
comment on column report.run_engagement.campaign_run_id is 'Which run.';
comment on column report.run_engagement.campaign_id is 'Which campaign.';
comment on column report.run_engagement.campaign is 'Its name.';
comment on column report.run_engagement.channel is 'Which channel.';
comment on column report.run_engagement.run_step_id is 'Which step of the run.';
comment on column report.run_engagement.reached is 'Messages that the provider took and that did not come back: sent and delivered.';
comment on column report.run_engagement.delivered is 'Those that were reported as delivered; providers do not report on every channel.';
comment on column report.run_engagement.bounced is 'Reported as bounced.';
comment on column report.run_engagement.opened is 'Opened by a person, as far as one can tell.';
comment on column report.run_engagement.opened_by_machines is 'Opened by a mail scanner or proxy; says nothing of the person.';
comment on column report.run_engagement.clicked is 'With a click by a person.';
comment on column report.run_engagement.clicked_by_machines is 'With a click by a mail scanner.';
comment on column report.run_engagement.complained is 'Reported as spam.';
comment on column report.run_engagement.unsubscribed is 'After which the person unsubscribed.';
comment on column report.run_engagement.replied is 'Which the person answered.';
comment on column report.run_engagement.open_percent is 'Opened of reached.';
comment on column report.run_engagement.click_percent is 'Clicked of reached.';

create or replace view report.callback_problem as
select i.callback_inbox_id, a.name as account, a.driver, i.received_at, i.problem, octet_length(i.body) as body_bytes
from delivery.callback_inbox i
left join delivery.provider_account a using (provider_account_id)
where i.problem is not null;
comment on view report.callback_problem is
  'Callbacks that providers have signed and that we did not understand or could not apply. They are kept; after an update, delivery.refold reads them again.';
comment on column report.callback_problem.callback_inbox_id is 'Which callback.';
comment on column report.callback_problem.account is 'For which account it came.';
comment on column report.callback_problem.driver is 'From which provider.';
comment on column report.callback_problem.received_at is 'When it came.';
comment on column report.callback_problem.problem is 'What is wrong with it.';
comment on column report.callback_problem.body_bytes is 'How long it is.';
