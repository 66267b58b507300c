/* pg_values - the parameters of one statement, as text, in order.
 *
 *     struct pg_values values;
 *     pg_values_init(&values);
 *     pg_values_add_text(&values, worker_name);
 *     pg_values_start_array(&values);
 *     for (...) pg_values_item_int64(&values, ids[i]);
 *     pg_values_end_array(&values);
 *
 * An array parameter becomes a literal such as {1,2,NULL} or {"a","b \"c\""}. A text with a NUL byte is cut
 * there and invalid UTF-8 is replaced by U+FFFD, since PostgreSQL stores neither.
 */
#ifndef POSTRIDER_SHARED_PG_VALUES_H
#define POSTRIDER_SHARED_PG_VALUES_H

#include "shared/base.h"
#include "shared/text.h"

#define PG_VALUES_MAX 20

struct pg_values {
	struct text bytes; /* every parameter followed by a NUL */
	size_t offsets[PG_VALUES_MAX];
	bool nulls[PG_VALUES_MAX];
	int count;
	bool in_array, first_item;
};

void pg_values_init(struct pg_values *values);
void pg_values_release(struct pg_values *values);
void pg_values_clear(struct pg_values *values);

void pg_values_add_null(struct pg_values *values);
void pg_values_add_text(struct pg_values *values, const char *text); /* NULL: SQL null */
void pg_values_add_int64(struct pg_values *values, int64_t number);
void pg_values_add_bool(struct pg_values *values, bool on);

void pg_values_start_array(struct pg_values *values);
void pg_values_item_int64(struct pg_values *values, int64_t number);
void pg_values_item_text(struct pg_values *values, const char *bytes, size_t length); /* NULL bytes: null */
void pg_values_item_bool(struct pg_values *values, bool on);
void pg_values_item_null(struct pg_values *values);
void pg_values_end_array(struct pg_values *values);

#endif
