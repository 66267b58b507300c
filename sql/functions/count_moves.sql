-- Adds to the tally. Arrays of the same length: step, status, reason ('' for none), how many (may be below zero).
-- Each connection has its own slot, so writers rarely meet; rows are taken in one order, so they never deadlock.
create or replace function delivery.count_moves(p_run_step_ids bigint[], p_statuses delivery.delivery_status[], p_reasons text[], p_amounts bigint[])
returns void
language plpgsql
as $$
begin
  insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
  select m.run_step_id, m.status, coalesce(m.reason, ''), pg_backend_pid() % 32, sum(m.amount)
  from unnest(p_run_step_ids, p_statuses, p_reasons, p_amounts) as m (run_step_id, status, reason, amount)
  group by m.run_step_id, m.status, coalesce(m.reason, '')
  having sum(m.amount) <> 0
  order by m.run_step_id, m.status, coalesce(m.reason, '')
  on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount;
end
$$;
comment on function delivery.count_moves is 'Adds to the tally of deliveries by status. Called by the functions that move deliveries, in the same transaction.';

-- The same for one kind of change: p_amounts[i] deliveries of p_run_step_ids[i] went from one status and reason to another.
create or replace function delivery.count_change(p_run_step_ids bigint[], p_amounts bigint[], p_from delivery.delivery_status, p_from_reason text,
  p_to delivery.delivery_status, p_to_reason text)
returns bigint
language plpgsql
as $$
declare
  total bigint;
begin
  perform delivery.count_moves(array_agg(c.run_step_id), array_agg(c.status), array_agg(c.reason), array_agg(c.amount))
  from (
    select m.run_step_id, p_from as status, p_from_reason as reason, -m.amount as amount from unnest(p_run_step_ids, p_amounts) as m (run_step_id, amount)
    union all
    select m.run_step_id, p_to, p_to_reason, m.amount from unnest(p_run_step_ids, p_amounts) as m (run_step_id, amount)
  ) c;
  select coalesce(sum(a), 0) into total from unnest(p_amounts) a;
  return total;
end
$$;
comment on function delivery.count_change is 'Notes in the tally that deliveries went from one status to another; returns how many.';
