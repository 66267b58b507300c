#include "shared/pg_connect.h"

#define LOCK_TIMEOUT_MS     5000
#define IDLE_TRANSACTION_MS 10000 /* we never hold one open; a pooler or a bug might */

/* Before the URL stands what it may override, behind it what it may not. */
PGconn *pg_connect_start(const char *url, const char *application_name, bool read_only)
{
	const char *const words[][2] = {
		{"keepalives_idle", "10"},
		{"keepalives_interval", "3"},
		{"keepalives_count", "3"},
		{"tcp_user_timeout", "10000"}, /* ms; also ends an attempt at a host that does not answer */
		{"dbname", url},
		{"application_name", application_name},
		{"client_encoding", "UTF8"},
		{read_only ? NULL : "target_session_attrs", "read-write"},
		{NULL, NULL},
	};
	const char *names[ARRAY_LENGTH(words)], *values[ARRAY_LENGTH(words)];
	for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
		names[i] = words[i][0];
		values[i] = words[i][1];
	}
	return PQconnectStartParams(names, values, 1);
}

void pg_connect_add_settings(struct text *sql, int64_t statement_timeout_ms, bool read_only)
{
	text_addf(sql, "set statement_timeout = %" PRId64 ";", statement_timeout_ms);
	text_addf(sql, "set lock_timeout = %d;", LOCK_TIMEOUT_MS);
	text_addf(sql, "set idle_in_transaction_session_timeout = %d;", IDLE_TRANSACTION_MS);
	/* Never off: a managed server turns it on when its disk is full. */
	if (read_only)
		text_add(sql, "set default_transaction_read_only = on;");
	/* Texts of times mean the same everywhere; compiling short statements costs more than it gives. */
	text_add(sql, "set timezone = 'UTC'; set jit = off");
}
