/* Twilio Messages: POST /2010-04-01/Accounts/{sid}/Messages.json, a form with Basic credentials; 201 and the message.
 * twilio.com/docs/messaging/api/message-resource, .../usage/webhooks/webhooks-security, .../iam/test-credentials. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "shared/memory.h"
#include "tests/sandbox/accounts.h"
#include "tests/sandbox/callback.h"
#include "tests/sandbox/crypto.h"
#include "tests/sandbox/vendor.h"

enum { TEXT_CHARACTERS_MAX = 1600, VALIDITY_MAX_S = 36000, FIELD_MAX = 64 * 1024, DIGITS_MIN = 7, DIGITS_MAX = 15 };

enum field {
	TO,
	FROM,
	SERVICE,
	BODY,
	MEDIA,
	CONTENT,
	STATUS_CALLBACK,
	VALIDITY,
	ATTEMPT,
	PROVIDE_FEEDBACK,
	SMART_ENCODED,
	RISK_CHECK,
	FIELD_COUNT,
};

static const char *const field_names[FIELD_COUNT] = {
	[TO] = "To",
	[FROM] = "From",
	[SERVICE] = "MessagingServiceSid",
	[BODY] = "Body",
	[MEDIA] = "MediaUrl",
	[CONTENT] = "ContentSid",
	[STATUS_CALLBACK] = "StatusCallback",
	[VALIDITY] = "ValidityPeriod",
	[ATTEMPT] = "Attempt",
	[PROVIDE_FEEDBACK] = "ProvideFeedback",
	[SMART_ENCODED] = "SmartEncoded",
	[RISK_CHECK] = "RiskCheck",
};

struct order {
	struct text fields[FIELD_COUNT];
	bool has_unknown, has_twice;
};

static void refuse(struct exchange *exchange, int status, int code, const char *message)
{
	struct text more;

	exchange->accepted = false;
	text_init(&more, 128);
	text_addf(&more, "https://www.twilio.com/docs/errors/%d", code);
	exchange_answer_json(exchange, status,
			     json_pack("{s:i, s:s, s:s, s:i}", "code", code, "message", message, "more_info",
				       text_string(&more), "status", status));
	text_release(&more);
}

static void fail(struct exchange *exchange, int status)
{
	const char *message = status == 429   ? "Too Many Requests"
			      : status == 401 ? "Authenticate"
			      : status == 404 ? "The requested resource was not found"
			      : status == 503 ? "Service Unavailable"
			      : status >= 500 ? "Internal Server Error"
					      : "Told to say this";

	refuse(exchange, status, status == 401 ? 20003 : 20000 + status, message);
}

/* Numbers that are refused at once: Twilio's own test numbers, and +1500660CCCCC for any code CCCCC. */
static const struct magic {
	const char *number;
	int code;
	const char *message;
} magic_to[] =
	{
		{"+15005550001", 21211, "Invalid 'To' Phone Number: +15005550001"},
		{"+15005550002", 21612,
		 "The Message cannot be sent with the current combination of 'To' and/or 'From' parameters"},
		{"+15005550003", 21408, "Permission to send an SMS has not been enabled for the region"},
		{"+15005550004", 21610, "Attempt to send to unsubscribed recipient"},
		{"+15005550009", 21614, "'To' number is not a valid mobile number"},
},
  magic_from[] = {
	  {"+15005550001", 21212, "The 'From' number +15005550001 is not a valid phone number"},
	  {"+15005550007", 21606, "The 'From' phone number is not a valid, SMS-capable number for your account"},
	  {"+15005550008", 21611, "This 'From' number has exceeded the maximum number of queued messages"},
};

static const char refused_now[] = "+1500660", status_now[] = "+1500670";

static const struct magic *find_magic(const struct magic *rows, size_t count, const struct text *number)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].number, text_string(number)) == 0)
			return &rows[i];
	return NULL;
}

static bool is_number(const struct text *text)
{
	size_t digits = 0;

	for (const char *at = text_string(text) + 1; isdigit((unsigned char)*at); at++)
		digits++;
	return text_string(text)[0] == '+' && digits + 1 == text->length && digits >= DIGITS_MIN &&
	       digits <= DIGITS_MAX;
}

static size_t characters(const struct text *text)
{
	size_t count = 0;

	for (size_t i = 0; i < text->length; i++)
		count += ((unsigned char)text->bytes[i] & 0xC0) != 0x80;
	return count;
}

static bool is_service(const struct text *text)
{
	return text->length == 34 && strncmp(text_string(text), "MG", 2) == 0 &&
	       strspn(text_string(text) + 2, "0123456789abcdefABCDEF") == 32;
}

/* No underscore may be in the host. */
static bool is_callback_url(const struct text *text)
{
	const char *url = text_string(text), *host = strstr(url, "://");

	if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) || host[3] == '\0')
		return false;
	host += 3;
	return !memchr(host, '_', strcspn(host, "/?#")) && !strpbrk(url, " \t\r\n");
}

struct mistake {
	int code;
	const char *message;
};

static bool found(struct mistake *mistake, int code, const char *message)
{
	*mistake = (struct mistake){code, message};
	return true;
}

static bool sender_is_wrong(const struct order *order, struct mistake *mistake)
{
	const struct text *from = &order->fields[FROM], *service = &order->fields[SERVICE];
	const struct magic *magic = find_magic(magic_from, ARRAY_LENGTH(magic_from), from);

	if (magic)
		return found(mistake, magic->code, magic->message);
	if (from->length == 0 && service->length == 0)
		return found(mistake, 21603, "A 'From' phone number is required.");
	if (service->length > 0 && !is_service(service))
		return found(mistake, 21701, "The Messaging Service does not exist");
	if (text_string(from)[0] == '+' && !is_number(from))
		return found(mistake, 21212, "The 'From' number is not a valid phone number");
	return false;
}

static bool content_is_wrong(const struct order *order, struct mistake *mistake)
{
	const struct text *fields = order->fields;
	int64_t validity = span_number(span_of_text(&fields[VALIDITY]), VALIDITY_MAX_S);

	if (fields[BODY].length == 0 && fields[MEDIA].length == 0 && fields[CONTENT].length == 0)
		return found(mistake, 21602, "Message body is required.");
	if (characters(&fields[BODY]) > TEXT_CHARACTERS_MAX)
		return found(mistake, 21617, "The concatenated message body exceeds the 1600 character limit.");
	if (fields[STATUS_CALLBACK].length > 0 && !is_callback_url(&fields[STATUS_CALLBACK]))
		return found(mistake, 21609, "The 'StatusCallback' URL is not a valid URL.");
	if (fields[VALIDITY].length > 0 && validity < 1)
		return found(mistake, 21620, "The ValidityPeriod is from 1 to 36000 seconds.");
	if (order->has_unknown || order->has_twice)
		return found(mistake, 20001, "There is a parameter that Messages do not have, or one twice.");
	return false;
}

static bool is_wrong(const struct order *order, struct mistake *mistake)
{
	const struct text *to = &order->fields[TO];
	const struct magic *magic = find_magic(magic_to, ARRAY_LENGTH(magic_to), to);

	if (to->length == 0)
		return found(mistake, 21604, "A 'To' phone number is required.");
	if (magic)
		return found(mistake, magic->code, magic->message);
	if (!is_number(to))
		return found(mistake, 21211, "The 'To' number is not a valid phone number.");
	if (span_starts(span_of_text(to), refused_now))
		return found(mistake, atoi(text_string(to) + strlen(refused_now)), "Told to say this");
	return sender_is_wrong(order, mistake) || content_is_wrong(order, mistake);
}

static void read_order(struct order *order, struct span form)
{
	struct text name, value;

	text_init(&name, FIELD_MAX);
	text_init(&value, FIELD_MAX);
	for (size_t i = 0; i < FIELD_COUNT; i++)
		text_init(&order->fields[i], FIELD_MAX);
	while (span_next_field(&form, &name, &value)) {
		size_t at = 0;

		while (at < FIELD_COUNT && strcmp(field_names[at], text_string(&name)) != 0)
			at++;
		if (at == FIELD_COUNT) {
			order->has_unknown = true;
			continue;
		}
		order->has_twice = order->has_twice || (at != MEDIA && order->fields[at].length > 0);
		text_clear(&order->fields[at]);
		span_add(&order->fields[at], span_of_text(&value));
	}
	text_release(&name);
	text_release(&value);
}

static bool is_authorized(const struct exchange *exchange)
{
	const struct accounts *accounts = exchange->sandbox->accounts;
	struct text plain, expected;
	bool holds;

	text_init(&plain, 512);
	text_init(&expected, 1024);
	text_addf(&plain, "%s:%s", accounts_text(accounts, "twilio", "sid"),
		  accounts_text(accounts, "twilio", "token"));
	text_add(&expected, "Basic ");
	digest_add_base64(&expected, plain.bytes, plain.length);
	holds = span_equal(exchange_header(exchange, "authorization"), text_string(&expected));
	text_release(&plain);
	text_release(&expected);
	return holds;
}

static bool is_at(const struct exchange *exchange)
{
	struct span rest = span_skip(exchange->path, strlen("/twilio"));
	const char *sid = accounts_text(exchange->sandbox->accounts, "twilio", "sid");

	if (!span_starts(rest, "/2010-04-01/Accounts/"))
		return false;
	rest = span_skip(rest, strlen("/2010-04-01/Accounts/"));
	return span_equal(span_cut(&rest, '/'), sid) && span_equal(rest, "Messages.json");
}

static json_t *resource(const struct exchange *exchange, const struct order *order, const char *sid)
{
	const struct text *fields = order->fields;
	bool by_service = fields[SERVICE].length > 0;

	return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s, s:s, s:s, s:s, s:s, s:n, s:n, s:n, s:n, s:s}", "sid", sid,
			 "account_sid", accounts_text(exchange->sandbox->accounts, "twilio", "sid"), "to",
			 text_string(&fields[TO]), "from", by_service ? NULL : text_string(&fields[FROM]),
			 "messaging_service_sid", by_service ? text_string(&fields[SERVICE]) : NULL, "body",
			 text_string(&fields[BODY]), "status", by_service ? "accepted" : "queued", "direction",
			 "outbound-api", "num_segments", by_service ? "0" : "1", "num_media", "0", "error_code",
			 "error_message", "price", "date_sent", "api_version", "2010-04-01");
}

/* All but the seconds that are left. */
static void note_said(struct exchange *exchange, const struct order *order)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (i == VALIDITY)
			continue;
		span_add(&exchange->said, span_of_text(&order->fields[i]));
		text_add_char(&exchange->said, '\n');
	}
}

static void take(struct exchange *exchange, const struct order *order)
{
	const struct text *callback = &order->fields[STATUS_CALLBACK];
	struct span query = span_of_text(callback);
	struct text sid, delivery;

	text_init(&sid, 64);
	text_init(&delivery, 64);
	text_add(&sid, "SM");
	exchange_add_id(&sid, 16);
	(void)span_cut(&query, '?');
	query = span_cut(&query, '#');
	(void)span_find_field(query, "delivery", &delivery);
	exchange_accept(exchange, span_of_text(&delivery), span_of_text(&order->fields[TO]));
	note_said(exchange, order);
	text_add(&exchange->message, text_string(&sid));
	text_add(&exchange->credential, accounts_text(exchange->sandbox->accounts, "twilio", "sid"));
	span_add(&exchange->callback_url, span_of_text(callback));
	exchange_answer_json(exchange, 201, resource(exchange, order, text_string(&sid)));
	text_release(&sid);
	text_release(&delivery);
}

static void answer_order(struct exchange *exchange)
{
	struct order order = {0};
	struct mistake mistake;

	read_order(&order, exchange->body);
	if (span_starts(span_of_text(&order.fields[TO]), status_now))
		fail(exchange, atoi(text_string(&order.fields[TO]) + strlen(status_now)) % 1000);
	else if (is_wrong(&order, &mistake))
		refuse(exchange, 400, mistake.code, mistake.message);
	else
		take(exchange, &order);
	for (size_t i = 0; i < FIELD_COUNT; i++)
		text_release(&order.fields[i]);
}

static void answer(struct exchange *exchange)
{
	if (!is_authorized(exchange))
		fail(exchange, 401);
	else if (!is_at(exchange))
		fail(exchange, 404);
	else if (!span_equal(exchange->method, "POST"))
		refuse(exchange, 405, 20004, "Method not allowed");
	else if (!exchange_is_type(exchange, "application/x-www-form-urlencoded"))
		refuse(exchange, 415, 20415, "Unsupported Media Type");
	else
		answer_order(exchange);
}

static const struct {
	const char *status;
	int code;
} event_names[CALLBACK_KIND_COUNT] = {
	[CALLBACK_SENT] = {"sent", 0},
	[CALLBACK_DELIVERED] = {"delivered", 0},
	[CALLBACK_BOUNCED] = {"undelivered", 30005},
	[CALLBACK_BOUNCED_SOFT] = {"undelivered", 30003},
	[CALLBACK_FAILED] = {"failed", 30007},
};

static void add_field(struct text *body, const char *name, const char *value)
{
	text_add(body, body->length > 0 ? "&" : "");
	text_add(body, name);
	text_add_char(body, '=');
	text_add_url(body, value, strlen(value));
}

static void write_reply(const struct callback *callback, struct text *body)
{
	add_field(body, "ToCountry", "US");
	add_field(body, "MessageSid", callback->message);
	add_field(body, "SmsSid", callback->message);
	add_field(body, "NumMedia", "0");
	add_field(body, "SmsStatus", "received");
	add_field(body, "Body", callback->text);
	if (strcmp(callback->text, "STOP") == 0 || strcmp(callback->text, "START") == 0)
		add_field(body, "OptOutType", callback->text);
	add_field(body, "To", callback->to);
	add_field(body, "From", callback->recipient);
	add_field(body, "NumSegments", "1");
	add_field(body, "ApiVersion", "2010-04-01");
}

static void write(const struct callback *const *callbacks, size_t count, struct text *body)
{
	const struct callback *callback = callbacks[0];
	int code = callback->code ? callback->code : event_names[callback->kind].code;
	struct text number;

	(void)count;
	if (callback->kind == CALLBACK_REPLIED) {
		write_reply(callback, body);
		return;
	}
	text_init(&number, 16);
	text_add_int64(&number, code);
	add_field(body, "SmsSid", callback->message);
	add_field(body, "SmsStatus", event_names[callback->kind].status);
	add_field(body, "MessageStatus", event_names[callback->kind].status);
	add_field(body, "To", callback->recipient);
	add_field(body, "MessageSid", callback->message);
	if (code)
		add_field(body, "ErrorCode", text_string(&number));
	add_field(body, "ApiVersion", "2010-04-01");
	text_release(&number);
}

struct pair {
	char *name, *value;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

/* The URL, then each field of the form by name: name and value. */
static void add_signed(struct text *out, const struct callback_seal *seal)
{
	struct pair pairs[32];
	size_t count = 0;
	struct span form = seal->body;
	struct text name, value;

	text_init(&name, FIELD_MAX);
	text_init(&value, FIELD_MAX);
	span_add(out, seal->public_url);
	while (count < ARRAY_LENGTH(pairs) && span_next_field(&form, &name, &value))
		pairs[count++] =
			(struct pair){memory_copy_string(text_string(&name)), memory_copy_string(text_string(&value))};
	qsort(pairs, count, sizeof(*pairs), by_name);
	for (size_t i = 0; i < count; i++) {
		text_add(out, pairs[i].name);
		text_add(out, pairs[i].value);
		free(pairs[i].name);
		free(pairs[i].value);
	}
	text_release(&name);
	text_release(&value);
}

static void sign(const struct callback_seal *seal, struct text *headers)
{
	struct text signed_text, digest;

	text_init(&signed_text, 1024 * 1024);
	text_init(&digest, 64);
	add_signed(&signed_text, seal);
	crypto_add_hmac(&digest, "SHA1", seal->secret, span_of_text(&signed_text));
	text_add(headers, "User-Agent: TwilioProxy/1.1\r\nX-Twilio-Signature: ");
	digest_add_base64(headers, digest.bytes, digest.length);
	text_add(headers, "\r\n");
	text_release(&signed_text);
	text_release(&digest);
}

static const struct callback_style callbacks = {
	.content_type = "application/x-www-form-urlencoded",
	.kinds = CALLBACK_BIT(CALLBACK_SENT) | CALLBACK_BIT(CALLBACK_DELIVERED) | CALLBACK_BIT(CALLBACK_BOUNCED) |
		 CALLBACK_BIT(CALLBACK_BOUNCED_SOFT) | CALLBACK_BIT(CALLBACK_FAILED) | CALLBACK_BIT(CALLBACK_REPLIED),
	.batch_max = 1,
	.retries = 1, /* the default of connection overrides: rc=1, rp=ct */
	.url_per_message = true,
	.write = write,
	.sign = sign,
};

const struct vendor vendor_twilio = {
	.name = "twilio",
	.prefix = "/twilio/",
	.is_message = true,
	.answer = answer,
	.fail = fail,
	.callbacks = &callbacks,
};
