#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "worker/retry.h"

#define MINUTE INT64_C(60000)
#define NOW    INT64_C(1000000)

static const struct retry_policy marketing = {.attempts_max = 5};
static const struct retry_policy keyed = {.attempts_max = 5, .keyed = true};
static const struct retry_policy resend = {.attempts_max = 5, .resend_uncertain = true};
static const struct retry_policy transactional = {.attempts_max = 5, .transactional = true};

struct row {
	const char *when;
	const struct retry_policy *policy;
	struct retry_facts facts; /* now is NOW, random the largest number: the longest delay */
	struct retry_decision expected;
};

/* {class, attempts, not_sent, earlier_uncertain, retry_after, now, expires, random} */
#define FACTS(class_, attempts_, not_sent_, after_, expires_)                                                          \
	{                                                                                                              \
		.class = (class_), .attempts = (attempts_), .not_sent = (not_sent_), .retry_after_ms = (after_),       \
		.expires_at_ms = (expires_)                                                                            \
	}
/* {next, delay, pause, counts, counts_not_sent, reason} */
static const struct row rows[] = {
	{"accepted is the end",
	 &marketing,
	 FACTS(OUTCOME_ACCEPTED, 0, 0, 0, 0),
	 {RETRY_SENT, 0, 0, true, false, "accepted"}},
	{"accepted at the last moment is sent all the same",
	 &marketing,
	 FACTS(OUTCOME_ACCEPTED, 4, 0, 0, NOW - 1),
	 {RETRY_SENT, 0, 0, true, false, "accepted"}},
	{"not sent is no attempt",
	 &marketing,
	 FACTS(OUTCOME_NOT_SENT, 4, 0, 0, 0),
	 {RETRY_LATER, 1500, 0, false, true, "provider_unreachable"}},
	{"not sent waits longer each time",
	 &marketing,
	 FACTS(OUTCOME_NOT_SENT, 0, 2, 0, 0),
	 {RETRY_LATER, 13500, 0, false, true, "provider_unreachable"}},
	{"not sent waits a minute at most",
	 &marketing,
	 FACTS(OUTCOME_NOT_SENT, 0, 18, 0, 0),
	 {RETRY_LATER, MINUTE, 0, false, true, "provider_unreachable"}},
	{"not sent twenty times is enough",
	 &marketing,
	 FACTS(OUTCOME_NOT_SENT, 0, 19, 0, 0),
	 {RETRY_FAILED, 0, 0, false, true, "provider_unreachable"}},
	{"throttled counts nothing and stops the lane",
	 &marketing,
	 FACTS(OUTCOME_THROTTLED, 4, 19, 0, 0),
	 {RETRY_LATER, 1500, 1500, false, false, "provider_throttles"}},
	{"throttled waits as long as the provider asks",
	 &marketing,
	 FACTS(OUTCOME_THROTTLED, 0, 0, 90000, 0),
	 {RETRY_LATER, 90000, 90000, false, false, "provider_throttles"}},
	{"throttled until after the end: expired, but the lane waits",
	 &marketing,
	 FACTS(OUTCOME_THROTTLED, 0, 0, 90000, NOW + 60000),
	 {RETRY_EXPIRED, 0, 90000, false, false, "too_late"}},
	{"throttled alone holds up nobody else",
	 &marketing,
	 {.class = OUTCOME_THROTTLED, .attempts = 4, .alone = true},
	 {RETRY_LATER, 1500, 0, false, false, "provider_throttles"}},
	{"throttled alone waits as long as the provider asks",
	 &marketing,
	 {.class = OUTCOME_THROTTLED, .alone = true, .retry_after_ms = MINUTE},
	 {RETRY_LATER, MINUTE, 0, false, false, "provider_throttles"}},
	{"refused alone waits like everybody would, and holds up nobody else",
	 &marketing,
	 {.class = OUTCOME_BAD_CREDENTIALS, .attempts = 4, .alone = true},
	 {RETRY_LATER, 5 * MINUTE, 0, false, false, "account_refused"}},
	{"transient waits five seconds at most at first",
	 &marketing,
	 FACTS(OUTCOME_TRANSIENT, 0, 0, 0, 0),
	 {RETRY_LATER, 5000, 0, true, false, "provider_busy"}},
	{"transient doubles",
	 &marketing,
	 FACTS(OUTCOME_TRANSIENT, 3, 0, 0, 0),
	 {RETRY_LATER, 40000, 0, true, false, "provider_busy"}},
	{"transient obeys Retry-After",
	 &marketing,
	 FACTS(OUTCOME_TRANSIENT, 0, 0, 7000, 0),
	 {RETRY_LATER, 7000, 0, true, false, "provider_busy"}},
	{"transient for the fifth time is the end",
	 &marketing,
	 FACTS(OUTCOME_TRANSIENT, 4, 0, 0, 0),
	 {RETRY_FAILED, 0, 0, true, false, "retries_exhausted"}},
	{"an hour is the longest for marketing",
	 &(const struct retry_policy){.attempts_max = 100},
	 FACTS(OUTCOME_TRANSIENT, 50, 0, 0, 0),
	 {RETRY_LATER, 60 * MINUTE, 0, true, false, "provider_busy"}},
	{"a quarter of one for transactional messages",
	 &(const struct retry_policy){.attempts_max = 100, .transactional = true},
	 FACTS(OUTCOME_TRANSIENT, 50, 0, 0, 0),
	 {RETRY_LATER, 15 * MINUTE, 0, true, false, "provider_busy"}},
	{"our own waiting is shortened to what is left",
	 &transactional,
	 FACTS(OUTCOME_TRANSIENT, 3, 0, 0, NOW + 20000),
	 {RETRY_LATER, 10000, 0, true, false, "provider_busy"}},
	{"the provider's is not",
	 &transactional,
	 FACTS(OUTCOME_TRANSIENT, 3, 0, 20000, NOW + 20000),
	 {RETRY_EXPIRED, 0, 0, true, false, "too_late"}},
	{"less than a second is nothing",
	 &transactional,
	 FACTS(OUTCOME_TRANSIENT, 0, 0, 0, NOW + 999),
	 {RETRY_EXPIRED, 0, 0, true, false, "too_late"}},
	{"not sent and too late",
	 &transactional,
	 FACTS(OUTCOME_NOT_SENT, 0, 0, 0, NOW),
	 {RETRY_EXPIRED, 0, 0, false, true, "too_late"}},
	{"uncertain with a key: again with the same key",
	 &keyed,
	 FACTS(OUTCOME_UNCERTAIN, 0, 0, 0, 0),
	 {RETRY_LATER, 5000, 0, true, false, "outcome_unknown"}},
	{"uncertain with a key, for the last time",
	 &keyed,
	 FACTS(OUTCOME_UNCERTAIN, 4, 0, 0, 0),
	 {RETRY_UNCERTAIN, 0, 0, true, false, "outcome_unknown"}},
	{"uncertain with a key, too late: never expired",
	 &keyed,
	 FACTS(OUTCOME_UNCERTAIN, 0, 0, 0, NOW),
	 {RETRY_UNCERTAIN, 0, 0, true, false, "outcome_unknown"}},
	{"uncertain without a key ends",
	 &marketing,
	 FACTS(OUTCOME_UNCERTAIN, 0, 0, 0, 0),
	 {RETRY_UNCERTAIN, 0, 0, true, false, "outcome_unknown"}},
	{"uncertain without a key, where the owner chose resend",
	 &resend,
	 FACTS(OUTCOME_UNCERTAIN, 0, 0, 0, 0),
	 {RETRY_LATER, 5000, 0, true, false, "outcome_unknown"}},
	{"a dead address",
	 &marketing,
	 FACTS(OUTCOME_BAD_ADDRESS, 0, 0, 0, 0),
	 {RETRY_FAILED, 0, 0, true, false, "invalid_address"}},
	{"a message that is not wanted",
	 &marketing,
	 FACTS(OUTCOME_BAD_PAYLOAD, 0, 0, 0, 0),
	 {RETRY_FAILED, 0, 0, true, false, "provider_rejected"}},
	{"a refused account waits for a person",
	 &marketing,
	 FACTS(OUTCOME_BAD_CREDENTIALS, 4, 0, 0, 0),
	 {RETRY_LATER, 5 * MINUTE, 5 * MINUTE, false, false, "account_refused"}},
	{"expired is expired",
	 &marketing,
	 FACTS(OUTCOME_EXPIRED, 0, 0, 0, NOW - 1),
	 {RETRY_EXPIRED, 0, 0, false, false, "too_late"}},
	{"after an unexplained attempt nothing is called failed",
	 &keyed,
	 {.class = OUTCOME_TRANSIENT, .attempts = 4, .earlier_uncertain = true},
	 {RETRY_UNCERTAIN, 0, 0, true, false, "outcome_unknown"}},
	{"nor expired",
	 &keyed,
	 {.class = OUTCOME_EXPIRED, .earlier_uncertain = true},
	 {RETRY_UNCERTAIN, 0, 0, false, false, "outcome_unknown"}},
	{"but accepted explains it",
	 &keyed,
	 {.class = OUTCOME_ACCEPTED, .earlier_uncertain = true},
	 {RETRY_SENT, 0, 0, true, false, "accepted"}},
};

static bool same(const struct retry_decision *a, const struct retry_decision *b)
{
	return a->next == b->next && a->delay_ms == b->delay_ms && a->pause_lane_ms == b->pause_lane_ms &&
	       a->counts == b->counts && a->counts_not_sent == b->counts_not_sent && strcmp(a->reason, b->reason) == 0;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct retry_facts facts = rows[i].facts;
		struct retry_decision decision;

		facts.now_ms = NOW;
		facts.random = UINT64_MAX;
		decision = retry_decide(rows[i].policy, &facts);
		if (!same(&decision, &rows[i].expected))
			fail_msg("%s: next %d, in %lld ms, lane %lld ms, counts %d/%d, %s", rows[i].when,
				 (int)decision.next, (long long)decision.delay_ms, (long long)decision.pause_lane_ms,
				 decision.counts, decision.counts_not_sent, decision.reason);
	}
}

/* Every class, any randomness, any state: delays stay in bounds and before the end. */
static void test_bounds_hold_for_any_facts(void **state)
{
	uint64_t random = 42;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct retry_facts facts = {.now_ms = NOW};
		struct retry_decision decision;

		random = random * 6364136223846793005u + 1442695040888963407u;
		facts.class = (enum outcome_class)(random >> 60) % OUTCOME_CLASS_COUNT;
		facts.attempts = (int32_t)(random >> 40 & 7);
		facts.not_sent = (int32_t)(random >> 44 & 31);
		facts.expires_at_ms = (random >> 50 & 1) ? NOW - 2000 + (int64_t)(random >> 20 & 0xFFFFF) : 0;
		facts.retry_after_ms = (random >> 51 & 1) ? (int64_t)(random >> 33 & 0xFFFFF) : 0;
		facts.random = random * 2862933555777941757u;
		decision = retry_decide(&resend, &facts);
		assert_non_null(decision.reason);
		assert_false(decision.counts && decision.counts_not_sent);
		if (decision.next != RETRY_LATER) {
			assert_int_equal(decision.delay_ms, 0);
			continue;
		}
		assert_true(decision.delay_ms > 0 && decision.delay_ms >= facts.retry_after_ms);
		assert_true(decision.delay_ms <= 60 * MINUTE);
		if (facts.expires_at_ms != 0)
			assert_true(NOW + decision.delay_ms < facts.expires_at_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bounds_hold_for_any_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
