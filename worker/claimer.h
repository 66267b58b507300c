/* claimer - turns the broker's jobs of one lane into claimed deliveries, many in one transaction.
 *
 * Jobs gather here until there are enough for a batch or the first has waited a moment, and only as many are claimed as
 * the account can begin soon. One claim of a lane is on its way at a time. If the connection breaks before the answer,
 * the same claim is asked again with the same token: what had been committed comes back, so a database restart leaves
 * nothing uncertain.
 *
 * The answer sorts the batch: claimed() gets each delivery that may be sent, with its facts; dropped() each that ended,
 * waits elsewhere or is stale: acknowledge and forget.
 */
#ifndef POSTRIDER_WORKER_CLAIMER_H
#define POSTRIDER_WORKER_CLAIMER_H

#include "shared/pg_session.h"
#include "worker/account.h"
#include "worker/delivery.h"

struct claimer;

struct claimer_settings {
	const char *worker_name;
	int64_t lease_ms;
	int64_t linger_ms; /* while there is other work in hand; otherwise 1 ms */
	size_t batch_max;
};

struct claimer_events {
	/* run_step_id: whose templates it needs. */
	void (*claimed)(void *context, struct delivery *delivery, int64_t run_step_id);
	void (*dropped)(void *context, struct delivery *delivery, const char *refusal); /* refusal NULL: stale */
	void (*batch_done)(void *context, struct lane *lane, size_t asked, size_t claimed);
	void *context;
};

/* A queue on the broker and the account behind it. */
struct lane {
	int32_t lane_id;
	char *queue_name;
	bool is_transactional;
	struct account *account;
	struct claimer *claimer;
	struct lane *next, *prev;
};

struct claimer *claimer_open(struct event_base *base, struct pg_session *database, struct lane *lane,
			     const struct claimer_settings *settings, const struct claimer_events *events) MUST_CHECK;
void claimer_close(struct claimer **claimer);

void claimer_add(struct claimer *claimer, struct delivery *delivery); /* state RECEIVED */
/* Claims if it is time: call after adding, and when the account has room again. */
void claimer_pump(struct claimer *claimer);
/* Gives back what has not been asked for: all, or only what came before that broker session. NULL when none. */
struct delivery *claimer_take_unclaimed(struct claimer *claimer, uint32_t before_session);
bool claimer_is_asking(const struct claimer *claimer);

#endif
