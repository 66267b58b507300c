/* amqp_connect - from a URL to a logged-in connection, with a deadline for each step.
 *
 * The capabilities announced at login make the broker tell when it blocks publishing and when a consumed queue
 * disappears; without them it does both in silence. TLS checks the broker's certificate and name. Used by amqp_session
 * only.
 */
#ifndef POSTRIDER_SHARED_AMQP_CONNECT_H
#define POSTRIDER_SHARED_AMQP_CONNECT_H

#include <amqp.h>

#include "shared/error.h"

#define AMQP_HEARTBEAT_S 10

/* ca_file NULL: the system's certificates. */
bool amqp_connect_socket(amqp_connection_state_t connection, const struct amqp_connection_info *where,
			 const char *ca_file, struct error *err) MUST_CHECK;
/* Ends the connection when sent bytes have waited this long for the broker's kernel. */
void amqp_connect_set_stall_limit(int fd, int64_t limit_ms);
/* close_code: the broker's AMQP code when it said no. */
bool amqp_connect_login(amqp_connection_state_t connection, const struct amqp_connection_info *where, const char *name,
			int *close_code, struct error *err) MUST_CHECK;
/* The sentence for a channel or connection that the broker closed; returns false. */
bool amqp_connect_refused(const char *what, int code, amqp_bytes_t text, struct error *err);

#endif
