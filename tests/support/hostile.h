/* hostile - templates that want more than they may have, for the tests of limits and for measuring what they cost. */
#ifndef POSTRIDER_TESTS_SUPPORT_HOSTILE_H
#define POSTRIDER_TESTS_SUPPORT_HOSTILE_H

#include "shared/text.h"
#include "worker/template/template.h"

enum hostile_end { HOSTILE_RENDERS, HOSTILE_LIMITED, HOSTILE_REFUSED };

/* before, then middle so many times, then after. */
struct hostile {
	const char *when;
	enum hostile_end ends;
	const char *before, *middle;
	size_t times;
	const char *after;
};

extern const struct hostile hostiles[];
extern const size_t hostile_count;

struct text hostile_source(const struct hostile *row); /* text_release() it */
struct template_data hostile_data(void);

#endif
