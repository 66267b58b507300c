#include "worker/callbacks/http_connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "worker/callbacks/http_reply.h"

#define INPUT_BYTES_FIRST 4096
#define INPUT_BYTES_KEPT  (64 * 1024) /* a larger buffer is given back between requests */
#define LEAVING_MS        2000

static const char continue_word[] = "HTTP/1.1 100 Continue\r\n\r\n";

static void set_deadline(struct http_exchange *connection, int64_t limit_ms)
{
	const struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};

	evtimer_add(connection->deadline, &limit);
}

static void enter(struct http_exchange *connection, enum http_state next)
{
	struct http_server *server = connection->server;
	bool was_idle = connection->state == HTTP_IDLE, is_idle = next == HTTP_IDLE;

	connection->state = next;
	if (was_idle == is_idle)
		return;
	if (is_idle) {
		DL_DELETE(server->busy, connection);
		DL_APPEND(server->idle, connection);
		server->busy_count--;
	} else {
		DL_DELETE(server->idle, connection);
		DL_APPEND(server->busy, connection);
		server->busy_count++;
	}
	http_server_balance(server);
}

static void connection_free(struct http_exchange *connection)
{
	struct http_server *server = connection->server;

	if (connection->state == HTTP_IDLE)
		DL_DELETE(server->idle, connection);
	else
		DL_DELETE(server->busy, connection);
	server->busy_count -= connection->state != HTTP_IDLE;
	server->connection_count--;
	server->in_hand_bytes -= connection->input_capacity;
	event_free(connection->reading);
	event_free(connection->writing);
	event_free(connection->deadline);
	close(connection->descriptor);
	text_release(&connection->output);
	free(connection->input);
	free(connection);
	http_server_balance(server);
}

void http_connection_close(struct http_exchange *connection)
{
	if (connection->advancing)
		connection->is_doomed = true;
	else
		connection_free(connection);
}

/* The client may still be sending: it would never see an answer that a reset overtakes. */
static void leave(struct http_exchange *connection)
{
	enter(connection, HTTP_LEAVING);
	shutdown(connection->descriptor, SHUT_WR);
	set_deadline(connection, LEAVING_MS);
	if (connection->reading_is_off)
		event_add(connection->reading, NULL);
	connection->reading_is_off = false;
}

static void next_request(struct http_exchange *connection)
{
	size_t used = connection->head_length + connection->body_length;
	struct http_server *server = connection->server;

	connection->input_length -= used;
	memmove(connection->input, connection->input + used, connection->input_length);
	connection->head_length = connection->scanned = connection->body_length = 0;
	connection->chunks = (struct http_chunks){0};
	if (connection->input_capacity > INPUT_BYTES_KEPT && connection->input_length <= INPUT_BYTES_KEPT) {
		server->in_hand_bytes -= connection->input_capacity - INPUT_BYTES_KEPT;
		connection->input = memory_grow(connection->input, INPUT_BYTES_KEPT, 1);
		connection->input_capacity = INPUT_BYTES_KEPT;
	}
	connection->has_been_served = true;
	connection->idle_since_ms = clock_now_ms();
	enter(connection, HTTP_IDLE);
	set_deadline(connection, server->settings.idle_ms);
	if (connection->reading_is_off)
		event_add(connection->reading, NULL);
	connection->reading_is_off = false;
}

/* Only while advancing: the connection may be doomed afterwards. */
static void write_on(struct http_exchange *connection)
{
	const struct text *output = &connection->output;
	ssize_t sent = send(connection->descriptor, output->bytes + connection->written,
			    output->length - connection->written, MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
		event_add(connection->writing, NULL);
		return;
	}
	if (sent < 0) {
		http_connection_close(connection);
		return;
	}
	connection->written += (size_t)sent;
	if (connection->written < output->length)
		event_add(connection->writing, NULL);
	else if (connection->closes)
		leave(connection);
	else
		next_request(connection);
}

static void start_answer(struct http_exchange *connection, const struct http_answer *answer, bool closes)
{
	connection->closes = closes || connection->server->drains;
	text_clear(&connection->output);
	http_reply_add(&connection->output, answer, connection->head.method == HTTP_HEAD, connection->closes);
	connection->written = 0;
	enter(connection, HTTP_WRITING);
	set_deadline(connection, connection->server->settings.request_ms);
	write_on(connection);
}

/* Where this request ends is not known or not worth waiting for, so it is the connection's last. */
static void refuse(struct http_exchange *connection, enum http_refusal refusal, int status, const char *headers)
{
	struct http_server *server = connection->server;

	if (server->refused != NULL)
		server->refused(server->context, refusal);
	start_answer(connection, &(struct http_answer){.status = status, .headers = headers}, true);
}

/* Room for at least one more byte. False: refused. */
static bool make_room(struct http_exchange *connection)
{
	struct http_server *server = connection->server;
	size_t old = connection->input_capacity, wanted = old == 0 ? INPUT_BYTES_FIRST : old * 2;

	if (connection->input_length < old)
		return true;
	if (server->in_hand_bytes + wanted - old > server->settings.in_hand_bytes_max) {
		refuse(connection, HTTP_NO_ROOM, 503, "Retry-After: 2\r\n");
		return false;
	}
	server->in_hand_bytes += wanted - old;
	connection->input = memory_grow(connection->input, wanted, 1);
	connection->input_capacity = wanted;
	return true;
}

static void take_head(struct http_exchange *connection)
{
	const struct http_server_settings *settings = &connection->server->settings;
	struct http_head *head = &connection->head;
	const char *headers = NULL;
	int status = 0;
	enum http_refusal refusal =
		http_head_read(head, connection->input, connection->head_length, settings->header_lines_max, &status);

	connection->head_at = connection->input;
	connection->route = refusal == HTTP_FINE ? http_server_find(connection->server, head->path) : NULL;
	if (refusal == HTTP_FINE && connection->route == NULL) {
		refusal = HTTP_NO_ROUTE;
		status = 404;
	} else if (refusal == HTTP_FINE && (connection->route->methods & head->method) == 0) {
		refusal = HTTP_METHOD_UNWANTED;
		status = 405;
		headers = http_reply_allow(connection->route->methods);
	} else if (refusal == HTTP_FINE && head->length_bytes > (int64_t)settings->body_bytes_max) {
		refusal = HTTP_TOO_LARGE;
		status = 413;
	}
	if (refusal != HTTP_FINE) {
		refuse(connection, refusal, status, headers);
		return;
	}
	connection->body_length = (size_t)head->length_bytes;
	enter(connection, HTTP_READING_BODY);
	/* A client that cannot take 25 bytes now is in no state to send a body. */
	if (head->expects_word &&
	    connection->input_length < connection->head_length + connection->body_length + head->is_chunked)
		if (send(connection->descriptor, continue_word, sizeof(continue_word) - 1, MSG_NOSIGNAL) < 0)
			http_connection_close(connection);
}

/* True when there was something to do. */
static bool look_for_head(struct http_exchange *connection)
{
	size_t head_bytes_max = connection->server->settings.head_bytes_max;
	size_t length = http_head_length(connection->input, connection->input_length, connection->scanned);

	connection->scanned = connection->input_length;
	if (length > head_bytes_max || (length == 0 && connection->input_length >= head_bytes_max)) {
		refuse(connection, HTTP_HEAD_TOO_LARGE, 431, NULL);
		return true;
	}
	if (length == 0)
		return false;
	connection->head_length = length;
	take_head(connection);
	return true;
}

static void hand_over(struct http_exchange *connection)
{
	const struct http_route *route = connection->route;
	struct http_request *request = &connection->request;
	struct http_head *head = &connection->head;
	int status;

	/* The buffer has moved since the head was read; it was fine then, so it is now. */
	if (connection->head_at != connection->input &&
	    http_head_read(head, connection->input, connection->head_length, SIZE_MAX, &status) != HTTP_FINE)
		abort();
	*request = (struct http_request){
		.method = head->method,
		.path = head->path,
		.query = head->query,
		.headers = head->headers,
		.body = {connection->input + connection->head_length, connection->body_length},
		.peer = connection->peer,
	};
	evtimer_del(connection->deadline);
	enter(connection, HTTP_HANDED);
	route->handler(route->context, connection, request);
}

/* Takes the coding off what has come. True when the body is whole; a fault is answered here. */
static bool decode_chunks(struct http_exchange *connection)
{
	size_t length = connection->input_length - connection->head_length;
	enum http_chunks_state state =
		http_chunks_decode(&connection->chunks, connection->input + connection->head_length, &length);

	if (state == HTTP_CHUNKS_BROKEN) {
		refuse(connection, HTTP_MALFORMED, 400, NULL);
		return false;
	}
	connection->input_length = connection->head_length + length;
	connection->body_length = connection->chunks.decoded;
	if (connection->body_length + connection->chunks.chunk_left > connection->server->settings.body_bytes_max) {
		refuse(connection, HTTP_TOO_LARGE, 413, NULL);
		return false;
	}
	return state == HTTP_CHUNKS_DONE;
}

static bool look_for_body(struct http_exchange *connection)
{
	if (connection->head.is_chunked) {
		if (!decode_chunks(connection))
			return connection->state != HTTP_READING_BODY;
	} else if (connection->input_length < connection->head_length + connection->body_length) {
		return false;
	}
	hand_over(connection);
	return true;
}

/* Does what can be done with the bytes that are here; several requests, when they were sent in one go. */
static void advance(struct http_exchange *connection)
{
	bool goes_on = true;

	if (connection->advancing)
		return;
	connection->advancing = true;
	while (goes_on && !connection->is_doomed) {
		if (connection->state == HTTP_IDLE && connection->input_length > 0) {
			enter(connection, HTTP_READING_HEAD);
			set_deadline(connection, connection->server->settings.request_ms);
		} else if (connection->state == HTTP_READING_HEAD) {
			goes_on = look_for_head(connection);
		} else if (connection->state == HTTP_READING_BODY) {
			goes_on = look_for_body(connection);
		} else {
			goes_on = false;
		}
	}
	connection->advancing = false;
	if (connection->is_doomed)
		http_connection_close(connection);
}

void http_exchange_answer(struct http_exchange *connection, const struct http_answer *answer)
{
	bool is_inside = connection->advancing;

	connection->advancing = true;
	start_answer(connection, answer, !connection->head.stays);
	connection->advancing = is_inside;
	if (!is_inside)
		advance(connection);
}

static void read_more(struct http_exchange *connection)
{
	ssize_t received = recv(connection->descriptor, connection->input + connection->input_length,
				connection->input_capacity - connection->input_length, 0);

	if (received > 0) {
		connection->input_length += (size_t)received;
	} else if (received == 0 || (errno != EAGAIN && errno != EINTR)) {
		http_connection_close(connection);
	}
}

static void discard(struct http_exchange *connection)
{
	char unread[4096];
	ssize_t received = recv(connection->descriptor, unread, sizeof(unread), 0);

	if (received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR))
		http_connection_close(connection);
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
	struct http_exchange *connection = context;

	(void)descriptor, (void)what;
	if (connection->state == HTTP_LEAVING) {
		discard(connection);
	} else if (connection->state >= HTTP_HANDED) {
		event_del(connection->reading);
		connection->reading_is_off = true;
	} else {
		connection->advancing = true;
		if (make_room(connection))
			read_more(connection);
		connection->advancing = false;
		advance(connection);
	}
}

static void on_writable(evutil_socket_t descriptor, short what, void *context)
{
	struct http_exchange *connection = context;

	(void)descriptor, (void)what;
	connection->advancing = true;
	write_on(connection);
	connection->advancing = false;
	advance(connection);
}

static void on_deadline(evutil_socket_t descriptor, short what, void *context)
{
	struct http_exchange *connection = context;

	(void)descriptor, (void)what;
	connection->advancing = true;
	if (connection->state == HTTP_READING_HEAD || connection->state == HTTP_READING_BODY)
		refuse(connection, HTTP_TOO_SLOW, 408, NULL);
	else
		http_connection_close(connection);
	connection->advancing = false;
	advance(connection);
}

static void note_peer(struct http_exchange *connection, const struct sockaddr *peer)
{
	const void *address = peer->sa_family == AF_INET6
				      ? (const void *)&((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr
				      : (const void *)&((const struct sockaddr_in *)(const void *)peer)->sin_addr;

	if (inet_ntop(peer->sa_family, address, connection->peer, sizeof(connection->peer)) == NULL)
		connection->peer[0] = '\0';
}

void http_connection_open(struct http_server *server, int descriptor, const struct sockaddr *peer)
{
	struct http_exchange *connection = memory_new(sizeof(*connection));

	connection->server = server;
	connection->descriptor = descriptor;
	connection->idle_since_ms = clock_now_ms();
	note_peer(connection, peer);
	text_init(&connection->output, SIZE_MAX / 2);
	connection->reading = event_new(server->base, descriptor, EV_READ | EV_PERSIST, on_readable, connection);
	connection->writing = event_new(server->base, descriptor, EV_WRITE, on_writable, connection);
	connection->deadline = evtimer_new(server->base, on_deadline, connection);
	DL_APPEND(server->idle, connection);
	server->connection_count++;
	event_add(connection->reading, NULL);
	/* Who connects and says nothing is given less patience than a client that has been served. */
	set_deadline(connection, server->settings.request_ms);
	http_server_balance(server);
}
