-- needs: count_moves
-- Puts messages into our own inbox, each a JSON object: delivery_id, title, body and, if given, link, image, data, weight, visible_from_ms,
-- visible_until_ms (Unix time). One that is there stays as it is: the delivery is the key. Clears a few that are long over. Returns how many are
-- there of those asked for; fails as a whole when one cannot be stored.
create or replace function delivery.inbox_put(p_messages text[])
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  delete from delivery.inbox_message m
  where m.delivery_id in (
    select o.delivery_id from delivery.inbox_message o where o.visible_until < now() - interval '30 days'
    order by o.visible_until limit 100 for update skip locked);
  insert into delivery.inbox_message (delivery_id, contact_id, weight, visible_since, visible_until, title, body, link, image, data)
  select d.delivery_id, d.contact_id, coalesce(x.weight, 0), v.visible_since,
         coalesce(to_timestamp(x.visible_until_ms / 1000.0), v.visible_since + interval '30 days'), x.title, x.body, x.link, x.image, x.data
  from unnest(p_messages) as m (message)
  cross join lateral jsonb_to_record(m.message::jsonb) as x (delivery_id bigint, title text, body text, link text, image text, data jsonb,
    weight integer, visible_from_ms bigint, visible_until_ms bigint)
  join delivery.delivery d on d.delivery_id = x.delivery_id
  cross join lateral (select coalesce(to_timestamp(x.visible_from_ms / 1000.0), now()) as visible_since) v
  order by d.delivery_id
  on conflict (delivery_id) do nothing;
  return (select count(*) from unnest(p_messages) as m (message)
          join delivery.inbox_message i on i.delivery_id = (m.message::jsonb ->> 'delivery_id')::bigint);
end
$$;
comment on function delivery.inbox_put is 'Puts messages into our own inbox. Repeating it changes nothing.';

-- These of a contact's messages have been fetched: they count as delivered, once. Part of the functions below.
create or replace function delivery.inbox_delivered(p_delivery_ids bigint[])
returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
begin
  with fetched as (
    update delivery.inbox_message m set delivered_at = now()
    where m.delivery_id = any (p_delivery_ids) and m.delivered_at is null
    returning m.delivery_id
  ), noted as (
    insert into delivery.delivery_event (delivery_id, kind, happened_at, source)
    select f.delivery_id, 'delivered', now(), 'our own inbox' from fetched f
  ), moved as (
    update delivery.delivery d set status = 'delivered', settled_at = now()
    from fetched f
    where d.delivery_id = f.delivery_id and d.status = 'sent'
    returning d.run_step_id
  )
  insert into delivery.tally as t (run_step_id, status, reason, slot, amount)
  select n.run_step_id, n.status, '', pg_backend_pid() % 32, n.amount
  from (
    select m.run_step_id, 'sent'::delivery.delivery_status as status, -count(*) as amount from moved m group by 1
    union all
    select m.run_step_id, 'delivered', count(*) from moved m group by 1
    order by 1, 2
  ) n
  on conflict (run_step_id, status, reason, slot) do update set amount = t.amount + excluded.amount;
end
$$;
comment on function delivery.inbox_delivered is 'Notes that the member''s app has fetched messages.';

-- What the member's app sees, as JSON: {"messages": [...], "next": "..."}: at most p_limit, the greatest weight first, then the newest, behind the
-- cursor (both null: from the top). next is null when there are no more. Only messages whose sending is recorded are shown. Fetching is
-- the delivery: each is marked delivered the first time.
create or replace function delivery.inbox_feed(p_contact_id bigint, p_limit integer, p_with_read boolean, p_after_weight integer, p_after_id bigint)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  shown bigint[];
  feed text;
begin
  with page as (
    select m.*
    from delivery.inbox_message m
    join marketing.contact p on p.contact_id = m.contact_id and p.erased_at is null
    join delivery.delivery d on d.delivery_id = m.delivery_id and d.status in ('sent', 'delivered')
    where m.contact_id = p_contact_id and m.visible_since <= now() and m.visible_until > now() and (p_with_read or m.read_at is null)
      and (p_after_id is null or (m.weight, m.delivery_id) < (p_after_weight, p_after_id))
    order by m.weight desc, m.delivery_id desc
    limit p_limit + 1
  ), numbered as (
    select page.*, row_number() over (order by page.weight desc, page.delivery_id desc) as place from page
  )
  select array_agg(n.delivery_id) filter (where n.place <= p_limit),
         jsonb_build_object(
           'messages', coalesce(jsonb_agg(jsonb_build_object(
             'id', n.delivery_id::text, 'title', n.title, 'text', n.body, 'link', n.link, 'image', n.image, 'data', n.data, 'weight', n.weight,
             'sent_at', to_char(n.sent_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
             'visible_until', to_char(n.visible_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
             'is_read', n.read_at is not null) order by n.place) filter (where n.place <= p_limit), '[]'),
           'next', case when count(*) > p_limit then max(n.weight || '.' || n.delivery_id) filter (where n.place = p_limit) end)::text
  into shown, feed
  from numbered n;
  if shown is not null then
    perform delivery.inbox_delivered(shown);
  end if;
  return feed;
end
$$;
comment on function delivery.inbox_feed is 'The messages in a contact''s inbox, for their app.';

-- The member has read these. Only their own count; read is read. Returns how many were unread before.
create or replace function delivery.inbox_read(p_contact_id bigint, p_delivery_ids bigint[])
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  mine bigint[];
begin
  with marked as (
    update delivery.inbox_message m set read_at = now()
    where m.delivery_id = any (p_delivery_ids) and m.contact_id = p_contact_id and m.read_at is null
    returning m.delivery_id
  ), noted as (
    insert into delivery.delivery_event (delivery_id, kind, happened_at, source)
    select m.delivery_id, 'opened', now(), 'our own inbox' from marked m
  )
  select array_agg(m.delivery_id) into mine from marked m;
  if mine is null then
    return 0;
  end if;
  perform delivery.inbox_delivered(mine);
  return cardinality(mine);
end
$$;
comment on function delivery.inbox_read is 'Marks messages in a contact''s inbox as read.';

-- Who asked to be forgotten, or is deleted, has no inbox any more.
create or replace function marketing.forget_inbox()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    delete from delivery.inbox_message m using old_rows o where m.contact_id = o.contact_id;
  else
    delete from delivery.inbox_message m where m.contact_id = new.contact_id;
  end if;
  return null;
end
$$;
comment on function marketing.forget_inbox is 'Empties the inbox of a contact who asked to be forgotten or is deleted.';

create or replace trigger forget_inbox_erased after update of erased_at on marketing.contact
  for each row when (new.erased_at is not null and old.erased_at is null) execute function marketing.forget_inbox();
create or replace trigger forget_inbox_deleted after delete on marketing.contact
  referencing old table as old_rows for each statement execute function marketing.forget_inbox();
