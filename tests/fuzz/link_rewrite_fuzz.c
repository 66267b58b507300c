/* The input is HTML, then text. Taking our links out again must give the source back: nothing else was touched. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/links/rewrite.h"

#define BASE "https://l.example"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct links *open_links(void)
{
	static struct links *links;
	struct error err = {0};

	if (links == NULL && !links_open(&links, BASE, "a-key-of-at-least-thirty-two-letters", &err))
		abort();
	return links;
}

static bool is_token(char letter)
{
	return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
	       (letter >= '0' && letter <= '9') || letter == '-' || letter == '_';
}

/* Where the source had a link there is one of ours, which is good and leads to a web address. Returns how much of out it takes. */
static size_t check_link(const char *at, const char *end)
{
	size_t start = strlen(BASE "/c/"), length = start;
	struct link_claim claim;
	struct text target;

	while (at + length < end && is_token(at[length]))
		length++;
	text_init(&target, LINKS_TARGET_MAX);
	if (!links_verify(open_links(), LINK_CLICK, at + start, length - start, &claim, &target) ||
	    strncasecmp(target.bytes, "http", 4) != 0)
		abort();
	text_release(&target);
	return length;
}

/* What stands between our links is the source's, in its order, from its first byte to its last. */
static void check_untouched(const char *source, size_t length, const struct text *out)
{
	const char *end = source + length, *at = text_string(out), *out_end = at + out->length, *link;
	bool is_first = true;

	for (; (link = memmem(at, (size_t)(out_end - at), BASE "/c/", strlen(BASE "/c/"))) != NULL; is_first = false) {
		const char *found = memmem(source, (size_t)(end - source), at, (size_t)(link - at));

		if (found == NULL || (is_first && found != source))
			abort();
		source = found + (link - at);
		at = link + check_link(link, out_end);
	}
	if (out_end - at > end - source || (is_first && out_end - at != end - source) ||
	    memcmp(at, end - (out_end - at), (size_t)(out_end - at)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *source = (const char *)bytes;
	struct text out, again;

	if (memmem(source, length, BASE, strlen(BASE)) != NULL)
		return 0;
	text_init(&out, 16 * 1024 * 1024);
	text_init(&again, 16 * 1024 * 1024);
	rewrite_html(open_links(), 42, true, true, source, length, &out);
	rewrite_html(open_links(), 42, true, true, source, length, &again);
	if (!text_ok(&out) || out.length != again.length ||
	    (out.length > 0 && memcmp(out.bytes, again.bytes, out.length) != 0))
		abort();
	text_clear(&out);
	rewrite_html(open_links(), 42, false, true, source, length, &out);
	check_untouched(source, length, &out);
	text_clear(&out);
	rewrite_text(open_links(), 42, source, length, &out);
	check_untouched(source, length, &out);
	text_release(&out);
	text_release(&again);
	return 0;
}
