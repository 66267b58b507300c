/* The input is a token. What is believed must be what we would have made, letter for letter. */
#include <stdlib.h>
#include <string.h>

#include "worker/links/links.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const enum link_kind kinds[] = {LINK_OPEN,        LINK_CLICK, LINK_UNSUBSCRIBE,
				       LINK_PREFERENCES, LINK_FORM,  LINK_INBOX};

static struct links *open_links(void)
{
	static struct links *links;
	struct error err = {0};

	if (links == NULL && !links_open(&links, "https://l.example", "a-key-of-at-least-thirty-two-letters", &err))
		abort();
	return links;
}

static void check_same(enum link_kind kind, const char *token, size_t length)
{
	struct link_claim claim;
	struct text target, again;

	text_init(&target, LINKS_TARGET_MAX);
	text_init(&again, LINKS_TOKEN_MAX);
	if (links_verify(open_links(), kind, token, length, &claim, &target)) {
		links_add_token(open_links(), &again, kind, &claim, target.bytes, target.length);
		if (again.length != length || memcmp(again.bytes, token, length) != 0)
			abort();
	}
	text_release(&target);
	text_release(&again);
}

/* A token made for the input as a target is good, and no other byte of it may change. */
static void check_made(const uint8_t *bytes, size_t length)
{
	struct link_claim claim = {.delivery_id = 202611000000000042, .place = 3}, found;
	struct text token, target;

	if (length == 0 || length > LINKS_TARGET_MAX)
		return;
	text_init(&token, LINKS_TOKEN_MAX);
	text_init(&target, LINKS_TARGET_MAX);
	links_add_token(open_links(), &token, LINK_CLICK, &claim, (const char *)bytes, length);
	if (!text_ok(&token) || !links_verify(open_links(), LINK_CLICK, token.bytes, token.length, &found, &target) ||
	    target.length != length || memcmp(target.bytes, bytes, length) != 0 || found.place != 3)
		abort();
	token.bytes[bytes[0] % token.length] ^= 1;
	if (links_verify(open_links(), LINK_CLICK, token.bytes, token.length, &found, NULL))
		abort();
	text_release(&token);
	text_release(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
		check_same(kinds[i], (const char *)bytes, length);
	check_made(bytes, length);
	return 0;
}
