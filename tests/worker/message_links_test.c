/* Which messages are tracked, and that a retry says the same as its first attempt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "worker/message_links.h"
#include "worker/step.h"

#define BASE "https://l.example"
#define HTML "<body><a href=\"https://a.example\">x</a></body>"
#define TEXT "See https://a.example"

static const struct {
	const char *when;
	enum channel channel;
	bool opens, clicks, has_links;
	size_t html_links, html_pictures, text_links; /* what there must be */
} rows[] = {
	{"email, both", CHANNEL_EMAIL, true, true, true, 1, 1, 0},
	{"email, opens only", CHANNEL_EMAIL, true, false, true, 0, 1, 0},
	{"email, clicks only", CHANNEL_EMAIL, false, true, true, 1, 0, 0},
	{"email, neither", CHANNEL_EMAIL, false, false, true, 0, 0, 0},
	{"email, without a key", CHANNEL_EMAIL, true, true, false, 0, 0, 0},
	{"SMS", CHANNEL_SMS, false, true, true, 0, 0, 1},
	{"SMS, neither", CHANNEL_SMS, false, false, true, 0, 0, 0},
	{"in-app", CHANNEL_IN_APP, true, true, true, 0, 0, 0},
};

static struct links *links;
static struct delivery_pool *pool;

static int open_all(void **state)
{
	struct error err = {0};

	(void)state;
	pool = delivery_pool_new();
	return links_open(&links, BASE, "a-key-of-at-least-thirty-two-letters", &err) ? 0 : -1;
}

static int close_all(void **state)
{
	(void)state;
	links_close(&links);
	delivery_pool_free(&pool);
	return 0;
}

static size_t count(const struct text *text, const char *word)
{
	size_t found = 0;

	for (const char *at = text_string(text); (at = strstr(at, word)) != NULL; at++)
		found++;
	return found;
}

static struct delivery *new_delivery(struct step *step, const char *html, const char *plain)
{
	struct delivery *delivery = delivery_take(pool);

	delivery->delivery_id = 202611000000000042;
	delivery->facts.contact_id = 42;
	delivery->step = step;
	text_clear(&delivery->rendered[MESSAGE_BODY_HTML]);
	text_clear(&delivery->rendered[MESSAGE_BODY_TEXT]);
	text_add(&delivery->rendered[MESSAGE_BODY_HTML], html);
	text_add(&delivery->rendered[MESSAGE_BODY_TEXT], plain);
	return delivery;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct step step = {.track_opens = rows[i].opens, .track_clicks = rows[i].clicks};
		struct delivery *delivery = new_delivery(&step, HTML, TEXT);
		struct message_links message_links;

		message_links_init(&message_links, rows[i].has_links ? links : NULL);
		message_links_prepare(&message_links, delivery);
		assert_int_equal(delivery->unsubscribe_url != NULL, rows[i].has_links);
		message_links_track(&message_links, delivery, rows[i].channel);
		if (count(&delivery->rendered[MESSAGE_BODY_HTML], BASE "/c/") != rows[i].html_links ||
		    count(&delivery->rendered[MESSAGE_BODY_HTML], BASE "/o/") != rows[i].html_pictures ||
		    count(&delivery->rendered[MESSAGE_BODY_TEXT], BASE "/c/") != rows[i].text_links)
			fail_msg("%s:\n%s\n%s", rows[i].when, text_string(&delivery->rendered[MESSAGE_BODY_HTML]),
				 text_string(&delivery->rendered[MESSAGE_BODY_TEXT]));
		delivery_release(pool, delivery);
		message_links_release(&message_links);
	}
}

/* The same buffers are used for one message after the other. */
static void test_the_same_again(void **state)
{
	struct step step = {.track_opens = true, .track_clicks = true};
	struct message_links message_links;
	struct text first;

	(void)state;
	text_init(&first, 10000);
	message_links_init(&message_links, links);
	for (int i = 0; i < 3; i++) {
		struct delivery *delivery = new_delivery(&step, HTML, TEXT);

		message_links_prepare(&message_links, delivery);
		assert_memory_equal(delivery->unsubscribe_url, BASE "/u/", strlen(BASE "/u/"));
		assert_memory_equal(delivery->preferences_url, BASE "/p/", strlen(BASE "/p/"));
		message_links_track(&message_links, delivery, CHANNEL_EMAIL);
		if (i == 0)
			text_add(&first, text_string(&delivery->rendered[MESSAGE_BODY_HTML]));
		assert_string_equal(text_string(&delivery->rendered[MESSAGE_BODY_HTML]), text_string(&first));
		delivery_release(pool, delivery);
	}
	text_release(&first);
	message_links_release(&message_links);
}

static void test_what_would_become_too_large_stays(void **state)
{
	struct step step = {.track_opens = true, .track_clicks = true};
	struct delivery *delivery = new_delivery(&step, HTML, TEXT);
	struct message_links message_links;
	size_t length;

	(void)state;
	while (delivery->rendered[MESSAGE_BODY_HTML].length + 60 < delivery->rendered[MESSAGE_BODY_HTML].ceiling)
		text_add(&delivery->rendered[MESSAGE_BODY_HTML], "fifty letters of text that fill the message, row a");
	length = delivery->rendered[MESSAGE_BODY_HTML].length;
	message_links_init(&message_links, links);
	message_links_prepare(&message_links, delivery);
	message_links_track(&message_links, delivery, CHANNEL_EMAIL);
	assert_true(text_ok(&delivery->rendered[MESSAGE_BODY_HTML]));
	assert_int_equal(delivery->rendered[MESSAGE_BODY_HTML].length, length);
	assert_int_equal(count(&delivery->rendered[MESSAGE_BODY_HTML], BASE), 0);
	delivery_release(pool, delivery);
	message_links_release(&message_links);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_the_same_again),
		cmocka_unit_test(test_what_would_become_too_large_stays),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
