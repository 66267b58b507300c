/* Twilio SendGrid, API v3 (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send).
 *
 * It answers 202 with an empty body; the message's id stands in a header. No idempotency key exists. 429 comes with
 * X-RateLimit-Reset, the second of the epoch at which it takes requests again.
 *
 * Callbacks are a JSON array, signed by ECDSA over a timestamp and the bytes of the body, which has line ends between the
 * events and behind them (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event). What SendGrid
 * itself takes for too old is not documented: tolerance_s says it here.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/digest.h"
#include "shared/memory.h"
#include "shared/signature.h"
#include "worker/providers/callback_fields.h"
#include "worker/providers/drivers.h"
#include "worker/providers/email_sender.h"
#include "worker/providers/http_account.h"
#include "worker/providers/words.h"

#define RESET_DIGITS_MAX 12
#define RESET_MAX_MS     (24 * 3600 * INT64_C(1000)) /* like Retry-After */

struct provider_account {
	struct http_account http;
	struct email_sender sender;
	char *api_key, *webhook_public_key;
	struct signature_key *webhook_key; /* NULL: no callbacks are believed */
	int64_t tolerance_s;
};

static const char settings_help[] =
	"api_key     env:NAME or file:/path of the API key, SG....\n"
	"webhook_public_key  the event webhook's verification key; empty: no callbacks are believed\n"
	"tolerance_s 300; how far from our clock a callback's timestamp may be\n" EMAIL_SENDER_HELP
	"base_url    https://api.sendgrid.com; https://api.eu.sendgrid.com for a European account\n" HTTP_ACCOUNT_HELP;

static const struct http_account_defaults defaults = {"base_url", "https://api.sendgrid.com", 30000};

static void sendgrid_release(struct provider_account *account)
{
	if (account == NULL)
		return;
	http_account_release(&account->http);
	email_sender_release(&account->sender);
	http_secret_free(&account->api_key);
	free(account->webhook_public_key);
	signature_key_free(&account->webhook_key);
	free(account);
}

/* It is public, and so may stand in the settings; but whoever has keys in files names one. */
static bool read_webhook_key(struct provider_account *account, const json_t *settings, struct error *err)
{
	const char *written = json_string_value(json_object_get(settings, "webhook_public_key"));
	bool is_reference = written != NULL && (strncmp(written, "env:", 4) == 0 || strncmp(written, "file:", 5) == 0);

	if (!provider_setting_text(settings, "webhook_public_key", is_reference, "", &account->webhook_public_key,
				   err) ||
	    !provider_setting_number(settings, "tolerance_s", CALLBACK_TOLERANCE_S, 1, 86400, &account->tolerance_s,
				     err))
		return false;
	if (account->webhook_public_key[0] == '\0')
		return true;
	account->webhook_key = signature_key_new(account->webhook_public_key, strlen(account->webhook_public_key));
	return account->webhook_key != NULL ||
	       error_set(err, ERROR_INVALID,
			 "webhook_public_key is not the verification key that SendGrid shows: base64 on one line, "
			 "without BEGIN and END.");
}

static struct provider_account *sendgrid_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	if (provider_setting_text(settings, "api_key", true, NULL, &account->api_key, err) &&
	    read_webhook_key(account, settings, err) && email_sender_configure(&account->sender, settings, err) &&
	    http_account_configure(&account->http, settings, &defaults, err))
		return account;
	sendgrid_release(account);
	return NULL;
}

static void add_string(struct text *out, const char *name, struct slice value)
{
	text_addf(out, "\"%s\":", name);
	text_add_json_string(out, value.bytes, value.length);
}

/* They refuse an empty part, and HTML in front of text. */
static void add_content(struct text *out, const struct provider_message *message)
{
	bool both = message->body_text.length > 0 && message->body_html.length > 0;

	text_add(out, ",\"content\":[");
	if (message->body_text.length > 0) {
		text_add(out, "{\"type\":\"text/plain\",");
		add_string(out, "value", message->body_text);
		text_add(out, both ? "}," : "}");
	}
	if (message->body_html.length > 0) {
		text_add(out, "{\"type\":\"text/html\",");
		add_string(out, "value", message->body_html);
		text_add(out, "}");
	}
	text_add(out, "]");
}

/* custom_args come back with every event. We count opens and clicks ourselves, so their own counting is off. */
static void add_body(struct text *out, const struct email_sender *sender, const struct provider_message *message)
{
	text_add(out, "{\"personalizations\":[{\"to\":[{");
	add_string(out, "email", message->address);
	text_add(out, "}],\"custom_args\":{\"delivery_id\":\"");
	text_add_int64(out, message->delivery_id);
	text_add(out, "\"}}],\"from\":{");
	add_string(out, "email", provider_slice(sender->address));
	if (sender->name[0] != '\0') {
		text_add(out, ",");
		add_string(out, "name", provider_slice(sender->name));
	}
	text_add(out, "},");
	add_string(out, "subject", message->subject);
	add_content(out, message);
	email_add_list_headers_json(out, message);
	text_addf(out, ",\"categories\":[\"%s\"]", message->is_marketing ? "marketing" : "transactional");
	text_add(out, ",\"tracking_settings\":{\"click_tracking\":{\"enable\":false,\"enable_text\":false},"
		      "\"open_tracking\":{\"enable\":false}}}");
}

static bool sendgrid_build(struct provider_account *account, const struct provider_message *message,
			   struct provider_request *request, struct error *err)
{
	provider_request_clear(request);
	if (!email_message_check(message, err))
		return false;
	if (message->subject.length == 0)
		return error_set(err, ERROR_INVALID, "The message has no subject; SendGrid wants one.");
	request->protocol = PROVIDER_HTTP;
	text_add(&request->url, account->http.url);
	text_add(&request->url, "/v3/mail/send");
	add_body(&request->body, &account->sender, message);
	return http_add_bearer(request, account->api_key, err) &&
	       provider_request_header(request, "Content-Type", "application/json", 16, err) &&
	       http_request_fits(request, err);
}

/* The name is the field that is blamed; SendGrid has no numbers for its errors. */
static const struct http_rule errors[] = {
	{"personalizations.0.to.0.email", 400, 400, OUTCOME_BAD_ADDRESS, "it is no address"},
	{"from.email", 400, 400, OUTCOME_BAD_CREDENTIALS, "it does not accept the account's from_email"},
	{"from", 403, 403, OUTCOME_BAD_CREDENTIALS, "it does not accept the account's from_email"},
	{NULL, 404, 405, OUTCOME_BAD_PAYLOAD, "check the account's base_url"},
};

/* Nothing when the header is not there or makes no sense. */
static int64_t until_reset_ms(const struct provider_answer *answer)
{
	struct slice reset = provider_header(answer->headers, "X-RateLimit-Reset");
	int64_t seconds = 0, wait_ms;

	if (reset.length == 0 || reset.length > RESET_DIGITS_MAX)
		return 0;
	for (size_t i = 0; i < reset.length; i++) {
		if (reset.bytes[i] < '0' || reset.bytes[i] > '9')
			return 0;
		seconds = seconds * 10 + (reset.bytes[i] - '0');
	}
	wait_ms = seconds * 1000 - answer->wall_ms;
	if (wait_ms < 0)
		return 0;
	return wait_ms < RESET_MAX_MS ? wait_ms : RESET_MAX_MS;
}

static void keep_message_id(const struct provider_answer *answer, struct outcome *outcome)
{
	struct slice id = provider_header(answer->headers, "X-Message-Id");

	if (id.length < sizeof(outcome->provider_message_id))
		(void)snprintf(outcome->provider_message_id, sizeof(outcome->provider_message_id), "%.*s",
			       (int)id.length, id.length > 0 ? id.bytes : "");
}

static void sendgrid_read(struct provider_account *account, const struct provider_answer *answer,
			  struct outcome *outcome)
{
	json_t *body, *error;
	const char *words;

	(void)account;
	if (words_without_answer(answer, outcome))
		return;
	body = http_answer_json(answer);
	error = json_array_get(json_object_get(body, "errors"), 0);
	words = json_string_value(json_object_get(error, "message"));
	const struct http_finding finding = {
		.vendor = "SendGrid",
		.rules = errors,
		.rule_count = ARRAY_LENGTH(errors),
		.name = json_string_value(json_object_get(error, "field")),
		.words = provider_slice(words != NULL ? words : ""),
		.wait_ms = until_reset_ms(answer),
	};
	http_outcome(answer, &finding, outcome);
	if (outcome->class == OUTCOME_ACCEPTED)
		keep_message_id(answer, outcome);
	json_decref(body);
}

static const struct provider_transport *sendgrid_transport(const struct provider_account *account)
{
	return &account->http.transport;
}

#define SIGNATURE_BYTES_MAX 256

static bool sendgrid_verify(struct provider_account *account, const struct provider_callback *callback,
			    struct error *err)
{
	struct slice given = provider_header(callback->headers, "X-Twilio-Email-Event-Webhook-Signature");
	struct slice seconds = provider_header(callback->headers, "X-Twilio-Email-Event-Webhook-Timestamp");
	struct text signature;
	bool valid;

	if (account->webhook_key == NULL)
		return error_set(err, ERROR_REFUSED,
				 "The account has no webhook_public_key, so that nothing can be believed.");
	if (given.length == 0 || seconds.length == 0)
		return error_set(err, ERROR_REFUSED, "The callback is not signed.");
	text_init(&signature, SIGNATURE_BYTES_MAX);
	valid = digest_base64_decode(&signature, given.bytes, given.length) &&
		signature_key_verifies(account->webhook_key, seconds.bytes, seconds.length, callback->body.bytes,
				       callback->body.length, text_string(&signature), signature.length);
	text_release(&signature);
	if (!valid)
		return error_set(err, ERROR_REFUSED,
				 "The callback's signature is not SendGrid's: check webhook_public_key.");
	return callback_check_age(seconds, callback->now_ms, account->tolerance_s, err);
}

static const struct callback_word event_words[] = {
	{"processed", PROVIDER_EVENT_QUEUED},
	{"deferred", PROVIDER_EVENT_DEFERRED},
	{"delivered", PROVIDER_EVENT_DELIVERED},
	{"bounce", PROVIDER_EVENT_BOUNCED_HARD},
	{"blocked", PROVIDER_EVENT_BOUNCED_SOFT},
	{"dropped", PROVIDER_EVENT_FAILED},
	{"open", PROVIDER_EVENT_OPENED},
	{"click", PROVIDER_EVENT_CLICKED},
	{"spamreport", PROVIDER_EVENT_COMPLAINED},
	{"unsubscribe", PROVIDER_EVENT_UNSUBSCRIBED},
	{"group_unsubscribe", PROVIDER_EVENT_UNSUBSCRIBED},
	{"group_resubscribe", PROVIDER_EVENT_RESUBSCRIBED},
	{NULL, PROVIDER_EVENT_OTHER},
};

/* A bounce's type says whether the address is dead. What they dropped by themselves says it, too, when the address
 * had bounced before or is none. */
static enum provider_event_kind kind_of(const json_t *item)
{
	struct slice word = callback_text(item, "event"), reason = callback_text(item, "reason");
	enum provider_event_kind kind = callback_kind(event_words, word);

	if (callback_slice_is(word, "bounce") && callback_slice_is(callback_text(item, "type"), "blocked"))
		return PROVIDER_EVENT_BOUNCED_SOFT;
	if (kind == PROVIDER_EVENT_FAILED &&
	    (callback_slice_is(reason, "Bounced Address") || callback_slice_is(reason, "Invalid")))
		return PROVIDER_EVENT_BOUNCED_HARD;
	return kind;
}

/* sg_message_id is the X-Message-Id of the send's answer, a dot, and the name of the machine that handled it. The id
 * itself has had dots in it, too. */
static struct slice message_id_of(const json_t *item)
{
	static const char *const machines[] = {".filter", ".recvd", "."};
	struct slice id = callback_text(item, "sg_message_id");

	for (size_t i = 0; id.length > 0 && i < ARRAY_LENGTH(machines); i++) {
		const char *found = memmem(id.bytes, id.length, machines[i], strlen(machines[i]));

		if (found != NULL)
			return (struct slice){.bytes = id.bytes, .length = (size_t)(found - id.bytes)};
	}
	return id;
}

static void hand_over(const json_t *item, int64_t now_ms,
		      void (*add)(void *context, const struct provider_event *event), void *context)
{
	struct slice reason = callback_text(item, "reason");
	char words[CALLBACK_WORDS_MAX];
	struct provider_event event = {
		.kind = kind_of(item),
		.delivery_id = callback_delivery_id(item, "delivery_id"),
		.provider_message_id = message_id_of(item),
		.event_key = callback_text(item, "sg_event_id"),
		.address = callback_text(item, "email"),
		.code = callback_text(item, "status"),
		.at_ms = callback_seconds_ms(item, "timestamp", now_ms),
	};

	if (event.kind == PROVIDER_EVENT_OPENED)
		event.is_machine = json_is_true(json_object_get(item, "sg_machine_open"));

	words_clean(reason.length > 0 ? reason : callback_text(item, "response"), words, sizeof(words));
	event.words = provider_slice(words);
	if (event.kind == PROVIDER_EVENT_CLICKED)
		event.link = callback_text(item, "url");
	add(context, &event);
}

static bool sendgrid_parse(struct provider_account *account, const struct provider_callback *callback,
			   void (*add)(void *context, const struct provider_event *event), void *context,
			   struct error *err)
{
	json_t *events = NULL;
	const json_t *item;
	size_t index;
	bool parsed = callback_json(callback->body, &events, err) &&
		      (json_is_array(events) || error_set(err, ERROR_INVALID, "The callback is not a list of events."));

	(void)account;
	if (parsed)
		json_array_foreach(events, index, item) hand_over(item, callback->now_ms, add, context);
	json_decref(events);
	return parsed;
}

static const struct provider_callbacks sendgrid_callbacks = {.verify = sendgrid_verify, .parse = sendgrid_parse};

const struct provider_driver sendgrid_driver = {
	.name = "sendgrid",
	.channels = 1u << CHANNEL_EMAIL,
	.keyed = false,
	.settings_help = settings_help,
	.configure = sendgrid_configure,
	.release = sendgrid_release,
	.build = sendgrid_build,
	.read = sendgrid_read,
	.transport = sendgrid_transport,
	.callbacks = &sendgrid_callbacks,
};
