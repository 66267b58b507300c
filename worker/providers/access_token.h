/* access_token - the access token that an account holds, and what an answer that refuses it means (provider.h, rule 13).
 *
 * Kept ready as the value of the Authorization header. Requests name it by number, so that an answer that was on its way
 * while the token was replaced does not touch the new one.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_ACCESS_TOKEN_H
#define POSTRIDER_WORKER_PROVIDERS_ACCESS_TOKEN_H

#include "worker/providers/provider.h"

#define ACCESS_TOKEN_MAX 4000 /* bytes; Google promises at most 2048 */

struct access_token {
	struct provider_token held; /* number 0: none */
	int64_t last_number;        /* ever given */
	bool was_good;              /* the provider has taken the one that is held */
	struct text authorization;  /* "Bearer ..." */
};

void access_token_init(struct access_token *token);
void access_token_release(struct access_token *token); /* wipes it */

/* Printable ASCII without blanks, of a size that fits. */
bool access_token_is_usable(struct slice bytes);
/* scheme: "Bearer". Replaces what was held. */
void access_token_hold(struct access_token *token, const char *scheme, struct slice bytes, int64_t obtained_at_ms,
		       int64_t expires_at_ms);
/* The Authorization header; ERROR_INVALID while none is held. */
bool access_token_add(const struct access_token *token, struct provider_request *request, struct error *err) MUST_CHECK;

/* An answer that has nothing against its request's token. */
void access_token_good(struct access_token *token, const struct provider_answer *answer);
/* An answer that says that its request's token is not valid: gives it up, fills the outcome. code is the vendor's. */
void access_token_refused(struct access_token *token, const struct provider_answer *answer, const char *vendor,
			  const char *code, struct outcome *outcome);

#endif
