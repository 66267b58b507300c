/* What somebody posts to the receiver, for every driver that reads callbacks, as if it had been verified. The first byte
 * chooses the driver and the kind of body; up to the first line end stands the query, behind it the body. Whatever it
 * is, the events are well formed, and the same bytes give the same ones. And without a signature nothing is believed. */
#include <stdlib.h>
#include <string.h>

#include "worker/providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define DRIVERS_MAX 32
#define NOW_MS      1795300060000
#define EMAIL       "\"from_email\": \"club@example.com\""

static const struct {
	const char *driver, *settings;
} accounts[] = {
	{"mandrill", "{\"api_key\": \"env:FUZZ_KEY\", \"webhook_key\": \"env:FUZZ_KEY\", " EMAIL "}"},
	{"sendgrid",
	 "{\"api_key\": \"env:FUZZ_KEY\", \"webhook_public_key\": "
	 "\"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQdQ/mGE6mz5KRW6yEQyOfoBA5o5DZojkNIJXXLbx3D8b4YSBxGHv0+evTH/ie9RnlUzKyAmT5WWWd+fWQDqz0Q==\", " EMAIL
	 "}"},
	{"twilio",
	 "{\"account_sid\": \"AC0123456789abcdef0123456789abcdef\", \"auth_token\": \"env:FUZZ_KEY\", \"from\": \"Club\"}"},
	{"webhook", "{\"url\": \"https://app.example.com/\", \"secret\": \"env:FUZZ_KEY\"}"},
};

struct opened {
	const struct provider_driver *driver;
	struct provider_account *account;
};

static struct opened opened[DRIVERS_MAX];
static size_t opened_count;

/* A driver with callbacks that is not in the table above is a mistake in it. */
static void open_all(void)
{
	setenv("FUZZ_KEY", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1);
	for (size_t i = 0; provider_registry[i] != NULL; i++) {
		const struct provider_driver *driver = provider_registry[i];
		struct error err = {0};

		for (size_t k = 0; driver->callbacks != NULL && k < ARRAY_LENGTH(accounts); k++)
			if (strcmp(accounts[k].driver, driver->name) == 0) {
				json_t *settings = json_loads(accounts[k].settings, 0, NULL);

				opened[opened_count].driver = driver;
				opened[opened_count++].account = driver->configure(settings, &err);
				json_decref(settings);
			}
		if (driver->callbacks != NULL && (opened_count == 0 || opened[opened_count - 1].driver != driver ||
						  !opened[opened_count - 1].account))
			abort();
	}
}

static void check_slice(struct slice slice)
{
	if (slice.length > 0 && (slice.bytes == NULL || memchr(slice.bytes, '\0', slice.length) != NULL))
		abort();
}

static void add_slice(struct text *out, struct slice slice)
{
	check_slice(slice);
	text_addf(out, "%zu:", slice.length);
	text_add_bytes(out, slice.bytes, slice.length);
}

static void on_event(void *context, const struct provider_event *event)
{
	struct text *told = context;

	if ((unsigned)event->kind > PROVIDER_EVENT_OTHER || event->delivery_id < 0 || event->at_ms <= 0)
		abort();
	if (event->is_machine && event->kind != PROVIDER_EVENT_OPENED && event->kind != PROVIDER_EVENT_CLICKED)
		abort();
	text_addf(told, "%d %lld %lld ", (int)event->kind, (long long)event->delivery_id, (long long)event->at_ms);
	add_slice(told, event->provider_message_id);
	add_slice(told, event->event_key);
	add_slice(told, event->address);
	add_slice(told, event->code);
	add_slice(told, event->words);
	add_slice(told, event->link);
	add_slice(told, event->text);
	/* Explanations are cleaned. */
	if (event->words.length > 0 && memchr(event->words.bytes, '@', event->words.length) != NULL)
		abort();
}

static bool parse(const struct opened *one, const struct provider_callback *callback, struct text *told)
{
	struct error err = {0};
	bool parsed = one->driver->callbacks->parse(one->account, callback, on_event, told, &err);

	if (!parsed && (err.kind != ERROR_INVALID || err.text[0] == '\0'))
		abort();
	return parsed;
}

static void check_callback(const struct opened *one, const struct provider_callback *callback)
{
	struct error err = {0};
	struct text first, second;

	if (one->driver->callbacks->verify(one->account, callback, &err) || err.kind != ERROR_REFUSED)
		abort();
	text_init(&first, 64 * 1024 * 1024);
	text_init(&second, 64 * 1024 * 1024);
	if (parse(one, callback, &first) != parse(one, callback, &second) || first.length != second.length ||
	    memcmp(text_string(&first), text_string(&second), first.length) != 0)
		abort();
	text_release(&first);
	text_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded\r\nwebhook-id: a\r\nwebhook-timestamp: 1795300060\r\n",
		"Content-Type: application/json\r\nwebhook-id: a\r\nwebhook-timestamp: 1795300060\r\n"
		"X-Mandrill-Signature: AAAA\r\nX-Twilio-Signature: AAAA\r\nwebhook-signature: v1,AAAA v1,\r\n"
		"X-Twilio-Email-Event-Webhook-Signature: AAAA\r\nX-Twilio-Email-Event-Webhook-Timestamp: 1795300060\r\n",
	};
	const uint8_t *line_end;
	struct text url;

	if (opened_count == 0)
		open_all();
	line_end = length > 1 ? memchr(bytes + 1, '\n', length - 1) : NULL;
	if (line_end == NULL || memchr(bytes + 1, '\0', (size_t)(line_end - bytes - 1)) != NULL)
		return 0;
	text_init(&url, length + 100);
	text_add(&url, "https://club.example.com/callbacks/1?");
	text_add_bytes(&url, bytes + 1, (size_t)(line_end - bytes - 1));
	const struct provider_callback callback = {
		.method = "POST",
		.url = text_string(&url),
		.query = strchr(text_string(&url), '?') + 1,
		.headers = provider_slice(headers[bytes[0] / 16 % 2]),
		.body = {(const char *)line_end + 1, length - (size_t)(line_end + 1 - bytes)},
		.now_ms = NOW_MS,
	};
	check_callback(&opened[bytes[0] % 16 % opened_count], &callback);
	text_release(&url);
	return 0;
}
