#include "scheduler/run_log.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/log.h"
#include "shared/memory.h"

struct known_run {
	int64_t run_id;
	char *status;
	bool has_ended;
	bool is_shown; /* in the rows just looked at */
	UT_hash_handle hh;
};

struct run_log {
	struct known_run *runs;
	bool has_looked;
};

struct run_log *run_log_new(void)
{
	return memory_new(sizeof(struct run_log));
}

static void forget_run(struct run_log *run_log, struct known_run *run)
{
	HASH_DEL(run_log->runs, run);
	free(run->status);
	free(run);
}

void run_log_forget(struct run_log *run_log)
{
	struct known_run *run, *next;

	HASH_ITER(hh, run_log->runs, run, next) {
		forget_run(run_log, run);
	}
	run_log->has_looked = false;
}

void run_log_free(struct run_log **run_log)
{
	if (!*run_log)
		return;
	run_log_forget(*run_log);
	free(*run_log);
	*run_log = NULL;
}

static void say(const struct pg_rows *rows, size_t row, const char *event, const char *sentence)
{
	log_event(LOG_INFO, event, sentence, LOG_INT("run", pg_rows_int64(rows, row, 0)),
		  LOG_TEXT("campaign", pg_rows_text(rows, row, 1, NULL)),
		  LOG_TEXT("status", pg_rows_text(rows, row, 2, NULL)),
		  LOG_INT("audience", pg_rows_int64(rows, row, 3)), LOG_INT("settled", pg_rows_int64(rows, row, 4)));
}

static struct known_run *know(struct run_log *run_log, int64_t run_id, bool *is_new)
{
	struct known_run *run;

	HASH_FIND(hh, run_log->runs, &run_id, sizeof(run_id), run);
	*is_new = run == NULL;
	if (run)
		return run;
	run = memory_new(sizeof(*run));
	run->run_id = run_id;
	HASH_ADD(hh, run_log->runs, run_id, sizeof(run->run_id), run);
	return run;
}

static void compare(struct run_log *run_log, const struct pg_rows *rows, size_t row)
{
	const char *status = pg_rows_text(rows, row, 2, NULL);
	bool has_ended = pg_rows_bool(rows, row, 5);
	bool is_new;
	struct known_run *run = know(run_log, pg_rows_int64(rows, row, 0), &is_new);

	if (run_log->has_looked && is_new)
		say(rows, row, "run_started", "A campaign has started.");
	if (run_log->has_looked && has_ended && (is_new || !run->has_ended))
		say(rows, row, "run_ended", "A campaign has ended.");
	else if (!is_new && !has_ended && strcmp(run->status, status) != 0)
		say(rows, row, "run_changed", "A campaign was paused or goes on.");
	run->has_ended = has_ended;
	run->is_shown = true;
	free(run->status);
	run->status = memory_copy_string(status);
}

void run_log_compare(struct run_log *run_log, const struct pg_rows *rows)
{
	struct known_run *run, *next;

	for (run = run_log->runs; run; run = run->hh.next)
		run->is_shown = false;
	/* The oldest first, as it happened. */
	for (size_t row = pg_rows_count(rows); row-- > 0;)
		compare(run_log, rows, row);
	HASH_ITER(hh, run_log->runs, run, next) {
		if (!run->is_shown)
			forget_run(run_log, run);
	}
	run_log->has_looked = true;
}
