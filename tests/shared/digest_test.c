#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shared/digest.h"

static void assert_hex(const uint8_t digest[DIGEST_SHA256_BYTES], const char *expected)
{
	struct text hex;
	text_init(&hex, 100);
	digest_add_hex(&hex, digest, DIGEST_SHA256_BYTES);
	assert_string_equal(text_string(&hex), expected);
	text_release(&hex);
}

static void sha256_of_known_texts(void **state)
{
	(void)state;
	uint8_t digest[DIGEST_SHA256_BYTES];
	digest_sha256("", 0, digest);
	assert_hex(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	digest_sha256("abc", 3, digest);
	assert_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231, and the empty key. */
static const struct {
	const char *when;
	const char *key;
	const char *text;
	const char *hex;
} macs[] = {
	{"test case 2", "Jefe", "what do ya want for nothing?",
	 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{"test case 1", "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There",
	 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{"nothing with an empty key", "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

static void hmac_of_known_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(macs); i++) {
		uint8_t digest[DIGEST_SHA256_BYTES];
		struct digest_hmac *hmac = digest_hmac_new(macs[i].key, strlen(macs[i].key));
		/* Three times: a prepared key is used again and again. */
		for (int turn = 0; turn < 3; turn++) {
			digest_hmac_start(hmac);
			digest_hmac_add(hmac, macs[i].text, strlen(macs[i].text));
			digest_hmac_finish(hmac, digest);
			assert_hex(digest, macs[i].hex);
		}
		digest_hmac_free(&hmac);
		assert_null(hmac);
	}
}

static void hmac_in_parts_and_abandoned(void **state)
{
	(void)state;
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct digest_hmac *hmac = digest_hmac_new("Jefe", 4);
	digest_hmac_start(hmac);
	digest_hmac_add(hmac, "something else", 14);
	digest_hmac_start(hmac);
	digest_hmac_add(hmac, "what do ya want ", 16);
	digest_hmac_add(hmac, "for nothing?", 12);
	digest_hmac_finish(hmac, digest);
	assert_hex(digest, macs[0].hex);
	digest_hmac_free(&hmac);
	digest_hmac_free(&hmac);
}

/* RFC 4648, section 10. */
static const struct {
	const char *plain;
	const char *base64;
} pairs[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
	{"\xFB\xFF\xBF", "+/+/"},
};

static void base64_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
		struct text encoded, decoded;
		text_init(&encoded, 100);
		text_init(&decoded, 100);
		digest_add_base64(&encoded, pairs[i].plain, strlen(pairs[i].plain));
		assert_string_equal(text_string(&encoded), pairs[i].base64);
		text_add(&decoded, ">");
		assert_true(digest_base64_decode(&decoded, pairs[i].base64, strlen(pairs[i].base64)));
		assert_string_equal(text_string(&decoded) + 1, pairs[i].plain);
		text_release(&encoded);
		text_release(&decoded);
	}
}

static void base64_refuses_what_is_not_strict(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"Zg",     "Zg=",  "Zg===", "====", "Z===", "Zg==Zm9v", "Zm 9",
		"Zm9v\n", "Zm-_", "Zh==",  "Zm9=", "=m9v", "Zm=v",
	};
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct text out;
		text_init(&out, 100);
		text_add(&out, "kept");
		if (digest_base64_decode(&out, rows[i], strlen(rows[i])))
			fail_msg("%s was accepted", rows[i]);
		assert_string_equal(text_string(&out), "kept");
		text_release(&out);
	}
}

static void base64_stops_at_the_ceiling(void **state)
{
	(void)state;
	struct text out;
	text_init(&out, 5);
	assert_false(digest_base64_decode(&out, "Zm9vYmFy", 8));
	assert_int_equal(out.length, 0);
	text_release(&out);
}

static void compares(void **state)
{
	(void)state;
	assert_true(digest_equal("same", "same", 4));
	assert_false(digest_equal("same", "sane", 4));
	assert_true(digest_equal("a", "b", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_of_known_texts),
		cmocka_unit_test(hmac_of_known_texts),
		cmocka_unit_test(hmac_in_parts_and_abandoned),
		cmocka_unit_test(base64_both_ways),
		cmocka_unit_test(base64_refuses_what_is_not_strict),
		cmocka_unit_test(base64_stops_at_the_ceiling),
		cmocka_unit_test(compares),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
