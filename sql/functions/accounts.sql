-- Settings of provider accounts are checked by the workers, who know the drivers, as soon as they are saved.

create or replace function delivery.forget_account_check()
returns trigger
language plpgsql
as $$
begin
  if tg_op = 'INSERT' or (new.driver, new.channel, new.settings) is distinct from (old.driver, old.channel, old.settings) then
    new.problem := null;
    new.checked_at := null;
  end if;
  return new;
end
$$;
comment on function delivery.forget_account_check is 'After a change of an account''s settings nobody has checked them yet.';
create or replace trigger forget_account_check before insert or update of driver, channel, settings on delivery.provider_account
  for each row execute function delivery.forget_account_check();
comment on trigger forget_account_check on delivery.provider_account is 'Changed settings are checked again.';

-- Accounts whose settings no worker has looked at since they were saved; and, every 10 seconds, those that did not work: what is
-- missing may be a file or a variable, which come without a change here.
create or replace function delivery.unchecked_accounts()
returns table (provider_account_id integer, driver text, channel marketing.channel, settings text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.provider_account_id, a.driver, a.channel, a.settings::text
  from delivery.provider_account a
  where a.checked_at is null or (a.problem is not null and a.checked_at < now() - interval '10 seconds')
  order by a.provider_account_id
$$;
comment on function delivery.unchecked_accounts is 'The provider accounts whose settings are still to be checked.';

-- p_problem null: they work. Settings that were changed in between are checked again. An account that was stopped because of its
-- settings goes on at once when they are mended.
create or replace function delivery.note_account_check(p_provider_account_id integer, p_settings text, p_problem text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update delivery.provider_account a
  set problem = p_problem, checked_at = now(),
      breaker_reason = case when is_mended then null else a.breaker_reason end,
      open_until = case when is_mended then null else a.open_until end,
      opened_count = case when is_mended then 0 else a.opened_count end,
      probe_delivery_id = case when is_mended then null else a.probe_delivery_id end,
      probe_until = case when is_mended then null else a.probe_until end
  from (select w.provider_account_id, p_problem is null and w.breaker_reason like 'The account cannot be used:%' as is_mended
        from delivery.provider_account w where w.provider_account_id = p_provider_account_id for update) as before
  where a.provider_account_id = before.provider_account_id and a.settings::text = p_settings
$$;
comment on function delivery.note_account_check is 'Writes down what is wrong with an account''s settings, or that nothing is.';
