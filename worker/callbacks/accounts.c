#include "worker/callbacks/accounts.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/health.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/callbacks/meters.h"

static const struct timeval ask_every = {.tv_usec = 500 * 1000};

struct known {
	struct callback_account account;
	char *name, *driver_name, *settings_text, *problem;
	int64_t generation; /* of the answer in which it was last seen */
	UT_hash_handle hh;
};

struct accounts {
	struct pg_session *database;
	struct metrics *metrics;
	struct health *health;
	struct event *timer;
	struct known *known; /* by name */
	int64_t generation;
	bool is_asking;
};

static const struct pg_statement accounts_statement = {
	.name = "callback_accounts",
	.sql = "select provider_account_id, name, driver, settings from delivery.callback_accounts()",
};

static void known_clear(struct known *known)
{
	if (known->account.provider != NULL)
		known->account.driver->release(known->account.provider);
	free(known->driver_name);
	free(known->settings_text);
	free(known->problem);
	known->driver_name = known->settings_text = known->problem = NULL;
	known->account = (struct callback_account){0};
}

static void known_free(struct accounts *accounts, struct known *known)
{
	HASH_DEL(accounts->known, known);
	known_clear(known);
	free(known->name);
	free(known);
}

static void configure(struct known *known)
{
	struct callback_account *account = &known->account;
	json_error_t json_error;
	json_t *settings = json_loads(known->settings_text, JSON_REJECT_DUPLICATES, &json_error);
	struct error err = {0};

	account->driver = provider_find(known->driver_name);
	if (account->driver == NULL || account->driver->callbacks == NULL)
		error_set(&err, ERROR_INVALID, "its provider does not call back");
	else if (settings == NULL)
		error_set(&err, ERROR_INVALID, "its settings are no JSON: %s", json_error.text);
	else
		account->provider = account->driver->configure(settings, &err);
	json_decref(settings);
	if (account->provider != NULL)
		return;
	known->problem = memory_copy_string(err.text);
	account->problem = known->problem;
	if (account->driver != NULL && account->driver->callbacks != NULL)
		log_event(LOG_WARNING, "account_broken", err.text, LOG_TEXT("account", known->name));
}

static void take_row(struct accounts *accounts, const struct pg_rows *rows, size_t row)
{
	const char *name = pg_rows_text(rows, row, 1, NULL);
	const char *driver = pg_rows_text(rows, row, 2, NULL), *settings = pg_rows_text(rows, row, 3, NULL);
	struct known *known;

	HASH_FIND_STR(accounts->known, name, known);
	if (known == NULL) {
		known = memory_new(sizeof(*known));
		known->name = memory_copy_string(name);
		HASH_ADD_KEYPTR(hh, accounts->known, known->name, strlen(known->name), known);
	}
	known->generation = accounts->generation;
	if (known->settings_text == NULL || strcmp(known->settings_text, settings) != 0 ||
	    strcmp(known->driver_name, driver) != 0) {
		known_clear(known);
		known->driver_name = memory_copy_string(driver);
		known->settings_text = memory_copy_string(settings);
		configure(known);
	}
	known->account.provider_account_id = (int32_t)pg_rows_int64(rows, row, 0);
}

static void on_accounts(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct accounts *accounts = context;
	struct known *known, *next;
	int64_t usable = 0;

	accounts->is_asking = false;
	if (err != NULL)
		return;
	accounts->generation++;
	for (size_t row = 0; row < pg_rows_count(rows); row++)
		take_row(accounts, rows, row);
	HASH_ITER(hh, accounts->known, known, next) {
		if (known->generation != accounts->generation)
			known_free(accounts, known);
		else
			usable += known->account.provider != NULL;
	}
	metrics_set(accounts->metrics, METER_ACCOUNTS, 0, usable);
	health_report(accounts->health, "accounts", true, NULL);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
	struct accounts *accounts = context;

	(void)descriptor, (void)what;
	if (accounts->is_asking || !pg_session_is_ready(accounts->database))
		return;
	accounts->is_asking = true;
	pg_session_ask(accounts->database, &accounts_statement, NULL, on_accounts, accounts);
}

struct accounts *accounts_open(struct event_base *base, struct pg_session *database, struct metrics *metrics,
			       struct health *health)
{
	struct accounts *accounts = memory_new(sizeof(*accounts));

	accounts->database = database;
	accounts->metrics = metrics;
	accounts->health = health;
	health_report(health, "accounts", false, "not read yet");
	accounts->timer = event_new(base, -1, EV_PERSIST, on_timer, accounts);
	event_add(accounts->timer, &ask_every);
	return accounts;
}

void accounts_close(struct accounts **where)
{
	struct accounts *accounts = *where;
	struct known *known, *next;

	if (accounts == NULL)
		return;
	HASH_ITER(hh, accounts->known, known, next) {
		known_free(accounts, known);
	}
	event_free(accounts->timer);
	free(accounts);
	*where = NULL;
}

bool accounts_are_known(const struct accounts *accounts)
{
	return accounts->generation > 0;
}

static bool calls_back(const struct known *known)
{
	return known->account.driver != NULL && known->account.driver->callbacks != NULL;
}

const struct callback_account *accounts_find(const struct accounts *accounts, struct slice name)
{
	struct known *known;

	HASH_FIND(hh, accounts->known, name.bytes, name.length, known);
	return known != NULL && calls_back(known) ? &known->account : NULL;
}

const struct callback_account *accounts_get(const struct accounts *accounts, int32_t provider_account_id)
{
	struct known *known, *next;

	HASH_ITER(hh, accounts->known, known, next) {
		if (known->account.provider_account_id == provider_account_id && calls_back(known))
			return &known->account;
	}
	return NULL;
}
