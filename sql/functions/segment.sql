-- One page of a segment: up to p_limit contact ids above p_after, in order. Runs as a role that can read nothing but
-- marketing.segment_contact; the caller wraps it in a read-only transaction with a statement timeout.
create or replace function marketing.segment_page(p_condition text, p_after bigint, p_limit integer)
returns setof bigint
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query execute format(
    'select contact_id from marketing.segment_contact where contact_id > $1 and (%s) order by contact_id limit $2',
    p_condition || E'\n')
    using p_after, p_limit;
end
$$;
comment on function marketing.segment_page is 'The next contacts of a segment, in order of their number.';

-- What is wrong with a condition; null when nothing is. It must be one expression, read only marketing.segment_contact and call
-- only functions that look and compute: a volatile one could change settings, wait or write. It is read as a
-- view, whose stored form names every table and function, and then tried on a thousand contacts. An error may come
-- out of it, too.
create or replace function marketing.segment_problem(p_condition text)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  stored text;
  found text;
begin
  -- Inside brackets as well as inside parentheses: what closes one cannot close the other, so it is one whole expression.
  perform marketing.segment_try(format(E'select array[%s\n] from marketing.segment_contact limit 0', p_condition));
  execute format(E'create temporary view segment_tried as select contact_id from marketing.segment_contact where (%s\n)', p_condition);
  select r.ev_action into stored from pg_rewrite r where r.ev_class = 'pg_temp.segment_tried'::regclass;
  select min(t.table_id::regclass::text) into found
  from (select m[1]::oid as table_id from regexp_matches(stored, ':relid (\d+)', 'g') m) t
  where t.table_id not in (0, 'marketing.segment_contact'::regclass, 'pg_temp.segment_tried'::regclass);
  drop view pg_temp.segment_tried;
  if found is not null then
    return format('it reads %s', found);
  end if;
  select min(p.proname) into found
  from (select m[1]::oid as function_id from regexp_matches(stored, ':(?:func|opfunc|aggfn|winfn)(?:id|oid) (\d+)', 'g') m) f
  join pg_proc p on p.oid = f.function_id
  where p.provolatile = 'v' and p.proname not in ('random', 'clock_timestamp', 'timeofday');
  if found is not null then
    return format('it calls %s, which may do more than look and compute', found);
  end if;
  perform marketing.segment_try(format(E'select count(*) from (select * from marketing.segment_contact order by contact_id limit 1000) segment_contact where (%s\n)', p_condition));
  return null;
end
$$;
comment on function marketing.segment_problem is 'What is wrong with a segment''s condition; empty when it works.';

-- Runs one query that only reads; refuses anything else.
create or replace function marketing.segment_try(p_query text)
returns void
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  line record;
begin
  for line in execute p_query loop
    exit;
  end loop;
end
$$;
comment on function marketing.segment_try is 'Runs a query that only reads, with the rights of a segment''s condition.';
