#include "scheduler/database.h"

#include <stdlib.h>

#include "scheduler/meters.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

#define HOT_TIMEOUT_MS   30000  /* a batch takes milliseconds */
#define OTHER_TIMEOUT_MS 120000 /* a page of a large audience, a sweep after a long stop */

/* Knows who waits for an answer and since when. */
struct asked {
	struct database *database;
	pg_session_answer *answer;
	void *context;
	int64_t at_us;
	struct asked *previous, *next;
};

struct line {
	struct database *database;
	struct pg_session *session;
	bool is_ready;
	struct error reason;
};

struct database {
	struct health *health;
	struct metrics *metrics;
	struct line lines[DATABASE_LINES];
	struct asked *asked;
	bool was_told, was_ready;
};

static const struct line *first_not_ready(const struct database *database)
{
	for (size_t i = 0; i < DATABASE_LINES; i++) {
		if (!database->lines[i].is_ready)
			return &database->lines[i];
	}
	return NULL;
}

static void tell(struct database *database)
{
	const struct line *away = first_not_ready(database);
	bool is_ready = away == NULL;

	health_report(database->health, "database", is_ready, is_ready ? NULL : away->reason.text);
	if (database->was_told && database->was_ready == is_ready)
		return;
	database->was_told = true;
	database->was_ready = is_ready;
	if (is_ready)
		log_event(LOG_INFO, "database_ready", "The database answers.");
	else
		log_event(LOG_WARNING, "database_away", "The database is away; work goes on when it is back.",
			  LOG_TEXT("reason", away->reason.text));
}

static void on_changed(void *context, bool ready, const char *reason)
{
	struct line *line = context;

	line->is_ready = ready;
	if (!ready)
		error_set(&line->reason, ERROR_TRANSIENT, "%s", reason);
	/* At the start the others have simply not come yet. */
	if (!ready || line->database->was_told || first_not_ready(line->database) == NULL)
		tell(line->database);
}

static void open_line(struct database *database, struct event_base *base, enum database_line line,
		      const struct pg_session_settings *settings)
{
	struct line *opened = &database->lines[line];

	opened->database = database;
	error_set(&opened->reason, ERROR_TRANSIENT, "connecting");
	opened->session = pg_session_open(base, settings, on_changed, opened);
}

struct database *database_open(struct event_base *base, const struct database_settings *settings, struct health *health,
			       struct metrics *metrics)
{
	struct database *database = memory_new(sizeof(*database));
	const struct pg_session_settings lines[DATABASE_LINES] = {
		[DATABASE_HOT] = {settings->url, "postrider-scheduler dispatch", HOT_TIMEOUT_MS, false},
		[DATABASE_PLAN] = {settings->url, "postrider-scheduler plan", OTHER_TIMEOUT_MS, false},
		[DATABASE_SEGMENT] = {settings->url, "postrider-scheduler segment", settings->segment_timeout_ms, true},
		[DATABASE_HOUSE] = {settings->url, "postrider-scheduler house", OTHER_TIMEOUT_MS, false},
	};

	database->health = health;
	database->metrics = metrics;
	for (enum database_line line = 0; line < DATABASE_LINES; line++)
		open_line(database, base, line, &lines[line]);
	return database;
}

void database_close(struct database **database)
{
	struct asked *asked, *next;

	if (!*database)
		return;
	for (size_t i = 0; i < DATABASE_LINES; i++)
		pg_session_close(&(*database)->lines[i].session);
	for (asked = (*database)->asked; asked; asked = next) {
		next = asked->next;
		free(asked);
	}
	free(*database);
	*database = NULL;
}

static void forget(struct asked *asked)
{
	if (asked->previous)
		asked->previous->next = asked->next;
	else
		asked->database->asked = asked->next;
	if (asked->next)
		asked->next->previous = asked->previous;
	free(asked);
}

static void on_answer(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct asked *asked = context;
	struct metrics *metrics = asked->database->metrics;
	pg_session_answer *answer = asked->answer;
	void *answer_context = asked->context;

	metrics_observe_ms(metrics, METER_STATEMENT_SECONDS, (double)(clock_now_us() - asked->at_us) / 1000);
	if (err)
		metrics_add(metrics, METER_STATEMENTS_FAILED, (size_t)err->kind - 1, 1);
	forget(asked);
	answer(answer_context, rows, err);
}

void database_ask(struct database *database, enum database_line line, const struct pg_statement *statement,
		  struct pg_values *values, pg_session_answer *answer, void *context)
{
	struct asked *asked = memory_new(sizeof(*asked));

	asked->database = database;
	asked->answer = answer;
	asked->context = context;
	asked->at_us = clock_now_us();
	asked->next = database->asked;
	if (asked->next)
		asked->next->previous = asked;
	database->asked = asked;
	pg_session_ask(database->lines[line].session, statement, values, on_answer, asked);
}

bool database_is_ready(const struct database *database, enum database_line line)
{
	return pg_session_is_ready(database->lines[line].session);
}
