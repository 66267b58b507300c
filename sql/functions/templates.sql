-- needs: partials
-- What waits to be checked by a worker: partials first, since templates need them, then the newest versions of templates. kind: partial or
-- template; partials: the texts to check it with, as {"footer": "..."}; the names and numbers are given back to note_template_check.
-- Several workers may check the same: they find the same.
create or replace function delivery.templates_to_check(p_limit integer)
returns table (kind text, version_id bigint, channel marketing.channel, subject text, body_text text, body_html text, link text, image text,
  data text, partials text,  partial_names text, partial_version_ids text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select 'partial', pv.partial_version_id, null::marketing.channel, '', pv.body, '', '', '', '',
         (select coalesce(jsonb_object_agg(n.name, ''), '{}') from marketing.partial_names(pv.body) n (name))::text, '{}', '{}'
  from marketing.partial_version pv
  where pv.checked_at is null
  order by pv.partial_version_id desc limit p_limit;
  if found then
    return;
  end if;
  return query
  select 'template', v.template_version_id, t.channel, v.subject, v.body_text, v.body_html, v.link, v.image, v.data,
         marketing.partial_texts(p.partial_version_ids)::text,         p.partial_names::text, p.partial_version_ids::text
  from (select w.template_version_id from marketing.template_version w where not w.is_current order by w.template_version_id desc limit p_limit) waiting
  join marketing.template_version v using (template_version_id)
  join marketing.template t using (template_id)
  cross join lateral marketing.partials_of(concat_ws(E'\n', v.subject, v.body_text, v.body_html, v.link, v.image, v.data)) p;
end
$$;
comment on function delivery.templates_to_check is 'Texts that people have saved and that the programs have not looked at yet.';

-- What a worker found in a template version, as arrays: first the findings, then the tokens. The first error is the version's problem.
-- p_partial_names and p_partial_version_ids: what it was checked with, as told by templates_to_check. When a partial has changed meanwhile,
-- the version goes on waiting to be checked.
create or replace function delivery.note_template_check(p_template_version_id bigint, p_partial_names text[], p_partial_version_ids bigint[],
  p_severities text[], p_fields text[], p_lines integer[], p_columns integer[], p_sentences text[],
  p_token_fields text[], p_token_paths text[], p_token_partials text[], p_token_lines integer[], p_token_guarded boolean[], p_token_defaults text[])
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform delivery.lock_texts();
  perform from marketing.template_version v where v.template_version_id = p_template_version_id for no key update;
  if not found then
    return;
  end if;
  delete from marketing.template_diagnostic d where d.template_version_id = p_template_version_id;
  insert into marketing.template_diagnostic (template_version_id, position, severity, field, line_number, column_number, sentence)
  select p_template_version_id, x.position, x.severity, x.field, nullif(x.line_number, 0), nullif(x.column_number, 0), x.sentence
  from unnest(p_severities, p_fields, p_lines, p_columns, p_sentences)
    with ordinality as x (severity, field, line_number, column_number, sentence, position);
  delete from marketing.template_token k where k.template_version_id = p_template_version_id;
  insert into marketing.template_token (template_version_id, position, field, path, partial_name, line_number, is_guarded, default_text)
  select p_template_version_id, x.position, x.field, x.path, x.partial_name, nullif(x.line_number, 0), x.is_guarded, x.default_text
  from unnest(p_token_fields, p_token_paths, p_token_partials, p_token_lines, p_token_guarded, p_token_defaults)
    with ordinality as x (field, path, partial_name, line_number, is_guarded, default_text, position);
  update marketing.template_version v
  set checked_at = clock_timestamp(), is_current = p_partial_version_ids = marketing.newest_partials(p_partial_names),
      partial_names = p_partial_names, partial_version_ids = p_partial_version_ids,
      problem = (select format('%s%s: %s', d.field, coalesce(format(', line %s, column %s', d.line_number, d.column_number), ''), d.sentence)
                 from marketing.template_diagnostic d
                 where d.template_version_id = p_template_version_id and d.severity = 'error' order by d.position limit 1)
  where v.template_version_id = p_template_version_id;
end
$$;
comment on function delivery.note_template_check is 'Writes down what the programs found in a template version.';

-- The same for a partial; p_problem null: it works, and is used from now on. Then the templates that use it are to be checked again.
create or replace function delivery.note_partial_check(p_partial_version_id bigint, p_problem text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform delivery.lock_texts();
  update marketing.partial_version pv set checked_at = clock_timestamp(), problem = p_problem where pv.partial_version_id = p_partial_version_id;
  update marketing.template_version v set is_current = false
  from marketing.partial_version pv join marketing.partial p using (partial_id)
  where pv.partial_version_id = p_partial_version_id and pv.problem is null and v.partial_names <> '{}' and p.name = any (v.partial_names)
    and v.template_version_id = (select max(x.template_version_id) from marketing.template_version x where x.template_id = v.template_id);
end
$$;
comment on function delivery.note_partial_check is 'Writes down whether a partial works.';

-- What is found in templates and in partials is written one after the other: else a template that is being checked with the old text of a
-- partial, and the partial whose new text begins to count, could each miss the other.
create or replace function delivery.lock_texts()
returns void
language sql
as $$
  select pg_advisory_xact_lock(hashtext('postrider texts'))
$$;
comment on function delivery.lock_texts is 'Lets one program at a time write what it found in a text.';

-- A template that does not work says so beside its texts.
create or replace function delivery.note_template_problem(p_template_version_id bigint, p_problem text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update marketing.template_version v set problem = p_problem
  where v.template_version_id = p_template_version_id and v.problem is distinct from p_problem
$$;
comment on function delivery.note_template_problem is 'Writes down what is wrong with a template.';
