#include "shared/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Half a UTF-8 character at the cut would spoil the line that it is logged in. */
static void drop_half_character(char text[ERROR_TEXT_MAX])
{
	size_t end = ERROR_TEXT_MAX - 1;
	while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80)
		end--;
	if (end > 0 && (unsigned char)text[end - 1] >= 0xC0)
		end--;
	text[end] = '\0';
}

/* Takes what vsnprintf() wrote into text and answered. */
static void keep_text(struct error *err, char text[ERROR_TEXT_MAX], int length)
{
	if (length < 0)
		text[0] = '\0';
	if (length >= ERROR_TEXT_MAX)
		drop_half_character(text);
	memcpy(err->text, text, strlen(text) + 1);
}

/* The sentence is built aside, because its arguments may point into err. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	err->kind = kind;
	keep_text(err, text, length);
	return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
	char context[ERROR_TEXT_MAX], text[ERROR_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(context, sizeof(context), format, arguments);
	va_end(arguments);
	if (length < 0)
		return false;
	length = snprintf(text, sizeof(text), "%s: %s", context, err->text);
	keep_text(err, text, length);
	return false;
}

const char *error_kind_name(enum error_kind kind)
{
	switch (kind) {
	case ERROR_NONE:
		return "none";
	case ERROR_TRANSIENT:
		return "transient";
	case ERROR_REFUSED:
		return "refused";
	case ERROR_INVALID:
		return "invalid";
	case ERROR_UNCERTAIN:
		return "uncertain";
	}
	return "unknown";
}
