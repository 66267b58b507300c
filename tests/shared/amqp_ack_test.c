#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/amqp_ack.h"
#include "shared/backoff.h"
#include "shared/text.h"

#define START_MS 1000

/* Writes the orders that are due as "m5 s8 ", multiples and singles. */
static void write_orders(struct amqp_ack *acks, int64_t now_ms, bool everything, struct text *out)
{
	struct amqp_ack_order order;

	while (amqp_ack_next(acks, now_ms, everything, &order))
		text_addf(out, "%c%" PRIu64 " ", order.multiple ? 'm' : 's', order.tag);
}

static const struct row {
	const char *when;
	size_t prefetch;
	unsigned delivered;
	uint64_t settled[12]; /* ends at 0 */
	int64_t after_ms;
	bool everything;
	const char *orders;
} rows[] = {
	{"nothing is settled", 10, 3, {0}, 500, true, ""},
	{"a few are settled and less than the gathering time has passed", 100, 3, {1, 2}, 19, false, ""},
	{"the gathering time has passed", 100, 3, {1, 2}, 20, false, "m2 "},
	{"they were settled backwards", 100, 3, {3, 2, 1}, 20, false, "m3 "},
	{"a tenth of the prefetch is settled", 20, 9, {1, 2, 3}, 0, false, "m3 "},
	{"one less than that is settled", 20, 9, {1, 2}, 0, false, ""},
	{"an unsettled one is in the way", 100, 5, {2, 3, 5}, 200, false, ""},
	{"it has been in the way for too long", 100, 5, {2, 3, 5}, 201, false, "s2 s3 s5 "},
	{"some are below it and some behind it", 100, 5, {1, 2, 4, 5}, 201, false, "m2 s4 s5 "},
	{"half of the prefetch waits behind it", 8, 8, {2, 3, 4, 5, 6}, 0, false, "s2 "},
	{"everything is asked for at the end", 100, 5, {1, 3, 5}, 0, true, "m1 s3 s5 "},
	{"a tag is settled twice or was never delivered", 100, 2, {1, 1, 7}, 20, false, "m1 "},
};

static void acknowledges_what_is_due(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct row *row = &rows[i];
		struct amqp_ack *acks = amqp_ack_new();
		struct text orders;

		print_message("when %s\n", row->when);
		text_init(&orders, 1000);
		amqp_ack_set_prefetch(acks, row->prefetch);
		for (unsigned tag = 1; tag <= row->delivered; tag++)
			assert_true(amqp_ack_delivered(acks, tag));
		for (const uint64_t *tag = row->settled; *tag; tag++)
			amqp_ack_settle(acks, *tag, START_MS);
		write_orders(acks, START_MS + row->after_ms, row->everything, &orders);
		assert_string_equal(text_string(&orders), row->orders);
		text_release(&orders);
		amqp_ack_free(&acks);
	}
}

static void names_only_outstanding_tags_after_singles(void **state)
{
	struct amqp_ack *acks = amqp_ack_new();
	struct text orders;

	(void)state;
	text_init(&orders, 1000);
	amqp_ack_set_prefetch(acks, 100);
	for (unsigned tag = 1; tag <= 4; tag++)
		assert_true(amqp_ack_delivered(acks, tag));
	amqp_ack_settle(acks, 2, START_MS);
	amqp_ack_settle(acks, 3, START_MS);
	write_orders(acks, START_MS + 300, false, &orders);
	amqp_ack_settle(acks, 1, START_MS + 300);
	write_orders(acks, START_MS + 320, false, &orders);
	assert_string_equal(text_string(&orders), "s2 s3 m1 ");
	amqp_ack_settle(acks, 4, START_MS + 320);
	write_orders(acks, START_MS + 340, false, &orders);
	assert_string_equal(text_string(&orders), "s2 s3 m1 m4 ");
	text_release(&orders);
	amqp_ack_free(&acks);
}

static void refuses_a_gap_and_starts_again_after_a_reset(void **state)
{
	struct amqp_ack *acks = amqp_ack_new();

	(void)state;
	assert_true(amqp_ack_delivered(acks, 1));
	assert_false(amqp_ack_delivered(acks, 3));
	assert_false(amqp_ack_delivered(acks, 1));
	amqp_ack_reset(acks);
	assert_int_equal(amqp_ack_unsettled(acks), 0);
	assert_false(amqp_ack_settle(acks, 1, START_MS));
	assert_true(amqp_ack_delivered(acks, 1));
	assert_true(amqp_ack_settle(acks, 1, START_MS));
	amqp_ack_free(&acks);
}

static void tells_how_long_to_wait(void **state)
{
	struct amqp_ack *acks = amqp_ack_new();
	struct amqp_ack_order order;

	(void)state;
	amqp_ack_set_prefetch(acks, 100);
	assert_int_equal(amqp_ack_wait_ms(acks, START_MS), -1);
	assert_true(amqp_ack_delivered(acks, 1));
	assert_true(amqp_ack_delivered(acks, 2));
	amqp_ack_settle(acks, 2, START_MS);
	assert_int_equal(amqp_ack_wait_ms(acks, START_MS + 5), AMQP_ACK_GATHER_MS - 5);
	assert_false(amqp_ack_next(acks, START_MS + AMQP_ACK_GATHER_MS, false, &order));
	assert_int_equal(amqp_ack_wait_ms(acks, START_MS + AMQP_ACK_GATHER_MS),
			 AMQP_ACK_PATIENCE_MS + 1 - AMQP_ACK_GATHER_MS);
	assert_int_equal(amqp_ack_wait_ms(acks, START_MS + 1000), 0);
	amqp_ack_free(&acks);
}

/* ---- random orders against a model of the broker ---- */

#define MODEL_TAGS 20000

enum model_state { MODEL_NONE, MODEL_UNSETTLED, MODEL_SETTLED, MODEL_ACKNOWLEDGED };

struct model {
	enum model_state tags[MODEL_TAGS + 1];
	int64_t settled_at_ms[MODEL_TAGS + 1];
	uint64_t low, next;
};

static uint64_t random_bits;

static uint64_t roll(uint64_t below)
{
	random_bits ^= random_bits << 13;
	random_bits ^= random_bits >> 7;
	random_bits ^= random_bits << 17;
	return random_bits % below;
}

static void broker_takes(struct model *model, const struct amqp_ack_order *order)
{
	assert_in_range(order->tag, 1, model->next - 1);
	assert_int_equal(model->tags[order->tag], MODEL_SETTLED);
	for (uint64_t tag = order->multiple ? model->low : order->tag; tag <= order->tag; tag++) {
		assert_int_not_equal(model->tags[tag], MODEL_UNSETTLED);
		model->tags[tag] = MODEL_ACKNOWLEDGED;
	}
	while (model->low < model->next && model->tags[model->low] == MODEL_ACKNOWLEDGED)
		model->low++;
}

/* One at the low-water mark has waited only since the last before it was settled. */
static void nothing_waits_too_long(const struct model *model, int64_t now_ms)
{
	bool contiguous = true;
	int64_t contiguous_since_ms = 0;

	for (uint64_t tag = model->low; tag < model->next; tag++) {
		contiguous = contiguous && model->tags[tag] != MODEL_UNSETTLED;
		if (contiguous && model->settled_at_ms[tag] > contiguous_since_ms)
			contiguous_since_ms = model->settled_at_ms[tag];
		if (contiguous && model->tags[tag] == MODEL_SETTLED)
			assert_in_range(now_ms - contiguous_since_ms, 0, AMQP_ACK_GATHER_MS);
		if (model->tags[tag] == MODEL_SETTLED)
			assert_in_range(now_ms - model->settled_at_ms[tag], 0, AMQP_ACK_PATIENCE_MS);
	}
}

static void settle_one(struct model *model, struct amqp_ack *acks, int64_t now_ms)
{
	if (model->next == model->low)
		return;
	uint64_t tag = model->low + roll(model->next - model->low);
	bool expected = model->tags[tag] == MODEL_UNSETTLED;

	assert_int_equal(amqp_ack_settle(acks, tag, now_ms), expected);
	if (!expected)
		return;
	model->tags[tag] = MODEL_SETTLED;
	model->settled_at_ms[tag] = now_ms;
}

static void play(struct model *model, struct amqp_ack *acks)
{
	struct amqp_ack_order order;
	int64_t now_ms = START_MS;

	while (model->next <= MODEL_TAGS) {
		for (uint64_t n = roll(30); n > 0 && model->next <= MODEL_TAGS; n--) {
			assert_true(amqp_ack_delivered(acks, model->next));
			model->tags[model->next++] = MODEL_UNSETTLED;
		}
		for (uint64_t n = roll(60); n > 0; n--)
			settle_one(model, acks, now_ms);
		now_ms += (int64_t)roll(25);
		while (amqp_ack_next(acks, now_ms, false, &order))
			broker_takes(model, &order);
		nothing_waits_too_long(model, now_ms);
	}
	for (uint64_t tag = model->low; tag < model->next; tag++) {
		if (amqp_ack_settle(acks, tag, now_ms))
			model->tags[tag] = MODEL_SETTLED;
	}
	while (amqp_ack_next(acks, now_ms, true, &order))
		broker_takes(model, &order);
	assert_int_equal(model->low, model->next);
	assert_int_equal(amqp_ack_unsettled(acks), 0);
}

static void random_orders_lose_and_invent_nothing(void **state)
{
	const char *given = getenv("POSTRIDER_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : backoff_random();
	static struct model model;

	(void)state;
	print_message("POSTRIDER_TEST_SEED=%" PRIu64 "\n", seed);
	random_bits = seed ? seed : 1;
	for (int round = 0; round < 20; round++) {
		struct amqp_ack *acks = amqp_ack_new();
		memset(&model, 0, sizeof(model));
		model.low = model.next = 1;
		amqp_ack_set_prefetch(acks, (size_t)roll(1000));
		play(&model, acks);
		amqp_ack_free(&acks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acknowledges_what_is_due),
		cmocka_unit_test(names_only_outstanding_tags_after_singles),
		cmocka_unit_test(refuses_a_gap_and_starts_again_after_a_reset),
		cmocka_unit_test(tells_how_long_to_wait),
		cmocka_unit_test(random_orders_lose_and_invent_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
