#include "worker/lanes.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

#define PROBLEM_AGAIN_MS 60000

static const struct pg_statement lanes_statement = {
	.name = "lanes",
	.sql = "select lane_id, queue_name, class, provider_account_id, account_name, driver, channel, settings, "
	       "is_active, per_second, breaker_is_open, pause_ms, connections_max from delivery.lanes()",
};

struct lanes {
	struct event_base *base;
	struct pg_session *claims, *questions;
	struct lanes_settings settings;
	struct lanes_events events;
	struct lane *lanes;
	struct account *accounts, *retired;
	bool asked;
	int64_t asked_at_ms;
	int64_t problem_told_at_ms;
};

struct lanes *lanes_open(struct event_base *base, struct pg_session *claims, struct pg_session *questions,
			 const struct lanes_settings *settings, const struct lanes_events *events)
{
	struct lanes *lanes = memory_new(sizeof(*lanes));

	*lanes = (struct lanes){
		.base = base, .claims = claims, .questions = questions, .settings = *settings, .events = *events};
	lanes->problem_told_at_ms = -PROBLEM_AGAIN_MS;
	return lanes;
}

static void free_accounts(struct account **list)
{
	struct account *account, *next;

	DL_FOREACH_SAFE(*list, account, next) {
		DL_DELETE(*list, account);
		account_free(&account);
	}
}

void lanes_close(struct lanes **lanes)
{
	struct lane *lane, *next;

	if (*lanes == NULL)
		return;
	DL_FOREACH_SAFE((*lanes)->lanes, lane, next) {
		claimer_close(&lane->claimer);
		free(lane->queue_name);
		free(lane);
	}
	free_accounts(&(*lanes)->accounts);
	free_accounts(&(*lanes)->retired);
	free(*lanes);
	*lanes = NULL;
}

struct lane *lanes_find(struct lanes *lanes, int32_t lane_id)
{
	struct lane *lane;

	DL_SEARCH_SCALAR(lanes->lanes, lane, lane_id, lane_id);
	return lane;
}

struct lane *lanes_first(struct lanes *lanes)
{
	return lanes->lanes;
}

bool lanes_serve(const char *channels, const char *channel)
{
	size_t length = strlen(channel);

	if (channels[0] == '\0')
		return true;
	for (const char *at = channels; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
		if (strncmp(at, channel, length) == 0 && (at[length] == '\0' || at[length] == ','))
			return true;
	return false;
}

static void move_lanes(struct lanes *lanes, struct account *from, struct account *to)
{
	struct delivery *delivery, *next, *ready = account_take_ready(from);
	struct lane *lane;

	DL_FOREACH(lanes->lanes, lane)
		if (lane->account == from)
			lane->account = to;
	DL_FOREACH_SAFE(ready, delivery, next)
		account_add(to, delivery);
}

/* What is in flight still points to the old account, which goes when the last answer has come. */
static void retire(struct lanes *lanes, struct account *account)
{
	DL_DELETE(lanes->accounts, account);
	DL_APPEND(lanes->retired, account);
}

static void bury_retired(struct lanes *lanes)
{
	struct account *account, *next;

	DL_FOREACH_SAFE(lanes->retired, account, next)
		if (account->in_flight == 0 && !account->rate_asked &&
		    (account->token == NULL || !token_is_asking(account->token))) {
			DL_DELETE(lanes->retired, account);
			account_free(&account);
		}
}

static struct account *find_account(struct lanes *lanes, int32_t id)
{
	struct account *account;

	DL_SEARCH_SCALAR(lanes->accounts, account, provider_account_id, id);
	return account;
}

/* What the account allows, and no more than this worker's own setting. */
static size_t connections_of(const struct lanes *lanes, const struct pg_rows *rows, size_t row)
{
	size_t allowed = pg_rows_is_null(rows, row, 12) ? SIZE_MAX : (size_t)pg_rows_int64(rows, row, 12);

	return allowed < lanes->settings.connections_max ? allowed : lanes->settings.connections_max;
}

static struct account *renew_account(struct lanes *lanes, const struct pg_rows *rows, size_t row, enum channel channel)
{
	int32_t id = (int32_t)pg_rows_int64(rows, row, 3);
	const char *settings = pg_rows_text(rows, row, 7, NULL);
	struct account *old = find_account(lanes, id), *account;
	size_t connections_max = connections_of(lanes, rows, row);

	if (old != NULL && strcmp(old->settings_text, settings) == 0 && old->connections_max == connections_max)
		return old;
	account = account_new(lanes->base, lanes->questions, id, pg_rows_text(rows, row, 4, NULL),
			      pg_rows_text(rows, row, 5, NULL), settings, channel, connections_max, lanes->events.start,
			      lanes->events.sender);
	account->token_changed = lanes->events.token_changed;
	if (old != NULL) {
		log_event(LOG_INFO, "account_changed", "The account's settings changed.", LOG_INT("account", id));
		retire(lanes, old);
		move_lanes(lanes, old, account);
	}
	DL_APPEND(lanes->accounts, account);
	return account;
}

static void join_lane(struct lanes *lanes, struct account *account, const struct pg_rows *rows, size_t row)
{
	struct lane *lane = memory_new(sizeof(*lane));

	lane->lane_id = (int32_t)pg_rows_int64(rows, row, 0);
	lane->queue_name = memory_copy_string(pg_rows_text(rows, row, 1, NULL));
	lane->is_transactional = strcmp(pg_rows_text(rows, row, 2, NULL), "transactional") == 0;
	lane->account = account;
	lane->claimer =
		claimer_open(lanes->base, lanes->claims, lane, &lanes->settings.claimer, &lanes->events.claimer);
	if (lane->is_transactional)
		DL_PREPEND(lanes->lanes, lane);
	else
		DL_APPEND(lanes->lanes, lane);
	lanes->events.joined(lanes->events.context, lane);
}

static void tell_problem(struct lanes *lanes, struct account *account)
{
	int64_t now_ms = clock_now_ms();

	if (account->breaker_is_open && now_ms - lanes->problem_told_at_ms < PROBLEM_AGAIN_MS)
		return;
	lanes->problem_told_at_ms = now_ms;
	lanes->events.problem(lanes->events.context, account);
}

/* The database decides: another worker may have stopped the use of the account for all, a person may have mended it.
 * What was paused here after we asked is not known there yet. */
static void follow_pause(struct lanes *lanes, struct account *account, int64_t pause_ms)
{
	bool was_paused = account_is_paused(account, clock_now_ms());

	if (account->paused_at_ms >= lanes->asked_at_ms)
		return;
	account->paused_until_ms = clock_now_ms() + pause_ms;
	if (pause_ms > 0 && !was_paused)
		lanes->events.paused(lanes->events.context, account, pause_ms);
}

static void take_row(struct lanes *lanes, const struct pg_rows *rows, size_t row)
{
	const char *channel_text = pg_rows_text(rows, row, 6, NULL);
	struct account *account;
	enum channel channel;

	if (!channel_parse(channel_text, &channel) || !lanes_serve(lanes->settings.channels, channel_text))
		return;
	account = renew_account(lanes, rows, row, channel);
	account->breaker_is_open = pg_rows_bool(rows, row, 10);
	follow_pause(lanes, account, pg_rows_int64(rows, row, 11));
	account->per_second = pg_rows_is_null(rows, row, 9) ? 0 : strtod(pg_rows_text(rows, row, 9, NULL), NULL);
	if (account->provider == NULL)
		tell_problem(lanes, account);
	else if (lanes_find(lanes, (int32_t)pg_rows_int64(rows, row, 0)) == NULL)
		join_lane(lanes, account, rows, row);
}

static void on_lanes(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct lanes *lanes = context;

	lanes->asked = false;
	if (err != NULL)
		return; /* asked again at the next tick */
	for (size_t row = 0; row < pg_rows_count(rows); row++)
		take_row(lanes, rows, row);
	bury_retired(lanes);
	lanes_pump_accounts(lanes);
}

void lanes_refresh(struct lanes *lanes)
{
	if (lanes->asked)
		return;
	lanes->asked = true;
	lanes->asked_at_ms = clock_now_ms();
	pg_session_ask(lanes->questions, &lanes_statement, NULL, on_lanes, lanes);
}

void lanes_pump(struct lanes *lanes, const struct account *account)
{
	struct lane *lane;

	DL_FOREACH(lanes->lanes, lane)
		if (lane->account == account)
			claimer_pump(lane->claimer);
}

void lanes_pump_accounts(struct lanes *lanes)
{
	struct account *account;

	DL_FOREACH(lanes->accounts, account)
		account_pump(account);
}

struct delivery *lanes_take_ready(struct lanes *lanes)
{
	struct delivery *all = NULL;
	struct account *account;

	DL_FOREACH(lanes->accounts, account) {
		struct delivery *ready = account_take_ready(account);

		if (ready != NULL)
			DL_CONCAT(all, ready);
	}
	return all;
}

size_t lanes_in_flight(const struct lanes *lanes)
{
	struct account *account;
	size_t total = 0;

	DL_FOREACH(lanes->accounts, account)
		total += account->in_flight;
	DL_FOREACH(lanes->retired, account)
		total += account->in_flight;
	return total;
}
