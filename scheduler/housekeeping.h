/* housekeeping - what is done a few times a second beside planning and dispatching: a table of chores.
 *
 * Everybody sweeps (steps are shared by skip locked). One scheduler leads: it starts, pauses and ends campaigns as
 * people wish and makes the partitions of the coming months. The lead is a lease in the database; the leader trusts it
 * a second less than it lasts, by a clock that never jumps. Two leaders at once would do no harm.
 */
#ifndef POSTRIDER_SCHEDULER_HOUSEKEEPING_H
#define POSTRIDER_SCHEDULER_HOUSEKEEPING_H

#include "scheduler/database.h"
#include "scheduler/settings.h"

struct housekeeping;

/* Campaigns were started, paused, resumed or cancelled. */
typedef void housekeeping_changed(void *context);

/* Borrows everything. Close the database first. */
struct housekeeping *housekeeping_open(struct event_base *base, const struct scheduler_settings *settings,
				       struct database *database, struct metrics *metrics,
				       housekeeping_changed *changed, void *context) MUST_CHECK;
void housekeeping_close(struct housekeeping **housekeeping);

/* Gives the lead away. */
void housekeeping_stop(struct housekeeping *housekeeping);
bool housekeeping_is_idle(const struct housekeeping *housekeeping);

#endif
