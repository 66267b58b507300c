#include "shared/amqp_lanes.h"

#include <stdlib.h>
#include <uthash.h>

#include "shared/amqp_topology.h"
#include "shared/memory.h"

#define CODE_NOT_FOUND       404
#define CODE_OTHER_ARGUMENTS 406

struct lane {
	int32_t lane_id;
	bool as_it_is;
	char *queue;
	UT_hash_handle hh; /* also keeps the order of watching */
};

struct amqp_lanes {
	struct lane *table;
	/* Circular: asked, not answered. A lane is never forgotten, so the pointers stay good. */
	struct lane **asked;
	size_t head, count, capacity;
};

struct amqp_lanes *amqp_lanes_new(void)
{
	return memory_new(sizeof(struct amqp_lanes));
}

void amqp_lanes_free(struct amqp_lanes **lanes)
{
	struct lane *lane, *next;

	if (!*lanes)
		return;
	HASH_ITER(hh, (*lanes)->table, lane, next) {
		HASH_DEL((*lanes)->table, lane);
		free(lane->queue);
		free(lane);
	}
	free((*lanes)->asked);
	free(*lanes);
	*lanes = NULL;
}

static struct lane *find(struct amqp_lanes *lanes, int32_t lane_id)
{
	struct lane *lane;

	HASH_FIND_INT(lanes->table, &lane_id, lane);
	return lane;
}

void amqp_lanes_watch(struct amqp_lanes *lanes, int32_t lane_id, char *queue)
{
	struct lane *lane = find(lanes, lane_id);

	if (!lane) {
		lane = memory_new(sizeof(*lane));
		lane->lane_id = lane_id;
		HASH_ADD_INT(lanes->table, lane_id, lane);
	}
	free(lane->queue);
	lane->queue = queue;
	lane->as_it_is = false;
}

const char *amqp_lanes_queue(struct amqp_lanes *lanes, int32_t lane_id)
{
	struct lane *lane = find(lanes, lane_id);

	return lane ? lane->queue : NULL;
}

static void grow(struct amqp_lanes *lanes)
{
	size_t capacity = 2 * lanes->capacity + 16;
	struct lane **asked = memory_new_array(capacity, sizeof(struct lane *));

	for (size_t i = 0; i < lanes->count; i++)
		asked[i] = lanes->asked[(lanes->head + i) % lanes->capacity];
	free(lanes->asked);
	lanes->asked = asked;
	lanes->capacity = capacity;
	lanes->head = 0;
}

static bool declare(struct amqp_lanes *lanes, struct amqp_session *session, struct lane *lane, struct error *err)
{
	if (lanes->count == lanes->capacity)
		grow(lanes);
	lanes->asked[(lanes->head + lanes->count++) % lanes->capacity] = lane;
	return amqp_topology_send_lane(session, lane->queue, lane->as_it_is, err);
}

bool amqp_lanes_declare(struct amqp_lanes *lanes, struct amqp_session *session, int32_t lane_id, struct error *err)
{
	return declare(lanes, session, find(lanes, lane_id), err);
}

bool amqp_lanes_declare_all(struct amqp_lanes *lanes, struct amqp_session *session, struct error *err)
{
	if (lanes->count > 0)
		return true;
	for (struct lane *lane = lanes->table; lane; lane = lane->hh.next) {
		if (!declare(lanes, session, lane, err))
			return false;
	}
	return true;
}

size_t amqp_lanes_outstanding(const struct amqp_lanes *lanes)
{
	return lanes->count;
}

int32_t amqp_lanes_answered(struct amqp_lanes *lanes)
{
	if (lanes->count == 0)
		return 0;
	struct lane *lane = lanes->asked[lanes->head];
	lanes->head = (lanes->head + 1) % lanes->capacity;
	lanes->count--;
	return lane->lane_id;
}

void amqp_lanes_lost(struct amqp_lanes *lanes, int close_code)
{
	if (lanes->count > 0 && (close_code == CODE_OTHER_ARGUMENTS || close_code == CODE_NOT_FOUND))
		lanes->asked[lanes->head]->as_it_is = close_code == CODE_OTHER_ARGUMENTS;
	lanes->head = lanes->count = 0;
}
