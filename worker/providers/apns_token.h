/* apns_token - Apple's provider token: signed by us, the same bytes for the whole fleet. Private to apns.c.
 *
 * Apple refuses an account that shows a new token more often than every 20 minutes or one that is older than an hour
 * (https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns). ES256 gives
 * other bytes with each signature; so the fleet shares one through the database, where it stands sealed: AES-256-GCM
 * with a key that is derived from the account's private key. Time is cut into slots of 30 minutes, and a token is
 * over at the end of its slot. One that is signed in the first 10 minutes of a slot belongs to it, later ones to the
 * next: each serves 20 to 50 minutes, and all workers change at the same moment.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_APNS_TOKEN_H
#define POSTRIDER_WORKER_PROVIDERS_APNS_TOKEN_H

#include "shared/private_key.h"
#include "worker/providers/access_token.h"

#define APNS_SLOT_MS (30 * 60 * INT64_C(1000))

struct apns_token {
	const char *team_id, *key_id; /* borrowed */
	struct private_key *key;
	uint8_t sealing_key[32];
	struct access_token token;
	int64_t slot;         /* of the one that is held, or was held last */
	int64_t refused_slot; /* this one and earlier ones are not wanted any more */
	struct text sealed;   /* what mint() made last */
};

/* Borrows the strings and the key. */
void apns_token_init(struct apns_token *token, const char *team_id, const char *key_id, struct private_key *key);
void apns_token_release(struct apns_token *token);

/* As provider_token_source. */
void apns_token_mint(struct apns_token *token, int64_t now_ms, struct provider_token_share *share);
bool apns_token_adopt(struct apns_token *token, int64_t now_ms, const struct provider_token_share *share);
/* After access_token_refused(): the slot of a token that was given up is not taken again. */
void apns_token_refuse_slot(struct apns_token *token);

#endif
