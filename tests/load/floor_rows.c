#include <libpq-fe.h>
#include <string.h>

#include "shared/text.h"
#include "tests/load/floor.h"

#define INSERT_ROWS 5000
#define ARRAY_BYTES (1024 * 1024)

/* The engine's writes and batches, without a question asked on the way. $1: the delivery ids. */
static const struct step {
	const char *name, *sql;
	int64_t rows;
} steps[] = {
	{"plan",
	 "insert into load_floor.delivery (delivery_id, run_step_id, contact_id, expires_at) "
	 "select n, 1, n, now() + interval '1 day' from unnest($1::bigint[]) as n",
	 INSERT_ROWS},
	{"dispatch",
	 "update load_floor.delivery d set status = 'queued', epoch = d.epoch + 1, queued_at = now() "
	 "from unnest($1::bigint[]) as n where d.delivery_id = n",
	 1000},
	{"claim",
	 "update load_floor.delivery d set status = 'sending', attempt = d.attempt + 1, claim_token = "
	 "7234017283807667300, "
	 "claimed_by = 'host-12345-abcd', lease_until = now() + interval '1 minute', contact_point_id = n "
	 "from unnest($1::bigint[]) as n where d.delivery_id = n",
	 300},
	{"record",
	 "with moved as (update load_floor.delivery d set status = 'sent', lease_until = null, settled_at = now() "
	 "from unnest($1::bigint[]) as n where d.delivery_id = n) "
	 "insert into load_floor.attempt (delivery_id, attempt, outcome, code, words, payload_sha256, duration_ms, "
	 "worker) "
	 "select n, 1, 'accepted', '200', 'The endpoint answered 200: it has taken the message.', "
	 "'0123456789abcdef0123456789abcdef', 5, 'host-12345-abcd' from unnest($1::bigint[]) as n",
	 300},
};

static void write_array(struct text *array, int64_t first, int64_t count)
{
	text_clear(array);
	for (int64_t i = 0; i < count; i++) {
		text_add_char(array, i == 0 ? '{' : ',');
		text_add_int64(array, first + i);
	}
	text_add_char(array, '}');
}

static bool check(PGconn *connection, PGresult *result, struct error *err)
{
	ExecStatusType status = PQresultStatus(result);

	PQclear(result);
	return status == PGRES_COMMAND_OK || error_set(err, ERROR_REFUSED, "%s", PQerrorMessage(connection));
}

static bool prepare(PGconn *connection, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++)
		if (!check(connection, PQprepare(connection, steps[i].name, steps[i].sql, 1, NULL), err))
			return false;
	return true;
}

static bool write_step(PGconn *connection, const struct step *step, int64_t first, int64_t count, struct text *array,
		       struct error *err)
{
	for (int64_t done = 0; done < count; done += step->rows) {
		int64_t batch = count - done < step->rows ? count - done : step->rows;
		const char *values[1];

		write_array(array, first + done, batch);
		values[0] = text_string(array);
		if (!check(connection, PQexecPrepared(connection, step->name, 1, values, NULL, NULL, 0), err))
			return false;
	}
	return true;
}

static bool write_all(PGconn *connection, const struct floor_options *options, struct error *err)
{
	struct text array;
	bool written = true;

	text_init(&array, ARRAY_BYTES);
	for (int64_t done = 0; done < options->count && written; done += INSERT_ROWS) {
		int64_t page = options->count - done < INSERT_ROWS ? options->count - done : INSERT_ROWS;

		for (size_t i = 0; i < ARRAY_LENGTH(steps) && written; i++)
			written = write_step(connection, &steps[i], options->first + done, page, &array, err);
	}
	text_release(&array);
	return written;
}

bool floor_rows(const struct floor_options *options, struct error *err)
{
	PGconn *connection = PQconnectdb(options->url);
	bool written;

	if (PQstatus(connection) != CONNECTION_OK)
		written = error_set(err, ERROR_TRANSIENT, "%s", PQerrorMessage(connection));
	else
		written = prepare(connection, err) && write_all(connection, options, err);
	PQfinish(connection);
	return written;
}
