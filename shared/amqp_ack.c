#include "shared/amqp_ack.h"

#include <stdlib.h>

#include "shared/memory.h"

#define BATCH_SHARE    10
#define CROWD_SHARE    2
#define FIRST_CAPACITY 1024 /* a power of two, as the positions are masked */

enum tag_state { TAG_UNSETTLED, TAG_SETTLED, TAG_ACKNOWLEDGED };

/* Ordered by the time of settling. Those acknowledged in the meantime stay until they reach the head. */
struct waiting {
	uint64_t tag;
	int64_t settled_at_ms;
};

struct amqp_ack {
	uint8_t *states; /* circular, by tag */
	uint64_t state_mask;
	uint64_t low;     /* everything below is acknowledged */
	uint64_t next;    /* the tag of the next delivery */
	size_t unsettled; /* delivered, not settled */
	size_t due;       /* settled, not acknowledged */
	size_t gathered;  /* settled since the last multiple */
	size_t batch;     /* so many are acknowledged at once */
	size_t crowd;     /* so many do not wait behind an unsettled one */
	int64_t gathered_since_ms;

	struct waiting *queue; /* circular */
	uint64_t queue_mask;
	uint64_t queue_head, queue_tail;
};

struct amqp_ack *amqp_ack_new(void)
{
	struct amqp_ack *acks = memory_new(sizeof(*acks));

	acks->states = memory_new_array(FIRST_CAPACITY, sizeof(*acks->states));
	acks->queue = memory_new_array(FIRST_CAPACITY, sizeof(*acks->queue));
	acks->state_mask = acks->queue_mask = FIRST_CAPACITY - 1;
	amqp_ack_set_prefetch(acks, 1);
	amqp_ack_reset(acks);
	return acks;
}

void amqp_ack_free(struct amqp_ack **acks)
{
	if (!*acks)
		return;
	free((*acks)->states);
	free((*acks)->queue);
	free(*acks);
	*acks = NULL;
}

void amqp_ack_reset(struct amqp_ack *acks)
{
	acks->low = acks->next = 1;
	acks->unsettled = acks->due = acks->gathered = 0;
	acks->queue_head = acks->queue_tail = 0;
}

void amqp_ack_set_prefetch(struct amqp_ack *acks, size_t prefetch)
{
	acks->batch = prefetch / BATCH_SHARE + 1;
	acks->crowd = prefetch / CROWD_SHARE + 1;
}

static uint8_t *state_of(struct amqp_ack *acks, uint64_t tag)
{
	return &acks->states[tag & acks->state_mask];
}

static void grow_states(struct amqp_ack *acks)
{
	uint64_t mask = 2 * acks->state_mask + 1;
	uint8_t *states = memory_new_array(mask + 1, sizeof(*states));

	for (uint64_t tag = acks->low; tag < acks->next; tag++)
		states[tag & mask] = *state_of(acks, tag);
	free(acks->states);
	acks->states = states;
	acks->state_mask = mask;
}

static void grow_queue(struct amqp_ack *acks)
{
	uint64_t mask = 2 * acks->queue_mask + 1;
	struct waiting *queue = memory_new_array(mask + 1, sizeof(*queue));

	for (uint64_t at = acks->queue_head; at < acks->queue_tail; at++)
		queue[at & mask] = acks->queue[at & acks->queue_mask];
	free(acks->queue);
	acks->queue = queue;
	acks->queue_mask = mask;
}

bool amqp_ack_delivered(struct amqp_ack *acks, uint64_t tag)
{
	if (tag != acks->next)
		return false;
	if (acks->next - acks->low > acks->state_mask)
		grow_states(acks);
	*state_of(acks, tag) = TAG_UNSETTLED;
	acks->next++;
	acks->unsettled++;
	return true;
}

bool amqp_ack_settle(struct amqp_ack *acks, uint64_t tag, int64_t now_ms)
{
	if (tag < acks->low || tag >= acks->next || *state_of(acks, tag) != TAG_UNSETTLED)
		return false;
	*state_of(acks, tag) = TAG_SETTLED;
	if (acks->queue_tail - acks->queue_head > acks->queue_mask)
		grow_queue(acks);
	acks->queue[acks->queue_tail++ & acks->queue_mask] = (struct waiting){tag, now_ms};
	if (acks->gathered++ == 0)
		acks->gathered_since_ms = now_ms;
	acks->unsettled--;
	acks->due++;
	return true;
}

static bool is_settled(struct amqp_ack *acks, uint64_t tag)
{
	return tag >= acks->low && *state_of(acks, tag) == TAG_SETTLED;
}

/* Moves the mark to the first unsettled tag; the order names the last one below it that is not acknowledged yet. */
static bool next_multiple(struct amqp_ack *acks, struct amqp_ack_order *order)
{
	uint64_t last = 0;

	acks->gathered = 0;
	for (; acks->low < acks->next && *state_of(acks, acks->low) != TAG_UNSETTLED; acks->low++) {
		if (*state_of(acks, acks->low) != TAG_SETTLED)
			continue;
		last = acks->low;
		acks->due--;
	}
	*order = (struct amqp_ack_order){last, true};
	return last != 0;
}

static bool next_single(struct amqp_ack *acks, int64_t now_ms, bool everything, struct amqp_ack_order *order)
{
	for (; acks->queue_head < acks->queue_tail; acks->queue_head++) {
		const struct waiting *oldest = &acks->queue[acks->queue_head & acks->queue_mask];
		if (!is_settled(acks, oldest->tag))
			continue;
		if (!everything && acks->due < acks->crowd && now_ms - oldest->settled_at_ms <= AMQP_ACK_PATIENCE_MS)
			return false;
		*state_of(acks, oldest->tag) = TAG_ACKNOWLEDGED;
		acks->due--;
		*order = (struct amqp_ack_order){oldest->tag, false};
		return true;
	}
	return false;
}

static bool gathering_is_over(const struct amqp_ack *acks, int64_t now_ms)
{
	return acks->gathered >= acks->batch ||
	       (acks->gathered > 0 && now_ms - acks->gathered_since_ms >= AMQP_ACK_GATHER_MS);
}

bool amqp_ack_next(struct amqp_ack *acks, int64_t now_ms, bool everything, struct amqp_ack_order *order)
{
	if (acks->due == 0) {
		acks->queue_head = acks->queue_tail = 0;
		return false;
	}
	if ((everything || gathering_is_over(acks, now_ms)) && next_multiple(acks, order))
		return true;
	return next_single(acks, now_ms, everything, order);
}

int64_t amqp_ack_wait_ms(const struct amqp_ack *acks, int64_t now_ms)
{
	int64_t due_at_ms;

	if (acks->due == 0)
		return -1;
	if (acks->gathered >= acks->batch || acks->due >= acks->crowd)
		return 0;
	if (acks->gathered > 0)
		due_at_ms = acks->gathered_since_ms + AMQP_ACK_GATHER_MS;
	else
		due_at_ms = acks->queue[acks->queue_head & acks->queue_mask].settled_at_ms + AMQP_ACK_PATIENCE_MS + 1;
	return due_at_ms > now_ms ? due_at_ms - now_ms : 0;
}

size_t amqp_ack_unsettled(const struct amqp_ack *acks)
{
	return acks->unsettled;
}
