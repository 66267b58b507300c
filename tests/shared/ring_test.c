#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>

#include "shared/ring.h"

struct item {
	uint64_t number;
	uint64_t check;
	char padding[48];
};

static bool fd_is_readable(const struct ring *ring)
{
	struct pollfd wanted = {.fd = ring_fd(ring), .events = POLLIN};
	return poll(&wanted, 1, 0) == 1;
}

static void rounds_up_and_refuses_when_full(void **state)
{
	(void)state;
	struct ring *ring = ring_new(5, sizeof(int));
	assert_int_equal(ring_free_slots(ring), 8);
	int item;
	assert_false(ring_take(ring, &item));
	for (int i = 0; i < 8; i++)
		assert_true(ring_put(ring, &i));
	assert_int_equal(ring_free_slots(ring), 0);
	assert_false(ring_put(ring, &(int){99}));
	for (int i = 0; i < 8; i++) {
		assert_true(ring_take(ring, &item));
		assert_int_equal(item, i);
	}
	assert_false(ring_take(ring, &item));
	assert_int_equal(ring_free_slots(ring), 8);
	ring_free(&ring);
	assert_null(ring);
	ring_free(&ring);
}

static void keeps_the_order_around_the_end(void **state)
{
	(void)state;
	struct ring *ring = ring_new(4, sizeof(int));
	int next = 0;
	for (int i = 0; i < 100; i++) {
		assert_true(ring_put(ring, &i));
		if (i % 3 == 0)
			continue;
		for (int item; ring_take(ring, &item); next++)
			assert_int_equal(item, next);
	}
	ring_free(&ring);
}

static void one_slot_is_a_ring_too(void **state)
{
	(void)state;
	struct ring *ring = ring_new(0, sizeof(int));
	assert_true(ring_put(ring, &(int){1}));
	assert_false(ring_put(ring, &(int){2}));
	ring_free(&ring);
}

static void many_wakes_are_one(void **state)
{
	(void)state;
	struct ring *ring = ring_new(4, sizeof(int));
	assert_false(fd_is_readable(ring));
	ring_drain_fd(ring);
	ring_wake(ring);
	ring_wake(ring);
	assert_true(fd_is_readable(ring));
	ring_drain_fd(ring);
	assert_false(fd_is_readable(ring));
	ring_free(&ring);
}

enum { ITEMS = 200000, SLOTS = 64 };

/* A producer that finds the ring full waits for room as the consumer waits for items. */
struct pair {
	struct ring *items;
	struct ring *room; /* the way back: one word whenever something was taken */
};

static void wait_for(struct ring *ring)
{
	struct pollfd wanted = {.fd = ring_fd(ring), .events = POLLIN};
	poll(&wanted, 1, -1);
	ring_drain_fd(ring);
}

static void *produce(void *context)
{
	const struct pair *pair = context;
	for (uint64_t i = 0; i < ITEMS; i++) {
		struct item item = {.number = i, .check = ~i};
		while (!ring_put(pair->items, &item)) {
			ring_wake(pair->items);
			wait_for(pair->room);
		}
		if (i % 16 == 0)
			ring_wake(pair->items);
	}
	ring_wake(pair->items);
	return NULL;
}

static void two_threads_lose_and_reorder_nothing(void **state)
{
	(void)state;
	struct pair pair = {ring_new(SLOTS, sizeof(struct item)), ring_new(1, 1)};
	pthread_t producer;
	assert_int_equal(pthread_create(&producer, NULL, produce, &pair), 0);
	uint64_t expected = 0, wrong = 0;
	while (expected < ITEMS) {
		wait_for(pair.items);
		for (struct item item; ring_take(pair.items, &item); expected++)
			wrong += item.number != expected || item.check != ~expected;
		ring_wake(pair.room);
	}
	pthread_join(producer, NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(ring_free_slots(pair.items), SLOTS);
	ring_free(&pair.items);
	ring_free(&pair.room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_up_and_refuses_when_full),
		cmocka_unit_test(keeps_the_order_around_the_end),
		cmocka_unit_test(one_slot_is_a_ring_too),
		cmocka_unit_test(many_wakes_are_one),
		cmocka_unit_test(two_threads_lose_and_reorder_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
