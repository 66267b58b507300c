#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/log.h"
#include "worker/template/render_tool.h"
#include "worker/settings.h"
#include "worker/transfer.h"
#include "worker/worker.h"

static const char help[] =
	"postrider-worker - claims, renders, sends and records deliveries\n"
	"\n"
	"  postrider-worker [run]       work until SIGTERM, which finishes what is in flight; a second one ends at once\n"
	"  postrider-worker render      renders templates, one JSON object a line in and one out; see render --help\n"
	"  postrider-worker --settings  every setting with type, unit, default, bounds and what it does\n"
	"  postrider-worker --version\n"
	"  postrider-worker --help\n"
	"\n"
	"Settings come from the environment; NAME_FILE reads one from a file. Start as many workers as you like.\n"
	"/livez, /readyz and /metrics are at POSTRIDER_LISTEN. Logs are JSON lines on stderr.\n";

static void on_signal(evutil_socket_t number, short what, void *context)
{
	(void)number, (void)what;
	worker_drain(context);
}

static int run(void)
{
	struct event_base *base = event_base_new();
	struct event *terminate, *interrupt;
	struct error err = {0};
	struct worker *worker = worker_open(base, &err);

	if (worker == NULL) {
		log_event(LOG_ERROR, "not_started", err.text);
		event_base_free(base);
		return 1;
	}
	terminate = evsignal_new(base, SIGTERM, on_signal, worker);
	interrupt = evsignal_new(base, SIGINT, on_signal, worker);
	event_add(terminate, NULL);
	event_add(interrupt, NULL);
	event_base_dispatch(base);
	event_free(terminate);
	event_free(interrupt);
	worker_close(&worker);
	event_base_free(base);
	libevent_global_shutdown();
	return 0;
}

static int start(void)
{
	struct error err = {0};
	enum log_level level = LOG_INFO;
	const char *unknown;

	if (!settings_read(worker_settings_table, worker_settings_count, &err)) {
		fprintf(stderr, "postrider-worker: %s\n", err.text);
		return 2;
	}
	if (!log_level_parse(worker_settings.log_level, &level)) {
		fprintf(stderr, "postrider-worker: POSTRIDER_LOG_LEVEL is debug, info, warning or error\n");
		return 2;
	}
	log_open("postrider-worker", level);
	unknown = settings_unknown(worker_settings_table, worker_settings_count);
	if (unknown != NULL)
		log_event(LOG_WARNING, "setting_unknown", "No program knows this setting.",
			  LOG_TEXT("setting", unknown));
	signal(SIGPIPE, SIG_IGN);
	return run();
}

static int render(int argument_count, char **arguments)
{
	if (argument_count == 3 && strcmp(arguments[2], "--help") == 0) {
		fputs(render_tool_help, stdout);
		return 0;
	}
	if (argument_count > 2) {
		fprintf(stderr, "postrider-worker: unknown argument \"%s\"; see render --help\n", arguments[2]);
		return 2;
	}
	return render_tool_run(stdin, stdout) ? 0 : 1;
}

int main(int argument_count, char **arguments)
{
	const char *command = argument_count > 1 ? arguments[1] : "run";

	if (strcmp(command, "--help") == 0)
		fputs(help, stdout);
	else if (strcmp(command, "--version") == 0)
		printf("postrider-worker %s (%s)\n", POSTRIDER_VERSION, transfer_library());
	else if (strcmp(command, "--settings") == 0)
		settings_print(worker_settings_table, worker_settings_count, stdout);
	else if (strcmp(command, "run") == 0 && argument_count <= 2)
		return start();
	else if (strcmp(command, "render") == 0)
		return render(argument_count, arguments);
	else {
		fprintf(stderr, "postrider-worker: unknown argument \"%s\"; see --help\n", command);
		return 2;
	}
	return 0;
}
