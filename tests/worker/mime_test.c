#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "worker/providers/mime_body.h"

static struct slice slice_of(const char *text)
{
	return (struct slice){.bytes = text, .length = strlen(text)};
}

struct header_row {
	const char *when, *value, *result; /* on a line that begins with "Subject: " */
};

#define FIFTY "aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee "

static const struct header_row headers[] = {
	{"nothing", "", ""},
	{"ASCII as it stands", "Your points: 100 % \"new\"", "Your points: 100 % \"new\""},
	{"several blanks are kept", "a  b", "a  b"},
	{"long ASCII folds at a blank", FIFTY "and the rest of the sentence", FIFTY "and the rest of\r\n the sentence"},
	{"long ASCII folds more than once", FIFTY FIFTY "end",
	 "aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee\r\n aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee end"},
	{"not ASCII is encoded", "Z\u00fcrich", "=?UTF-8?B?WsO8cmljaA==?="},
	{"what looks encoded is encoded", "=?UTF-8?Q?x?=", "=?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?="},
	{"a blank in front survives", " x", "=?UTF-8?B?IHg=?="},
	{"line ends are dropped", "a\r\nBcc: eve", "=?UTF-8?B?YUJjYzogZXZl?="},
	{"nothing but line ends", "\r\n\r\n", ""},
	{"invalid UTF-8 is replaced", "a\xff", "=?UTF-8?B?Ye+/vQ==?="},
	{"characters are not cut in two between words",
	 "\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac",
	 "=?UTF-8?B?4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=\r\n =?UTF-8?B?4oKs4oKs4oKs?="},
};

static void test_header_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(headers); i++) {
		struct text out;

		text_init(&out, 10000);
		mime_add_header_text(&out, slice_of(headers[i].value), strlen("Subject: "));
		if (strcmp(text_string(&out), headers[i].result) != 0)
			fail_msg("%s: \"%s\"", headers[i].when, text_string(&out));
		text_release(&out);
	}
}

static uint64_t next_random(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 33;
}

/* Words of all lengths, many languages, line ends: whatever it is, lines stay short and begin with a blank. */
static void test_headers_never_break_their_lines(void **state)
{
	static const char *const pieces[] = {
		"a",  " ",    "  ",   "\u00e9", "\U0001F600",
		"=?", "\r\n", "word", "\xff",   "averyveryverylongwordwithoutanyblanksinit",
		"\t", "\0"};
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct text value, out;
		size_t column = 9;

		text_init(&value, 2000);
		text_init(&out, 10000);
		for (uint64_t n = next_random(&random) % 30; n > 0; n--)
			text_add(&value, pieces[next_random(&random) % ARRAY_LENGTH(pieces)]);
		mime_add_header_text(&out, slice_of(text_string(&value)), column);
		for (size_t at = 0; at < out.length; at++, column++) {
			if (out.bytes[at] == '\r') {
				assert_int_equal(out.bytes[at + 1], '\n');
				assert_int_equal(out.bytes[at + 2], ' ');
				assert_int_not_equal(out.bytes[at + 3], ' ');
				at += 1;
				column = (size_t)-1;
				continue;
			}
			assert_in_range(out.bytes[at], ' ', '~');
			assert_in_range(column, 0, 76);
		}
		text_release(&value);
		text_release(&out);
	}
}

static void test_mailboxes(void **state)
{
	static const struct header_row rows[] = {
		{"no name", "", "<shop@example.com>"},
		{"a plain name", "Coffee Shop", "\"Coffee Shop\" <shop@example.com>"},
		{"a name with special characters", "Shop, \"The\" <x> \\",
		 "\"Shop, \\\"The\\\" <x> \\\\\" <shop@example.com>"},
		{"a name that is not ASCII", "Caf\u00e9", "=?UTF-8?B?Q2Fmw6k=?= <shop@example.com>"},
		{"a long name folds before the address", "The coffee shop at the corner of the road",
		 "\"The coffee shop at the corner of the road\" <shop@example.com>"},
		{"a longer one too", "The coffee shop at the corner of the old road",
		 "\"The coffee shop at the corner of the old road\" <shop@example.com>"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct text out;

		text_init(&out, 1000);
		mime_add_mailbox(&out, slice_of(rows[i].value), slice_of("shop@example.com"), 6);
		if (strcmp(text_string(&out), rows[i].result) != 0)
			fail_msg("%s: %s", rows[i].when, text_string(&out));
		text_release(&out);
	}
}

static int hex_digit(char digit)
{
	return digit <= '9' ? digit - '0' : digit - 'A' + 10;
}

static void decode_quoted(const struct text *encoded, struct text *out)
{
	for (size_t i = 0; i < encoded->length; i++) {
		const char *at = encoded->bytes + i;

		if (*at != '=') {
			text_add_char(out, *at);
		} else {
			if (at[1] != '\r')
				text_add_char(out, (char)(hex_digit(at[1]) << 4 | hex_digit(at[2])));
			i += 2;
		}
	}
}

static void decode_base64(const struct text *encoded, struct text *out)
{
	for (const char *at = encoded->bytes, *end; *at != '\0'; at = end + 2) {
		end = strstr(at, "\r\n");
		assert_non_null(end);
		assert_true(digest_base64_decode(out, at, (size_t)(end - at)));
	}
}

/* CRLF everywhere and at the end. */
static void canonical(const struct text *body, struct text *out)
{
	for (size_t i = 0; i < body->length; i++) {
		if (body->bytes[i] != '\r' && body->bytes[i] != '\n') {
			text_add_char(out, body->bytes[i]);
			continue;
		}
		text_add(out, "\r\n");
		if (body->bytes[i] == '\r' && i + 1 < body->length && body->bytes[i + 1] == '\n')
			i++;
	}
	if (body->length > 0 && strchr("\r\n", body->bytes[body->length - 1]) == NULL)
		text_add(out, "\r\n");
}

static void check_lines(const struct text *encoded, size_t longest)
{
	size_t length = 0;

	for (size_t i = 0; i < encoded->length; i++) {
		unsigned char byte = (unsigned char)encoded->bytes[i];

		assert_true(byte < 0x80);
		assert_true((byte == '\n') == (i > 0 && encoded->bytes[i - 1] == '\r'));
		length = byte == '\n' ? 0 : length + (byte != '\r');
		assert_in_range(length, 0, longest);
	}
	assert_int_equal(length, 0);
}

static void check_body(const struct text *body)
{
	static const size_t longest[] = {[MIME_7BIT] = MIME_LINE_MAX, [MIME_QUOTED_PRINTABLE] = 76, [MIME_BASE64] = 76};
	struct slice slice = {.bytes = body->bytes, .length = body->length};
	enum mime_encoding encoding = mime_body_choose(slice);
	struct text encoded, decoded, expected;

	text_init(&encoded, 100000);
	text_init(&decoded, 100000);
	text_init(&expected, 100000);
	mime_body_add(&encoded, slice, encoding);
	if (encoded.length > 0)
		check_lines(&encoded, longest[encoding]);
	if (encoding == MIME_QUOTED_PRINTABLE)
		decode_quoted(&encoded, &decoded);
	else if (encoding == MIME_BASE64 && encoded.length > 0)
		decode_base64(&encoded, &decoded);
	else
		text_add_bytes(&decoded, text_string(&encoded), encoded.length);
	canonical(body, &expected);
	assert_int_equal(decoded.length, expected.length);
	assert_memory_equal(text_string(&decoded), text_string(&expected), expected.length);
	text_release(&encoded);
	text_release(&decoded);
	text_release(&expected);
}

static void test_bodies_come_out_as_they_went_in(void **state)
{
	static const char *const pieces[] = {"a",          " ",      "\t",
					     "\n",         "\r\n",   "\r",
					     "=",          "\u00e9", "\u65e5\u672c",
					     "\x01",       "\x7f",   "12345678",
					     "From here ", ".",      "--=_postrider_1",
					     "\xff"};
	uint64_t random = 3;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t kinds = 1 + next_random(&random) % ARRAY_LENGTH(pieces);
		struct text body;

		text_init(&body, 20000);
		for (uint64_t n = next_random(&random) % (i % 100 == 0 ? 1500 : 60); n > 0; n--)
			text_add(&body, pieces[next_random(&random) % kinds]);
		check_body(&body);
		text_release(&body);
	}
}

static void test_encodings(void **state)
{
	char line[1000];
	static const struct {
		const char *when, *body;
		enum mime_encoding encoding;
	} rows[] = {
		{"ASCII", "Hello\n\tthere", MIME_7BIT},
		{"some that is not", "Gr\u00fcezi mitenand, liebe Leute", MIME_QUOTED_PRINTABLE},
		{"mostly not", "\u3053\u3093\u306b\u3061\u306f", MIME_BASE64},
		{"a control character", "bell \x07", MIME_QUOTED_PRINTABLE},
		{"a line that could be a boundary", "x\n--=_postrider_1_2", MIME_QUOTED_PRINTABLE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		if (mime_body_choose(slice_of(rows[i].body)) != rows[i].encoding)
			fail_msg("%s", rows[i].when);
	memset(line, 'x', sizeof(line));
	assert_int_equal(mime_body_choose((struct slice){.bytes = line, .length = 998}), MIME_7BIT);
	assert_int_equal(mime_body_choose((struct slice){.bytes = line, .length = 999}), MIME_QUOTED_PRINTABLE);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *address;
		bool good;
	} rows[] = {
		{"ada@example.org", true},
		{"o'neil+news_1@mail.example.co.uk", true},
		{"a@b", true},
		{"{weird}!#$%&*/=?^`|~-@x.org", true},
		{"ada@xn--mnchen-3ya.example", true},
		{"ada.@example.org", true}, /* against the RFC, but such mailboxes exist */
		{"", false},
		{"@", false},
		{"ada@", false},
		{"@example.org", false},
		{"ada", false},
		{"ada@b@example.org", false},
		{"ada lovelace@example.org", false},
		{"ada@exam ple.org", false},
		{"<ada@example.org>", false},
		{"ada@example.org>", false},
		{"ada@example..org", false},
		{"ada@.example.org", false},
		{"ada@example.org.", false},
		{"ada@example.org\r\nRCPT TO:<eve@example.org>", false},
		{"ada\n@example.org", false},
		{"\"ada\"@example.org", false},
		{"ada@[127.0.0.1]", false},
		{"ada,eve@example.org", false},
		{"ad\u00e4@example.org", false},
		{"ada@ex\u00e4mple.org", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		const char *fault = mime_address_fault(slice_of(rows[i].address));

		if ((fault == NULL) != rows[i].good)
			fail_msg("%s: %s", rows[i].address, fault != NULL ? fault : "accepted");
		if (fault != NULL)
			assert_non_null(strstr(fault, "is not an email address"));
	}
	assert_non_null(mime_address_fault((struct slice){.bytes = "a\0@example.org", .length = 14}));
	assert_non_null(mime_address_fault((struct slice){.bytes = "a@exam\0ple.org", .length = 14}));
	assert_non_null(mime_address_fault((struct slice){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_text), cmocka_unit_test(test_headers_never_break_their_lines),
		cmocka_unit_test(test_mailboxes),   cmocka_unit_test(test_bodies_come_out_as_they_went_in),
		cmocka_unit_test(test_encodings),   cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
