/* planner - makes the audiences: from a segment's condition to planned deliveries, page by page.
 *
 * One page at a time, round robin between the runs that are not complete: the read-only connection finds the next
 * contacts, delivery.plan() makes their deliveries and moves the run's cursor in one transaction. So it may stop
 * anywhere, and several schedulers may do it at once: who comes second with a page is told so and asks again.
 *
 * A condition that fails or takes too long pauses its campaign with the reason; the others go on.
 */
#ifndef POSTRIDER_SCHEDULER_PLANNER_H
#define POSTRIDER_SCHEDULER_PLANNER_H

#include "scheduler/database.h"
#include "scheduler/settings.h"

struct planner;

/* Borrows everything. Close the database first. */
struct planner *planner_open(struct event_base *base, const struct scheduler_settings *settings,
			     struct database *database, struct metrics *metrics) MUST_CHECK;
void planner_close(struct planner **planner);

void planner_look(struct planner *planner); /* there may be a new run: look now */

void planner_stop(struct planner *planner);
bool planner_is_idle(const struct planner *planner);

#endif
