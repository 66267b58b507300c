/* Twilio SendGrid, API v3 (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send).
 *
 * It answers 202 with an empty body; the message's id stands in a header. No idempotency key exists. 429 comes with
 * X-RateLimit-Reset, the second of the epoch at which it takes requests again.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
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
};

static const char settings_help[] =
	"api_key     env:NAME or file:/path of the API key, SG....\n"
	"webhook_public_key  the event webhook's verification key; empty: no callbacks are believed\n" EMAIL_SENDER_HELP
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
	free(account);
}

static struct provider_account *sendgrid_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	if (provider_setting_text(settings, "api_key", true, NULL, &account->api_key, err) &&
	    provider_setting_text(settings, "webhook_public_key", false, "", &account->webhook_public_key, err) &&
	    email_sender_configure(&account->sender, settings, err) &&
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

static struct slice slice_of(const char *text)
{
	return (struct slice){.bytes = text, .length = strlen(text)};
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
	add_string(out, "email", slice_of(sender->address));
	if (sender->name[0] != '\0') {
		text_add(out, ",");
		add_string(out, "name", slice_of(sender->name));
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
		.words = slice_of(words != NULL ? words : ""),
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
};
