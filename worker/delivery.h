/* delivery - one delivery while this worker has it, from the broker's message to the acknowledgement.
 *
 * Deliveries come from a pool and go back to it; their buffers are kept, so the steady state allocates
 * nothing. A delivery is in exactly one place (a list of its lane, its step, its account, the transfer, the recorder),
 * and its state says which. delivery_enter() is the only door.
 *
 * The strings of `facts` live in facts_bytes and are valid until the delivery is released.
 */
#ifndef POSTRIDER_WORKER_DELIVERY_H
#define POSTRIDER_WORKER_DELIVERY_H

#include "shared/text.h"
#include "worker/providers/provider.h"

#define DELIVERY_PERMISSION_MS 1000 /* opt-out, pause and cancel take effect within this */

struct account;
struct lane;
struct step;

enum delivery_state {
	DELIVERY_FREE,       /* in the pool */
	DELIVERY_RECEIVED,   /* the broker gave it to us; not claimed */
	DELIVERY_CLAIMING,   /* the claim is on its way to the database */
	DELIVERY_NEEDS_STEP, /* claimed; waits for the template of its step */
	DELIVERY_READY,      /* claimed; waits for its turn at the provider */
	DELIVERY_RECHECK,    /* waited too long since the claim; asked again whether it may be sent */
	DELIVERY_SENDING,    /* the provider has it, or is about to */
	DELIVERY_RECORDING,  /* outcome known; not yet committed */
};

/* What the claim returned. */
struct delivery_facts {
	const char *address, *member_no, *first_name, *last_name, *language, *time_zone, *tier;
	const char *profile, *data; /* JSON */
	int64_t points, contact_id, contact_point_id;
	int64_t expires_at_ms;      /* clock_now_ms(): the wall clock may step */
	int64_t wall_expires_at_ms; /* the same moment for the provider, alike in every attempt */
	int64_t planned_at_ms;      /* wall clock, for dates that people see */
	int32_t attempt;            /* this one; 1 for the first */
	int32_t failures, not_sent; /* of the attempts before */
	bool was_uncertain;         /* one of them may have arrived */
};

struct delivery {
	struct delivery *next, *prev; /* utlist, of the place where it is */
	enum delivery_state state;

	int64_t delivery_id;
	int32_t epoch;
	uint64_t job_tag;
	uint32_t job_session;
	char trace_id[33];
	struct lane *lane;
	struct account *account; /* it was sent through */
	int64_t received_at_ms;  /* this clock and the ones below: clock_now_ms() */

	int64_t claim_token;
	int64_t trusted_until_ms;   /* our lease, less a margin: no request is begun after this */
	int64_t permitted_until_ms; /* consent and campaign were asked at most a second before this */
	struct step *step;
	struct delivery_facts facts;
	struct text facts_bytes;

	/* Of this message; the sender's, while it is rendered and built. NULL: there are none. */
	const char *unsubscribe_url, *preferences_url;
	struct text *
		rendered; /* by enum message_part; the pool's one message between template and request, gone with the next */
	struct provider_request request;
	/* Of what the person gets to see, whoever brings it: the first half of the digest, in hex. */
	char payload_sha256[33];
};

struct delivery_pool;

struct delivery_pool *delivery_pool_new(void) MUST_CHECK;
void delivery_pool_free(struct delivery_pool **pool);
struct delivery *delivery_take(struct delivery_pool *pool) MUST_CHECK; /* state RECEIVED */
void delivery_release(struct delivery_pool *pool, struct delivery *delivery);
size_t delivery_pool_in_use(const struct delivery_pool *pool);

void delivery_enter(struct delivery *delivery, enum delivery_state state); /* logs old -> new at debug level */
const char *delivery_state_name(enum delivery_state state);

#endif
