#include "worker/step.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/personalize.h"

static const struct pg_statement facts_statement = {
	.name = "run_step_facts",
	.sql = "select class, on_uncertain, on_undefined, attempts_max, template_version_id, subject, body_text, "
	       "body_html, link, image, data, campaign_name, partial_version_ids, partials, token_defaults, track_opens, "
	       "track_clicks, is_silent from delivery.run_step_facts($1)",
};
enum facts_column {
	COLUMN_CLASS,
	COLUMN_ON_UNCERTAIN,
	COLUMN_ON_UNDEFINED,
	COLUMN_ATTEMPTS_MAX,
	COLUMN_TEMPLATE_VERSION_ID,
	COLUMN_SUBJECT,
	COLUMN_BODY_TEXT,
	COLUMN_BODY_HTML,
	COLUMN_LINK,
	COLUMN_IMAGE,
	COLUMN_DATA,
	COLUMN_CAMPAIGN_NAME,
	COLUMN_PARTIAL_VERSION_IDS,
	COLUMN_PARTIALS,
	COLUMN_TOKEN_DEFAULTS,
	COLUMN_TRACK_OPENS,
	COLUMN_TRACK_CLICKS,
	COLUMN_IS_SILENT,
};

static const struct pg_statement problem_statement = {
	.name = "note_template_problem",
	.sql = "select delivery.note_template_problem($1, $2)",
};

#define TEMPLATE_BYTES_MAX (64 * 1024 * 1024) /* hundreds of letters */

struct step_cache {
	struct pg_session *database;
	struct template_cache *templates;
	struct step *steps; /* uthash */
	struct pg_values values;
	void (*loaded)(void *context, struct step *step);
	void *context;
};

struct load {
	struct step_cache *cache;
	int64_t run_step_id;
	enum channel channel;
};

struct step_cache *step_cache_new(struct pg_session *database, void (*loaded)(void *context, struct step *step),
				  void *context)
{
	struct step_cache *cache = memory_new(sizeof(*cache));

	*cache = (struct step_cache){.database = database, .loaded = loaded, .context = context};
	cache->templates = template_cache_new(
		&(struct template_cache_limits){.entries_max = STEPS_MAX, .source_bytes_max = TEMPLATE_BYTES_MAX});
	pg_values_init(&cache->values);
	return cache;
}

static void step_destroy(struct step_cache *cache, struct step *step)
{
	HASH_DEL(cache->steps, step);
	template_cache_release(cache->templates, &step->template);
	named_texts_free(&step->token_defaults);
	free(step->campaign_name);
	free(step->problem);
	free(step);
}

void step_cache_free(struct step_cache **cache)
{
	struct step *step, *next;

	if (*cache == NULL)
		return;
	HASH_ITER(hh, (*cache)->steps, step, next)
		step_destroy(*cache, step);
	template_cache_free(&(*cache)->templates);
	pg_values_release(&(*cache)->values);
	free(*cache);
	*cache = NULL;
}

static void make_room(struct step_cache *cache)
{
	struct step *step, *next, *oldest = NULL;

	if (HASH_COUNT(cache->steps) < STEPS_MAX)
		return;
	HASH_ITER(hh, cache->steps, step, next)
		if (step->users == 0 && step->is_loaded && (oldest == NULL || step->used_at_ms < oldest->used_at_ms))
			oldest = step;
	if (oldest != NULL)
		step_destroy(cache, oldest);
}

static void note_problem(struct step_cache *cache, const struct step *step)
{
	log_event(LOG_WARNING, "template_problem", step->problem,
		  LOG_INT("template_version", step->template_version_id));
	pg_values_add_int64(&cache->values, step->template_version_id);
	pg_values_add_text(&cache->values, step->problem);
	pg_session_ask(cache->database, &problem_statement, &cache->values, NULL, NULL);
}

static void take_template(struct step_cache *cache, struct step *step, enum channel channel, const struct pg_rows *rows)
{
	struct named_texts *partials = named_texts_read(pg_rows_text(rows, 0, COLUMN_PARTIALS, NULL));
	struct message_sources sources;
	struct text key;

	for (int part = 0; part < MESSAGE_PARTS; part++)
		sources.bytes[part] = pg_rows_text(rows, 0, COLUMN_SUBJECT + part, &sources.length[part]);
	text_init(&key, SIZE_MAX);
	text_addf(&key, "%" PRId64 " %s", step->template_version_id,
		  pg_rows_text(rows, 0, COLUMN_PARTIAL_VERSION_IDS, NULL));
	step->template = template_cache_get(cache->templates, text_string(&key), channel, &sources, partials);
	step->problem = memory_copy_string(step->template->problem);
	text_release(&key);
	named_texts_free(&partials);
}

static void fill(struct step_cache *cache, struct step *step, enum channel channel, const struct pg_rows *rows)
{
	step->is_marketing = strcmp(pg_rows_text(rows, 0, COLUMN_CLASS, NULL), "marketing") == 0;
	step->resend_uncertain = strcmp(pg_rows_text(rows, 0, COLUMN_ON_UNCERTAIN, NULL), "resend") == 0;
	step->on_undefined = personalize_policy(pg_rows_text(rows, 0, COLUMN_ON_UNDEFINED, NULL));
	step->attempts_max = (int32_t)pg_rows_int64(rows, 0, COLUMN_ATTEMPTS_MAX);
	step->template_version_id = pg_rows_int64(rows, 0, COLUMN_TEMPLATE_VERSION_ID);
	step->is_silent = pg_rows_bool(rows, 0, COLUMN_IS_SILENT);
	step->track_opens = pg_rows_bool(rows, 0, COLUMN_TRACK_OPENS);
	step->track_clicks = pg_rows_bool(rows, 0, COLUMN_TRACK_CLICKS);
	step->campaign_name = memory_copy_string(pg_rows_text(rows, 0, COLUMN_CAMPAIGN_NAME, NULL));
	step->token_defaults = named_texts_read(pg_rows_text(rows, 0, COLUMN_TOKEN_DEFAULTS, NULL));
	take_template(cache, step, channel, rows);
	if (step->problem != NULL)
		note_problem(cache, step);
}

static void ask_facts(struct load *load);

static void on_facts(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct load *load = context;
	struct step_cache *cache = load->cache;
	struct step *step;

	if (err != NULL && err->kind != ERROR_REFUSED) {
		ask_facts(load); /* the session waits until the database is back */
		return;
	}
	HASH_FIND(hh, cache->steps, &load->run_step_id, sizeof(load->run_step_id), step);
	if (err != NULL || pg_rows_count(rows) == 0)
		step->problem =
			memory_copy_string(err != NULL ? err->text : "The step is not in the database any more.");
	else
		fill(cache, step, load->channel, rows);
	free(load);
	step->is_loaded = true;
	cache->loaded(cache->context, step);
}

static void ask_facts(struct load *load)
{
	pg_values_add_int64(&load->cache->values, load->run_step_id);
	pg_session_ask(load->cache->database, &facts_statement, &load->cache->values, on_facts, load);
}

struct step *step_cache_get(struct step_cache *cache, int64_t run_step_id, enum channel channel)
{
	struct step *step;
	struct load *load;

	HASH_FIND(hh, cache->steps, &run_step_id, sizeof(run_step_id), step);
	if (step == NULL) {
		make_room(cache);
		step = memory_new(sizeof(*step));
		step->run_step_id = run_step_id;
		HASH_ADD(hh, cache->steps, run_step_id, sizeof(step->run_step_id), step);
		load = memory_new(sizeof(*load));
		*load = (struct load){.cache = cache, .run_step_id = run_step_id, .channel = channel};
		ask_facts(load);
	}
	step->users++;
	step->used_at_ms = clock_now_ms();
	return step;
}

void step_unuse(struct step *step)
{
	step->users--;
}
