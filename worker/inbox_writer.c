#include "worker/inbox_writer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/pg_session.h"

#define BATCH_MAX            200
#define STATEMENT_TIMEOUT_MS 30000

static const struct pg_statement put_statement = {.name = "inbox_put", .sql = "select delivery.inbox_put($1)"};

struct row {
	const struct provider_request *request;
	transfer_fence *fence;
	transfer_done *done;
	void *context;
	int64_t started_at_us;
	struct row *next, *prev;
};

struct inbox_writer {
	struct event_base *base;
	struct pg_session_settings settings;
	struct pg_session *database; /* NULL until the first row */
	struct event *due;
	struct row *waiting, *alone, *flying; /* alone: refused together, to be asked one by one */
	size_t flying_count;
	struct pg_values values;
};

static void on_due(evutil_socket_t fd, short what, void *context);

struct inbox_writer *inbox_writer_open(struct event_base *base, const char *database_url)
{
	struct inbox_writer *writer = memory_new(sizeof(*writer));

	writer->base = base;
	writer->settings = (struct pg_session_settings){.url = database_url,
							.application_name = "postrider-worker inbox",
							.statement_timeout_ms = STATEMENT_TIMEOUT_MS};
	writer->due = evtimer_new(base, on_due, writer);
	pg_values_init(&writer->values);
	return writer;
}

static void drop(struct row *list)
{
	struct row *row, *next;

	DL_FOREACH_SAFE(list, row, next)
		free(row);
}

void inbox_writer_close(struct inbox_writer **writer)
{
	if (*writer == NULL)
		return;
	pg_session_close(&(*writer)->database);
	event_free((*writer)->due);
	drop((*writer)->waiting);
	drop((*writer)->alone);
	drop((*writer)->flying);
	pg_values_release(&(*writer)->values);
	free(*writer);
	*writer = NULL;
}

static void answer(struct row *row, enum provider_progress progress, int status, const char *failure)
{
	const struct provider_answer told = {
		.progress = progress, .status = status, .failure = failure, .wall_ms = clock_wall_ms()};

	row->done(row->context, &told, clock_now_us() - row->started_at_us);
	free(row);
}

/* Takes the list away before anybody is told: done() may add new rows. */
static void answer_all(struct inbox_writer *writer, enum provider_progress progress, int status, const char *failure)
{
	struct row *row, *next, *list = writer->flying;

	writer->flying = NULL;
	writer->flying_count = 0;
	DL_FOREACH_SAFE(list, row, next)
		answer(row, progress, status, failure);
}

static void schedule(struct inbox_writer *writer)
{
	if ((writer->waiting != NULL || writer->alone != NULL) && writer->flying == NULL)
		event_active(writer->due, EV_TIMEOUT, 1);
}

static void on_put(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct inbox_writer *writer = context;
	bool is_stored = err == NULL && pg_rows_int64(rows, 0, 0) == (int64_t)writer->flying_count;

	if (is_stored) {
		answer_all(writer, PROVIDER_ANSWERED, 200, NULL);
	} else if (err != NULL && err->kind == ERROR_UNCERTAIN) {
		answer_all(writer, PROVIDER_WRITTEN, 0, "reset");
	} else if (err != NULL && err->kind == ERROR_TRANSIENT) {
		answer_all(writer, PROVIDER_ANSWERED, 503, NULL);
	} else if (writer->flying_count > 1) {
		DL_CONCAT(writer->alone, writer->flying);
		writer->flying = NULL;
		writer->flying_count = 0;
	} else {
		log_event(LOG_WARNING, "inbox_refused", err != NULL ? err->text : "There is no such delivery.");
		answer_all(writer, PROVIDER_ANSWERED, 400, NULL);
	}
	schedule(writer);
}

/* Moves those that may go from a list to the statement; the others are told. */
static void take(struct inbox_writer *writer, struct row **list, size_t most)
{
	struct row *row, *next, *fenced = NULL;

	DL_FOREACH_SAFE(*list, row, next) {
		if (writer->flying_count == most)
			break;
		DL_DELETE(*list, row);
		if (!row->fence(row->context)) {
			DL_APPEND(fenced, row);
			continue;
		}
		DL_APPEND(writer->flying, row);
		writer->flying_count++;
	}
	DL_FOREACH_SAFE(fenced, row, next)
		answer(row, PROVIDER_NOT_WRITTEN, 0, "fenced");
}

static void ask(struct inbox_writer *writer)
{
	struct row *row;

	pg_values_start_array(&writer->values);
	DL_FOREACH(writer->flying, row)
		pg_values_item_text(&writer->values, text_string(&row->request->body), row->request->body.length);
	pg_values_end_array(&writer->values);
	pg_session_ask(writer->database, &put_statement, &writer->values, on_put, writer);
}

static void on_changed(void *context, bool ready, const char *reason)
{
	(void)reason;
	if (ready)
		schedule(context);
}

static void on_due(evutil_socket_t fd, short what, void *context)
{
	struct inbox_writer *writer = context;

	(void)fd, (void)what;
	if (writer->database == NULL)
		writer->database = pg_session_open(writer->base, &writer->settings, on_changed, writer);
	/* Nothing is handed to a session that is not there: it would keep it beyond the fence. */
	if (writer->flying != NULL || !pg_session_is_ready(writer->database))
		return;
	if (writer->alone != NULL)
		take(writer, &writer->alone, 1);
	else
		take(writer, &writer->waiting, BATCH_MAX);
	if (writer->flying != NULL)
		ask(writer);
	else
		schedule(writer);
}

void inbox_writer_add(struct inbox_writer *writer, const struct provider_request *request, transfer_fence *fence,
		      transfer_done *done, void *context)
{
	struct row *row = memory_new(sizeof(*row));

	*row = (struct row){
		.request = request, .fence = fence, .done = done, .context = context, .started_at_us = clock_now_us()};
	DL_APPEND(writer->waiting, row);
	schedule(writer);
}
