/* form - reads application/x-www-form-urlencoded, as a browser sends it and as it stands behind a ? (URL standard §5.1). Pure.
 *
 *     struct form form;
 *     form_start(&form, body);
 *     while (form_next(&form))
 *             if (form_is(&form, "save")) ... form.value
 *
 * At most FORM_FIELDS_MAX fields; a name or value over FORM_VALUE_MAX bytes is cut. Bytes may be anything after decoding,
 * also NUL: the slices count.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_FORM_H
#define POSTRIDER_WORKER_CALLBACKS_FORM_H

#include "worker/providers/provider.h"

#define FORM_FIELDS_MAX 2000
#define FORM_VALUE_MAX  200

struct form {
	const char *at, *end;
	size_t count;
	char name_bytes[FORM_VALUE_MAX], value_bytes[FORM_VALUE_MAX];
	struct slice name, value; /* of this field; valid until the next */
};

void form_start(struct form *form, struct slice bytes);
bool form_next(struct form *form);
bool form_is(const struct form *form, const char *name);

#endif
