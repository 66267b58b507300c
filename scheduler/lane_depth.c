#include "scheduler/lane_depth.h"

#define SHORTEST_MS    200   /* two measurements closer than this say nothing about speed */
#define LONGEST_MS     10000 /* nor do two with an outage between them */
#define TRUST_MS       1500  /* how long the estimate goes on without a measurement */
#define SHARE_OF_NEWER 0.7   /* faster: believe it */
#define SHARE_OF_LOWER 0.2   /* slower: perhaps a hiccup */

void lane_depth_init(struct lane_depth *depth)
{
	*depth = (struct lane_depth){.per_second = LANE_DEPTH_FIRST_GUESS};
}

static void learn_speed(struct lane_depth *depth, int64_t ready, int64_t elapsed_ms)
{
	int64_t taken = depth->ready + depth->confirmed - ready;
	bool had_work = depth->ready > 0 || depth->confirmed > 0;

	if (!had_work || elapsed_ms < SHORTEST_MS || elapsed_ms > LONGEST_MS)
		return;
	double newest = (double)(taken > 0 ? taken : 0) * 1000 / (double)elapsed_ms;
	/* It ran empty: workers could have taken more, so this is no reason to slow down. */
	if (ready == 0 && newest < depth->per_second)
		return;
	double share = newest > depth->per_second ? SHARE_OF_NEWER : SHARE_OF_LOWER;
	depth->per_second += share * (newest - depth->per_second);
}

void lane_depth_measured(struct lane_depth *depth, int64_t ready, int64_t consumers, int64_t now_ms)
{
	if (depth->is_measured)
		learn_speed(depth, ready, now_ms - depth->measured_at_ms);
	depth->ready = ready;
	depth->has_consumers = consumers > 0;
	depth->measured_at_ms = now_ms;
	depth->is_measured = true;
	depth->confirmed = 0;
}

void lane_depth_submitted(struct lane_depth *depth, int64_t count)
{
	depth->unsettled += count;
}

void lane_depth_settled(struct lane_depth *depth, int64_t count, int64_t confirmed)
{
	depth->unsettled -= count;
	depth->confirmed += confirmed;
}

int64_t lane_depth_estimate(const struct lane_depth *depth, int64_t now_ms)
{
	int64_t elapsed_ms = depth->is_measured ? now_ms - depth->measured_at_ms : 0;
	int64_t waiting = depth->ready + depth->confirmed;

	if (elapsed_ms > TRUST_MS)
		elapsed_ms = TRUST_MS;
	if (elapsed_ms > 0 && depth->has_consumers)
		waiting -= (int64_t)(depth->per_second * (double)elapsed_ms / 1000);
	return (waiting > 0 ? waiting : 0) + depth->unsettled;
}

int64_t lane_depth_target(const struct lane_depth *depth, const struct lane_depth_policy *policy)
{
	double target = depth->per_second * (double)policy->seconds;

	if (target <= LANE_DEPTH_LOWEST || (depth->is_measured && !depth->has_consumers))
		return LANE_DEPTH_LOWEST;
	return target < (double)policy->highest ? (int64_t)target : policy->highest;
}

int64_t lane_depth_wanted(const struct lane_depth *depth, const struct lane_depth_policy *policy, int64_t room,
			  int64_t now_ms)
{
	int64_t target = lane_depth_target(depth, policy);
	int64_t estimate = lane_depth_estimate(depth, now_ms);
	int64_t wanted = target - estimate;
	int64_t worth = target / 4 < LANE_DEPTH_WORTH_ASKING ? target / 4 : LANE_DEPTH_WORTH_ASKING;

	if (wanted <= 0 || (wanted < worth && estimate > 0 && !policy->is_transactional))
		return 0;
	return wanted < room ? wanted : room;
}
