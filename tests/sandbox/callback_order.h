/* callback_order - what is to be told to one account's receiver, and which fate a message draws. Pure. */
#ifndef POSTRIDER_TESTS_SANDBOX_CALLBACK_ORDER_H
#define POSTRIDER_TESTS_SANDBOX_CALLBACK_ORDER_H

#include <jansson.h>

#include "shared/error.h"
#include "tests/sandbox/callback.h"
#include "tests/sandbox/vendor.h"

#define CALLBACK_FATE_MAX CALLBACK_KIND_COUNT

struct callback_row {
	bool is_planned;
	double share;
	int64_t shortest_ms, longest_ms;
	int code;
};

struct callback_order {
	const struct vendor *vendor;
	char *account, *credential; /* credential NULL: every customer of the vendor */
	char *host, *path;          /* where the receiver is */
	uint16_t port;
	char *public_url; /* what it is known as outside */
	char *secret;
	struct callback_row rows[CALLBACK_KIND_COUNT];
	double early, twice, forged, late;
	int64_t late_ms, batch_ms, retry_ms, seed;
	bool is_out_of_order;
};

/* One event of a message's fate. */
struct callback_step {
	enum callback_kind kind;
	int64_t wait_ms; /* from the acceptance on */
	bool is_twice, is_late;
	int code;
};

struct callback_fate {
	struct callback_step steps[CALLBACK_FATE_MAX];
	size_t count;
	bool is_early, has_forged;
};

bool callback_order_read(struct callback_order *order, const json_t *json, struct error *err) MUST_CHECK;
void callback_order_release(struct callback_order *order);
const char *callback_kind_name(enum callback_kind kind);

/* identity: what makes the message the same in another run; recipient may name its own fate, see README.md. */
void callback_fate_draw(const struct callback_order *order, struct span identity, struct span recipient,
			struct callback_fate *fate);

#endif
