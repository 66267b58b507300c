/* log - one event, one JSON line on stderr.
 *
 * Fields: at (UTC, ms), level, program, process, event, text, and what the caller adds.
 * event is a fixed word for machines (`lane_paused`), text a sentence for people.
 * Never an address, a body or a secret: only ids, codes and our own sentences.
 *
 *     log_event(LOG_WARNING, "lane_paused", "The provider asked us to wait.",
 *               LOG_INT("lane", lane->lane_id), LOG_TEXT("reason", reason));
 *
 * A line is one write(2) of at most PIPE_BUF bytes, so lines of several processes do not mix. A
 * text longer than 1000 bytes is cut; a field that finds no room is left out (`"cut":true`). The
 * same event more than 20 times a second is counted and told once a second instead (field
 * `repeated`), at the latest when the program exits. event and program are borrowed for good: literals.
 * Only main programs log, from their main thread; libraries return errors.
 */
#ifndef POSTRIDER_SHARED_LOG_H
#define POSTRIDER_SHARED_LOG_H

#include "shared/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field {
	const char *name;
	const char *text; /* NULL: the number counts */
	int64_t number;
};

/* A function, because compilers complain of arrays that are compared with NULL. */
static inline const char *log_text_or_empty(const char *text)
{
	return text ? text : "";
}

#define LOG_TEXT(field, value) ((struct log_field){.name = (field), .text = log_text_or_empty(value)})
#define LOG_INT(field, value)  ((struct log_field){.name = (field), .number = (int64_t)(value)})

void log_open(const char *program, enum log_level lowest);
bool log_level_parse(const char *name, enum log_level *level); /* "debug" ... "error" */

void log_fields(enum log_level level, const char *event, const char *text, const struct log_field *fields,
		size_t count);
#define log_event(level, event, ...) log_event_(level, event, __VA_ARGS__)
#define log_event_(level, event, text, ...)                                                                            \
	log_fields(level, event, text, (const struct log_field[]){{0}, ##__VA_ARGS__} + 1,                             \
		   sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field) - 1)

#endif
