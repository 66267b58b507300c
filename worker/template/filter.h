/* filter - the table of filters, and what each of them is given.
 *
 * A filter is a function from values to a value. arguments[0] is what stands before the |; count are those behind
 * the colon. Whatever it keeps, it takes from the run's arena; whatever it works through, it charges.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_FILTER_H
#define POSTRIDER_WORKER_TEMPLATE_FILTER_H

#include "worker/template/run.h"

struct filter_call {
	struct run *run;
	const struct op *op;
	const struct filter *filter;
	const struct value *arguments; /* the input first */
	int count;                     /* behind the input */
};

struct filter {
	const char *name;
	bool (*apply)(const struct filter_call *call, struct value *result);
	int least, most;     /* arguments behind the input */
	const char *example; /* of a right call */
	const char *keyword; /* the name of an argument that is given by name */
	bool is_default;     /* a value that is missing was expected */
	bool is_marketing;   /* not in pure Liquid */
	bool keeps_safe;     /* what was escaped before still is */
};

/* NULL: there is none. */
const struct filter *filter_find(const char *name, size_t length, bool is_marketing);
const char *filter_nearest(const char *name, size_t length, bool is_marketing);
int32_t filter_number(const struct filter *filter);
const struct filter *filter_at(int32_t number);

/* By family. */
extern const struct filter text_filters[], cut_filters[], html_filters[], code_filters[], number_filters[],
	list_filters[], find_filters[], date_filters[], marketing_filters[]; /* each ends with a NULL name */

#endif
