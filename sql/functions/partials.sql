-- Which partials a text names: {% render "footer" %}, {% include 'footer' %}. May name more than the language finds (in a comment, for
-- example), never fewer: a name that is not a text of its own cannot be found by the language either.
create or replace function marketing.partial_names(p_text text)
returns setof text
language sql
immutable
as $$
  select distinct m[2] from regexp_matches(p_text, '\m(?:render|include)\s*(["''])([A-Za-z0-9][A-Za-z0-9 ._/-]{0,99})\1', 'g') m
$$;
comment on function marketing.partial_names is 'The partials that a text names.';

-- The newest versions that work of these partials, by their numbers. A partial without one is left out.
create or replace function marketing.newest_partials(p_names text[])
returns bigint[]
language sql
stable
as $$
  select coalesce(array_agg(v.partial_version_id order by v.partial_version_id), '{}')
  from marketing.partial p
  cross join lateral (select pv.partial_version_id from marketing.partial_version pv
    where pv.partial_id = p.partial_id and pv.checked_at is not null and pv.problem is null
    order by pv.partial_version_id desc limit 1) v
  where p.name = any (p_names)
$$;
comment on function marketing.newest_partials is 'The newest texts that work of these partials.';

-- The partials that a text needs, and those that they need themselves, with the newest texts that work: names and versions.
create or replace function marketing.partials_of(p_text text)
returns table (partial_names text[], partial_version_ids bigint[])
language sql
stable
as $$
  with recursive named (name) as (
    select n.name from marketing.partial_names(p_text) n (name)
    union
    select n.name
    from named
    join marketing.partial_version pv on pv.partial_version_id = any (marketing.newest_partials(array[named.name]))
    cross join lateral marketing.partial_names(pv.body) n (name)
  ), names as (
    select coalesce(array_agg(named.name order by named.name), '{}') as names from named
  )
  select names.names, marketing.newest_partials(names.names) from names
$$;
comment on function marketing.partials_of is 'Everything that a text needs of the partials.';

-- The texts of these versions as one object: {"footer": "Yours, ..."}.
create or replace function marketing.partial_texts(p_partial_version_ids bigint[])
returns jsonb
language sql
stable
as $$
  select coalesce(jsonb_object_agg(p.name, pv.body), '{}')
  from marketing.partial_version pv join marketing.partial p using (partial_id)
  where pv.partial_version_id = any (p_partial_version_ids)
$$;
comment on function marketing.partial_texts is 'The texts of some versions of partials, by name.';

-- The registry of defaults as one object: {"contact.first_name": "friend"}.
create or replace function marketing.token_defaults()
returns jsonb
language sql
stable
as $$
  select coalesce(jsonb_object_agg(d.path, d.text), '{}') from marketing.token_default d
$$;
comment on function marketing.token_defaults is 'The defaults of tokens without a value, by path.';
