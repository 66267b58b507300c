/* The input is a form or a query. Bounded in fields and bytes, and each field once. */
#include <stdlib.h>

#include "worker/callbacks/fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct fields fields;
	size_t count = 0, decoded = 0;

	fields_start(&fields, (struct slice){(const char *)bytes, length});
	while (fields_next(&fields)) {
		count++;
		decoded += fields.name.length + fields.value.length;
		if (fields.name.length > FIELDS_VALUE_MAX || fields.value.length > FIELDS_VALUE_MAX)
			abort();
	}
	if (count > FIELDS_MAX || count > length || decoded > length)
		abort();
	return 0;
}
