/* pg_session - one connection to PostgreSQL on the event loop, which comes back by itself.
 *
 * Statements are prepared at first use, sent one at a time in the order given and answered in
 * that order. Nothing blocks but the first look-up of a host name. A lost connection answers the statement in
 * flight with ERROR_UNCERTAIN (it may have been committed), keeps the ones not yet sent, and
 * reconnects with full jitter from 100 ms to 10 s. A refused statement answers with ERROR_REFUSED,
 * or ERROR_TRANSIENT for serialization, deadlock, shutdown, lock timeout, disk full and the like;
 * the error's text holds the server's message, its hint and the SQLSTATE.
 *
 *     pg_session_ask(db, &claim_statement, &values, on_claimed, batch);
 *
 * The answer comes on the loop, never from inside pg_session_ask(), and after the commit. Rows are borrowed for the
 * call; the next statement is already on its way then. The session may be closed from inside any callback. A server
 * that does not answer 5 s after the statement's timeout counts as lost. Times are told in UTC.
 * Only pg_*.c include libpq.
 */
#ifndef POSTRIDER_SHARED_PG_SESSION_H
#define POSTRIDER_SHARED_PG_SESSION_H

#include "shared/error.h"
#include "shared/pg_values.h"

struct event_base;
struct pg_session;
struct pg_rows; /* a result, borrowed */

struct pg_statement {
	const char *name; /* unique in the program; also the prepared statement's name */
	const char *sql;  /* $1, $2, ... ; parameters are text, cast in SQL where needed */
};

struct pg_session_settings {
	const char *url;
	const char *application_name; /* seen in pg_stat_activity */
	int64_t statement_timeout_ms; /* 0: none */
	bool read_only;               /* default_transaction_read_only = on */
};

/* Ready, or not and why: one line, empty when ready. Told when either changes, first after the first connect. */
typedef void pg_session_changed(void *context, bool ready, const char *reason);

/* err is NULL when it worked; then rows are the answer. */
typedef void pg_session_answer(void *context, const struct pg_rows *rows, const struct error *err);

struct pg_session *pg_session_open(struct event_base *base, const struct pg_session_settings *settings,
				   pg_session_changed *changed, void *context) MUST_CHECK;
/* Drops what is queued without an answer. */
void pg_session_close(struct pg_session **session);

/* answer may be NULL: nobody asks what came of it. values may be NULL; its bytes are moved out of it (it is empty
 * afterwards and may be reused). */
void pg_session_ask(struct pg_session *session, const struct pg_statement *statement, struct pg_values *values,
		    pg_session_answer *answer, void *context);

bool pg_session_is_ready(const struct pg_session *session);
size_t pg_session_pending(const struct pg_session *session); /* asked and not yet answered */

size_t pg_rows_count(const struct pg_rows *rows);
/* Column by position. NULL for SQL null; length may be NULL. Borrowed as the rows are. */
const char *pg_rows_text(const struct pg_rows *rows, size_t row, int column, size_t *length);
bool pg_rows_is_null(const struct pg_rows *rows, size_t row, int column);
int64_t pg_rows_int64(const struct pg_rows *rows, size_t row, int column); /* null: 0 */
bool pg_rows_bool(const struct pg_rows *rows, size_t row, int column);     /* null: false */

#endif
