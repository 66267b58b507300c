#include "scheduler/dead_letters.h"

#include <stdlib.h>

#include "scheduler/meters.h"
#include "shared/amqp_consumer.h"
#include "shared/log.h"
#include "shared/memory.h"

#define PREFETCH     50 /* each is a statement; there should be none */
#define SUBSCRIPTION 1

struct dead_letters {
	struct database *database;
	struct metrics *metrics;
	struct amqp_consumer *consumer;
	struct letter *letters;
};

/* One on its way to the database. */
struct letter {
	struct dead_letters *dead_letters;
	uint32_t session;
	uint64_t tag;
	struct letter *previous, *next;
};

static void forget(struct letter *letter)
{
	if (letter->previous)
		letter->previous->next = letter->next;
	else
		letter->dead_letters->letters = letter->next;
	if (letter->next)
		letter->next->previous = letter->previous;
	free(letter);
}

static void on_noted(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct letter *letter = context;
	struct dead_letters *dead_letters = letter->dead_letters;

	/* Not written down, it is lost here; its delivery is not, the sweeper finds that. To hold it back would only
	 * stop the others. */
	if (err)
		log_event(LOG_ERROR, "dead_letter_failed", "A dead message could not be written down.",
			  LOG_TEXT("reason", err->text));
	else
		log_event(LOG_WARNING, "dead_letter", "A message died on the broker.",
			  LOG_TEXT("outcome", pg_rows_text(rows, 0, 0, NULL)));
	metrics_add(dead_letters->metrics, METER_DEAD_LETTERS, 0, 1);
	amqp_consumer_settle(dead_letters->consumer, letter->session, letter->tag);
	forget(letter);
}

/* Whatever stands in it can then be shown and logged. */
static void add_body(struct pg_values *values, const struct amqp_job *job)
{
	size_t kept = job->length < sizeof(job->body) ? job->length : sizeof(job->body);
	char *body = memory_copy_bytes(job->body, kept);

	for (size_t i = 0; i < kept; i++) {
		if (body[i] < ' ' || body[i] > '~')
			body[i] = '?';
	}
	pg_values_add_text(values, body);
	free(body);
}

static void add_values(struct pg_values *values, const struct amqp_job *job)
{
	struct message message;
	struct error err;
	bool is_readable = false;

	if (job->length > sizeof(job->body))
		error_set(&err, ERROR_INVALID, "a message of %" PRIu32 " bytes is too long", job->length);
	else
		is_readable = message_decode(&message, job->body, job->length, &err);
	pg_values_add_text(values,
			   is_readable ? "The broker gave it up: delivered too often without an answer." : err.text);
	add_body(values, job);
	if (is_readable) {
		pg_values_add_int64(values, message.delivery_id);
		pg_values_add_int64(values, message.epoch);
	} else {
		pg_values_add_null(values);
		pg_values_add_null(values);
	}
}

static void note(struct dead_letters *dead_letters, const struct amqp_job *job)
{
	static const struct pg_statement statement = {"note_dead_letter",
						      "select delivery.note_dead_letter('broker', $1, $2, $3, $4)"};
	struct letter *letter = memory_new(sizeof(*letter));
	struct pg_values values;

	letter->dead_letters = dead_letters;
	letter->session = job->session;
	letter->tag = job->tag;
	letter->next = dead_letters->letters;
	if (letter->next)
		letter->next->previous = letter;
	dead_letters->letters = letter;
	pg_values_init(&values);
	add_values(&values, job);
	database_ask(dead_letters->database, DATABASE_HOUSE, &statement, &values, on_noted, letter);
	pg_values_release(&values);
}

static void on_jobs(void *context, const struct amqp_job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		note(context, &jobs[i]);
}

/* The publisher has a connection to the same broker and tells about it. */
static void on_changed(void *context, bool ready, const char *reason)
{
	(void)context;
	log_event(LOG_DEBUG, ready ? "dead_letters_ready" : "dead_letters_away", "The dead-letter queue's connection.",
		  LOG_TEXT("reason", reason));
}

struct dead_letters *dead_letters_open(struct event_base *base, const struct scheduler_settings *settings,
				       struct database *database, struct metrics *metrics)
{
	struct dead_letters *dead_letters = memory_new(sizeof(*dead_letters));
	const struct amqp_consumer_settings consumer = {
		.url = settings->amqp_url,
		.ca_file = *settings->amqp_ca_file ? settings->amqp_ca_file : NULL,
		.connection_name = "postrider-scheduler dead letters",
		.ring_slots = PREFETCH,
	};
	const struct amqp_consumer_events events = {on_changed, on_jobs, dead_letters};

	dead_letters->database = database;
	dead_letters->metrics = metrics;
	dead_letters->consumer = amqp_consumer_open(base, &consumer, &events);
	amqp_consumer_subscribe(dead_letters->consumer, SUBSCRIPTION, AMQP_DEAD_QUEUE, PREFETCH);
	return dead_letters;
}

void dead_letters_close(struct dead_letters **dead_letters)
{
	if (!*dead_letters)
		return;
	amqp_consumer_close(&(*dead_letters)->consumer);
	while ((*dead_letters)->letters)
		forget((*dead_letters)->letters);
	free(*dead_letters);
	*dead_letters = NULL;
}

void dead_letters_stop(struct dead_letters *dead_letters)
{
	amqp_consumer_stop(dead_letters->consumer);
}
