#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/backoff.h"

static const struct {
	const char *when;
	int64_t base_ms, cap_ms;
	unsigned failures;
	uint64_t random;
	int64_t wait_ms;
} rows[] = {
	{"the first failure waits up to the base", 200, 30000, 1, UINT64_MAX, 200},
	{"the second up to twice as long", 200, 30000, 2, UINT64_MAX, 400},
	{"the eighth is still below the cap", 200, 30000, 8, UINT64_MAX, 25600},
	{"the ninth has reached it", 200, 30000, 9, UINT64_MAX, 30000},
	{"after very many failures", 200, 30000, 4000000000, UINT64_MAX, 30000},
	{"half the dice is half the wait", 200, 30000, 2, UINT64_C(1) << 63, 201},
	{"the shortest wait is 1 ms", 200, 30000, 9, 0, 1},
	{"no failure counts as one", 200, 30000, 0, UINT64_MAX, 200},
	{"a base above the cap", 500, 100, 1, UINT64_MAX, 100},
	{"doubling that would overflow", INT64_MAX / 2 + 1, INT64_MAX, 3, UINT64_MAX, INT64_MAX},
	{"no base at all", 0, 100, 1, UINT64_MAX, 1},
	{"no cap at all", 10, 0, 5, UINT64_MAX, 1},
};

static void waits_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		int64_t wait_ms =
			backoff_full_jitter_ms(rows[i].base_ms, rows[i].cap_ms, rows[i].failures, rows[i].random);
		if (wait_ms != rows[i].wait_ms)
			fail_msg("%s: %" PRId64 " ms, not %" PRId64, rows[i].when, wait_ms, rows[i].wait_ms);
	}
}

static void random_numbers_differ(void **state)
{
	(void)state;
	assert_true(backoff_random() != backoff_random());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_as_the_table_says),
		cmocka_unit_test(random_numbers_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
