/* The server that faces the internet, over real sockets: what it takes, what it refuses, what it bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "shared/memory.h"
#include "worker/callbacks/http_server.h"

#define CONNECTIONS_MAX 4
#define BODY_MAX        20000
#define HEAD_MAX        2048

struct fixture {
	struct event_base *base;
	struct http_server *server;
	int64_t refusals[HTTP_REFUSALS];
	struct text seen;               /* what handlers were given, one request after another */
	struct http_exchange *kept[16]; /* of /later, to be answered by the test */
	size_t kept_count, handled;
};

static void note(struct fixture *fixture, const struct http_request *request)
{
	text_add_bytes(&fixture->seen, request->path.bytes, request->path.length);
	text_add_char(&fixture->seen, '?');
	text_add_bytes(&fixture->seen, request->query.bytes, request->query.length);
	text_add_char(&fixture->seen, ' ');
	text_add_bytes(&fixture->seen, request->body.bytes, request->body.length);
	text_add_char(&fixture->seen, '|');
	fixture->handled++;
}

static void on_request(void *context, struct http_exchange *exchange, const struct http_request *request)
{
	struct http_answer answer = {.status = 200, .body = request->body};

	assert_string_equal(request->peer, "127.0.0.1");
	note(context, request);
	http_exchange_answer(exchange, &answer);
}

static void on_later(void *context, struct http_exchange *exchange, const struct http_request *request)
{
	struct fixture *fixture = context;

	note(fixture, request);
	fixture->kept[fixture->kept_count++] = exchange;
}

static void on_refused(void *context, enum http_refusal refusal)
{
	((struct fixture *)context)->refusals[refusal]++;
}

static int start(void **state, size_t in_hand_bytes_max, int64_t request_ms)
{
	struct fixture *fixture = memory_new(sizeof(*fixture));
	const struct http_server_settings settings = {
		.address = "127.0.0.1:0",
		.connections_max = CONNECTIONS_MAX,
		.head_bytes_max = HEAD_MAX,
		.header_lines_max = 20,
		.body_bytes_max = BODY_MAX,
		.in_hand_bytes_max = in_hand_bytes_max,
		.request_ms = request_ms,
		.idle_ms = 60000,
	};
	struct error err;

	text_init(&fixture->seen, 1024 * 1024);
	fixture->base = event_base_new();
	fixture->server = http_server_open(fixture->base, &settings, on_refused, fixture, &err);
	*state = fixture;
	if (fixture->server == NULL)
		return -1;
	http_server_route(fixture->server, HTTP_POST | HTTP_HEAD, "/callbacks/", on_request, fixture);
	http_server_route(fixture->server, HTTP_GET | HTTP_HEAD, "/page", on_request, fixture);
	http_server_route(fixture->server, HTTP_POST, "/callbacks/special/", on_later, fixture);
	http_server_route(fixture->server, HTTP_POST, "/later", on_later, fixture);
	return 0;
}

static int set_up(void **state)
{
	return start(state, 1024 * 1024, 60000);
}

static int set_up_hasty(void **state)
{
	return start(state, 1024 * 1024, 50);
}

static int set_up_small(void **state)
{
	return start(state, 12 * 1024, 60000);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	http_server_close(&fixture->server);
	event_base_free(fixture->base);
	text_release(&fixture->seen);
	free(fixture);
	return 0;
}

static int connect_to(const struct fixture *fixture)
{
	int client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)http_server_port(fixture->server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
	return client;
}

static void turn(const struct fixture *fixture)
{
	event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}

static void write_all(const struct fixture *fixture, int client, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = send(client, bytes, length, MSG_NOSIGNAL);

		if (written < 0 && errno != EAGAIN)
			return; /* the server has hung up; its answer is read next */
		if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		}
		turn(fixture);
	}
}

/* Turns the loop until the answer holds `until`, or the server has hung up when that is NULL. The test's own time limit ends a
 * wait for something that does not come. */
static void read_answer(const struct fixture *fixture, int client, struct text *answer, const char *until)
{
	char part[4096];

	text_clear(answer);
	while (until == NULL || strstr(text_string(answer), until) == NULL) {
		ssize_t length = recv(client, part, sizeof(part), 0);

		if (length == 0 || (length < 0 && errno != EAGAIN))
			break;
		if (length > 0)
			text_add_bytes(answer, part, (size_t)length);
		else
			event_base_loop(fixture->base, EVLOOP_ONCE);
	}
}

static void ask(struct fixture *fixture, const char *request, size_t length, struct text *answer)
{
	int client = connect_to(fixture);

	text_clear(&fixture->seen);
	write_all(fixture, client, request, length);
	shutdown(client, SHUT_WR);
	read_answer(fixture, client, answer, NULL);
	close(client);
	turn(fixture);
}

#define REQUEST(literal) literal, sizeof(literal) - 1
#define POST             "POST /callbacks/main HTTP/1.1\r\nHost: x\r\n"

static const struct {
	const char *when;
	const char *request;
	size_t length;
	const char *status; /* "": no answer at all */
	const char *seen;   /* by the handlers; "" when it must never reach one */
	enum http_refusal refusal;
} rows[] = {
	{"a callback", REQUEST(POST "Content-Length: 2\r\n\r\nab"), "200", "/callbacks/main? ab|", HTTP_FINE},
	{"a query", REQUEST("POST /callbacks/main?d=1&e=%20 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "200",
	 "/callbacks/main?d=1&e=%20 |", HTTP_FINE},
	{"an old client", REQUEST("POST /callbacks/a HTTP/1.0\r\nContent-Length: 1\r\n\r\nx"), "200",
	 "/callbacks/a? x|", HTTP_FINE},
	{"a probe", REQUEST("HEAD /callbacks/a HTTP/1.1\r\nHost: x\r\n\r\n"), "200", "/callbacks/a? |", HTTP_FINE},
	{"chunks", REQUEST(POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), "200",
	 "/callbacks/main? abc0123456789|", HTTP_FINE},
	{"a body with NUL and lines", REQUEST(POST "Content-Length: 4\r\n\r\n\0\r\n\0"), "200", NULL, HTTP_FINE},
	{"an exact path", REQUEST("GET /page HTTP/1.1\r\nHost: x\r\n\r\n"), "200", "/page? |", HTTP_FINE},
	{"a path below an exact one", REQUEST("GET /page/x HTTP/1.1\r\nHost: x\r\n\r\n"), "404", "", HTTP_NO_ROUTE},
	{"no path of ours", REQUEST("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "404", "",
	 HTTP_NO_ROUTE},
	{"a wrong method", REQUEST("DELETE /callbacks/a HTTP/1.1\r\nHost: x\r\n\r\n"), "405", "", HTTP_METHOD_UNWANTED},
	{"another wrong method", REQUEST("GET /callbacks/a HTTP/1.1\r\nHost: x\r\n\r\n"), "405", "",
	 HTTP_METHOD_UNWANTED},
	{"a method in small letters", REQUEST("post /callbacks/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
	 "405", "", HTTP_METHOD_UNWANTED},
	{"no length", REQUEST(POST "\r\n"), "411", "", HTTP_NO_LENGTH},
	{"two lengths", REQUEST(POST "Content-Length: 0\r\nContent-Length: 4\r\n\r\nABCDGET /page HTTP/1.1\r\n\r\n"),
	 "400", "", HTTP_MALFORMED},
	{"two equal lengths", REQUEST(POST "Content-Length: 1\r\ncontent-length: 1\r\n\r\nx"), "400", "",
	 HTTP_MALFORMED},
	{"a list of lengths", REQUEST(POST "Content-Length: 1, 1\r\n\r\nx"), "400", "", HTTP_MALFORMED},
	{"a length with a sign", REQUEST(POST "Content-Length: +1\r\n\r\nx"), "400", "", HTTP_MALFORMED},
	{"an empty length", REQUEST(POST "Content-Length:\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"a length beyond counting", REQUEST(POST "Content-Length: 99999999999999999999\r\n\r\nx"), "400", "",
	 HTTP_MALFORMED},
	{"two hosts", REQUEST("POST /callbacks/a HTTP/1.1\r\nHost: x\r\nHOST: x\r\nContent-Length: 0\r\n\r\n"), "400",
	 "", HTTP_MALFORMED},
	{"no host", REQUEST("POST /callbacks/a HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"length and chunks", REQUEST(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400",
	 "", HTTP_MALFORMED},
	{"chunks twice", REQUEST(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	 "400", "", HTTP_MALFORMED},
	{"chunks of an old client",
	 REQUEST("POST /callbacks/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400", "",
	 HTTP_MALFORMED},
	{"another coding", REQUEST(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "501", "",
	 HTTP_UNSUPPORTED},
	{"a chunk without size", REQUEST(POST "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n"), "400", "",
	 HTTP_MALFORMED},
	{"a chunk with a negative size", REQUEST(POST "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"),
	 "400", "", HTTP_MALFORMED},
	{"a chunk with an extension", REQUEST(POST "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n"),
	 "400", "", HTTP_MALFORMED},
	{"a chunk longer than it says", REQUEST(POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"), "400",
	 "", HTTP_MALFORMED},
	{"a chunk with a lone line feed", REQUEST(POST "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n"), "400", "",
	 HTTP_MALFORMED},
	{"a chunk beyond counting", REQUEST(POST "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF1\r\nabc"), "400",
	 "", HTTP_MALFORMED},
	{"a chunk beyond the limit", REQUEST(POST "Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\nabc"), "413", "",
	 HTTP_TOO_LARGE},
	{"trailers", REQUEST(POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nHost: y\r\n\r\n"), "400", "",
	 HTTP_MALFORMED},
	{"a body of a GET", REQUEST("GET /page HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), "400", "",
	 HTTP_MALFORMED},
	{"a body too large", REQUEST(POST "Content-Length: 20001\r\n\r\n"), "413", "", HTTP_TOO_LARGE},
	{"a blank before the colon", REQUEST(POST "Content-Length : 0\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"a folded line", REQUEST(POST "A: b\r\n c\r\nContent-Length: 0\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"a line without colon", REQUEST(POST "Content-Length\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"a line without name", REQUEST(POST ": b\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"a lone line feed", REQUEST(POST "A: b\nContent-Length: 0\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"a lone carriage return", REQUEST(POST "A: b\rc\r\nContent-Length: 0\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"a NUL", REQUEST(POST "A: b\0c\r\nContent-Length: 0\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"a whole URL as target", REQUEST("POST http://x/callbacks/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
	 "400", "", HTTP_MALFORMED},
	{"a fragment", REQUEST("POST /callbacks/a#b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "400", "",
	 HTTP_MALFORMED},
	{"bytes beyond ASCII in the target",
	 REQUEST("POST /callbacks/\xc3\xa4 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "400", "",
	 HTTP_MALFORMED},
	{"two blanks in the request line",
	 REQUEST("POST  /callbacks/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"another version", REQUEST("POST /callbacks/a HTTP/2.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "505", "",
	 HTTP_UNSUPPORTED},
	{"another protocol", REQUEST("EHLO mail.example.org\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"TLS on a plain port", REQUEST("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), "400", "",
	 HTTP_MALFORMED},
	{"an empty line", REQUEST("\r\n\r\n"), "400", "", HTTP_MALFORMED},
	{"half a head", REQUEST("POST /callbacks/a HTT"), "", "", HTTP_FINE},
	{"half a body", REQUEST(POST "Content-Length: 10\r\n\r\nabc"), "", "", HTTP_FINE},
};

static void answers_as_the_table_says(void **state)
{
	struct fixture *fixture = *state;
	struct text answer;

	text_init(&answer, 1024 * 1024);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		int64_t before = fixture->refusals[rows[i].refusal];
		size_t length = strlen(rows[i].status);

		ask(fixture, rows[i].request, rows[i].length, &answer);
		if (length == 0 ? answer.length > 0
				: answer.length < 12 || memcmp(answer.bytes + 9, rows[i].status, length) != 0)
			fail_msg("%s: %.60s", rows[i].when, text_string(&answer));
		if (rows[i].seen != NULL && strcmp(text_string(&fixture->seen), rows[i].seen) != 0)
			fail_msg("%s: handlers saw %s", rows[i].when, text_string(&fixture->seen));
		if (rows[i].refusal != HTTP_FINE && fixture->refusals[rows[i].refusal] != before + 1)
			fail_msg("%s: not counted as %s", rows[i].when, http_refusal_names[rows[i].refusal]);
		if (rows[i].refusal != HTTP_FINE && strstr(text_string(&answer), "Connection: close\r\n") == NULL)
			fail_msg("%s: the connection is kept", rows[i].when);
	}
	assert_int_equal(fixture->refusals[HTTP_FINE], 0);
	text_release(&answer);
}

/* However the bytes are cut into packets, the answer is the same. */
static void the_table_holds_byte_by_byte(void **state)
{
	struct fixture *fixture = *state;
	struct text answer;

	text_init(&answer, 1024 * 1024);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		int client = connect_to(fixture);

		text_clear(&fixture->seen);
		for (size_t k = 0; k < rows[i].length; k++)
			write_all(fixture, client, &rows[i].request[k], 1);
		shutdown(client, SHUT_WR);
		read_answer(fixture, client, &answer, NULL);
		close(client);
		turn(fixture);
		if (strlen(rows[i].status) > 0 && memcmp(text_string(&answer) + 9, rows[i].status, 3) != 0)
			fail_msg("%s: %.60s", rows[i].when, text_string(&answer));
		if (rows[i].seen != NULL && strcmp(text_string(&fixture->seen), rows[i].seen) != 0)
			fail_msg("%s: handlers saw %s", rows[i].when, text_string(&fixture->seen));
	}
	text_release(&answer);
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
	struct text answer;

	text_init(&answer, 8192);
	ask(*state, REQUEST("PUT /callbacks/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), &answer);
	assert_non_null(strstr(text_string(&answer), "Allow: HEAD, POST\r\n"));
	text_release(&answer);
}

static void a_probe_gets_no_body(void **state)
{
	struct text answer;

	text_init(&answer, 8192);
	ask(*state, REQUEST("HEAD /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), &answer);
	assert_memory_equal(answer.bytes, "HTTP/1.1 200 OK\r\n", 17);
	assert_string_equal(answer.bytes + answer.length - 4, "\r\n\r\n");
	text_release(&answer);
}

static void the_head_is_bounded(void **state)
{
	struct fixture *fixture = *state;
	char request[HEAD_MAX + 1];
	struct text answer;

	text_init(&answer, 8192);
	memset(request, 'a', sizeof(request));
	memcpy(request, POST "X: ", strlen(POST "X: "));
	ask(fixture, request, sizeof(request), &answer);
	assert_memory_equal(answer.bytes, "HTTP/1.1 431 ", 13);
	memcpy(request + HEAD_MAX - 23, "\r\nContent-Length: 0\r\n\r\n", 23);
	ask(fixture, request, HEAD_MAX, &answer);
	assert_memory_equal(answer.bytes, "HTTP/1.1 200 ", 13);
	assert_int_equal(fixture->refusals[HTTP_HEAD_TOO_LARGE], 1);
	text_release(&answer);
}

static void header_lines_are_bounded(void **state)
{
	struct text request, answer;

	text_init(&request, 8192);
	text_init(&answer, 8192);
	text_add(&request, POST "Content-Length: 0\r\n");
	for (int i = 0; i < 18; i++)
		text_add(&request, "A: b\r\n");
	text_add(&request, "\r\n");
	ask(*state, request.bytes, request.length, &answer);
	assert_memory_equal(answer.bytes, "HTTP/1.1 200 ", 13);
	request.length -= 2;
	text_add(&request, "A: b\r\n\r\n");
	ask(*state, request.bytes, request.length, &answer);
	assert_memory_equal(answer.bytes, "HTTP/1.1 431 ", 13);
	text_release(&request);
	text_release(&answer);
}

static void a_body_may_be_as_large_as_the_limit(void **state)
{
	struct fixture *fixture = *state;
	struct text request, answer;

	text_init(&request, 100000);
	text_init(&answer, 100000);
	text_addf(&request, POST "Content-Length: %d\r\n\r\n", BODY_MAX);
	for (int i = 0; i < BODY_MAX; i++)
		text_add_char(&request, (char)('a' + i % 26));
	ask(fixture, request.bytes, request.length, &answer);
	assert_memory_equal(answer.bytes, "HTTP/1.1 200 ", 13);
	assert_true(answer.length > BODY_MAX);
	assert_memory_equal(answer.bytes + answer.length - BODY_MAX, request.bytes + request.length - BODY_MAX,
			    BODY_MAX);
	text_release(&request);
	text_release(&answer);
}

static void many_requests_in_one_go_are_answered_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct text request, answer;
	const char *at;

	text_init(&request, 1024 * 1024);
	text_init(&answer, 1024 * 1024);
	for (int i = 0; i < 1000; i++)
		text_addf(&request, POST "Content-Length: 4\r\n\r\n%04d", i);
	text_add(&request, POST "Content-Length: 4\r\nConnection: close\r\n\r\nlast");
	ask(fixture, request.bytes, request.length, &answer);
	at = answer.bytes;
	for (int i = 0; i < 1000; i++) {
		char number[16];

		snprintf(number, sizeof(number), "\r\n\r\n%04d", i);
		at = strstr(at, number);
		assert_non_null(at);
	}
	assert_non_null(strstr(at, "\r\n\r\nlast"));
	assert_int_equal(fixture->handled, 1001);
	text_release(&request);
	text_release(&answer);
}

static void an_answer_may_come_later(void **state)
{
	struct fixture *fixture = *state;
	int client = connect_to(fixture);
	struct text answer;

	text_init(&answer, 8192);
	write_all(fixture, client,
		  REQUEST("POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nxPOST /callbacks/a "
			  "HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\ny"));
	turn(fixture);
	assert_int_equal(fixture->kept_count, 1);
	assert_int_equal(fixture->handled, 1); /* the second waits for its turn */
	assert_int_equal(http_server_busy(fixture->server), 1);
	http_exchange_answer(fixture->kept[0], &(struct http_answer){.status = 202, .body = {"later", 5}});
	read_answer(fixture, client, &answer, "\r\n\r\ny");
	assert_memory_equal(answer.bytes, "HTTP/1.1 202 ", 13);
	assert_string_equal(text_string(&fixture->seen), "/later? x|/callbacks/a? y|");
	close(client);
	text_release(&answer);
}

static void a_client_that_left_may_be_answered(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 3; i++) {
		int client = connect_to(fixture);

		write_all(fixture, client, REQUEST("POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"));
		while (fixture->kept_count == (size_t)i)
			event_base_loop(fixture->base, EVLOOP_ONCE);
		if (i == 1)
			setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
				   sizeof(struct linger));
		close(client);
		turn(fixture);
		if (i < 2)
			http_exchange_answer(fixture->kept[i], &(struct http_answer){.status = 200});
		turn(fixture);
	}
	/* The third is never answered: closing the server releases it. */
	assert_int_equal(http_server_busy(fixture->server), 1);
}

static void the_client_hears_that_it_may_go_on(void **state)
{
	struct fixture *fixture = *state;
	int client = connect_to(fixture);
	struct text answer;

	text_init(&answer, 8192);
	write_all(fixture, client, REQUEST(POST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
	read_answer(fixture, client, &answer, "\r\n\r\n");
	assert_string_equal(text_string(&answer), "HTTP/1.1 100 Continue\r\n\r\n");
	write_all(fixture, client, "ok", 2);
	read_answer(fixture, client, &answer, "\r\n\r\nok");
	assert_memory_equal(answer.bytes, "HTTP/1.1 200 ", 13);
	close(client);
	text_release(&answer);
}

static void a_slow_request_is_ended(void **state)
{
	struct fixture *fixture = *state;
	static const char *const beginnings[] = {"POST /call", POST "Content-Length: 9\r\n\r\nabc"};
	struct text answer;

	text_init(&answer, 8192);
	for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
		int client = connect_to(fixture);

		write_all(fixture, client, beginnings[i], strlen(beginnings[i]));
		read_answer(fixture, client, &answer, "\n\n");
		if (strncmp(text_string(&answer), "HTTP/1.1 408 ", 13) != 0)
			fail_msg("%s: %s", beginnings[i], text_string(&answer));
		close(client);
	}
	assert_int_equal(fixture->refusals[HTTP_TOO_SLOW], 2);
	/* Who says nothing at all is simply let go. */
	int client = connect_to(fixture);
	read_answer(fixture, client, &answer, NULL);
	assert_int_equal(answer.length, 0);
	close(client);
	text_release(&answer);
}

static void the_bytes_of_all_together_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	char part[9000];
	struct text answer;
	int first = connect_to(fixture), second = connect_to(fixture);

	memset(part, 'x', sizeof(part));
	text_init(&answer, 8192);
	write_all(fixture, first, REQUEST(POST "Content-Length: 10000\r\n\r\n"));
	write_all(fixture, first, part, 5000);
	write_all(fixture, second, REQUEST(POST "Content-Length: 10000\r\n\r\n"));
	write_all(fixture, second, part, 9000);
	read_answer(fixture, second, &answer, "\n\n");
	if (answer.length == 0)
		read_answer(fixture, first, &answer, "\n\n");
	assert_memory_equal(text_string(&answer), "HTTP/1.1 503 ", 13);
	assert_non_null(strstr(text_string(&answer), "Retry-After: "));
	assert_true(fixture->refusals[HTTP_NO_ROOM] > 0);
	close(first);
	close(second);
	text_release(&answer);
}

static void an_idle_connection_makes_room(void **state)
{
	struct fixture *fixture = *state;
	int clients[3 * CONNECTIONS_MAX];
	struct text answer;

	text_init(&answer, 8192);
	for (size_t i = 0; i < ARRAY_LENGTH(clients); i++) {
		clients[i] = connect_to(fixture);
		write_all(fixture, clients[i], REQUEST(POST "Content-Length: 1\r\n\r\n."));
		read_answer(fixture, clients[i], &answer, "\r\n\r\n.");
		assert_memory_equal(text_string(&answer), "HTTP/1.1 200 ", 13);
	}
	read_answer(fixture, clients[0], &answer, NULL); /* it has been let go */
	assert_int_equal(answer.length, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
		close(clients[i]);
	text_release(&answer);
}

static void a_newcomer_waits_while_all_are_busy(void **state)
{
	struct fixture *fixture = *state;
	int clients[CONNECTIONS_MAX + 1];
	struct text answer;

	text_init(&answer, 8192);
	for (size_t i = 0; i <= CONNECTIONS_MAX; i++) {
		clients[i] = connect_to(fixture);
		write_all(fixture, clients[i],
			  REQUEST("POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"));
		turn(fixture);
		turn(fixture);
	}
	assert_int_equal(fixture->kept_count, CONNECTIONS_MAX);
	http_exchange_answer(fixture->kept[0], &(struct http_answer){.status = 200});
	while (fixture->kept_count == CONNECTIONS_MAX)
		event_base_loop(fixture->base, EVLOOP_ONCE);
	for (size_t i = 1; i <= CONNECTIONS_MAX; i++)
		http_exchange_answer(fixture->kept[i], &(struct http_answer){.status = 200});
	for (size_t i = 0; i <= CONNECTIONS_MAX; i++) {
		read_answer(fixture, clients[i], &answer, "\r\n\r\n");
		assert_memory_equal(text_string(&answer), "HTTP/1.1 200 ", 13);
		close(clients[i]);
	}
	text_release(&answer);
}

static void a_drain_answers_what_is_in_hand(void **state)
{
	struct fixture *fixture = *state;
	int idle = connect_to(fixture), busy = connect_to(fixture);
	struct text answer;

	text_init(&answer, 8192);
	write_all(fixture, idle, REQUEST(POST "Content-Length: 1\r\n\r\n."));
	read_answer(fixture, idle, &answer, "\r\n\r\n.");
	write_all(fixture, busy, REQUEST("POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"));
	turn(fixture);
	http_server_drain(fixture->server);
	read_answer(fixture, idle, &answer, NULL);
	assert_int_equal(answer.length, 0);
	assert_int_equal(http_server_busy(fixture->server), 1);
	http_exchange_answer(fixture->kept[0], &(struct http_answer){.status = 200});
	read_answer(fixture, busy, &answer, NULL);
	assert_non_null(strstr(text_string(&answer), "Connection: close\r\n"));
	close(busy);
	while (http_server_busy(fixture->server) > 0)
		event_base_loop(fixture->base, EVLOOP_ONCE);
	close(idle);
	text_release(&answer);
}

static void the_longest_prefix_counts(void **state)
{
	struct fixture *fixture = *state;
	int client = connect_to(fixture);

	write_all(fixture, client,
		  REQUEST("POST /callbacks/special/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
	while (fixture->handled == 0)
		event_base_loop(fixture->base, EVLOOP_ONCE);
	assert_int_equal(fixture->kept_count, 1);
	close(client);
}

#define TEST(name)       cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_HASTY(name) cmocka_unit_test_setup_teardown(name, set_up_hasty, tear_down)
#define TEST_SMALL(name) cmocka_unit_test_setup_teardown(name, set_up_small, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_as_the_table_says),
		TEST(the_table_holds_byte_by_byte),
		TEST(a_wrong_method_is_told_the_right_ones),
		TEST(a_probe_gets_no_body),
		TEST(the_head_is_bounded),
		TEST(header_lines_are_bounded),
		TEST(a_body_may_be_as_large_as_the_limit),
		TEST(many_requests_in_one_go_are_answered_in_order),
		TEST(an_answer_may_come_later),
		TEST(a_client_that_left_may_be_answered),
		TEST(the_client_hears_that_it_may_go_on),
		TEST_HASTY(a_slow_request_is_ended),
		TEST_SMALL(the_bytes_of_all_together_are_bounded),
		TEST(an_idle_connection_makes_room),
		TEST(a_newcomer_waits_while_all_are_busy),
		TEST(a_drain_answers_what_is_in_hand),
		TEST(the_longest_prefix_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
