/* amqp_subscription - one queue that a consumer listens to, in a list of them.
 *
 * Plain data for amqp_consumer, whose thread owns it, and the few things that are said to the broker about one
 * subscription. A subscription keeps its number and queue for good; it has another consumer tag each time.
 */
#ifndef POSTRIDER_SHARED_AMQP_SUBSCRIPTION_H
#define POSTRIDER_SHARED_AMQP_SUBSCRIPTION_H

#include "shared/amqp_session.h"
#include "shared/text.h"

struct amqp_subscription {
	int32_t number;
	uint16_t prefetch;
	char *queue;
	bool as_it_is; /* exists with other arguments: we do not insist */
	bool active;
	int64_t heard_at_ms;  /* a job, an answer about the queue */
	bool is_kept_waiting; /* at the last look the queue held messages and we had room for all we may hold */
	struct text tag; /* a new one each time: RabbitMQ 3.10 may leave messages stuck on one that is used again */
	struct amqp_subscription *next;
};

/* number: above 0, the caller's; the queue's name is copied. */
struct amqp_subscription *amqp_subscription_new(int32_t number, const char *queue, uint16_t prefetch) MUST_CHECK;
void amqp_subscription_append(struct amqp_subscription **list, struct amqp_subscription *subscription);
void amqp_subscriptions_free(struct amqp_subscription **list);
/* NULL when none has that tag. */
struct amqp_subscription *amqp_subscription_find(struct amqp_subscription *list, amqp_bytes_t tag);

/* A new consumer tag, from a random number of the consumer's and how many it has made. */
void amqp_subscription_name(struct amqp_subscription *subscription, uint64_t random, unsigned count);
/* Each waits for the broker's answer; false loses the connection. The queue is declared, unless it is taken as it is. */
bool amqp_subscription_declare(const struct amqp_subscription *subscription, struct amqp_session *session,
			       struct error *err) MUST_CHECK;
bool amqp_subscription_consume(const struct amqp_subscription *subscription, struct amqp_session *session,
			       struct error *err) MUST_CHECK;
bool amqp_subscription_cancel(const struct amqp_subscription *subscription, struct amqp_session *session,
			      struct error *err) MUST_CHECK;

#endif
