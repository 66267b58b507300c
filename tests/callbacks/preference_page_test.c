/* The preference page: what is foreign never becomes markup, what holds is shown, and the address a click leads to is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "worker/callbacks/preference_page.h"
#include "worker/callbacks/tracking.h"

#define TEXTS                                                                                                             \
	"\"texts\": {\"title\": \"Your <messages>\", \"intro\": \"Choose.\", \"save\": \"Save\", \"saved\": \"Saved.\", " \
	"\"everything\": \"Off\", \"everything_hint\": \"None.\", \"everything_done\": \"All off.\", \"nothing\": "       \
	"\"Nothing to choose.\", \"email\": \"E&mail\", \"sms\": \"SMS\"}"
#define TWO_TOPICS                                                                                                     \
	"{\"language\": \"en\", " TEXTS ", \"channels\": [\"email\", \"sms\"], \"topics\": ["                          \
	"{\"topic_id\": 1, \"name\": \"<script>alert('x')</script>\", \"description\": \"\\\" onload=\\\"x\", "        \
	"\"on\": {\"email\": true, \"sms\": false}}, "                                                                 \
	"{\"topic_id\": 22, \"name\": \"\\u0001\\u2028\\ud83d\\ude00\", \"description\": null, \"on\": {\"email\": "   \
	"false}}]}"

static const struct {
	const char *when, *facts;
	enum preference_news news;
	const char *holds, *lacks;
} rows[] = {
	{"a name is text", TWO_TOPICS, PREFERENCE_NO_NEWS,
	 "<legend>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</legend>", "<script"},
	{"so is a description", TWO_TOPICS, PREFERENCE_NO_NEWS, "&quot; onload=&quot;x", " onload=\"x"},
	{"so are our own texts", TWO_TOPICS, PREFERENCE_NO_NEWS, "<h1>Your &lt;messages&gt;</h1>", "<messages>"},
	{"a yes", TWO_TOPICS, PREFERENCE_NO_NEWS, "name=\"on\" value=\"1.email\" checked> <span>E&amp;mail</span>",
	 "Saved."},
	{"a no", TWO_TOPICS, PREFERENCE_NO_NEWS, "name=\"on\" value=\"1.sms\"> <span>SMS</span>",
	 "value=\"1.sms\" checked"},
	{"each box says that it was shown", TWO_TOPICS, PREFERENCE_NO_NEWS, "name=\"shown\" value=\"22.email\"",
	 "22.sms"},
	{"the form's own token", TWO_TOPICS, PREFERENCE_NO_NEWS,
	 "action=\"/p/abc\">\n<input type=\"hidden\" name=\"form\" value=\"token\">", "All off."},
	{"saved", TWO_TOPICS, PREFERENCE_SAVED, "role=\"status\">Saved.</p>", "All off."},
	{"everything off", TWO_TOPICS, PREFERENCE_EVERYTHING_OFF, "role=\"status\">All off.</p>", "Saved."},
	{"nothing to choose", "{\"language\": \"lv\", " TEXTS ", \"channels\": [\"email\"], \"topics\": []}",
	 PREFERENCE_NO_NEWS, "Nothing to choose.", "type=\"checkbox\""},
	{"and still everything can be refused", "{\"language\": \"lv\", " TEXTS ", \"channels\": [], \"topics\": []}",
	 PREFERENCE_NO_NEWS, "name=\"everything\"", "<fieldset"},
	{"the language", "{\"language\": \"lv\\\" x=\\\"\", " TEXTS "}", PREFERENCE_NO_NEWS,
	 "<html lang=\"lv&quot; x=&quot;\">", "lv\" x"},
	{"an empty object", "{}", PREFERENCE_NO_NEWS, "</html>", "null"},
};

static bool make(const char *facts, enum preference_news news, struct text *out, struct error *err)
{
	const struct preference_page page = {
		.facts = {facts, strlen(facts)}, .action = "/p/abc", .form_token = "token", .news = news};

	return preference_page_add(&page, out, err);
}

static void test_pages(void **state)
{
	struct text out;
	struct error err = {0};

	(void)state;
	text_init(&out, PREFERENCE_PAGE_MAX);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		text_clear(&out);
		if (!make(rows[i].facts, rows[i].news, &out, &err))
			fail_msg("%s: %s", rows[i].when, err.text);
		if (strstr(text_string(&out), rows[i].holds) == NULL ||
		    strstr(text_string(&out), rows[i].lacks) != NULL)
			fail_msg("%s:\n%s", rows[i].when, text_string(&out));
	}
	text_release(&out);
}

static void test_what_is_no_page(void **state)
{
	static const char *const facts[] = {"", "[]", "null", "{", "\"x\""};
	struct text out;

	(void)state;
	text_init(&out, PREFERENCE_PAGE_MAX);
	for (size_t i = 0; i < ARRAY_LENGTH(facts); i++) {
		struct error err = {0};

		assert_false(make(facts[i], PREFERENCE_NO_NEWS, &out, &err));
		assert_int_equal(err.kind, ERROR_INVALID);
	}
	text_release(&out);
}

/* The style sheet is named by its digest: without it, a browser would show none. */
static void test_the_headers_know_the_style(void **state)
{
	struct text headers;

	(void)state;
	text_init(&headers, 2000);
	preference_page_add_headers(&headers);
	assert_non_null(strstr(headers.bytes, "Content-Security-Policy: default-src 'none'; style-src 'sha256-"));
	assert_non_null(strstr(headers.bytes, "form-action 'self'"));
	assert_non_null(strstr(headers.bytes, "Cache-Control: no-store\r\n"));
	assert_null(strstr(headers.bytes, "unsafe"));
	text_release(&headers);
}

static const struct {
	const char *when, *target, *location;
} locations[] = {
	{"plain", "https://a.example/x?y=1&z=%20#w", "https://a.example/x?y=1&z=%20#w"},
	{"beyond ASCII", "https://a.example/\u0101", "https://a.example/%C4%81"},
	{"a line end", "https://a.example/\r\nSet-Cookie: x", "https://a.example/%0D%0ASet-Cookie:%20x"},
	{"quotes and brackets", "https://a.example/\"<>", "https://a.example/%22%3C%3E"},
	{"IPv6", "http://[::1]:8080/", "http://[::1]:8080/"},
};

static void test_locations(void **state)
{
	struct text found;

	(void)state;
	text_init(&found, 1000);
	for (size_t i = 0; i < ARRAY_LENGTH(locations); i++) {
		text_clear(&found);
		tracking_add_location(&found, locations[i].target, strlen(locations[i].target));
		if (strcmp(text_string(&found), locations[i].location) != 0)
			fail_msg("%s: %s", locations[i].when, text_string(&found));
	}
	text_release(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_what_is_no_page),
		cmocka_unit_test(test_the_headers_know_the_style),
		cmocka_unit_test(test_locations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
