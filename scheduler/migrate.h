/* migrate - brings a database up to the files in sql/ (see sql_folder.h).
 *
 * Holds an advisory lock, so that several may be started at once. Each migration is a transaction of its own and is
 * recorded in delivery.schema_migration; all functions and views are one, then the roles, each skipped while nothing
 * in or before them changed (delivery.schema_definition). It refuses to go on when an applied file was edited, when
 * the database is newer than the folder, or when a number is missing; nothing is ever undone.
 *
 * An error names the file, the line and what the server said.
 */
#ifndef POSTRIDER_SCHEDULER_MIGRATE_H
#define POSTRIDER_SCHEDULER_MIGRATE_H

#include <stdio.h>

#include "shared/error.h"

struct migrate_options {
	const char *database_url;
	const char *folder; /* NULL: $POSTRIDER_SQL_DIR, what is installed beside the program, or the source tree */
	bool dry_run;       /* only say what would be applied */
	FILE *out;          /* a line per file; NULL: none */
};

bool migrate_run(const struct migrate_options *options, struct error *err) MUST_CHECK;

#endif
