#include "shared/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/memory.h"
#include "shared/text.h"

#define PREFIX         "POSTRIDER_"
#define FILE_SUFFIX    "_FILE"
#define FILE_BYTES_MAX (64 * 1024) /* a certificate chain fits; a wrong path to something large does not */

/* Names that stand in no program's table of settings, or only in that of another program: all of them may run in
 * one environment. Add a line when a program gets a setting that the others lack. */
static const char *const known_elsewhere[] = {
	"POSTRIDER_AMQP_URL",
	"POSTRIDER_BIN", /* tests: where the programs are */
	"POSTRIDER_DATABASE_URL",
	"POSTRIDER_FAILPOINT",     /* test builds: shared/failpoint.h */
	"POSTRIDER_WITHOUT_GUARD", /* test builds: shared/failpoint.h */
	"POSTRIDER_STACK_DIR",     /* deploy/stack */
	/* scheduler/settings.c */
	"POSTRIDER_AMQP_CA_FILE",
	"POSTRIDER_ATTENTION_MS",
	"POSTRIDER_DISPATCH_BATCH",
	"POSTRIDER_DRAIN_MS",
	"POSTRIDER_LANE_MAX",
	"POSTRIDER_LANE_SECONDS",
	"POSTRIDER_LEAD_MS",
	"POSTRIDER_LISTEN",
	"POSTRIDER_LOG_LEVEL",
	"POSTRIDER_PLAN_PAGE",
	"POSTRIDER_PUBLISH_WINDOW",
	"POSTRIDER_SEGMENT_TIMEOUT_MS",
	"POSTRIDER_SQL_DIR",
	"POSTRIDER_TICK_MS",
	/* worker/callbacks/settings.c */
	"POSTRIDER_CALLBACK_BODY_BYTES",
	"POSTRIDER_CALLBACK_CONNECTIONS",
	"POSTRIDER_CALLBACK_HEAD_BYTES",
	"POSTRIDER_CALLBACK_IDLE_MS",
	"POSTRIDER_CALLBACK_LISTEN",
	"POSTRIDER_CALLBACK_MEMORY_BYTES",
	"POSTRIDER_CALLBACK_REQUEST_MS",
	"POSTRIDER_FOLD_BATCH",
	"POSTRIDER_KEEP_BATCH",
	"POSTRIDER_KEEP_LINGER_MS",
	"POSTRIDER_PROOF_WITH_ADDRESS",
	"POSTRIDER_PUBLIC_URL",
	/* worker/settings.c and worker/callbacks/settings.c */
	"POSTRIDER_LINK_KEY",
	"POSTRIDER_LINK_URL",
};

/* Read first and handed out only when every row is right. */
struct reading {
	char *text;
	int64_t number;
};

/* An empty variable counts as none: compose files and units cannot easily leave one out. */
static const char *environment_value(const char *name, const char *suffix)
{
	struct text full;
	text_init(&full, 200);
	text_add(&full, name);
	text_add(&full, suffix);
	const char *value = text_ok(&full) ? getenv(text_string(&full)) : NULL;
	text_release(&full);
	return value && *value ? value : NULL;
}

static bool read_stream(FILE *stream, struct text *content)
{
	char part[4096];
	size_t length;
	while ((length = fread(part, 1, sizeof(part), stream)) > 0 && text_ok(content))
		text_add_bytes(content, part, length);
	return !ferror(stream);
}

/* Editors put a line end behind the value. */
static void drop_line_end(struct text *content)
{
	while (content->length &&
	       (content->bytes[content->length - 1] == '\n' || content->bytes[content->length - 1] == '\r'))
		content->bytes[--content->length] = '\0';
}

static bool read_file(const char *name, const char *path, char **value, struct error *err)
{
	FILE *stream = fopen(path, "re");
	if (!stream)
		return error_set(err, ERROR_INVALID, "%s" FILE_SUFFIX ": %s: %s", name, path, strerror(errno));
	struct text content;
	text_init(&content, FILE_BYTES_MAX);
	errno = 0;
	bool was_read = read_stream(stream, &content);
	int reason = errno;
	fclose(stream);
	drop_line_end(&content);

	const char *problem = NULL;
	if (!was_read)
		problem = strerror(reason);
	else if (!text_ok(&content))
		problem = "more than 64 KiB";
	else if (memchr(text_string(&content), '\0', content.length))
		problem = "a NUL byte inside";
	else if (content.length == 0)
		problem = "the file is empty";
	if (!problem)
		*value = text_take(&content, NULL);
	text_release(&content);
	return !problem || error_set(err, ERROR_INVALID, "%s" FILE_SUFFIX ": %s: %s", name, path, problem);
}

static bool read_text(const struct setting *setting, char **value, struct error *err)
{
	const char *direct = environment_value(setting->name, "");
	const char *path = environment_value(setting->name, FILE_SUFFIX);
	if (direct && path)
		return error_set(err, ERROR_INVALID, "%s and %s" FILE_SUFFIX " are both set: keep one of them",
				 setting->name, setting->name);
	if (path)
		return read_file(setting->name, path, value, err);
	*value = memory_copy_string(direct);
	return true;
}

static bool parse_number(const struct setting *setting, const char *value, int64_t *number, struct error *err)
{
	char *end;
	errno = 0;
	long long parsed = strtoll(value, &end, 10);
	bool starts_well = *value == '-' || (*value >= '0' && *value <= '9');
	if (!starts_well || *end != '\0' || end == value)
		return error_set(err, ERROR_INVALID, "%s=%.60s is not a whole number", setting->name, value);
	if (errno == ERANGE || parsed < setting->lowest || parsed > setting->highest)
		return error_set(err, ERROR_INVALID, "%s=%.60s is not between %" PRId64 " and %" PRId64 " %s",
				 setting->name, value, setting->lowest, setting->highest, setting->unit);
	*number = parsed;
	return true;
}

static bool parse_switch(const struct setting *setting, const char *value, int64_t *number, struct error *err)
{
	static const char *const words[][2] = {{"off", "on"}, {"false", "true"}, {"no", "yes"}, {"0", "1"}};
	for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
		for (size_t on = 0; on < 2; on++) {
			if (strcmp(value, words[i][on]) == 0) {
				*number = (int64_t)on;
				return true;
			}
		}
	}
	return error_set(err, ERROR_INVALID, "%s=%.60s is neither on nor off", setting->name, value);
}

static bool read_row(const struct setting *setting, struct reading *reading, struct error *err)
{
	if (!read_text(setting, &reading->text, err))
		return false;
	reading->number = setting->number_default;
	if (setting->type == SETTING_TYPE_NUMBER && reading->text)
		return parse_number(setting, reading->text, &reading->number, err);
	if (setting->type == SETTING_TYPE_SWITCH && reading->text)
		return parse_switch(setting, reading->text, &reading->number, err);
	return true;
}

/* Takes over the reading's text, or frees it where only the number counts. */
static void hand_out(const struct setting *setting, struct reading *reading)
{
	switch (setting->type) {
	case SETTING_TYPE_TEXT:
	case SETTING_TYPE_SECRET:
		*setting->value.text = reading->text ? reading->text : setting->text_default;
		return;
	case SETTING_TYPE_NUMBER:
		*setting->value.number = reading->number;
		break;
	case SETTING_TYPE_SWITCH:
		*setting->value.on = reading->number != 0;
		break;
	}
	free(reading->text);
}

bool settings_read(const struct setting *table, size_t count, struct error *err)
{
	struct reading *readings = memory_new_array(count, sizeof(*readings));
	bool worked = true;
	for (size_t i = 0; i < count && worked; i++)
		worked = read_row(&table[i], &readings[i], err);
	for (size_t i = 0; i < count; i++) {
		if (worked)
			hand_out(&table[i], &readings[i]);
		else
			free(readings[i].text);
	}
	free(readings);
	return worked;
}

static bool is_name(const char *candidate, size_t length, const char *name)
{
	return strlen(name) == length && memcmp(candidate, name, length) == 0;
}

static bool is_known(const struct setting *table, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++) {
		if (is_name(name, length, table[i].name))
			return true;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(known_elsewhere); i++) {
		if (is_name(name, length, known_elsewhere[i]))
			return true;
	}
	return false;
}

const char *settings_unknown(const struct setting *table, size_t count)
{
	static char *found;
	for (char **variable = environ; *variable; variable++) {
		size_t length = strcspn(*variable, "=");
		size_t suffix = sizeof(FILE_SUFFIX) - 1;
		if (strncmp(*variable, PREFIX, sizeof(PREFIX) - 1) != 0 || is_known(table, count, *variable, length))
			continue;
		if (length > suffix && memcmp(*variable + length - suffix, FILE_SUFFIX, suffix) == 0 &&
		    is_known(table, count, *variable, length - suffix))
			continue;
		free(found);
		found = memory_copy_bytes(*variable, length);
		return found;
	}
	return NULL;
}

/* A URL may carry a password; the rest of it is what one wants to see. */
static void print_without_password(const char *value, FILE *out)
{
	const char *authority = strstr(value, "://");
	size_t length = authority ? strcspn(authority + 3, "/?#") : 0;
	const char *at = authority ? memrchr(authority + 3, '@', length) : NULL;
	const char *colon = at ? memchr(authority + 3, ':', (size_t)(at - authority - 3)) : NULL;
	if (strcasestr(value, "password="))
		fputs("hidden, it holds a password", out);
	else if (colon)
		fprintf(out, "%.*s:***%s", (int)(colon - value), value, at);
	else
		fputs(value, out);
}

static void print_default(const struct setting *setting, FILE *out)
{
	switch (setting->type) {
	case SETTING_TYPE_SECRET:
		fputs("secret", out);
		break;
	case SETTING_TYPE_TEXT:
		fputs("text, default ", out);
		print_without_password(setting->text_default && *setting->text_default ? setting->text_default : "none",
				       out);
		break;
	case SETTING_TYPE_NUMBER:
		fprintf(out, "%s, default %" PRId64 ", %" PRId64 " to %" PRId64,
			*setting->unit ? setting->unit : "number", setting->number_default, setting->lowest,
			setting->highest);
		break;
	case SETTING_TYPE_SWITCH:
		fprintf(out, "on or off, default %s", setting->number_default ? "on" : "off");
		break;
	}
}

static void print_given(const struct setting *setting, FILE *out)
{
	const char *path = environment_value(setting->name, FILE_SUFFIX);
	const char *direct = environment_value(setting->name, "");
	if (path)
		fprintf(out, "; now from %s", path);
	else if (direct && setting->type == SETTING_TYPE_SECRET)
		fputs("; now set", out);
	else if (direct) {
		fputs("; now ", out);
		print_without_password(direct, out);
	}
}

void settings_print(const struct setting *table, size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%s\n    ", table[i].name);
		print_default(&table[i], out);
		print_given(&table[i], out);
		fprintf(out, "\n    %s\n", table[i].sentence);
	}
}
