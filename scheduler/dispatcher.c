#include "scheduler/dispatcher.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "scheduler/lane_depth.h"
#include "scheduler/meters.h"
#include "scheduler/trace.h"
#include "scheduler/undispatch.h"
#include "shared/amqp_publisher.h"
#include "shared/channel.h"
#include "shared/clock.h"
#include "shared/failpoint.h"
#include "shared/log.h"
#include "shared/memory.h"

#define LANES_INTERVAL_MS   1000
#define MARKETING_UNDER_WAY 2   /* one runs, one waits: the connection never idles between them */
#define TRANSACTIONAL_SHARE 16  /* this part of the window is kept for transactional messages */
#define IDLE_MAX_MS         250 /* a marketing lane with nothing to do is asked this often */
#define PAUSE_TRANSIENT_MS  500
#define PAUSE_REFUSED_MS    5000

struct lane {
	struct dispatcher *dispatcher;
	int32_t lane_id;
	bool is_transactional;
	enum channel channel;
	struct lane_depth depth;
	int64_t asked;     /* how many a statement under way asks for */
	int64_t ask_at_ms; /* not before */
	int64_t idle_ms;
	bool noting_depth; /* a statement is under way */
	UT_hash_handle hh;
};

struct dispatcher {
	const struct scheduler_settings *settings;
	struct database *database;
	struct health *health;
	struct metrics *metrics;
	struct amqp_publisher *publisher;
	struct undispatch *undispatch;
	struct event *tick;
	struct trace trace;

	struct lane *by_id;
	struct lane **lanes; /* in the order found */
	size_t lane_count;
	size_t next_marketing; /* who is looked at first in the next turn */
	int64_t lanes_at_ms;
	bool lanes_asked;

	bool broker_was_told, broker_is_ready;
	bool stopping;
	int64_t asked; /* deliveries that statements under way may bring */
	size_t marketing_under_way;
	size_t unsettled; /* with the publisher */
};

static void take_turn(struct dispatcher *dispatcher);

/* ---- from the database to the broker ---- */

static void publish(struct lane *lane, const struct pg_rows *rows)
{
	struct dispatcher *dispatcher = lane->dispatcher;
	struct message message = {.lane_id = lane->lane_id};
	size_t count = pg_rows_count(rows);
	size_t submitted = 0;

	for (size_t row = 0; row < count; row++) {
		message.delivery_id = pg_rows_int64(rows, row, 0);
		message.epoch = (int32_t)pg_rows_int64(rows, row, 1);
		message.expires_at_ms = pg_rows_int64(rows, row, 2);
		trace_next(&dispatcher->trace, message.trace_id);
		if (amqp_publisher_submit(dispatcher->publisher, &message))
			submitted++;
		else
			undispatch_add(dispatcher->undispatch, message.delivery_id, message.epoch);
	}
	amqp_publisher_flush(dispatcher->publisher);
	dispatcher->unsettled += submitted;
	lane_depth_submitted(&lane->depth, (int64_t)submitted);
	metrics_add(dispatcher->metrics, METER_DISPATCHED, 0, (int64_t)count);
	undispatch_send(dispatcher->undispatch, "the broker is away");
}

/* Less than asked for: there is nothing more just now. */
static void rest(struct lane *lane, int64_t count, int64_t asked)
{
	int64_t tick_ms = lane->dispatcher->settings->tick_ms;

	if (count == asked) {
		lane->idle_ms = 0;
		return;
	}
	lane->idle_ms = count > 0 || lane->is_transactional ? tick_ms : 2 * lane->idle_ms;
	if (lane->idle_ms < tick_ms)
		lane->idle_ms = tick_ms;
	if (lane->idle_ms > IDLE_MAX_MS && tick_ms < IDLE_MAX_MS)
		lane->idle_ms = IDLE_MAX_MS;
	/* A turn that comes a moment early would let a whole tick pass. */
	lane->ask_at_ms = clock_now_ms() + lane->idle_ms - tick_ms / 5;
}

static void wait_after(struct lane *lane, const struct error *err)
{
	if (err->kind == ERROR_REFUSED)
		log_event(LOG_ERROR, "dispatch_refused", "The database refuses to dispatch a lane.",
			  LOG_INT("lane", lane->lane_id), LOG_TEXT("reason", err->text));
	lane->ask_at_ms = clock_now_ms() + (err->kind == ERROR_REFUSED ? PAUSE_REFUSED_MS : PAUSE_TRANSIENT_MS);
}

static void on_dispatched(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct lane *lane = context;
	struct dispatcher *dispatcher = lane->dispatcher;
	int64_t asked = lane->asked;

	lane->asked = 0;
	dispatcher->asked -= asked;
	if (!lane->is_transactional)
		dispatcher->marketing_under_way--;
	if (err) {
		wait_after(lane, err);
	} else {
		FAILPOINT("after_dispatch_commit");
		rest(lane, (int64_t)pg_rows_count(rows), asked);
		publish(lane, rows);
	}
	take_turn(dispatcher);
}

static void ask(struct lane *lane, int64_t wanted)
{
	static const struct pg_statement dispatch = {
		"dispatch", "select delivery_id, epoch, expires_at_ms from delivery.dispatch($1, $2)"};
	struct dispatcher *dispatcher = lane->dispatcher;
	struct pg_values values;

	pg_values_init(&values);
	pg_values_add_int64(&values, lane->lane_id);
	pg_values_add_int64(&values, wanted);
	lane->asked = wanted;
	dispatcher->asked += wanted;
	if (!lane->is_transactional)
		dispatcher->marketing_under_way++;
	database_ask(dispatcher->database, DATABASE_HOT, &dispatch, &values, on_dispatched, lane);
	pg_values_release(&values);
}

/* ---- the turn ---- */

static int64_t room_for(const struct lane *lane)
{
	const struct dispatcher *dispatcher = lane->dispatcher;
	int64_t batch = dispatcher->settings->dispatch_batch;
	int64_t worth = batch < LANE_DEPTH_WORTH_ASKING ? batch : LANE_DEPTH_WORTH_ASKING;
	int64_t room = (int64_t)amqp_publisher_free_slots(dispatcher->publisher) - dispatcher->asked;

	if (!lane->is_transactional) {
		room -= dispatcher->settings->publish_window / TRANSACTIONAL_SHARE;
		/* A window that is nearly full opens in a moment: a small batch would cost as much as a large one. */
		if (room < worth && dispatcher->unsettled > 0)
			return 0;
	}
	return room < batch ? room : batch;
}

static void look_at(struct lane *lane, int64_t now_ms)
{
	const struct scheduler_settings *settings = lane->dispatcher->settings;
	struct lane_depth_policy policy = {settings->lane_seconds, settings->lane_max, lane->is_transactional};
	int64_t room = room_for(lane);

	if (lane->asked > 0 || now_ms < lane->ask_at_ms || room <= 0)
		return;
	int64_t wanted = lane_depth_wanted(&lane->depth, &policy, room, now_ms);
	if (wanted > 0)
		ask(lane, wanted);
}

static void look_at_transactional(struct dispatcher *dispatcher, int64_t now_ms)
{
	for (size_t i = 0; i < dispatcher->lane_count; i++) {
		if (dispatcher->lanes[i]->is_transactional)
			look_at(dispatcher->lanes[i], now_ms);
	}
}

static void look_at_marketing(struct dispatcher *dispatcher, int64_t now_ms)
{
	size_t first = dispatcher->next_marketing;

	for (size_t i = 0; i < dispatcher->lane_count && dispatcher->marketing_under_way < MARKETING_UNDER_WAY; i++) {
		size_t at = (first + i) % dispatcher->lane_count;
		struct lane *lane = dispatcher->lanes[at];
		if (lane->is_transactional)
			continue;
		look_at(lane, now_ms);
		if (lane->asked > 0)
			dispatcher->next_marketing = at + 1;
	}
}

static void take_turn(struct dispatcher *dispatcher)
{
	int64_t now_ms = clock_now_ms();

	if (dispatcher->stopping || !dispatcher->broker_is_ready ||
	    !database_is_ready(dispatcher->database, DATABASE_HOT))
		return;
	look_at_transactional(dispatcher, now_ms);
	look_at_marketing(dispatcher, now_ms);
}

/* ---- the lanes there are ---- */

static void add_lane(struct dispatcher *dispatcher, int32_t lane_id, const char *queue, const char *class,
		     enum channel channel)
{
	struct lane *lane = memory_new(sizeof(*lane));

	lane->dispatcher = dispatcher;
	lane->lane_id = lane_id;
	lane->is_transactional = strcmp(class, "transactional") == 0;
	lane->channel = channel;
	lane_depth_init(&lane->depth);
	HASH_ADD_INT(dispatcher->by_id, lane_id, lane);
	dispatcher->lanes = memory_grow(dispatcher->lanes, dispatcher->lane_count + 1, sizeof(*dispatcher->lanes));
	dispatcher->lanes[dispatcher->lane_count++] = lane;
	amqp_publisher_watch(dispatcher->publisher, lane_id, queue);
	metrics_set(dispatcher->metrics, METER_LANES, 0, (int64_t)dispatcher->lane_count);
	log_event(LOG_INFO, "lane_found", "A lane is kept filled from now on.", LOG_INT("lane", lane_id),
		  LOG_TEXT("queue", queue));
}

static void on_lanes(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct dispatcher *dispatcher = context;
	struct lane *known;
	enum channel channel;

	dispatcher->lanes_asked = false;
	if (err && err->kind == ERROR_REFUSED)
		log_event(LOG_ERROR, "lanes_refused", "The database does not tell the lanes.",
			  LOG_TEXT("reason", err->text));
	for (size_t row = 0; !err && row < pg_rows_count(rows); row++) {
		int32_t lane_id = (int32_t)pg_rows_int64(rows, row, 0);
		HASH_FIND_INT(dispatcher->by_id, &lane_id, known);
		if (!known && channel_parse(pg_rows_text(rows, row, 3, NULL), &channel))
			add_lane(dispatcher, lane_id, pg_rows_text(rows, row, 1, NULL),
				 pg_rows_text(rows, row, 2, NULL), channel);
	}
	take_turn(dispatcher);
}

static void ask_lanes(struct dispatcher *dispatcher)
{
	static const struct pg_statement lanes = {"lanes",
						  "select lane_id, queue_name, class, channel from delivery.lanes()"};

	if (dispatcher->lanes_asked || dispatcher->stopping)
		return;
	dispatcher->lanes_asked = true;
	dispatcher->lanes_at_ms = clock_now_ms() + LANES_INTERVAL_MS;
	database_ask(dispatcher->database, DATABASE_HOT, &lanes, NULL, on_lanes, dispatcher);
}

void dispatcher_look(struct dispatcher *dispatcher)
{
	for (size_t i = 0; i < dispatcher->lane_count; i++)
		dispatcher->lanes[i]->ask_at_ms = 0;
	ask_lanes(dispatcher);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct dispatcher *dispatcher = context;

	(void)fd;
	(void)what;
	metrics_add(dispatcher->metrics, METER_TICKS, 0, 1);
	if (clock_now_ms() >= dispatcher->lanes_at_ms)
		ask_lanes(dispatcher);
	take_turn(dispatcher);
}

/* ---- what the broker says ---- */

static void on_changed(void *context, bool ready, const char *reason)
{
	struct dispatcher *dispatcher = context;

	health_report(dispatcher->health, "broker", ready, ready ? NULL : reason);
	if (dispatcher->broker_was_told && dispatcher->broker_is_ready == ready)
		return;
	dispatcher->broker_was_told = true;
	dispatcher->broker_is_ready = ready;
	if (ready)
		log_event(LOG_INFO, "broker_ready", "The broker takes messages.");
	else
		log_event(LOG_WARNING, "broker_away", "The broker takes no messages; work goes on when it does.",
			  LOG_TEXT("reason", reason));
	take_turn(dispatcher);
}

static const char *verdict_sentence(enum amqp_verdict verdict)
{
	switch (verdict) {
	case AMQP_RETURNED:
		return "no queue took them";
	case AMQP_REFUSED:
		return "the broker refused them";
	case AMQP_LOST:
		return "the connection ended before the broker confirmed them";
	case AMQP_CONFIRMED:
		break;
	}
	return "";
}

static void on_settled(void *context, const struct amqp_receipt *receipts, size_t count)
{
	struct dispatcher *dispatcher = context;
	struct lane *lane;
	const char *reason = "";

	for (size_t i = 0; i < count; i++) {
		bool confirmed = receipts[i].verdict == AMQP_CONFIRMED;
		HASH_FIND_INT(dispatcher->by_id, &receipts[i].lane_id, lane);
		lane_depth_settled(&lane->depth, 1, confirmed);
		metrics_add(dispatcher->metrics, METER_PUBLISHED, receipts[i].verdict, 1);
		if (confirmed)
			continue;
		reason = verdict_sentence(receipts[i].verdict);
		undispatch_add(dispatcher->undispatch, receipts[i].delivery_id, receipts[i].epoch);
	}
	dispatcher->unsettled -= count;
	undispatch_send(dispatcher->undispatch, reason);
	take_turn(dispatcher);
}

static void on_depth_noted(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct lane *lane = context;

	(void)rows;
	(void)err;
	lane->noting_depth = false;
}

static void note_depth(struct lane *lane, int64_t ready, int64_t consumers)
{
	static const struct pg_statement note = {"note_depth", "select delivery.note_depth($1, $2, $3)"};
	struct dispatcher *dispatcher = lane->dispatcher;
	struct pg_values values;

	if (lane->noting_depth || !database_is_ready(dispatcher->database, DATABASE_HOUSE))
		return;
	pg_values_init(&values);
	pg_values_add_int64(&values, lane->lane_id);
	pg_values_add_int64(&values, ready);
	pg_values_add_int64(&values, consumers);
	lane->noting_depth = true;
	database_ask(dispatcher->database, DATABASE_HOUSE, &note, &values, on_depth_noted, lane);
	pg_values_release(&values);
}

static void count_depths(struct dispatcher *dispatcher, enum channel channel)
{
	int64_t sum = 0;

	for (size_t i = 0; i < dispatcher->lane_count; i++)
		sum += dispatcher->lanes[i]->channel == channel ? dispatcher->lanes[i]->depth.ready : 0;
	metrics_set(dispatcher->metrics, METER_LANE_DEPTH, channel, sum);
}

static void on_depth(void *context, int32_t lane_id, int64_t ready, int64_t consumers)
{
	struct dispatcher *dispatcher = context;
	struct lane *lane;

	HASH_FIND_INT(dispatcher->by_id, &lane_id, lane);
	lane_depth_measured(&lane->depth, ready, consumers, clock_now_ms());
	count_depths(dispatcher, lane->channel);
	note_depth(lane, ready, consumers);
	take_turn(dispatcher);
}

/* ---- the whole ---- */

struct dispatcher *dispatcher_open(struct event_base *base, const struct scheduler_settings *settings,
				   struct database *database, struct health *health, struct metrics *metrics)
{
	struct dispatcher *dispatcher = memory_new(sizeof(*dispatcher));
	struct timeval tick = {settings->tick_ms / 1000, settings->tick_ms % 1000 * 1000};
	const struct amqp_publisher_settings publisher = {
		.url = settings->amqp_url,
		.ca_file = *settings->amqp_ca_file ? settings->amqp_ca_file : NULL,
		.connection_name = "postrider-scheduler publisher",
		.window = (size_t)settings->publish_window,
	};
	const struct amqp_publisher_events events = {on_changed, on_settled, on_depth, dispatcher};

	dispatcher->settings = settings;
	dispatcher->database = database;
	dispatcher->health = health;
	dispatcher->metrics = metrics;
	dispatcher->undispatch = undispatch_new(database, metrics);
	trace_init(&dispatcher->trace);
	health_report(health, "broker", false, "connecting");
	dispatcher->publisher = amqp_publisher_open(base, &publisher, &events);
	dispatcher->tick = event_new(base, -1, EV_PERSIST, on_tick, dispatcher);
	event_add(dispatcher->tick, &tick);
	return dispatcher;
}

void dispatcher_close(struct dispatcher **dispatcher)
{
	struct dispatcher *closing = *dispatcher;

	if (!closing)
		return;
	event_free(closing->tick);
	amqp_publisher_close(&closing->publisher);
	undispatch_free(&closing->undispatch);
	HASH_CLEAR(hh, closing->by_id);
	for (size_t i = 0; i < closing->lane_count; i++)
		free(closing->lanes[i]);
	free(closing->lanes);
	free(closing);
	*dispatcher = NULL;
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
	dispatcher->stopping = true;
}

bool dispatcher_is_idle(const struct dispatcher *dispatcher)
{
	return dispatcher->asked == 0 && dispatcher->unsettled == 0 && undispatch_is_idle(dispatcher->undispatch);
}
