-- Whether one of the attempts made so far has reached the person, or may have. Such a delivery never ends as if nothing had been
-- sent: it ends `uncertain`, or `sent`.
create or replace function delivery.is_in_doubt(p_delivery_id bigint, p_attempts_made integer)
returns boolean
language plpgsql
stable
as $$
begin
  return p_attempts_made > 0 and exists (
    select from delivery.attempt a where a.delivery_id = p_delivery_id and a.outcome in ('uncertain', 'accepted'));
end
$$;
comment on function delivery.is_in_doubt is 'Whether an earlier attempt has arrived, or may have, although the delivery goes on.';
