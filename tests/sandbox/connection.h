/* connection - one accepted socket: bytes in, bytes out, and the ways to leave.
 *
 * Written directly on read(2) and write(2) instead of a bufferevent: an answer is one write, the kernel's poll set is
 * only touched when the socket is full, and that is a third of the cost of a request.
 *
 * The protocol gets input() whenever there is more and the connection is not held; it looks at connection_input(),
 * consumes what it understood and adds to `output`, which is sent when input() returns. connection_hold() keeps
 * answers and further input back until connection_release(). connection_close() may be called at any time, also from
 * input(); closed() is the last call, in it the owner frees what is its own.
 */
#ifndef POSTRIDER_TESTS_SANDBOX_CONNECTION_H
#define POSTRIDER_TESTS_SANDBOX_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "shared/text.h"

#define CONNECTION_INPUT_MAX (12 * 1024 * 1024)

struct connection;
struct tls_context;
struct tls_session;

struct connection_protocol {
	void (*input)(struct connection *connection);
	void (*closed)(struct connection *connection);
};

struct connection {
	const struct connection_protocol *protocol;
	void *owner;
	struct text output;
	char *in_bytes;
	size_t in_start, in_end, in_capacity;
	size_t output_sent;
	int fd;
	int held;     /* how many reasons there are to wait */
	bool busy;    /* input() is running: free later */
	bool closing; /* close when the output is out */
	bool closed;
	bool full; /* not reading: the input is at its bound */
	struct event_base *base;
	struct tls_session *tls;
	struct event readable, writable, delay;
	struct connection *previous, *next; /* all that are open */
};

enum connection_end {
	CONNECTION_AFTER_OUTPUT,
	CONNECTION_NOW,   /* FIN, unsent output is dropped */
	CONNECTION_RESET, /* RST */
};

struct connection *connection_open(struct event_base *base, int fd, const struct connection_protocol *protocol,
				   void *owner) MUST_CHECK;
void connection_close(struct connection *connection, enum connection_end end);
void connection_close_all(void);

const char *connection_input(const struct connection *connection, size_t *length);
void connection_consume(struct connection *connection, size_t length);
/* For what is written outside input(), for example a greeting. */
void connection_flush(struct connection *connection);

void connection_hold(struct connection *connection);
void connection_release(struct connection *connection);
/* Holds and releases by itself. */
void connection_hold_for(struct connection *connection, int64_t delay_ms);

/* Output so far goes out in plain; everything after is TLS. */
void connection_start_tls(struct connection *connection, struct tls_context *context);

#endif
