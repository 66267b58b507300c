#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base64url.h"
#include "shared/jwt.h"
#include "shared/memory.h"
#include "shared/private_key.h"
#include "shared/sealing.h"

static void decode(const char *letters, uint8_t *bytes, size_t size)
{
	struct text out;

	text_init(&out, 4096);
	assert_true(base64url_decode(&out, letters, strlen(letters)));
	assert_int_equal(out.length, size);
	memcpy(bytes, out.bytes, size);
	text_release(&out);
}

static void assert_letters(const void *bytes, size_t length, const char *expected)
{
	struct text out;

	text_init(&out, 4096);
	base64url_add(&out, bytes, length);
	assert_string_equal(text_string(&out), expected);
	text_release(&out);
}

/* RFC 4648 §10, without the padding. */
static void base64url_of_known_texts(void **state)
{
	static const struct {
		const char *text, *letters;
	} rows[] = {{"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
		    {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct text out;

		assert_letters(rows[i].text, strlen(rows[i].text), rows[i].letters);
		text_init(&out, 100);
		assert_true(base64url_decode(&out, rows[i].letters, strlen(rows[i].letters)));
		assert_string_equal(text_string(&out), rows[i].text);
		text_release(&out);
	}
}

static void base64url_that_is_none(void **state)
{
	static const struct {
		const char *when, *letters;
	} rows[] = {{"the other alphabet", "+/8A"},
		    {"one letter too many", "Zm9vY"},
		    {"unused bits", "Zh"},
		    {"unused bits of three", "Zm9"},
		    {"a blank", "Zm 9"},
		    {"padding inside", "Zg==Zg"},
		    {"too much padding", "Z==="},
		    {"not ASCII", "Zm9\xc3"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct text out;

		text_init(&out, 100);
		text_add(&out, "kept");
		if (base64url_decode(&out, rows[i].letters, strlen(rows[i].letters)))
			fail_msg("%s is taken", rows[i].when);
		assert_string_equal(text_string(&out), "kept");
		text_release(&out);
	}
	struct text padded;

	text_init(&padded, 100);
	assert_true(base64url_decode(&padded, "Zg==", 4));
	assert_false(base64url_decode(&padded, "Z\0==", 4));
	text_release(&padded);
}

/* RFC 5869, appendix A, test cases 1 and 3. */
static void hkdf_of_the_rfc(void **state)
{
	static const uint8_t secret[22] = {0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
					   0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b};
	static const uint8_t salt[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	static const uint8_t info[] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9};
	static const uint8_t first[] = {0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f,
					0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a,
					0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf, 0x34,
					0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65};
	static const uint8_t third[] = {0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80,
					0x2a, 0x06, 0x3c, 0x5a, 0x31, 0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1,
					0x87, 0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d, 0x9d,
					0x20, 0x13, 0x95, 0xfa, 0xa4, 0xb6, 0x1a, 0x96, 0xc8};
	uint8_t out[42];

	(void)state;
	sealing_hkdf(salt, sizeof(salt), secret, sizeof(secret), info, sizeof(info), out, sizeof(out));
	assert_memory_equal(out, first, sizeof(out));
	sealing_hkdf("", 0, secret, sizeof(secret), "", 0, out, sizeof(out));
	assert_memory_equal(out, third, sizeof(out));
}

/* McGrew and Viega's test case 2, as NIST has it. */
static void gcm_of_a_known_text(void **state)
{
	static const uint8_t key[16], nonce[SEALING_NONCE_BYTES], zeros[16];
	struct text sealed;

	(void)state;
	text_init(&sealed, 100);
	sealing_close(key, sizeof(key), nonce, "", 0, zeros, sizeof(zeros), &sealed);
	assert_letters(sealed.bytes, sealed.length, "A4jazmC2o5LzKMK5cbL-eKtuR9Qs7BO99TpnshJXvd8");
	text_release(&sealed);
}

static void what_was_changed_is_not_opened(void **state)
{
	uint8_t key[32], nonce[SEALING_NONCE_BYTES];
	struct text sealed, out;

	(void)state;
	sealing_random(key, sizeof(key));
	sealing_random(nonce, sizeof(nonce));
	text_init(&sealed, 100);
	text_init(&out, 100);
	sealing_close(key, sizeof(key), nonce, "slot 7", 6, "a token", 7, &sealed);
	assert_true(sealing_open(key, sizeof(key), nonce, "slot 7", 6, sealed.bytes, sealed.length, &out));
	assert_string_equal(text_string(&out), "a token");
	assert_false(sealing_open(key, sizeof(key), nonce, "slot 8", 6, sealed.bytes, sealed.length, &out));
	assert_false(sealing_open(key, sizeof(key), nonce, "slot 7", 6, sealed.bytes, SEALING_TAG_BYTES - 1, &out));
	for (size_t i = 0; i < sealed.length; i++) {
		sealed.bytes[i] ^= 1;
		assert_false(sealing_open(key, sizeof(key), nonce, "slot 7", 6, sealed.bytes, sealed.length, &out));
		sealed.bytes[i] ^= 1;
	}
	key[0] ^= 1;
	assert_false(sealing_open(key, sizeof(key), nonce, "slot 7", 6, sealed.bytes, sealed.length, &out));
	assert_string_equal(text_string(&out), "a token");
	text_release(&sealed);
	text_release(&out);
}

/* RFC 8291, appendix A. */
#define SENDER_SCALAR   "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
#define SENDER_POINT    "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
#define RECEIVER_POINT  "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define RECEIVER_SCALAR "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
#define SHARED          "kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"

static struct private_key *key_of(const char *letters)
{
	uint8_t scalar[PRIVATE_KEY_SCALAR_BYTES];
	struct private_key *key;

	decode(letters, scalar, sizeof(scalar));
	key = private_key_from_scalar(scalar);
	assert_non_null(key);
	return key;
}

static void both_sides_agree(void **state)
{
	struct private_key *sender = key_of(SENDER_SCALAR), *receiver = key_of(RECEIVER_SCALAR);
	uint8_t point[PRIVATE_KEY_POINT_BYTES], shared[PRIVATE_KEY_SHARED_BYTES];

	(void)state;
	private_key_public_point(sender, point);
	assert_letters(point, sizeof(point), SENDER_POINT);
	assert_true(private_key_agree(receiver, point, shared));
	assert_letters(shared, sizeof(shared), SHARED);
	private_key_public_point(receiver, point);
	assert_letters(point, sizeof(point), RECEIVER_POINT);
	assert_true(private_key_agree(sender, point, shared));
	assert_letters(shared, sizeof(shared), SHARED);
	point[64] ^= 1;
	assert_false(private_key_agree(sender, point, shared));
	point[0] = 2;
	assert_false(private_key_agree(sender, point, shared));
	private_key_free(&sender);
	private_key_free(&receiver);
}

static void a_scalar_is_above_zero_and_below_the_order(void **state)
{
	uint8_t scalar[PRIVATE_KEY_SCALAR_BYTES] = {0};
	struct private_key *key;

	(void)state;
	assert_null(private_key_from_scalar(scalar));
	scalar[31] = 1;
	key = private_key_from_scalar(scalar);
	assert_non_null(key);
	private_key_free(&key);
	decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE", scalar, sizeof(scalar)); /* the order itself */
	assert_null(private_key_from_scalar(scalar));
	memset(scalar, 0xff, sizeof(scalar));
	assert_null(private_key_from_scalar(scalar));
}

static void what_is_derived_depends_on_key_and_label(void **state)
{
	struct private_key *one = key_of(SENDER_SCALAR), *other = key_of(RECEIVER_SCALAR);
	uint8_t a[32], b[32];

	(void)state;
	private_key_derive(one, "tokens", a);
	private_key_derive(one, "tokens", b);
	assert_memory_equal(a, b, sizeof(a));
	private_key_derive(one, "other", b);
	assert_memory_not_equal(a, b, sizeof(a));
	private_key_derive(other, "tokens", b);
	assert_memory_not_equal(a, b, sizeof(a));
	private_key_free(&one);
	private_key_free(&other);
}

/* -- keys in PEM and signatures: OpenSSL itself is the other side -- */

static char *pem_of(EVP_PKEY *pkey, const char *password)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *pem;
	long length;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, password != NULL ? EVP_aes_128_cbc() : NULL, password,
						       password != NULL ? (int)strlen(password) : 0, NULL, NULL),
			 1);
	length = BIO_get_mem_data(bio, &bytes);
	pem = memory_copy_bytes(bytes, (size_t)length);
	BIO_free(bio);
	return pem;
}

static bool verifies(EVP_PKEY *pkey, const char *text, const uint8_t *signature, size_t length)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool genuine;

	assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey), 1);
	genuine = EVP_DigestVerify(context, signature, length, (const uint8_t *)text, strlen(text)) == 1;
	EVP_MD_CTX_free(context);
	return genuine;
}

static bool verifies_raw(EVP_PKEY *pkey, const char *text, const uint8_t *raw)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	uint8_t *der = NULL;
	int length;
	bool genuine;

	ECDSA_SIG_set0(pair, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
	length = i2d_ECDSA_SIG(pair, &der);
	genuine = verifies(pkey, text, der, (size_t)length);
	OPENSSL_free(der);
	ECDSA_SIG_free(pair);
	return genuine;
}

/* Cuts header.claims.signature and checks the signature with OpenSSL. */
static void check_jwt(EVP_PKEY *pkey, struct private_key *key, const char *header, const char *claims)
{
	struct text jwt, part;
	char *second, *third;

	text_init(&jwt, 8192);
	text_init(&part, 8192);
	text_add(&jwt, "Bearer ");
	jwt_sign(key, "key-1", claims, &jwt);
	second = strchr(jwt.bytes, '.');
	third = strchr(second + 1, '.');
	assert_true(base64url_decode(&part, jwt.bytes + 7, (size_t)(second - jwt.bytes) - 7));
	assert_string_equal(text_string(&part), header);
	text_clear(&part);
	assert_true(base64url_decode(&part, second + 1, (size_t)(third - second) - 1));
	assert_string_equal(text_string(&part), claims);
	text_clear(&part);
	assert_true(base64url_decode(&part, third + 1, strlen(third + 1)));
	*third = '\0';
	if (private_key_kind(key) == PRIVATE_KEY_RSA) {
		assert_true(verifies(pkey, jwt.bytes + 7, (const uint8_t *)part.bytes, part.length));
	} else {
		assert_int_equal(part.length, 64);
		assert_true(verifies_raw(pkey, jwt.bytes + 7, (const uint8_t *)part.bytes));
	}
	text_release(&jwt);
	text_release(&part);
}

/* Often enough that r or s begins with a zero byte, which DER leaves out. */
static void es256_is_r_and_s_of_32_bytes(void **state)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	char *pem = pem_of(pkey, NULL);
	struct error err = {0};
	struct private_key *key = private_key_from_pem(pem, strlen(pem), &err);

	(void)state;
	assert_non_null(key);
	assert_int_equal(private_key_kind(key), PRIVATE_KEY_P256);
	for (int i = 0; i < 600; i++)
		check_jwt(pkey, key, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"key-1\"}",
			  "{\"iss\":\"TEAM\",\"iat\":1}");
	private_key_free(&key);
	EVP_PKEY_free(pkey);
	free(pem);
}

static void rs256_is_pkcs1(void **state)
{
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	char *pem = pem_of(pkey, NULL);
	struct error err = {0};
	struct private_key *key = private_key_from_pem(pem, strlen(pem), &err);

	(void)state;
	assert_non_null(key);
	assert_int_equal(private_key_kind(key), PRIVATE_KEY_RSA);
	check_jwt(pkey, key, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"key-1\"}", "{\"iss\":\"me\"}");
	private_key_free(&key);
	EVP_PKEY_free(pkey);
	free(pem);
}

static void keys_that_are_refused(void **state)
{
	EVP_PKEY *pkeys[] = {EVP_RSA_gen(1024), EVP_EC_gen("P-384"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
			     EVP_EC_gen("P-256")};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(pkeys); i++) {
		char *pem = pem_of(pkeys[i], i == 3 ? "secret" : NULL);
		struct error err = {0};

		assert_null(private_key_from_pem(pem, strlen(pem), &err));
		assert_int_equal(err.kind, ERROR_INVALID);
		assert_non_null(strstr(err.text, i == 3 ? "without a password" : "neither"));
		free(pem);
		EVP_PKEY_free(pkeys[i]);
	}
	struct error err = {0};

	assert_null(private_key_from_pem("whsec_secret", 12, &err));
	assert_null(strstr(err.text, "whsec"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url_of_known_texts),
		cmocka_unit_test(base64url_that_is_none),
		cmocka_unit_test(hkdf_of_the_rfc),
		cmocka_unit_test(gcm_of_a_known_text),
		cmocka_unit_test(what_was_changed_is_not_opened),
		cmocka_unit_test(both_sides_agree),
		cmocka_unit_test(a_scalar_is_above_zero_and_below_the_order),
		cmocka_unit_test(what_is_derived_depends_on_key_and_label),
		cmocka_unit_test(es256_is_r_and_s_of_32_bytes),
		cmocka_unit_test(rs256_is_pkcs1),
		cmocka_unit_test(keys_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
