#include <string.h>

#include "worker/template/filter.h"

static bool text_of(const struct filter_call *call, int number, struct value *text)
{
	return run_string(call->run, &call->arguments[number], text) && run_charge(call->run, text->length);
}

static size_t count_characters(const struct value *text)
{
	size_t count = 0;

	for (uint32_t i = 0; i < text->length; i++)
		count += ((unsigned char)text->bytes[i] & 0xC0) != 0x80;
	return count;
}

/* The byte where the character of that number begins. */
static size_t offset_of(const struct value *text, size_t character)
{
	size_t at = 0;

	for (; at < text->length; at++)
		if (((unsigned char)text->bytes[at] & 0xC0) != 0x80 && character-- == 0)
			break;
	return at;
}

static bool is_blank(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool size(const struct filter_call *call, struct value *result)
{
	struct value name = value_string("size", 4);
	struct value object = call->arguments[0];
	struct piece piece;

	/* An object's own "size" is not asked for here. */
	if (object.kind == VALUE_JSON_OBJECT) {
		piece = value_piece(&object);
		*result = value_integer((int64_t)piece_count(&piece));
		return run_charge(call->run, object.length);
	}
	if (object.kind == VALUE_LOOP || object.kind == VALUE_TABLE_LOOP)
		*result = value_nil();
	else if (!run_member(call->run, &object, &name, true, result))
		return false;
	if (result->kind == VALUE_NIL)
		*result = value_integer(0);
	return true;
}

/* from and count as Ruby's slice understands them. False: nothing is there. */
static bool clip(size_t length, int64_t from, int64_t count, size_t *start, size_t *taken)
{
	from += from < 0 ? (int64_t)length : 0;
	if (from < 0 || from > (int64_t)length || count < 0)
		return false;
	*start = (size_t)from;
	*taken = (size_t)(count < (int64_t)length - from ? count : (int64_t)length - from);
	return true;
}

static bool slice(const struct filter_call *call, struct value *result)
{
	bool is_array = value_is_array(&call->arguments[0]);
	struct value whole;
	int64_t from, count = 1;
	size_t start, taken;

	if (!run_integer(call->run, &call->arguments[1], &from))
		return false;
	if (call->count > 1 && call->arguments[2].kind != VALUE_NIL &&
	    !run_integer(call->run, &call->arguments[2], &count))
		return false;
	if (is_array) {
		if (!run_elements(call->run, &call->arguments[0], &whole))
			return false;
		*result = value_array(NULL, 0);
		if (clip(whole.length, from, count, &start, &taken))
			*result = value_array(whole.items + (taken > 0 ? start : 0), taken);
		return true;
	}
	if (!text_of(call, 0, &whole))
		return false;
	*result = value_string("", 0);
	if (!clip(count_characters(&whole), from, count, &start, &taken))
		return true;
	start = offset_of(&whole, start);
	whole = value_string(whole.bytes + start, whole.length - start);
	*result = value_string(whole.bytes, offset_of(&whole, taken));
	return true;
}

static bool add_end(struct run *run, const char *bytes, size_t length, const struct value *end, struct value *result)
{
	char *joined = run_memory(run, length + end->length);

	if (joined == NULL)
		return false;
	memcpy(joined, bytes, length);
	memcpy(joined + length, end->bytes, end->length);
	*result = value_string(joined, length + end->length);
	return true;
}

static bool truncate(const struct filter_call *call, struct value *result)
{
	struct value text, end = value_string("...", 3);
	int64_t length = 50, kept;

	*result = value_nil();
	if (call->arguments[0].kind == VALUE_NIL)
		return true;
	if (!text_of(call, 0, &text) || (call->count > 0 && !run_integer(call->run, &call->arguments[1], &length)) ||
	    (call->count > 1 && !text_of(call, 2, &end)))
		return false;
	*result = text;
	if ((int64_t)count_characters(&text) <= length)
		return true;
	kept = length < 0 ? 0 : length - (int64_t)count_characters(&end);
	return add_end(call->run, text.bytes, offset_of(&text, kept > 0 ? (size_t)kept : 0), &end, result);
}

static bool truncatewords(const struct filter_call *call, struct value *result)
{
	struct value text, end = value_string("...", 3);
	int64_t words = 15, found = 0;
	size_t at = 0, length = 0;
	char *bytes;

	*result = value_nil();
	if (call->arguments[0].kind == VALUE_NIL)
		return true;
	if (!text_of(call, 0, &text) || (call->count > 0 && !run_integer(call->run, &call->arguments[1], &words)) ||
	    (call->count > 1 && !text_of(call, 2, &end)) || (bytes = run_memory(call->run, text.length)) == NULL)
		return false;
	words = words < 1 ? 1 : words;
	while (at < text.length && is_blank(text.bytes[at]))
		at++;
	while (at < text.length && found < words) {
		if (found++ > 0)
			bytes[length++] = ' ';
		while (at < text.length && !is_blank(text.bytes[at]))
			bytes[length++] = text.bytes[at++];
		if (at == text.length)
			break;
		while (at < text.length && is_blank(text.bytes[at]))
			at++;
		if (found == words)
			return add_end(call->run, bytes, length, &end, result);
	}
	*result = text;
	return true;
}

/* -- split -- */

struct pieces {
	struct run *run;
	struct value *items;
	size_t count, room, last; /* last: behind the last that is not empty */
};

static bool add_piece(struct pieces *pieces, const char *bytes, size_t length)
{
	if (pieces->count == pieces->room) {
		size_t room = pieces->room == 0 ? 16 : 2 * pieces->room;
		struct value *items = run_memory(pieces->run, room * sizeof(*items));

		if (items == NULL)
			return false;
		if (pieces->count > 0)
			memcpy(items, pieces->items, pieces->count * sizeof(*items));
		pieces->items = items;
		pieces->room = room;
	}
	pieces->items[pieces->count++] = value_string(bytes, length);
	if (length > 0)
		pieces->last = pieces->count;
	return run_charge(pieces->run, 64);
}

static bool split_words(struct pieces *pieces, const struct value *text)
{
	size_t at = 0;

	for (;;) {
		size_t start;

		while (at < text->length && is_blank(text->bytes[at]))
			at++;
		if (at == text->length)
			return true;
		for (start = at; at < text->length && !is_blank(text->bytes[at]);)
			at++;
		if (!add_piece(pieces, text->bytes + start, at - start))
			return false;
	}
}

static bool split_characters(struct pieces *pieces, const struct value *text)
{
	for (size_t at = 0, start; at < text->length;) {
		for (start = at++; at < text->length && ((unsigned char)text->bytes[at] & 0xC0) == 0x80;)
			at++;
		if (!add_piece(pieces, text->bytes + start, at - start))
			return false;
	}
	return true;
}

static bool split_at(struct pieces *pieces, const struct value *text, const struct value *mark)
{
	const char *at = text->bytes, *end = at + text->length;

	if (!run_charge_search(pieces->run, text->length))
		return false;
	for (;;) {
		const char *found = memmem(at, (size_t)(end - at), mark->bytes, mark->length);

		if (!add_piece(pieces, at, (size_t)((found != NULL ? found : end) - at)))
			return false;
		if (found == NULL)
			return true;
		at = found + mark->length;
	}
}

/* Empty pieces at the end are dropped; a blank splits at any run of blanks, nothing splits at every character. */
static bool split(const struct filter_call *call, struct value *result)
{
	struct pieces pieces = {.run = call->run};
	struct value text, mark;
	bool done;

	if (!text_of(call, 0, &text) || !text_of(call, 1, &mark))
		return false;
	if (text.length == 0)
		done = true;
	else if (mark.length == 1 && *mark.bytes == ' ')
		done = split_words(&pieces, &text);
	else if (mark.length == 0)
		done = split_characters(&pieces, &text);
	else
		done = split_at(&pieces, &text, &mark);
	*result = value_array(pieces.items, pieces.last);
	return done;
}

const struct filter cut_filters[] = {
	{"size", size, 0, 0, "| size", NULL, false, false, false},
	{"slice", slice, 1, 2, "| slice: 0, 3", NULL, false, false, false},
	{"truncate", truncate, 0, 2, "| truncate: 20, \"...\"", NULL, false, false, false},
	{"truncatewords", truncatewords, 0, 2, "| truncatewords: 10, \"...\"", NULL, false, false, false},
	{"split", split, 1, 1, "| split: \",\"", NULL, false, false, false},
	{.name = NULL},
};
