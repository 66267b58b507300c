/* settings - what can be set about the scheduler, read from the environment.
 *
 * One process, one set: scheduler_settings_read() fills it once, everybody else borrows a pointer to it.
 */
#ifndef POSTRIDER_SCHEDULER_SETTINGS_H
#define POSTRIDER_SCHEDULER_SETTINGS_H

#include <stdio.h>

#include "shared/settings.h"

struct scheduler_settings {
	const char *database_url;
	const char *amqp_url;
	const char *amqp_ca_file; /* "": the system's */
	const char *listen;
	const char *log_level;
	const char *sql_dir; /* "": where migrate looks by itself */
	int64_t tick_ms;
	int64_t plan_page;
	int64_t segment_timeout_ms;
	int64_t dispatch_batch;
	int64_t publish_window;
	int64_t lane_seconds;
	int64_t lane_max;
	int64_t attention_ms;
	int64_t lead_ms;
	int64_t drain_ms;
};

/* NULL with err when a value makes no sense. Valid as long as the process. */
const struct scheduler_settings *scheduler_settings_read(struct error *err) MUST_CHECK;
void scheduler_settings_print(FILE *out);

const struct setting *scheduler_settings_table(size_t *count);

#endif
