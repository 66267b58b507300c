create or replace view marketing.segment_contact as
select c.contact_id, c.member_no, c.first_name, c.last_name, c.language, c.time_zone, c.tier, c.points, c.profile, c.created_at
from marketing.contact c
where c.erased_at is null;
comment on view marketing.segment_contact is 'What a segment''s condition may ask about a contact.';
comment on column marketing.segment_contact.contact_id is 'Number of the contact, for example: contact_id % 10 = 0 is every tenth.';
comment on column marketing.segment_contact.member_no is 'Loyalty card number.';
comment on column marketing.segment_contact.first_name is 'First name.';
comment on column marketing.segment_contact.last_name is 'Last name.';
comment on column marketing.segment_contact.language is 'Language code, for example: language = ''lv''.';
comment on column marketing.segment_contact.time_zone is 'IANA time zone.';
comment on column marketing.segment_contact.tier is 'Loyalty tier, for example: tier in (''gold'', ''platinum'').';
comment on column marketing.segment_contact.points is 'Points balance, for example: points between 100 and 500.';
comment on column marketing.segment_contact.profile is 'Everything else, for example: profile->>''city'' = ''Riga''.';
comment on column marketing.segment_contact.created_at is 'When the person joined, for example: created_at > now() - interval ''30 days''.';
