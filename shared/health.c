#include "shared/health.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/listener.h"
#include "shared/memory.h"
#include "shared/text.h"

/* Not evhttp: in libevent 2.1 it cannot count its connections, has no deadline for a slow one and takes the body of
 * a GET for the next request. One request per connection needs neither keep-alive nor framing. */

#define CONNECTIONS_MAX   16
#define REQUEST_BYTES_MAX (8 * 1024)
#define BODY_BYTES_MAX    (1024 * 1024)
#define BACKLOG           64
#define TEXT_PLAIN        "text/plain; charset=utf-8"

/* From accept to close: a slow client holds one of few places. */
static const struct timeval connection_limit = {.tv_sec = 5};

enum connection_state {
	CONNECTION_FREE,
	CONNECTION_READING,  /* the request is not whole */
	CONNECTION_REPLYING, /* the answer is on its way */
	CONNECTION_LEAVING,  /* the answer is out; reads on until the client hangs up, lest a reset overtakes it */
};

struct connection {
	struct health *health;
	enum connection_state state;
	struct bufferevent *stream;
	struct event *deadline;
	bool client_is_done;
};

struct part {
	char *name;
	char *reason; /* NULL when ready */
};

struct health {
	struct event_base *base;
	struct listener *listener;
	const struct metrics *metrics;
	struct part *parts;
	size_t part_count;
	struct connection connections[CONNECTIONS_MAX];
};

/* A view into the request. */
struct span {
	const char *at;
	size_t length;
};

struct reply {
	const char *status;
	const char *type;
	const char *extra_header;
	struct text body;
};

static void close_connection(struct connection *connection)
{
	bufferevent_free(connection->stream);
	event_free(connection->deadline);
	connection->state = CONNECTION_FREE;
	listener_go_on(connection->health->listener);
}

static bool span_is(struct span span, const char *string)
{
	return span.length == strlen(string) && memcmp(span.at, string, span.length) == 0;
}

/* Cuts what stands before the separator off the front of rest; all of it when there is none. */
static struct span take_until(struct span *rest, const char *separator)
{
	size_t width = strlen(separator);
	const char *found = memmem(rest->at, rest->length, separator, width);
	struct span taken = {rest->at, found ? (size_t)(found - rest->at) : rest->length};
	size_t used = found ? taken.length + width : taken.length;
	rest->at += used;
	rest->length -= used;
	return taken;
}

static bool is_header(struct span line, const char *name, struct span *value)
{
	size_t length = strlen(name);
	if (line.length <= length || line.at[length] != ':' || strncasecmp(line.at, name, length) != 0)
		return false;
	value->at = line.at + length + 1;
	value->length = line.length - length - 1;
	while (value->length && (*value->at == ' ' || *value->at == '\t')) {
		value->at++;
		value->length--;
	}
	return true;
}

/* NULL when the headers are well-formed and announce no body, else the status that says so. What a proxy in front could
 * read differently is refused. */
static const char *refuse_headers(struct span headers)
{
	int hosts = 0, lengths = 0;
	bool has_body = false;
	while (headers.length) {
		struct span line = take_until(&headers, "\r\n"), value;
		const char *colon = memchr(line.at, ':', line.length);
		if (!colon || colon == line.at || *line.at == ' ' || colon[-1] == ' ' || colon[-1] == '\t')
			return "400 Bad Request";
		if (memchr(line.at, '\n', line.length) || memchr(line.at, '\r', line.length) ||
		    memchr(line.at, '\0', line.length))
			return "400 Bad Request";
		if (is_header(line, "Host", &value))
			hosts++;
		if (is_header(line, "Content-Length", &value)) {
			lengths++;
			has_body = has_body || !span_is(value, "0");
		}
		if (is_header(line, "Transfer-Encoding", &value))
			has_body = true;
	}
	if (hosts > 1 || lengths > 1)
		return "400 Bad Request";
	return has_body ? "413 Content Too Large" : NULL;
}

static void describe_readiness(const struct health *health, struct reply *reply)
{
	if (health_is_ready(health)) {
		text_add(&reply->body, "ready\n");
		return;
	}
	reply->status = "503 Service Unavailable";
	if (health->part_count == 0)
		text_add(&reply->body, "starting\n");
	for (size_t i = 0; i < health->part_count; i++) {
		const struct part *part = &health->parts[i];
		if (!part->reason)
			continue;
		text_addf(&reply->body, "%s: ", part->name);
		text_add_header(&reply->body, part->reason, strlen(part->reason));
		text_add_char(&reply->body, '\n');
	}
}

static void describe_metrics(const struct health *health, struct reply *reply)
{
	reply->type = "text/plain; version=0.0.4; charset=utf-8";
	if (health->metrics)
		metrics_print(health->metrics, &reply->body);
	if (!text_ok(&reply->body))
		reply->status = "500 Internal Server Error";
}

static void describe_life(const struct health *health, struct reply *reply)
{
	(void)health;
	text_add(&reply->body, "alive\n");
}

static const struct {
	const char *path;
	void (*describe)(const struct health *health, struct reply *reply);
} routes[] = {
	{"/livez", describe_life},
	{"/readyz", describe_readiness},
	{"/metrics", describe_metrics},
};

static void route(const struct health *health, struct span method, struct span path, struct reply *reply)
{
	for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
		if (!span_is(path, routes[i].path))
			continue;
		if (span_is(method, "GET")) {
			routes[i].describe(health, reply);
		} else {
			reply->status = "405 Method Not Allowed";
			reply->extra_header = "Allow: GET\r\n";
		}
		return;
	}
	reply->status = "404 Not Found";
}

static void answer_request(const struct health *health, struct span request, struct reply *reply)
{
	struct span line = take_until(&request, "\r\n");
	struct span method = take_until(&line, " ");
	struct span target = take_until(&line, " ");
	struct span path = take_until(&target, "?");
	const char *refusal = refuse_headers(request);
	if (!span_is(line, "HTTP/1.1") && !span_is(line, "HTTP/1.0"))
		reply->status = "400 Bad Request";
	else if (refusal)
		reply->status = refusal;
	else
		route(health, method, path, reply);
}

static void send_reply(struct connection *connection, struct reply *reply)
{
	if (reply->body.length == 0)
		text_addf(&reply->body, "%s\n", reply->status);
	struct evbuffer *output = bufferevent_get_output(connection->stream);
	evbuffer_add_printf(output,
			    "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
			    "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
			    reply->status, reply->type, reply->body.length, reply->extra_header);
	evbuffer_add(output, text_string(&reply->body), reply->body.length);
	connection->state = CONNECTION_REPLYING;
}

static void on_readable(struct bufferevent *stream, void *context)
{
	struct connection *connection = context;
	struct evbuffer *input = bufferevent_get_input(stream);
	size_t arrived = evbuffer_get_length(input);
	if (connection->state != CONNECTION_READING) {
		evbuffer_drain(input, arrived);
		return;
	}
	struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
	if (end.pos < 0 && arrived < REQUEST_BYTES_MAX)
		return;

	struct reply reply = {.status = "200 OK", .type = TEXT_PLAIN, .extra_header = ""};
	text_init(&reply.body, BODY_BYTES_MAX);
	if (end.pos < 0) {
		reply.status = "431 Request Header Fields Too Large";
	} else {
		struct span request = {(const char *)evbuffer_pullup(input, end.pos + 2), (size_t)end.pos};
		answer_request(connection->health, request, &reply);
	}
	evbuffer_drain(input, arrived);
	send_reply(connection, &reply);
	text_release(&reply.body);
}

/* The output is empty. */
static void on_written(struct bufferevent *stream, void *context)
{
	struct connection *connection = context;
	if (connection->state != CONNECTION_REPLYING)
		return;
	connection->state = CONNECTION_LEAVING;
	shutdown(bufferevent_getfd(stream), SHUT_WR);
	if (connection->client_is_done)
		close_connection(connection);
}

static void on_ended(struct bufferevent *stream, short what, void *context)
{
	(void)stream;
	struct connection *connection = context;
	/* A client may end its half and still wait for the answer. */
	if ((what & BEV_EVENT_EOF) && connection->state == CONNECTION_REPLYING)
		connection->client_is_done = true;
	else
		close_connection(connection);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	close_connection(context);
}

static struct connection *find_free_connection(struct health *health)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (health->connections[i].state == CONNECTION_FREE)
			return &health->connections[i];
	}
	return NULL;
}

static void on_accepted(void *context, int fd, const struct sockaddr *peer)
{
	(void)peer;
	struct health *health = context;
	struct connection *connection = find_free_connection(health);
	if (!connection) {
		close(fd);
		return;
	}
	struct bufferevent *stream = bufferevent_socket_new(health->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!stream) {
		close(fd);
		return;
	}
	*connection = (struct connection){.health = health, .state = CONNECTION_READING, .stream = stream};
	connection->deadline = evtimer_new(health->base, on_deadline, connection);
	evtimer_add(connection->deadline, &connection_limit);
	bufferevent_setcb(stream, on_readable, on_written, on_ended, connection);
	bufferevent_setwatermark(stream, EV_READ, 0, REQUEST_BYTES_MAX);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
	/* The others wait in the kernel's backlog. */
	if (!find_free_connection(health))
		listener_rest(health->listener);
}

struct health *health_open(struct event_base *base, const char *address, const struct metrics *metrics,
			   struct error *err)
{
	/* A client that hangs up early must not end the program; libevent writes without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	struct health *health = memory_new(sizeof(*health));
	health->base = base;
	health->metrics = metrics;
	health->listener = listener_open(base, address, BACKLOG, on_accepted, health, err);
	if (!health->listener)
		health_close(&health);
	return health;
}

void health_close(struct health **health)
{
	if (!*health)
		return;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if ((*health)->connections[i].state != CONNECTION_FREE)
			close_connection(&(*health)->connections[i]);
	}
	listener_close(&(*health)->listener);
	for (size_t i = 0; i < (*health)->part_count; i++) {
		free((*health)->parts[i].name);
		free((*health)->parts[i].reason);
	}
	free((*health)->parts);
	free(*health);
	*health = NULL;
}

int health_port(const struct health *health)
{
	return listener_port(health->listener);
}

static struct part *find_part(struct health *health, const char *name)
{
	for (size_t i = 0; i < health->part_count; i++) {
		if (strcmp(health->parts[i].name, name) == 0)
			return &health->parts[i];
	}
	return NULL;
}

static struct part *add_part(struct health *health, const char *name)
{
	health->parts = memory_grow(health->parts, health->part_count + 1, sizeof(*health->parts));
	struct part *part = &health->parts[health->part_count++];
	*part = (struct part){.name = memory_copy_string(name)};
	return part;
}

bool health_report(struct health *health, const char *name, bool ready, const char *reason)
{
	const char *now = ready ? NULL : reason ? reason : "not ready";
	struct part *part = find_part(health, name);
	if (part && (now && part->reason ? strcmp(part->reason, now) == 0 : now == part->reason))
		return false;
	if (!part)
		part = add_part(health, name);
	free(part->reason);
	part->reason = memory_copy_string(now);
	return true;
}

bool health_is_ready(const struct health *health)
{
	for (size_t i = 0; i < health->part_count; i++) {
		if (health->parts[i].reason)
			return false;
	}
	return health->part_count > 0;
}
