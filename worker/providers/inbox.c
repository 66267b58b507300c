#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/memory.h"
#include "worker/providers/drivers.h"
#include "worker/providers/words.h"

#define DAY_MS            86400000LL
#define WEIGHT_MAX        1000
#define MESSAGE_MAX       (256 * 1024) /* of a row; a feed holds up to a hundred */
#define ADDRESS_MAX_BYTES 2000

struct provider_account {
	int64_t visible_days, weight;
};

/* What a message's data may say of its place in the inbox. */
struct placing {
	int64_t visible_from_ms, visible_until_ms, weight;
};

static const char settings_help[] =
	"visible_days  30; how long a message can be seen, unless its data says visible_until\n"
	"weight        0; greater ones stand above, unless a message's data says another weight\n";

static struct provider_account *inbox_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	if (provider_setting_number(settings, "visible_days", 30, 1, 366, &account->visible_days, err) &&
	    provider_setting_number(settings, "weight", 0, -WEIGHT_MAX, WEIGHT_MAX, &account->weight, err))
		return account;
	free(account);
	return NULL;
}

static void inbox_release(struct provider_account *account)
{
	free(account);
}

/* RFC 3339 in UTC, to the second: 2026-11-30T08:00:00Z. */
static bool read_time(const json_t *value, const char *name, int64_t *wall_ms, struct error *err)
{
	struct tm date = {0};
	const char *text = json_string_value(value), *end;

	if (value == NULL)
		return true;
	end = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &date) : NULL;
	if (end == NULL || *end != '\0' || date.tm_year < 70 || date.tm_year > 8000)
		return error_set(err, ERROR_INVALID, "%s is a time such as 2026-11-30T08:00:00Z.", name);
	*wall_ms = (int64_t)timegm(&date) * 1000;
	return true;
}

static bool read_placing(const json_t *data, struct placing *placing, struct error *err)
{
	const json_t *weight = json_object_get(data, "weight");

	if (weight != NULL && (!json_is_integer(weight) || json_integer_value(weight) < -WEIGHT_MAX ||
			       json_integer_value(weight) > WEIGHT_MAX))
		return error_set(err, ERROR_INVALID, "weight is a number from -%d to %d.", WEIGHT_MAX, WEIGHT_MAX);
	if (weight != NULL)
		placing->weight = json_integer_value(weight);
	return read_time(json_object_get(data, "visible_from"), "visible_from", &placing->visible_from_ms, err) &&
	       read_time(json_object_get(data, "visible_until"), "visible_until", &placing->visible_until_ms, err);
}

static bool place(const struct provider_account *account, const struct provider_message *message,
		  struct placing *placing, struct error *err)
{
	json_t *data = NULL;
	bool usable;

	*placing = (struct placing){.visible_from_ms = message->created_at_ms, .weight = account->weight};
	if (message->data.length > 0) {
		data = json_loadb(message->data.bytes, message->data.length, 0, NULL);
		if (!json_is_object(data)) {
			json_decref(data);
			return error_set(err, ERROR_INVALID, "The message's data is not a JSON object.");
		}
	}
	usable = read_placing(data, placing, err);
	json_decref(data);
	if (usable && placing->visible_until_ms == 0)
		placing->visible_until_ms = placing->visible_from_ms + account->visible_days * DAY_MS;
	if (usable && placing->visible_until_ms <= placing->visible_from_ms)
		return error_set(err, ERROR_INVALID, "visible_until is not after visible_from.");
	return usable;
}

static bool check_message(const struct provider_message *message, struct error *err)
{
	const struct slice *const parts[] = {&message->subject, &message->body_text, &message->link, &message->image};

	if (message->address.length == 0 || message->address.length > ADDRESS_MAX_BYTES ||
	    memchr(message->address.bytes, '\0', message->address.length) != NULL)
		return error_set(err, ERROR_REFUSED, "The address is empty, too long or holds a NUL.");
	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
		if (parts[i]->length > 0 && memchr(parts[i]->bytes, '\0', parts[i]->length) != NULL)
			return error_set(err, ERROR_INVALID,
					 "The message holds a NUL, which the database does not keep.");
	return true;
}

static void add_string(struct text *out, const char *name, struct slice value)
{
	text_addf(out, ",\"%s\":", name);
	text_add_json_string(out, value.bytes, value.length);
}

static void add_number(struct text *out, const char *name, int64_t number)
{
	text_addf(out, ",\"%s\":", name);
	text_add_int64(out, number);
}

/* The row, as delivery.inbox_put takes it. The database knows whose inbox it is by the delivery. */
static void add_row(struct text *out, const struct provider_message *message, const struct placing *placing)
{
	text_add(out, "{\"delivery_id\":");
	text_add_int64(out, message->delivery_id);
	add_string(out, "key",
		   (struct slice){.bytes = message->idempotency_key, .length = strlen(message->idempotency_key)});
	add_string(out, "title", message->subject);
	add_string(out, "body", message->body_text);
	if (message->link.length > 0)
		add_string(out, "link", message->link);
	if (message->image.length > 0)
		add_string(out, "image", message->image);
	if (message->data.length > 0) {
		text_add(out, ",\"data\":");
		text_add_bytes(out, message->data.bytes, message->data.length);
	}
	add_number(out, "weight", placing->weight);
	add_number(out, "visible_from_ms", placing->visible_from_ms);
	add_number(out, "visible_until_ms", placing->visible_until_ms);
	text_add_char(out, '}');
}

static bool inbox_build(struct provider_account *account, const struct provider_message *message,
			struct provider_request *request, struct error *err)
{
	struct placing placing;

	provider_request_clear(request);
	if (!check_message(message, err) || !place(account, message, &placing, err))
		return false;
	request->protocol = PROVIDER_DATABASE;
	add_row(&request->body, message, &placing);
	if (text_ok(&request->body) && request->body.length <= MESSAGE_MAX)
		return true;
	provider_request_clear(request);
	return error_set(err, ERROR_INVALID, "The message is larger than %d bytes.", MESSAGE_MAX);
}

/* worker/inbox_writer.c answers as an HTTP server would. */
static void inbox_read(struct provider_account *account, const struct provider_answer *answer, struct outcome *outcome)
{
	(void)account;
	if (words_without_answer(answer, outcome))
		return;
	if (answer->status / 100 == 2)
		outcome_set(outcome, OUTCOME_ACCEPTED, "stored", "The message is in the inbox.");
	else if (answer->status / 100 == 4)
		outcome_set(outcome, OUTCOME_BAD_PAYLOAD, "refused", "The database does not take this message.");
	else
		outcome_set(outcome, OUTCOME_TRANSIENT, "busy", "The database did not take the message for now.");
}

static const struct provider_transport *inbox_transport(const struct provider_account *account)
{
	static const struct provider_transport none = {.timeout_ms = 30000, .connect_timeout_ms = 5000};

	(void)account;
	return &none;
}

const struct provider_driver inbox_driver = {
	.name = "inbox",
	.channels = 1u << CHANNEL_IN_APP,
	.keyed = true,
	.settings_help = settings_help,
	.configure = inbox_configure,
	.release = inbox_release,
	.build = inbox_build,
	.read = inbox_read,
	.transport = inbox_transport,
};
