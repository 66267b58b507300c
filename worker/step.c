#include "worker/step.h"

#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

static const struct pg_statement facts_statement = {
	.name = "run_step_facts",
	.sql = "select class, on_uncertain, on_undefined, attempts_max, template_version_id, subject, body_text, "
	       "body_html, campaign_name, is_silent, link, image, data from delivery.run_step_facts($1)",
};
static const struct pg_statement problem_statement = {
	.name = "note_template_problem",
	.sql = "select delivery.note_template_problem($1, $2)",
};

struct step_cache {
	struct pg_session *database;
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
	pg_values_init(&cache->values);
	return cache;
}

static void step_destroy(struct step_cache *cache, struct step *step)
{
	HASH_DEL(cache->steps, step);
	template_free(&step->subject);
	template_free(&step->body_text);
	template_free(&step->body_html);
	template_free(&step->link);
	template_free(&step->image);
	template_free(&step->data);
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

static void compile_one(struct step *step, struct template **template, const char *name, const char *source,
			size_t length, enum template_slot slot)
{
	struct template_fault fault;
	struct text sentence;
	size_t ignored;

	if (step->problem != NULL)
		return;
	*template = template_compile(source, length, slot, &fault);
	if (*template != NULL)
		return;
	text_init(&sentence, TEMPLATE_FAULT_MAX + 100);
	text_addf(&sentence, "%s, line %d, column %d: %s", name, fault.line, fault.column, fault.text);
	step->problem = text_take(&sentence, &ignored);
}

static void note_problem(struct step_cache *cache, const struct step *step)
{
	log_event(LOG_WARNING, "template_problem", step->problem,
		  LOG_INT("template_version", step->template_version_id));
	pg_values_add_int64(&cache->values, step->template_version_id);
	pg_values_add_text(&cache->values, step->problem);
	pg_session_ask(cache->database, &problem_statement, &cache->values, NULL, NULL);
}

/* What a push or in-app message has beside its texts. */
static void compile_extras(struct step *step, const struct pg_rows *rows)
{
	const char *source;
	size_t length;

	step->is_silent = pg_rows_bool(rows, 0, 9);
	source = pg_rows_text(rows, 0, 10, &length);
	compile_one(step, &step->link, "link", source, length, TEMPLATE_SLOT_URL);
	source = pg_rows_text(rows, 0, 11, &length);
	compile_one(step, &step->image, "image", source, length, TEMPLATE_SLOT_URL);
	source = pg_rows_text(rows, 0, 12, &length);
	compile_one(step, &step->data, "data", source, length, TEMPLATE_SLOT_JSON);
}

static void fill(struct step_cache *cache, struct step *step, enum channel channel, const struct pg_rows *rows)
{
	const char *source;
	size_t length;

	step->is_marketing = strcmp(pg_rows_text(rows, 0, 0, NULL), "marketing") == 0;
	step->resend_uncertain = strcmp(pg_rows_text(rows, 0, 1, NULL), "resend") == 0;
	step->on_undefined = strcmp(pg_rows_text(rows, 0, 2, NULL), "skip") == 0 ? TEMPLATE_UNDEFINED_SKIP
										 : TEMPLATE_UNDEFINED_BLANK;
	step->attempts_max = (int32_t)pg_rows_int64(rows, 0, 3);
	step->template_version_id = pg_rows_int64(rows, 0, 4);
	step->campaign_name = memory_copy_string(pg_rows_text(rows, 0, 8, NULL));
	source = pg_rows_text(rows, 0, 5, &length);
	compile_one(step, &step->subject, "subject", source, length,
		    channel == CHANNEL_EMAIL ? TEMPLATE_SLOT_HEADER : TEMPLATE_SLOT_PLAIN);
	source = pg_rows_text(rows, 0, 6, &length);
	compile_one(step, &step->body_text, "body_text", source, length, TEMPLATE_SLOT_PLAIN);
	source = pg_rows_text(rows, 0, 7, &length);
	compile_one(step, &step->body_html, "body_html", source, length, TEMPLATE_SLOT_HTML);
	compile_extras(step, rows);
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
