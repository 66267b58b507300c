#include <stdlib.h>

#include "tests/sandbox/accounts.h"
#include "tests/sandbox/callbacks.h"
#include "tests/sandbox/certificates.h"
#include "tests/sandbox/rate.h"
#include "tests/sandbox/sandbox.h"
#include "tests/sandbox/subscription.h"
#include "tests/sandbox/vendor.h"

struct order {
	struct sandbox *sandbox;
	struct span body;
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

/* NULL when it is no JSON. */
static json_t *read_body(const struct order *order)
{
	return json_loadb(order->body.length > 0 ? order->body.bytes : "", order->body.length, 0, NULL);
}

static int list_faults(struct order *order)
{
	return answer_json(order, 200, fault_describe(&order->sandbox->faults));
}

static int add_fault(struct order *order)
{
	json_t *json = read_body(order);
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
	json_t *json = read_body(order);
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

static int list_accounts(struct order *order)
{
	return answer_json(order, 200, accounts_describe(order->sandbox->accounts));
}

static int change_account(struct order *order)
{
	json_t *json = read_body(order);
	struct error err = {0};
	bool changed = accounts_change(order->sandbox->accounts, json, &err);

	json_decref(json);
	return changed ? list_accounts(order) : answer_error(order, err.text);
}

static int list_callbacks(struct order *order)
{
	return answer_json(order, 200, callbacks_describe(order->sandbox->callbacks));
}

static int take_callbacks(struct order *order, bool (*take)(struct callbacks *, const json_t *, struct error *))
{
	json_t *json = read_body(order);
	struct error err = {0};
	bool taken = take(order->sandbox->callbacks, json, &err);

	json_decref(json);
	return taken ? list_callbacks(order) : answer_error(order, err.text);
}

static int order_callbacks(struct order *order)
{
	return take_callbacks(order, callbacks_order);
}

static int reply(struct order *order)
{
	return take_callbacks(order, callbacks_reply);
}

static int clear_callbacks(struct order *order)
{
	callbacks_clear(order->sandbox->callbacks);
	return list_callbacks(order);
}

static int set_rate(struct order *order)
{
	json_t *json = read_body(order);
	const char *name = json_string_value(json_object_get(json, "vendor"));
	const json_t *per_second = json_object_get(json, "per_second");
	const struct vendor *vendor = name ? vendor_find(name) : NULL;
	bool makes_sense = vendor && json_is_number(per_second) && json_number_value(per_second) >= 0;

	if (makes_sense)
		rate_set(order->sandbox, vendor, json_number_value(per_second));
	json_decref(json);
	return makes_sense ? answer_json(order, 200, json_object())
			   : answer_error(order, "The body is {\"vendor\": \"...\", \"per_second\": number}.");
}

static int set_certificate(struct order *order)
{
	json_t *json = read_body(order);
	const char *mode = json_string_value(json_object_get(json, "mode"));
	bool is_set = order->sandbox->certificates && mode && certificates_choose(order->sandbox->certificates, mode);

	json_decref(json);
	return is_set ? answer_json(order, 200, json_object())
		      : answer_error(order, "mode is good, other_ca, wrong_host or expired, with --https-port.");
}

static json_t *subscriptions(const char *name, json_int_t first, json_int_t count, const char *origin)
{
	json_t *all = json_array();
	struct text numbered;

	text_init(&numbered, 1024);
	for (json_int_t i = first; i < first + count; i++) {
		text_clear(&numbered);
		text_addf(&numbered, "%s-%lld", name, (long long)i);
		json_array_append_new(all, subscription_describe(origin, text_string(&numbered)));
	}
	text_release(&numbered);
	return all;
}

static int make_subscriptions(struct order *order)
{
	json_t *json = read_body(order);
	const char *name = "member", *origin = NULL;
	json_int_t first = 1, count = 1;
	struct text own;
	int status;

	text_init(&own, 64);
	text_addf(&own, "http://127.0.0.1:%d", order->sandbox->http_port);
	if (json_unpack_ex(json, NULL, JSON_STRICT, "{s?s, s?I, s?I, s?s}", "name", &name, "first", &first, "count",
			   &count, "origin", &origin) != 0 ||
	    count < 1 || count > 2000 || first < 0)
		status = answer_error(order, "The body is {\"name\", \"first\", \"count\" up to 2000, \"origin\"}.");
	else
		status =
			answer_json(order, 200, subscriptions(name, first, count, origin ? origin : text_string(&own)));
	text_release(&own);
	json_decref(json);
	return status;
}

static const struct {
	const char *method, *path;
	int (*answer)(struct order *order);
} routes[] = {
	{"GET", "/_sandbox/faults", list_faults},
	{"POST", "/_sandbox/faults", add_fault},
	{"DELETE", "/_sandbox/faults", clear_faults},
	{"POST", "/_sandbox/latency", set_latency},
	{"POST", "/_sandbox/rates", set_rate},
	{"GET", "/_sandbox/ledger", count_ledger},
	{"POST", "/_sandbox/sync", sync_ledger},
	{"GET", "/_sandbox/accounts", list_accounts},
	{"POST", "/_sandbox/accounts", change_account},
	{"GET", "/_sandbox/callbacks", list_callbacks},
	{"POST", "/_sandbox/callbacks", order_callbacks},
	{"DELETE", "/_sandbox/callbacks", clear_callbacks},
	{"POST", "/_sandbox/replies", reply},
	{"POST", "/_sandbox/subscriptions", make_subscriptions},
	{"POST", "/_sandbox/certificate", set_certificate},
};

int control_answer(struct sandbox *sandbox, struct span method, struct span path, struct span body, struct text *answer)
{
	struct order order = {sandbox, body, answer};

	for (size_t i = 0; i < ARRAY_LENGTH(routes); i++)
		if (span_equal(method, routes[i].method) && span_equal(path, routes[i].path))
			return routes[i].answer(&order);
	return answer_json(&order, 404, json_pack("{s:s}", "error", "There is no such control address."));
}
