#include "worker/template/segments.h"

#include <inttypes.h>

#define REPLACEMENT 0xFFFDu

/* What a segment holds, alone and joined with others. */
struct alphabet {
	size_t alone, joined;
};
static const struct alphabet gsm = {160, 153}, ucs2 = {70, 67};

/* Septets by character below U+0080; 0: not in the alphabet. The first row lacks all but LF, FF (extension) and CR. */
static const uint8_t ascii_septets[128] = {
	['\n'] = 1, ['\f'] = 2, ['\r'] = 1,        [' ' ... 'Z'] = 1, ['['] = 2, ['\\'] = 2, [']'] = 2,
	['^'] = 2,  ['_'] = 1,  ['a' ... 'z'] = 1, ['{'] = 2,         ['|'] = 2, ['}'] = 2,  ['~'] = 2,
};

/* Table 6.2.1 beyond ASCII: ¡£¤¥§¿ ÄÅÆÇÉÑÖØÜß àäåæèéìñòöøùü ΓΔΘΛΞΠΣΦΨΩ. */
static const uint16_t beyond_ascii[] = {
	0xA1, 0xA3, 0xA4, 0xA5,  0xA7,  0xBF,  0xC4,  0xC5,  0xC6,  0xC7,  0xC9,  0xD1,  0xD6,
	0xD8, 0xDC, 0xDF, 0xE0,  0xE4,  0xE5,  0xE6,  0xE8,  0xE9,  0xEC,  0xF1,  0xF2,  0xF6,
	0xF8, 0xF9, 0xFC, 0x393, 0x394, 0x398, 0x39B, 0x39E, 0x3A0, 0x3A3, 0x3A6, 0x3A8, 0x3A9,
};
#define EURO 0x20AC /* of the extension table */

static size_t septets_of(uint32_t character)
{
	if (character < 128)
		return ascii_septets[character];
	for (size_t i = 0; i < ARRAY_LENGTH(beyond_ascii) && beyond_ascii[i] <= character; i++)
		if (beyond_ascii[i] == character)
			return 1;
	return character == EURO ? 2 : 0;
}

static size_t units_of(uint32_t character)
{
	return character > 0xFFFF ? 2 : 1;
}

/* The character at the start; how many bytes it takes. */
static size_t next_character(const char *text, size_t length, uint32_t *character)
{
	static const uint8_t first_bits[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	size_t bytes = text_utf8_length(text, length);

	if (bytes == 0) {
		*character = REPLACEMENT;
		return 1;
	}
	*character = (uint8_t)text[0] & first_bits[bytes];
	for (size_t i = 1; i < bytes; i++)
		*character = *character << 6 | ((uint8_t)text[i] & 0x3F);
	return bytes;
}

static void find_forcing(struct segments *segments, const char *text, size_t length)
{
	uint32_t character;
	size_t position = 0;

	for (size_t i = 0; i < length;) {
		i += next_character(text + i, length - i, &character);
		position++;
		if (septets_of(character) == 0) {
			segments->is_ucs2 = true;
			segments->forced_by = character;
			segments->forced_at = position;
			return;
		}
	}
}

/* Fills segment after segment; what does not fit whole begins the next. */
static void fill(struct segments *segments, const char *text, size_t length, size_t size)
{
	uint32_t character;
	size_t used = size; /* the first character begins a segment */

	segments->count = segments->units = 0;
	for (size_t i = 0; i < length;) {
		i += next_character(text + i, length - i, &character);
		size_t units = segments->is_ucs2 ? units_of(character) : septets_of(character);
		if (used + units > size) {
			segments->count++;
			used = 0;
		}
		used += units;
		segments->units += units;
	}
	segments->unit_room = size - used;
}

struct segments segments_count(const char *text, size_t length)
{
	struct segments segments = {0};
	const struct alphabet *alphabet;

	find_forcing(&segments, text, length);
	alphabet = segments.is_ucs2 ? &ucs2 : &gsm;
	fill(&segments, text, length, alphabet->alone);
	if (segments.units > alphabet->alone)
		fill(&segments, text, length, alphabet->joined);
	return segments;
}

static void add_character(struct text *out, uint32_t c)
{
	if (c < 0x20 || c == REPLACEMENT) {
		text_addf(out, "U+%04" PRIX32, c);
		return;
	}
	text_add_char(out, '"');
	if (c < 0x80) {
		text_add_char(out, (char)c);
	} else if (c < 0x800) {
		text_add_bytes(out, (char[]){(char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F))}, 2);
	} else if (c < 0x10000) {
		text_add_bytes(
			out,
			(char[]){(char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3F)), (char)(0x80 | (c & 0x3F))}, 3);
	} else {
		text_add_bytes(out,
			       (char[]){(char)(0xF0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3F)),
					(char)(0x80 | (c >> 6 & 0x3F)), (char)(0x80 | (c & 0x3F))},
			       4);
	}
	text_add_char(out, '"');
}

void segments_explain(const struct segments *segments, struct text *out)
{
	text_addf(out, "%zu segment%s of %s text, %zu character%s left.", segments->count,
		  segments->count == 1 ? "" : "s", segments->is_ucs2 ? "UCS-2" : "GSM", segments->unit_room,
		  segments->unit_room == 1 ? "" : "s");
	if (!segments->is_ucs2)
		return;
	text_add_char(out, ' ');
	add_character(out, segments->forced_by);
	text_addf(out, " (character %zu) makes it so: without it a segment would hold more than twice as much.",
		  segments->forced_at);
}
