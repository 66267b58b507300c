#include "scheduler/migrate.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scheduler/sql_folder.h"
#include "shared/pg_plain.h"

#define LOCK_KEY "7310579813205533700" /* any number that nobody else uses */

struct migration_run {
	const struct migrate_options *options;
	struct sql_folder folder;
	struct pg_plain *db;
	bool is_prepared; /* our tables are there */
	size_t applied;   /* migrations in the database */
	size_t files_applied;
};

/* Another migration may take its time; a transaction of the programs may not, since all others queue behind us. */
static const char wait_for_lock_sql[] = "set statement_timeout = 0; set lock_timeout = 0";
static const char wait_for_tables_sql[] = "set lock_timeout = '30s'; set client_min_messages = warning";

static const char tables_sql[] =
	"create schema if not exists delivery;\n"
	"create table delivery.schema_migration (\n"
	"  number integer constraint a_migration_has_a_number primary key,\n"
	"  name text not null,\n"
	"  sha256 text not null,\n"
	"  applied_at timestamptz not null default now()\n"
	");\n"
	"comment on table delivery.schema_migration is 'The steps in which this database was built, each applied once. "
	"Written by postrider-scheduler migrate.';\n"
	"comment on column delivery.schema_migration.number is 'The number that the file begins with, for example "
	"7.';\n"
	"comment on column delivery.schema_migration.name is 'The file, for example 0007_quiet_hours.sql.';\n"
	"comment on column delivery.schema_migration.sha256 is 'Checksum of the file when it was applied; an applied "
	"file "
	"is never edited.';\n"
	"comment on column delivery.schema_migration.applied_at is 'When it was applied here.';\n"
	"create table delivery.schema_definition (\n"
	"  name text constraint a_definition_has_a_name primary key,\n"
	"  sha256 text not null,\n"
	"  applied_at timestamptz not null default now()\n"
	");\n"
	"comment on table delivery.schema_definition is 'What is replaced as a whole whenever it changes: functions "
	"and "
	"views, and the roles'' rights. Written by postrider-scheduler migrate.';\n"
	"comment on column delivery.schema_definition.name is 'definitions (functions and views) or roles.';\n"
	"comment on column delivery.schema_definition.sha256 is 'Checksum of all its files when they were applied.';\n"
	"comment on column delivery.schema_definition.applied_at is 'When they were applied last.';\n";

static PRINTF_LIKE(2, 3) void say(const struct migration_run *run, const char *format, ...)
{
	if (run->options->out == NULL)
		return;
	va_list arguments;
	va_start(arguments, format);
	vfprintf(run->options->out, format, arguments);
	va_end(arguments);
	fputc('\n', run->options->out);
	fflush(run->options->out);
}

static bool has_migrations(const char *folder)
{
	struct text path;
	struct stat about;
	text_init(&path, 4096);
	text_addf(&path, "%s/migrations", folder);
	bool there = text_ok(&path) && stat(text_string(&path), &about) == 0 && S_ISDIR(about.st_mode);
	text_release(&path);
	return there;
}

/* bin/postrider-scheduler -> share/postrider/sql */
static void add_installed_folder(struct text *path)
{
	char program[4096];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program));
	if (length <= 0 || (size_t)length == sizeof(program))
		return;
	const char *slash = memrchr(program, '/', (size_t)length);
	text_add_bytes(path, program, (size_t)(slash - program));
	text_add(path, "/../share/postrider/sql");
}

static bool find_folder(const struct migrate_options *options, struct text *path, struct error *err)
{
	const char *given = options->folder != NULL ? options->folder : getenv("POSTRIDER_SQL_DIR");
	if (given != NULL && given[0] != '\0') {
		text_add(path, given);
		return has_migrations(given) ||
		       error_set(err, ERROR_INVALID, "%s has no folder migrations; it is not our sql folder", given);
	}
	add_installed_folder(path);
	if (has_migrations(text_string(path)))
		return true;
#ifdef POSTRIDER_SOURCE_SQL_DIR
	text_clear(path);
	text_add(path, POSTRIDER_SOURCE_SQL_DIR);
	if (has_migrations(text_string(path)))
		return true;
#endif
	return error_set(err, ERROR_INVALID, "the sql folder was not found; name it with --dir or POSTRIDER_SQL_DIR");
}

static bool ask_bool(struct migration_run *run, const char *sql, bool *answer, struct error *err)
{
	const struct pg_rows *rows;
	if (!pg_plain_ask(run->db, sql, NULL, &rows, err))
		return false;
	*answer = pg_rows_bool(rows, 0, 0);
	return true;
}

/* Goes with the session, however that ends. */
static bool take_lock(struct migration_run *run, struct error *err)
{
	const struct pg_rows *rows;
	bool taken;
	if (!ask_bool(run, "select pg_try_advisory_lock(" LOCK_KEY ")", &taken, err))
		return false;
	if (taken)
		return true;
	say(run, "waiting for another migration to end");
	return pg_plain_ask(run->db, "select pg_advisory_lock(" LOCK_KEY ")", NULL, &rows, err);
}

static bool create_tables(struct migration_run *run, struct error *err)
{
	if (!ask_bool(run, "select to_regclass('delivery.schema_definition') is not null", &run->is_prepared, err))
		return false;
	if (run->is_prepared || run->options->dry_run)
		return true;
	run->is_prepared = true;
	return pg_plain_run(run->db, tables_sql, err) || error_wrap(err, "creating delivery.schema_migration");
}

static bool check_applied(struct migration_run *run, size_t index, int64_t number, const char *name,
			  const char *checksum, struct error *err)
{
	const struct sql_files *known = &run->folder.migrations;
	if (index >= known->count)
		return error_set(err, ERROR_INVALID,
				 "the database has migration %04" PRId64 " (%s), which this version does not know; "
				 "use the newer version",
				 number, name);
	const struct sql_file *file = &known->files[index];
	if (number != file->number)
		return error_set(err, ERROR_INVALID,
				 "the database has migration %04" PRId64 " (%s) but not %s before it", number, name,
				 file->path);
	if (strcmp(checksum, file->checksum) != 0)
		return error_set(
			err, ERROR_INVALID,
			"%s was changed after it was applied; restore it and put the change into a new migration",
			file->path);
	return true;
}

static bool check_history(struct migration_run *run, struct error *err)
{
	const struct pg_rows *rows;
	if (!run->is_prepared)
		return true;
	if (!pg_plain_ask(run->db, "select number, name, sha256 from delivery.schema_migration order by number", NULL,
			  &rows, err))
		return false;
	run->applied = pg_rows_count(rows);
	for (size_t i = 0; i < run->applied; i++)
		if (!check_applied(run, i, pg_rows_int64(rows, i, 0), pg_rows_text(rows, i, 1, NULL),
				   pg_rows_text(rows, i, 2, NULL), err))
			return false;
	return true;
}

/* A file that ends the transaction would leave its second half behind when that fails. */
static bool run_file(struct migration_run *run, const struct sql_file *file, struct error *err)
{
	if (!pg_plain_run(run->db, file->text, err))
		return error_wrap(err, "%s", file->path);
	if (!pg_plain_is_in_transaction(run->db))
		return error_set(err, ERROR_INVALID, "%s ends the transaction it runs in; leave out begin and commit",
				 file->path);
	run->files_applied++;
	return true;
}

static bool record(struct migration_run *run, const char *sql, int64_t number, const char *name, const char *checksum,
		   struct error *err)
{
	const struct pg_rows *rows;
	struct pg_values values;
	pg_values_init(&values);
	if (number > 0)
		pg_values_add_int64(&values, number);
	pg_values_add_text(&values, name);
	pg_values_add_text(&values, checksum);
	bool ok = pg_plain_ask(run->db, sql, &values, &rows, err);
	pg_values_release(&values);
	return ok;
}

static bool apply_migration(struct migration_run *run, const struct sql_file *file, struct error *err)
{
	static const char insert[] = "insert into delivery.schema_migration (number, name, sha256) values ($1, $2, $3)";
	const char *name = strchr(file->path, '/') + 1;
	if (run->options->dry_run) {
		say(run, "would apply %s", file->path);
		return true;
	}
	if (!pg_plain_run(run->db, "begin", err) || !run_file(run, file, err))
		return false;
	if (!record(run, insert, file->number, name, file->checksum, err) || !pg_plain_run(run->db, "commit", err))
		return error_wrap(err, "%s, at its end", file->path);
	say(run, "applied %s", file->path);
	return true;
}

static bool apply_migrations(struct migration_run *run, struct error *err)
{
	for (size_t i = run->applied; i < run->folder.migrations.count; i++)
		if (!apply_migration(run, &run->folder.migrations.files[i], err))
			return false;
	return true;
}

static bool is_current(struct migration_run *run, const char *name, const char *checksum, bool *current,
		       struct error *err)
{
	const struct pg_rows *rows;
	struct pg_values values;
	*current = false;
#ifdef POSTRIDER_TEST_HOOKS
	if (getenv("POSTRIDER_WITHOUT_GUARD") != NULL)
		return true;
#endif
	if (!run->is_prepared)
		return true;
	pg_values_init(&values);
	pg_values_add_text(&values, name);
	pg_values_add_text(&values, checksum);
	bool ok = pg_plain_ask(run->db, "select from delivery.schema_definition where name = $1 and sha256 = $2",
			       &values, &rows, err);
	*current = ok && pg_rows_count(rows) > 0;
	pg_values_release(&values);
	return ok;
}

static bool apply_all_at_once(struct migration_run *run, const struct sql_files *files, const char *name,
			      const char *checksum, struct error *err)
{
	static const char insert[] = "insert into delivery.schema_definition (name, sha256) values ($1, $2) "
				     "on conflict (name) do update set sha256 = excluded.sha256, applied_at = now()";
	if (!pg_plain_run(run->db, "begin", err))
		return false;
	for (size_t i = 0; i < files->count; i++)
		if (!run_file(run, &files->files[i], err))
			return false;
	if (!record(run, insert, 0, name, checksum, err) || !pg_plain_run(run->db, "commit", err))
		return error_wrap(err, "%s, at their end", name);
	for (size_t i = 0; i < files->count; i++)
		say(run, "applied %s", files->files[i].path);
	return true;
}

/* before is the checksum of what came first: a new migration may have dropped a view, new functions need rights. */
static bool apply_definitions(struct migration_run *run, const struct sql_files *files, const char *name,
			      const char *before, char checksum[SQL_CHECKSUM_LENGTH + 1], struct error *err)
{
	bool current;
	sql_files_checksum(files, before, checksum);
	if (!is_current(run, name, checksum, &current, err))
		return false;
	if (current)
		return true;
	if (!run->options->dry_run)
		return apply_all_at_once(run, files, name, checksum, err);
	for (size_t i = 0; i < files->count; i++)
		say(run, "would apply %s", files->files[i].path);
	return true;
}

static bool apply(struct migration_run *run, struct error *err)
{
	char migrations[SQL_CHECKSUM_LENGTH + 1], definitions[SQL_CHECKSUM_LENGTH + 1], roles[SQL_CHECKSUM_LENGTH + 1];
	sql_files_checksum(&run->folder.migrations, "", migrations);
	if (!apply_migrations(run, err) ||
	    !apply_definitions(run, &run->folder.definitions, "definitions", migrations, definitions, err) ||
	    !apply_definitions(run, &run->folder.roles, "roles", definitions, roles, err))
		return false;
	if (!run->options->dry_run)
		say(run, "the database is at migration %04zu%s", run->folder.migrations.count,
		    run->files_applied == 0 ? "; nothing had changed" : "");
	return true;
}

static bool migrate(struct migration_run *run, struct error *err)
{
	struct text path;
	text_init(&path, 4096);
	bool found = find_folder(run->options, &path, err) && sql_folder_read(&run->folder, text_string(&path), err);
	text_release(&path);
	if (!found)
		return false;
	run->db = pg_plain_open(run->options->database_url, "postrider-migrate", err);
	if (run->db == NULL)
		return false;
	return pg_plain_run(run->db, wait_for_lock_sql, err) && (run->options->dry_run || take_lock(run, err)) &&
	       pg_plain_run(run->db, wait_for_tables_sql, err) && create_tables(run, err) && check_history(run, err) &&
	       apply(run, err);
}

bool migrate_run(const struct migrate_options *options, struct error *err)
{
	struct migration_run run = {.options = options};
	bool ok = migrate(&run, err);
	pg_plain_close(&run.db);
	sql_folder_release(&run.folder);
	return ok;
}
