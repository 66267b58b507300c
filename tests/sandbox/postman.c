#include "tests/sandbox/postman.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <utlist.h>

#include "shared/memory.h"
#include "tests/sandbox/span.h"

enum { CARRIERS = 8, TIMEOUT_S = 15, BODY_MAX = 16 * 1024 * 1024, HEADERS_MAX = 16 * 1024, RETRY_MAX_MS = 5000 };

struct carrier {
	struct evhttp_connection *connection;
	struct letter *letter; /* NULL: free */
};

struct postman {
	struct event_base *base;
	int64_t retry_ms;
	char *host; /* the Host header: where the receiver really is, not the name that signatures are over */
	struct carrier carriers[CARRIERS];
	struct letter *waiting, *resting; /* resting: until it is tried again */
};

struct letter *letter_new(void)
{
	struct letter *letter = memory_new(sizeof(*letter));

	text_init(&letter->headers, HEADERS_MAX);
	text_init(&letter->body, BODY_MAX);
	return letter;
}

void letter_release(struct letter *letter)
{
	letter->released(letter);
	if (letter->again)
		event_free(letter->again);
	text_release(&letter->headers);
	text_release(&letter->body);
	free(letter->path);
	free(letter);
}

struct postman *postman_open(struct event_base *base, const char *host, uint16_t port, int64_t retry_ms)
{
	struct postman *postman = memory_new(sizeof(*postman));
	struct text authority;

	postman->base = base;
	postman->retry_ms = retry_ms;
	text_init(&authority, 1024);
	text_addf(&authority, "%s:%u", host, (unsigned)port);
	postman->host = memory_copy_string(text_string(&authority));
	text_release(&authority);
	for (size_t i = 0; i < CARRIERS; i++) {
		postman->carriers[i].connection = evhttp_connection_base_new(base, NULL, host, port);
		evhttp_connection_set_timeout(postman->carriers[i].connection, TIMEOUT_S);
	}
	return postman;
}

void postman_close(struct postman **postman)
{
	struct letter *letter, *next;

	if (!*postman)
		return;
	for (size_t i = 0; i < CARRIERS; i++) {
		letter = (*postman)->carriers[i].letter;
		(*postman)->carriers[i].letter = NULL;
		if (letter)
			letter_release(letter);
		evhttp_connection_free((*postman)->carriers[i].connection);
	}
	DL_FOREACH_SAFE((*postman)->waiting, letter, next)
		letter_release(letter);
	DL_FOREACH_SAFE((*postman)->resting, letter, next)
		letter_release(letter);
	free((*postman)->host);
	free(*postman);
	*postman = NULL;
}

static void send_out(struct postman *postman);

static void on_again(evutil_socket_t fd, short what, void *context)
{
	struct letter *letter = context;

	(void)fd;
	(void)what;
	DL_DELETE2(letter->postman->resting, letter, previous, next);
	DL_APPEND2(letter->postman->waiting, letter, previous, next);
	send_out(letter->postman);
}

static void rest(struct letter *letter)
{
	struct postman *postman = letter->postman;
	int64_t wait_ms = postman->retry_ms << (letter->tries < 10 ? letter->tries - 1 : 10);
	struct timeval wait;

	if (wait_ms > RETRY_MAX_MS)
		wait_ms = RETRY_MAX_MS;
	wait = (struct timeval){.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
	if (!letter->again)
		letter->again = evtimer_new(postman->base, on_again, letter);
	DL_APPEND2(postman->resting, letter, previous, next);
	evtimer_add(letter->again, &wait);
}

static void on_answer(struct evhttp_request *request, void *context)
{
	struct carrier *carrier = context;
	struct letter *letter = carrier->letter;
	struct postman *postman;
	int status = request ? evhttp_request_get_response_code(request) : 0;
	bool told = status >= 200 && status < 300, again;

	if (!letter) /* the postman is being closed */
		return;
	postman = letter->postman;
	carrier->letter = NULL;
	letter->tries++;
	again = !told && letter->tries <= letter->retries && (status == 0 || letter->retries_status);
	letter->told(letter, status, !again);
	if (again)
		rest(letter);
	else
		letter_release(letter);
	send_out(postman);
}

static void add_headers(struct evhttp_request *request, const struct text *headers)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(request);
	struct span lines = span_of_text(headers);

	while (lines.length > 0) {
		struct span line = span_cut(&lines, '\r'), name = span_cut(&line, ':');
		char *name_string = memory_copy_bytes(name.bytes, name.length);
		char *value = memory_copy_bytes(span_trim(line).bytes, span_trim(line).length);

		evhttp_add_header(out, name_string, value);
		free(name_string);
		free(value);
		lines = span_skip(lines, 1);
	}
}

static void carry(struct carrier *carrier, struct letter *letter)
{
	struct evhttp_request *request = evhttp_request_new(on_answer, carrier);

	carrier->letter = letter;
	evhttp_add_header(evhttp_request_get_output_headers(request), "Host", letter->postman->host);
	add_headers(request, &letter->headers);
	evbuffer_add(evhttp_request_get_output_buffer(request), text_string(&letter->body), letter->body.length);
	/* A failure is reported to on_answer() as well, or before this returns. */
	if (evhttp_make_request(carrier->connection, request, EVHTTP_REQ_POST, letter->path) != 0 && carrier->letter)
		on_answer(NULL, carrier);
}

static void send_out(struct postman *postman)
{
	for (size_t i = 0; i < CARRIERS && postman->waiting; i++) {
		struct letter *letter = postman->waiting;

		if (postman->carriers[i].letter)
			continue;
		DL_DELETE2(postman->waiting, letter, previous, next);
		carry(&postman->carriers[i], letter);
	}
}

void postman_carry(struct postman *postman, struct letter *letter)
{
	letter->postman = postman;
	DL_APPEND2(postman->waiting, letter, previous, next);
	send_out(postman);
}
