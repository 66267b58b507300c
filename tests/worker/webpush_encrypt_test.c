/* The encryption of Web Push: RFC 8291's example byte for byte, and a browser that opens what the driver sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "shared/base64url.h"
#include "shared/sealing.h"
#include "worker/providers/webpush_encrypt.h"

/* RFC 8291, appendix A and §5. */
#define PLAIN           "When I grow up, I want to be a watermelon"
#define SENDER_SCALAR   "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
#define RECEIVER_SCALAR "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
#define SALT            "DGv6ra1nlYgDCS1FRnbzlw"
#define ENCRYPTED                                                                                                       \
	"DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru" \
	"3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
#define ADDRESS                                                                                                        \
	"{\"endpoint\":\"https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV\",\"keys\":{\"p256dh\":"       \
	"\"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4\",\"auth\":"        \
	"\"BTBZMqHH6r4Tts7J_aSIgg\"}}"
#define ENDPOINT "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV"

static void decode(const char *letters, uint8_t *bytes, size_t size)
{
	struct text out;

	text_init(&out, 4096);
	assert_true(base64url_decode(&out, letters, strlen(letters)));
	assert_int_equal(out.length, size);
	memcpy(bytes, out.bytes, size);
	text_release(&out);
}

static struct private_key *key_of(const char *letters)
{
	uint8_t scalar[PRIVATE_KEY_SCALAR_BYTES];
	struct private_key *key;

	decode(letters, scalar, sizeof(scalar));
	key = private_key_from_scalar(scalar);
	assert_non_null(key);
	return key;
}

static struct slice slice_of(const char *text)
{
	return (struct slice){text, strlen(text)};
}

static struct webpush_subscription subscription(void)
{
	struct webpush_subscription parsed = {0};
	struct error err = {0};

	assert_true(webpush_subscription_parse(slice_of(ADDRESS), false, &parsed, &err));
	assert_string_equal(parsed.endpoint, ENDPOINT);
	return parsed;
}

static void the_example_of_the_rfc(void **state)
{
	struct webpush_subscription browser = subscription();
	struct private_key *sender = key_of(SENDER_SCALAR);
	uint8_t salt[WEBPUSH_SALT_BYTES];
	struct text body, letters;

	(void)state;
	decode(SALT, salt, sizeof(salt));
	text_init(&body, 4096);
	text_init(&letters, 8192);
	assert_true(webpush_encrypt(&browser, sender, salt, PLAIN, strlen(PLAIN), &body));
	base64url_add(&letters, body.bytes, body.length);
	assert_string_equal(text_string(&letters), ENCRYPTED);
	text_release(&body);
	text_release(&letters);
	private_key_free(&sender);
	webpush_subscription_release(&browser);
}

/* As a browser does it: RFC 8291 §3.4 and RFC 8188 §2.2 from the receiver's side. */
static void decrypt(const struct text *body, struct text *plain)
{
	const uint8_t *salt = (const uint8_t *)body->bytes, *point = salt + 21;
	struct webpush_subscription browser = subscription();
	struct private_key *receiver = key_of(RECEIVER_SCALAR);
	uint8_t shared[32], key[32], content_key[16], nonce[12], info[14 + 2 * PRIVATE_KEY_POINT_BYTES];

	assert_true(body->length > 86 && body->length <= 4096);
	assert_memory_equal(salt + 16, "\0\0\x10\0\x41", 5);
	assert_true(private_key_agree(receiver, point, shared));
	memcpy(info, "WebPush: info", 14);
	memcpy(info + 14, browser.p256dh, PRIVATE_KEY_POINT_BYTES);
	memcpy(info + 14 + PRIVATE_KEY_POINT_BYTES, point, PRIVATE_KEY_POINT_BYTES);
	sealing_hkdf(browser.auth, sizeof(browser.auth), shared, sizeof(shared), info, sizeof(info), key, sizeof(key));
	sealing_hkdf(salt, 16, key, sizeof(key), "Content-Encoding: aes128gcm", 28, content_key, sizeof(content_key));
	sealing_hkdf(salt, 16, key, sizeof(key), "Content-Encoding: nonce", 24, nonce, sizeof(nonce));
	assert_true(sealing_open(content_key, sizeof(content_key), nonce, "", 0, body->bytes + 86, body->length - 86,
				 plain));
	assert_int_equal(plain->bytes[plain->length - 1], 2);
	plain->bytes[--plain->length] = '\0';
	private_key_free(&receiver);
	webpush_subscription_release(&browser);
}

static struct provider_account *open_account(void)
{
	json_t *settings = json_pack("{s:s,s:s}", "vapid_private_key", "file:tests/providers/webpush/vapid_private_key",
				     "subject", "mailto:ops@example.org");
	struct error err = {0};
	struct provider_account *account = provider_find("webpush")->configure(settings, &err);

	assert_non_null(account);
	json_decref(settings);
	return account;
}

static void build(struct provider_account *account, const struct provider_message *message,
		  struct provider_request *request)
{
	struct error err = {0};

	if (!provider_find("webpush")->build(account, message, request, &err))
		fail_msg("%s", err.text);
}

static struct provider_message message_of(const char *text)
{
	return (struct provider_message){.delivery_id = 42,
					 .idempotency_key = "d-42",
					 .address = slice_of(ADDRESS),
					 .subject = slice_of("Hello"),
					 .body_text = slice_of(text),
					 .link = slice_of("https://club.example.org/?a=\"1\""),
					 .data = slice_of("{\"points\":500}"),
					 .now_ms = 1795300060999};
}

static void a_browser_reads_what_was_sent(void **state)
{
	struct provider_account *account = open_account();
	struct provider_message message = message_of("Grüezi");
	struct provider_request request;
	struct text plain;

	(void)state;
	provider_request_init(&request);
	text_init(&plain, 8192);
	build(account, &message, &request);
	assert_string_equal(text_string(&request.url), ENDPOINT);
	decrypt(&request.body, &plain);
	assert_string_equal(text_string(&plain),
			    "{\"postrider_delivery\":\"42\",\"title\":\"Hello\",\"body\":\"Grüezi\","
			    "\"link\":\"https://club.example.org/?a=\\\"1\\\"\",\"data\":{\"points\":500}}");
	text_clear(&plain);
	message.is_silent = true;
	build(account, &message, &request);
	decrypt(&request.body, &plain);
	assert_string_equal(text_string(&plain),
			    "{\"postrider_delivery\":\"42\",\"silent\":true,"
			    "\"link\":\"https://club.example.org/?a=\\\"1\\\"\",\"data\":{\"points\":500}}");
	text_release(&plain);
	provider_request_release(&request);
	provider_find("webpush")->release(account);
}

/* A retry repeats its bytes; another text, browser or account never shares a key or a salt with it. */
static void no_two_texts_share_a_key(void **state)
{
	struct webpush_subscription browser = subscription();
	uint8_t secret[32] = {1}, other_secret[32] = {2}, salts[5][WEBPUSH_SALT_BYTES],
		points[5][PRIVATE_KEY_POINT_BYTES];

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct private_key *sender;

		if (i == 4)
			browser.auth[0] ^= 1;
		sender = webpush_sender_for(&browser, i == 3 ? other_secret : secret, i == 2 ? "b" : "a", 1, salts[i]);
		private_key_public_point(sender, points[i]);
		private_key_free(&sender);
	}
	assert_memory_equal(salts[0], salts[1], WEBPUSH_SALT_BYTES);
	assert_memory_equal(points[0], points[1], PRIVATE_KEY_POINT_BYTES);
	for (int i = 2; i < 5; i++) {
		assert_memory_not_equal(salts[0], salts[i], WEBPUSH_SALT_BYTES);
		assert_memory_not_equal(points[0], points[i], PRIVATE_KEY_POINT_BYTES);
	}
	webpush_subscription_release(&browser);
}

static const char *authorization_of(const struct provider_request *request)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (strncmp(text_string(&request->headers[i]), "Authorization: vapid t=", 23) == 0)
			return text_string(&request->headers[i]) + 23;
	fail_msg("there is no identity");
	return NULL;
}

static void check_claims(const char *jwt, const char *aud, int64_t now_ms)
{
	const char *claims = strchr(jwt, '.') + 1;
	struct text bytes;
	json_t *json;
	int64_t left_s;

	text_init(&bytes, 2048);
	assert_true(base64url_decode(&bytes, claims, strcspn(claims, ".")));
	json = json_loads(text_string(&bytes), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json, "aud")), aud);
	assert_string_equal(json_string_value(json_object_get(json, "sub")), "mailto:ops@example.org");
	left_s = json_integer_value(json_object_get(json, "exp")) - now_ms / 1000;
	assert_in_range(left_s, 1, 24 * 3600);
	json_decref(json);
	text_release(&bytes);
}

/* RFC 8292 §2: audience and life; one signature serves a push service for hours. */
static void our_identity_is_for_one_push_service(void **state)
{
	struct provider_account *account = open_account();
	struct provider_message message = message_of("Hi");
	struct provider_request request;
	struct text first;

	(void)state;
	provider_request_init(&request);
	text_init(&first, 4096);
	build(account, &message, &request);
	text_add(&first, authorization_of(&request));
	check_claims(text_string(&first), "https://push.example.net", message.now_ms);
	message.delivery_id++;
	message.now_ms += 1000;
	build(account, &message, &request);
	assert_string_equal(authorization_of(&request), text_string(&first));
	for (int64_t hours = 0; hours < 30; hours++) {
		message.now_ms += 3600 * 1000;
		build(account, &message, &request);
		check_claims(authorization_of(&request), "https://push.example.net", message.now_ms);
	}
	assert_string_not_equal(authorization_of(&request), text_string(&first));
	text_release(&first);
	provider_request_release(&request);
	provider_find("webpush")->release(account);
}

/* More services than are remembered: each still gets its own. */
static void many_push_services(void **state)
{
	struct provider_account *account = open_account();
	struct provider_message message = message_of("Hi");
	struct provider_request request;
	struct text address, origin;

	(void)state;
	provider_request_init(&request);
	text_init(&address, 4096);
	text_init(&origin, 4096);
	for (int i = 0; i < 100; i++) {
		text_clear(&address);
		text_clear(&origin);
		text_addf(&origin, "https://push%d.example.net:%d", i % 50, 443 + i % 50);
		text_addf(&address, "{\"endpoint\":\"%s/x?y\",%s", text_string(&origin), strstr(ADDRESS, "\"keys\""));
		message.address = slice_of(text_string(&address));
		build(account, &message, &request);
		check_claims(authorization_of(&request), text_string(&origin), message.now_ms);
	}
	text_release(&address);
	text_release(&origin);
	provider_request_release(&request);
	provider_find("webpush")->release(account);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_rfc),   cmocka_unit_test(a_browser_reads_what_was_sent),
		cmocka_unit_test(no_two_texts_share_a_key), cmocka_unit_test(our_identity_is_for_one_push_service),
		cmocka_unit_test(many_push_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
