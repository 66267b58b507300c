/* http_head - reads the head of an HTTP/1.1 request: the request line and the header lines. Pure.
 *
 * Stricter than RFC 9112 allows a server to be, because a proxy in front must never read a request differently from us:
 * CRLF only, no folded lines, no blank before a colon, no control characters, one Host, one Content-Length of digits
 * only, never beside a Transfer-Encoding, and of those only "chunked". The target is a path: no absolute URL, no "*".
 *
 * Slices in the head point into the bytes that were given.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_HTTP_HEAD_H
#define POSTRIDER_WORKER_CALLBACKS_HTTP_HEAD_H

#include "worker/providers/provider.h"

/* Bits, so that a route can name several. */
enum http_method {
	HTTP_OTHER = 0, /* a method that no route takes */
	HTTP_GET = 1,
	HTTP_HEAD = 2,
	HTTP_POST = 4,
};

/* Why a request is not handed to anybody. The names in http_refusal_names are the labels of the metric. */
enum http_refusal {
	HTTP_FINE,
	HTTP_MALFORMED,       /* 400: it breaks a rule of HTTP or one of ours above */
	HTTP_HEAD_TOO_LARGE,  /* 431: head or number of header lines */
	HTTP_NO_LENGTH,       /* 411: a POST that does not say how long its body is */
	HTTP_TOO_LARGE,       /* 413: body */
	HTTP_UNSUPPORTED,     /* 501: a transfer coding; 505: a version; see http_head_read() */
	HTTP_TOO_SLOW,        /* 408: not whole in time */
	HTTP_NO_ROUTE,        /* 404 */
	HTTP_METHOD_UNWANTED, /* 405 */
	HTTP_NO_ROOM,         /* 503: more bytes in hand than may be */
	HTTP_REFUSALS,
};

struct http_head {
	enum http_method method;
	struct slice method_name;
	struct slice path;    /* as received, still percent-encoded; begins with "/" */
	struct slice query;   /* behind "?"; empty when there is none */
	struct slice headers; /* "Name: value\r\n" lines; provider_header() finds one */
	bool is_chunked;
	bool has_length;
	int64_t length_bytes; /* of the body, when has_length */
	bool stays;           /* the connection may be used again: HTTP/1.1 without "Connection: close" */
	bool expects_word;    /* "Expect: 100-continue": the client waits for our word before it sends the body */
};

extern const char *const http_refusal_names[HTTP_REFUSALS + 1]; /* ends with NULL */

/* How many bytes the head has, its empty line included; 0: the end is not there yet. from: the first bytes that need
 * not be looked at again. */
size_t http_head_length(const char *bytes, size_t length, size_t from);

/* bytes: the whole head with its empty line. HTTP_FINE, or why it is refused and the status that says so; the head
 * is then not to be used. header_lines_max bounds the lines behind the request line. */
enum http_refusal http_head_read(struct http_head *head, const char *bytes, size_t length, size_t header_lines_max,
				 int *status) MUST_CHECK;

#endif
