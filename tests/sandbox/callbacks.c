#include "tests/sandbox/callbacks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "shared/memory.h"
#include "tests/sandbox/callback_order.h"
#include "tests/sandbox/connection.h"
#include "tests/sandbox/crypto.h"
#include "tests/sandbox/exchange.h"
#include "tests/sandbox/postman.h"

enum { LETTERS_SHOWN = 1000, RETRIES_MAX = 5 };

struct account {
	struct callbacks *callbacks;
	struct callback_order order;
	struct postman *postman;
	EVP_PKEY *key, *forged_key;
	struct event *batch;
	struct pending *ready;
	bool batch_is_armed;
	int64_t planned[CALLBACK_KIND_COUNT], told[CALLBACK_KIND_COUNT];
	int64_t messages, waiting, requests, accepted, refused, unanswered, given_up, retries;
	int64_t early, late, twice, forged, forged_accepted, misdirected;
	struct account *previous, *next;
};

/* An event on its way. */
struct pending {
	struct account *account;
	struct callback callback;
	char *url;                 /* where this message's status goes; NULL: the account's */
	struct connection *waiter; /* whose answer waits for this */
	bool is_forged, is_twice, is_late, is_early;
	struct event *timer;
	struct pending *previous, *next; /* of the waiting, the ready, or those of a letter */
	struct pending *earlier, *later; /* of those that somebody waits for */
};

struct callbacks {
	struct event_base *base;
	struct account *accounts;
	struct pending *waiting; /* for their time */
	struct pending *awaited; /* somebody's answer waits for them */
	json_t *letters;         /* the last ones */
	int fd;
};

/* What a letter holds. */
struct batch {
	struct account *account;
	struct pending *events;
	bool is_forged;
};

struct callbacks *callbacks_open(struct event_base *base, const char *path, struct error *err)
{
	struct callbacks *callbacks;
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;

	if (path && fd < 0) {
		error_set(err, ERROR_INVALID, "%s cannot be opened: %s.", path, strerror(errno));
		return NULL;
	}
	callbacks = memory_new(sizeof(*callbacks));
	callbacks->base = base;
	callbacks->fd = fd;
	callbacks->letters = json_array();
	return callbacks;
}

static void let_go(struct pending *pending)
{
	struct connection *waiter = pending->waiter;

	if (!waiter)
		return;
	pending->waiter = NULL;
	DL_DELETE2(pending->account->callbacks->awaited, pending, earlier, later);
	connection_release(waiter);
}

static void pending_free(struct pending *pending)
{
	let_go(pending);
	if (pending->timer)
		event_free(pending->timer);
	free(pending->callback.delivery);
	free(pending->callback.recipient);
	free(pending->callback.message);
	free(pending->callback.to);
	free(pending->callback.text);
	free(pending->url);
	free(pending);
}

static void free_events(struct pending **events)
{
	struct pending *pending, *next;

	DL_FOREACH_SAFE(*events, pending, next) {
		DL_DELETE2(*events, pending, previous, next);
		pending_free(pending);
	}
}

static void account_free(struct account *account)
{
	postman_close(&account->postman);
	free_events(&account->ready);
	event_free(account->batch);
	crypto_free(&account->key);
	crypto_free(&account->forged_key);
	callback_order_release(&account->order);
	free(account);
}

static void drop_account(struct callbacks *callbacks, struct account *account)
{
	struct pending *pending, *next;

	DL_FOREACH_SAFE(callbacks->waiting, pending, next)
		if (pending->account == account) {
			DL_DELETE2(callbacks->waiting, pending, previous, next);
			pending_free(pending);
		}
	DL_DELETE2(callbacks->accounts, account, previous, next);
	account_free(account);
}

void callbacks_clear(struct callbacks *callbacks)
{
	while (callbacks->accounts)
		drop_account(callbacks, callbacks->accounts);
	json_array_clear(callbacks->letters);
}

void callbacks_close(struct callbacks **callbacks)
{
	if (!*callbacks)
		return;
	callbacks_clear(*callbacks);
	json_decref((*callbacks)->letters);
	if ((*callbacks)->fd >= 0)
		close((*callbacks)->fd);
	free(*callbacks);
	*callbacks = NULL;
}

/* -- the ledger of what was told -- */

static json_t *describe_letter(const struct letter *letter, int status)
{
	const struct batch *batch = letter->context;
	json_t *events = json_array();
	const struct pending *pending;

	DL_FOREACH(batch->events, pending)
		json_array_append_new(events,
				      json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b}", "event",
						callback_kind_name(pending->callback.kind), "delivery",
						pending->callback.delivery, "message", pending->callback.message, "id",
						pending->callback.id, "early", pending->is_early, "late",
						pending->is_late, "twice", pending->is_twice));
	return json_pack("{s:I, s:s, s:s, s:i, s:i, s:b, s:o}", "at_ms", (json_int_t)clock_wall_ms(), "account",
			 batch->account->order.account, "vendor", batch->account->order.vendor->name, "status", status,
			 "try", letter->tries, "forged", batch->is_forged, "events", events);
}

static void write_down(struct callbacks *callbacks, const struct letter *letter, int status)
{
	json_t *line = describe_letter(letter, status);
	char *bytes;

	if (callbacks->fd >= 0) {
		struct text text;

		bytes = json_dumps(line, JSON_COMPACT);
		text_init(&text, 4 * 1024 * 1024);
		text_addf(&text, "%s\n", bytes);
		if (write(callbacks->fd, text_string(&text), text.length) != (ssize_t)text.length)
			exit(1);
		text_release(&text);
		free(bytes);
	}
	if (json_array_size(callbacks->letters) >= LETTERS_SHOWN)
		json_array_remove(callbacks->letters, 0);
	json_array_append_new(callbacks->letters, line);
}

static void count_events(struct account *account, struct pending *events)
{
	struct pending *pending;

	DL_FOREACH(events, pending)
		if (!pending->is_twice)
			account->told[pending->callback.kind]++;
}

static void on_told(struct letter *letter, int status, bool is_last)
{
	struct batch *batch = letter->context;
	struct account *account = batch->account;
	bool told = status >= 200 && status < 300;
	struct pending *pending;

	account->requests++;
	account->retries += letter->tries > 1;
	if (batch->is_forged) {
		account->forged_accepted += told;
	} else {
		account->accepted += told;
		account->unanswered += status == 0;
		account->refused += status != 0 && !told;
		account->given_up += !told && is_last;
		if (told)
			count_events(account, batch->events);
	}
	write_down(account->callbacks, letter, status);
	DL_FOREACH(batch->events, pending)
		let_go(pending);
}

static void on_released(struct letter *letter)
{
	struct batch *batch = letter->context;
	struct pending *pending;

	DL_FOREACH(batch->events, pending)
		batch->account->waiting--;
	free_events(&batch->events);
	free(batch);
}

/* -- letters -- */

/* rc and rp of Twilio's connection overrides, in the URL's fragment; see twilio.com/docs/usage/webhooks. */
static void override(struct letter *letter, struct span fragment)
{
	while (fragment.length > 0) {
		struct span word = span_cut(&fragment, '&'), name = span_cut(&word, '=');

		if (span_equal(name, "rc") && span_number(word, RETRIES_MAX) >= 0)
			letter->retries = (int)span_number(word, RETRIES_MAX);
		if (span_equal(name, "rp"))
			letter->retries_status = span_contains(word, "5xx") || span_contains(word, "all");
	}
}

/* The public URL as it is signed, and the path at the receiver behind it. False: it leads elsewhere. */
static bool address(struct letter *letter, const struct pending *pending, struct text *public_url)
{
	const struct callback_order *order = &pending->account->order;
	struct span url = span_of(pending->url ? pending->url : order->public_url), fragment = url;
	size_t length = strlen(order->public_url);
	struct text path;

	url = span_cut(&fragment, '#');
	if (!span_starts(url, order->public_url))
		return false;
	override(letter, fragment);
	span_add(public_url, url);
	text_init(&path, 16 * 1024);
	text_add(&path, order->path);
	span_add(&path, span_skip(url, length));
	letter->path = memory_copy_string(text_string(&path));
	text_release(&path);
	return true;
}

static void seal(struct letter *letter, const struct batch *batch, const struct text *public_url)
{
	const struct callback_order *order = &batch->account->order;
	const char *secret = batch->is_forged ? "whsec_Zm9yZ2VkLWZvcmdlZC1mb3JnZWQtZm9yZ2Vk" : order->secret;

	text_addf(&letter->headers, "Content-Type: %s\r\n", order->vendor->callbacks->content_type);
	order->vendor->callbacks->sign(
		&(struct callback_seal){
			.public_url = span_of_text(public_url),
			.body = span_of_text(&letter->body),
			.secret = span_of(secret),
			.key = batch->is_forged ? batch->account->forged_key : batch->account->key,
			.now_ms = clock_wall_ms(),
			.id = batch->events->callback.id,
		},
		&letter->headers);
}

static void write_letter(struct letter *letter, const struct batch *batch)
{
	const struct callback **all;
	const struct pending *pending;
	size_t count = 0, i = 0;

	DL_COUNT2(batch->events, pending, count, next);
	all = memory_new_array(count, sizeof(*all));
	DL_FOREACH(batch->events, pending)
		all[i++] = &pending->callback;
	batch->account->order.vendor->callbacks->write(all, count, &letter->body);
	free(all);
}

static void post(struct batch *batch)
{
	struct account *account = batch->account;
	const struct callback_style *style = account->order.vendor->callbacks;
	struct letter *letter = letter_new();
	struct text public_url;
	bool is_addressed;

	letter->told = on_told;
	letter->released = on_released;
	letter->context = batch;
	letter->retries = style->retries;
	letter->retries_status = style->retries_status;
	text_init(&public_url, 16 * 1024);
	is_addressed = address(letter, batch->events, &public_url);
	if (batch->is_forged)
		letter->retries = 0;
	if (is_addressed) {
		write_letter(letter, batch);
		seal(letter, batch, &public_url);
		postman_carry(account->postman, letter);
	} else {
		account->misdirected++;
		letter_release(letter);
	}
	text_release(&public_url);
}

static bool fits(const struct batch *batch, size_t count, const struct pending *pending)
{
	const struct callback_style *style = batch->account->order.vendor->callbacks;

	return count < style->batch_max && !batch->is_forged && !pending->is_forged;
}

/* Packs what is ready into as few letters as the vendor does. */
static void flush(struct account *account)
{
	while (account->ready) {
		struct batch *batch = memory_new(sizeof(*batch));
		size_t count = 0;

		batch->account = account;
		batch->is_forged = account->ready->is_forged;
		while (account->ready && (count == 0 || fits(batch, count, account->ready))) {
			struct pending *pending = account->ready;

			DL_DELETE2(account->ready, pending, previous, next);
			DL_APPEND2(batch->events, pending, previous, next);
			count++;
		}
		post(batch);
	}
}

static void on_batch(evutil_socket_t fd, short what, void *context)
{
	struct account *account = context;

	(void)fd;
	(void)what;
	account->batch_is_armed = false;
	flush(account);
}

static struct timeval span_of_ms(int64_t ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static void be_ready(struct pending *pending)
{
	struct account *account = pending->account;
	struct timeval wait = span_of_ms(account->order.vendor->callbacks->batch_max > 1 ? account->order.batch_ms : 0);

	DL_APPEND2(account->ready, pending, previous, next);
	if (account->batch_is_armed && !pending->waiter)
		return;
	account->batch_is_armed = true;
	event_add(account->batch, pending->waiter ? &(struct timeval){0} : &wait);
}

static void on_due(evutil_socket_t fd, short what, void *context)
{
	struct pending *pending = context;

	(void)fd;
	(void)what;
	DL_DELETE2(pending->account->callbacks->waiting, pending, previous, next);
	be_ready(pending);
}

/* -- planning -- */

static void schedule(struct pending *pending, int64_t wait_ms)
{
	struct callbacks *callbacks = pending->account->callbacks;
	struct timeval wait = span_of_ms(wait_ms);

	pending->account->waiting++;
	if (wait_ms == 0) {
		be_ready(pending);
		return;
	}
	pending->timer = evtimer_new(callbacks->base, on_due, pending);
	DL_APPEND2(callbacks->waiting, pending, previous, next);
	evtimer_add(pending->timer, &wait);
}

static struct pending *new_pending(struct account *account, const struct exchange *exchange, enum callback_kind kind)
{
	struct pending *pending = memory_new(sizeof(*pending));
	struct text id;

	text_init(&id, sizeof(pending->callback.id));
	exchange_add_id(&id, 16);
	memcpy(pending->callback.id, text_string(&id), id.length);
	text_release(&id);
	pending->account = account;
	pending->callback.kind = kind;
	pending->callback.delivery = memory_copy_string(text_string(&exchange->delivery));
	pending->callback.recipient = memory_copy_string(text_string(&exchange->recipient));
	pending->callback.message = memory_copy_string(text_string(&exchange->message));
	pending->callback.at_ms = clock_wall_ms();
	if (exchange->callback_url.length > 0)
		pending->url = memory_copy_string(text_string(&exchange->callback_url));
	return pending;
}

static void plan_step(struct account *account, const struct exchange *exchange, const struct callback_step *step,
		      struct connection *waiter)
{
	struct pending *pending = new_pending(account, exchange, step->kind);

	pending->callback.code = step->code;
	pending->callback.at_ms += step->wait_ms;
	pending->is_late = step->is_late;
	account->planned[step->kind]++;
	account->late += step->is_late;
	if (step->is_twice) {
		struct pending *again = new_pending(account, exchange, step->kind);

		memcpy(again->callback.id, pending->callback.id, sizeof(again->callback.id));
		again->callback.code = step->code;
		again->callback.at_ms = pending->callback.at_ms;
		again->is_twice = true;
		account->twice++;
		schedule(again, step->wait_ms + 1);
	}
	if (waiter) {
		pending->waiter = waiter;
		pending->is_early = true;
		account->early++;
		DL_APPEND2(account->callbacks->awaited, pending, earlier, later);
	}
	schedule(pending, waiter ? 0 : step->wait_ms);
}

static void plan_forged(struct account *account, const struct exchange *exchange)
{
	struct pending *pending = new_pending(account, exchange, CALLBACK_BOUNCED);

	pending->is_forged = true;
	account->forged++;
	schedule(pending, 1);
}

static struct account *find_account(const struct callbacks *callbacks, const struct exchange *exchange)
{
	struct account *account;

	DL_FOREACH(callbacks->accounts, account)
		if (account->order.vendor == exchange->vendor &&
		    (!account->order.credential ||
		     span_equal(span_of_text(&exchange->credential), account->order.credential)))
			return account;
	return NULL;
}

bool callbacks_plan(struct callbacks *callbacks, struct exchange *exchange)
{
	struct account *account = find_account(callbacks, exchange);
	const struct text *identity = exchange->delivery.length > 0 ? &exchange->delivery : &exchange->recipient;
	struct callback_fate fate;
	size_t first = 0;

	if (!account || (exchange->vendor->callbacks->url_per_message && exchange->callback_url.length == 0))
		return false;
	callback_fate_draw(&account->order, span_of_text(identity), span_of_text(&exchange->recipient), &fate);
	account->messages++;
	fate.is_early = fate.is_early && fate.count > 0;
	for (size_t i = 1; i < fate.count; i++)
		if (fate.steps[i].wait_ms < fate.steps[first].wait_ms)
			first = i;
	if (fate.is_early)
		connection_hold(exchange->connection);
	for (size_t i = 0; i < fate.count; i++)
		plan_step(account, exchange, &fate.steps[i], fate.is_early && i == first ? exchange->connection : NULL);
	if (fate.has_forged)
		plan_forged(account, exchange);
	return fate.is_early;
}

void callbacks_forget(struct callbacks *callbacks, struct connection *connection)
{
	struct pending *pending, *next;

	DL_FOREACH_SAFE2(callbacks->awaited, pending, next, later)
	if (pending->waiter == connection) {
		pending->waiter = NULL;
		DL_DELETE2(callbacks->awaited, pending, earlier, later);
	}
}

/* -- orders -- */

static struct account *find_by_name(const struct callbacks *callbacks, const char *name)
{
	struct account *account;

	DL_FOREACH(callbacks->accounts, account)
		if (strcmp(account->order.account, name) == 0)
			return account;
	return NULL;
}

/* SendGrid's key pair: the same for the same account name, so that whoever was given its public half keeps it. */
static void derive_keys(struct account *account)
{
	struct text words;

	text_init(&words, 4096);
	text_addf(&words, "postrider-sandbox callbacks %s", account->order.account);
	account->key = crypto_derive_p256(text_string(&words));
	text_add(&words, " forged");
	account->forged_key = crypto_derive_p256(text_string(&words));
	text_release(&words);
}

bool callbacks_order(struct callbacks *callbacks, const json_t *order, struct error *err)
{
	struct callback_order read;
	struct account *account, *old;

	if (!callback_order_read(&read, order, err))
		return false;
	old = find_by_name(callbacks, read.account);
	if (old)
		drop_account(callbacks, old);
	account = memory_new(sizeof(*account));
	account->callbacks = callbacks;
	account->order = read;
	account->batch = evtimer_new(callbacks->base, on_batch, account);
	account->postman = postman_open(callbacks->base, read.host, read.port, read.retry_ms);
	derive_keys(account);
	DL_APPEND2(callbacks->accounts, account, previous, next);
	return true;
}

bool callbacks_reply(struct callbacks *callbacks, const json_t *order, struct error *err)
{
	const char *name, *from, *to, *text;
	struct account *account;
	struct pending *pending;
	struct text sid;
	json_error_t why;

	if (json_unpack_ex((json_t *)(uintptr_t)order, &why, JSON_STRICT, "{s:s, s:s, s:s, s:s}", "account", &name,
			   "from", &from, "to", &to, "text", &text) != 0)
		return error_set(err, ERROR_INVALID, "A reply: %s.", why.text);
	account = find_by_name(callbacks, name);
	if (!account || !(account->order.vendor->callbacks->kinds & CALLBACK_BIT(CALLBACK_REPLIED)))
		return error_set(err, ERROR_INVALID, "%s has no order, or its vendor hands on no replies.", name);
	text_init(&sid, 64);
	text_add(&sid, "SM");
	exchange_add_id(&sid, 16);
	pending = memory_new(sizeof(*pending));
	pending->account = account;
	pending->callback = (struct callback){
		.kind = CALLBACK_REPLIED,
		.delivery = memory_copy_string(""),
		.recipient = memory_copy_string(from),
		.message = memory_copy_string(text_string(&sid)),
		.to = memory_copy_string(to),
		.text = memory_copy_string(text),
		.at_ms = clock_wall_ms(),
	};
	account->planned[CALLBACK_REPLIED]++;
	text_release(&sid);
	schedule(pending, 0);
	return true;
}

static json_t *describe_kinds(const int64_t *counts)
{
	json_t *kinds = json_object();

	for (int kind = 0; kind < CALLBACK_KIND_COUNT; kind++)
		if (counts[kind] > 0)
			json_object_set_new(kinds, callback_kind_name((enum callback_kind)kind),
					    json_integer(counts[kind]));
	return kinds;
}

static void describe_key(const struct account *account, json_t *described)
{
	struct text der, base64;

	text_init(&der, 1024);
	text_init(&base64, 1024);
	crypto_add_public_spki(&der, account->key);
	digest_add_base64(&base64, der.bytes, der.length);
	json_object_set_new(described, "public_key", json_string(text_string(&base64)));
	text_release(&der);
	text_release(&base64);
}

static json_t *describe_account(const struct account *account)
{
	const struct {
		const char *name;
		int64_t count;
	} counts[] = {
		{"messages", account->messages},
		{"waiting", account->waiting},
		{"requests", account->requests},
		{"accepted", account->accepted},
		{"refused", account->refused},
		{"unanswered", account->unanswered},
		{"given_up", account->given_up},
		{"retries", account->retries},
		{"early", account->early},
		{"late", account->late},
		{"twice", account->twice},
		{"forged", account->forged},
		{"misdirected", account->misdirected},
		{"forged_accepted", account->forged_accepted},
	};
	json_t *described = json_pack("{s:s, s:s, s:o, s:o}", "account", account->order.account, "vendor",
				      account->order.vendor->name, "planned", describe_kinds(account->planned), "told",
				      describe_kinds(account->told));

	for (size_t i = 0; i < ARRAY_LENGTH(counts); i++)
		json_object_set_new(described, counts[i].name, json_integer(counts[i].count));
	describe_key(account, described);
	return described;
}

json_t *callbacks_describe(const struct callbacks *callbacks)
{
	json_t *accounts = json_array();
	const struct account *account;

	DL_FOREACH(callbacks->accounts, account)
		json_array_append_new(accounts, describe_account(account));
	return json_pack("{s:o, s:O}", "accounts", accounts, "letters", callbacks->letters);
}
