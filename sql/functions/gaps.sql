-- needs: segment
-- needs: partials
-- needs: start
-- How many of a slice of the contacts belong to a segment, and how many of those lack each path: p_limit contacts from p_from on. Runs as the
-- segment's role, like marketing.segment_page. A path is names, {contact,first_name}; a value that is missing or null is lacking. last_id is
-- null when there are no contacts from p_from on.
create or replace function marketing.segment_lacking(p_condition text, p_from bigint, p_limit integer, p_paths text[])
returns table (last_id bigint, matched bigint, path text, lacking bigint)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query execute format($query$
    with slice as materialized (
      select * from marketing.segment_contact where contact_id >= $1 order by contact_id limit $2
    ), audience as materialized (
      select jsonb_build_object('contact', jsonb_build_object('contact_id', contact_id, 'first_name', first_name, 'last_name', last_name,
               'member_no', member_no, 'language', language, 'time_zone', time_zone, 'tier', tier, 'points', points), 'profile', profile) as document
      from slice as segment_contact where (%s)
    )
    select (select max(contact_id) from slice), (select count(*) from audience), x.path,
           (select count(*) from audience where coalesce(jsonb_typeof(document #> x.path::text[]), 'null') = 'null')
    from unnest($3) as x (path)$query$, p_condition || E'\n')
    using p_from, p_limit, p_paths;
end
$$;
comment on function marketing.segment_lacking is 'How many contacts of a segment lack a value, in a slice of all contacts.';

-- Who of a campaign's audience lacks what its templates read, before it is sent. A row for each token that no default and no if guards and that
-- somebody lacks, the worst first. Looks at contacts for at most two seconds: all of them, or slices spread over all (looked_at says how many
-- belong to the audience). What belongs to the message and not to the contact, {{ data.code }}, nobody of a broadcast has.
create or replace function report.audience_gaps(p_campaign_id bigint)
returns table (template text, field text, path text, line_number integer, looked_at bigint, lacking bigint, sentence text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  slice_count constant integer := 40;
  slice_size constant integer := 1000;
  until constant timestamptz := clock_timestamp() + interval '2 seconds';
  campaign record;
  paths text[];
  lacks bigint[];
  audience bigint := 0;
  first_id bigint;
  highest_id bigint;
  from_id bigint;
  reached_id bigint;
  share record;
begin
  select c.kind, c.on_undefined, s.condition into campaign
  from marketing.campaign c left join marketing.segment s using (segment_id) where c.campaign_id = p_campaign_id;
  if not found then
    raise exception 'There is no campaign %', p_campaign_id using hint = 'See marketing.campaign for the numbers.';
  end if;
  if campaign.condition is null then
    raise exception 'Campaign % has no audience: its messages are sent one at a time', p_campaign_id;
  end if;
  -- What is read of each element of a list is lacking when the list is.
  select coalesce(array_agg(distinct '{' || replace(split_part(k.path, '[', 1), '.', ',') || '}'), '{}') into paths
  from marketing.step_choice(p_campaign_id) s
  join marketing.template_token k using (template_version_id)
  where not k.is_guarded and k.path ~ '^(contact|profile)\.[A-Za-z0-9_.-]+(\[|$)' and k.path !~ '\.(\.|\[|$)';
  lacks := array_fill(0::bigint, array[cardinality(paths)]);

  select min(c.contact_id), max(c.contact_id) into first_id, highest_id from marketing.contact c;
  for place in 0 .. slice_count - 1 loop
    exit when first_id is null or cardinality(paths) = 0;
    -- Each slice begins where its share of the numbers does, or behind the one before.
    from_id := greatest(first_id + ((highest_id - first_id)::numeric * place / slice_count)::bigint, coalesce(reached_id + 1, first_id));
    continue when from_id > highest_id;
    for share in select l.*, array_position(paths, l.path) as position from marketing.segment_lacking(campaign.condition, from_id, slice_size, paths) l loop
      lacks[share.position] := lacks[share.position] + share.lacking;
      reached_id := coalesce(share.last_id, highest_id);
      if share.position = 1 then
        audience := audience + share.matched;
      end if;
    end loop;
    exit when clock_timestamp() > until;
  end loop;

  return query
  with token as (
    select t.name as template, k.field, k.path, min(k.line_number) filter (where k.partial_name is null) as line_number,
           '{' || replace(split_part(k.path, '[', 1), '.', ',') || '}' as place
    from marketing.step_choice(p_campaign_id) s
    join marketing.template t using (template_id)
    join marketing.template_token k using (template_version_id)
    where not k.is_guarded
    group by t.name, k.field, k.path
  ), counted as (
    select k.*, case when k.place = any (paths) then lacks[array_position(paths, k.place)] end as lacking, d.text as default_text
    from token k left join marketing.token_default d using (path)
  )
  select k.template, k.field, k.path, k.line_number, case when k.place = any (paths) then audience end, k.lacking,
    case
      when k.path ~ '^data(\.|\[|$)' then format('Nobody has %s: only messages sent by marketing.send_message have data.', k.path)
      when k.lacking is null then format('Nobody has %s: a token begins with contact, profile, data or campaign.', k.path)
      else format('%s of %s contacts that were looked at have no %s', k.lacking, audience, k.path) || case
        when campaign.on_undefined::text = 'skip' then ': they are skipped.'
        when campaign.on_undefined::text = 'blank' then ': nothing is printed there.'
        when k.default_text is not null then format(': "%s" is printed there.', k.default_text)
        else ': they are skipped, since token_default has no text for it.' end
    end
  from counted k
  where coalesce(k.lacking, 1) > 0 and k.path !~ '^campaign\.name$'
  order by k.lacking desc nulls first, k.template, k.field, k.line_number, k.path;
end
$$;
comment on function report.audience_gaps is
  'Who of a campaign''s audience lacks what its templates read: select * from report.audience_gaps(7). Ask before you start it.';
