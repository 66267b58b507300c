/* Web Push: any browser, through the push service that its subscription names (RFC 8030; encryption: RFC 8291; our
 * identity, VAPID: RFC 8292).
 *
 * The address is the subscription itself, as JSON. So the URL is data of strangers: it must be https and must not lead into
 * our own network, and what one endpoint answers says nothing about the account: a refusal of our identity stops the
 * account only when it comes again and again. There is no idempotency key; the topic makes a copy that still waits at
 * the push service be replaced. No callbacks exist.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/base64url.h"
#include "shared/jwt.h"
#include "shared/memory.h"
#include "worker/providers/drivers.h"
#include "worker/providers/http_account.h"
#include "worker/providers/push_data.h"
#include "worker/providers/webpush_encrypt.h"
#include "worker/providers/words.h"

#define SUBJECT_MAX      300
#define IDENTITY_MAX     1500
#define IDENTITIES       32                         /* origins: browsers have a handful of push services */
#define IDENTITY_STEP_MS (6 * 3600 * INT64_C(1000)) /* it is good for 6 to 12 hours; RFC 8292 §2 allows 24 */
#define TTL_DEFAULT_S    86400
#define TTL_MAX_S        2419200 /* four weeks: more is cut by the services anyway */
#define ENCRYPTION_LABEL "postrider web push encryption"

/* The Authorization header for one push service. */
struct identity {
	char *origin;
	int64_t expires_at_ms;
	struct text authorization;
};

struct provider_account {
	struct http_account http;
	struct private_key *key;
	uint8_t secret[32]; /* of the messages' own keys */
	char *subject, *public_key;
	struct identity identities[IDENTITIES];
	size_t next_identity;
};

static const char settings_help[] =
	"vapid_private_key  env:NAME or file:/path of the application server's key, in base64url or PEM\n"
	"subject     mailto:... or https://...: whom a push service may turn to\n" HTTP_ACCOUNT_HELP;

/* There is no URL to set: it comes with each subscription. */
static const struct http_account_defaults defaults = {"base_url", "https://localhost", 30000};

static void webpush_release(struct provider_account *account)
{
	if (account == NULL)
		return;
	http_account_release(&account->http);
	private_key_free(&account->key);
	explicit_bzero(account->secret, sizeof(account->secret));
	for (size_t i = 0; i < IDENTITIES; i++) {
		free(account->identities[i].origin);
		text_release(&account->identities[i].authorization);
	}
	free(account->subject);
	free(account->public_key);
	free(account);
}

/* 32 bytes in base64url, as the tools for Web Push write it. */
static struct private_key *key_from_letters(const char *letters)
{
	struct private_key *key = NULL;
	struct text scalar;

	text_init(&scalar, 2 * PRIVATE_KEY_SCALAR_BYTES);
	if (base64url_decode(&scalar, letters, strlen(letters)) && scalar.length == PRIVATE_KEY_SCALAR_BYTES)
		key = private_key_from_scalar((const uint8_t *)scalar.bytes);
	if (scalar.bytes != NULL)
		explicit_bzero(scalar.bytes, scalar.length);
	text_release(&scalar);
	return key;
}

static void prepare_key(struct provider_account *account)
{
	uint8_t point[PRIVATE_KEY_POINT_BYTES];
	struct text letters;
	size_t length;

	private_key_public_point(account->key, point);
	text_init(&letters, 2 * sizeof(point));
	base64url_add(&letters, point, sizeof(point));
	account->public_key = text_take(&letters, &length);
	private_key_derive(account->key, ENCRYPTION_LABEL, account->secret);
}

static bool read_key(struct provider_account *account, const json_t *settings, struct error *err)
{
	char *secret = NULL;
	struct error reason = {0};

	if (!provider_setting_document(settings, "vapid_private_key", &secret, err))
		return false;
	account->key = strncmp(secret, "-----", 5) == 0 ? private_key_from_pem(secret, strlen(secret), &reason)
							: key_from_letters(secret);
	http_secret_free(&secret);
	if (account->key == NULL || private_key_kind(account->key) != PRIVATE_KEY_P256)
		return error_set(err, ERROR_INVALID,
				 "vapid_private_key is not a key of the curve P-256: 32 bytes in base64url, or PEM.");
	prepare_key(account);
	return true;
}

/* RFC 8292 §2.1. */
static bool read_subject(struct provider_account *account, const json_t *settings, struct error *err)
{
	const char *subject;

	if (!provider_setting_text(settings, "subject", false, NULL, &account->subject, err))
		return false;
	subject = account->subject;
	if (strlen(subject) <= SUBJECT_MAX && strchr(subject, ' ') == NULL &&
	    ((strncmp(subject, "mailto:", 7) == 0 && strchr(subject, '@') != NULL) ||
	     (strncmp(subject, "https://", 8) == 0 && subject[8] != '\0')))
		return true;
	return error_set(err, ERROR_INVALID, "subject is mailto: and an address, or begins with https://.");
}

static struct provider_account *webpush_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	for (size_t i = 0; i < IDENTITIES; i++)
		text_init(&account->identities[i].authorization, IDENTITY_MAX);
	if (read_key(account, settings, err) && read_subject(account, settings, err) &&
	    http_account_configure(&account->http, settings, &defaults, err)) {
		account->http.transport.http2 = true;
		return account;
	}
	webpush_release(account);
	return NULL;
}

/* -- our identity -- */

static void sign(const struct provider_account *account, struct identity *identity)
{
	struct text claims;

	text_init(&claims, IDENTITY_MAX);
	text_add(&claims, "{\"aud\":");
	text_add_json_string(&claims, identity->origin, strlen(identity->origin));
	text_addf(&claims, ",\"exp\":%" PRId64 ",\"sub\":", identity->expires_at_ms / 1000);
	text_add_json_string(&claims, account->subject, strlen(account->subject));
	text_add_char(&claims, '}');
	text_clear(&identity->authorization);
	text_add(&identity->authorization, "vapid t=");
	jwt_sign(account->key, NULL, text_string(&claims), &identity->authorization);
	text_addf(&identity->authorization, ", k=%s", account->public_key);
	text_release(&claims);
}

/* Signing costs more than all the rest of a message, so it is done a few times a day for each push service. */
static const struct identity *identity_for(struct provider_account *account, const char *endpoint, int64_t now_ms)
{
	size_t length = webpush_origin_length(endpoint);
	int64_t expires_at_ms = (now_ms / IDENTITY_STEP_MS + 2) * IDENTITY_STEP_MS;
	struct identity *identity = NULL;

	for (size_t i = 0; i < IDENTITIES && identity == NULL; i++) {
		const char *origin = account->identities[i].origin;

		if (origin != NULL && strlen(origin) == length && memcmp(origin, endpoint, length) == 0)
			identity = &account->identities[i];
	}
	if (identity != NULL && identity->expires_at_ms == expires_at_ms)
		return identity;
	if (identity == NULL) {
		identity = &account->identities[account->next_identity++ % IDENTITIES];
		free(identity->origin);
		identity->origin = memory_copy_bytes(endpoint, length);
	}
	identity->expires_at_ms = expires_at_ms;
	sign(account, identity);
	return identity;
}

/* -- the request -- */

static bool allows(const char *key, struct error *err)
{
	(void)key;
	(void)err;
	return true;
}

/* What our service worker in the browser gets. */
static bool add_plain(const struct provider_message *message, struct text *out, struct error *err)
{
	json_t *data = push_data_parse(message, allows, err);

	if (data == NULL)
		return false;
	text_addf(out, "{\"" PUSH_DELIVERY "\":\"%" PRId64 "\"", message->delivery_id);
	if (message->is_silent) {
		text_add(out, ",\"silent\":true");
	} else {
		push_data_add_member(out, "title", message->subject);
		push_data_add_member(out, "body", message->body_text);
	}
	push_data_add_member(out, PUSH_LINK, message->link);
	push_data_add_member(out, PUSH_IMAGE, message->image);
	if (json_object_size(data) > 0) {
		text_add(out, ",\"data\":");
		push_data_add_json(out, data);
	}
	text_add_char(out, '}');
	json_decref(data);
	if (text_ok(out) && out->length <= WEBPUSH_PLAIN_MAX)
		return true;
	return error_set(err, ERROR_INVALID, "The message has more than the %d bytes that push services take.",
			 WEBPUSH_PLAIN_MAX);
}

static bool add_body(const struct provider_account *account, const struct webpush_subscription *subscription,
		     const struct text *plain, struct text *out, struct error *err)
{
	uint8_t salt[WEBPUSH_SALT_BYTES];
	struct private_key *sender =
		webpush_sender_for(subscription, account->secret, text_string(plain), plain->length, salt);
	bool encrypted = webpush_encrypt(subscription, sender, salt, text_string(plain), plain->length, out);

	private_key_free(&sender);
	return encrypted ||
	       error_set(err, ERROR_REFUSED, "The address is no subscription: keys.p256dh is not a public key.");
}

static bool add_number(struct provider_request *request, const char *name, const char *before, int64_t number,
		       struct error *err)
{
	char value[40];
	int length = snprintf(value, sizeof(value), "%s%" PRId64, before, number);

	return provider_request_header(request, name, value, (size_t)length, err);
}

static int64_t ttl_s(const struct provider_message *message)
{
	int64_t left_s = (message->expires_at_ms - message->now_ms) / 1000;

	if (message->expires_at_ms == 0)
		return TTL_DEFAULT_S;
	return left_s < 0 ? 0 : left_s > TTL_MAX_S ? TTL_MAX_S : left_s;
}

/* RFC 8030 §5.3: what wakes a device that saves its battery. */
static const char *urgency_of(const struct provider_message *message)
{
	return message->is_silent ? "low" : message->is_marketing ? "normal" : "high";
}

static bool add_headers(struct provider_account *account, const struct provider_message *message, const char *endpoint,
			struct provider_request *request, struct error *err)
{
	const struct text *authorization = &identity_for(account, endpoint, message->now_ms)->authorization;
	const char *urgency = urgency_of(message);

	return provider_request_header(request, "Content-Type", "application/octet-stream", 24, err) &&
	       provider_request_header(request, "Content-Encoding", "aes128gcm", 9, err) &&
	       add_number(request, "TTL", "", ttl_s(message), err) &&
	       provider_request_header(request, "Urgency", urgency, strlen(urgency), err) &&
	       add_number(request, "Topic", "d-", message->delivery_id, err) &&
	       provider_request_header(request, "Authorization", text_string(authorization), authorization->length,
				       err);
}

static bool add_message(struct provider_account *account, const struct provider_message *message,
			struct provider_request *request, struct error *err)
{
	struct webpush_subscription subscription = {0};
	struct text plain;
	bool added;

	text_init(&plain, WEBPUSH_PLAIN_MAX + 1);
	added = webpush_subscription_parse(message->address, account->http.transport.plain_allowed, &subscription,
					   err) &&
		push_data_can_be_shown(message, err) && add_plain(message, &plain, err) &&
		add_body(account, &subscription, &plain, &request->body, err) &&
		add_headers(account, message, subscription.endpoint, request, err);
	if (added)
		text_add(&request->url, subscription.endpoint);
	text_release(&plain);
	webpush_subscription_release(&subscription);
	return added;
}

static bool webpush_build(struct provider_account *account, const struct provider_message *message,
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
	{NULL, 400, 400, OUTCOME_BAD_CREDENTIALS, "it does not accept our identity or the form of the request"},
	{NULL, 401, 401, OUTCOME_BAD_CREDENTIALS, "it does not accept our identity"},
	{NULL, 403, 403, OUTCOME_BAD_CREDENTIALS, "the subscription belongs to another key"},
	{NULL, 404, 404, OUTCOME_BAD_ADDRESS, "the subscription has ended"},
	{NULL, 410, 410, OUTCOME_BAD_ADDRESS, "the subscription has ended"},
	{NULL, 413, 413, OUTCOME_BAD_PAYLOAD, "the message is too large for it"},
	{NULL, 429, 429, OUTCOME_THROTTLED, "we are too fast for it"},
	{NULL, 300, 499, OUTCOME_BAD_PAYLOAD, "it does not want this message"},
};

/* Apple and Mozilla name the reason: {"reason":"BadJwtToken"}, {"errno":109}. */
static void webpush_read(struct provider_account *account, const struct provider_answer *answer,
			 struct outcome *outcome)
{
	struct http_finding told = {.vendor = "The push service", .rules = rules, .rule_count = ARRAY_LENGTH(rules)};
	json_t *json;

	(void)account;
	if (words_without_answer(answer, outcome))
		return;
	json = answer->status / 100 != 2 ? http_answer_json(answer) : NULL;
	told.name = json_string_value(json_object_get(json, "reason"));
	http_outcome(answer, &told, outcome);
	outcome->alone = outcome->class == OUTCOME_THROTTLED || outcome->class == OUTCOME_BAD_CREDENTIALS;
	json_decref(json);
}

static const struct provider_transport *webpush_transport(const struct provider_account *account)
{
	return &account->http.transport;
}

const struct provider_driver webpush_driver = {
	.name = "webpush",
	.channels = 1u << CHANNEL_WEB_PUSH,
	.settings_help = settings_help,
	.configure = webpush_configure,
	.release = webpush_release,
	.build = webpush_build,
	.read = webpush_read,
	.transport = webpush_transport,
};
