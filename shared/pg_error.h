/* pg_error - what PostgreSQL answered, as a struct error. Part of pg_session and pg_plain: it includes libpq.
 *
 * The sentence is the server's message, its hint and the SQLSTATE. The detail is left out unless asked for: it
 * quotes the row, and rows hold addresses.
 */
#ifndef POSTRIDER_SHARED_PG_ERROR_H
#define POSTRIDER_SHARED_PG_ERROR_H

#include <libpq-fe.h>

#include "shared/error.h"

enum error_kind pg_error_kind(const char *sqlstate); /* five characters; NULL: the connection's trouble */
void pg_error_from_result(struct error *err, const PGresult *result, bool with_detail);
/* libpq's own words, on one line. */
void pg_error_from_connection(struct error *err, enum error_kind kind, const PGconn *connection);

bool pg_error_is_error(const PGresult *result);
/* The server said that it ends the connection. */
bool pg_error_is_fatal(const PGresult *result);
/* The prepared statement is gone or its columns changed. Raised before anything ran; preparing again cures it. */
bool pg_error_is_stale_plan(const PGresult *result);

#endif
