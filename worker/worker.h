/* worker - takes jobs from the broker, sends them, records them.
 *
 * The parts and the way of a delivery through them:
 *
 *   amqp_consumer -> claimer -> step -> account -> transfer -> retry -> recorder
 *      ^            (of a lane) (templates) (whose turn)                   |
 *      '---- acknowledged, only after the result is committed ------------'
 *
 * Everything runs on one event loop; only the broker's connection has a thread of its own. Memory is bounded by the
 * prefetch: nothing is taken from the broker that cannot be held.
 *
 * SIGTERM drains: what is not claimed goes back to the broker, what is claimed and not begun goes back to the database,
 * what is with a provider is finished and recorded. A second signal, or the deadline, ends it at once; leases and
 * redelivery repair the rest.
 */
#ifndef POSTRIDER_WORKER_WORKER_H
#define POSTRIDER_WORKER_WORKER_H

#include "shared/error.h"

struct event_base;
struct worker;

struct worker *worker_open(struct event_base *base, struct error *err) MUST_CHECK;
void worker_drain(struct worker *worker); /* breaks the loop when done */
void worker_close(struct worker **worker);

#endif
