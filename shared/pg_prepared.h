/* pg_prepared - which statements the connection of now has prepared. Part of pg_session.
 *
 * There are a dozen or two, so a walk over an array is the fastest look-up. Statements are borrowed for ever: they are
 * constants of the program.
 */
#ifndef POSTRIDER_SHARED_PG_PREPARED_H
#define POSTRIDER_SHARED_PG_PREPARED_H

#include "shared/base.h"

struct pg_statement;

struct pg_prepared {
	const struct pg_statement **statements;
	size_t count, capacity;
};

bool pg_prepared_has(const struct pg_prepared *prepared, const struct pg_statement *statement);
void pg_prepared_add(struct pg_prepared *prepared, const struct pg_statement *statement);
void pg_prepared_remove(struct pg_prepared *prepared, const struct pg_statement *statement);
void pg_prepared_clear(struct pg_prepared *prepared); /* keeps the memory */
void pg_prepared_release(struct pg_prepared *prepared);

#endif
