/* recorder - writes verdicts to the database, many at a time.
 *
 * Verdicts gather until there are enough or the oldest has waited long enough, then go in one statement, one
 * transaction. recorded() runs after the COMMIT and never before: the worker acknowledges the broker there, so a crash
 * repeats work but never loses it.
 *
 * While the database is away the batch is kept and repeated; repeating is harmless, since only rows that still carry
 * our claim token move. What can gather is bounded by the prefetch.
 */
#ifndef POSTRIDER_WORKER_RECORDER_H
#define POSTRIDER_WORKER_RECORDER_H

#include "shared/pg_session.h"
#include "worker/delivery.h"
#include "worker/verdict.h"

struct event_base;
struct recorder;

struct recorder_settings {
	const char *worker_name;
	int64_t linger_ms;
	size_t batch_max;
};

/* moved: how many of the batch were still ours. Runs once per batch, before recorded() for each delivery. */
typedef void recorder_batch_done(void *context, size_t count, size_t moved);
typedef void recorder_recorded(void *context, struct delivery *delivery);

struct recorder *recorder_open(struct event_base *base, struct pg_session *database,
			       const struct recorder_settings *settings, recorder_batch_done *batch_done,
			       recorder_recorded *recorded, void *context) MUST_CHECK;
void recorder_close(struct recorder **recorder);

/* The verdict is copied; the delivery stays borrowed until recorded(). */
void recorder_add(struct recorder *recorder, struct delivery *delivery, const struct verdict *verdict);
void recorder_flush(struct recorder *recorder);
size_t recorder_pending(const struct recorder *recorder);

#endif
