/* meters - what the scheduler counts, for /metrics. */
#ifndef POSTRIDER_SCHEDULER_METERS_H
#define POSTRIDER_SCHEDULER_METERS_H

#include "shared/metrics.h"

enum meter {
	METER_PLANNED,
	METER_PLAN_PAGES,
	METER_BLOCKED_RUNS,
	METER_DISPATCHED,
	METER_PUBLISHED, /* labelled with enum amqp_verdict */
	METER_UNDISPATCHED,
	METER_SWEPT,
	METER_DEAD_LETTERS,
	METER_ENDED_RUNS,
	METER_TICKS,
	METER_LANES,
	METER_LANE_DEPTH, /* labelled with enum channel */
	METER_LEADS,
	METER_STATEMENTS_FAILED, /* labelled with enum error_kind - 1 */
	METER_STATEMENT_SECONDS,
	METER_COUNT,
};

const struct metric *meters_table(void); /* METER_COUNT rows */

#endif
