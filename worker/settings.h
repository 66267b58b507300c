/* settings - everything that can be set about a worker; `postrider-worker --settings` prints it. */
#ifndef POSTRIDER_WORKER_SETTINGS_H
#define POSTRIDER_WORKER_SETTINGS_H

#include "shared/settings.h"

struct worker_settings {
	const char *database_url, *amqp_url, *amqp_ca_file, *listen, *log_level, *channels;
	const char *public_url, *link_url, *link_key;
	int64_t lease_ms, prefetch, connections, claim_batch, claim_linger_ms, record_batch, record_linger_ms, drain_ms;
};

extern struct worker_settings worker_settings;
extern const struct setting worker_settings_table[];
extern const size_t worker_settings_count;

#endif
