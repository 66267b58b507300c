#include "worker/providers/http_account.h"

#include <stdlib.h>
#include <string.h>

#include "shared/digest.h"
#include "shared/memory.h"
#include "worker/providers/words.h"

#define URL_MAX        2000
#define CONNECT_MS     5000
#define CREDENTIAL_MAX 2000
#define WORDS_MAX      150
#define CODE_MAX       48 /* shorter than what words_clean() takes for a key */

void http_secret_free(char **secret)
{
	if (*secret != NULL)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void http_account_release(struct http_account *http)
{
	free(http->url);
	free(http->ca_file);
	http->url = http->ca_file = NULL;
}

/* The value is not quoted: a URL may hold a key. */
static bool check_url(const char *name, const char *url, bool plain_allowed, struct error *err)
{
	const char *host = strstr(url, "://");
	bool https = strncmp(url, "https://", 8) == 0, http = strncmp(url, "http://", 7) == 0;

	if (!https && !http)
		return error_set(err, ERROR_INVALID, "%s begins with https://.", name);
	if (http && !plain_allowed)
		return error_set(err, ERROR_INVALID,
				 "%s begins with http://: use https://, or set plain_http to true "
				 "for an endpoint in your own network.",
				 name);
	host += 3;
	if (strlen(url) > URL_MAX || strchr(url, '#') != NULL || strcspn(host, "/?") == 0)
		return error_set(err, ERROR_INVALID, "%s needs a host and at most %d bytes, without #.", name, URL_MAX);
	if (memchr(host, '@', strcspn(host, "/?")) != NULL)
		return error_set(err, ERROR_INVALID, "%s must not hold a user or password.", name);
	for (const char *at = url; *at != '\0'; at++)
		if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7F)
			return error_set(err, ERROR_INVALID, "%s holds a blank or a character that is not ASCII.",
					 name);
	return true;
}

/* Paths are put behind a base, so it has no query and no slash at its end. */
static bool prepare_base(char *url, struct error *err)
{
	size_t length = strlen(url);

	if (strchr(url, '?') != NULL)
		return error_set(err, ERROR_INVALID, "base_url has no ? and nothing behind it.");
	while (length > 0 && url[length - 1] == '/')
		url[--length] = '\0';
	return true;
}

bool http_account_configure(struct http_account *http, const json_t *settings,
			    const struct http_account_defaults *defaults, struct error *err)
{
	const json_t *plain = json_object_get(settings, "plain_http");
	struct provider_transport *transport = &http->transport;

	if (plain != NULL && !json_is_null(plain) && !json_is_boolean(plain))
		return error_set(err, ERROR_INVALID, "plain_http is true or false.");
	transport->plain_allowed = json_is_true(plain);
	if (!provider_setting_text(settings, defaults->url_setting, false, defaults->url, &http->url, err) ||
	    !check_url(defaults->url_setting, http->url, transport->plain_allowed, err) ||
	    !provider_setting_text(settings, "ca_file", false, "", &http->ca_file, err) ||
	    !provider_setting_number(settings, "timeout_ms", defaults->timeout_ms, 100, 60000, &transport->timeout_ms,
				     err))
		return false;
	if (strcmp(defaults->url_setting, "base_url") == 0 && !prepare_base(http->url, err))
		return false;
	transport->ca_file = http->ca_file[0] != '\0' ? http->ca_file : NULL;
	transport->connect_timeout_ms = transport->timeout_ms < CONNECT_MS ? transport->timeout_ms : CONNECT_MS;
	return true;
}

static bool add_authorization(struct provider_request *request, struct text *value, struct error *err)
{
	bool added = text_ok(value)
			     ? provider_request_header(request, "Authorization", text_string(value), value->length, err)
			     : error_set(err, ERROR_INVALID, "The account's credentials are too long.");

	if (value->bytes != NULL)
		explicit_bzero(value->bytes, value->length);
	text_release(value);
	return added;
}

bool http_add_bearer(struct provider_request *request, const char *token, struct error *err)
{
	struct text value;

	text_init(&value, CREDENTIAL_MAX);
	text_add(&value, "Bearer ");
	text_add(&value, token);
	return add_authorization(request, &value, err);
}

bool http_add_basic(struct provider_request *request, const char *user, const char *password, struct error *err)
{
	struct text pair, value;

	text_init(&pair, CREDENTIAL_MAX);
	text_init(&value, 2 * CREDENTIAL_MAX);
	text_add(&pair, user);
	text_add_char(&pair, ':');
	text_add(&pair, password);
	text_add(&value, "Basic ");
	digest_add_base64(&value, text_string(&pair), pair.length);
	if (pair.bytes != NULL)
		explicit_bzero(pair.bytes, pair.length);
	text_release(&pair);
	return add_authorization(request, &value, err);
}

bool http_request_fits(struct provider_request *request, struct error *err)
{
	if (text_ok(&request->url) && text_ok(&request->body))
		return true;
	provider_request_clear(request);
	return error_set(err, ERROR_INVALID, "The message is larger than %d bytes.", PROVIDER_BODY_MAX);
}

/* 502 and 504 are the words of a gateway whose own call failed: the provider behind it may have taken the message, so
 * they are as uncertain as a lost answer. */
static const struct http_rule class_rules[] = {
	{NULL, 200, 299, OUTCOME_ACCEPTED, "it has taken the message"},
	{NULL, 300, 399, OUTCOME_BAD_CREDENTIALS, "a redirect: put the new address into the account's settings"},
	{NULL, 401, 401, OUTCOME_BAD_CREDENTIALS, "it does not accept the account's credentials"},
	{NULL, 403, 403, OUTCOME_BAD_CREDENTIALS, "the account may not do this"},
	{NULL, 408, 408, OUTCOME_TRANSIENT, "it did not get the message in time"},
	{NULL, 413, 413, OUTCOME_BAD_PAYLOAD, "the message is too large for it"},
	{NULL, 429, 429, OUTCOME_THROTTLED, "we are too fast for it"},
	{NULL, 400, 499, OUTCOME_BAD_PAYLOAD, "it does not want this message"},
	{NULL, 502, 502, OUTCOME_UNCERTAIN, "a gateway lost its answer"},
	{NULL, 504, 504, OUTCOME_UNCERTAIN, "a gateway lost its answer"},
	{NULL, 500, 599, OUTCOME_TRANSIENT, "it failed for now"},
};

static bool rule_holds(const struct http_rule *rule, const char *name, int status)
{
	if (rule->name != NULL && (name == NULL || strcmp(rule->name, name) != 0))
		return false;
	return rule->highest == 0 || (status >= rule->lowest && status <= rule->highest);
}

static const struct http_rule *find_rule(const struct http_rule *rules, size_t count, const char *name, int status)
{
	for (size_t i = 0; i < count; i++)
		if (rule_holds(&rules[i], name, status))
			return &rules[i];
	return NULL;
}

/* Names are foreign bytes, too: only what looks like one is kept. */
static bool name_is_code(const char *name)
{
	size_t length = name != NULL ? strlen(name) : 0;

	return length > 0 && length < CODE_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length;
}

void http_outcome(const struct provider_answer *answer, const struct http_finding *finding, struct outcome *outcome)
{
	static const struct http_rule nonsense = {NULL, 0, 0, OUTCOME_UNCERTAIN, "this is no HTTP answer"};
	const struct http_rule *rule = find_rule(finding->rules, finding->rule_count, finding->name, answer->status);
	char clean[WORDS_MAX], code[sizeof(outcome->code)];
	int64_t asked_ms = provider_retry_after_ms(answer->retry_after, answer->wall_ms);

	if (rule == NULL)
		rule = find_rule(class_rules, ARRAY_LENGTH(class_rules), NULL, answer->status);
	if (rule == NULL)
		rule = &nonsense;
	if (name_is_code(finding->name))
		(void)snprintf(code, sizeof(code), "%s", finding->name);
	else
		(void)snprintf(code, sizeof(code), "%d", answer->status);
	words_clean(finding->words, clean, sizeof(clean));
	outcome_set(outcome, rule->class, code, "%s answered %d: %s%s%s", finding->vendor, answer->status,
		    rule->sentence, clean[0] != '\0' ? ": " : ".", clean);
	if (rule->class == OUTCOME_THROTTLED || rule->class == OUTCOME_TRANSIENT)
		outcome->retry_after_ms = asked_ms > finding->wait_ms ? asked_ms : finding->wait_ms;
}

json_t *http_answer_json(const struct provider_answer *answer)
{
	return answer->body.length > 0 ? json_loadb(answer->body.bytes, answer->body.length, 0, NULL) : NULL;
}
