/* sender - sends one claimed delivery and decides what its answer means.
 *
 * sender_begin() is what an account starts when it is a delivery's turn: the permission is fresh, the message is
 * rendered and built, the transfer starts. The fence is asked once more right before the first byte. The answer becomes
 * an outcome (driver), a decision (retry.h) and a verdict (recorder), and teaches the account: concurrency, breaker,
 * pauses.
 *
 * Borrows everything it is given.
 */
#ifndef POSTRIDER_WORKER_SENDER_H
#define POSTRIDER_WORKER_SENDER_H

#include "shared/metrics.h"
#include "worker/inbox_writer.h"
#include "worker/lanes.h"
#include "worker/message_links.h"
#include "worker/recheck.h"
#include "worker/recorder.h"

struct sender {
	struct recorder *recorder;
	struct recheck *recheck;
	struct lanes *lanes;
	struct pg_session *questions;
	struct metrics *metrics;
	const bool *draining;
	const char *public_url;                   /* borrowed; "": providers are not told where the receiver is */
	struct text document, callback_url, said; /* scratch */
	struct template_context *templates;       /* one for all renders: its memory is kept */
	struct inbox_writer *inbox;
	struct message_links links;
	struct pg_values values;
};

void sender_init(struct sender *sender, struct recorder *recorder, struct recheck *recheck, struct lanes *lanes,
		 struct pg_session *questions, struct inbox_writer *inbox, struct links *links, struct metrics *metrics,
		 const bool *draining, const char *public_url);
void sender_release(struct sender *sender);

/* account_start; context is the sender. */
bool sender_begin(void *context, struct delivery *delivery);

/* account_token_changed; context is the sender. What waited for an access token goes on, or counts as not sent. */
void sender_token_changed(void *context, struct account *account, const struct outcome *failure);

/* Claimed, but not begun: goes back to wait its turn again. */
void sender_give_back(struct sender *sender, struct delivery *delivery, const char *waiting_for, int64_t wait_ms);

/* What waits here for an account that is not to be used goes back. */
void sender_release_paused(struct sender *sender, struct account *account, int64_t wait_ms);

/* The whole fleet stops using the account for a while; what waits for it here goes back. */
void sender_trip(struct sender *sender, struct account *account, const char *reason, const struct outcome *outcome,
		 int64_t for_ms);

#endif
