#include "worker/token.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/digest.h"
#include "shared/log.h"
#include "shared/memory.h"

#define LEAD_MS       60000 /* a token is replaced that long before it runs out, and up to as much again by chance */
#define AGAIN_BASE_MS 500
#define AGAIN_CAP_MS  60000
#define SHARES_MAX    3 /* tokens of others that cannot be opened, before something must be wrong */
#define SEALED_MAX    8192

static const struct pg_statement share_statement = {
	.name = "share_provider_token",
	.sql = "select slot, translate(encode(sealed, 'base64'), E'\\n', '') "
	       "from delivery.share_provider_token($1, $2, $3, decode($4, 'base64'))",
};

struct token {
	struct token_owner owner;
	const struct provider_token_source *source;
	struct provider_request request;
	struct pg_values values;
	struct event *again;
	bool busy, asking, failing;
	unsigned failures, shares;
	int64_t known_number, refresh_at_ms; /* of the token that is held */
};

static void want(struct token *token);

static void on_again(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	want(context);
}

struct token *token_open(const struct token_owner *owner)
{
	struct token *token = memory_new(sizeof(*token));

	token->owner = *owner;
	token->source = owner->driver->token;
	provider_request_init(&token->request);
	pg_values_init(&token->values);
	token->again = evtimer_new(owner->base, on_again, token);
	return token;
}

void token_close(struct token **token)
{
	struct token *t = *token;

	if (t == NULL)
		return;
	event_free(t->again);
	provider_request_release(&t->request);
	pg_values_release(&t->values);
	free(t);
	*token = NULL;
}

/* Many workers got their tokens in the same second; they do not all come back in the same one. */
static void know(struct token *token, const struct provider_token *held)
{
	int64_t lead_ms = (held->expires_at_ms - held->obtained_at_ms) / 4;

	if (held->number == token->known_number)
		return;
	if (lead_ms > LEAD_MS)
		lead_ms = LEAD_MS;
	token->known_number = held->number;
	token->refresh_at_ms = held->expires_at_ms - lead_ms;
	if (lead_ms > 0)
		token->refresh_at_ms -= (int64_t)(backoff_random() % (uint64_t)lead_ms);
	/* The fleet changes a shared one when its time is over, and not before. */
	if (token->source->mint != NULL)
		token->refresh_at_ms = held->expires_at_ms;
}

static bool is_usable(struct token *token, int64_t now_ms)
{
	struct provider_token held;

	token->source->held(token->owner.provider, &held);
	know(token, &held);
	return held.number != 0 && now_ms < held.expires_at_ms;
}

static void succeed(struct token *token)
{
	token->busy = token->failing = false;
	token->failures = token->shares = 0;
	token->owner.changed(token->owner.context, NULL);
}

static void try_later(struct token *token, const struct outcome *outcome)
{
	int64_t wait_ms =
		AGAIN_BASE_MS + backoff_full_jitter_ms(AGAIN_BASE_MS, AGAIN_CAP_MS, token->failures, backoff_random());
	struct timeval wait;

	if (outcome->retry_after_ms > wait_ms)
		wait_ms = outcome->retry_after_ms;
	wait = (struct timeval){.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
	evtimer_add(token->again, &wait);
}

static void fail(struct token *token, const struct outcome *outcome)
{
	bool is_final = outcome->class == OUTCOME_BAD_CREDENTIALS, usable = is_usable(token, clock_wall_ms());

	token->busy = false;
	token->failures++;
	token->shares = 0;
	log_event(LOG_WARNING, "token_failed", outcome->words, LOG_INT("account", token->owner.provider_account_id),
		  LOG_TEXT("code", outcome->code));
	if (!is_final || usable)
		try_later(token, outcome);
	token->failing = !is_final && !usable;
	if (!usable)
		token->owner.changed(token->owner.context, outcome);
}

/* -- from the vendor -- */

static void on_fetched(void *context, const struct provider_answer *answer, int64_t duration_us)
{
	struct token *token = context;
	struct outcome outcome;

	(void)duration_us;
	/* What asked for a token is as good as one for an hour. */
	explicit_bzero(token->request.body.bytes, token->request.body.length);
	provider_request_clear(&token->request);
	if (token->source->read(token->owner.provider, answer, &outcome))
		succeed(token);
	else
		fail(token, &outcome);
}

static void fetch(struct token *token)
{
	struct error err = {0};

	if (token->source->build(token->owner.provider, clock_wall_ms(), &token->request, &err)) {
		transfer_start(token->owner.pool, &token->request, NULL, on_fetched, token);
		return;
	}
	log_event(LOG_ERROR, "token_failed", err.text, LOG_INT("account", token->owner.provider_account_id));
	token->busy = false;
	token->failing = true;
	try_later(token, &(struct outcome){0});
}

/* -- shared by the fleet -- */

static void share(struct token *token);

static bool adopt(struct token *token, const struct pg_rows *rows)
{
	struct provider_token_share shared = {.slot = pg_rows_int64(rows, 0, 0)};
	struct text sealed;
	size_t length;
	const char *letters = pg_rows_text(rows, 0, 1, &length);
	bool adopted;

	text_init(&sealed, SEALED_MAX);
	adopted = letters != NULL && digest_base64_decode(&sealed, letters, length);
	shared.sealed = (struct slice){text_string(&sealed), sealed.length};
	/* Bytes that are no seal are refused like one that cannot be opened: their slot is left behind. */
	if (!adopted)
		shared.sealed = (struct slice){0};
	adopted = token->source->adopt(token->owner.provider, clock_wall_ms(), &shared);
	text_release(&sealed);
	return adopted;
}

static void on_shared(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct token *token = context;
	struct outcome outcome;

	token->asking = false;
	if (err != NULL && err->kind == ERROR_UNCERTAIN) {
		share(token); /* the session waits until the database is back */
		return;
	}
	if (err == NULL && pg_rows_count(rows) > 0) {
		if (adopt(token, rows)) {
			succeed(token);
			return;
		}
		if (++token->shares < SHARES_MAX) {
			share(token);
			return;
		}
	}
	outcome_set(&outcome, OUTCOME_TRANSIENT, "no_token", "%s",
		    err != NULL ? err->text : "The fleet's provider token cannot be opened with this account's key.");
	fail(token, &outcome);
}

static void share(struct token *token)
{
	struct provider_token_share minted;
	struct text letters;

	token->source->mint(token->owner.provider, clock_wall_ms(), &minted);
	text_init(&letters, 2 * SEALED_MAX);
	digest_add_base64(&letters, minted.sealed.bytes, minted.sealed.length);
	pg_values_add_int64(&token->values, token->owner.provider_account_id);
	pg_values_add_int64(&token->values, minted.oldest_slot);
	pg_values_add_int64(&token->values, minted.slot);
	pg_values_add_text(&token->values, text_string(&letters));
	text_release(&letters);
	token->asking = true;
	pg_session_ask(token->owner.database, &share_statement, &token->values, on_shared, token);
}

/* -- */

static void want(struct token *token)
{
	if (token->busy || evtimer_pending(token->again, NULL))
		return;
	token->busy = true;
	if (token->source->mint != NULL)
		share(token);
	else
		fetch(token);
}

bool token_ready(struct token *token)
{
	int64_t now_ms = clock_wall_ms();
	bool usable = is_usable(token, now_ms);

	if (!usable || now_ms >= token->refresh_at_ms)
		want(token);
	return usable;
}

bool token_is_failing(const struct token *token)
{
	return token->failing;
}

bool token_is_asking(const struct token *token)
{
	return token->asking;
}
