/* token - the access token of one account: fetched before it runs out, once for everybody who waits for it.
 *
 * Its driver knows where tokens come from (provider.h, provider_token_source): each worker fetches its own from the vendor
 * over the account's connections, or the fleet shares one that is signed here and agreed upon in the database. The account
 * asks token_ready() before it begins a delivery; false means that deliveries wait where they are, and changed() tells
 * when to go on. A token that is still good is replaced in the background.
 *
 * Times are of the wall clock, since the fleet's slots are. A clock that steps costs a refused request at worst, and that
 * replaces the token.
 *
 * What cannot be had is tried again with full jitter up to a minute, or when the vendor says. Refused credentials are not
 * tried again by themselves: the account's breaker does that. Nothing of a token is ever logged.
 */
#ifndef POSTRIDER_WORKER_TOKEN_H
#define POSTRIDER_WORKER_TOKEN_H

#include "shared/pg_session.h"
#include "worker/transfer.h"

struct token;

struct token_owner {
	struct event_base *base;
	struct pg_session *database;
	int32_t provider_account_id;
	const struct provider_driver *driver; /* with a token source */
	struct provider_account *provider;
	struct transfer_pool *pool;
	/* failure NULL: a token is there. Otherwise none can be had now, and why. Never from inside token_ready(). */
	void (*changed)(void *context, const struct outcome *failure);
	void *context;
};

/* Borrows everything; the strings of the owner are not copied. */
struct token *token_open(const struct token_owner *owner) MUST_CHECK;
/* Before its pool is closed or after, but not while token_is_asking(), unless the database session is gone. */
void token_close(struct token **token);

/* May a request be built now? Sets about getting a token where that is due. */
bool token_ready(struct token *token);
/* The last try failed and there is no token: nothing more need be claimed. */
bool token_is_failing(const struct token *token);
/* The database has a question of ours. */
bool token_is_asking(const struct token *token);

#endif
