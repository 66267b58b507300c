/* amqp_consumer - takes jobs from the broker and gives the broker its acknowledgements back.
 *
 * Owns a thread and a connection. Jobs come to the loop in batches; each must be settled once, in any order.
 * Settled jobs are acknowledged together up to the low-water mark of delivery tags (multiple = 1) when 10 % of the
 * prefetch are settled or 20 ms have passed; what waits more than 200 ms behind an unfinished one is
 * acknowledged singly, and so is the oldest when half of the prefetch waits so. A tag belongs to one connection: settling a job of an earlier connection (session number
 * differs) does nothing, the broker has already given it to somebody else.
 *
 * A cancelled consumer (queue deleted) is subscribed again on a new connection, the queue is declared first: RabbitMQ 3.10
 * may hand a queue's successor's messages to a channel that knew the queue, and the channel drops them. It may also forget a
 * consumer without a word. A queue from which nothing has come for 5 s is therefore asked, and when it knows no
 * consumer or keeps what we have room for, there is a new connection as well. Reconnects by
 * itself with full jitter, 0.2 to 30 s. A connection over which nothing has come for 2 heartbeats (20 s) is given up.
 */
#ifndef POSTRIDER_SHARED_AMQP_CONSUMER_H
#define POSTRIDER_SHARED_AMQP_CONSUMER_H

#include "shared/amqp_topology.h"
#include "shared/message.h"

struct event_base;
struct amqp_consumer;

struct amqp_job {
	uint64_t tag;
	uint32_t session;     /* which connection the tag belongs to */
	int32_t subscription; /* the number given to amqp_consumer_subscribe() */
	bool redelivered;
	uint32_t length;              /* the body's true length; may be larger than what is kept */
	char body[MESSAGE_BYTES_MAX]; /* its first bytes */
};

struct amqp_consumer_settings {
	const char *url;
	const char *ca_file;
	const char *connection_name;
	size_t ring_slots; /* at least the sum of all prefetches */
};

struct amqp_consumer_events {
	void (*changed)(void *context, bool ready, const char *reason);
	void (*jobs)(void *context, const struct amqp_job *jobs, size_t count);
	void *context;
};

struct amqp_consumer *amqp_consumer_open(struct event_base *base, const struct amqp_consumer_settings *settings,
					 const struct amqp_consumer_events *events) MUST_CHECK;
/* Sends the acknowledgements that are due, then closes. Unsettled jobs go back to the broker. */
void amqp_consumer_close(struct amqp_consumer **consumer);

/* subscription: any number above 0 of the caller's, once. queue is a lane's, or AMQP_DEAD_QUEUE. */
void amqp_consumer_subscribe(struct amqp_consumer *consumer, int32_t subscription, const char *queue,
			     uint16_t prefetch);
/* Stops deliveries of all subscriptions (drain); settling still works. What has not been handed over by now is not any
 * more: it goes back to the broker when the consumer closes. */
void amqp_consumer_stop(struct amqp_consumer *consumer);

void amqp_consumer_settle(struct amqp_consumer *consumer, uint32_t session, uint64_t tag);
size_t amqp_consumer_unsettled(const struct amqp_consumer *consumer);

#endif
