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
  if to_regclass(format('delivery.delivery_%s', p_month)) is not null then
    return false;
  end if;
  perform pg_advisory_xact_lock(hashtext('postrider partitions'));
  if to_regclass(format('delivery.delivery_%s', p_month)) is not null then
    return false;
  end if;
  foreach parent in array array['delivery', 'attempt', 'delivery_event'] loop
    execute format('create table delivery.%I partition of delivery.%I for values from (%s) to (%s)',
      parent || '_' || p_month, parent, low, high);
    execute format('comment on table delivery.%I is %L', parent || '_' || p_month,
      'The ' || parent || ' rows of one month. To forget the month, drop this table.');
  end loop;
  -- A delivery is rewritten three times within seconds; room in its page keeps that out of the indexes.
  execute format('alter table delivery.%I set (fillfactor = 35, autovacuum_vacuum_scale_factor = 0.1, '
    'autovacuum_analyze_scale_factor = 0.05)', 'delivery_' || p_month);
  execute format('create unique index %I on delivery.%I (run_step_id, contact_id, occurrence)',
    'delivery_' || p_month || '_once', 'delivery_' || p_month);
  execute format('comment on index delivery.%I is %L', 'delivery_' || p_month || '_once',
    'Nobody gets the same step of the same run twice; also the order in which a run is worked off.');
  execute format('create index %I on delivery.%I (run_step_id, next_at) where next_at is not null',
    'delivery_' || p_month || '_next', 'delivery_' || p_month);
  execute format('comment on index delivery.%I is %L', 'delivery_' || p_month || '_next',
    'Finds what is to be looked at again.');
  execute format('create index %I on delivery.%I (contact_id)', 'delivery_' || p_month || '_contact',
    'delivery_' || p_month);
  execute format('comment on index delivery.%I is %L', 'delivery_' || p_month || '_contact',
    'Finds what a contact was sent.');
  return true;
end
$$;
comment on function delivery.ensure_partition is 'Makes room for the deliveries of one month, such as 202611.';

-- This month and the next three. Called at start and every hour by the leading scheduler.
create or replace function delivery.ensure_partitions()
returns integer
language sql
as $$
  select count(*) filter (where delivery.ensure_partition(delivery.month_of(now() + make_interval(months => ahead))))::integer
  from generate_series(0, 3) as ahead
$$;
comment on function delivery.ensure_partitions is 'Makes room for this month''s and the next three months'' deliveries.';
