/* recheck - asks again whether claimed deliveries may be sent, for those that had to wait since their claim.
 *
 * A claim's permission is good for a second; a rate limit or a full account can make a delivery wait longer. All that
 * wait are asked about in one statement. While the database is away nothing comes back, and nothing is sent.
 */
#ifndef POSTRIDER_WORKER_RECHECK_H
#define POSTRIDER_WORKER_RECHECK_H

#include "shared/pg_session.h"
#include "worker/delivery.h"
#include "worker/verdict.h"

struct event_base;
struct recheck;

/* refusal NULL: it may, for another second. */
typedef void recheck_done(void *context, struct delivery *delivery, const struct verdict *refusal);

struct recheck *recheck_open(struct event_base *base, struct pg_session *database, recheck_done *done,
			     void *context) MUST_CHECK;
void recheck_close(struct recheck **recheck);

void recheck_add(struct recheck *recheck, struct delivery *delivery);

#endif
