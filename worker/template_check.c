#include "worker/template_check.h"

#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/message_check.h"

#define AT_ONCE    5  /* texts of up to a megabyte, between which deliveries must not wait */
#define ROUNDS_MAX 20 /* in a row; then it is the next poll's turn */
#define TOKENS_MAX 1000
#define REFUSED_MS 10000 /* the database does not take what was found: asked again after this */

static const struct pg_statement ask_statement = {
	.name = "templates_to_check",
	.sql = "select kind, version_id, channel, partials, partial_names, partial_version_ids, subject, body_text, "
	       "body_html, link, image, data from delivery.templates_to_check($1)",
};
static const struct pg_statement template_statement = {
	.name = "note_template_check",
	.sql = "select delivery.note_template_check($1, $2::text[], $3::bigint[], $4::text[], $5::text[], $6::integer[], "
	       "$7::integer[], $8::text[], $9::text[], $10::text[], $11::text[], $12::integer[], $13::boolean[], "
	       "$14::text[])",
};
static const struct pg_statement partial_statement = {
	.name = "note_partial_check",
	.sql = "select delivery.note_partial_check($1, $2)",
};

enum column {
	COLUMN_KIND,
	COLUMN_VERSION_ID,
	COLUMN_CHANNEL,
	COLUMN_PARTIALS,
	COLUMN_PARTIAL_NAMES,
	COLUMN_PARTIAL_VERSION_IDS,
	COLUMN_SUBJECT,
	COLUMN_BODY_TEXT,
	COLUMN_BODY_HTML,
	COLUMN_LINK,
	COLUMN_IMAGE,
	COLUMN_DATA,
};

struct template_check {
	struct pg_session *database;
	struct pg_values values;
	bool asked;
	int rounds;
	int64_t ask_at_ms; /* not before */
};

struct template_check *template_check_open(struct pg_session *database)
{
	struct template_check *check = memory_new(sizeof(*check));

	check->database = database;
	pg_values_init(&check->values);
	return check;
}

void template_check_close(struct template_check **check)
{
	if (*check == NULL)
		return;
	pg_values_release(&(*check)->values);
	free(*check);
	*check = NULL;
}

/* Nothing that people write may bring this about; if it happens, texts wait to be checked and somebody must know why. */
static void on_noted(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct template_check *check = context;

	(void)rows;
	if (err == NULL || err->kind != ERROR_REFUSED)
		return;
	log_event(LOG_ERROR, "check_refused", err->text);
	check->rounds = ROUNDS_MAX;
	check->ask_at_ms = clock_now_ms() + REFUSED_MS;
}

/* ---- a template ---- */

static void add_item(struct pg_values *values, const char *text)
{
	pg_values_item_text(values, text, text != NULL ? strlen(text) : 0);
}

static void add_findings(struct pg_values *values, const struct message_check *found)
{
	pg_values_start_array(values);
	for (size_t i = 0; i < found->count; i++)
		add_item(values, finding_severity_name(found->findings[i].severity));
	pg_values_end_array(values);
	pg_values_start_array(values);
	for (size_t i = 0; i < found->count; i++)
		add_item(values, message_part_name(found->findings[i].part));
	pg_values_end_array(values);
	pg_values_start_array(values);
	for (size_t i = 0; i < found->count; i++)
		pg_values_item_int64(values, found->findings[i].line);
	pg_values_end_array(values);
	pg_values_start_array(values);
	for (size_t i = 0; i < found->count; i++)
		pg_values_item_int64(values, found->findings[i].column);
	pg_values_end_array(values);
	pg_values_start_array(values);
	for (size_t i = 0; i < found->count; i++)
		add_item(values, found->findings[i].sentence);
	pg_values_end_array(values);
}

/* One array over the needs of all parts. */
static void add_needs(struct pg_values *values, const struct message_check *found,
		      void (*add)(struct pg_values *values, enum message_part part, const struct template_need *need))
{
	pg_values_start_array(values);
	for (int part = 0; part < MESSAGE_PARTS; part++) {
		const struct template *template = found->parts[part];
		size_t count = template != NULL ? template_need_count(template) : 0;

		for (size_t i = 0; i < count && i < TOKENS_MAX; i++) {
			struct template_need need = template_need_at(template, i);
			add(values, (enum message_part)part, &need);
		}
	}
	pg_values_end_array(values);
}

static void add_part(struct pg_values *values, enum message_part part, const struct template_need *need)
{
	(void)need;
	add_item(values, message_part_name(part));
}

static void add_path(struct pg_values *values, enum message_part part, const struct template_need *need)
{
	(void)part;
	pg_values_item_text(values, need->path, need->path_length);
}

static void add_partial(struct pg_values *values, enum message_part part, const struct template_need *need)
{
	(void)part;
	add_item(values, need->partial);
}

static void add_line(struct pg_values *values, enum message_part part, const struct template_need *need)
{
	(void)part;
	pg_values_item_int64(values, need->line);
}

static void add_guard(struct pg_values *values, enum message_part part, const struct template_need *need)
{
	(void)part;
	pg_values_item_bool(values, need->is_guarded);
}

static void add_default(struct pg_values *values, enum message_part part, const struct template_need *need)
{
	(void)part;
	pg_values_item_text(values, need->default_value, need->default_length);
}

static void note_template(struct template_check *check, const struct pg_rows *rows, size_t row,
			  const struct message_check *found)
{
	struct pg_values *values = &check->values;

	pg_values_add_int64(values, pg_rows_int64(rows, row, COLUMN_VERSION_ID));
	pg_values_add_text(values, pg_rows_text(rows, row, COLUMN_PARTIAL_NAMES, NULL));
	pg_values_add_text(values, pg_rows_text(rows, row, COLUMN_PARTIAL_VERSION_IDS, NULL));
	add_findings(values, found);
	add_needs(values, found, add_part);
	add_needs(values, found, add_path);
	add_needs(values, found, add_partial);
	add_needs(values, found, add_line);
	add_needs(values, found, add_guard);
	add_needs(values, found, add_default);
	pg_session_ask(check->database, &template_statement, values, on_noted, check);
}

static void check_template(struct template_check *check, const struct pg_rows *rows, size_t row,
			   struct named_texts *partials)
{
	struct message_sources sources;
	struct message_check found;
	enum channel channel;

	if (!channel_parse(pg_rows_text(rows, row, COLUMN_CHANNEL, NULL), &channel))
		return; /* a channel of a newer version: a newer worker checks it */
	for (int part = 0; part < MESSAGE_PARTS; part++)
		sources.bytes[part] = pg_rows_text(rows, row, COLUMN_SUBJECT + part, &sources.length[part]);
	message_check_run(&found, channel, &sources, partials);
	log_event(LOG_INFO, "template_checked", found.count > 0 ? found.findings[0].sentence : "It works.",
		  LOG_INT("template_version", pg_rows_int64(rows, row, COLUMN_VERSION_ID)),
		  LOG_INT("findings", found.count));
	note_template(check, rows, row, &found);
	message_check_release(&found);
}

/* ---- a partial ---- */

static void check_partial(struct template_check *check, const struct pg_rows *rows, size_t row,
			  struct named_texts *partials)
{
	const struct template_options options = {.is_marketing = true,
						 .partials = {.find = named_texts_find, .context = partials}};
	struct template_fault fault;
	struct text problem;
	size_t length;
	const char *source = pg_rows_text(rows, row, COLUMN_BODY_TEXT, &length);
	struct template *compiled = template_compile(source, length, &options, &fault);

	text_init(&problem, TEMPLATE_FAULT_MAX + 100);
	if (compiled == NULL)
		text_addf(&problem, "line %d, column %d: %s", fault.line, fault.column, fault.text);
	log_event(LOG_INFO, "partial_checked", compiled != NULL ? "It works." : text_string(&problem),
		  LOG_INT("partial_version", pg_rows_int64(rows, row, COLUMN_VERSION_ID)));
	pg_values_add_int64(&check->values, pg_rows_int64(rows, row, COLUMN_VERSION_ID));
	pg_values_add_text(&check->values, compiled != NULL ? NULL : text_string(&problem));
	pg_session_ask(check->database, &partial_statement, &check->values, on_noted, check);
	text_release(&problem);
	template_free(&compiled);
}

/* ---- what waits ---- */

static void ask(struct template_check *check);

static void on_answer(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct template_check *check = context;
	size_t count = err == NULL ? pg_rows_count(rows) : 0;

	check->asked = false;
	for (size_t row = 0; row < count; row++) {
		struct named_texts *partials = named_texts_read(pg_rows_text(rows, row, COLUMN_PARTIALS, NULL));

		if (strcmp(pg_rows_text(rows, row, COLUMN_KIND, NULL), "partial") == 0)
			check_partial(check, rows, row, partials);
		else
			check_template(check, rows, row, partials);
		named_texts_free(&partials);
	}
	/* What is noted comes before the next question; a partial that works now may be what a template waits for. */
	if (count > 0 && ++check->rounds < ROUNDS_MAX)
		ask(check);
}

static void ask(struct template_check *check)
{
	check->asked = true;
	pg_values_add_int64(&check->values, AT_ONCE);
	pg_session_ask(check->database, &ask_statement, &check->values, on_answer, check);
}

void template_check_poll(struct template_check *check)
{
	if (check->asked || clock_now_ms() < check->ask_at_ms)
		return;
	check->rounds = 0;
	ask(check);
}
