/* verdict - what becomes of a delivery after this worker had it: the row of delivery.record().
 *
 * A value; strings are copied into it and cut. outcome is only meaningful where has_outcome is set: a delivery may also
 * end without a call to the provider (a template that cannot be rendered, a worker that leaves).
 */
#ifndef POSTRIDER_WORKER_VERDICT_H
#define POSTRIDER_WORKER_VERDICT_H

#include "worker/outcome.h"

#define VERDICT_SETTLED (-1)

struct verdict {
	const char *status;      /* as in delivery.delivery_status; a constant */
	const char *reason;      /* as in delivery.reason, or NULL; a constant */
	const char *waiting_for; /* words for people, or NULL; a constant */
	int64_t wait_ms;         /* until it is looked at again; VERDICT_SETTLED: never */
	bool counts_as_failure, counts_as_not_sent;
	bool has_outcome;
	int32_t duration_ms;
	struct outcome outcome; /* words are also the row's detail */
};

#endif
