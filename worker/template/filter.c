#include "worker/template/filter.h"

#include <string.h>

#include "worker/template/suggest.h"

static const struct filter *const families[] = {text_filters, cut_filters,    html_filters,
						code_filters, number_filters, list_filters,
						find_filters, date_filters,   marketing_filters};

/* Families are short and compiling is rare: a filter's number is its family's times this, plus its place there. */
#define FAMILY_MAX 64

const struct filter *filter_find(const char *name, size_t length, bool is_marketing)
{
	for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
		for (const struct filter *filter = families[i]; filter->name != NULL; filter++)
			if (strlen(filter->name) == length && memcmp(filter->name, name, length) == 0 &&
			    (is_marketing || !filter->is_marketing))
				return filter;
	return NULL;
}

const char *filter_nearest(const char *name, size_t length, bool is_marketing)
{
	const char *nearest = NULL;
	int best = SUGGEST_FAR;

	for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
		for (const struct filter *filter = families[i]; filter->name != NULL; filter++) {
			int distance = suggest_distance(name, length, filter->name);

			if (distance >= best || (filter->is_marketing && !is_marketing))
				continue;
			best = distance;
			nearest = filter->name;
		}
	return nearest;
}

int32_t filter_number(const struct filter *filter)
{
	for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
		for (int32_t j = 0; families[i][j].name != NULL; j++)
			if (&families[i][j] == filter)
				return (int32_t)i * FAMILY_MAX + j;
	return TEMPLATE_NOTHING;
}

const struct filter *filter_at(int32_t number)
{
	return &families[number / FAMILY_MAX][number % FAMILY_MAX];
}
