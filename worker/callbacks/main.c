/* postrider-receiver - will take the providers' callbacks and the recipients' clicks; now it answers for its health. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "shared/health.h"
#include "shared/log.h"
#include "shared/metrics.h"
#include "shared/pg_session.h"
#include "shared/settings.h"

static struct {
	const char *database_url, *listen, *log_level;
} settings;

static const struct setting table[] = {
	SETTING_SECRET("POSTRIDER_DATABASE_URL", &settings.database_url, "postgresql:///postrider",
		       "Where the database is, as libpq understands it."),
	SETTING_TEXT("POSTRIDER_LISTEN", &settings.listen, "127.0.0.1:9466",
		     "Where /livez, /readyz and /metrics are; port 0 takes a free one."),
	SETTING_TEXT("POSTRIDER_LOG_LEVEL", &settings.log_level, "info", "debug, info, warning or error."),
};

static const char help[] =
	"postrider-receiver - the HTTP side that faces the internet\n"
	"\n"
	"  postrider-receiver [run]       until SIGTERM\n"
	"  postrider-receiver --settings  every setting with type, unit, default, bounds and what it does\n"
	"  postrider-receiver --version\n"
	"  postrider-receiver --help\n"
	"\n"
	"It takes no callbacks yet: /livez, /readyz and /metrics only.\n";

enum { METER_DATABASE_READY, METER_COUNT };
static const struct metric meters[METER_COUNT] = {
	[METER_DATABASE_READY] =
		METRIC_GAUGE("postrider_receiver_database_ready", NULL, NULL, "1 while the database can be used."),
};

struct receiver {
	struct event_base *base;
	struct health *health;
	struct metrics *metrics;
	bool told; /* the log knows whether there is a database */
};

static void on_database(void *context, bool ready, const char *reason)
{
	struct receiver *receiver = context;

	/* /readyz has the newest reason; the log hears of it when the database goes and when it comes back. */
	health_report(receiver->health, "database", ready, reason);
	if (receiver->told && ready == (metrics_value(receiver->metrics, METER_DATABASE_READY, 0) == 1))
		return;
	receiver->told = true;
	metrics_set(receiver->metrics, METER_DATABASE_READY, 0, ready);
	log_event(ready ? LOG_INFO : LOG_WARNING, ready ? "part_ready" : "part_away", ready ? "It works." : reason,
		  LOG_TEXT("part", "database"));
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	(void)number, (void)what;
	event_base_loopbreak(context);
}

static int serve(struct receiver *receiver)
{
	struct event_base *base = receiver->base;
	const struct pg_session_settings database_settings = {.url = settings.database_url,
							      .application_name = "postrider-receiver"};
	struct pg_session *database = pg_session_open(base, &database_settings, on_database, receiver);
	struct event *terminate = evsignal_new(base, SIGTERM, on_signal, base);
	struct event *interrupt = evsignal_new(base, SIGINT, on_signal, base);

	event_add(terminate, NULL);
	event_add(interrupt, NULL);
	log_event(LOG_INFO, "started", "The receiver answers for its health.",
		  LOG_INT("port", health_port(receiver->health)));
	event_base_dispatch(base);
	log_event(LOG_INFO, "stopped", "The receiver leaves.");
	event_free(terminate);
	event_free(interrupt);
	pg_session_close(&database);
	return 0;
}

static int run(void)
{
	struct error err = {0};
	enum log_level level = LOG_INFO;
	struct receiver receiver = {0};
	int status = 1;

	if (!settings_read(table, ARRAY_LENGTH(table), &err) || !log_level_parse(settings.log_level, &level)) {
		fprintf(stderr, "postrider-receiver: %s\n",
			err.kind != ERROR_NONE ? err.text : "POSTRIDER_LOG_LEVEL is debug, info, warning or error");
		return 2;
	}
	log_open("postrider-receiver", level);
	signal(SIGPIPE, SIG_IGN);
	receiver.base = event_base_new();
	receiver.metrics = metrics_new(meters, METER_COUNT);
	receiver.health = health_open(receiver.base, settings.listen, receiver.metrics, &err);
	if (receiver.health != NULL)
		status = serve(&receiver);
	else
		log_event(LOG_ERROR, "not_started", err.text);
	health_close(&receiver.health);
	metrics_free(&receiver.metrics);
	event_base_free(receiver.base);
	libevent_global_shutdown();
	return status;
}

int main(int argument_count, char **arguments)
{
	const char *command = argument_count > 1 ? arguments[1] : "run";

	if (strcmp(command, "--help") == 0)
		fputs(help, stdout);
	else if (strcmp(command, "--version") == 0)
		printf("postrider-receiver %s\n", POSTRIDER_VERSION);
	else if (strcmp(command, "--settings") == 0)
		settings_print(table, ARRAY_LENGTH(table), stdout);
	else if (strcmp(command, "run") == 0 && argument_count <= 2)
		return run();
	else {
		fprintf(stderr, "postrider-receiver: unknown argument \"%s\"; see --help\n", command);
		return 2;
	}
	return 0;
}
