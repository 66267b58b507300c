/* settings - a typed table read from the environment, which prints itself.
 *
 * A program declares one table; a row names the variable, its type, default,
 * bounds and a sentence, and points to where the value goes:
 *
 *     static struct worker_settings settings;
 *     static const struct setting table[] = {
 *         SETTING_TEXT("POSTRIDER_DATABASE_URL", &settings.database_url, "postgresql:///postrider",
 *                      "Where the database is."),
 *         SETTING_NUMBER("POSTRIDER_LEASE_MS", "ms", &settings.lease_ms, 60000, 1000, 600000,
 *                        "How long a claim holds."),
 *     };
 *
 * NAME_FILE reads the value from a file (for secrets) without the line end behind it. An empty
 * variable counts as unset. A value out of bounds is an error with a sentence. Values live as
 * long as the process. All programs may share one environment, so settings_read() passes over
 * what it does not know; settings_unknown() finds the misspelt name.
 */
#ifndef POSTRIDER_SHARED_SETTINGS_H
#define POSTRIDER_SHARED_SETTINGS_H

#include <stdio.h>

#include "shared/error.h"

enum setting_type { SETTING_TYPE_TEXT, SETTING_TYPE_SECRET, SETTING_TYPE_NUMBER, SETTING_TYPE_SWITCH };

struct setting {
	const char *name;
	enum setting_type type;
	const char *unit; /* "ms", "bytes", "messages"; "" for text */
	union {
		const char **text;
		int64_t *number;
		bool *on;
	} value;
	const char *text_default;
	int64_t number_default, lowest, highest; /* a switch uses number_default 0 or 1 */
	const char *sentence;
};

#define SETTING_TEXT(name_, where, default_, sentence_)                                                                \
	{                                                                                                              \
		.name = (name_), .type = SETTING_TYPE_TEXT, .unit = "", .value.text = (where),                         \
		.text_default = (default_), .sentence = (sentence_)                                                    \
	}
#define SETTING_SECRET(name_, where, default_, sentence_)                                                              \
	{                                                                                                              \
		.name = (name_), .type = SETTING_TYPE_SECRET, .unit = "", .value.text = (where),                       \
		.text_default = (default_), .sentence = (sentence_)                                                    \
	}
#define SETTING_NUMBER(name_, unit_, where, default_, lowest_, highest_, sentence_)                                    \
	{                                                                                                              \
		.name = (name_), .type = SETTING_TYPE_NUMBER, .unit = (unit_), .value.number = (where),                \
		.number_default = (default_), .lowest = (lowest_), .highest = (highest_), .sentence = (sentence_)      \
	}
#define SETTING_SWITCH(name_, where, default_, sentence_)                                                              \
	{                                                                                                              \
		.name = (name_), .type = SETTING_TYPE_SWITCH, .unit = "", .value.on = (where),                         \
		.number_default = (default_), .highest = 1, .sentence = (sentence_)                                    \
	}

/* Fills every row from the environment, or none. */
bool settings_read(const struct setting *table, size_t count, struct error *err) MUST_CHECK;

/* The first POSTRIDER_ variable that neither this table nor any other part of the project knows,
 * or NULL. Worth a warning: it is probably misspelt. Borrowed until the next call. */
const char *settings_unknown(const struct setting *table, size_t count);

/* The table for people: name, type and unit, default, bounds, what the environment says now, sentence.
 * Neither secrets nor the passwords in URLs are shown. */
void settings_print(const struct setting *table, size_t count, FILE *out);

#endif
