#include "scheduler/undispatch.h"

#include <stdlib.h>

#include "scheduler/meters.h"
#include "shared/log.h"
#include "shared/memory.h"

#define WAIT_MS 1000 /* before they are tried again: what was wrong may be so still */

struct item {
	int64_t delivery_id;
	int32_t epoch;
};

struct undispatch {
	struct database *database;
	struct metrics *metrics;
	struct item *items;
	size_t count, capacity;
	size_t under_way; /* statements */
};

struct undispatch *undispatch_new(struct database *database, struct metrics *metrics)
{
	struct undispatch *undispatch = memory_new(sizeof(*undispatch));

	undispatch->database = database;
	undispatch->metrics = metrics;
	return undispatch;
}

void undispatch_free(struct undispatch **undispatch)
{
	if (!*undispatch)
		return;
	free((*undispatch)->items);
	free(*undispatch);
	*undispatch = NULL;
}

void undispatch_add(struct undispatch *undispatch, int64_t delivery_id, int32_t epoch)
{
	if (undispatch->count == undispatch->capacity) {
		undispatch->capacity = 2 * undispatch->capacity + 64;
		undispatch->items = memory_grow(undispatch->items, undispatch->capacity, sizeof(*undispatch->items));
	}
	undispatch->items[undispatch->count++] = (struct item){delivery_id, epoch};
}

static void on_done(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct undispatch *undispatch = context;

	undispatch->under_way--;
	if (err)
		log_event(LOG_WARNING, "undispatch_failed",
			  "Deliveries could not be put back; the sweeper will find them.",
			  LOG_TEXT("reason", err->text));
	else
		metrics_add(undispatch->metrics, METER_UNDISPATCHED, 0, pg_rows_int64(rows, 0, 0));
}

static void add_arrays(const struct undispatch *undispatch, struct pg_values *values)
{
	pg_values_start_array(values);
	for (size_t i = 0; i < undispatch->count; i++)
		pg_values_item_int64(values, undispatch->items[i].delivery_id);
	pg_values_end_array(values);
	pg_values_start_array(values);
	for (size_t i = 0; i < undispatch->count; i++)
		pg_values_item_int64(values, undispatch->items[i].epoch);
	pg_values_end_array(values);
}

static void ask(struct undispatch *undispatch)
{
	static const struct pg_statement statement = {"undispatch",
						      "select delivery.undispatch($1::bigint[], $2::integer[], $3)"};
	struct pg_values values;

	pg_values_init(&values);
	add_arrays(undispatch, &values);
	pg_values_add_int64(&values, WAIT_MS);
	undispatch->under_way++;
	database_ask(undispatch->database, DATABASE_HOT, &statement, &values, on_done, undispatch);
	pg_values_release(&values);
}

void undispatch_send(struct undispatch *undispatch, const char *reason)
{
	if (undispatch->count == 0)
		return;
	log_event(LOG_WARNING, "undispatched", "The broker did not take messages; they go back and are tried again.",
		  LOG_TEXT("reason", reason), LOG_INT("messages", undispatch->count));
	if (database_is_ready(undispatch->database, DATABASE_HOT))
		ask(undispatch);
	undispatch->count = 0;
}

bool undispatch_is_idle(const struct undispatch *undispatch)
{
	return undispatch->under_way == 0;
}
