#include "worker/recheck.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/memory.h"

#define GATHER_US 5000

static const struct pg_statement recheck_statement = {
	.name = "recheck",
	.sql = "select delivery_id, refusal from delivery.recheck($1, $2)",
};

struct recheck {
	struct pg_session *database;
	recheck_done *done;
	void *context;
	struct event *timer;
	struct delivery *waiting, *asked;
	int64_t asked_at_ms;
	struct pg_values values;
};

/* What a refusal at the last moment means; the claim decides the same way. The words are constants because the verdict
 * keeps them until it is recorded. */
static const struct verdict refusals[] = {
	{.reason = "campaign_paused", .status = "planned", .waiting_for = "the campaign to be resumed"},
	{.reason = "provider_paused", .status = "planned", .waiting_for = "the provider", .wait_ms = 2000},
	{.reason = "campaign_cancelled", .status = "cancelled", .wait_ms = VERDICT_SETTLED},
	{.reason = "too_late", .status = "expired", .wait_ms = VERDICT_SETTLED},
	{.reason = "erased", .status = "skipped", .wait_ms = VERDICT_SETTLED},
	{.reason = "no_address", .status = "skipped", .wait_ms = VERDICT_SETTLED},
	{.reason = "suppressed", .status = "skipped", .wait_ms = VERDICT_SETTLED},
	{.reason = "topic_off", .status = "skipped", .wait_ms = VERDICT_SETTLED},
	{.reason = "not_subscribed", .status = "skipped", .wait_ms = VERDICT_SETTLED},
};
/* A word that a newer database has and this program does not: the claim, which is the database's, decides. */
static const struct verdict unknown_refusal = {.status = "planned", .waiting_for = "its turn"};

static const struct verdict *find_refusal(const char *reason)
{
	for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++)
		if (strcmp(refusals[i].reason, reason) == 0)
			return &refusals[i];
	return &unknown_refusal;
}

static void gather(struct recheck *recheck)
{
	const struct timeval moment = {.tv_usec = GATHER_US};

	if (recheck->waiting != NULL && recheck->asked == NULL && !evtimer_pending(recheck->timer, NULL))
		evtimer_add(recheck->timer, &moment);
}

static struct delivery *take_asked(struct recheck *recheck, int64_t delivery_id)
{
	struct delivery *delivery;

	DL_SEARCH_SCALAR(recheck->asked, delivery, delivery_id, delivery_id);
	if (delivery != NULL)
		DL_DELETE(recheck->asked, delivery);
	return delivery;
}

/* Not answered for: the claim is no longer ours, or nobody could say. It goes back; the database refuses that too if it
 * is not ours. */
static void give_back_rest(struct recheck *recheck)
{
	const struct verdict verdict = {.status = "planned", .waiting_for = "its turn", .wait_ms = 0};
	struct delivery *delivery, *next, *rest = recheck->asked;

	recheck->asked = NULL;
	DL_FOREACH_SAFE(rest, delivery, next)
		recheck->done(recheck->context, delivery, &verdict);
}

static void on_rechecked(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct recheck *recheck = context;

	for (size_t row = 0; err == NULL && row < pg_rows_count(rows); row++) {
		struct delivery *delivery = take_asked(recheck, pg_rows_int64(rows, row, 0));
		const char *refusal = pg_rows_text(rows, row, 1, NULL);

		if (delivery == NULL)
			continue;
		if (refusal != NULL) {
			recheck->done(recheck->context, delivery, find_refusal(refusal));
			continue;
		}
		delivery->permitted_until_ms = recheck->asked_at_ms + DELIVERY_PERMISSION_MS;
		recheck->done(recheck->context, delivery, NULL);
	}
	give_back_rest(recheck);
	gather(recheck);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct recheck *recheck = context;
	struct delivery *delivery;

	(void)fd, (void)what;
	recheck->asked = recheck->waiting;
	recheck->waiting = NULL;
	recheck->asked_at_ms = clock_now_ms();
	pg_values_start_array(&recheck->values);
	DL_FOREACH(recheck->asked, delivery)
		pg_values_item_int64(&recheck->values, delivery->claim_token);
	pg_values_end_array(&recheck->values);
	pg_values_start_array(&recheck->values);
	DL_FOREACH(recheck->asked, delivery)
		pg_values_item_int64(&recheck->values, delivery->delivery_id);
	pg_values_end_array(&recheck->values);
	pg_session_ask(recheck->database, &recheck_statement, &recheck->values, on_rechecked, recheck);
}

struct recheck *recheck_open(struct event_base *base, struct pg_session *database, recheck_done *done, void *context)
{
	struct recheck *recheck = memory_new(sizeof(*recheck));

	recheck->database = database;
	recheck->done = done;
	recheck->context = context;
	recheck->timer = evtimer_new(base, on_timer, recheck);
	pg_values_init(&recheck->values);
	return recheck;
}

void recheck_close(struct recheck **recheck)
{
	if (*recheck == NULL)
		return;
	event_free((*recheck)->timer);
	pg_values_release(&(*recheck)->values);
	free(*recheck);
	*recheck = NULL;
}

void recheck_add(struct recheck *recheck, struct delivery *delivery)
{
	delivery_enter(delivery, DELIVERY_RECHECK);
	DL_APPEND(recheck->waiting, delivery);
	gather(recheck);
}
