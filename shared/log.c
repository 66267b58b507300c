#include "shared/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/text.h"

#define LINE_MAX_BYTES  PIPE_BUF /* more in one write(2) may be mixed with other processes' lines */
#define VALUE_MAX_BYTES 1000     /* a single long sentence must not push the other fields out */
#define ENDING          "\"cut\":true}\n"
#define EVENTS_MAX      64
#define PER_SECOND_MAX  20
#define SECOND_MS       1000

/* How often an event came in the second that began at since_ms. */
struct frequency {
	const char *event;
	enum log_level level;
	int64_t since_ms;
	int64_t count;
	int64_t held_back;
};

static const char *program_name = "postrider";
static enum log_level lowest_level = LOG_INFO;
static const char *const level_names[] = {"debug", "info", "warning", "error"};
static struct frequency frequencies[EVENTS_MAX];
static size_t frequency_count;
static size_t held_back_count; /* rows with something held back */

/* Escaping makes some bytes six times as long; what is too long then is cut further. */
static void add_value(struct text *line, const char *value)
{
	size_t before = line->length;
	size_t length = strnlen(value, VALUE_MAX_BYTES);
	text_add_json_string(line, value, length);
	while (line->length - before > VALUE_MAX_BYTES + sizeof("\"\"\xEF\xBF\xBD")) {
		length /= 2;
		line->length = before;
		text_add_json_string(line, value, length);
	}
}

static void add_field(struct text *line, const struct log_field *field)
{
	text_add_char(line, ',');
	add_value(line, field->name);
	text_add_char(line, ':');
	if (field->text)
		add_value(line, field->text);
	else
		text_add_int64(line, field->number);
}

static void add_time(struct text *line)
{
	int64_t wall_ms = clock_wall_ms();
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm utc;
	char formatted[32];
	size_t length = strftime(formatted, sizeof(formatted), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
	text_add_bytes(line, formatted, length);
	text_addf(line, ".%03dZ", (int)(wall_ms % 1000));
}

static void add_head(struct text *line, enum log_level level, const char *event, const char *text)
{
	text_add(line, "{\"at\":\"");
	add_time(line);
	text_addf(line, "\",\"level\":\"%s\",\"program\":", level_names[level]);
	add_value(line, program_name);
	text_addf(line, ",\"process\":%d,\"event\":", (int)getpid());
	add_value(line, event);
	text_add(line, ",\"text\":");
	add_value(line, text);
}

/* False when the field found no room and is not there. */
static bool add_field_if_it_fits(struct text *line, const struct log_field *field)
{
	size_t before = line->length;
	add_field(line, field);
	if (text_ok(line) && line->length + sizeof(ENDING) <= LINE_MAX_BYTES)
		return true;
	line->length = before;
	line->overflowed = false;
	return false;
}

static void write_line(enum log_level level, const char *event, const char *text, const struct log_field *fields,
		       size_t count, int64_t held_back)
{
	/* Kept from line to line; the ceiling leaves room for one field too many, which is then taken back. */
	static struct text line;
	if (!line.bytes)
		text_init(&line, LINE_MAX_BYTES * 4);
	text_clear(&line);
	add_head(&line, level, event, text);
	bool all = true;
	if (held_back)
		all = add_field_if_it_fits(&line, &LOG_INT("repeated", held_back));
	for (size_t i = 0; i < count; i++)
		all = add_field_if_it_fits(&line, &fields[i]) && all;
	text_add(&line, all ? "}\n" : "," ENDING);

	ssize_t written = write(STDERR_FILENO, line.bytes, line.length);
	(void)written; /* where would one complain? */
}

static void tell_held_back(struct frequency *frequency)
{
	if (!frequency->held_back)
		return;
	int64_t held_back = frequency->held_back;
	frequency->held_back = 0;
	held_back_count--;
	write_line(frequency->level, frequency->event, "This event came more often than is written.", NULL, 0,
		   held_back);
}

static void tell_all_held_back(void)
{
	for (size_t i = 0; i < frequency_count; i++)
		tell_held_back(&frequencies[i]);
}

/* What is held back is told a second later, by whichever event comes next. */
static void tell_what_is_due(int64_t now_ms)
{
	for (size_t i = 0; i < frequency_count && held_back_count; i++) {
		if (now_ms - frequencies[i].since_ms >= SECOND_MS)
			tell_held_back(&frequencies[i]);
	}
}

/* NULL when there are more kinds of events than the table holds; those are always written. */
static struct frequency *find_frequency(const char *event)
{
	for (size_t i = 0; i < frequency_count; i++) {
		if (strcmp(frequencies[i].event, event) == 0)
			return &frequencies[i];
	}
	if (frequency_count == EVENTS_MAX)
		return NULL;
	struct frequency *added = &frequencies[frequency_count++];
	*added = (struct frequency){.event = event};
	return added;
}

static bool is_too_often(const char *event, enum log_level level, int64_t now_ms)
{
	struct frequency *frequency = find_frequency(event);
	if (!frequency)
		return false;
	if (frequency->count == 0 || now_ms - frequency->since_ms >= SECOND_MS) {
		frequency->since_ms = now_ms;
		frequency->count = 0;
	}
	if (frequency->count++ < PER_SECOND_MAX)
		return false;
	frequency->level = level;
	if (frequency->held_back++ == 0)
		held_back_count++;
	return true;
}

void log_open(const char *program, enum log_level lowest)
{
	static bool tells_at_exit;
	program_name = program;
	lowest_level = lowest;
	if (!tells_at_exit)
		tells_at_exit = atexit(tell_all_held_back) == 0;
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_fields(enum log_level level, const char *event, const char *text, const struct log_field *fields, size_t count)
{
	if (level < lowest_level)
		return;
	int64_t now_ms = clock_now_ms();
	if (held_back_count)
		tell_what_is_due(now_ms);
	if (!is_too_often(event, level, now_ms))
		write_line(level, event, text, fields, count, 0);
}
