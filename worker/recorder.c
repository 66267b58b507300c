#include "worker/recorder.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/failpoint.h"
#include "shared/log.h"
#include "shared/memory.h"

#define RETRY_AFTER_REFUSAL_MS 1000
#define BATCHES_IN_FLIGHT      2
#define RESULTS_COMPARED       8

struct entry {
	struct delivery *delivery;
	struct verdict verdict;
	size_t place;  /* of its result among the batch's; the first is 1 */
	bool is_first; /* of those with that result */
};

struct batch {
	struct recorder *recorder;
	size_t count, capacity;
	struct entry *entries;
	struct event *again;
	struct batch *next, *prev;
};

struct recorder {
	struct event_base *base;
	struct pg_session *database;
	struct recorder_settings settings;
	recorder_batch_done *batch_done;
	recorder_recorded *recorded;
	void *context;
	struct event *timer;
	bool timer_runs;
	struct batch *gathering;
	struct batch *flying; /* asked, not answered */
	struct batch *idle;   /* for the next time */
	size_t flying_count, pending;
	struct pg_values values;
};

static const struct pg_statement record_statement = {
	.name = "record",
	.sql = "select delivery.record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
};

static void on_timer(evutil_socket_t fd, short what, void *context);

struct recorder *recorder_open(struct event_base *base, struct pg_session *database,
			       const struct recorder_settings *settings, recorder_batch_done *batch_done,
			       recorder_recorded *recorded, void *context)
{
	struct recorder *recorder = memory_new(sizeof(*recorder));

	*recorder = (struct recorder){.base = base,
				      .database = database,
				      .settings = *settings,
				      .batch_done = batch_done,
				      .recorded = recorded,
				      .context = context};
	recorder->timer = evtimer_new(base, on_timer, recorder);
	pg_values_init(&recorder->values);
	return recorder;
}

static void batch_free(struct batch *batch)
{
	if (batch == NULL)
		return;
	event_free(batch->again);
	free(batch->entries);
	free(batch);
}

void recorder_close(struct recorder **recorder)
{
	struct batch *batch, *next;

	if (*recorder == NULL)
		return;
	batch_free((*recorder)->gathering);
	DL_FOREACH_SAFE((*recorder)->flying, batch, next)
		batch_free(batch);
	DL_FOREACH_SAFE((*recorder)->idle, batch, next)
		batch_free(batch);
	event_free((*recorder)->timer);
	pg_values_release(&(*recorder)->values);
	free(*recorder);
	*recorder = NULL;
}

static void batch_ask(struct batch *batch);

static void on_again(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	batch_ask(context);
}

static struct batch *batch_take(struct recorder *recorder)
{
	struct batch *batch = recorder->idle;

	if (batch != NULL) {
		DL_DELETE(recorder->idle, batch);
		return batch;
	}
	batch = memory_new(sizeof(*batch));
	batch->recorder = recorder;
	batch->capacity = recorder->settings.batch_max;
	batch->entries = memory_new_array(batch->capacity, sizeof(*batch->entries));
	batch->again = evtimer_new(recorder->base, on_again, batch);
	return batch;
}

static void batch_append(struct batch *batch, const struct entry *entry)
{
	if (batch->count == batch->capacity) {
		batch->capacity *= 2;
		batch->entries = memory_grow(batch->entries, batch->capacity, sizeof(*batch->entries));
	}
	batch->entries[batch->count++] = *entry;
}

/* One array parameter: `statement` sees each entry as `e`. */
#define ADD_ARRAY(values, batch, statement)                                                                            \
	do {                                                                                                           \
		pg_values_start_array(values);                                                                         \
		for (const struct entry *e = (batch)->entries; e < (batch)->entries + (batch)->count; e++)             \
			statement;                                                                                     \
		pg_values_end_array(values);                                                                           \
	} while (0)

/* The same with one item for each result. */
#define ADD_RESULTS(values, batch, statement) ADD_ARRAY(values, batch, if (e->is_first) statement)

static void item_word(struct pg_values *values, const char *word)
{
	pg_values_item_text(values, word, word != NULL ? strlen(word) : 0);
}

/* An empty string is nothing worth a column. */
static void item_words(struct pg_values *values, const char *words)
{
	item_word(values, words[0] != '\0' ? words : NULL);
}

static void item_outcome(struct pg_values *values, const struct verdict *verdict)
{
	item_word(values, verdict->has_outcome ? outcome_class_name(verdict->outcome.class) : NULL);
}

static void item_wait(struct pg_values *values, const struct verdict *verdict)
{
	if (verdict->wait_ms == VERDICT_SETTLED)
		pg_values_item_null(values);
	else
		pg_values_item_int64(values, verdict->wait_ms);
}

static bool is_same_word(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether all is the same that delivery.record() takes once for many deliveries. */
static bool is_same_result(const struct verdict *a, const struct verdict *b)
{
	return is_same_word(a->status, b->status) && is_same_word(a->reason, b->reason) &&
	       is_same_word(a->waiting_for, b->waiting_for) && a->wait_ms == b->wait_ms &&
	       a->counts_as_failure == b->counts_as_failure && a->counts_as_not_sent == b->counts_as_not_sent &&
	       a->has_outcome == b->has_outcome && (!a->has_outcome || a->outcome.class == b->outcome.class) &&
	       strcmp(a->outcome.code, b->outcome.code) == 0 && strcmp(a->outcome.words, b->outcome.words) == 0;
}

/* Reading arrays is a third of what the database does for a result, and nearly all of a batch come to the same. Only the
 * newest results are compared: some providers say something new each time. */
static void find_results(struct batch *batch)
{
	const struct entry *newest[RESULTS_COMPARED];
	size_t results = 0;

	for (struct entry *entry = batch->entries; entry < batch->entries + batch->count; entry++) {
		entry->is_first = true;
		for (size_t i = 0; i < results && i < RESULTS_COMPARED && entry->is_first; i++) {
			entry->is_first = !is_same_result(&newest[i]->verdict, &entry->verdict);
			entry->place = newest[i]->place;
		}
		if (!entry->is_first)
			continue;
		newest[results % RESULTS_COMPARED] = entry;
		entry->place = ++results;
	}
}

static void on_answered(void *context, const struct pg_rows *rows, const struct error *err);

static void batch_ask(struct batch *batch)
{
	struct recorder *recorder = batch->recorder;
	struct pg_values *values = &recorder->values;

	find_results(batch);
	pg_values_add_text(values, recorder->settings.worker_name);
	ADD_ARRAY(values, batch, pg_values_item_int64(values, e->delivery->delivery_id));
	ADD_ARRAY(values, batch, pg_values_item_int64(values, e->delivery->claim_token));
	ADD_ARRAY(values, batch, pg_values_item_int64(values, e->delivery->facts.attempt));
	ADD_RESULTS(values, batch, item_word(values, e->verdict.status));
	ADD_RESULTS(values, batch, item_outcome(values, &e->verdict));
	ADD_RESULTS(values, batch, item_words(values, e->verdict.outcome.code));
	ADD_RESULTS(values, batch, item_words(values, e->verdict.outcome.words));
	ADD_ARRAY(values, batch, item_words(values, e->verdict.outcome.provider_message_id));
	ADD_RESULTS(values, batch, item_word(values, e->verdict.reason));
	ADD_RESULTS(values, batch, item_word(values, e->verdict.waiting_for));
	ADD_RESULTS(values, batch, item_wait(values, &e->verdict));
	ADD_RESULTS(values, batch, pg_values_item_bool(values, e->verdict.counts_as_failure));
	ADD_RESULTS(values, batch, pg_values_item_bool(values, e->verdict.counts_as_not_sent));
	ADD_ARRAY(values, batch, pg_values_item_int64(values, e->verdict.duration_ms));
	ADD_ARRAY(values, batch, item_words(values, e->delivery->payload_sha256));
	ADD_ARRAY(values, batch, pg_values_item_int64(values, (int64_t)e->place));
	FAILPOINT("before_record");
	pg_session_ask(recorder->database, &record_statement, values, on_answered, batch);
}

static void batch_settle(struct batch *batch, size_t moved)
{
	struct recorder *recorder = batch->recorder;

	FAILPOINT("after_record");
	recorder->batch_done(recorder->context, batch->count, moved);
	for (size_t i = 0; i < batch->count; i++)
		recorder->recorded(recorder->context, batch->entries[i].delivery);
	recorder->pending -= batch->count;
	recorder->flying_count--;
	batch->count = 0;
	DL_DELETE(recorder->flying, batch);
	DL_PREPEND(recorder->idle, batch);
	if (recorder->gathering != NULL && recorder->gathering->count >= recorder->settings.batch_max)
		recorder_flush(recorder);
}

/* One row that the database will not take must not hold up the others: each half goes by itself. */
static void batch_split(struct batch *batch)
{
	struct recorder *recorder = batch->recorder;
	struct batch *half = batch_take(recorder);

	while (half->count < batch->count)
		batch_append(half, &batch->entries[--batch->count]);
	recorder->flying_count++;
	DL_APPEND(recorder->flying, half);
	batch_ask(batch);
	batch_ask(half);
}

static void on_answered(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct batch *batch = context;
	const struct timeval pause = {.tv_sec = RETRY_AFTER_REFUSAL_MS / 1000};

	if (err == NULL) {
		batch_settle(batch, (size_t)pg_rows_int64(rows, 0, 0));
		return;
	}
	if (err->kind == ERROR_UNCERTAIN) {
		batch_ask(batch); /* the session sends it when the database is back */
		return;
	}
	log_event(LOG_WARNING, "record_refused", err->text, LOG_INT("deliveries", batch->count));
	if (err->kind == ERROR_TRANSIENT)
		evtimer_add(batch->again, &pause);
	else if (batch->count > 1)
		batch_split(batch);
	else
		batch_settle(batch, 0); /* its lease will run out, and the sweeper decides */
}

void recorder_flush(struct recorder *recorder)
{
	struct batch *batch = recorder->gathering;

	if (batch == NULL || recorder->flying_count >= BATCHES_IN_FLIGHT)
		return;
	if (recorder->timer_runs)
		evtimer_del(recorder->timer);
	recorder->timer_runs = false;
	recorder->gathering = NULL;
	recorder->flying_count++;
	DL_APPEND(recorder->flying, batch);
	batch_ask(batch);
}

static void start_timer(struct recorder *recorder)
{
	const struct timeval linger = {.tv_sec = recorder->settings.linger_ms / 1000,
				       .tv_usec = (recorder->settings.linger_ms % 1000) * 1000};

	evtimer_add(recorder->timer, &linger);
	recorder->timer_runs = true;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct recorder *recorder = context;

	(void)fd, (void)what;
	recorder->timer_runs = false;
	recorder_flush(recorder);
	if (recorder->gathering != NULL)
		start_timer(recorder); /* two batches are out; look again */
}

void recorder_add(struct recorder *recorder, struct delivery *delivery, const struct verdict *verdict)
{
	struct batch *batch = recorder->gathering;

	delivery_enter(delivery, DELIVERY_RECORDING);
	if (batch == NULL)
		batch = recorder->gathering = batch_take(recorder);
	batch_append(batch, &(struct entry){.delivery = delivery, .verdict = *verdict});
	recorder->pending++;
	if (batch->count >= recorder->settings.batch_max)
		recorder_flush(recorder);
	else if (!recorder->timer_runs)
		start_timer(recorder);
}

size_t recorder_pending(const struct recorder *recorder)
{
	return recorder->pending;
}
