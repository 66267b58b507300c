/* The input is a form or a query. Bounded in fields and bytes, and each field once. */
#include <stdlib.h>

#include "worker/callbacks/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct form form;
	size_t fields = 0, decoded = 0;

	form_start(&form, (struct slice){(const char *)bytes, length});
	while (form_next(&form)) {
		fields++;
		decoded += form.name.length + form.value.length;
		if (form.name.length > FORM_VALUE_MAX || form.value.length > FORM_VALUE_MAX)
			abort();
	}
	if (fields > FORM_FIELDS_MAX || fields > length || decoded > length)
		abort();
	return 0;
}
