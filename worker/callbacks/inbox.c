#include "worker/callbacks/inbox.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/failpoint.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/callbacks/event_list.h"
#include "worker/callbacks/meters.h"
#include "worker/callbacks/verbatim.h"

#define STATEMENT_BYTES_MAX ((size_t)8 * 1024 * 1024) /* of bodies; one alone may be larger */

struct entry {
	struct http_exchange *exchange;
	const struct http_request *request;
	int32_t provider_account_id;
	const struct provider_callbacks *callbacks;
	char *problem; /* NULL: it was understood */
	int64_t since_us;
};

struct batch {
	struct entry *entries;
	size_t count, capacity;
	struct event_list events; /* their owner is the place in entries, from 1 */
};

struct inbox {
	struct event_base *base;
	struct pg_session *database;
	struct inbox_settings settings;
	struct metrics *metrics;
	inbox_kept *kept;
	void *context;
	struct event *timer;
	bool timer_runs;
	struct batch batches[2], *gathering, *flying;
	bool is_flying;
	bool one_by_one;    /* the database has refused some of this batch */
	size_t first, last; /* entries of the flying batch that are being asked: [first, last) */
	struct pg_values values;
	struct text scratch;
};

static const struct pg_statement keep_statement = {
	.name = "keep_callbacks",
	.sql = "select delivery.keep_callbacks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
	       "$17, $18)",
};

static void on_timer(evutil_socket_t descriptor, short what, void *context);

struct inbox *inbox_open(struct event_base *base, struct pg_session *database, const struct inbox_settings *settings,
			 struct metrics *metrics, inbox_kept *kept, void *context)
{
	struct inbox *inbox = memory_new(sizeof(*inbox));

	inbox->base = base;
	inbox->database = database;
	inbox->settings = *settings;
	inbox->metrics = metrics;
	inbox->kept = kept;
	inbox->context = context;
	inbox->timer = evtimer_new(base, on_timer, inbox);
	for (size_t i = 0; i < ARRAY_LENGTH(inbox->batches); i++)
		event_list_init(&inbox->batches[i].events);
	inbox->gathering = &inbox->batches[0];
	inbox->flying = &inbox->batches[1];
	pg_values_init(&inbox->values);
	text_init(&inbox->scratch, SIZE_MAX / 2);
	return inbox;
}

void inbox_close(struct inbox **where)
{
	struct inbox *inbox = *where;

	if (inbox == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LENGTH(inbox->batches); i++) {
		for (size_t k = 0; k < inbox->batches[i].count; k++)
			free(inbox->batches[i].entries[k].problem);
		free(inbox->batches[i].entries);
		event_list_release(&inbox->batches[i].events);
	}
	event_free(inbox->timer);
	pg_values_release(&inbox->values);
	text_release(&inbox->scratch);
	free(inbox);
	*where = NULL;
}

static void answer_kept(struct entry *entry)
{
	const struct provider_callbacks *callbacks = entry->callbacks;
	const char *reply = callbacks->reply != NULL ? callbacks->reply : "";

	http_exchange_answer(
		entry->exchange,
		&(struct http_answer){.status = 200, .type = callbacks->reply_type, .body = {reply, strlen(reply)}});
}

static void answer_later(struct entry *entry)
{
	http_exchange_answer(entry->exchange, &(struct http_answer){.status = 503, .headers = "Retry-After: 5\r\n"});
}

/* refusal: HTTP_FINE when they were kept. */
static void answer_entries(struct inbox *inbox, struct batch *batch, size_t first, size_t last, int refusal)
{
	int64_t now_us = clock_now_us();

	for (size_t i = first; i < last; i++) {
		struct entry *entry = &batch->entries[i];

		free(entry->problem);
		entry->problem = NULL;
		if (refusal == HTTP_FINE) {
			metrics_observe_ms(inbox->metrics, METER_KEEP_SECONDS,
					   (double)(now_us - entry->since_us) / 1000);
			answer_kept(entry);
		} else {
			metrics_add(inbox->metrics, METER_REFUSED, (size_t)refusal, 1);
			answer_later(entry);
		}
	}
}

static void show_in_hand(struct inbox *inbox)
{
	metrics_set(inbox->metrics, METER_IN_HAND, 0, (int64_t)(inbox->gathering->count + inbox->flying->count));
}

static void batch_clear(struct inbox *inbox, struct batch *batch)
{
	batch->count = 0;
	event_list_clear(&batch->events);
	show_in_hand(inbox);
}

/* One array parameter: `statement` sees each entry as `e`. */
#define ADD_ARRAY(statement)                                                                                           \
	do {                                                                                                           \
		pg_values_start_array(values);                                                                         \
		for (const struct entry *e = from; e < to; e++)                                                        \
			statement;                                                                                     \
		pg_values_end_array(values);                                                                           \
	} while (0)

static void add_target(struct text *out, const struct http_request *request)
{
	text_add_bytes(out, request->path.bytes, request->path.length);
	if (request->query.length > 0)
		text_add_char(out, '?');
	text_add_bytes(out, request->query.bytes, request->query.length);
}

static void item_scratch(struct inbox *inbox)
{
	pg_values_item_text(&inbox->values, text_string(&inbox->scratch), inbox->scratch.length);
	text_clear(&inbox->scratch);
}

static void item_target(struct inbox *inbox, const struct entry *entry)
{
	add_target(&inbox->scratch, entry->request);
	item_scratch(inbox);
}

static void item_fingerprint(struct inbox *inbox, const struct entry *entry)
{
	uint8_t digest[DIGEST_SHA256_BYTES];

	add_target(&inbox->scratch, entry->request);
	verbatim_fingerprint(entry->provider_account_id, text_string(&inbox->scratch), entry->request->headers,
			     entry->request->body, digest);
	text_clear(&inbox->scratch);
	digest_add_hex(&inbox->scratch, digest, sizeof(digest));
	item_scratch(inbox);
}

static void item_headers(struct inbox *inbox, const struct entry *entry)
{
	verbatim_add_headers(&inbox->scratch, entry->request->headers);
	item_scratch(inbox);
}

static void item_body(struct inbox *inbox, const struct entry *entry)
{
	digest_add_base64(&inbox->scratch, entry->request->body.bytes, entry->request->body.length);
	item_scratch(inbox);
}

static void on_answered(void *context, const struct pg_rows *rows, const struct error *err);

/* The next entries of the flying batch, as many as one transaction may hold. */
static void ask(struct inbox *inbox)
{
	struct batch *batch = inbox->flying;
	struct pg_values *values = &inbox->values;
	size_t count_max = inbox->one_by_one ? 1 : inbox->settings.batch_max, bytes = 0;
	const struct entry *from = &batch->entries[inbox->first], *to;

	for (inbox->last = inbox->first; inbox->last < batch->count && inbox->last - inbox->first < count_max;
	     inbox->last++) {
		bytes += batch->entries[inbox->last].request->body.length;
		if (bytes > STATEMENT_BYTES_MAX && inbox->last > inbox->first)
			break;
	}
	to = &batch->entries[inbox->last];
	ADD_ARRAY(pg_values_item_int64(values, e->provider_account_id));
	ADD_ARRAY(item_fingerprint(inbox, e));
	ADD_ARRAY(item_target(inbox, e));
	ADD_ARRAY(item_headers(inbox, e));
	ADD_ARRAY(item_body(inbox, e));
	ADD_ARRAY(pg_values_item_text(values, e->problem, e->problem != NULL ? strlen(e->problem) : 0));
	event_list_values(&batch->events, values, (int64_t)inbox->first + 1, (int64_t)inbox->last,
			  (int64_t)inbox->first);
	FAILPOINT("before_keep");
	pg_session_ask(inbox->database, &keep_statement, values, on_answered, inbox);
}

static void fly(struct inbox *inbox)
{
	struct batch *gathered = inbox->gathering;

	if (inbox->is_flying || gathered->count == 0)
		return;
	inbox->gathering = inbox->flying;
	inbox->flying = gathered;
	inbox->is_flying = true;
	inbox->one_by_one = false;
	inbox->first = 0;
	ask(inbox);
}

static void land(struct inbox *inbox)
{
	batch_clear(inbox, inbox->flying);
	inbox->is_flying = false;
	/* While this one was on its way the others have gathered long enough. */
	if (!inbox->timer_runs)
		fly(inbox);
}

static void note_kept(struct inbox *inbox, int64_t kept)
{
	int64_t asked = (int64_t)(inbox->last - inbox->first);

	metrics_add(inbox->metrics, METER_KEPT, 0, kept);
	metrics_add(inbox->metrics, METER_REPEATED, 0, asked - kept);
	if (kept > 0)
		inbox->kept(inbox->context);
}

static void on_answered(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct inbox *inbox = context;
	bool is_refused = err != NULL && (err->kind == ERROR_REFUSED || err->kind == ERROR_INVALID);

	FAILPOINT("after_keep");
	if (is_refused && !inbox->one_by_one && inbox->last - inbox->first > 1) {
		inbox->one_by_one = true;
		ask(inbox);
		return;
	}
	if (err != NULL)
		log_event(LOG_WARNING, "callbacks_not_kept", err->text);
	else
		note_kept(inbox, pg_rows_int64(rows, 0, 0));
	answer_entries(inbox, inbox->flying, inbox->first, inbox->last,
		       err == NULL  ? (int)HTTP_FINE
		       : is_refused ? (int)CALLBACK_NOT_KEPT
				    : (int)CALLBACK_DATABASE_AWAY);
	inbox->first = inbox->last;
	if (inbox->first < inbox->flying->count && !pg_session_is_ready(inbox->database)) {
		answer_entries(inbox, inbox->flying, inbox->first, inbox->flying->count, CALLBACK_DATABASE_AWAY);
		inbox->first = inbox->flying->count;
	}
	if (inbox->first < inbox->flying->count)
		ask(inbox);
	else
		land(inbox);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
	struct inbox *inbox = context;

	(void)descriptor, (void)what;
	inbox->timer_runs = false;
	fly(inbox);
}

static void parse(struct inbox *inbox, struct batch *batch, struct entry *entry, const struct callback_account *account,
		  const struct provider_callback *callback)
{
	size_t mark = event_list_mark(&batch->events);
	struct error err = {0};

	batch->events.owner = (int64_t)batch->count + 1;
	if (!entry->callbacks->parse(account->provider, callback, event_list_add, &batch->events, &err)) {
		event_list_rewind(&batch->events, mark);
		entry->problem = memory_copy_string(err.text);
		metrics_add(inbox->metrics, METER_NOT_UNDERSTOOD, 0, 1);
		log_event(LOG_WARNING, "callback_not_understood", err.text,
			  LOG_INT("account", account->provider_account_id));
	}
	event_list_count(&batch->events, mark, inbox->metrics, METER_EVENTS);
}

void inbox_add(struct inbox *inbox, struct http_exchange *exchange, const struct http_request *request,
	       const struct callback_account *account, const struct provider_callback *callback)
{
	struct batch *batch = inbox->gathering;
	const struct timeval linger = {.tv_sec = inbox->settings.linger_ms / 1000,
				       .tv_usec = inbox->settings.linger_ms % 1000 * 1000};
	struct entry *entry;

	if (batch->count == batch->capacity) {
		batch->capacity = batch->capacity == 0 ? 64 : batch->capacity * 2;
		batch->entries = memory_grow(batch->entries, batch->capacity, sizeof(*batch->entries));
	}
	entry = &batch->entries[batch->count];
	*entry = (struct entry){.exchange = exchange,
				.request = request,
				.provider_account_id = account->provider_account_id,
				.callbacks = account->driver->callbacks,
				.since_us = clock_now_us()};
	parse(inbox, batch, entry, account, callback);
	batch->count++;
	show_in_hand(inbox);
	if (!inbox->timer_runs && !inbox->is_flying) {
		inbox->timer_runs = true;
		evtimer_add(inbox->timer, &linger);
	}
}

void inbox_database_away(struct inbox *inbox)
{
	answer_entries(inbox, inbox->gathering, 0, inbox->gathering->count, CALLBACK_DATABASE_AWAY);
	batch_clear(inbox, inbox->gathering);
}
