#include "worker/callbacks/fields.h"

#include <string.h>

void fields_start(struct fields *fields, struct slice bytes)
{
	fields->at = bytes.bytes;
	fields->end = bytes.bytes + bytes.length;
	fields->count = bytes.length > 0 ? 0 : FIELDS_MAX;
}

static int digit_of(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	if ((letter | 0x20) >= 'a' && (letter | 0x20) <= 'f')
		return (letter | 0x20) - 'a' + 10;
	return -1;
}

/* A % without two digits behind it stays a %. */
static struct slice decode(const char *at, const char *end, char *out)
{
	size_t length = 0;

	for (; at < end && length < FIELDS_VALUE_MAX; at++) {
		if (*at == '%' && end - at > 2 && digit_of(at[1]) >= 0 && digit_of(at[2]) >= 0) {
			out[length++] = (char)(digit_of(at[1]) << 4 | digit_of(at[2]));
			at += 2;
		} else {
			out[length++] = *at == '+' ? ' ' : *at;
		}
	}
	return (struct slice){.bytes = out, .length = length};
}

bool fields_next(struct fields *fields)
{
	const char *stop, *equals;

	while (fields->count < FIELDS_MAX && fields->at < fields->end && *fields->at == '&')
		fields->at++;
	if (fields->count >= FIELDS_MAX || fields->at == fields->end)
		return false;
	fields->count++;
	stop = memchr(fields->at, '&', (size_t)(fields->end - fields->at));
	if (stop == NULL)
		stop = fields->end;
	equals = memchr(fields->at, '=', (size_t)(stop - fields->at));
	fields->name = decode(fields->at, equals != NULL ? equals : stop, fields->name_bytes);
	fields->value = decode(equals != NULL ? equals + 1 : stop, stop, fields->value_bytes);
	fields->at = stop;
	return true;
}

bool fields_is(const struct fields *fields, const char *name)
{
	return fields->name.length == strlen(name) && memcmp(fields->name.bytes, name, fields->name.length) == 0;
}
