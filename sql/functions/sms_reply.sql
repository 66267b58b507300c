-- needs: preferences
-- An answer to an SMS. stop: nothing more is sent to that number, and every contact with that number says no to the channel. start: takes back a stop,
-- and only that; a "yes" from somebody who never stopped means nothing, nor does one that was written before the stop. help: only explains. p_event_key: the provider's number of the
-- message; the same one again changes nothing and returns the same. Returns what to answer, in the language of the word or of the contact;
-- null: nothing. The provider may answer by itself, as Twilio does; then the return value is not needed.
create or replace function delivery.sms_reply(p_provider_account_id integer, p_address text, p_text text, p_event_key text, p_at timestamptz)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  word record;
  person record;
  answer text;
  proof text := format('SMS %s', p_event_key);
begin
  insert into delivery.sms_reply (provider_account_id, event_key, received_at) values (p_provider_account_id, p_event_key, p_at)
  on conflict do nothing;
  if not found then
    return (select r.reply from delivery.sms_reply r where r.provider_account_id = p_provider_account_id and r.event_key = p_event_key);
  end if;
  select k.meaning, k.language into word from marketing.sms_keyword k
  where k.word = upper(regexp_replace(btrim(left(p_text, 200), E' \t\r\n.,!?"''«»„“”'), '\s+', ' ', 'g'));
  if not found then
    return null;
  end if;
  if word.meaning = 'start' and not exists (
      select from marketing.suppression s where s.channel = 'sms' and s.address = p_address and s.reason = 'stop by SMS' and s.created_at <= p_at) then
    return null;
  end if;
  if word.meaning = 'stop' then
    insert into marketing.suppression (channel, address, reason, source, created_at) values ('sms', p_address, 'stop by SMS', proof, p_at)
    on conflict (channel, address) do nothing;
  elsif word.meaning = 'start' then
    delete from marketing.suppression s where s.channel = 'sms' and s.address = p_address and s.reason = 'stop by SMS';
  end if;
  for person in
    select p.contact_id, p.language from marketing.contact_point cp join marketing.contact p using (contact_id)
    where cp.channel = 'sms' and cp.address = p_address and p.erased_at is null
    order by p.contact_id
    for no key update of p
  loop
    word.language := coalesce(word.language, person.language);
    if word.meaning <> 'help' then
      perform marketing.set_consent(person.contact_id, 'sms', null, word.meaning = 'start', 'reply by SMS', proof);
    end if;
  end loop;
  answer := marketing.page_texts(coalesce(word.language, 'en')) ->> ('sms_' || word.meaning);
  update delivery.sms_reply r set meaning = word.meaning, reply = answer
  where r.provider_account_id = p_provider_account_id and r.event_key = p_event_key;
  return answer;
end
$$;
comment on function delivery.sms_reply is 'Acts on an answer to an SMS: STOP, START or HELP, in each language of marketing.sms_keyword.';
