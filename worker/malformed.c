#include "worker/malformed.h"

#include <stdlib.h>

#include "shared/log.h"
#include "shared/memory.h"

static const struct pg_statement dead_letter_statement = {
	.name = "note_dead_letter", .sql = "select delivery.note_dead_letter('worker', $1, $2, null, null)"};

struct malformed {
	struct pg_session *database;
	struct amqp_consumer *consumer;
	struct amqp_job job;
	struct error why;
};

static void ask(struct malformed *malformed);

static void on_noted(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct malformed *malformed = context;

	(void)rows;
	if (err != NULL && err->kind != ERROR_REFUSED) {
		ask(malformed);
		return;
	}
	amqp_consumer_settle(malformed->consumer, malformed->job.session, malformed->job.tag);
	free(malformed);
}

static void ask(struct malformed *malformed)
{
	const struct amqp_job *job = &malformed->job;
	struct pg_values values;
	struct text shown;

	text_init(&shown, 8 * MESSAGE_BYTES_MAX);
	text_add_json_string(&shown, job->body, job->length < MESSAGE_BYTES_MAX ? job->length : MESSAGE_BYTES_MAX);
	pg_values_init(&values);
	pg_values_add_text(&values, malformed->why.text);
	pg_values_add_text(&values, text_string(&shown));
	pg_session_ask(malformed->database, &dead_letter_statement, &values, on_noted, malformed);
	pg_values_release(&values);
	text_release(&shown);
}

void malformed_note(struct pg_session *database, struct amqp_consumer *consumer, const struct amqp_job *job,
		    const char *why)
{
	struct malformed *malformed = memory_new(sizeof(*malformed));

	log_event(LOG_WARNING, "message_malformed", why, LOG_INT("bytes", job->length));
	*malformed = (struct malformed){.database = database, .consumer = consumer, .job = *job};
	error_set(&malformed->why, ERROR_INVALID, "%s", why);
	ask(malformed);
}
