#include <string.h>

#include "worker/template/number.h"
#include "worker/template/run.h"

static bool is_number(const struct value *value)
{
	return value->kind == VALUE_INTEGER || value->kind == VALUE_FLOAT || value->kind == VALUE_BIG;
}

static int compare_bytes(const struct value *left, const struct value *right)
{
	size_t shorter = left->length < right->length ? left->length : right->length;
	int order = shorter > 0 ? memcmp(left->bytes, right->bytes, shorter) : 0;

	return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
}

static bool all_blanks(const struct value *string)
{
	for (uint32_t i = 0; i < string->length; i++)
		if (string->bytes[i] != ' ' && (string->bytes[i] < '\t' || string->bytes[i] > '\r'))
			return false;
	return true;
}

/* Whether the value is empty, or blank. */
static bool is_nothing(const struct value *value, bool is_blank)
{
	struct piece piece;

	switch (value->kind) {
	case VALUE_NIL:
		return is_blank;
	case VALUE_BOOLEAN:
		return is_blank && !value->boolean;
	case VALUE_STRING:
		return is_blank ? all_blanks(value) : value->length == 0;
	case VALUE_ARRAY:
		return value->length == 0;
	case VALUE_JSON_ARRAY:
	case VALUE_JSON_OBJECT:
		piece = value_piece(value);
		for (size_t i = 1; i + 1 < piece.length; i++)
			if (strchr(" \t\r\n", piece.bytes[i]) == NULL)
				return false;
		return true;
	default:
		return false;
	}
}

/* Two that are no containers. */
static bool scalars_equal(const struct value *left, const struct value *right)
{
	if (is_number(left) && is_number(right))
		return left->kind == VALUE_BIG && right->kind == VALUE_BIG ? compare_bytes(left, right) == 0
									   : number_compare(left, right) == 0;
	if (left->kind != right->kind)
		return false;
	switch (left->kind) {
	case VALUE_BOOLEAN:
		return left->boolean == right->boolean;
	case VALUE_STRING:
		return left->length == right->length && compare_bytes(left, right) == 0;
	case VALUE_RANGE:
		return left->range->first == right->range->first && left->range->last == right->range->last;
	case VALUE_LOOP:
	case VALUE_TABLE_LOOP:
		return left->loop == right->loop;
	default:
		return left->kind == VALUE_NIL;
	}
}

static bool equals(struct run *run, const struct value *left, const struct value *right, int depth, bool *equal);

static bool arrays_equal(struct run *run, const struct value *left, const struct value *right, int depth, bool *equal)
{
	struct value a, b;

	if (!run_elements(run, left, &a) || !run_elements(run, right, &b))
		return false;
	*equal = a.length == b.length;
	for (uint32_t i = 0; *equal && i < a.length; i++)
		if (!equals(run, &a.items[i], &b.items[i], depth + 1, equal))
			return false;
	return true;
}

/* Whatever the order of their keys. */
static bool objects_equal(struct run *run, const struct value *left, const struct value *right, int depth, bool *equal)
{
	struct piece a = value_piece(left), b = value_piece(right), key, piece, other;
	struct piece_walk walk = piece_walk(&a);
	struct value name, one, two;

	*equal = piece_count(&a) == piece_count(&b);
	while (*equal && piece_walk_next(&walk, &key, &piece)) {
		if (!run_charge(run, right->length) || !run_value(run, &key, &name))
			return false;
		other = piece_member(&b, name.bytes, name.length);
		*equal = other.kind != PIECE_MISSING;
		if (*equal && (!run_value(run, &piece, &one) || !run_value(run, &other, &two) ||
			       !equals(run, &one, &two, depth + 1, equal)))
			return false;
	}
	return run_charge(run, left->length);
}

/* Depth is bounded by the data's own. */
static bool equals(struct run *run, const struct value *left, const struct value *right, int depth, bool *equal)
{
	*equal = false;
	if (!run_charge(run, 64))
		return false;
	if (depth > 140)
		return run_limit(run, "The values are nested too deep to be compared.");
	if (left->kind == VALUE_BLANK || left->kind == VALUE_EMPTY) {
		*equal = is_nothing(right, left->kind == VALUE_BLANK);
		return true;
	}
	if (right->kind == VALUE_BLANK || right->kind == VALUE_EMPTY) {
		*equal = is_nothing(left, right->kind == VALUE_BLANK);
		return true;
	}
	if (value_is_array(left) && value_is_array(right))
		return arrays_equal(run, left, right, depth, equal);
	if (left->kind == VALUE_JSON_OBJECT && right->kind == VALUE_JSON_OBJECT)
		return objects_equal(run, left, right, depth, equal);
	*equal = scalars_equal(left, right);
	return run_charge(run, left->kind == VALUE_STRING ? left->length : 0);
}

bool value_equals(struct run *run, const struct value *left, const struct value *right, bool *equal)
{
	return equals(run, left, right, 0, equal);
}

static bool array_contains(struct run *run, const struct value *left, const struct value *right, bool *holds)
{
	struct value list;

	if (!run_elements(run, left, &list))
		return false;
	for (uint32_t i = 0; i < list.length; i++) {
		if (!value_equals(run, &list.items[i], right, holds))
			return false;
		if (*holds)
			return true;
	}
	return true;
}

static bool contains(struct run *run, const struct value *left, const struct value *right, bool *holds)
{
	struct value string;
	struct piece object, found;

	*holds = false;
	if (!value_is_truthy(left) || !value_is_truthy(right))
		return true;
	switch (left->kind) {
	case VALUE_STRING:
		if (!run_string(run, right, &string))
			return false;
		*holds = string.length == 0 || (left->length >= string.length &&
						memmem(left->bytes, left->length, string.bytes, string.length));
		return run_charge_search(run, left->length);
	case VALUE_ARRAY:
	case VALUE_JSON_ARRAY:
		return array_contains(run, left, right, holds);
	case VALUE_JSON_OBJECT:
		if (right->kind != VALUE_STRING)
			return true;
		object = value_piece(left);
		found = piece_member(&object, right->bytes, right->length);
		*holds = found.kind != PIECE_MISSING;
		return run_charge(run, left->length);
	case VALUE_RANGE:
		if (is_number(right)) {
			struct value first = value_integer(left->range->first), last = value_integer(left->range->last);

			*holds = number_compare(&first, right) <= 0 && number_compare(right, &last) <= 0;
		}
		return true;
	default:
		return true;
	}
}

static const char *kind_of(const struct value *value)
{
	return is_number(value) ? "a number" : value->kind == VALUE_STRING ? "a text" : "something else";
}

static bool in_order(enum comparison comparison, int order)
{
	switch (comparison) {
	case COMPARISON_LESS:
		return order < 0;
	case COMPARISON_LESS_OR_EQUAL:
		return order <= 0;
	case COMPARISON_GREATER:
		return order > 0;
	default:
		return order >= 0;
	}
}

bool run_compare(struct run *run, enum comparison comparison, const struct value *left, const struct value *right,
		 bool *holds)
{
	bool left_is_text = left->kind == VALUE_STRING, right_is_text = right->kind == VALUE_STRING;

	*holds = false;
	switch (comparison) {
	case COMPARISON_EQUAL:
		return value_equals(run, left, right, holds);
	case COMPARISON_NOT_EQUAL:
		if (!value_equals(run, left, right, holds))
			return false;
		*holds = !*holds;
		return true;
	case COMPARISON_CONTAINS:
		return contains(run, left, right, holds);
	default:
		break;
	}
	/* What has no order at all, nil say, is neither less nor greater. */
	if ((!is_number(left) && !left_is_text) || (!is_number(right) && !right_is_text))
		return true;
	if (left_is_text != right_is_text)
		return run_fault(run, "%s cannot be compared with %s: turn the text into a number with | plus: 0.",
				 left_is_text ? "A text" : "A number", kind_of(right));
	*holds = in_order(comparison, left_is_text ? compare_bytes(left, right) : number_compare(left, right));
	return run_charge(run, left_is_text ? left->length : 0);
}

bool run_order(struct run *run, const struct value *left, const struct value *right, int *order)
{
	bool equal;

	*order = 0;
	if (!run_charge(run, 64))
		return false;
	/* nil comes last */
	if (left->kind == VALUE_NIL || right->kind == VALUE_NIL) {
		*order = (left->kind == VALUE_NIL) - (right->kind == VALUE_NIL);
		return true;
	}
	if (is_number(left) && is_number(right)) {
		*order = number_compare(left, right);
		return true;
	}
	if (left->kind == VALUE_STRING && right->kind == VALUE_STRING) {
		*order = compare_bytes(left, right);
		return run_charge(run, left->length);
	}
	if (!value_equals(run, left, right, &equal))
		return false;
	return equal ||
	       run_fault(run, "Different kinds of values cannot be sorted: sort by a property that is always a "
			      "number or always a text.");
}
