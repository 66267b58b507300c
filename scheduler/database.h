/* database - the scheduler's four connections, so that slow work never stands before quick work.
 *
 *   HOT       dispatch and undispatch
 *   PLAN      planning
 *   SEGMENT   conditions that people wrote: read-only and limited in time
 *   HOUSE     everything that is done a few times a second
 *
 * Reports itself as the part "database" of the health and logs once when it is lost and once when it is back. Times
 * every statement. Statements and answers are those of pg_session.h.
 */
#ifndef POSTRIDER_SCHEDULER_DATABASE_H
#define POSTRIDER_SCHEDULER_DATABASE_H

#include "shared/health.h"
#include "shared/metrics.h"
#include "shared/pg_session.h"

enum database_line { DATABASE_HOT, DATABASE_PLAN, DATABASE_SEGMENT, DATABASE_HOUSE, DATABASE_LINES };

struct database_settings {
	const char *url;
	int64_t segment_timeout_ms;
};

struct database;

/* Borrows health and metrics. */
struct database *database_open(struct event_base *base, const struct database_settings *settings, struct health *health,
			       struct metrics *metrics) MUST_CHECK;
void database_close(struct database **database); /* what is under way gets no answer */

void database_ask(struct database *database, enum database_line line, const struct pg_statement *statement,
		  struct pg_values *values, pg_session_answer *answer, void *context);
bool database_is_ready(const struct database *database, enum database_line line);

#endif
