/* amqp_lanes - the queues a publisher watches, and the declares that are under way.
 *
 * Declares are sent without waiting; their answers come in the order of asking, between confirms. A queue that the
 * broker refuses to declare because it exists with other arguments is from then on taken as it is. Used by
 * amqp_publisher.
 */
#ifndef POSTRIDER_SHARED_AMQP_LANES_H
#define POSTRIDER_SHARED_AMQP_LANES_H

#include "shared/error.h"

struct amqp_lanes;
struct amqp_session;

struct amqp_lanes *amqp_lanes_new(void) MUST_CHECK;
void amqp_lanes_free(struct amqp_lanes **lanes);

/* Takes ownership of queue. A lane that is there already gets the new name. */
void amqp_lanes_watch(struct amqp_lanes *lanes, int32_t lane_id, char *queue);
const char *amqp_lanes_queue(struct amqp_lanes *lanes, int32_t lane_id); /* NULL: not watched */

bool amqp_lanes_declare(struct amqp_lanes *lanes, struct amqp_session *session, int32_t lane_id,
			struct error *err) MUST_CHECK;
/* All of them; does nothing while answers are outstanding. */
bool amqp_lanes_declare_all(struct amqp_lanes *lanes, struct amqp_session *session, struct error *err) MUST_CHECK;
size_t amqp_lanes_outstanding(const struct amqp_lanes *lanes); /* asked and not answered */
/* A declare-ok has come: which lane's? 0: nobody asked. */
int32_t amqp_lanes_answered(struct amqp_lanes *lanes);
/* The connection ended, with this AMQP code when the broker closed it. */
void amqp_lanes_lost(struct amqp_lanes *lanes, int close_code);

#endif
