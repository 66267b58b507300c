#include "tests/sandbox/fault.h"

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "tests/sandbox/ledger.h"
#include "tests/sandbox/vendor.h"

static const char *const kind_names[FAULT_KIND_COUNT] = {
	[FAULT_STATUS] = "status",
	[FAULT_RETRY_AFTER] = "retry_after",
	[FAULT_HANG] = "hang",
	[FAULT_RESET_AFTER_BODY] = "reset_after_body",
	[FAULT_CLOSE_ON_REUSE] = "close_on_reuse",
	[FAULT_ACCEPT_THEN_RESET] = "accept_then_reset",
	[FAULT_SLOW] = "slow",
	[FAULT_GARBAGE] = "garbage",
	[FAULT_REFUSE_RCPT] = "refuse_rcpt",
	[FAULT_GREYLIST] = "greylist",
	[FAULT_DROP_BEFORE_DOT] = "drop_before_dot",
	[FAULT_DROP_AFTER_DOT] = "drop_after_dot",
	[FAULT_BANNER_421] = "banner_421",
	[FAULT_GOAWAY] = "goaway",
	[FAULT_REFUSED_STREAM] = "refused_stream",
};

static const int kind_status[FAULT_KIND_COUNT] = {
	[FAULT_STATUS] = 503,
	[FAULT_RETRY_AFTER] = 429,
	[FAULT_REFUSE_RCPT] = 550,
	[FAULT_GREYLIST] = 451,
};

static bool is_at(const struct fault *fault, const struct fault_place *place)
{
	if (!fault->vendor)
		return !place->is_side_matter;
	return place->vendor && strcmp(fault->vendor, place->vendor) == 0;
}

static bool matches(const struct fault *fault, const struct fault_place *place)
{
	if (fault->times == 0 || fault->protocol != place->protocol || !(place->kinds & FAULT_BIT(fault->kind)))
		return false;
	if (!is_at(fault, place))
		return false;
	return !fault->recipient || (place->recipient_length > 0 && memmem(place->recipient, place->recipient_length,
									   fault->recipient, strlen(fault->recipient)));
}

/* The n-th of those seen is hit where n * share passes a whole number. */
static bool is_hit(struct fault *fault)
{
	double before = (double)fault->seen * fault->share + 1e-9;
	double after = (double)(fault->seen + 1) * fault->share + 1e-9;

	fault->seen++;
	return (int64_t)after > (int64_t)before;
}

const struct fault *fault_take(struct fault_list *list, const struct fault_place *place)
{
	for (size_t i = 0; i < list->count; i++) {
		struct fault *fault = &list->faults[i];

		if (!matches(fault, place) || !is_hit(fault))
			continue;
		fault->fired++;
		if (fault->times > 0)
			fault->times--;
		return fault;
	}
	return NULL;
}

static bool find_kind(const char *name, enum fault_kind *kind)
{
	for (int i = 0; i < FAULT_KIND_COUNT; i++) {
		if (strcmp(name, kind_names[i]) != 0)
			continue;
		*kind = (enum fault_kind)i;
		return true;
	}
	return false;
}

static bool check(const struct fault *fault, const char *protocol, int64_t body_bytes, struct error *err)
{
	if (strcmp(protocol, "http") != 0 && strcmp(protocol, "smtp") != 0)
		return error_set(err, ERROR_INVALID, "protocol is http or smtp, not %s.", protocol);
	if (!(fault->share > 0 && fault->share <= 1))
		return error_set(err, ERROR_INVALID, "share is above 0 and at most 1.");
	if (fault->status < 200 || fault->status > 599)
		return error_set(err, ERROR_INVALID, "status is from 200 to 599.");
	if (fault->latency_ms < 0 || body_bytes < 0 || body_bytes > 2 * 1024 * 1024)
		return error_set(err, ERROR_INVALID, "latency_ms and body_bytes (2 MiB) are out of bounds.");
	return true;
}

bool fault_add(struct fault_list *list, const json_t *order, struct error *err)
{
	const char *protocol, *name, *retry_after = "2", *recipient = NULL, *vendor = NULL;
	json_int_t latency_ms = 1000, times = -1, body_bytes = 0;
	int status = 0, accept = 0;
	struct fault fault = {.share = 1};
	json_error_t why;

	if (json_unpack_ex((json_t *)(uintptr_t)order, &why, JSON_STRICT,
			   "{s:s, s:s, s?i, s?s, s?I, s?F, s?I, s?s, s?b, s?I, s?s}", "protocol", &protocol, "fault",
			   &name, "status", &status, "retry_after", &retry_after, "latency_ms", &latency_ms, "share",
			   &fault.share, "times", &times, "recipient", &recipient, "accept", &accept, "body_bytes",
			   &body_bytes, "vendor", &vendor) != 0)
		return error_set(err, ERROR_INVALID, "A fault: %s.", why.text);
	if (!find_kind(name, &fault.kind))
		return error_set(err, ERROR_INVALID, "There is no fault %s.", name);
	if (vendor && !vendor_find(vendor))
		return error_set(err, ERROR_INVALID, "There is no vendor %s.", vendor);
	fault.status = status ? status : kind_status[fault.kind] ? kind_status[fault.kind] : 200;
	fault.latency_ms = latency_ms;
	if (!check(&fault, protocol, body_bytes, err))
		return false;
	fault.protocol = strcmp(protocol, "http") == 0 ? LEDGER_HTTP : LEDGER_SMTP;
	fault.times = times;
	fault.accept = accept || fault.kind == FAULT_ACCEPT_THEN_RESET;
	fault.body_bytes = (size_t)body_bytes;
	fault.retry_after = memory_copy_string(retry_after);
	fault.recipient = memory_copy_string(recipient);
	fault.vendor = memory_copy_string(vendor);
	list->faults = memory_grow(list->faults, list->count + 1, sizeof(*list->faults));
	list->faults[list->count++] = fault;
	return true;
}

void fault_clear(struct fault_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->faults[i].retry_after);
		free(list->faults[i].recipient);
		free(list->faults[i].vendor);
	}
	free(list->faults);
	*list = (struct fault_list){0};
}

json_t *fault_describe(const struct fault_list *list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct fault *fault = &list->faults[i];

		json_array_append_new(all, json_pack("{s:s, s:s, s:i, s:f, s:I, s:I, s:I, s:s?, s:s?}", "protocol",
						     fault->protocol == LEDGER_HTTP ? "http" : "smtp", "fault",
						     kind_names[fault->kind], "status", fault->status, "share",
						     fault->share, "times", (json_int_t)fault->times, "seen",
						     (json_int_t)fault->seen, "fired", (json_int_t)fault->fired,
						     "recipient", fault->recipient, "vendor", fault->vendor));
	}
	return all;
}
