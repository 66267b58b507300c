#include "worker/callbacks/receiver.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/health.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/callbacks/callback.h"
#include "worker/callbacks/fold.h"
#include "worker/callbacks/meters.h"
#include "worker/callbacks/recipients.h"

#define HEADER_LINES_MAX     100
#define STATEMENT_TIMEOUT_MS 5000
#define FOLD_TIMEOUT_MS      60000

static const struct timeval drain_look = {.tv_usec = 10 * 1000};

struct receiver {
	struct event_base *base;
	const struct receiver_settings *settings;
	struct metrics *metrics;
	struct health *health;
	struct pg_session *keeping, *folding;
	struct accounts *accounts;
	struct inbox *inbox;
	struct fold *fold;
	struct http_server *server;
	struct callback_route callbacks;
	struct recipients *recipients; /* NULL: there is nothing for them */
	char *public_url;
	struct event *draining;
	int64_t drain_until_ms; /* 0: it does not drain */
	bool told;              /* the log knows whether there is a database */
};

static void on_database(void *context, bool ready, const char *reason)
{
	struct receiver *receiver = context;

	/* /readyz has the newest reason; the log hears of it when the database goes and when it comes back. */
	health_report(receiver->health, "database", ready, reason);
	if (!ready)
		inbox_database_away(receiver->inbox);
	if (receiver->told && ready == (metrics_value(receiver->metrics, METER_DATABASE_READY, 0) == 1))
		return;
	receiver->told = true;
	metrics_set(receiver->metrics, METER_DATABASE_READY, 0, ready);
	log_event(ready ? LOG_INFO : LOG_WARNING, ready ? "part_ready" : "part_away", ready ? "It works." : reason,
		  LOG_TEXT("part", "database"));
}

/* The other session tells of the same database. */
static void on_folding_database(void *context, bool ready, const char *reason)
{
	struct receiver *receiver = context;

	(void)reason;
	if (ready)
		fold_wake(receiver->fold);
}

static void on_kept(void *context)
{
	fold_wake(((struct receiver *)context)->fold);
}

static void on_refused(void *context, enum http_refusal refusal)
{
	metrics_add(((struct receiver *)context)->metrics, METER_REFUSED, (size_t)refusal, 1);
}

static bool read_public_url(struct receiver *receiver, struct error *err)
{
	const char *url = receiver->settings->public_url;
	size_t length = strlen(url);

	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return error_set(err, ERROR_INVALID, "POSTRIDER_PUBLIC_URL begins with https:// or http://");
	if (strpbrk(url, "?# \t\r\n") != NULL)
		return error_set(err, ERROR_INVALID, "POSTRIDER_PUBLIC_URL has no query, fragment or blank");
	while (length > 0 && url[length - 1] == '/')
		length--;
	receiver->public_url = memory_copy_bytes(url, length);
	return true;
}

static bool listen_to_the_world(struct receiver *receiver, struct error *err)
{
	const struct receiver_settings *settings = receiver->settings;
	const struct http_server_settings server_settings = {
		.address = settings->callback_listen,
		.connections_max = (size_t)settings->connections,
		.head_bytes_max = (size_t)settings->head_bytes,
		.header_lines_max = HEADER_LINES_MAX,
		.body_bytes_max = (size_t)settings->body_bytes,
		.in_hand_bytes_max = (size_t)settings->memory_bytes,
		.request_ms = settings->request_ms,
		.idle_ms = settings->idle_ms,
	};

	receiver->server = http_server_open(receiver->base, &server_settings, on_refused, receiver, err);
	if (receiver->server == NULL)
		return false;
	receiver->callbacks = (struct callback_route){
		.public_url = receiver->public_url,
		.accounts = receiver->accounts,
		.database = receiver->keeping,
		.inbox = receiver->inbox,
		.metrics = receiver->metrics,
	};
	text_init(&receiver->callbacks.url, CALLBACK_URL_MAX);
	http_server_route(receiver->server, HTTP_POST | HTTP_HEAD, CALLBACK_PREFIX, callback_take,
			  &receiver->callbacks);
	return true;
}

static bool open_recipients(struct receiver *receiver, struct error *err)
{
	const struct recipients_settings settings = {
		.database_url = receiver->settings->database_url,
		.link_url = receiver->settings->link_url,
		.link_key = receiver->settings->link_key,
		.keeps_address = receiver->settings->keeps_address,
	};

	return recipients_open(&receiver->recipients, receiver->base, receiver->server, &settings, receiver->metrics,
			       err);
}

static void open_database(struct receiver *receiver)
{
	const struct receiver_settings *settings = receiver->settings;
	struct pg_session_settings session = {.url = settings->database_url,
					      .application_name = "postrider-receiver",
					      .statement_timeout_ms = STATEMENT_TIMEOUT_MS};
	const struct inbox_settings inbox = {.batch_max = (size_t)settings->keep_batch,
					     .linger_ms = settings->keep_linger_ms};

	receiver->keeping = pg_session_open(receiver->base, &session, on_database, receiver);
	session.statement_timeout_ms = FOLD_TIMEOUT_MS;
	receiver->folding = pg_session_open(receiver->base, &session, on_folding_database, receiver);
	receiver->accounts = accounts_open(receiver->base, receiver->folding, receiver->metrics, receiver->health);
	receiver->inbox = inbox_open(receiver->base, receiver->keeping, &inbox, receiver->metrics, on_kept, receiver);
	receiver->fold = fold_open(receiver->base, receiver->folding, receiver->accounts, receiver->public_url,
				   (size_t)settings->fold_batch, receiver->metrics);
}

static void on_drain_look(evutil_socket_t descriptor, short what, void *context)
{
	struct receiver *receiver = context;

	(void)descriptor, (void)what;
	if ((http_server_busy(receiver->server) == 0 && recipients_drain(receiver->recipients) == 0) ||
	    clock_now_ms() >= receiver->drain_until_ms)
		event_base_loopbreak(receiver->base);
}

struct receiver *receiver_open(struct event_base *base, const struct receiver_settings *settings, struct error *err)
{
	struct receiver *receiver = memory_new(sizeof(*receiver));

	receiver->base = base;
	receiver->settings = settings;
	receiver->metrics = metrics_new(receiver_meters_table(), METER_COUNT);
	receiver->draining = event_new(base, -1, EV_PERSIST, on_drain_look, receiver);
	receiver->health = health_open(base, settings->listen, receiver->metrics, err);
	if (receiver->health == NULL || !read_public_url(receiver, err)) {
		receiver_close(&receiver);
		return NULL;
	}
	open_database(receiver);
	if (!listen_to_the_world(receiver, err) || !open_recipients(receiver, err))
		receiver_close(&receiver);
	return receiver;
}

void receiver_close(struct receiver **where)
{
	struct receiver *receiver = *where;

	if (receiver == NULL)
		return;
	http_server_close(&receiver->server);
	recipients_close(&receiver->recipients);
	pg_session_close(&receiver->keeping);
	pg_session_close(&receiver->folding);
	fold_close(&receiver->fold);
	inbox_close(&receiver->inbox);
	accounts_close(&receiver->accounts);
	health_close(&receiver->health);
	event_free(receiver->draining);
	metrics_free(&receiver->metrics);
	text_release(&receiver->callbacks.url);
	free(receiver->public_url);
	free(receiver);
	*where = NULL;
}

void receiver_drain(struct receiver *receiver)
{
	if (receiver->drain_until_ms != 0) {
		event_base_loopbreak(receiver->base);
		return;
	}
	receiver->drain_until_ms = clock_now_ms() + receiver->settings->drain_ms;
	log_event(LOG_INFO, "draining", "The receiver answers what it has and leaves.",
		  LOG_INT("busy", http_server_busy(receiver->server)));
	health_report(receiver->health, "receiver", false, "draining");
	http_server_drain(receiver->server);
	event_add(receiver->draining, &drain_look);
}

int receiver_health_port(const struct receiver *receiver)
{
	return health_port(receiver->health);
}

int receiver_port(const struct receiver *receiver)
{
	return http_server_port(receiver->server);
}
