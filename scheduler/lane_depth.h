/* lane_depth - how many messages a lane should get now. Pure: facts and now_ms in, a number out.
 *
 * A lane is kept as deep as its workers empty it in a few seconds. How deep it is, is known about once a second;
 * between two measurements it is estimated from what was published and how fast it usually empties. The speed follows
 * an increase quickly and a decrease slowly, so that a burst is not starved and a pause not overfilled.
 *
 * Messages of other schedulers on the lane make the measured speed lower, never higher: then the lane stays
 * shallower, which is harmless.
 */
#ifndef POSTRIDER_SCHEDULER_LANE_DEPTH_H
#define POSTRIDER_SCHEDULER_LANE_DEPTH_H

#include "shared/base.h"

#define LANE_DEPTH_LOWEST       1000 /* a lane is at least this deep: a second of a slow one is not worth saving */
#define LANE_DEPTH_FIRST_GUESS  1000 /* messages a second, until it is known */
#define LANE_DEPTH_WORTH_ASKING 250  /* a smaller top-up waits: a transaction costs as much as many rows */

struct lane_depth_policy {
	int64_t seconds;
	int64_t highest;
	bool is_transactional; /* never waits for company */
};

struct lane_depth {
	int64_t ready; /* when last measured */
	int64_t measured_at_ms;
	bool is_measured;
	bool has_consumers;
	int64_t confirmed; /* by the broker, since then */
	int64_t unsettled; /* given to the publisher, not yet confirmed */
	double per_second; /* how fast workers take them */
};

void lane_depth_init(struct lane_depth *depth);

void lane_depth_measured(struct lane_depth *depth, int64_t ready, int64_t consumers, int64_t now_ms);
void lane_depth_submitted(struct lane_depth *depth, int64_t count);
void lane_depth_settled(struct lane_depth *depth, int64_t count, int64_t confirmed);

int64_t lane_depth_estimate(const struct lane_depth *depth, int64_t now_ms);
int64_t lane_depth_target(const struct lane_depth *depth, const struct lane_depth_policy *policy);
/* How many to ask for, at most `room`; 0: not now. */
int64_t lane_depth_wanted(const struct lane_depth *depth, const struct lane_depth_policy *policy, int64_t room,
			  int64_t now_ms);

#endif
