/* retry - what follows from an outcome. Pure: facts in, decision out.
 *
 *   outcome          counts as   next
 *   accepted         attempt     sent
 *   not_sent         not_sent    later, 0.5 s to 60 s, wider each time; failed after 20 of its own
 *   throttled        nothing     later, and the whole lane waits: what the provider asked for, at least 0.5 s to 60 s
 *   transient        attempt     later, full jitter from 5 s, cap 15 min (transactional) or 60 min; failed after
 *                                the last
 *   uncertain        attempt     keyed: later, with the same key. Blind: later where the owner chose resend, else
 *                                closed as uncertain
 *   bad_address      attempt     failed: the endpoint, never the person
 *   bad_payload      attempt     failed
 *   bad_credentials  nothing     later, and the lane waits for a person
 *   expired          nothing     expired
 *
 * A throttled or bad_credentials that is about one address alone holds up only its delivery.
 *
 * Nothing is planned at or behind expires_at: our own waiting is shortened to half of what is left, a provider's is
 * not; when less than a second is left, or it asks for more than that, the delivery has expired. A delivery one of
 * whose attempts is still unexplained never ends as failed or expired, because it may have arrived: it ends as
 * uncertain.
 */
#ifndef POSTRIDER_WORKER_RETRY_H
#define POSTRIDER_WORKER_RETRY_H

#include "worker/outcome.h"

#define RETRY_ATTEMPTS_DEFAULT 5
#define RETRY_NOT_SENT_MAX     20

struct retry_policy {
	int32_t attempts_max;  /* counted attempts altogether, 1 or more */
	bool keyed;            /* the provider honours the idempotency key */
	bool resend_uncertain; /* on_uncertain = resend */
	bool transactional;
};

struct retry_facts {
	enum outcome_class class;
	bool alone;             /* throttled, bad_credentials: only this delivery waits */
	int32_t attempts;       /* counted ones before this */
	int32_t not_sent;       /* not_sent ones before this */
	bool earlier_uncertain; /* an attempt before this one may have arrived */
	int64_t retry_after_ms; /* what the provider asked for; 0: nothing */
	int64_t now_ms;
	int64_t expires_at_ms; /* same clock as now_ms; 0: never */
	uint64_t random;       /* any 64 random bits */
};

enum retry_next {
	RETRY_SENT,
	RETRY_LATER,
	RETRY_FAILED,
	RETRY_UNCERTAIN, /* closed; a callback may still explain it */
	RETRY_EXPIRED,
};

struct retry_decision {
	enum retry_next next;
	int64_t delay_ms;      /* LATER: from now */
	int64_t pause_lane_ms; /* above 0: the account's lanes wait that long */
	bool counts;           /* uses up an attempt */
	bool counts_not_sent;
	const char *reason; /* a fixed word: "accepted", "retries_exhausted", "provider_rejected", ... */
};

struct retry_decision retry_decide(const struct retry_policy *policy, const struct retry_facts *facts);

#endif
