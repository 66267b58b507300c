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
