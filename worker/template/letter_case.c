#include "worker/template/letter_case.h"

#include <string.h>

#include "shared/text.h"

struct letters {
	uint32_t first, last; /* of the upper case letters */
	int32_t to_lower;     /* what makes them lower case; 1: upper and lower alternate, the even ones are upper */
	bool odd_is_upper;    /* with 1: the odd ones are */
};

static const struct letters table[] = {
	{'A', 'Z', 32, false},       {0xC0, 0xD6, 32, false},    {0xD8, 0xDE, 32, false},    {0x100, 0x12F, 1, false},
	{0x132, 0x137, 1, false},    {0x139, 0x148, 1, true},    {0x14A, 0x177, 1, false},   {0x179, 0x17E, 1, true},
	{0x1CD, 0x1DC, 1, true},     {0x1DE, 0x1EF, 1, false},   {0x1F8, 0x21F, 1, false},   {0x222, 0x233, 1, false},
	{0x391, 0x3A1, 32, false},   {0x3A3, 0x3AB, 32, false},  {0x386, 0x386, 38, false},  {0x388, 0x38A, 37, false},
	{0x38C, 0x38C, 64, false},   {0x38E, 0x38F, 63, false},  {0x410, 0x42F, 32, false},  {0x400, 0x40F, 80, false},
	{0x460, 0x481, 1, false},    {0x48A, 0x4BF, 1, false},   {0x4D0, 0x52F, 1, false},   {0x531, 0x556, 48, false},
	{0x178, 0x178, -121, false}, {0x1E00, 0x1E95, 1, false}, {0x1EA0, 0x1EFF, 1, false},
};

static uint32_t change(uint32_t code, enum letter_case to)
{
	for (size_t i = 0; i < ARRAY_LENGTH(table); i++) {
		const struct letters *letters = &table[i];
		uint32_t lower = code - (uint32_t)letters->to_lower;

		if (letters->to_lower == 1) {
			if (code < letters->first || code > letters->last)
				continue;
			if ((code % 2 == 0) != letters->odd_is_upper)
				return to == LETTER_LOWER ? code + 1 : code;
			return to == LETTER_UPPER ? code - 1 : code;
		}
		if (to == LETTER_LOWER && code >= letters->first && code <= letters->last)
			return code + (uint32_t)letters->to_lower;
		if (to == LETTER_UPPER && lower >= letters->first && lower <= letters->last)
			return lower;
	}
	return code;
}

static uint32_t decode(const char *bytes, size_t length)
{
	const unsigned char *at = (const unsigned char *)bytes;

	switch (length) {
	case 2:
		return (uint32_t)(at[0] & 0x1F) << 6 | (at[1] & 0x3F);
	case 3:
		return (uint32_t)(at[0] & 0x0F) << 12 | (uint32_t)(at[1] & 0x3F) << 6 | (at[2] & 0x3F);
	default:
		return at[0];
	}
}

static size_t encode(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xC0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	out[0] = (char)(0xE0 | code >> 12);
	out[1] = (char)(0x80 | (code >> 6 & 0x3F));
	out[2] = (char)(0x80 | (code & 0x3F));
	return 3;
}

size_t letter_case_change(const char *bytes, size_t length, enum letter_case to, char *out)
{
	size_t at = 0, written = 0;

	while (at < length) {
		size_t one = text_utf8_length(bytes + at, length - at);

		if (one == 0 || one == 4) {
			one = one == 0 ? 1 : one;
			memcpy(out + written, bytes + at, one);
			written += one;
		} else if (to == LETTER_UPPER && one == 2 && memcmp(bytes + at, "\u00DF", 2) == 0) {
			memcpy(out + written, "SS", 2);
			written += 2;
		} else {
			written += encode(change(decode(bytes + at, one), to), out + written);
		}
		at += one;
	}
	return written;
}
