/* account - one provider account in this worker: who may send when, and how many at once.
 *
 * Claimed deliveries wait here for their turn, transactional ones first. A turn needs a free place (concurrency.h), a
 * moment of the account's rate (leased from the database for the whole fleet, fail closed) and an account that is
 * neither paused nor broken, and where the provider wants an access token, one that is valid (token.h). The account decides when; what is done with a delivery is the caller's: start() begins it.
 *
 * room() tells the claimer how many more are worth claiming: what is claimed ages, what waits on the broker does not.
 */
#ifndef POSTRIDER_WORKER_ACCOUNT_H
#define POSTRIDER_WORKER_ACCOUNT_H

#include "shared/pg_session.h"
#include "worker/breaker.h"
#include "worker/concurrency.h"
#include "worker/delivery.h"
#include "worker/token.h"
#include "worker/transfer.h"

struct event;
struct event_base;

/* Begins to send; the delivery is in nobody's list. False: it did not start, the place is free again. */
typedef bool account_start(void *context, struct delivery *delivery);

struct account;
/* An access token is there (failure NULL), or none can be had. */
typedef void account_token_changed(void *context, struct account *account, const struct outcome *failure);

struct account {
	int32_t provider_account_id;
	char *name, *settings_text;
	size_t connections_max;
	enum channel channel;
	const struct provider_driver *driver;
	struct provider_account *provider; /* NULL: see problem */
	char problem[ERROR_TEXT_MAX];      /* why it cannot be used; "" */
	struct transfer_pool *pool;
	struct token *token; /* NULL: the provider wants none */
	struct concurrency concurrency;
	struct breaker breaker;
	bool breaker_is_open;                  /* in the database, when last looked at */
	int64_t paused_at_ms, paused_until_ms; /* this clock */

	struct delivery *ready[2]; /* transactional, marketing */
	size_t ready_count, in_flight;

	double per_second; /* 0: no rate limit */
	int64_t slots, next_slot_us, gap_us;
	bool rate_asked;

	struct event *timer;
	struct pg_session *database;
	struct pg_values values;
	account_start *start;
	account_token_changed *token_changed; /* set by the caller; NULL: nobody is told */
	void *context;
	struct account *next, *prev;
};

struct account *account_new(struct event_base *base, struct pg_session *database, int32_t provider_account_id,
			    const char *name, const char *driver, const char *settings_text, enum channel channel,
			    size_t connections_max, account_start *start, void *context) MUST_CHECK;
/* Ready deliveries must have been taken away; what is in flight is aborted without a word. */
void account_free(struct account **account);

void account_add(struct account *account, struct delivery *delivery); /* state READY */
void account_pump(struct account *account);                           /* starts what may start now */
size_t account_room(const struct account *account, int64_t now_ms);

/* After each answer: frees the place, adapts, and tells whether the fleet must stop using the account. */
struct breaker_advice account_note(struct account *account, enum outcome_class class, int64_t duration_us,
				   int64_t now_ms);
void account_pause(struct account *account, int64_t for_ms);
bool account_is_paused(const struct account *account, int64_t now_ms);
/* Takes everything that waits, in the order it would have gone. NULL when empty. */
struct delivery *account_take_ready(struct account *account);

#endif
