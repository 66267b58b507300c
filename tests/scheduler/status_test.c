#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "scheduler/status.h"

struct bar {
	const char *when;
	int64_t settled, audience;
	const char *shown;
};

static const struct bar bars[] = {
	{"nothing planned yet", 0, 0, "[..........]"},
	{"nothing settled", 0, 7, "[..........]"},
	{"half", 50, 100, "[#####.....]"},
	{"one is missing", 999999, 1000000, "[#########.]"},
	{"all", 1000000, 1000000, "[##########]"},
	{"more than all, for a moment", 8, 7, "[##########]"},
};

static void shows_how_far_it_is(void **state)
{
	struct text text;

	(void)state;
	text_init(&text, 100);
	for (size_t i = 0; i < ARRAY_LENGTH(bars); i++) {
		print_message("%s\n", bars[i].when);
		text_clear(&text);
		status_add_bar(&text, bars[i].settled, bars[i].audience, 10);
		assert_string_equal(text_string(&text), bars[i].shown);
	}
	text_release(&text);
}

static const struct duration {
	int64_t seconds;
	const char *shown;
} durations[] = {
	{-5, "0 s"},          {0, "0 s"},
	{59, "59 s"},         {60, "1 min 00 s"},
	{245, "4 min 05 s"},  {3600, "1 h 00 min"},
	{7380, "2 h 03 min"}, {172799, "47 h 59 min"},
	{172800, "2 days"},   {8640000, "100 days"},
};

static void says_how_long_it_takes(void **state)
{
	struct text text;

	(void)state;
	text_init(&text, 100);
	for (size_t i = 0; i < ARRAY_LENGTH(durations); i++) {
		text_clear(&text);
		status_add_duration(&text, durations[i].seconds);
		assert_string_equal(text_string(&text), durations[i].shown);
	}
	text_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_how_far_it_is),
		cmocka_unit_test(says_how_long_it_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
