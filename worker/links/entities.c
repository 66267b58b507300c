#include "worker/links/entities.h"

#include <string.h>

/* Names that count without a semicolon, too, for pages of 1995. The standard's table has exactly these. */
static const char legacy[] =
	" AElig AMP Aacute Acirc Agrave Aring Atilde Auml COPY Ccedil ETH Eacute Ecirc Egrave Euml GT Iacute Icirc Igrave "
	"Iuml LT Ntilde Oacute Ocirc Ograve Oslash Otilde Ouml QUOT REG THORN Uacute Ucirc Ugrave Uuml Yacute aacute acirc "
	"acute aelig agrave amp aring atilde auml brvbar ccedil cedil cent copy curren deg divide eacute ecirc egrave eth "
	"euml frac12 frac14 frac34 gt iacute icirc iexcl igrave iquest iuml laquo lt macr micro middot nbsp not ntilde "
	"oacute ocirc ograve ordf ordm oslash otilde ouml para plusmn pound quot raquo reg sect shy sup1 sup2 sup3 szlig "
	"thorn times uacute ucirc ugrave uml uuml yacute yen yuml ";

static const struct {
	const char *name;
	char letter;
} known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'},   {"quot", '"'}, {"AMP", '&'},
	     {"LT", '<'},  {"GT", '>'}, {"QUOT", '"'}, {"apos", '\''}};

static bool is_digit(char letter)
{
	return letter >= '0' && letter <= '9';
}

static bool is_name(char letter)
{
	return is_digit(letter) || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
}

static bool is_legacy(const char *name, size_t length)
{
	char padded[10] = " ";

	if (length > 6)
		return false;
	memcpy(padded + 1, name, length);
	padded[length + 1] = ' ';
	return strstr(legacy, padded) != NULL;
}

/* 0: none of them. */
static char letter_of(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
		if (strlen(known[i].name) == length && memcmp(known[i].name, name, length) == 0)
			return known[i].letter;
	return '\0';
}

static int digit_of(char letter, unsigned base)
{
	if (is_digit(letter))
		return letter - '0';
	if (base == 16 && (letter | 0x20) >= 'a' && (letter | 0x20) <= 'f')
		return (letter | 0x20) - 'a' + 10;
	return -1;
}

/* A number between &# and ;. 0: not one that means the same in every browser. */
static uint32_t number_of(const char *digits, size_t length)
{
	unsigned base = length > 0 && (digits[0] | 0x20) == 'x' ? 16 : 10;
	uint32_t number = 0;

	for (size_t i = base == 16; i < length; i++) {
		int digit = digit_of(digits[i], base);

		if (digit < 0 || number > 0x10FFFF)
			return 0;
		number = number * base + (uint32_t)digit;
	}
	/* Surrogates are replaced, 0x80 to 0x9F mean Windows-1252. */
	if (number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF) || (number >= 0x7F && number <= 0x9F))
		return 0;
	return number;
}

static size_t put_utf8(uint32_t number, char out[4])
{
	if (number < 0x80) {
		out[0] = (char)number;
		return 1;
	}
	if (number < 0x800) {
		out[0] = (char)(0xC0 | number >> 6);
		out[1] = (char)(0x80 | (number & 0x3F));
		return 2;
	}
	if (number < 0x10000) {
		out[0] = (char)(0xE0 | number >> 12);
		out[1] = (char)(0x80 | (number >> 6 & 0x3F));
		out[2] = (char)(0x80 | (number & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | number >> 18);
	out[1] = (char)(0x80 | (number >> 12 & 0x3F));
	out[2] = (char)(0x80 | (number >> 6 & 0x3F));
	out[3] = (char)(0x80 | (number & 0x3F));
	return 4;
}

/* One entity: how many bytes it has in the source, how many in out; 0: it cannot be told what it means. */
static size_t decode_one(const char *at, const char *end, char out[4], size_t *made)
{
	const char *stop = at + 1;
	uint32_t number;

	*made = 1;
	out[0] = '&';
	if (stop < end && *stop == '#') {
		for (stop++; stop < end && is_name(*stop); stop++)
			;
		number = stop < end && *stop == ';' ? number_of(at + 2, (size_t)(stop - at - 2)) : 0;
		*made = number != 0 ? put_utf8(number, out) : 0;
		return number != 0 ? (size_t)(stop - at) + 1 : 0;
	}
	while (stop < end && is_name(*stop))
		stop++;
	if (stop < end && *stop == ';' && stop > at + 1) {
		out[0] = letter_of(at + 1, (size_t)(stop - at - 1));
		return out[0] != '\0' ? (size_t)(stop - at) + 1 : 0;
	}
	if ((stop < end && *stop == '=') || !is_legacy(at + 1, (size_t)(stop - at - 1)))
		return 1;
	out[0] = letter_of(at + 1, (size_t)(stop - at - 1));
	return out[0] != '\0' ? (size_t)(stop - at) : 0;
}

bool entities_decode(const char *value, size_t length, char *out, size_t size, size_t *decoded_length)
{
	const char *end = value + length;
	size_t used = 0;

	for (const char *at = value; at < end;) {
		const char *stop = memchr(at, '&', (size_t)(end - at));
		size_t plain = (size_t)((stop != NULL ? stop : end) - at), made = 0, taken = 0;
		char letters[4];

		if (used + plain > size)
			return false;
		memcpy(out + used, at, plain);
		used += plain;
		at += plain;
		if (stop == NULL)
			break;
		taken = decode_one(at, end, letters, &made);
		if (taken == 0 || used + made > size)
			return false;
		memcpy(out + used, letters, made);
		used += made;
		at += taken;
	}
	*decoded_length = used;
	return true;
}
