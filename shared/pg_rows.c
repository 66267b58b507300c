/* The accessors of pg_session.h. A struct pg_rows is libpq's result under a name that needs no libpq. */
#include <libpq-fe.h>

#include "shared/pg_session.h"

static const PGresult *result_of(const struct pg_rows *rows)
{
	return (const PGresult *)rows;
}

size_t pg_rows_count(const struct pg_rows *rows)
{
	return (size_t)PQntuples(result_of(rows));
}

bool pg_rows_is_null(const struct pg_rows *rows, size_t row, int column)
{
	return PQgetisnull(result_of(rows), (int)row, column) == 1;
}

const char *pg_rows_text(const struct pg_rows *rows, size_t row, int column, size_t *length)
{
	bool null = pg_rows_is_null(rows, row, column);
	if (length != NULL)
		*length = null ? 0 : (size_t)PQgetlength(result_of(rows), (int)row, column);
	return null ? NULL : PQgetvalue(result_of(rows), (int)row, column);
}

/* The server wrote the digits, so none of strtoll's care is needed; a batch has thousands of them. */
int64_t pg_rows_int64(const struct pg_rows *rows, size_t row, int column)
{
	const char *at = PQgetvalue(result_of(rows), (int)row, column);
	if (at == NULL)
		return 0;
	bool negative = *at == '-';
	uint64_t number = 0;
	for (at += negative; *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (uint64_t)(*at - '0');
	return (int64_t)(negative ? 0 - number : number);
}

bool pg_rows_bool(const struct pg_rows *rows, size_t row, int column)
{
	const char *value = PQgetvalue(result_of(rows), (int)row, column);
	return value != NULL && value[0] == 't';
}
