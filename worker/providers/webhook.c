/* The member's own app, by Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
 * signed JSON, whose webhook-id is the idempotency key. It may be answered the same way, signed with the same secret:
 *
 *     {"type": "message.delivered", "timestamp": "2026-11-21T22:26:40Z", "data": {"delivery_id": "42"}}
 *
 * The types are message.queued, sent, deferred, delivered, bounced, failed, opened, clicked, complained, unsubscribed,
 * resubscribed and replied. In data, all but delivery_id may be missing: recipient, code and reason (of what failed), permanent (of what
 * bounced; false: the recipient may be reached later), link (of what was clicked), text (of a reply), machine (true: it was no person).
 * webhook-id names the event: the same one twice is one event. tolerance_s is how far its timestamp may be from our clock.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/digest.h"
#include "shared/memory.h"
#include "shared/signature.h"
#include "worker/providers/callback_fields.h"
#include "worker/providers/drivers.h"
#include "worker/providers/http_account.h"
#include "worker/providers/words.h"

#define SECRET_BYTES_MIN 16 /* Standard Webhooks advises 24 to 64 */
#define SECRET_BYTES_MAX 256
#define KEY_MAX          256

struct provider_account {
	struct http_account http;
	char *secret;
	struct digest_hmac *hmac;
	int64_t tolerance_s;
};

static const char settings_help[] =
	"url         where messages are posted to, https://...\n"
	"secret      env:NAME or file:/path of the signing secret, whsec_...\n"
	"tolerance_s 300; how far from our clock a callback's timestamp may be\n" HTTP_ACCOUNT_HELP;

static const struct http_account_defaults defaults = {"url", NULL, 15000};

static void webhook_release(struct provider_account *account)
{
	if (account == NULL)
		return;
	digest_hmac_free(&account->hmac);
	http_account_release(&account->http);
	http_secret_free(&account->secret);
	free(account);
}

static bool prepare_secret(struct provider_account *account, struct error *err)
{
	const char *base64 = account->secret;
	struct text key;
	bool usable;

	if (strncmp(base64, "whsec_", 6) == 0)
		base64 += 6;
	text_init(&key, SECRET_BYTES_MAX);
	usable = digest_base64_decode(&key, base64, strlen(base64)) && key.length >= SECRET_BYTES_MIN;
	if (usable)
		account->hmac = digest_hmac_new(key.bytes, key.length);
	if (key.bytes != NULL)
		explicit_bzero(key.bytes, key.length);
	text_release(&key);
	if (usable)
		return true;
	return error_set(err, ERROR_INVALID, "secret is not whsec_ and base64 of at least %d bytes.", SECRET_BYTES_MIN);
}

static struct provider_account *webhook_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	if (http_account_configure(&account->http, settings, &defaults, err) &&
	    provider_setting_text(settings, "secret", true, NULL, &account->secret, err) &&
	    prepare_secret(account, err) &&
	    provider_setting_number(settings, "tolerance_s", CALLBACK_TOLERANCE_S, 1, 86400, &account->tolerance_s,
				    err))
		return account;
	webhook_release(account);
	return NULL;
}

/* 2026-11-21T22:03:40.123Z */
static void add_time(struct text *out, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm date;

	if (gmtime_r(&seconds, &date) == NULL)
		memset(&date, 0, sizeof(date));
	text_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", date.tm_year + 1900, date.tm_mon + 1, date.tm_mday,
		  date.tm_hour, date.tm_min, date.tm_sec, (int)(wall_ms % 1000));
}

static void add_string(struct text *out, const char *name, struct slice value)
{
	if (value.length == 0)
		return;
	text_addf(out, ",\"%s\":", name);
	text_add_json_string(out, value.bytes, value.length);
}

static void add_body(struct text *out, const struct provider_message *message)
{
	text_add(out, "{\"type\":\"message.in_app\",\"timestamp\":\"");
	add_time(out, message->created_at_ms);
	text_add(out, "\",\"data\":{\"delivery_id\":\"");
	text_add_int64(out, message->delivery_id);
	text_add(out, "\",\"recipient\":");
	text_add_json_string(out, message->address.bytes, message->address.length);
	text_add(out, ",\"title\":");
	text_add_json_string(out, message->subject.bytes, message->subject.length);
	text_add(out, ",\"body\":");
	text_add_json_string(out, message->body_text.bytes, message->body_text.length);
	add_string(out, "link", message->link);
	add_string(out, "image", message->image);
	if (message->data.length > 0) {
		text_add(out, ",\"data\":");
		text_add_bytes(out, message->data.bytes, message->data.length);
	}
	text_add(out, "}}");
}

/* HMAC-SHA256 over id.timestamp.body, both ways */
static void sign(struct provider_account *account, struct slice id, struct slice seconds, struct slice body,
		 uint8_t digest[DIGEST_SHA256_BYTES])
{
	digest_hmac_start(account->hmac);
	digest_hmac_add(account->hmac, id.bytes, id.length);
	digest_hmac_add(account->hmac, ".", 1);
	digest_hmac_add(account->hmac, seconds.bytes, seconds.length);
	digest_hmac_add(account->hmac, ".", 1);
	digest_hmac_add(account->hmac, body.bytes, body.length);
	digest_hmac_finish(account->hmac, digest);
}

static struct slice slice_of_text(const struct text *text)
{
	return (struct slice){.bytes = text_string(text), .length = text->length};
}

static void add_signature(struct provider_account *account, const char *key, const struct text *seconds,
			  const struct text *body, struct text *out)
{
	uint8_t digest[DIGEST_SHA256_BYTES];

	sign(account, provider_slice(key), slice_of_text(seconds), slice_of_text(body), digest);
	text_add(out, "v1,");
	digest_add_base64(out, digest, sizeof(digest));
}

static bool add_header(struct provider_request *request, const char *name, const struct text *value, struct error *err)
{
	return provider_request_header(request, name, text_string(value), value->length, err);
}

static bool add_headers(struct provider_account *account, const struct provider_message *message,
			struct provider_request *request, struct error *err)
{
	const char *key = message->idempotency_key;
	struct text seconds, signature, delivery;
	bool added;

	text_init(&seconds, 32);
	text_init(&signature, 128);
	text_init(&delivery, 32);
	text_add_int64(&seconds, message->now_ms / 1000);
	text_add_int64(&delivery, message->delivery_id);
	add_signature(account, key, &seconds, &request->body, &signature);
	added = provider_request_header(request, "Content-Type", "application/json", 16, err) &&
		provider_request_header(request, "webhook-id", key, strlen(key), err) &&
		add_header(request, "webhook-timestamp", &seconds, err) &&
		add_header(request, "webhook-signature", &signature, err) &&
		add_header(request, "X-Postrider-Delivery", &delivery, err);
	text_release(&seconds);
	text_release(&signature);
	text_release(&delivery);
	return added;
}

/* It is put into our JSON as it is, so it has to be whole. */
static bool check_data(struct slice data, struct error *err)
{
	json_t *object = json_loadb(data.bytes, data.length, 0, NULL);
	bool usable = json_is_object(object);

	json_decref(object);
	return usable || error_set(err, ERROR_INVALID, "The message's data is not a JSON object.");
}

static bool check_message(const struct provider_message *message, struct error *err)
{
	const char *key = message->idempotency_key;

	if (key == NULL || *key == '\0' || strlen(key) > KEY_MAX)
		return error_set(err, ERROR_INVALID, "The delivery has no idempotency key, or a too long one.");
	if (message->address.length == 0)
		return error_set(err, ERROR_REFUSED, "The address is empty.");
	return message->data.length == 0 || check_data(message->data, err);
}

static bool webhook_build(struct provider_account *account, const struct provider_message *message,
			  struct provider_request *request, struct error *err)
{
	provider_request_clear(request);
	if (!check_message(message, err))
		return false;
	request->protocol = PROVIDER_HTTP;
	text_add(&request->url, account->http.url);
	add_body(&request->body, message);
	if (!http_request_fits(request, err))
		return false;
	if (add_headers(account, message, request, err))
		return true;
	provider_request_clear(request);
	return false;
}

/* What Standard Webhooks says of statuses. The key lets a message be sent again without harm, so that a gateway's word
 * is no doubt here. */
static const struct http_rule rules[] = {
	{NULL, 300, 399, OUTCOME_BAD_PAYLOAD, "a redirect: put the new address into the account's url"},
	{NULL, 401, 401, OUTCOME_BAD_CREDENTIALS, "it does not accept our signature"},
	{NULL, 403, 403, OUTCOME_BAD_CREDENTIALS, "it does not accept our signature"},
	{NULL, 404, 404, OUTCOME_BAD_PAYLOAD, "check the account's url"},
	{NULL, 410, 410, OUTCOME_BAD_CREDENTIALS, "it wants no more messages"},
	{NULL, 425, 425, OUTCOME_TRANSIENT, "too early"},
	{NULL, 502, 502, OUTCOME_THROTTLED, "it cannot keep up"},
	{NULL, 504, 504, OUTCOME_THROTTLED, "it cannot keep up"},
};

/* The answer's body is never kept: it may repeat what we sent. */
static void webhook_read(struct provider_account *account, const struct provider_answer *answer,
			 struct outcome *outcome)
{
	const struct http_finding finding = {
		.vendor = "The endpoint", .rules = rules, .rule_count = ARRAY_LENGTH(rules)};

	(void)account;
	if (!words_without_answer(answer, outcome))
		http_outcome(answer, &finding, outcome);
}

static const struct provider_transport *webhook_transport(const struct provider_account *account)
{
	return &account->http.transport;
}

/* "v1,<base64> v1,<base64>": several while the secret is being changed; one that fits is enough. */
static bool any_signature_is(struct slice list, const uint8_t digest[DIGEST_SHA256_BYTES])
{
	bool valid = false;

	while (list.length > 0) {
		const char *blank = memchr(list.bytes, ' ', list.length);
		size_t length = blank != NULL ? (size_t)(blank - list.bytes) : list.length;

		if (length > 3 && memcmp(list.bytes, "v1,", 3) == 0 &&
		    signature_is_base64_of(list.bytes + 3, length - 3, digest, DIGEST_SHA256_BYTES))
			valid = true;
		length += blank != NULL ? 1 : 0;
		list = (struct slice){.bytes = list.bytes + length, .length = list.length - length};
	}
	return valid;
}

static bool webhook_verify(struct provider_account *account, const struct provider_callback *callback,
			   struct error *err)
{
	struct slice id = provider_header(callback->headers, "webhook-id");
	struct slice seconds = provider_header(callback->headers, "webhook-timestamp");
	struct slice list = provider_header(callback->headers, "webhook-signature");
	uint8_t digest[DIGEST_SHA256_BYTES];

	if (id.length == 0 || seconds.length == 0 || list.length == 0)
		return error_set(err, ERROR_REFUSED, "The callback is not signed.");
	sign(account, id, seconds, callback->body, digest);
	if (!any_signature_is(list, digest))
		return error_set(err, ERROR_REFUSED, "The callback's signature is not made with the account's secret.");
	return callback_check_age(seconds, callback->now_ms, account->tolerance_s, err);
}

static const struct callback_word event_words[] = {
	{"message.queued", PROVIDER_EVENT_QUEUED},
	{"message.sent", PROVIDER_EVENT_SENT},
	{"message.deferred", PROVIDER_EVENT_DEFERRED},
	{"message.delivered", PROVIDER_EVENT_DELIVERED},
	{"message.bounced", PROVIDER_EVENT_BOUNCED_HARD},
	{"message.failed", PROVIDER_EVENT_FAILED},
	{"message.opened", PROVIDER_EVENT_OPENED},
	{"message.clicked", PROVIDER_EVENT_CLICKED},
	{"message.complained", PROVIDER_EVENT_COMPLAINED},
	{"message.unsubscribed", PROVIDER_EVENT_UNSUBSCRIBED},
	{"message.resubscribed", PROVIDER_EVENT_RESUBSCRIBED},
	{"message.replied", PROVIDER_EVENT_REPLIED},
	{NULL, PROVIDER_EVENT_OTHER},
};

static enum provider_event_kind kind_of(const json_t *body, const json_t *data)
{
	enum provider_event_kind kind = callback_kind(event_words, callback_text(body, "type"));

	if (kind == PROVIDER_EVENT_BOUNCED_HARD && json_is_false(json_object_get(data, "permanent")))
		return PROVIDER_EVENT_BOUNCED_SOFT;
	return kind;
}

static bool webhook_parse(struct provider_account *account, const struct provider_callback *callback,
			  void (*add)(void *context, const struct provider_event *event), void *context,
			  struct error *err)
{
	int64_t signed_ms = callback_number(provider_header(callback->headers, "webhook-timestamp")) * 1000;
	char words[CALLBACK_WORDS_MAX];
	const json_t *data;
	json_t *body;

	(void)account;
	if (!callback_json(callback->body, &body, err))
		return false;
	data = json_object_get(body, "data");
	words_clean(callback_text(data, "reason"), words, sizeof(words));
	struct provider_event event = {
		.kind = kind_of(body, data),
		.delivery_id = callback_delivery_id(data, "delivery_id"),
		.event_key = provider_header(callback->headers, "webhook-id"),
		.address = callback_text(data, "recipient"),
		.code = callback_text(data, "code"),
		.words = provider_slice(words),
		.link = callback_text(data, "link"),
		.text = callback_text(data, "text"),
		.at_ms = callback_time_ms(callback_text(body, "timestamp"), signed_ms),
	};
	if (event.kind == PROVIDER_EVENT_OPENED || event.kind == PROVIDER_EVENT_CLICKED)
		event.is_machine = json_is_true(json_object_get(data, "machine"));
	if (json_is_object(body))
		add(context, &event);
	json_decref(body);
	return true;
}

static const struct provider_callbacks webhook_callbacks = {.verify = webhook_verify, .parse = webhook_parse};

const struct provider_driver webhook_driver = {
	.name = "webhook",
	.channels = 1u << CHANNEL_IN_APP,
	.keyed = true,
	.settings_help = settings_help,
	.configure = webhook_configure,
	.release = webhook_release,
	.build = webhook_build,
	.read = webhook_read,
	.transport = webhook_transport,
	.callbacks = &webhook_callbacks,
};
