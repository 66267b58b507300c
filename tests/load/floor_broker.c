#include <event2/event.h>
#include <string.h>

#include "shared/amqp_consumer.h"
#include "shared/amqp_publisher.h"
#include "tests/load/floor.h"

#define QUEUE    "postrider.load.floor"
#define LANE     1
#define WINDOW   1000
#define PREFETCH 600

struct broker {
	const struct floor_options *options;
	struct event_base *base;
	struct amqp_publisher *publisher;
	struct amqp_consumer *consumer;
	bool subscribed;
	int64_t submitted, confirmed, consumed;
	int64_t refused;
};

static void publish_what_fits(struct broker *broker)
{
	const struct floor_options *options = broker->options;
	struct message message = {.epoch = 1,
				  .expires_at_ms = 1800000000000,
				  .lane_id = LANE,
				  .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"};
	size_t room = amqp_publisher_free_slots(broker->publisher);

	for (; room > 0 && broker->submitted < options->count; room--, broker->submitted++) {
		message.delivery_id = 202611000000000000 + options->first + broker->submitted;
		if (!amqp_publisher_submit(broker->publisher, &message))
			break;
	}
	amqp_publisher_flush(broker->publisher);
}

static void end_when_done(struct broker *broker)
{
	if (broker->confirmed + broker->refused >= broker->options->count && broker->consumed >= broker->options->count)
		event_base_loopbreak(broker->base);
}

static void on_publisher_changed(void *context, bool ready, const char *reason)
{
	struct broker *broker = context;

	(void)reason;
	if (ready && broker->subscribed)
		publish_what_fits(broker);
}

static void on_settled(void *context, const struct amqp_receipt *receipts, size_t count)
{
	struct broker *broker = context;

	for (size_t i = 0; i < count; i++)
		*(receipts[i].verdict == AMQP_CONFIRMED ? &broker->confirmed : &broker->refused) += 1;
	publish_what_fits(broker);
	end_when_done(broker);
}

static void on_depth(void *context, int32_t lane_id, int64_t ready, int64_t consumers)
{
	(void)context, (void)lane_id, (void)ready, (void)consumers;
}

static void on_consumer_changed(void *context, bool ready, const char *reason)
{
	struct broker *broker = context;

	(void)reason;
	if (!ready || broker->subscribed)
		return;
	broker->subscribed = true;
	amqp_consumer_subscribe(broker->consumer, LANE, QUEUE, PREFETCH);
	publish_what_fits(broker);
}

static void on_jobs(void *context, const struct amqp_job *jobs, size_t count)
{
	struct broker *broker = context;

	for (size_t i = 0; i < count; i++)
		amqp_consumer_settle(broker->consumer, jobs[i].session, jobs[i].tag);
	broker->consumed += (int64_t)count;
	end_when_done(broker);
}

static void open_broker(struct broker *broker)
{
	const struct amqp_publisher_settings publisher = {
		.url = broker->options->url, .connection_name = "floor publisher", .window = WINDOW};
	const struct amqp_publisher_events publisher_events = {on_publisher_changed, on_settled, on_depth, broker};
	const struct amqp_consumer_settings consumer = {
		.url = broker->options->url, .connection_name = "floor consumer", .ring_slots = 4 * PREFETCH};
	const struct amqp_consumer_events consumer_events = {on_consumer_changed, on_jobs, broker};

	broker->base = event_base_new();
	broker->publisher = amqp_publisher_open(broker->base, &publisher, &publisher_events);
	amqp_publisher_watch(broker->publisher, LANE, QUEUE);
	broker->consumer = amqp_consumer_open(broker->base, &consumer, &consumer_events);
}

bool floor_broker(const struct floor_options *options, struct error *err)
{
	struct broker broker = {.options = options};

	open_broker(&broker);
	event_base_dispatch(broker.base);
	amqp_consumer_close(&broker.consumer);
	amqp_publisher_close(&broker.publisher);
	event_base_free(broker.base);
	if (broker.refused == 0)
		return true;
	return error_set(err, ERROR_REFUSED, "The broker did not take %" PRId64 " messages.", broker.refused);
}
