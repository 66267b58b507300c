#include "tests/sandbox/subscription.h"

#include "shared/digest.h"
#include "tests/sandbox/aes128gcm.h"

enum { NAME_MAX_BYTES = 4096 };

EVP_PKEY *subscription_key(struct span name)
{
	struct text words;
	EVP_PKEY *key;

	text_init(&words, NAME_MAX_BYTES);
	text_add(&words, "postrider-sandbox subscription ");
	span_add(&words, name);
	key = crypto_derive_p256(text_string(&words));
	text_release(&words);
	return key;
}

void subscription_add_auth(struct text *out, struct span name)
{
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct text words;

	text_init(&words, NAME_MAX_BYTES);
	text_add(&words, "postrider-sandbox authentication ");
	span_add(&words, name);
	digest_sha256(text_string(&words), words.length, digest);
	text_add_bytes(out, digest, AES128GCM_AUTH_BYTES);
	text_release(&words);
}

json_t *subscription_describe(const char *origin, const char *name)
{
	EVP_PKEY *key = subscription_key(span_of(name));
	struct text endpoint, bytes, p256dh, auth;
	json_t *all;

	text_init(&endpoint, NAME_MAX_BYTES);
	text_init(&bytes, 128);
	text_init(&p256dh, 128);
	text_init(&auth, 128);
	text_addf(&endpoint, "%s/webpush/%s", origin, name);
	crypto_add_public_point(&bytes, key);
	crypto_add_base64url(&p256dh, span_of_text(&bytes));
	text_clear(&bytes);
	subscription_add_auth(&bytes, span_of(name));
	crypto_add_base64url(&auth, span_of_text(&bytes));
	all = json_pack("{s:s, s:{s:s, s:s}}", "endpoint", text_string(&endpoint), "keys", "p256dh",
			text_string(&p256dh), "auth", text_string(&auth));
	crypto_free(&key);
	text_release(&endpoint);
	text_release(&bytes);
	text_release(&p256dh);
	text_release(&auth);
	return all;
}
