/* breaker - notices that an account has stopped working. Pure; one per account in this process.
 *
 * It only says when to stop and for how long; the stop itself is a row that the whole fleet obeys, and so is the
 * single probe that reopens it. After a trip, answers of requests that were still on their way are ignored. When the
 * time is over, the first failure trips again and for twice as long (5 s to 5 min); the first
 * accepted message makes everything as new.
 *
 * Counted are failures of the account: not_sent, transient, uncertain. Throttling has a rule of its own (retry.h), and
 * an answer about one message or one address shows that the account works.
 */
#ifndef POSTRIDER_WORKER_BREAKER_H
#define POSTRIDER_WORKER_BREAKER_H

#include "worker/outcome.h"

#define BREAKER_THRESHOLD_DEFAULT 10

struct breaker {
	int32_t threshold;   /* consecutive failures */
	int32_t consecutive; /* so far */
	int32_t openings;    /* since the last accepted message */
	int64_t until_ms;    /* end of the last trip */
};

enum breaker_verdict { BREAKER_KEEP, BREAKER_TRIP };

struct breaker_advice {
	enum breaker_verdict verdict;
	int64_t for_ms;
	const char *reason; /* "unreachable", "failing", "credentials"; NULL: keep */
};

void breaker_init(struct breaker *breaker, int32_t threshold); /* 0: the default */
struct breaker_advice breaker_note(struct breaker *breaker, enum outcome_class class, int64_t now_ms);

#endif
