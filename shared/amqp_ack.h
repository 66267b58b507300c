/* amqp_ack - which deliveries of one connection are settled, and what to acknowledge now. Pure.
 *
 * Delivery tags count 1, 2, 3 ... on a channel; jobs are settled in any order. Everything up
 * to the first unsettled tag (the low-water mark) is acknowledged with one multiple = 1 when a tenth of the prefetch is
 * settled or AMQP_ACK_GATHER_MS have passed. What has waited longer than AMQP_ACK_PATIENCE_MS behind an unsettled one
 * is acknowledged singly, and so is the oldest when half of the prefetch waits: one slow job must not starve the rest.
 *
 *     while (amqp_ack_next(acks, now_ms, false, &order))
 *         send(order.tag, order.multiple);
 *
 * A multiple = 1 always names a tag that is still outstanding: for one that is not, RabbitMQ would
 * walk past it and acknowledge unfinished work before it complains.
 */
#ifndef POSTRIDER_SHARED_AMQP_ACK_H
#define POSTRIDER_SHARED_AMQP_ACK_H

#include "shared/base.h"

#define AMQP_ACK_GATHER_MS   20  /* settled ones wait this long for company */
#define AMQP_ACK_PATIENCE_MS 200 /* and this long behind an unsettled one */

struct amqp_ack;

struct amqp_ack_order {
	uint64_t tag;
	bool multiple;
};

struct amqp_ack *amqp_ack_new(void) MUST_CHECK;
void amqp_ack_free(struct amqp_ack **acks);
void amqp_ack_reset(struct amqp_ack *acks); /* a new connection: the next tag is 1 */
/* How many may be unacknowledged at once. */
void amqp_ack_set_prefetch(struct amqp_ack *acks, size_t prefetch);

/* False when the tag is not the next one: the broker and we disagree. */
bool amqp_ack_delivered(struct amqp_ack *acks, uint64_t tag) MUST_CHECK;
/* False when the tag was never delivered or is settled already; nothing happens then. */
bool amqp_ack_settle(struct amqp_ack *acks, uint64_t tag, int64_t now_ms);

/* The next acknowledgement to send, or false when none is due. everything: do not wait for anything. */
bool amqp_ack_next(struct amqp_ack *acks, int64_t now_ms, bool everything, struct amqp_ack_order *order);

/* Milliseconds until amqp_ack_next() may have something, 0 when now, -1 when nothing is settled. */
int64_t amqp_ack_wait_ms(const struct amqp_ack *acks, int64_t now_ms);
size_t amqp_ack_unsettled(const struct amqp_ack *acks);

#endif
