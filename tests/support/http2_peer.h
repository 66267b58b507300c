/* http2_peer - a small HTTP/2 server on the test's own event loop, which does what it is told.
 *
 * With a certificate it speaks TLS and offers h2 by ALPN; without one it expects HTTP/2 from the first byte. It takes
 * each request in whole, counts it and then does what was ordered. Only on loopback.
 */
#ifndef POSTRIDER_TESTS_SUPPORT_HTTP2_PEER_H
#define POSTRIDER_TESTS_SUPPORT_HTTP2_PEER_H

#include "shared/text.h"

struct event_base;
struct http2_peer;

enum http2_order {
	HTTP2_ANSWER,         /* with the ordered status, headers and body */
	HTTP2_HANG,           /* no answer */
	HTTP2_RESET_STREAM,   /* RST_STREAM, INTERNAL_ERROR */
	HTTP2_REFUSE_STREAM,  /* RST_STREAM, REFUSED_STREAM: it was not processed */
	HTTP2_GOAWAY,         /* GOAWAY that counts this request as taken, and the end of the connection, no answer */
	HTTP2_GOAWAY_UNTAKEN, /* GOAWAY that does not count it, and the end of the connection */
	HTTP2_CLOSE,          /* the end of the connection, without a word */
};

/* certificate: a file of http2_certificate_write(), or NULL. streams_max: SETTINGS_MAX_CONCURRENT_STREAMS. */
struct http2_peer *http2_peer_open(struct event_base *base, const char *certificate, uint32_t streams_max) MUST_CHECK;
void http2_peer_close(struct http2_peer **peer);
int http2_peer_port(const struct http2_peer *peer);

/* For the requests that come from now on; `times` of them, 0: all. Those after get HTTP2_ANSWER, 200. */
void http2_peer_order(struct http2_peer *peer, enum http2_order order, int times);
/* What HTTP2_ANSWER says; header "name: value" in small letters, or NULL. */
void http2_peer_answer(struct http2_peer *peer, int status, const char *header, const char *body);

int http2_peer_requests(const struct http2_peer *peer);     /* that came in whole */
int http2_peer_connections(const struct http2_peer *peer);  /* ever made */
int http2_peer_most_streams(const struct http2_peer *peer); /* open at once on one connection, the most */
/* The newest request: "name: value\n" lines, an empty one, the body. */
const char *http2_peer_request(const struct http2_peer *peer);

/* A self-signed certificate for 127.0.0.1 and its key, PEM in one file. */
void http2_certificate_write(const char *path);

#endif
