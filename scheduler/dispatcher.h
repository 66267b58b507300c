/* dispatcher - keeps the lanes on the broker filled from the database.
 *
 * Every tick, and whenever a batch was settled, it looks at each lane, transactional ones first: how deep is it, how
 * deep should it be (lane_depth.h), how many may be on their way to the broker (the publisher's window). Then it asks
 * delivery.dispatch() for that many. The answer comes after the commit, so a crash from then on costs nothing: what is
 * queued in the database and not on the broker is found by the sweeper. What the broker did not take
 * goes back at once with delivery.undispatch(), the epoch decides.
 *
 * A lane has one statement under way; marketing lanes together two, so that a transactional one never waits for
 * more. A lane that gave less than it was asked for is left alone for a while, longer each time.
 *
 * Nothing is dispatched while the broker is away. Owns the publisher; reports the part "broker".
 */
#ifndef POSTRIDER_SCHEDULER_DISPATCHER_H
#define POSTRIDER_SCHEDULER_DISPATCHER_H

#include "scheduler/database.h"
#include "scheduler/settings.h"

struct dispatcher;

/* Borrows everything. */
struct dispatcher *dispatcher_open(struct event_base *base, const struct scheduler_settings *settings,
				   struct database *database, struct health *health,
				   struct metrics *metrics) MUST_CHECK;
void dispatcher_close(struct dispatcher **dispatcher);

/* There may be new lanes or new work: look now. */
void dispatcher_look(struct dispatcher *dispatcher);

/* Takes no more; idle once everything taken is confirmed or put back. */
void dispatcher_stop(struct dispatcher *dispatcher);
bool dispatcher_is_idle(const struct dispatcher *dispatcher);

#endif
