#include "worker/links/rewrite.h"

#include <string.h>
#include <strings.h>

#include "worker/links/entities.h"
#include "worker/links/tags.h"

struct rewrite {
	struct links *links;
	int64_t delivery_id;
	const char *copied; /* up to here the source is in out */
	int32_t count;
	struct text *out;
};

/* An address that a browser would take as it stands: no controls, blanks or backslashes, which it would change. */
static bool is_plain(const char *url, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)url[i] <= ' ' || url[i] == 0x7F || url[i] == '\\')
			return false;
	return true;
}

static bool is_web(const char *url, size_t length)
{
	return (length > 7 && strncasecmp(url, "http://", 7) == 0) ||
	       (length > 8 && strncasecmp(url, "https://", 8) == 0);
}

static bool is_tracked(const struct rewrite *rewrite, const char *url, size_t length)
{
	return rewrite->count < REWRITE_LINKS_MAX && length <= LINKS_TARGET_MAX && is_web(url, length) &&
	       is_plain(url, length) && !links_is_own(rewrite->links, url, length);
}

/* The source up to begin is copied, the link stands for what comes before end. */
static void put_link(struct rewrite *rewrite, const char *begin, const char *end, const char *url, size_t length)
{
	struct link_claim claim = {.delivery_id = rewrite->delivery_id, .place = ++rewrite->count};

	text_add_bytes(rewrite->out, rewrite->copied, (size_t)(begin - rewrite->copied));
	links_add_url(rewrite->links, rewrite->out, LINK_CLICK, &claim, url, length);
	rewrite->copied = end;
}

static void rewrite_href(struct rewrite *rewrite, const char *begin, const char *end)
{
	char decoded[LINKS_TARGET_MAX];
	const char *url;
	size_t length;

	while (begin < end && tags_is_blank(*begin))
		begin++;
	while (end > begin && tags_is_blank(end[-1]))
		end--;
	url = begin;
	length = (size_t)(end - begin);
	if (memchr(url, '&', length) != NULL) {
		if (!entities_decode(begin, length, decoded, sizeof(decoded), &length))
			return;
		url = decoded;
	}
	if (is_tracked(rewrite, url, length))
		put_link(rewrite, begin, end, url, length);
}

static void add_picture(const struct rewrite *rewrite, struct text *out)
{
	const struct link_claim claim = {.delivery_id = rewrite->delivery_id};

	text_add(out, "<img src=\"");
	links_add_url(rewrite->links, out, LINK_OPEN, &claim, NULL, 0);
	text_add(out, "\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;width:1px;height:1px;border:0\">");
}

/* The picture is written at the end and then changes places with the few bytes that belong behind it. */
static void insert_picture(const struct rewrite *rewrite, size_t place)
{
	struct text *out = rewrite->out;
	size_t tail = out->length - place, picture;
	char *at;

	add_picture(rewrite, out);
	picture = out->length - place - tail;
	for (size_t i = 0; i < tail; i++)
		text_add_char(out, out->bytes[place + i]);
	if (!text_ok(out))
		return;
	at = out->bytes + place;
	memmove(at, at + tail, picture + tail);
	out->length -= tail;
	out->bytes[out->length] = '\0';
}

void rewrite_html(struct links *links, int64_t delivery_id, bool opens, bool clicks, const char *html, size_t length,
		  struct text *out)
{
	struct rewrite rewrite = {.links = links, .delivery_id = delivery_id, .copied = html, .out = out};
	const char *end = html + length;
	size_t body_end = SIZE_MAX;
	struct tag tag;

	while (length > 0 && tags_next(&html, end, &tag)) {
		if (clicks && tag.is_link && tag.href != NULL && !tag.is_exempt)
			rewrite_href(&rewrite, tag.href, tag.href_end);
		if (!opens || !tag.is_body_end)
			continue;
		text_add_bytes(out, rewrite.copied, (size_t)(tag.begin - rewrite.copied));
		rewrite.copied = tag.begin;
		body_end = out->length;
	}
	text_add_bytes(out, rewrite.copied, (size_t)(end - rewrite.copied));
	if (opens && length > 0 && html == end && text_ok(out))
		insert_picture(&rewrite, body_end != SIZE_MAX ? body_end : out->length);
}

static bool ends_word(char letter)
{
	return (unsigned char)letter <= ' ' || letter == 0x7F || strchr("<>\"", letter) != NULL;
}

/* How many letters before the colon are "http" or "https"; 0: they are something else. */
static size_t scheme_length(const char *from, const char *colon)
{
	size_t before = (size_t)(colon - from);

	if (before >= 5 && strncasecmp(colon - 5, "https", 5) == 0)
		return 5;
	return before >= 4 && strncasecmp(colon - 4, "http", 4) == 0 ? 4 : 0;
}

void rewrite_text(struct links *links, int64_t delivery_id, const char *plain, size_t length, struct text *out)
{
	struct rewrite rewrite = {.links = links, .delivery_id = delivery_id, .copied = plain, .out = out};
	const char *end = plain + length;

	for (const char *at = plain; length > 0 && (at = memchr(at, ':', (size_t)(end - at))) != NULL; at++) {
		const char *begin = at - scheme_length(rewrite.copied, at), *stop = at;

		if (begin == at || (begin > plain && !ends_word(begin[-1]) && begin[-1] != '('))
			continue;
		while (stop < end && !ends_word(*stop))
			stop++;
		while (strchr(".,;:!?)'", stop[-1]) != NULL && stop - 1 > at)
			stop--;
		if (is_tracked(&rewrite, begin, (size_t)(stop - begin)))
			put_link(&rewrite, begin, stop, begin, (size_t)(stop - begin));
		at = stop - 1;
	}
	text_add_bytes(out, rewrite.copied, (size_t)(end - rewrite.copied));
}
