/* undispatch - puts back what the broker did not take: gathered over one event, sent in one statement.
 *
 * Nothing waits for it. While the database is away it is dropped and the sweeper repairs it; the epoch decides there,
 * so a delivery that has moved on stays as it is.
 */
#ifndef POSTRIDER_SCHEDULER_UNDISPATCH_H
#define POSTRIDER_SCHEDULER_UNDISPATCH_H

#include "scheduler/database.h"

struct undispatch;

/* Borrows both. Close the database first. */
struct undispatch *undispatch_new(struct database *database, struct metrics *metrics) MUST_CHECK;
void undispatch_free(struct undispatch **undispatch);

void undispatch_add(struct undispatch *undispatch, int64_t delivery_id, int32_t epoch);
/* Sends what was added, if anything; reason is for the log. */
void undispatch_send(struct undispatch *undispatch, const char *reason);
bool undispatch_is_idle(const struct undispatch *undispatch);

#endif
