#include "worker/callbacks/form.h"

#include <string.h>

void form_start(struct form *form, struct slice bytes)
{
	form->at = bytes.bytes;
	form->end = bytes.bytes + bytes.length;
	form->count = bytes.length > 0 ? 0 : FORM_FIELDS_MAX;
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

	for (; at < end && length < FORM_VALUE_MAX; at++) {
		if (*at == '%' && end - at > 2 && digit_of(at[1]) >= 0 && digit_of(at[2]) >= 0) {
			out[length++] = (char)(digit_of(at[1]) << 4 | digit_of(at[2]));
			at += 2;
		} else {
			out[length++] = *at == '+' ? ' ' : *at;
		}
	}
	return (struct slice){.bytes = out, .length = length};
}

bool form_next(struct form *form)
{
	const char *stop, *equals;

	while (form->count < FORM_FIELDS_MAX && form->at < form->end && *form->at == '&')
		form->at++;
	if (form->count >= FORM_FIELDS_MAX || form->at == form->end)
		return false;
	form->count++;
	stop = memchr(form->at, '&', (size_t)(form->end - form->at));
	if (stop == NULL)
		stop = form->end;
	equals = memchr(form->at, '=', (size_t)(stop - form->at));
	form->name = decode(form->at, equals != NULL ? equals : stop, form->name_bytes);
	form->value = decode(equals != NULL ? equals + 1 : stop, stop, form->value_bytes);
	form->at = stop;
	return true;
}

bool form_is(const struct form *form, const char *name)
{
	return form->name.length == strlen(name) && memcmp(form->name.bytes, name, form->name.length) == 0;
}
