#include "tests/sandbox/callback_order.h"

#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

enum { WAIT_MAX_MS = 3600 * 1000 };

static const char *const kind_names[CALLBACK_KIND_COUNT] = {
	[CALLBACK_SENT] = "sent",
	[CALLBACK_DEFERRED] = "deferred",
	[CALLBACK_DELIVERED] = "delivered",
	[CALLBACK_BOUNCED] = "bounced",
	[CALLBACK_BOUNCED_SOFT] = "bounced_soft",
	[CALLBACK_FAILED] = "failed",
	[CALLBACK_OPENED] = "opened",
	[CALLBACK_CLICKED] = "clicked",
	[CALLBACK_COMPLAINED] = "complained",
	[CALLBACK_UNSUBSCRIBED] = "unsubscribed",
	[CALLBACK_REPLIED] = "replied",
};

const char *callback_kind_name(enum callback_kind kind)
{
	return kind_names[kind];
}

static bool find_kind(const char *name, unsigned kinds, enum callback_kind *kind)
{
	for (int i = 0; i < CALLBACK_REPLIED; i++) {
		if (strcmp(name, kind_names[i]) != 0 || !(kinds & CALLBACK_BIT(i)))
			continue;
		*kind = (enum callback_kind)i;
		return true;
	}
	return false;
}

static bool is_share(double share)
{
	return share >= 0 && share <= 1;
}

static bool read_row(struct callback_order *order, const json_t *json, struct error *err)
{
	struct callback_row row = {.is_planned = true, .share = 1};
	json_int_t shortest_ms = 0, longest_ms = 0;
	enum callback_kind kind;
	const char *name;
	json_error_t why;

	if (json_unpack_ex((json_t *)(uintptr_t)json, &why, JSON_STRICT, "{s:s, s?F, s?[I,I], s?i}", "event", &name,
			   "share", &row.share, "delay_ms", &shortest_ms, &longest_ms, "code", &row.code) != 0)
		return error_set(err, ERROR_INVALID, "plan: %s.", why.text);
	if (!find_kind(name, order->vendor->callbacks->kinds, &kind))
		return error_set(err, ERROR_INVALID, "%s does not tell %s.", order->vendor->name, name);
	if (!is_share(row.share) || shortest_ms < 0 || longest_ms < shortest_ms || longest_ms > WAIT_MAX_MS)
		return error_set(err, ERROR_INVALID, "plan: share is from 0 to 1, delay_ms is [from, to].");
	row.shortest_ms = shortest_ms;
	row.longest_ms = longest_ms;
	order->rows[kind] = row;
	return true;
}

static bool read_url(struct callback_order *order, const char *url, struct error *err)
{
	struct evhttp_uri *uri = evhttp_uri_parse(url);
	const char *host = uri ? evhttp_uri_get_host(uri) : NULL;
	const char *scheme = uri ? evhttp_uri_get_scheme(uri) : NULL;
	bool usable = host && scheme && strcmp(scheme, "http") == 0 &&
		      (strcmp(host, "127.0.0.1") == 0 || strcmp(host, "localhost") == 0);

	if (usable) {
		order->host = memory_copy_string("127.0.0.1");
		order->port = (uint16_t)(evhttp_uri_get_port(uri) > 0 ? evhttp_uri_get_port(uri) : 80);
		order->path = memory_copy_string(*evhttp_uri_get_path(uri) ? evhttp_uri_get_path(uri) : "/");
	}
	if (uri)
		evhttp_uri_free(uri);
	return usable || error_set(err, ERROR_INVALID, "url begins with http://127.0.0.1:PORT/.");
}

static bool read_plan(struct callback_order *order, const json_t *plan, struct error *err)
{
	size_t i;
	json_t *row;

	json_array_foreach((json_t *)(uintptr_t)plan, i, row) if (!read_row(order, row, err)) return false;
	if (!is_share(order->early) || !is_share(order->twice) || !is_share(order->forged) || !is_share(order->late))
		return error_set(err, ERROR_INVALID, "early, twice, late and forged are shares from 0 to 1.");
	return true;
}

static bool read_into(struct callback_order *order, const json_t *json, struct error *err)
{
	const char *account, *vendor, *url, *public_url = NULL, *secret = "", *credential = NULL;
	json_int_t late_ms = 3000, batch_ms = 20, retry_ms = 100, seed = 1;
	int is_out_of_order = 0;
	json_t *plan = NULL;
	json_error_t why;

	if (json_unpack_ex((json_t *)(uintptr_t)json, &why, JSON_STRICT,
			   "{s:s, s:s, s:s, s?s, s?s, s?s, s?o, s?F, s?F, s?F, s?F, s?I, s?I, s?I, s?I, s?b}",
			   "account", &account, "vendor", &vendor, "url", &url, "public_url", &public_url, "secret",
			   &secret, "credential", &credential, "plan", &plan, "early", &order->early, "twice",
			   &order->twice, "forged", &order->forged, "late", &order->late, "late_ms", &late_ms,
			   "batch_ms", &batch_ms, "retry_ms", &retry_ms, "seed", &seed, "out_of_order",
			   &is_out_of_order) != 0)
		return error_set(err, ERROR_INVALID, "An order for callbacks: %s.", why.text);
	order->vendor = vendor_find(vendor);
	if (!order->vendor || !order->vendor->callbacks)
		return error_set(err, ERROR_INVALID, "%s does not call back.", vendor);
	if (late_ms < 0 || late_ms > WAIT_MAX_MS || batch_ms < 0 || batch_ms > WAIT_MAX_MS || retry_ms < 1 ||
	    retry_ms > WAIT_MAX_MS)
		return error_set(err, ERROR_INVALID, "late_ms, batch_ms and retry_ms are at most an hour.");
	order->account = memory_copy_string(account);
	order->credential = memory_copy_string(credential);
	order->public_url = memory_copy_string(public_url ? public_url : url);
	order->secret = memory_copy_string(secret);
	order->late_ms = late_ms;
	order->batch_ms = batch_ms;
	order->retry_ms = retry_ms;
	order->seed = seed;
	order->is_out_of_order = is_out_of_order;
	return read_url(order, url, err) && read_plan(order, plan, err);
}

bool callback_order_read(struct callback_order *order, const json_t *json, struct error *err)
{
	struct callback_order read = {0};

	if (!read_into(&read, json, err)) {
		callback_order_release(&read);
		return false;
	}
	*order = read;
	return true;
}

void callback_order_release(struct callback_order *order)
{
	free(order->account);
	free(order->credential);
	free(order->host);
	free(order->path);
	free(order->public_url);
	free(order->secret);
	*order = (struct callback_order){0};
}

/* A number from 0 to 1 that follows from seed, message and the matter alone: FNV-1a, then mixed (splitmix64). */
static double draw(const struct callback_order *order, struct span identity, const char *matter, int number)
{
	uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)order->seed;

	for (size_t i = 0; i < identity.length; i++)
		hash = (hash ^ (unsigned char)identity.bytes[i]) * 0x100000001b3u;
	for (; *matter; matter++)
		hash = (hash ^ (unsigned char)*matter) * 0x100000001b3u;
	hash = (hash ^ (uint64_t)number) * 0x100000001b3u;
	hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
	hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
	hash ^= hash >> 31;
	return (double)(hash >> 11) / (double)(1ull << 53);
}

static void add_step(const struct callback_order *order, struct span identity, enum callback_kind kind,
		     int64_t after_ms, struct callback_fate *fate)
{
	const struct callback_row *row = &order->rows[kind];
	double range_ms = (double)(row->longest_ms - row->shortest_ms);
	struct callback_step *step = &fate->steps[fate->count++];

	*step = (struct callback_step){
		.kind = kind,
		.wait_ms = after_ms + row->shortest_ms + (int64_t)(range_ms * draw(order, identity, "wait", (int)kind)),
		.is_twice = draw(order, identity, "twice", (int)kind) < order->twice,
		.is_late = draw(order, identity, "late", (int)kind) < order->late,
		.code = row->code,
	};
	if (step->is_late)
		step->wait_ms += order->late_ms;
}

static bool happens(const struct callback_order *order, struct span identity, enum callback_kind kind)
{
	const struct callback_row *row = &order->rows[kind];

	return row->is_planned && draw(order, identity, "share", (int)kind) < row->share;
}

/* Addresses that say what becomes of them. */
static const struct {
	const char *vendor, *word;
	enum callback_kind kind;
} wishes[] = {
	{"mandrill", "hard_bounce@", CALLBACK_BOUNCED}, {"mandrill", "soft_bounce@", CALLBACK_BOUNCED_SOFT},
	{"mandrill", "spam@", CALLBACK_COMPLAINED},     {NULL, "bounce-hard", CALLBACK_BOUNCED},
	{NULL, "bounce-soft", CALLBACK_BOUNCED_SOFT},   {NULL, "complain", CALLBACK_COMPLAINED},
	{NULL, "unsubscribe", CALLBACK_UNSUBSCRIBED},
};

static bool find_wish(const struct callback_order *order, struct span recipient, enum callback_kind *kind)
{
	for (size_t i = 0; i < ARRAY_LENGTH(wishes); i++) {
		if (wishes[i].vendor && strcmp(wishes[i].vendor, order->vendor->name) != 0)
			continue;
		if (!span_contains(recipient, wishes[i].word))
			continue;
		*kind = wishes[i].kind;
		return order->vendor->callbacks->kinds & CALLBACK_BIT(wishes[i].kind);
	}
	return false;
}

/* +150066CCCCC at Twilio: accepted, then undelivered with that code. */
static int wished_code(const struct callback_order *order, struct span recipient)
{
	static const char start[] = "+150066";

	if (strcmp(order->vendor->name, "twilio") != 0 || !span_starts(recipient, start))
		return 0;
	return (int)span_number(span_skip(recipient, sizeof(start) - 1), 99999);
}

/* One of the four that exclude each other; CALLBACK_KIND_COUNT: none. */
static enum callback_kind draw_end(const struct callback_order *order, struct span identity)
{
	double drawn = draw(order, identity, "end", 0);

	for (int kind = CALLBACK_DELIVERED; kind <= CALLBACK_FAILED; kind++) {
		const struct callback_row *row = &order->rows[kind];

		if (row->is_planned && drawn < row->share)
			return (enum callback_kind)kind;
		drawn -= row->is_planned ? row->share : 0;
	}
	return CALLBACK_KIND_COUNT;
}

static int64_t last_wait_ms(const struct callback_fate *fate)
{
	return fate->count > 0 ? fate->steps[fate->count - 1].wait_ms : 0;
}

/* What the person does with what arrived. */
static void draw_after(const struct callback_order *order, struct span identity, enum callback_kind wish,
		       struct callback_fate *fate)
{
	int64_t delivered_ms = last_wait_ms(fate);

	for (int kind = CALLBACK_OPENED; kind <= CALLBACK_UNSUBSCRIBED; kind++)
		if (wish == (enum callback_kind)kind || happens(order, identity, (enum callback_kind)kind))
			add_step(order, identity, (enum callback_kind)kind, delivered_ms, fate);
}

/* The last to happen is the first to be told. */
static void turn_round(struct callback_fate *fate)
{
	for (size_t i = 0; i < fate->count / 2; i++) {
		struct callback_step *first = &fate->steps[i], *last = &fate->steps[fate->count - 1 - i];
		int64_t wait_ms = first->wait_ms;

		first->wait_ms = last->wait_ms;
		last->wait_ms = wait_ms;
	}
}

void callback_fate_draw(const struct callback_order *order, struct span identity, struct span recipient,
			struct callback_fate *fate)
{
	int code = wished_code(order, recipient);
	enum callback_kind end = draw_end(order, identity), wish = CALLBACK_KIND_COUNT;

	*fate = (struct callback_fate){
		.is_early = draw(order, identity, "early", 0) < order->early,
		.has_forged = draw(order, identity, "forged", 0) < order->forged,
	};
	if (code > 0)
		end = CALLBACK_BOUNCED_SOFT;
	else if (find_wish(order, recipient, &wish))
		end = wish < CALLBACK_OPENED ? wish : CALLBACK_DELIVERED;
	for (int kind = CALLBACK_SENT; kind <= CALLBACK_DEFERRED; kind++)
		if (happens(order, identity, (enum callback_kind)kind))
			add_step(order, identity, (enum callback_kind)kind, last_wait_ms(fate), fate);
	if (end == CALLBACK_KIND_COUNT)
		return;
	add_step(order, identity, end, last_wait_ms(fate), fate);
	if (code > 0)
		fate->steps[fate->count - 1].code = code;
	if (end == CALLBACK_DELIVERED)
		draw_after(order, identity, wish, fate);
	if (order->is_out_of_order)
		turn_round(fate);
}
