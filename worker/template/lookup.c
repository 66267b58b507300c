#include <string.h>

#include "worker/template/number.h"
#include "worker/template/run.h"
#include "worker/template/suggest.h"

bool run_value(struct run *run, const struct piece *piece, struct value *value)
{
	if (value_from_piece(piece, run->arena, value))
		return true;
	return run_out_of_memory(run);
}

bool run_integer(struct run *run, const struct value *value, int64_t *integer)
{
	if (value->kind == VALUE_INTEGER) {
		*integer = value->integer;
		return true;
	}
	if (value->kind == VALUE_STRING) {
		const char *bytes = value->bytes;
		size_t length = value->length;

		for (; length > 0 && (*bytes == ' ' || (*bytes >= '\t' && *bytes <= '\r')); length--)
			bytes++;
		while (length > 0 &&
		       (bytes[length - 1] == ' ' || (bytes[length - 1] >= '\t' && bytes[length - 1] <= '\r')))
			length--;
		if (length > 1 && *bytes == '+' && bytes[1] != '-') {
			bytes++;
			length--;
		}
		if (number_read_integer(bytes, length, integer))
			return true;
	}
	return run_fault(run, "A whole number is expected here: write 1 or 25, for instance.");
}

struct value run_loop_member(const struct value *of, const char *name, size_t length)
{
	const struct loop *loop = of->loop;
	static const char *const names[] = {"index", "index0",    "rindex",   "rindex0",    "first",
					    "last",  "length",    "name",     "parentloop", "col",
					    "col0",  "col_first", "col_last", "row"};
	bool is_table = of->kind == VALUE_TABLE_LOOP;
	size_t i = 0;

	while (i < ARRAY_LENGTH(names) && (strlen(names[i]) != length || memcmp(names[i], name, length) != 0))
		i++;
	if (is_table ? i == 7 || i == 8 : i > 8)
		return value_nil();
	switch (i) {
	case 0:
		return value_integer(loop->index + 1);
	case 1:
		return value_integer(loop->index);
	case 2:
		return value_integer(loop->count - loop->index);
	case 3:
		return value_integer(loop->count - loop->index - 1);
	case 4:
		return value_boolean(loop->index == 0);
	case 5:
		return value_boolean(loop->index == loop->count - 1);
	case 6:
		return value_integer(loop->count);
	case 7:
		return loop->name;
	case 8:
		return loop->parent != NULL ? (struct value){.kind = VALUE_LOOP, .loop = loop->parent} : value_nil();
	case 9:
		return value_integer(loop->column);
	case 10:
		return value_integer(loop->column - 1);
	case 11:
		return value_boolean(loop->column == 1);
	case 12:
		return value_boolean(loop->column == loop->columns);
	case 13:
		return value_integer(loop->row);
	default:
		return value_nil();
	}
}

static bool element(struct run *run, const struct value *of, int64_t index, struct value *value)
{
	struct piece array, piece;

	*value = value_nil();
	if (of->kind == VALUE_ARRAY) {
		index += index < 0 ? (int64_t)of->length : 0;
		if (index >= 0 && index < (int64_t)of->length)
			*value = of->items[index];
		return true;
	}
	if (of->kind != VALUE_JSON_ARRAY)
		return true;
	array = value_piece(of);
	piece = piece_element(&array, index);
	return run_charge(run, of->length) && run_value(run, &piece, value);
}

/* The first pair of an object, as [key, value]. */
static bool first_pair(struct run *run, const struct value *of, struct value *value)
{
	struct piece object = value_piece(of), key, member;
	struct piece_walk walk = piece_walk(&object);
	struct value *pair;

	*value = value_nil();
	if (!piece_walk_next(&walk, &key, &member))
		return true;
	if ((pair = run_memory(run, 2 * sizeof(*pair))) == NULL || !run_value(run, &key, &pair[0]) ||
	    !run_value(run, &member, &pair[1]))
		return false;
	*value = value_array(pair, 2);
	return true;
}

static bool command_of_range(const struct value *of, char command, struct value *value)
{
	const struct value_range *range = of->range;

	if (command == 's') {
		int64_t size;

		if (__builtin_sub_overflow(range->last, range->first, &size) || __builtin_add_overflow(size, 1, &size))
			size = INT64_MAX;
		*value = value_integer(range->last < range->first ? 0 : size);
	} else {
		*value = value_integer(command == 'f' ? range->first : range->last);
	}
	return true;
}

/* .size, .first and .last of what has no such key. */
static bool command(struct run *run, const struct value *of, const char *name, struct value *value)
{
	struct piece piece;

	*value = value_nil();
	switch (of->kind) {
	case VALUE_ARRAY:
	case VALUE_JSON_ARRAY:
		if (*name != 's')
			return element(run, of, *name == 'f' ? 0 : -1, value);
		piece = value_piece(of);
		*value = value_integer(of->kind == VALUE_ARRAY ? of->length : (int64_t)piece_count(&piece));
		return run_charge(run, of->kind == VALUE_ARRAY ? 0 : of->length);
	case VALUE_JSON_OBJECT:
		piece = value_piece(of);
		if (*name == 's')
			*value = value_integer((int64_t)piece_count(&piece));
		return *name == 'f' ? first_pair(run, of, value) : run_charge(run, of->length);
	case VALUE_STRING:
		if (*name != 's')
			return true;
		*value = value_integer(0);
		for (uint32_t i = 0; i < of->length; i++)
			value->integer += ((unsigned char)of->bytes[i] & 0xC0) != 0x80;
		return run_charge(run, of->length);
	case VALUE_INTEGER:
		if (*name == 's')
			*value = value_integer(8); /* bytes of an integer, as Ruby has it */
		return true;
	case VALUE_RANGE:
		return command_of_range(of, *name, value);
	default:
		return true;
	}
}

static bool member(struct run *run, const struct value *of, const char *name, size_t length, bool is_command,
		   struct value *value)
{
	struct piece object, piece;

	if (of->kind == VALUE_LOOP || of->kind == VALUE_TABLE_LOOP) {
		*value = run_loop_member(of, name, length);
		return true;
	}
	if (of->kind == VALUE_JSON_OBJECT) {
		object = value_piece(of);
		piece = piece_member(&object, name, length);
		if (!run_charge(run, of->length) || !run_value(run, &piece, value))
			return false;
		if (piece.kind != PIECE_MISSING)
			return true;
	}
	if (is_command)
		return command(run, of, name, value);
	*value = value_nil();
	return true;
}

bool run_member(struct run *run, const struct value *of, const struct value *key, bool is_command, struct value *value)
{
	if (key->kind == VALUE_INTEGER)
		return element(run, of, key->integer, value);
	if (key->kind == VALUE_STRING)
		return member(run, of, key->bytes, key->length, is_command, value);
	*value = value_nil();
	return true;
}

/* The variable of that number, as its innermost meaning; NULL: only the data may have it. */
static const struct value *bound(const struct run *run, int32_t name)
{
	const struct binding *binding = &run->frame->bindings[name];

	if (binding->scoped.kind != VALUE_UNSET)
		return &binding->scoped;
	if (binding->assigned.kind != VALUE_UNSET)
		return &binding->assigned;
	return binding->counter.kind != VALUE_UNSET ? &binding->counter : NULL;
}

bool run_find_variable(struct run *run, const char *name, size_t length, struct value *value)
{
	const struct template *template = run->template;
	struct piece piece;

	if (!run_charge(run, (size_t) template->name_count * 8))
		return false;
	for (int32_t i = 0; i < template->name_count; i++) {
		const struct value *known;

		if (template->names[i].length != length || memcmp(template->names[i].bytes, name, length) != 0)
			continue;
		if ((known = bound(run, i)) == NULL)
			break;
		*value = *known;
		return true;
	}
	*value = value_nil();
	if (!run->frame->sees_data || !template->reads_data)
		return true;
	piece = piece_member(&run->found[TEMPLATE_ROOT], name, length);
	return run_charge(run, run->found[TEMPLATE_ROOT].length) && run_value(run, &piece, value);
}

/* Where a path begins: its value, and how many of its parts that covers. */
static bool start(struct run *run, const struct path *path, const struct value *dynamic, struct value *value,
		  size_t *covered)
{
	const struct value *known;
	struct value name;

	*covered = 0;
	if (path->name == TEMPLATE_NOTHING)
		return run_string(run, dynamic, &name) && run_find_variable(run, name.bytes, name.length, value);
	known = bound(run, path->name);
	if (known != NULL) {
		*value = *known;
		return true;
	}
	*covered = path->static_count;
	if (run->frame->sees_data)
		return run_value(run, &run->found[path->node], value);
	*value = value_nil();
	return true;
}

static bool walk(struct run *run, const struct path *path, size_t covered, const struct value *dynamic,
		 struct value *value)
{
	for (size_t i = 0; i < path->segment_count && value->kind != VALUE_NIL; i++) {
		const struct segment *segment = &path->segments[i];
		struct value of = *value;
		bool found = true;

		if (i >= covered) {
			if (segment->kind == SEGMENT_NAME)
				found = member(run, &of, segment->name, segment->name_length, segment->is_command,
					       value);
			else if (segment->kind == SEGMENT_INDEX)
				found = element(run, &of, segment->index, value);
			else
				found = run_member(run, &of, dynamic, false, value);
		}
		if (!found)
			return false;
		dynamic += segment->kind == SEGMENT_DYNAMIC;
	}
	return true;
}

bool run_path(struct run *run, const struct op *op)
{
	const struct path *path = op->path;
	struct value *dynamic = &run->stack[run->height - (int32_t)path->dynamic_count];
	struct value value;
	size_t covered;

	if (!start(run, path, dynamic, &value, &covered) ||
	    !walk(run, path, covered, dynamic + (path->name == TEMPLATE_NOTHING), &value))
		return false;
	if (run->watches_undefined && value.kind == VALUE_NIL && value.missing == 0) {
		value.missing = (uint16_t)(path->number + 1);
		if (!(op->flags & OP_GUARDED) && !run_undefined(run, path->number, &value))
			return false;
	}
	run->height -= (int32_t)path->dynamic_count;
	run->stack[run->height++] = value;
	return true;
}

bool run_print_found(struct run *run, const struct op *op)
{
	const struct path *path = op->path;
	struct value value;

	if (!run->frame->sees_data)
		value = value_nil();
	else if (!run_value(run, &run->found[path->node], &value))
		return false;
	if (value.kind == VALUE_NIL && run->watches_undefined && !(op->flags & OP_GUARDED) &&
	    !run_undefined(run, path->number, &value))
		return false;
	return run_print(run, &value);
}
