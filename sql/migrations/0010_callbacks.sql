-- What providers tell us afterwards: kept word for word, taken apart, folded into the deliveries.

create table delivery.callback_inbox (
  callback_inbox_id bigint not null,
  provider_account_id integer not null,
  received_at timestamptz not null default now(),
  sha256 bytea not null,
  target text not null,
  headers text not null,
  body bytea not null,
  problem text,
  constraint "Each callback has a number of its own" primary key (callback_inbox_id)
) partition by range (callback_inbox_id);
comment on index delivery."Each callback has a number of its own" is 'The key of callback_inbox: finds a row, and no two rows have the same.';
comment on table delivery.callback_inbox is
  'Every callback that a provider has sent and signed, word for word, once. A month is one table: to forget the month, drop it. Until then delivery.refold can read it again.';
comment on column delivery.callback_inbox.callback_inbox_id is 'Its number: the month in which it came, then twelve digits.';
comment on column delivery.callback_inbox.provider_account_id is 'For which account it came.';
comment on column delivery.callback_inbox.received_at is 'When it came.';
comment on column delivery.callback_inbox.sha256 is 'Fingerprint of what was said; the same words of the same account are kept once.';
comment on column delivery.callback_inbox.target is 'Path and query that were called, for example /callbacks/main?d=202611000000000042.';
comment on column delivery.callback_inbox.headers is 'The headers that say something about the body, line by line.';
comment on column delivery.callback_inbox.body is 'The body, byte by byte.';
comment on column delivery.callback_inbox.problem is 'Why it could not be understood, although its signature is right. Empty: it was.';

create sequence delivery.callback_number;
comment on sequence delivery.callback_number is 'The last twelve digits of a callback_inbox_id.';

create table delivery.callback_event (
  callback_inbox_id bigint not null,
  position integer not null,
  provider_account_id integer not null,
  kind text not null,
  happened_at timestamptz not null,
  is_machine boolean not null default false,
  delivery_id bigint,
  provider_message_id text,
  event_key text,
  address text,
  code text,
  words text,
  link text,
  answer text,
  constraint "Each event has its place in a callback" primary key (callback_inbox_id, position),
  constraint "A callback says one of the things that we know" check (kind in ('queued', 'sent', 'deferred', 'delivered',
    'bounced_hard', 'bounced_soft', 'failed', 'opened', 'clicked', 'complained', 'unsubscribed', 'resubscribed', 'replied', 'other'))
) partition by range (callback_inbox_id);
comment on index delivery."Each event has its place in a callback" is 'The key of callback_event: finds the events of a callback.';
comment on table delivery.callback_event is 'What a callback says, event by event, as the receiver understood it. A month is one table, as in callback_inbox.';
comment on column delivery.callback_event.callback_inbox_id is 'Which callback.';
comment on column delivery.callback_event.position is 'Its first, second, ... event.';
comment on column delivery.callback_event.provider_account_id is 'For which account it came.';
comment on column delivery.callback_event.kind is
  'What happened: queued, sent, deferred, delivered, bounced_hard (the address will never work), bounced_soft, failed, opened, clicked, complained, unsubscribed, resubscribed, replied, other.';
comment on column delivery.callback_event.happened_at is 'When it happened, as the provider says, at the latest when we heard of it.';
comment on column delivery.callback_event.is_machine is 'On: opened or clicked by a mail scanner or proxy, not by a person.';
comment on column delivery.callback_event.delivery_id is 'Our own number of the delivery, if the provider told it back.';
comment on column delivery.callback_event.provider_message_id is 'The provider''s number of the message.';
comment on column delivery.callback_event.event_key is 'The provider''s number of the event.';
comment on column delivery.callback_event.address is 'To which address, if told.';
comment on column delivery.callback_event.code is 'The provider''s code, for example 550 or 30005.';
comment on column delivery.callback_event.words is 'The provider''s explanation.';
comment on column delivery.callback_event.link is 'Where a click led.';
comment on column delivery.callback_event.answer is 'What the recipient wrote back.';

create table delivery.callback_todo (
  callback_inbox_id bigint not null,
  needs_parsing boolean not null default false,
  waits_since timestamptz not null default now(),
  constraint "A callback waits once" primary key (callback_inbox_id)
);
comment on index delivery."A callback waits once" is 'The key of callback_todo: finds a row, and no two rows have the same.';
create index callback_todo_to_parse on delivery.callback_todo (callback_inbox_id) where needs_parsing;
comment on index delivery.callback_todo_to_parse is 'Finds the callbacks that a receiver is to read again.';
comment on table delivery.callback_todo is 'Callbacks whose events have not been folded into the deliveries yet; nearly empty as a rule.';
comment on column delivery.callback_todo.callback_inbox_id is 'Which callback.';
comment on column delivery.callback_todo.needs_parsing is 'On: a receiver is to read the callback again first; see delivery.refold.';
comment on column delivery.callback_todo.waits_since is 'Since when it waits.';

create table delivery.callback_orphan (
  callback_inbox_id bigint not null,
  position integer not null,
  provider_message_id text not null,
  waits_since timestamptz not null default now(),
  next_at timestamptz not null,
  constraint "An event waits for its delivery once" primary key (callback_inbox_id, position)
);
comment on index delivery."An event waits for its delivery once" is 'The key of callback_orphan: finds a row, and no two rows have the same.';
create index callback_orphan_of_message on delivery.callback_orphan (provider_message_id);
comment on index delivery.callback_orphan_of_message is 'Finds what a provider had said before we knew its number of the message.';
create index callback_orphan_next on delivery.callback_orphan (next_at);
comment on index delivery.callback_orphan_next is 'Finds what is to be looked at again.';
comment on table delivery.callback_orphan is
  'Events that came before the result of their sending was written down, and events of messages that are not ours. Given up after a day.';
comment on column delivery.callback_orphan.callback_inbox_id is 'Which callback.';
comment on column delivery.callback_orphan.position is 'Which of its events.';
comment on column delivery.callback_orphan.provider_message_id is 'The provider''s number of the message, by which its delivery will be found.';
comment on column delivery.callback_orphan.waits_since is 'Since when it waits.';
comment on column delivery.callback_orphan.next_at is 'When it is looked for again at the latest.';

create table delivery.provider_code (
  driver text not null,
  code text not null,
  meaning text not null,
  description text not null,
  constraint "A code of a provider has one meaning" primary key (driver, code),
  constraint "The meaning of a code is one that we know: unsubscribed" check (meaning in ('unsubscribed'))
);
comment on index delivery."A code of a provider has one meaning" is 'The key of provider_code: finds a row, and no two rows have the same.';
comment on table delivery.provider_code is 'Codes of providers, in answers and in callbacks, that say something about the person and not only about the message.';
comment on column delivery.provider_code.driver is 'Which provider, for example twilio.';
comment on column delivery.provider_code.code is 'Its code, for example 21610.';
comment on column delivery.provider_code.meaning is 'unsubscribed: the person has said no to this channel, at the provider.';
comment on column delivery.provider_code.description is 'What the provider''s documentation says.';
insert into delivery.provider_code values
  ('twilio', '21610', 'unsubscribed', 'The recipient has replied STOP to this sender.');

alter table delivery.provider add column keeps_event_keys boolean not null default true;
comment on column delivery.provider.keeps_event_keys is
  'On: an event has the same number when the provider tells it again. Off: it has another one, so it is recognised by its kind, time and link.';
-- https://github.com/sendgrid/sendgrid-nodejs/issues/1435: sg_event_id changes when a callback is repeated.
update delivery.provider set keeps_event_keys = false where driver = 'sendgrid';

alter table delivery.provider_account add column soft_bounces_max integer not null default 5,
  add constraint "An address is left alone after 1 to 1,000 soft bounces" check (soft_bounces_max between 1 and 1000);
comment on column delivery.provider_account.soft_bounces_max is
  'After so many messages in a row that did not arrive for a passing reason, such as a full mailbox, the address is left alone.';

alter table delivery.delivery_event add column event_key text, add column is_machine boolean not null default false,
  add column callback_inbox_id bigint, add column link text;
comment on column delivery.delivery_event.event_key is 'Tells apart events of one kind: the provider''s number of the event, or its time. The same one counts once.';
comment on column delivery.delivery_event.is_machine is 'On: opened or clicked by a mail scanner or proxy, not by a person.';
comment on column delivery.delivery_event.callback_inbox_id is 'Which callback said so. Empty: none did.';
comment on column delivery.delivery_event.link is 'Where a click led.';
alter table delivery.delivery_event drop constraint "An event is one that we know",
  add constraint "An event is one that we know" check (kind in ('delivered', 'bounced', 'bounced_hard', 'bounced_soft', 'deferred', 'failed',
    'opened', 'clicked', 'complained', 'unsubscribed', 'resubscribed', 'replied', 'converted', 'settled_by_hand', 'sent_after_all'));
create unique index delivery_event_once on delivery.delivery_event (delivery_id, kind, event_key);
comment on index delivery.delivery_event_once is 'The same event counts once, however often it is told; also finds the events of a delivery.';
create index delivery_event_of_callback on delivery.delivery_event (callback_inbox_id) where callback_inbox_id is not null;
comment on index delivery.delivery_event_of_callback is 'Finds what a callback has led to.';

create index attempt_of_message on delivery.attempt using hash (provider_message_id) where provider_message_id is not null;
comment on index delivery.attempt_of_message is 'Finds the delivery that a provider speaks of by its own number.';

create index suppression_of_soft_bounces on marketing.suppression (channel, address) where reason = 'soft bounces';
comment on index marketing.suppression_of_soft_bounces is 'Finds what a delivery may take back.';

insert into delivery.reason values
  ('bounced_hard', 'The provider reported that the address does not exist; it is not used again.'),
  ('bounced_soft', 'The provider reported that it did not arrive, for a reason that may pass, such as a full mailbox.'),
  ('provider_failed', 'The provider took the message and reported later that it was not sent.');
