insert into delivery.provider (driver, channels, is_keyed, description) values
  ('apns', '{push}', false, 'Apple''s push notifications. It does not recognise repeats, but shows a message that comes twice only once.'),
  ('fcm', '{push}', false, 'Firebase Cloud Messaging, for Android and for Apple''s devices. It does not recognise repeats, but shows a message that comes twice only once.'),
  ('webpush', '{web_push}', false, 'Web Push, to any browser that has subscribed. It does not recognise repeats.');

alter table marketing.template add column is_silent boolean not null default false,
  add constraint "Only push and web push messages can be silent" check (not is_silent or channel in ('push', 'web_push'));
comment on column marketing.template.is_silent is
  'Push and web push: on means that nothing is shown to the person; the app gets the data in the background, for example to load a new points balance.';

alter table marketing.template_version add column link text not null default '', add column image text not null default '',
  add column data text not null default '',
  add constraint "A link and an image are at most 10 KB each, data at most 1 MB" check (
    octet_length(link) <= 10240 and octet_length(image) <= 10240 and octet_length(data) <= 1048576);
comment on column marketing.template_version.link is
  'Push, web push and in-app: where a tap leads, for example https://club.example.org/offers?member={{ contact.member_no }}. Values are encoded for an address.';
comment on column marketing.template_version.image is 'Push, web push and in-app: the address of a picture to show, https://...';
comment on column marketing.template_version.data is
  'Push, web push and in-app: a JSON object for the app, for example {"screen": "points", "points": {{ contact.points }}, "name": "{{ contact.first_name }}"}.';

create table delivery.provider_token (
  provider_account_id integer not null
    constraint "A token belongs to a provider account" references delivery.provider_account on delete cascade,
  slot bigint not null,
  sealed bytea not null,
  primary key (provider_account_id, slot),
  constraint "A sealed token has at most 8 KB" check (octet_length(sealed) between 1 and 8192)
);
comment on table delivery.provider_token is
  'A token that all workers together show to a provider which does not want to see many, sealed: only who has the account''s private key can open it. Written by the programs.';
comment on index delivery.provider_token_pkey is 'Finds the tokens of an account.';
comment on column delivery.provider_token.provider_account_id is 'Which account.';
comment on column delivery.provider_token.slot is 'The stretch of time at whose end it is over.';
comment on column delivery.provider_token.sealed is 'The token, encrypted.';
