/* http_server - the bounded HTTP/1.1 server that faces the internet. TLS and HTTP/2 end in a proxy in front of it.
 *
 *     server = http_server_open(base, &settings, on_refused, context, &err);
 *     http_server_route(server, HTTP_POST | HTTP_HEAD, "/callbacks/", on_callback, receiver);
 *
 *     static void on_callback(void *context, struct http_exchange *exchange, const struct http_request *request)
 *     {
 *             ...                                    now, or any time later, exactly once:
 *             http_exchange_answer(exchange, &(struct http_answer){.status = 200});
 *     }
 *
 * The request stays valid until it is answered. A client that went away in the meantime makes no difference to the
 * handler. Connections are kept and may be pipelined; one request of each is in hand at a time.
 *
 * Everything is bounded: connections (the longest idle one makes room for a newcomer), head, header lines, body, the bytes of
 * all requests together, and the time for a whole request, however slowly it trickles. What breaks a rule is answered with
 * a 4xx or 5xx and counted through refused(); no handler hears of it. http_head.h has the rules.
 *
 * evhttp of libevent 2.1 is not used: it has no limit on connections and on the time of a whole request, and it
 * joins or drops duplicate headers that must be refused.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_HTTP_SERVER_H
#define POSTRIDER_WORKER_CALLBACKS_HTTP_SERVER_H

#include "shared/error.h"
#include "worker/callbacks/http_head.h"

struct event_base;
struct http_server;
struct http_exchange; /* a request that waits for its answer */

struct http_server_settings {
	const char *address; /* as in shared/listener.h */
	size_t connections_max;
	size_t head_bytes_max, header_lines_max, body_bytes_max;
	size_t in_hand_bytes_max; /* of all requests together; beyond it new bodies are answered 503 */
	int64_t request_ms;       /* from the first byte of a request to its last; also for taking an answer */
	int64_t idle_ms;          /* how long a connection is kept between requests */
};

/* Borrowed until the exchange is answered. */
struct http_request {
	enum http_method method;
	struct slice path;    /* as received, percent-encoded */
	struct slice query;   /* behind "?", as received; empty when there is none */
	struct slice headers; /* "Name: value\r\n" lines; provider_header() finds one */
	struct slice body;    /* without its transfer coding */
	const char *peer;     /* the client's address, or the proxy's: "192.0.2.7" */
};

/* Borrowed for the call. */
struct http_answer {
	int status;
	const char *type;    /* NULL: text/plain; charset=utf-8 */
	struct slice body;   /* empty with a status of 4xx or 5xx: the status in words */
	const char *headers; /* NULL, or more "Name: value\r\n" lines; the caller vouches for them */
};

typedef void http_handler(void *context, struct http_exchange *exchange, const struct http_request *request);
typedef void http_refused(void *context, enum http_refusal refusal);

/* refused may be NULL. NULL with err when nothing can listen there. */
struct http_server *http_server_open(struct event_base *base, const struct http_server_settings *settings,
				     http_refused *refused, void *context, struct error *err) MUST_CHECK;
/* Ends all connections at once, also those with an unanswered exchange: none may be answered afterwards. */
void http_server_close(struct http_server **server);
int http_server_port(const struct http_server *server);

/* methods: HTTP_GET | HTTP_POST ...; other methods are answered 405. prefix is borrowed for good: with a "/" at its end it takes
 * all paths below, otherwise this path only. Of several that fit the longest counts. */
void http_server_route(struct http_server *server, unsigned methods, const char *prefix, http_handler *handler,
		       void *context);

/* Takes no new connections and requests; what is in hand is still answered, then its connection ends. */
void http_server_drain(struct http_server *server);
/* Connections with a request in hand or an answer on its way: 0 after a drain when all is done. */
size_t http_server_busy(const struct http_server *server);

void http_exchange_answer(struct http_exchange *exchange, const struct http_answer *answer);

#endif
