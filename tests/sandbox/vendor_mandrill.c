/* Mailchimp Transactional, called Mandrill: POST /api/1.0/messages/send.json, the key in the body, one answer a recipient.
 * mailchimp.com/developer/transactional/api/messages and .../docs/webhooks. */
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "tests/sandbox/accounts.h"
#include "tests/sandbox/callback.h"
#include "tests/sandbox/crypto.h"
#include "tests/sandbox/jwt.h"
#include "tests/sandbox/vendor.h"

enum { SUBJECT_MAX = 998, TAG_MAX = 50 };

static const char path[] = "/mandrill/api/1.0/messages/send.json";

static void refuse(struct exchange *exchange, int status, int code, const char *name, const char *message)
{
	exchange->accepted = false;
	exchange_answer_json(
		exchange, status,
		json_pack("{s:s, s:i, s:s, s:s}", "status", "error", "code", code, "name", name, "message", message));
}

static void invalid(struct exchange *exchange, const char *message)
{
	refuse(exchange, 422, -2, "ValidationError", message);
}

static const struct {
	const char *word; /* in the address */
	int status, code;
	const char *name, *message;
} errors[] = {
	{"invalid_key", 401, -1, "Invalid_Key", "Invalid API key"},
	{"payment_required", 402, -2, "PaymentRequired", "The requested feature requires payment."},
	{"unknown_subaccount", 404, 12, "Unknown_Subaccount", "No subaccount exists with that id"},
	{"validation_error", 422, -2, "ValidationError", "You must specify a valid address"},
	{"request_limit", 429, -1, "RequestLimitExceeded", "Too many requests"},
	{"general_error", 500, -99, "GeneralError", "An unexpected error occurred"},
	{"service_unavailable", 503, -2, "ServiceUnavailable", "The subsystem is down for maintenance"},
};

static void fail(struct exchange *exchange, int status)
{
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (errors[i].status == status) {
			refuse(exchange, status, errors[i].code, errors[i].name, errors[i].message);
			return;
		}
	refuse(exchange, status, -99, status >= 500 ? "GeneralError" : "ValidationError", "Told to say this");
}

static bool is_address(const char *address)
{
	const char *at = strchr(address, '@');

	return at && at != address && strchr(at, '.') && !strpbrk(address, " \t\r\n<>,");
}

static const char *check_tags(const json_t *message)
{
	const json_t *tags = json_object_get(message, "tags");
	size_t i;
	json_t *tag;

	json_array_foreach((json_t *)(uintptr_t)tags, i,
			   tag) if (!json_is_string(tag) || json_string_length(tag) > TAG_MAX ||
				    json_string_value(tag)[0] ==
					    '_') return "message.tags: at most 50 characters, no leading underscore";
	return NULL;
}

static const char *check_recipients(const json_t *to)
{
	size_t i;
	json_t *one;

	if (json_array_size(to) == 0)
		return "message.to: an array with at least one recipient";
	json_array_foreach((json_t *)(uintptr_t)to, i, one)
	{
		const char *type = jwt_text(one, "type");

		if (!is_address(jwt_text(one, "email")))
			return "message.to[].email: not an address";
		if (*type && strcmp(type, "to") != 0 && strcmp(type, "cc") != 0 && strcmp(type, "bcc") != 0)
			return "message.to[].type: to, cc or bcc";
	}
	return NULL;
}

/* The first mistake as a sentence; NULL: none. */
static const char *check(const json_t *body)
{
	const json_t *message = json_object_get(body, "message");
	const json_t *metadata = json_object_get(message, "metadata");
	const json_t *async = json_object_get(body, "async");

	if (!json_is_object(message))
		return "message: an object";
	if (!is_address(jwt_text(message, "from_email")))
		return "message.from_email: not an address";
	if (!json_is_string(json_object_get(message, "html")) && !json_is_string(json_object_get(message, "text")))
		return "message: html or text";
	if (json_string_length(json_object_get(message, "subject")) > SUBJECT_MAX)
		return "message.subject: at most 998 characters";
	if (metadata && !json_is_object(metadata))
		return "message.metadata: an object";
	if (async && !json_is_boolean(async))
		return "async: a boolean";
	if (json_object_get(body, "send_at"))
		return "send_at: this account is not paid for";
	return check_tags(message) ? check_tags(message) : check_recipients(json_object_get(message, "to"));
}

static bool refuse_as_wished(struct exchange *exchange, const char *address)
{
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (strstr(address, errors[i].word)) {
			refuse(exchange, errors[i].status, errors[i].code, errors[i].name, errors[i].message);
			return true;
		}
	return false;
}

static const char *const reject_reasons[] = {
	"hard-bounce", "soft-bounce",     "spam",     "unsub", "custom", "invalid-sender",
	"invalid",     "test-mode-limit", "unsigned", "rule"};

/* reject@ and reject.REASON@ */
static const char *reject_reason(const char *address)
{
	if (strncmp(address, "reject", 6) != 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LENGTH(reject_reasons); i++)
		if (strncmp(address + 7, reject_reasons[i], strlen(reject_reasons[i])) == 0)
			return reject_reasons[i];
	return "hard-bounce";
}

static json_t *answer_one(const char *address, const char *id, bool is_async)
{
	const char *reason = reject_reason(address);

	if (strncmp(address, "invalid@", 8) == 0) /* no _id: anymail's backends/mandrill.py */
		return json_pack("{s:s, s:s, s:s}", "email", address, "status", "invalid", "reject_reason", "invalid");
	if (reason)
		return json_pack("{s:s, s:s, s:s, s:s}", "email", address, "status", "rejected", "reject_reason",
				 reason, "_id", id);
	if (strncmp(address, "queued@", 7) == 0)
		return json_pack("{s:s, s:s, s:s, s:n, s:s}", "email", address, "status", "queued", "queued_reason",
				 "hourly-quota-exhausted", "reject_reason", "_id", id);
	return json_pack("{s:s, s:s, s:n, s:s}", "email", address, "status", is_async ? "queued" : "sent",
			 "reject_reason", "_id", id);
}

static void take(struct exchange *exchange, const json_t *body)
{
	const json_t *message = json_object_get(body, "message"), *to = json_object_get(message, "to");
	const json_t *delivery = json_object_get(json_object_get(message, "metadata"), "delivery_id");
	bool is_async = json_is_true(json_object_get(body, "async")) || json_array_size(to) > 10;
	json_t *answers = json_array(), *one;
	struct text id;
	size_t i;

	text_init(&id, 64);
	json_array_foreach((json_t *)(uintptr_t)to, i, one)
	{
		const char *address = jwt_text(one, "email");

		text_clear(&id);
		exchange_add_id(&id, 16);
		json_array_append_new(answers, answer_one(address, text_string(&id), is_async));
		if (reject_reason(address) || strncmp(address, "invalid@", 8) == 0)
			continue;
		if (exchange->recipient.length > 0)
			text_add_char(&exchange->recipient, ',');
		text_add(&exchange->recipient, address);
		text_clear(&exchange->message);
		text_add(&exchange->message, text_string(&id));
	}
	if (json_is_integer(delivery))
		text_add_int64(&exchange->delivery, json_integer_value(delivery));
	else
		text_add(&exchange->delivery, jwt_text(json_object_get(message, "metadata"), "delivery_id"));
	exchange->accepted = exchange->recipient.length > 0;
	exchange_answer_json(exchange, 200, answers);
	text_release(&id);
}

static void answer_body(struct exchange *exchange, const json_t *body)
{
	const json_t *first = json_array_get(json_object_get(json_object_get(body, "message"), "to"), 0);
	const char *key = jwt_text(body, "key"), *mistake;

	if (!accounts_has(exchange->sandbox->accounts, "mandrill", "keys", span_of(key))) {
		refuse(exchange, 401, -1, "Invalid_Key", "Invalid API key");
		return;
	}
	text_add(&exchange->credential, key);
	mistake = check(body);
	if (mistake)
		invalid(exchange, mistake);
	else if (!refuse_as_wished(exchange, jwt_text(first, "email")))
		take(exchange, body);
}

static void answer(struct exchange *exchange)
{
	json_t *body;

	if (!span_equal(exchange->path, path)) {
		refuse(exchange, 404, -1, "Unknown_Method", "Unknown method");
	} else if (!span_equal(exchange->method, "POST")) {
		refuse(exchange, 405, -1, "Unknown_Method", "Only POST");
	} else if (!exchange_is_type(exchange, "application/json")) {
		invalid(exchange, "The content type is application/json");
	} else {
		body = exchange_json(exchange);
		if (json_is_object(body))
			answer_body(exchange, body);
		else
			invalid(exchange, "You must specify a key value");
		json_decref(body);
	}
}

static const char *const event_names[CALLBACK_KIND_COUNT] = {
	[CALLBACK_SENT] = "send",
	[CALLBACK_DEFERRED] = "deferral",
	[CALLBACK_DELIVERED] = "delivered",
	[CALLBACK_BOUNCED] = "hard_bounce",
	[CALLBACK_BOUNCED_SOFT] = "soft_bounce",
	[CALLBACK_FAILED] = "reject",
	[CALLBACK_OPENED] = "open",
	[CALLBACK_CLICKED] = "click",
	[CALLBACK_COMPLAINED] = "spam",
	[CALLBACK_UNSUBSCRIBED] = "unsub",
};

static json_t *event(const struct callback *callback)
{
	json_t *message =
		json_pack("{s:s, s:s, s:s, s:I, s:{s:s}}", "_id", callback->message, "email", callback->recipient,
			  "state", callback->kind == CALLBACK_BOUNCED ? "bounced" : "sent", "ts",
			  (json_int_t)(callback->at_ms / 1000), "metadata", "delivery_id", callback->delivery);
	json_t *whole = json_pack("{s:s, s:s, s:I, s:o}", "event", event_names[callback->kind], "_id",
				  callback->message, "ts", (json_int_t)(callback->at_ms / 1000), "msg", message);

	if (callback->kind == CALLBACK_BOUNCED || callback->kind == CALLBACK_BOUNCED_SOFT) {
		bool hard = callback->kind == CALLBACK_BOUNCED;

		json_object_set_new(message, "bounce_description", json_string(hard ? "bad_mailbox" : "mailbox_full"));
		json_object_set_new(message, "diag",
				    json_string(hard ? "smtp;550 5.1.1 No such mailbox" : "smtp;452 4.2.2 Over quota"));
	}
	if (callback->kind == CALLBACK_CLICKED)
		json_object_set_new(whole, "url", json_string("https://club.example.com/offers"));
	if (callback->kind == CALLBACK_OPENED || callback->kind == CALLBACK_CLICKED)
		json_object_set_new(whole, "user_agent", json_string("Mozilla/5.0 (sandbox)"));
	return whole;
}

/* Slashes are escaped, as Mandrill's PHP does: who signs a text of his own making finds out. */
static void write(const struct callback *const *callbacks, size_t count, struct text *body)
{
	json_t *events = json_array();
	char *bytes;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(events, event(callbacks[i]));
	bytes = json_dumps(events, JSON_COMPACT | JSON_ESCAPE_SLASH | JSON_ENSURE_ASCII);
	text_add(body, "mandrill_events=");
	text_add_url(body, bytes, strlen(bytes));
	free(bytes);
	json_decref(events);
}

/* Base64 HMAC-SHA1 of the URL, the field's name and its decoded value. */
static void sign(const struct callback_seal *seal, struct text *headers)
{
	struct text signed_text, value, digest;

	text_init(&signed_text, 16 * 1024 * 1024);
	text_init(&value, 16 * 1024 * 1024);
	text_init(&digest, 64);
	span_add(&signed_text, seal->public_url);
	text_add(&signed_text, "mandrill_events");
	if (span_find_field(seal->body, "mandrill_events", &value))
		span_add(&signed_text, span_of_text(&value));
	crypto_add_hmac(&digest, "SHA1", seal->secret, span_of_text(&signed_text));
	text_add(headers, "User-Agent: Mandrill-Webhook/1.0\r\nX-Mandrill-Signature: ");
	digest_add_base64(headers, digest.bytes, digest.length);
	text_add(headers, "\r\n");
	text_release(&signed_text);
	text_release(&value);
	text_release(&digest);
}

static const struct callback_style callbacks = {
	.content_type = "application/x-www-form-urlencoded",
	.kinds = CALLBACK_BIT(CALLBACK_REPLIED) - 1,
	.batch_max = 1000,
	.retries = 10,
	.retries_status = true,
	.write = write,
	.sign = sign,
};

const struct vendor vendor_mandrill = {
	.name = "mandrill",
	.prefix = "/mandrill/",
	.is_message = true,
	.answer = answer,
	.fail = fail,
	.callbacks = &callbacks,
};
