/* settings - what the receiver reads from its environment. */
#ifndef POSTRIDER_WORKER_CALLBACKS_SETTINGS_H
#define POSTRIDER_WORKER_CALLBACKS_SETTINGS_H

#include "shared/settings.h"

struct receiver_settings {
	const char *database_url, *listen, *log_level;
	const char *public_url, *callback_listen;
	const char *link_url, *link_key;
	bool keeps_address;
	int64_t connections, head_bytes, body_bytes, memory_bytes, request_ms, idle_ms;
	int64_t keep_batch, keep_linger_ms, fold_batch, drain_ms;
};

extern struct receiver_settings receiver_settings; /* filled by settings_read() with the table below */
extern const struct setting receiver_settings_table[];
extern const size_t receiver_settings_count;

#endif
