/* fields - reads application/x-www-form-urlencoded, as a browser sends it and as it stands behind a ? (URL standard §5.1). Pure.
 *
 *     struct fields fields;
 *     fields_start(&fields, body);
 *     while (fields_next(&fields))
 *             if (fields_is(&fields, "save")) ... fields.value
 *
 * At most FIELDS_MAX fields; a name or value over FIELDS_VALUE_MAX bytes is cut. Bytes may be anything after decoding,
 * also NUL: the slices count.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_FIELDS_H
#define POSTRIDER_WORKER_CALLBACKS_FIELDS_H

#include "worker/providers/provider.h"

#define FIELDS_MAX       2000
#define FIELDS_VALUE_MAX 200

struct fields {
	const char *at, *end;
	size_t count;
	char name_bytes[FIELDS_VALUE_MAX], value_bytes[FIELDS_VALUE_MAX];
	struct slice name, value; /* of this field; valid until the next */
};

void fields_start(struct fields *fields, struct slice bytes);
bool fields_next(struct fields *fields);
bool fields_is(const struct fields *fields, const char *name);

#endif
