/* transfer - carries requests to providers, over libcurl's multi interface on the event loop.
 *
 * One pool per provider account: its own CURLM, its own connections, its own easy handles, reused. The caller keeps
 * to `concurrency`; nothing waits inside libcurl. The request's bytes are borrowed until done() runs, which
 * happens exactly once, on the loop, never from inside transfer_start().
 *
 * The fence: right before the first byte of a request is written, fence() is asked. False means that
 * nothing was sent: the answer is PROVIDER_NOT_WRITTEN, failure "fenced". libcurl silently repeats a
 * POST when a reused connection turns out dead; the fence is asked again then, and its second call for one transfer
 * always aborts: PROVIDER_WRITTEN, failure "repeat", because the first copy may have arrived.
 *
 * HTTP/2 (transport->http2) can share connections between requests (streams_max), and the fence holds there, too: libcurl also repeats a
 * request whose stream was refused or that a GOAWAY cut off. Such a stream was not processed (RFC 9113 §8.7), but libcurl
 * does not tell it from one that may have been; so it is "repeat" as well.
 *
 * For SMTP nothing is taken before the final dot: a failure before its last byte was handed to the connection is
 * PROVIDER_NOT_WRITTEN. libcurl resolves, connects, starts TLS and authenticates; the mail itself is spoken by
 * worker/providers/smtp_dialog.h, because libcurl would stop the whole loop until the relay has answered the dot.
 *
 * TLS is verified; redirects and proxies of the environment are not followed; only http, https, smtp, smtps. Where
 * plain_allowed is false, http:// and private or loopback addresses are PROVIDER_NOT_WRITTEN, "address_refused", before
 * any packet; a mail relay may be anywhere.
 *
 * failure is one of: fenced repeat address_refused resolve connect tls login timeout reset garbage address transport.
 * Only transfer*.c include libcurl; transfer_pool.h says which file does what.
 */
#ifndef POSTRIDER_WORKER_TRANSFER_H
#define POSTRIDER_WORKER_TRANSFER_H

#include "worker/providers/provider.h"

struct event_base;
struct transfer_pool;

/* May it be sent, now? Asked at the last moment. */
typedef bool transfer_fence(void *context);
/* The answer is borrowed for the call. duration_us: from start to end. */
typedef void transfer_done(void *context, const struct provider_answer *answer, int64_t duration_us);

struct transfer_pool *transfer_pool_open(struct event_base *base, const struct provider_transport *transport,
					 size_t connections_max) MUST_CHECK;
/* Aborts what is in flight without calling done(). Not from inside done(). */
void transfer_pool_close(struct transfer_pool **pool);

void transfer_start(struct transfer_pool *pool, const struct provider_request *request, transfer_fence *fence,
		    transfer_done *done, void *context);
size_t transfer_pool_in_flight(const struct transfer_pool *pool);

/* "libcurl/7.88.1 OpenSSL/3.0.17 ..." for --version and logs. */
const char *transfer_library(void);

#endif
