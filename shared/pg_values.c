#include "shared/pg_values.h"

#include <assert.h>
#include <string.h>

/* Far above any batch (500 rows are about 100 KB), far below the 1 GB that a message may have. */
#define PARAMETERS_MAX_BYTES (64 * 1024 * 1024)

void pg_values_init(struct pg_values *values)
{
	*values = (struct pg_values){0};
	text_init(&values->bytes, PARAMETERS_MAX_BYTES);
}

void pg_values_release(struct pg_values *values)
{
	text_release(&values->bytes);
	*values = (struct pg_values){0};
}

void pg_values_clear(struct pg_values *values)
{
	text_clear(&values->bytes);
	values->count = 0;
	values->in_array = false;
}

/* One parameter too many sticks like any other overflow, so that the statement is never sent with the rest. */
static void begin_value(struct pg_values *values, bool null)
{
	assert(!values->in_array);
	if (values->count == PG_VALUES_MAX) {
		values->bytes.overflowed = true;
		values->count--;
	}
	values->offsets[values->count] = values->bytes.length;
	values->nulls[values->count] = null;
}

static void end_value(struct pg_values *values)
{
	text_add_char(&values->bytes, '\0');
	values->count++;
}

/* How many bytes the well-formed character at the start has; 0 when it is none (PostgreSQL's own rule). */
static size_t character_length(const char *string, size_t left)
{
	const unsigned char *bytes = (const unsigned char *)string;
	unsigned char first = bytes[0];
	size_t length = first < 0x80   ? 1
			: first < 0xc2 ? 0
			: first < 0xe0 ? 2
			: first < 0xf0 ? 3
			: first < 0xf5 ? 4
				       : 0;
	if (length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xf0 && bytes[1] < 0x90);
	bool surrogate = first == 0xed && bytes[1] > 0x9f;
	bool too_high = first == 0xf4 && bytes[1] > 0x8f;
	return overlong || surrogate || too_high ? 0 : length;
}

static void add_clean(struct text *out, const char *bytes, size_t length, bool quoted)
{
	size_t start = 0, at = 0;
	while (at < length) {
		bool escape = quoted && (bytes[at] == '"' || bytes[at] == '\\');
		size_t good = character_length(bytes + at, length - at);
		if (good > 0 && !escape) {
			at += good;
			continue;
		}
		text_add_bytes(out, bytes + start, at - start);
		text_add(out, escape ? "\\" : "\xef\xbf\xbd");
		start = escape ? at : at + 1;
		at++;
	}
	text_add_bytes(out, bytes + start, length - start);
}

void pg_values_add_null(struct pg_values *values)
{
	begin_value(values, true);
	end_value(values);
}

void pg_values_add_text(struct pg_values *values, const char *text)
{
	begin_value(values, text == NULL);
	if (text != NULL)
		add_clean(&values->bytes, text, strlen(text), false);
	end_value(values);
}

void pg_values_add_int64(struct pg_values *values, int64_t number)
{
	begin_value(values, false);
	text_add_int64(&values->bytes, number);
	end_value(values);
}

void pg_values_add_bool(struct pg_values *values, bool on)
{
	begin_value(values, false);
	text_add_char(&values->bytes, on ? 't' : 'f');
	end_value(values);
}

void pg_values_start_array(struct pg_values *values)
{
	begin_value(values, false);
	values->in_array = true;
	values->first_item = true;
	text_add_char(&values->bytes, '{');
}

static void begin_item(struct pg_values *values)
{
	assert(values->in_array);
	if (!values->first_item)
		text_add_char(&values->bytes, ',');
	values->first_item = false;
}

void pg_values_item_int64(struct pg_values *values, int64_t number)
{
	begin_item(values);
	text_add_int64(&values->bytes, number);
}

void pg_values_item_text(struct pg_values *values, const char *bytes, size_t length)
{
	if (bytes == NULL) {
		pg_values_item_null(values);
		return;
	}
	begin_item(values);
	text_add_char(&values->bytes, '"');
	add_clean(&values->bytes, bytes, strnlen(bytes, length), true);
	text_add_char(&values->bytes, '"');
}

void pg_values_item_bool(struct pg_values *values, bool on)
{
	begin_item(values);
	text_add_char(&values->bytes, on ? 't' : 'f');
}

void pg_values_item_null(struct pg_values *values)
{
	begin_item(values);
	text_add(&values->bytes, "NULL");
}

void pg_values_end_array(struct pg_values *values)
{
	assert(values->in_array);
	values->in_array = false;
	text_add_char(&values->bytes, '}');
	end_value(values);
}
