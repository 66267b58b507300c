-- Who may do what. Everybody starts with nothing; each program may call its verbs and read nothing else.
revoke all on all functions in schema marketing, delivery, report from public;
alter default privileges in schema marketing, delivery, report revoke execute on functions from public;

grant usage on schema marketing, delivery, report to postrider_marketer, postrider_analyst, postrider_ops;
grant usage on schema delivery to postrider_scheduler, postrider_worker, postrider_receiver;
grant usage on schema marketing to postrider_scheduler, postrider_segment, postrider_receiver;
grant usage on schema report to postrider_scheduler;

-- The segment's role reads one view; the functions that run conditions belong to it.
grant select on marketing.segment_contact to postrider_segment;
grant create on schema marketing to postrider_segment;
alter function marketing.segment_page(text, bigint, integer) owner to postrider_segment;
alter function marketing.segment_problem(text) owner to postrider_segment;
alter function marketing.segment_try(text) owner to postrider_segment;
alter function marketing.segment_lacking(text, bigint, integer, text[]) owner to postrider_segment;
revoke create on schema marketing from postrider_segment;

grant execute on function marketing.segment_page(text, bigint, integer), delivery.runs_to_plan(integer),
  delivery.plan(bigint, bigint, bigint[], boolean), delivery.block_run(bigint, text), delivery.dispatch(integer, integer),
  delivery.undispatch(bigint[], integer[], bigint), delivery.note_depth(integer, bigint, bigint), delivery.follow_wishes(),
  delivery.sweep(bigint, integer), delivery.finish_runs(), delivery.ensure_partition(integer), delivery.ensure_partitions(),
  delivery.month_of(timestamptz), delivery.lanes(),
  delivery.note_dead_letter(text, text, text, bigint, integer), delivery.lead(text, text, bigint), delivery.resign(text, text)
  to postrider_scheduler;
grant select on report.not_started, report.run_progress, report.run_ledger, report.lane, report.stuck to postrider_scheduler;

grant execute on function delivery.lanes(), delivery.run_step_facts(bigint), delivery.note_template_problem(bigint, text),
  delivery.previews_to_make(integer), delivery.note_preview(bigint, bigint, text, text, text, text, text, integer, text),
  delivery.templates_to_check(integer), delivery.note_partial_check(bigint, text),
  delivery.note_template_check(bigint, text[], bigint[], text[], text[], integer[], integer[], text[], text[], text[], text[], integer[],
    boolean[], text[]),
  delivery.claim(text, integer, bigint, bigint, bigint[], integer[]), delivery.recheck(bigint[], bigint[]),
  delivery.record(text, bigint[], bigint[], integer[], delivery.delivery_status[], delivery.outcome_class[], text[], text[], text[],
    text[], text[], bigint[], boolean[], boolean[], integer[], text[], integer[]),
  delivery.drop_address(bigint[], text[]), delivery.take_rate(integer, integer), delivery.open_breaker(integer, text, bigint),
  delivery.close_breaker(integer), delivery.pause_account(integer, text, bigint), delivery.unchecked_accounts(),
  delivery.note_account_check(integer, text, text),
  delivery.share_provider_token(integer, bigint, bigint, bytea),
  delivery.note_dead_letter(text, text, text, bigint, integer)
  to postrider_worker;

grant execute on function delivery.inbox_put(text[]) to postrider_worker;
grant execute on function delivery.note_tracking(bigint[], text[], bigint[], text[], integer[], text[], text[], boolean[]),
  marketing.unsubscribe(bigint, bigint, text, text), marketing.unsubscribe_everything(bigint, bigint, text, text),
  marketing.preferences(bigint), marketing.save_preferences(bigint, bigint, bigint[], text[], boolean[], text, text),
  delivery.sms_reply(integer, text, text, text, timestamptz), delivery.inbox_feed(bigint, integer, boolean, integer, bigint),
  delivery.inbox_read(bigint, bigint[])
  to postrider_receiver;

grant select, insert, update, delete on marketing.topic_translation, marketing.page_text, marketing.sms_keyword to postrider_marketer;

grant execute on function delivery.callback_accounts(),
  delivery.keep_callbacks(integer[], text[], text[], text[], text[], text[], integer[], text[], bigint[], boolean[], bigint[], text[], text[], text[],
    text[], text[], text[], text[]),
  delivery.fold_callbacks(integer), delivery.set_aside_callback(text), delivery.callbacks_to_parse(integer),
  delivery.replace_events(bigint[], boolean[], text[], bigint[], text[], bigint[], boolean[], bigint[], text[], text[], text[], text[], text[], text[], text[])
  to postrider_receiver;

grant select, insert, update, delete on marketing.contact, marketing.contact_point, marketing.topic, marketing.consent, marketing.suppression,
  marketing.segment, marketing.template, marketing.campaign, marketing.step to postrider_marketer;
grant select, insert on marketing.template_version, marketing.partial_version to postrider_marketer;
grant select, insert, update on marketing.partial to postrider_marketer;
grant select, insert, update, delete on marketing.token_default to postrider_marketer;
grant select, insert, delete on marketing.preview to postrider_marketer;
grant select on marketing.template_diagnostic, marketing.template_token to postrider_marketer;
grant select on marketing.consent_event, marketing.segment_contact to postrider_marketer;
grant usage on all sequences in schema marketing to postrider_marketer;
grant select on all tables in schema report to postrider_marketer, postrider_analyst, postrider_ops;
grant select on delivery.provider, delivery.provider_account, delivery.lane, delivery.reason to postrider_marketer, postrider_analyst;
grant execute on function marketing.send_message(bigint, text, jsonb, text), report.why_not(bigint, bigint),
  marketing.start_problem(bigint), report.audience_gaps(bigint) to postrider_marketer, postrider_ops;
-- The checks of what people edit call these with the person's rights.
grant execute on function marketing.segment_page(text, bigint, integer) to postrider_marketer;

grant select on all tables in schema delivery, marketing to postrider_ops;
grant insert, update on delivery.provider_account, delivery.rate_limit to postrider_ops;
grant insert, update, delete on delivery.warm_up to postrider_ops;
grant update (desired_status) on marketing.campaign to postrider_ops;
grant execute on function delivery.settle_by_hand(bigint, delivery.delivery_status), delivery.refold(timestamptz, timestamptz) to postrider_ops;
grant insert, update, delete on delivery.provider_code to postrider_ops;
grant usage on all sequences in schema delivery to postrider_ops;
-- The reports call it.
grant execute on function delivery.account_works(boolean, timestamptz, timestamptz) to postrider_marketer, postrider_analyst, postrider_ops, postrider_scheduler;
