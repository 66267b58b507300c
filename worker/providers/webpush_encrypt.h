/* webpush_encrypt - encrypts a message for one browser: RFC 8291 over the aes128gcm coding of RFC 8188. Private to
 * webpush.c. Pure: the sender's key and the salt are handed in.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_WEBPUSH_ENCRYPT_H
#define POSTRIDER_WORKER_PROVIDERS_WEBPUSH_ENCRYPT_H

#include "shared/private_key.h"
#include "worker/providers/provider.h"

#define WEBPUSH_AUTH_BYTES  16
#define WEBPUSH_SALT_BYTES  16
#define WEBPUSH_RECORD_SIZE 4096
/* What push services have to take (RFC 8030 §7.2), less the header, the delimiter and the tag. */
#define WEBPUSH_PLAIN_MAX (4096 - 86 - 1 - 16)

/* A browser's subscription, from the contact's address. */
struct webpush_subscription {
	char *endpoint;
	uint8_t p256dh[PRIVATE_KEY_POINT_BYTES];
	uint8_t auth[WEBPUSH_AUTH_BYTES];
};

/* {"endpoint": "https://...", "keys": {"p256dh": "...", "auth": "..."}}, as PushSubscription.toJSON() writes it. False and
 * ERROR_REFUSED with a sentence that quotes nothing of it. */
bool webpush_subscription_parse(struct slice address, bool plain_allowed, struct webpush_subscription *subscription,
				struct error *err) MUST_CHECK;
void webpush_subscription_release(struct webpush_subscription *subscription);

/* The length of an endpoint's scheme://host:port. */
size_t webpush_origin_length(const char *endpoint);

/* Appends the whole body: header, one record. plain has at most WEBPUSH_PLAIN_MAX bytes. False: p256dh is not a point of
 * the curve. */
bool webpush_encrypt(const struct webpush_subscription *subscription, const struct private_key *sender,
		     const uint8_t salt[WEBPUSH_SALT_BYTES], const void *plain, size_t length,
		     struct text *out) MUST_CHECK;

/* A key and a salt for one message: always the same for the same message to the same browser under the same secret, so
 * that a retry repeats the same bytes, and others for anything else, so that no nonce of AES-GCM serves two texts. */
struct private_key *webpush_sender_for(const struct webpush_subscription *subscription, const uint8_t secret[32],
				       const void *plain, size_t length, uint8_t salt[WEBPUSH_SALT_BYTES]) MUST_CHECK;

#endif
