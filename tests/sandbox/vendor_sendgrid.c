/* SendGrid: POST /v3/mail/send with a bearer key; 202 and X-Message-Id. twilio.com/docs/sendgrid/api-reference/mail-send and
 * .../for-developers/tracking-events. */
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "tests/sandbox/accounts.h"
#include "tests/sandbox/callback.h"
#include "tests/sandbox/crypto.h"
#include "tests/sandbox/jwt.h"
#include "tests/sandbox/vendor.h"

enum { PERSONALIZATIONS_MAX = 1000, CATEGORIES_MAX = 10, BODY_MAX = 30 * 1024 * 1024, CUSTOM_ARGS_MAX = 10000 };

static void refuse(struct exchange *exchange, int status, const char *message, const char *field)
{
	exchange->accepted = false;
	exchange_answer_json(exchange, status,
			     json_pack("{s:[{s:s, s:s?, s:n}]}", "errors", "message", message, "field", field, "help"));
}

static const struct {
	int status;
	const char *message;
} errors[] = {
	{400, "Bad Request"},
	{401, "The provided authorization grant is invalid, expired, or revoked"},
	{403, "The from address does not match a verified Sender Identity."},
	{404, "Not Found"},
	{405, "method not allowed"},
	{406, "Missing Accept header"},
	{413, "Payload too large"},
	{415, "Content-Type should be application/json."},
	{429, "too many requests"},
	{500, "Internal Server Error"},
	{503, "Service Unavailable"},
};

static void add_rate_headers(struct exchange *exchange)
{
	struct text reset;

	text_init(&reset, 32);
	text_add_int64(&reset, clock_wall_ms() / 1000 + 2);
	exchange_add_header(exchange, "X-RateLimit-Limit", "600");
	exchange_add_header(exchange, "X-RateLimit-Remaining", "0");
	exchange_add_header(exchange, "X-RateLimit-Reset", text_string(&reset));
	text_release(&reset);
}

static void fail(struct exchange *exchange, int status)
{
	const char *message = "Told to say this";

	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (errors[i].status == status)
			message = errors[i].message;
	if (status == 429)
		add_rate_headers(exchange);
	refuse(exchange, status, message, NULL);
}

struct mistake {
	const char *message, *field;
};

static bool found(struct mistake *mistake, const char *message, const char *field)
{
	*mistake = (struct mistake){message, field};
	return true;
}

static bool is_email(const json_t *person)
{
	const char *address = jwt_text(person, "email"), *at = strchr(address, '@');

	return at && at != address && at[1] && !strpbrk(address, " \t\r\n<>,");
}

static bool has_other_than_strings(const json_t *object)
{
	const char *name;
	json_t *value;

	if (object && !json_is_object(object))
		return true;
	json_object_foreach((json_t *)(uintptr_t)object, name, value) if (!json_is_string(value)) return true;
	return false;
}

static bool personalization_is_wrong(const json_t *one, bool has_subject, struct mistake *mistake)
{
	const json_t *to = json_object_get(one, "to"), *arguments = json_object_get(one, "custom_args");
	size_t i;
	json_t *person;

	if (json_array_size(to) == 0)
		return found(mistake,
			     "The to array is required for all personalization objects, and must have at least "
			     "one email object with a valid email address.",
			     "personalizations.0.to");
	json_array_foreach((json_t *)(uintptr_t)to, i, person) if (!is_email(person)) return found(
		mistake, "Does not contain a valid address.", "personalizations.0.to.0.email");
	if (!has_subject && json_string_length(json_object_get(one, "subject")) == 0)
		return found(mistake, "The subject is required.", "subject");
	if (has_other_than_strings(arguments))
		return found(mistake, "The custom_args values must be strings.", "personalizations.0.custom_args");
	return false;
}

/* text/plain comes before text/html. */
static bool content_is_wrong(const json_t *content, struct mistake *mistake)
{
	size_t i;
	json_t *part;
	bool was_html = false;

	if (json_array_size(content) == 0)
		return found(mistake, "The content parameter is required.", "content");
	json_array_foreach((json_t *)(uintptr_t)content, i, part)
	{
		const char *type = jwt_text(part, "type");

		if (!*type || !*jwt_text(part, "value"))
			return found(mistake, "The content value must be a string at least one character in length.",
				     "content.0.value");
		if (strcmp(type, "text/plain") == 0 && was_html)
			return found(mistake, "If present, text/plain must be the first content type.", "content");
		was_html = was_html || strcmp(type, "text/html") == 0;
	}
	return false;
}

static bool is_wrong(const json_t *body, struct mistake *mistake)
{
	const json_t *all = json_object_get(body, "personalizations");
	bool has_subject = json_string_length(json_object_get(body, "subject")) > 0;
	size_t i;
	json_t *one;

	if (!json_is_object(body))
		return found(mistake, "Bad Request", NULL);
	if (json_array_size(all) == 0 || json_array_size(all) > PERSONALIZATIONS_MAX)
		return found(mistake,
			     "The personalizations field is required and must have at least one personalization.",
			     "personalizations");
	json_array_foreach((json_t *)(uintptr_t)all, i,
			   one) if (personalization_is_wrong(one, has_subject, mistake)) return true;
	if (!is_email(json_object_get(body, "from")))
		return found(mistake, "The from object must be provided for every email send.", "from.email");
	if (json_array_size(json_object_get(body, "categories")) > CATEGORIES_MAX)
		return found(mistake, "At most 10 categories.", "categories");
	return content_is_wrong(json_object_get(body, "content"), mistake);
}

static bool is_authorized(struct exchange *exchange)
{
	struct span value = exchange_header(exchange, "authorization");

	if (!span_starts(value, "Bearer "))
		return false;
	span_add(&exchange->credential, span_skip(value, 7));
	return accounts_has(exchange->sandbox->accounts, "sendgrid", "keys", span_skip(value, 7));
}

static void take(struct exchange *exchange, const json_t *body)
{
	const json_t *one = json_array_get(json_object_get(body, "personalizations"), 0);
	const char *address = jwt_text(json_array_get(json_object_get(one, "to"), 0), "email");
	const char *wished = strstr(address, "status-");
	struct text id;

	if (wished && atoi(wished + 7) >= 400) {
		fail(exchange, atoi(wished + 7));
		return;
	}
	text_init(&id, 64);
	exchange_add_id(&id, 11);
	text_add(&exchange->message, text_string(&id));
	exchange_accept(exchange, span_of(jwt_text(json_object_get(one, "custom_args"), "delivery_id")),
			span_of(address));
	exchange_answer(exchange, 202, NULL, "");
	exchange_add_header(exchange, "X-Message-Id", text_string(&id));
	text_release(&id);
}

static void answer(struct exchange *exchange)
{
	struct mistake mistake;
	json_t *body;

	if (!span_equal(exchange->path, "/sendgrid/v3/mail/send")) {
		fail(exchange, 404);
	} else if (!span_equal(exchange->method, "POST")) {
		fail(exchange, 405);
	} else if (!is_authorized(exchange)) {
		fail(exchange, 401);
	} else if (!exchange_is_type(exchange, "application/json")) {
		fail(exchange, 415);
	} else {
		body = exchange_json(exchange);
		if (is_wrong(body, &mistake))
			refuse(exchange, 400, mistake.message, mistake.field);
		else
			take(exchange, body);
		json_decref(body);
	}
}

static const struct {
	const char *event, *type;
} event_names[CALLBACK_KIND_COUNT] = {
	[CALLBACK_SENT] = {"processed", NULL},
	[CALLBACK_DEFERRED] = {"deferred", NULL},
	[CALLBACK_DELIVERED] = {"delivered", NULL},
	[CALLBACK_BOUNCED] = {"bounce", "bounce"},
	[CALLBACK_BOUNCED_SOFT] = {"bounce", "blocked"},
	[CALLBACK_FAILED] = {"dropped", NULL},
	[CALLBACK_OPENED] = {"open", NULL},
	[CALLBACK_CLICKED] = {"click", NULL},
	[CALLBACK_COMPLAINED] = {"spamreport", NULL},
	[CALLBACK_UNSUBSCRIBED] = {"unsubscribe", NULL},
};

static json_t *event(const struct callback *callback)
{
	struct text id, smtp_id;
	json_t *whole;

	text_init(&id, 256);
	text_init(&smtp_id, 256);
	text_addf(&id, "%s.filterdrecv-sandbox-0", callback->message);
	text_addf(&smtp_id, "<%s@geopod-ismtpd-0>", callback->message);
	whole = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "email", callback->recipient, "timestamp",
			  (json_int_t)(callback->at_ms / 1000), "smtp-id", text_string(&smtp_id), "event",
			  event_names[callback->kind].event, "sg_event_id", callback->id, "sg_message_id",
			  text_string(&id), "delivery_id", callback->delivery);
	if (event_names[callback->kind].type) {
		json_object_set_new(whole, "type", json_string(event_names[callback->kind].type));
		json_object_set_new(whole, "status",
				    json_string(callback->kind == CALLBACK_BOUNCED ? "5.1.1" : "4.7.1"));
		json_object_set_new(whole, "reason",
				    json_string(callback->kind == CALLBACK_BOUNCED ? "550 5.1.1 No such mailbox"
										   : "421 4.7.1 Come back later"));
	}
	if (callback->kind == CALLBACK_FAILED)
		json_object_set_new(whole, "reason", json_string("Invalid SMTPAPI header"));
	if (callback->kind == CALLBACK_CLICKED)
		json_object_set_new(whole, "url", json_string("https://club.example.com/offers"));
	if (callback->kind == CALLBACK_OPENED)
		json_object_set_new(whole, "sg_machine_open", json_false());
	text_release(&id);
	text_release(&smtp_id);
	return whole;
}

/* As SendGrid writes it, line ends included: they are signed too (sendgrid-nodejs#1193). */
static void write(const struct callback *const *callbacks, size_t count, struct text *body)
{
	text_add_char(body, '[');
	for (size_t i = 0; i < count; i++) {
		json_t *one = event(callbacks[i]);
		char *bytes = json_dumps(one, JSON_COMPACT);

		text_add(body, i > 0 ? ",\r\n" : "");
		text_add(body, bytes);
		free(bytes);
		json_decref(one);
	}
	text_add(body, "]\r\n");
}

/* Base64 of the DER signature over timestamp and body. */
static void sign(const struct callback_seal *seal, struct text *headers)
{
	struct text signed_text, signature, seconds;

	text_init(&signed_text, 16 * 1024 * 1024);
	text_init(&signature, 512);
	text_init(&seconds, 32);
	text_add_int64(&seconds, seal->now_ms / 1000);
	span_add(&signed_text, span_of_text(&seconds));
	span_add(&signed_text, seal->body);
	crypto_add_signature(&signature, seal->key, span_of_text(&signed_text));
	text_addf(headers, "X-Twilio-Email-Event-Webhook-Timestamp: %s\r\n", text_string(&seconds));
	text_add(headers, "X-Twilio-Email-Event-Webhook-Signature: ");
	digest_add_base64(headers, signature.bytes, signature.length);
	text_add(headers, "\r\nUser-Agent: SendGrid Event API\r\n");
	text_release(&signed_text);
	text_release(&signature);
	text_release(&seconds);
}

static const struct callback_style callbacks = {
	.content_type = "application/json",
	.kinds = CALLBACK_BIT(CALLBACK_REPLIED) - 1,
	.batch_max = 1000,
	.retries = 10,
	.retries_status = true,
	.write = write,
	.sign = sign,
};

const struct vendor vendor_sendgrid = {
	.name = "sendgrid",
	.prefix = "/sendgrid/",
	.is_message = true,
	.answer = answer,
	.fail = fail,
	.callbacks = &callbacks,
};
