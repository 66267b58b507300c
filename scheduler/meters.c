#include "scheduler/meters.h"

static const char *const verdicts[] = {"confirmed", "returned", "refused", "lost", NULL};
static const char *const channels[] = {"email", "sms", "push", "web_push", "in_app", NULL};
static const char *const error_kinds[] = {"transient", "refused", "invalid", "uncertain", NULL};

static const struct metric table[METER_COUNT] = {
	[METER_PLANNED] = METRIC_COUNTER("postrider_scheduler_planned_total", NULL, NULL, "Deliveries planned."),
	[METER_PLAN_PAGES] =
		METRIC_COUNTER("postrider_scheduler_plan_pages_total", NULL, NULL, "Pages of segments planned."),
	[METER_BLOCKED_RUNS] = METRIC_COUNTER("postrider_scheduler_blocked_runs_total", NULL, NULL,
					      "Runs stopped because their audience could not be made."),
	[METER_DISPATCHED] = METRIC_COUNTER("postrider_scheduler_dispatched_total", NULL, NULL,
					    "Deliveries taken from the database for publishing."),
	[METER_PUBLISHED] = METRIC_COUNTER("postrider_scheduler_published_total", "verdict", verdicts,
					   "Messages given to the broker, by what became of them."),
	[METER_UNDISPATCHED] = METRIC_COUNTER("postrider_scheduler_undispatched_total", NULL, NULL,
					      "Deliveries put back because the broker did not take them."),
	[METER_SWEPT] = METRIC_COUNTER("postrider_scheduler_swept_total", NULL, NULL,
				       "Deliveries that the sweeper marked or set going again."),
	[METER_DEAD_LETTERS] = METRIC_COUNTER("postrider_scheduler_dead_letters_total", NULL, NULL,
					      "Messages found in the dead-letter queue."),
	[METER_ENDED_RUNS] =
		METRIC_COUNTER("postrider_scheduler_ended_runs_total", NULL, NULL, "Runs that this scheduler ended."),
	[METER_TICKS] = METRIC_COUNTER("postrider_scheduler_ticks_total", NULL, NULL, "Looks at the lanes."),
	[METER_LANES] = METRIC_GAUGE("postrider_scheduler_lanes", NULL, NULL, "Lanes that are kept filled."),
	[METER_LANE_DEPTH] = METRIC_GAUGE("postrider_scheduler_lane_depth", "channel", channels,
					  "Messages that wait on the broker for a worker."),
	[METER_LEADS] = METRIC_GAUGE("postrider_scheduler_leads", NULL, NULL,
				     "1 while this scheduler does the work that only one may do."),
	[METER_STATEMENTS_FAILED] = METRIC_COUNTER("postrider_scheduler_statements_failed_total", "kind", error_kinds,
						   "Statements that the database did not carry out."),
	[METER_STATEMENT_SECONDS] =
		METRIC_HISTOGRAM("postrider_scheduler_statement_seconds", "From asking the database to its answer."),
};

const struct metric *meters_table(void)
{
	return table;
}
