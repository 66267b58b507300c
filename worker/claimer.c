#include "worker/claimer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/failpoint.h"
#include "shared/log.h"
#include "shared/memory.h"

#define RETRY_AFTER_REFUSAL_MS 1000
#define GOOD_BATCH             400
#define LARGE_BATCH            700 /* of messages that are here and have time */

struct claimer {
	struct pg_session *database;
	struct lane *lane;
	struct claimer_settings settings;
	struct claimer_events events;
	struct event *timer, *again;
	bool timer_runs;
	struct delivery *waiting;
	size_t waiting_count;
	struct delivery **asked; /* sorted by delivery_id; NULL once answered */
	int64_t *asked_ids;
	size_t asked_count;
	int64_t token, asked_at_ms;
	struct pg_values values;
};

static const struct pg_statement claim_statement = {
	.name = "claim",
	.sql = "select delivery_id, refusal, attempt, failures, not_sent, run_step_id, expires_in_ms, expires_at_ms, "
	       "planned_at_ms, contact_id, contact_point_id, points, was_uncertain, address, member_no, first_name, "
	       "last_name, language, time_zone, tier, profile, data from delivery.claim($1, $2, $3, $4, $5, $6)",
};

enum claim_column {
	COLUMN_DELIVERY_ID,
	COLUMN_REFUSAL,
	COLUMN_ATTEMPT,
	COLUMN_FAILURES,
	COLUMN_NOT_SENT,
	COLUMN_RUN_STEP_ID,
	COLUMN_EXPIRES_IN_MS,
	COLUMN_EXPIRES_AT_MS,
	COLUMN_PLANNED_AT_MS,
	COLUMN_CONTACT_ID,
	COLUMN_CONTACT_POINT_ID,
	COLUMN_POINTS,
	COLUMN_WAS_UNCERTAIN,
	COLUMN_ADDRESS,
	COLUMN_MEMBER_NO,
	COLUMN_FIRST_NAME,
	COLUMN_LAST_NAME,
	COLUMN_LANGUAGE,
	COLUMN_TIME_ZONE,
	COLUMN_TIER,
	COLUMN_PROFILE,
	COLUMN_DATA,
};
#define TEXT_COLUMNS (COLUMN_DATA - COLUMN_ADDRESS + 1)

static void on_timer(evutil_socket_t fd, short what, void *context);
static void ask(struct claimer *claimer);

static void on_again(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	ask(context);
}

struct claimer *claimer_open(struct event_base *base, struct pg_session *database, struct lane *lane,
			     const struct claimer_settings *settings, const struct claimer_events *events)
{
	struct claimer *claimer = memory_new(sizeof(*claimer));

	*claimer = (struct claimer){.database = database, .lane = lane, .settings = *settings, .events = *events};
	claimer->asked = memory_new_array(settings->batch_max, sizeof(struct delivery *));
	claimer->asked_ids = memory_new_array(settings->batch_max, sizeof(int64_t));
	claimer->timer = evtimer_new(base, on_timer, claimer);
	claimer->again = evtimer_new(base, on_again, claimer);
	pg_values_init(&claimer->values);
	return claimer;
}

void claimer_close(struct claimer **claimer)
{
	if (*claimer == NULL)
		return;
	event_free((*claimer)->timer);
	event_free((*claimer)->again);
	pg_values_release(&(*claimer)->values);
	free((*claimer)->asked);
	free((*claimer)->asked_ids);
	free(*claimer);
	*claimer = NULL;
}

void claimer_add(struct claimer *claimer, struct delivery *delivery)
{
	DL_APPEND(claimer->waiting, delivery);
	claimer->waiting_count++;
}

bool claimer_is_asking(const struct claimer *claimer)
{
	return claimer->asked_count > 0;
}

static void copy_texts(struct delivery *delivery, const struct pg_rows *rows, size_t row)
{
	struct text *bytes = &delivery->facts_bytes;
	const char **places[TEXT_COLUMNS] = {
		&delivery->facts.address,   &delivery->facts.member_no, &delivery->facts.first_name,
		&delivery->facts.last_name, &delivery->facts.language,  &delivery->facts.time_zone,
		&delivery->facts.tier,      &delivery->facts.profile,   &delivery->facts.data,
	};
	const char *values[TEXT_COLUMNS];
	size_t lengths[TEXT_COLUMNS], total = 0;

	for (int i = 0; i < TEXT_COLUMNS; i++) {
		values[i] = pg_rows_text(rows, row, COLUMN_ADDRESS + i, &lengths[i]);
		text_add_bytes(bytes, values[i] != NULL ? values[i] : "", values[i] != NULL ? lengths[i] + 1 : 0);
	}
	for (int i = 0; i < TEXT_COLUMNS; i++) { /* only now: the bytes may have moved */
		*places[i] = values[i] != NULL ? text_string(bytes) + total : NULL;
		total += values[i] != NULL ? lengths[i] + 1 : 0;
	}
}

static void read_facts(struct claimer *claimer, struct delivery *delivery, const struct pg_rows *rows, size_t row)
{
	struct delivery_facts *facts = &delivery->facts;

	facts->attempt = (int32_t)pg_rows_int64(rows, row, COLUMN_ATTEMPT);
	facts->failures = (int32_t)pg_rows_int64(rows, row, COLUMN_FAILURES);
	facts->not_sent = (int32_t)pg_rows_int64(rows, row, COLUMN_NOT_SENT);
	facts->was_uncertain = pg_rows_bool(rows, row, COLUMN_WAS_UNCERTAIN);
	facts->expires_at_ms = claimer->asked_at_ms + pg_rows_int64(rows, row, COLUMN_EXPIRES_IN_MS);
	facts->wall_expires_at_ms = pg_rows_int64(rows, row, COLUMN_EXPIRES_AT_MS);
	facts->planned_at_ms = pg_rows_int64(rows, row, COLUMN_PLANNED_AT_MS);
	facts->contact_id = pg_rows_int64(rows, row, COLUMN_CONTACT_ID);
	facts->contact_point_id = pg_rows_int64(rows, row, COLUMN_CONTACT_POINT_ID);
	facts->points = pg_rows_int64(rows, row, COLUMN_POINTS);
	copy_texts(delivery, rows, row);
	delivery->claim_token = claimer->token;
	/* Half of the lease is for the transfer itself. Counted from before we asked, so it ends before the database's
	 * does. */
	delivery->trusted_until_ms = claimer->asked_at_ms + claimer->settings.lease_ms / 2;
	delivery->permitted_until_ms = claimer->asked_at_ms + DELIVERY_PERMISSION_MS;
}

/* Where the delivery stands among those asked for, or asked_count. */
static size_t find_asked(const struct claimer *claimer, int64_t delivery_id)
{
	size_t low = 0, high = claimer->asked_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (claimer->asked_ids[middle] < delivery_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < claimer->asked_count && claimer->asked_ids[low] == delivery_id ? low : claimer->asked_count;
}

/* One row of the answer. True when the delivery is ours to send. */
static bool take_row(struct claimer *claimer, const struct pg_rows *rows, size_t row)
{
	size_t place = find_asked(claimer, pg_rows_int64(rows, row, COLUMN_DELIVERY_ID));
	const char *refusal = pg_rows_text(rows, row, COLUMN_REFUSAL, NULL);
	struct delivery *delivery;

	if (place == claimer->asked_count || claimer->asked[place] == NULL)
		return false;
	delivery = claimer->asked[place];
	claimer->asked[place] = NULL;
	if (refusal != NULL) {
		claimer->events.dropped(claimer->events.context, delivery, refusal);
		return false;
	}
	read_facts(claimer, delivery, rows, row);
	delivery_enter(delivery, DELIVERY_NEEDS_STEP);
	claimer->events.claimed(claimer->events.context, delivery, pg_rows_int64(rows, row, COLUMN_RUN_STEP_ID));
	return true;
}

static void sort_answer(struct claimer *claimer, const struct pg_rows *rows)
{
	size_t claimed = 0, count = claimer->asked_count;

	for (size_t row = 0; row < pg_rows_count(rows); row++)
		claimed += take_row(claimer, rows, row);
	for (size_t i = 0; i < count; i++)
		if (claimer->asked[i] != NULL)
			claimer->events.dropped(claimer->events.context, claimer->asked[i], NULL);
	claimer->asked_count = 0;
	claimer->events.batch_done(claimer->events.context, claimer->lane, count, claimed);
}

static void on_claimed(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct claimer *claimer = context;
	const struct timeval pause = {.tv_sec = RETRY_AFTER_REFUSAL_MS / 1000};

	if (err == NULL) {
		FAILPOINT("after_claim");
		sort_answer(claimer, rows);
		claimer_pump(claimer);
	} else if (err->kind == ERROR_UNCERTAIN) {
		ask(claimer); /* with the same token, when the database is back */
	} else {
		log_event(LOG_WARNING, "claim_refused", err->text, LOG_INT("deliveries", claimer->asked_count));
		evtimer_add(claimer->again, &pause);
	}
}

static void ask(struct claimer *claimer)
{
	struct pg_values *values = &claimer->values;

	claimer->asked_at_ms = clock_now_ms();
	pg_values_add_text(values, claimer->settings.worker_name);
	pg_values_add_int64(values, claimer->lane->lane_id);
	pg_values_add_int64(values, claimer->token);
	pg_values_add_int64(values, claimer->settings.lease_ms);
	pg_values_start_array(values);
	for (size_t i = 0; i < claimer->asked_count; i++)
		pg_values_item_int64(values, claimer->asked_ids[i]);
	pg_values_end_array(values);
	pg_values_start_array(values);
	for (size_t i = 0; i < claimer->asked_count; i++)
		pg_values_item_int64(values, claimer->asked[i]->epoch);
	pg_values_end_array(values);
	FAILPOINT("before_claim");
	pg_session_ask(claimer->database, &claim_statement, values, on_claimed, claimer);
}

static int by_delivery_id(const void *left, const void *right)
{
	int64_t a = (*(struct delivery *const *)left)->delivery_id, b = (*(struct delivery *const *)right)->delivery_id;

	return (a > b) - (a < b);
}

/* Sorted, so that two workers that hold copies of the same messages never wait for each other in a circle. */
static void take_batch(struct claimer *claimer, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct delivery *delivery = claimer->waiting;

		DL_DELETE(claimer->waiting, delivery);
		delivery_enter(delivery, DELIVERY_CLAIMING);
		claimer->asked[i] = delivery;
	}
	claimer->waiting_count -= count;
	claimer->asked_count = count;
	qsort(claimer->asked, count, sizeof(struct delivery *), by_delivery_id);
	for (size_t i = 0; i < count; i++)
		claimer->asked_ids[i] = claimer->asked[i]->delivery_id;
	claimer->token = (int64_t)(backoff_random() >> 1);
}

static void wake_after(struct claimer *claimer, int64_t wait_ms)
{
	const struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = (wait_ms % 1000) * 1000};

	if (claimer->timer_runs)
		return;
	claimer->timer_runs = true;
	evtimer_add(claimer->timer, &wait);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct claimer *claimer = context;

	(void)fd, (void)what;
	claimer->timer_runs = false;
	claimer_pump(claimer);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* More messages wait than may be claimed, and the account has more in hand than a claim would bring: a claim for a few each time is dear.
 * Every answer pumps again. */
static bool has_time(const struct claimer *claimer, size_t room)
{
	const struct account *account = claimer->lane->account;

	return !claimer->lane->is_transactional && claimer->waiting_count > room &&
	       room < smaller(LARGE_BATCH, claimer->settings.batch_max) &&
	       room < account->ready_count + account->in_flight;
}

void claimer_pump(struct claimer *claimer)
{
	int64_t now_ms = clock_now_ms(), linger_ms, waited_ms;
	size_t room, batch, good;
	bool is_busy;

	if (claimer->waiting == NULL || claimer_is_asking(claimer))
		return;
	room = account_room(claimer->lane->account, now_ms);
	if (room == 0)
		return wake_after(claimer, account_is_paused(claimer->lane->account, now_ms) ? 500 : 50);
	if (has_time(claimer, room))
		return wake_after(claimer, 50);
	batch = smaller(smaller(room, claimer->waiting_count), claimer->settings.batch_max);
	good = smaller(GOOD_BATCH, claimer->settings.batch_max);
	/* Somebody waits for a one-time code; nobody for an offer. */
	is_busy = claimer->lane->account->in_flight > 0;
	linger_ms = is_busy && !claimer->lane->is_transactional ? claimer->settings.linger_ms : 1;
	waited_ms = now_ms - claimer->waiting->received_at_ms;
	if (batch < good && waited_ms < linger_ms)
		return wake_after(claimer, linger_ms - waited_ms);
	take_batch(claimer, batch);
	ask(claimer);
}

struct delivery *claimer_take_unclaimed(struct claimer *claimer, uint32_t before_session)
{
	struct delivery *delivery, *next, *taken = NULL;

	DL_FOREACH_SAFE(claimer->waiting, delivery, next) {
		if (delivery->job_session >= before_session)
			continue;
		DL_DELETE(claimer->waiting, delivery);
		claimer->waiting_count--;
		DL_APPEND(taken, delivery);
	}
	return taken;
}
