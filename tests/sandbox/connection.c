#include "tests/sandbox/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "shared/memory.h"
#include "tests/sandbox/tls.h"

enum { INPUT_FIRST = 4 * 1024, OUTPUT_MAX = 4 * 1024 * 1024 };

static struct connection *all_connections;

static ssize_t receive(struct connection *connection, void *bytes, size_t size)
{
	if (connection->tls)
		return tls_read(connection->tls, bytes, size);
	return read(connection->fd, bytes, size);
}

static ssize_t transmit(struct connection *connection, const void *bytes, size_t length)
{
	if (connection->tls)
		return tls_write(connection->tls, bytes, length);
	return send(connection->fd, bytes, length, MSG_NOSIGNAL);
}

static void connection_free(struct connection *connection)
{
	tls_session_free(&connection->tls);
	text_release(&connection->output);
	free(connection->in_bytes);
	free(connection);
}

void connection_close(struct connection *connection, enum connection_end end)
{
	if (connection->closed)
		return;
	if (end == CONNECTION_AFTER_OUTPUT) {
		connection->closing = true;
		if (!connection->busy)
			connection_flush(connection);
		return;
	}
	connection->closed = true;
	event_del(&connection->readable);
	event_del(&connection->writable);
	event_del(&connection->delay);
	if (end == CONNECTION_RESET)
		setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
			   sizeof(struct linger));
	close(connection->fd);
	DL_DELETE2(all_connections, connection, previous, next);
	connection->protocol->closed(connection);
	if (!connection->busy)
		connection_free(connection);
}

static void flush(struct connection *connection)
{
	struct text *output = &connection->output;

	while (!connection->closed && connection->output_sent < output->length) {
		ssize_t sent = transmit(connection, output->bytes + connection->output_sent,
					output->length - connection->output_sent);
		if (sent < 0 && errno == EAGAIN) {
			event_add(&connection->writable, NULL);
			return;
		}
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			connection_close(connection, CONNECTION_NOW);
			return;
		}
		connection->output_sent += (size_t)sent;
	}
	if (connection->closed)
		return;
	connection->output_sent = 0;
	text_clear(output);
	if (connection->closing)
		connection_close(connection, CONNECTION_NOW);
}

/* Runs the protocol over what is there, then sends what it said. */
static void serve(struct connection *connection)
{
	connection->busy = true;
	while (!connection->closed && !connection->closing && connection->held == 0) {
		size_t before = connection->in_end - connection->in_start;

		if (before == 0)
			break;
		connection->protocol->input(connection);
		if (connection->in_end - connection->in_start == before)
			break;
	}
	if (!connection->closed && connection->held == 0)
		flush(connection);
	connection->busy = false;
	if (connection->closed)
		connection_free(connection);
}

void connection_flush(struct connection *connection)
{
	if (connection->busy || connection->held > 0)
		return;
	connection->busy = true;
	flush(connection);
	connection->busy = false;
	if (connection->closed)
		connection_free(connection);
}

static size_t make_room(struct connection *connection)
{
	if (connection->in_start == connection->in_end)
		connection->in_start = connection->in_end = 0;
	if (connection->in_end < connection->in_capacity)
		return connection->in_capacity - connection->in_end;
	if (connection->in_start > 0) {
		memmove(connection->in_bytes, connection->in_bytes + connection->in_start,
			connection->in_end - connection->in_start);
		connection->in_end -= connection->in_start;
		connection->in_start = 0;
	} else if (connection->in_capacity < CONNECTION_INPUT_MAX) {
		connection->in_capacity = connection->in_capacity ? connection->in_capacity * 2 : INPUT_FIRST;
		connection->in_bytes = memory_grow(connection->in_bytes, connection->in_capacity, 1);
	}
	return connection->in_capacity - connection->in_end;
}

/* True while the kernel may have more. */
static bool read_once(struct connection *connection)
{
	size_t room = make_room(connection);
	ssize_t got;

	if (room == 0) {
		connection->full = true;
		event_del(&connection->readable);
		return false;
	}
	got = receive(connection, connection->in_bytes + connection->in_end, room);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		connection_close(connection, CONNECTION_NOW);
		return false;
	}
	connection->in_end += (size_t)got;
	return (size_t)got == room || connection->tls;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;

	(void)fd;
	(void)what;
	connection->busy = true;
	while (read_once(connection))
		;
	connection->busy = false;
	if (connection->closed)
		connection_free(connection);
	else
		serve(connection);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	connection_flush(context);
}

static void on_delay(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	connection_release(context);
}

struct connection *connection_open(struct event_base *base, int fd, const struct connection_protocol *protocol,
				   void *owner)
{
	struct connection *connection = memory_new(sizeof(*connection));

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	connection->protocol = protocol;
	connection->owner = owner;
	connection->fd = fd;
	connection->base = base;
	text_init(&connection->output, OUTPUT_MAX);
	event_assign(&connection->readable, base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	event_assign(&connection->writable, base, fd, EV_WRITE, on_writable, connection);
	evtimer_assign(&connection->delay, base, on_delay, connection);
	event_add(&connection->readable, NULL);
	DL_APPEND2(all_connections, connection, previous, next);
	return connection;
}

void connection_close_all(void)
{
	while (all_connections)
		connection_close(all_connections, CONNECTION_NOW);
}

const char *connection_input(const struct connection *connection, size_t *length)
{
	*length = connection->in_end - connection->in_start;
	return connection->in_bytes + connection->in_start;
}

void connection_consume(struct connection *connection, size_t length)
{
	connection->in_start += length;
	if (connection->full) {
		connection->full = false;
		event_add(&connection->readable, NULL);
	}
}

void connection_hold(struct connection *connection)
{
	connection->held++;
}

void connection_release(struct connection *connection)
{
	if (--connection->held > 0 || connection->closed || connection->busy)
		return;
	if (connection->in_start == connection->in_end || connection->closing)
		connection_flush(connection);
	else
		serve(connection);
}

void connection_hold_for(struct connection *connection, int64_t delay_ms)
{
	struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

	connection_hold(connection);
	evtimer_add(&connection->delay, &delay);
}

void connection_start_tls(struct connection *connection, struct tls_context *context)
{
	flush(connection);
	if (connection->closed)
		return;
	/* What came in before the handshake came in plain; it must not be taken for the peer's own words. */
	connection->in_start = connection->in_end = 0;
	connection->tls = tls_session_new(context, connection->fd);
}
