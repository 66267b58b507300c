create or replace view report.not_started as
select c.campaign_id, c.name as campaign, c.actual_status as status, c.send_at, c.blocked_reason
from marketing.campaign c
where c.kind = 'broadcast' and c.desired_status = 'running' and c.actual_status in ('draft', 'scheduled');
comment on view report.not_started is 'Campaigns that somebody started and that do not run yet, and why.';
comment on column report.not_started.campaign_id is 'Which campaign.';
comment on column report.not_started.campaign is 'Its name.';
comment on column report.not_started.status is 'scheduled: waits for its time. draft: something stands in its way.';
comment on column report.not_started.send_at is 'When it may begin.';
comment on column report.not_started.blocked_reason is 'What stands in its way, and what to do.';
