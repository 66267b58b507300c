-- Opens and clicks, many at a time, as the receiver saw them. Arrays of the same length: delivery, kind (opened or clicked), when in ms of
-- Unix time, a key of the event (the same one counts once, so that a call may be repeated), the link's place (null for opens), where the link
-- leads (without its query), who says so, and whether it looked like a machine.
-- What a delivery does not have any more, or has a hundred of, is passed over: nobody fills the table by fetching a picture. Returns how
-- many were written.
--
-- What only time can tell is decided here: a click within a second after the message was handed over, and three or more different links
-- within ten seconds, are a scanner's. A slow scanner passes for a person, and a very quick person for a scanner.
create or replace function delivery.note_tracking(p_delivery_ids bigint[], p_kinds text[], p_happened_at_ms bigint[], p_event_keys text[],
  p_places integer[], p_links text[], p_sources text[], p_is_machine boolean[])
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  noted_count integer;
begin
  with told as (
    select x.*, to_timestamp(x.happened_at_ms / 1000.0) as happened_at
    from unnest(p_delivery_ids, p_kinds, p_happened_at_ms, p_event_keys, p_places, p_links, p_sources, p_is_machine)
      as x (delivery_id, kind, happened_at_ms, event_key, place, link, source, is_machine)
    where x.kind in ('opened', 'clicked')
  ), noted as (
    insert into delivery.delivery_event (delivery_id, kind, event_key, happened_at, source, link, link_place, is_machine)
    select t.delivery_id, t.kind, t.event_key, t.happened_at,
           case when v.is_too_soon and not t.is_machine then t.source || ', too soon for a person' else t.source end,
           t.link, t.place, t.is_machine or v.is_too_soon
    from told t
    join delivery.delivery d on d.delivery_id = t.delivery_id
    cross join lateral (select t.kind = 'clicked' and (d.settled_at is null or t.happened_at < d.settled_at + interval '1 second') as is_too_soon) v
    where (select count(*) from (
        select from delivery.delivery_event e where e.delivery_id = t.delivery_id and e.kind = t.kind limit 100) x) < 100
    on conflict (delivery_id, kind, event_key) do nothing
    returning 1
  )
  select count(*) into noted_count from noted;

  with touched as (
    select x.delivery_id, max(to_timestamp(x.happened_at_ms / 1000.0)) as newest_at
    from unnest(p_delivery_ids, p_kinds, p_happened_at_ms) as x (delivery_id, kind, happened_at_ms)
    where x.kind = 'clicked'
    group by 1
  ), swept as (
    select t.delivery_id, t.newest_at
    from touched t
    join delivery.delivery_event e on e.delivery_id = t.delivery_id and e.kind = 'clicked'
      and e.happened_at between t.newest_at - interval '10 seconds' and t.newest_at
    group by 1, 2
    having count(distinct e.link_place) >= 3
  )
  update delivery.delivery_event e
  set is_machine = true, source = e.source || ', several links at once'
  from swept s
  where e.delivery_id = s.delivery_id and e.kind = 'clicked' and not e.is_machine
    and e.happened_at between s.newest_at - interval '10 seconds' and s.newest_at;
  return noted_count;
end
$$;
comment on function delivery.note_tracking is 'Writes down that messages were opened and links clicked, and tells scanners from people.';
