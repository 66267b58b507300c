/* Apple's push service: POST /3/device/{token} over HTTP/2 with a provider token (ES256), answered with a status and
 * a reason. developer.apple.com/documentation/usernotifications: sending notification requests, handling responses,
 * token-based connections. It never calls back.
 *
 * Apple does not say what becomes of a payload that is no JSON or of a background push that shows something; here both
 * are refused, so that a driver's mistake is seen. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "shared/memory.h"
#include "tests/sandbox/accounts.h"
#include "tests/sandbox/apns.h"
#include "tests/sandbox/jwt.h"
#include "tests/sandbox/vendor.h"

enum { PAYLOAD_MAX = 4096, PAYLOAD_MAX_VOIP = 5120, TOKEN_AGE_MAX_S = 3600, COLLAPSE_MAX = 64, TOKENS_KEPT = 64 };

/* The provider tokens that were shown lately, all of one key. */
struct apns_tokens {
	uint8_t digests[TOKENS_KEPT][32];
	size_t count;
	int64_t newest_at_ms; /* monotonic; 0: none yet */
};

struct apns_tokens *apns_tokens_open(void)
{
	return memory_new(sizeof(struct apns_tokens));
}

void apns_tokens_close(struct apns_tokens **tokens)
{
	free(*tokens);
	*tokens = NULL;
}

static void refuse(struct exchange *exchange, int status, const char *reason)
{
	exchange->accepted = false;
	if (status == 410)
		exchange_answer_json(
			exchange, status,
			json_pack("{s:s, s:I}", "reason", reason, "timestamp", (json_int_t)(clock_wall_ms() - 60000)));
	else
		exchange_answer_json(exchange, status, json_pack("{s:s}", "reason", reason));
}

static const struct {
	const char *start; /* of the device token */
	int status;
	const char *reason;
} errors[] = {
	{"dead", 410, "Unregistered"},           {"deac", 410, "ExpiredToken"},       {"bad0", 400, "BadDeviceToken"},
	{"bad1", 400, "DeviceTokenNotForTopic"}, {"0413", 413, "PayloadTooLarge"},    {"0429", 429, "TooManyRequests"},
	{"0500", 500, "InternalServerError"},    {"0503", 503, "ServiceUnavailable"}, {"0504", 503, "Shutdown"},
};

static void fail(struct exchange *exchange, int status)
{
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (errors[i].status == status) {
			refuse(exchange, status, errors[i].reason);
			return;
		}
	refuse(exchange, status, status >= 500 ? "InternalServerError" : "BadMessageId");
}

/* Apple refuses more than one new token in 20 minutes (TooManyProviderTokenUpdates). */
static bool token_is_too_new(const struct exchange *exchange, struct span token)
{
	struct apns_tokens *tokens = exchange->sandbox->apns_tokens;
	int64_t interval_ms = accounts_number(exchange->sandbox->accounts, "apns", "token_interval_ms");
	int64_t now_ms = clock_now_ms();
	uint8_t digest[32];

	digest_sha256(token.bytes, token.length, digest);
	for (size_t i = 0; i < tokens->count && i < TOKENS_KEPT; i++)
		if (memcmp(tokens->digests[i], digest, sizeof(digest)) == 0)
			return false;
	if (tokens->newest_at_ms != 0 && now_ms - tokens->newest_at_ms < interval_ms)
		return true;
	memcpy(tokens->digests[tokens->count++ % TOKENS_KEPT], digest, sizeof(digest));
	tokens->newest_at_ms = now_ms;
	return false;
}

/* The reason; NULL: the token holds. */
static const char *check_claims(const struct accounts *accounts, const struct jwt *jwt)
{
	int64_t now_s = clock_wall_ms() / 1000, issued_s = jwt_number(jwt->claims, "iat");
	EVP_PKEY *key = accounts_apns_key(accounts);
	const char *reason = NULL;

	if (strcmp(jwt_text(jwt->header, "kid"), accounts_text(accounts, "apns", "key_id")) != 0 ||
	    strcmp(jwt_text(jwt->claims, "iss"), accounts_text(accounts, "apns", "team_id")) != 0 || issued_s < 0 ||
	    issued_s > now_s + 60 || !key || !jwt_is_signed_by(jwt, key, "ES256"))
		reason = "InvalidProviderToken";
	else if (issued_s < now_s - TOKEN_AGE_MAX_S)
		reason = "ExpiredProviderToken";
	crypto_free(&key);
	return reason;
}

static bool is_authorized(struct exchange *exchange)
{
	struct span bearer = exchange_header(exchange, "authorization");
	const char *reason = "MissingProviderToken";
	struct jwt jwt;

	if (span_starts(bearer, "bearer ") || span_starts(bearer, "Bearer ")) {
		bearer = span_skip(bearer, 7);
		reason = jwt_read(&jwt, bearer) ? check_claims(exchange->sandbox->accounts, &jwt)
						: "InvalidProviderToken";
		jwt_release(&jwt);
	}
	if (reason) {
		refuse(exchange, 403, reason);
		return false;
	}
	if (!token_is_too_new(exchange, bearer))
		return true;
	refuse(exchange, 429, "TooManyProviderTokenUpdates");
	return false;
}

static bool is_uuid(struct span text)
{
	for (size_t i = 0; i < text.length; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? text.bytes[i] != '-' : !isxdigit((unsigned char)text.bytes[i]))
			return false;
	}
	return text.length == 36;
}

static bool is_one_of(struct span word, const char *const *words)
{
	while (*words && !span_equal(word, *words))
		words++;
	return *words != NULL;
}

static const char *const push_types[] = {"alert",        "background",   "location", "voip",
					 "complication", "fileprovider", "mdm",      "liveactivity",
					 "pushtotalk",   "controls",     "widgets",  NULL};
static const char *const priorities[] = {"10", "5", "1", NULL};

static const char *check_headers(const struct exchange *exchange)
{
	struct span topic = exchange_header(exchange, "apns-topic"), type = exchange_header(exchange, "apns-push-type");
	struct span priority = exchange_header(exchange, "apns-priority"), id = exchange_header(exchange, "apns-id");
	struct span expiration = exchange_header(exchange, "apns-expiration");

	if (id.length > 0 && !is_uuid(id))
		return "BadMessageId";
	if (exchange_header(exchange, "apns-collapse-id").length > COLLAPSE_MAX)
		return "BadCollapseId";
	if (expiration.length > 0 && span_number(expiration, INT64_MAX) < 0)
		return "BadExpirationDate";
	if (priority.length > 0 && !is_one_of(priority, priorities))
		return "BadPriority";
	if (!is_one_of(type, push_types))
		return "InvalidPushType";
	if (span_equal(type, "background") && !span_equal(priority, "5"))
		return "BadPriority";
	if (topic.length == 0)
		return "MissingTopic";
	return span_equal(topic, accounts_text(exchange->sandbox->accounts, "apns", "topic")) ? NULL
											      : "TopicDisallowed";
}

static const char *check_payload(const struct exchange *exchange, const json_t *payload)
{
	const json_t *aps = json_object_get(payload, "aps");
	bool shows = json_object_get(aps, "alert") || json_object_get(aps, "badge") || json_object_get(aps, "sound");

	if (!json_is_object(aps))
		return "BadPayload";
	if (span_equal(exchange_header(exchange, "apns-push-type"), "background"))
		return json_integer_value(json_object_get(aps, "content-available")) == 1 && !shows ? NULL
												    : "BadPayload";
	return NULL;
}

static bool is_device(struct span token)
{
	for (size_t i = 0; i < token.length; i++)
		if (!isxdigit((unsigned char)token.bytes[i]))
			return false;
	return token.length >= 64 && token.length <= 200 && token.length % 2 == 0;
}

static bool device_is_wrong(struct exchange *exchange, struct span device)
{
	if (!is_device(device)) {
		refuse(exchange, 400, device.length == 0 ? "MissingDeviceToken" : "BadDeviceToken");
		return true;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (span_starts(device, errors[i].start)) {
			refuse(exchange, errors[i].status, errors[i].reason);
			return true;
		}
	return false;
}

static bool size_is_wrong(struct exchange *exchange)
{
	bool is_voip = span_equal(exchange_header(exchange, "apns-push-type"), "voip");
	size_t limit = is_voip ? PAYLOAD_MAX_VOIP : PAYLOAD_MAX;

	if (exchange->body.length == 0)
		refuse(exchange, 400, "PayloadEmpty");
	else if (exchange->body.length > limit)
		refuse(exchange, 413, "PayloadTooLarge");
	return exchange->body.length == 0 || exchange->body.length > limit;
}

/* The id that was given, or one of Apple's own; in every answer. */
static void add_id(struct exchange *exchange)
{
	struct span given = exchange_header(exchange, "apns-id");
	struct text random;

	text_init(&random, 64);
	exchange_add_id(&random, 16);
	if (is_uuid(given))
		span_add(&exchange->message, given);
	else
		text_addf(&exchange->message, "%.8s-%.4s-4%.3s-A%.3s-%.12s", random.bytes, random.bytes + 8,
			  random.bytes + 12, random.bytes + 16, random.bytes + 20);
	exchange_add_header(exchange, "apns-id", text_string(&exchange->message));
	text_release(&random);
}

static void take(struct exchange *exchange, struct span device)
{
	json_t *payload = exchange_json(exchange);
	const char *mistake = check_payload(exchange, payload);
	struct text delivery;

	text_init(&delivery, 256);
	exchange_add_delivery(exchange, payload, &delivery);
	if (mistake) {
		refuse(exchange, 400, mistake);
	} else {
		exchange_accept(exchange, span_of_text(&delivery), device);
		exchange_answer(exchange, 200, NULL, "");
	}
	text_release(&delivery);
	json_decref(payload);
}

static void answer_push(struct exchange *exchange)
{
	struct span device = span_skip(exchange->path, strlen("/3/device/"));
	const char *mistake = check_headers(exchange);

	if (mistake)
		refuse(exchange, 400, mistake);
	else if (!size_is_wrong(exchange) && !device_is_wrong(exchange, device))
		take(exchange, device);
}

static void answer(struct exchange *exchange)
{
	if (!exchange->is_http2) {
		refuse(exchange, 505, "HttpVersionNotSupported");
		return;
	}
	add_id(exchange);
	if (!span_starts(exchange->path, "/3/device/"))
		refuse(exchange, 404, "BadPath");
	else if (!span_equal(exchange->method, "POST"))
		refuse(exchange, 405, "MethodNotAllowed");
	else if (is_authorized(exchange))
		answer_push(exchange);
}

const struct vendor vendor_apns = {
	.name = "apns",
	.prefix = "/3/",
	.is_message = true,
	.answer = answer,
	.fail = fail,
};
