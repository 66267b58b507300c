insert into delivery.provider_code values
  ('mandrill', 'unsub', 'unsubscribed', 'The recipient has unsubscribed there before.'),
  ('mandrill', 'spam', 'unsubscribed', 'The recipient has reported us as spam there before.');

-- Each claim takes the first usable address of a contact: found in this order it needs no sorting.
create index contact_point_in_order on marketing.contact_point (contact_id, channel, is_preferred desc, contact_point_id) where is_usable;
comment on index marketing.contact_point_in_order is 'Finds the address that is taken first on a channel.';

-- Push messages have more texts.
alter table marketing.template_diagnostic drop constraint "A finding is about one of the texts",
  add constraint "A finding is about one of the texts" check (field in ('subject', 'body_text', 'body_html', 'link', 'image', 'data'));
comment on column marketing.template_diagnostic.field is 'Which text: subject, body_text, body_html, link, image or data.';
alter table marketing.template_token drop constraint "A token stands in one of the texts",
  add constraint "A token stands in one of the texts" check (field in ('subject', 'body_text', 'body_html', 'link', 'image', 'data'));
comment on column marketing.template_token.field is 'Which text reads it: subject, body_text, body_html, link, image or data.';

-- How many requests may be under way at an account.
alter table delivery.provider_account add column connections_max integer,
  add constraint "An account has 1 to 2,000 requests under way in each worker" check (connections_max between 1 and 2000);
comment on column delivery.provider_account.connections_max is
  'The most requests that each worker has under way at this account, where that should be fewer than the workers'' own setting allows.';
drop function if exists delivery.lanes(); -- it answers in more columns now

-- Accounts share a step's messages only where they understand the same addresses.
alter table delivery.provider add column addresses text not null default 'address';
comment on column delivery.provider.addresses is
  'What an address is for it. Accounts share a step only when this is the same: a token of Firebase means nothing to Apple.';
update delivery.provider set addresses = case driver when 'smtp' then 'email address' when 'mandrill' then 'email address'
  when 'sendgrid' then 'email address' when 'twilio' then 'phone number' when 'fcm' then 'Firebase registration token'
  when 'apns' then 'Apple device token' when 'webpush' then 'browser subscription' else 'member' end;
