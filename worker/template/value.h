/* value - a value found in the data, still as its JSON bytes, and how it is printed into a slot.
 *
 * Nothing is decoded until it is printed, and then straight into the output: no scratch memory.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_VALUE_H
#define POSTRIDER_WORKER_TEMPLATE_VALUE_H

#include "worker/template/template.h"

enum template_value_kind {
	TEMPLATE_VALUE_MISSING, /* the path is not there */
	TEMPLATE_VALUE_NULL,
	TEMPLATE_VALUE_FALSE,
	TEMPLATE_VALUE_RAW,     /* number, true: printed as it stands */
	TEMPLATE_VALUE_EMPTY,   /* [] and {}: printed as it stands, but gives way to a default */
	TEMPLATE_VALUE_STRING,  /* without its quotes, nothing escaped in it */
	TEMPLATE_VALUE_ESCAPED, /* without its quotes, with backslashes in it */
};

struct template_value {
	enum template_value_kind kind;
	const char *bytes; /* within the data */
	size_t length;
};

bool template_value_is_undefined(const struct template_value *value);
bool template_value_wants_default(const struct template_value *value);

void template_value_print(const struct template_value *value, enum template_slot slot, struct text *out);
/* Text that is not from JSON: a default. */
void template_print_escaped(const char *bytes, size_t length, enum template_slot slot, struct text *out);

/* One \ escape of a JSON string, which the scan has found well-formed: writes 1 to 4 bytes of UTF-8 and tells how many
 * bytes of the source it took. Half a surrogate pair becomes U+FFFD: a broken emoji costs nobody a message. */
size_t template_unescape(const char *bytes, size_t length, char utf8[4], size_t *utf8_length);

#endif
