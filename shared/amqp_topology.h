/* amqp_topology - what exists on the broker, declared the same way by every program.
 *
 * postrider.jobs   direct exchange; routing key = the lane's queue name
 * <lane queue>     quorum queue, "postrider.<channel>.<account>.<class>", x-delivery-limit 10,
 *                  dead letters told at most once: the database does not depend on them
 * postrider.dead   fanout exchange and one quorum queue of that name
 *
 * Declaring is idempotent and also brings back what somebody deleted. An existing queue with other
 * arguments is refused by the broker (406) and reported, never deleted.
 * Only amqp_*.c include librabbitmq. One channel per connection (librabbitmq drops frames otherwise).
 */
#ifndef POSTRIDER_SHARED_AMQP_TOPOLOGY_H
#define POSTRIDER_SHARED_AMQP_TOPOLOGY_H

#include "shared/error.h"

#define AMQP_JOBS_EXCHANGE  "postrider.jobs"
#define AMQP_DEAD_EXCHANGE  "postrider.dead"
#define AMQP_DEAD_QUEUE     "postrider.dead"
#define AMQP_DELIVERY_LIMIT 10
#define AMQP_QUEUE_NAME_MAX 200

struct amqp_session;

/* Exchanges and the dead-letter queue. */
bool amqp_topology_declare(struct amqp_session *session, struct error *err) MUST_CHECK;

/* One lane's queue and binding; also tells how many messages are ready in it and how many
 * consumers it has (either may be NULL). */
bool amqp_topology_declare_lane(struct amqp_session *session, const char *queue, int64_t *ready, int64_t *consumers,
				struct error *err) MUST_CHECK;

/* A round trip through the queue itself, which must exist; tells the same (either may be NULL). */
bool amqp_topology_visit(struct amqp_session *session, const char *queue, int64_t *ready, int64_t *consumers,
			 struct error *err) MUST_CHECK;

/* Declares a lane without waiting: queue.declare-ok and queue.bind-ok come to the session's owner, in this order and between
 * other frames. as_it_is: a queue that exists with other arguments is taken as it is, one that does not is a 404. */
bool amqp_topology_send_lane(struct amqp_session *session, const char *queue, bool as_it_is,
			     struct error *err) MUST_CHECK;

#endif
