/* event_list - events that a driver has handed over, copied, in the order in which they came.
 *
 *     size_t mark = event_list_mark(&list);
 *     if (!callbacks->parse(provider, &callback, event_list_add, &adder, &err))
 *             event_list_rewind(&list, mark);        none of a callback that makes no sense
 *
 * Words are cut to what the database is to hold of them.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_EVENT_LIST_H
#define POSTRIDER_WORKER_CALLBACKS_EVENT_LIST_H

#include "shared/metrics.h"
#include "shared/pg_values.h"
#include "worker/providers/provider.h"

struct listed_event;

struct event_list {
	struct listed_event *items;
	size_t count, capacity;
	struct text bytes;
	int64_t owner; /* of the events that are added now: the place or the number of their callback */
};

void event_list_init(struct event_list *list);
void event_list_release(struct event_list *list);
void event_list_clear(struct event_list *list); /* keeps the memory */

/* An add() for provider_callbacks.parse; context is the list. */
void event_list_add(void *context, const struct provider_event *event);
size_t event_list_mark(const struct event_list *list);
void event_list_rewind(struct event_list *list, size_t mark);
/* Counts the events behind the mark in a meter that is labelled with callback_kind_names. */
void event_list_count(const struct event_list *list, size_t mark, struct metrics *metrics, size_t meter);

/* Twelve array parameters, as delivery.put_events takes them, of the events whose owner lies in [first, last]; the first
 * array tells owner - base. */
void event_list_values(const struct event_list *list, struct pg_values *values, int64_t first, int64_t last,
		       int64_t base);

#endif
