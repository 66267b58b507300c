/* pg_connect - how a session's connection is made: what libpq and the server are told. Part of pg_session. */
#ifndef POSTRIDER_SHARED_PG_CONNECT_H
#define POSTRIDER_SHARED_PG_CONNECT_H

#include <libpq-fe.h>

#include "shared/base.h"
#include "shared/text.h"

/* As PQconnectStart() answers: NULL or a connection to be polled. Without read_only only a writable server is taken. */
PGconn *pg_connect_start(const char *url, const char *application_name, bool read_only) MUST_CHECK;
/* The statements to run on it before any other. */
void pg_connect_add_settings(struct text *sql, int64_t statement_timeout_ms, bool read_only);

#endif
