/* lanes - the lanes and provider accounts that this worker knows, asked from the database again and again.
 *
 * A new lane is joined; an account whose settings change is made anew and the old one goes when its last request is
 * answered; an account that cannot be used (settings, unknown driver) is told once a minute and its lanes are not
 * joined.
 */
#ifndef POSTRIDER_WORKER_LANES_H
#define POSTRIDER_WORKER_LANES_H

#include "worker/account.h"
#include "worker/claimer.h"

struct lanes;
struct sender;

struct lanes_settings {
	struct claimer_settings claimer;
	size_t connections_max;
	const char *channels; /* "email,sms"; "": all */
};

struct lanes_events {
	struct claimer_events claimer;
	account_start *start;
	account_token_changed *token_changed;
	void (*joined)(void *context, struct lane *lane);
	void (*problem)(void *context, struct account *account);
	void (*paused)(void *context, struct account *account, int64_t pause_ms); /* by another worker */
	void *context;
	struct sender *sender; /* context of start and token_changed */
};

struct lanes *lanes_open(struct event_base *base, struct pg_session *claims, struct pg_session *questions,
			 const struct lanes_settings *settings, const struct lanes_events *events) MUST_CHECK;
void lanes_close(struct lanes **lanes);

/* Is the channel one of those in lanes_settings.channels? */
bool lanes_serve(const char *channels, const char *channel);

void lanes_refresh(struct lanes *lanes);
struct lane *lanes_find(struct lanes *lanes, int32_t lane_id);
struct lane *lanes_first(struct lanes *lanes);                       /* transactional ones first */
void lanes_pump(struct lanes *lanes, const struct account *account); /* its claimers may have room again */
void lanes_pump_accounts(struct lanes *lanes);
/* Everything that is claimed and not begun. */
struct delivery *lanes_take_ready(struct lanes *lanes);
size_t lanes_in_flight(const struct lanes *lanes);

#endif
