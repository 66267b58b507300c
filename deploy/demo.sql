-- A believable loyalty programme, the same one every time. Needs these variables; vendors is a JSON list of further provider accounts:
--   psql -v contacts=10000 -v smtp_port=2525 -v http_port=8080 -v secret_file=/path/secret -v vendors='[{"name": "sms", ...}]' -f deploy/demo.sql
begin;

insert into delivery.provider_account (name, driver, channel, settings) values
  ('relay', 'smtp', 'email', jsonb_build_object('host', '127.0.0.1', 'port', :smtp_port, 'tls', 'none',
    'from_email', 'club@example.com', 'from_name', 'Café Meridian Club')),
  ('app', 'webhook', 'in_app', jsonb_build_object('url', 'http://127.0.0.1:' || :http_port || '/messages',
    'secret', 'file:' || :'secret_file', 'plain_http', true)),
  ('inbox', 'inbox', 'in_app', '{}');
insert into delivery.provider_account (name, driver, channel, settings)
select name, driver, channel, settings
from jsonb_to_recordset(:'vendors') as v (name text, driver text, channel marketing.channel, settings jsonb);

insert into marketing.topic (topic_id, name, description, needs_opt_in) values
  (1, 'Weekly offers', 'What is cheaper this week in your favourite shop.', true),
  (2, 'Programme news', 'When something about your card or points changes.', false);

-- Every 61st has a name that has broken somebody's software before; some have none.
insert into marketing.contact (contact_id, member_no, first_name, last_name, language, time_zone, tier, points, profile, created_at)
select n, 40000000 + n,
  case when n % 61 = 0 then (array['O''Brien', 'Zoë', '李', '<b>Bobby</b>', '🐝 Bea', '', 'Null', 'Łukasz', '{{ first_name }}', 'محمد',
      'J"r"', 'Nguyễn & Söhne', null])[(n / 61) % 13 + 1]
    else (array['Anna', 'Marta', 'Jānis', 'Elena', 'Peter', 'Ieva', 'Tomas', 'Sofia', 'Karl', 'Līga', 'Maria', 'Oskar'])[n % 12 + 1] end,
  (array['Bērziņa', 'Kalniņš', 'Novak', 'Schmidt', 'Petrauskas', 'Smith', 'García', 'Ozola', 'Müller', 'van der Berg', 'Å'])[n % 11 + 1],
  (array['lv', 'en', 'de', 'lt', 'es'])[n % 5 + 1],
  (array['Europe/Riga', 'Europe/London', 'Europe/Berlin', 'Europe/Vilnius', 'Atlantic/Canary', 'Asia/Kathmandu',
    'America/St_Johns', 'Pacific/Chatham'])[case when n % 50 = 0 then n / 50 % 3 + 6 else n % 5 + 1 end],
  case when n % 100 < 3 then 'platinum' when n % 100 < 15 then 'gold' when n % 100 < 45 then 'silver' else 'basic' end,
  n * 7919 % 9973,
  jsonb_strip_nulls(jsonb_build_object(
    'city', (array['Riga', 'London', 'Berlin', 'Vilnius', 'Las Palmas'])[n % 5 + 1],
    'favourite', case when n % 4 <> 0 then (array['flat white', 'cold brew', 'cardamom bun'])[n % 3 + 1] end,
    'phone', case when n % 10 < 6 then 'android' else 'iphone' end,
    'last_visit', to_char(date '2026-01-01' + (n % 300)::integer, 'YYYY-MM-DD'),
    'points_to_next_tier', 9973 - n * 7919 % 9973,
    'card', jsonb_build_object('shop', 'shop ' || n % 40, 'is_digital', n % 3 = 0))),
  timestamptz '2024-01-01' + n % 700 * interval '1 day'
from generate_series(1, :contacts) n;

-- 3 of 100 gave no email address, 12 of 100 do not use the app, some have two addresses and one that bounced.
insert into marketing.contact_point (contact_id, channel, address, is_preferred, verified_at)
select n, 'email', 'member' || n || case n % 3 when 0 then '@example.com' when 1 then '@example.org' else '@mail.example.net' end,
  true, now() - interval '1 year'
from generate_series(1, :contacts) n where n % 100 not in (7, 37, 67);
insert into marketing.contact_point (contact_id, channel, address, is_usable, unusable_reason)
select n, 'email', 'old' || n || '@example.com', n % 34 <> 0, case when n % 34 = 0 then '550 5.1.1 no such mailbox' end
from generate_series(1, :contacts) n where n % 17 = 0;
insert into marketing.contact_point (contact_id, channel, address)
select n, 'in_app', 'app-' || 40000000 + n from generate_series(1, :contacts) n where n % 25 not in (3, 13, 23);

insert into marketing.contact_point (contact_id, channel, address)
select n, 'sms', '+3712' || 1000000 + n from generate_series(1, :contacts) n where n % 3 <> 1;
-- Some have removed the app; that is only known where the push is sent to.
insert into marketing.contact_point (contact_id, channel, address)
select n, 'push', case when n % 10 < 6 then case when n % 200 = 5 then 'unregistered-' else 'device-' end || n
  else case when n % 200 = 7 then 'dead' else 'a1b2' end || lpad(to_hex(n), 60, '0') end
from generate_series(1, :contacts) n where n % 4 <> 2;

-- Most said yes to offers; some said nothing, some said no later, a few want nothing at all.
insert into marketing.consent (contact_id, channel, topic_id, is_granted, source, proof, changed_at)
select n, channel, 1, n % 50 <> 11, case when n % 50 = 11 then 'preference page' else 'till ' || n % 40 end, 'form ' || 90000 + n,
  now() - n % 400 * interval '1 day' - interval '1 hour'
from generate_series(1, :contacts) n, unnest(array['email', 'sms', 'push', 'web_push', 'in_app']::marketing.channel[]) channel
where n % 20 <> 19;
insert into marketing.consent (contact_id, channel, topic_id, is_granted, source, changed_at)
select n, 'email', null, false, 'letter', now() - interval '40 days' from generate_series(1, :contacts) n where n % 200 = 101;

insert into marketing.suppression (channel, address, reason, source)
select channel, address, 'complaint', 'provider callback' from marketing.contact_point where channel = 'email' and contact_id % 150 = 77;
insert into marketing.suppression (channel, address, reason, source, until)
select channel, address, 'mailbox full', 'provider callback', now() - interval '3 days' from marketing.contact_point
where channel = 'email' and contact_id % 150 = 78;

-- A few asked to be forgotten.
update marketing.contact set erased_at = now(), first_name = null, last_name = null, profile = '{}' where contact_id % 1000 = 999;

insert into marketing.segment (segment_id, name, condition, description) values
  (1, 'Everybody', 'true', 'All members.'),
  (2, 'Gold and platinum in Riga', 'tier in (''gold'', ''platinum'') and profile->>''city'' = ''Riga''', 'For the opening in May.'),
  (3, 'In the Baltics', 'language in (''lv'', ''lt'')', 'Who is written to through Mailchimp.'),
  (4, 'In the west and south', 'language in (''en'', ''es'')', 'Who is written to through SendGrid.'),
  (5, 'In Germany', 'language = ''de''', 'Who is written to through our own relay.'),
  (6, 'With an Android phone', 'profile->>''phone'' = ''android''', 'As the app has told.'),
  (7, 'With an iPhone', 'profile->>''phone'' = ''iphone''', 'As the app has told.');

insert into marketing.template (template_id, name, channel, description) values
  (1, 'Autumn offers, email', 'email', 'The weekly letter.'),
  (2, 'Autumn offers, app', 'in_app', 'The same in a sentence.'),
  (3, 'One-time code', 'email', 'For signing in: select marketing.send_message(42, ''One-time code'', ''{"code": "123456"}'', ''login-1'').'),
  (4, 'Autumn offers, SMS', 'sms', 'The shortest of them.'),
  (5, 'Autumn offers, push', 'push', 'On the lock screen.'),
  (6, 'Autumn offers, browser', 'web_push', 'For those who allowed it on the web site.');
insert into marketing.template (template_id, name, channel, is_silent, description) values
  (7, 'New balance', 'push', true, 'Nobody sees it: the app shows the new points when it is opened next.');

insert into marketing.template_version (template_id, subject, body_text, body_html) values
(1, '{{ contact.first_name | default: "Dear member" }}, your {{ contact.points }} points are worth a coffee',
$text$Dear {{ contact.first_name | default: "member" }},

you have {{ contact.points }} points on card {{ contact.member_no }}, and only {{ profile.points_to_next_tier | default: "a few" }} are missing
to the next tier. This week they are worth more than usual:

  * {{ profile.favourite | default: "Any drink" }} in {{ profile.city | default: "your city" }}: 20 points instead of 35
  * A bag of beans of the month, roasted on Tuesday: 120 points instead of 150
  * Bring a friend who has no card yet: 50 points for you, 50 for them

Show this letter or your card at the till. The offers hold until Sunday evening.

As a {{ contact.tier | default: "basic" }} member you may also order ahead in the app and walk past the queue.

Yours,
Café Meridian Club

You get this letter because you said yes to weekly offers. Your preference page is one click away from every page of the app.
$text$,
$html$<!DOCTYPE html>
<html lang="{{ contact.language | default: "en" }}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Weekly offers</title>
  <style>
    body { margin: 0; background: #f3efe9; color: #2b2420; font: 16px/1.5 Georgia, "Times New Roman", serif; }
    .sheet { max-width: 600px; margin: 0 auto; background: #ffffff; }
    .head { background: #2f4a3f; color: #f7f2ea; padding: 28px 32px; }
    .head small { letter-spacing: .12em; text-transform: uppercase; }
    .body { padding: 24px 32px; }
    .offer { border-top: 1px solid #e3dbd0; padding: 16px 0; }
    .offer b { color: #2f4a3f; }
    .price { float: right; font-weight: bold; }
    .was { color: #9a8f86; text-decoration: line-through; font-weight: normal; }
    .button { display: inline-block; background: #c8642f; color: #ffffff; padding: 12px 22px; border-radius: 4px; text-decoration: none; }
    .foot { padding: 20px 32px; color: #8a7f76; font-size: 13px; }
  </style>
</head>
<body>
  <table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td>
  <div class="sheet">
    <div class="head">
      <small>Café Meridian Club</small>
      <h1>Good morning, {{ contact.first_name | default: "dear member" }}</h1>
      <p>Card {{ contact.member_no }}, {{ contact.tier | default: "basic" }} member</p>
    </div>
    <div class="body">
      <p>You have <b>{{ contact.points }} points</b>, and only {{ profile.points_to_next_tier | default: "a few" }} are missing to the
         next tier. You were last with us on {{ profile.last_visit | default: "a day we forgot" }}, at
         {{ profile.card.shop | default: "one of our shops" }}. This week your points are worth more than usual.</p>
      <div class="offer">
        <span class="price">20 points <span class="was">35</span></span>
        <b>{{ profile.favourite | default: "Any drink" }}</b><br>
        The one you take most often, in any size, in every shop of {{ profile.city | default: "your city" }}.
      </div>
      <div class="offer">
        <span class="price">120 points <span class="was">150</span></span>
        <b>Beans of the month</b><br>
        A washed lot from Huila, roasted on Tuesday, 250 g. Whole beans, or ground for the machine that you name at the till.
      </div>
      <div class="offer">
        <span class="price">+ 50 points</span>
        <b>Bring a friend</b><br>
        For somebody who has no card yet. Fifty points for you, fifty for them, both on the same evening.
      </div>
      <p><a class="button" href="https://club.example.com/offers">See all offers</a></p>
      <p>Show this letter or your card at the till. The offers hold until Sunday evening, as long as there are beans.</p>
    </div>
    <div class="foot">
      You get this letter because you said yes to weekly offers. You can change your mind at any moment on your preference page.
      Café Meridian Club, 12 Example Street, {{ profile.city | default: "Riga" }}.
    </div>
  </div>
  </td></tr></table>
</body>
</html>
$html$),
(2, 'Your points are worth more this week',
 '{{ contact.first_name | default: "Hello" }}, {{ profile.favourite | default: "any drink" }} is 20 points until Sunday. You have {{ contact.points }}.', ''),
(3, 'Your code is {{ data.code }}', 'Your code is {{ data.code }}. It holds for ten minutes.', ''),
(4, '', 'Cafe Meridian: {{ profile.favourite | default: "any drink" }} is 20 points until Sunday. You have {{ contact.points }}.', '');
insert into marketing.template_version (template_id, subject, body_text, body_html, link, data) values
(5, 'Your points are worth more this week', '{{ contact.first_name | default: "Hello" }}, you have {{ contact.points }} points.', '',
 'https://club.example.com/offers', '{"screen": "offers"}'),
(6, 'Your points are worth more this week', 'You have {{ contact.points }} points until Sunday.', '', 'https://club.example.com/offers', ''),
(7, '', '', '', '', '{"points": {{ contact.points }}}');

insert into marketing.campaign (campaign_id, name, segment_id, topic_id, expires_after, description) values
  (1, 'Autumn offers, Baltics', 3, 1, '12 hours', 'The weekly letter and its little sisters.'),
  (2, 'Autumn offers, west and south', 4, 1, '12 hours', 'The same, its letters through SendGrid.'),
  (3, 'Autumn offers, Germany', 5, 1, '12 hours', 'The same, its letters through our own relay, in the app in our own inbox.'),
  (4, 'Autumn offers, Android', 6, 1, '12 hours', 'On the lock screen, by Firebase.'),
  (5, 'Autumn offers, iPhone', 7, 1, '12 hours', 'On the lock screen, by Apple.'),
  (6, 'New balance, Android', 6, 1, '12 hours', 'In silence, by Firebase.'),
  (7, 'New balance, iPhone', 7, 1, '12 hours', 'In silence, by Apple.');
insert into marketing.step (campaign_id, position, template_id, provider_account_id)
select s.campaign_id, s.position, s.template_id, a.provider_account_id
from (values (1, 1, 1, 'mandrill'), (1, 2, 2, 'app'), (1, 3, 4, 'twilio'), (1, 4, 6, 'webpush'),
             (2, 1, 1, 'sendgrid'), (2, 2, 2, 'app'), (2, 3, 4, 'twilio'), (2, 4, 6, 'webpush'),
             (3, 1, 1, 'relay'), (3, 2, 2, 'inbox'), (3, 3, 4, 'twilio'), (3, 4, 6, 'webpush'),
             (4, 1, 5, 'fcm'), (5, 1, 5, 'apns'), (6, 1, 7, 'fcm'), (7, 1, 7, 'apns')) s (campaign_id, position, template_id, account)
join delivery.provider_account a on a.name = s.account;

-- The next number of a table that was filled with numbers of its own.
select setval(pg_get_serial_sequence(v.name, v.id), v.last + 1, false) from (values
  ('marketing.contact', 'contact_id', :contacts::bigint), ('marketing.topic', 'topic_id', 2), ('marketing.segment', 'segment_id', 7),
  ('marketing.template', 'template_id', 7), ('marketing.campaign', 'campaign_id', 7)) v (name, id, last) \g /dev/null
commit;
analyze marketing.contact, marketing.contact_point, marketing.consent, marketing.suppression;
