#include "worker/account.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "worker/step.h"

#define RATE_LEASE_MS   200 /* how far ahead moments are leased: what a crash wastes */
#define READY_PER_PLACE 2   /* claimed ones that wait for each place in flight */
#define READY_MS        100 /* or as many as are sent in this time, if that is more: a slow provider's wait on the broker */
#define READY_MAX       1000
#define RATE_RETRY_MS   500
#define PAUSE_HELD_MS                                                                                                  \
	2000 /* a longer pause holds no messages: they are claimed to be refused, and wait in the database */
#define MISSED_SLOT_US 200000

static const struct pg_statement rate_statement = {
	.name = "take_rate",
	.sql = "select wait_ms, gap_us, places from delivery.take_rate($1, $2)",
};

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	account_pump(context);
}

static void on_token(void *context, const struct outcome *failure)
{
	struct account *account = context;

	if (account->token_changed != NULL)
		account->token_changed(account->context, account, failure);
}

static void open_token(struct account *account, struct event_base *base)
{
	const struct token_owner owner = {.base = base,
					  .database = account->database,
					  .provider_account_id = account->provider_account_id,
					  .driver = account->driver,
					  .provider = account->provider,
					  .pool = account->pool,
					  .changed = on_token,
					  .context = account};

	if (account->driver->token != NULL)
		account->token = token_open(&owner);
}

static void configure(struct account *account, const char *driver_name, size_t connections_max, struct event_base *base)
{
	json_error_t json_error;
	json_t *settings = json_loads(account->settings_text, JSON_REJECT_DUPLICATES, &json_error);
	struct error err = {0};

	account->driver = provider_find(driver_name);
	if (account->driver == NULL)
		error_set(&err, ERROR_INVALID, "this worker knows no driver \"%s\"", driver_name);
	else if (settings == NULL)
		error_set(&err, ERROR_INVALID, "its settings are no JSON: %s", json_error.text);
	else
		account->provider = account->driver->configure(settings, &err);
	json_decref(settings);
	if (account->provider == NULL) {
		snprintf(account->problem, sizeof(account->problem), "%s", err.text);
		return;
	}
	account->pool = transfer_pool_open(base, account->driver->transport(account->provider), connections_max);
	open_token(account, base);
}

struct account *account_new(struct event_base *base, struct pg_session *database, int32_t provider_account_id,
			    const char *name, const char *driver, const char *settings_text, enum channel channel,
			    size_t connections_max, account_start *start, void *context)
{
	struct account *account = memory_new(sizeof(*account));

	account->provider_account_id = provider_account_id;
	account->name = memory_copy_string(name);
	account->settings_text = memory_copy_string(settings_text);
	account->connections_max = connections_max;
	account->channel = channel;
	account->database = database;
	account->start = start;
	account->context = context;
	account->timer = evtimer_new(base, on_timer, account);
	pg_values_init(&account->values);
	concurrency_init(&account->concurrency, 0, (uint32_t)connections_max);
	breaker_init(&account->breaker, 0);
	configure(account, driver, connections_max, base);
	return account;
}

void account_free(struct account **account)
{
	struct account *a = *account;

	if (a == NULL)
		return;
	transfer_pool_close(&a->pool);
	token_close(&a->token);
	if (a->provider != NULL)
		a->driver->release(a->provider);
	event_free(a->timer);
	pg_values_release(&a->values);
	free(a->name);
	free(a->settings_text);
	free(a);
	*account = NULL;
}

void account_pause(struct account *account, int64_t for_ms)
{
	int64_t now_ms = clock_now_ms();

	account->paused_at_ms = now_ms;
	if (now_ms + for_ms > account->paused_until_ms)
		account->paused_until_ms = now_ms + for_ms;
}

bool account_is_paused(const struct account *account, int64_t now_ms)
{
	return account->paused_until_ms > now_ms;
}

static void wake_after(struct account *account, int64_t wait_us)
{
	const struct timeval wait = {.tv_sec = wait_us / 1000000, .tv_usec = wait_us % 1000000};

	evtimer_add(account->timer, &wait);
}

static void on_rate(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct account *account = context;

	account->rate_asked = false;
	if (err != NULL) { /* fail closed: without the database nobody may send */
		account->slots = 0;
		wake_after(account, RATE_RETRY_MS * 1000);
		return;
	}
	account->slots = pg_rows_int64(rows, 0, 2);
	if (account->slots == 0) { /* the day's cap is used up; that the account is paused comes with the lanes */
		wake_after(account, RATE_RETRY_MS * 1000);
		return;
	}
	account->next_slot_us = clock_now_us() + pg_rows_int64(rows, 0, 0) * 1000;
	account->gap_us = pg_rows_int64(rows, 0, 1);
	account_pump(account);
}

static void ask_rate(struct account *account)
{
	int64_t wanted = (int64_t)(account->per_second * RATE_LEASE_MS / 1000);

	if (account->rate_asked)
		return;
	wanted = wanted < 1 ? 1 : wanted;
	if (wanted > (int64_t)account->ready_count)
		wanted = (int64_t)account->ready_count;
	account->rate_asked = true;
	account->slots = wanted;
	pg_values_add_int64(&account->values, account->provider_account_id);
	pg_values_add_int64(&account->values, wanted);
	pg_session_ask(account->database, &rate_statement, &account->values, on_rate, account);
}

/* A moment that we missed is gone: made up for later, it would come on top of what others send then. */
static void drop_missed_slots(struct account *account, int64_t now_us)
{
	int64_t patience_us = account->gap_us > MISSED_SLOT_US ? account->gap_us : MISSED_SLOT_US;

	while (account->slots > 0 && now_us - account->next_slot_us > patience_us) {
		account->slots--;
		account->next_slot_us += account->gap_us;
	}
}

/* True when a moment has come; otherwise somebody will wake us. */
static bool take_slot(struct account *account)
{
	int64_t wait_us, now_us = clock_now_us();

	if (account->per_second <= 0)
		return true;
	if (account->rate_asked)
		return false;
	drop_missed_slots(account, now_us);
	if (account->slots == 0) {
		ask_rate(account);
		return false;
	}
	wait_us = account->next_slot_us - now_us;
	if (wait_us > 0) {
		wake_after(account, wait_us);
		return false;
	}
	account->slots--;
	account->next_slot_us += account->gap_us;
	return true;
}

/* The delivery did not start, so its moment is still free. */
static void return_slot(struct account *account)
{
	if (account->per_second <= 0)
		return;
	account->slots++;
	account->next_slot_us -= account->gap_us;
}

static struct delivery *take_first(struct account *account)
{
	int class = account->ready[0] != NULL ? 0 : 1;
	struct delivery *first = account->ready[class];

	DL_DELETE(account->ready[class], first);
	account->ready_count--;
	return first;
}

void account_pump(struct account *account)
{
	int64_t now_ms = clock_now_ms();

	if (account->provider == NULL)
		return;
	if (account_is_paused(account, now_ms)) {
		if (account->ready_count > 0)
			wake_after(account, (account->paused_until_ms - now_ms) * 1000);
		return;
	}
	if (account->ready_count > 0 && account->token != NULL && !token_ready(account->token))
		return; /* what waits goes on when token_changed() is told */
	while (account->ready_count > 0 && account->in_flight < concurrency_limit(&account->concurrency) &&
	       take_slot(account)) {
		account->in_flight++;
		if (!account->start(account->context, take_first(account))) {
			account->in_flight--;
			return_slot(account);
		}
	}
}

void account_add(struct account *account, struct delivery *delivery)
{
	int class = delivery->step->is_marketing ? 1 : 0;

	delivery_enter(delivery, DELIVERY_READY);
	DL_APPEND(account->ready[class], delivery);
	account->ready_count++;
}

static size_t sent_soon(const struct account *account)
{
	const struct concurrency *concurrency = &account->concurrency;
	int64_t soon;

	if (concurrency->mean_us == 0)
		return 0;
	soon = (int64_t)concurrency_limit(concurrency) * READY_MS * 1000 / concurrency->mean_us;
	return soon < READY_MAX ? (size_t)soon : READY_MAX;
}

size_t account_room(const struct account *account, int64_t now_ms)
{
	size_t wanted = (size_t)concurrency_limit(&account->concurrency) * (1 + READY_PER_PLACE);
	size_t held = account->ready_count + account->in_flight, soon = sent_soon(account);

	if (soon > wanted)
		wanted = soon;
	if (account->provider == NULL)
		return 0;
	if (account_is_paused(account, now_ms))
		return account->paused_until_ms - now_ms > PAUSE_HELD_MS ? READY_MAX : 0;
	if (account->token != NULL && token_is_failing(account->token))
		return 0;
	if (account->per_second > 0) {
		soon = (size_t)(account->per_second * RATE_LEASE_MS * 2 / 1000) + 1;
		wanted = soon < wanted ? soon : wanted;
	}
	return held < wanted ? wanted - held : 0;
}

struct breaker_advice account_note(struct account *account, enum outcome_class class, int64_t duration_us,
				   int64_t now_ms)
{
	concurrency_note(&account->concurrency, class, duration_us, (uint32_t)account->in_flight, now_ms);
	account->in_flight--;
	/* Another worker tripped it: this was the fleet's one probe, and its failure is enough. */
	if (account->breaker_is_open && account->breaker.openings == 0)
		account->breaker.openings = 1;
	return breaker_note(&account->breaker, class, now_ms);
}

struct delivery *account_take_ready(struct account *account)
{
	struct delivery *all = account->ready[0];

	if (account->ready[1] != NULL)
		DL_CONCAT(all, account->ready[1]);
	account->ready[0] = account->ready[1] = NULL;
	account->ready_count = 0;
	return all;
}
