#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/breaker.h"

struct step {
	const char *when;
	enum outcome_class class;
	int times;
	int64_t at_ms;
	enum breaker_verdict last; /* what the last of the times says; those before say keep */
	int64_t for_ms;
};

/* One story; the breaker is kept from row to row. */
static const struct step story[] = {
	{"nine failures are bad luck", OUTCOME_NOT_SENT, 9, 1000, BREAKER_KEEP, 0},
	{"a success forgives them", OUTCOME_ACCEPTED, 1, 1000, BREAKER_KEEP, 0},
	{"nine again", OUTCOME_TRANSIENT, 9, 1000, BREAKER_KEEP, 0},
	{"a dead address shows that the account works", OUTCOME_BAD_ADDRESS, 1, 1000, BREAKER_KEEP, 0},
	{"nine of several kinds", OUTCOME_UNCERTAIN, 9, 1000, BREAKER_KEEP, 0},
	{"throttling says nothing", OUTCOME_THROTTLED, 50, 1000, BREAKER_KEEP, 0},
	{"the tenth trips", OUTCOME_NOT_SENT, 1, 1000, BREAKER_TRIP, 5000},
	{"what was on its way is ignored", OUTCOME_NOT_SENT, 100, 3000, BREAKER_KEEP, 0},
	{"also when it is good", OUTCOME_ACCEPTED, 10, 5999, BREAKER_KEEP, 0},
	{"a failed probe trips at once, for longer", OUTCOME_TRANSIENT, 1, 6000, BREAKER_TRIP, 10000},
	{"and again", OUTCOME_TRANSIENT, 1, 16000, BREAKER_TRIP, 20000},
	{"and again", OUTCOME_TRANSIENT, 1, 36000, BREAKER_TRIP, 40000},
	{"and again", OUTCOME_TRANSIENT, 1, 76000, BREAKER_TRIP, 80000},
	{"and again", OUTCOME_TRANSIENT, 1, 156000, BREAKER_TRIP, 160000},
	{"five minutes is the longest", OUTCOME_TRANSIENT, 1, 316000, BREAKER_TRIP, 300000},
	{"a good probe makes everything new", OUTCOME_ACCEPTED, 1, 616000, BREAKER_KEEP, 0},
	{"nine are bad luck again", OUTCOME_NOT_SENT, 9, 616000, BREAKER_KEEP, 0},
	{"the tenth trips for five seconds", OUTCOME_NOT_SENT, 1, 616000, BREAKER_TRIP, 5000},
	{"good again", OUTCOME_ACCEPTED, 1, 700000, BREAKER_KEEP, 0},
	{"refused credentials trip at once", OUTCOME_BAD_CREDENTIALS, 1, 700000, BREAKER_TRIP, 300000},
};

static void test_story(void **state)
{
	struct breaker breaker;

	(void)state;
	breaker_init(&breaker, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(story); i++) {
		const struct step *step = &story[i];

		for (int n = 1; n <= step->times; n++) {
			struct breaker_advice advice = breaker_note(&breaker, step->class, step->at_ms);
			enum breaker_verdict expected = n == step->times ? step->last : BREAKER_KEEP;

			if (advice.verdict != expected || (expected == BREAKER_TRIP && advice.for_ms != step->for_ms))
				fail_msg("row %zu: %s: verdict %d for %lld ms", i, step->when, (int)advice.verdict,
					 (long long)advice.for_ms);
			if (expected == BREAKER_TRIP)
				assert_non_null(advice.reason);
		}
	}
}

static void test_reasons_are_words(void **state)
{
	struct breaker breaker;

	(void)state;
	breaker_init(&breaker, 1);
	assert_string_equal(breaker_note(&breaker, OUTCOME_NOT_SENT, 1).reason, "unreachable");
	breaker_init(&breaker, 1);
	assert_string_equal(breaker_note(&breaker, OUTCOME_TRANSIENT, 1).reason, "failing");
	breaker_init(&breaker, 1);
	assert_string_equal(breaker_note(&breaker, OUTCOME_BAD_CREDENTIALS, 1).reason, "credentials");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),
		cmocka_unit_test(test_reasons_are_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
