#include "scheduler/settings.h"

static struct scheduler_settings settings;

static const struct setting table[] = {
	SETTING_SECRET("POSTRIDER_DATABASE_URL", &settings.database_url, "postgresql:///postrider",
		       "Where the database is."),
	SETTING_SECRET("POSTRIDER_AMQP_URL", &settings.amqp_url, "amqp://guest:guest@127.0.0.1:5672/",
		       "Where the broker is; amqps:// for TLS."),
	SETTING_TEXT("POSTRIDER_AMQP_CA_FILE", &settings.amqp_ca_file, "",
		     "Certificates that may vouch for the broker; empty: the system's."),
	SETTING_TEXT("POSTRIDER_LISTEN", &settings.listen, "127.0.0.1:9464",
		     "Where /livez, /readyz and /metrics are answered; port 0 takes a free one."),
	SETTING_TEXT("POSTRIDER_LOG_LEVEL", &settings.log_level, "info", "debug, info, warning or error."),
	SETTING_TEXT("POSTRIDER_SQL_DIR", &settings.sql_dir, "",
		     "The folder that migrate applies; empty: the one installed beside the program."),
	SETTING_NUMBER("POSTRIDER_TICK_MS", "ms", &settings.tick_ms, 50, 5, 1000,
		       "How often the lanes are looked at; a transactional message waits at most about this long."),
	SETTING_NUMBER("POSTRIDER_PLAN_PAGE", "contacts", &settings.plan_page, 5000, 1, 50000,
		       "How many contacts are planned in one transaction."),
	SETTING_NUMBER("POSTRIDER_SEGMENT_TIMEOUT_MS", "ms", &settings.segment_timeout_ms, 30000, 100, 3600000,
		       "How long one page of a segment may take; a slower one blocks its campaign."),
	SETTING_NUMBER("POSTRIDER_DISPATCH_BATCH", "messages", &settings.dispatch_batch, 1000, 1, 10000,
		       "How many deliveries are taken in one transaction at most."),
	SETTING_NUMBER("POSTRIDER_PUBLISH_WINDOW", "messages", &settings.publish_window, 4096, 64, 65536,
		       "How many messages may wait for the broker's confirmation."),
	SETTING_NUMBER("POSTRIDER_LANE_SECONDS", "s", &settings.lane_seconds, 3, 1, 600,
		       "How much work a lane holds, at the speed at which its workers take it."),
	SETTING_NUMBER("POSTRIDER_LANE_MAX", "messages", &settings.lane_max, 40000, 1000, 1000000,
		       "How many messages a lane holds at most, however fast it is."),
	SETTING_NUMBER("POSTRIDER_ATTENTION_MS", "ms", &settings.attention_ms, 10000, 100, 3600000,
		       "How long a delivery may be on its way before the sweeper looks at it."),
	SETTING_NUMBER(
		"POSTRIDER_LEAD_MS", "ms", &settings.lead_ms, 15000, 3000, 600000,
		"How long a leading scheduler that disappeared still counts as leading: campaigns neither start nor end meanwhile."),
	SETTING_NUMBER("POSTRIDER_DRAIN_MS", "ms", &settings.drain_ms, 5000, 0, 600000,
		       "How long a stop waits for what is on its way to the broker."),
};

const struct scheduler_settings *scheduler_settings_read(struct error *err)
{
	return settings_read(table, ARRAY_LENGTH(table), err) ? &settings : NULL;
}

void scheduler_settings_print(FILE *out)
{
	settings_print(table, ARRAY_LENGTH(table), out);
}

const struct setting *scheduler_settings_table(size_t *count)
{
	*count = ARRAY_LENGTH(table);
	return table;
}
