#include "worker/sender.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/digest.h"
#include "shared/failpoint.h"
#include "shared/log.h"
#include "worker/meters.h"
#include "worker/personalize.h"
#include "worker/retry.h"

#define CREDENTIALS_MS  (5 * 60 * 1000) /* a person needs longer; asking again this often shows that it is mended */
#define FRESH_ENOUGH_MS 200             /* a transfer is begun only with this much of the permission left */

static const struct pg_statement drop_address_statement = {.name = "drop_address",
							   .sql = "select delivery.drop_address($1, $2)"};
static const struct pg_statement open_breaker_statement = {.name = "open_breaker",
							   .sql = "select delivery.open_breaker($1, $2, $3)"};
static const struct pg_statement close_breaker_statement = {.name = "close_breaker",
							    .sql = "select delivery.close_breaker($1)"};
static const struct pg_statement pause_account_statement = {.name = "pause_account",
							    .sql = "select delivery.pause_account($1, $2, $3)"};

#define DOCUMENT_MAX     (512 * 1024)
#define CALLBACK_URL_MAX 2000
#define SAID_MAX         (16 * 1024 * 1024) /* more than all that a message can render */

void sender_init(struct sender *sender, struct recorder *recorder, struct recheck *recheck, struct lanes *lanes,
		 struct pg_session *questions, struct inbox_writer *inbox, struct links *links, struct metrics *metrics,
		 const bool *draining, const char *public_url)
{
	*sender = (struct sender){.recorder = recorder,
				  .recheck = recheck,
				  .lanes = lanes,
				  .questions = questions,
				  .inbox = inbox,
				  .metrics = metrics,
				  .draining = draining,
				  .public_url = public_url};
	message_links_init(&sender->links, links);
	text_init(&sender->document, DOCUMENT_MAX);
	text_init(&sender->callback_url, CALLBACK_URL_MAX);
	text_init(&sender->said, SAID_MAX);
	sender->templates = template_context_new();
	pg_values_init(&sender->values);
}

void sender_release(struct sender *sender)
{
	message_links_release(&sender->links);
	text_release(&sender->document);
	text_release(&sender->callback_url);
	text_release(&sender->said);
	template_context_free(&sender->templates);
	pg_values_release(&sender->values);
}

void sender_give_back(struct sender *sender, struct delivery *delivery, const char *waiting_for, int64_t wait_ms)
{
	const struct verdict verdict = {.status = "planned", .waiting_for = waiting_for, .wait_ms = wait_ms};

	recorder_add(sender->recorder, delivery, &verdict);
}

static void end_with(struct sender *sender, struct delivery *delivery, const char *status, const char *reason,
		     const char *words)
{
	struct verdict verdict = {.status = status, .reason = reason, .wait_ms = VERDICT_SETTLED};

	snprintf(verdict.outcome.words, sizeof(verdict.outcome.words), "%.*s", (int)sizeof(verdict.outcome.words) - 1,
		 words);
	recorder_add(sender->recorder, delivery, &verdict);
}

void sender_release_paused(struct sender *sender, struct account *account, int64_t wait_ms)
{
	struct delivery *delivery, *next, *list = account_take_ready(account);

	DL_FOREACH_SAFE(list, delivery, next)
		sender_give_back(sender, delivery, "the provider", wait_ms);
}

void sender_trip(struct sender *sender, struct account *account, const char *reason, const struct outcome *outcome,
		 int64_t for_ms)
{
	char sentence[400];

	snprintf(sentence, sizeof(sentence), "%s: %s %s", reason, outcome->code, outcome->words);
	log_event(LOG_WARNING, "breaker_opened", sentence, LOG_INT("account", account->provider_account_id),
		  LOG_INT("for_ms", for_ms));
	metrics_add(sender->metrics, METER_BREAKERS, 0, 1);
	account_pause(account, for_ms);
	pg_values_add_int64(&sender->values, account->provider_account_id);
	pg_values_add_text(&sender->values, sentence);
	pg_values_add_int64(&sender->values, for_ms);
	pg_session_ask(sender->questions, &open_breaker_statement, &sender->values, NULL, NULL);
	sender_release_paused(sender, account, for_ms);
}

static void pause_lane(struct sender *sender, struct account *account, const struct outcome *outcome, int64_t for_ms)
{
	log_event(LOG_INFO, "account_paused", outcome->words, LOG_INT("account", account->provider_account_id),
		  LOG_INT("for_ms", for_ms), LOG_TEXT("code", outcome->code));
	account_pause(account, for_ms);
	pg_values_add_int64(&sender->values, account->provider_account_id);
	pg_values_add_text(&sender->values, outcome->words);
	pg_values_add_int64(&sender->values, for_ms);
	pg_session_ask(sender->questions, &pause_account_statement, &sender->values, NULL, NULL);
}

static void close_breaker(struct sender *sender, struct account *account)
{
	account->breaker_is_open = false;
	log_event(LOG_INFO, "breaker_closed", "The provider takes messages again.",
		  LOG_INT("account", account->provider_account_id));
	pg_values_add_int64(&sender->values, account->provider_account_id);
	pg_session_ask(sender->questions, &close_breaker_statement, &sender->values, NULL, NULL);
}

static void drop_address(struct sender *sender, const struct delivery *delivery, const struct outcome *outcome)
{
	pg_values_start_array(&sender->values);
	pg_values_item_int64(&sender->values, delivery->facts.contact_point_id);
	pg_values_end_array(&sender->values);
	pg_values_start_array(&sender->values);
	pg_values_item_text(&sender->values, outcome->code, strlen(outcome->code));
	pg_values_end_array(&sender->values);
	pg_session_ask(sender->questions, &drop_address_statement, &sender->values, NULL, NULL);
}

static struct retry_decision decide(const struct delivery *delivery, const struct outcome *outcome)
{
	const struct retry_policy policy = {
		.attempts_max = delivery->step->attempts_max,
		.keyed = delivery->account->driver->keyed,
		.resend_uncertain = delivery->step->resend_uncertain,
		.transactional = !delivery->step->is_marketing,
	};
	const struct retry_facts facts = {
		.class = outcome->class,
		.alone = outcome->alone,
		.attempts = delivery->facts.failures,
		.not_sent = delivery->facts.not_sent,
		.earlier_uncertain = delivery->facts.was_uncertain,
		.retry_after_ms = outcome->retry_after_ms,
		.now_ms = clock_now_ms(),
		.expires_at_ms = delivery->facts.expires_at_ms,
		.random = backoff_random(),
	};

	return retry_decide(&policy, &facts);
}

static struct verdict verdict_of(const struct retry_decision *decision, const struct outcome *outcome,
				 int64_t duration_us)
{
	struct verdict verdict = {
		.wait_ms = VERDICT_SETTLED,
		.reason = decision->reason,
		.counts_as_failure = decision->counts && decision->next != RETRY_SENT,
		.counts_as_not_sent = decision->counts_not_sent,
		.has_outcome = true,
		.duration_ms = (int32_t)(duration_us / 1000),
		.outcome = *outcome,
	};

	switch (decision->next) {
	case RETRY_SENT:
		verdict.status = "sent";
		verdict.reason = NULL;
		break;
	case RETRY_LATER:
		verdict.status = "planned";
		verdict.waiting_for = decision->pause_lane_ms > 0 ? "the provider" : "its next attempt";
		verdict.wait_ms = decision->delay_ms;
		break;
	case RETRY_FAILED:
		verdict.status = "failed";
		break;
	case RETRY_UNCERTAIN:
		verdict.status = "uncertain";
		verdict.waiting_for = "the provider's word, or a person's decision";
		break;
	case RETRY_EXPIRED:
		verdict.status = "expired";
		break;
	}
	return verdict;
}

/* An answer that is about one address only is none about the account. Refused credentials are: not the first time, but
 * when they come again and again. */
static enum outcome_class class_for_account(const struct outcome *outcome)
{
	if (!outcome->alone)
		return outcome->class;
	return outcome->class == OUTCOME_BAD_CREDENTIALS ? OUTCOME_TRANSIENT : OUTCOME_BAD_PAYLOAD;
}

/* What an outcome means for the account and thereby for the whole fleet. */
static void follow_account(struct sender *sender, struct account *account, const struct outcome *outcome,
			   const struct retry_decision *decision, int64_t duration_us)
{
	struct breaker_advice advice = account_note(account, class_for_account(outcome), duration_us, clock_now_ms());

	/* An answer about one message or address shows that the account works. */
	if (account->breaker_is_open && (outcome->class == OUTCOME_ACCEPTED || outcome->class == OUTCOME_BAD_ADDRESS ||
					 outcome->class == OUTCOME_BAD_PAYLOAD))
		close_breaker(sender, account);
	if (advice.verdict == BREAKER_TRIP) {
		sender_trip(sender, account, advice.reason, outcome, advice.for_ms);
	} else if (decision->pause_lane_ms > 0 && !account_is_paused(account, clock_now_ms())) {
		pause_lane(sender, account, outcome, decision->pause_lane_ms);
		sender_release_paused(sender, account, decision->pause_lane_ms);
	}
}

static void end_without_token(struct sender *sender, struct account *account, const struct outcome *failure)
{
	struct delivery *delivery, *next, *list = account_take_ready(account);
	struct outcome outcome;

	outcome_set(&outcome, OUTCOME_NOT_SENT, failure->code, "There is no access token: %.200s", failure->words);
	outcome.retry_after_ms = failure->retry_after_ms;
	DL_FOREACH_SAFE(list, delivery, next) {
		struct retry_decision decision;
		struct verdict verdict;

		delivery->account = account;
		decision = decide(delivery, &outcome);
		verdict = verdict_of(&decision, &outcome, 0);
		recorder_add(sender->recorder, delivery, &verdict);
	}
}

void sender_token_changed(void *context, struct account *account, const struct outcome *failure)
{
	struct sender *sender = context;

	if (failure == NULL) {
		account_pump(account);
		lanes_pump(sender->lanes, account);
	} else if (failure->class == OUTCOME_BAD_CREDENTIALS) {
		sender_trip(sender, account, "credentials", failure, CREDENTIALS_MS);
	} else {
		end_without_token(sender, account, failure);
	}
}

static bool was_fenced(const struct provider_answer *answer)
{
	return answer->failure != NULL && strcmp(answer->failure, "fenced") == 0;
}

static void on_answer(void *context, const struct provider_answer *answer, int64_t duration_us)
{
	struct delivery *delivery = context;
	struct account *account = delivery->account;
	struct sender *sender = account->context;
	struct outcome outcome;
	struct retry_decision decision;
	struct verdict verdict;

	account->driver->read(account->provider, answer, &outcome);
	log_event(LOG_DEBUG, "answered", outcome.code, LOG_INT("delivery", delivery->delivery_id),
		  LOG_INT("attempt", delivery->facts.attempt), LOG_TEXT("outcome", outcome_class_name(outcome.class)),
		  LOG_TEXT("trace", delivery->trace_id));
	metrics_add(sender->metrics, METER_OUTCOMES, outcome.class, 1);
	metrics_observe_ms(sender->metrics, METER_PROVIDER_SECONDS, (double)duration_us / 1000);
	decision = decide(delivery, &outcome);
	if (outcome.class == OUTCOME_BAD_ADDRESS)
		drop_address(sender, delivery, &outcome);
	verdict = verdict_of(&decision, &outcome, duration_us);
	recorder_add(sender->recorder, delivery, &verdict);
	if (was_fenced(answer)) { /* our own doing; says nothing about the account */
		metrics_add(sender->metrics, METER_FENCED, 0, 1);
		account->in_flight--;
	} else {
		follow_account(sender, account, &outcome, &decision, duration_us);
	}
	account_pump(account);
	lanes_pump(sender->lanes, account);
}

/* The last moment before the first byte leaves: is it still ours, still allowed, still in time? */
static bool fence(void *context)
{
	const struct delivery *delivery = context;
	int64_t now_ms;

	FAILPOINT("fence"); /* before the clock is read: a process that stops here must see that its time is over */
	now_ms = clock_now_ms();
	return now_ms < delivery->trusted_until_ms && now_ms < delivery->permitted_until_ms &&
	       now_ms < delivery->facts.expires_at_ms;
}

static bool render(struct sender *sender, struct delivery *delivery)
{
	char explanation[TEMPLATE_FAULT_MAX + 100];

	message_links_prepare(&sender->links, delivery);
	switch (personalize(delivery, sender->templates, &sender->document, explanation, sizeof(explanation))) {
	case PERSONALIZE_OK:
		message_links_track(&sender->links, delivery, delivery->account->channel);
		return true;
	case PERSONALIZE_MISSING_TOKEN:
		end_with(sender, delivery, "skipped", "missing_token", explanation);
		return false;
	case PERSONALIZE_ABORTED:
		end_with(sender, delivery, "skipped", "aborted_by_template", explanation);
		return false;
	case PERSONALIZE_FAILED:
		break;
	}
	end_with(sender, delivery, "failed", "render_error", explanation);
	return false;
}

static struct slice slice_of(const struct text *text)
{
	return (struct slice){.bytes = text_string(text), .length = text->length};
}

/* Not of the request: another vendor words it otherwise, and some are told how many seconds are left. */
static void note_payload(struct sender *sender, struct delivery *delivery)
{
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct text *said = &sender->said;

	text_clear(said);
	for (int part = 0; part < MESSAGE_PARTS; part++) {
		text_add_bytes(said, text_string(&delivery->rendered[part]), delivery->rendered[part].length);
		text_add_char(said, '\0');
	}
	digest_sha256(text_string(said), said->length, digest);
	text_clear(said);
	digest_add_hex(said, digest, sizeof(delivery->payload_sha256) / 2);
	memcpy(delivery->payload_sha256, text_string(said), sizeof(delivery->payload_sha256));
}

/* Where the receiver takes what this provider has to tell of this delivery. */
static const char *callback_url(struct sender *sender, const struct delivery *delivery)
{
	const struct account *account = delivery->account;

	if (*sender->public_url == '\0' || account->driver->callbacks == NULL)
		return NULL;
	text_clear(&sender->callback_url);
	text_addf(&sender->callback_url, "%s/callbacks/%s?delivery=%" PRId64, sender->public_url, account->name,
		  delivery->delivery_id);
	return text_ok(&sender->callback_url) ? text_string(&sender->callback_url) : NULL;
}

static bool build(struct sender *sender, struct delivery *delivery)
{
	struct account *account = delivery->account;
	char key[32];
	struct error err = {0};
	struct provider_message message = {
		.delivery_id = delivery->delivery_id,
		.attempt = delivery->facts.attempt,
		.idempotency_key = key,
		.address = {delivery->facts.address, strlen(delivery->facts.address)},
		.subject = slice_of(&delivery->rendered[MESSAGE_SUBJECT]),
		.body_text = slice_of(&delivery->rendered[MESSAGE_BODY_TEXT]),
		.body_html = slice_of(&delivery->rendered[MESSAGE_BODY_HTML]),
		.created_at_ms = delivery->facts.planned_at_ms,
		.now_ms = clock_wall_ms(),
		.expires_at_ms = delivery->facts.wall_expires_at_ms,
		.is_marketing = delivery->step->is_marketing,
		.is_silent = delivery->step->is_silent,
		.link = slice_of(&delivery->rendered[MESSAGE_LINK]),
		.image = slice_of(&delivery->rendered[MESSAGE_IMAGE]),
		.data = slice_of(&delivery->rendered[MESSAGE_DATA]),
		.unsubscribe_url = delivery->step->is_marketing && account->channel == CHANNEL_EMAIL
					   ? delivery->unsubscribe_url
					   : NULL,
		.callback_url = callback_url(sender, delivery),
	};

	snprintf(key, sizeof(key), "d-%" PRId64, delivery->delivery_id);
	provider_request_clear(&delivery->request);
	if (!account->driver->build(account->provider, &message, &delivery->request, &err)) {
		end_with(sender, delivery, "failed", err.kind == ERROR_REFUSED ? "invalid_address" : "render_error",
			 err.text);
		return false;
	}
	note_payload(sender, delivery);
	return true;
}

/* account_start: begins to send, if that is still right. */
bool sender_begin(void *context, struct delivery *delivery)
{
	struct sender *sender = context;
	int64_t now_ms = clock_now_ms();

	if (*sender->draining || now_ms >= delivery->trusted_until_ms) {
		sender_give_back(sender, delivery, "its turn", 0);
		return false;
	}
	if (now_ms > delivery->permitted_until_ms - FRESH_ENOUGH_MS) {
		recheck_add(sender->recheck, delivery);
		return false;
	}
	delivery->account = delivery->lane->account;
	if (!render(sender, delivery) || !build(sender, delivery))
		return false;
	delivery_enter(delivery, DELIVERY_SENDING);
	if (delivery->request.protocol == PROVIDER_DATABASE)
		inbox_writer_add(sender->inbox, &delivery->request, fence, on_answer, delivery);
	else
		transfer_start(delivery->account->pool, &delivery->request, fence, on_answer, delivery);
	return true;
}
