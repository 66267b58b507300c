#include "worker/providers/apns_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/jwt.h"
#include "shared/sealing.h"

#define SHORTEST_MS (20 * 60 * INT64_C(1000)) /* a new token sooner than that is refused */
#define LONGEST_MS  (50 * 60 * INT64_C(1000)) /* of the hour that Apple allows */
#define CLAIMS_MAX  500
#define SEALED_MAX  4096
#define LABEL       "postrider apns provider token"

void apns_token_init(struct apns_token *token, const char *team_id, const char *key_id, struct private_key *key)
{
	memset(token, 0, sizeof(*token));
	token->team_id = team_id;
	token->key_id = key_id;
	token->key = key;
	token->refused_slot = -1;
	private_key_derive(key, LABEL, token->sealing_key);
	access_token_init(&token->token);
	text_init(&token->sealed, SEALED_MAX);
}

void apns_token_release(struct apns_token *token)
{
	explicit_bzero(token->sealing_key, sizeof(token->sealing_key));
	access_token_release(&token->token);
	text_release(&token->sealed);
}

/* What the seal holds together: bytes of another account, key or slot are not opened. */
static void add_bound(const struct apns_token *token, int64_t slot, struct text *bound)
{
	text_addf(bound, "%s %s %" PRId64, token->team_id, token->key_id, slot);
}

static void seal(struct apns_token *token, int64_t slot, const struct text *plain)
{
	uint8_t nonce[SEALING_NONCE_BYTES];
	struct text bound;

	text_init(&bound, CLAIMS_MAX);
	add_bound(token, slot, &bound);
	sealing_random(nonce, sizeof(nonce));
	text_clear(&token->sealed);
	text_add_bytes(&token->sealed, nonce, sizeof(nonce));
	sealing_close(token->sealing_key, sizeof(token->sealing_key), nonce, text_string(&bound), bound.length,
		      text_string(plain), plain->length, &token->sealed);
	text_release(&bound);
}

static bool open_seal(const struct apns_token *token, const struct provider_token_share *share, struct text *plain)
{
	const uint8_t *bytes = (const uint8_t *)share->sealed.bytes;
	struct text bound;
	bool opened;

	if (share->sealed.length < SEALING_NONCE_BYTES)
		return false;
	text_init(&bound, CLAIMS_MAX);
	add_bound(token, share->slot, &bound);
	opened = sealing_open(token->sealing_key, sizeof(token->sealing_key), bytes, text_string(&bound), bound.length,
			      bytes + SEALING_NONCE_BYTES, share->sealed.length - SEALING_NONCE_BYTES, plain);
	text_release(&bound);
	return opened;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void apns_token_mint(struct apns_token *token, int64_t now_ms, struct provider_token_share *share)
{
	struct text claims, plain;

	share->oldest_slot = larger(now_ms / APNS_SLOT_MS, token->refused_slot + 1);
	share->slot = larger((now_ms + SHORTEST_MS) / APNS_SLOT_MS, share->oldest_slot);
	text_init(&claims, CLAIMS_MAX);
	text_init(&plain, SEALED_MAX / 2);
	text_add(&claims, "{\"iss\":");
	text_add_json_string(&claims, token->team_id, strlen(token->team_id));
	text_addf(&claims, ",\"iat\":%" PRId64 "}", now_ms / 1000);
	text_addf(&plain, "%" PRId64 " ", now_ms / 1000);
	jwt_sign(token->key, token->key_id, text_string(&claims), &plain);
	seal(token, share->slot, &plain);
	explicit_bzero(plain.bytes, plain.length);
	text_release(&claims);
	text_release(&plain);
	share->sealed = (struct slice){text_string(&token->sealed), token->sealed.length};
}

/* "seconds jwt", which only we can have sealed. */
static bool hold(struct apns_token *token, int64_t now_ms, int64_t slot, const struct text *plain)
{
	char *jwt;
	int64_t issued_ms = strtoll(text_string(plain), &jwt, 10) * 1000, expires_ms = (slot + 1) * APNS_SLOT_MS;

	if (expires_ms > issued_ms + LONGEST_MS)
		expires_ms = issued_ms + LONGEST_MS;
	if (*jwt != ' ' || expires_ms <= now_ms)
		return false;
	jwt++;
	access_token_hold(&token->token, "bearer", (struct slice){jwt, strlen(jwt)}, issued_ms, expires_ms);
	token->slot = slot;
	return true;
}

bool apns_token_adopt(struct apns_token *token, int64_t now_ms, const struct provider_token_share *share)
{
	struct text plain;
	bool held;

	text_init(&plain, SEALED_MAX);
	held = share->slot > token->refused_slot && open_seal(token, share, &plain) &&
	       hold(token, now_ms, share->slot, &plain);
	if (plain.bytes != NULL)
		explicit_bzero(plain.bytes, plain.length);
	text_release(&plain);
	if (!held)
		token->refused_slot = larger(token->refused_slot, share->slot);
	return held;
}

void apns_token_refuse_slot(struct apns_token *token)
{
	if (token->token.held.number == 0)
		token->refused_slot = larger(token->refused_slot, token->slot);
}
