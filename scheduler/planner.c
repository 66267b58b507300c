#include "scheduler/planner.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/meters.h"
#include "shared/backoff.h"
#include "shared/failpoint.h"
#include "shared/log.h"
#include "shared/memory.h"

#define RUNS_AT_ONCE     8
#define NOTHING_TO_DO_MS 500 /* the leader hears of new runs at once, others within this time */
#define AFTER_FAILURE_MS 1000
#define AFTER_RIVAL_MS   250 /* somebody else planned the page: out of step we do not both read the next one */
#define SQLSTATE_TIMEOUT "57014"

struct run {
	int64_t run_id;
	int64_t cursor;
	char *condition;
};

struct planner {
	const struct scheduler_settings *settings;
	struct database *database;
	struct metrics *metrics;
	struct event *again;

	struct run runs[RUNS_AT_ONCE];
	size_t count, next; /* runs[next] is under way or comes next */
	int64_t page_contacts;
	bool busy; /* a statement is under way */
	bool stopping;
};

static void forget_runs(struct planner *planner)
{
	for (size_t i = 0; i < planner->count; i++)
		free(planner->runs[i].condition);
	planner->count = planner->next = 0;
}

/* The list may be out of date: ask for it again after a while. */
static void start_over(struct planner *planner, int64_t wait_ms)
{
	struct timeval wait = {wait_ms / 1000, wait_ms % 1000 * 1000};

	forget_runs(planner);
	planner->busy = false;
	event_add(planner->again, &wait);
}

/* ---- a run that cannot be planned ---- */

static void on_blocked(void *context, const struct pg_rows *rows, const struct error *err)
{
	(void)rows;
	start_over(context, err ? AFTER_FAILURE_MS : 0);
}

static void block(struct planner *planner, const struct error *why)
{
	static const struct pg_statement block_run = {"block_run", "select delivery.block_run($1, $2)"};
	const struct run *run = &planner->runs[planner->next];
	struct pg_values values;

	log_event(LOG_WARNING, "run_blocked", "A run is paused: its audience cannot be made.",
		  LOG_INT("run", run->run_id), LOG_TEXT("reason", why->text));
	metrics_add(planner->metrics, METER_BLOCKED_RUNS, 0, 1);
	pg_values_init(&values);
	pg_values_add_int64(&values, run->run_id);
	pg_values_add_text(&values, why->text);
	database_ask(planner->database, DATABASE_PLAN, &block_run, &values, on_blocked, planner);
	pg_values_release(&values);
}

static void give_up_or_wait(struct planner *planner, const struct error *err, const char *what)
{
	bool took_too_long = strstr(err->text, SQLSTATE_TIMEOUT) != NULL;
	struct error why = *err;

	if (err->kind != ERROR_REFUSED && !took_too_long) {
		start_over(planner, AFTER_FAILURE_MS);
		return;
	}
	if (took_too_long)
		error_wrap(&why, "%s takes too long; make the condition simpler", what);
	else
		error_wrap(&why, "%s cannot be read", what);
	block(planner, &why);
}

/* ---- one page ---- */

static void work(struct planner *planner);

static void on_planned(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct planner *planner = context;

	FAILPOINT("after_plan_commit");
	if (err) {
		give_up_or_wait(planner, err, "The audience");
		return;
	}
	if (pg_rows_is_null(rows, 0, 0)) {
		start_over(planner, AFTER_RIVAL_MS + (int64_t)(backoff_random() % AFTER_RIVAL_MS));
		return;
	}
	metrics_add(planner->metrics, METER_PLANNED, 0, pg_rows_int64(rows, 0, 0));
	metrics_add(planner->metrics, METER_PLAN_PAGES, 0, 1);
	planner->next++;
	work(planner);
}

static void plan(struct planner *planner, const struct pg_rows *contacts)
{
	static const struct pg_statement statement = {"plan", "select delivery.plan($1, $2, $3::bigint[], $4)"};
	const struct run *run = &planner->runs[planner->next];
	size_t count = pg_rows_count(contacts);
	struct pg_values values;

	pg_values_init(&values);
	pg_values_add_int64(&values, run->run_id);
	pg_values_add_int64(&values, run->cursor);
	pg_values_start_array(&values);
	for (size_t row = 0; row < count; row++)
		pg_values_item_int64(&values, pg_rows_int64(contacts, row, 0));
	pg_values_end_array(&values);
	pg_values_add_bool(&values, count < (size_t)planner->settings->plan_page);
	FAILPOINT("before_plan_commit");
	database_ask(planner->database, DATABASE_PLAN, &statement, &values, on_planned, planner);
	pg_values_release(&values);
}

static void on_page(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct planner *planner = context;

	if (err)
		give_up_or_wait(planner, err, "The segment");
	else if (planner->stopping)
		start_over(planner, 0);
	else
		plan(planner, rows);
}

static void ask_page(struct planner *planner)
{
	static const struct pg_statement page = {"segment_page", "select * from marketing.segment_page($1, $2, $3)"};
	const struct run *run = &planner->runs[planner->next];
	struct pg_values values;

	pg_values_init(&values);
	pg_values_add_text(&values, run->condition);
	pg_values_add_int64(&values, run->cursor);
	pg_values_add_int64(&values, planner->settings->plan_page);
	database_ask(planner->database, DATABASE_SEGMENT, &page, &values, on_page, planner);
	pg_values_release(&values);
}

/* ---- the runs ---- */

static void on_runs(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct planner *planner = context;

	if (err) {
		if (err->kind == ERROR_REFUSED)
			log_event(LOG_ERROR, "plan_refused", "The database does not tell what to plan.",
				  LOG_TEXT("reason", err->text));
		start_over(planner, AFTER_FAILURE_MS);
		return;
	}
	forget_runs(planner);
	for (size_t row = 0; row < pg_rows_count(rows) && row < RUNS_AT_ONCE; row++) {
		struct run *run = &planner->runs[planner->count++];
		run->run_id = pg_rows_int64(rows, row, 0);
		run->cursor = pg_rows_int64(rows, row, 1);
		run->condition = memory_copy_string(pg_rows_text(rows, row, 2, NULL));
	}
	if (planner->count == 0)
		start_over(planner, NOTHING_TO_DO_MS);
	else
		work(planner);
}

static void ask_runs(struct planner *planner)
{
	static const struct pg_statement statement = {
		"runs_to_plan",
		"select campaign_run_id, plan_cursor, segment_condition from delivery.runs_to_plan($1)"};
	struct pg_values values;

	pg_values_init(&values);
	pg_values_add_int64(&values, RUNS_AT_ONCE);
	database_ask(planner->database, DATABASE_PLAN, &statement, &values, on_runs, planner);
	pg_values_release(&values);
}

static void work(struct planner *planner)
{
	planner->busy = !planner->stopping;
	if (planner->stopping)
		return;
	if (planner->next < planner->count)
		ask_page(planner);
	else
		ask_runs(planner);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	planner_look(context);
}

void planner_look(struct planner *planner)
{
	if (planner->busy)
		return;
	event_del(planner->again);
	work(planner);
}

struct planner *planner_open(struct event_base *base, const struct scheduler_settings *settings,
			     struct database *database, struct metrics *metrics)
{
	struct planner *planner = memory_new(sizeof(*planner));

	planner->settings = settings;
	planner->database = database;
	planner->metrics = metrics;
	planner->again = evtimer_new(base, on_again, planner);
	start_over(planner, 0);
	return planner;
}

void planner_close(struct planner **planner)
{
	if (!*planner)
		return;
	forget_runs(*planner);
	event_free((*planner)->again);
	free(*planner);
	*planner = NULL;
}

void planner_stop(struct planner *planner)
{
	planner->stopping = true;
}

bool planner_is_idle(const struct planner *planner)
{
	return !planner->busy;
}
