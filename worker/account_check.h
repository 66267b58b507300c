/* account_check - tells in an account's row what is wrong with its settings, soon after they were saved.
 *
 * The database cannot know what a driver wants, so that a worker looks: at each tick it asks for accounts that nobody has
 * checked, lets the driver read their settings, and writes down the first mistake or that there is none
 * (delivery.provider_account.problem). An account need not be in use for that. Only channels that this worker serves are
 * looked at: another may have other secrets.
 */
#ifndef POSTRIDER_WORKER_ACCOUNT_CHECK_H
#define POSTRIDER_WORKER_ACCOUNT_CHECK_H

#include "shared/pg_session.h"

struct account_check;

/* Borrows both. channels as in POSTRIDER_CHANNELS. */
struct account_check *account_check_open(struct pg_session *database, const char *channels) MUST_CHECK;
void account_check_close(struct account_check **check); /* after the session was closed */

/* At each tick; does nothing while it waits for an answer. */
void account_check_look(struct account_check *check);

#endif
