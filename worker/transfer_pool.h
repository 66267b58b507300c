/* transfer_pool - what the files behind transfer.h share: the pool itself. Private to transfer*.c.
 *
 * transfer.c         the pool, libcurl's timer, who is finished
 * transfer_watch.c   sockets on the event loop
 * transfer_address.c which addresses a request may not go to
 * transfer_call.c    a call from what the caller gave to the answer, whatever the protocol
 * transfer_http.c    one HTTP request on a handle that is reused
 * transfer_mail.c    one connection to a mail relay
 */
#ifndef POSTRIDER_WORKER_TRANSFER_POOL_H
#define POSTRIDER_WORKER_TRANSFER_POOL_H

#include <curl/curl.h>
#include <event2/event_struct.h>

#include "worker/transfer.h"

/* The first member of what CURLOPT_PRIVATE points to. */
enum handle_kind { HANDLE_HTTP, HANDLE_RELAY };

struct transfer_pool {
	struct event_base *base;
	CURLM *multi;
	struct provider_transport transport; /* strings copied */
	struct event timer;
	int64_t timer_due_us;   /* what libcurl wants; 0: nothing */
	int64_t timer_set_us;   /* what the event base was told; 0: nothing */
	struct watch **watches; /* by fd */
	size_t watch_count;
	struct exchange *free_exchanges, *all_exchanges;
	struct relay *idle_relays, *all_relays;
	size_t in_flight;
};

/* After every call of libcurl that may have finished something. */
void transfer_deliver_finished(struct transfer_pool *pool);

#endif
