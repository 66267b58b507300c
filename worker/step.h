/* step - what is the same for all deliveries of one step of a run: policies, compiled texts, defaults of tokens.
 *
 * Asked once from the database, kept while it is used; at most STEPS_MAX are kept, the least
 * recently used goes. Steps with the same texts share them (template_cache). A delivery whose step is not known yet
 * waits in the step's list.
 */
#ifndef POSTRIDER_WORKER_STEP_H
#define POSTRIDER_WORKER_STEP_H

#include <uthash.h>

#include "shared/pg_session.h"
#include "worker/delivery.h"
#include "worker/template_cache.h"

#define STEPS_MAX 256

struct step {
	int64_t run_step_id;
	bool is_loaded;
	int64_t template_version_id;
	bool is_marketing;
	bool is_silent; /* push: nothing is shown */
	bool resend_uncertain;
	bool track_opens, track_clicks;
	enum template_undefined on_undefined;
	int32_t attempts_max;
	char *campaign_name;
	const struct message_template *template; /* may have a problem; NULL: the database does not know the step */
	struct named_texts *token_defaults;      /* as the run has them */
	char *problem;                           /* why nothing of it can be rendered; NULL: it can */
	struct delivery *waiting;                /* NEEDS_STEP */
	size_t users;                            /* deliveries that point here */
	int64_t used_at_ms;
	UT_hash_handle hh;
};

struct step_cache;

/* loaded() runs when a step is known; its waiting list is the caller's to take. lost() when the database does not
 * know it. */
struct step_cache *step_cache_new(struct pg_session *database, void (*loaded)(void *context, struct step *step),
				  void *context) MUST_CHECK;
void step_cache_free(struct step_cache **cache);

/* Finds or begins to load. Check is_loaded. */
struct step *step_cache_get(struct step_cache *cache, int64_t run_step_id, enum channel channel);
void step_unuse(struct step *step);

#endif
