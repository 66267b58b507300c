/* What of a callback is kept, and by what a repeated one is recognised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "worker/callbacks/callback.h"
#include "worker/callbacks/event_list.h"
#include "worker/callbacks/verbatim.h"

static struct slice slice_of(const char *text)
{
	return (struct slice){text, strlen(text)};
}

static void headers_that_say_something_are_kept(void **state)
{
	static const char headers[] = "Host: x\r\nContent-Type: application/json\r\nAuthorization: Basic c2VjcmV0\r\n"
				      "X-Twilio-Signature: abc=\r\ncookie: a=b\r\nX-Forwarded-For: 192.0.2.7\r\n"
				      "webhook-id: evt_1\r\nAccept-Language: lv\r\nVia: 1.1 proxy\r\nViaduct: kept\r\n"
				      "TE: trailers\r\nCF-Ray: 1\r\nX-Mandrill-Signature: def=\r\n";
	struct text kept;

	(void)state;
	text_init(&kept, 4096);
	verbatim_add_headers(&kept, slice_of(headers));
	assert_string_equal(text_string(&kept), "Content-Type: application/json\r\nX-Twilio-Signature: abc=\r\n"
						"webhook-id: evt_1\r\nViaduct: kept\r\nX-Mandrill-Signature: def=\r\n");
	text_release(&kept);
}

#define JSON "Content-Type: application/json\r\n"

static const struct {
	const char *when;
	int32_t account;
	const char *target, *headers, *body;
	bool is_same;
} rows[] = {
	{"the same", 1, "/callbacks/a?d=1", JSON "webhook-id: 1\r\n", "{}", true},
	{"signed anew at another time", 1, "/callbacks/a?d=1",
	 "webhook-signature: v1,x\r\nwebhook-timestamp: 7\r\nwebhook-id: 1\r\n" JSON, "{}", true},
	{"by another proxy", 1, "/callbacks/a?d=1", JSON "webhook-id: 1\r\nX-Forwarded-For: y\r\n", "{}", true},
	{"for another account", 2, "/callbacks/a?d=1", JSON "webhook-id: 1\r\n", "{}", false},
	{"of another delivery", 1, "/callbacks/a?d=2", JSON "webhook-id: 1\r\n", "{}", false},
	{"another event", 1, "/callbacks/a?d=1", JSON "webhook-id: 2\r\n", "{}", false},
	{"of another type", 1, "/callbacks/a?d=1", "Content-Type: text/plain\r\nwebhook-id: 1\r\n", "{}", false},
	{"another body", 1, "/callbacks/a?d=1", JSON "webhook-id: 1\r\n", "{ }", false},
	{"parts that run together", 1, "/callbacks/a?d=1", JSON "webhook-id: 12:\r\n", "{}", false},
};

static void a_repeated_one_is_recognised(void **state)
{
	uint8_t first[DIGEST_SHA256_BYTES], digest[DIGEST_SHA256_BYTES];

	(void)state;
	verbatim_fingerprint(rows[0].account, rows[0].target, slice_of(rows[0].headers), slice_of(rows[0].body), first);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		verbatim_fingerprint(rows[i].account, rows[i].target, slice_of(rows[i].headers), slice_of(rows[i].body),
				     digest);
		if ((memcmp(first, digest, sizeof(first)) == 0) != rows[i].is_same)
			fail_msg("%s: taken for %s", rows[i].when, rows[i].is_same ? "another" : "the same");
	}
}

static void the_address_is_the_public_one(void **state)
{
	struct text url;

	(void)state;
	text_init(&url, CALLBACK_URL_MAX);
	callback_address(&url, "https://callbacks.example.org", slice_of("/callbacks/tw?delivery=42&a=%20"));
	assert_string_equal(text_string(&url), "https://callbacks.example.org/callbacks/tw?delivery=42&a=%20");
	assert_string_equal(callback_query(text_string(&url)), "delivery=42&a=%20");
	callback_address(&url, "https://callbacks.example.org", slice_of("/callbacks/tw"));
	assert_string_equal(callback_query(text_string(&url)), "");
	text_release(&url);
}

static void add(struct event_list *list, int64_t owner, const char *words)
{
	const struct provider_event event = {.kind = PROVIDER_EVENT_OPENED, .delivery_id = 7, .words = slice_of(words)};

	list->owner = owner;
	event_list_add(list, &event);
}

static void events_are_told_by_their_callback(void **state)
{
	struct event_list list;
	struct pg_values values;
	size_t mark;

	(void)state;
	event_list_init(&list);
	pg_values_init(&values);
	add(&list, 1, "one");
	add(&list, 2, "two");
	mark = event_list_mark(&list);
	add(&list, 3, "makes no sense");
	event_list_rewind(&list, mark);
	add(&list, 4, "four");
	event_list_values(&list, &values, 2, 4, 1);
	assert_int_equal(values.count, 12);
	assert_string_equal(values.bytes.bytes + values.offsets[0], "{1,3}");
	assert_string_equal(values.bytes.bytes + values.offsets[1], "{\"opened\",\"opened\"}");
	assert_string_equal(values.bytes.bytes + values.offsets[9], "{\"two\",\"four\"}");
	assert_string_equal(values.bytes.bytes + values.offsets[6], "{NULL,NULL}");
	pg_values_release(&values);
	event_list_release(&list);
}

/* 498 bytes, then a character of three: half of it would be no text. */
static void words_are_cut_between_characters(void **state)
{
	struct event_list list;
	struct pg_values values;
	char words[600];
	const char *told;

	(void)state;
	memset(words, 'x', sizeof(words));
	memcpy(words + 498, "\xe2\x82\xac", 3);
	words[sizeof(words) - 1] = '\0';
	event_list_init(&list);
	pg_values_init(&values);
	add(&list, 1, words);
	event_list_values(&list, &values, 1, 1, 0);
	told = values.bytes.bytes + values.offsets[9];
	assert_int_equal(strlen(told), 498 + strlen("{\"\"}"));
	pg_values_release(&values);
	event_list_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_that_say_something_are_kept),
		cmocka_unit_test(a_repeated_one_is_recognised),
		cmocka_unit_test(the_address_is_the_public_one),
		cmocka_unit_test(events_are_told_by_their_callback),
		cmocka_unit_test(words_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
