/* Who is a person and who a machine, by what they say of themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "worker/callbacks/visitor.h"

#define FIREFOX "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"

static const struct {
	const char *when, *headers;
	bool is_head, is_machine;
	const char *note;
} rows[] = {
	{"a browser", FIREFOX, false, false, ""},
	{"a telephone",
	 "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	 "Version/18.1 Mobile/15E148 Safari/604.1\r\n",
	 false, false, ""},
	{"Outlook", "User-Agent: Mozilla/4.0 (compatible; ms-office; MSOffice 16)\r\n", false, false, ""},
	{"nobody", "Host: x\r\n", false, true, "no browser named"},
	{"an empty name", "User-Agent: \r\n", false, true, "no browser named"},
	{"Apple Mail for everybody", "User-Agent: Mozilla/5.0\r\n", false, true,
	 "fetched ahead by Apple Mail for everybody"},
	{"Gmail's proxy",
	 "User-Agent: Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)\r\n",
	 false, false, "through Gmail's proxy"},
	{"Gmail fetching ahead",
	 "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
	 "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0\r\n",
	 false, true, "fetched ahead by Gmail"},
	{"Yahoo's proxy", "User-Agent: YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html\r\n",
	 false, false, "through Yahoo's proxy"},
	{"a robot", "User-Agent: Mozilla/5.0 (compatible; bingbot/2.0)\r\n", false, true, "a robot by its name"},
	{"a robot in capitals", "User-Agent: SLACKBOT 1.0\r\n", false, true, "a robot by its name"},
	{"a telephone whose maker is called so",
	 "User-Agent: Mozilla/5.0 (Linux; Android 10; CUBOT X30) Chrome/120\r\n", false, false, ""},
	{"a scanner", "User-Agent: Barracuda Sentinel (EE)\r\n", false, true, "a scanner by its name"},
	{"a program", "User-Agent: curl/8.5.0\r\n", false, true, "a program by its name"},
	{"a browser that fetches ahead", FIREFOX "Sec-Purpose: prefetch;prerender\r\n", false, true,
	 "fetched ahead by the browser"},
	{"an old one that does", FIREFOX "X-Moz: prefetch\r\n", false, true, "fetched ahead by the browser"},
	{"a HEAD", FIREFOX, true, true, "asked with HEAD"},
	{"no headers at all", "", false, true, "no browser named"},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct slice headers = {.bytes = rows[i].headers, .length = strlen(rows[i].headers)};
		struct visitor found = visitor_judge(rows[i].is_head, headers);

		if (found.is_machine != rows[i].is_machine || strcmp(found.note, rows[i].note) != 0)
			fail_msg("%s: %s \"%s\"", rows[i].when, found.is_machine ? "a machine" : "a person",
				 found.note);
	}
}

/* A name of any length costs the same. */
static void test_a_long_name_is_cut(void **state)
{
	static char headers[20000] = "User-Agent: ";
	size_t length = strlen(headers);

	(void)state;
	memset(headers + length, 'x', 10000);
	memcpy(headers + length + 10000, "bot\r\n", 5);
	assert_false(visitor_judge(false, (struct slice){headers, length + 10005}).is_machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_a_long_name_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
