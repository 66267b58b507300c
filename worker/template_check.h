/* template_check - looks at the texts that people have saved and writes down what is wrong with them.
 *
 * A new template version, a new partial, or a template whose partial has changed waits in the database. template_check_poll(),
 * called a few times a second, takes a few, checks them (message_check) and writes the findings beside them; campaigns
 * wait for that. Several workers may check the same: they find the same.
 *
 * Borrows the session; close it first.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_CHECK_H
#define POSTRIDER_WORKER_TEMPLATE_CHECK_H

#include "shared/pg_session.h"

struct template_check;

struct template_check *template_check_open(struct pg_session *database) MUST_CHECK;
void template_check_close(struct template_check **check);

void template_check_poll(struct template_check *check);

#endif
