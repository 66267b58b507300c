/* samples - three messages as marketers write them, and the same messages written straight in C over a parsed profile. */
#ifndef POSTRIDER_TESTS_LOAD_SAMPLES_H
#define POSTRIDER_TESTS_LOAD_SAMPLES_H

#include <jansson.h>

#include "shared/text.h"
#include "worker/template/template.h"

struct sample {
	const char *name;
	enum template_slot slot;
	void (*source)(struct text *out);                        /* the template */
	void (*direct)(const json_t *profile, struct text *out); /* what it renders, without it */
};

extern const struct sample samples[];
extern const size_t sample_count;

void sample_profile(struct text *out); /* about 2.5 KB of JSON */

#endif
