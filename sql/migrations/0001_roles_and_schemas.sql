-- Who works here. Roles belong to the whole server, so they may already be there.
do $$
declare
  role_name text;
begin
  foreach role_name in array array['postrider_marketer', 'postrider_analyst', 'postrider_ops', 'postrider_scheduler',
                                   'postrider_worker', 'postrider_receiver', 'postrider_segment'] loop
    if not exists (select from pg_roles where rolname = role_name) then
      execute format('create role %I nologin', role_name);
    end if;
  end loop;
end
$$;

create schema if not exists delivery;
create schema marketing;
create schema report;

comment on schema marketing is 'What people edit: contacts, consent, segments, templates, campaigns.';
comment on schema delivery is 'What the programs write: who was sent what, when, and what came of it. Read it, do not edit it.';
comment on schema report is 'Questions answered: how far is a run, why did messages fail, what is stuck and why.';

create type marketing.channel as enum ('email', 'sms', 'push', 'web_push', 'in_app');
comment on type marketing.channel is 'A way to reach a person.';

create type marketing.message_class as enum ('transactional', 'marketing');
comment on type marketing.message_class is
  'transactional: the person asked for it (a receipt, a one-time code) and topics do not apply; marketing: everything else.';

create type marketing.uncertain_policy as enum ('skip', 'resend');
comment on type marketing.uncertain_policy is
  'What to do when nobody knows whether a message went out: skip (never twice) or resend (never missed).';

create type marketing.undefined_policy as enum ('blank', 'skip');
comment on type marketing.undefined_policy is
  'What to do when a token has no value for a contact: blank (print nothing) or skip (do not send to this contact).';

create type delivery.delivery_status as enum (
  'planned', 'queued', 'sending', 'sent', 'delivered', 'bounced', 'failed', 'skipped', 'cancelled', 'expired',
  'held_out', 'uncertain');
comment on type delivery.delivery_status is
  'planned: waits for its turn. queued: on its way to a worker. sending: a worker has it. sent: the provider took it. '
  'delivered, bounced: the provider reported so. failed: refused for good. skipped: not sent on purpose, see reason. '
  'cancelled, expired: stopped or too late. held_out: in the control group. uncertain: nobody knows whether it went out.';

create type delivery.outcome_class as enum (
  'accepted', 'not_sent', 'throttled', 'transient', 'uncertain', 'bad_address', 'bad_payload', 'bad_credentials', 'expired');
comment on type delivery.outcome_class is 'What one call to a provider came to. Each class has its own rule for what follows.';
