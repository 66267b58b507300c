/* Firebase Cloud Messaging, HTTP v1 (https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send).
 *
 * No idempotency key and no callback exist: what Firebase has taken is `sent`. Error codes:
 * https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode. A token that the app does not hold any more is
 * UNREGISTERED; one that never was a token is INVALID_ARGUMENT with an FcmError, while INVALID_ARGUMENT with a BadRequest
 * is a fault in our message and says nothing about the token.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/providers/access_token.h"
#include "worker/providers/drivers.h"
#include "worker/providers/fcm_message.h"
#include "worker/providers/http_account.h"
#include "worker/providers/push_data.h"
#include "worker/providers/service_account.h"
#include "worker/providers/words.h"

#define SCOPE             "https://www.googleapis.com/auth/firebase.messaging"
#define PROJECT_MAX       100
#define REGISTRATION_MAX  1000
#define BAD_TOKEN         "INVALID_ARGUMENT.token" /* our name: INVALID_ARGUMENT that is about the address */
#define ACCESS_TOKEN_OVER "UNAUTHENTICATED"

struct provider_account {
	struct http_account http;
	struct service_account service;
	struct access_token token;
	char *project_id, *url;
};

static const char settings_help[] =
	"service_account  env:NAME or file:/path of the JSON file that Google's console hands out\n"
	"project_id  the Firebase project; by default the service account's\n"
	"base_url    https://fcm.googleapis.com\n" HTTP_ACCOUNT_HELP;

static const struct http_account_defaults defaults = {"base_url", "https://fcm.googleapis.com", 30000};

static void fcm_release(struct provider_account *account)
{
	if (account == NULL)
		return;
	http_account_release(&account->http);
	service_account_release(&account->service);
	access_token_release(&account->token);
	free(account->project_id);
	free(account->url);
	free(account);
}

static bool read_service_account(struct provider_account *account, const json_t *settings, struct error *err)
{
	char *json = NULL;
	bool read;

	if (!provider_setting_document(settings, "service_account", &json, err))
		return false;
	read = service_account_parse(&account->service, json, err);
	http_secret_free(&json);
	return read;
}

static bool check_project(struct provider_account *account, const json_t *settings, struct error *err)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
	const char *own = account->service.project_id;
	size_t length;

	if (!provider_setting_text(settings, "project_id", false, own != NULL ? own : "", &account->project_id, err))
		return false;
	length = strlen(account->project_id);
	if (length > 0 && length <= PROJECT_MAX && strspn(account->project_id, letters) == length)
		return true;
	return error_set(err, ERROR_INVALID, "project_id is not the name of a project, and service_account has none.");
}

static bool check_token_uri(const struct provider_account *account, struct error *err)
{
	const char *uri = account->service.token_uri;

	if (strncmp(uri, "https://", 8) == 0 ||
	    (account->http.transport.plain_allowed && strncmp(uri, "http://", 7) == 0))
		return true;
	return error_set(err, ERROR_INVALID, "service_account: its token_uri does not begin with https://.");
}

static void make_url(struct provider_account *account)
{
	struct text url;
	size_t length;

	text_init(&url, strlen(account->http.url) + PROJECT_MAX + 100);
	text_addf(&url, "%s/v1/projects/%s/messages:send", account->http.url, account->project_id);
	account->url = text_take(&url, &length);
	account->http.transport.http2 = true;
}

static struct provider_account *fcm_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	access_token_init(&account->token);
	if (read_service_account(account, settings, err) && check_project(account, settings, err) &&
	    http_account_configure(&account->http, settings, &defaults, err) && check_token_uri(account, err)) {
		make_url(account);
		return account;
	}
	fcm_release(account);
	return NULL;
}

static bool is_registration(struct slice address)
{
	for (size_t i = 0; i < address.length; i++)
		if ((unsigned char)address.bytes[i] <= ' ' || (unsigned char)address.bytes[i] >= 0x7F)
			return false;
	return address.length > 0 && address.length <= REGISTRATION_MAX;
}

/* 64 hexadecimal digits are a device token of Apple's. Firebase would call it invalid, and it would be lost for Apple, too. */
static bool is_apples(struct slice address)
{
	size_t digits = 0;

	while (digits < address.length && isxdigit((unsigned char)address.bytes[digits]))
		digits++;
	return digits == 64 && digits == address.length;
}

static bool add_message(struct provider_account *account, const struct provider_message *message,
			struct provider_request *request, struct error *err)
{
	if (!is_registration(message->address))
		return error_set(err, ERROR_REFUSED, "The address is not a registration token.");
	if (is_apples(message->address))
		return error_set(err, ERROR_REFUSED,
				 "The address is a device token of Apple's, not a registration token.");
	if (!push_data_can_be_shown(message, err) || !fcm_message_add(message, &request->body, err))
		return false;
	text_add(&request->url, account->url);
	return provider_request_header(request, "Content-Type", "application/json", 16, err) &&
	       access_token_add(&account->token, request, err);
}

static bool fcm_build(struct provider_account *account, const struct provider_message *message,
		      struct provider_request *request, struct error *err)
{
	provider_request_clear(request);
	request->protocol = PROVIDER_HTTP;
	if (add_message(account, message, request, err))
		return http_request_fits(request, err);
	provider_request_clear(request);
	return false;
}

static const struct http_rule rules[] = {
	{"UNREGISTERED", 0, 0, OUTCOME_BAD_ADDRESS, "the app does not hold this token any more"},
	{BAD_TOKEN, 0, 0, OUTCOME_BAD_ADDRESS, "this is no registration token"},
	{"INVALID_ARGUMENT", 0, 0, OUTCOME_BAD_PAYLOAD, "it does not understand the message"},
	{"SENDER_ID_MISMATCH", 0, 0, OUTCOME_BAD_PAYLOAD, "the token belongs to another project"},
	{"QUOTA_EXCEEDED", 0, 0, OUTCOME_THROTTLED, "we are too fast for it"},
	{"RESOURCE_EXHAUSTED", 0, 0, OUTCOME_THROTTLED, "we are too fast for it"},
	{"UNAVAILABLE", 0, 0, OUTCOME_TRANSIENT, "it is overloaded"},
	{"INTERNAL", 0, 0, OUTCOME_TRANSIENT, "it failed for now"},
	{"THIRD_PARTY_AUTH_ERROR", 0, 0, OUTCOME_BAD_CREDENTIALS,
	 "the project's key for Apple or for web push is wrong"},
	{"PERMISSION_DENIED", 0, 0, OUTCOME_BAD_CREDENTIALS, "the service account may not send for this project"},
};

struct finding {
	const char *code; /* the FcmError's, or the status's name; NULL: none was told */
	bool is_about_us; /* a BadRequest is among the details */
};

static bool is_type(const json_t *detail, const char *ending)
{
	const char *type = json_string_value(json_object_get(detail, "@type"));
	size_t length = type != NULL ? strlen(type) : 0, wanted = strlen(ending);

	return length >= wanted && strcmp(type + length - wanted, ending) == 0;
}

static struct finding find(const json_t *json)
{
	const json_t *error = json_object_get(json, "error"), *details = json_object_get(error, "details");
	struct finding finding = {.code = json_string_value(json_object_get(error, "status"))};
	const char *own = NULL;
	size_t i;
	json_t *detail;

	json_array_foreach(details, i, detail)
	{
		if (own == NULL && is_type(detail, ".FcmError"))
			own = json_string_value(json_object_get(detail, "errorCode"));
		finding.is_about_us = finding.is_about_us || is_type(detail, ".BadRequest");
	}
	if (own != NULL)
		finding.code = strcmp(own, "INVALID_ARGUMENT") == 0 && !finding.is_about_us ? BAD_TOKEN : own;
	return finding;
}

/* projects/P/messages/ID: the last part is what is worth keeping. */
static void keep_name(const json_t *json, struct outcome *outcome)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *id = name != NULL ? strrchr(name, '/') : NULL;

	id = id != NULL ? id + 1 : name;
	if (id != NULL && strlen(id) < sizeof(outcome->provider_message_id))
		(void)snprintf(outcome->provider_message_id, sizeof(outcome->provider_message_id), "%s", id);
}

static void read_answer(struct provider_account *account, const struct provider_answer *answer, const json_t *json,
			struct outcome *outcome)
{
	struct finding finding = find(json);
	const struct http_finding told = {
		.vendor = "Firebase", .rules = rules, .rule_count = ARRAY_LENGTH(rules), .name = finding.code};

	if (answer->status == 401 && (finding.code == NULL || strcmp(finding.code, ACCESS_TOKEN_OVER) == 0)) {
		access_token_refused(&account->token, answer, "Firebase", ACCESS_TOKEN_OVER, outcome);
		return;
	}
	access_token_good(&account->token, answer);
	if (answer->status / 100 == 2) {
		outcome_set(outcome, OUTCOME_ACCEPTED, "200", "Firebase has taken the message.");
		keep_name(json, outcome);
		return;
	}
	http_outcome(answer, &told, outcome);
}

static void fcm_read(struct provider_account *account, const struct provider_answer *answer, struct outcome *outcome)
{
	json_t *json;

	if (words_without_answer(answer, outcome))
		return;
	json = http_answer_json(answer);
	read_answer(account, answer, json, outcome);
	json_decref(json);
}

static const struct provider_transport *fcm_transport(const struct provider_account *account)
{
	return &account->http.transport;
}

static void held(const struct provider_account *account, struct provider_token *token)
{
	*token = account->token.held;
}

static bool build_token(struct provider_account *account, int64_t now_ms, struct provider_request *request,
			struct error *err)
{
	return service_account_request(&account->service, SCOPE, now_ms, request, err);
}

static bool read_token(struct provider_account *account, const struct provider_answer *answer, struct outcome *outcome)
{
	struct service_account_token token;

	if (!service_account_answer(answer, &token, outcome))
		return false;
	access_token_hold(&account->token, "Bearer", token.bytes, answer->wall_ms, answer->wall_ms + token.lifetime_ms);
	json_decref(token.json);
	return true;
}

static const struct provider_token_source token_source = {.held = held, .build = build_token, .read = read_token};

const struct provider_driver fcm_driver = {
	.name = "fcm",
	.channels = 1u << CHANNEL_PUSH,
	.settings_help = settings_help,
	.configure = fcm_configure,
	.release = fcm_release,
	.build = fcm_build,
	.read = fcm_read,
	.transport = fcm_transport,
	.token = &token_source,
};
