#include "worker/links/tags.h"

#include <string.h>
#include <strings.h>

/* What stands in these is no markup up to their end tag. */
static const char *const raw_names[] = {"script", "style",   "title",    "textarea", "xmp",
					"iframe", "noembed", "noframes", "plaintext"};

struct word {
	const char *begin;
	size_t length;
};

bool tags_is_blank(char letter)
{
	return letter == ' ' || letter == '\t' || letter == '\n' || letter == '\f' || letter == '\r';
}

static bool is_letter(char letter)
{
	return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
}

static bool is(struct word word, const char *name)
{
	return word.length == strlen(name) && strncasecmp(word.begin, name, word.length) == 0;
}

static const char *behind(const char *from, const char *end, const char *mark)
{
	const char *found = memmem(from, (size_t)(end - from), mark, strlen(mark));

	return found != NULL ? found + strlen(mark) : NULL;
}

/* <!-- ... -->, also the short forms <!--> and <!---> and the wrong end --!>; at is behind <!--. */
static const char *comment_end(const char *at, const char *end)
{
	const char *usual, *wrong;

	if (at < end && *at == '>')
		return at + 1;
	if (end - at >= 2 && at[0] == '-' && at[1] == '>')
		return at + 2;
	usual = behind(at, end, "-->");
	wrong = behind(at, usual != NULL ? usual : end, "--!>");
	return wrong != NULL ? wrong : usual;
}

/* <!doctype ...>, <?...>, </ 1>: up to the next >. */
static const char *declaration_end(const char *at, const char *end)
{
	if (end - at >= 4 && memcmp(at, "<!--", 4) == 0)
		return comment_end(at + 4, end);
	return behind(at, end, ">");
}

/* Behind the end tag's name; NULL: there is none. `at` moves on by memchr, so a text of many < stays linear. */
static const char *raw_end(const char *at, const char *end, struct word name)
{
	if (is(name, "plaintext"))
		return NULL;
	while ((at = memchr(at, '<', (size_t)(end - at))) != NULL) {
		if ((size_t)(end - at) > 2 + name.length && at[1] == '/' &&
		    strncasecmp(at + 2, name.begin, name.length) == 0 &&
		    (tags_is_blank(at[2 + name.length]) || strchr("/>", at[2 + name.length]) != NULL))
			return at;
		at++;
	}
	return NULL;
}

static struct word take_name(const char **at, const char *end)
{
	struct word name = {.begin = *at};

	/* A = at the beginning belongs to the name of an attribute. */
	if (*at < end && **at == '=')
		(*at)++;
	while (*at < end && !tags_is_blank(**at) && **at != '/' && **at != '>' && **at != '=')
		(*at)++;
	name.length = (size_t)(*at - name.begin);
	return name;
}

static void skip_blanks(const char **at, const char *end)
{
	while (*at < end && tags_is_blank(**at))
		(*at)++;
}

/* The value behind a =. False: the text ends before its quote. An attribute without a value gets an empty one. */
static bool take_value(const char **at, const char *end, struct word *value)
{
	const char *stop;

	*value = (struct word){.begin = *at};
	skip_blanks(at, end);
	if (*at == end || **at != '=')
		return true;
	(*at)++;
	skip_blanks(at, end);
	value->begin = *at;
	if (*at < end && (**at == '"' || **at == '\'')) {
		stop = memchr(*at + 1, **at, (size_t)(end - *at - 1));
		if (stop == NULL)
			return false;
		value->begin++;
		*at = stop + 1;
	} else {
		for (stop = *at; stop < end && !tags_is_blank(*stop) && *stop != '>'; stop++)
			;
		*at = stop;
	}
	value->length = (size_t)(stop - value->begin);
	return true;
}

/* From behind the tag's name to behind its >. */
static bool take_attributes(const char **at, const char *end, struct tag *tag)
{
	for (;;) {
		struct word name, value;

		while (*at < end && (tags_is_blank(**at) || **at == '/'))
			(*at)++;
		if (*at == end)
			return false;
		if (**at == '>') {
			(*at)++;
			return true;
		}
		name = take_name(at, end);
		if (!take_value(at, end, &value))
			return false;
		if (is(name, "href") && tag->href == NULL) {
			tag->href = value.begin;
			tag->href_end = value.begin + value.length;
		}
		tag->is_exempt |= is(name, "data-no-tracking");
	}
}

static bool is_raw(struct word name)
{
	/* Most tags are none, which their length tells. */
	if (name.length < 3)
		return false;
	for (size_t i = 0; i < ARRAY_LENGTH(raw_names); i++)
		if (is(name, raw_names[i]))
			return true;
	return false;
}

/* To behind the > of a tag whose attributes do not matter; NULL: the text ends before. Without a quote before the first > the
 * tag ends there; else its attributes have to be read. */
static const char *skip_attributes(const char *at, const char *end)
{
	const char *stop;
	struct tag ignored = {0};

	if (at < end && *at == '>')
		return at + 1;
	stop = memchr(at, '>', (size_t)(end - at));
	if (stop == NULL)
		return NULL;
	if (memchr(at, '"', (size_t)(stop - at)) == NULL && memchr(at, '\'', (size_t)(stop - at)) == NULL)
		return stop + 1;
	return take_attributes(&at, end, &ignored) ? at : NULL;
}

/* at: the < of a tag. Behind it, and behind what a tag like <script> holds; NULL: the text ends before that. */
static const char *take_tag(const char *at, const char *end, struct tag *tag)
{
	bool is_end = at[1] == '/';
	struct word name;

	*tag = (struct tag){.begin = at};
	at += is_end ? 2 : 1;
	name = take_name(&at, end);
	tag->is_link = !is_end && (name.begin[0] | 0x20) == 'a' && (name.length == 1 || is(name, "area"));
	tag->is_body_end = is_end && is(name, "body");
	if (tag->is_link)
		return take_attributes(&at, end, tag) ? at : NULL;
	at = skip_attributes(at, end);
	return at != NULL && !is_end && is_raw(name) ? raw_end(at, end, name) : at;
}

bool tags_next(const char **at, const char *end, struct tag *tag)
{
	const char *lesser, *next;

	*tag = (struct tag){0};
	for (; (lesser = memchr(*at, '<', (size_t)(end - *at))) != NULL; *at = next) {
		size_t left = (size_t)(end - lesser);

		*at = lesser;
		if (left >= 2 && is_letter(lesser[1]))
			next = take_tag(lesser, end, tag);
		else if (left >= 3 && lesser[1] == '/' && is_letter(lesser[2]))
			next = take_tag(lesser, end, tag);
		else if (left >= 2 && strchr("!?/", lesser[1]) != NULL && lesser[1] != '\0')
			next = declaration_end(lesser, end);
		else
			next = lesser + 1;
		if (next == NULL)
			return false;
		if (tag->begin == lesser && (tag->is_link || tag->is_body_end)) {
			*at = next;
			return true;
		}
	}
	*at = end;
	return false;
}
