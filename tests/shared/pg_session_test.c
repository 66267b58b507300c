#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "private_postgres.h"
#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/pg_plain.h"
#include "shared/pg_session.h"

#define ANSWERS_MAX 16
#define PATIENCE_MS 30000 /* only a broken test waits as long */

struct answer {
	enum error_kind kind; /* ERROR_NONE: rows came */
	char text[ERROR_TEXT_MAX];
	char first[64];
	size_t rows;
};

struct fixture {
	struct event_base *base;
	struct pg_session *db;
	struct answer answers[ANSWERS_MAX];
	size_t answered;
	unsigned ups, downs;
	char reason[ERROR_TEXT_MAX];
	bool close_in_answer, close_in_change, ask_in_answer;
};

static const struct pg_statement echo = {"echo", "select $1::text"};
static const struct pg_statement one = {"one", "select 1"};
static const struct pg_statement die = {"die", "select pg_terminate_backend(pg_backend_pid()), pg_sleep(20)"};
static const struct pg_statement nap = {"nap", "select pg_sleep($1::integer)"};
static const struct pg_statement refuse = {"refuse", "select pg_temp.refuse($1)"};

static void on_changed(void *context, bool ready, const char *reason)
{
	struct fixture *fixture = context;
	fixture->ups += ready;
	fixture->downs += !ready;
	snprintf(fixture->reason, sizeof(fixture->reason), "%s", reason);
	if (fixture->close_in_change)
		pg_session_close(&fixture->db);
}

static void on_answer(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct fixture *fixture = context;
	assert_in_range(fixture->answered, 0, ANSWERS_MAX - 1);
	struct answer *answer = &fixture->answers[fixture->answered++];
	if (fixture->close_in_answer)
		pg_session_close(&fixture->db);
	if (fixture->ask_in_answer && fixture->answered == 1)
		pg_session_ask(fixture->db, &one, NULL, on_answer, fixture);
	if (err != NULL) {
		assert_null(rows);
		answer->kind = err->kind;
		memcpy(answer->text, err->text, sizeof(answer->text));
		return;
	}
	answer->rows = pg_rows_count(rows);
	const char *first = answer->rows > 0 ? pg_rows_text(rows, 0, 0, NULL) : NULL;
	snprintf(answer->first, sizeof(answer->first), "%s", first != NULL ? first : "(null)");
}

static void open_with(struct fixture *fixture, const char *url, int64_t statement_timeout_ms, bool read_only)
{
	const struct pg_session_settings settings = {
		.url = url,
		.application_name = "session test",
		.statement_timeout_ms = statement_timeout_ms,
		.read_only = read_only,
	};
	fixture->base = event_base_new();
	fixture->db = pg_session_open(fixture->base, &settings, on_changed, fixture);
	assert_int_equal(fixture->ups + fixture->downs, 0);
}

static void open_session(struct fixture *fixture)
{
	open_with(fixture, private_postgres_url(), 30000, false);
}

static void close_session(struct fixture *fixture)
{
	pg_session_close(&fixture->db);
	assert_null(fixture->db);
	pg_session_close(&fixture->db);
	event_base_free(fixture->base);
}

static void turn(struct fixture *fixture, int64_t deadline_ms)
{
	event_base_loopexit(fixture->base, &(struct timeval){.tv_usec = 100000});
	event_base_loop(fixture->base, EVLOOP_ONCE);
	if (clock_now_ms() > deadline_ms)
		fail_msg("nothing happened; the last reason is: %s", fixture->reason);
}

static void wait_for_answers(struct fixture *fixture, size_t count)
{
	int64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
	while (fixture->answered < count)
		turn(fixture, deadline_ms);
	assert_int_equal(fixture->answered, count);
}

static void wait_for_changes(struct fixture *fixture, unsigned ups, unsigned downs)
{
	int64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
	while (fixture->ups < ups || fixture->downs < downs)
		turn(fixture, deadline_ms);
}

static void ask(struct fixture *fixture, const struct pg_statement *statement)
{
	pg_session_ask(fixture->db, statement, NULL, on_answer, fixture);
}

static void ask_with(struct fixture *fixture, const struct pg_statement *statement, const char *text)
{
	struct pg_values values;
	pg_values_init(&values);
	pg_values_add_text(&values, text);
	pg_session_ask(fixture->db, statement, &values, on_answer, fixture);
	assert_int_equal(values.count, 0);
	pg_values_release(&values);
}

static void expect_row(const struct fixture *fixture, size_t index, const char *first)
{
	const struct answer *answer = &fixture->answers[index];
	if (answer->kind != ERROR_NONE)
		fail_msg("answer %zu: %s", index, answer->text);
	assert_string_equal(answer->first, first);
}

static void expect_error(const struct fixture *fixture, size_t index, enum error_kind kind, const char *part)
{
	const struct answer *answer = &fixture->answers[index];
	if (answer->kind != kind || strstr(answer->text, part) == NULL)
		fail_msg("answer %zu is %s: %s", index, error_kind_name(answer->kind), answer->text);
}

static void run(const char *sql)
{
	struct error err = {0};
	struct pg_plain *db = pg_plain_open(private_postgres_url(), "admin", &err);
	if (db == NULL || !pg_plain_run(db, sql, &err))
		fail_msg("%s", err.text);
	pg_plain_close(&db);
}

static void answers_in_order(void **state)
{
	(void)state;
	struct fixture fixture = {0};
	open_session(&fixture);
	ask_with(&fixture, &echo, "before it is connected");
	assert_false(pg_session_is_ready(fixture.db));
	wait_for_answers(&fixture, 1);
	assert_true(pg_session_is_ready(fixture.db));
	assert_int_equal(fixture.ups, 1);
	ask_with(&fixture, &echo, "two \"\\ 😀");
	ask(&fixture, &one);
	ask_with(&fixture, &echo, NULL);
	ask_with(&fixture, &echo, "");
	assert_int_equal(fixture.answered, 1);
	assert_int_equal(pg_session_pending(fixture.db), 4);
	wait_for_answers(&fixture, 5);
	assert_int_equal(pg_session_pending(fixture.db), 0);
	expect_row(&fixture, 0, "before it is connected");
	expect_row(&fixture, 1, "two \"\\ 😀");
	expect_row(&fixture, 2, "1");
	expect_row(&fixture, 3, "(null)");
	expect_row(&fixture, 4, "");
	close_session(&fixture);
}

static void asks_from_an_answer(void **state)
{
	(void)state;
	struct fixture fixture = {.ask_in_answer = true};
	open_session(&fixture);
	ask_with(&fixture, &echo, "first");
	ask_with(&fixture, &echo, "second");
	wait_for_answers(&fixture, 3);
	expect_row(&fixture, 1, "second");
	expect_row(&fixture, 2, "1");
	close_session(&fixture);
}

static void reads_every_type(void *context, const struct pg_rows *rows, const struct error *err)
{
	size_t length;
	if (err != NULL)
		fail_msg("%s", err->text);
	assert_int_equal(pg_rows_count(rows), 2);
	assert_true(pg_rows_int64(rows, 0, 0) == INT64_MIN);
	assert_true(pg_rows_int64(rows, 1, 0) == INT64_MAX);
	assert_string_equal(pg_rows_text(rows, 0, 1, &length), "a\"b\\c,{}");
	assert_int_equal(length, 8);
	assert_null(pg_rows_text(rows, 1, 1, &length));
	assert_int_equal(length, 0);
	assert_true(pg_rows_is_null(rows, 1, 1));
	assert_false(pg_rows_is_null(rows, 0, 1));
	assert_true(pg_rows_bool(rows, 0, 2));
	assert_false(pg_rows_bool(rows, 1, 2));
	assert_false(pg_rows_bool(rows, 1, 1));
	assert_int_equal(pg_rows_int64(rows, 1, 1), 0);
	*(size_t *)context = 1;
}

static void arrays_become_rows(void **state)
{
	(void)state;
	static const struct pg_statement unnest = {"unnest",
						   "select * from unnest($1::bigint[], $2::text[], $3::boolean[])"};
	struct fixture fixture = {0};
	struct pg_values values;
	open_session(&fixture);
	pg_values_init(&values);
	pg_values_start_array(&values);
	pg_values_item_int64(&values, INT64_MIN);
	pg_values_item_int64(&values, INT64_MAX);
	pg_values_end_array(&values);
	pg_values_start_array(&values);
	pg_values_item_text(&values, "a\"b\\c,{}", 8);
	pg_values_item_null(&values);
	pg_values_end_array(&values);
	pg_values_start_array(&values);
	pg_values_item_bool(&values, true);
	pg_values_item_bool(&values, false);
	pg_values_end_array(&values);
	pg_session_ask(fixture.db, &unnest, &values, reads_every_type, &fixture.answered);
	wait_for_answers(&fixture, 1);
	close_session(&fixture);
}

static void a_failure_stays_alone(void **state)
{
	(void)state;
	static const struct pg_statement wrong = {"wrong", "select nothing from nowhere"};
	static const struct pg_statement divide = {"divide", "select 1 / $1::integer"};
	struct fixture fixture = {0};
	open_session(&fixture);
	ask(&fixture, &wrong);
	ask(&fixture, &one);
	ask_with(&fixture, &divide, "0");
	ask_with(&fixture, &divide, "1");
	ask(&fixture, &wrong);
	wait_for_answers(&fixture, 5);
	expect_error(&fixture, 0, ERROR_REFUSED, "wrong: relation \"nowhere\" does not exist [SQLSTATE 42P01]");
	expect_row(&fixture, 1, "1");
	expect_error(&fixture, 2, ERROR_REFUSED, "22012");
	expect_row(&fixture, 3, "1");
	expect_error(&fixture, 4, ERROR_REFUSED, "42P01");
	assert_int_equal(fixture.downs, 0);
	close_session(&fixture);
}

/* The rows of such a statement come first and its error afterwards, at the commit. */
static void a_commit_may_fail_after_the_rows(void **state)
{
	(void)state;
	static const struct pg_statement insert = {"insert", "insert into late values (1), (1) returning number"};
	struct fixture fixture = {0};
	run("create table late (number integer unique deferrable initially deferred)");
	open_session(&fixture);
	ask(&fixture, &insert);
	ask(&fixture, &one);
	wait_for_answers(&fixture, 2);
	expect_error(&fixture, 0, ERROR_REFUSED, "23505");
	assert_null(strstr(fixture.answers[0].text, "(number)=(1)"));
	expect_row(&fixture, 1, "1");
	close_session(&fixture);
}

static const struct {
	const char *when;
	const char *sqlstate;
	enum error_kind kind;
} refusals[] = {
	{"a constraint is violated", "23514", ERROR_REFUSED},
	{"a function says no", "P0001", ERROR_REFUSED},
	{"a right is missing", "42501", ERROR_REFUSED},
	{"two transactions collide", "40001", ERROR_TRANSIENT},
	{"a deadlock is resolved", "40P01", ERROR_TRANSIENT},
	{"a lock does not come", "55P03", ERROR_TRANSIENT},
	{"the disk is full", "53100", ERROR_TRANSIENT},
	{"memory is out", "53200", ERROR_TRANSIENT},
	{"the statement is cancelled", "57014", ERROR_TRANSIENT},
	{"the server goes down", "57P01", ERROR_TRANSIENT},
	{"the disk fails", "58030", ERROR_TRANSIENT},
	{"a server behind is lost", "08006", ERROR_TRANSIENT},
	{"nobody knows", "40003", ERROR_UNCERTAIN},
	{"the server is at fault", "XX000", ERROR_REFUSED},
};

static void refusals_have_kinds(void **state)
{
	(void)state;
	static const struct pg_statement create = {
		"create", "create function pg_temp.refuse(code text) returns void language plpgsql as "
			  "$$ begin raise 'no' using errcode = code, hint = 'try\nthis', detail = 'a secret'; end $$"};
	struct fixture fixture = {0};
	open_session(&fixture);
	ask(&fixture, &create);
	for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++)
		ask_with(&fixture, &refuse, refusals[i].sqlstate);
	wait_for_answers(&fixture, 1 + ARRAY_LENGTH(refusals));
	for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
		const struct answer *answer = &fixture.answers[i + 1];
		if (answer->kind != refusals[i].kind)
			fail_msg("%s: %s, %s", refusals[i].when, error_kind_name(answer->kind), answer->text);
		assert_non_null(strstr(answer->text, "no Hint: try this [SQLSTATE "));
		assert_non_null(strstr(answer->text, refusals[i].sqlstate));
		assert_null(strstr(answer->text, "secret"));
	}
	close_session(&fixture);
}

static void too_many_parameters_are_invalid(void **state)
{
	(void)state;
	struct fixture fixture = {0};
	struct pg_values values;
	open_session(&fixture);
	pg_values_init(&values);
	for (int i = 0; i <= PG_VALUES_MAX; i++)
		pg_values_add_int64(&values, i);
	ask(&fixture, &one);
	pg_session_ask(fixture.db, &echo, &values, on_answer, &fixture);
	ask(&fixture, &one);
	wait_for_answers(&fixture, 3);
	expect_row(&fixture, 0, "1");
	expect_error(&fixture, 1, ERROR_INVALID, "more than 20 parameters");
	expect_row(&fixture, 2, "1");
	close_session(&fixture);
}

static void settings_reach_the_server(void **state)
{
	(void)state;
	static const struct pg_statement show = {
		"show",
		"select concat_ws(' ', current_setting('application_name'), current_setting('statement_timeout'), "
		"current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'), "
		"current_setting('transaction_read_only'))"};
	static const struct pg_statement create = {"create", "create table forbidden ()"};
	struct fixture fixture = {0}, reader = {0};
	open_with(&fixture, private_postgres_url(), 4000, false);
	ask(&fixture, &show);
	wait_for_answers(&fixture, 1);
	expect_row(&fixture, 0, "session test 4s 5s 10s off");
	close_session(&fixture);
	open_with(&reader, private_postgres_url(), 0, true);
	ask(&reader, &show);
	ask(&reader, &create);
	wait_for_answers(&reader, 2);
	expect_row(&reader, 0, "session test 0 5s 10s on");
	expect_error(&reader, 1, ERROR_REFUSED, "25006");
	close_session(&reader);
}

static void a_slow_statement_is_transient(void **state)
{
	(void)state;
	struct fixture fixture = {0};
	open_with(&fixture, private_postgres_url(), 100, false);
	ask_with(&fixture, &nap, "20");
	ask(&fixture, &one);
	wait_for_answers(&fixture, 2);
	expect_error(&fixture, 0, ERROR_TRANSIENT, "57014");
	expect_row(&fixture, 1, "1");
	assert_int_equal(fixture.downs, 0);
	close_session(&fixture);
}

static void a_terminated_backend_is_uncertain(void **state)
{
	(void)state;
	struct fixture fixture = {0};
	open_session(&fixture);
	ask(&fixture, &one);
	ask(&fixture, &die);
	ask(&fixture, &one);
	wait_for_answers(&fixture, 3);
	expect_row(&fixture, 0, "1");
	expect_error(&fixture, 1, ERROR_UNCERTAIN, "57P01");
	expect_row(&fixture, 2, "1");
	assert_int_equal(fixture.ups, 2);
	assert_int_equal(fixture.downs, 1);
	close_session(&fixture);
}

/* The lock lets the preparation wait, so that nothing of the statement has run when the connection goes. */
static void a_statement_not_yet_executed_is_kept(void **state)
{
	(void)state;
	static const struct pg_statement all = {"all", "select * from locked"};
	struct fixture fixture = {0};
	struct error err = {0};
	run("create table locked as select 'kept'::text");
	struct pg_plain *admin = pg_plain_open(private_postgres_url(), "admin", &err);
	assert_non_null(admin);
	assert_true(pg_plain_run(admin, "begin; lock table locked", &err));
	open_session(&fixture);
	ask(&fixture, &one);
	wait_for_answers(&fixture, 1);
	ask(&fixture, &all);
	ask(&fixture, &one);
	assert_true(pg_plain_run(
		admin, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'session test'",
		&err));
	wait_for_changes(&fixture, 1, 1);
	assert_int_equal(pg_session_pending(fixture.db), 2);
	pg_plain_close(&admin);
	wait_for_answers(&fixture, 3);
	expect_row(&fixture, 1, "kept");
	expect_row(&fixture, 2, "1");
	close_session(&fixture);
}

static void an_idle_loss_is_repaired(void **state)
{
	(void)state;
	struct fixture fixture = {0};
	open_session(&fixture);
	ask(&fixture, &one);
	wait_for_answers(&fixture, 1);
	run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'session test'");
	wait_for_changes(&fixture, 1, 1);
	assert_non_null(strstr(fixture.reason, "57P01"));
	assert_false(pg_session_is_ready(fixture.db));
	ask(&fixture, &one);
	wait_for_answers(&fixture, 2);
	expect_row(&fixture, 1, "1");
	assert_int_equal(fixture.ups, 2);
	close_session(&fixture);
}

static void a_server_may_be_restarted(void **state)
{
	(void)state;
	if (!private_postgres_is_ours())
		skip();
	struct fixture fixture = {0};
	open_session(&fixture);
	ask_with(&fixture, &nap, "0"); /* prepared, so that the next is sent at once */
	wait_for_answers(&fixture, 1);
	ask_with(&fixture, &nap, "20");
	ask(&fixture, &one);
	private_postgres_stop();
	wait_for_answers(&fixture, 2);
	expect_error(&fixture, 1, ERROR_UNCERTAIN, "nap");
	assert_int_equal(pg_session_pending(fixture.db), 1);
	wait_for_changes(&fixture, 1, 2);
	assert_non_null(strstr(fixture.reason, "failed"));
	private_postgres_start();
	wait_for_answers(&fixture, 3);
	expect_row(&fixture, 2, "1");
	assert_int_equal(fixture.ups, 2);
	close_session(&fixture);
}

static void says_why_it_cannot_connect(void **state)
{
	(void)state;
	struct fixture fixture = {0};
	open_with(&fixture, "postgresql://nobody@127.0.0.1:1/none", 1000, false);
	ask(&fixture, &one);
	wait_for_changes(&fixture, 0, 1);
	assert_non_null(strstr(fixture.reason, "Connection refused"));
	assert_null(strchr(fixture.reason, '\n'));
	assert_false(pg_session_is_ready(fixture.db));
	assert_int_equal(pg_session_pending(fixture.db), 1);
	close_session(&fixture);
	assert_int_equal(fixture.answered, 0);
}

/* Time is moved on by hand; the server sleeps and knows nothing of it. */
static void a_silent_server_is_left(void **state)
{
	(void)state;
	struct fixture fixture = {0};
	open_session(&fixture);
	ask_with(&fixture, &nap, "0");
	wait_for_answers(&fixture, 1);
	ask_with(&fixture, &nap, "20");
	ask(&fixture, &one);
	int64_t now_ms = clock_now_ms();
	clock_fake(now_ms + 34000, 0);
	event_base_loop(fixture.base, EVLOOP_NONBLOCK);
	assert_int_equal(fixture.downs, 0);
	clock_fake(now_ms + 36000, 0);
	wait_for_answers(&fixture, 3);
	clock_real();
	expect_error(&fixture, 1, ERROR_UNCERTAIN, "does not answer");
	expect_row(&fixture, 2, "1");
	close_session(&fixture);
}

static int silent_listener(char *url, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	snprintf(url, size, "postgresql://nobody@127.0.0.1:%d/none", ntohs(address.sin_port));
	return listener;
}

static void a_silent_listener_is_left(void **state)
{
	(void)state;
	struct fixture fixture = {0};
	char url[100];
	int listener = silent_listener(url, sizeof(url));
	open_with(&fixture, url, 1000, false);
	event_base_loop(fixture.base, EVLOOP_ONCE);
	clock_fake(clock_now_ms() + 16000, 0);
	wait_for_changes(&fixture, 0, 1);
	clock_real();
	assert_non_null(strstr(fixture.reason, "does not answer"));
	close_session(&fixture);
	close(listener);
}

static void a_wrong_url_does_no_harm(void **state)
{
	(void)state;
	struct fixture fixture = {0};
	open_with(&fixture, "postgresql://host:port:port/?what=", 1000, false);
	wait_for_changes(&fixture, 0, 1);
	assert_int_not_equal(strlen(fixture.reason), 0);
	close_session(&fixture);
}

static void a_lost_plan_is_made_again(void **state)
{
	(void)state;
	static const struct pg_statement all = {"all", "select * from grows"};
	static const struct pg_statement forget = {"forget", "deallocate all"};
	struct fixture fixture = {0};
	run("create table grows (first text); insert into grows values ('here')");
	open_session(&fixture);
	ask(&fixture, &all);
	wait_for_answers(&fixture, 1);
	run("alter table grows add column second integer");
	ask(&fixture, &all);
	ask(&fixture, &all);
	ask(&fixture, &forget);
	ask(&fixture, &all);
	wait_for_answers(&fixture, 5);
	expect_row(&fixture, 1, "here");
	expect_row(&fixture, 2, "here");
	expect_row(&fixture, 4, "here");
	run("drop table grows");
	ask(&fixture, &all);
	ask(&fixture, &one);
	wait_for_answers(&fixture, 7);
	expect_error(&fixture, 5, ERROR_REFUSED, "42P01");
	expect_row(&fixture, 6, "1");
	assert_int_equal(fixture.downs, 0);
	close_session(&fixture);
}

static void adds_up(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct fixture *fixture = context;
	int64_t sum = 0;
	if (err != NULL)
		fail_msg("%s", err->text);
	for (size_t i = 0; i < pg_rows_count(rows); i++)
		sum += pg_rows_int64(rows, i, 0);
	assert_true(sum == INT64_C(5000050000));
	fixture->answered++;
}

static void large_answers_and_questions(void **state)
{
	(void)state;
	static const struct pg_statement many = {
		"many", "select number, repeat('x', 50) from generate_series(1, 100000) number"};
	static const struct pg_statement back = {"back", "select unnest($1::bigint[])"};
	struct fixture fixture = {0};
	struct pg_values values;
	open_session(&fixture);
	pg_session_ask(fixture.db, &many, NULL, adds_up, &fixture);
	pg_values_init(&values);
	pg_values_start_array(&values);
	for (int i = 1; i <= 100000; i++)
		pg_values_item_int64(&values, i);
	pg_values_end_array(&values);
	pg_session_ask(fixture.db, &back, &values, adds_up, &fixture);
	wait_for_answers(&fixture, 2);
	close_session(&fixture);
}

/* More than any socket takes at once: the rest is written when the server has made room. */
static void a_question_may_be_larger_than_the_socket(void **state)
{
	(void)state;
	static const struct pg_statement measure = {"measure", "select length($1)"};
	enum { length = 20000000 };
	struct fixture fixture = {0};
	char *text = memory_new(length + 1);
	memset(text, 'x', length);
	open_session(&fixture);
	ask_with(&fixture, &measure, text);
	wait_for_answers(&fixture, 1);
	expect_row(&fixture, 0, "20000000");
	close_session(&fixture);
	free(text);
}

static void may_be_closed_in_an_answer(void **state)
{
	(void)state;
	struct fixture fixture = {.close_in_answer = true};
	open_session(&fixture);
	ask_with(&fixture, &echo, "the last");
	ask(&fixture, &one);
	wait_for_answers(&fixture, 1);
	assert_null(fixture.db);
	expect_row(&fixture, 0, "the last");
	event_base_loop(fixture.base, EVLOOP_NONBLOCK);
	assert_int_equal(fixture.answered, 1);
	close_session(&fixture);
}

static void may_be_closed_in_an_answer_of_a_loss(void **state)
{
	(void)state;
	struct fixture fixture = {.close_in_answer = true};
	open_session(&fixture);
	ask(&fixture, &die);
	ask(&fixture, &one);
	wait_for_answers(&fixture, 1);
	assert_null(fixture.db);
	expect_error(&fixture, 0, ERROR_UNCERTAIN, "57P01");
	close_session(&fixture);
}

static void may_be_closed_in_a_change(void **state)
{
	(void)state;
	struct fixture up = {.close_in_change = true}, down = {.close_in_change = true}, lost = {0};
	open_session(&up);
	ask(&up, &one);
	wait_for_changes(&up, 1, 0);
	open_with(&down, "postgresql://nobody@127.0.0.1:1/none", 1000, false);
	ask(&down, &one);
	wait_for_changes(&down, 0, 1);
	open_session(&lost);
	ask(&lost, &one);
	wait_for_answers(&lost, 1);
	lost.close_in_change = true;
	ask(&lost, &die);
	wait_for_changes(&lost, 1, 1);
	assert_int_equal(up.answered + down.answered + lost.answered, 1);
	close_session(&up);
	close_session(&down);
	close_session(&lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_in_order),
		cmocka_unit_test(asks_from_an_answer),
		cmocka_unit_test(arrays_become_rows),
		cmocka_unit_test(a_failure_stays_alone),
		cmocka_unit_test(a_commit_may_fail_after_the_rows),
		cmocka_unit_test(refusals_have_kinds),
		cmocka_unit_test(too_many_parameters_are_invalid),
		cmocka_unit_test(settings_reach_the_server),
		cmocka_unit_test(a_slow_statement_is_transient),
		cmocka_unit_test(a_terminated_backend_is_uncertain),
		cmocka_unit_test(a_statement_not_yet_executed_is_kept),
		cmocka_unit_test(an_idle_loss_is_repaired),
		cmocka_unit_test(a_server_may_be_restarted),
		cmocka_unit_test(says_why_it_cannot_connect),
		cmocka_unit_test(a_silent_server_is_left),
		cmocka_unit_test(a_silent_listener_is_left),
		cmocka_unit_test(a_wrong_url_does_no_harm),
		cmocka_unit_test(a_lost_plan_is_made_again),
		cmocka_unit_test(large_answers_and_questions),
		cmocka_unit_test(a_question_may_be_larger_than_the_socket),
		cmocka_unit_test(may_be_closed_in_an_answer),
		cmocka_unit_test(may_be_closed_in_an_answer_of_a_loss),
		cmocka_unit_test(may_be_closed_in_a_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
