/* receiver - joins the parts of postrider-receiver: two database sessions, the accounts, the public server and its routes,
 * the inbox, the fold.
 *
 * One session keeps callbacks and does nothing else; the other folds them and asks for accounts, so that a slow fold
 * holds up no answer.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_RECEIVER_H
#define POSTRIDER_WORKER_CALLBACKS_RECEIVER_H

#include "shared/error.h"
#include "worker/callbacks/settings.h"

struct event_base;
struct receiver;

/* settings are borrowed for good. NULL with err when it cannot listen or the public URL is none. */
struct receiver *receiver_open(struct event_base *base, const struct receiver_settings *settings, struct error *err);
void receiver_close(struct receiver **receiver);
/* Takes nothing new, answers what it has, then leaves the loop; at the latest after drain_ms. A second time: at once. */
void receiver_drain(struct receiver *receiver);
int receiver_health_port(const struct receiver *receiver);
int receiver_port(const struct receiver *receiver);

#endif
