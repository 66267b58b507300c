/* A push service of a browser (RFC 8030, 8188, 8291, 8292): POST to the subscription with VAPID and an aes128gcm body.
 * The ledger gets the hash of what was inside; it never calls back. */
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "tests/sandbox/accounts.h"
#include "tests/sandbox/aes128gcm.h"
#include "tests/sandbox/connection.h"
#include "tests/sandbox/jwt.h"
#include "tests/sandbox/subscription.h"
#include "tests/sandbox/vendor.h"

enum { BODY_MAX = 4096, TOPIC_MAX = 32, LIFETIME_MAX_S = 24 * 3600, CLOCK_SKEW_S = 60 };

static void refuse(struct exchange *exchange, int status, const char *reason)
{
	exchange->accepted = false;
	exchange_answer_json(exchange, status, json_pack("{s:i, s:s}", "code", status, "reason", reason));
}

static void fail(struct exchange *exchange, int status)
{
	if (status == 429)
		exchange_add_header(exchange, "Retry-After", "1");
	refuse(exchange, status, status == 429 ? "Too many requests" : "Told to say this");
}

/* In the subscription's name. */
static const struct {
	const char *word;
	int status;
	const char *reason;
} errors[] = {
	{"unregistered", 410, "The subscription has ended"},
	{"gone", 410, "The subscription has ended"},
	{"not-found", 404, "There is no such subscription"},
	{"too-large", 413, "The payload is too large"},
	{"quota", 429, "Too many requests"},
	{"unavailable", 503, "Come back later"},
};

struct vapid {
	struct span token, key;
};

/* "vapid t=..., k=..." in any order. */
static bool read_vapid(const struct exchange *exchange, struct vapid *vapid)
{
	struct span value = exchange_header(exchange, "authorization");

	if (!span_starts(value, "vapid "))
		return false;
	for (value = span_skip(value, 6); value.length > 0;) {
		struct span part = span_trim(span_cut(&value, ',')), name = span_cut(&part, '=');

		if (span_equal(name, "t"))
			vapid->token = part;
		else if (span_equal(name, "k"))
			vapid->key = part;
	}
	return vapid->token.length > 0 && vapid->key.length > 0;
}

static EVP_PKEY *vapid_key(struct span base64)
{
	struct text point;
	EVP_PKEY *key = NULL;

	text_init(&point, 128);
	if (crypto_base64url_decode(&point, base64))
		key = crypto_read_point(span_of_text(&point));
	text_release(&point);
	return key;
}

/* The origin that the request was sent to: scheme and Host. */
static bool audience_is_right(const struct exchange *exchange, const char *audience)
{
	struct span host = exchange_header(exchange, "host");
	const char *scheme = exchange->connection && exchange->connection->tls ? "https" : "http";
	struct text origin;
	bool holds;

	text_init(&origin, 1024);
	text_addf(&origin, "%s://", scheme);
	span_add(&origin, host);
	holds = strcmp(text_string(&origin), audience) == 0;
	text_release(&origin);
	return holds;
}

static const char *check_claims(const struct exchange *exchange, const json_t *claims)
{
	int64_t now_s = clock_wall_ms() / 1000, expires_s = jwt_number(claims, "exp");
	const json_t *subject = json_object_get(claims, "sub");

	if (!audience_is_right(exchange, jwt_text(claims, "aud")))
		return "BadJwtToken: aud is not the origin of the endpoint";
	if (expires_s <= now_s || expires_s > now_s + LIFETIME_MAX_S + CLOCK_SKEW_S)
		return "BadJwtToken: exp is past or more than 24 hours away";
	if (strncmp(jwt_text(claims, "sub"), "mailto:", 7) != 0 && strncmp(jwt_text(claims, "sub"), "https:", 6) != 0)
		return subject ? "BadJwtToken: sub is mailto: or https:" : "BadJwtToken: sub is missing";
	return NULL;
}

/* The reason; NULL: the sender is who he says. */
static const char *check_vapid(const struct exchange *exchange, const struct vapid *vapid)
{
	const char *own = accounts_text(exchange->sandbox->accounts, "webpush", "server_key");
	EVP_PKEY *key = vapid_key(vapid->key);
	const char *reason = NULL;
	struct jwt jwt;

	if (*own && !span_equal(vapid->key, own))
		reason = "VapidPkHashMismatch: the subscription was made with another key";
	else if (!key)
		reason = "BadJwtToken: k is no point of P-256";
	if (!jwt_read(&jwt, vapid->token) || (!reason && !jwt_is_signed_by(&jwt, key, "ES256")))
		reason = reason ? reason : "BadJwtToken: the signature does not match";
	else if (!reason)
		reason = check_claims(exchange, jwt.claims);
	jwt_release(&jwt);
	crypto_free(&key);
	return reason;
}

static bool is_urgency(struct span word)
{
	return word.length == 0 || span_equal(word, "very-low") || span_equal(word, "low") ||
	       span_equal(word, "normal") || span_equal(word, "high");
}

static bool is_topic(struct span topic)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < topic.length; i++)
		if (!memchr(digits, topic.bytes[i], sizeof(digits) - 1))
			return false;
	return topic.length <= TOPIC_MAX;
}

static const char *check_headers(const struct exchange *exchange)
{
	if (span_number(exchange_header(exchange, "ttl"), INT64_MAX) < 0)
		return "TTL is required, a number of seconds";
	if (!is_urgency(exchange_header(exchange, "urgency")))
		return "Urgency is very-low, low, normal or high";
	if (!is_topic(exchange_header(exchange, "topic")))
		return "Topic is at most 32 characters of base64url";
	if (exchange->body.length > 0 && !span_equal(exchange_header(exchange, "content-encoding"), "aes128gcm"))
		return "Content-Encoding is aes128gcm";
	return NULL;
}

/* The service itself cannot look inside; the browser behind it does. */
static bool open_body(struct exchange *exchange, struct span name, struct text *plain, struct error *err)
{
	EVP_PKEY *key = subscription_key(name);
	struct text auth;
	bool opened;

	text_init(&auth, AES128GCM_AUTH_BYTES);
	subscription_add_auth(&auth, name);
	opened = aes128gcm_open(key, span_of_text(&auth), exchange->body, plain, err);
	text_release(&auth);
	crypto_free(&key);
	return opened;
}

static void take(struct exchange *exchange, struct span name)
{
	struct error err = {0};
	struct text delivery;
	json_t *payload;

	exchange_answer(exchange, 201, NULL, "");
	if (exchange->body.length > 0 && !open_body(exchange, name, &exchange->said, &err)) {
		refuse(exchange, 400, err.text);
		return;
	}
	payload = json_loadb(text_string(&exchange->said), exchange->said.length, 0, NULL);
	text_init(&delivery, 256);
	exchange_add_delivery(exchange, payload, &delivery);
	exchange_accept(exchange, span_of_text(&delivery), name);
	exchange_add_id(&exchange->message, 16);
	text_addf(&exchange->headers, "Location: /webpush/message/%s\r\n", text_string(&exchange->message));
	text_release(&delivery);
	json_decref(payload);
}

static bool refuse_as_wished(struct exchange *exchange, struct span name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (span_contains(name, errors[i].word)) {
			if (errors[i].status == 429 || errors[i].status == 503)
				exchange_add_header(exchange, "Retry-After", "1");
			refuse(exchange, errors[i].status, errors[i].reason);
			return true;
		}
	return false;
}

static void answer_push(struct exchange *exchange, struct span name)
{
	const char *mistake = check_headers(exchange), *reason;
	struct vapid vapid = {0};

	if (mistake) {
		refuse(exchange, 400, mistake);
	} else if (!read_vapid(exchange, &vapid)) {
		refuse(exchange, 401, "Authorization is vapid t=..., k=...");
	} else if ((reason = check_vapid(exchange, &vapid)) != NULL) {
		refuse(exchange, 403, reason);
	} else if (exchange->body.length > BODY_MAX) {
		refuse(exchange, 413, "The payload is too large");
	} else if (!refuse_as_wished(exchange, name)) {
		take(exchange, name);
	}
}

static void answer(struct exchange *exchange)
{
	struct span name = span_skip(exchange->path, strlen("/webpush/"));

	if (name.length == 0 || name.length > 512 || memchr(name.bytes, '/', name.length))
		refuse(exchange, 404, "There is no such subscription");
	else if (!span_equal(exchange->method, "POST"))
		refuse(exchange, 405, "Only POST");
	else
		answer_push(exchange, name);
}

const struct vendor vendor_webpush = {
	.name = "webpush",
	.prefix = "/webpush/",
	.is_message = true,
	.answer = answer,
	.fail = fail,
};
