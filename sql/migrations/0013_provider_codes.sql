insert into delivery.provider_code values
  ('mandrill', 'unsub', 'unsubscribed', 'The recipient has unsubscribed there before.'),
  ('mandrill', 'spam', 'unsubscribed', 'The recipient has reported us as spam there before.');

-- Each claim takes the first usable address of a contact: found in this order it needs no sorting.
create index contact_point_in_order on marketing.contact_point (contact_id, channel, is_preferred desc, contact_point_id) where is_usable;
comment on index marketing.contact_point_in_order is 'Finds the address that is taken first on a channel.';
