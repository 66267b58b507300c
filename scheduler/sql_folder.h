/* sql_folder - the files that make the database, read and put in order.
 *
 *     sql/migrations/NNNN_subject.sql   once each, in the order of their numbers, which begin at 1 and leave no gap
 *     sql/functions/ and sql/views/     a definition a file, replaced whenever one of them changed
 *     sql/roles.sql                     who may do what
 *
 * Definitions come functions first, then views, each by path. A file that needs another one first says so in the
 * comments at its head: `-- needs: refusal` or, where two files have that name, `-- needs: functions/refusal`.
 *
 * In test builds a line of a function that ends in `-- guard: name` is left out when the environment has
 * POSTRIDER_WITHOUT_GUARD=name. Its checksum changes with it, so the next ordinary run puts it back.
 */
#ifndef POSTRIDER_SCHEDULER_SQL_FOLDER_H
#define POSTRIDER_SCHEDULER_SQL_FOLDER_H

#include "shared/error.h"

#define SQL_CHECKSUM_LENGTH 64 /* SHA-256 in hex */

struct sql_file {
	char *path; /* below the folder: functions/claim.sql */
	char *text;
	size_t length;
	int64_t number; /* of a migration */
	char checksum[SQL_CHECKSUM_LENGTH + 1];
};

struct sql_files {
	struct sql_file *files;
	size_t count, capacity;
};

struct sql_folder {
	struct sql_files migrations, definitions, roles; /* roles: one or none */
};

/* The folder may be zeroed or released before; on false it is empty. */
bool sql_folder_read(struct sql_folder *folder, const char *path, struct error *err) MUST_CHECK;
void sql_folder_release(struct sql_folder *folder);

/* Over paths and contents in order, begun with a text of the caller's. */
void sql_files_checksum(const struct sql_files *files, const char *begin, char checksum[SQL_CHECKSUM_LENGTH + 1]);

#endif
