/* private_postgres - a PostgreSQL for one test program.
 *
 * POSTRIDER_DATABASE_URL names a server to use; without it the first call starts one in a folder below /tmp, on a
 * Unix socket and with fsync off. A watchdog process stops it and removes the folder when the test program is gone,
 * however it went. As root the server runs as the user postgres. A test that cannot have its server fails.
 *
 *     static char *url = private_postgres_new_database();  // empty, free() it
 */
#ifndef POSTRIDER_TESTS_PRIVATE_POSTGRES_H
#define POSTRIDER_TESTS_PRIVATE_POSTGRES_H

#include "shared/base.h"

const char *private_postgres_url(void);
/* The URL of a new, empty database. They go with the server; on one that is not ours they stay. */
char *private_postgres_new_database(void) MUST_CHECK;

/* False when the server is not ours: then it can be neither stopped nor started. */
bool private_postgres_is_ours(void);
void private_postgres_stop(void); /* fast: open connections are told and cut */
void private_postgres_start(void);

#endif
