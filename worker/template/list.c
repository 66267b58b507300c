#include <string.h>

#include "worker/template/run.h"

/* Grows in the arena; a list that turns out longer is copied. */
struct builder {
	struct run *run;
	struct value *items;
	size_t count, room;
};

static bool add(struct builder *builder, const struct value *value)
{
	if (builder->count == builder->room) {
		size_t room = builder->room == 0 ? 16 : 2 * builder->room;
		struct value *items = run_memory(builder->run, room * sizeof(*items));

		if (items == NULL || !run_charge(builder->run, builder->count * sizeof(*items)))
			return false;
		if (builder->count > 0)
			memcpy(items, builder->items, builder->count * sizeof(*items));
		builder->items = items;
		builder->room = room;
	}
	builder->items[builder->count++] = *value;
	return run_charge(builder->run, 64);
}

static void finish(const struct builder *builder, struct value *list)
{
	*list = value_array(builder->items, builder->count);
}

static bool add_json(struct builder *builder, const struct value *array)
{
	struct piece piece = value_piece(array), key, found;
	struct piece_walk walk = piece_walk(&piece);
	struct value value;

	if (!run_charge(builder->run, array->length))
		return false;
	while (piece_walk_next(&walk, &key, &found))
		if (!run_value(builder->run, &found, &value) || !add(builder, &value))
			return false;
	return true;
}

static bool add_pairs(struct builder *builder, const struct value *object)
{
	struct piece piece = value_piece(object), key, found;
	struct piece_walk walk = piece_walk(&piece);

	if (!run_charge(builder->run, object->length))
		return false;
	while (piece_walk_next(&walk, &key, &found)) {
		struct value *pair = run_memory(builder->run, 2 * sizeof(*pair)), value;

		if (pair == NULL || !run_value(builder->run, &key, &pair[0]) ||
		    !run_value(builder->run, &found, &pair[1]))
			return false;
		value = value_array(pair, 2);
		if (!add(builder, &value))
			return false;
	}
	return true;
}

/* Spread out: the arena's ceiling is what bounds (1..1000000000). */
static bool add_range(struct builder *builder, const struct value_range *range)
{
	for (int64_t i = range->first; i <= range->last; i++) {
		struct value value = value_integer(i);

		if (!add(builder, &value))
			return false;
		if (i == INT64_MAX)
			break;
	}
	return true;
}

bool run_elements(struct run *run, const struct value *value, struct value *list)
{
	struct builder builder = {.run = run};
	bool added = true;

	switch (value->kind) {
	case VALUE_ARRAY:
		*list = *value;
		return true;
	case VALUE_JSON_ARRAY:
		added = add_json(&builder, value);
		break;
	case VALUE_JSON_OBJECT:
		added = add_pairs(&builder, value);
		break;
	case VALUE_RANGE:
		added = add_range(&builder, value->range);
		break;
	case VALUE_STRING:
		added = value->length == 0 || add(&builder, value);
		break;
	default:
		break;
	}
	finish(&builder, list);
	return added;
}

static bool add_flat(struct builder *builder, const struct value *value, int depth)
{
	struct value list;

	if (!value_is_array(value))
		return add(builder, value);
	if (depth > 140)
		return run_limit(builder->run, "The list is nested too deep.");
	if (!run_elements(builder->run, value, &list) || !run_charge(builder->run, 64))
		return false;
	for (uint32_t i = 0; i < list.length; i++)
		if (!add_flat(builder, &list.items[i], depth + 1))
			return false;
	return true;
}

static bool is_flat(const struct value *list)
{
	for (uint32_t i = 0; i < list->length; i++)
		if (value_is_array(&list->items[i]))
			return false;
	return true;
}

bool run_list(struct run *run, const struct value *value, struct value *list)
{
	struct builder builder = {.run = run};
	bool added;

	if (value->kind == VALUE_ARRAY && is_flat(value)) {
		*list = *value;
		return run_charge(run, value->length * sizeof(*value));
	}
	if (value->kind == VALUE_RANGE)
		return run_elements(run, value, list);
	if (value->kind == VALUE_NIL)
		added = true;
	else
		added = add_flat(&builder, value, 0);
	finish(&builder, list);
	return added;
}
