#include "worker/account_check.h"

#include <stdlib.h>
#include <string.h>

#include "shared/log.h"
#include "shared/memory.h"
#include "worker/lanes.h"
#include "worker/providers/provider.h"

static const struct pg_statement unchecked_statement = {
	.name = "unchecked_accounts",
	.sql = "select provider_account_id, driver, channel, settings, mark, problem from delivery.unchecked_accounts()",
};
static const struct pg_statement note_statement = {
	.name = "note_account_check",
	.sql = "select delivery.note_account_check($1, $2, $3)",
};

struct account_check {
	struct pg_session *database;
	const char *channels;
	struct pg_values values;
	bool asked;
};

struct account_check *account_check_open(struct pg_session *database, const char *channels)
{
	struct account_check *check = memory_new(sizeof(*check));

	check->database = database;
	check->channels = channels;
	pg_values_init(&check->values);
	return check;
}

void account_check_close(struct account_check **check)
{
	if (*check == NULL)
		return;
	pg_values_release(&(*check)->values);
	free(*check);
	*check = NULL;
}

/* Is the name the first word of one of the lines? */
static bool help_names(const char *help, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = help; line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n');

		if (strncmp(line, name, length) == 0 && line[length] == ' ')
			return true;
		line = end != NULL ? end + 1 : NULL;
	}
	return false;
}

/* A setting that nobody reads is a slip of the pen. The account works all the same. */
static void find_unknown(const struct provider_driver *driver, json_t *settings, struct error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(settings, name, value)
	{
		if (help_names(driver->settings_help, name))
			continue;
		error_set(err, ERROR_INVALID, "The driver %s has no setting \"%.60s\", so that it does nothing.",
			  driver->name, name);
		return;
	}
}

/* Leaves err without a text when the settings are fine. */
static void try_settings(const char *driver_name, const char *channel_name, const char *settings_text,
			 struct error *err)
{
	const struct provider_driver *driver = provider_find(driver_name);
	struct provider_account *account = NULL;
	json_error_t json_error;
	enum channel channel;
	json_t *settings;

	if (driver == NULL) {
		error_set(err, ERROR_INVALID, "This worker knows no driver \"%s\".", driver_name);
		return;
	}
	if (!channel_parse(channel_name, &channel) || (driver->channels & 1u << channel) == 0) {
		error_set(err, ERROR_INVALID, "The driver %s does not serve the channel %s.", driver_name,
			  channel_name);
		return;
	}
	settings = json_loads(settings_text, JSON_REJECT_DUPLICATES, &json_error);
	if (settings != NULL)
		account = driver->configure(settings, err);
	else
		error_set(err, ERROR_INVALID, "The settings are no JSON: %s.", json_error.text);
	if (account != NULL)
		find_unknown(driver, settings, err);
	json_decref(settings);
	driver->release(account);
}

/* The row says it already: it is looked at again and again until it is mended. */
static bool is_known(const struct pg_rows *rows, size_t row, const char *problem)
{
	return !pg_rows_is_null(rows, row, 5) && strcmp(pg_rows_text(rows, row, 5, NULL), problem) == 0;
}

static void check_row(struct account_check *check, const struct pg_rows *rows, size_t row)
{
	int64_t id = pg_rows_int64(rows, row, 0);
	struct error err = {0};

	try_settings(pg_rows_text(rows, row, 1, NULL), pg_rows_text(rows, row, 2, NULL),
		     pg_rows_text(rows, row, 3, NULL), &err);
	if (err.text[0] != '\0' && !is_known(rows, row, err.text))
		log_event(LOG_WARNING, "account_problem", err.text, LOG_INT("account", id));
	pg_values_add_int64(&check->values, id);
	pg_values_add_text(&check->values, pg_rows_text(rows, row, 4, NULL));
	pg_values_add_text(&check->values, err.text[0] != '\0' ? err.text : NULL);
	pg_session_ask(check->database, &note_statement, &check->values, NULL, NULL);
}

static void on_unchecked(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct account_check *check = context;

	check->asked = false;
	if (err != NULL)
		return; /* asked again at the next tick */
	for (size_t row = 0; row < pg_rows_count(rows); row++)
		if (lanes_serve(check->channels, pg_rows_text(rows, row, 2, NULL)))
			check_row(check, rows, row);
}

void account_check_look(struct account_check *check)
{
	if (check->asked)
		return;
	check->asked = true;
	pg_session_ask(check->database, &unchecked_statement, NULL, on_unchecked, check);
}
