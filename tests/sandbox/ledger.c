#include "tests/sandbox/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "shared/memory.h"
#include "tests/sandbox/keys.h"

enum { SYNC_EVERY_MS = 20, STRICT_SYNC_EVERY_MS = 1, LINES_MAX = 64 * 1024 * 1024, LINES_FULL = 4 * 1024 * 1024 };

struct waiter {
	ledger_durable *durable; /* NULL: forgotten */
	void *context;
};

struct ledger {
	int fd;
	bool hash, strict, armed;
	struct text lines;
	struct keys *keys;
	struct event *timer;
	struct ledger_counts counts;
	struct waiter *waiters, *told; /* told: those whose turn it is */
	size_t waiter_count, waiter_capacity, told_count;
};

/* A ledger that cannot write proves nothing: end, loudly. */
static void fail(const char *what)
{
	fprintf(stderr, "postrider-sandbox: the ledger: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_lines(struct ledger *ledger)
{
	size_t written = 0;

	while (written < ledger->lines.length) {
		ssize_t n = write(ledger->fd, ledger->lines.bytes + written, ledger->lines.length - written);
		if (n < 0 && errno != EINTR)
			fail("write");
		if (n > 0)
			written += (size_t)n;
	}
	if (written > 0 && fdatasync(ledger->fd) != 0 && errno != EINVAL)
		fail("fdatasync");
	text_clear(&ledger->lines);
}

static void tell_waiters(struct ledger *ledger)
{
	if (ledger->told) /* a waiter asked for it */
		return;
	ledger->told = ledger->waiters;
	ledger->told_count = ledger->waiter_count;
	ledger->waiters = NULL;
	ledger->waiter_count = ledger->waiter_capacity = 0;
	for (size_t i = 0; i < ledger->told_count; i++)
		if (ledger->told[i].durable)
			ledger->told[i].durable(ledger->told[i].context);
	free(ledger->told);
	ledger->told = NULL;
	ledger->told_count = 0;
}

void ledger_sync(struct ledger *ledger)
{
	if (ledger->fd >= 0)
		write_lines(ledger);
	tell_waiters(ledger);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct ledger *ledger = context;

	(void)fd;
	(void)what;
	ledger->armed = false;
	ledger_sync(ledger);
}

struct ledger *ledger_open(struct event_base *base, const char *path, bool hash, bool strict, struct error *err)
{
	struct ledger *ledger;
	int fd = -1;

	if (path && (fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)) < 0) {
		error_set(err, ERROR_INVALID, "The ledger %s cannot be opened: %s.", path, strerror(errno));
		return NULL;
	}
	ledger = memory_new(sizeof(*ledger));
	ledger->fd = fd;
	ledger->hash = hash;
	ledger->strict = strict;
	ledger->keys = keys_open();
	ledger->timer = evtimer_new(base, on_timer, ledger);
	text_init(&ledger->lines, LINES_MAX);
	return ledger;
}

void ledger_close(struct ledger **ledger)
{
	if (!*ledger)
		return;
	if ((*ledger)->fd >= 0) {
		write_lines(*ledger);
		close((*ledger)->fd);
	}
	event_free((*ledger)->timer);
	keys_close(&(*ledger)->keys);
	text_release(&(*ledger)->lines);
	free((*ledger)->waiters);
	free(*ledger);
	*ledger = NULL;
}

static void add_field(struct text *lines, const char *before, const char *bytes, size_t length)
{
	text_add(lines, before);
	text_add_json_string(lines, bytes, length);
}

static void add_line(struct ledger *ledger, const struct ledger_entry *entry, const uint8_t *digest, uint32_t repeat)
{
	struct text *lines = &ledger->lines;

	text_add(lines, "{\"at_ms\":");
	text_add_int64(lines, clock_wall_ms());
	text_add(lines, entry->protocol == LEDGER_HTTP ? ",\"protocol\":\"http\",\"vendor\":\""
						       : ",\"protocol\":\"smtp\",\"vendor\":\"");
	text_add(lines, entry->vendor);
	text_add(lines, entry->is_blind ? "\",\"keyed\":false" : "\",\"keyed\":true");
	add_field(lines, ",\"key\":", entry->key, entry->key_length);
	add_field(lines, ",\"delivery\":", entry->delivery, entry->delivery_length);
	add_field(lines, ",\"recipient\":", entry->recipient, entry->recipient_length);
	if (entry->message_length > 0)
		add_field(lines, ",\"message\":", entry->message, entry->message_length);
	if (digest) {
		text_add(lines, ",\"body_sha256\":\"");
		digest_add_hex(lines, digest, DIGEST_SHA256_BYTES);
		text_add(lines, "\"");
	}
	text_add(lines, ",\"repeat\":");
	text_add_int64(lines, repeat);
	text_add(lines, "}\n");
}

static uint32_t count_repeat(struct ledger *ledger, const struct ledger_entry *entry, const uint8_t *digest)
{
	char space = entry->protocol == LEDGER_SMTP ? 's' : entry->is_blind ? 'b' : 'h';
	struct text made;
	uint32_t repeat;

	if (entry->key_length > 0)
		return keys_count(ledger->keys, space, entry->key, entry->key_length);
	if (!entry->is_blind || entry->delivery_length == 0 || !digest)
		return 0;
	text_init(&made, 64 * 1024);
	text_add_bytes(&made, entry->delivery, entry->delivery_length);
	text_add_bytes(&made, digest, DIGEST_SHA256_BYTES);
	repeat = keys_count(ledger->keys, space, text_string(&made), made.length);
	text_release(&made);
	return repeat;
}

uint32_t ledger_add(struct ledger *ledger, const struct ledger_entry *entry)
{
	/* A blind vendor's body is part of what tells a repeat, whatever the ledger is to hold. */
	bool hash = ledger->hash || (entry->is_blind && entry->key_length == 0);
	uint8_t bytes[DIGEST_SHA256_BYTES];
	uint32_t repeat;

	if (hash)
		digest_sha256(entry->body, entry->body_length, bytes);
	repeat = count_repeat(ledger, entry, hash ? bytes : NULL);
	ledger->counts.accepted++;
	if (repeat > 0)
		ledger->counts.repeats++;
	if (repeat == 0 || entry->is_blind)
		ledger->counts.effects++;
	if (ledger->lines.length > LINES_FULL)
		write_lines(ledger);
	if (ledger->fd >= 0)
		add_line(ledger, entry, ledger->hash ? bytes : NULL, repeat);
	if (!ledger->armed) {
		int every_ms = ledger->strict ? STRICT_SYNC_EVERY_MS : SYNC_EVERY_MS;
		evtimer_add(ledger->timer, &(struct timeval){.tv_usec = every_ms * 1000});
		ledger->armed = true;
	}
	return repeat;
}

void ledger_when_durable(struct ledger *ledger, ledger_durable *durable, void *context)
{
	if (ledger->waiter_count == ledger->waiter_capacity) {
		ledger->waiter_capacity = ledger->waiter_capacity ? ledger->waiter_capacity * 2 : 64;
		ledger->waiters = memory_grow(ledger->waiters, ledger->waiter_capacity, sizeof(*ledger->waiters));
	}
	ledger->waiters[ledger->waiter_count++] = (struct waiter){durable, context};
}

void ledger_forget(struct ledger *ledger, void *context)
{
	for (size_t i = 0; i < ledger->waiter_count; i++)
		if (ledger->waiters[i].context == context)
			ledger->waiters[i].durable = NULL;
	for (size_t i = 0; i < ledger->told_count; i++)
		if (ledger->told[i].context == context)
			ledger->told[i].durable = NULL;
}

struct ledger_counts ledger_count(const struct ledger *ledger)
{
	struct ledger_counts counts = ledger->counts;

	counts.distinct = keys_distinct(ledger->keys);
	return counts;
}
