/* Reads tests/providers/<driver>/<name>.exchange: what a message becomes, and what an answer means. A file is sections,
 * each opened by a line "== name"; text before the first says what the exchange is about.
 *
 *   account   the settings, JSON            message   "name: value" lines       text, html   the bodies
 *   request   what it must become           answer    "name: value" lines
 *   address refused   why the address is wrong, or       refused   why something else is
 *   outcome   what the answer before it must be read as; answer and outcome may come several times
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/providers/provider.h"

struct exchange {
	const char *path;
	const struct provider_driver *driver;
	struct provider_account *account;
	struct provider_request request;
	char *message, *text, *html, *answer; /* the last section of that name */
};

static char *read_whole(const char *path)
{
	FILE *file = fopen(path, "re");
	char *bytes = calloc(1, 65536);

	assert_non_null(file);
	assert_non_null(bytes);
	assert_in_range(fread(bytes, 1, 65535, file), 1, 65534);
	(void)fclose(file);
	return bytes;
}

/* The value of "name: value" within a section, copied into buffer; "" when it is not there. */
static const char *field(const char *section, const char *name, char *buffer, size_t size)
{
	size_t length = strlen(name);

	buffer[0] = '\0';
	for (const char *line = section; line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n');

		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			const char *value = line + length + 1 + (line[length + 1] == ' ');

			(void)snprintf(buffer, size, "%.*s", (int)((end != NULL ? end : line + strlen(line)) - value),
				       value);
			return buffer;
		}
		line = end != NULL ? end + 1 : NULL;
	}
	return buffer;
}

static int64_t number(const char *section, const char *name)
{
	char buffer[64];

	return strtoll(field(section, name, buffer, sizeof(buffer)), NULL, 10);
}

static struct slice slice_of(const char *text)
{
	return (struct slice){.bytes = text, .length = text != NULL ? strlen(text) : 0};
}

static void configure(struct exchange *exchange, const char *section)
{
	struct error err = {0};
	json_t *settings = json_loads(section, 0, NULL);

	assert_non_null(settings);
	exchange->account = exchange->driver->configure(settings, &err);
	if (exchange->account == NULL)
		fail_msg("%s: %s", exchange->path, err.text);
	json_decref(settings);
}

static bool build(struct exchange *exchange, struct error *err)
{
	char key[300], address[400], subject[600];
	struct provider_message message = {
		.delivery_id = number(exchange->message, "delivery"),
		.attempt = 1,
		.idempotency_key = field(exchange->message, "key", key, sizeof(key)),
		.address = slice_of(field(exchange->message, "address", address, sizeof(address))),
		.subject = slice_of(field(exchange->message, "subject", subject, sizeof(subject))),
		.body_text = slice_of(exchange->text),
		.body_html = slice_of(exchange->html),
		.created_at_ms = number(exchange->message, "created_at_ms"),
		.now_ms = number(exchange->message, "now_ms"),
	};

	return exchange->driver->build(exchange->account, &message, &exchange->request, err);
}

/* CRLF is shown as a line end; a line end of any other kind stands out. */
static void show_body(const struct provider_request *request, struct text *shown)
{
	const struct text *body = &request->body;

	for (size_t i = 0; i < body->length; i++) {
		bool crlf = i + 1 < body->length && body->bytes[i] == '\r' && body->bytes[i + 1] == '\n';

		if (request->protocol == PROVIDER_SMTP && body->bytes[i] == '\n' &&
		    (i == 0 || body->bytes[i - 1] != '\r'))
			text_add(shown, "(bare LF)");
		if (!crlf)
			text_add_char(shown, body->bytes[i]);
	}
}

static void show_request(const struct provider_request *request, struct text *shown)
{
	text_addf(shown, "url: %s\n", text_string(&request->url));
	if (request->protocol == PROVIDER_SMTP)
		text_addf(shown, "mail_from: %s\nrcpt_to: %s\n", text_string(&request->mail_from),
			  text_string(&request->rcpt_to));
	for (size_t i = 0; i < request->header_count; i++)
		text_addf(shown, "%s\n", text_string(&request->headers[i]));
	text_add_char(shown, '\n');
	show_body(request, shown);
	if (shown->length > 0 && shown->bytes[shown->length - 1] != '\n')
		text_add_char(shown, '\n');
}

static void check_request(struct exchange *exchange, const char *section)
{
	struct error err = {0};
	struct text shown;

	if (!build(exchange, &err))
		fail_msg("%s: refused: %s", exchange->path, err.text);
	text_init(&shown, 65536);
	show_request(&exchange->request, &shown);
	if (strcmp(text_string(&shown), section) != 0) {
		(void)fprintf(stderr, "%s: the request is\n%s(end)\n", exchange->path, text_string(&shown));
		fail_msg("%s: another request", exchange->path);
	}
	text_release(&shown);
}

static void check_refused(struct exchange *exchange, enum error_kind kind, const char *section)
{
	struct error err = {0};

	if (build(exchange, &err))
		fail_msg("%s: not refused", exchange->path);
	assert_int_equal(err.kind, kind);
	if (strncmp(err.text, section, strlen(section) - 1) != 0)
		fail_msg("%s: refused in other words: %s", exchange->path, err.text);
}

static void check_outcome(struct exchange *exchange, const char *section)
{
	static const char *const progress_names[] = {"not_written", "written", "answered"};
	char progress[20], body[600], after[100], failure[50], class[50], code[64], words[256], stage[10];
	struct provider_answer answer = {
		.status = (int)number(exchange->answer, "status"),
		.body = slice_of(field(exchange->answer, "body", body, sizeof(body))),
		.retry_after = slice_of(field(exchange->answer, "retry_after", after, sizeof(after))),
		.failure = field(exchange->answer, "failure", failure, sizeof(failure)),
		.rcpt_stage = strcmp(field(exchange->answer, "rcpt_stage", stage, sizeof(stage)), "yes") == 0,
		.wall_ms = number(exchange->answer, "wall_ms"),
	};
	struct outcome outcome;

	if (*answer.failure == '\0')
		answer.failure = NULL;
	field(exchange->answer, "progress", progress, sizeof(progress));
	for (size_t i = 0; i < ARRAY_LENGTH(progress_names); i++)
		if (strcmp(progress, progress_names[i]) == 0)
			answer.progress = (enum provider_progress)i;
	exchange->driver->read(exchange->account, &answer, &outcome);
	if (strcmp(outcome_class_name(outcome.class), field(section, "class", class, sizeof(class))) != 0 ||
	    strcmp(outcome.code, field(section, "code", code, sizeof(code))) != 0 ||
	    strcmp(outcome.words, field(section, "words", words, sizeof(words))) != 0 ||
	    outcome.retry_after_ms != number(section, "retry_after_ms"))
		fail_msg("%s: after\n%sthe outcome is\nclass: %s\ncode: %s\nwords: %s\nretry_after_ms: %lld",
			 exchange->path, exchange->answer, outcome_class_name(outcome.class), outcome.code,
			 outcome.words, (long long)outcome.retry_after_ms);
}

static void take_section(struct exchange *exchange, const char *name, char *section)
{
	if (strcmp(name, "account") == 0)
		configure(exchange, section);
	else if (strcmp(name, "message") == 0)
		exchange->message = section;
	else if (strcmp(name, "text") == 0)
		exchange->text = section;
	else if (strcmp(name, "html") == 0)
		exchange->html = section;
	else if (strcmp(name, "answer") == 0)
		exchange->answer = section;
	else if (strcmp(name, "request") == 0)
		check_request(exchange, section);
	else if (strcmp(name, "refused") == 0)
		check_refused(exchange, ERROR_INVALID, section);
	else if (strcmp(name, "address refused") == 0)
		check_refused(exchange, ERROR_REFUSED, section);
	else if (strcmp(name, "outcome") == 0)
		check_outcome(exchange, section);
	else
		fail_msg("%s: there is no section \"%s\"", exchange->path, name);
}

/* Cuts the file at its "== name" lines; a section is everything between two of them. */
static void run_exchange(const struct provider_driver *driver, const char *path)
{
	struct exchange exchange = {.path = path, .driver = driver};
	char *bytes = read_whole(path), *sections[100];
	size_t count = 0;

	provider_request_init(&exchange.request);
	for (char *head = strstr(bytes, "\n== "); head != NULL;) {
		char *name = head + 4, *section = strchr(name, '\n'), *next;

		assert_non_null(section);
		assert_true(count < ARRAY_LENGTH(sections));
		next = strstr(section, "\n== ");
		*section++ = '\0';
		sections[count] = next != NULL ? strndup(section, next < section ? 0 : (size_t)(next + 1 - section))
					       : strdup(section);
		assert_non_null(sections[count]);
		take_section(&exchange, name, sections[count++]);
		head = next;
	}
	assert_true(count > 1);
	driver->release(exchange.account);
	provider_request_release(&exchange.request);
	while (count > 0)
		free(sections[--count]);
	free(bytes);
}

static void test_every_recorded_exchange(void **state)
{
	(void)state;
	for (size_t i = 0; provider_registry[i] != NULL; i++) {
		char folder[300], path[600];
		struct dirent *entry;
		size_t files = 0;
		DIR *dir;

		(void)snprintf(folder, sizeof(folder), "tests/providers/%s", provider_registry[i]->name);
		dir = opendir(folder);
		if (dir == NULL)
			fail_msg("%s has no folder of exchanges", provider_registry[i]->name);
		while ((entry = readdir(dir)) != NULL) {
			if (strstr(entry->d_name, ".exchange") == NULL)
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
			run_exchange(provider_registry[i], path);
			files++;
		}
		(void)closedir(dir);
		assert_true(files > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_recorded_exchange)};

	setenv("TEST_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
