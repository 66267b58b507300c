/* span - bytes somewhere else, with their length: what the look-alikes read requests by. Borrowed, never owned. */
#ifndef POSTRIDER_TESTS_SANDBOX_SPAN_H
#define POSTRIDER_TESTS_SANDBOX_SPAN_H

#include "shared/text.h"

struct span {
	const char *bytes; /* may be NULL where the length is 0 */
	size_t length;
};

struct span span_of(const char *string); /* NULL is empty */
struct span span_of_text(const struct text *text);
bool span_equal(struct span span, const char *string);
bool span_is(struct span span, const char *string); /* in any case */
bool span_starts(struct span span, const char *string);
bool span_contains(struct span span, const char *string);
/* Without the first bytes; empty when there are fewer. */
struct span span_skip(struct span span, size_t bytes);
struct span span_trim(struct span span);
/* Cuts off what stands before the mark and takes the mark away; all of it when there is no mark. */
struct span span_cut(struct span *rest, char mark);
/* A number of digits only; -1 otherwise, also when it is larger than highest. */
int64_t span_number(struct span span, int64_t highest);
void span_add(struct text *out, struct span span);

/* Name and value of the next field of application/x-www-form-urlencoded bytes, decoded; false at the end. */
bool span_next_field(struct span *form, struct text *name, struct text *value);
/* The field's decoded value; false when it is not there. The text is cleared first. */
bool span_find_field(struct span form, const char *name, struct text *value);

#endif
