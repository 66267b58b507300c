/* Reads tests/providers/<driver>/<name>.exchange: what a message becomes, what an answer means, what a callback tells. A
 * file is sections, each opened by a line "== name"; text before the first says what the exchange is about.
 *
 *   account   the settings, JSON            message   "name: value" lines       text, html   the bodies
 *   request   what it must become           answer    "name: value" lines; "header: Name: value" as often as needed
 *   address refused   why the address is wrong, or       refused   why something else is
 *   outcome, token outcome   what the answer before it must be read as; answer and outcome may come several times
 *   token     the answer that brings an access token, as `answer`, or now_ms where the fleet shares one that we sign;
 *             "(token)" stands for what was signed      token request   what asks for it
 *   callback  method, url, now_ms and header lines, a blank line, and the body without its last line end; with
 *             "line_ends: crlf" every line of the body ends in CRLF, the last one too
 *   events    what the callback before it must tell: what is not empty of each event, events parted by blank lines
 *   forged    the callback before it must not be believed, or       nonsense   it is from the provider and makes no sense;
 *             both say how the sentence begins
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

#include "shared/base64url.h"
#include "worker/providers/provider.h"

struct exchange {
	const char *path;
	const struct provider_driver *driver;
	struct provider_account *account;
	struct provider_request request;
	char *message, *text, *html, *answer, *callback; /* the last section of that name */
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

static bool says_yes(const char *section, const char *name)
{
	char buffer[10];

	return strcmp(field(section, name, buffer, sizeof(buffer)), "yes") == 0;
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
	exchange->driver->release(exchange->account);
	exchange->account = exchange->driver->configure(settings, &err);
	if (exchange->account == NULL)
		fail_msg("%s: %s", exchange->path, err.text);
	json_decref(settings);
}

static bool build(struct exchange *exchange, struct error *err)
{
	char key[300], address[1000], subject[600], link[300], image[300], data[600], unsubscribe[300], callback[300];
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
		.expires_at_ms = number(exchange->message, "expires_at_ms"),
		.is_marketing = says_yes(exchange->message, "marketing"),
		.is_silent = says_yes(exchange->message, "silent"),
		.link = slice_of(field(exchange->message, "link", link, sizeof(link))),
		.image = slice_of(field(exchange->message, "image", image, sizeof(image))),
		.data = slice_of(field(exchange->message, "data", data, sizeof(data))),
		.unsubscribe_url = field(exchange->message, "unsubscribe_url", unsubscribe, sizeof(unsubscribe)),
		.callback_url = field(exchange->message, "callback_url", callback, sizeof(callback)),
	};

	if (*message.unsubscribe_url == '\0')
		message.unsubscribe_url = NULL;
	if (*message.callback_url == '\0')
		message.callback_url = NULL;
	return exchange->driver->build(exchange->account, &message, &exchange->request, err);
}

/* What is not text is shown in base64url. */
static bool is_binary(const struct provider_request *request)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (strcmp(text_string(&request->headers[i]), "Content-Encoding: aes128gcm") == 0)
			return true;
	return false;
}

/* A JSON Web Token has another signature each time. */
static void show_text(struct text *shown, const char *bytes, size_t length)
{
	const char *token = memmem(bytes, length, "eyJ", 3);
	size_t before = token != NULL ? (size_t)(token - bytes) : length, signed_length;

	text_add_bytes(shown, bytes, before);
	if (token == NULL)
		return;
	signed_length = strspn(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
	text_add(shown, "(token)");
	text_add_bytes(shown, token + signed_length, length - before - signed_length);
}

/* CRLF is shown as a line end; a line end of any other kind stands out. */
static void show_body(const struct provider_request *request, struct text *shown)
{
	const struct text *body = &request->body;

	if (is_binary(request)) {
		base64url_add(shown, body->bytes, body->length);
		return;
	}
	if (request->protocol == PROVIDER_HTTP) {
		show_text(shown, text_string(body), body->length);
		return;
	}
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
	for (size_t i = 0; i < request->header_count; i++) {
		show_text(shown, text_string(&request->headers[i]), request->headers[i].length);
		text_add_char(shown, '\n');
	}
	text_add_char(shown, '\n');
	show_body(request, shown);
	if (shown->length > 0 && shown->bytes[shown->length - 1] != '\n')
		text_add_char(shown, '\n');
}

static void compare_request(struct exchange *exchange, const char *section)
{
	struct text shown;

	text_init(&shown, 65536);
	show_request(&exchange->request, &shown);
	if (strcmp(text_string(&shown), section) != 0) {
		(void)fprintf(stderr, "%s: the request is\n%s(end)\n", exchange->path, text_string(&shown));
		fail_msg("%s: another request", exchange->path);
	}
	text_release(&shown);
}

static void check_request(struct exchange *exchange, const char *section)
{
	struct error err = {0};

	if (!build(exchange, &err))
		fail_msg("%s: refused: %s", exchange->path, err.text);
	compare_request(exchange, section);
}

static void check_token_request(struct exchange *exchange, const char *section)
{
	struct error err = {0};

	assert_non_null(exchange->driver->token);
	if (!exchange->driver->token->build(exchange->account, number(exchange->message, "now_ms"), &exchange->request,
					    &err))
		fail_msg("%s: refused: %s", exchange->path, err.text);
	compare_request(exchange, section);
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

/* Every "header: Name: value" line, as it comes over the wire. */
static void add_headers(const char *section, struct text *out)
{
	for (const char *line = section; line != NULL && *line != '\n' && *line != '\0';) {
		const char *end = strchr(line, '\n');

		if (strncmp(line, "header: ", 8) == 0) {
			text_add_bytes(out, line + 8, end != NULL ? (size_t)(end - line - 8) : strlen(line + 8));
			text_add(out, "\r\n");
		}
		line = end != NULL ? end + 1 : NULL;
	}
}

static enum provider_progress progress_of(const char *section)
{
	static const char *const names[] = {"not_written", "written", "answered"};
	char progress[20];

	field(section, "progress", progress, sizeof(progress));
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		if (strcmp(progress, names[i]) == 0)
			return (enum provider_progress)i;
	fail_msg("progress is not \"%s\"", progress);
	return PROVIDER_ANSWERED;
}

/* Hands the last answer to read(), or to the one of the token source. True: a token is held. */
static bool read_answer(struct exchange *exchange, bool for_token, struct outcome *outcome)
{
	bool held = false;
	char body[4000], after[100], failure[50];
	struct provider_answer answer = {
		.progress = progress_of(exchange->answer),
		.status = (int)number(exchange->answer, "status"),
		.body = slice_of(field(exchange->answer, "body", body, sizeof(body))),
		.retry_after = slice_of(field(exchange->answer, "retry_after", after, sizeof(after))),
		.failure = field(exchange->answer, "failure", failure, sizeof(failure)),
		.rcpt_stage = says_yes(exchange->answer, "rcpt_stage"),
		.wall_ms = number(exchange->answer, "wall_ms"),
		.token_number = number(exchange->answer, "token_number"),
	};
	struct text headers;

	if (*answer.failure == '\0')
		answer.failure = NULL;
	text_init(&headers, 4096);
	add_headers(exchange->answer, &headers);
	answer.headers = (struct slice){.bytes = text_string(&headers), .length = headers.length};
	if (for_token)
		held = exchange->driver->token->read(exchange->account, &answer, outcome);
	else
		exchange->driver->read(exchange->account, &answer, outcome);
	text_release(&headers);
	return held;
}

static void take_token(struct exchange *exchange, char *section)
{
	const struct provider_token_source *source = exchange->driver->token;
	int64_t now_ms = number(section, "now_ms");
	struct provider_token_share share;
	struct outcome outcome;

	assert_non_null(source);
	if (source->mint != NULL) {
		source->mint(exchange->account, now_ms, &share);
		assert_true(source->adopt(exchange->account, now_ms, &share));
		return;
	}
	exchange->answer = section;
	if (!read_answer(exchange, true, &outcome))
		fail_msg("%s: no token: %s", exchange->path, outcome.words);
}

static void check_outcome(struct exchange *exchange, bool for_token, const char *section)
{
	char class[50], code[64], words[256], id[160];
	struct outcome outcome;

	assert_false(read_answer(exchange, for_token, &outcome));
	if (strcmp(outcome_class_name(outcome.class), field(section, "class", class, sizeof(class))) != 0 ||
	    strcmp(outcome.code, field(section, "code", code, sizeof(code))) != 0 ||
	    strcmp(outcome.words, field(section, "words", words, sizeof(words))) != 0 ||
	    strcmp(outcome.provider_message_id, field(section, "message", id, sizeof(id))) != 0 ||
	    outcome.alone != says_yes(section, "alone") || outcome.retry_after_ms != number(section, "retry_after_ms"))
		fail_msg("%s: after\n%sthe outcome is\nclass: %s\ncode: %s\nwords: %s\nmessage: %s\n"
			 "alone: %s\nretry_after_ms: %lld",
			 exchange->path, exchange->answer, outcome_class_name(outcome.class), outcome.code,
			 outcome.words, outcome.provider_message_id, outcome.alone ? "yes" : "no",
			 (long long)outcome.retry_after_ms);
}

static const char *const kind_names[] = {
	[PROVIDER_EVENT_QUEUED] = "queued",
	[PROVIDER_EVENT_SENT] = "sent",
	[PROVIDER_EVENT_DEFERRED] = "deferred",
	[PROVIDER_EVENT_DELIVERED] = "delivered",
	[PROVIDER_EVENT_BOUNCED_HARD] = "bounced_hard",
	[PROVIDER_EVENT_BOUNCED_SOFT] = "bounced_soft",
	[PROVIDER_EVENT_FAILED] = "failed",
	[PROVIDER_EVENT_OPENED] = "opened",
	[PROVIDER_EVENT_CLICKED] = "clicked",
	[PROVIDER_EVENT_COMPLAINED] = "complained",
	[PROVIDER_EVENT_UNSUBSCRIBED] = "unsubscribed",
	[PROVIDER_EVENT_RESUBSCRIBED] = "resubscribed",
	[PROVIDER_EVENT_REPLIED] = "replied",
	[PROVIDER_EVENT_OTHER] = "other",
};

static void show_slice(struct text *shown, const char *name, struct slice value)
{
	if (value.length > 0)
		text_addf(shown, "%s: %.*s\n", name, (int)value.length, value.bytes);
}

static void show_event(void *context, const struct provider_event *event)
{
	struct text *shown = context;

	if (shown->length > 0)
		text_add(shown, "\n");
	text_addf(shown, "kind: %s\n", kind_names[event->kind]);
	if (event->delivery_id != 0)
		text_addf(shown, "delivery: %lld\n", (long long)event->delivery_id);
	show_slice(shown, "message", event->provider_message_id);
	show_slice(shown, "key", event->event_key);
	show_slice(shown, "address", event->address);
	show_slice(shown, "code", event->code);
	show_slice(shown, "words", event->words);
	show_slice(shown, "link", event->link);
	show_slice(shown, "text", event->text);
	text_addf(shown, "at_ms: %lld\n", (long long)event->at_ms);
	if (event->is_machine)
		text_add(shown, "machine: yes\n");
}

/* The callback of the last section, handed to a check. */
static void with_callback(struct exchange *exchange, const char *section,
			  void (*check)(struct exchange *exchange, const struct provider_callback *callback,
					const char *section))
{
	char method[10], url[600], ends[10];
	bool crlf = strcmp(field(exchange->callback, "line_ends", ends, sizeof(ends)), "crlf") == 0;
	const char *at = strstr(exchange->callback, "\n\n"), *query;
	struct provider_callback callback = {
		.method = field(exchange->callback, "method", method, sizeof(method)),
		.url = field(exchange->callback, "url", url, sizeof(url)),
		.now_ms = number(exchange->callback, "now_ms"),
	};
	struct text headers, body;

	assert_non_null(exchange->driver->callbacks);
	assert_non_null(at);
	query = strchr(callback.url, '?');
	callback.query = query != NULL ? query + 1 : "";
	text_init(&headers, 8192);
	text_init(&body, 65536);
	add_headers(exchange->callback, &headers);
	for (at += 2; *at != '\0'; at++)
		if (*at != '\n')
			text_add_char(&body, *at);
		else if (crlf || at[1] != '\0')
			text_add(&body, crlf ? "\r\n" : "\n");
	callback.headers = (struct slice){.bytes = text_string(&headers), .length = headers.length};
	callback.body = (struct slice){.bytes = text_string(&body), .length = body.length};
	check(exchange, &callback, section);
	text_release(&headers);
	text_release(&body);
}

static void check_events(struct exchange *exchange, const struct provider_callback *callback, const char *section)
{
	const struct provider_callbacks *driver = exchange->driver->callbacks;
	struct error err = {0};
	struct text shown;

	text_init(&shown, 65536);
	if (!driver->verify(exchange->account, callback, &err) ||
	    !driver->parse(exchange->account, callback, show_event, &shown, &err))
		fail_msg("%s: the callback\n%sis refused: %s", exchange->path, exchange->callback, err.text);
	if (strcmp(text_string(&shown), section) != 0) {
		(void)fprintf(stderr, "%s: the events are\n%s(end)\n", exchange->path, text_string(&shown));
		fail_msg("%s: other events", exchange->path);
	}
	text_release(&shown);
}

static void check_forged(struct exchange *exchange, const struct provider_callback *callback, const char *section)
{
	struct error err = {0};

	if (exchange->driver->callbacks->verify(exchange->account, callback, &err))
		fail_msg("%s: believed\n%s", exchange->path, exchange->callback);
	assert_int_equal(err.kind, ERROR_REFUSED);
	if (strncmp(err.text, section, strlen(section) - 1) != 0)
		fail_msg("%s: refused in other words: %s", exchange->path, err.text);
}

static void check_nonsense(struct exchange *exchange, const struct provider_callback *callback, const char *section)
{
	struct error err = {0};
	struct text shown;

	text_init(&shown, 65536);
	if (!exchange->driver->callbacks->verify(exchange->account, callback, &err))
		fail_msg("%s: not believed: %s", exchange->path, err.text);
	if (exchange->driver->callbacks->parse(exchange->account, callback, show_event, &shown, &err))
		fail_msg("%s: it makes sense\n%s", exchange->path, exchange->callback);
	assert_int_equal(err.kind, ERROR_INVALID);
	if (strncmp(err.text, section, strlen(section) - 1) != 0)
		fail_msg("%s: refused in other words: %s", exchange->path, err.text);
	text_release(&shown);
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
	else if (strcmp(name, "callback") == 0)
		exchange->callback = section;
	else if (strcmp(name, "events") == 0)
		with_callback(exchange, section, check_events);
	else if (strcmp(name, "forged") == 0)
		with_callback(exchange, section, check_forged);
	else if (strcmp(name, "nonsense") == 0)
		with_callback(exchange, section, check_nonsense);
	else if (strcmp(name, "request") == 0)
		check_request(exchange, section);
	else if (strcmp(name, "refused") == 0)
		check_refused(exchange, ERROR_INVALID, section);
	else if (strcmp(name, "address refused") == 0)
		check_refused(exchange, ERROR_REFUSED, section);
	else if (strcmp(name, "outcome") == 0 || strcmp(name, "token outcome") == 0)
		check_outcome(exchange, name[0] == 't', section);
	else if (strcmp(name, "token") == 0)
		take_token(exchange, section);
	else if (strcmp(name, "token request") == 0)
		check_token_request(exchange, section);
	else
		fail_msg("%s: there is no section \"%s\"", exchange->path, name);
}

/* Cuts the file at its "== name" lines; a section is everything between two of them. */
static void run_exchange(const struct provider_driver *driver, const char *path)
{
	struct exchange exchange = {.path = path, .driver = driver};
	char *bytes = read_whole(path), *sections[200];
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
	setenv("TEST_MANDRILL_KEY", "md-Hk3vP9sQ2xW7yT1zR5uA", 1);
	setenv("TEST_MANDRILL_WEBHOOK_KEY", "aRk8QbT2vX5mN9pL3sD7gJ", 1);
	setenv("TEST_SENDGRID_KEY", "SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf", 1);
	setenv("TEST_TWILIO_TOKEN", "12345678901234567890123456789012", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
