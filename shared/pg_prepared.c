#include "shared/pg_prepared.h"

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "shared/pg_session.h"

static size_t place_of(const struct pg_prepared *prepared, const struct pg_statement *statement)
{
	size_t i = 0;
	while (i < prepared->count && prepared->statements[i] != statement &&
	       strcmp(prepared->statements[i]->name, statement->name) != 0)
		i++;
	return i;
}

bool pg_prepared_has(const struct pg_prepared *prepared, const struct pg_statement *statement)
{
	return place_of(prepared, statement) < prepared->count;
}

void pg_prepared_add(struct pg_prepared *prepared, const struct pg_statement *statement)
{
	if (prepared->count == prepared->capacity) {
		prepared->capacity = prepared->capacity * 2 + 8;
		prepared->statements =
			memory_grow(prepared->statements, prepared->capacity, sizeof(*prepared->statements));
	}
	prepared->statements[prepared->count++] = statement;
}

void pg_prepared_remove(struct pg_prepared *prepared, const struct pg_statement *statement)
{
	size_t place = place_of(prepared, statement);
	if (place < prepared->count)
		prepared->statements[place] = prepared->statements[--prepared->count];
}

void pg_prepared_clear(struct pg_prepared *prepared)
{
	prepared->count = 0;
}

void pg_prepared_release(struct pg_prepared *prepared)
{
	free(prepared->statements);
	*prepared = (struct pg_prepared){0};
}
