#include "worker/previews.h"

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/personalize.h"
#include "worker/template/segments.h"

#define AT_ONCE         5            /* between two of which deliveries must not wait */
#define ROUNDS_MAX      20           /* in a row; then it is the next poll's turn */
#define DOCUMENT_MAX    (512 * 1024) /* as for a delivery */
#define EXPLANATION_MAX (TEMPLATE_FAULT_MAX + 100)

static const struct pg_statement ask_statement = {
	.name = "previews_to_make",
	.sql = "select preview_id, channel, on_undefined, template_version_id, partials, token_defaults, asked_at_ms, "
	       "contact_id, points, member_no, first_name, last_name, language, time_zone, tier, profile, message_data, subject, "
	       "body_text, body_html, link, image, data from delivery.previews_to_make($1)",
};
static const struct pg_statement note_statement = {
	.name = "note_preview",
	.sql = "select delivery.note_preview($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};

enum column {
	COLUMN_PREVIEW_ID,
	COLUMN_CHANNEL,
	COLUMN_ON_UNDEFINED,
	COLUMN_TEMPLATE_VERSION_ID,
	COLUMN_PARTIALS,
	COLUMN_TOKEN_DEFAULTS,
	COLUMN_ASKED_AT_MS,
	COLUMN_CONTACT_ID,
	COLUMN_POINTS,
	COLUMN_MEMBER_NO,
	COLUMN_FIRST_NAME,
	COLUMN_LAST_NAME,
	COLUMN_LANGUAGE,
	COLUMN_TIME_ZONE,
	COLUMN_TIER,
	COLUMN_PROFILE,
	COLUMN_MESSAGE_DATA,
	COLUMN_SUBJECT,
	COLUMN_BODY_TEXT,
	COLUMN_BODY_HTML,
	COLUMN_LINK,
	COLUMN_IMAGE,
	COLUMN_DATA,
};

struct previews {
	struct pg_session *database;
	struct pg_values values;
	struct delivery_pool *pool;
	struct template_context *context;
	struct text document, remark; /* scratch */
	bool asked;
	int rounds;
};

struct previews *previews_open(struct pg_session *database)
{
	struct previews *previews = memory_new(sizeof(*previews));

	previews->database = database;
	previews->pool = delivery_pool_new();
	previews->context = template_context_new();
	text_init(&previews->document, DOCUMENT_MAX);
	text_init(&previews->remark, TEMPLATE_FAULT_MAX);
	pg_values_init(&previews->values);
	return previews;
}

void previews_close(struct previews **previews)
{
	if (*previews == NULL)
		return;
	pg_values_release(&(*previews)->values);
	text_release(&(*previews)->remark);
	text_release(&(*previews)->document);
	template_context_free(&(*previews)->context);
	delivery_pool_free(&(*previews)->pool);
	free(*previews);
	*previews = NULL;
}

static struct delivery_facts facts_of(const struct pg_rows *rows, size_t row)
{
	return (struct delivery_facts){
		.member_no = pg_rows_text(rows, row, COLUMN_MEMBER_NO, NULL),
		.first_name = pg_rows_text(rows, row, COLUMN_FIRST_NAME, NULL),
		.last_name = pg_rows_text(rows, row, COLUMN_LAST_NAME, NULL),
		.language = pg_rows_text(rows, row, COLUMN_LANGUAGE, NULL),
		.time_zone = pg_rows_text(rows, row, COLUMN_TIME_ZONE, NULL),
		.tier = pg_rows_text(rows, row, COLUMN_TIER, NULL),
		.profile = pg_rows_text(rows, row, COLUMN_PROFILE, NULL),
		.data = pg_rows_text(rows, row, COLUMN_MESSAGE_DATA, NULL),
		.points = pg_rows_int64(rows, row, COLUMN_POINTS),
		.contact_id = pg_rows_int64(rows, row, COLUMN_CONTACT_ID),
		.planned_at_ms = pg_rows_int64(rows, row, COLUMN_ASKED_AT_MS),
	};
}

static const char *outcome_of(enum personalize_result result)
{
	switch (result) {
	case PERSONALIZE_OK:
		return "sent";
	case PERSONALIZE_MISSING_TOKEN:
	case PERSONALIZE_ABORTED:
		return "skipped";
	case PERSONALIZE_FAILED:
		break;
	}
	return "failed";
}

static void add_segments(struct previews *previews, const struct text *body, bool is_sms)
{
	struct segments segments;

	if (!is_sms) {
		pg_values_add_null(&previews->values);
		pg_values_add_null(&previews->values);
		return;
	}
	segments = segments_count(text_string(body), body->length);
	text_clear(&previews->remark);
	segments_explain(&segments, &previews->remark);
	pg_values_add_int64(&previews->values, (int64_t)segments.count);
	pg_values_add_text(&previews->values, text_string(&previews->remark));
}

static void note(struct previews *previews, const struct pg_rows *rows, size_t row, enum personalize_result result,
		 const char *explanation, const struct delivery *delivery, bool is_sms)
{
	struct pg_values *values = &previews->values;
	bool made = result == PERSONALIZE_OK;

	pg_values_add_int64(values, pg_rows_int64(rows, row, COLUMN_PREVIEW_ID));
	if (pg_rows_is_null(rows, row, COLUMN_TEMPLATE_VERSION_ID))
		pg_values_add_null(values);
	else
		pg_values_add_int64(values, pg_rows_int64(rows, row, COLUMN_TEMPLATE_VERSION_ID));
	pg_values_add_text(values, outcome_of(result));
	pg_values_add_text(values, made ? NULL : explanation);
	pg_values_add_text(values, made ? text_string(&delivery->rendered[MESSAGE_SUBJECT]) : NULL);
	pg_values_add_text(values, made ? text_string(&delivery->rendered[MESSAGE_BODY_TEXT]) : NULL);
	pg_values_add_text(values, made ? text_string(&delivery->rendered[MESSAGE_BODY_HTML]) : NULL);
	add_segments(previews, &delivery->rendered[MESSAGE_BODY_TEXT], made && is_sms);
	pg_session_ask(previews->database, &note_statement, values, NULL, NULL);
}

static struct message_template *compile(const struct pg_rows *rows, size_t row, enum channel channel)
{
	struct named_texts *partials = named_texts_read(pg_rows_text(rows, row, COLUMN_PARTIALS, NULL));
	struct message_sources sources;
	struct message_template *template;

	for (int part = 0; part < MESSAGE_PARTS; part++)
		sources.bytes[part] = pg_rows_text(rows, row, COLUMN_SUBJECT + part, &sources.length[part]);
	template = message_template_compile(channel, &sources, partials);
	named_texts_free(&partials);
	return template;
}

static void make(struct previews *previews, const struct pg_rows *rows, size_t row, enum channel channel)
{
	struct message_template *template = compile(rows, row, channel);
	struct step step = {
		.template = template,
		.problem = template->problem,
		.campaign_name = (char[]){"Preview"},
		.on_undefined = personalize_policy(pg_rows_text(rows, row, COLUMN_ON_UNDEFINED, NULL)),
		.token_defaults = named_texts_read(pg_rows_text(rows, row, COLUMN_TOKEN_DEFAULTS, NULL)),
	};
	struct delivery *delivery = delivery_take(previews->pool);
	char explanation[EXPLANATION_MAX];
	enum personalize_result result;

	delivery->step = &step;
	delivery->facts = facts_of(rows, row);
	result = personalize(delivery, previews->context, &previews->document, explanation, sizeof(explanation));
	note(previews, rows, row, result, explanation, delivery, channel == CHANNEL_SMS);
	delivery_release(previews->pool, delivery);
	named_texts_free(&step.token_defaults);
	message_template_free(&template);
}

static void ask(struct previews *previews);

static void on_answer(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct previews *previews = context;
	size_t count = err == NULL ? pg_rows_count(rows) : 0;
	enum channel channel;

	previews->asked = false;
	for (size_t row = 0; row < count; row++) {
		struct delivery nothing = {0};

		if (pg_rows_is_null(rows, row, COLUMN_TEMPLATE_VERSION_ID))
			note(previews, rows, row, PERSONALIZE_FAILED, "The template has no version: add its texts.",
			     &nothing, false);
		else if (channel_parse(pg_rows_text(rows, row, COLUMN_CHANNEL, NULL), &channel))
			make(previews, rows, row, channel);
	}
	if (count == AT_ONCE && ++previews->rounds < ROUNDS_MAX)
		ask(previews);
}

static void ask(struct previews *previews)
{
	previews->asked = true;
	pg_values_add_int64(&previews->values, AT_ONCE);
	pg_session_ask(previews->database, &ask_statement, &previews->values, on_answer, previews);
}

void previews_poll(struct previews *previews)
{
	if (previews->asked)
		return;
	previews->rounds = 0;
	ask(previews);
}
