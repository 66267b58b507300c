#include "shared/amqp_topology.h"

#include "shared/amqp_session.h"

static amqp_table_entry_t text_entry(const char *key, const char *value)
{
	return (amqp_table_entry_t){
		.key = amqp_cstring_bytes(key),
		.value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(value)},
	};
}

static amqp_table_entry_t number_entry(const char *key, int32_t value)
{
	return (amqp_table_entry_t){
		.key = amqp_cstring_bytes(key),
		.value = {.kind = AMQP_FIELD_KIND_I32, .value.i32 = value},
	};
}

static bool declare_exchange(struct amqp_session *session, const char *name, const char *type, struct error *err)
{
	amqp_exchange_declare_t request = {
		.exchange = amqp_cstring_bytes(name),
		.type = amqp_cstring_bytes(type),
		.durable = 1,
	};
	amqp_method_t answer;

	return amqp_session_call(session, AMQP_EXCHANGE_DECLARE_METHOD, &request, AMQP_EXCHANGE_DECLARE_OK_METHOD,
				 &answer, err) ||
	       error_wrap(err, "exchange %s", name);
}

static bool declare_dead_queue(struct amqp_session *session, struct error *err)
{
	amqp_table_entry_t entries[] = {text_entry("x-queue-type", "quorum")};
	amqp_queue_declare_t request = {
		.queue = amqp_cstring_bytes(AMQP_DEAD_QUEUE),
		.durable = 1,
		.arguments = {(int)ARRAY_LENGTH(entries), entries},
	};
	amqp_method_t answer;

	return amqp_session_call(session, AMQP_QUEUE_DECLARE_METHOD, &request, AMQP_QUEUE_DECLARE_OK_METHOD, &answer,
				 err) ||
	       error_wrap(err, "queue %s", AMQP_DEAD_QUEUE);
}

static amqp_queue_bind_t binding(const char *queue, const char *exchange)
{
	return (amqp_queue_bind_t){
		.queue = amqp_cstring_bytes(queue),
		.exchange = amqp_cstring_bytes(exchange),
		.routing_key = amqp_cstring_bytes(queue),
	};
}

static bool bind_queue(struct amqp_session *session, const char *queue, const char *exchange, struct error *err)
{
	amqp_queue_bind_t request = binding(queue, exchange);
	amqp_method_t answer;

	return amqp_session_call(session, AMQP_QUEUE_BIND_METHOD, &request, AMQP_QUEUE_BIND_OK_METHOD, &answer, err) ||
	       error_wrap(err, "queue %s", queue);
}

bool amqp_topology_declare(struct amqp_session *session, struct error *err)
{
	return declare_exchange(session, AMQP_JOBS_EXCHANGE, "direct", err) &&
	       declare_exchange(session, AMQP_DEAD_EXCHANGE, "fanout", err) && declare_dead_queue(session, err) &&
	       bind_queue(session, AMQP_DEAD_QUEUE, AMQP_DEAD_EXCHANGE, err);
}

/* The arguments of a lane's queue stand here and nowhere else. Dead letters are told at most once: what is lost of them the
 * sweeper finds, and at-least-once can leave a queue of RabbitMQ 3.10 without a process when the broker restarts. */
#define LANE_ARGUMENTS                                                                                                 \
	{                                                                                                              \
		text_entry("x-queue-type", "quorum"), number_entry("x-delivery-limit", AMQP_DELIVERY_LIMIT),           \
			text_entry("x-dead-letter-exchange", AMQP_DEAD_EXCHANGE),                                      \
	}

static amqp_queue_declare_t lane_request(const char *queue, bool as_it_is, amqp_table_t arguments)
{
	return (amqp_queue_declare_t){
		.queue = amqp_cstring_bytes(queue),
		.passive = as_it_is,
		.durable = 1,
		.arguments = arguments,
	};
}

static bool ask(struct amqp_session *session, amqp_queue_declare_t *request, int64_t *ready, int64_t *consumers,
		struct error *err)
{
	amqp_method_t answer;

	if (!amqp_session_call(session, AMQP_QUEUE_DECLARE_METHOD, request, AMQP_QUEUE_DECLARE_OK_METHOD, &answer, err))
		return false;
	const amqp_queue_declare_ok_t *declared = answer.decoded;
	if (ready)
		*ready = declared->message_count;
	if (consumers)
		*consumers = declared->consumer_count;
	return true;
}

bool amqp_topology_declare_lane(struct amqp_session *session, const char *queue, int64_t *ready, int64_t *consumers,
				struct error *err)
{
	amqp_table_entry_t entries[] = LANE_ARGUMENTS;
	amqp_queue_declare_t request = lane_request(queue, false, (amqp_table_t){(int)ARRAY_LENGTH(entries), entries});

	if (!ask(session, &request, ready, consumers, err))
		return error_wrap(err, "queue %s", queue);
	return bind_queue(session, queue, AMQP_JOBS_EXCHANGE, err);
}

bool amqp_topology_visit(struct amqp_session *session, const char *queue, int64_t *ready, int64_t *consumers,
			 struct error *err)
{
	amqp_queue_declare_t request = lane_request(queue, true, amqp_empty_table);

	return ask(session, &request, ready, consumers, err);
}

bool amqp_topology_send_lane(struct amqp_session *session, const char *queue, bool as_it_is, struct error *err)
{
	amqp_table_entry_t entries[] = LANE_ARGUMENTS;
	amqp_queue_declare_t request =
		lane_request(queue, as_it_is, (amqp_table_t){(int)ARRAY_LENGTH(entries), entries});
	amqp_queue_bind_t bind = binding(queue, AMQP_JOBS_EXCHANGE);

	return amqp_session_send(session, AMQP_QUEUE_DECLARE_METHOD, &request, err) &&
	       amqp_session_send(session, AMQP_QUEUE_BIND_METHOD, &bind, err);
}
