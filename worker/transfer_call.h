/* transfer_call - one call, whatever the protocol: what the caller gave, the fence, the words for what went wrong, the
 * answer. Private to transfer*.c.
 */
#ifndef POSTRIDER_WORKER_TRANSFER_CALL_H
#define POSTRIDER_WORKER_TRANSFER_CALL_H

#include <curl/curl.h>

#include "worker/transfer.h"

/* What transfer_start() was given. */
struct call {
	const struct provider_request *request;
	transfer_fence *fence;
	transfer_done *done;
	void *context;
	int64_t started_us;
};

/* Options that every handle of the pool has. */
void call_set_options(CURL *easy, struct transfer_pool *pool);
bool call_may_go(const struct call *call);
/* Calls done(); whatever the call ran on must be ready for the next one. */
void call_deliver(struct transfer_pool *pool, const struct call *call, struct provider_answer *answer);

/* Drivers say "" or NULL where an account has none. */
bool call_is_given(const char *string);
const char *call_failure(CURLcode code);
struct slice call_slice(const struct text *text);
/* Gives an empty text's memory back when one large message has made it large. */
void call_trim(struct text *text);

#endif
