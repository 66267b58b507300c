/* The in-app endpoint: Standard Webhooks, POST to any path that no other vendor has. webhook-id is its idempotency key.
 * github.com/standard-webhooks/standard-webhooks. What it calls back has the same shape and the same signature. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "tests/sandbox/callback.h"
#include "tests/sandbox/crypto.h"
#include "tests/sandbox/vendor.h"

enum { SIGNATURE_AGE_MAX_S = 300 };

static void fail(struct exchange *exchange, int status)
{
	exchange->accepted = false;
	exchange_answer(exchange, status, "application/json", "");
}

static bool signature_matches(struct digest_hmac *hmac, const struct exchange *exchange)
{
	struct span id = exchange_header(exchange, "webhook-id"), at = exchange_header(exchange, "webhook-timestamp");
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct text expected;
	bool found;

	digest_hmac_start(hmac);
	digest_hmac_add(hmac, id.bytes, id.length);
	digest_hmac_add(hmac, ".", 1);
	digest_hmac_add(hmac, at.bytes, at.length);
	digest_hmac_add(hmac, ".", 1);
	digest_hmac_add(hmac, exchange->body.bytes, exchange->body.length);
	digest_hmac_finish(hmac, digest);
	text_init(&expected, 64);
	text_add(&expected, "v1,");
	digest_add_base64(&expected, digest, sizeof(digest));
	found = span_contains(exchange_header(exchange, "webhook-signature"), text_string(&expected));
	text_release(&expected);
	return found;
}

static bool is_signed(const struct exchange *exchange)
{
	int64_t seconds;

	if (!exchange->sandbox->webhook_hmac)
		return true;
	seconds = span_number(exchange_header(exchange, "webhook-timestamp"), INT64_MAX);
	if (exchange_header(exchange, "webhook-id").length == 0 || seconds < 0 ||
	    llabs(clock_wall_ms() / 1000 - seconds) > SIGNATURE_AGE_MAX_S)
		return false;
	return signature_matches(exchange->sandbox->webhook_hmac, exchange);
}

/* The header, or the first "to", "recipient" or "address" of the JSON body. */
static struct span find_recipient(const struct exchange *exchange)
{
	static const char *const names[] = {"\"to\":", "\"recipient\":", "\"address\":"};
	struct span header = exchange_header(exchange, "x-postrider-recipient"), body = exchange->body;
	const char *limit = body.bytes + body.length;

	if (header.length > 0 || body.length == 0)
		return header;
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		const char *at = memmem(body.bytes, body.length, names[i], strlen(names[i]));
		const char *quote =
			at ? memchr(at + strlen(names[i]), '"', (size_t)(limit - at) - strlen(names[i])) : NULL;
		const char *end = quote ? memchr(quote + 1, '"', (size_t)(limit - quote - 1)) : NULL;

		if (end)
			return (struct span){quote + 1, (size_t)(end - quote - 1)};
	}
	return (struct span){NULL, 0};
}

static void answer(struct exchange *exchange)
{
	if (!span_is(exchange->method, "POST")) {
		exchange_answer(exchange, 405, "application/json", "{\"error\":\"Only POST.\"}\n");
		return;
	}
	if (!is_signed(exchange)) {
		exchange_answer(exchange, 401, "application/json", "{\"error\":\"The signature does not match.\"}\n");
		return;
	}
	exchange_accept(exchange, exchange_header(exchange, "x-postrider-delivery"), find_recipient(exchange));
	span_add(&exchange->key, exchange_header(exchange, "webhook-id"));
	exchange_answer(exchange, 200, "application/json", "{\"accepted\":true}\n");
}

static const char *const event_names[CALLBACK_KIND_COUNT] = {
	[CALLBACK_SENT] = "sent",
	[CALLBACK_DEFERRED] = "deferred",
	[CALLBACK_DELIVERED] = "delivered",
	[CALLBACK_BOUNCED] = "bounced",
	[CALLBACK_BOUNCED_SOFT] = "bounced",
	[CALLBACK_FAILED] = "failed",
	[CALLBACK_OPENED] = "opened",
	[CALLBACK_CLICKED] = "clicked",
	[CALLBACK_COMPLAINED] = "complained",
	[CALLBACK_UNSUBSCRIBED] = "unsubscribed",
};

static void add_time(struct text *out, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char date[32];
	struct tm parts;

	gmtime_r(&seconds, &parts);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &parts);
	text_add(out, date);
}

/* The shape that the webhook driver documents; permanent is said of what bounced. */
static void write(const struct callback *const *callbacks, size_t count, struct text *body)
{
	const struct callback *callback = callbacks[0];

	(void)count;
	text_addf(body, "{\"type\":\"message.%s\",\"timestamp\":\"", event_names[callback->kind]);
	add_time(body, callback->at_ms);
	text_add(body, "\",\"data\":{\"delivery_id\":");
	text_add_json_string(body, callback->delivery, strlen(callback->delivery));
	text_add(body, ",\"recipient\":");
	text_add_json_string(body, callback->recipient, strlen(callback->recipient));
	if (callback->kind == CALLBACK_BOUNCED || callback->kind == CALLBACK_BOUNCED_SOFT)
		text_addf(body, ",\"permanent\":%s,\"reason\":\"The app %s\"",
			  callback->kind == CALLBACK_BOUNCED ? "true" : "false",
			  callback->kind == CALLBACK_BOUNCED ? "was removed" : "is not reachable");
	if (callback->kind == CALLBACK_CLICKED)
		text_add(body, ",\"link\":\"https://club.example.com/offers\"");
	text_add(body, "}}");
}

static void sign(const struct callback_seal *seal, struct text *headers)
{
	struct span base64 = seal->secret;
	struct text key, signed_text, digest;

	text_init(&key, 1024);
	text_init(&signed_text, 1024 * 1024);
	text_init(&digest, 64);
	if (span_starts(base64, "whsec_"))
		base64 = span_skip(base64, strlen("whsec_"));
	if (!digest_base64_decode(&key, base64.bytes, base64.length))
		text_clear(&key);
	text_addf(&signed_text, "evt_%s.%" PRId64 ".", seal->id, seal->now_ms / 1000);
	span_add(&signed_text, seal->body);
	crypto_add_hmac(&digest, "SHA256", span_of_text(&key), span_of_text(&signed_text));
	text_addf(headers, "webhook-id: evt_%s\r\nwebhook-timestamp: %" PRId64 "\r\nwebhook-signature: v1,", seal->id,
		  seal->now_ms / 1000);
	digest_add_base64(headers, digest.bytes, digest.length);
	text_add(headers, "\r\n");
	text_release(&key);
	text_release(&signed_text);
	text_release(&digest);
}

static const struct callback_style callbacks = {
	.content_type = "application/json",
	.kinds = CALLBACK_BIT(CALLBACK_REPLIED) - 1,
	.batch_max = 1,
	.retries = 10,
	.retries_status = true,
	.write = write,
	.sign = sign,
};

const struct vendor vendor_webhook = {
	.name = "webhook",
	.is_keyed = true,
	.is_message = true,
	.answer = answer,
	.fail = fail,
	.callbacks = &callbacks,
};
