/* transfer_http - an HTTP request on one of the pool's handles, which are reused. Private to transfer*.c. */
#ifndef POSTRIDER_WORKER_TRANSFER_HTTP_H
#define POSTRIDER_WORKER_TRANSFER_HTTP_H

#include <curl/curl.h>

#include "worker/transfer_call.h"

struct exchange;

void exchange_start(struct transfer_pool *pool, const struct call *call);
/* libcurl has done its part. Puts the exchange at the end of a list and returns the list's new end. */
struct exchange **exchange_ended(struct exchange *exchange, CURLcode result, struct exchange **end) MUST_CHECK;
/* Gives the answers of such a list. */
void exchanges_finish(struct exchange *first);
void exchanges_close(struct transfer_pool *pool);

#endif
