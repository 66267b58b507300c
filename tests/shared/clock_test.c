#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/clock.h"

static void does_not_run_backwards(void **state)
{
	(void)state;
	int64_t before_us = clock_now_us();
	int64_t between_ms = clock_now_ms();
	int64_t after_us = clock_now_us();
	assert_true(before_us / 1000 <= between_ms);
	assert_true(between_ms <= after_us / 1000);
}

static void shows_this_century(void **state)
{
	(void)state;
	assert_true(clock_wall_ms() > INT64_C(1700000000000));
	assert_true(clock_wall_ms() < INT64_C(4102444800000));
}

static void can_be_faked_and_restored(void **state)
{
	(void)state;
	clock_fake(1234, 5678);
	assert_int_equal(clock_now_ms(), 1234);
	assert_int_equal(clock_now_us(), 1234000);
	assert_int_equal(clock_wall_ms(), 5678);
	clock_real();
	assert_int_not_equal(clock_wall_ms(), 5678);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_not_run_backwards),
		cmocka_unit_test(shows_this_century),
		cmocka_unit_test(can_be_faked_and_restored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
