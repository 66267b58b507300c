#include "worker/settings.h"

struct worker_settings worker_settings;

const struct setting worker_settings_table[] = {
	SETTING_SECRET("POSTRIDER_DATABASE_URL", &worker_settings.database_url, "postgresql:///postrider",
		       "Where the database is, as libpq understands it."),
	SETTING_SECRET("POSTRIDER_AMQP_URL", &worker_settings.amqp_url, "amqp://guest:guest@127.0.0.1:5672/%2f",
		       "Where the broker is; amqps:// for TLS."),
	SETTING_TEXT("POSTRIDER_AMQP_CA_FILE", &worker_settings.amqp_ca_file, "",
		     "Certificates that the broker's is checked against; empty: the system's."),
	SETTING_TEXT("POSTRIDER_LISTEN", &worker_settings.listen, "127.0.0.1:9465",
		     "Where /livez, /readyz and /metrics are; port 0 takes a free one."),
	SETTING_TEXT("POSTRIDER_LOG_LEVEL", &worker_settings.log_level, "info", "debug, info, warning or error."),
	SETTING_TEXT("POSTRIDER_CHANNELS", &worker_settings.channels, "",
		     "Only these channels, separated by commas, for example email,sms; empty: all."),
	SETTING_TEXT(
		"POSTRIDER_PUBLIC_URL", &worker_settings.public_url, "",
		"Where the receiver is for providers, such as https://callbacks.example.org, for those that are told "
		"with each message. Empty: they are not."),
	SETTING_TEXT("POSTRIDER_LINK_URL", &worker_settings.link_url, "",
		     "Where the receiver is for recipients, such as https://links.example.org: opens, "
		     "clicks, unsubscribing. Empty: messages carry no links of ours."),
	SETTING_SECRET("POSTRIDER_LINK_KEY", &worker_settings.link_key, "",
		       "Signs those links: at least 32 characters. "
		       "Several, separated by commas: the first signs, all are believed."),
	SETTING_NUMBER(
		"POSTRIDER_LEASE_MS", "ms", &worker_settings.lease_ms, 60000, 2000, 600000,
		"How long a claim holds. When a worker disappears, its deliveries are looked at after this. A request "
		"may take at most half of it."),
	SETTING_NUMBER("POSTRIDER_PREFETCH", "messages", &worker_settings.prefetch, 1000, 1, 10000,
		       "How many messages of each lane the broker hands over before it wants them acknowledged."),
	SETTING_NUMBER("POSTRIDER_CONNECTIONS", "requests", &worker_settings.connections, 500, 1, 2000,
		       "The most requests in flight at one provider account."),
	SETTING_NUMBER("POSTRIDER_CLAIM_BATCH", "deliveries", &worker_settings.claim_batch, 1000, 1, 2000,
		       "The most deliveries claimed in one transaction."),
	SETTING_NUMBER("POSTRIDER_CLAIM_LINGER_MS", "ms", &worker_settings.claim_linger_ms, 50, 0, 1000,
		       "How long a busy worker gathers marketing messages before it claims them."),
	SETTING_NUMBER("POSTRIDER_RECORD_BATCH", "deliveries", &worker_settings.record_batch, 600, 1, 2000,
		       "The most results written in one transaction."),
	SETTING_NUMBER("POSTRIDER_RECORD_LINGER_MS", "ms", &worker_settings.record_linger_ms, 50, 0, 1000,
		       "How long results gather before they are written."),
	SETTING_NUMBER("POSTRIDER_DRAIN_MS", "ms", &worker_settings.drain_ms, 30000, 0, 600000,
		       "How long a worker that is asked to leave may take to finish what it has."),
};
const size_t worker_settings_count = ARRAY_LENGTH(worker_settings_table);
