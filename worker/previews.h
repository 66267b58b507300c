/* previews - makes what people want to see before it is sent, with the code that sends.
 *
 * A row in marketing.preview names a template and a contact. previews_poll(), called a few times a second, takes a few
 * that are not made, renders them and fills them in. Several workers may make the same: the first one counts.
 *
 * Borrows the session; close it first.
 */
#ifndef POSTRIDER_WORKER_PREVIEWS_H
#define POSTRIDER_WORKER_PREVIEWS_H

#include "shared/pg_session.h"

struct previews;

struct previews *previews_open(struct pg_session *database) MUST_CHECK;
void previews_close(struct previews **previews);

void previews_poll(struct previews *previews);

#endif
