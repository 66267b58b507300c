/* ledger - what the outside world has accepted, one JSON line each, durable.
 *
 * Lines gather and are written with one write and one fdatasync at most every 20 ms. ledger_when_durable() tells when
 * everything added so far is on disk: --strict answers only then.
 *
 * A key that was seen before is a repeat. At a vendor that honours keys a repeat has no second effect; at a blind one
 * every line is an effect. Where a blind vendor has no key of its own, the delivery and the body make one. A message
 * without either is never a repeat.
 */
#ifndef POSTRIDER_TESTS_SANDBOX_LEDGER_H
#define POSTRIDER_TESTS_SANDBOX_LEDGER_H

#include <event2/event.h>

#include "shared/error.h"

struct ledger;

enum ledger_protocol { LEDGER_HTTP, LEDGER_SMTP };

/* Pointers may be NULL where the length is 0. */
struct ledger_entry {
	enum ledger_protocol protocol;
	const char *vendor;
	bool is_blind;
	const char *key, *delivery, *recipient, *message, *body;
	size_t key_length, delivery_length, recipient_length, message_length, body_length;
};

struct ledger_counts {
	int64_t accepted; /* lines */
	int64_t effects, repeats;
	size_t distinct; /* keys */
};

typedef void ledger_durable(void *context);

/* path NULL: counts only. */
struct ledger *ledger_open(struct event_base *base, const char *path, bool hash, bool strict,
			   struct error *err) MUST_CHECK;
void ledger_close(struct ledger **ledger); /* syncs */

/* Returns how often the same was accepted before. */
uint32_t ledger_add(struct ledger *ledger, const struct ledger_entry *entry);
void ledger_when_durable(struct ledger *ledger, ledger_durable *durable, void *context);
void ledger_forget(struct ledger *ledger, void *context);
void ledger_sync(struct ledger *ledger);
struct ledger_counts ledger_count(const struct ledger *ledger);

#endif
