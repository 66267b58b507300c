#include "shared/amqp_link.h"

#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/ring.h"

#define TICK_MS          1000
#define CLOSE_PATIENCE_S 4 /* longer than a polite good-bye takes */
#define FULL_RING_NAP_US 1000

struct amqp_link {
	struct amqp_link_settings settings;
	struct amqp_session *session;
	struct ring *requests;
	struct ring *reports;
	struct event *reports_event;
	struct event *tick_event;
	pthread_t thread;
	bool started;
	bool reported; /* the thread's: the loop has to be woken */
	atomic_bool stopping;
};

/* ---- the thread ---- */

struct amqp_session *amqp_link_session(struct amqp_link *link)
{
	return link->session;
}

bool amqp_link_take_request(struct amqp_link *link, void *request)
{
	return ring_take(link->requests, request);
}

static bool is_stopping(struct amqp_link *link)
{
	return atomic_load_explicit(&link->stopping, memory_order_acquire);
}

bool amqp_link_report(struct amqp_link *link, const void *report)
{
	while (!ring_put(link->reports, report)) {
		if (is_stopping(link))
			return false;
		ring_wake(link->reports);
		usleep(FULL_RING_NAP_US);
	}
	link->reported = true;
	return true;
}

static void wake_loop(struct amqp_link *link)
{
	if (!link->reported)
		return;
	link->reported = false;
	ring_wake(link->reports);
}

/* The session's fd is -1 while there is no connection, which poll() skips. */
static void wait_for_work(struct amqp_link *link, int64_t limit_ms)
{
	struct pollfd fds[] = {
		{.fd = ring_fd(link->requests), .events = POLLIN},
		{.fd = amqp_session_fd(link->session), .events = POLLIN},
	};

	wake_loop(link);
	poll(fds, ARRAY_LENGTH(fds), (int)limit_ms);
	if (fds[0].revents)
		ring_drain_fd(link->requests);
}

static void lose(struct amqp_link *link, const struct error *err)
{
	const struct amqp_link_part *part = link->settings.part;
	int64_t retry_at_ms;

	amqp_session_disconnect(link->session);
	part->lost(link->settings.context, err->text);
	retry_at_ms = clock_now_ms() + amqp_session_retry_ms(link->session);
	for (int64_t now_ms = clock_now_ms(); now_ms < retry_at_ms && !is_stopping(link); now_ms = clock_now_ms()) {
		part->away(link->settings.context);
		wait_for_work(link, retry_at_ms - now_ms);
	}
	part->away(link->settings.context);
}

static bool take_turn(struct amqp_link *link, struct error *err)
{
	const struct amqp_link_part *part = link->settings.part;
	void *context = link->settings.context;
	bool again = false;

	if (!amqp_session_is_up(link->session))
		return amqp_session_connect(link->session, err) && part->greet(context, err);
	if (!part->turn(context, &again, err))
		return false;
	if (again || amqp_session_has_more(link->session))
		wake_loop(link);
	else
		wait_for_work(link, part->wait_ms(context));
	return true;
}

static void *run(void *argument)
{
	struct amqp_link *link = argument;
	struct error err;

	pthread_setname_np(pthread_self(), link->settings.part->thread_name);
	while (!is_stopping(link)) {
		if (!take_turn(link, &err))
			lose(link, &err);
	}
	if (amqp_session_is_up(link->session))
		link->settings.part->finish(link->settings.context);
	amqp_session_leave(link->session);
	return NULL;
}

/* ---- the loop ---- */

bool amqp_link_ask(struct amqp_link *link, const void *request)
{
	return ring_put(link->requests, request);
}

void amqp_link_wake(struct amqp_link *link)
{
	ring_wake(link->requests);
}

bool amqp_link_take_report(struct amqp_link *link, void *report)
{
	return ring_take(link->reports, report);
}

static void on_reports(evutil_socket_t fd, short what, void *context)
{
	struct amqp_link *link = context;

	(void)fd;
	(void)what;
	ring_drain_fd(link->reports);
	link->settings.part->on_reports(link->settings.context);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct amqp_link *link = context;

	(void)fd;
	(void)what;
	if (amqp_session_is_stuck(link->session, clock_now_ms(), link->settings.write_limit_ms))
		amqp_session_break(link->session, "the broker took no bytes for too long");
	if (link->settings.part->on_tick)
		link->settings.part->on_tick(link->settings.context);
}

static struct timeval tick_interval(const struct amqp_link *link)
{
	int64_t quarter_ms = link->settings.write_limit_ms / 4;
	int64_t tick_ms = quarter_ms < TICK_MS ? quarter_ms + 1 : TICK_MS;

	return (struct timeval){tick_ms / 1000, tick_ms % 1000 * 1000};
}

struct amqp_link *amqp_link_new(struct event_base *base, const struct amqp_link_settings *settings)
{
	struct amqp_link *link = memory_new(sizeof(*link));

	link->settings = *settings;
	link->session = amqp_session_new(&settings->session);
	link->requests = ring_new(settings->request_slots, settings->request_bytes);
	link->reports = ring_new(settings->report_slots, settings->report_bytes);
	link->reports_event = event_new(base, ring_fd(link->reports), EV_READ | EV_PERSIST, on_reports, link);
	link->tick_event = event_new(base, -1, EV_PERSIST, on_tick, link);
	return link;
}

/* Signals are the loop's: the thread starts with all of them blocked. */
void amqp_link_start(struct amqp_link *link)
{
	struct timeval tick = tick_interval(link);
	sigset_t all, before;

	event_add(link->reports_event, NULL);
	event_add(link->tick_event, &tick);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int answer = pthread_create(&link->thread, NULL, run, link);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (answer != 0) {
		fprintf(stderr, "postrider: a broker connection needs a thread\n");
		exit(EX_OSERR);
	}
	link->started = true;
}

void amqp_link_stop(struct amqp_link *link)
{
	struct timespec patience = {.tv_sec = clock_wall_ms() / 1000 + CLOSE_PATIENCE_S};

	if (!link->started)
		return;
	link->started = false;
	event_del(link->reports_event);
	event_del(link->tick_event);
	atomic_store_explicit(&link->stopping, true, memory_order_release);
	ring_wake(link->requests);
	if (pthread_timedjoin_np(link->thread, NULL, &patience) == 0)
		return;
	amqp_session_break(link->session, NULL);
	pthread_join(link->thread, NULL);
}

void amqp_link_free(struct amqp_link **link)
{
	if (!*link)
		return;
	amqp_link_stop(*link);
	event_free((*link)->reports_event);
	event_free((*link)->tick_event);
	amqp_session_free(&(*link)->session);
	ring_free(&(*link)->requests);
	ring_free(&(*link)->reports);
	free(*link);
	*link = NULL;
}
