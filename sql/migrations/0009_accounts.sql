-- Several accounts for a channel: shares between them, another one when one does not work, and how much each may send in a day.
alter table delivery.provider_account add column weight integer not null default 1,
  add constraint "An account's weight is 1 to 100" check (weight between 1 and 100);
comment on column delivery.provider_account.priority is
  'The smallest number is taken first; a larger one only while none of the smaller ones works.';
comment on column delivery.provider_account.weight is
  'Its share beside other accounts of the same priority: 9 beside 1 gets nine of ten messages, as long as both keep up.';

create table delivery.run_step_lane (
  run_step_id bigint not null references delivery.run_step,
  lane_id integer not null references delivery.lane,
  taken_count integer not null default 0,
  round_at timestamptz not null default now(),
  primary key (run_step_id, lane_id)
);
alter table delivery.run_step_lane rename constraint run_step_lane_run_step_id_fkey to "The step of a choice must exist";
alter table delivery.run_step_lane rename constraint run_step_lane_lane_id_fkey to "The lane of a choice must exist";
alter index delivery.run_step_lane_pkey rename to "A step has each lane once";
comment on index delivery."A step has each lane once" is 'Finds the lanes of a step.';
comment on table delivery.run_step_lane is 'Through which lanes the messages of a step may go. Which of them does, is decided for each message when it is put on the broker.';
comment on column delivery.run_step_lane.run_step_id is 'Which step of which run.';
comment on column delivery.run_step_lane.lane_id is 'One of its lanes.';
comment on column delivery.run_step_lane.taken_count is 'How many messages it took in the present round of sharing by weight.';
comment on column delivery.run_step_lane.round_at is 'When that round began.';
insert into delivery.run_step_lane (run_step_id, lane_id) select run_step_id, lane_id from delivery.run_step;

comment on column delivery.run_step.lane_id is 'The lane of the account that came first when the run started; run_step_lane has all of them.';
alter table delivery.delivery add column lane_id integer;
comment on column delivery.delivery.lane_id is 'The lane it was last put on, and so the account it went through.';

alter table delivery.rate_limit alter column per_second drop not null;
alter table delivery.rate_limit add column per_day integer, add column warm_up_from date, add column day date,
  add column day_taken integer not null default 0,
  add constraint "A day's cap is 1 or more" check (per_day > 0);
comment on table delivery.rate_limit is 'How fast an account may be used by the whole fleet together, and how much in a day.';
comment on column delivery.rate_limit.per_second is 'Messages a second. Empty: as fast as it goes.';
comment on column delivery.rate_limit.per_day is 'Messages a day (UTC). Empty: as many as there are. When they are used up the next account is taken, or the next day.';
comment on column delivery.rate_limit.warm_up_from is 'The first day of a new account''s warm-up; delivery.warm_up says how many messages each day may bring. Empty: none.';
comment on column delivery.rate_limit.day is 'The day that day_taken counts. Written by the programs.';
comment on column delivery.rate_limit.day_taken is 'Places given out that day. Written by the programs.';

create table delivery.warm_up (
  provider_account_id integer not null references delivery.rate_limit on delete cascade,
  day_number integer not null,
  per_day integer not null,
  primary key (provider_account_id, day_number),
  constraint "Days of a warm-up are counted from 1" check (day_number > 0),
  constraint "A day of a warm-up brings 1 message or more" check (per_day > 0)
);
alter table delivery.warm_up rename constraint warm_up_provider_account_id_fkey to "The account of a warm-up needs a rate limit";
alter index delivery.warm_up_pkey rename to "A warm-up has each day once";
comment on index delivery."A warm-up has each day once" is 'Finds the days of a warm-up.';
comment on table delivery.warm_up is
  'How a new account is made known to the mailbox providers: for example 500 messages on day 1, 1,000 on day 2. A day without a row is like the one before; after the last row its number stays.';
comment on column delivery.warm_up.provider_account_id is 'Which account.';
comment on column delivery.warm_up.day_number is '1 for rate_limit.warm_up_from, 2 for the day after.';
comment on column delivery.warm_up.per_day is 'How many messages that day may bring.';
-- It answers in more columns now.
drop function if exists delivery.take_rate(integer, integer);
drop function if exists delivery.lane_feeds(integer);
drop function if exists delivery.sweep_overdue(bigint, integer, integer, integer);
-- What is on its way keeps the lane that it is on.
update delivery.delivery d set lane_id = rs.lane_id from delivery.run_step rs
where rs.run_step_id = d.run_step_id and d.epoch > 0 and d.settled_at is null;
