/* inbox - keeps callbacks in the database, many in one transaction, and answers each only after its COMMIT.
 *
 * Callbacks gather while a transaction is on its way, at least for linger_ms. A callback that is there already is answered like a new one.
 * While the database is away, or when it went away in the middle, they are answered 503 and the provider repeats them: none is ever
 * answered 200 that could be lost. A batch that the database refuses is asked again one by one, so that one bad
 * callback holds up no other.
 *
 * An exchange stays open until it is answered here; its request is borrowed until then. Memory is bounded by the server's.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_INBOX_H
#define POSTRIDER_WORKER_CALLBACKS_INBOX_H

#include "shared/metrics.h"
#include "shared/pg_session.h"
#include "worker/callbacks/accounts.h"
#include "worker/callbacks/http_server.h"

struct event_base;
struct inbox;

struct inbox_settings {
	size_t batch_max;
	int64_t linger_ms;
};

/* New callbacks have been committed. */
typedef void inbox_kept(void *context);

struct inbox *inbox_open(struct event_base *base, struct pg_session *database, const struct inbox_settings *settings,
			 struct metrics *metrics, inbox_kept *kept, void *context);
/* What is in hand is dropped without an answer. */
void inbox_close(struct inbox **inbox);

/* Takes the exchange over. The callback has been verified; it is parsed here. */
void inbox_add(struct inbox *inbox, struct http_exchange *exchange, const struct http_request *request,
	       const struct callback_account *account, const struct provider_callback *callback);
/* Told when the session is lost: what has not been asked is answered 503. */
void inbox_database_away(struct inbox *inbox);

#endif
