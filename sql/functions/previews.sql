-- needs: start
-- Previews that people have asked for, the oldest first, with all that a worker needs to make them.
create or replace function delivery.previews_to_make(p_limit integer)
returns table (preview_id bigint, channel marketing.channel, on_undefined marketing.undefined_policy, template_version_id bigint, subject text,
  body_text text, body_html text, link text, image text, data text, partials text, token_defaults text, asked_at_ms bigint, contact_id bigint, points bigint, member_no text,
  first_name text, last_name text, language text, time_zone text, tier text, profile text, message_data text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select w.preview_id, t.channel, w.on_undefined, v.template_version_id, v.subject, v.body_text, v.body_html, v.link, v.image, v.data,
         marketing.partial_texts(p.partial_version_ids)::text, marketing.token_defaults()::text,
         (date_part('epoch', w.created_at) * 1000)::bigint, c.contact_id, c.points, c.member_no, c.first_name, c.last_name, c.language,
         c.time_zone, c.tier, c.profile::text, w.data::text
  from marketing.preview w
  join marketing.template t using (template_id)
  join marketing.contact c using (contact_id)
  left join lateral (select x.* from marketing.template_version x where x.template_id = t.template_id order by x.template_version_id desc limit 1) v on true
  cross join lateral marketing.partials_of(concat_ws(E'\n', v.subject, v.body_text, v.body_html, v.link, v.image, v.data)) p
  where w.made_at is null
  order by w.preview_id
  limit p_limit;
end
$$;
comment on function delivery.previews_to_make is 'Previews that people have asked for and that are not made yet.';

-- What a worker made. Previews hold what is private to a contact: those of more than a day are deleted with each that is made.
create or replace function delivery.note_preview(p_preview_id bigint, p_template_version_id bigint, p_outcome text, p_explanation text, p_subject text,
  p_body_text text, p_body_html text, p_sms_segments integer, p_sms_remark text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update marketing.preview w
  set template_version_id = p_template_version_id, outcome = p_outcome, explanation = p_explanation, subject = p_subject, body_text = p_body_text,
      body_html = p_body_html, sms_segments = p_sms_segments, sms_remark = p_sms_remark, made_at = clock_timestamp()
  where w.preview_id = p_preview_id and w.made_at is null;
  delete from marketing.preview w where w.created_at < now() - interval '1 day';
$$;
comment on function delivery.note_preview is 'Fills in a preview.';
