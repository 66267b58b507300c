#include <string.h>

#include "worker/template/filter.h"
#include "worker/template/number.h"
#include "worker/template/property.h"

static bool list_of(const struct filter_call *call, struct value *list)
{
	return run_list(call->run, &call->arguments[0], list);
}

/* A list that a filter fills itself. */
static struct value *new_list(const struct filter_call *call, size_t count)
{
	if (!run_charge(call->run, count * 64))
		return NULL;
	return run_memory(call->run, count * sizeof(struct value));
}

static bool has_property(const struct filter_call *call)
{
	return call->count > 0 && call->arguments[1].kind != VALUE_NIL;
}

/* The property that the filter was told of. *none: an element has no properties. */
static bool property(const struct filter_call *call, const struct value *element, struct value *value, bool *none)
{
	enum property_answer answer;

	if (!property_of(call->run, element, &call->arguments[1], &answer, value))
		return false;
	*none = answer == PROPERTY_NONE;
	return answer != PROPERTY_REFUSED || property_fault(call);
}

static bool join(const struct filter_call *call, struct value *result)
{
	struct value list, glue = value_string(" ", 1), *texts;
	size_t length = 0;
	char *bytes, *to;

	if (!list_of(call, &list) || (call->count > 0 && !run_string(call->run, &call->arguments[1], &glue)) ||
	    (texts = new_list(call, list.length)) == NULL)
		return false;
	for (uint32_t i = 0; i < list.length; i++) {
		if (!run_string(call->run, &list.items[i], &texts[i]))
			return false;
		length += texts[i].length + (i > 0 ? glue.length : 0);
	}
	if (length > UINT32_MAX)
		return run_out_of_memory(call->run);
	if ((bytes = to = run_memory(call->run, length)) == NULL || !run_charge(call->run, length))
		return false;
	for (uint32_t i = 0; i < list.length; i++) {
		if (i > 0) {
			memcpy(to, glue.bytes, glue.length);
			to += glue.length;
		}
		memcpy(to, texts[i].bytes, texts[i].length);
		to += texts[i].length;
	}
	*result = value_string(bytes, length);
	return true;
}

/* -- sort -- */

struct sort_item {
	struct value key, value;
};

typedef bool (*sort_order)(struct run *run, const struct value *left, const struct value *right, int *order);

static unsigned char lower(char byte)
{
	return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
}

static bool natural_order(struct run *run, const struct value *left, const struct value *right, int *order)
{
	struct value a, b;

	*order = (left->kind == VALUE_NIL) - (right->kind == VALUE_NIL);
	if (left->kind == VALUE_NIL || right->kind == VALUE_NIL)
		return true;
	if (!run_string(run, left, &a) || !run_string(run, right, &b) || !run_charge(run, 64 + (size_t)a.length))
		return false;
	for (uint32_t i = 0; *order == 0 && i < a.length && i < b.length; i++)
		*order = lower(a.bytes[i]) - lower(b.bytes[i]);
	if (*order == 0)
		*order = (a.length > b.length) - (a.length < b.length);
	return true;
}

static bool merge(struct run *run, const struct sort_item *from, struct sort_item *to, size_t start, size_t middle,
		  size_t end, sort_order order_of)
{
	size_t left = start, right = middle;

	for (size_t at = start; at < end; at++) {
		int order = 0;

		if (left < middle && right < end && !order_of(run, &from[left].key, &from[right].key, &order))
			return false;
		to[at] = left < middle && (right >= end || order <= 0) ? from[left++] : from[right++];
	}
	return true;
}

/* Merges runs that double: no recursion, and equal ones keep their order. */
static bool merge_sort(struct run *run, struct sort_item **items, struct sort_item *scratch, size_t count,
		       sort_order order_of)
{
	for (size_t width = 1; width < count; width *= 2) {
		struct sort_item *swap = *items;

		for (size_t start = 0; start < count; start += 2 * width) {
			size_t middle = start + width < count ? start + width : count;
			size_t end = start + 2 * width < count ? start + 2 * width : count;

			if (!merge(run, *items, scratch, start, middle, end, order_of))
				return false;
		}
		*items = scratch;
		scratch = swap;
	}
	return true;
}

/* *none: an element has no properties, and the list cannot be sorted by one. */
static bool fill_keys(const struct filter_call *call, const struct value *list, struct sort_item *items, bool *none)
{
	*none = false;
	for (uint32_t i = 0; i < list->length && !*none; i++) {
		items[i].value = items[i].key = list->items[i];
		if (has_property(call) && !property(call, &list->items[i], &items[i].key, none))
			return false;
	}
	return true;
}

static bool sort_by(const struct filter_call *call, sort_order order_of, struct value *result)
{
	struct value list, *sorted;
	struct sort_item *items, *scratch;
	bool none;

	if (!list_of(call, &list) || (items = run_memory(call->run, list.length * sizeof(*items))) == NULL ||
	    (scratch = run_memory(call->run, list.length * sizeof(*items))) == NULL ||
	    !fill_keys(call, &list, items, &none))
		return false;
	*result = value_nil();
	if (none)
		return true;
	if (!merge_sort(call->run, &items, scratch, list.length, order_of) ||
	    (sorted = new_list(call, list.length)) == NULL)
		return false;
	for (uint32_t i = 0; i < list.length; i++)
		sorted[i] = items[i].value;
	*result = value_array(sorted, list.length);
	return true;
}

static bool sort(const struct filter_call *call, struct value *result)
{
	return sort_by(call, run_order, result);
}

static bool sort_natural(const struct filter_call *call, struct value *result)
{
	return sort_by(call, natural_order, result);
}

static bool is_among(struct run *run, const struct value *keys, size_t count, const struct value *key, bool *is)
{
	*is = false;
	for (size_t i = 0; i < count && !*is; i++) {
		/* 1 and 1.0 are equal, but not the same */
		if (keys[i].kind != key->kind && (keys[i].kind == VALUE_FLOAT || key->kind == VALUE_FLOAT))
			continue;
		if (!value_equals(run, &keys[i], key, is))
			return false;
	}
	return true;
}

static bool uniq(const struct filter_call *call, struct value *result)
{
	struct value list, *kept, *keys;
	size_t count = 0;

	if (!list_of(call, &list) || (kept = new_list(call, list.length)) == NULL ||
	    (keys = new_list(call, list.length)) == NULL)
		return false;
	for (uint32_t i = 0; i < list.length; i++) {
		bool none = false, is;

		keys[count] = kept[count] = list.items[i];
		if (has_property(call) && !property(call, &list.items[i], &keys[count], &none))
			return false;
		if (none)
			return property_fault(call);
		if (!is_among(call->run, keys, count, &keys[count], &is))
			return false;
		count += !is;
	}
	*result = value_array(kept, count);
	return true;
}

static bool reverse(const struct filter_call *call, struct value *result)
{
	struct value list, *reversed;

	if (!list_of(call, &list) || (reversed = new_list(call, list.length)) == NULL)
		return false;
	for (uint32_t i = 0; i < list.length; i++)
		reversed[i] = list.items[list.length - 1 - i];
	*result = value_array(reversed, list.length);
	return true;
}

static bool map(const struct filter_call *call, struct value *result)
{
	struct value list, *mapped;

	if (!list_of(call, &list) || (mapped = new_list(call, list.length)) == NULL)
		return false;
	for (uint32_t i = 0; i < list.length; i++) {
		bool none;

		if (!property(call, &list.items[i], &mapped[i], &none))
			return false;
	}
	*result = value_array(mapped, list.length);
	return true;
}

static bool compact(const struct filter_call *call, struct value *result)
{
	struct value list, *kept;
	size_t count = 0;

	if (!list_of(call, &list) || (kept = new_list(call, list.length)) == NULL)
		return false;
	for (uint32_t i = 0; i < list.length; i++) {
		struct value key = list.items[i];
		bool none = false;

		if (has_property(call) && !property(call, &list.items[i], &key, &none))
			return false;
		if (none)
			return property_fault(call);
		if (key.kind != VALUE_NIL)
			kept[count++] = list.items[i];
	}
	*result = value_array(kept, count);
	return true;
}

static bool concat(const struct filter_call *call, struct value *result)
{
	struct value list, other, *joined;

	if (!value_is_array(&call->arguments[1]))
		return run_fault(call->run, "concat joins two lists, and what stands behind the colon is none.");
	if (!list_of(call, &list) || !run_elements(call->run, &call->arguments[1], &other) ||
	    (joined = new_list(call, (size_t)list.length + other.length)) == NULL)
		return false;
	if (list.length > 0)
		memcpy(joined, list.items, list.length * sizeof(*joined));
	if (other.length > 0)
		memcpy(joined + list.length, other.items, other.length * sizeof(*joined));
	*result = value_array(joined, (size_t)list.length + other.length);
	return true;
}

/* The first or last element, as .first and .last find it; but not an object's key of that name. */
static bool end_of(const struct filter_call *call, const char *end, struct value *result)
{
	const struct value *input = &call->arguments[0];
	struct value name = value_string(end, *end == 'f' ? 5 : 4), list;

	*result = value_nil();
	if (input->kind == VALUE_LOOP || input->kind == VALUE_TABLE_LOOP || input->kind == VALUE_STRING)
		return true;
	if (input->kind != VALUE_JSON_OBJECT)
		return run_member(call->run, input, &name, true, result);
	if (*end == 'l')
		return true;
	if (!run_elements(call->run, input, &list))
		return false;
	if (list.length > 0)
		*result = list.items[0];
	return true;
}

static bool first(const struct filter_call *call, struct value *result)
{
	return end_of(call, "first", result);
}

static bool last(const struct filter_call *call, struct value *result)
{
	return end_of(call, "last", result);
}

static bool sum(const struct filter_call *call, struct value *result)
{
	struct value list, number, total = value_integer(0);

	if (!list_of(call, &list))
		return false;
	for (uint32_t i = 0; i < list.length; i++) {
		struct value value = list.items[i];
		bool none = false;

		if (has_property(call) && !property(call, &list.items[i], &value, &none))
			return false;
		if (none)
			value = value_integer(0);
		if (!number_of(&value, &number) || number_calculate('+', &total, &number, &total) != NUMBER_FINE)
			return run_fault(call->run, "The sum is beyond 64 bits: use smaller numbers.");
	}
	*result = total;
	return run_charge(call->run, list.length * (size_t)64);
}

const struct filter list_filters[] = {
	{"join", join, 0, 1, "| join: \", \"", NULL, false, false, false},
	{"sort", sort, 0, 1, "| sort: \"price\"", NULL, false, false, false},
	{"sort_natural", sort_natural, 0, 1, "| sort_natural: \"name\"", NULL, false, false, false},
	{"uniq", uniq, 0, 1, "| uniq: \"name\"", NULL, false, false, false},
	{"reverse", reverse, 0, 0, "| reverse", NULL, false, false, false},
	{"map", map, 1, 1, "| map: \"name\"", NULL, false, false, false},
	{"compact", compact, 0, 1, "| compact", NULL, false, false, false},
	{"concat", concat, 1, 1, "| concat: more", NULL, false, false, false},
	{"first", first, 0, 0, "| first", NULL, false, false, false},
	{"last", last, 0, 0, "| last", NULL, false, false, false},
	{"sum", sum, 0, 1, "| sum: \"price\"", NULL, false, false, false},
	{.name = NULL},
};
