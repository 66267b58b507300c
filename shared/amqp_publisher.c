#include "shared/amqp_publisher.h"

#include <stdlib.h>

#include "shared/amqp_lanes.h"
#include "shared/amqp_link.h"
#include "shared/amqp_window.h"
#include "shared/clock.h"
#include "shared/failpoint.h"
#include "shared/memory.h"

#define BATCH               256 /* publishes for one write */
#define DECLARE_INTERVAL_MS 1000
#define CONFIRM_LIMIT_MS    60000 /* a queue without a leader confirms nothing and says nothing */
#define BLOCKED_LIMIT_MS    30000
#define ANSWER_LIMIT_MS     10000 /* for a declaration */
#define WINDOW_SPAN         4     /* the newest publish may be this many windows ahead of the oldest unconfirmed */
#define SPARE_SLOTS         256   /* for what is not a job */
#define RECEIPTS_AT_ONCE    256

struct request {
	char *queue; /* watch it for message.lane_id; moves with the request. NULL: publish the message */
	struct message message;
};

/* A request to watch for which the ring has no room yet. */
struct postponed {
	struct request request;
	struct postponed *next;
};

enum report_kind { REPORT_RECEIPT, REPORT_DEPTH, REPORT_READY, REPORT_AWAY };

struct report {
	enum report_kind kind;
	union {
		struct amqp_receipt receipt;
		struct {
			int32_t lane_id;
			int64_t ready, consumers;
		} depth;
		char *reason; /* moves with the report */
	};
};

struct amqp_publisher {
	struct amqp_link *link;

	/* The loop's. */
	struct amqp_publisher_events events;
	size_t window_size;
	size_t unsettled;
	bool ready;
	struct postponed *postponed;

	/* The thread's. */
	struct amqp_window *window;
	struct amqp_lanes *lanes;
	int64_t now_ms; /* of this turn */
	int64_t declare_at_ms;
	int64_t heard_at_ms; /* an answer to a declaration, or nothing was asked */
};

/* ---- the thread: what goes to the loop ---- */

static void report_state(struct amqp_publisher *publisher, enum report_kind kind, const char *before,
			 const char *reason)
{
	struct report report = {.kind = kind};
	struct error sentence;

	error_set(&sentence, ERROR_TRANSIENT, "%s%s", before, reason);
	report.reason = memory_copy_string(sentence.text);
	if (!amqp_link_report(publisher->link, &report))
		free(report.reason);
}

static void report_receipt(void *context, const struct amqp_receipt *receipt)
{
	struct amqp_publisher *publisher = context;
	struct report report = {.kind = REPORT_RECEIPT, .receipt = *receipt};

	amqp_link_report(publisher->link, &report);
}

static void report_unpublished(struct amqp_publisher *publisher, const struct message *message,
			       enum amqp_verdict verdict)
{
	struct amqp_receipt receipt = {message->delivery_id, message->epoch, message->lane_id, verdict};

	report_receipt(publisher, &receipt);
}

/* ---- the thread: what the broker says ---- */

static void on_declared(struct amqp_publisher *publisher, const amqp_queue_declare_ok_t *declared)
{
	struct report report = {.kind = REPORT_DEPTH};

	publisher->heard_at_ms = clock_now_ms();
	report.depth.lane_id = amqp_lanes_answered(publisher->lanes);
	report.depth.ready = declared->message_count;
	report.depth.consumers = declared->consumer_count;
	if (report.depth.lane_id != 0)
		amqp_link_report(publisher->link, &report);
}

static void on_blocked(struct amqp_publisher *publisher, const amqp_connection_blocked_t *blocked)
{
	char *reason = memory_copy_bytes(blocked->reason.bytes, blocked->reason.len);

	report_state(publisher, REPORT_AWAY, "the broker blocks publishing: ", reason);
	free(reason);
}

static bool on_method(void *context, const amqp_method_t *method, struct error *err)
{
	struct amqp_publisher *publisher = context;
	const amqp_basic_ack_t *ack = method->decoded;
	const amqp_basic_nack_t *nack = method->decoded;

	(void)err;
	switch (method->id) {
	case AMQP_BASIC_ACK_METHOD:
		amqp_window_settle(publisher->window, ack->delivery_tag, ack->multiple, AMQP_CONFIRMED);
		break;
	case AMQP_BASIC_NACK_METHOD:
		amqp_window_settle(publisher->window, nack->delivery_tag, nack->multiple, AMQP_REFUSED);
		break;
	case AMQP_QUEUE_DECLARE_OK_METHOD:
		on_declared(publisher, method->decoded);
		break;
	case AMQP_CONNECTION_BLOCKED_METHOD:
		on_blocked(publisher, method->decoded);
		break;
	case AMQP_CONNECTION_UNBLOCKED_METHOD:
		publisher->heard_at_ms = clock_now_ms(); /* what was asked before is answered from now on */
		report_state(publisher, REPORT_READY, "", "");
		break;
	}
	return true;
}

/* Only returns have content here. The confirm follows and would look like success without the mark. */
static bool on_content(void *context, const struct amqp_content *content, struct error *err)
{
	struct amqp_publisher *publisher = context;
	struct message message;

	if (!message_decode(&message, content->body, content->kept, err))
		return error_wrap(err, "a returned message");
	if (guard_is_on("returns"))
		amqp_window_mark_returned(publisher->window, message.delivery_id, message.epoch);
	return true;
}

/* ---- the thread: publishing ---- */

static bool publish(struct amqp_publisher *publisher, const struct message *message, struct error *err)
{
	char body[MESSAGE_BYTES_MAX];
	const char *queue = amqp_lanes_queue(publisher->lanes, message->lane_id);

	if (!queue) {
		report_unpublished(publisher, message, AMQP_RETURNED);
		return true;
	}
	size_t length = message_encode(message, body);
	amqp_window_add(publisher->window, message->delivery_id, message->epoch, message->lane_id, publisher->now_ms);
	return amqp_session_publish(amqp_link_session(publisher->link), AMQP_JOBS_EXCHANGE, queue, body, length, err);
}

static bool take_request(struct amqp_publisher *publisher, const struct request *request, struct error *err)
{
	if (!request->queue)
		return publish(publisher, &request->message, err);
	amqp_lanes_watch(publisher->lanes, request->message.lane_id, request->queue);
	return amqp_lanes_declare(publisher->lanes, amqp_link_session(publisher->link), request->message.lane_id, err);
}

static bool take_requests(struct amqp_publisher *publisher, size_t *taken, struct error *err)
{
	struct amqp_session *session = amqp_link_session(publisher->link);
	struct request request;

	for (*taken = 0; *taken < BATCH; ++*taken) {
		if (amqp_session_is_blocked(session) || amqp_window_is_full(publisher->window) ||
		    !amqp_link_take_request(publisher->link, &request))
			return true;
		if (!take_request(publisher, &request, err))
			return false;
	}
	return true;
}

/* Once a second: asks for the depths, and gives up confirms that have not come. A blocked broker is spared both. */
static bool keep_watch(struct amqp_publisher *publisher, struct error *err)
{
	struct amqp_session *session = amqp_link_session(publisher->link);

	if (publisher->now_ms < publisher->declare_at_ms || amqp_session_is_blocked(session))
		return true;
	publisher->declare_at_ms = publisher->now_ms + DECLARE_INTERVAL_MS;
	amqp_window_expire(publisher->window, publisher->now_ms - CONFIRM_LIMIT_MS);
	return amqp_lanes_declare_all(publisher->lanes, session, err);
}

/* A broker may stop reading for good: RabbitMQ 3.10 does when a quorum queue is deleted under publishes that wait for
 * their confirms (the connection stays in "flow", heartbeats go on). Only a new connection helps. */
static bool is_answered(struct amqp_publisher *publisher, struct error *err)
{
	int64_t now_ms = clock_now_ms();

	if (amqp_lanes_outstanding(publisher->lanes) == 0)
		publisher->heard_at_ms = now_ms;
	if (now_ms - publisher->heard_at_ms < ANSWER_LIMIT_MS ||
	    amqp_session_is_blocked(amqp_link_session(publisher->link)))
		return true;
	return error_set(err, ERROR_TRANSIENT, "the broker has not answered for %d s", ANSWER_LIMIT_MS / 1000);
}

static bool turn(void *context, bool *again, struct error *err)
{
	struct amqp_publisher *publisher = context;
	struct amqp_session *session = amqp_link_session(publisher->link);
	size_t taken;

	publisher->now_ms = clock_now_ms();
	if (!take_requests(publisher, &taken, err))
		return false;
	if (taken > 0)
		FAILPOINT("before_publish");
	if (!amqp_session_flush(session, err))
		return false;
	if (taken > 0)
		FAILPOINT("after_publish");
	*again = taken == BATCH;
	return keep_watch(publisher, err) && amqp_session_read(session, err) && is_answered(publisher, err);
}

static bool greet(void *context, struct error *err)
{
	struct amqp_publisher *publisher = context;
	struct amqp_session *session = amqp_link_session(publisher->link);
	amqp_confirm_select_t request = {0};
	amqp_method_t answer;

	publisher->declare_at_ms = 0;
	publisher->now_ms = publisher->heard_at_ms = clock_now_ms();
	if (!amqp_topology_declare(session, err) ||
	    !amqp_session_call(session, AMQP_CONFIRM_SELECT_METHOD, &request, AMQP_CONFIRM_SELECT_OK_METHOD, &answer,
			       err) ||
	    !keep_watch(publisher, err))
		return false;
	report_state(publisher, REPORT_READY, "", "");
	return true;
}

static int64_t wait_ms(void *context)
{
	struct amqp_publisher *publisher = context;
	int64_t left_ms = publisher->declare_at_ms - clock_now_ms();

	/* Overdue only while blocked, and the end of that wakes the thread by itself. */
	return left_ms > 0 ? left_ms : DECLARE_INTERVAL_MS;
}

static void lost(void *context, const char *reason)
{
	struct amqp_publisher *publisher = context;

	amqp_lanes_lost(publisher->lanes, amqp_session_close_code(amqp_link_session(publisher->link)));
	report_state(publisher, REPORT_AWAY, "", reason);
	amqp_window_lose(publisher->window);
}

static void away(void *context)
{
	struct amqp_publisher *publisher = context;
	struct request request;

	while (amqp_link_take_request(publisher->link, &request)) {
		if (request.queue)
			amqp_lanes_watch(publisher->lanes, request.message.lane_id, request.queue);
		else
			report_unpublished(publisher, &request.message, AMQP_LOST);
	}
}

static void finish(void *context)
{
	(void)context;
}

/* ---- the loop ---- */

static void tell_settled(struct amqp_publisher *publisher, const struct amqp_receipt *receipts, size_t *count)
{
	if (*count == 0)
		return;
	publisher->unsettled -= *count;
	publisher->events.settled(publisher->events.context, receipts, *count);
	*count = 0;
}

static void tell_other(struct amqp_publisher *publisher, const struct report *report)
{
	if (report->kind == REPORT_DEPTH) {
		publisher->events.depth(publisher->events.context, report->depth.lane_id, report->depth.ready,
					report->depth.consumers);
		return;
	}
	publisher->ready = report->kind == REPORT_READY;
	publisher->events.changed(publisher->events.context, publisher->ready, report->reason);
	free(report->reason);
}

static void on_reports(void *context)
{
	struct amqp_publisher *publisher = context;
	struct amqp_receipt receipts[RECEIPTS_AT_ONCE];
	struct report report;
	size_t count = 0;

	while (amqp_link_take_report(publisher->link, &report)) {
		if (report.kind == REPORT_RECEIPT)
			receipts[count++] = report.receipt;
		if (report.kind != REPORT_RECEIPT || count == ARRAY_LENGTH(receipts))
			tell_settled(publisher, receipts, &count);
		if (report.kind != REPORT_RECEIPT)
			tell_other(publisher, &report);
	}
	tell_settled(publisher, receipts, &count);
}

static void ask_postponed(void *context)
{
	struct amqp_publisher *publisher = context;
	struct postponed *first;

	while ((first = publisher->postponed) && amqp_link_ask(publisher->link, &first->request)) {
		publisher->postponed = first->next;
		free(first);
		amqp_link_wake(publisher->link);
	}
}

void amqp_publisher_watch(struct amqp_publisher *publisher, int32_t lane_id, const char *queue)
{
	struct postponed *postponed = memory_new(sizeof(*postponed));
	struct postponed **last = &publisher->postponed;

	postponed->request.queue = memory_copy_string(queue);
	postponed->request.message.lane_id = lane_id;
	while (*last)
		last = &(*last)->next;
	*last = postponed;
	ask_postponed(publisher);
}

size_t amqp_publisher_free_slots(const struct amqp_publisher *publisher)
{
	return publisher->ready ? publisher->window_size - publisher->unsettled : 0;
}

bool amqp_publisher_submit(struct amqp_publisher *publisher, const struct message *message)
{
	struct request request = {.message = *message};

	/* A job must not overtake the queue it needs. */
	if (amqp_publisher_free_slots(publisher) == 0 || publisher->postponed ||
	    !amqp_link_ask(publisher->link, &request))
		return false;
	publisher->unsettled++;
	return true;
}

void amqp_publisher_flush(struct amqp_publisher *publisher)
{
	amqp_link_wake(publisher->link);
}

static const struct amqp_link_part part = {
	.thread_name = "publisher",
	.greet = greet,
	.turn = turn,
	.wait_ms = wait_ms,
	.lost = lost,
	.away = away,
	.finish = finish,
	.on_reports = on_reports,
	.on_tick = ask_postponed,
};

struct amqp_publisher *amqp_publisher_open(struct event_base *base, const struct amqp_publisher_settings *settings,
					   const struct amqp_publisher_events *events)
{
	struct amqp_publisher *publisher = memory_new(sizeof(*publisher));
	int64_t blocked_limit_ms = settings->blocked_limit_ms > 0 ? settings->blocked_limit_ms : BLOCKED_LIMIT_MS;
	struct amqp_link_settings link = {
		.session = {.url = settings->url,
			    .ca_file = settings->ca_file,
			    .name = settings->connection_name,
			    .stall_limit_ms = 2 * blocked_limit_ms,
			    .on_method = on_method,
			    .on_content = on_content,
			    .context = publisher},
		.part = &part,
		.context = publisher,
		.request_slots = settings->window + SPARE_SLOTS,
		.request_bytes = sizeof(struct request),
		.report_slots = settings->window + SPARE_SLOTS,
		.report_bytes = sizeof(struct report),
		.write_limit_ms = blocked_limit_ms,
	};

	publisher->events = *events;
	publisher->window_size = settings->window;
	publisher->window = amqp_window_new(WINDOW_SPAN * settings->window, report_receipt, publisher);
	publisher->lanes = amqp_lanes_new();
	publisher->link = amqp_link_new(base, &link);
	amqp_link_start(publisher->link);
	return publisher;
}

/* The thread is gone; what the rings still hold is ours. */
static void empty_rings(struct amqp_publisher *publisher)
{
	struct request request;
	struct report report;

	while (amqp_link_take_request(publisher->link, &request))
		free(request.queue);
	while (amqp_link_take_report(publisher->link, &report)) {
		if (report.kind == REPORT_READY || report.kind == REPORT_AWAY)
			free(report.reason);
	}
}

static void free_postponed(struct amqp_publisher *publisher)
{
	struct postponed *first;

	while ((first = publisher->postponed)) {
		publisher->postponed = first->next;
		free(first->request.queue);
		free(first);
	}
}

void amqp_publisher_close(struct amqp_publisher **publisher)
{
	if (!*publisher)
		return;
	amqp_link_stop((*publisher)->link);
	empty_rings(*publisher);
	free_postponed(*publisher);
	amqp_link_free(&(*publisher)->link);
	amqp_lanes_free(&(*publisher)->lanes);
	amqp_window_free(&(*publisher)->window);
	free(*publisher);
	*publisher = NULL;
}
