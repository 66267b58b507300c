/* postrider-receiver - takes the providers' callbacks, and what recipients do with their messages. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "shared/log.h"
#include "worker/callbacks/receiver.h"
#include "worker/callbacks/recipients.h"
#include "worker/callbacks/settings.h"

static const char help[] =
	"postrider-receiver - the HTTP side that faces the internet\n"
	"\n"
	"  postrider-receiver [run]       until SIGTERM\n"
	"  postrider-receiver token CONTACT SECONDS   a token with which a member's app reads its inbox\n"
	"  postrider-receiver --settings  every setting with type, unit, default, bounds and what it does\n"
	"  postrider-receiver --version\n"
	"  postrider-receiver --help\n"
	"\n"
	"POST /callbacks/<account> at POSTRIDER_CALLBACK_LISTEN, /livez, /readyz and /metrics at POSTRIDER_LISTEN.\n"
	"The links in messages, /inbox/feed and /inbox/read are there, too, when POSTRIDER_LINK_URL and POSTRIDER_LINK_KEY are set.\n"
	"On SIGTERM it answers what it has and leaves. TLS ends in a proxy in front of it.\n";

static void on_signal(evutil_socket_t number, short what, void *context)
{
	(void)number, (void)what;
	receiver_drain(context);
}

static int serve(struct event_base *base, struct receiver *receiver)
{
	struct event *terminate = evsignal_new(base, SIGTERM, on_signal, receiver);
	struct event *interrupt = evsignal_new(base, SIGINT, on_signal, receiver);

	event_add(terminate, NULL);
	event_add(interrupt, NULL);
	log_event(LOG_INFO, "started", "The receiver takes callbacks.", LOG_INT("port", receiver_health_port(receiver)),
		  LOG_INT("callback_port", receiver_port(receiver)));
	event_base_dispatch(base);
	log_event(LOG_INFO, "stopped", "The receiver leaves.");
	event_free(terminate);
	event_free(interrupt);
	return 0;
}

static int run(void)
{
	struct error err = {0};
	enum log_level level = LOG_INFO;
	const char *unknown = settings_unknown(receiver_settings_table, receiver_settings_count);
	struct receiver *receiver;
	struct event_base *base;
	int status = 1;

	if (!settings_read(receiver_settings_table, receiver_settings_count, &err) ||
	    !log_level_parse(receiver_settings.log_level, &level)) {
		fprintf(stderr, "postrider-receiver: %s\n",
			err.kind != ERROR_NONE ? err.text : "POSTRIDER_LOG_LEVEL is debug, info, warning or error");
		return 2;
	}
	log_open("postrider-receiver", level);
	if (unknown != NULL)
		log_event(LOG_WARNING, "setting_unknown", "Nothing of ours has this setting.",
			  LOG_TEXT("setting", unknown));
	base = event_base_new();
	receiver = receiver_open(base, &receiver_settings, &err);
	if (receiver != NULL)
		status = serve(base, receiver);
	else
		log_event(LOG_ERROR, "not_started", err.text);
	receiver_close(&receiver);
	event_base_free(base);
	libevent_global_shutdown();
	return status;
}

static int print_token(const char *contact, const char *seconds)
{
	struct error err = {0};
	struct recipients_settings settings;

	if (!settings_read(receiver_settings_table, receiver_settings_count, &err)) {
		fprintf(stderr, "postrider-receiver: %s\n", err.text);
		return 2;
	}
	settings = (struct recipients_settings){.link_url = receiver_settings.link_url,
						.link_key = receiver_settings.link_key};
	return recipients_print_token(&settings, contact, seconds);
}

int main(int argument_count, char **arguments)
{
	const char *command = argument_count > 1 ? arguments[1] : "run";

	if (strcmp(command, "--help") == 0)
		fputs(help, stdout);
	else if (strcmp(command, "--version") == 0)
		printf("postrider-receiver %s\n", POSTRIDER_VERSION);
	else if (strcmp(command, "--settings") == 0)
		settings_print(receiver_settings_table, receiver_settings_count, stdout);
	else if (strcmp(command, "run") == 0 && argument_count <= 2)
		return run();
	else if (strcmp(command, "token") == 0 && argument_count == 4)
		return print_token(arguments[2], arguments[3]);
	else {
		fprintf(stderr, "postrider-receiver: unknown argument \"%s\"; see --help\n", command);
		return 2;
	}
	return 0;
}
