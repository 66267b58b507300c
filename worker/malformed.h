/* malformed - a message from the broker that makes no sense is kept for people and then acknowledged.
 *
 * It goes to delivery.dead_letter with the reason and its first bytes; only after that COMMIT is it acknowledged, so
 * it is neither lost nor does it come again and again.
 */
#ifndef POSTRIDER_WORKER_MALFORMED_H
#define POSTRIDER_WORKER_MALFORMED_H

#include "shared/amqp_consumer.h"
#include "shared/pg_session.h"

/* why: a sentence, copied. Consumer and database are borrowed until it is noted. */
void malformed_note(struct pg_session *database, struct amqp_consumer *consumer, const struct amqp_job *job,
		    const char *why);

#endif
