#include <string.h>

#include "worker/template/number.h"
#include "worker/template/run.h"

#define DEPTH_MAX 140 /* arrays in arrays: JSON's depth, and a little for what filters put around it */

/* text.h writes whole JSON strings; inside one, the author has written the quotes. */
static void print_json(const char *bytes, size_t length, struct text *out)
{
	size_t before = out->length;

	text_add_json_string(out, bytes, length);
	if (out->overflowed)
		return;
	out->length -= 2;
	memmove(out->bytes + before, out->bytes + before + 1, out->length - before);
	out->bytes[out->length] = '\0';
}

static void print_escaped(const char *bytes, size_t length, enum template_slot slot, struct text *out)
{
	switch (slot) {
	case TEMPLATE_SLOT_PLAIN:
		text_add_bytes(out, bytes, length);
		return;
	case TEMPLATE_SLOT_HTML:
		text_add_html(out, bytes, length);
		return;
	case TEMPLATE_SLOT_HEADER:
		text_add_header(out, bytes, length);
		return;
	case TEMPLATE_SLOT_JSON:
		print_json(bytes, length, out);
		return;
	case TEMPLATE_SLOT_URL:
		text_add_url(out, bytes, length);
		return;
	}
}

/* A text as Ruby's inspect shows it, within a printed object. */
static void inspect_string(const char *bytes, size_t length, struct text *out)
{
	static const char escapes[] = "\"\\\n\t\r\f\v\b\a\x1b", letters[] = "\"\\ntrfvbae";

	text_add_char(out, '"');
	for (size_t i = 0; i < length; i++) {
		const char *escape = bytes[i] != '\0' ? strchr(escapes, bytes[i]) : NULL;

		if (escape != NULL) {
			text_add_char(out, '\\');
			text_add_char(out, letters[escape - escapes]);
		} else if (bytes[i] == '#' && i + 1 < length && strchr("{$@", bytes[i + 1]) != NULL &&
			   bytes[i + 1] != '\0') {
			text_add(out, "\\#");
		} else if ((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7F) {
			text_addf(out, "\\x%02X", (unsigned)bytes[i]);
		} else {
			text_add_char(out, bytes[i]);
		}
	}
	text_add_char(out, '"');
}

static bool inspect(struct run *run, const struct value *value, int depth, struct text *out);

static bool inspect_container(struct run *run, const struct value *value, int depth, struct text *out)
{
	struct piece container = value_piece(value), key, piece;
	struct piece_walk walk = piece_walk(&container);
	bool is_object = value->kind == VALUE_JSON_OBJECT, is_first = true;
	struct value member;

	text_add_char(out, is_object ? '{' : '[');
	while (piece_walk_next(&walk, &key, &piece)) {
		if (!is_first)
			text_add(out, ", ");
		is_first = false;
		if (is_object) {
			if (!run_value(run, &key, &member))
				return false;
			inspect_string(member.bytes, member.length, out);
			text_add(out, "=>");
		}
		if (!run_value(run, &piece, &member) || !inspect(run, &member, depth + 1, out))
			return false;
	}
	text_add_char(out, is_object ? '}' : ']');
	return true;
}

static bool inspect_array(struct run *run, const struct value *value, int depth, struct text *out)
{
	text_add_char(out, '[');
	for (uint32_t i = 0; i < value->length; i++) {
		if (i > 0)
			text_add(out, ", ");
		if (!inspect(run, &value->items[i], depth + 1, out))
			return false;
	}
	text_add_char(out, ']');
	return true;
}

static void print_number(const struct value *value, struct text *out)
{
	char printed[NUMBER_PRINTED_MAX];

	if (value->kind == VALUE_INTEGER)
		text_add_bytes(out, printed, number_print_integer(value->integer, printed));
	else if (value->kind == VALUE_FLOAT)
		text_add_bytes(out, printed, number_print_float(value->real, printed));
	else
		text_add_bytes(out, value->bytes, value->length);
}

/* One thing that is no container, as plain text. */
static void print_scalar(const struct value *value, struct text *out)
{
	switch (value->kind) {
	case VALUE_BOOLEAN:
		text_add(out, value->boolean ? "true" : "false");
		return;
	case VALUE_INTEGER:
	case VALUE_FLOAT:
	case VALUE_BIG:
		print_number(value, out);
		return;
	case VALUE_STRING:
		text_add_bytes(out, value->bytes, value->length);
		return;
	case VALUE_RANGE:
		text_add_int64(out, value->range->first);
		text_add(out, "..");
		text_add_int64(out, value->range->last);
		return;
	case VALUE_LOOP:
		text_add(out, "Liquid::ForloopDrop");
		return;
	case VALUE_TABLE_LOOP:
		text_add(out, "Liquid::TablerowloopDrop");
		return;
	default:
		return;
	}
}

/* Depth is bounded by the data's own, which the scan has bounded. */
static bool inspect(struct run *run, const struct value *value, int depth, struct text *out)
{
	if (!run_charge(run, 64) || depth > DEPTH_MAX)
		return depth <= DEPTH_MAX ? false : run_limit(run, "The value is nested too deep to be printed.");
	switch (value->kind) {
	case VALUE_NIL:
		text_add(out, "nil");
		return true;
	case VALUE_STRING:
		inspect_string(value->bytes, value->length, out);
		return true;
	case VALUE_ARRAY:
		return inspect_array(run, value, depth, out);
	case VALUE_JSON_ARRAY:
	case VALUE_JSON_OBJECT:
		return inspect_container(run, value, depth, out);
	default:
		print_scalar(value, out);
		return true;
	}
}

static bool print_joined(struct run *run, const struct value *value, int depth, struct text *out);

static bool print_json_array(struct run *run, const struct value *value, int depth, struct text *out)
{
	struct piece array = value_piece(value), key, piece;
	struct piece_walk walk = piece_walk(&array);
	struct value element;

	while (piece_walk_next(&walk, &key, &piece))
		if (!run_value(run, &piece, &element) || !print_joined(run, &element, depth + 1, out))
			return false;
	return true;
}

/* An array prints its elements one after the other, an object what Ruby's inspect shows. */
static bool print_joined(struct run *run, const struct value *value, int depth, struct text *out)
{
	if (depth > DEPTH_MAX)
		return run_limit(run, "The value is nested too deep to be printed.");
	if (!run_charge(run, depth > 0 ? 64 : 0))
		return false;
	switch (value->kind) {
	case VALUE_ARRAY:
		for (uint32_t i = 0; i < value->length; i++)
			if (!print_joined(run, &value->items[i], depth + 1, out))
				return false;
		return true;
	case VALUE_JSON_ARRAY:
		return print_json_array(run, value, depth, out);
	case VALUE_JSON_OBJECT:
		return inspect(run, value, depth, out);
	default:
		print_scalar(value, out);
		return true;
	}
}

bool print_plain(struct run *run, const struct value *value, struct text *out)
{
	return print_joined(run, value, 0, out);
}

/* What was printed behind the output becomes a text in the arena. */
static bool take_printed(struct run *run, size_t before, struct value *string)
{
	size_t length;
	char *bytes;

	length = run->out->length - before;
	if (!text_ok(run->out))
		return run_limit(run, "A value is longer than %zu bytes as text.", run->out->ceiling);
	run->out->length = before;
	if ((bytes = run_memory(run, length)) == NULL || !run_charge(run, length))
		return false;
	if (length > 0)
		memcpy(bytes, run->out->bytes + before, length);
	*string = value_string(bytes, length);
	return true;
}

/* As Ruby's to_s, brackets and all; printed behind the output, and taken away from there again. */
static bool print_container(struct run *run, const struct value *value, struct value *string)
{
	size_t before = run->out->length;

	if (!inspect(run, value, 0, run->out))
		return false;
	return take_printed(run, before, string);
}

bool run_string(struct run *run, const struct value *value, struct value *string)
{
	char printed[NUMBER_PRINTED_MAX], *bytes;
	size_t length;

	switch (value->kind) {
	case VALUE_STRING:
		*string = *value;
		return true;
	case VALUE_NIL:
	case VALUE_BLANK:
	case VALUE_EMPTY:
		*string = value_string("", 0);
		return true;
	case VALUE_BOOLEAN:
		*string = value->boolean ? value_string("true", 4) : value_string("false", 5);
		return true;
	case VALUE_BIG:
		*string = value_string(value->bytes, value->length);
		return true;
	case VALUE_INTEGER:
	case VALUE_FLOAT:
		length = value->kind == VALUE_INTEGER ? number_print_integer(value->integer, printed)
						      : number_print_float(value->real, printed);
		if ((bytes = run_memory(run, length)) == NULL)
			return false;
		memcpy(bytes, printed, length);
		*string = value_string(bytes, length);
		return true;
	default:
		return print_container(run, value, string);
	}
}

/* The same, but as it is printed: an array without its brackets. */
static bool join_container(struct run *run, const struct value *value, struct value *string)
{
	size_t before = run->out->length;

	if (!print_plain(run, value, run->out))
		return false;
	return take_printed(run, before, string);
}

bool run_print(struct run *run, const struct value *value)
{
	enum template_slot slot = run->template->slot;
	struct value string;

	if (value->kind == VALUE_STRING) {
		/* A header never takes a line end, whoever has escaped it before. */
		if (value->is_safe && slot != TEMPLATE_SLOT_HEADER)
			text_add_bytes(run->out, value->bytes, value->length);
		else
			print_escaped(value->bytes, value->length, slot, run->out);
		return run_charge(run, value->length);
	}
	if (value->kind < VALUE_STRING) {
		print_scalar(value, run->out);
		return true;
	}
	if (slot == TEMPLATE_SLOT_PLAIN)
		return print_plain(run, value, run->out);
	if (!join_container(run, value, &string))
		return false;
	print_escaped(string.bytes, string.length, slot, run->out);
	return true;
}
