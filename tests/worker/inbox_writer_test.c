/* Rows for our own inbox: each is answered exactly once, with what became of it. The database here only counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private_postgres.h"
#include "shared/clock.h"
#include "shared/pg_plain.h"
#include "worker/inbox_writer.h"

#define ROWS_MAX    1000
#define PATIENCE_MS 30000 /* only a broken test waits as long */

/* "bad" is refused with all that comes along, "gone" has no delivery, "later" meets a deadlock, "die" ends the connection. */
static const char schema[] =
	"create schema delivery;"
	"create table delivery.stored (message text primary key, calls integer not null default 1);"
	"create function delivery.inbox_put(p_messages text[]) returns integer language plpgsql as $$"
	"begin"
	"  if 'later' = any (p_messages) then raise exception 'deadlock' using errcode = '40P01'; end if;"
	"  if 'bad' = any (p_messages) then raise exception 'no such message'; end if;"
	"  insert into delivery.stored select m from unnest(p_messages) m where m not like 'gone%' on conflict do nothing;"
	"  if 'die' = any (p_messages) then perform pg_terminate_backend(pg_backend_pid()), pg_sleep(20); end if;"
	"  return (select count(*) from unnest(p_messages) m where m not like 'gone%');"
	"end $$";

struct row {
	struct fixture *fixture;
	struct provider_request request;
	bool is_fenced;
	size_t answered;
	enum provider_progress progress;
	int status;
	char failure[16];
};

struct fixture {
	struct event_base *base;
	struct inbox_writer *writer;
	char *url;
	struct row rows[ROWS_MAX];
	size_t count, answered;
	bool inside_add;
};

static struct fixture fixture;

static void run_sql(const char *sql)
{
	struct error err = {0};
	struct pg_plain *database = pg_plain_open(fixture.url, "inbox_writer_test", &err);

	if (database == NULL || !pg_plain_run(database, sql, &err))
		fail_msg("%s", err.text);
	pg_plain_close(&database);
}

static int open_writer(void **state)
{
	(void)state;
	memset(&fixture, 0, sizeof(fixture));
	fixture.url = private_postgres_new_database();
	run_sql(schema);
	fixture.base = event_base_new();
	fixture.writer = inbox_writer_open(fixture.base, fixture.url);
	return 0;
}

static int close_writer(void **state)
{
	(void)state;
	inbox_writer_close(&fixture.writer);
	assert_null(fixture.writer);
	for (size_t i = 0; i < fixture.count; i++)
		provider_request_release(&fixture.rows[i].request);
	event_base_free(fixture.base);
	free(fixture.url);
	return 0;
}

static bool fence(void *context)
{
	return !((struct row *)context)->is_fenced;
}

static void on_done(void *context, const struct provider_answer *answer, int64_t duration_us)
{
	struct row *row = context;

	assert_false(row->fixture->inside_add);
	assert_true(duration_us >= 0);
	row->answered++;
	row->fixture->answered++;
	row->progress = answer->progress;
	row->status = answer->status;
	(void)snprintf(row->failure, sizeof(row->failure), "%s", answer->failure != NULL ? answer->failure : "");
}

static struct row *add(const char *message, bool is_fenced)
{
	struct row *row = &fixture.rows[fixture.count++];

	*row = (struct row){.fixture = &fixture, .is_fenced = is_fenced};
	provider_request_init(&row->request);
	row->request.protocol = PROVIDER_DATABASE;
	text_add(&row->request.body, message);
	fixture.inside_add = true;
	inbox_writer_add(fixture.writer, &row->request, fence, on_done, row);
	fixture.inside_add = false;
	return row;
}

static void wait_for_all(void)
{
	int64_t until_ms = clock_now_ms() + PATIENCE_MS;

	while (fixture.answered < fixture.count && clock_now_ms() < until_ms) {
		event_base_loopexit(fixture.base, &(struct timeval){.tv_usec = 100000});
		event_base_loop(fixture.base, EVLOOP_ONCE);
	}
	for (size_t i = 0; i < fixture.count; i++)
		assert_int_equal(fixture.rows[i].answered, 1);
}

static void assert_row(const struct row *row, enum provider_progress progress, int status, const char *failure)
{
	assert_int_equal(row->progress, progress);
	assert_int_equal(row->status, status);
	assert_string_equal(row->failure, failure);
}

static void test_many_are_stored(void **state)
{
	char message[20];

	(void)state;
	for (int i = 0; i < ROWS_MAX; i++) {
		(void)snprintf(message, sizeof(message), "message %d", i % (ROWS_MAX / 2));
		add(message, false);
	}
	wait_for_all();
	for (size_t i = 0; i < fixture.count; i++)
		assert_row(&fixture.rows[i], PROVIDER_ANSWERED, 200, "");
	run_sql("do $$ begin assert (select count(*) from delivery.stored) = 500; end $$");
}

static void test_one_bad_row_spoils_no_other(void **state)
{
	struct row *good, *bad, *other, *gone;

	(void)state;
	good = add("good", false);
	bad = add("bad", false);
	other = add("other", false);
	gone = add("gone", false);
	wait_for_all();
	assert_row(good, PROVIDER_ANSWERED, 200, "");
	assert_row(bad, PROVIDER_ANSWERED, 400, "");
	assert_row(other, PROVIDER_ANSWERED, 200, "");
	assert_row(gone, PROVIDER_ANSWERED, 400, "");
}

static void test_the_fence_holds_back(void **state)
{
	struct row *good, *late;

	(void)state;
	good = add("good", false);
	late = add("late", true);
	wait_for_all();
	assert_row(good, PROVIDER_ANSWERED, 200, "");
	assert_row(late, PROVIDER_NOT_WRITTEN, 0, "fenced");
	run_sql("do $$ begin assert (select count(*) from delivery.stored) = 1; end $$");
	late = add("late", true);
	wait_for_all();
	assert_row(late, PROVIDER_NOT_WRITTEN, 0, "fenced");
}

static void test_what_may_pass_and_what_nobody_knows(void **state)
{
	struct row *later, *lost, *after;

	(void)state;
	later = add("later", false);
	wait_for_all();
	assert_row(later, PROVIDER_ANSWERED, 503, "");
	lost = add("die", false);
	wait_for_all();
	assert_row(lost, PROVIDER_WRITTEN, 0, "reset");
	after = add("after", false);
	wait_for_all();
	assert_row(after, PROVIDER_ANSWERED, 200, "");
}

/* What waits when the writer is closed is dropped without a word. */
static void test_closing_in_between(void **state)
{
	(void)state;
	add("first", false);
	event_base_loop(fixture.base, EVLOOP_NONBLOCK);
	add("second", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_are_stored, open_writer, close_writer),
		cmocka_unit_test_setup_teardown(test_one_bad_row_spoils_no_other, open_writer, close_writer),
		cmocka_unit_test_setup_teardown(test_the_fence_holds_back, open_writer, close_writer),
		cmocka_unit_test_setup_teardown(test_what_may_pass_and_what_nobody_knows, open_writer, close_writer),
		cmocka_unit_test_setup_teardown(test_closing_in_between, open_writer, close_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
