/* A callback that the provider did not send is not believed: one genuine callback of each, and every way to change it that costs
 * an attacker nothing. Each was signed outside of this project, with Python's hmac and the openssl command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/providers/provider.h"

#define NOW_MS      1795300060000
#define TOLERANCE_S 300

struct genuine {
	const char *driver, *settings, *url, *headers, *body;
	const char *signature_header;
	const char *time_header; /* NULL: the scheme signs no time */
	bool url_is_signed;
	const char *signed_by_another; /* the signature that another account of the same provider makes */
};

static const struct genuine all[] = {
	{
		.driver = "mandrill",
		.settings =
			"{\"api_key\": \"env:TEST_SECRET\", \"webhook_key\": \"env:TEST_MANDRILL_WEBHOOK_KEY\", \"from_email\": \"club@example.com\"}",
		.url = "https://hooks:secret@club.example.com/callbacks/1",
		.headers =
			"Content-Type: application/x-www-form-urlencoded\r\nX-Mandrill-Signature: IWPw8cUbzGcKyhEEh576C8cz7PA=\r\n",
		.body = "mandrill_events=%5B%7B%22event%22%3A%22send%22%2C%22ts%22%3A1795300050%2C%22_id%22%3A%22abc123%22%2C%22msg%22%3A%7B%22ts%22%3A1795300000%2C%22_id%22%3A%22abc123%22%2C%22email%22%3A%22ada%40example.org%22%2C%22sender%22%3A%22club%40example.com%22%2C%22state%22%3A%22sent%22%2C%22metadata%22%3A%7B%22delivery_id%22%3A%229007199254740993%22%7D%2C%22tags%22%3A%5B%22marketing%22%5D%7D%7D%5D",
		.signature_header = "X-Mandrill-Signature",
		.time_header = NULL,
		.url_is_signed = true,
		.signed_by_another = "xmI9+wRcovQNKVm0EsIE+Boe+6k=",
	},
	{
		.driver = "sendgrid",
		.settings =
			"{\"api_key\": \"env:TEST_SECRET\", \"from_email\": \"club@example.com\", \"webhook_public_key\": \"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQdQ/mGE6mz5KRW6yEQyOfoBA5o5DZojkNIJXXLbx3D8b4YSBxGHv0+evTH/ie9RnlUzKyAmT5WWWd+fWQDqz0Q==\"}",
		.url = "https://club.example.com/callbacks/2",
		.headers =
			"Content-Type: application/json\r\nX-Twilio-Email-Event-Webhook-Signature: MEQCIGf3v3vWl6p+96WRxWYo2qaMBnWW708GUF+JxJW+RMBQAiAq4A8+7rKQh/8yB4B7liqHdUQbtLpMD22avmW3pCtPHg==\r\nX-Twilio-Email-Event-Webhook-Timestamp: 1795300058\r\n",
		.body = "[{\"email\":\"ada@example.org\",\"timestamp\":1795300050,\"smtp-id\":\"<14c5d75ce93.dfd.64b469@ismtpd-555>\",\"event\":\"delivered\",\"category\":[\"marketing\"],\"sg_event_id\":\"rbtnWrG1DVDGGGFHFyun0A==\",\"sg_message_id\":\"14c5d75ce93.filter0001.16648.5515E0B88.0\",\"delivery_id\":\"9007199254740993\"}]\r\n",
		.signature_header = "X-Twilio-Email-Event-Webhook-Signature",
		.time_header = "X-Twilio-Email-Event-Webhook-Timestamp",
		.url_is_signed = false,
		.signed_by_another =
			"MEQCIHJ2OSSALBexjb8zNq9tEixGn3s8QzwrY7UA77IFqpGMAiA5IpRt7A+od8pRTGwzMOeG9WdP2GDfcTg29j08o450Tw==",
	},
	{
		.driver = "twilio",
		.settings =
			"{\"account_sid\": \"AC0123456789abcdef0123456789abcdef\", \"auth_token\": \"env:TEST_TWILIO_TOKEN\", \"from\": \"+37120000000\"}",
		.url = "https://club.example.com/callbacks/3?delivery=9007199254740993",
		.headers =
			"Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: XnSNdMG77nQJnM1CZm3DTuDVfO0=\r\n",
		.body = "SmsSid=SM0123456789abcdef0123456789abcdef&SmsStatus=delivered&MessageStatus=delivered&To=%2B37121234567&MessageSid=SM0123456789abcdef0123456789abcdef&AccountSid=AC0123456789abcdef0123456789abcdef&From=%2B37120000000&ApiVersion=2010-04-01",
		.signature_header = "X-Twilio-Signature",
		.time_header = NULL,
		.url_is_signed = true,
		.signed_by_another = "TBlF+beJUZ5Yk11l4syUY2jBSmI=",
	},
	{
		.driver = "webhook",
		.settings = "{\"url\": \"https://app.example.com/inbox\", \"secret\": \"env:TEST_SECRET\"}",
		.url = "https://club.example.com/callbacks/4",
		.headers =
			"Content-Type: application/json\r\nwebhook-id: evt_1\r\nwebhook-timestamp: 1795300058\r\nwebhook-signature: v1,Fgl2ALWKFIM/P9jZHWhOn5l9RN8Oz0rnn2HtacYtb4g=\r\n",
		.body = "{\"type\": \"message.delivered\", \"timestamp\": \"2026-11-21T22:27:30.250Z\", \"data\": {\"delivery_id\": \"9007199254740993\"}}",
		.signature_header = "webhook-signature",
		.time_header = "webhook-timestamp",
		.url_is_signed = false,
		.signed_by_another = "v1,yNMjh/H1w2VbrLZxgM93NEkFU5QJGzVJHOMznGJff0g=",
	},
};

static struct provider_account *open_account(const struct genuine *genuine)
{
	struct error err = {0};
	json_t *settings = json_loads(genuine->settings, 0, NULL);
	struct provider_account *account = provider_find(genuine->driver)->configure(settings, &err);

	json_decref(settings);
	if (account == NULL)
		fail_msg("%s: %s", genuine->driver, err.text);
	return account;
}

struct change {
	const char *url, *headers, *body;
	int64_t now_ms;
};

static struct change unchanged(const struct genuine *genuine)
{
	return (struct change){genuine->url, genuine->headers, genuine->body, NOW_MS};
}

static bool is_believed(const struct genuine *genuine, struct provider_account *account, const struct change *change,
			struct error *err)
{
	const char *query = strchr(change->url, '?');
	const struct provider_callback callback = {
		.method = "POST",
		.url = change->url,
		.query = query != NULL ? query + 1 : "",
		.headers = provider_slice(change->headers),
		.body = provider_slice(change->body),
		.now_ms = change->now_ms,
	};

	return provider_find(genuine->driver)->callbacks->verify(account, &callback, err);
}

static void check_forged(const struct genuine *genuine, const struct change *change, const char *what, size_t at)
{
	struct provider_account *account = open_account(genuine);
	struct error err = {0};

	if (is_believed(genuine, account, change, &err))
		fail_msg("%s is believed with %s changed at %zu:\n%s\n%s\n%s", genuine->driver, what, at, change->url,
			 change->headers, change->body);
	assert_int_equal(err.kind, ERROR_REFUSED);
	if (err.text[0] == '\0' || strstr(err.text, "ada@example.org") != NULL ||
	    strstr(err.text, "+37121234567") != NULL)
		fail_msg("%s: the sentence is \"%s\"", genuine->driver, err.text);
	provider_find(genuine->driver)->release(account);
}

#define FOR_EACH_GENUINE(genuine)                                                                                      \
	for (const struct genuine *genuine = all; genuine < all + ARRAY_LENGTH(all); genuine++)

static void test_every_driver_with_callbacks_is_here(void **state)
{
	(void)state;
	for (size_t i = 0; provider_registry[i] != NULL; i++) {
		size_t found = 0;

		FOR_EACH_GENUINE(genuine)
		found += strcmp(genuine->driver, provider_registry[i]->name) == 0;
		if (found != (provider_registry[i]->callbacks != NULL))
			fail_msg("%s has %zu genuine callbacks here", provider_registry[i]->name, found);
	}
}

static void test_the_genuine_one_is_believed(void **state)
{
	(void)state;
	FOR_EACH_GENUINE(genuine)
	{
		struct provider_account *account = open_account(genuine);
		const struct change change = unchanged(genuine);
		struct error err = {0};

		if (!is_believed(genuine, account, &change, &err))
			fail_msg("%s: %s", genuine->driver, err.text);
		/* Twice is fine here: what is repeated is known by its event key. */
		assert_true(is_believed(genuine, account, &change, &err));
		provider_find(genuine->driver)->release(account);
	}
}

static void test_no_byte_of_the_body_may_change(void **state)
{
	(void)state;
	FOR_EACH_GENUINE(genuine)
	{
		char *body = strdup(genuine->body);
		struct change change = unchanged(genuine);

		assert_non_null(body);
		change.body = body;
		for (size_t i = 0; body[i] != '\0'; i++) {
			body[i] ^= 1;
			check_forged(genuine, &change, "the body", i);
			body[i] ^= 1;
		}
		body[strlen(body) - 1] = '\0';
		check_forged(genuine, &change, "the body", strlen(body));
		change.body = "";
		check_forged(genuine, &change, "the body", 0);
		free(body);
	}
}

static void test_nothing_may_be_added_to_the_body(void **state)
{
	static const char *const additions[] = {"x", " ", "\n", "&a=1", "&a", "=", ",{}"};

	(void)state;
	FOR_EACH_GENUINE(genuine)
	{
		for (size_t i = 0; i < ARRAY_LENGTH(additions); i++) {
			struct change change = unchanged(genuine);
			char *body = NULL;

			assert_true(asprintf(&body, "%s%s", genuine->body, additions[i]) > 0);
			change.body = body;
			check_forged(genuine, &change, "something behind the body", i);
			free(body);
		}
	}
}

/* Nothing is too large to be covered: a limit on what is signed would let the rest through. */
static void test_nothing_large_may_be_added_either(void **state)
{
	const size_t size = 5 * 1024 * 1024;
	char *filling = malloc(size + 1);

	(void)state;
	assert_non_null(filling);
	memset(filling, 'z', size);
	filling[size] = '\0';
	FOR_EACH_GENUINE(genuine)
	{
		struct change change = unchanged(genuine);
		char *body = NULL;

		assert_true(asprintf(&body, "%s&%s=1", genuine->body, filling) > 0);
		change.body = body;
		check_forged(genuine, &change, "something large behind the body", 0);
		free(body);
	}
	free(filling);
}

/* Where a header's value begins and ends. */
static size_t find_header(const char *headers, const char *name, size_t *length)
{
	const struct slice found = provider_header(provider_slice(headers), name);

	assert_non_null(found.bytes);
	*length = found.length;
	return (size_t)(found.bytes - headers);
}

static void change_header_bytes(const struct genuine *genuine, const char *name)
{
	char *headers = strdup(genuine->headers);
	struct change change = unchanged(genuine);
	size_t length, start;

	assert_non_null(headers);
	start = find_header(headers, name, &length);
	change.headers = headers;
	for (size_t i = start; i < start + length; i++) {
		headers[i] ^= 1;
		check_forged(genuine, &change, name, i);
		headers[i] ^= 1;
	}
	free(headers);
}

static void test_no_byte_of_the_signature_may_change(void **state)
{
	(void)state;
	FOR_EACH_GENUINE(genuine)
	{
		change_header_bytes(genuine, genuine->signature_header);
		if (genuine->time_header != NULL)
			change_header_bytes(genuine, genuine->time_header);
	}
}

static char *with_header(const struct genuine *genuine, const char *name, const char *value)
{
	size_t length, start = find_header(genuine->headers, name, &length);
	char *headers = NULL;

	assert_true(asprintf(&headers, "%.*s%s%s", (int)start, genuine->headers, value,
			     genuine->headers + start + length) > 0);
	return headers;
}

static void test_the_signature_of_another_account_is_not_ours(void **state)
{
	(void)state;
	FOR_EACH_GENUINE(genuine)
	{
		static const char *const nothing[] = {"", "=", "AAAA", "v1,", "v1,=", "0", "null"};
		struct change change = unchanged(genuine);
		char *headers = with_header(genuine, genuine->signature_header, genuine->signed_by_another);

		change.headers = headers;
		check_forged(genuine, &change, "the signer", 0);
		free(headers);
		for (size_t i = 0; i < ARRAY_LENGTH(nothing); i++) {
			headers = with_header(genuine, genuine->signature_header, nothing[i]);
			change.headers = headers;
			check_forged(genuine, &change, "the signature", i);
			free(headers);
		}
	}
}

static void test_no_header_may_be_missing(void **state)
{
	(void)state;
	FOR_EACH_GENUINE(genuine)
	{
		struct change change = unchanged(genuine);
		char *headers = strdup(genuine->headers);
		size_t length;

		assert_non_null(headers);
		change.headers = headers;
		headers[find_header(headers, genuine->signature_header, &length) - 3] ^= 1;
		check_forged(genuine, &change, "the signature's name", 0);
		change.headers = "";
		check_forged(genuine, &change, "all headers", 0);
		free(headers);
		if (genuine->time_header == NULL)
			continue;
		headers = strdup(genuine->headers);
		assert_non_null(headers);
		change.headers = headers;
		headers[find_header(headers, genuine->time_header, &length) - 3] ^= 1;
		check_forged(genuine, &change, "the timestamp's name", 0);
		free(headers);
	}
}

static void test_the_url_is_part_of_it(void **state)
{
	(void)state;
	FOR_EACH_GENUINE(genuine)
	{
		char *url = strdup(genuine->url);
		struct change change = unchanged(genuine);

		assert_non_null(url);
		change.url = url;
		for (size_t i = 0; genuine->url_is_signed && url[i] != '\0'; i++) {
			url[i] ^= 1;
			check_forged(genuine, &change, "the URL", i);
			url[i] ^= 1;
		}
		free(url);
	}
}

static void test_an_old_one_is_not_believed(void **state)
{
	(void)state;
	FOR_EACH_GENUINE(genuine)
	{
		struct change change = unchanged(genuine);

		if (genuine->time_header == NULL)
			continue;
		change.now_ms = NOW_MS + (TOLERANCE_S + 1) * 1000;
		check_forged(genuine, &change, "the time, to later", 0);
		change.now_ms = NOW_MS - (TOLERANCE_S + 3) * 1000;
		check_forged(genuine, &change, "the time, to earlier", 0);
	}
}

/* The same account with another key. */
static void test_the_key_is_the_accounts_own(void **state)
{
	(void)state;
	FOR_EACH_GENUINE(genuine)
	{
		struct genuine another = *genuine;
		const struct change change = unchanged(genuine);
		char *settings = strdup(genuine->settings), *at;

		assert_non_null(settings);
		for (at = settings; (at = strstr(at, "env:TEST_")) != NULL;)
			at[4] = 'N'; /* NEST_SECRET and the others hold other keys */
		at = strstr(settings, "MFkwEwYHKoZIzj0");
		if (at != NULL)
			memcpy(at, getenv("OTHER_PUBLIC_KEY"), strlen(getenv("OTHER_PUBLIC_KEY")));
		another.settings = settings;
		check_forged(&another, &change, "the key", 0);
		free(settings);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_driver_with_callbacks_is_here),
		cmocka_unit_test(test_the_genuine_one_is_believed),
		cmocka_unit_test(test_no_byte_of_the_body_may_change),
		cmocka_unit_test(test_nothing_may_be_added_to_the_body),
		cmocka_unit_test(test_nothing_large_may_be_added_either),
		cmocka_unit_test(test_no_byte_of_the_signature_may_change),
		cmocka_unit_test(test_the_signature_of_another_account_is_not_ours),
		cmocka_unit_test(test_no_header_may_be_missing),
		cmocka_unit_test(test_the_url_is_part_of_it),
		cmocka_unit_test(test_an_old_one_is_not_believed),
		cmocka_unit_test(test_the_key_is_the_accounts_own),
	};

	setenv("TEST_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1);
	setenv("TEST_MANDRILL_WEBHOOK_KEY", "aRk8QbT2vX5mN9pL3sD7gJ", 1);
	setenv("TEST_TWILIO_TOKEN", "12345678901234567890123456789012", 1);
	setenv("NEST_SECRET", "whsec_NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1);
	setenv("NEST_MANDRILL_WEBHOOK_KEY", "aRk8QbT2vX5mN9pL3sD7gK", 1);
	setenv("NEST_TWILIO_TOKEN", "12345678901234567890123456789013", 1);
	setenv("OTHER_PUBLIC_KEY",
	       "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEy8Nch4PiFWXVXQJgeUz9wnIoo8s+R7y1wT7QK+4v7E0qeoLGbf4O+MxvoV9E7KqT983b2+LW814PHTU416Qxzw==",
	       1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
