#include "worker/providers/mime_body.h"

#include <endian.h>
#include <string.h>

#define QUOTED_COLUMNS 75 /* and one for the = of a soft line end: RFC 2045 §6.7 allows 76 */
#define BASE64_BYTES   57 /* 76 characters */

static const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;

/* The next byte below space, or end: eight bytes at a time. */
static inline const char *find_control(const char *at, const char *end)
{
	while (end - at >= 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		word = le64toh(word);
		word = (word - ones * ' ') & ~word & tops;
		if (word != 0)
			return at + __builtin_ctzll(word) / 8;
		at += 8;
	}
	while (at < end && (unsigned char)*at >= ' ')
		at++;
	return at;
}

/* The end of the line that begins at `at`; *next is where the following one begins. CRLF, LF and CR end a line. */
static const char *line_end(const char *at, const char *end, const char **next)
{
	const char *found = find_control(at, end);

	while (found < end && *found != '\n' && *found != '\r')
		found = find_control(found + 1, end);
	*next = found < end ? found + 1 : end;
	if (found + 1 < end && found[0] == '\r' && found[1] == '\n')
		*next = found + 2;
	return found;
}

static size_t count_high(const char *at, size_t length)
{
	size_t high = 0;

	for (; length >= 8; at += 8, length -= 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		if ((word & tops) != 0)
			high += (size_t)__builtin_popcountll(word & tops);
	}
	for (; length > 0; at++, length--)
		high += (unsigned char)*at >> 7;
	return high;
}

/* Could the line be taken for the boundary between two parts? */
static bool is_like_boundary(const char *at, size_t length)
{
	return length >= 3 && at[0] == '-' && at[1] == '-' && at[2] == '=';
}

/* Short lines without control characters other than tabs, and none that could be a boundary. */
static bool lines_are_plain(struct slice body)
{
	const char *at = body.bytes, *end = body.bytes + body.length;

	while (at < end) {
		const char *stop = find_control(at, end);

		while (stop < end && *stop == '\t')
			stop = find_control(stop + 1, end);
		if (stop - at > MIME_LINE_MAX || is_like_boundary(at, (size_t)(stop - at)))
			return false;
		if (stop < end && *stop != '\n' && *stop != '\r')
			return false;
		at = stop + 1;
	}
	return true;
}

enum mime_encoding mime_body_choose(struct slice body)
{
	size_t high = body.length > 0 ? count_high(body.bytes, body.length) : 0;

	if (body.length == 0)
		return MIME_7BIT;
	if (high == 0 && lines_are_plain(body))
		return MIME_7BIT;
	/* Quoted, a byte that is not ASCII takes 3 instead of 1; in base64 every byte takes 1.37. */
	return high > body.length / 5 ? MIME_BASE64 : MIME_QUOTED_PRINTABLE;
}

static void add_7bit(struct text *out, struct slice body)
{
	const char *at = body.bytes, *end = body.bytes + body.length, *next;

	for (; at < end; at = next) {
		const char *stop = line_end(at, end, &next);

		text_add_bytes(out, at, (size_t)(stop - at));
		text_add_bytes(out, "\r\n", 2);
	}
}

/* Eight bytes at a time: does any need quoting? Those are =, controls, DEL and what is not ASCII. */
static inline bool word_is_literal(const char *at)
{
	uint64_t word, equals, deleted;

	memcpy(&word, at, sizeof(word));
	equals = word ^ ones * '=';
	deleted = word ^ ones * 0x7F;
	return ((word | ((word - ones * ' ') & ~word) | ((equals - ones) & ~equals) | ((deleted - ones) & ~deleted)) &
		tops) == 0;
}

static inline bool is_literal(char byte)
{
	return ((unsigned char)byte >= ' ' && (unsigned char)byte <= '~' && byte != '=') || byte == '\t';
}

static const char *literal_end(const char *at, const char *end)
{
	while (end - at >= 8 && word_is_literal(at))
		at += 8;
	while (at < end && is_literal(*at))
		at++;
	return at;
}

static void soft_break(struct text *out, size_t *column)
{
	text_add_bytes(out, "=\r\n", 3);
	*column = 0;
}

static void add_literal(struct text *out, const char *at, const char *end, size_t *column)
{
	while (at < end) {
		size_t length = (size_t)(end - at), room = QUOTED_COLUMNS - *column;

		if (room == 0) {
			soft_break(out, column);
			continue;
		}
		if (length > room)
			length = room;
		text_add_bytes(out, at, length);
		*column += length;
		at += length;
	}
}

/* All bytes of a character stay on one line, for people who read the source. */
static size_t add_quoted(struct text *out, const char *at, const char *end, size_t *column)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t length = text_utf8_length(at, (size_t)(end - at));
	char quoted[12];

	if (length == 0)
		length = 1;
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)at[i];

		quoted[3 * i] = '=';
		quoted[3 * i + 1] = digits[byte >> 4];
		quoted[3 * i + 2] = digits[byte & 15];
	}
	if (*column + 3 * length > QUOTED_COLUMNS)
		soft_break(out, column);
	text_add_bytes(out, quoted, 3 * length);
	*column += 3 * length;
	return length;
}

static void add_quoted_line(struct text *out, const char *at, const char *end)
{
	size_t column = 0;
	/* A blank at the end of a line gets lost on the way. */
	const char *literals = end > at && (end[-1] == ' ' || end[-1] == '\t') ? end - 1 : end;

	while (at < end) {
		const char *run = literal_end(at, literals);

		add_literal(out, at, run, &column);
		at = run;
		if (at < end)
			at += add_quoted(out, at, end, &column);
	}
	text_add_bytes(out, "\r\n", 2);
}

static void add_quoted_printable(struct text *out, struct slice body)
{
	const char *at = body.bytes, *end = body.bytes + body.length, *next;

	for (; at < end; at = next) {
		const char *stop = line_end(at, end, &next);

		add_quoted_line(out, at, stop);
	}
}

/* Line ends inside are the author's: base64 keeps them, apart from CRLF being the canonical form of text. */
static void add_base64(struct text *out, struct slice body)
{
	struct text canonical;

	text_init(&canonical, 2 * body.length + 2);
	add_7bit(&canonical, body);
	for (size_t at = 0; at < canonical.length; at += BASE64_BYTES) {
		size_t left = canonical.length - at;

		digest_add_base64(out, canonical.bytes + at, left < BASE64_BYTES ? left : BASE64_BYTES);
		text_add_bytes(out, "\r\n", 2);
	}
	text_release(&canonical);
}

void mime_body_add(struct text *out, struct slice body, enum mime_encoding encoding)
{
	if (body.length == 0)
		return;
	switch (encoding) {
	case MIME_7BIT:
		add_7bit(out, body);
		return;
	case MIME_QUOTED_PRINTABLE:
		add_quoted_printable(out, body);
		return;
	case MIME_BASE64:
		add_base64(out, body);
		return;
	}
}

void mime_add_part(struct text *out, const char *content_type, struct slice body)
{
	static const char *const names[] = {"7bit", "quoted-printable", "base64"};
	enum mime_encoding encoding = mime_body_choose(body);

	text_add(out, "Content-Type: ");
	text_add(out, content_type);
	text_add(out, "; charset=utf-8\r\nContent-Transfer-Encoding: ");
	text_add(out, names[encoding]);
	text_add(out, "\r\n\r\n");
	mime_body_add(out, body, encoding);
}
