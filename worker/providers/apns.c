/* Apple Push Notification service (https://developer.apple.com/documentation/usernotifications/
 * sending-notification-requests-to-apns; its answers: handling-notification-responses-from-apns).
 *
 * HTTP/2 only. There is no idempotency key and no callback. apns-id is made of the delivery's number, so that Apple's
 * records lead back to it, and apns-collapse-id makes a notification that comes twice replace the first. The device token
 * stands in the URL.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/providers/apns_token.h"
#include "worker/providers/drivers.h"
#include "worker/providers/http_account.h"
#include "worker/providers/push_data.h"
#include "worker/providers/words.h"

#define NAME_MAX          200
#define DEVICE_TOKEN_MIN  64
#define DEVICE_TOKEN_MAX  200 /* "APNs device tokens are of variable length" */
#define TOO_MANY_TOKENS   "TooManyProviderTokenUpdates"
#define TOKEN_UPDATES_MS  60000
#define ONE_DEVICE        "TooManyRequests"
#define ACCESS_TOKEN_OVER "ExpiredProviderToken"

struct provider_account {
	struct http_account http;
	struct private_key *key;
	struct apns_token token;
	char *team_id, *key_id, *topic;
};

static const char settings_help[] = "team_id     the ten letters and digits of the developer account\n"
				    "key_id      the ten letters and digits of the key\n"
				    "private_key env:NAME or file:/path of the key, AuthKey_....p8\n"
				    "topic       the app's bundle ID, com.example.club\n"
				    "base_url    https://api.push.apple.com; for builds from Xcode "
				    "https://api.sandbox.push.apple.com\n" HTTP_ACCOUNT_HELP;

static const struct http_account_defaults defaults = {"base_url", "https://api.push.apple.com", 30000};

static void apns_release(struct provider_account *account)
{
	if (account == NULL)
		return;
	if (account->token.key != NULL)
		apns_token_release(&account->token);
	http_account_release(&account->http);
	private_key_free(&account->key);
	free(account->team_id);
	free(account->key_id);
	free(account->topic);
	free(account);
}

static bool read_name(const json_t *settings, const char *name, char **value, struct error *err)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (!provider_setting_text(settings, name, false, NULL, value, err))
		return false;
	if (**value != '\0' && strlen(*value) <= NAME_MAX && strspn(*value, letters) == strlen(*value))
		return true;
	return error_set(err, ERROR_INVALID, "%s has letters, digits, points, _ and - only, at most %d.", name,
			 NAME_MAX);
}

static bool read_key(struct provider_account *account, const json_t *settings, struct error *err)
{
	char *pem = NULL;

	if (!provider_setting_document(settings, "private_key", &pem, err))
		return false;
	account->key = private_key_from_pem(pem, strlen(pem), err);
	http_secret_free(&pem);
	if (account->key == NULL)
		return error_wrap(err, "private_key");
	if (private_key_kind(account->key) != PRIVATE_KEY_P256)
		return error_set(err, ERROR_INVALID, "private_key is an RSA key; Apple's keys are of the curve P-256.");
	return true;
}

static struct provider_account *apns_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	if (read_name(settings, "team_id", &account->team_id, err) &&
	    read_name(settings, "key_id", &account->key_id, err) &&
	    read_name(settings, "topic", &account->topic, err) && read_key(account, settings, err) &&
	    http_account_configure(&account->http, settings, &defaults, err)) {
		apns_token_init(&account->token, account->team_id, account->key_id, account->key);
		account->http.transport.http2 = account->http.transport.http2_only = true;
		return account;
	}
	apns_release(account);
	return NULL;
}

/* -- the request -- */

static bool allows(const char *key, struct error *err)
{
	return strcmp(key, "aps") != 0 ||
	       error_set(err, ERROR_INVALID, "The data must not name a member aps: Apple keeps this name for itself.");
}

static void add_aps(const struct provider_message *message, struct text *out)
{
	text_add(out, "{\"aps\":{");
	if (message->is_silent) {
		text_add(out, "\"content-available\":1}");
		return;
	}
	text_add(out, "\"alert\":{");
	push_data_add_member(out, "title", message->subject);
	push_data_add_member(out, "body", message->body_text);
	text_add_char(out, '}');
	if (message->image.length > 0) /* the app's service extension fetches it */
		text_add(out, ",\"mutable-content\":1");
	text_add_char(out, '}');
}

static bool add_body(const struct provider_message *message, struct text *out, struct error *err)
{
	json_t *data = push_data_parse(message, allows, err), *value;
	const char *key;

	if (data == NULL)
		return false;
	add_aps(message, out);
	text_addf(out, ",\"" PUSH_DELIVERY "\":\"%" PRId64 "\"", message->delivery_id);
	push_data_add_member(out, PUSH_LINK, message->link);
	push_data_add_member(out, PUSH_IMAGE, message->image);
	json_object_foreach(data, key, value)
	{
		text_add_char(out, ',');
		text_add_json_string(out, key, strlen(key));
		text_add_char(out, ':');
		push_data_add_json(out, value);
	}
	text_add_char(out, '}');
	json_decref(data);
	if (text_ok(out) && out->length <= PUSH_PAYLOAD_MAX)
		return true;
	return error_set(err, ERROR_INVALID, "The message has more than the %d bytes that Apple takes.",
			 PUSH_PAYLOAD_MAX);
}

static bool add_header(struct provider_request *request, const char *name, struct error *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static bool add_header(struct provider_request *request, const char *name, struct error *err, const char *format, ...)
{
	char value[100];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(value, sizeof(value), format, arguments);
	va_end(arguments);
	return provider_request_header(request, name, value, (size_t)length, err);
}

/* The delivery's 64 bits in the free places of a UUID of version 8 (RFC 9562 §5.8): no table is needed to read it. */
static bool add_apns_id(const struct provider_message *message, struct provider_request *request, struct error *err)
{
	uint64_t id = (uint64_t)message->delivery_id;

	return add_header(request, "apns-id", err, "%08x-%04x-8%03x-8%03x-706f73747269", (unsigned)(id >> 32),
			  (unsigned)(id >> 16 & 0xffff), (unsigned)(id >> 4 & 0xfff), (unsigned)(id & 0xf));
}

static bool add_headers(struct provider_account *account, const struct provider_message *message,
			struct provider_request *request, struct error *err)
{
	if (message->expires_at_ms != 0 &&
	    !add_header(request, "apns-expiration", err, "%" PRId64, message->expires_at_ms / 1000))
		return false;
	return add_header(request, "apns-push-type", err, "%s", message->is_silent ? "background" : "alert") &&
	       add_header(request, "apns-priority", err, "%s", message->is_silent ? "5" : "10") &&
	       provider_request_header(request, "apns-topic", account->topic, strlen(account->topic), err) &&
	       add_header(request, "apns-collapse-id", err, "d-%" PRId64, message->delivery_id) &&
	       add_apns_id(message, request, err) && access_token_add(&account->token.token, request, err);
}

static bool is_device_token(struct slice address)
{
	for (size_t i = 0; i < address.length; i++)
		if (address.bytes[i] == '\0' || strchr("0123456789abcdefABCDEF", address.bytes[i]) == NULL)
			return false;
	return address.length >= DEVICE_TOKEN_MIN && address.length <= DEVICE_TOKEN_MAX && address.length % 2 == 0;
}

static bool add_message(struct provider_account *account, const struct provider_message *message,
			struct provider_request *request, struct error *err)
{
	if (!is_device_token(message->address))
		return error_set(err, ERROR_REFUSED, "The address is not a device token, which is hexadecimal.");
	if (!push_data_can_be_shown(message, err) || !add_body(message, &request->body, err))
		return false;
	text_addf(&request->url, "%s/3/device/", account->http.url);
	text_add_bytes(&request->url, message->address.bytes, message->address.length);
	return add_headers(account, message, request, err);
}

static bool apns_build(struct provider_account *account, const struct provider_message *message,
		       struct provider_request *request, struct error *err)
{
	provider_request_clear(request);
	request->protocol = PROVIDER_HTTP;
	if (add_message(account, message, request, err))
		return http_request_fits(request, err);
	provider_request_clear(request);
	return false;
}

/* -- the answer -- */

static const struct http_rule rules[] = {
	{"Unregistered", 0, 0, OUTCOME_BAD_ADDRESS, "the app is not on this device any more"},
	{"ExpiredToken", 0, 0, OUTCOME_BAD_ADDRESS, "the device token has run out"},
	{"BadDeviceToken", 0, 0, OUTCOME_BAD_ADDRESS, "this is no device token of this environment"},
	{"DeviceTokenNotForTopic", 0, 0, OUTCOME_BAD_ADDRESS, "the device token belongs to another app"},
	{"MissingDeviceToken", 0, 0, OUTCOME_BAD_ADDRESS, "there is no device token"},
	{"BadTopic", 0, 0, OUTCOME_BAD_CREDENTIALS, "it does not know the topic"},
	{"MissingTopic", 0, 0, OUTCOME_BAD_CREDENTIALS, "it wants a topic"},
	{"TopicDisallowed", 0, 0, OUTCOME_BAD_CREDENTIALS, "the key is not for this topic"},
	{"IdleTimeout", 0, 0, OUTCOME_TRANSIENT, "it closed the connection"},
	{ONE_DEVICE, 0, 0, OUTCOME_THROTTLED, "too many messages to this device"},
	{TOO_MANY_TOKENS, 0, 0, OUTCOME_THROTTLED, "we change our provider token too often"},
	{NULL, 410, 410, OUTCOME_BAD_ADDRESS, "the app is not on this device any more"},
	{NULL, 404, 405, OUTCOME_BAD_CREDENTIALS, "base_url does not lead to Apple"},
	{NULL, 500, 599, OUTCOME_TRANSIENT, "it failed for now"},
};

static bool is_name(const char *reason, const char *name)
{
	return reason != NULL && strcmp(reason, name) == 0;
}

static void keep_id(const struct provider_answer *answer, struct outcome *outcome)
{
	struct slice id = provider_header(answer->headers, "apns-id");
	char clean[sizeof(outcome->provider_message_id)];

	words_clean(id, clean, sizeof(clean));
	memcpy(outcome->provider_message_id, clean, sizeof(clean));
}

static void read_answer(struct provider_account *account, const struct provider_answer *answer, const char *reason,
			struct outcome *outcome)
{
	const struct http_finding told = {.vendor = "Apple",
					  .rules = rules,
					  .rule_count = ARRAY_LENGTH(rules),
					  .name = reason,
					  .wait_ms = is_name(reason, TOO_MANY_TOKENS) ? TOKEN_UPDATES_MS : 0};

	if (is_name(reason, ACCESS_TOKEN_OVER)) {
		access_token_refused(&account->token.token, answer, "Apple", ACCESS_TOKEN_OVER, outcome);
		apns_token_refuse_slot(&account->token);
		return;
	}
	if (answer->status != 403)
		access_token_good(&account->token.token, answer);
	if (answer->status / 100 == 2)
		outcome_set(outcome, OUTCOME_ACCEPTED, "200", "Apple has taken the message.");
	else
		http_outcome(answer, &told, outcome);
	outcome->alone = outcome->class == OUTCOME_THROTTLED && is_name(reason, ONE_DEVICE);
	if (outcome->class == OUTCOME_ACCEPTED)
		keep_id(answer, outcome);
}

static void apns_read(struct provider_account *account, const struct provider_answer *answer, struct outcome *outcome)
{
	json_t *json;

	if (words_without_answer(answer, outcome))
		return;
	json = answer->status / 100 != 2 ? http_answer_json(answer) : NULL;
	read_answer(account, answer, json_string_value(json_object_get(json, "reason")), outcome);
	json_decref(json);
}

static const struct provider_transport *apns_transport(const struct provider_account *account)
{
	return &account->http.transport;
}

static void held(const struct provider_account *account, struct provider_token *token)
{
	*token = account->token.token.held;
}

static void mint(struct provider_account *account, int64_t now_ms, struct provider_token_share *share)
{
	apns_token_mint(&account->token, now_ms, share);
}

static bool adopt(struct provider_account *account, int64_t now_ms, const struct provider_token_share *share)
{
	return apns_token_adopt(&account->token, now_ms, share);
}

static const struct provider_token_source token_source = {.held = held, .mint = mint, .adopt = adopt};

const struct provider_driver apns_driver = {
	.name = "apns",
	.channels = 1u << CHANNEL_PUSH,
	.settings_help = settings_help,
	.configure = apns_configure,
	.release = apns_release,
	.build = apns_build,
	.read = apns_read,
	.transport = apns_transport,
	.token = &token_source,
};
