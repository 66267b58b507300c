/* amqp_session - one connection to the broker with one channel, used by one thread.
 *
 * It knows librabbitmq 0.11's habits so that others need not: every wait has a deadline, frames are taken one by
 * one without blocking and put together here, nothing is ever queued inside the library, an error ends the
 * connection with destroy alone. The owner gets what arrives through two callbacks, from inside
 * amqp_session_read() and amqp_session_call(); what they are handed is borrowed until the next read.
 *
 * Publishes and acknowledgements gather as bytes and leave with amqp_session_flush(), which waits as long as the
 * broker does not read. amqp_session_is_stuck() and amqp_session_break() are for another thread to notice and end that;
 * everything else belongs to the owner's thread.
 */
#ifndef POSTRIDER_SHARED_AMQP_SESSION_H
#define POSTRIDER_SHARED_AMQP_SESSION_H

#include <amqp.h>
#include <amqp_framing.h>

#include "shared/error.h"

struct amqp_session;

/* A whole message: a delivery or a return. */
struct amqp_content {
	amqp_method_t method; /* basic.deliver or basic.return */
	const char *body;     /* its first bytes */
	size_t kept;
	uint64_t length; /* its true length */
};

struct amqp_session_settings {
	const char *url;
	const char *ca_file;
	const char *name;
	int64_t stall_limit_ms; /* sent bytes may wait this long for the broker's kernel to take them */
	bool (*on_method)(void *context, const amqp_method_t *method, struct error *err);
	bool (*on_content)(void *context, const struct amqp_content *content, struct error *err);
	void *context;
};

struct amqp_session *amqp_session_new(const struct amqp_session_settings *settings) MUST_CHECK;
void amqp_session_free(struct amqp_session **session);

/* Blocks for at most a few deadlines of seconds; a host name that does not resolve may take longer. */
bool amqp_session_connect(struct amqp_session *session, struct error *err) MUST_CHECK;
/* At once, whatever state it is in. */
void amqp_session_disconnect(struct amqp_session *session);
/* Asks the broker to close, so that it has seen all we wrote, then disconnects. */
void amqp_session_leave(struct amqp_session *session);

bool amqp_session_is_up(const struct amqp_session *session);
bool amqp_session_is_blocked(const struct amqp_session *session); /* by an alarm of the broker */
int amqp_session_fd(const struct amqp_session *session);
/* How long to wait before the next try: full jitter, 0.2 to 30 s, from the start again after a lasting connection. */
int64_t amqp_session_retry_ms(struct amqp_session *session);
/* The AMQP code with which the broker closed the last connection or channel, 0 when it did not. */
int amqp_session_close_code(const struct amqp_session *session);

/* After any false below the connection is useless: disconnect. */

/* Takes what has arrived, up to a bound; amqp_session_has_more() then: do not wait on the fd. */
bool amqp_session_read(struct amqp_session *session, struct error *err) MUST_CHECK;
bool amqp_session_has_more(const struct amqp_session *session);
/* Sends a method and takes frames until its answer is there. */
bool amqp_session_call(struct amqp_session *session, amqp_method_number_t id, void *request,
		       amqp_method_number_t answer_id, amqp_method_t *answer, struct error *err) MUST_CHECK;
/* Sends a method; the answer comes to on_method(). */
bool amqp_session_send(struct amqp_session *session, amqp_method_number_t id, void *request,
		       struct error *err) MUST_CHECK;
bool amqp_session_publish(struct amqp_session *session, const char *exchange, const char *key, const void *body,
			  size_t length, struct error *err) MUST_CHECK;
bool amqp_session_ack(struct amqp_session *session, uint64_t tag, bool multiple, struct error *err) MUST_CHECK;
bool amqp_session_flush(struct amqp_session *session, struct error *err) MUST_CHECK;

/* From another thread, always the same one. True when a single write has not ended for limit_ms. */
bool amqp_session_is_stuck(struct amqp_session *session, int64_t now_ms, int64_t limit_ms);
/* From another thread: whatever waits on the socket fails. why is a literal or NULL. */
void amqp_session_break(struct amqp_session *session, const char *why);

#endif
