#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "shared/digest.h"
#include "shared/signature.h"

#define PUBLIC_KEY                                                                                                     \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQdQ/mGE6mz5KRW6yEQyOfoBA5o5DZojkNIJXXLbx3D8b4YSBxGHv0+evTH/ie9RnlUzKyAmT5WWWd+fWQDqz0Q=="
/* Made with the openssl command over "headbody". */
#define SIGNATURE "MEUCIQDUGMdAMjaRKS3QUAfJqDF5/cZ98w/9oA+BlQAnP000agIgY5GWAcdReB1hRc2wPlvYkwOgFpdFL2ImxipxE+AR5QA="
#define RSA_KEY                                                                                                        \
	"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuimusl85KHhD89YwqC5ztMqh1Uoe9ffXUCE1IlOxo5BTTMoyoyPlWGidEnAoy9AnsmbL5kHkFgmBC0mLCuGEfsfUQuJoWqbCj5KHVzK+KAggkJ1ZvxniqVuh8GPiTKAPHiOg//M6chK1zNY+OOtnHWaIjBkPxRmU/CtescEUtP2qnA+O2pHwTNf/8dcGGLFTLyg9W3NEzlu0vcGiXxkfgpH15Jo6W4RMVpbFDkyCTik3ECXUeruwzPB1BLN4n8kOwj3P/iJcBSA1jPynSHwK6l6UDQ6/juZ7aswQQUqtcFQ7zfhtg4nmblI8rIQjwtjrOCP2Iz88HuZjbfd5HrFhfwIDAQAB"

/* RFC 2202 §3: the test cases of HMAC-SHA1. */
static void test_hmac_sha1(void **state)
{
	static const struct {
		const char *key, *data, *hex;
	} rows[] = {
		{"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There",
		 "b617318655057264e28bc0b6fb378c8ef146be00"},
		{"Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		{"", "", "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		uint8_t digest[SIGNATURE_SHA1_BYTES];
		struct text hex;

		text_init(&hex, 100);
		signature_hmac_sha1(rows[i].key, strlen(rows[i].key), rows[i].data, strlen(rows[i].data), digest);
		digest_add_hex(&hex, digest, sizeof(digest));
		assert_string_equal(text_string(&hex), rows[i].hex);
		text_release(&hex);
	}
}

static void test_comparing_with_base64(void **state)
{
	static const uint8_t digest[] = {0x00, 0x10, 0x83, 0x10, 0x51};

	(void)state;
	assert_true(signature_is_base64_of("ABCDEFE=", 8, digest, 5));
	assert_false(signature_is_base64_of("ABCDEFE", 7, digest, 5));
	assert_false(signature_is_base64_of("ABCDEFF=", 8, digest, 5));
	assert_false(signature_is_base64_of("ABCDEFE=A", 9, digest, 5));
	assert_false(signature_is_base64_of("", 0, digest, 5));
	assert_false(signature_is_base64_of("", 0, digest, 0));
}

static bool verifies(const char *key, const char *head, const char *body, const char *signature)
{
	struct signature_key *opened = signature_key_new(key, strlen(key));
	struct text der;
	bool valid;

	assert_non_null(opened);
	text_init(&der, 1000);
	assert_true(digest_base64_decode(&der, signature, strlen(signature)));
	valid = signature_key_verifies(opened, head, strlen(head), body, strlen(body), text_string(&der), der.length);
	/* A second time with the same key: nothing is left over from the first. */
	assert_int_equal(
		signature_key_verifies(opened, head, strlen(head), body, strlen(body), text_string(&der), der.length),
		valid);
	text_release(&der);
	signature_key_free(&opened);
	assert_null(opened);
	signature_key_free(&opened);
	return valid;
}

static void test_ecdsa(void **state)
{
	(void)state;
	assert_true(verifies(PUBLIC_KEY, "head", "body", SIGNATURE));
	assert_true(verifies(PUBLIC_KEY, "", "headbody", SIGNATURE));
	assert_false(verifies(PUBLIC_KEY, "head", "bodz", SIGNATURE));
	assert_false(verifies(PUBLIC_KEY, "heae", "body", SIGNATURE));
	assert_false(verifies(PUBLIC_KEY, "head", "body", ""));
	assert_false(verifies(PUBLIC_KEY, "head", "body", "AAAA"));
	assert_false(verifies(PUBLIC_KEY, "head", "body", "MAYCAQACAQA=")); /* r and s are 0 */
	assert_false(verifies(PUBLIC_KEY, "head", "body", "MAYCAQECAQE=")); /* r and s are 1 */
}

static void test_what_is_no_key(void **state)
{
	static const char *const rows[] = {"",
					   "AAAA",
					   "not base64",
					   PUBLIC_KEY "AAAA",
					   "-----BEGIN PUBLIC KEY-----",
					   RSA_KEY,
					   "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		if (signature_key_new(rows[i], strlen(rows[i])) != NULL)
			fail_msg("a key: %s", rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hmac_sha1),
		cmocka_unit_test(test_comparing_with_base64),
		cmocka_unit_test(test_ecdsa),
		cmocka_unit_test(test_what_is_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
