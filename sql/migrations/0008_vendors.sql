insert into delivery.provider (driver, channels, is_keyed, description) values
  ('mandrill', '{email}', false, 'Mailchimp Transactional. It does not recognise repeats.'),
  ('sendgrid', '{email}', false, 'Twilio SendGrid. It does not recognise repeats.'),
  ('twilio', '{sms}', false, 'Twilio Messages. It does not recognise repeats.');

alter table delivery.provider_account
  add column problem text,
  add column checked_at timestamptz,
  add column checked_mark text;
comment on column delivery.provider_account.problem is 'What is wrong with the settings, a second after they were saved, for example "auth_token: the environment variable TWILIO_TOKEN is not set." Empty: nothing. Written by the programs.';
comment on column delivery.provider_account.checked_at is 'When a worker last looked at the settings. Empty: never. Written by the programs.';
comment on column delivery.provider_account.checked_mark is 'A fingerprint of the settings that it looked at: when they are changed it differs, and they are looked at again. Written by the programs.';
