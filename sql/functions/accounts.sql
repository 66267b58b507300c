-- Settings of provider accounts are checked by the workers, who know the drivers, as soon as they are saved.

-- What of an account is checked, as a fingerprint.
create or replace function delivery.account_mark(p_account delivery.provider_account)
returns text
language sql
stable
as $$
  select md5(concat_ws(' ', p_account.driver, p_account.channel, p_account.settings))
$$;
comment on function delivery.account_mark is 'A fingerprint of what is checked of an account: driver, channel and settings.';

-- Accounts whose settings no worker has looked at since they were saved; and, every 10 seconds, those that did not work: what is
-- missing may be a file or a variable, which come without a change here.
create or replace function delivery.unchecked_accounts()
returns table (provider_account_id integer, driver text, channel marketing.channel, settings text, mark text, problem text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.provider_account_id, a.driver, a.channel, a.settings::text, delivery.account_mark(a), a.problem
  from delivery.provider_account a
  where a.checked_mark is distinct from delivery.account_mark(a)
    or (a.problem is not null and a.checked_at < now() - interval '10 seconds')
  order by a.provider_account_id
$$;
comment on function delivery.unchecked_accounts is 'The provider accounts whose settings are still to be checked.';

-- p_problem null: they work. Settings that were changed in between are checked again. An account that was stopped because of its
-- settings goes on at once when they are mended.
create or replace function delivery.note_account_check(p_provider_account_id integer, p_mark text, p_problem text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update delivery.provider_account a
  set problem = p_problem, checked_at = now(), checked_mark = p_mark
  where a.provider_account_id = p_provider_account_id and delivery.account_mark(a) = p_mark;
  update delivery.provider_account a
  set breaker_reason = null, open_until = null, opened_count = 0, probe_delivery_id = null, probe_until = null
  where a.provider_account_id = p_provider_account_id and a.checked_mark = p_mark and a.problem is null
    and a.breaker_reason like 'The account cannot be used:%'
$$;
comment on function delivery.note_account_check is 'Writes down what is wrong with an account''s settings, or that nothing is.';
