#include "worker/providers/form.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/memory.h"

bool form_is_announced(struct slice headers)
{
	static const char form_type[] = "application/x-www-form-urlencoded";
	struct slice type = provider_header(headers, "Content-Type");
	size_t length = sizeof(form_type) - 1;

	return type.length >= length && strncasecmp(type.bytes, form_type, length) == 0 &&
	       (type.length == length || strchr("; \t", type.bytes[length]) != NULL);
}

/* -1: no hexadecimal digit */
static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* Decodes into out, which has room for as many bytes; moves it on. */
static bool decode(struct slice encoded, char **out, struct slice *decoded)
{
	char *at = *out;

	for (size_t i = 0; i < encoded.length; i++) {
		char byte = encoded.bytes[i];

		if (byte == '+') {
			byte = ' ';
		} else if (byte == '%') {
			int high = i + 2 < encoded.length ? hex_value(encoded.bytes[i + 1]) : -1;
			int low = high >= 0 ? hex_value(encoded.bytes[i + 2]) : -1;

			if (low < 0)
				return false;
			byte = (char)(high * 16 + low);
			i += 2;
		}
		*at++ = byte;
	}
	*decoded = (struct slice){.bytes = *out, .length = (size_t)(at - *out)};
	*out = at;
	return true;
}

static bool add_field(struct form *form, struct slice pair, char **out)
{
	const char *equals = memchr(pair.bytes, '=', pair.length);
	size_t name_length = equals != NULL ? (size_t)(equals - pair.bytes) : pair.length;
	size_t skipped = name_length + (equals != NULL ? 1 : 0);
	struct form_field *field = &form->fields[form->count];

	if (!decode((struct slice){pair.bytes, name_length}, out, &field->name) ||
	    !decode((struct slice){pair.bytes + skipped, pair.length - skipped}, out, &field->value))
		return false;
	form->count++;
	return true;
}

static const char *parse_pairs(struct form *form, struct slice body)
{
	const char *at = body.bytes, *end = body.bytes + body.length;
	char *out = form->bytes;

	while (at < end) {
		const char *stop = memchr(at, '&', (size_t)(end - at));

		if (stop == NULL)
			stop = end;
		if (stop > at && form->count == FORM_FIELDS_MAX)
			return "The form has too many fields.";
		if (stop > at && !add_field(form, (struct slice){at, (size_t)(stop - at)}, &out))
			return "The form holds a % that encodes nothing.";
		at = stop + 1;
	}
	return NULL;
}

bool form_parse(struct form *form, struct slice body, struct error *err)
{
	const char *fault = NULL;

	form->count = 0;
	form->length = body.length;
	form->bytes = memory_new(body.length + 1);
	if (body.length > 0)
		fault = parse_pairs(form, body);
	if (fault == NULL)
		return true;
	form_release(form);
	return error_set(err, ERROR_INVALID, "%s", fault);
}

void form_release(struct form *form)
{
	free(form->bytes);
	form->bytes = NULL;
	form->count = 0;
}

struct slice form_value(const struct form *form, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < form->count; i++)
		if (form->fields[i].name.length == length && memcmp(form->fields[i].name.bytes, name, length) == 0)
			return form->fields[i].value;
	return (struct slice){NULL, 0};
}

static int compare_slices(struct slice a, struct slice b)
{
	int order = memcmp(a.bytes, b.bytes, a.length < b.length ? a.length : b.length);

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_fields(const void *a, const void *b)
{
	const struct form_field *one = a, *other = b;
	int order = compare_slices(one->name, other->name);

	return order != 0 ? order : compare_slices(one->value, other->value);
}

void form_add_sorted(struct form *form, struct text *out)
{
	qsort(form->fields, form->count, sizeof(form->fields[0]), compare_fields);
	for (size_t i = 0; i < form->count; i++) {
		const struct form_field *field = &form->fields[i];

		if (i > 0 && compare_fields(field, field - 1) == 0)
			continue;
		text_add_bytes(out, field->name.bytes, field->name.length);
		text_add_bytes(out, field->value.bytes, field->value.length);
	}
}
