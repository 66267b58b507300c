/* http_chunks - takes the chunked transfer coding (RFC 9112 §7.1) off a body, as it comes in. Pure, in place.
 *
 * The bytes of the body are moved together at the front of the buffer; what is coded stands behind them and shrinks:
 *
 *     [decoded ........ | coded, not yet looked at ...]
 *
 * Strict: sizes of 1 to 8 hexadecimal digits, CRLF only, no extensions and no trailers, which no provider sends and which
 * proxies have read in different ways.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_HTTP_CHUNKS_H
#define POSTRIDER_WORKER_CALLBACKS_HTTP_CHUNKS_H

#include "shared/base.h"

enum http_chunks_state { HTTP_CHUNKS_MORE, HTTP_CHUNKS_DONE, HTTP_CHUNKS_BROKEN };

/* Zeroed at the start of a body. */
struct http_chunks {
	size_t decoded;    /* bytes of the body at the front */
	size_t chunk_left; /* of the chunk that is being read */
	bool in_chunk;     /* its size is known; its CRLF has not come */
};

/* length: of all bytes in the buffer, set to decoded plus what was not consumed. Call again with more bytes behind.
 * DONE: the body is bytes[0..decoded); what is left behind it belongs to the next request. */
enum http_chunks_state http_chunks_decode(struct http_chunks *chunks, char *bytes, size_t *length) MUST_CHECK;

#endif
