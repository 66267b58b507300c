#include "worker/callbacks/event_list.h"

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/callbacks/meters.h"

#define BYTES_MAX ((size_t)1024 * 1024 * 1024) /* bounded by the requests in hand long before */

/* The texts of an event, in the order of the columns, and how much of each is kept. */
enum { PART_MESSAGE_ID, PART_KEY, PART_ADDRESS, PART_CODE, PART_WORDS, PART_LINK, PART_ANSWER, PARTS };
static const size_t part_bytes_max[PARTS] = {
	[PART_MESSAGE_ID] = 300, [PART_KEY] = 300,   [PART_ADDRESS] = 2000, [PART_CODE] = 100,
	[PART_WORDS] = 500,      [PART_LINK] = 2000, [PART_ANSWER] = 2000,
};

struct listed_event {
	int64_t owner, delivery_id, at_ms;
	enum provider_event_kind kind;
	bool is_machine;
	size_t offsets[PARTS], lengths[PARTS];
};

void event_list_init(struct event_list *list)
{
	*list = (struct event_list){0};
	text_init(&list->bytes, BYTES_MAX);
}

void event_list_release(struct event_list *list)
{
	free(list->items);
	text_release(&list->bytes);
	*list = (struct event_list){0};
}

void event_list_clear(struct event_list *list)
{
	list->count = 0;
	text_clear(&list->bytes);
}

/* Not in the middle of a character. */
static size_t cut(struct slice text, size_t bytes_max)
{
	size_t length = text.length < bytes_max ? text.length : bytes_max;

	while (length > 0 && length < text.length && ((unsigned char)text.bytes[length] & 0xc0) == 0x80)
		length--;
	return length;
}

void event_list_add(void *context, const struct provider_event *event)
{
	struct event_list *list = context;
	const struct slice parts[PARTS] = {
		[PART_MESSAGE_ID] = event->provider_message_id,
		[PART_KEY] = event->event_key,
		[PART_ADDRESS] = event->address,
		[PART_CODE] = event->code,
		[PART_WORDS] = event->words,
		[PART_LINK] = event->link,
		[PART_ANSWER] = event->text,
	};
	struct listed_event *item;

	if (list->count == list->capacity) {
		list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
		list->items = memory_grow(list->items, list->capacity, sizeof(*list->items));
	}
	item = &list->items[list->count++];
	*item = (struct listed_event){.owner = list->owner,
				      .delivery_id = event->delivery_id,
				      .at_ms = event->at_ms,
				      .kind = event->kind,
				      .is_machine = event->is_machine};
	for (int part = 0; part < PARTS; part++) {
		item->offsets[part] = list->bytes.length;
		item->lengths[part] = cut(parts[part], part_bytes_max[part]);
		text_add_bytes(&list->bytes, parts[part].bytes, item->lengths[part]);
	}
}

size_t event_list_mark(const struct event_list *list)
{
	return list->count;
}

void event_list_rewind(struct event_list *list, size_t mark)
{
	list->count = mark;
}

void event_list_count(const struct event_list *list, size_t mark, struct metrics *metrics, size_t meter)
{
	for (size_t i = mark; i < list->count; i++)
		metrics_add(metrics, meter, list->items[i].kind, 1);
}

/* One array parameter: `statement` sees each event as `e`. */
#define ADD_ARRAY(statement)                                                                                           \
	do {                                                                                                           \
		pg_values_start_array(values);                                                                         \
		for (const struct listed_event *e = from; e < to; e++)                                                 \
			statement;                                                                                     \
		pg_values_end_array(values);                                                                           \
	} while (0)

static void add_part(struct pg_values *values, const struct event_list *list, const struct listed_event *event,
		     int part)
{
	size_t length = event->lengths[part];

	pg_values_item_text(values, length > 0 ? list->bytes.bytes + event->offsets[part] : NULL, length);
}

void event_list_values(const struct event_list *list, struct pg_values *values, int64_t first, int64_t last,
		       int64_t base)
{
	const struct listed_event *from = list->items, *end = list->items + list->count, *to;

	while (from < end && from->owner < first)
		from++;
	for (to = from; to < end && to->owner <= last; to++)
		;
	ADD_ARRAY(pg_values_item_int64(values, e->owner - base));
	ADD_ARRAY(pg_values_item_text(values, callback_kind_names[e->kind], strlen(callback_kind_names[e->kind])));
	ADD_ARRAY(pg_values_item_int64(values, e->at_ms));
	ADD_ARRAY(pg_values_item_bool(values, e->is_machine));
	ADD_ARRAY(pg_values_item_int64(values, e->delivery_id));
	for (int part = 0; part < PARTS; part++)
		ADD_ARRAY(add_part(values, list, e, part));
}
