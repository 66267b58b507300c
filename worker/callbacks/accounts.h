/* accounts - the provider accounts whose callbacks this receiver can verify, as the database has them now.
 *
 * They are asked for twice a second. An account is configured anew when its driver or settings change, so a new secret holds within
 * a second. What cannot be configured stays in the list with its problem: its callbacks are answered 503, so
 * that the provider repeats them once a person has mended it. Without the database the last known ones stay.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_ACCOUNTS_H
#define POSTRIDER_WORKER_CALLBACKS_ACCOUNTS_H

#include "shared/metrics.h"
#include "shared/pg_session.h"
#include "worker/providers/provider.h"

struct event_base;
struct health;
struct accounts;

/* Borrowed until control returns to the loop. */
struct callback_account {
	int32_t provider_account_id;
	const struct provider_driver *driver; /* NULL: unknown to this receiver; or without callbacks */
	struct provider_account *provider;    /* NULL: see problem */
	const char *problem;                  /* NULL, or why it cannot be used */
};

/* health: told that the part "accounts" is ready when they have been read once. */
struct accounts *accounts_open(struct event_base *base, struct pg_session *database, struct metrics *metrics,
			       struct health *health);
void accounts_close(struct accounts **accounts);

/* False until they have been read once. */
bool accounts_are_known(const struct accounts *accounts);
/* NULL: there is none, or its provider never calls back. */
const struct callback_account *accounts_find(const struct accounts *accounts, struct slice name);
const struct callback_account *accounts_get(const struct accounts *accounts, int32_t provider_account_id);

#endif
