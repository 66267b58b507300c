/* amqp_link - a thread with a session, joined to the event loop by two rings.
 *
 * What the publisher and the consumer have in common: the thread connects, retries, takes its turns and waits on the
 * socket and on the ring; the loop puts requests in and takes reports out. The rings are all that is shared, but for
 * two words: `stopping`, set once by the loop, and the session's beat, by which the loop notices that a write does not
 * end (it then shuts the socket down). Used by amqp_publisher and amqp_consumer only.
 */
#ifndef POSTRIDER_SHARED_AMQP_LINK_H
#define POSTRIDER_SHARED_AMQP_LINK_H

#include "shared/amqp_session.h"

struct event_base;
struct amqp_link;

/* What the owner does. Everything above the line runs in the thread, below it on the loop. */
struct amqp_link_part {
	const char *thread_name; /* at most 15 characters */
	/* The session is up: declare, subscribe. */
	bool (*greet)(void *context, struct error *err);
	/* One turn of work. again: there is more, do not wait. False loses the connection. */
	bool (*turn)(void *context, bool *again, struct error *err);
	int64_t (*wait_ms)(void *context); /* at most, before the next turn */
	/* There is no connection: whatever was outstanding on it is over. Called again for each failed try. */
	void (*lost)(void *context, const char *reason);
	void (*away)(void *context);   /* requests came while there is no connection */
	void (*finish)(void *context); /* the session is up and will be left */
	/* ---- */
	void (*on_reports)(void *context);
	void (*on_tick)(void *context); /* about once a second; may be NULL */
};

struct amqp_link_settings {
	struct amqp_session_settings session;
	const struct amqp_link_part *part;
	void *context;
	size_t request_slots, request_bytes;
	size_t report_slots, report_bytes;
	int64_t write_limit_ms;
};

/* The rings are there at once; the thread runs from amqp_link_start() on. */
struct amqp_link *amqp_link_new(struct event_base *base, const struct amqp_link_settings *settings) MUST_CHECK;
void amqp_link_start(struct amqp_link *link);
/* Waits for the thread, but not for a broker that does not answer. The rings may then be emptied from here. */
void amqp_link_stop(struct amqp_link *link);
void amqp_link_free(struct amqp_link **link);

/* On the loop. */
bool amqp_link_ask(struct amqp_link *link, const void *request) MUST_CHECK; /* false: the ring is full */
void amqp_link_wake(struct amqp_link *link);
bool amqp_link_take_report(struct amqp_link *link, void *report) MUST_CHECK;

/* In the thread. */
struct amqp_session *amqp_link_session(struct amqp_link *link);
bool amqp_link_take_request(struct amqp_link *link, void *request) MUST_CHECK;
/* Waits while the ring is full; false when the loop closes meanwhile. The loop is woken once, after the turn. */
bool amqp_link_report(struct amqp_link *link, const void *report);

#endif
