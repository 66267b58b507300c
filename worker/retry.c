#include "worker/retry.h"

#include "shared/backoff.h"

#define NOT_SENT_BASE_MS     500
#define NOT_SENT_CAP_MS      60000
#define JITTER_BASE_MS       5000
#define CAP_TRANSACTIONAL_MS (15 * 60 * 1000)
#define CAP_MARKETING_MS     (60 * 60 * 1000)
#define CREDENTIALS_PAUSE_MS                                                                                           \
	(5 * 60 * 1000) /* a person needs longer; asking again this often shows that it is mended */
#define LEAST_LEFT_MS 1000

/* Uniform between the base and three times the last range: decorrelated jitter without remembering the last delay. */
static int64_t widening_ms(int32_t failures, uint64_t random)
{
	int64_t top_ms = NOT_SENT_BASE_MS;

	for (int32_t i = 0; i <= failures && top_ms < NOT_SENT_CAP_MS; i++)
		top_ms *= 3;
	if (top_ms > NOT_SENT_CAP_MS)
		top_ms = NOT_SENT_CAP_MS;
	return NOT_SENT_BASE_MS +
	       (int64_t)((unsigned __int128)random * (uint64_t)(top_ms - NOT_SENT_BASE_MS + 1) >> 64);
}

static struct retry_decision end(enum retry_next next, const char *reason)
{
	return (struct retry_decision){.next = next, .counts = true, .reason = reason};
}

static struct retry_decision expired(void)
{
	return (struct retry_decision){.next = RETRY_EXPIRED, .reason = "too_late"};
}

static struct retry_decision later(const struct retry_facts *facts, int64_t own_ms, const char *reason)
{
	struct retry_decision decision = {.next = RETRY_LATER, .delay_ms = own_ms, .reason = reason};
	int64_t left_ms = facts->expires_at_ms - facts->now_ms;

	if (facts->expires_at_ms != 0 && left_ms < LEAST_LEFT_MS)
		return expired();
	if (facts->expires_at_ms != 0 && own_ms >= left_ms)
		decision.delay_ms = left_ms / 2;
	if (facts->retry_after_ms > decision.delay_ms)
		decision.delay_ms = facts->retry_after_ms;
	if (facts->expires_at_ms != 0 && decision.delay_ms >= left_ms)
		return expired();
	return decision;
}

static struct retry_decision decide_not_sent(const struct retry_facts *facts)
{
	struct retry_decision decision;

	if (facts->not_sent + 1 >= RETRY_NOT_SENT_MAX)
		decision = end(RETRY_FAILED, "provider_unreachable");
	else
		decision = later(facts, widening_ms(facts->not_sent, facts->random), "provider_unreachable");
	decision.counts = false;
	decision.counts_not_sent = true;
	return decision;
}

/* The lane waits in any case; the delivery itself may have expired by then. */
static struct retry_decision decide_pause(const struct retry_facts *facts, int64_t own_ms, const char *reason)
{
	struct retry_decision decision = later(facts, own_ms, reason);

	if (facts->alone)
		return decision;
	decision.pause_lane_ms = facts->retry_after_ms > own_ms ? facts->retry_after_ms : own_ms;
	return decision;
}

static struct retry_decision decide_again(const struct retry_policy *policy, const struct retry_facts *facts,
					  enum retry_next last, const char *reason)
{
	int64_t cap_ms = policy->transactional ? CAP_TRANSACTIONAL_MS : CAP_MARKETING_MS;
	unsigned failures = facts->attempts < 0 ? 1 : (unsigned)facts->attempts + 1;
	struct retry_decision decision;

	if (facts->attempts + 1 >= policy->attempts_max)
		return end(last, last == RETRY_FAILED ? "retries_exhausted" : reason);
	decision = later(facts, backoff_full_jitter_ms(JITTER_BASE_MS, cap_ms, failures, facts->random), reason);
	decision.counts = true;
	return decision;
}

static struct retry_decision decide_uncertain(const struct retry_policy *policy, const struct retry_facts *facts)
{
	if (!policy->keyed && !policy->resend_uncertain)
		return end(RETRY_UNCERTAIN, "outcome_unknown");
	return decide_again(policy, facts, RETRY_UNCERTAIN, "outcome_unknown");
}

static struct retry_decision decide(const struct retry_policy *policy, const struct retry_facts *facts)
{
	switch (facts->class) {
	case OUTCOME_ACCEPTED:
		return end(RETRY_SENT, "accepted");
	case OUTCOME_NOT_SENT:
		return decide_not_sent(facts);
	case OUTCOME_THROTTLED:
		return decide_pause(facts, widening_ms(0, facts->random), "provider_throttles");
	case OUTCOME_TRANSIENT:
		return decide_again(policy, facts, RETRY_FAILED, "provider_busy");
	case OUTCOME_UNCERTAIN:
		return decide_uncertain(policy, facts);
	case OUTCOME_BAD_ADDRESS:
		return end(RETRY_FAILED, "invalid_address");
	case OUTCOME_BAD_PAYLOAD:
		return end(RETRY_FAILED, "provider_rejected");
	case OUTCOME_BAD_CREDENTIALS:
		return decide_pause(facts, CREDENTIALS_PAUSE_MS, "account_refused");
	case OUTCOME_EXPIRED:
	case OUTCOME_CLASS_COUNT:
		break;
	}
	return expired();
}

struct retry_decision retry_decide(const struct retry_policy *policy, const struct retry_facts *facts)
{
	struct retry_decision decision = decide(policy, facts);
	bool unexplained = facts->earlier_uncertain || facts->class == OUTCOME_UNCERTAIN;

	if (unexplained && (decision.next == RETRY_FAILED || decision.next == RETRY_EXPIRED)) {
		decision.next = RETRY_UNCERTAIN;
		decision.reason = "outcome_unknown";
	}
	return decision;
}
