#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "scheduler/lane_depth.h"

#define FOREVER INT64_MAX

/* What a lane looks like, and what follows from it a moment after it was measured. */
struct situation {
	const char *when;
	int64_t ready, consumers;
	int64_t unsettled, confirmed;
	double per_second;
	bool is_transactional;
	int64_t room;
	int64_t after_ms; /* since the measurement */
	int64_t estimate, target, wanted;
};

static const struct situation situations[] = {
	{.when = "an empty lane is filled to its target",
	 .consumers = 1,
	 .per_second = 2000,
	 .room = FOREVER,
	 .estimate = 0,
	 .target = 10000,
	 .wanted = 10000},
	{.when = "the publisher has little room",
	 .consumers = 1,
	 .per_second = 2000,
	 .room = 300,
	 .estimate = 0,
	 .target = 10000,
	 .wanted = 300},
	{.when = "nobody listens: it stays shallow",
	 .consumers = 0,
	 .per_second = 2000,
	 .room = FOREVER,
	 .estimate = 0,
	 .target = 1000,
	 .wanted = 1000},
	{.when = "nobody listens: nothing leaves between two measurements",
	 .ready = 1000,
	 .per_second = 2000,
	 .room = FOREVER,
	 .after_ms = 1000,
	 .estimate = 1000,
	 .target = 1000,
	 .wanted = 0},
	{.when = "what was confirmed since counts",
	 .ready = 4000,
	 .consumers = 1,
	 .confirmed = 2000,
	 .per_second = 2000,
	 .room = FOREVER,
	 .estimate = 6000,
	 .target = 10000,
	 .wanted = 4000},
	{.when = "what is on its way counts",
	 .ready = 4000,
	 .consumers = 1,
	 .unsettled = 2000,
	 .per_second = 2000,
	 .room = FOREVER,
	 .estimate = 6000,
	 .target = 10000,
	 .wanted = 4000},
	{.when = "what workers took meanwhile does not",
	 .ready = 4000,
	 .consumers = 1,
	 .per_second = 2000,
	 .room = FOREVER,
	 .after_ms = 500,
	 .estimate = 3000,
	 .target = 10000,
	 .wanted = 7000},
	{.when = "workers cannot have taken what is not confirmed",
	 .ready = 100,
	 .consumers = 1,
	 .unsettled = 500,
	 .per_second = 2000,
	 .room = FOREVER,
	 .after_ms = 1000,
	 .estimate = 500,
	 .target = 10000,
	 .wanted = 9500},
	{.when = "an old measurement is trusted for a while only",
	 .ready = 4000,
	 .consumers = 1,
	 .per_second = 2000,
	 .room = FOREVER,
	 .after_ms = 60000,
	 .estimate = 1000,
	 .target = 10000,
	 .wanted = 9000},
	{.when = "a small top-up waits for company",
	 .ready = 9800,
	 .consumers = 1,
	 .per_second = 2000,
	 .room = FOREVER,
	 .estimate = 9800,
	 .target = 10000,
	 .wanted = 0},
	{.when = "a transactional one does not",
	 .ready = 9800,
	 .consumers = 1,
	 .per_second = 2000,
	 .is_transactional = true,
	 .room = FOREVER,
	 .estimate = 9800,
	 .target = 10000,
	 .wanted = 200},
	{.when = "a full lane gets nothing",
	 .ready = 12000,
	 .consumers = 1,
	 .per_second = 2000,
	 .room = FOREVER,
	 .estimate = 12000,
	 .target = 10000,
	 .wanted = 0},
	{.when = "a slow lane is still worth a thousand",
	 .consumers = 1,
	 .per_second = 1,
	 .room = FOREVER,
	 .estimate = 0,
	 .target = 1000,
	 .wanted = 1000},
	{.when = "a fast lane ends at the ceiling",
	 .consumers = 1,
	 .per_second = 1e6,
	 .room = FOREVER,
	 .estimate = 0,
	 .target = 40000,
	 .wanted = 40000},
	{.when = "no room, nothing wanted",
	 .consumers = 1,
	 .per_second = 2000,
	 .room = 0,
	 .estimate = 0,
	 .target = 10000,
	 .wanted = 0},
};

static void asks_for_what_is_missing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(situations); i++) {
		const struct situation *now = &situations[i];
		const struct lane_depth_policy policy = {5, 40000, now->is_transactional};
		struct lane_depth depth = {.ready = now->ready,
					   .measured_at_ms = 7000,
					   .is_measured = true,
					   .has_consumers = now->consumers > 0,
					   .confirmed = now->confirmed,
					   .unsettled = now->unsettled,
					   .per_second = now->per_second};
		int64_t at_ms = 7000 + now->after_ms;

		print_message("%s\n", now->when);
		assert_int_equal(lane_depth_estimate(&depth, at_ms), now->estimate);
		assert_int_equal(lane_depth_target(&depth, &policy), now->target);
		assert_int_equal(lane_depth_wanted(&depth, &policy, now->room, at_ms), now->wanted);
	}
}

struct measurement {
	const char *when;
	double per_second; /* believed before */
	int64_t before, confirmed, after;
	int64_t elapsed_ms;
	double learnt;
};

static const struct measurement measurements[] = {
	{"it was right", 1000, 5000, 1000, 5000, 1000, 1000},
	{"faster is believed quickly", 1000, 5000, 4000, 4000, 1000, 1000 + 0.7 * 4000},
	{"slower is believed slowly", 1000, 5000, 0, 5000, 1000, 800},
	{"the time between counts", 1000, 5000, 2000, 5000, 2000, 1000},
	{"it ran empty: more might have gone", 1000, 300, 0, 0, 1000, 1000},
	{"it ran empty and was faster all the same", 1000, 5000, 0, 0, 1000, 1000 + 0.7 * 4000},
	{"an idle lane keeps its speed", 1000, 0, 0, 0, 1000, 1000},
	{"another scheduler filled it", 1000, 1000, 0, 9000, 1000, 800},
	{"two measurements in a row say nothing", 1000, 5000, 1000, 0, 50, 1000},
	{"nor do two around an outage", 1000, 5000, 1000, 0, 600000, 1000},
};

static void learns_how_fast_workers_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(measurements); i++) {
		const struct measurement *row = &measurements[i];
		struct lane_depth depth;

		print_message("%s\n", row->when);
		lane_depth_init(&depth);
		lane_depth_measured(&depth, row->before, 1, 1000);
		depth.per_second = row->per_second;
		lane_depth_submitted(&depth, row->confirmed);
		lane_depth_settled(&depth, row->confirmed, row->confirmed);
		lane_depth_measured(&depth, row->after, 1, 1000 + row->elapsed_ms);
		assert_int_equal((int64_t)(depth.per_second + 0.5), (int64_t)(row->learnt + 0.5));
		assert_int_equal(depth.confirmed, 0);
	}
}

/* A first second at full speed and no measurement yet: it must not be starved, nor flooded. */
static void begins_with_a_guess(void **state)
{
	const struct lane_depth_policy policy = {5, 40000, false};
	struct lane_depth depth;

	(void)state;
	lane_depth_init(&depth);
	assert_int_equal(lane_depth_wanted(&depth, &policy, FOREVER, 99), 5 * LANE_DEPTH_FIRST_GUESS);
	lane_depth_submitted(&depth, 5000);
	assert_int_equal(lane_depth_wanted(&depth, &policy, FOREVER, 99), 0);
	lane_depth_settled(&depth, 5000, 0);
	assert_int_equal(lane_depth_wanted(&depth, &policy, FOREVER, 99), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_what_is_missing),
		cmocka_unit_test(learns_how_fast_workers_are),
		cmocka_unit_test(begins_with_a_guess),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
