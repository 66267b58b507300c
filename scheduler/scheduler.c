#include "scheduler/scheduler.h"

#include <event2/event.h>
#include <signal.h>

#include "scheduler/database.h"
#include "scheduler/dead_letters.h"
#include "scheduler/dispatcher.h"
#include "scheduler/housekeeping.h"
#include "scheduler/meters.h"
#include "scheduler/planner.h"
#include "shared/clock.h"
#include "shared/log.h"

#define DRAIN_LOOK_MS 10
#define RESIGN_MS     1000

struct scheduler {
	const struct scheduler_settings *settings;
	struct event_base *base;
	struct event *terminate, *interrupt, *drain;
	struct metrics *metrics;
	struct health *health;
	struct database *database;
	struct planner *planner;
	struct dispatcher *dispatcher;
	struct housekeeping *housekeeping;
	struct dead_letters *dead_letters;
	int64_t drain_until_ms;  /* 0: not stopping */
	int64_t resign_until_ms; /* 0: not yet */
	bool was_cut_short;
};

/* ---- stopping ---- */

static bool is_drained(const struct scheduler *scheduler)
{
	return dispatcher_is_idle(scheduler->dispatcher) && planner_is_idle(scheduler->planner);
}

static void on_drain(evutil_socket_t fd, short what, void *context)
{
	struct scheduler *scheduler = context;
	int64_t now_ms = clock_now_ms();

	(void)fd;
	(void)what;
	if (scheduler->resign_until_ms == 0) {
		if (!is_drained(scheduler) && now_ms < scheduler->drain_until_ms)
			return;
		housekeeping_stop(scheduler->housekeeping);
		scheduler->resign_until_ms = now_ms + RESIGN_MS;
	}
	if (housekeeping_is_idle(scheduler->housekeeping) || now_ms >= scheduler->resign_until_ms)
		event_base_loopbreak(scheduler->base);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct scheduler *scheduler = context;
	const struct timeval look = {0, DRAIN_LOOK_MS * 1000};

	(void)what;
	if (scheduler->drain_until_ms > 0) {
		scheduler->was_cut_short = true;
		event_base_loopbreak(scheduler->base);
		return;
	}
	log_event(LOG_INFO, "stopping", "Told to stop: what is on its way is finished first.",
		  LOG_INT("signal", number));
	scheduler->drain_until_ms = clock_now_ms() + scheduler->settings->drain_ms;
	dispatcher_stop(scheduler->dispatcher);
	planner_stop(scheduler->planner);
	dead_letters_stop(scheduler->dead_letters);
	event_add(scheduler->drain, &look);
}

/* ---- starting and ending ---- */

static void on_campaigns_changed(void *context)
{
	struct scheduler *scheduler = context;

	planner_look(scheduler->planner);
	dispatcher_look(scheduler->dispatcher);
}

static void open_parts(struct scheduler *scheduler)
{
	const struct scheduler_settings *settings = scheduler->settings;
	const struct database_settings database = {settings->database_url, settings->segment_timeout_ms};

	scheduler->database = database_open(scheduler->base, &database, scheduler->health, scheduler->metrics);
	scheduler->planner = planner_open(scheduler->base, settings, scheduler->database, scheduler->metrics);
	scheduler->dispatcher =
		dispatcher_open(scheduler->base, settings, scheduler->database, scheduler->health, scheduler->metrics);
	scheduler->housekeeping = housekeeping_open(scheduler->base, settings, scheduler->database, scheduler->metrics,
						    on_campaigns_changed, scheduler);
	scheduler->dead_letters = dead_letters_open(scheduler->base, settings, scheduler->database, scheduler->metrics);
}

/* The database goes first: an answer must not come to what is gone. */
static void close_parts(struct scheduler *scheduler)
{
	database_close(&scheduler->database);
	dead_letters_close(&scheduler->dead_letters);
	housekeeping_close(&scheduler->housekeeping);
	dispatcher_close(&scheduler->dispatcher);
	planner_close(&scheduler->planner);
}

static void open_signals(struct scheduler *scheduler)
{
	scheduler->terminate = evsignal_new(scheduler->base, SIGTERM, on_signal, scheduler);
	scheduler->interrupt = evsignal_new(scheduler->base, SIGINT, on_signal, scheduler);
	scheduler->drain = event_new(scheduler->base, -1, EV_PERSIST, on_drain, scheduler);
	event_add(scheduler->terminate, NULL);
	event_add(scheduler->interrupt, NULL);
}

static void close_signals(struct scheduler *scheduler)
{
	event_free(scheduler->terminate);
	event_free(scheduler->interrupt);
	event_free(scheduler->drain);
}

static void run(struct scheduler *scheduler)
{
	open_signals(scheduler);
	open_parts(scheduler);
	log_event(LOG_INFO, "started", "The scheduler has started.", LOG_TEXT("version", POSTRIDER_VERSION),
		  LOG_INT("port", health_port(scheduler->health)));
	event_base_dispatch(scheduler->base);
	close_parts(scheduler);
	close_signals(scheduler);
	log_event(LOG_INFO, "stopped", "The scheduler has stopped.");
}

bool scheduler_run(const struct scheduler_settings *settings, struct error *err)
{
	struct scheduler scheduler = {.settings = settings};

	scheduler.base = event_base_new();
	if (!scheduler.base)
		return error_set(err, ERROR_TRANSIENT, "the system gives no event loop");
	scheduler.metrics = metrics_new(meters_table(), METER_COUNT);
	scheduler.health = health_open(scheduler.base, settings->listen, scheduler.metrics, err);
	bool can_listen = scheduler.health != NULL;
	if (can_listen)
		run(&scheduler);
	health_close(&scheduler.health);
	metrics_free(&scheduler.metrics);
	event_base_free(scheduler.base);
	if (scheduler.was_cut_short)
		return error_set(err, ERROR_UNCERTAIN, "stopped at once by a second signal");
	return can_listen;
}
