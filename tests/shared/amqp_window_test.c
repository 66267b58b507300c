#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/amqp_frame.h"
#include "shared/amqp_window.h"

static const char letters[] = {[AMQP_CONFIRMED] = 'c', [AMQP_RETURNED] = 'r', [AMQP_REFUSED] = 'n', [AMQP_LOST] = 'l'};

static void write_receipt(void *context, const struct amqp_receipt *receipt)
{
	assert_int_equal(receipt->lane_id, 7);
	text_addf(context, "%c%" PRId64 " ", letters[receipt->verdict], receipt->delivery_id);
}

/* Steps: + publish the next delivery; r5 it comes back; c5 C5 n5 N5 confirm or nack, capital for multiple; x the
 * connection ends. */
static const struct row {
	const char *when;
	const char *steps;
	const char *receipts;
} rows[] = {
	{"one by one", "+++c1c2c3", "c1 c2 c3 "},
	{"out of order", "+++c3c1c2", "c3 c1 c2 "},
	{"a range", "++++C3c4", "c1 c2 c3 c4 "},
	{"a range over some that are confirmed already", "++++c2C4", "c2 c1 c3 c4 "},
	{"a return before its confirm", "+++r2C3", "c1 r2 c3 "},
	{"returns in the order of publishing", "++++r1r3r4C4", "r1 c2 r3 r4 "},
	{"a return out of the order", "++++r4r1C4", "r1 c2 c3 r4 "},
	{"a return of something unknown", "++r9C2", "c1 c2 "},
	{"a refusal", "+++n2C3", "n2 c1 c3 "},
	{"refusals as a range", "+++N2c3", "n1 n2 c3 "},
	{"confirmed twice", "++c1c1C2C2", "c1 c2 "},
	{"a number that was never given out", "++c9C0", "c1 c2 "},
	{"the connection ends", "+++c2x", "c2 l1 l3 "},
	{"the connection ends and numbers start again", "++x++c1C2", "l1 l2 c3 c4 "},
	{"a returned one is lost with the connection: it came back all the same", "++r1x", "r1 l2 "},
	{"more than fit, in turns", "++++++++c1c2++C10", "c1 c2 c3 c4 c5 c6 c7 c8 c9 c10 "},
};

static void step(struct amqp_window *window, char what, unsigned number, int64_t *published)
{
	switch (what) {
	case '+':
		assert_false(amqp_window_is_full(window));
		++*published;
		amqp_window_add(window, *published, 1, 7, *published);
		break;
	case 'r':
		amqp_window_mark_returned(window, number, 1);
		break;
	case 'c':
	case 'C':
		amqp_window_settle(window, number, what == 'C', AMQP_CONFIRMED);
		break;
	case 'n':
	case 'N':
		amqp_window_settle(window, number, what == 'N', AMQP_REFUSED);
		break;
	case 'e':
		amqp_window_expire(window, number);
		break;
	case 'x':
		amqp_window_lose(window);
		break;
	}
}

static void every_publish_gets_one_receipt(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct text receipts;
		struct amqp_window *window;
		int64_t published = 0;

		print_message("when %s\n", rows[i].when);
		text_init(&receipts, 1000);
		window = amqp_window_new(8, write_receipt, &receipts);
		for (const char *at = rows[i].steps; *at; at++) {
			char what = *at;
			unsigned number = 0;
			while (at[1] >= '0' && at[1] <= '9')
				number = 10 * number + (unsigned)(*++at - '0');
			step(window, what, number, &published);
		}
		assert_string_equal(text_string(&receipts), rows[i].receipts);
		assert_int_equal(amqp_window_open_count(window), 0);
		amqp_window_free(&window);
		text_release(&receipts);
	}
}

static void is_full_while_the_oldest_is_open(void **state)
{
	struct text receipts;
	struct amqp_window *window;

	(void)state;
	text_init(&receipts, 1000);
	window = amqp_window_new(3, write_receipt, &receipts);
	for (int64_t id = 1; id <= 4; id++)
		amqp_window_add(window, id, 1, 7, id);
	assert_true(amqp_window_is_full(window));
	amqp_window_settle(window, 3, false, AMQP_CONFIRMED);
	assert_true(amqp_window_is_full(window));
	amqp_window_settle(window, 1, false, AMQP_CONFIRMED);
	assert_false(amqp_window_is_full(window));
	amqp_window_free(&window);
	text_release(&receipts);
}

static void frames_are_as_the_protocol_says(void **state)
{
	static const uint8_t publish[] = {
		1, 0,    1, 0, 0, 0, 13, 0,   60,  0,   40,   0, 0, 2, 'e', 'x', 2, 'k', 'y', 1,    0xce, /* method */
		2, 0,    1, 0, 0, 0, 15, 0,   60,  0,   0,    0, 0, 0, 0,   0,   0, 0,   3,   0x10, 0,
		2, 0xce, /* header */
		3, 0,    1, 0, 0, 0, 3,  'a', 'b', 'c', 0xce,
	};
	static const uint8_t ack[] = {1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 1, 2, 1, 0xce};
	struct text bytes;

	(void)state;
	text_init(&bytes, 1000);
	amqp_frame_add_publish(&bytes, "ex", "ky", "abc", 3);
	assert_int_equal(bytes.length, sizeof(publish));
	assert_memory_equal(bytes.bytes, publish, sizeof(publish));
	text_clear(&bytes);
	amqp_frame_add_ack(&bytes, 258, true);
	assert_int_equal(bytes.length, sizeof(ack));
	assert_memory_equal(bytes.bytes, ack, sizeof(ack));
	text_release(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_publish_gets_one_receipt),
		cmocka_unit_test(is_full_while_the_oldest_is_open),
		cmocka_unit_test(frames_are_as_the_protocol_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
