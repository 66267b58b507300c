/* Tokens: what was signed comes back, anything else does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "worker/links/links.h"

#define BASE   "https://links.example.org"
#define KEY    "the-first-key-of-thirty-two-letters"
#define OTHER  "another-key-of-thirty-two-letters-x"
#define TARGET "https://shop.example.org/a?b=1&c=%20x#d"

static struct links *open_with(const char *keys)
{
	struct error err = {0};
	struct links *links = NULL;

	if (!links_open(&links, BASE, keys, &err))
		fail_msg("%s", err.text);
	return links;
}

static const struct {
	const char *when, *url, *keys, *sentence;
} settings[] = {
	{"a key without an address", "", KEY, "belong together"},
	{"an address without a key", BASE, "", "belong together"},
	{"not a web address", "ftp://example.org", KEY, "begins with https://"},
	{"a slash at the end", BASE "/", KEY, "no slash"},
	{"no host", "https://", KEY, "no slash"},
	{"a query", BASE "/x?y", KEY, "letters, digits"},
	{"a quote", BASE "/\"", KEY, "letters, digits"},
	{"a short key", BASE, "short", "fewer than 32"},
	{"a short key behind a good one", BASE, KEY ",short", "fewer than 32"},
	{"only separators", BASE, " , \n", "holds no key"},
	{"too many keys", BASE, KEY "," KEY "," KEY "," KEY "," KEY "," KEY "," KEY "," KEY "," KEY, "more than 8"},
};

static void test_settings_are_checked(void **state)
{
	struct links *links = NULL;
	struct error err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
		err = (struct error){0};
		if (links_open(&links, settings[i].url, settings[i].keys, &err))
			fail_msg("%s is taken", settings[i].when);
		assert_int_equal(err.kind, ERROR_INVALID);
		if (strstr(err.text, settings[i].sentence) == NULL)
			fail_msg("%s: %s", settings[i].when, err.text);
	}
	assert_true(links_open(&links, "", "", &err));
	assert_null(links);
}

static const struct {
	enum link_kind kind;
	struct link_claim claim;
	const char *target;
	size_t token_length;
} kinds[] = {
	{LINK_OPEN, {.delivery_id = 202611000000000042}, NULL, 32},
	{LINK_CLICK, {.delivery_id = 202611000000000042, .place = 7}, TARGET, 35 + 52},
	{LINK_UNSUBSCRIBE, {.delivery_id = 202611000000000042, .contact_id = 42}, NULL, 43},
	{LINK_PREFERENCES, {.delivery_id = 202611000000000042, .contact_id = 42}, NULL, 43},
	{LINK_FORM, {.delivery_id = 202611000000000042, .contact_id = INT64_MAX}, NULL, 43},
	{LINK_INBOX, {.contact_id = 42, .expires_at_s = 1795300000}, NULL, 43},
};

static void add_token(struct links *links, struct text *out, size_t i)
{
	text_clear(out);
	links_add_token(links, out, kinds[i].kind, &kinds[i].claim, kinds[i].target,
			kinds[i].target != NULL ? strlen(kinds[i].target) : 0);
}

static void test_what_was_signed_comes_back(void **state)
{
	struct links *links = open_with(KEY);
	struct text token, again, target;
	struct link_claim claim;

	(void)state;
	text_init(&token, LINKS_TOKEN_MAX);
	text_init(&again, LINKS_TOKEN_MAX);
	text_init(&target, LINKS_TARGET_MAX);
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		add_token(links, &token, i);
		add_token(links, &again, i);
		assert_string_equal(text_string(&token), text_string(&again));
		assert_int_equal(token.length, kinds[i].token_length);
		assert_int_equal(
			strspn(token.bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
			token.length);
		text_clear(&target);
		assert_true(links_verify(links, kinds[i].kind, token.bytes, token.length, &claim, &target));
		assert_memory_equal(&claim, &kinds[i].claim, sizeof(claim));
		assert_string_equal(text_string(&target), kinds[i].target != NULL ? kinds[i].target : "");
	}
	text_release(&token);
	text_release(&again);
	text_release(&target);
	links_close(&links);
}

/* Every other kind, every shorter one, every one with another letter at any place, and one with a letter more. */
static void test_nothing_else_is_believed(void **state)
{
	static const char alphabet[] = "Aa0-_";
	struct links *links = open_with(KEY);
	struct link_claim claim = {.delivery_id = -1};
	struct text token;

	(void)state;
	text_init(&token, LINKS_TOKEN_MAX);
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		add_token(links, &token, i);
		for (size_t k = 0; k < ARRAY_LENGTH(kinds); k++)
			if (k != i)
				assert_false(
					links_verify(links, kinds[k].kind, token.bytes, token.length, &claim, NULL));
		for (size_t length = 0; length < token.length; length++)
			assert_false(links_verify(links, kinds[i].kind, token.bytes, length, &claim, NULL));
		for (size_t at = 0; at < token.length; at++)
			for (const char *letter = alphabet; *letter != '\0'; letter++) {
				char was = token.bytes[at];

				token.bytes[at] = *letter;
				assert_int_equal(
					links_verify(links, kinds[i].kind, token.bytes, token.length, &claim, NULL),
					was == *letter);
				token.bytes[at] = was;
			}
		text_add_char(&token, 'A');
		assert_false(links_verify(links, kinds[i].kind, token.bytes, token.length, &claim, NULL));
	}
	assert_false(links_verify(links, LINK_OPEN, "", 0, &claim, NULL));
	assert_false(links_verify(links, LINK_CLICK, "====", 4, &claim, NULL));
	text_release(&token);
	links_close(&links);
}

/* One delivery's signature under another one's numbers, or under another target. */
static void test_a_signature_belongs_to_its_message(void **state)
{
	const struct link_claim mine = {.delivery_id = 1, .place = 1}, theirs = {.delivery_id = 2, .place = 1};
	struct links *links = open_with(KEY);
	struct link_claim claim;
	struct text a, b;

	(void)state;
	text_init(&a, LINKS_TOKEN_MAX);
	text_init(&b, LINKS_TOKEN_MAX);
	links_add_token(links, &a, LINK_CLICK, &mine, TARGET, strlen(TARGET));
	links_add_token(links, &b, LINK_CLICK, &theirs, TARGET, strlen(TARGET));
	memcpy(a.bytes, b.bytes, 12); /* the delivery's number and a bit */
	assert_false(links_verify(links, LINK_CLICK, a.bytes, a.length, &claim, NULL));
	text_clear(&a);
	text_clear(&b);
	links_add_token(links, &a, LINK_CLICK, &mine, "https://good.example/", 21);
	links_add_token(links, &b, LINK_CLICK, &mine, "https://evil.example/", 21);
	memcpy(b.bytes, a.bytes, 34); /* numbers and MAC, but for the last bits */
	assert_false(links_verify(links, LINK_CLICK, b.bytes, b.length, &claim, NULL));
	text_release(&a);
	text_release(&b);
	links_close(&links);
}

static void test_keys_change_in_turn(void **state)
{
	struct links *old = open_with(KEY), *both = open_with(OTHER ", " KEY "\n"), *gone = open_with(OTHER);
	struct link_claim claim;
	struct text token;

	(void)state;
	text_init(&token, LINKS_TOKEN_MAX);
	add_token(old, &token, 0);
	assert_true(links_verify(both, LINK_OPEN, token.bytes, token.length, &claim, NULL));
	assert_false(links_verify(gone, LINK_OPEN, token.bytes, token.length, &claim, NULL));
	add_token(both, &token, 0);
	assert_false(links_verify(old, LINK_OPEN, token.bytes, token.length, &claim, NULL));
	assert_true(links_verify(gone, LINK_OPEN, token.bytes, token.length, &claim, NULL));
	text_release(&token);
	links_close(&old);
	links_close(&both);
	links_close(&gone);
}

static void test_addresses_say_what_they_are(void **state)
{
	struct links *links = open_with(KEY);
	struct text url;

	(void)state;
	text_init(&url, LINKS_TOKEN_MAX);
	links_add_url(links, &url, LINK_PREFERENCES, &kinds[3].claim, NULL, 0);
	assert_memory_equal(url.bytes, BASE "/p/", strlen(BASE) + 3);
	assert_true(links_is_own(links, url.bytes, url.length));
	assert_false(links_is_own(links, BASE ".evil.example/", strlen(BASE) + 14));
	assert_false(links_is_own(links, BASE, strlen(BASE)));
	text_release(&url);
	links_close(&links);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings_are_checked),
		cmocka_unit_test(test_what_was_signed_comes_back),
		cmocka_unit_test(test_nothing_else_is_believed),
		cmocka_unit_test(test_a_signature_belongs_to_its_message),
		cmocka_unit_test(test_keys_change_in_turn),
		cmocka_unit_test(test_addresses_say_what_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
