#include "worker/callbacks/settings.h"

struct receiver_settings receiver_settings;

const struct setting receiver_settings_table[] = {
	SETTING_SECRET("POSTRIDER_DATABASE_URL", &receiver_settings.database_url, "postgresql:///postrider",
		       "Where the database is, as libpq understands it."),
	SETTING_TEXT("POSTRIDER_LISTEN", &receiver_settings.listen, "127.0.0.1:9466",
		     "Where /livez, /readyz and /metrics are; port 0 takes a free one."),
	SETTING_TEXT("POSTRIDER_LOG_LEVEL", &receiver_settings.log_level, "info", "debug, info, warning or error."),
	SETTING_TEXT(
		"POSTRIDER_PUBLIC_URL", &receiver_settings.public_url, "http://127.0.0.1:9467",
		"How the world reaches this receiver, for example https://callbacks.example.org. Providers sign the "
		"address that they call."),
	SETTING_TEXT("POSTRIDER_CALLBACK_LISTEN", &receiver_settings.callback_listen, "127.0.0.1:9467",
		     "Where callbacks are taken, behind a proxy that ends TLS; port 0 takes a free one."),
	SETTING_TEXT("POSTRIDER_LINK_URL", &receiver_settings.link_url, "",
		     "Where this receiver is for recipients, as the workers know it. Empty: no links, no inbox."),
	SETTING_SECRET(
		"POSTRIDER_LINK_KEY", &receiver_settings.link_key, "",
		"Verifies the workers' links: at least 32 characters. Several, separated by commas: all are believed."),
	SETTING_SWITCH("POSTRIDER_PROOF_WITH_ADDRESS", &receiver_settings.keeps_address, 0,
		       "Keep the network address of who unsubscribes or chooses as part of the proof."),
	SETTING_NUMBER("POSTRIDER_CALLBACK_CONNECTIONS", "connections", &receiver_settings.connections, 1000, 1, 50000,
		       "The most connections at a time; the longest idle one makes room for a new one."),
	SETTING_NUMBER("POSTRIDER_CALLBACK_HEAD_BYTES", "bytes", &receiver_settings.head_bytes, 16384, 1024, 262144,
		       "The most bytes of a request's line and headers; at most 100 headers."),
	SETTING_NUMBER("POSTRIDER_CALLBACK_BODY_BYTES", "bytes", &receiver_settings.body_bytes, 4194304, 1024, 33554432,
		       "The most bytes of a body."),
	SETTING_NUMBER("POSTRIDER_CALLBACK_MEMORY_BYTES", "bytes", &receiver_settings.memory_bytes, 268435456, 1048576,
		       INT64_C(68719476736),
		       "The most bytes of all requests in hand together; beyond it they are "
		       "answered 503."),
	SETTING_NUMBER("POSTRIDER_CALLBACK_REQUEST_MS", "ms", &receiver_settings.request_ms, 10000, 100, 120000,
		       "How long a request may take from its first byte to its last."),
	SETTING_NUMBER("POSTRIDER_CALLBACK_IDLE_MS", "ms", &receiver_settings.idle_ms, 65000, 100, 600000,
		       "How long a connection is kept between requests; longer than the proxy in front keeps it."),
	SETTING_NUMBER("POSTRIDER_KEEP_BATCH", "callbacks", &receiver_settings.keep_batch, 500, 1, 5000,
		       "The most callbacks kept in one transaction."),
	SETTING_NUMBER("POSTRIDER_KEEP_LINGER_MS", "ms", &receiver_settings.keep_linger_ms, 3, 0, 1000,
		       "How long callbacks gather before they are kept."),
	SETTING_NUMBER("POSTRIDER_FOLD_BATCH", "callbacks", &receiver_settings.fold_batch, 500, 1, 5000,
		       "The most callbacks folded into deliveries in one transaction."),
	SETTING_NUMBER("POSTRIDER_DRAIN_MS", "ms", &receiver_settings.drain_ms, 15000, 0, 600000,
		       "How long a receiver that is asked to leave may take to answer what it has."),
};
const size_t receiver_settings_count = ARRAY_LENGTH(receiver_settings_table);
