#include "shared/amqp_window.h"

#include <stdlib.h>

#include "shared/memory.h"

enum slot_state { SLOT_FREE, SLOT_OPEN, SLOT_RETURNED };

struct slot {
	int64_t added_at_ms;
	int64_t delivery_id;
	int32_t epoch;
	int32_t lane_id;
	enum slot_state state;
};

struct amqp_window {
	struct slot *slots;
	uint64_t mask;
	uint64_t oldest;      /* no open number is below it */
	uint64_t next;        /* the number of the next publish */
	uint64_t return_hint; /* returns come in the order of publishing */
	size_t open;
	amqp_window_settled *settled;
	void *context;
};

struct amqp_window *amqp_window_new(size_t slots, amqp_window_settled *settled, void *context)
{
	struct amqp_window *window = memory_new(sizeof(*window));
	size_t size = 1;

	while (size < slots)
		size *= 2;
	window->slots = memory_new_array(size, sizeof(*window->slots));
	window->mask = size - 1;
	window->oldest = window->next = window->return_hint = 1;
	window->settled = settled;
	window->context = context;
	return window;
}

void amqp_window_free(struct amqp_window **window)
{
	if (!*window)
		return;
	free((*window)->slots);
	free(*window);
	*window = NULL;
}

static struct slot *slot_of(struct amqp_window *window, uint64_t tag)
{
	return &window->slots[tag & window->mask];
}

bool amqp_window_is_full(const struct amqp_window *window)
{
	return window->next - window->oldest > window->mask;
}

size_t amqp_window_open_count(const struct amqp_window *window)
{
	return window->open;
}

void amqp_window_add(struct amqp_window *window, int64_t delivery_id, int32_t epoch, int32_t lane_id, int64_t now_ms)
{
	*slot_of(window, window->next++) = (struct slot){now_ms, delivery_id, epoch, lane_id, SLOT_OPEN};
	window->open++;
}

static bool mark_between(struct amqp_window *window, uint64_t first, uint64_t end, int64_t delivery_id, int32_t epoch)
{
	for (uint64_t tag = first; tag < end; tag++) {
		struct slot *slot = slot_of(window, tag);
		if (slot->state != SLOT_OPEN || slot->delivery_id != delivery_id || slot->epoch != epoch)
			continue;
		slot->state = SLOT_RETURNED;
		window->return_hint = tag + 1;
		return true;
	}
	return false;
}

bool amqp_window_mark_returned(struct amqp_window *window, int64_t delivery_id, int32_t epoch)
{
	uint64_t hint = window->return_hint > window->oldest ? window->return_hint : window->oldest;

	return mark_between(window, hint, window->next, delivery_id, epoch) ||
	       mark_between(window, window->oldest, hint, delivery_id, epoch);
}

static void settle_slot(struct amqp_window *window, struct slot *slot, enum amqp_verdict verdict)
{
	if (slot->state == SLOT_FREE)
		return;
	struct amqp_receipt receipt = {
		.delivery_id = slot->delivery_id,
		.epoch = slot->epoch,
		.lane_id = slot->lane_id,
		.verdict = slot->state == SLOT_RETURNED ? AMQP_RETURNED : verdict,
	};
	slot->state = SLOT_FREE;
	window->open--;
	window->settled(window->context, &receipt);
}

void amqp_window_settle(struct amqp_window *window, uint64_t tag, bool multiple, enum amqp_verdict verdict)
{
	/* Tag 0 with multiple means everything so far. */
	uint64_t last = multiple && (tag == 0 || tag >= window->next) ? window->next - 1 : tag;

	if (last >= window->next || last < window->oldest)
		return;
	for (uint64_t each = multiple ? window->oldest : last; each <= last; each++)
		settle_slot(window, slot_of(window, each), verdict);
	while (window->oldest < window->next && slot_of(window, window->oldest)->state == SLOT_FREE)
		window->oldest++;
}

void amqp_window_expire(struct amqp_window *window, int64_t added_before_ms)
{
	for (; window->oldest < window->next; window->oldest++) {
		struct slot *slot = slot_of(window, window->oldest);
		if (slot->state != SLOT_FREE && slot->added_at_ms >= added_before_ms)
			return;
		settle_slot(window, slot, AMQP_LOST);
	}
}

void amqp_window_lose(struct amqp_window *window)
{
	for (; window->oldest < window->next; window->oldest++)
		settle_slot(window, slot_of(window, window->oldest), AMQP_LOST);
	window->oldest = window->next = window->return_hint = 1;
}
