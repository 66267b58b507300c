#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/concurrency.h"

/* A provider as a queue: `servers` requests are worked on at a time, each for service_us; more than that wait. */
struct provider {
	const char *when;
	int64_t service_us;
	uint32_t servers;
	uint32_t at_least, at_most; /* where the limit must end up */
};

static const struct provider providers[] = {
	{"one that answers at once needs few connections", 200, 8, 8, 128},
	{"one of 100 ms with room for all gets them all", 100000, 100000, 500, 500},
	{"one of 20 ms with room for all gets them all", 20000, 100000, 500, 500},
	{"one of 20 ms that does a hundred at a time is not flooded", 20000, 100, 90, 330},
	{"one of a second that does ten at a time", 1000000, 10, 9, 40},
};

/* Keeps the limit's number in flight for a while and reports each answer; time is the simulation's own. */
static void run(struct concurrency *concurrency, const struct provider *provider, int64_t *now_us, int64_t for_us)
{
	int64_t end_us = *now_us + for_us;

	while (*now_us < end_us) {
		uint32_t in_flight = concurrency_limit(concurrency);
		uint32_t busy = in_flight < provider->servers ? in_flight : provider->servers;
		int64_t latency_us = provider->service_us * in_flight / busy;

		/* Little's law: as many end per latency as are in flight. */
		concurrency_note(concurrency, OUTCOME_ACCEPTED, latency_us, in_flight, *now_us / 1000);
		*now_us += latency_us / in_flight > 0 ? latency_us / in_flight : 1;
	}
}

static void test_finds_the_provider_s_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(providers); i++) {
		struct concurrency concurrency;
		int64_t now_us = 1000000;

		concurrency_init(&concurrency, 0, 0);
		run(&concurrency, &providers[i], &now_us, 30 * INT64_C(1000000));
		if (concurrency.limit < providers[i].at_least || concurrency.limit > providers[i].at_most)
			fail_msg("%s: %u after half a minute", providers[i].when, concurrency.limit);
		run(&concurrency, &providers[i], &now_us, 600 * INT64_C(1000000));
		if (concurrency.limit < providers[i].at_least || concurrency.limit > providers[i].at_most)
			fail_msg("%s: %u after ten minutes", providers[i].when, concurrency.limit);
	}
}

static void test_fast_start_takes_less_than_two_seconds_at_100_ms(void **state)
{
	struct concurrency concurrency;
	int64_t now_us = 0;

	(void)state;
	concurrency_init(&concurrency, 0, 0);
	run(&concurrency, &providers[1], &now_us, 1500000);
	assert_int_equal(concurrency_limit(&concurrency), 500);
}

static void test_does_not_grow_while_unused(void **state)
{
	struct concurrency concurrency;

	(void)state;
	concurrency_init(&concurrency, 0, 0);
	for (int i = 0; i < 10000; i++)
		concurrency_note(&concurrency, OUTCOME_ACCEPTED, 1000, 3, i);
	assert_int_equal(concurrency_limit(&concurrency), CONCURRENCY_LOWEST);
}

static void test_failures_shrink_it_once_in_a_window(void **state)
{
	struct concurrency concurrency;

	(void)state;
	concurrency_init(&concurrency, 8, 500);
	concurrency.limit = 100;
	for (int i = 0; i < 50; i++)
		concurrency_note(&concurrency, OUTCOME_THROTTLED, 1000, 100, 0);
	assert_int_equal(concurrency_limit(&concurrency), 90);
	for (int i = 0; i < 50; i++)
		concurrency_note(&concurrency, OUTCOME_ACCEPTED, 1000, 80, 0);
	concurrency_note(&concurrency, OUTCOME_NOT_SENT, -1, 80, 0);
	assert_int_equal(concurrency_limit(&concurrency), 81);
}

static void test_never_leaves_its_bounds(void **state)
{
	struct concurrency concurrency;
	uint64_t random = 7;

	(void)state;
	concurrency_init(&concurrency, 4, 60);
	for (int i = 0; i < 200000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		concurrency_note(&concurrency, (enum outcome_class)(random >> 61), (int64_t)(random >> 44),
				 (uint32_t)(random >> 40 & 63), i * 7);
		assert_in_range(concurrency_limit(&concurrency), 4, 60);
	}
}

static void test_a_minute_later_it_measures_anew(void **state)
{
	struct concurrency concurrency;
	struct provider provider = {.service_us = 1000, .servers = 100000};
	int64_t now_us = 0;

	(void)state;
	concurrency_init(&concurrency, 0, 200);
	run(&concurrency, &provider, &now_us, 1000000);
	assert_int_equal(concurrency.limit, 200);
	/* The way to the provider has become longer: for good, and not because of us. */
	provider.service_us = 40000;
	run(&concurrency, &provider, &now_us, 200 * INT64_C(1000000));
	assert_int_equal(concurrency.limit, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_the_provider_s_size),
		cmocka_unit_test(test_fast_start_takes_less_than_two_seconds_at_100_ms),
		cmocka_unit_test(test_does_not_grow_while_unused),
		cmocka_unit_test(test_failures_shrink_it_once_in_a_window),
		cmocka_unit_test(test_never_leaves_its_bounds),
		cmocka_unit_test(test_a_minute_later_it_measures_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
