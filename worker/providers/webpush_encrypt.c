#include "worker/providers/webpush_encrypt.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base64url.h"
#include "shared/digest.h"
#include "shared/memory.h"
#include "shared/sealing.h"

#define ENDPOINT_MAX 2000

/* -- the subscription -- */

static bool refuse(struct error *err, const char *what)
{
	return error_set(err, ERROR_REFUSED, "The address is no subscription: %s.", what);
}

/* The endpoint is data that a browser gave us: it must not lead anywhere but to a push service. Where it leads in the
 * network is checked when the connection is made. */
static bool check_endpoint(const char *endpoint, bool plain_allowed, struct error *err)
{
	const char *host = strstr(endpoint, "://");

	if (strncmp(endpoint, "https://", 8) != 0 && !(plain_allowed && strncmp(endpoint, "http://", 7) == 0))
		return refuse(err, "its endpoint does not begin with https://");
	host += 3;
	if (strlen(endpoint) > ENDPOINT_MAX || strchr(endpoint, '#') != NULL || strcspn(host, "/?:") == 0 ||
	    memchr(host, '@', strcspn(host, "/?")) != NULL || memchr(host, '\\', strcspn(host, "/?")) != NULL)
		return refuse(err, "its endpoint is not the URL of a push service");
	for (const char *at = endpoint; *at != '\0'; at++)
		if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7F)
			return refuse(err, "its endpoint holds a blank or a character that is not ASCII");
	return true;
}

static bool take_bytes(const json_t *keys, const char *name, uint8_t *bytes, size_t size)
{
	const json_t *member = json_object_get(keys, name);
	struct text out;
	bool taken;

	text_init(&out, 2 * size);
	taken = json_is_string(member) &&
		base64url_decode(&out, json_string_value(member), json_string_length(member)) && out.length == size;
	if (taken)
		memcpy(bytes, out.bytes, size);
	text_release(&out);
	return taken;
}

static bool take_subscription(const json_t *json, bool plain_allowed, struct webpush_subscription *subscription,
			      struct error *err)
{
	const json_t *endpoint = json_object_get(json, "endpoint"), *keys = json_object_get(json, "keys");

	if (!json_is_string(endpoint))
		return refuse(err, "it has no endpoint");
	if (!check_endpoint(json_string_value(endpoint), plain_allowed, err))
		return false;
	if (!take_bytes(keys, "p256dh", subscription->p256dh, sizeof(subscription->p256dh)) ||
	    subscription->p256dh[0] != 4)
		return refuse(err, "keys.p256dh is not 65 bytes in base64url");
	if (!take_bytes(keys, "auth", subscription->auth, sizeof(subscription->auth)))
		return refuse(err, "keys.auth is not 16 bytes in base64url");
	subscription->endpoint = memory_copy_string(json_string_value(endpoint));
	return true;
}

bool webpush_subscription_parse(struct slice address, bool plain_allowed, struct webpush_subscription *subscription,
				struct error *err)
{
	json_t *json =
		json_loadb(address.bytes != NULL ? address.bytes : "", address.length, JSON_REJECT_DUPLICATES, NULL);
	bool taken = json_is_object(json) ? take_subscription(json, plain_allowed, subscription, err)
					  : refuse(err, "it is not a JSON object");

	json_decref(json);
	return taken;
}

void webpush_subscription_release(struct webpush_subscription *subscription)
{
	free(subscription->endpoint);
	subscription->endpoint = NULL;
}

size_t webpush_origin_length(const char *endpoint)
{
	size_t scheme = (size_t)(strstr(endpoint, "://") - endpoint) + 3;

	return scheme + strcspn(endpoint + scheme, "/?");
}

/* -- the encryption -- */

/* RFC 8291 §3.4: the secret that both sides know, bound to both keys. */
static bool agree(const struct webpush_subscription *subscription, const struct private_key *sender,
		  const uint8_t point[PRIVATE_KEY_POINT_BYTES], uint8_t key[32])
{
	static const char label[] = "WebPush: info"; /* with its NUL */
	uint8_t shared[PRIVATE_KEY_SHARED_BYTES], info[sizeof(label) + 2 * PRIVATE_KEY_POINT_BYTES];

	if (!private_key_agree(sender, subscription->p256dh, shared))
		return false;
	memcpy(info, label, sizeof(label));
	memcpy(info + sizeof(label), subscription->p256dh, PRIVATE_KEY_POINT_BYTES);
	memcpy(info + sizeof(label) + PRIVATE_KEY_POINT_BYTES, point, PRIVATE_KEY_POINT_BYTES);
	sealing_hkdf(subscription->auth, sizeof(subscription->auth), shared, sizeof(shared), info, sizeof(info), key,
		     32);
	explicit_bzero(shared, sizeof(shared));
	return true;
}

/* RFC 8188 §2.1: salt, record size, length of the key id, and as key id the sender's public key. */
static void add_header(const uint8_t salt[WEBPUSH_SALT_BYTES], const uint8_t point[PRIVATE_KEY_POINT_BYTES],
		       struct text *out)
{
	static const uint8_t sizes[] = {0, 0, WEBPUSH_RECORD_SIZE >> 8, WEBPUSH_RECORD_SIZE & 0xff,
					PRIVATE_KEY_POINT_BYTES};

	text_add_bytes(out, salt, WEBPUSH_SALT_BYTES);
	text_add_bytes(out, sizes, sizeof(sizes));
	text_add_bytes(out, point, PRIVATE_KEY_POINT_BYTES);
}

/* The only record and so the last: its delimiter is 2 (RFC 8188 §2). */
static void add_record(const uint8_t salt[WEBPUSH_SALT_BYTES], const uint8_t key[32], const void *plain, size_t length,
		       struct text *out)
{
	static const char key_label[] = "Content-Encoding: aes128gcm", nonce_label[] = "Content-Encoding: nonce";
	uint8_t content_key[16], nonce[SEALING_NONCE_BYTES], *padded = memory_new(length + 1);

	sealing_hkdf(salt, WEBPUSH_SALT_BYTES, key, 32, key_label, sizeof(key_label), content_key, sizeof(content_key));
	sealing_hkdf(salt, WEBPUSH_SALT_BYTES, key, 32, nonce_label, sizeof(nonce_label), nonce, sizeof(nonce));
	memcpy(padded, plain, length);
	padded[length] = 2;
	sealing_close(content_key, sizeof(content_key), nonce, "", 0, padded, length + 1, out);
	explicit_bzero(content_key, sizeof(content_key));
	free(padded);
}

bool webpush_encrypt(const struct webpush_subscription *subscription, const struct private_key *sender,
		     const uint8_t salt[WEBPUSH_SALT_BYTES], const void *plain, size_t length, struct text *out)
{
	uint8_t point[PRIVATE_KEY_POINT_BYTES], key[32];

	private_key_public_point(sender, point);
	if (!agree(subscription, sender, point, key))
		return false;
	add_header(salt, point, out);
	add_record(salt, key, plain, length, out);
	explicit_bzero(key, sizeof(key));
	return true;
}

struct private_key *webpush_sender_for(const struct webpush_subscription *subscription, const uint8_t secret[32],
				       const void *plain, size_t length, uint8_t salt[WEBPUSH_SALT_BYTES])
{
	uint8_t info[1 + PRIVATE_KEY_POINT_BYTES + WEBPUSH_AUTH_BYTES + DIGEST_SHA256_BYTES],
		derived[PRIVATE_KEY_SCALAR_BYTES + WEBPUSH_SALT_BYTES];
	struct private_key *sender = NULL;

	memcpy(info + 1, subscription->p256dh, PRIVATE_KEY_POINT_BYTES);
	memcpy(info + 1 + PRIVATE_KEY_POINT_BYTES, subscription->auth, WEBPUSH_AUTH_BYTES);
	digest_sha256(plain, length, info + 1 + PRIVATE_KEY_POINT_BYTES + WEBPUSH_AUTH_BYTES);
	/* One in four billion tries gives a number that is no scalar. */
	for (info[0] = 0; sender == NULL; info[0]++) {
		sealing_hkdf("", 0, secret, 32, info, sizeof(info), derived, sizeof(derived));
		sender = private_key_from_scalar(derived);
	}
	memcpy(salt, derived + PRIVATE_KEY_SCALAR_BYTES, WEBPUSH_SALT_BYTES);
	explicit_bzero(derived, sizeof(derived));
	return sender;
}
