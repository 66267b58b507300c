#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "private_postgres.h"
#include "scheduler/migrate.h"
#include "shared/memory.h"
#include "shared/pg_plain.h"
#include "temporary_folder.h"

/* An empty database and a folder with one of everything. */
struct fixture {
	char *url, *folder;
	char *said;
	size_t said_length;
};

static int set_up(void **state)
{
	struct fixture *fixture = memory_new(sizeof(*fixture));
	fixture->url = private_postgres_new_database();
	fixture->folder = temporary_folder_new();
	temporary_folder_write(fixture->folder, "migrations/0001_people.sql",
			       "create table delivery.person (name text not null);\n"
			       "insert into delivery.person values ('Ada');\n");
	temporary_folder_write(fixture->folder, "migrations/0002_points.sql",
			       "alter table delivery.person add column points integer not null default 7;\n");
	temporary_folder_write(fixture->folder, "functions/all_points.sql",
			       "-- needs: points_of\n"
			       "create or replace function delivery.all_points() returns bigint language sql as $$\n"
			       "  select sum(delivery.points_of(name)) from delivery.person\n"
			       "$$;\n");
	temporary_folder_write(
		fixture->folder, "functions/points_of.sql",
		"create or replace function delivery.points_of(wanted text) returns integer language sql as $$\n"
		"  select points from delivery.person where name = wanted\n"
		"    and points > 0 -- guard: positive\n"
		"$$;\n");
	temporary_folder_write(fixture->folder, "views/summary.sql",
			       "create or replace view delivery.summary as select delivery.all_points() as points;\n");
	temporary_folder_write(fixture->folder, "roles.sql", "grant select on delivery.summary to public;\n");
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	temporary_folder_remove(&fixture->folder);
	free(fixture->said);
	free(fixture->url);
	free(fixture);
	return 0;
}

static bool migrate(struct fixture *fixture, bool dry_run, struct error *err)
{
	free(fixture->said);
	FILE *out = open_memstream(&fixture->said, &fixture->said_length);
	const struct migrate_options options = {
		.database_url = fixture->url, .folder = fixture->folder, .dry_run = dry_run, .out = out};
	bool ok = migrate_run(&options, err);
	fclose(out);
	return ok;
}

static void expect_success(struct fixture *fixture, const char *said)
{
	struct error err = {0};
	if (!migrate(fixture, false, &err))
		fail_msg("%s", err.text);
	assert_string_equal(fixture->said, said);
}

static void expect_complaint(struct fixture *fixture, const char *complaint)
{
	struct error err = {0};
	assert_false(migrate(fixture, false, &err));
	if (strstr(err.text, complaint) == NULL)
		fail_msg("%s", err.text);
}

/* The first column of the first row, as a number. */
static int64_t look(const struct fixture *fixture, const char *sql)
{
	struct error err = {0};
	const struct pg_rows *rows;
	struct pg_plain *db = pg_plain_open(fixture->url, "test", &err);
	if (db == NULL || !pg_plain_ask(db, sql, NULL, &rows, &err))
		fail_msg("%s", err.text);
	int64_t number = pg_rows_count(rows) > 0 ? pg_rows_int64(rows, 0, 0) : -1;
	pg_plain_close(&db);
	return number;
}

static void change(const struct fixture *fixture, const char *sql)
{
	struct error err = {0};
	struct pg_plain *db = pg_plain_open(fixture->url, "test", &err);
	if (db == NULL || !pg_plain_run(db, sql, &err))
		fail_msg("%s", err.text);
	pg_plain_close(&db);
}

#define DEFINITIONS "applied functions/points_of.sql\napplied functions/all_points.sql\napplied views/summary.sql\n"
#define EVERYTHING                                                                                                     \
	"applied migrations/0001_people.sql\napplied migrations/0002_points.sql\n" DEFINITIONS "applied roles.sql\n"   \
	"the database is at migration 0002\n"
#define NOTHING "the database is at migration 0002; nothing had changed\n"

static void applies_everything_once(void **state)
{
	struct fixture *fixture = *state;
	expect_success(fixture, EVERYTHING);
	assert_int_equal(look(fixture, "select points from delivery.summary"), 7);
	assert_int_equal(look(fixture, "select count(*) from delivery.schema_migration where applied_at is not null"),
			 2);
	expect_success(fixture, NOTHING);
	assert_int_equal(look(fixture, "select count(*) from delivery.person"), 1);
}

static void a_dry_run_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct error err = {0};
	assert_true(migrate(fixture, true, &err));
	assert_string_equal(fixture->said,
			    "would apply migrations/0001_people.sql\nwould apply migrations/0002_points.sql\n"
			    "would apply functions/points_of.sql\nwould apply functions/all_points.sql\n"
			    "would apply views/summary.sql\nwould apply roles.sql\n");
	assert_int_equal(look(fixture, "select count(*) from pg_namespace where nspname = 'delivery'"), 0);
	expect_success(fixture, EVERYTHING);
	assert_true(migrate(fixture, true, &err));
	assert_string_equal(fixture->said, "");
}

static void a_new_migration_brings_the_rest_again(void **state)
{
	struct fixture *fixture = *state;
	expect_success(fixture, EVERYTHING);
	temporary_folder_write(fixture->folder, "migrations/0003_drop.sql", "drop view delivery.summary;");
	expect_success(fixture, "applied migrations/0003_drop.sql\n" DEFINITIONS
				"applied roles.sql\nthe database is at migration 0003\n");
	assert_int_equal(look(fixture, "select points from delivery.summary"), 7);
}

static void a_changed_function_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	expect_success(fixture, EVERYTHING);
	temporary_folder_write(
		fixture->folder, "functions/all_points.sql",
		"create or replace function delivery.all_points() returns bigint language sql as 'select 99::bigint';");
	expect_success(fixture, "applied functions/all_points.sql\napplied functions/points_of.sql\n"
				"applied views/summary.sql\napplied roles.sql\nthe database is at migration 0002\n");
	assert_int_equal(look(fixture, "select points from delivery.summary"), 99);
}

static void changed_roles_come_alone(void **state)
{
	struct fixture *fixture = *state;
	expect_success(fixture, EVERYTHING);
	temporary_folder_write(fixture->folder, "roles.sql", "revoke select on delivery.summary from public;");
	expect_success(fixture, "applied roles.sql\nthe database is at migration 0002\n");
}

static void a_failing_migration_leaves_nothing(void **state)
{
	struct fixture *fixture = *state;
	temporary_folder_write(fixture->folder, "migrations/0003_wrong.sql",
			       "create table delivery.half ();\n\n-- why\ncreate table delivery.person ();\n");
	expect_complaint(fixture,
			 "migrations/0003_wrong.sql: line 4: relation \"person\" already exists [SQLSTATE 42P07]");
	assert_string_equal(fixture->said, "applied migrations/0001_people.sql\napplied migrations/0002_points.sql\n");
	assert_int_equal(look(fixture, "select count(*) from pg_class where relname = 'half'"), 0);
	assert_int_equal(look(fixture, "select max(number) from delivery.schema_migration"), 2);
	temporary_folder_write(fixture->folder, "migrations/0003_wrong.sql", "create table delivery.half ();");
	expect_success(fixture, "applied migrations/0003_wrong.sql\n" DEFINITIONS
				"applied roles.sql\nthe database is at migration 0003\n");
}

static void a_failing_view_takes_the_functions_back(void **state)
{
	struct fixture *fixture = *state;
	temporary_folder_write(fixture->folder, "views/summary.sql",
			       "-- A view\n-- of\ncreate view delivery.summary as\nselect nothing;");
	expect_complaint(fixture, "views/summary.sql: line 4: column \"nothing\" does not exist");
	assert_int_equal(look(fixture, "select count(*) from pg_proc where proname = 'points_of'"), 0);
	assert_int_equal(look(fixture, "select count(*) from delivery.schema_definition"), 0);
}

static void an_error_in_a_body_has_its_line(void **state)
{
	struct fixture *fixture = *state;
	temporary_folder_write(
		fixture->folder, "functions/wrong.sql",
		"-- é\ncreate function wrong() returns void language plpgsql as $$\nbegin\n  perfrom 1;\nend $$;\n");
	expect_complaint(fixture, "functions/wrong.sql: line 4: syntax error at or near \"perfrom\"");
}

static void a_failing_commit_names_the_file(void **state)
{
	struct fixture *fixture = *state;
	temporary_folder_write(fixture->folder, "migrations/0003_late.sql",
			       "create table late (number integer unique deferrable initially deferred);\n"
			       "insert into late values (1), (1);\n");
	expect_complaint(fixture, "migrations/0003_late.sql, at its end: duplicate key");
	assert_int_equal(look(fixture, "select max(number) from delivery.schema_migration"), 2);
}

static void a_file_may_not_end_its_transaction(void **state)
{
	struct fixture *fixture = *state;
	temporary_folder_write(fixture->folder, "migrations/0003_commit.sql", "select 1; commit;");
	expect_complaint(fixture, "migrations/0003_commit.sql ends the transaction it runs in");
}

static void copy_from_the_client_is_refused(void **state)
{
	struct fixture *fixture = *state;
	temporary_folder_write(fixture->folder, "migrations/0003_copy.sql", "copy delivery.person from stdin;");
	expect_complaint(fixture, "COPY from the client is not possible here");
}

static void an_edited_migration_is_refused(void **state)
{
	struct fixture *fixture = *state;
	expect_success(fixture, EVERYTHING);
	temporary_folder_write(fixture->folder, "migrations/0001_people.sql", "-- edited");
	temporary_folder_write(fixture->folder, "migrations/0003_more.sql", "create table more ();");
	expect_complaint(fixture, "migrations/0001_people.sql was changed after it was applied");
	assert_string_equal(fixture->said, "");
}

static void a_newer_database_is_refused(void **state)
{
	struct fixture *fixture = *state;
	expect_success(fixture, EVERYTHING);
	temporary_folder_delete(fixture->folder, "migrations/0002_points.sql");
	expect_complaint(fixture,
			 "the database has migration 0002 (0002_points.sql), which this version does not know");
}

static void a_gap_in_the_database_is_refused(void **state)
{
	struct fixture *fixture = *state;
	expect_success(fixture, EVERYTHING);
	change(fixture, "delete from delivery.schema_migration where number = 1");
	expect_complaint(fixture,
			 "the database has migration 0002 (0002_points.sql) but not migrations/0001_people.sql");
}

static void a_wrong_folder_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct error err = {0};
	struct migrate_options options = {.database_url = fixture->url, .folder = "/tmp"};
	assert_false(migrate_run(&options, &err));
	assert_string_equal(err.text, "/tmp has no folder migrations; it is not our sql folder");
	options.folder = NULL;
	setenv("POSTRIDER_SQL_DIR", fixture->folder, 1);
	bool ok = migrate_run(&options, &err);
	unsetenv("POSTRIDER_SQL_DIR");
	assert_true(ok);
	assert_int_equal(look(fixture, "select max(number) from delivery.schema_migration"), 2);
}

static void an_unreachable_database_is_named(void **state)
{
	struct fixture *fixture = *state;
	struct error err = {0};
	const struct migrate_options options = {.database_url = "postgresql://nobody@127.0.0.1:1/none",
						.folder = fixture->folder};
	assert_false(migrate_run(&options, &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_non_null(strstr(err.text, "Connection refused"));
}

static void several_at_once_apply_once(void **state)
{
	struct fixture *fixture = *state;
	pid_t children[4];
	for (size_t i = 0; i < ARRAY_LENGTH(children); i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			const struct migrate_options options = {.database_url = fixture->url,
								.folder = fixture->folder};
			struct error err;
			_exit(migrate_run(&options, &err) ? 0 : 1);
		}
	}
	for (size_t i = 0; i < ARRAY_LENGTH(children); i++) {
		int status = -1;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(look(fixture, "select count(*) from delivery.person"), 1);
}

static void everything_of_ours_is_commented(void **state)
{
	struct fixture *fixture = *state;
	expect_success(fixture, EVERYTHING);
	assert_int_equal(look(fixture,
			      "select count(*) from pg_attribute where attrelid in "
			      "('delivery.schema_migration'::regclass, 'delivery.schema_definition'::regclass) "
			      "and attnum > 0 and col_description(attrelid, attnum) is null"),
			 0);
}

#ifdef POSTRIDER_TEST_HOOKS
static void a_guard_goes_and_comes_back(void **state)
{
	struct fixture *fixture = *state;
	expect_success(fixture, EVERYTHING);
	change(fixture, "update delivery.person set points = -5");
	assert_int_equal(look(fixture, "select count(points) from delivery.summary"), 0);
	setenv("POSTRIDER_WITHOUT_GUARD", "positive", 1);
	expect_success(fixture, DEFINITIONS "applied roles.sql\nthe database is at migration 0002\n");
	assert_int_equal(look(fixture, "select points from delivery.summary"), -5);
	expect_success(fixture, DEFINITIONS "applied roles.sql\nthe database is at migration 0002\n");
	unsetenv("POSTRIDER_WITHOUT_GUARD");
	expect_success(fixture, DEFINITIONS "applied roles.sql\nthe database is at migration 0002\n");
	assert_int_equal(look(fixture, "select count(points) from delivery.summary"), 0);
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(applies_everything_once),
		TEST(a_dry_run_changes_nothing),
		TEST(a_new_migration_brings_the_rest_again),
		TEST(a_changed_function_is_replaced),
		TEST(changed_roles_come_alone),
		TEST(a_failing_migration_leaves_nothing),
		TEST(a_failing_view_takes_the_functions_back),
		TEST(an_error_in_a_body_has_its_line),
		TEST(a_failing_commit_names_the_file),
		TEST(a_file_may_not_end_its_transaction),
		TEST(copy_from_the_client_is_refused),
		TEST(an_edited_migration_is_refused),
		TEST(a_newer_database_is_refused),
		TEST(a_gap_in_the_database_is_refused),
		TEST(a_wrong_folder_is_refused),
		TEST(an_unreachable_database_is_named),
		TEST(several_at_once_apply_once),
		TEST(everything_of_ours_is_commented),
#ifdef POSTRIDER_TEST_HOOKS
		TEST(a_guard_goes_and_comes_back),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
