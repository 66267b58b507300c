/* amqp_publisher - puts jobs on the broker and tells what became of each.
 *
 * Owns a thread and a connection, because librabbitmq blocks. The loop's side hands jobs over and gets
 * receipts back on the loop; a window bounds what is unsettled. Messages are persistent and
 * mandatory. Every submitted job gets exactly one receipt:
 *
 *   CONFIRMED  the broker has it
 *   RETURNED   no queue took it (the return comes before the confirm and is tracked)
 *   REFUSED    the broker said nack
 *   LOST       the connection ended, or 60 s passed, before the confirm: it may or may not be there
 *
 * While the broker blocks (memory or disk alarm) or is away, free_slots() is 0 and changed() tells
 * why; nothing is queued beyond the window. It reconnects by itself with full jitter, 0.2 to 30 s.
 * Watched queues are declared at once, after each reconnect and once a second, and their
 * depth is reported; a deleted queue therefore comes back within a second. A broker that answers none of that
 * for 10 s is left for a new connection.
 */
#ifndef POSTRIDER_SHARED_AMQP_PUBLISHER_H
#define POSTRIDER_SHARED_AMQP_PUBLISHER_H

#include "shared/amqp_topology.h"
#include "shared/message.h"

struct event_base;
struct amqp_publisher;

enum amqp_verdict { AMQP_CONFIRMED, AMQP_RETURNED, AMQP_REFUSED, AMQP_LOST };

struct amqp_receipt {
	int64_t delivery_id;
	int32_t epoch;
	int32_t lane_id;
	enum amqp_verdict verdict;
};

struct amqp_publisher_settings {
	const char *url;             /* amqp://user:password@host:port/vhost or amqps:// (with ca_file) */
	const char *ca_file;         /* NULL: the system's */
	const char *connection_name; /* seen in the broker's management */
	size_t window;               /* jobs unsettled at most */
	int64_t blocked_limit_ms;    /* a write stuck this long ends the connection; 0: 30 s */
};

struct amqp_publisher_events {
	void (*changed)(void *context, bool ready, const char *reason);
	void (*settled)(void *context, const struct amqp_receipt *receipts, size_t count);
	void (*depth)(void *context, int32_t lane_id, int64_t ready, int64_t consumers);
	void *context;
};

struct amqp_publisher *amqp_publisher_open(struct event_base *base, const struct amqp_publisher_settings *settings,
					   const struct amqp_publisher_events *events) MUST_CHECK;
/* Ends the connection and the thread; what is unsettled gets no receipt. */
void amqp_publisher_close(struct amqp_publisher **publisher);

/* Declares the lane's queue now and keeps watching it. */
void amqp_publisher_watch(struct amqp_publisher *publisher, int32_t lane_id, const char *queue);

size_t amqp_publisher_free_slots(const struct amqp_publisher *publisher);
/* False when no slot is free; nothing happened then. The queue must be watched. */
bool amqp_publisher_submit(struct amqp_publisher *publisher, const struct message *message) MUST_CHECK;
/* After a batch of submits: wakes the thread. */
void amqp_publisher_flush(struct amqp_publisher *publisher);

#endif
