#include "worker/delivery.h"

#include <stdlib.h>
#include <utlist.h>

#include "shared/log.h"
#include "shared/memory.h"
#include "worker/message_template.h"

#define FACTS_BYTES_MAX (256 * 1024)
#define RENDERED_MAX    (2 * 1024 * 1024)
#define KEPT_BYTES_MAX  (64 * 1024) /* a buffer that once grew larger is given back */
#define KEPT_DELIVERIES 2048

struct delivery_pool {
	struct delivery *free;
	size_t free_count, in_use;
	struct text rendered[MESSAGE_PARTS];
};

static const char *const state_names[] = {
	[DELIVERY_FREE] = "free",         [DELIVERY_RECEIVED] = "received",
	[DELIVERY_CLAIMING] = "claiming", [DELIVERY_NEEDS_STEP] = "needs_step",
	[DELIVERY_READY] = "ready",       [DELIVERY_RECHECK] = "recheck",
	[DELIVERY_SENDING] = "sending",   [DELIVERY_RECORDING] = "recording",
};

const char *delivery_state_name(enum delivery_state state)
{
	return state_names[state];
}

struct delivery_pool *delivery_pool_new(void)
{
	struct delivery_pool *pool = memory_new(sizeof(*pool));

	for (int part = 0; part < MESSAGE_PARTS; part++)
		text_init(&pool->rendered[part], RENDERED_MAX);
	return pool;
}

static void delivery_destroy(struct delivery *delivery)
{
	text_release(&delivery->facts_bytes);
	provider_request_release(&delivery->request);
	free(delivery);
}

void delivery_pool_free(struct delivery_pool **pool)
{
	struct delivery *delivery, *next;

	if (*pool == NULL)
		return;
	LL_FOREACH_SAFE((*pool)->free, delivery, next)
		delivery_destroy(delivery);
	for (int part = 0; part < MESSAGE_PARTS; part++)
		text_release(&(*pool)->rendered[part]);
	free(*pool);
	*pool = NULL;
}

static struct delivery *delivery_new(void)
{
	struct delivery *delivery = memory_new(sizeof(*delivery));

	text_init(&delivery->facts_bytes, FACTS_BYTES_MAX);
	provider_request_init(&delivery->request);
	return delivery;
}

struct delivery *delivery_take(struct delivery_pool *pool)
{
	struct delivery *delivery = pool->free;

	if (delivery == NULL) {
		delivery = delivery_new();
	} else {
		LL_DELETE(pool->free, delivery);
		pool->free_count--;
	}
	pool->in_use++;
	delivery->next = delivery->prev = NULL;
	delivery->rendered = pool->rendered;
	delivery->step = NULL;
	delivery->claim_token = 0;
	delivery->payload_sha256[0] = '\0';
	delivery_enter(delivery, DELIVERY_RECEIVED);
	return delivery;
}

void delivery_release(struct delivery_pool *pool, struct delivery *delivery)
{
	delivery_enter(delivery, DELIVERY_FREE);
	pool->in_use--;
	if (pool->free_count >= KEPT_DELIVERIES || delivery->request.body.capacity > KEPT_BYTES_MAX ||
	    delivery->facts_bytes.capacity > KEPT_BYTES_MAX) {
		delivery_destroy(delivery);
		return;
	}
	text_clear(&delivery->facts_bytes);
	provider_request_clear(&delivery->request);
	LL_PREPEND(pool->free, delivery);
	pool->free_count++;
}

size_t delivery_pool_in_use(const struct delivery_pool *pool)
{
	return pool->in_use;
}

void delivery_enter(struct delivery *delivery, enum delivery_state state)
{
	log_event(LOG_DEBUG, "delivery_state", state_names[state], LOG_INT("delivery", delivery->delivery_id),
		  LOG_TEXT("was", state_names[delivery->state]));
	delivery->state = state;
}
