#include "scheduler/housekeeping.h"

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "scheduler/meters.h"
#include "scheduler/run_log.h"
#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

#define TICK_MS          50
#define LEAD_TASK        "scheduler"
#define LEAD_MARGIN_MS   1000
#define RENEW_LEAD       0 /* an interval: a third of the time that the lead holds */
#define SWEEP_LIMIT      20000
#define SWEEP_AGAIN_MS   500 /* the database gives a step away at most this often */
#define HOUR_MS          3600000
#define AFTER_FAILURE_MS 1000

struct housekeeping;

struct chore {
	struct pg_statement statement;
	int64_t interval_ms;
	bool for_leader;
	void (*add_values)(const struct housekeeping *housekeeping, struct pg_values *values); /* NULL: none */
	void (*done)(struct housekeeping *housekeeping, const struct pg_rows *rows);
};

enum { LEAD, WATCH_RUNS, FOLLOW_WISHES, FINISH_RUNS, SWEEP, ENSURE_PARTITIONS, CHORES };

struct task {
	struct housekeeping *housekeeping;
	const struct chore *chore;
	int64_t due_ms;
	int64_t asked_at_ms;
	bool asked;
};

struct housekeeping {
	const struct scheduler_settings *settings;
	struct database *database;
	struct metrics *metrics;
	housekeeping_changed *changed;
	void *context;
	struct event *tick;
	struct text holder;
	struct run_log *run_log;
	struct task tasks[CHORES];
	int64_t lead_until_ms; /* 0: somebody else leads */
	bool stopping, resigning;
};

static bool leads(const struct housekeeping *housekeeping)
{
	return clock_now_ms() < housekeeping->lead_until_ms;
}

static void make_due(struct housekeeping *housekeeping, int chore)
{
	housekeeping->tasks[chore].due_ms = 0;
}

/* ---- the chores ---- */

static void add_lead_values(const struct housekeeping *housekeeping, struct pg_values *values)
{
	pg_values_add_text(values, LEAD_TASK);
	pg_values_add_text(values, text_string(&housekeeping->holder));
	pg_values_add_int64(values, housekeeping->settings->lead_ms);
}

static void start_leading(struct housekeeping *housekeeping)
{
	log_event(LOG_INFO, "leads", "This scheduler leads: it starts and ends campaigns.");
	run_log_forget(housekeeping->run_log);
	for (int chore = 0; chore < CHORES; chore++) {
		if (chore != LEAD)
			make_due(housekeeping, chore);
	}
}

static void on_lead(struct housekeeping *housekeeping, const struct pg_rows *rows)
{
	bool led = leads(housekeeping);
	bool granted = pg_rows_bool(rows, 0, 0);
	int64_t until_ms = housekeeping->tasks[LEAD].asked_at_ms + housekeeping->settings->lead_ms - LEAD_MARGIN_MS;

	housekeeping->lead_until_ms = granted ? until_ms : 0;
	metrics_set(housekeeping->metrics, METER_LEADS, 0, granted);
	if (granted && !led)
		start_leading(housekeeping);
	if (!granted && led)
		log_event(LOG_WARNING, "leads_no_more", "Another scheduler leads.");
}

static void on_followed(struct housekeeping *housekeeping, const struct pg_rows *rows)
{
	if (pg_rows_int64(rows, 0, 0) == 0)
		return;
	make_due(housekeeping, WATCH_RUNS);
	housekeeping->changed(housekeeping->context);
}

static void on_finished(struct housekeeping *housekeeping, const struct pg_rows *rows)
{
	int64_t ended = pg_rows_int64(rows, 0, 0);

	if (ended == 0)
		return;
	metrics_add(housekeeping->metrics, METER_ENDED_RUNS, 0, ended);
	make_due(housekeeping, WATCH_RUNS);
}

static void on_watched(struct housekeeping *housekeeping, const struct pg_rows *rows)
{
	run_log_compare(housekeeping->run_log, rows);
}

static void add_sweep_values(const struct housekeeping *housekeeping, struct pg_values *values)
{
	pg_values_add_int64(values, housekeeping->settings->attention_ms);
	pg_values_add_int64(values, SWEEP_LIMIT);
}

static void on_swept(struct housekeeping *housekeeping, const struct pg_rows *rows)
{
	int64_t touched = pg_rows_int64(rows, 0, 0);
	struct task *task = &housekeeping->tasks[SWEEP];

	metrics_add(housekeeping->metrics, METER_SWEPT, 0, touched);
	if (touched >= SWEEP_LIMIT)
		task->due_ms = task->asked_at_ms + SWEEP_AGAIN_MS;
}

static void ignore(struct housekeeping *housekeeping, const struct pg_rows *rows)
{
	(void)housekeeping;
	(void)rows;
}

/* In this order when several are due. The runs are looked at before the leader first changes any. */
static const struct chore chores[CHORES] = {
	[LEAD] = {{"lead", "select delivery.lead($1, $2, $3)"}, RENEW_LEAD, false, add_lead_values, on_lead},
	[WATCH_RUNS] = {{"watch_runs", RUN_LOG_STATEMENT}, HOUR_MS, true, NULL, on_watched},
	[FOLLOW_WISHES] = {{"follow_wishes", "select delivery.follow_wishes()"}, 200, true, NULL, on_followed},
	[FINISH_RUNS] = {{"finish_runs", "select delivery.finish_runs()"}, 500, true, NULL, on_finished},
	[SWEEP] = {{"sweep", "select delivery.sweep($1, $2)"}, 1000, false, add_sweep_values, on_swept},
	[ENSURE_PARTITIONS] =
		{{"ensure_partitions", "select delivery.ensure_partitions()"}, HOUR_MS, true, NULL, ignore},
};

/* ---- doing them ---- */

static void on_answer(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct task *task = context;

	task->asked = false;
	if (!err) {
		task->chore->done(task->housekeeping, rows);
		return;
	}
	task->due_ms = clock_now_ms() + AFTER_FAILURE_MS;
	/* The rest are losses of the connection, which are told elsewhere, and what simply is tried again. */
	if (err->kind == ERROR_REFUSED)
		log_event(LOG_ERROR, "chore_refused", "The database refuses a chore.",
			  LOG_TEXT("chore", task->chore->statement.name), LOG_TEXT("reason", err->text));
}

static void ask(struct task *task, int64_t now_ms)
{
	struct housekeeping *housekeeping = task->housekeeping;
	struct pg_values values;

	pg_values_init(&values);
	if (task->chore->add_values)
		task->chore->add_values(housekeeping, &values);
	task->asked = true;
	task->asked_at_ms = now_ms;
	task->due_ms = now_ms + (task->chore->interval_ms == RENEW_LEAD ? housekeeping->settings->lead_ms / 3
									: task->chore->interval_ms);
	database_ask(housekeeping->database, DATABASE_HOUSE, &task->chore->statement, &values, on_answer, task);
	pg_values_release(&values);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct housekeeping *housekeeping = context;
	int64_t now_ms = clock_now_ms();
	bool leading = leads(housekeeping);

	(void)fd;
	(void)what;
	if (housekeeping->stopping || !database_is_ready(housekeeping->database, DATABASE_HOUSE))
		return;
	for (size_t i = 0; i < CHORES; i++) {
		struct task *task = &housekeeping->tasks[i];
		if (!task->asked && now_ms >= task->due_ms && (leading || !task->chore->for_leader))
			ask(task, now_ms);
	}
}

/* ---- the whole ---- */

static void name_holder(struct text *holder)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	text_init(holder, 400);
	text_addf(holder, "%s/%d/%08" PRIx32, host, (int)getpid(), (uint32_t)backoff_random());
}

struct housekeeping *housekeeping_open(struct event_base *base, const struct scheduler_settings *settings,
				       struct database *database, struct metrics *metrics,
				       housekeeping_changed *changed, void *context)
{
	struct housekeeping *housekeeping = memory_new(sizeof(*housekeeping));
	struct timeval tick = {0, TICK_MS * 1000};

	housekeeping->settings = settings;
	housekeeping->database = database;
	housekeeping->metrics = metrics;
	housekeeping->changed = changed;
	housekeeping->context = context;
	housekeeping->run_log = run_log_new();
	name_holder(&housekeeping->holder);
	for (size_t i = 0; i < CHORES; i++)
		housekeeping->tasks[i] = (struct task){.housekeeping = housekeeping, .chore = &chores[i]};
	housekeeping->tick = event_new(base, -1, EV_PERSIST, on_tick, housekeeping);
	event_add(housekeeping->tick, &tick);
	return housekeeping;
}

void housekeeping_close(struct housekeeping **housekeeping)
{
	if (!*housekeeping)
		return;
	event_free((*housekeeping)->tick);
	run_log_free(&(*housekeeping)->run_log);
	text_release(&(*housekeeping)->holder);
	free(*housekeeping);
	*housekeeping = NULL;
}

static void on_resigned(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct housekeeping *housekeeping = context;

	(void)rows;
	(void)err;
	housekeeping->resigning = false;
}

void housekeeping_stop(struct housekeeping *housekeeping)
{
	static const struct pg_statement resign = {"resign", "select delivery.resign($1, $2)"};
	struct pg_values values;

	if (housekeeping->stopping)
		return;
	housekeeping->stopping = true;
	if (!database_is_ready(housekeeping->database, DATABASE_HOUSE))
		return;
	pg_values_init(&values);
	pg_values_add_text(&values, LEAD_TASK);
	pg_values_add_text(&values, text_string(&housekeeping->holder));
	housekeeping->resigning = true;
	database_ask(housekeeping->database, DATABASE_HOUSE, &resign, &values, on_resigned, housekeeping);
	pg_values_release(&values);
}

bool housekeeping_is_idle(const struct housekeeping *housekeeping)
{
	return !housekeeping->resigning;
}
