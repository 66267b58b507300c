/* step - what is the same for all deliveries of one step of a run: policies and compiled templates.
 *
 * Asked once from the database, kept while it is used; at most STEPS_MAX are kept, the least
 * recently used goes. A delivery whose step is not known yet waits in the step's list.
 */
#ifndef POSTRIDER_WORKER_STEP_H
#define POSTRIDER_WORKER_STEP_H

#include <uthash.h>

#include "shared/pg_session.h"
#include "worker/delivery.h"
#include "worker/template/template.h"

#define STEPS_MAX 256

struct step {
	int64_t run_step_id;
	bool is_loaded;
	int64_t template_version_id;
	bool is_marketing;
	bool is_silent; /* push: nothing is shown */
	bool resend_uncertain;
	enum template_undefined on_undefined;
	int32_t attempts_max;
	char *campaign_name;
	struct template *subject, *body_text, *body_html; /* NULL where there is a problem */
	struct template *link, *image, *data;             /* so, too */
	char *problem;                                    /* NULL: the templates work */
	struct delivery *waiting;                         /* NEEDS_STEP */
	size_t users;                                     /* deliveries that point here */
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
