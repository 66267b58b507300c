#include "worker/providers/service_account.h"

#include <stdlib.h>
#include <string.h>

#include "shared/jwt.h"
#include "shared/memory.h"
#include "worker/providers/access_token.h"
#include "worker/providers/http_account.h"
#include "worker/providers/words.h"

#define ASSERTION_MAX      8192
#define ASSERTION_SECONDS  3600 /* Google takes no longer ones */
#define LIFETIME_DEFAULT_S 3600
#define LIFETIME_MAX_S     86400
#define TEXT_MAX           500

static const struct http_rule rules[] = {
	{"invalid_grant", 0, 0, OUTCOME_BAD_CREDENTIALS, "it does not accept the service account's signature"},
	{"invalid_client", 0, 0, OUTCOME_BAD_CREDENTIALS, "it does not know the service account"},
	{"unauthorized_client", 0, 0, OUTCOME_BAD_CREDENTIALS, "the service account may not do this"},
	{"invalid_scope", 0, 0, OUTCOME_BAD_CREDENTIALS, "the service account may not do this"},
	{NULL, 408, 408, OUTCOME_TRANSIENT, "it did not get the request in time"},
	{NULL, 429, 429, OUTCOME_THROTTLED, "we are too fast for it"},
	{NULL, 300, 499, OUTCOME_BAD_CREDENTIALS, "it gives no access token"},
};

void service_account_release(struct service_account *account)
{
	free(account->client_email);
	free(account->project_id);
	free(account->token_uri);
	free(account->private_key_id);
	private_key_free(&account->key);
	memset(account, 0, sizeof(*account));
}

/* A text without control characters; left alone when it is not there. */
static bool take_text(const json_t *json, const char *name, bool required, char **value, struct error *err)
{
	const json_t *member = json_object_get(json, name);
	const char *text = json_string_value(member);

	if (member == NULL && !required)
		return true;
	if (text == NULL || *text == '\0' || json_string_length(member) > TEXT_MAX)
		return error_set(err, ERROR_INVALID, "service_account: it has no %s.", name);
	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7F)
			return error_set(err, ERROR_INVALID, "service_account: its %s makes no sense.", name);
	*value = memory_copy_string(text);
	return true;
}

static bool take_key(struct service_account *account, const json_t *json, struct error *err)
{
	const json_t *member = json_object_get(json, "private_key");

	if (!json_is_string(member))
		return error_set(err, ERROR_INVALID, "service_account: it has no private_key.");
	account->key = private_key_from_pem(json_string_value(member), json_string_length(member), err);
	if (account->key == NULL)
		return error_wrap(err, "service_account: private_key");
	if (private_key_kind(account->key) != PRIVATE_KEY_RSA)
		return error_set(err, ERROR_INVALID, "service_account: its private_key is no RSA key.");
	return true;
}

bool service_account_parse(struct service_account *account, const char *json, struct error *err)
{
	json_t *parsed = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	bool usable = json_is_object(parsed)
			      ? take_text(parsed, "client_email", true, &account->client_email, err) &&
					take_text(parsed, "token_uri", true, &account->token_uri, err) &&
					take_text(parsed, "project_id", false, &account->project_id, err) &&
					take_text(parsed, "private_key_id", false, &account->private_key_id, err) &&
					take_key(account, parsed, err)
			      : error_set(err, ERROR_INVALID,
					  "service_account: it is not the JSON file of a service account.");

	json_decref(parsed);
	if (!usable)
		service_account_release(account);
	return usable;
}

static void add_claims(const struct service_account *account, const char *scope, int64_t now_ms, struct text *out)
{
	text_add(out, "{\"iss\":");
	text_add_json_string(out, account->client_email, strlen(account->client_email));
	text_add(out, ",\"scope\":");
	text_add_json_string(out, scope, strlen(scope));
	text_add(out, ",\"aud\":");
	text_add_json_string(out, account->token_uri, strlen(account->token_uri));
	text_addf(out, ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}", now_ms / 1000, now_ms / 1000 + ASSERTION_SECONDS);
}

bool service_account_request(const struct service_account *account, const char *scope, int64_t now_ms,
			     struct provider_request *request, struct error *err)
{
	struct text claims;

	provider_request_clear(request);
	request->protocol = PROVIDER_HTTP;
	text_add(&request->url, account->token_uri);
	text_add(&request->body, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
	text_init(&claims, ASSERTION_MAX);
	add_claims(account, scope, now_ms, &claims);
	jwt_sign(account->key, account->private_key_id, text_string(&claims), &request->body);
	text_release(&claims);
	return provider_request_header(request, "Content-Type", "application/x-www-form-urlencoded", 33, err) &&
	       http_request_fits(request, err);
}

static int64_t lifetime_s(const json_t *json)
{
	const json_t *member = json_object_get(json, "expires_in");
	int64_t seconds = json_is_integer(member) ? json_integer_value(member) : LIFETIME_DEFAULT_S;

	return seconds < 1 ? 1 : seconds > LIFETIME_MAX_S ? LIFETIME_MAX_S : seconds;
}

/* The error's description is not kept: it may repeat the assertion. */
static void explain(const struct provider_answer *answer, const json_t *json, struct outcome *outcome)
{
	const struct http_finding finding = {.vendor = "The token server",
					     .rules = rules,
					     .rule_count = ARRAY_LENGTH(rules),
					     .name = json_string_value(json_object_get(json, "error"))};

	http_outcome(answer, &finding, outcome);
	if (outcome->class == OUTCOME_ACCEPTED)
		outcome_set(outcome, OUTCOME_TRANSIENT, "no_token", "The token server answered %d without a token.",
			    answer->status);
}

bool service_account_answer(const struct provider_answer *answer, struct service_account_token *token,
			    struct outcome *outcome)
{
	json_t *json;
	const json_t *member;

	if (words_without_answer(answer, outcome))
		return false;
	json = http_answer_json(answer);
	member = json_object_get(json, "access_token");
	token->bytes = (struct slice){json_string_value(member), json_string_length(member)};
	if (answer->status / 100 == 2 && json_is_string(member) && access_token_is_usable(token->bytes)) {
		token->json = json;
		token->lifetime_ms = lifetime_s(json) * 1000;
		return true;
	}
	explain(answer, json, outcome);
	json_decref(json);
	return false;
}
