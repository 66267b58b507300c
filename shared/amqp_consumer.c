#include "shared/amqp_consumer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/amqp_ack.h"
#include "shared/amqp_link.h"
#include "shared/amqp_subscription.h"
#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/failpoint.h"
#include "shared/memory.h"
#include "shared/text.h"

#define STALL_LIMIT_MS       20000
#define WRITE_LIMIT_MS       30000
#define IDLE_MS              1000
#define WAKE_SHARE           10 /* a tenth of the prefetch is settled: time to acknowledge */
#define SPARE_SLOTS          64 /* for what is not a job or a settlement */
#define JOBS_AT_ONCE         64
#define QUIET_MS             5000 /* nothing has come from a queue for this long: is it still ours? */
#define CODE_NOT_FOUND       404
#define CODE_OTHER_ARGUMENTS 406

enum request_kind { REQUEST_SETTLE, REQUEST_SUBSCRIBE, REQUEST_STOP };

struct request {
	enum request_kind kind;
	uint32_t session;
	union {
		uint64_t tag;
		struct amqp_subscription *subscription; /* moves with the request */
	};
};

/* What the thread reports is a job, so that a batch is handed over without another copy. A change of state
 * looks like a job of one of these subscriptions, with the reason as its body. */
enum { STATE_READY = 0, STATE_AWAY = -1 };

struct amqp_consumer {
	struct amqp_link *link;

	/* The loop's. */
	struct amqp_consumer_events events;
	size_t unsettled;
	size_t settled_since_wake;
	size_t prefetch_sum;
	bool stopped;

	/* The thread's. */
	struct amqp_subscription *subscriptions;
	struct amqp_subscription *subscribing;
	struct amqp_ack *acks;
	uint32_t session_number;
	int64_t now_ms; /* of this turn */
	bool stop_asked, stop_done;
	uint64_t tag_random;
	unsigned tags_made;
	struct amqp_job job; /* scratch */
};

/* ---- the thread: deliveries ---- */

static void report_state(struct amqp_consumer *consumer, int32_t state, const char *reason)
{
	struct amqp_job *job = &consumer->job;

	job->subscription = state;
	job->session = consumer->session_number;
	job->length = (uint32_t)strnlen(reason, sizeof(job->body) - 1);
	memcpy(job->body, reason, job->length);
	job->body[job->length] = '\0';
	amqp_link_report(consumer->link, job);
}

static bool on_content(void *context, const struct amqp_content *content, struct error *err)
{
	struct amqp_consumer *consumer = context;
	const amqp_basic_deliver_t *deliver = content->method.decoded;
	struct amqp_job *job = &consumer->job;

	if (content->method.id != AMQP_BASIC_DELIVER_METHOD)
		return true;
	struct amqp_subscription *subscription = amqp_subscription_find(consumer->subscriptions, deliver->consumer_tag);
	if (!subscription || !amqp_ack_delivered(consumer->acks, deliver->delivery_tag))
		return error_set(err, ERROR_TRANSIENT, "the broker delivered what we did not expect, tag %" PRIu64,
				 deliver->delivery_tag);
	subscription->heard_at_ms = consumer->now_ms;
	subscription->is_kept_waiting = false;
	job->tag = deliver->delivery_tag;
	job->session = consumer->session_number;
	job->subscription = subscription->number;
	job->redelivered = deliver->redelivered;
	job->length = content->length < UINT32_MAX ? (uint32_t)content->length : UINT32_MAX;
	memcpy(job->body, content->body, content->kept);
	amqp_link_report(consumer->link, job);
	return true;
}

/* The queue was deleted. What the channel knows of it spoils what comes from its successor. */
static bool on_method(void *context, const amqp_method_t *method, struct error *err)
{
	const amqp_basic_cancel_t *cancel = method->decoded;
	const struct amqp_consumer *consumer = context;
	const struct amqp_subscription *subscription;

	if (method->id != AMQP_BASIC_CANCEL_METHOD)
		return true;
	subscription = amqp_subscription_find(consumer->subscriptions, cancel->consumer_tag);
	return error_set(err, ERROR_TRANSIENT, "queue %s was deleted", subscription ? subscription->queue : "?");
}

/* ---- the thread: subscribing ---- */

static bool subscribe(struct amqp_consumer *consumer, struct amqp_subscription *subscription, struct error *err)
{
	struct amqp_session *session = amqp_link_session(consumer->link);

	consumer->subscribing = subscription;
	amqp_subscription_name(subscription, consumer->tag_random, ++consumer->tags_made);
	if (!amqp_subscription_declare(subscription, session, err))
		return false;
	/* Before asking: the broker may cancel it in the same breath. */
	subscription->active = true;
	if (!amqp_subscription_consume(subscription, session, err))
		return false;
	consumer->subscribing = NULL;
	subscription->heard_at_ms = clock_now_ms();
	subscription->is_kept_waiting = false;
	return true;
}

static bool subscribe_all(struct amqp_consumer *consumer, struct error *err)
{
	size_t prefetch_sum = 0;

	for (struct amqp_subscription *each = consumer->subscriptions; each; each = each->next) {
		prefetch_sum += each->prefetch;
		if (!each->active && !consumer->stop_asked && !subscribe(consumer, each, err))
			return false;
	}
	amqp_ack_set_prefetch(consumer->acks, prefetch_sum);
	return true;
}

static bool cancel_all(struct amqp_consumer *consumer, struct error *err)
{
	if (!consumer->stop_asked || consumer->stop_done)
		return true;
	consumer->stop_done = true;
	for (struct amqp_subscription *each = consumer->subscriptions; each; each = each->next) {
		if (each->active && !amqp_subscription_cancel(each, amqp_link_session(consumer->link), err))
			return false;
		each->active = false;
	}
	return true;
}

/* The queue knows no consumer at all, or twice in a row keeps messages while we hold none: it has forgotten us, or the channel
 * drops what it sends. What is out on a lost channel goes back to the queue. */
static bool is_remembered(struct amqp_consumer *consumer, struct amqp_subscription *subscription, struct error *err)
{
	int64_t ready, consumers;

	if (!amqp_topology_visit(amqp_link_session(consumer->link), subscription->queue, &ready, &consumers, err))
		return error_wrap(err, "queue %s", subscription->queue);
	bool keeps = ready > 0 && amqp_ack_unsettled(consumer->acks) == 0;
	bool is_forgotten = consumers == 0 || (keeps && subscription->is_kept_waiting);
	subscription->heard_at_ms = consumer->now_ms;
	subscription->is_kept_waiting = keeps;
	return !is_forgotten ||
	       error_set(err, ERROR_TRANSIENT, "queue %s gives this consumer nothing", subscription->queue);
}

static bool look_after_quiet_ones(struct amqp_consumer *consumer, struct error *err)
{
	for (struct amqp_subscription *each = consumer->subscriptions; each && !consumer->stop_asked;
	     each = each->next) {
		if (each->active && consumer->now_ms - each->heard_at_ms >= QUIET_MS &&
		    !is_remembered(consumer, each, err))
			return false;
	}
	return true;
}

/* ---- the thread: turns ---- */

static void take_requests(struct amqp_consumer *consumer)
{
	int64_t now_ms = clock_now_ms();
	struct request request;

	while (amqp_link_take_request(consumer->link, &request)) {
		switch (request.kind) {
		case REQUEST_SETTLE:
			if (request.session == consumer->session_number)
				amqp_ack_settle(consumer->acks, request.tag, now_ms);
			break;
		case REQUEST_SUBSCRIBE:
			amqp_subscription_append(&consumer->subscriptions, request.subscription);
			break;
		case REQUEST_STOP:
			consumer->stop_asked = true;
			break;
		}
	}
}

static bool send_acks(struct amqp_consumer *consumer, bool everything, struct error *err)
{
	struct amqp_session *session = amqp_link_session(consumer->link);
	int64_t now_ms = clock_now_ms();
	struct amqp_ack_order order;
	bool sent = false;

	while (amqp_ack_next(consumer->acks, now_ms, everything, &order)) {
		if (!amqp_session_ack(session, order.tag, order.multiple, err))
			return false;
		sent = true;
	}
	if (!amqp_session_flush(session, err))
		return false;
	if (sent)
		FAILPOINT("after_ack");
	return true;
}

static bool turn(void *context, bool *again, struct error *err)
{
	struct amqp_consumer *consumer = context;

	(void)again;
	consumer->now_ms = clock_now_ms();
	take_requests(consumer);
	return cancel_all(consumer, err) && look_after_quiet_ones(consumer, err) && subscribe_all(consumer, err) &&
	       send_acks(consumer, false, err) && amqp_session_read(amqp_link_session(consumer->link), err);
}

static bool greet(void *context, struct error *err)
{
	struct amqp_consumer *consumer = context;

	consumer->session_number++;
	if (!amqp_topology_declare(amqp_link_session(consumer->link), err) || !subscribe_all(consumer, err))
		return false;
	report_state(consumer, STATE_READY, "");
	return true;
}

/* The loop wakes the thread for a batch; less than a batch is looked for while jobs are out. */
static int64_t wait_ms(void *context)
{
	struct amqp_consumer *consumer = context;
	int64_t ack_ms = amqp_ack_wait_ms(consumer->acks, clock_now_ms());
	int64_t look_ms = amqp_ack_unsettled(consumer->acks) > 0 ? AMQP_ACK_GATHER_MS : IDLE_MS;

	return ack_ms >= 0 && ack_ms < look_ms ? ack_ms : look_ms;
}

static void lost(void *context, const char *reason)
{
	struct amqp_consumer *consumer = context;
	int code = amqp_session_close_code(amqp_link_session(consumer->link));

	if (consumer->subscribing && (code == CODE_OTHER_ARGUMENTS || code == CODE_NOT_FOUND))
		consumer->subscribing->as_it_is = code == CODE_OTHER_ARGUMENTS;
	consumer->subscribing = NULL;
	for (struct amqp_subscription *each = consumer->subscriptions; each; each = each->next)
		each->active = false;
	amqp_ack_reset(consumer->acks);
	report_state(consumer, STATE_AWAY, reason);
}

static void away(void *context)
{
	take_requests(context);
}

/* Inside the broker a channel keeps acknowledgements back while a quorum queue is busy, sends them when it hears from the
 * queue and forgets them when it closes: the first visit makes it hear, the second makes it send. */
static bool visit_queues(struct amqp_consumer *consumer, struct error *err)
{
	for (int round = 0; round < 2; round++) {
		for (struct amqp_subscription *each = consumer->subscriptions; each; each = each->next) {
			if (!amqp_topology_visit(amqp_link_session(consumer->link), each->queue, NULL, NULL, err))
				return false;
		}
	}
	return true;
}

static void finish(void *context)
{
	struct amqp_consumer *consumer = context;
	struct error ignored;

	consumer->stop_asked = true;
	take_requests(consumer);
	/* What cannot be delivered now comes to another consumer, at the latest when this connection ends. */
	(void)(cancel_all(consumer, &ignored) && send_acks(consumer, true, &ignored) &&
	       visit_queues(consumer, &ignored));
}

/* ---- the loop ---- */

static void tell_jobs(struct amqp_consumer *consumer, const struct amqp_job *jobs, size_t *count)
{
	size_t handed = *count;

	*count = 0;
	/* After a stop they stay the broker's and go back when the connection ends. */
	if (handed == 0 || consumer->stopped)
		return;
	consumer->unsettled += handed;
	consumer->events.jobs(consumer->events.context, jobs, handed);
}

static void on_reports(void *context)
{
	struct amqp_consumer *consumer = context;
	struct amqp_job jobs[JOBS_AT_ONCE];
	size_t count = 0;

	while (amqp_link_take_report(consumer->link, &jobs[count])) {
		const struct amqp_job *taken = &jobs[count];
		if (taken->subscription > 0) {
			if (++count == ARRAY_LENGTH(jobs))
				tell_jobs(consumer, jobs, &count);
			continue;
		}
		tell_jobs(consumer, jobs, &count);
		consumer->events.changed(consumer->events.context, taken->subscription == STATE_READY, taken->body);
	}
	tell_jobs(consumer, jobs, &count);
}

/* The ring has room for all that can be unsettled at once, so a full one is a caller's mistake; without
 * assertions such a job goes back to the broker when the connection ends. */
static void ask(struct amqp_consumer *consumer, const struct request *request)
{
	bool asked = amqp_link_ask(consumer->link, request);

	assert(asked && "more unsettled jobs or subscriptions than ring_slots");
	(void)asked;
}

void amqp_consumer_subscribe(struct amqp_consumer *consumer, int32_t subscription, const char *queue, uint16_t prefetch)
{
	struct request request = {.kind = REQUEST_SUBSCRIBE,
				  .subscription = amqp_subscription_new(subscription, queue, prefetch)};

	consumer->prefetch_sum += prefetch;
	ask(consumer, &request);
	amqp_link_wake(consumer->link);
}

void amqp_consumer_stop(struct amqp_consumer *consumer)
{
	struct request request = {.kind = REQUEST_STOP};

	if (consumer->stopped)
		return;
	consumer->stopped = true;
	ask(consumer, &request);
	amqp_link_wake(consumer->link);
}

void amqp_consumer_settle(struct amqp_consumer *consumer, uint32_t session, uint64_t tag)
{
	struct request request = {.kind = REQUEST_SETTLE, .session = session, .tag = tag};

	ask(consumer, &request);
	consumer->unsettled--;
	if (++consumer->settled_since_wake < consumer->prefetch_sum / WAKE_SHARE)
		return;
	consumer->settled_since_wake = 0;
	amqp_link_wake(consumer->link);
}

size_t amqp_consumer_unsettled(const struct amqp_consumer *consumer)
{
	return consumer->unsettled;
}

static const struct amqp_link_part part = {
	.thread_name = "consumer",
	.greet = greet,
	.turn = turn,
	.wait_ms = wait_ms,
	.lost = lost,
	.away = away,
	.finish = finish,
	.on_reports = on_reports,
};

struct amqp_consumer *amqp_consumer_open(struct event_base *base, const struct amqp_consumer_settings *settings,
					 const struct amqp_consumer_events *events)
{
	struct amqp_consumer *consumer = memory_new(sizeof(*consumer));
	struct amqp_link_settings link = {
		.session = {.url = settings->url,
			    .ca_file = settings->ca_file,
			    .name = settings->connection_name,
			    .stall_limit_ms = STALL_LIMIT_MS,
			    .on_method = on_method,
			    .on_content = on_content,
			    .context = consumer},
		.part = &part,
		.context = consumer,
		/* Jobs of the last connection may still be settled while those of this one are. */
		.request_slots = 2 * settings->ring_slots + SPARE_SLOTS,
		.request_bytes = sizeof(struct request),
		.report_slots = settings->ring_slots + SPARE_SLOTS,
		.report_bytes = sizeof(struct amqp_job),
		.write_limit_ms = WRITE_LIMIT_MS,
	};

	consumer->events = *events;
	consumer->acks = amqp_ack_new();
	consumer->tag_random = backoff_random();
	consumer->link = amqp_link_new(base, &link);
	amqp_link_start(consumer->link);
	return consumer;
}

void amqp_consumer_close(struct amqp_consumer **consumer)
{
	if (!*consumer)
		return;
	amqp_link_stop((*consumer)->link);
	take_requests(*consumer); /* takes what was subscribed too late into the list */
	amqp_subscriptions_free(&(*consumer)->subscriptions);
	amqp_link_free(&(*consumer)->link);
	amqp_ack_free(&(*consumer)->acks);
	free(*consumer);
	*consumer = NULL;
}
