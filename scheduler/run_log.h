/* run_log - says in the log which runs started, changed and ended: compares what it is shown with what it knew.
 *
 * What it sees first after run_log_new() or run_log_forget() is known silently, but for nothing being known of it.
 */
#ifndef POSTRIDER_SCHEDULER_RUN_LOG_H
#define POSTRIDER_SCHEDULER_RUN_LOG_H

#include "shared/pg_session.h"

/* The newest runs; an older one that still goes on is simply not spoken of. */
#define RUN_LOG_STATEMENT                                                                                              \
	"select campaign_run_id, campaign, status, audience, settled, ended_at is not null from report.run_progress "  \
	"order by campaign_run_id desc limit 50"

struct run_log;

struct run_log *run_log_new(void) MUST_CHECK;
void run_log_free(struct run_log **run_log);

void run_log_forget(struct run_log *run_log);
void run_log_compare(struct run_log *run_log, const struct pg_rows *rows);

#endif
