/* callback - the route POST /callbacks/<account name>: whose it is, whether it is genuine, and into the inbox with it.
 *
 * Verified over the raw bytes and the configured public URL, never the Host header. What is refused is answered with a 4xx,
 * counted by reason, and nothing of it is kept:
 *
 *     404  no such account, or its provider never calls back
 *     403  the signature is missing, wrong or too old
 *     405  not POST; HEAD is answered 200 where the vendor probes so before it has a key
 *     503  our fault, come again: account settings that do not work, or no database
 *
 * A genuine callback that makes no sense to the driver is kept with the problem and answered 200: a later version may
 * understand it (delivery.refold).
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_CALLBACK_H
#define POSTRIDER_WORKER_CALLBACKS_CALLBACK_H

#include "shared/metrics.h"
#include "worker/callbacks/accounts.h"
#include "worker/callbacks/http_server.h"
#include "worker/callbacks/inbox.h"

#define CALLBACK_PREFIX  "/callbacks/"
#define CALLBACK_URL_MAX ((size_t)512 * 1024)

struct callback_route {
	const char *public_url; /* without "/" at its end */
	const struct accounts *accounts;
	struct pg_session *database; /* the inbox's */
	struct inbox *inbox;
	struct metrics *metrics;
	struct text url; /* initialised by the owner with CALLBACK_URL_MAX */
};

/* An http_handler; context is a struct callback_route. */
void callback_take(void *context, struct http_exchange *exchange, const struct http_request *request);

/* The address as the provider was given it. target: path and query as received. */
void callback_address(struct text *url, const char *public_url, struct slice target);
/* The part behind "?"; "" when there is none. Points into url. */
const char *callback_query(const char *url);

#endif
