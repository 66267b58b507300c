#include "worker/breaker.h"

#define FIRST_MS   5000
#define LONGEST_MS (5 * 60 * 1000)

void breaker_init(struct breaker *breaker, int32_t threshold)
{
	*breaker = (struct breaker){.threshold = threshold > 0 ? threshold : BREAKER_THRESHOLD_DEFAULT};
}

static int64_t duration_ms(int32_t openings)
{
	int64_t for_ms = FIRST_MS;

	for (int32_t i = 1; i < openings && for_ms < LONGEST_MS; i++)
		for_ms *= 2;
	return for_ms < LONGEST_MS ? for_ms : LONGEST_MS;
}

static struct breaker_advice trip(struct breaker *breaker, int64_t now_ms, int64_t for_ms, const char *reason)
{
	breaker->consecutive = 0;
	breaker->until_ms = now_ms + for_ms;
	return (struct breaker_advice){.verdict = BREAKER_TRIP, .for_ms = for_ms, .reason = reason};
}

static struct breaker_advice note_failure(struct breaker *breaker, enum outcome_class class, int64_t now_ms)
{
	/* Once it has tripped, one failure of the probe is enough. */
	int32_t threshold = breaker->openings > 0 ? 1 : breaker->threshold;

	if (++breaker->consecutive < threshold)
		return (struct breaker_advice){.verdict = BREAKER_KEEP};
	if (breaker->openings < INT32_MAX)
		breaker->openings++;
	return trip(breaker, now_ms, duration_ms(breaker->openings),
		    class == OUTCOME_NOT_SENT ? "unreachable" : "failing");
}

struct breaker_advice breaker_note(struct breaker *breaker, enum outcome_class class, int64_t now_ms)
{
	if (now_ms < breaker->until_ms)
		return (struct breaker_advice){.verdict = BREAKER_KEEP};
	switch (class) {
	case OUTCOME_NOT_SENT:
	case OUTCOME_TRANSIENT:
	case OUTCOME_UNCERTAIN:
		return note_failure(breaker, class, now_ms);
	case OUTCOME_BAD_CREDENTIALS:
		return trip(breaker, now_ms, LONGEST_MS, "credentials");
	case OUTCOME_ACCEPTED:
		breaker->openings = 0;
		breaker->consecutive = 0;
		break;
	case OUTCOME_BAD_ADDRESS:
	case OUTCOME_BAD_PAYLOAD:
		breaker->consecutive = 0;
		break;
	default:
		break;
	}
	return (struct breaker_advice){.verdict = BREAKER_KEEP};
}
