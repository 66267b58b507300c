/* service_account - how a program of ours shows Google who it is: OAuth 2.0 by a signed assertion (RFC 7523).
 *
 * The JSON is the file that Google's console hands out for a service account. Its token_uri is where tokens are fetched
 * and also the assertion's audience (https://developers.google.com/identity/protocols/oauth2/service-account).
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_SERVICE_ACCOUNT_H
#define POSTRIDER_WORKER_PROVIDERS_SERVICE_ACCOUNT_H

#include "shared/private_key.h"
#include "worker/providers/provider.h"

struct service_account {
	char *client_email, *project_id, *token_uri;
	char *private_key_id; /* NULL: none */
	struct private_key *key;
};

/* False and ERROR_INVALID with a sentence that quotes nothing of it. project_id may be NULL afterwards. */
bool service_account_parse(struct service_account *account, const char *json, struct error *err) MUST_CHECK;
void service_account_release(struct service_account *account); /* also for a zeroed struct */

/* The request for an access token of that scope. */
bool service_account_request(const struct service_account *account, const char *scope, int64_t now_ms,
			     struct provider_request *request, struct error *err) MUST_CHECK;

struct service_account_token {
	json_t *json;       /* holds the bytes; json_decref() it */
	struct slice bytes; /* the access token */
	int64_t lifetime_ms;
};
/* True: a token is in the answer. False: the outcome says why not. */
bool service_account_answer(const struct provider_answer *answer, struct service_account_token *token,
			    struct outcome *outcome) MUST_CHECK;

#endif
