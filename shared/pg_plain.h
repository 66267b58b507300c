/* pg_plain - a connection to PostgreSQL that simply waits. For migrate and status, which have nothing else to do.
 *
 *     struct pg_plain *db = pg_plain_open(url, "postrider-migrate", &err);
 *     if (db == NULL || !pg_plain_run(db, "begin", &err) || !pg_plain_run(db, file_text, &err)) ...
 *     pg_plain_close(&db);
 *
 * Errors hold the server's message, detail, hint and SQLSTATE, after "line 12: " where the text has lines. Closing
 * gives up an open transaction. The accessors of the rows are those of pg_session.h.
 */
#ifndef POSTRIDER_SHARED_PG_PLAIN_H
#define POSTRIDER_SHARED_PG_PLAIN_H

#include "shared/error.h"
#include "shared/pg_session.h"

struct pg_plain;

struct pg_plain *pg_plain_open(const char *url, const char *application_name, struct error *err) MUST_CHECK;
void pg_plain_close(struct pg_plain **db);

/* Any number of statements; without `begin` they are one transaction. COPY from or to the client is refused. */
bool pg_plain_run(struct pg_plain *db, const char *sql, struct error *err) MUST_CHECK;
/* One statement with $1, $2, ...; values may be NULL. The rows are borrowed until the next call. */
bool pg_plain_ask(struct pg_plain *db, const char *sql, const struct pg_values *values, const struct pg_rows **rows,
		  struct error *err) MUST_CHECK;

bool pg_plain_is_in_transaction(const struct pg_plain *db);

#endif
