/* http_connection - one client of http_server: its bytes, its time, its request in hand. Private to http_server.c.
 *
 *     idle -> head -> body -> handed -> writing -> idle ...
 *                                           `----> leaving -> (closed)
 *
 * A connection frees itself. leaving: the last answer is out; it reads on until the client hangs up or a moment
 * has passed, lest a reset overtakes the answer.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_HTTP_CONNECTION_H
#define POSTRIDER_WORKER_CALLBACKS_HTTP_CONNECTION_H

#include "worker/callbacks/http_chunks.h"
#include "worker/callbacks/http_server.h"

struct event;
struct listener;
struct sockaddr;

enum http_state { HTTP_IDLE, HTTP_READING_HEAD, HTTP_READING_BODY, HTTP_HANDED, HTTP_WRITING, HTTP_LEAVING };

struct http_exchange {
	struct http_server *server;
	struct http_exchange *prev, *next; /* of the server's idle or busy ones */
	int descriptor;
	enum http_state state;
	bool advancing;       /* the loop in http_connection.c is at work on it */
	bool is_doomed;       /* to be freed when that loop ends */
	bool reading_is_off;  /* nothing is read while a request is in hand */
	bool has_been_served; /* at least once */
	int64_t idle_since_ms;
	bool closes; /* after the answer that is being written */
	char *input;
	size_t input_length, input_capacity;
	size_t head_length; /* 0: the head is not whole */
	size_t scanned;     /* bytes in which the end of the head was looked for */
	size_t body_length; /* as far as it is known */
	struct http_head head;
	const char *head_at; /* where the input lay when the head was read */
	struct http_chunks chunks;
	struct http_request request;
	const struct http_route *route;
	struct text output;
	size_t written;
	struct event *reading, *writing, *deadline;
	char peer[46];
};

struct http_route {
	const char *prefix;
	unsigned methods;
	http_handler *handler;
	void *context;
};

struct http_server {
	struct event_base *base;
	struct http_server_settings settings;
	struct listener *listener;
	http_refused *refused;
	void *context;
	struct http_route *routes;
	size_t route_count;
	struct http_exchange *idle, *busy; /* the longest idle first */
	size_t connection_count, busy_count;
	size_t in_hand_bytes;
	struct event *look; /* again whether one of the idle ones may be let go */
	bool drains;
};

void http_connection_open(struct http_server *server, int descriptor, const struct sockaddr *peer);
void http_connection_close(struct http_exchange *connection);

/* From http_server.c. NULL: no route has this path. */
const struct http_route *http_server_find(const struct http_server *server, struct slice path);
/* From http_server.c. The number of connections or of idle ones has changed. */
void http_server_balance(struct http_server *server);

#endif
