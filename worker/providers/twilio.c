/* Twilio Messages (https://www.twilio.com/docs/messaging/api/message-resource).
 *
 * There is nothing to put our own id into, so the address for status callbacks, which is given with each message, carries
 * it: its query has delivery=<id>, and Twilio signs the whole of it. No idempotency key exists. A 429 has done nothing;
 * after a 500 "it is possible for a customer to receive multiple messages" (https://www.twilio.com/docs/errors/20500), so
 * that one is uncertain, while 503 asks to be tried again (https://www.twilio.com/docs/errors/20503).
 *
 * Callbacks are one form each: a message's status, or a message that somebody wrote to us. The signature covers the URL
 * with its query, and the sorted fields (https://www.twilio.com/docs/usage/security). It holds no time: a callback that is sent again
 * is known by its event key. What a status callback says happened when it came in.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/digest.h"
#include "shared/memory.h"
#include "shared/signature.h"
#include "worker/providers/callback_fields.h"
#include "worker/providers/drivers.h"
#include "worker/providers/form.h"
#include "worker/providers/http_account.h"
#include "worker/providers/words.h"

#define BODY_CHARACTERS_MAX  1600
#define VALIDITY_SECONDS_MAX 36000
#define FROM_MAX             20
#define EVENT_KEY_MAX        200
#define OPTED_OUT            "21610"
#define OVERRIDE_CHARACTERS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=&,-"
#define NUMBER_DIGITS_MIN    7
#define NUMBER_DIGITS_MAX    15 /* E.164 */

struct provider_account {
	struct http_account http;
	char *account_sid, *auth_token, *from, *messaging_service_sid, *callback_overrides;
};

static const char settings_help[] =
	"account_sid AC and 32 hexadecimal digits\n"
	"auth_token  env:NAME or file:/path; callbacks are signed with it, too\n"
	"from        a number like +37120000000, a short code or a sender's name; or else\n"
	"messaging_service_sid  MG and 32 hexadecimal digits: the service chooses the sender\n"
	"callback_overrides  how Twilio repeats a status callback that was not taken, for example rc=5&rp=all; empty: once, "
	"and only where it could not connect\n"
	"base_url    https://api.twilio.com\n" HTTP_ACCOUNT_HELP;

static const struct http_account_defaults defaults = {"base_url", "https://api.twilio.com", 30000};

static void twilio_release(struct provider_account *account)
{
	if (account == NULL)
		return;
	http_account_release(&account->http);
	free(account->account_sid);
	http_secret_free(&account->auth_token);
	free(account->from);
	free(account->messaging_service_sid);
	free(account->callback_overrides);
	free(account);
}

/* Two letters and 32 hexadecimal digits. */
static bool is_sid(const char *text, const char *kind)
{
	return strlen(text) == 34 && strncmp(text, kind, 2) == 0 && strspn(text + 2, "0123456789abcdefABCDEF") == 32;
}

static bool check_settings(const struct provider_account *account, struct error *err)
{
	bool has_from = account->from[0] != '\0', has_service = account->messaging_service_sid[0] != '\0';

	if (!is_sid(account->account_sid, "AC"))
		return error_set(err, ERROR_INVALID, "account_sid is AC and 32 hexadecimal digits.");
	if (account->auth_token[0] == '\0')
		return error_set(err, ERROR_INVALID, "auth_token is empty.");
	if (has_from == has_service)
		return error_set(err, ERROR_INVALID, "Give one of from and messaging_service_sid, not both.");
	if (has_service && !is_sid(account->messaging_service_sid, "MG"))
		return error_set(err, ERROR_INVALID, "messaging_service_sid is MG and 32 hexadecimal digits.");
	if (account->callback_overrides[strspn(account->callback_overrides, OVERRIDE_CHARACTERS)] != '\0')
		return error_set(err, ERROR_INVALID, "callback_overrides looks like rc=5&rp=all, without the #.");
	if (strlen(account->from) > FROM_MAX)
		return error_set(err, ERROR_INVALID, "from has more than %d bytes.", FROM_MAX);
	return true;
}

static struct provider_account *twilio_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	if (provider_setting_text(settings, "account_sid", false, NULL, &account->account_sid, err) &&
	    provider_setting_text(settings, "auth_token", true, NULL, &account->auth_token, err) &&
	    provider_setting_text(settings, "from", false, "", &account->from, err) &&
	    provider_setting_text(settings, "messaging_service_sid", false, "", &account->messaging_service_sid, err) &&
	    provider_setting_text(settings, "callback_overrides", false, "", &account->callback_overrides, err) &&
	    check_settings(account, err) && http_account_configure(&account->http, settings, &defaults, err))
		return account;
	twilio_release(account);
	return NULL;
}

/* + and 7 to 15 digits, the first of them not 0. */
static bool is_number(struct slice address)
{
	if (address.length < NUMBER_DIGITS_MIN + 1 || address.length > NUMBER_DIGITS_MAX + 1 ||
	    address.bytes[0] != '+' || address.bytes[1] == '0')
		return false;
	for (size_t i = 1; i < address.length; i++)
		if (address.bytes[i] < '0' || address.bytes[i] > '9')
			return false;
	return true;
}

static size_t count_characters(struct slice text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.length; i++)
		count += ((unsigned char)text.bytes[i] & 0xC0) != 0x80;
	return count;
}

static bool check_message(const struct provider_message *message, struct error *err)
{
	if (!is_number(message->address))
		return error_set(err, ERROR_REFUSED,
				 "The address is not a telephone number in its international form, "
				 "+ and %d to %d digits.",
				 NUMBER_DIGITS_MIN, NUMBER_DIGITS_MAX);
	if (message->body_text.length == 0)
		return error_set(err, ERROR_INVALID, "The message has no text.");
	if (count_characters(message->body_text) > BODY_CHARACTERS_MAX)
		return error_set(err, ERROR_INVALID, "The text has more than %d characters.", BODY_CHARACTERS_MAX);
	return true;
}

static void add_field(struct text *out, const char *name, struct slice value)
{
	text_addf(out, "%s%s=", out->length > 0 ? "&" : "", name);
	text_add_url(out, value.bytes, value.length);
}

/* The overrides are the URL's fragment, which is neither sent nor signed
 * (https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides). */
static void add_callback(struct text *out, const char *url, const char *overrides)
{
	add_field(out, "StatusCallback", provider_slice(url));
	if (overrides[0] == '\0')
		return;
	text_add(out, "%23");
	text_add_url(out, overrides, strlen(overrides));
}

static void add_validity(struct text *out, const struct provider_message *message)
{
	int64_t seconds = (message->expires_at_ms - message->now_ms) / 1000;

	if (message->expires_at_ms == 0)
		return;
	if (seconds > VALIDITY_SECONDS_MAX)
		seconds = VALIDITY_SECONDS_MAX;
	text_add(out, "&ValidityPeriod=");
	text_add_int64(out, seconds < 1 ? 1 : seconds);
}

static bool twilio_build(struct provider_account *account, const struct provider_message *message,
			 struct provider_request *request, struct error *err)
{
	struct text *body = &request->body;
	bool has_from = account->from[0] != '\0';

	provider_request_clear(request);
	if (!check_message(message, err))
		return false;
	request->protocol = PROVIDER_HTTP;
	text_addf(&request->url, "%s/2010-04-01/Accounts/%s/Messages.json", account->http.url, account->account_sid);
	add_field(body, "To", message->address);
	add_field(body, has_from ? "From" : "MessagingServiceSid",
		  provider_slice(has_from ? account->from : account->messaging_service_sid));
	add_field(body, "Body", message->body_text);
	if (message->callback_url != NULL)
		add_callback(body, message->callback_url, account->callback_overrides);
	add_validity(body, message);
	return http_add_basic(request, account->account_sid, account->auth_token, err) &&
	       provider_request_header(request, "Content-Type", "application/x-www-form-urlencoded", 33, err) &&
	       http_request_fits(request, err);
}

/* Their numbers (https://www.twilio.com/docs/api/errors). A sender that they do not accept would be refused for every
 * message: that waits for a person. */
static const struct http_rule errors[] = {
	{"20003", 0, 0, OUTCOME_BAD_CREDENTIALS, "it does not accept account_sid and auth_token"},
	{"20404", 0, 0, OUTCOME_BAD_CREDENTIALS, "it does not know the account_sid"},
	{"20429", 0, 0, OUTCOME_THROTTLED, "we are too fast for it"},
	{"20500", 0, 0, OUTCOME_UNCERTAIN, "it failed and may have sent the message all the same"},
	{"20503", 0, 0, OUTCOME_TRANSIENT, "it failed for now"},
	{"21211", 0, 0, OUTCOME_BAD_ADDRESS, "it is no telephone number"},
	{"21212", 0, 0, OUTCOME_BAD_CREDENTIALS, "it does not accept the account's from"},
	{"21408", 0, 0, OUTCOME_BAD_PAYLOAD, "the account may not send to that country"},
	{"21602", 0, 0, OUTCOME_BAD_PAYLOAD, "the message has no text"},
	{"21606", 0, 0, OUTCOME_BAD_CREDENTIALS, "the account's from cannot send messages"},
	{OPTED_OUT, 0, 0, OUTCOME_BAD_PAYLOAD, "the recipient has answered STOP"},
	{"21611", 0, 0, OUTCOME_THROTTLED, "the sender's queue is full"},
	{"21612", 0, 0, OUTCOME_BAD_PAYLOAD, "there is no way from this sender to that number"},
	{"21614", 0, 0, OUTCOME_BAD_ADDRESS, "it is no mobile number"},
	{"21617", 0, 0, OUTCOME_BAD_PAYLOAD, "the text is too long"},
	{"21730", 0, 0, OUTCOME_TRANSIENT, "it is being maintained"},
	{NULL, 404, 404, OUTCOME_BAD_CREDENTIALS, "check the account's base_url and account_sid"},
	{NULL, 500, 500, OUTCOME_UNCERTAIN, "it failed and may have sent the message all the same"},
};

/* "code" is a number in the answer. "" when there is none. */
static void copy_code(const json_t *body, char code[24])
{
	const json_t *number = json_object_get(body, "code");

	code[0] = '\0';
	if (json_is_integer(number))
		(void)snprintf(code, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(number));
}

static void twilio_read(struct provider_account *account, const struct provider_answer *answer, struct outcome *outcome)
{
	struct http_finding finding = {.vendor = "Twilio", .rules = errors, .rule_count = ARRAY_LENGTH(errors)};
	const char *words, *sid;
	char code[24];
	json_t *body;

	(void)account;
	if (words_without_answer(answer, outcome))
		return;
	body = http_answer_json(answer);
	sid = json_string_value(json_object_get(body, "sid"));
	words = json_string_value(json_object_get(body, "message"));
	copy_code(body, code);
	/* In a 201 these are the message's own fields, not those of an error. */
	if (answer->status / 100 != 2) {
		finding.name = code;
		finding.words = provider_slice(words != NULL ? words : "");
	}
	http_outcome(answer, &finding, outcome);
	if (outcome->class == OUTCOME_ACCEPTED && sid != NULL && strlen(sid) < sizeof(outcome->provider_message_id))
		(void)snprintf(outcome->provider_message_id, sizeof(outcome->provider_message_id), "%s", sid);
	json_decref(body);
}

static const struct provider_transport *twilio_transport(const struct provider_account *account)
{
	return &account->http.transport;
}

static void sign(const struct provider_account *account, const char *url, struct form *form,
		 uint8_t digest[SIGNATURE_SHA1_BYTES])
{
	struct text covered;

	text_init(&covered, strlen(url) + form->length + 1);
	text_add(&covered, url);
	form_add_sorted(form, &covered);
	signature_hmac_sha1(account->auth_token, strlen(account->auth_token), text_string(&covered), covered.length,
			    digest);
	text_release(&covered);
}

/* Some of their services sign the URL with the port and some without, whichever it was given with: this is the other
 * spelling of the same URL. */
static void add_other_spelling(struct text *out, const char *url)
{
	const char *host = strstr(url, "://"), *path, *port = NULL;

	host = host != NULL ? host + 3 : url;
	path = host + strcspn(host, "/?");
	for (const char *at = host; at < path; at++)
		if (*at == ':' || *at == '@' || *at == ']')
			port = *at == ':' ? at : NULL;
	text_add_bytes(out, url, (size_t)((port != NULL ? port : path) - url));
	if (port == NULL)
		text_add(out, strncmp(url, "http:", 5) == 0 ? ":80" : ":443");
	text_add(out, path);
}

static bool is_signed(const struct provider_account *account, const struct provider_callback *callback,
		      struct form *form)
{
	struct slice given = provider_header(callback->headers, "X-Twilio-Signature");
	uint8_t digest[SIGNATURE_SHA1_BYTES];
	struct text other;
	bool valid;

	sign(account, callback->url, form, digest);
	if (signature_is_base64_of(given.bytes, given.length, digest, sizeof(digest)))
		return true;
	text_init(&other, strlen(callback->url) + 8);
	add_other_spelling(&other, callback->url);
	sign(account, text_string(&other), form, digest);
	valid = signature_is_base64_of(given.bytes, given.length, digest, sizeof(digest));
	text_release(&other);
	return valid;
}

/* The signature covers only the URL then; the URL holds the digest of the body. */
static bool body_is_digested(const struct provider_callback *callback)
{
	const struct slice query = {.bytes = callback->query, .length = strlen(callback->query)};
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct error malformed = {0};
	struct slice given;
	struct form form;
	struct text hex;
	bool equal;

	if (!form_parse(&form, query, &malformed))
		return false;
	given = form_value(&form, "bodySHA256");
	digest_sha256(callback->body.bytes, callback->body.length, digest);
	text_init(&hex, 2 * DIGEST_SHA256_BYTES);
	digest_add_hex(&hex, digest, sizeof(digest));
	equal = given.length == hex.length && digest_equal(given.bytes, text_string(&hex), hex.length);
	text_release(&hex);
	form_release(&form);
	return equal;
}

static bool twilio_verify(struct provider_account *account, const struct provider_callback *callback, struct error *err)
{
	bool has_form = callback->body.length > 0 && form_is_announced(callback->headers), valid;
	struct error malformed = {0};
	struct form form;

	if (provider_header(callback->headers, "X-Twilio-Signature").length == 0)
		return error_set(err, ERROR_REFUSED, "The callback is not signed.");
	if (!has_form && callback->body.length > 0 && !body_is_digested(callback))
		return error_set(err, ERROR_REFUSED,
				 "The callback's body is not the one that the signed URL tells of.");
	if (!form_parse(&form, has_form ? callback->body : (struct slice){NULL, 0}, &malformed))
		return error_set(err, ERROR_REFUSED, "The callback is no form that anybody could have signed.");
	valid = is_signed(account, callback, &form);
	form_release(&form);
	return valid ||
	       error_set(err, ERROR_REFUSED, "The callback's signature is not Twilio's: check auth_token and the URL.");
}

/* What the callback's fields are read from: a form, or JSON with the same names. */
struct fields {
	struct form form;
	json_t *json;
};

static bool fields_open(struct fields *fields, const struct provider_callback *callback, struct error *err)
{
	const struct slice nothing = {NULL, 0};

	fields->json = NULL;
	if (callback->body.length > 0 && form_is_announced(callback->headers))
		return form_parse(&fields->form, callback->body, err);
	return callback_json(callback->body, &fields->json, err) && form_parse(&fields->form, nothing, err);
}

static void fields_close(struct fields *fields)
{
	json_decref(fields->json);
	form_release(&fields->form);
}

/* The first of two names: older and newer callbacks call the same thing Sms... and Message... */
static struct slice fields_get(const struct fields *fields, const char *name, const char *older)
{
	struct slice value = fields->json != NULL ? callback_text(fields->json, name) : form_value(&fields->form, name);

	if (value.length > 0 && memchr(value.bytes, '\0', value.length) != NULL)
		value = (struct slice){NULL, 0};
	return value.length > 0 || older == NULL ? value : fields_get(fields, older, NULL);
}

static const struct callback_word status_words[] = {
	{"accepted", PROVIDER_EVENT_QUEUED},
	{"scheduled", PROVIDER_EVENT_QUEUED},
	{"queued", PROVIDER_EVENT_QUEUED},
	{"sending", PROVIDER_EVENT_QUEUED},
	{"sent", PROVIDER_EVENT_SENT},
	{"delivered", PROVIDER_EVENT_DELIVERED},
	{"partially_delivered", PROVIDER_EVENT_DELIVERED},
	{"read", PROVIDER_EVENT_DELIVERED},
	{"undelivered", PROVIDER_EVENT_FAILED},
	{"failed", PROVIDER_EVENT_FAILED},
	{"canceled", PROVIDER_EVENT_FAILED},
	{NULL, PROVIDER_EVENT_OTHER},
};

/* ErrorCode of what failed. All others say nothing about the number: blocked, filtered, queues. */
static const struct callback_word error_codes[] = {
	{"30005", PROVIDER_EVENT_BOUNCED_HARD}, /* unknown destination handset */
	{"30006", PROVIDER_EVENT_BOUNCED_HARD}, /* landline or unreachable carrier */
	{"30003", PROVIDER_EVENT_BOUNCED_SOFT}, /* unreachable handset: switched off */
	{"30008", PROVIDER_EVENT_BOUNCED_SOFT}, /* unknown error */
	{NULL, PROVIDER_EVENT_FAILED},
};

static void hand_over(struct provider_event *event, struct slice sid, const char *word,
		      void (*add)(void *context, const struct provider_event *event), void *context)
{
	struct text key;

	text_init(&key, EVENT_KEY_MAX);
	text_add_bytes(&key, sid.bytes, sid.length);
	text_addf(&key, ":%s", word);
	if (sid.length > 0 && text_ok(&key))
		event->event_key = (struct slice){.bytes = text_string(&key), .length = key.length};
	add(context, event);
	text_release(&key);
}

/* The number that it went to, or "whatsapp:" and the number. */
static void parse_status(const struct fields *fields, const struct provider_callback *callback,
			 void (*add)(void *context, const struct provider_event *event), void *context)
{
	struct slice sid = fields_get(fields, "MessageSid", "SmsSid");
	struct slice status = fields_get(fields, "MessageStatus", "SmsStatus");
	char words[CALLBACK_WORDS_MAX], word[32];
	struct provider_event event = {
		.kind = callback_kind(status_words, status),
		.delivery_id = callback_query_number(callback->query, "delivery"),
		.provider_message_id = sid,
		.address = fields_get(fields, "To", NULL),
		.code = fields_get(fields, "ErrorCode", NULL),
		.at_ms = callback->now_ms,
	};

	(void)snprintf(word, sizeof(word), "%.*s", (int)status.length, status.length > 0 ? status.bytes : "");
	words_clean(fields_get(fields, "ErrorMessage", NULL), words, sizeof(words));
	event.words = provider_slice(words);
	if (event.kind == PROVIDER_EVENT_FAILED)
		event.kind = callback_kind(error_codes, event.code);
	hand_over(&event, sid, word, add, context);
	if (callback_slice_is(status, "read")) {
		event.kind = PROVIDER_EVENT_OPENED;
		hand_over(&event, sid, "opened", add, context);
	}
	if (event.kind == PROVIDER_EVENT_FAILED && callback_slice_is(event.code, OPTED_OUT)) {
		event.kind = PROVIDER_EVENT_UNSUBSCRIBED;
		hand_over(&event, sid, "unsubscribed", add, context);
	}
}

/* What somebody wrote to us. OptOutType is STOP, START or HELP where the account lets Twilio understand such words. */
static void parse_inbound(const struct fields *fields, const struct provider_callback *callback,
			  void (*add)(void *context, const struct provider_event *event), void *context)
{
	struct provider_event event = {
		.kind = PROVIDER_EVENT_REPLIED,
		.event_key = fields_get(fields, "MessageSid", "SmsSid"),
		.address = fields_get(fields, "From", NULL),
		.code = fields_get(fields, "OptOutType", NULL),
		.text = fields_get(fields, "Body", NULL),
		.at_ms = callback->now_ms,
	};

	add(context, &event);
}

static bool twilio_parse(struct provider_account *account, const struct provider_callback *callback,
			 void (*add)(void *context, const struct provider_event *event), void *context,
			 struct error *err)
{
	struct fields fields;
	struct slice status;

	(void)account;
	if (!fields_open(&fields, callback, err))
		return false;
	status = fields_get(&fields, "MessageStatus", "SmsStatus");
	if (callback_slice_is(status, "received") || callback_slice_is(status, "receiving"))
		parse_inbound(&fields, callback, add, context);
	else
		parse_status(&fields, callback, add, context);
	fields_close(&fields);
	return true;
}

static const struct provider_callbacks twilio_callbacks = {
	.verify = twilio_verify,
	.parse = twilio_parse,
	.reply_type = "text/xml",
	.reply = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response></Response>",
};

const struct provider_driver twilio_driver = {
	.name = "twilio",
	.channels = 1u << CHANNEL_SMS,
	.keyed = false,
	.settings_help = settings_help,
	.configure = twilio_configure,
	.release = twilio_release,
	.build = twilio_build,
	.read = twilio_read,
	.transport = twilio_transport,
	.callbacks = &twilio_callbacks,
};
