#include "worker/callbacks/fold.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "shared/digest.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/callbacks/callback.h"
#include "worker/callbacks/event_list.h"
#include "worker/callbacks/meters.h"

#define READ_AGAIN_MAX 20 /* bodies may be large */

static const struct timeval look_every = {.tv_usec = 500 * 1000};

struct fold {
	struct pg_session *database;
	const struct accounts *accounts;
	const char *public_url;
	size_t batch_max, batch; /* batch shrinks to find a callback that cannot be folded */
	struct metrics *metrics;
	struct event *timer;
	bool is_folding, is_reading;
	bool has_news; /* something was kept since the last fold was asked */
	struct event_list events;
	struct pg_values values;
	struct text target, body;
};

static const struct pg_statement fold_statement = {
	.name = "fold_callbacks",
	.sql = "select delivery.fold_callbacks($1)",
};
static const struct pg_statement set_aside_statement = {
	.name = "set_aside_callback",
	.sql = "select delivery.set_aside_callback($1)",
};
static const struct pg_statement to_parse_statement = {
	.name = "callbacks_to_parse",
	.sql = "select callback_inbox_id, provider_account_id, target, headers, body, received_ms "
	       "from delivery.callbacks_to_parse($1)",
};
static const struct pg_statement replace_statement = {
	.name = "replace_events",
	.sql = "select delivery.replace_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
};

static void ask_fold(struct fold *fold);

/* One callback alone was refused: it is the oldest that waits. */
static void set_aside(struct fold *fold, const struct error *err)
{
	log_event(LOG_ERROR, "callback_not_folded", err->text);
	pg_values_add_text(&fold->values, err->text);
	pg_session_ask(fold->database, &set_aside_statement, &fold->values, NULL, NULL);
	fold->batch = fold->batch_max;
}

static void on_refused(struct fold *fold, const struct error *err)
{
	if (err->kind != ERROR_REFUSED) {
		log_event(LOG_WARNING, "callbacks_wait", err->text);
		return;
	}
	if (fold->batch > 1)
		fold->batch = 1;
	else
		set_aside(fold, err);
	ask_fold(fold);
}

static void on_folded(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct fold *fold = context;
	int64_t folded;

	fold->is_folding = false;
	if (err != NULL) {
		on_refused(fold, err);
		return;
	}
	folded = pg_rows_int64(rows, 0, 0);
	metrics_add(fold->metrics, METER_FOLDED, 0, folded);
	/* What was passed over because others hold it waits for the next look. */
	if (fold->has_news || folded >= (int64_t)fold->batch)
		ask_fold(fold);
	fold->batch = fold->batch_max;
}

static void ask_fold(struct fold *fold)
{
	if (fold->is_folding || !pg_session_is_ready(fold->database))
		return;
	fold->is_folding = true;
	fold->has_news = false;
	pg_values_add_int64(&fold->values, (int64_t)fold->batch);
	pg_session_ask(fold->database, &fold_statement, &fold->values, on_folded, fold);
}

void fold_wake(struct fold *fold)
{
	fold->has_news = true;
	ask_fold(fold);
}

static struct slice column(const struct pg_rows *rows, size_t row, int number)
{
	struct slice text = {0};

	text.bytes = pg_rows_text(rows, row, number, &text.length);
	return text;
}

/* What a row of to_parse_statement came to: it could be looked at, and then it made sense or had a problem. */
struct reading {
	bool is_readable;
	bool is_understood;
	struct error problem;
};

static bool describe(struct fold *fold, const struct pg_rows *rows, size_t row, struct provider_callback *callback)
{
	struct slice base64 = column(rows, row, 4);

	text_clear(&fold->body);
	if (!digest_base64_decode(&fold->body, base64.bytes, base64.length))
		return false;
	callback_address(&fold->target, fold->public_url, column(rows, row, 2));
	*callback = (struct provider_callback){
		.method = "POST",
		.url = text_string(&fold->target),
		.query = callback_query(text_string(&fold->target)),
		.headers = column(rows, row, 3),
		.body = {text_string(&fold->body), fold->body.length},
		.now_ms = pg_rows_int64(rows, row, 5),
	};
	return true;
}

static void parse_again(struct fold *fold, const struct pg_rows *rows, size_t row, struct reading *reading)
{
	const struct callback_account *account = accounts_get(fold->accounts, (int32_t)pg_rows_int64(rows, row, 1));
	size_t mark = event_list_mark(&fold->events);
	struct provider_callback callback;

	*reading = (struct reading){0};
	if (account == NULL || account->provider == NULL || !describe(fold, rows, row, &callback))
		return;
	fold->events.owner = pg_rows_int64(rows, row, 0);
	reading->is_readable = true;
	reading->is_understood = account->driver->callbacks->parse(account->provider, &callback, event_list_add,
								   &fold->events, &reading->problem);
	if (!reading->is_understood)
		event_list_rewind(&fold->events, mark);
}

static void read_again(struct fold *fold);

static void on_replaced(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct fold *fold = context;

	fold->is_reading = false;
	if (err != NULL) {
		log_event(LOG_WARNING, "callbacks_not_read_again", err->text);
		return;
	}
	metrics_add(fold->metrics, METER_READ_AGAIN, 0, pg_rows_int64(rows, 0, 0));
	fold_wake(fold);
	read_again(fold);
}

static void add_readings(struct pg_values *values, const struct pg_rows *rows, const struct reading *readings)
{
	size_t count = pg_rows_count(rows);

	pg_values_start_array(values);
	for (size_t row = 0; row < count; row++)
		pg_values_item_int64(values, pg_rows_int64(rows, row, 0));
	pg_values_end_array(values);
	pg_values_start_array(values);
	for (size_t row = 0; row < count; row++)
		pg_values_item_bool(values, readings[row].is_readable);
	pg_values_end_array(values);
	pg_values_start_array(values);
	for (size_t row = 0; row < count; row++) {
		const char *problem = readings[row].is_understood ? NULL : readings[row].problem.text;

		pg_values_item_text(values, problem, problem != NULL ? strlen(problem) : 0);
	}
	pg_values_end_array(values);
}

static void replace(struct fold *fold, const struct pg_rows *rows)
{
	struct reading readings[READ_AGAIN_MAX];

	event_list_clear(&fold->events);
	for (size_t row = 0; row < pg_rows_count(rows); row++)
		parse_again(fold, rows, row, &readings[row]);
	add_readings(&fold->values, rows, readings);
	event_list_values(&fold->events, &fold->values, INT64_MIN, INT64_MAX, 0);
	pg_session_ask(fold->database, &replace_statement, &fold->values, on_replaced, fold);
}

static void on_to_parse(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct fold *fold = context;

	if (err == NULL && pg_rows_count(rows) > 0)
		replace(fold, rows);
	else
		fold->is_reading = false;
}

static void read_again(struct fold *fold)
{
	/* An account that is not loaded yet would be taken for one that is gone. */
	if (fold->is_reading || !pg_session_is_ready(fold->database) || !accounts_are_known(fold->accounts))
		return;
	fold->is_reading = true;
	pg_values_add_int64(&fold->values, READ_AGAIN_MAX);
	pg_session_ask(fold->database, &to_parse_statement, &fold->values, on_to_parse, fold);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
	(void)descriptor, (void)what;
	ask_fold(context);
	read_again(context);
}

struct fold *fold_open(struct event_base *base, struct pg_session *database, const struct accounts *accounts,
		       const char *public_url, size_t batch_max, struct metrics *metrics)
{
	struct fold *fold = memory_new(sizeof(*fold));

	fold->database = database;
	fold->accounts = accounts;
	fold->public_url = public_url;
	fold->batch_max = fold->batch = batch_max;
	fold->metrics = metrics;
	fold->timer = event_new(base, -1, EV_PERSIST, on_timer, fold);
	event_add(fold->timer, &look_every);
	event_list_init(&fold->events);
	pg_values_init(&fold->values);
	text_init(&fold->target, CALLBACK_URL_MAX);
	text_init(&fold->body, SIZE_MAX / 2);
	return fold;
}

void fold_close(struct fold **where)
{
	struct fold *fold = *where;

	if (fold == NULL)
		return;
	event_free(fold->timer);
	event_list_release(&fold->events);
	pg_values_release(&fold->values);
	text_release(&fold->target);
	text_release(&fold->body);
	free(fold);
	*where = NULL;
}
