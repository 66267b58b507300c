/* message_links - the signed addresses of one message: {{ unsubscribe_url }} and {{ preferences_url }} for its templates, and
 * tracking for what came out of them, as its step says. Deterministic: a retry says the same as its first attempt.
 */
#ifndef POSTRIDER_WORKER_MESSAGE_LINKS_H
#define POSTRIDER_WORKER_MESSAGE_LINKS_H

#include "worker/delivery.h"
#include "worker/links/links.h"

struct message_links {
	struct links *links; /* NULL: messages have none */
	struct text unsubscribe_url, preferences_url;
	struct text untracked; /* scratch */
};

/* Borrows the links, which may be NULL. */
void message_links_init(struct message_links *message_links, struct links *links);
void message_links_release(struct message_links *message_links);

/* Before it is rendered. The addresses are valid until the next delivery's turn. */
void message_links_prepare(struct message_links *message_links, struct delivery *delivery);

/* After it is rendered. A message that would become too large stays as it is. */
void message_links_track(struct message_links *message_links, struct delivery *delivery, enum channel channel);

#endif
