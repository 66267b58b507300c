#include "shared/pg_error.h"

#include <string.h>

/* A class has two characters, a condition five; the first match counts. What is not listed is refused. */
static const struct {
	const char *prefix;
	enum error_kind kind;
} kinds[] = {
	{"08P01", ERROR_REFUSED},   /* protocol violation: the same bytes will not get better */
	{"08", ERROR_TRANSIENT},    /* a connection behind the server (foreign data, pooler) */
	{"40002", ERROR_REFUSED},   /* integrity constraint at commit */
	{"40003", ERROR_UNCERTAIN}, /* statement completion unknown */
	{"40", ERROR_TRANSIENT},    /* serialization failure, deadlock */
	{"53", ERROR_TRANSIENT},    /* disk full, out of memory, too many connections */
	{"55006", ERROR_TRANSIENT}, /* object in use */
	{"55P03", ERROR_TRANSIENT}, /* lock timeout, nowait */
	{"57", ERROR_TRANSIENT},    /* statement timeout, cancelled, shutdown, starting up */
	{"58030", ERROR_TRANSIENT}, /* input or output error of the disk */
	{"72", ERROR_TRANSIENT},    /* snapshot too old */
};

enum error_kind pg_error_kind(const char *sqlstate)
{
	if (sqlstate == NULL)
		return ERROR_UNCERTAIN;
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
		if (strncmp(sqlstate, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return kinds[i].kind;
	return ERROR_REFUSED;
}

/* The server's texts may have several lines; a log line and a health page have one. */
static void make_one_line(char *text)
{
	char *to = text;
	for (const char *from = text; *from != '\0'; from++) {
		bool blank = *from == '\n' || *from == '\t' || *from == '\r' || *from == ' ';
		if (blank && (to == text || to[-1] == ' '))
			continue;
		*to++ = blank ? ' ' : *from;
	}
	while (to > text && to[-1] == ' ')
		to--;
	*to = '\0';
}

void pg_error_from_result(struct error *err, const PGresult *result, bool with_detail)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = with_detail ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	if (message == NULL)
		message = PQresultErrorMessage(result);
	error_set(err, pg_error_kind(sqlstate), "%s%s%s%s%s [SQLSTATE %s]", message, detail ? " Detail: " : "",
		  detail ? detail : "", hint ? " Hint: " : "", hint ? hint : "", sqlstate ? sqlstate : "none");
	make_one_line(err->text);
}

void pg_error_from_connection(struct error *err, enum error_kind kind, const PGconn *connection)
{
	const char *message = connection == NULL ? "out of memory" : PQerrorMessage(connection);
	error_set(err, kind, "%s", message[0] != '\0' ? message : "the connection was lost");
	make_one_line(err->text);
}

bool pg_error_is_error(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY;
}

bool pg_error_is_fatal(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

bool pg_error_is_stale_plan(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *routine = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
	if (sqlstate == NULL)
		return false;
	bool unknown = strcmp(sqlstate, "26000") == 0;
	bool changed =
		strcmp(sqlstate, "0A000") == 0 && routine != NULL && strcmp(routine, "RevalidateCachedQuery") == 0;
	return unknown || changed;
}
