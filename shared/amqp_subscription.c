#include "shared/amqp_subscription.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/amqp_topology.h"
#include "shared/memory.h"

#define CONSUMER_TAG_MAX 100

struct amqp_subscription *amqp_subscription_new(int32_t number, const char *queue, uint16_t prefetch)
{
	struct amqp_subscription *subscription = memory_new(sizeof(*subscription));

	subscription->number = number;
	subscription->queue = memory_copy_string(queue);
	subscription->prefetch = prefetch;
	text_init(&subscription->tag, CONSUMER_TAG_MAX);
	return subscription;
}

void amqp_subscription_append(struct amqp_subscription **list, struct amqp_subscription *subscription)
{
	while (*list)
		list = &(*list)->next;
	*list = subscription;
}

void amqp_subscriptions_free(struct amqp_subscription **list)
{
	struct amqp_subscription *first;

	while ((first = *list)) {
		*list = first->next;
		text_release(&first->tag);
		free(first->queue);
		free(first);
	}
}

static bool tag_matches(const struct amqp_subscription *subscription, amqp_bytes_t tag)
{
	return subscription->tag.length == tag.len && memcmp(subscription->tag.bytes, tag.bytes, tag.len) == 0;
}

struct amqp_subscription *amqp_subscription_find(struct amqp_subscription *list, amqp_bytes_t tag)
{
	while (list && !tag_matches(list, tag))
		list = list->next;
	return list;
}

void amqp_subscription_name(struct amqp_subscription *subscription, uint64_t random, unsigned count)
{
	text_clear(&subscription->tag);
	text_addf(&subscription->tag, "postrider-%ld-%" PRIx64 "-%u", (long)getpid(), random, count);
}

bool amqp_subscription_declare(const struct amqp_subscription *subscription, struct amqp_session *session,
			       struct error *err)
{
	if (strcmp(subscription->queue, AMQP_DEAD_QUEUE) == 0)
		return amqp_topology_declare(session, err);
	return subscription->as_it_is || amqp_topology_declare_lane(session, subscription->queue, NULL, NULL, err);
}

/* The prefetch is per consumer (global = 0) and holds for the consumers that follow. */
bool amqp_subscription_consume(const struct amqp_subscription *subscription, struct amqp_session *session,
			       struct error *err)
{
	amqp_basic_qos_t qos = {.prefetch_count = subscription->prefetch};
	amqp_basic_consume_t request = {
		.queue = amqp_cstring_bytes(subscription->queue),
		.consumer_tag = {subscription->tag.length, subscription->tag.bytes},
	};
	amqp_method_t answer;

	return (amqp_session_call(session, AMQP_BASIC_QOS_METHOD, &qos, AMQP_BASIC_QOS_OK_METHOD, &answer, err) &&
		amqp_session_call(session, AMQP_BASIC_CONSUME_METHOD, &request, AMQP_BASIC_CONSUME_OK_METHOD, &answer,
				  err)) ||
	       error_wrap(err, "queue %s", subscription->queue);
}

bool amqp_subscription_cancel(const struct amqp_subscription *subscription, struct amqp_session *session,
			      struct error *err)
{
	amqp_basic_cancel_t request = {.consumer_tag = {subscription->tag.length, subscription->tag.bytes}};
	amqp_method_t answer;

	return amqp_session_call(session, AMQP_BASIC_CANCEL_METHOD, &request, AMQP_BASIC_CANCEL_OK_METHOD, &answer,
				 err);
}
