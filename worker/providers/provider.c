#include "worker/providers/provider.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "shared/memory.h"
#include "worker/providers/words.h"

#define URL_MAX            4096
#define HEADER_MAX         4096
#define ENVELOPE_MAX       512
#define SECRET_FILE_MAX    (64 * 1024)
#define RETRY_AFTER_MAX_MS (24 * 3600 * INT64_C(1000))

void provider_request_init(struct provider_request *request)
{
	memset(request, 0, sizeof(*request));
	text_init(&request->url, URL_MAX);
	for (size_t i = 0; i < PROVIDER_HEADERS_MAX; i++)
		text_init(&request->headers[i], HEADER_MAX);
	text_init(&request->body, PROVIDER_BODY_MAX);
	text_init(&request->mail_from, ENVELOPE_MAX);
	text_init(&request->rcpt_to, ENVELOPE_MAX);
}

void provider_request_clear(struct provider_request *request)
{
	text_clear(&request->url);
	for (size_t i = 0; i < request->header_count; i++)
		text_clear(&request->headers[i]);
	request->header_count = 0;
	text_clear(&request->body);
	text_clear(&request->mail_from);
	text_clear(&request->rcpt_to);
	request->token_number = 0;
}

void provider_request_release(struct provider_request *request)
{
	text_release(&request->url);
	for (size_t i = 0; i < PROVIDER_HEADERS_MAX; i++)
		text_release(&request->headers[i]);
	text_release(&request->body);
	text_release(&request->mail_from);
	text_release(&request->rcpt_to);
	request->header_count = 0;
}

bool provider_request_header(struct provider_request *request, const char *name, const char *value, size_t length,
			     struct error *err)
{
	struct text *header;

	for (size_t i = 0; i < length; i++)
		if (value[i] == '\r' || value[i] == '\n' || value[i] == '\0')
			return error_set(err, ERROR_INVALID, "The header %s would hold a line end.", name);
	if (request->header_count == PROVIDER_HEADERS_MAX)
		return error_set(err, ERROR_INVALID, "A request has at most %d headers.", PROVIDER_HEADERS_MAX);
	header = &request->headers[request->header_count];
	text_clear(header);
	text_add(header, name);
	text_add_bytes(header, ": ", 2);
	text_add_bytes(header, value, length);
	if (!text_ok(header))
		return error_set(err, ERROR_INVALID, "The header %s is longer than %d bytes.", name, HEADER_MAX);
	request->header_count++;
	return true;
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *bytes;
	size_t length;

	if (file == NULL)
		return NULL;
	bytes = memory_new(SECRET_FILE_MAX);
	length = fread(bytes, 1, SECRET_FILE_MAX - 1, file);
	(void)fclose(file);
	/* An editor's line end is not part of a secret. */
	while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r'))
		length--;
	bytes[length] = '\0';
	return bytes;
}

/* env:NAME or file:/path. A secret in the database itself is refused: everybody who edits campaigns reads it. */
static bool resolve_secret(const char *name, const char *reference, char **value, struct error *err)
{
	if (strncmp(reference, "env:", 4) == 0) {
		const char *found = getenv(reference + 4);

		if (found == NULL)
			return error_set(err, ERROR_INVALID, "%s: the environment variable %s is not set.", name,
					 reference + 4);
		*value = memory_copy_string(found);
		return true;
	}
	if (strncmp(reference, "file:", 5) == 0) {
		*value = read_file(reference + 5);
		if (*value == NULL)
			return error_set(err, ERROR_INVALID, "%s: the file %s cannot be read.", name, reference + 5);
		return true;
	}
	return error_set(err, ERROR_INVALID,
			 "%s is a secret: name where it is, env:NAME or file:/path, instead of writing it here.", name);
}

static bool has_controls(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			return true;
	return false;
}

static bool copy_default(const char *name, const char *default_text, char **value, struct error *err)
{
	if (default_text == NULL)
		return error_set(err, ERROR_INVALID, "The setting %s is missing.", name);
	*value = memory_copy_string(default_text);
	return true;
}

bool provider_setting_text(const json_t *settings, const char *name, bool secret, const char *default_text,
			   char **value, struct error *err)
{
	const json_t *setting = json_object_get(settings, name);
	const char *text = json_string_value(setting);
	char *found = NULL;

	if (setting == NULL || json_is_null(setting))
		return copy_default(name, default_text, value, err);
	if (text == NULL)
		return error_set(err, ERROR_INVALID, "The setting %s is not a text.", name);
	if (!secret)
		found = memory_copy_string(text);
	else if (!resolve_secret(name, text, &found, err))
		return false;
	if (has_controls(found)) {
		free(found);
		return error_set(err, ERROR_INVALID, "The setting %s holds a line end or another control character.",
				 name);
	}
	*value = found;
	return true;
}

bool provider_setting_document(const json_t *settings, const char *name, char **value, struct error *err)
{
	const json_t *setting = json_object_get(settings, name);

	if (setting == NULL || json_is_null(setting))
		return error_set(err, ERROR_INVALID, "The setting %s is missing.", name);
	if (!json_is_string(setting))
		return error_set(err, ERROR_INVALID, "The setting %s is not a text.", name);
	return resolve_secret(name, json_string_value(setting), value, err);
}

bool provider_setting_number(const json_t *settings, const char *name, int64_t default_number, int64_t lowest,
			     int64_t highest, int64_t *value, struct error *err)
{
	const json_t *setting = json_object_get(settings, name);
	int64_t number = default_number;

	if (setting != NULL && !json_is_null(setting)) {
		if (!json_is_integer(setting))
			return error_set(err, ERROR_INVALID, "The setting %s is not a whole number.", name);
		number = json_integer_value(setting);
	}
	if (number < lowest || number > highest)
		return error_set(err, ERROR_INVALID, "The setting %s is not between %" PRId64 " and %" PRId64 ".", name,
				 lowest, highest);
	*value = number;
	return true;
}

struct slice provider_slice(const char *text)
{
	return (struct slice){.bytes = text, .length = strlen(text)};
}

static struct slice trim(struct slice value)
{
	while (value.length > 0 && (value.bytes[0] == ' ' || value.bytes[0] == '\t')) {
		value.bytes++;
		value.length--;
	}
	while (value.length > 0 && strchr(" \t\r\n", value.bytes[value.length - 1]) != NULL)
		value.length--;
	return value;
}

struct slice provider_header(struct slice headers, const char *name)
{
	const char *line = headers.bytes, *end = line + headers.length;
	size_t name_length = strlen(name);

	while (line < end) {
		const char *line_end = memchr(line, '\n', (size_t)(end - line));

		if (line_end == NULL)
			line_end = end;
		if ((size_t)(line_end - line) > name_length && line[name_length] == ':' &&
		    strncasecmp(line, name, name_length) == 0) {
			line += name_length + 1;
			return trim((struct slice){line, (size_t)(line_end - line)});
		}
		line = line_end + 1;
	}
	return (struct slice){NULL, 0};
}

static bool parse_seconds(struct slice value, int64_t *seconds)
{
	*seconds = 0;
	for (size_t i = 0; i < value.length; i++) {
		if (value.bytes[i] < '0' || value.bytes[i] > '9')
			return false;
		if (*seconds < RETRY_AFTER_MAX_MS)
			*seconds = *seconds * 10 + (value.bytes[i] - '0');
	}
	return value.length > 0;
}

/* The three forms of RFC 9110 §5.6.7. */
static bool parse_date(struct slice value, int64_t *wall_ms)
{
	static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
					    "%a %b %e %H:%M:%S %Y"};
	char text[64];

	if (value.length == 0 || value.length >= sizeof(text))
		return false;
	memcpy(text, value.bytes, value.length);
	text[value.length] = '\0';
	for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
		struct tm date = {0};
		const char *end = strptime(text, forms[i], &date);

		if (end != NULL && *end == '\0') {
			*wall_ms = (int64_t)timegm(&date) * 1000;
			return true;
		}
	}
	return false;
}

int64_t provider_retry_after_ms(struct slice value, int64_t wall_ms)
{
	int64_t seconds, date_ms, wait_ms = 0;

	value = trim(value);
	if (parse_seconds(value, &seconds))
		wait_ms = seconds > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : seconds * 1000;
	else if (parse_date(value, &date_ms) && date_ms > wall_ms)
		wait_ms = date_ms - wall_ms;
	return wait_ms < RETRY_AFTER_MAX_MS ? wait_ms : RETRY_AFTER_MAX_MS;
}
