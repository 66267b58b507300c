#include "shared/pg_plain.h"

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "shared/pg_error.h"
#include "shared/sql_text.h"

struct pg_plain {
	PGconn *connection;
	PGresult *result;
};

/* libpq would print them on stderr, among our own lines. */
static void ignore_notice(void *context, const PGresult *result)
{
	(void)context, (void)result;
}

struct pg_plain *pg_plain_open(const char *url, const char *application_name, struct error *err)
{
	const char *const names[] = {"connect_timeout", "dbname", "application_name", "client_encoding", NULL};
	const char *const values[] = {"10", url, application_name, "UTF8", NULL};
	PGconn *connection = PQconnectdbParams(names, values, 1);
	if (PQstatus(connection) != CONNECTION_OK) {
		pg_error_from_connection(err, ERROR_TRANSIENT, connection);
		PQfinish(connection);
		return NULL;
	}
	PQsetNoticeReceiver(connection, ignore_notice, NULL);
	struct pg_plain *db = memory_new(sizeof(*db));
	db->connection = connection;
	return db;
}

void pg_plain_close(struct pg_plain **db)
{
	if (*db == NULL)
		return;
	PQclear((*db)->result);
	PQfinish((*db)->connection);
	free(*db);
	*db = NULL;
}

static size_t line_of_error(const PGresult *result, const char *sql, size_t statements_done)
{
	const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
	if (position != NULL)
		return sql_text_line_of_position(sql, strtoul(position, NULL, 10));
	return sql_text_line_of_statement(sql, statements_done);
}

static void explain(struct error *err, const PGresult *result, const char *sql, size_t statements_done)
{
	pg_error_from_result(err, result, true);
	size_t line = line_of_error(result, sql, statements_done);
	if (strchr(sql, '\n') != NULL && line > 0)
		error_wrap(err, "line %zu", line);
}

static void leave_copy(PGconn *connection, const PGresult *result)
{
	char *buffer = NULL;
	if (PQresultStatus(result) == PGRES_COPY_IN)
		PQputCopyEnd(connection, "COPY from the client is not possible here");
	if (PQresultStatus(result) == PGRES_COPY_OUT)
		while (PQgetCopyData(connection, &buffer, 0) > 0)
			PQfreemem(buffer);
}

bool pg_plain_run(struct pg_plain *db, const char *sql, struct error *err)
{
	bool ok = PQsendQuery(db->connection, sql) == 1;
	if (!ok)
		pg_error_from_connection(err, ERROR_UNCERTAIN, db->connection);
	size_t statements_done = 0;
	PGresult *result;
	while ((result = PQgetResult(db->connection)) != NULL) {
		if (ok && pg_error_is_error(result) && PQresultStatus(result) != PGRES_COPY_IN) {
			explain(err, result, sql, statements_done);
			ok = false;
		}
		leave_copy(db->connection, result);
		statements_done += PQresultStatus(result) != PGRES_COPY_IN;
		PQclear(result);
	}
	return ok;
}

bool pg_plain_ask(struct pg_plain *db, const char *sql, const struct pg_values *values, const struct pg_rows **rows,
		  struct error *err)
{
	const char *parameters[PG_VALUES_MAX] = {0};
	int count = values == NULL ? 0 : values->count;
	if (values != NULL && !text_ok(&values->bytes))
		return error_set(err, ERROR_INVALID, "more than %d parameters or too many bytes", PG_VALUES_MAX);
	for (int i = 0; i < count; i++)
		parameters[i] = values->nulls[i] ? NULL : values->bytes.bytes + values->offsets[i];
	PQclear(db->result);
	db->result = PQexecParams(db->connection, sql, count, NULL, parameters, NULL, NULL, 0);
	if (pg_error_is_error(db->result)) {
		explain(err, db->result, sql, 0);
		return false;
	}
	*rows = (const struct pg_rows *)db->result;
	return true;
}

bool pg_plain_is_in_transaction(const struct pg_plain *db)
{
	return PQtransactionStatus(db->connection) == PQTRANS_INTRANS;
}
