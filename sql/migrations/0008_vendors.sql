insert into delivery.provider (driver, channels, is_keyed, description) values
  ('mandrill', '{email}', false, 'Mailchimp Transactional. It does not recognise repeats.'),
  ('sendgrid', '{email}', false, 'Twilio SendGrid. It does not recognise repeats.'),
  ('twilio', '{sms}', false, 'Twilio Messages. It does not recognise repeats.');
