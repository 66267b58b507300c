/* callbacks - what becomes of the messages that were accepted, and telling the receiver so, signed as the vendor signs.
 *
 * POST /_sandbox/callbacks orders it for one account, see README.md. The fate of a message is drawn from the seed and its
 * delivery id alone, so a run can be repeated whatever order the messages come in. Events wait in timers; those of
 * vendors that batch gather first. A receiver that does not answer 2xx is asked again as the vendor would.
 *
 * An early event is told before the sender has its answer: callbacks_plan() holds the exchange's connection and releases
 * it when the receiver has answered; whoever closes a connection calls callbacks_forget().
 */
#ifndef POSTRIDER_TESTS_SANDBOX_CALLBACKS_H
#define POSTRIDER_TESTS_SANDBOX_CALLBACKS_H

#include <event2/event.h>
#include <jansson.h>

#include "shared/error.h"

struct callbacks;
struct connection;
struct exchange;

/* path: gets a JSON line for each request to a receiver; NULL: none. */
struct callbacks *callbacks_open(struct event_base *base, const char *path, struct error *err) MUST_CHECK;
void callbacks_close(struct callbacks **callbacks);

/* Replaces an earlier order of the same account. */
bool callbacks_order(struct callbacks *callbacks, const json_t *order, struct error *err) MUST_CHECK;
/* A recipient writes back: {"account", "from", "to", "text"}. */
bool callbacks_reply(struct callbacks *callbacks, const json_t *order, struct error *err) MUST_CHECK;
/* Forgets all orders and what waits. */
void callbacks_clear(struct callbacks *callbacks);
json_t *callbacks_describe(const struct callbacks *callbacks) MUST_CHECK;

/* Draws the fate of an accepted message. True: the answer is held until the first event was told. */
bool callbacks_plan(struct callbacks *callbacks, struct exchange *exchange);
void callbacks_forget(struct callbacks *callbacks, struct connection *connection);

#endif
