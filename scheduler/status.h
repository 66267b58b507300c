/* status - what the engine does, for people: campaigns with a progress bar, lanes, and what is stuck.
 *
 * Reads the views of the schema report, so it works from anywhere and whether or not a scheduler runs.
 */
#ifndef POSTRIDER_SCHEDULER_STATUS_H
#define POSTRIDER_SCHEDULER_STATUS_H

#include <stdio.h>

#include "shared/error.h"
#include "shared/text.h"

struct status_options {
	const char *database_url;
	bool watch; /* again each second, until interrupted */
	bool json;  /* one object a line */
};

bool status_run(const struct status_options *options, FILE *out, struct error *err) MUST_CHECK;

/* For tests. "[#####.....]": settled of audience, never full before the end. */
void status_add_bar(struct text *text, int64_t settled, int64_t audience, size_t width);
/* "3 s", "4 min 05 s", "2 h 03 min", "5 days" */
void status_add_duration(struct text *text, int64_t seconds);

#endif
