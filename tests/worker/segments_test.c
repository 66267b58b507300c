#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "worker/template/segments.h"

/* The text is head, then so many times body, then tail. */
struct row {
	const char *when, *head, *body;
	size_t times;
	const char *tail;
	size_t count, units, unit_room;
	uint32_t forced_by;
	size_t forced_at;
};

static const struct row rows[] = {
	{"nothing is nothing", "", "", 0, "", 0, 0, 0, 0, 0},
	{"a short text", "Hello", "", 0, "", 1, 5, 155, 0, 0},
	{"160 septets are one segment", "", "a", 160, "", 1, 160, 0, 0, 0},
	{"161 are two of 153", "", "a", 161, "", 2, 161, 145, 0, 0},
	{"306 are two", "", "a", 306, "", 2, 306, 0, 0, 0},
	{"307 are three", "", "a", 307, "", 3, 307, 152, 0, 0},
	{"all of ASCII that is one septet", "@$_ !\"#%&'()*+,-./0189:;<=>?AZaz\n\r", "", 0, "", 1, 34, 126, 0, 0},
	{"the letters beyond ASCII are one septet each", "¡£¤¥§¿ÄÅÆÇÉÑÖØÜßàäåæèéìñòöøùü", "", 0, "", 1, 29, 131, 0, 0},
	{"so are the Greek capitals", "ΓΔΘΛΞΠΣΦΨΩ", "", 0, "", 1, 10, 150, 0, 0},
	{"the extension table takes two", "^{}\\[~]|€\f", "", 0, "", 1, 20, 140, 0, 0},
	{"80 euros are one segment", "", "€", 80, "", 1, 160, 0, 0, 0},
	{"an escape is not cut: 76 in a segment of 153", "", "€", 81, "", 2, 162, 143, 0, 0},
	{"and the septet that stays empty counts", "", "€", 153, "", 3, 306, 151, 0, 0},
	{"a fitting start lets the last septet be used", "a", "€", 152, "", 2, 305, 1, 0, 0},
	{"a backtick is not in the alphabet", "a`b", "", 0, "", 1, 3, 67, '`', 2},
	{"nor is a tab", "\t", "", 0, "", 1, 1, 69, '\t', 1},
	{"nor a small c with cedilla, though the capital is", "Çç", "", 0, "", 1, 2, 68, 0xE7, 2},
	{"nor a Latvian letter", "Jānis", "", 0, "", 1, 5, 65, 0x101, 2},
	{"nor a curly quote, which is told by its place", "It is Anna’s — really", "", 0, "", 1, 21, 49, 0x2019, 11},
	{"70 units are one segment", "š", "a", 69, "", 1, 70, 0, 0x161, 1},
	{"71 are two of 67", "š", "a", 70, "", 2, 71, 63, 0x161, 1},
	{"134 are two", "", "a", 133, "š", 2, 134, 0, 0x161, 134},
	{"135 are three", "", "a", 134, "š", 3, 135, 66, 0x161, 135},
	{"an extension character is one unit of UCS-2", "š", "€", 69, "", 1, 70, 0, 0x161, 1},
	{"35 emoji are one segment", "", "😀", 35, "", 1, 70, 0, 0x1F600, 1},
	{"a surrogate pair is not cut: 33 in a segment of 67", "", "😀", 36, "", 2, 72, 61, 0x1F600, 1},
	{"67 pairs need three segments, not two", "", "😀", 67, "", 3, 134, 65, 0x1F600, 1},
	{"a fitting start lets the last unit be used", "a", "😀", 66, "", 2, 133, 1, 0x1F600, 2},
	{"bytes that are no text are a character each", "a\xff\xc3", "", 0, "", 1, 3, 67, 0xFFFD, 2},
	{"a surrogate in UTF-8 is none", "\xed\xa0\x80", "", 0, "", 1, 3, 67, 0xFFFD, 1},
};

static void check(const struct row *row)
{
	struct segments segments;
	struct text text;

	text_init(&text, 10000);
	text_add(&text, row->head);
	for (size_t i = 0; i < row->times; i++)
		text_add(&text, row->body);
	text_add(&text, row->tail);
	segments = segments_count(text_string(&text), text.length);
	assert_int_equal(segments.count, row->count);
	assert_int_equal(segments.units, row->units);
	assert_int_equal(segments.unit_room, row->unit_room);
	assert_int_equal(segments.is_ucs2, row->forced_at != 0);
	assert_int_equal(segments.forced_by, row->forced_by);
	assert_int_equal(segments.forced_at, row->forced_at);
	text_release(&text);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		print_message("%s\n", rows[i].when);
		check(&rows[i]);
	}
}

/* Each byte below 128 by itself, against table 6.2.1 as it is printed. */
static void test_ascii(void **state)
{
	static const char one[] =
		"\n\r !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
	static const char two[] = "\f^{}\\[~]|";

	(void)state;
	for (char c = 1; c < 127; c++) {
		struct segments segments = segments_count(&c, 1);
		size_t expected = strchr(two, c) != NULL ? 2 : 1;

		assert_int_equal(segments.is_ucs2, strchr(one, c) == NULL && strchr(two, c) == NULL);
		assert_int_equal(segments.units, expected);
	}
}

static void test_sentences(void **state)
{
	struct segments segments = segments_count("\0", 1);
	struct text text;

	(void)state;
	text_init(&text, 200);
	segments_explain(&segments, &text);
	assert_non_null(strstr(text_string(&text), "U+0000 (character 1) makes it so"));
	text_clear(&text);
	segments = segments_count("Hello", 5);
	segments_explain(&segments, &text);
	assert_string_equal(text_string(&text), "1 segment of GSM text, 155 characters left.");
	text_clear(&text);
	segments = segments_count("Jānis", strlen("Jānis"));
	segments_explain(&segments, &text);
	assert_string_equal(
		text_string(&text),
		"1 segment of UCS-2 text, 65 characters left. \"ā\" (character 2) makes it so: without it a "
		"segment would hold more than twice as much.");
	text_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
