/* Mailchimp Transactional, still called Mandrill in its API (https://mailchimp.com/developer/transactional/api/).
 *
 * The key goes in the body. A 200 is not a success yet: it lists each recipient with a status of its own, and a refused
 * one may have no id. What they call "queued" they have taken and send by themselves. No idempotency key exists.
 *
 * Callbacks are a form whose one field holds a JSON array of up to 1000 events; the signature covers the webhook's URL exactly as it
 * was configured there and the decoded field (https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/).
 * When a webhook is set up they try its URL with an unsigned HEAD.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "shared/signature.h"
#include "worker/providers/callback_fields.h"
#include "worker/providers/drivers.h"
#include "worker/providers/email_sender.h"
#include "worker/providers/form.h"
#include "worker/providers/http_account.h"
#include "worker/providers/words.h"

struct provider_account {
	struct http_account http;
	struct email_sender sender;
	char *api_key, *webhook_key;
};

static const char settings_help[] =
	"api_key     env:NAME or file:/path of the API key\n"
	"webhook_key env:NAME or file:/path of the webhook's key; empty: no callbacks are believed\n" EMAIL_SENDER_HELP
	"base_url    https://mandrillapp.com/api/1.0\n" HTTP_ACCOUNT_HELP;

static const struct http_account_defaults defaults = {"base_url", "https://mandrillapp.com/api/1.0", 30000};

static void mandrill_release(struct provider_account *account)
{
	if (account == NULL)
		return;
	http_account_release(&account->http);
	email_sender_release(&account->sender);
	http_secret_free(&account->api_key);
	http_secret_free(&account->webhook_key);
	free(account);
}

static struct provider_account *mandrill_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	if (provider_setting_text(settings, "api_key", true, NULL, &account->api_key, err) &&
	    provider_setting_text(settings, "webhook_key", true, "", &account->webhook_key, err) &&
	    email_sender_configure(&account->sender, settings, err) &&
	    http_account_configure(&account->http, settings, &defaults, err))
		return account;
	mandrill_release(account);
	return NULL;
}

static void add_string(struct text *out, const char *name, struct slice value)
{
	text_addf(out, ",\"%s\":", name);
	text_add_json_string(out, value.bytes, value.length);
}

/* metadata comes back with every callback; its value is a text because JSON's numbers end at 2^53. We count opens and
 * clicks ourselves, so their own counting is off. */
static void add_message(struct text *out, const struct email_sender *sender, const struct provider_message *message)
{
	text_add(out, "{\"from_email\":");
	text_add_json_string(out, sender->address, strlen(sender->address));
	if (sender->name[0] != '\0')
		add_string(out, "from_name", provider_slice(sender->name));
	text_add(out, ",\"to\":[{\"email\":");
	text_add_json_string(out, message->address.bytes, message->address.length);
	text_add(out, ",\"type\":\"to\"}]");
	add_string(out, "subject", message->subject);
	if (message->body_text.length > 0)
		add_string(out, "text", message->body_text);
	if (message->body_html.length > 0)
		add_string(out, "html", message->body_html);
	email_add_list_headers_json(out, message);
	text_add(out, ",\"metadata\":{\"delivery_id\":\"");
	text_add_int64(out, message->delivery_id);
	text_addf(out, "\"},\"tags\":[\"%s\"]", message->is_marketing ? "marketing" : "transactional");
	text_add(out, ",\"preserve_recipients\":false,\"track_opens\":false,\"track_clicks\":false}");
}

static bool mandrill_build(struct provider_account *account, const struct provider_message *message,
			   struct provider_request *request, struct error *err)
{
	struct text *body = &request->body;

	provider_request_clear(request);
	if (!email_message_check(message, err))
		return false;
	request->protocol = PROVIDER_HTTP;
	text_add(&request->url, account->http.url);
	text_add(&request->url, "/messages/send.json");
	text_add(body, "{\"key\":");
	text_add_json_string(body, account->api_key, strlen(account->api_key));
	text_add(body, ",\"message\":");
	add_message(body, &account->sender, message);
	text_add(body, ",\"async\":false}");
	return provider_request_header(request, "Content-Type", "application/json", 16, err) &&
	       http_request_fits(request, err);
}

/* By name: their statuses have changed, 500 stood for nearly everything once. */
static const struct http_rule errors[] = {
	{"Invalid_Key", 0, 0, OUTCOME_BAD_CREDENTIALS, "it does not know the account's api_key"},
	{"PaymentRequired", 0, 0, OUTCOME_BAD_CREDENTIALS, "the account has to be paid for"},
	{"Unknown_Subaccount", 0, 0, OUTCOME_BAD_CREDENTIALS, "it does not know the subaccount"},
	{"Unknown_Template", 0, 0, OUTCOME_BAD_PAYLOAD, "it does not know the template"},
	{"ValidationError", 0, 0, OUTCOME_BAD_PAYLOAD, "something in the message is wrong"},
	{"RequestLimitExceeded", 0, 0, OUTCOME_THROTTLED, "we are too fast for it"},
	{"GeneralError", 0, 0, OUTCOME_TRANSIENT, "it failed for now"},
	{"ServiceUnavailable", 0, 0, OUTCOME_TRANSIENT, "it failed for now"},
};

static void read_error(const struct provider_answer *answer, const json_t *body, struct outcome *outcome)
{
	const char *words = json_string_value(json_object_get(body, "message"));
	const struct http_finding finding = {
		.vendor = "Mandrill",
		.rules = errors,
		.rule_count = ARRAY_LENGTH(errors),
		.name = json_string_value(json_object_get(body, "name")),
		.words = provider_slice(words != NULL ? words : ""),
	};

	http_outcome(answer, &finding, outcome);
}

struct rejection {
	const char *reason;
	enum outcome_class class;
	const char *sentence;
};

/* reject_reason. A sender that they do not accept would be refused for every message: that waits for a person. */
static const struct rejection rejections[] = {
	{"hard-bounce", OUTCOME_BAD_ADDRESS, "the address has bounced before"},
	{"invalid", OUTCOME_BAD_ADDRESS, "it is no address"},
	{"soft-bounce", OUTCOME_BAD_PAYLOAD, "the address bounces at the moment"},
	{"spam", OUTCOME_BAD_PAYLOAD, "the recipient has reported us as spam"},
	{"unsub", OUTCOME_BAD_PAYLOAD, "the recipient has unsubscribed there"},
	{"custom", OUTCOME_BAD_PAYLOAD, "the address is on the account's own list of refused ones"},
	{"rule", OUTCOME_BAD_PAYLOAD, "a rule of the account refuses it"},
	{"invalid-sender", OUTCOME_BAD_CREDENTIALS, "it does not accept the account's from_email"},
	{"unsigned", OUTCOME_BAD_CREDENTIALS, "the domain of from_email is not verified there"},
	{"test-mode-limit", OUTCOME_BAD_CREDENTIALS, "the test key has sent what it may"},
};

static void read_rejected(const char *reason, struct outcome *outcome)
{
	for (size_t i = 0; i < ARRAY_LENGTH(rejections); i++)
		if (strcmp(rejections[i].reason, reason) == 0) {
			outcome_set(outcome, rejections[i].class, reason, "Mandrill rejected it: %s.",
				    rejections[i].sentence);
			return;
		}
	outcome_set(outcome, OUTCOME_BAD_PAYLOAD, "rejected", "Mandrill rejected it for a reason that we do not know.");
}

static void read_recipient(const json_t *recipient, struct outcome *outcome)
{
	const char *status = json_string_value(json_object_get(recipient, "status"));
	const char *reason = json_string_value(json_object_get(recipient, "reject_reason"));
	const char *id = json_string_value(json_object_get(recipient, "_id"));

	if (status == NULL)
		outcome_set(outcome, OUTCOME_UNCERTAIN, "200",
			    "Mandrill answered 200 without saying what became of it.");
	else if (strcmp(status, "sent") == 0 || strcmp(status, "queued") == 0 || strcmp(status, "scheduled") == 0)
		outcome_set(outcome, OUTCOME_ACCEPTED, status, "Mandrill has taken the message.");
	else if (strcmp(status, "invalid") == 0)
		read_rejected("invalid", outcome);
	else if (strcmp(status, "rejected") == 0)
		read_rejected(reason != NULL ? reason : "", outcome);
	else
		outcome_set(outcome, OUTCOME_UNCERTAIN, "200", "Mandrill answered with a status that we do not know.");
	if (id != NULL)
		(void)snprintf(outcome->provider_message_id, sizeof(outcome->provider_message_id), "%.*s",
			       (int)sizeof(outcome->provider_message_id) - 1, id);
}

static void mandrill_read(struct provider_account *account, const struct provider_answer *answer,
			  struct outcome *outcome)
{
	json_t *body;

	(void)account;
	if (words_without_answer(answer, outcome))
		return;
	body = http_answer_json(answer);
	if (answer->status / 100 == 2)
		read_recipient(json_array_get(body, 0), outcome);
	else
		read_error(answer, body, outcome);
	json_decref(body);
}

static const struct provider_transport *mandrill_transport(const struct provider_account *account)
{
	return &account->http.transport;
}

#define EVENT_KEY_MAX 200

static bool mandrill_verify(struct provider_account *account, const struct provider_callback *callback,
			    struct error *err)
{
	struct slice given = provider_header(callback->headers, "X-Mandrill-Signature");
	uint8_t digest[SIGNATURE_SHA1_BYTES];
	struct error malformed = {0};
	struct form form;
	struct text covered;

	if (account->webhook_key[0] == '\0')
		return error_set(err, ERROR_REFUSED,
				 "The account has no webhook_key, so that nothing can be believed.");
	if (given.length == 0)
		return error_set(err, ERROR_REFUSED, "The callback is not signed.");
	if (!form_parse(&form, callback->body, &malformed))
		return error_set(err, ERROR_REFUSED, "The callback is no form that anybody could have signed.");
	text_init(&covered, strlen(callback->url) + form.length + 1);
	text_add(&covered, callback->url);
	form_add_sorted(&form, &covered);
	signature_hmac_sha1(account->webhook_key, strlen(account->webhook_key), text_string(&covered), covered.length,
			    digest);
	form_release(&form);
	text_release(&covered);
	if (signature_is_base64_of(given.bytes, given.length, digest, sizeof(digest)))
		return true;
	return error_set(err, ERROR_REFUSED,
			 "The callback's signature is not Mandrill's: check webhook_key and the URL.");
}

static const struct callback_word event_words[] = {
	{"send", PROVIDER_EVENT_SENT},
	{"deferral", PROVIDER_EVENT_DEFERRED},
	{"delivered", PROVIDER_EVENT_DELIVERED},
	{"hard_bounce", PROVIDER_EVENT_BOUNCED_HARD},
	{"soft_bounce", PROVIDER_EVENT_BOUNCED_SOFT},
	{"open", PROVIDER_EVENT_OPENED},
	{"click", PROVIDER_EVENT_CLICKED},
	{"spam", PROVIDER_EVENT_COMPLAINED},
	{"unsub", PROVIDER_EVENT_UNSUBSCRIBED},
	{"reject", PROVIDER_EVENT_FAILED},
	{NULL, PROVIDER_EVENT_OTHER}, /* also the changes of their lists, and inbound mail */
};

/* An id is the message's, so that the event's own number is made of all that tells two events apart. */
static void add_event_key(struct text *out, const json_t *item, struct slice id)
{
	struct slice word = callback_text(item, "event");

	if (id.length == 0 || word.length == 0)
		return;
	text_add_bytes(out, id.bytes, id.length);
	text_add_char(out, ':');
	text_add_bytes(out, word.bytes, word.length);
	text_add_char(out, ':');
	text_add_int64(out, callback_seconds_ms(item, "ts", 0) / 1000);
	if (!text_ok(out))
		text_clear(out);
}

static struct provider_event read_event(const json_t *item, int64_t now_ms)
{
	const json_t *message = json_object_get(item, "msg"), *reject = json_object_get(item, "reject");
	struct provider_event event = {
		.kind = callback_kind(event_words, callback_text(item, "event")),
		.delivery_id = callback_delivery_id(json_object_get(message, "metadata"), "delivery_id"),
		.provider_message_id = callback_text(item, "_id"),
		.address = callback_text(message, "email"),
		.code = callback_text(message, "bounce_description"),
		.words = callback_text(message, "diag"),
		.link = callback_text(item, "url"),
		.at_ms = callback_seconds_ms(item, "ts", now_ms),
	};

	if (event.provider_message_id.length == 0)
		event.provider_message_id = callback_text(message, "_id");
	if (event.code.length == 0)
		event.code = callback_text(reject, "reason");
	if (event.words.length == 0)
		event.words = callback_text(reject, "detail");
	if (event.kind != PROVIDER_EVENT_CLICKED)
		event.link = (struct slice){NULL, 0};
	return event;
}

static void hand_over(const json_t *item, int64_t now_ms,
		      void (*add)(void *context, const struct provider_event *event), void *context)
{
	struct provider_event event = read_event(item, now_ms);
	char words[CALLBACK_WORDS_MAX];
	struct text key;

	text_init(&key, EVENT_KEY_MAX);
	add_event_key(&key, item, event.provider_message_id);
	event.event_key = (struct slice){.bytes = text_string(&key), .length = key.length};
	words_clean(event.words, words, sizeof(words));
	event.words = provider_slice(words);
	add(context, &event);
	text_release(&key);
}

static bool mandrill_parse(struct provider_account *account, const struct provider_callback *callback,
			   void (*add)(void *context, const struct provider_event *event), void *context,
			   struct error *err)
{
	json_t *events = NULL;
	const json_t *item;
	struct form form;
	size_t index;
	bool parsed;

	(void)account;
	if (!form_parse(&form, callback->body, err))
		return false;
	parsed = callback_json(form_value(&form, "mandrill_events"), &events, err) &&
		 (json_is_array(events) || error_set(err, ERROR_INVALID, "mandrill_events is not a list."));
	if (parsed)
		json_array_foreach(events, index, item) hand_over(item, callback->now_ms, add, context);
	json_decref(events);
	form_release(&form);
	return parsed;
}

static const struct provider_callbacks mandrill_callbacks = {
	.verify = mandrill_verify,
	.parse = mandrill_parse,
	.probes_unsigned = true,
};

const struct provider_driver mandrill_driver = {
	.name = "mandrill",
	.channels = 1u << CHANNEL_EMAIL,
	.keyed = false,
	.settings_help = settings_help,
	.configure = mandrill_configure,
	.release = mandrill_release,
	.build = mandrill_build,
	.read = mandrill_read,
	.transport = mandrill_transport,
	.callbacks = &mandrill_callbacks,
};
