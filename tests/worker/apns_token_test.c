/* Apple's provider token: one for the fleet, changed neither too often nor too late, and a secret to all others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "shared/base64url.h"
#include "worker/providers/apns_token.h"

#define MINUTE_MS INT64_C(60000)
#define START_MS  (INT64_C(997000) * APNS_SLOT_MS) /* a slot begins */

static struct private_key *key_of(uint8_t last)
{
	uint8_t scalar[PRIVATE_KEY_SCALAR_BYTES] = {[0] = 7, [31] = last};
	struct private_key *key = private_key_from_scalar(scalar);

	assert_non_null(key);
	return key;
}

/* What the database keeps of the fleet's agreement: as delivery.share_provider_token() does. */
struct shelf {
	struct {
		int64_t slot;
		char bytes[2048];
		size_t length;
	} tokens[100];
	size_t count;
};

static struct provider_token_share share(struct shelf *shelf, const struct provider_token_share *offered)
{
	for (size_t i = 0; i < shelf->count; i++)
		if (shelf->tokens[i].slot >= offered->oldest_slot)
			return (struct provider_token_share){
				.slot = shelf->tokens[i].slot,
				.sealed = {shelf->tokens[i].bytes, shelf->tokens[i].length}};
	assert_true(shelf->count < ARRAY_LENGTH(shelf->tokens) && offered->sealed.length <= 2048);
	shelf->tokens[shelf->count].slot = offered->slot;
	shelf->tokens[shelf->count].length = offered->sealed.length;
	memcpy(shelf->tokens[shelf->count].bytes, offered->sealed.bytes, offered->sealed.length);
	shelf->count++;
	return *offered;
}

static bool is_held(const struct apns_token *token, int64_t now_ms)
{
	return token->token.held.number != 0 && now_ms < token->token.held.expires_at_ms;
}

/* True when it had to sign one that became the fleet's. */
static bool need(struct apns_token *token, struct shelf *shelf, int64_t now_ms)
{
	struct provider_token_share minted, shared;
	size_t before = shelf->count;

	if (is_held(token, now_ms))
		return false;
	apns_token_mint(token, now_ms, &minted);
	shared = share(shelf, &minted);
	assert_true(apns_token_adopt(token, now_ms, &shared));
	assert_true(is_held(token, now_ms));
	return shelf->count > before;
}

/* Workers that come and go at every minute of half a day: never two new tokens within 20 minutes, none older than an hour. */
static void the_fleet_changes_its_token_at_the_right_times(void **state)
{
	(void)state;
	for (int64_t offset = 0; offset < 30; offset++) {
		struct private_key *key = key_of(1);
		struct shelf shelf = {0};
		struct apns_token workers[3];
		int64_t last_ms = 0;

		for (int i = 0; i < 3; i++)
			apns_token_init(&workers[i], "TEAM", "KEY", key);
		for (int64_t minute = 0; minute < 12 * 60; minute++) {
			int64_t now_ms = START_MS + (offset + minute) * MINUTE_MS + 1;
			struct apns_token *worker = &workers[minute % 3];

			if (minute % 7 == 0) { /* this one was restarted */
				apns_token_release(worker);
				apns_token_init(worker, "TEAM", "KEY", key);
			}
			if (need(worker, &shelf, now_ms)) {
				assert_true(last_ms == 0 || now_ms - last_ms >= 20 * MINUTE_MS);
				last_ms = now_ms;
			}
			assert_true(now_ms - worker->token.held.obtained_at_ms < 60 * MINUTE_MS);
			for (int i = 0; i < 3; i++)
				if (is_held(&workers[i], now_ms))
					assert_string_equal(text_string(&workers[i].token.authorization),
							    text_string(&worker->token.authorization));
		}
		for (int i = 0; i < 3; i++)
			apns_token_release(&workers[i]);
		private_key_free(&key);
	}
}

static void the_token_is_what_apple_wants(void **state)
{
	struct private_key *key = key_of(1);
	struct shelf shelf = {0};
	struct apns_token token;
	struct text part;
	const char *jwt, *claims;

	(void)state;
	apns_token_init(&token, "TEAM123456", "KEY1234567", key);
	assert_true(need(&token, &shelf, START_MS + 1234));
	jwt = text_string(&token.token.authorization);
	assert_memory_equal(jwt, "bearer ", 7);
	jwt += 7;
	text_init(&part, 1000);
	assert_true(base64url_decode(&part, jwt, strcspn(jwt, ".")));
	assert_string_equal(text_string(&part), "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"KEY1234567\"}");
	text_clear(&part);
	claims = strchr(jwt, '.') + 1;
	assert_true(base64url_decode(&part, claims, strcspn(claims, ".")));
	assert_string_equal(text_string(&part), "{\"iss\":\"TEAM123456\",\"iat\":1794600001}");
	text_release(&part);
	apns_token_release(&token);
	private_key_free(&key);
}

/* The database shows nothing of it, and another account, key or slot cannot open it. */
static void only_the_key_opens_it(void **state)
{
	static const struct {
		const char *when, *team, *key_id;
		uint8_t key;
		int64_t slot_off;
		bool opens;
	} rows[] = {
		{"the same account", "TEAM", "KEY", 1, 0, true},
		{"another private key", "TEAM", "KEY", 2, 0, false},
		{"another team", "MEAT", "KEY", 1, 0, false},
		{"another key id", "TEAM", "YEK", 1, 0, false},
		{"moved to a later slot", "TEAM", "KEY", 1, 1, false},
	};
	struct private_key *key = key_of(1);
	struct apns_token maker;
	struct provider_token_share minted;

	(void)state;
	apns_token_init(&maker, "TEAM", "KEY", key);
	apns_token_mint(&maker, START_MS, &minted);
	assert_null(memmem(minted.sealed.bytes, minted.sealed.length, "eyJ", 3));
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct private_key *own = key_of(rows[i].key);
		struct provider_token_share moved = minted;
		struct apns_token token;

		moved.slot += rows[i].slot_off;
		apns_token_init(&token, rows[i].team, rows[i].key_id, own);
		if (apns_token_adopt(&token, START_MS, &moved) != rows[i].opens)
			fail_msg("%s", rows[i].when);
		/* What cannot be opened is left behind: the next one that is offered is for a later slot. */
		if (!rows[i].opens) {
			struct provider_token_share next;

			apns_token_mint(&token, START_MS, &next);
			assert_true(next.oldest_slot > moved.slot && next.slot > moved.slot);
			assert_true(apns_token_adopt(&token, START_MS, &next));
		}
		apns_token_release(&token);
		private_key_free(&own);
	}
	apns_token_release(&maker);
	private_key_free(&key);
}

static void broken_seals_are_refused(void **state)
{
	struct private_key *key = key_of(1);
	struct apns_token token;
	struct provider_token_share minted;
	char bytes[2048];

	(void)state;
	apns_token_init(&token, "TEAM", "KEY", key);
	apns_token_mint(&token, START_MS, &minted);
	memcpy(bytes, minted.sealed.bytes, minted.sealed.length);
	for (size_t length = 0; length < minted.sealed.length; length++) {
		struct provider_token_share cut = {.slot = minted.slot, .sealed = {bytes, length}};
		struct apns_token reader;

		apns_token_init(&reader, "TEAM", "KEY", key);
		assert_false(apns_token_adopt(&reader, START_MS, &cut));
		apns_token_release(&reader);
	}
	/* Long over. */
	assert_false(apns_token_adopt(&token, START_MS + 60 * MINUTE_MS, &minted));
	assert_int_equal(token.token.held.number, 0);
	apns_token_release(&token);
	private_key_free(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fleet_changes_its_token_at_the_right_times),
		cmocka_unit_test(the_token_is_what_apple_wants),
		cmocka_unit_test(only_the_key_opens_it),
		cmocka_unit_test(broken_seals_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
