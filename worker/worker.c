#include "worker/worker.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "shared/amqp_consumer.h"
#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/failpoint.h"
#include "shared/health.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/account_check.h"
#include "worker/claimer.h"
#include "worker/lanes.h"
#include "worker/links/links.h"
#include "worker/malformed.h"
#include "worker/meters.h"
#include "worker/previews.h"
#include "worker/recheck.h"
#include "worker/recorder.h"
#include "worker/sender.h"
#include "worker/settings.h"
#include "worker/step.h"
#include "worker/template_check.h"

#define STATEMENT_TIMEOUT_MS 30000
#define TICK_MS              500

/* What the worker cannot do without, and what the log was told of it last. */
enum part_told { PART_TOLD_NOTHING, PART_TOLD_AWAY, PART_TOLD_READY };
struct part {
	const char *name;
	enum part_told told;
};

struct worker {
	struct event_base *base;
	char name[100];
	struct metrics *metrics;
	struct health *health;
	struct part database, broker;
	/* Claims never wait behind records, and neither behind the small questions. */
	struct pg_session *claims, *records, *questions;
	bool claims_ready, records_ready, questions_ready;
	struct amqp_consumer *consumer;
	uint32_t newest_session;
	struct delivery_pool *pool;
	struct account_check *account_check;
	struct step_cache *steps;
	struct template_check *template_check;
	struct previews *previews;
	struct recorder *recorder;
	struct recheck *recheck;
	struct lanes *lanes;
	struct links *links; /* NULL: messages have none */
	struct inbox_writer *inbox;
	struct event *tick, *drain_deadline;
	bool draining;
	struct sender sender;
};

static void leave_if_drained(struct worker *worker)
{
	if (worker->draining && delivery_pool_in_use(worker->pool) == 0)
		event_base_loopbreak(worker->base);
}

/* Back to the pool. The broker hears of it when the job is settled; an unsettled one is given to somebody else. */
static void forget(struct worker *worker, struct delivery *delivery, bool settle)
{
	if (settle)
		amqp_consumer_settle(worker->consumer, delivery->job_session, delivery->job_tag);
	if (delivery->step != NULL)
		step_unuse(delivery->step);
	delivery_release(worker->pool, delivery);
	leave_if_drained(worker);
}

static void forget_all(struct worker *worker, struct delivery *list, bool settle)
{
	struct delivery *delivery, *next;

	DL_FOREACH_SAFE(list, delivery, next)
		forget(worker, delivery, settle);
}

static void on_recorded(void *context, struct delivery *delivery)
{
	forget(context, delivery, true);
}

static void on_batch_recorded(void *context, size_t count, size_t moved)
{
	struct worker *worker = context;

	metrics_add(worker->metrics, METER_RECORDED, 0, (int64_t)moved);
	if (moved < count)
		metrics_add(worker->metrics, METER_LOST_CLAIMS, 0, (int64_t)(count - moved));
}

/* The account may have been stopped while the claim was on its way. What waited for it here was given back then. */
static void make_ready(struct worker *worker, struct delivery *delivery)
{
	struct account *account = delivery->lane->account;
	int64_t now_ms = clock_now_ms();

	if (account_is_paused(account, now_ms))
		sender_give_back(&worker->sender, delivery, "the provider", account->paused_until_ms - now_ms);
	else
		account_add(account, delivery);
}

static void on_claimed(void *context, struct delivery *delivery, int64_t run_step_id)
{
	struct worker *worker = context;

	delivery->step = step_cache_get(worker->steps, run_step_id, delivery->lane->account->channel);
	if (delivery->step->is_loaded)
		make_ready(worker, delivery);
	else
		DL_APPEND(delivery->step->waiting, delivery);
}

static void on_step_loaded(void *context, struct step *step)
{
	struct worker *worker = context;
	struct delivery *delivery, *next, *waiting = step->waiting;

	step->waiting = NULL;
	DL_FOREACH_SAFE(waiting, delivery, next)
		make_ready(worker, delivery);
	lanes_pump_accounts(worker->lanes);
}

static void on_dropped(void *context, struct delivery *delivery, const char *refusal)
{
	struct worker *worker = context;

	metrics_add(worker->metrics, refusal == NULL ? METER_STALE : METER_REFUSED, 0, 1);
	forget(worker, delivery, true);
}

static void on_claim_done(void *context, struct lane *lane, size_t asked, size_t claimed)
{
	struct worker *worker = context;

	(void)asked;
	metrics_add(worker->metrics, METER_CLAIMED, 0, (int64_t)claimed);
	account_pump(lane->account);
}

static void on_rechecked(void *context, struct delivery *delivery, const struct verdict *refusal)
{
	struct worker *worker = context;

	if (refusal == NULL) {
		make_ready(worker, delivery);
		account_pump(delivery->lane->account);
		return;
	}
	metrics_add(worker->metrics, METER_REFUSED, 0, 1);
	recorder_add(worker->recorder, delivery, refusal);
}

static void refuse_job(struct worker *worker, const struct amqp_job *job, const char *why)
{
	metrics_add(worker->metrics, METER_MALFORMED, 0, 1);
	malformed_note(worker->questions, worker->consumer, job, why);
}

static void take_job(struct worker *worker, const struct amqp_job *job)
{
	struct lane *lane = lanes_find(worker->lanes, job->subscription);
	struct message message;
	struct error err = {0};
	struct delivery *delivery;

	if (job->length >= MESSAGE_BYTES_MAX || lane == NULL) {
		refuse_job(worker, job, lane == NULL ? "no such lane" : "the message is too long");
		return;
	}
	if (!message_decode(&message, job->body, job->length, &err)) {
		refuse_job(worker, job, err.text);
		return;
	}
	delivery = delivery_take(worker->pool);
	delivery->delivery_id = message.delivery_id;
	delivery->epoch = message.epoch;
	memcpy(delivery->trace_id, message.trace_id, sizeof(delivery->trace_id));
	delivery->job_tag = job->tag;
	delivery->job_session = job->session;
	delivery->lane = lane;
	delivery->received_at_ms = clock_now_ms();
	claimer_add(lane->claimer, delivery);
}

/* The broker has given what the old connection held to somebody else, or to us again. */
static void enter_session(struct worker *worker, uint32_t session)
{
	struct lane *lane;

	worker->newest_session = session;
	DL_FOREACH(lanes_first(worker->lanes), lane)
		forget_all(worker, claimer_take_unclaimed(lane->claimer, session), false);
}

static void on_jobs(void *context, const struct amqp_job *jobs, size_t count)
{
	struct worker *worker = context;
	struct lane *lane;

	if (worker->draining)
		return; /* unsettled: somebody else gets them */
	metrics_add(worker->metrics, METER_JOBS, 0, (int64_t)count);
	if (count > 0 && jobs[count - 1].session > worker->newest_session)
		enter_session(worker, jobs[count - 1].session);
	FAILPOINT("after_receive");
	for (size_t i = 0; i < count; i++)
		if (jobs[i].session == worker->newest_session)
			take_job(worker, &jobs[i]);
	DL_FOREACH(lanes_first(worker->lanes), lane)
		claimer_pump(lane->claimer);
}

/* /readyz has the newest reason; the log hears of it when a part goes and when it comes back. */
static void tell(struct worker *worker, struct part *part, bool ready, const char *reason)
{
	enum part_told now = ready ? PART_TOLD_READY : PART_TOLD_AWAY;

	health_report(worker->health, part->name, ready, reason);
	if (part->told == now)
		return;
	part->told = now;
	log_event(ready ? LOG_INFO : LOG_WARNING, ready ? "part_ready" : "part_away", ready ? "It works." : reason,
		  LOG_TEXT("part", part->name));
}

static void tell_database(struct worker *worker, const char *reason)
{
	bool ready = worker->claims_ready && worker->records_ready && worker->questions_ready;

	if (ready || (reason != NULL && *reason != '\0')) /* one session is back, the others are not: nothing new */
		tell(worker, &worker->database, ready, reason);
}

static void on_claims_changed(void *context, bool ready, const char *reason)
{
	((struct worker *)context)->claims_ready = ready;
	tell_database(context, reason);
}

static void on_records_changed(void *context, bool ready, const char *reason)
{
	((struct worker *)context)->records_ready = ready;
	tell_database(context, reason);
}

static void on_questions_changed(void *context, bool ready, const char *reason)
{
	struct worker *worker = context;

	worker->questions_ready = ready;
	tell_database(worker, reason);
	if (ready)
		lanes_refresh(worker->lanes);
}

static void on_consumer_changed(void *context, bool ready, const char *reason)
{
	struct worker *worker = context;

	tell(worker, &worker->broker, ready, reason);
}

static void on_lane(void *context, struct lane *lane)
{
	struct worker *worker = context;
	int64_t prefetch = worker_settings.prefetch;

	if (lane->account->per_second > 0 && lane->account->per_second * 5 + 10 < (double)prefetch)
		prefetch = (int64_t)(lane->account->per_second * 5) + 10;
	log_event(LOG_INFO, "lane_joined", lane->queue_name, LOG_INT("lane", lane->lane_id),
		  LOG_INT("prefetch", prefetch));
	amqp_consumer_subscribe(worker->consumer, lane->lane_id, lane->queue_name, (uint16_t)prefetch);
}

static void on_account_problem(void *context, struct account *account)
{
	struct worker *worker = context;
	struct outcome told = {.code = "settings"};

	snprintf(told.words, sizeof(told.words), "%.*s", (int)sizeof(told.words) - 1, account->problem);
	sender_trip(&worker->sender, account, "The account cannot be used", &told, 30000);
}

static void on_account_paused(void *context, struct account *account, int64_t pause_ms)
{
	struct worker *worker = context;

	sender_release_paused(&worker->sender, account, pause_ms);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct worker *worker = context;

	(void)fd, (void)what;
	metrics_set(worker->metrics, METER_IN_HAND, 0, (int64_t)delivery_pool_in_use(worker->pool));
	metrics_set(worker->metrics, METER_IN_FLIGHT, 0, (int64_t)lanes_in_flight(worker->lanes));
	if (!worker->questions_ready || worker->draining)
		return;
	lanes_refresh(worker->lanes);
	account_check_look(worker->account_check);
	template_check_poll(worker->template_check);
	previews_poll(worker->previews);
}

static struct pg_session *open_session(struct worker *worker, const char *what, pg_session_changed *changed)
{
	char application_name[64];
	const struct pg_session_settings settings = {
		.url = worker_settings.database_url,
		.application_name = application_name,
		.statement_timeout_ms = STATEMENT_TIMEOUT_MS,
	};

	snprintf(application_name, sizeof(application_name), "postrider-worker %s", what);
	return pg_session_open(worker->base, &settings, changed, worker);
}

static void name_worker(struct worker *worker)
{
	char host[64] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(worker->name, sizeof(worker->name), "%s-%ld-%04x", host, (long)getpid(),
		 (unsigned)(backoff_random() & 0xffff));
}

static void open_parts(struct worker *worker)
{
	const struct recorder_settings recorder_settings = {.worker_name = worker->name,
							    .linger_ms = worker_settings.record_linger_ms,
							    .batch_max = (size_t)worker_settings.record_batch};
	const struct amqp_consumer_settings consumer_settings = {
		.url = worker_settings.amqp_url,
		.ca_file = worker_settings.amqp_ca_file[0] != '\0' ? worker_settings.amqp_ca_file : NULL,
		.connection_name = worker->name,
		.ring_slots = (size_t)worker_settings.prefetch * 4,
	};
	const struct amqp_consumer_events consumer_events = {
		.changed = on_consumer_changed, .jobs = on_jobs, .context = worker};
	const struct lanes_settings lanes_settings = {
		.claimer = {.worker_name = worker->name,
			    .lease_ms = worker_settings.lease_ms,
			    .linger_ms = worker_settings.claim_linger_ms,
			    .batch_max = (size_t)worker_settings.claim_batch},
		.connections_max = (size_t)worker_settings.connections,
		.channels = worker_settings.channels,
	};
	const struct lanes_events lanes_events = {.claimer = {.claimed = on_claimed,
							      .dropped = on_dropped,
							      .batch_done = on_claim_done,
							      .context = worker},
						  .start = sender_begin,
						  .token_changed = sender_token_changed,
						  .joined = on_lane,
						  .problem = on_account_problem,
						  .paused = on_account_paused,
						  .context = worker,
						  .sender = &worker->sender};

	worker->claims = open_session(worker, "claims", on_claims_changed);
	worker->records = open_session(worker, "records", on_records_changed);
	worker->questions = open_session(worker, "questions", on_questions_changed);
	worker->account_check = account_check_open(worker->questions, worker_settings.channels);
	worker->steps = step_cache_new(worker->questions, on_step_loaded, worker);
	worker->template_check = template_check_open(worker->questions);
	worker->previews = previews_open(worker->questions);
	worker->recorder = recorder_open(worker->base, worker->records, &recorder_settings, on_batch_recorded,
					 on_recorded, worker);
	worker->recheck = recheck_open(worker->base, worker->questions, on_rechecked, worker);
	worker->consumer = amqp_consumer_open(worker->base, &consumer_settings, &consumer_events);
	worker->lanes = lanes_open(worker->base, worker->claims, worker->questions, &lanes_settings, &lanes_events);
	worker->inbox = inbox_writer_open(worker->base, worker_settings.database_url);
	sender_init(&worker->sender, worker->recorder, worker->recheck, worker->lanes, worker->questions, worker->inbox,
		    worker->links, worker->metrics, &worker->draining, worker_settings.public_url);
}

struct worker *worker_open(struct event_base *base, struct error *err)
{
	struct worker *worker = memory_new(sizeof(*worker));
	const struct timeval tick = {.tv_usec = TICK_MS * 1000};

	worker->base = base;
	name_worker(worker);
	worker->metrics = metrics_new(meters_table, METER_COUNT);
	if (links_open(&worker->links, worker_settings.link_url, worker_settings.link_key, err))
		worker->health = health_open(base, worker_settings.listen, worker->metrics, err);
	if (worker->health == NULL) {
		links_close(&worker->links);
		metrics_free(&worker->metrics);
		free(worker);
		return NULL;
	}
	worker->pool = delivery_pool_new();
	worker->broker.name = "broker";
	worker->database.name = "database";
	health_report(worker->health, worker->broker.name, false, "connecting");
	health_report(worker->health, worker->database.name, false, "connecting");
	open_parts(worker);
	worker->tick = event_new(base, -1, EV_PERSIST, on_tick, worker);
	event_add(worker->tick, &tick);
	log_event(LOG_INFO, "started", worker->name, LOG_INT("port", health_port(worker->health)));
	if (worker->links == NULL)
		log_event(
			LOG_INFO, "links_off",
			"POSTRIDER_LINK_URL is not set: nothing is tracked, and marketing email has no List-Unsubscribe.");
	return worker;
}

static void on_drain_deadline(evutil_socket_t fd, short what, void *context)
{
	struct worker *worker = context;

	(void)fd, (void)what;
	log_event(LOG_WARNING, "drain_deadline", "Leaving with deliveries in hand; their leases will run out.",
		  LOG_INT("in_hand", delivery_pool_in_use(worker->pool)));
	event_base_loopbreak(worker->base);
}

void worker_drain(struct worker *worker)
{
	const struct timeval deadline = {.tv_sec = worker_settings.drain_ms / 1000,
					 .tv_usec = (worker_settings.drain_ms % 1000) * 1000};
	struct delivery *delivery, *next, *ready;
	struct lane *lane;

	if (worker->draining) {
		event_base_loopbreak(worker->base);
		return;
	}
	worker->draining = true;
	log_event(LOG_INFO, "draining", "Finishing what is in flight.",
		  LOG_INT("in_hand", delivery_pool_in_use(worker->pool)));
	health_report(worker->health, "worker", false, "draining");
	amqp_consumer_stop(worker->consumer);
	worker->drain_deadline = evtimer_new(worker->base, on_drain_deadline, worker);
	evtimer_add(worker->drain_deadline, &deadline);
	DL_FOREACH(lanes_first(worker->lanes), lane)
		forget_all(worker, claimer_take_unclaimed(lane->claimer, UINT32_MAX), false);
	ready = lanes_take_ready(worker->lanes);
	DL_FOREACH_SAFE(ready, delivery, next)
		sender_give_back(&worker->sender, delivery, "its turn", 0);
	leave_if_drained(worker);
}

void worker_close(struct worker **worker)
{
	struct worker *w = *worker;

	if (w == NULL)
		return;
	log_event(LOG_INFO, "stopped", w->name);
	event_free(w->tick);
	if (w->drain_deadline != NULL)
		event_free(w->drain_deadline);
	amqp_consumer_close(&w->consumer);
	pg_session_close(&w->claims);
	pg_session_close(&w->records);
	pg_session_close(&w->questions);
	recorder_close(&w->recorder);
	recheck_close(&w->recheck);
	inbox_writer_close(&w->inbox);
	lanes_close(&w->lanes);
	account_check_close(&w->account_check);
	step_cache_free(&w->steps);
	template_check_close(&w->template_check);
	previews_close(&w->previews);
	delivery_pool_free(&w->pool);
	health_close(&w->health);
	metrics_free(&w->metrics);
	sender_release(&w->sender);
	links_close(&w->links);
	free(w);
	*worker = NULL;
}
