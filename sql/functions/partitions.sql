-- The month that a moment belongs to, as in 202611, in UTC.
create or replace function delivery.month_of(p_at timestamptz)
returns integer
language sql
immutable
as $$
  select (extract(year from p_at at time zone 'UTC') * 100 + extract(month from p_at at time zone 'UTC'))::integer
$$;
comment on function delivery.month_of is 'The month of a moment, as in 202611.';

-- The first delivery_id of a month: 202611 becomes 202611000000000000.
create or replace function delivery.first_id_of(p_month integer)
returns bigint
language sql
immutable
as $$
  select p_month::bigint * 1000000000000
$$;
comment on function delivery.first_id_of is 'The first delivery_id of a month.';

-- An index of one month's table, unless it is there. p_statement: with %I for its name and for the table's.
create or replace function delivery.ensure_index(p_table text, p_name text, p_statement text, p_comment text)
returns void
language plpgsql
as $$
begin
  if to_regclass(format('delivery.%I', p_table || '_' || p_name)) is null then
    execute format(p_statement, p_table || '_' || p_name, p_table);
    execute format('comment on index delivery.%I is %L', p_table || '_' || p_name, p_comment);
  end if;
end
$$;
comment on function delivery.ensure_index is 'Makes an index of a month unless it is there.';

-- Makes the partitions of one month unless they are there. Harmless to repeat; two at once wait for each other.
create or replace function delivery.ensure_partition(p_month integer)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  low bigint := delivery.first_id_of(p_month);
  high bigint := delivery.first_id_of(p_month + 1);
  parent text;
begin
  -- The last one that is made.
  if to_regclass(format('delivery.callback_event_%s', p_month)) is not null then
    return false;
  end if;
  perform pg_advisory_xact_lock(hashtext('postrider partitions'));
  foreach parent in array array['delivery', 'attempt', 'delivery_event', 'callback_inbox', 'callback_event'] loop
    if to_regclass(format('delivery.%s_%s', parent, p_month)) is null then
      execute format('create table delivery.%I partition of delivery.%I for values from (%s) to (%s)',
        parent || '_' || p_month, parent, low, high);
      execute format('comment on table delivery.%I is %L', parent || '_' || p_month,
        'The ' || parent || ' rows of one month. To forget the month, drop this table.');
    end if;
  end loop;
  -- A delivery is rewritten three times within seconds; room in its page keeps that out of the indexes.
  execute format('alter table delivery.%I set (fillfactor = 35, autovacuum_vacuum_scale_factor = 0.2, '
    'autovacuum_analyze_scale_factor = 0.05)', 'delivery_' || p_month);
  perform delivery.ensure_index('delivery_' || p_month, 'once', 'create unique index %I on delivery.%I (run_step_id, contact_id, occurrence)',
    'Nobody gets the same step of the same run twice; also the order in which a run is worked off.');
  perform delivery.ensure_index('delivery_' || p_month, 'next', 'create index %I on delivery.%I (run_step_id, next_at) where next_at is not null',
    'Finds what is to be looked at again.');
  perform delivery.ensure_index('delivery_' || p_month, 'contact', 'create index %I on delivery.%I (contact_id)',
    'Finds what a contact was sent.');
  perform delivery.ensure_index('callback_inbox_' || p_month, 'once', 'create unique index %I on delivery.%I (provider_account_id, sha256)',
    'The same words of the same account are kept once.');
  return true;
end
$$;
comment on function delivery.ensure_partition is 'Makes room for the deliveries of one month, such as 202611.';

-- This month and the next; more would cost every statement on deliveries a look at empty tables. Called at start and every hour by the
-- leading scheduler.
create or replace function delivery.ensure_partitions()
returns integer
language sql
as $$
  select count(*) filter (where delivery.ensure_partition(delivery.month_of(now() + make_interval(months => ahead))))::integer
  from generate_series(0, 1) as ahead
$$;
comment on function delivery.ensure_partitions is 'Makes room for this month''s and the next month''s deliveries.';
