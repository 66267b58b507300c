create or replace view report.run_ledger as
select r.campaign_run_id, c.campaign_id, c.name as campaign, rs.channel, rs.run_step_id,
       coalesce(sum(t.amount), 0)::bigint as audience,
       coalesce(sum(t.amount) filter (where t.status = 'planned'), 0)::bigint as planned,
       coalesce(sum(t.amount) filter (where t.status = 'queued'), 0)::bigint as queued,
       coalesce(sum(t.amount) filter (where t.status = 'sending'), 0)::bigint as sending,
       coalesce(sum(t.amount) filter (where t.status = 'sent'), 0)::bigint as sent,
       coalesce(sum(t.amount) filter (where t.status = 'delivered'), 0)::bigint as delivered,
       coalesce(sum(t.amount) filter (where t.status = 'bounced'), 0)::bigint as bounced,
       coalesce(sum(t.amount) filter (where t.status = 'failed'), 0)::bigint as failed,
       coalesce(sum(t.amount) filter (where t.status = 'skipped'), 0)::bigint as skipped,
       coalesce(sum(t.amount) filter (where t.status = 'cancelled'), 0)::bigint as cancelled,
       coalesce(sum(t.amount) filter (where t.status = 'expired'), 0)::bigint as expired,
       coalesce(sum(t.amount) filter (where t.status = 'held_out'), 0)::bigint as held_out,
       coalesce(sum(t.amount) filter (where t.status = 'uncertain'), 0)::bigint as uncertain
from delivery.campaign_run r
join marketing.campaign c using (campaign_id)
join delivery.run_step rs using (campaign_run_id)
left join delivery.tally t using (run_step_id)
group by r.campaign_run_id, c.campaign_id, c.name, rs.channel, rs.run_step_id;
comment on view report.run_ledger is 'Every message of a run accounted for, by channel: audience is always the sum of the rest.';
comment on column report.run_ledger.campaign_run_id is 'Which run.';
comment on column report.run_ledger.campaign_id is 'Which campaign.';
comment on column report.run_ledger.campaign is 'Its name.';
comment on column report.run_ledger.channel is 'Which channel.';
comment on column report.run_ledger.run_step_id is 'Which step of the run.';
comment on column report.run_ledger.audience is 'Deliveries made for this run and channel.';
comment on column report.run_ledger.planned is 'Waiting for their turn.';
comment on column report.run_ledger.queued is 'On their way to a worker.';
comment on column report.run_ledger.sending is 'With a worker.';
comment on column report.run_ledger.sent is 'Taken by the provider.';
comment on column report.run_ledger.delivered is 'Reported as delivered.';
comment on column report.run_ledger.bounced is 'Reported as bounced.';
comment on column report.run_ledger.failed is 'Refused for good.';
comment on column report.run_ledger.skipped is 'Not sent on purpose.';
comment on column report.run_ledger.cancelled is 'Stopped by a person.';
comment on column report.run_ledger.expired is 'Too late.';
comment on column report.run_ledger.held_out is 'In the control group.';
comment on column report.run_ledger.uncertain is 'Nobody knows whether it went out.';

create or replace view report.run_progress as
select r.campaign_run_id, c.campaign_id, c.name as campaign, c.actual_status as status, r.started_at, r.ended_at,
       l.audience, l.settled,
       case when l.audience = 0 then 0 else round(100.0 * l.settled / l.audience, 1) end as percent,
       round(r.per_second, 1) as per_second, c.eta, r.plan_ended_at is null as is_still_planning, c.blocked_reason
from delivery.campaign_run r
join marketing.campaign c using (campaign_id)
left join lateral (
  select coalesce(sum(t.amount), 0)::bigint as audience,
         coalesce(sum(t.amount) filter (where t.status not in ('planned', 'queued', 'sending')), 0)::bigint as settled
  from delivery.run_step rs join delivery.tally t using (run_step_id)
  where rs.campaign_run_id = r.campaign_run_id
) l on true;
comment on view report.run_progress is 'How far each run is, how fast, and when it will be done.';
comment on column report.run_progress.campaign_run_id is 'Which run.';
comment on column report.run_progress.campaign_id is 'Which campaign.';
comment on column report.run_progress.campaign is 'Its name.';
comment on column report.run_progress.status is 'What the campaign does.';
comment on column report.run_progress.started_at is 'When the run started.';
comment on column report.run_progress.ended_at is 'When it ended.';
comment on column report.run_progress.audience is 'Deliveries made so far.';
comment on column report.run_progress.settled is 'Deliveries that have reached their last status.';
comment on column report.run_progress.percent is 'How much of the audience is settled.';
comment on column report.run_progress.per_second is 'Deliveries settled a second, lately.';
comment on column report.run_progress.eta is 'When it will be done at this speed.';
comment on column report.run_progress.is_still_planning is 'On while the audience is still being made.';
comment on column report.run_progress.blocked_reason is 'Why it does not go on.';

create or replace view report.failures_by_reason as
select rs.campaign_run_id, c.name as campaign, rs.channel, t.status, t.reason, coalesce(z.sentence, '') as sentence, sum(t.amount)::bigint as deliveries
from delivery.tally t
join delivery.run_step rs using (run_step_id)
join delivery.campaign_run r using (campaign_run_id)
join marketing.campaign c using (campaign_id)
left join delivery.reason z using (reason)
where t.status in ('failed', 'bounced', 'skipped', 'cancelled', 'expired', 'uncertain')
group by rs.campaign_run_id, c.name, rs.channel, t.status, t.reason, z.sentence
having sum(t.amount) > 0;
comment on view report.failures_by_reason is 'Why messages were not sent, counted.';
comment on column report.failures_by_reason.campaign_run_id is 'Which run.';
comment on column report.failures_by_reason.campaign is 'Which campaign.';
comment on column report.failures_by_reason.channel is 'Which channel.';
comment on column report.failures_by_reason.status is 'What became of them.';
comment on column report.failures_by_reason.reason is 'The reason, in one word.';
comment on column report.failures_by_reason.sentence is 'The reason, explained.';
comment on column report.failures_by_reason.deliveries is 'How many.';

create or replace view report.delivery as
select d.delivery_id, c.name as campaign, rs.channel, d.contact_id, p.member_no, d.status, d.reason, z.sentence, d.detail, d.waiting_for, d.next_at,
       d.attempt as attempts, d.planned_at, d.queued_at, d.settled_at, d.expires_at, d.provider_message_id, rs.campaign_run_id
from delivery.delivery d
join delivery.run_step rs using (run_step_id)
join delivery.campaign_run r using (campaign_run_id)
join marketing.campaign c using (campaign_id)
left join marketing.contact p using (contact_id)
left join delivery.reason z using (reason);
comment on view report.delivery is 'Deliveries with names instead of numbers: select * from report.delivery where contact_id = 4711.';
comment on column report.delivery.delivery_id is 'Number of the delivery.';
comment on column report.delivery.campaign is 'Which campaign.';
comment on column report.delivery.channel is 'Which channel.';
comment on column report.delivery.contact_id is 'To whom.';
comment on column report.delivery.member_no is 'Their loyalty card number.';
comment on column report.delivery.status is 'How far it is.';
comment on column report.delivery.reason is 'Why, in one word.';
comment on column report.delivery.sentence is 'Why, explained.';
comment on column report.delivery.detail is 'More about it.';
comment on column report.delivery.waiting_for is 'What it waits for.';
comment on column report.delivery.next_at is 'When it is looked at again.';
comment on column report.delivery.attempts is 'How often it was tried.';
comment on column report.delivery.planned_at is 'When it was planned.';
comment on column report.delivery.queued_at is 'When it was last put on the broker.';
comment on column report.delivery.settled_at is 'When it was settled.';
comment on column report.delivery.expires_at is 'When it is too late.';
comment on column report.delivery.provider_message_id is 'The provider''s number.';
comment on column report.delivery.campaign_run_id is 'Which run.';

create or replace view report.stuck as
-- What the sweeper has marked has a next_at, which an index finds; the rest is counted in the tally. No run is read as a whole.
with step as (
  select rs.campaign_run_id, rs.run_step_id, c.name as campaign, rs.channel, greatest(rs.swept_at, r.started_at) as swept_at, r.month, l.queue_name,
         coalesce(l.consumer_count, 0) as consumer_count,
         case
           when c.desired_status = 'paused' then 'the campaign to be resumed'
           when a.open_until > now() then format('account "%s", which does not work: %s', a.name, a.breaker_reason)
           when a.paused_until > now() then format('account "%s", where the provider asked us to wait: %s', a.name, a.paused_reason)
           when not a.is_active then format('account "%s" to be switched on', a.name)
         end as obstacle
  from delivery.campaign_run r
  join delivery.run_step rs using (campaign_run_id)
  join marketing.campaign c using (campaign_id)
  cross join lateral ( -- where several accounts may take the messages: the one that does
    select w.lane_id from delivery.run_step_lane w join delivery.lane wl using (lane_id) join delivery.provider_account wa using (provider_account_id)
    where w.run_step_id = rs.run_step_id
    order by delivery.account_works(wa.is_active, wa.open_until, wa.paused_until) desc, wa.priority, wa.provider_account_id
    limit 1
  ) first_way
  join delivery.lane l on l.lane_id = first_way.lane_id
  join delivery.provider_account a using (provider_account_id)
  where r.ended_at is null
)
select s.campaign_run_id, s.campaign, s.channel, d.status,
       coalesce(s.obstacle, case when d.status = 'queued' and s.consumer_count = 0 then format('a worker: nobody listens to %s', s.queue_name) end,
         d.waiting_for, 'its turn') as waiting_for,
       count(*) as deliveries, min(d.next_at) as next_at, min(coalesce(d.queued_at, d.planned_at)) as oldest_since
from step s
join delivery.delivery d on d.run_step_id = s.run_step_id and d.next_at is not null and d.delivery_id >= s.month * 1000000000000
where (d.status in ('queued', 'sending') or (d.status = 'planned' and s.obstacle is null))
  and coalesce(d.queued_at, d.planned_at) < now() - interval '30 seconds'
group by 1, 2, 3, 4, 5
union all
select s.campaign_run_id, s.campaign, s.channel, t.status,
       case when t.status = 'uncertain' then 'the provider''s word, or a person''s decision'
            else coalesce(s.obstacle, format('a scheduler: none has looked at it since %s UTC', to_char(s.swept_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'))) end,
       sum(t.amount)::bigint, null, null
from step s
join delivery.tally t using (run_step_id)
where t.status = 'uncertain' or (t.status = 'planned' and s.obstacle is not null)
  or (t.status in ('planned', 'queued', 'sending') and s.obstacle is null and s.swept_at < now() - interval '1 minute')
group by s.campaign_run_id, s.campaign, s.channel, t.status, s.obstacle, s.swept_at
having sum(t.amount) > 0;
comment on view report.stuck is 'Deliveries that do not go on, and what they wait for.';
comment on column report.stuck.campaign_run_id is 'Which run.';
comment on column report.stuck.campaign is 'Which campaign.';
comment on column report.stuck.channel is 'Which channel.';
comment on column report.stuck.status is 'How far they are.';
comment on column report.stuck.waiting_for is 'What they wait for.';
comment on column report.stuck.deliveries is 'How many.';
comment on column report.stuck.next_at is 'When the first of them is looked at again. Empty: when what they wait for happens.';
comment on column report.stuck.oldest_since is 'Since when the oldest has waited, where that is known.';

create or replace view report.lane as
select l.queue_name, a.name as account, a.channel, l.class, l.ready_count, l.consumer_count, l.measured_at,
       case when not a.is_active then 'switched off'
            when a.open_until > now() then 'stopped: ' || a.breaker_reason
            when a.open_until is not null then 'trying again: ' || a.breaker_reason
            when a.paused_until > now() then 'waiting as the provider asked: ' || a.paused_reason
            else 'working' end as state
from delivery.lane l join delivery.provider_account a using (provider_account_id);
comment on view report.lane is 'The queues: how much waits, who listens, and whether the provider works.';
comment on column report.lane.queue_name is 'Name on the broker.';
comment on column report.lane.account is 'Which provider account.';
comment on column report.lane.channel is 'Which channel.';
comment on column report.lane.class is 'Transactional or marketing.';
comment on column report.lane.ready_count is 'Messages waiting.';
comment on column report.lane.consumer_count is 'Workers listening.';
comment on column report.lane.measured_at is 'When that was looked at.';
comment on column report.lane.state is 'Whether the account works.';
