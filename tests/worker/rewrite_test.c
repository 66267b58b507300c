/* Links in rendered messages: which are led through us, to where, and that the rest of the message stays as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/links/rewrite.h"

#define BASE     "https://l.example"
#define DELIVERY 202611000000000042

/* [TARGET] stands for a link of ours that leads to TARGET, [*] for the picture. */
static const struct {
	const char *when, *html, *expected;
} rows[] = {
	{"a plain link", "<a href=\"https://a.example/x\">x</a>", "<a href=\"[https://a.example/x]\">x</a>[*]"},
	{"single quotes", "<a href='http://a.example/'>", "<a href='[http://a.example/]'>[*]"},
	{"no quotes", "<a href=http://a.example/ class=x>", "<a href=[http://a.example/] class=x>[*]"},
	{"no quotes, then the end", "<a href=http://a.example/>", "<a href=[http://a.example/]>[*]"},
	{"capitals", "<A HREF=\"HTTPS://A.example\">", "<A HREF=\"[HTTPS://A.example]\">[*]"},
	{"an area of a map", "<area shape=rect href=\"http://a.example\">",
	 "<area shape=rect href=\"[http://a.example]\">[*]"},
	{"blanks everywhere", "<a\n\thref\n=\n\" https://a.example/ \"\n>",
	 "<a\n\thref\n=\n\" [https://a.example/] \"\n>[*]"},
	{"slashes between attributes", "<a/href=\"http://a.example\"/>", "<a/href=\"[http://a.example]\"/>[*]"},
	{"&amp; is &", "<a href=\"http://a.example?b=1&amp;c=2\">", "<a href=\"[http://a.example?b=1&c=2]\">[*]"},
	{"an & that is just that", "<a href=\"http://a.example?b=1&utm_source=x&copy=2\">",
	 "<a href=\"[http://a.example?b=1&utm_source=x&copy=2]\">[*]"},
	{"numbers", "<a href=\"http://a.example/&#39;&#x27;&#x101;&#128512;\">",
	 "<a href=\"[http://a.example/''\u0101\U0001F600]\">[*]"},
	{"beyond ASCII", "<a href=\"http://a.example/\u0101\">", "<a href=\"[http://a.example/\u0101]\">[*]"},
	{"&amp without a semicolon", "<a href=\"http://a.example?b&amp\">", "<a href=\"[http://a.example?b&]\">[*]"},
	{"a name that we do not know", "<a href=\"http://a.example?&eacute;\">",
	 "<a href=\"http://a.example?&eacute;\">[*]"},
	{"an old name without a semicolon", "<a href=\"http://a.example?b&copy\">",
	 "<a href=\"http://a.example?b&copy\">[*]"},
	{"a surrogate", "<a href=\"http://a.example?&#xD800;\">", "<a href=\"http://a.example?&#xD800;\">[*]"},
	{"a control as a number", "<a href=\"http://a.example&#10;x\">", "<a href=\"http://a.example&#10;x\">[*]"},
	{"a blank inside", "<a href=\"http://a.example/a b\">", "<a href=\"http://a.example/a b\">[*]"},
	{"a backslash", "<a href=\"http://a.example\\@evil.example\">",
	 "<a href=\"http://a.example\\@evil.example\">[*]"},
	{"mail", "<a href=\"mailto:a@a.example\">", "<a href=\"mailto:a@a.example\">[*]"},
	{"telephone", "<a href=\"tel:+371\">", "<a href=\"tel:+371\">[*]"},
	{"a place in the text", "<a href=\"#top\">", "<a href=\"#top\">[*]"},
	{"a relative one", "<a href=\"/x\">", "<a href=\"/x\">[*]"},
	{"an app's", "<a href=\"app://x\">", "<a href=\"app://x\">[*]"},
	{"a script", "<a href=\"javascript:http://x\">", "<a href=\"javascript:http://x\">[*]"},
	{"nothing", "<a href>", "<a href>[*]"},
	{"empty", "<a href=\"\">", "<a href=\"\">[*]"},
	{"only a scheme", "<a href=\"https://\">", "<a href=\"https://\">[*]"},
	{"one of ours", "<a href=\"" BASE "/u/abc\">", "<a href=\"" BASE "/u/abc\">[*]"},
	{"one that is not to be tracked", "<a href=\"http://a.example\" data-no-tracking>",
	 "<a href=\"http://a.example\" data-no-tracking>[*]"},
	{"the same, in front", "<a data-no-tracking=1 href=\"http://a.example\">",
	 "<a data-no-tracking=1 href=\"http://a.example\">[*]"},
	{"another tag", "<link href=\"http://a.example\"><abbr href=\"http://a.example\">",
	 "<link href=\"http://a.example\"><abbr href=\"http://a.example\">[*]"},
	{"another attribute", "<a data-href=\"http://a.example\" xhref='http://b'>",
	 "<a data-href=\"http://a.example\" xhref='http://b'>[*]"},
	{"the first of two counts", "<a href=\"http://a.example\" href=\"http://b.example\">",
	 "<a href=\"[http://a.example]\" href=\"http://b.example\">[*]"},
	{"a > inside quotes", "<a title=\"a>b\" href=\"http://a.example\">",
	 "<a title=\"a>b\" href=\"[http://a.example]\">[*]"},
	{"a tag inside quotes", "<p title='<a href=\"http://a.example\">'>",
	 "<p title='<a href=\"http://a.example\">'>[*]"},
	{"in a comment", "<!-- <a href=\"http://a.example\"> --><a href='http://b.example'>",
	 "<!-- <a href=\"http://a.example\"> --><a href='[http://b.example]'>[*]"},
	{"behind an empty comment", "<!--><a href='http://b.example'>", "<!--><a href='[http://b.example]'>[*]"},
	{"behind a comment of three dashes", "<!---><a href='http://b.example'>",
	 "<!---><a href='[http://b.example]'>[*]"},
	{"behind a comment that ends wrongly", "<!--x--!><a href='http://b.example'>",
	 "<!--x--!><a href='[http://b.example]'>[*]"},
	{"for Outlook only", "<!--[if mso]><a href=\"http://a.example\"><![endif]-->",
	 "<!--[if mso]><a href=\"http://a.example\"><![endif]-->[*]"},
	{"in a style", "<style>a{} <a href=\"http://a.example\"></style><a href='http://b.example'>",
	 "<style>a{} <a href=\"http://a.example\"></style><a href='[http://b.example]'>[*]"},
	{"in a title", "<title><a href=http://a.example></title >", "<title><a href=http://a.example></title >[*]"},
	{"</styles> ends no style", "<style></styles><a href=http://a.example></style>",
	 "<style></styles><a href=http://a.example></style>[*]"},
	{"an end tag", "</a href=\"http://a.example\">", "</a href=\"http://a.example\">[*]"},
	{"no tag at all", "1 < 2 <3 <> </> a<", "1 < 2 <3 <> </> a<[*]"},
	{"the picture in the body", "<body><p>x</p></BODY ></html>\n", "<body><p>x</p>[*]</BODY ></html>\n"},
	{"before the last of two ends", "a</body>b</body>c", "a</body>b[*]</body>c"},
	{"no picture in a comment", "<p>x</p><!-- open </body>", "<p>x</p><!-- open </body>"},
	{"no picture in a tag", "<p>x</p><a href=\"http://a.example", "<p>x</p><a href=\"http://a.example"},
	{"no picture in a script", "<script></body>", "<script></body>"},
	{"a tag that does not end", "<a href=http://a.example", "<a href=http://a.example"},
	{"two links", "<a href=http://a.example>1</a><a href=http://b.example>2</a>",
	 "<a href=[http://a.example]>1</a><a href=[http://b.example]>2</a>[*]"},
	{"nothing at all", "", ""},
};

static const struct {
	const char *when, *plain, *expected;
} texts[] = {
	{"an address", "Go: https://a.example/x", "Go: [https://a.example/x]"},
	{"at the beginning", "http://a.example now", "[http://a.example] now"},
	{"before a full stop", "See http://a.example/x. Bye", "See [http://a.example/x]. Bye"},
	{"in brackets", "(http://a.example)", "([http://a.example])"},
	{"two", "http://a.example http://b.example", "[http://a.example] [http://b.example]"},
	{"an & stays one", "http://a.example/?a=1&amp;b=2", "[http://a.example/?a=1&amp;b=2]"},
	{"a port", "http://a.example:8080/x", "[http://a.example:8080/x]"},
	{"inside a word", "xhttp://a.example", "xhttp://a.example"},
	{"only a scheme", "http: https:// :", "http: https:// :"},
	{"no address", "at 10:30, mailto:a@b", "at 10:30, mailto:a@b"},
	{"one of ours", BASE "/p/x", BASE "/p/x"},
	{"nothing", "", ""},
};

static struct links *links;

static int open_links(void **state)
{
	struct error err = {0};

	(void)state;
	return links_open(&links, BASE, "a-key-of-at-least-thirty-two-letters", &err) ? 0 : -1;
}

static int close_links(void **state)
{
	(void)state;
	links_close(&links);
	return 0;
}

static void add_expected(struct text *out, const char *expected)
{
	struct link_claim claim = {.delivery_id = DELIVERY};

	for (const char *at = expected; *at != '\0'; at++) {
		size_t length = strcspn(at, "]");

		if (*at != '[' || at[1] == 'i' || at[1] == 'e') {
			text_add_char(out, *at);
			continue;
		}
		if (at[1] == '*') {
			text_add(out, "<img src=\"");
			claim.place = 0;
			links_add_url(links, out, LINK_OPEN, &claim, NULL, 0);
			text_add(out, "\" width=\"1\" height=\"1\" alt=\"\" "
				      "style=\"display:block;width:1px;height:1px;border:0\">");
		} else {
			claim.place++;
			links_add_url(links, out, LINK_CLICK, &claim, at + 1, length - 1);
		}
		at += length;
	}
}

/* A copy of exactly that many bytes, so that a read behind it is found. */
static char *exact(const char *bytes, size_t length)
{
	char *copy = memory_new(length > 0 ? length : 1);

	memcpy(copy, bytes, length);
	return copy;
}

static void test_html(void **state)
{
	struct text found, expected;

	(void)state;
	text_init(&found, 65536);
	text_init(&expected, 65536);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		size_t length = strlen(rows[i].html);
		char *html = exact(rows[i].html, length);

		text_clear(&found);
		text_clear(&expected);
		add_expected(&expected, rows[i].expected);
		rewrite_html(links, DELIVERY, true, true, html, length, &found);
		if (strcmp(text_string(&found), text_string(&expected)) != 0)
			fail_msg("%s: %s", rows[i].when, text_string(&found));
		free(html);
	}
	text_release(&found);
	text_release(&expected);
}

static void test_plain_text(void **state)
{
	struct text found, expected;

	(void)state;
	text_init(&found, 65536);
	text_init(&expected, 65536);
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		size_t length = strlen(texts[i].plain);
		char *plain = exact(texts[i].plain, length);

		text_clear(&found);
		text_clear(&expected);
		add_expected(&expected, texts[i].expected);
		rewrite_text(links, DELIVERY, plain, length, &found);
		if (strcmp(text_string(&found), text_string(&expected)) != 0)
			fail_msg("%s: %s", texts[i].when, text_string(&found));
		free(plain);
	}
	text_release(&found);
	text_release(&expected);
}

static void test_only_what_is_asked_for(void **state)
{
	static const char html[] = "<body><a href=\"http://a.example\">x</a></body>";
	struct text found, expected;

	(void)state;
	text_init(&found, 4096);
	text_init(&expected, 4096);
	rewrite_html(links, DELIVERY, false, false, html, strlen(html), &found);
	assert_string_equal(text_string(&found), html);
	text_clear(&found);
	rewrite_html(links, DELIVERY, true, false, html, strlen(html), &found);
	add_expected(&expected, "<body><a href=\"http://a.example\">x</a>[*]</body>");
	assert_string_equal(text_string(&found), text_string(&expected));
	text_clear(&found);
	text_clear(&expected);
	rewrite_html(links, DELIVERY, false, true, html, strlen(html), &found);
	add_expected(&expected, "<body><a href=\"[http://a.example]\">x</a></body>");
	assert_string_equal(text_string(&found), text_string(&expected));
	text_release(&found);
	text_release(&expected);
}

/* So many links and so long ones, and not more. */
static void test_bounds(void **state)
{
	struct text html, found;
	size_t rewritten = 0;

	(void)state;
	text_init(&html, 1024 * 1024);
	text_init(&found, 1024 * 1024);
	for (int i = 0; i < REWRITE_LINKS_MAX + 10; i++)
		text_add(&html, "<a href=http://a.example>");
	rewrite_html(links, DELIVERY, false, true, html.bytes, html.length, &found);
	for (const char *at = found.bytes; (at = strstr(at, BASE "/c/")) != NULL; at++)
		rewritten++;
	assert_int_equal(rewritten, REWRITE_LINKS_MAX);
	text_clear(&html);
	text_clear(&found);
	text_add(&html, "<a href=\"http://a.example/");
	for (int i = 0; i < LINKS_TARGET_MAX; i++)
		text_add_char(&html, 'x');
	text_add(&html, "\">");
	rewrite_html(links, DELIVERY, false, true, html.bytes, html.length, &found);
	assert_string_equal(text_string(&found), text_string(&html));
	text_release(&found);
	text_init(&found, 100);
	rewrite_html(links, DELIVERY, true, true, html.bytes, html.length, &found);
	assert_false(text_ok(&found));
	text_release(&html);
	text_release(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_html),
		cmocka_unit_test(test_plain_text),
		cmocka_unit_test(test_only_what_is_asked_for),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, open_links, close_links);
}
