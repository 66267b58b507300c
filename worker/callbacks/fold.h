/* fold - sees to it that kept callbacks are folded into the deliveries, and read again when somebody asked for it.
 *
 * delivery.fold_callbacks() does the folding; this calls it when something was kept, and twice a second for what waits:
 * what another receiver left behind, what came before the result of its sending. Several receivers share the work.
 *
 * A callback that the database cannot fold is set aside with the problem, so that it holds up no other. What delivery.refold()
 * marked is parsed again here with the drivers of this program.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_FOLD_H
#define POSTRIDER_WORKER_CALLBACKS_FOLD_H

#include "shared/metrics.h"
#include "shared/pg_session.h"
#include "worker/callbacks/accounts.h"

struct event_base;
struct fold;

/* public_url as in callback.h; borrowed for good, like the other parts. */
struct fold *fold_open(struct event_base *base, struct pg_session *database, const struct accounts *accounts,
		       const char *public_url, size_t batch_max, struct metrics *metrics);
void fold_close(struct fold **fold);
/* There is something new. */
void fold_wake(struct fold *fold);

#endif
