insert into delivery.provider (driver, channels, is_keyed, description) values
  ('mandrill', '{email}', false, 'Mailchimp Transactional. It does not recognise repeats.'),
  ('sendgrid', '{email}', false, 'Twilio SendGrid. It does not recognise repeats.'),
  ('twilio', '{sms}', false, 'Twilio Messages. It does not recognise repeats.');

alter table delivery.provider_account
  add column problem text,
  add column checked_at timestamptz;
comment on column delivery.provider_account.problem is 'What is wrong with the settings, a second after they were saved, for example "auth_token: the environment variable TWILIO_TOKEN is not set." Empty: nothing. Written by the programs.';
comment on column delivery.provider_account.checked_at is 'When a worker looked at the settings. Empty: not since they were changed. Written by the programs.';
