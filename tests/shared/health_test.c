#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "shared/health.h"
#include "shared/memory.h"

static const struct metric table[] = {METRIC_COUNTER("test_total", NULL, NULL, "A test.")};

struct fixture {
	struct event_base *base;
	struct metrics *metrics;
	struct health *health;
};

static int set_up(void **state)
{
	struct fixture *fixture = memory_new(sizeof(*fixture));
	struct error err;
	fixture->base = event_base_new();
	fixture->metrics = metrics_new(table, ARRAY_LENGTH(table));
	fixture->health = health_open(fixture->base, "127.0.0.1:0", fixture->metrics, &err);
	*state = fixture;
	return fixture->health ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	health_close(&fixture->health);
	metrics_free(&fixture->metrics);
	event_base_free(fixture->base);
	free(fixture);
	return 0;
}

static int connect_to(const struct fixture *fixture)
{
	int client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)health_port(fixture->health)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
	return client;
}

static void write_all(const struct fixture *fixture, int client, const char *bytes, size_t length)
{
	while (length) {
		ssize_t written = send(client, bytes, length, MSG_NOSIGNAL);
		if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		} else {
			event_base_loop(fixture->base, EVLOOP_ONCE);
		}
	}
}

/* Turns the loop until the server has hung up; the deadline of 5 s inside it bounds the wait. */
static void read_answer(const struct fixture *fixture, int client, char answer[4096])
{
	size_t length = 0;
	for (;;) {
		ssize_t part = recv(client, answer + length, 4095 - length, 0);
		if (part == 0)
			break;
		if (part > 0)
			length += (size_t)part;
		else
			event_base_loop(fixture->base, EVLOOP_ONCE);
	}
	answer[length] = '\0';
	close(client);
}

static void ask_bytes(const struct fixture *fixture, const char *request, size_t length, char answer[4096])
{
	int client = connect_to(fixture);
	write_all(fixture, client, request, length);
	read_answer(fixture, client, answer);
}

static void ask(const struct fixture *fixture, const char *path, char answer[4096])
{
	char request[200];
	int length = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	ask_bytes(fixture, request, (size_t)length, answer);
}

static const char *body_of(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");
	assert_non_null(end);
	return end + 4;
}

#define REQUEST(literal) literal, sizeof(literal) - 1

static const struct {
	const char *when;
	const char *request;
	size_t length;
	const char *starts_with;
} rows[] = {
	{"alive", REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK\r\n"},
	{"an old client", REQUEST("GET /livez HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\n"},
	{"a query", REQUEST("GET /livez?verbose HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK\r\n"},
	{"another path", REQUEST("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404 "},
	{"a longer path", REQUEST("GET /livez/x HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404 "},
	{"a wrong method", REQUEST("DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 405 "},
	{"no body announced", REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 200 "},
	{"a body", REQUEST("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nABCD"), "HTTP/1.1 413 "},
	{"a length with a sign", REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n"),
	 "HTTP/1.1 413 "},
	{"a chunked body", REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	 "HTTP/1.1 413 "},
	{"two lengths", REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\ncontent-length: 0\r\n\r\n"),
	 "HTTP/1.1 400 "},
	{"two hosts", REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\nHOST: y\r\n\r\n"), "HTTP/1.1 400 "},
	{"a blank before the colon", REQUEST("GET /livez HTTP/1.1\r\nHost : x\r\n\r\n"), "HTTP/1.1 400 "},
	{"a folded header", REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\n y: z\r\n\r\n"), "HTTP/1.1 400 "},
	{"a header without colon", REQUEST("GET /livez HTTP/1.1\r\nHost\r\n\r\n"), "HTTP/1.1 400 "},
	{"a lone line feed", REQUEST("GET /livez HTTP/1.1\r\nA: b\nHost: x\r\n\r\n"), "HTTP/1.1 400 "},
	{"a NUL", REQUEST("GET /livez HTTP/1.1\r\nA: b\0\r\n\r\n"), "HTTP/1.1 400 "},
	{"another protocol", REQUEST("HELO there\r\n\r\n"), "HTTP/1.1 400 "},
	{"nothing but an empty line", REQUEST("\r\n\r\n"), "HTTP/1.1 400 "},
};

static void answers_as_the_table_says(void **state)
{
	char answer[4096];
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		ask_bytes(*state, rows[i].request, rows[i].length, answer);
		if (strncmp(answer, rows[i].starts_with, strlen(rows[i].starts_with)) != 0)
			fail_msg("%s: %.60s", rows[i].when, answer);
		assert_non_null(strstr(answer, "Connection: close\r\n"));
	}
}

static void a_wrong_method_is_told_the_right_one(void **state)
{
	char answer[4096];
	ask_bytes(*state, REQUEST("PUT /readyz HTTP/1.1\r\nHost: x\r\n\r\n"), answer);
	assert_non_null(strstr(answer, "Allow: GET\r\n"));
}

static void headers_end_at_8_kib(void **state)
{
	char request[9000], answer[4096];
	memset(request, 'a', sizeof(request));
	memcpy(request, REQUEST("GET /livez HTTP/1.1\r\nX: "));
	ask_bytes(*state, request, sizeof(request), answer);
	assert_memory_equal(answer, "HTTP/1.1 431 ", 13);

	memcpy(request + 8188, "\r\n\r\n", 4);
	ask_bytes(*state, request, 8192, answer);
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	struct fixture *fixture = *state;
	static const char request[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[4096];
	int client = connect_to(fixture);
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		write_all(fixture, client, &request[i], 1);
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	}
	read_answer(fixture, client, answer);
	assert_string_equal(body_of(answer), "alive\n");
}

static void a_client_that_ended_its_half_gets_its_answer(void **state)
{
	struct fixture *fixture = *state;
	char answer[4096];
	int client = connect_to(fixture);
	write_all(fixture, client, REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"));
	shutdown(client, SHUT_WR);
	read_answer(fixture, client, answer);
	assert_string_equal(body_of(answer), "alive\n");
}

static void a_second_request_on_the_connection_is_not_read(void **state)
{
	char answer[4096];
	ask_bytes(*state, REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
		  answer);
	assert_string_equal(body_of(answer), "alive\n");
}

static void readiness_names_every_part_that_is_not(void **state)
{
	struct fixture *fixture = *state;
	char answer[4096];
	ask(fixture, "/readyz", answer);
	assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
	assert_string_equal(body_of(answer), "starting\n");

	health_report(fixture->health, "broker", true, NULL);
	health_report(fixture->health, "database", false, "connecting:\nconnection refused");
	ask(fixture, "/readyz", answer);
	assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
	assert_string_equal(body_of(answer), "database: connecting:connection refused\n");

	health_report(fixture->health, "database", true, "ignored");
	ask(fixture, "/readyz", answer);
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	assert_string_equal(body_of(answer), "ready\n");
}

static void only_a_change_is_worth_telling(void **state)
{
	struct health *health = ((struct fixture *)*state)->health;
	assert_false(health_is_ready(health));
	assert_true(health_report(health, "database", false, "starting"));
	assert_false(health_report(health, "database", false, "starting"));
	assert_true(health_report(health, "database", false, "refused"));
	assert_false(health_is_ready(health));
	assert_true(health_report(health, "database", true, NULL));
	assert_false(health_report(health, "database", true, "ignored"));
	assert_true(health_is_ready(health));
	assert_true(health_report(health, "broker", true, NULL));
	assert_true(health_report(health, "broker", false, NULL));
	assert_false(health_report(health, "broker", false, NULL));
	assert_false(health_is_ready(health));
}

static void metrics_are_printed(void **state)
{
	struct fixture *fixture = *state;
	char answer[4096];
	metrics_add(fixture->metrics, 0, 0, 3);
	ask(fixture, "/metrics", answer);
	assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_string_equal(body_of(answer), "# HELP test_total A test.\n# TYPE test_total counter\ntest_total 3\n");
}

static void those_beyond_the_limit_wait_for_their_turn(void **state)
{
	struct fixture *fixture = *state;
	int silent[16];
	char answer[4096];
	for (size_t i = 0; i < ARRAY_LENGTH(silent); i++) {
		silent[i] = connect_to(fixture);
		event_base_loop(fixture->base, EVLOOP_ONCE);
	}
	int client = connect_to(fixture);
	write_all(fixture, client, REQUEST("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"));
	for (int i = 0; i < 20; i++)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	assert_int_equal(recv(client, answer, sizeof(answer), 0), -1);

	close(silent[0]);
	read_answer(fixture, client, answer);
	assert_string_equal(body_of(answer), "alive\n");
	for (size_t i = 1; i < ARRAY_LENGTH(silent); i++)
		close(silent[i]);
}

static void closing_hangs_up(void **state)
{
	struct fixture *fixture = *state;
	char byte;
	int client = connect_to(fixture);
	event_base_loop(fixture->base, EVLOOP_ONCE);
	health_close(&fixture->health);
	assert_null(fixture->health);
	event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	assert_int_equal(recv(client, &byte, 1, MSG_DONTWAIT), 0);
	close(client);
}

static void addresses_that_make_no_sense_are_refused(void **state)
{
	struct fixture *fixture = *state;
	static const char *const addresses[] = {"",        "127.0.0.1",  "127.0.0.1:", "127.0.0.1:http!",
						"[::1:80", "300.1.1.1:x"};
	for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
		struct error err = {0};
		struct health *health = health_open(fixture->base, addresses[i], NULL, &err);
		if (health)
			fail_msg("%s was accepted", addresses[i]);
		assert_int_equal(err.kind, ERROR_INVALID);
	}
}

static void a_taken_port_is_told(void **state)
{
	struct fixture *fixture = *state;
	char address[40];
	struct error err = {0};
	snprintf(address, sizeof(address), "127.0.0.1:%d", health_port(fixture->health));
	assert_null(health_open(fixture->base, address, NULL, &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_non_null(strstr(err.text, "in use"));
}

int main(void)
{
#define WITH_LISTENER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_LISTENER(answers_as_the_table_says),
		WITH_LISTENER(a_wrong_method_is_told_the_right_one),
		WITH_LISTENER(headers_end_at_8_kib),
		WITH_LISTENER(a_request_may_come_byte_by_byte),
		WITH_LISTENER(a_client_that_ended_its_half_gets_its_answer),
		WITH_LISTENER(a_second_request_on_the_connection_is_not_read),
		WITH_LISTENER(readiness_names_every_part_that_is_not),
		WITH_LISTENER(only_a_change_is_worth_telling),
		WITH_LISTENER(metrics_are_printed),
		WITH_LISTENER(those_beyond_the_limit_wait_for_their_turn),
		WITH_LISTENER(closing_hangs_up),
		WITH_LISTENER(addresses_that_make_no_sense_are_refused),
		WITH_LISTENER(a_taken_port_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
