#include <stdlib.h>
#include <string.h>

#include "tests/sandbox/sandbox.h"

struct order {
	struct sandbox *sandbox;
	const char *body;
	size_t body_length;
	struct text *answer;
};

static int answer_json(struct order *order, int status, json_t *json)
{
	char *bytes = json_dumps(json, JSON_COMPACT);

	text_add(order->answer, bytes);
	text_add(order->answer, "\n");
	free(bytes);
	json_decref(json);
	return status;
}

static int answer_error(struct order *order, const char *sentence)
{
	return answer_json(order, 400, json_pack("{s:s}", "error", sentence));
}

static int list_faults(struct order *order)
{
	return answer_json(order, 200, fault_describe(&order->sandbox->faults));
}

static int add_fault(struct order *order)
{
	json_t *json = json_loadb(order->body, order->body_length, 0, NULL);
	struct error err = {0};
	bool added = json ? fault_add(&order->sandbox->faults, json, &err)
			  : error_set(&err, ERROR_INVALID, "The body is not JSON.");

	json_decref(json);
	return added ? list_faults(order) : answer_error(order, err.text);
}

static int clear_faults(struct order *order)
{
	fault_clear(&order->sandbox->faults);
	return list_faults(order);
}

static int set_latency(struct order *order)
{
	json_t *json = json_loadb(order->body, order->body_length, 0, NULL);
	json_t *ms = json_object_get(json, "ms");
	json_int_t latency_ms = json_is_integer(ms) ? json_integer_value(ms) : -1;

	json_decref(json);
	if (latency_ms < 0 || latency_ms > 3600 * 1000)
		return answer_error(order, "The body is {\"ms\": 0 to 3600000}.");
	order->sandbox->latency_ms = latency_ms;
	return answer_json(order, 200, json_pack("{s:I}", "ms", latency_ms));
}

static int count_ledger(struct order *order)
{
	struct ledger_counts counts = ledger_count(order->sandbox->ledger);

	return answer_json(order, 200,
			   json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "accepted", (json_int_t)counts.accepted,
				     "effects", (json_int_t)counts.effects, "repeats", (json_int_t)counts.repeats,
				     "distinct", (json_int_t)counts.distinct, "requests",
				     (json_int_t)order->sandbox->requests, "connections",
				     (json_int_t)order->sandbox->connections));
}

static int sync_ledger(struct order *order)
{
	ledger_sync(order->sandbox->ledger);
	return count_ledger(order);
}

static const struct {
	const char *method, *path;
	int (*answer)(struct order *order);
} routes[] = {
	{"GET", "/_sandbox/faults", list_faults},     {"POST", "/_sandbox/faults", add_fault},
	{"DELETE", "/_sandbox/faults", clear_faults}, {"POST", "/_sandbox/latency", set_latency},
	{"GET", "/_sandbox/ledger", count_ledger},    {"POST", "/_sandbox/sync", sync_ledger},
};

static bool equal(const char *word, const char *bytes, size_t length)
{
	return strlen(word) == length && memcmp(word, bytes, length) == 0;
}

int control_answer(struct sandbox *sandbox, const char *method, size_t method_length, const char *path,
		   size_t path_length, const char *body, size_t body_length, struct text *answer)
{
	struct order order = {sandbox, body, body_length, answer};

	for (size_t i = 0; i < ARRAY_LENGTH(routes); i++)
		if (equal(routes[i].method, method, method_length) && equal(routes[i].path, path, path_length))
			return routes[i].answer(&order);
	answer_json(&order, 404, json_pack("{s:s}", "error", "There is no such control address."));
	return 404;
}
