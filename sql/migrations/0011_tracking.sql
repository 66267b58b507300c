-- Opens, clicks, unsubscribing, the preference page, answers by SMS, and our own inbox.

alter table marketing.campaign add column track_opens boolean;
alter table marketing.campaign add column track_clicks boolean;
alter table marketing.campaign add column track_sms_links boolean not null default false;
comment on column marketing.campaign.track_opens is 'Emails tell when they are opened. Empty: on for marketing, off for transactional.';
comment on column marketing.campaign.track_clicks is 'Links in emails lead through us and are counted. Empty: on for marketing, off for transactional.';
comment on column marketing.campaign.track_sms_links is 'Links in SMS lead through us, too. They grow by a third and about 60 characters, which may cost a second SMS.';

alter table marketing.topic add column is_listed boolean not null default true;
comment on column marketing.topic.is_listed is 'On: contacts see it on the preference page. Off: only you change what they said, and "unsubscribe from everything" does.';

create table marketing.topic_translation (
  topic_id bigint not null,
  language text not null,
  name text not null,
  description text,
  constraint "One translation per topic and language" primary key (topic_id, language),
  constraint "The topic of a translation must exist" foreign key (topic_id) references marketing.topic on delete cascade,
  constraint "A language is written as en or pt-BR" check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$')
);
comment on table marketing.topic_translation is 'What a topic is called in another language, for the preference page.';
comment on column marketing.topic_translation.topic_id is 'Which topic.';
comment on column marketing.topic_translation.language is 'Language code, for example lv.';
comment on column marketing.topic_translation.name is 'Its name in that language, for example "Nedēļas piedāvājumi".';
comment on column marketing.topic_translation.description is 'A sentence for contacts. Empty: none.';
comment on index marketing."One translation per topic and language" is 'The key of topic_translation: finds a row, and no two rows have the same.';

create table marketing.page_text (
  language text not null,
  key text not null,
  text text not null,
  constraint "One text per language and key" primary key (language, key),
  constraint "The language of a page's text is written as en or pt-BR" check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$')
);
comment on table marketing.page_text is
  'What the preference page and the answers to SMS say, in each language. To add a language, add its rows; what is missing is said in English.';
comment on column marketing.page_text.language is 'Language code, for example lv.';
comment on column marketing.page_text.key is 'Which text, for example title. The rows with language en show all of them.';
comment on column marketing.page_text.text is 'The text itself.';
comment on index marketing."One text per language and key" is 'The key of page_text: finds a row, and no two rows have the same.';
insert into marketing.page_text (language, key, text) values
  ('en', 'title', 'Your messages from us'),
  ('en', 'intro', 'Choose what you would like to hear about, and how.'),
  ('en', 'save', 'Save my choice'),
  ('en', 'saved', 'Your choice is saved.'),
  ('en', 'everything', 'Unsubscribe from everything'),
  ('en', 'everything_hint', 'You will get no more news and offers from us, on any channel.'),
  ('en', 'everything_done', 'You are unsubscribed from everything.'),
  ('en', 'nothing', 'There is nothing to choose at the moment.'),
  ('en', 'email', 'Email'),
  ('en', 'sms', 'SMS'),
  ('en', 'push', 'On the phone'),
  ('en', 'web_push', 'In the browser'),
  ('en', 'in_app', 'In the app'),
  ('en', 'sms_stop', 'You are unsubscribed and will get no more SMS from us. Reply START to get them again.'),
  ('en', 'sms_start', 'You will get SMS from us again. Reply STOP to end this, HELP for help.'),
  ('en', 'sms_help', 'You get SMS from us because you are a member. Reply STOP to get no more.'),
  ('lv', 'title', 'Mūsu ziņas jums'),
  ('lv', 'intro', 'Izvēlieties, par ko un kā vēlaties saņemt ziņas.'),
  ('lv', 'save', 'Saglabāt izvēli'),
  ('lv', 'saved', 'Jūsu izvēle ir saglabāta.'),
  ('lv', 'everything', 'Atteikties no visa'),
  ('lv', 'everything_hint', 'Jūs vairs nekādā veidā nesaņemsiet jaunumus un piedāvājumus.'),
  ('lv', 'everything_done', 'Jūs esat atteicies no visām ziņām.'),
  ('lv', 'nothing', 'Pašlaik nav ko izvēlēties.'),
  ('lv', 'email', 'E-pasts'),
  ('lv', 'sms', 'Īsziņa'),
  ('lv', 'push', 'Tālrunī'),
  ('lv', 'web_push', 'Pārlūkā'),
  ('lv', 'in_app', 'Lietotnē'),
  ('lv', 'sms_stop', 'Jūs vairs nesaņemsiet mūsu īsziņas. Atbildiet START, lai tās atkal saņemtu.'),
  ('lv', 'sms_start', 'Jūs atkal saņemsiet mūsu īsziņas. Atbildiet STOP, lai atteiktos, HELP, lai saņemtu palīdzību.'),
  ('lv', 'sms_help', 'Jūs saņemat mūsu īsziņas, jo esat programmas dalībnieks. Atbildiet STOP, lai atteiktos.'),
  ('de', 'title', 'Ihre Nachrichten von uns'),
  ('de', 'intro', 'Wählen Sie, worüber und wie Sie von uns hören möchten.'),
  ('de', 'save', 'Auswahl speichern'),
  ('de', 'saved', 'Ihre Auswahl ist gespeichert.'),
  ('de', 'everything', 'Von allem abmelden'),
  ('de', 'everything_hint', 'Sie bekommen keine Neuigkeiten und Angebote mehr, auf keinem Weg.'),
  ('de', 'everything_done', 'Sie sind von allem abgemeldet.'),
  ('de', 'nothing', 'Im Moment gibt es nichts auszuwählen.'),
  ('de', 'email', 'E-Mail'),
  ('de', 'sms', 'SMS'),
  ('de', 'push', 'Auf dem Telefon'),
  ('de', 'web_push', 'Im Browser'),
  ('de', 'in_app', 'In der App'),
  ('de', 'sms_stop', 'Sie sind abgemeldet und bekommen keine SMS mehr von uns. Antworten Sie START, um sie wieder zu bekommen.'),
  ('de', 'sms_start', 'Sie bekommen wieder SMS von uns. Antworten Sie STOP zum Abmelden, HILFE für Hilfe.'),
  ('de', 'sms_help', 'Sie bekommen SMS von uns, weil Sie Mitglied sind. Antworten Sie STOP, um keine mehr zu bekommen.'),
  ('es', 'title', 'Sus mensajes'),
  ('es', 'intro', 'Elija de qué quiere tener noticias y cómo.'),
  ('es', 'save', 'Guardar mi elección'),
  ('es', 'saved', 'Su elección se ha guardado.'),
  ('es', 'everything', 'Darme de baja de todo'),
  ('es', 'everything_hint', 'No recibirá más novedades ni ofertas por ningún medio.'),
  ('es', 'everything_done', 'Se ha dado de baja de todo.'),
  ('es', 'nothing', 'Ahora no hay nada que elegir.'),
  ('es', 'email', 'Correo electrónico'),
  ('es', 'sms', 'SMS'),
  ('es', 'push', 'En el teléfono'),
  ('es', 'web_push', 'En el navegador'),
  ('es', 'in_app', 'En la aplicación'),
  ('es', 'sms_stop', 'Se ha dado de baja y no recibirá más SMS. Responda START para volver a recibirlos.'),
  ('es', 'sms_start', 'Volverá a recibir nuestros SMS. Responda STOP para darse de baja o AYUDA para obtener ayuda.'),
  ('es', 'sms_help', 'Recibe nuestros SMS porque es socio. Responda STOP para no recibir más.'),
  ('fr', 'title', 'Vos messages de notre part'),
  ('fr', 'intro', 'Choisissez ce dont vous souhaitez être informé, et comment.'),
  ('fr', 'save', 'Enregistrer mon choix'),
  ('fr', 'saved', 'Votre choix est enregistré.'),
  ('fr', 'everything', 'Me désabonner de tout'),
  ('fr', 'everything_hint', 'Vous ne recevrez plus ni nouvelles ni offres, par aucun moyen.'),
  ('fr', 'everything_done', 'Vous êtes désabonné de tout.'),
  ('fr', 'nothing', 'Il n''y a rien à choisir pour le moment.'),
  ('fr', 'email', 'E-mail'),
  ('fr', 'sms', 'SMS'),
  ('fr', 'push', 'Sur le téléphone'),
  ('fr', 'web_push', 'Dans le navigateur'),
  ('fr', 'in_app', 'Dans l''application'),
  ('fr', 'sms_stop', 'Vous êtes désabonné et ne recevrez plus de SMS. Répondez START pour en recevoir de nouveau.'),
  ('fr', 'sms_start', 'Vous recevrez de nouveau nos SMS. Répondez STOP pour vous désabonner, AIDE pour obtenir de l''aide.'),
  ('fr', 'sms_help', 'Vous recevez nos SMS car vous êtes membre. Répondez STOP pour ne plus en recevoir.');

create table marketing.sms_keyword (
  word text not null,
  meaning text not null,
  language text,
  constraint "A word is on the list once" primary key (word),
  constraint "A word means stop, start or help" check (meaning in ('stop', 'start', 'help')),
  constraint "A word is written in capitals, without blanks around it" check (word = upper(word) and word = btrim(word) and word <> '')
);
comment on table marketing.sms_keyword is
  'What a contact may answer to an SMS, as the only words of the message. The capital and small letters, dots and exclamation marks do not matter.';
comment on column marketing.sms_keyword.word is 'The word, for example STOP.';
comment on column marketing.sms_keyword.meaning is 'stop: send no more. start: send again what was stopped. help: explain.';
comment on column marketing.sms_keyword.language is 'Language of the word, which the answer is written in. Empty: the contact''s own.';
comment on index marketing."A word is on the list once" is 'The key of sms_keyword: finds a row, and no two rows have the same.';
-- The English ones are those of Twilio's own list, which US law and carriers ask for.
insert into marketing.sms_keyword (word, meaning, language) values
  ('STOP', 'stop', null), ('STOPALL', 'stop', null), ('STOP ALL', 'stop', null), ('UNSUBSCRIBE', 'stop', null), ('CANCEL', 'stop', null),
  ('END', 'stop', null), ('QUIT', 'stop', null), ('REVOKE', 'stop', null), ('OPTOUT', 'stop', null), ('OPT OUT', 'stop', null),
  ('START', 'start', null), ('YES', 'start', null), ('UNSTOP', 'start', null),
  ('HELP', 'help', null), ('INFO', 'help', null),
  ('ATTEIKTIES', 'stop', 'lv'), ('APTURĒT', 'stop', 'lv'), ('SĀKT', 'start', 'lv'), ('PALĪDZĪBA', 'help', 'lv'),
  ('STOPP', 'stop', 'de'), ('ABMELDEN', 'stop', 'de'), ('ABBESTELLEN', 'stop', 'de'), ('HILFE', 'help', 'de'),
  ('BAJA', 'stop', 'es'), ('ALTO', 'stop', 'es'), ('ALTA', 'start', 'es'), ('AYUDA', 'help', 'es'),
  ('ARRET', 'stop', 'fr'), ('ARRÊT', 'stop', 'fr'), ('DESABONNER', 'stop', 'fr'), ('DÉSABONNER', 'stop', 'fr'), ('AIDE', 'help', 'fr');

create table delivery.sms_reply (
  provider_account_id integer not null,
  event_key text not null,
  meaning text,
  reply text,
  received_at timestamptz not null,
  constraint "An answer by SMS is taken once" primary key (provider_account_id, event_key)
);
comment on table delivery.sms_reply is 'Answers by SMS that have been acted on, so that one that is reported twice counts once. Neither number nor text is kept.';
comment on column delivery.sms_reply.provider_account_id is 'Which account took it.';
comment on column delivery.sms_reply.event_key is 'The provider''s number for it.';
comment on column delivery.sms_reply.meaning is 'What it meant: stop, start or help. Empty: none of them.';
comment on column delivery.sms_reply.reply is 'What was to be answered. Empty: nothing.';
comment on column delivery.sms_reply.received_at is 'When it came.';
comment on index delivery."An answer by SMS is taken once" is 'The key of sms_reply: finds a row, and no two rows have the same.';

create index if not exists contact_point_of_address on marketing.contact_point (channel, address);
comment on index marketing.contact_point_of_address is 'Finds whose an address is.';

alter table delivery.delivery_event add column link_place integer;
comment on column delivery.delivery_event.link_place is 'Which link of the message was clicked: 1 is the first one.';

create table delivery.inbox_message (
  delivery_id bigint not null,
  contact_id bigint not null,
  weight integer not null default 0,
  visible_since timestamptz not null,
  visible_until timestamptz not null,
  title text not null,
  body text not null,
  link text,
  image text,
  data jsonb,
  sent_at timestamptz not null default now(),
  delivered_at timestamptz,
  read_at timestamptz,
  constraint "A delivery is in the inbox once" primary key (delivery_id),
  constraint "A message is visible until after it became visible" check (visible_until > visible_since)
);
create index inbox_message_of_contact on delivery.inbox_message (contact_id, weight desc, delivery_id desc);
create index inbox_message_over on delivery.inbox_message (visible_until);
comment on table delivery.inbox_message is
  'Our own inbox: messages that the member''s app fetches. They go by themselves 30 days after they are no longer visible.';
comment on column delivery.inbox_message.delivery_id is 'Which delivery.';
comment on column delivery.inbox_message.contact_id is 'Whose inbox.';
comment on column delivery.inbox_message.weight is 'Greater ones stand above, then newer ones.';
comment on column delivery.inbox_message.visible_since is 'The app does not see it before.';
comment on column delivery.inbox_message.visible_until is 'The app does not see it afterwards.';
comment on column delivery.inbox_message.title is 'Its title.';
comment on column delivery.inbox_message.body is 'Its text.';
comment on column delivery.inbox_message.link is 'Where a tap leads. Empty: nowhere.';
comment on column delivery.inbox_message.image is 'Address of an image. Empty: none.';
comment on column delivery.inbox_message.data is 'More for the app, as a JSON object. Empty: nothing.';
comment on column delivery.inbox_message.sent_at is 'When it was put there.';
comment on column delivery.inbox_message.delivered_at is 'When the app fetched it for the first time.';
comment on column delivery.inbox_message.read_at is 'When the app said that it was read.';
comment on index delivery."A delivery is in the inbox once" is 'The key of inbox_message: finds a row, and no two rows have the same.';
comment on index delivery.inbox_message_of_contact is 'The inbox of a contact, in its order.';
comment on index delivery.inbox_message_over is 'Finds what may go.';

insert into delivery.provider values
  ('inbox', '{in_app}', true, 'Our own inbox, which the member''s app fetches from the receiver. It recognises repeats by the delivery.');
