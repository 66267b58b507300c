/* The numbered rules of provider.h, for every driver in the registry. A new driver adds its settings below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/providers/provider.h"

#define SECRET_IN_BASE64 "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define KEY              "contract-key-77"
#define ADDRESS          "ada.lovelace@example.org"
#define BODY             "The body that nobody may log."

struct sample {
	const char *driver, *settings, *address;
	const char *required; /* a setting without which nothing works; NULL: there is none, and no secret either */
	const char *secret;   /* a setting that must not stand in the database */
	bool shows_secret;    /* the vendor wants it in the request itself */
};

#define EMAIL_SETTINGS "\"from_email\": \"shop@example.com\", \"from_name\": \"Shop\"}"

/* The browser's key is that of RFC 8291, appendix A. */
#define SUBSCRIPTION                                                                                                   \
	"{\"endpoint\": \"https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV\", \"keys\": "                \
	"{\"p256dh\": \"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4\", "   \
	"\"auth\": \"BTBZMqHH6r4Tts7J_aSIgg\"}}"

static const struct sample samples[] = {
	{"mandrill", "{\"api_key\": \"env:TEST_SECRET\", " EMAIL_SETTINGS, ADDRESS, "api_key", "api_key", true},
	{"sendgrid", "{\"api_key\": \"env:TEST_SECRET\", " EMAIL_SETTINGS, ADDRESS, "api_key", "api_key", true},
	{"apns",
	 "{\"team_id\": \"TEAM123456\", \"key_id\": \"KEY1234567\", \"topic\": \"com.example.club\", "
	 "\"private_key\": \"file:tests/providers/apns/private_key.p8\"}",
	 "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0", "topic", "private_key", false},
	{"fcm", "{\"service_account\": \"file:tests/providers/fcm/service_account.json\"}",
	 "bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1", "service_account", "service_account", false},
	{"smtp",
	 "{\"host\": \"127.0.0.1\", \"tls\": \"none\", \"from_email\": \"shop@example.com\", \"from_name\": \"Shop\", "
	 "\"user\": \"shop\", \"password\": \"env:TEST_SECRET\"}",
	 ADDRESS, "host", "password", false},
	{"inbox", "{}", ADDRESS, NULL, NULL, false},
	{"twilio",
	 "{\"account_sid\": \"AC0123456789abcdef0123456789abcdef\", \"auth_token\": \"env:TEST_SECRET\", "
	 "\"from\": \"+37120000000\"}",
	 "+37121234567", "account_sid", "auth_token", false},
	{"webhook", "{\"url\": \"https://app.example.com/inbox\", \"secret\": \"env:TEST_SECRET\"}", ADDRESS, "url",
	 "secret", false},
	{"webpush",
	 "{\"subject\": \"mailto:ops@example.com\", "
	 "\"vapid_private_key\": \"file:tests/providers/webpush/vapid_private_key\"}",
	 SUBSCRIPTION, "subject", "vapid_private_key", false},
};

static const struct sample *sample_of(const struct provider_driver *driver)
{
	for (size_t i = 0; i < ARRAY_LENGTH(samples); i++)
		if (strcmp(samples[i].driver, driver->name) == 0)
			return &samples[i];
	fail_msg("%s has no settings in this test", driver->name);
	return NULL;
}

/* Where requests carry an access token, the account gets one: what the vendor answers, or what the fleet would share. */
static void hold_token(const struct provider_driver *driver, struct provider_account *account)
{
	static const char answer[] = "{\"access_token\":\"ya29.contract\",\"expires_in\":3599}";
	struct provider_token_share share;
	struct outcome outcome;

	if (driver->token == NULL)
		return;
	if (driver->token->mint != NULL) {
		driver->token->mint(account, 1795300000000, &share);
		assert_true(driver->token->adopt(account, 1795300000000, &share));
		return;
	}
	assert_true(driver->token->read(account,
					&(struct provider_answer){.progress = PROVIDER_ANSWERED,
								  .status = 200,
								  .body = {answer, sizeof(answer) - 1},
								  .wall_ms = 1795300000000},
					&outcome));
}

static struct provider_account *open_account(const struct provider_driver *driver)
{
	struct error err = {0};
	json_t *settings = json_loads(sample_of(driver)->settings, 0, NULL);
	struct provider_account *account = driver->configure(settings, &err);

	json_decref(settings);
	if (account == NULL)
		fail_msg("%s: %s", driver->name, err.text);
	hold_token(driver, account);
	return account;
}

static struct slice slice_of(const char *text)
{
	return (struct slice){.bytes = text, .length = strlen(text)};
}

static struct provider_message message_for(const struct provider_driver *driver)
{
	return (struct provider_message){
		.delivery_id = 987654321012345,
		.attempt = 1,
		.idempotency_key = KEY,
		.address = slice_of(sample_of(driver)->address),
		.subject = slice_of("A subject"),
		.body_text = slice_of(BODY),
		.body_html = slice_of("<p>" BODY "</p>"),
		.created_at_ms = 1795300000123,
		.now_ms = 1795300060000,
		.callback_url = "https://postrider.example.com/callbacks/1?delivery=987654321012345",
	};
}

#define FOR_EACH_DRIVER(driver)                                                                                        \
	for (const struct provider_driver *driver, *const *at_ = provider_registry; (driver = *at_) != NULL; at_++)

static void test_the_registry_is_whole(void **state)
{
	(void)state;
	FOR_EACH_DRIVER(driver) {
		assert_ptr_equal(provider_find(driver->name), driver);
		assert_true(driver->channels != 0 && driver->channels < 1u << CHANNEL_COUNT);
		assert_non_null(driver->settings_help);
		if (sample_of(driver)->required != NULL)
			assert_non_null(strstr(driver->settings_help, sample_of(driver)->required));
	}
	assert_null(provider_find("nobody"));
}

static void check_refused(const struct provider_driver *driver, json_t *settings, const char *setting)
{
	struct error err = {0};

	if (driver->configure(settings, &err) != NULL)
		fail_msg("%s: takes a wrong %s", driver->name, setting);
	assert_int_equal(err.kind, ERROR_INVALID);
	if (strstr(err.text, setting) == NULL)
		fail_msg("%s: does not say that %s is wrong: %s", driver->name, setting, err.text);
	json_decref(settings);
}

static void test_rule_1_settings_are_checked(void **state)
{
	(void)state;
	FOR_EACH_DRIVER(driver) {
		const struct sample *sample = sample_of(driver);
		json_t *settings = sample->required != NULL ? json_loads(sample->settings, 0, NULL) : NULL;

		if (settings == NULL)
			continue;
		json_object_del(settings, sample->required);
		check_refused(driver, settings, sample->required);
		settings = json_loads(sample->settings, 0, NULL);
		json_object_set_new(settings, sample->required, json_integer(7));
		check_refused(driver, settings, sample->required);
		settings = json_loads(sample->settings, 0, NULL);
		json_object_set_new(settings, sample->required, json_string("a\r\nb"));
		check_refused(driver, settings, sample->required);
		settings = json_loads(sample->settings, 0, NULL);
		json_object_set_new(settings, sample->secret, json_string(SECRET_IN_BASE64));
		check_refused(driver, settings, sample->secret);
		settings = json_loads(sample->settings, 0, NULL);
		json_object_set_new(settings, sample->secret, json_string("env:TEST_NOT_SET"));
		check_refused(driver, settings, sample->secret);
	}
}

/* How every JSON Web Token begins. Its signature by ECDSA has other bytes each time. */
#define SIGNED "eyJ"

static void show(const struct provider_request *request, struct text *shown)
{
	text_addf(shown, "%s\n%s\n%s\n", text_string(&request->url), text_string(&request->mail_from),
		  text_string(&request->rcpt_to));
	for (size_t i = 0; i < request->header_count; i++)
		if (strstr(text_string(&request->headers[i]), SIGNED) == NULL)
			text_addf(shown, "%s\n", text_string(&request->headers[i]));
	text_add_bytes(shown, text_string(&request->body), request->body.length);
}

static void build(const struct provider_driver *driver, struct provider_account *account,
		  const struct provider_message *message, struct provider_request *request, struct text *shown)
{
	struct error err = {0};

	if (!driver->build(account, message, request, &err))
		fail_msg("%s: %s", driver->name, err.text);
	text_clear(shown);
	show(request, shown);
	assert_true(text_ok(shown));
}

static void test_rule_2_same_in_same_out(void **state)
{
	(void)state;
	FOR_EACH_DRIVER(driver) {
		struct provider_account *one = open_account(driver), *two = open_account(driver);
		struct provider_message message = message_for(driver);
		struct provider_request request;
		struct text first, second;

		provider_request_init(&request);
		text_init(&first, 100000);
		text_init(&second, 100000);
		build(driver, one, &message, &request, &first);
		message.attempt = 2;
		build(driver, two, &message, &request, &second);
		assert_string_equal(text_string(&first), text_string(&second));
		/* A retry an hour later: the body is the same, only a signature may differ. */
		text_clear(&first);
		text_add_bytes(&first, request.body.bytes, request.body.length);
		message.now_ms += 3600000;
		build(driver, one, &message, &request, &second);
		assert_int_equal(request.body.length, first.length);
		assert_memory_equal(request.body.bytes, first.bytes, first.length);
		text_release(&first);
		text_release(&second);
		provider_request_release(&request);
		driver->release(one);
		driver->release(two);
	}
}

/* The sentence and nothing else is left. */
static void check_build_fails(const struct provider_driver *driver, const struct provider_message *message,
			      enum error_kind kind, const char *when)
{
	struct provider_account *account = open_account(driver);
	struct provider_request request;
	struct error err = {0};

	provider_request_init(&request);
	if (driver->build(account, message, &request, &err))
		fail_msg("%s: builds a request with %s", driver->name, when);
	if (err.kind != kind || err.text[0] == '\0')
		fail_msg("%s: with %s it fails as %s: \"%s\"", driver->name, when, error_kind_name(err.kind), err.text);
	assert_int_equal(request.body.length + request.url.length + request.rcpt_to.length + request.header_count, 0);
	provider_request_release(&request);
	driver->release(account);
}

static void test_rule_2_a_wrong_address_is_told_from_a_wrong_message(void **state)
{
	struct slice large = {.bytes = memory_new(PROVIDER_BODY_MAX + 1), .length = PROVIDER_BODY_MAX + 1};

	(void)state;
	memset((char *)(uintptr_t)large.bytes, 'x', large.length);
	FOR_EACH_DRIVER(driver) {
		struct provider_message message = message_for(driver);

		message.address = (struct slice){0};
		check_build_fails(driver, &message, ERROR_REFUSED, "an empty address");
		message = message_for(driver);
		message.body_text = message.body_html = large;
		check_build_fails(driver, &message, ERROR_INVALID, "too large a body");
	}
	free((void *)(uintptr_t)large.bytes);
}

static void test_rule_3_the_delivery_and_the_key_are_carried(void **state)
{
	(void)state;
	FOR_EACH_DRIVER(driver) {
		struct provider_account *account = open_account(driver);
		struct provider_message message = message_for(driver);
		struct provider_request request;
		struct text shown;

		provider_request_init(&request);
		text_init(&shown, 100000);
		build(driver, account, &message, &request, &shown);
		assert_non_null(strstr(text_string(&shown), "987654321012345"));
		if (driver->keyed)
			assert_non_null(strstr(text_string(&shown), KEY));
		if (!sample_of(driver)->shows_secret)
			assert_null(strstr(text_string(&shown), SECRET_IN_BASE64));
		text_release(&shown);
		provider_request_release(&request);
		driver->release(account);
	}
}

static bool has_line_break(const struct text *text)
{
	return text->length > 0 &&
	       (memchr(text->bytes, '\r', text->length) != NULL || memchr(text->bytes, '\n', text->length) != NULL ||
		memchr(text->bytes, '\0', text->length) != NULL);
}

/* Of a MIME message the header lines are looked at: none may begin with what was smuggled in. */
static void check_clean(const struct provider_driver *driver, const struct provider_request *request)
{
	if (has_line_break(&request->url) || has_line_break(&request->mail_from) || has_line_break(&request->rcpt_to))
		fail_msg("%s: a line break in the URL or envelope", driver->name);
	for (size_t i = 0; i < request->header_count; i++)
		if (has_line_break(&request->headers[i]))
			fail_msg("%s: a line break in a header", driver->name);
	if (request->protocol != PROVIDER_SMTP)
		return;
	const char *end = memmem(request->body.bytes, request->body.length, "\r\n\r\n", 4);

	assert_non_null(end);
	for (const char *at = request->body.bytes; at < end; at++) {
		assert_true(*at != '\0');
		assert_true((*at == '\n') == (at > request->body.bytes && at[-1] == '\r'));
		assert_false(at[0] == '\n' && strncasecmp(at + 1, "X-Evil", 6) == 0);
	}
}

static void test_rule_4_no_line_breaks_get_through(void **state)
{
	static const char *const evil[] = {"a\r\nX-Evil: 1",
					   "a\nX-Evil: 1",
					   "a\rX-Evil: 1",
					   "\r\n\r\nX-Evil: 1",
					   "ada@example.org\r\nX-Evil: 1",
					   "\r\n",
					   "a\r\n X-Evil: folded",
					   "x\r\n.\r\nX-Evil: 1"};

	(void)state;
	FOR_EACH_DRIVER(driver) {
		struct provider_account *account = open_account(driver);
		struct provider_request request;

		provider_request_init(&request);
		for (size_t i = 0; i < 5 * (ARRAY_LENGTH(evil) + 1); i++) {
			struct provider_message message = message_for(driver);
			struct slice *const fields[] = {&message.address, &message.subject, &message.body_text,
							&message.body_html};
			struct error err = {0};
			size_t which = i / 5;
			struct slice bytes = which < ARRAY_LENGTH(evil)
						     ? slice_of(evil[which])
						     : (struct slice){.bytes = "a\0X-Evil", .length = 8};

			if (i % 5 == 4)
				message.idempotency_key = bytes.bytes;
			else
				*fields[i % 5] = bytes;
			if (driver->build(account, &message, &request, &err)) {
				check_clean(driver, &request);
				continue;
			}
			assert_int_equal(err.kind, i % 5 == 0 ? ERROR_REFUSED : ERROR_INVALID);
			assert_null(strstr(err.text, "X-Evil"));
			assert_int_equal(request.body.length + request.url.length + request.header_count, 0);
		}
		provider_request_release(&request);
		driver->release(account);
	}
}

static void test_rule_4_nor_through_addresses_of_our_own(void **state)
{
	static const char *const evil[] = {"https://a/\r\nX-Evil: 1", "https://a/>\r\nX-Evil: 1", "\n", "https://a/\tb",
					   ""};

	(void)state;
	FOR_EACH_DRIVER(driver) {
		struct provider_account *account = open_account(driver);
		struct provider_request request;

		provider_request_init(&request);
		for (size_t i = 0; i < 3 * ARRAY_LENGTH(evil); i++) {
			struct provider_message message = message_for(driver);
			struct error err = {0};

			if (i % 3 == 0)
				message.unsubscribe_url = evil[i / 3];
			else if (i % 3 == 1)
				message.callback_url = evil[i / 3];
			else
				message.link = message.image = message.data = slice_of(evil[i / 3]);
			if (driver->build(account, &message, &request, &err))
				check_clean(driver, &request);
			else
				assert_int_equal(err.kind, ERROR_INVALID);
		}
		provider_request_release(&request);
		driver->release(account);
	}
}

static void check_outcome(const struct provider_driver *driver, const struct outcome *outcome)
{
	if ((unsigned)outcome->class >= OUTCOME_CLASS_COUNT || outcome->class == OUTCOME_EXPIRED)
		fail_msg("%s: class %d", driver->name, (int)outcome->class);
	assert_non_null(memchr(outcome->code, '\0', sizeof(outcome->code)));
	assert_non_null(memchr(outcome->words, '\0', sizeof(outcome->words)));
	assert_non_null(memchr(outcome->provider_message_id, '\0', sizeof(outcome->provider_message_id)));
	assert_true(outcome->code[0] != '\0');
	assert_in_range(outcome->retry_after_ms, 0, 24 * 3600 * 1000);
	if (strstr(outcome->words, ADDRESS) != NULL || strstr(outcome->words, BODY) != NULL ||
	    strstr(outcome->words, SECRET_IN_BASE64) != NULL || strchr(outcome->words, '@') != NULL)
		fail_msg("%s: tells too much: %s", driver->name, outcome->words);
	for (const char *at = outcome->words; *at != '\0'; at++)
		assert_true((unsigned char)*at >= ' ');
}

static void test_rules_5_to_9_any_answer_is_one_outcome(void **state)
{
	static const char *const bodies[] = {
		"",
		"5.1.1 <" ADDRESS ">: no\r\nsuch user",
		"{\"echo\": \"" ADDRESS "\"}",
		"5.",
		"550",
		"550 ",
		"5.1.1",
		"999999999999.9.9 x",
		"\xff\xfe\x80\x01\x02 garbage",
		"<html><h1>Bad Gateway</h1>",
	};

	(void)state;
	FOR_EACH_DRIVER(driver) {
		struct provider_account *account = open_account(driver);

		for (int status = -1; status <= 1000; status++) {
			for (size_t i = 0; i < 6 * ARRAY_LENGTH(bodies); i++) {
				struct provider_answer answer = {
					.progress = (enum provider_progress)(i % 3),
					.status = status,
					.body = slice_of(bodies[i / 6]),
					.retry_after = slice_of(i % 2 ? "99999999999999999999" : "nonsense"),
					.failure = i % 2 ? "reset" : NULL,
					.explanation = i % 2 ? "Recv failure for " ADDRESS : NULL,
					.rcpt_stage = i % 6 > 2,
					.wall_ms = 1795300000000,
				};
				struct outcome outcome;

				memset(&outcome, 0xA5, sizeof(outcome));
				driver->read(account, &answer, &outcome);
				check_outcome(driver, &outcome);
				/* Rule 7. */
				if (answer.progress == PROVIDER_WRITTEN)
					assert_int_equal(outcome.class, OUTCOME_UNCERTAIN);
				if (answer.progress == PROVIDER_NOT_WRITTEN && status <= 0)
					assert_int_equal(outcome.class, OUTCOME_NOT_SENT);
				/* Rule 6. Where a success is told in the body, one without it is a doubt. */
				if (answer.progress == PROVIDER_ANSWERED && status >= 200 && status <= 299)
					assert_true(outcome.class == OUTCOME_ACCEPTED ||
						    outcome.class == OUTCOME_UNCERTAIN);
				if (outcome.class == OUTCOME_ACCEPTED)
					assert_true(answer.progress == PROVIDER_ANSWERED && status / 100 == 2);
			}
		}
		driver->release(account);
	}
}

static void count_event(void *context, const struct provider_event *event)
{
	(void)event;
	++*(size_t *)context;
}

/* What a stranger can send without any key; the genuine ones and their changes are in forged_test.c. */
static void test_rule_10_nothing_unsigned_is_believed(void **state)
{
	static const char *const headers[] = {
		"",
		"X-Mandrill-Signature: \r\nX-Twilio-Signature: \r\nwebhook-signature: \r\n",
		"X-Mandrill-Signature: AAAA\r\nX-Twilio-Signature: AAAA\r\nwebhook-id: a\r\nwebhook-timestamp: 1795300060\r\n"
		"webhook-signature: v1,AAAA v1,\r\nX-Twilio-Email-Event-Webhook-Signature: AAAA\r\n"
		"X-Twilio-Email-Event-Webhook-Timestamp: 1795300060\r\n",
	};
	static const char *const methods[] = {"POST", "HEAD", "GET"}, *const bodies[] = {"", "[]",
											 "mandrill_events=[]"};

	(void)state;
	FOR_EACH_DRIVER(driver) {
		struct provider_account *account = open_account(driver);

		for (size_t i = 0; driver->callbacks != NULL && i < 27; i++) {
			const struct provider_callback callback = {
				.method = methods[i % 3],
				.url = "https://club.example.com/callbacks/1",
				.query = "",
				.headers = slice_of(headers[i / 3 % 3]),
				.body = slice_of(bodies[i / 9]),
				.now_ms = 1795300060000,
			};
			struct error err = {0};

			if (driver->callbacks->verify(account, &callback, &err) || err.kind != ERROR_REFUSED ||
			    err.text[0] == '\0' || strstr(err.text, SECRET_IN_BASE64) != NULL)
				fail_msg("%s: case %zu: %s", driver->name, i, err.text);
		}
		driver->release(account);
	}
}

static void test_rules_11_and_12_any_body_gives_the_same_events_or_a_sentence(void **state)
{
	static const char *const types[] = {"Content-Type: application/json\r\n",
					    "Content-Type: application/x-www-form-urlencoded\r\n", ""};
	static const char *const bodies[] = {
		"",
		"[]",
		"{}",
		"[[]]",
		"[1,null,\"x\",{}]",
		"[{\"event\":{}}]",
		"{\"data\":[]}",
		"{\"data\":5}",
		"%",
		"a=%",
		"a&b&&",
		"mandrill_events",
		"mandrill_events=[]",
		"mandrill_events=%7B",
		"\xff\xfe",
		"MessageSid=",
		"SmsSid=1",
		"[",
		"\"text\"",
	};

	(void)state;
	FOR_EACH_DRIVER(driver) {
		struct provider_account *account = open_account(driver);

		for (size_t i = 0; driver->callbacks != NULL && i < 3 * ARRAY_LENGTH(bodies); i++) {
			const struct provider_callback callback = {
				.method = "POST",
				.url = "https://club.example.com/callbacks/1",
				.query = "",
				.headers = slice_of(types[i % 3]),
				.body = slice_of(bodies[i / 3]),
				.now_ms = 1795300060000,
			};
			struct error first = {0}, second = {0};
			size_t once = 0, twice = 0;
			bool parsed = driver->callbacks->parse(account, &callback, count_event, &once, &first);

			if (!parsed && (first.kind != ERROR_INVALID || first.text[0] == '\0'))
				fail_msg("%s: with \"%s\": %s", driver->name, bodies[i / 3], first.text);
			assert_int_equal(driver->callbacks->parse(account, &callback, count_event, &twice, &second),
					 parsed);
			assert_int_equal(once, twice);
			assert_string_equal(first.text, second.text);
		}
		driver->release(account);
	}
}

static void test_rule_8_retry_after_in_both_forms(void **state)
{
	static const struct {
		const char *when, *value;
		int64_t wait_ms;
	} rows[] = {
		{"absent", "", 0},
		{"seconds", "120", 120000},
		{"blanks around", " 7 ", 7000},
		{"zero", "0", 0},
		{"a date", "Sat, 21 Nov 2026 22:28:40 GMT", 120000},
		{"a date of RFC 850", "Saturday, 21-Nov-26 22:28:40 GMT", 120000},
		{"a date of asctime()", "Sat Nov 21 22:28:40 2026", 120000},
		{"a date in the past", "Sat, 21 Nov 2026 22:00:00 GMT", 0},
		{"longer than a day", "1000000", 86400000},
		{"longer than a number", "99999999999999999999999999", 86400000},
		{"a date in a year", "Sun, 21 Nov 2027 22:00:00 GMT", 86400000},
		{"negative", "-5", 0},
		{"a fraction", "1.5", 0},
		{"words", "in a minute", 0},
		{"a date and more", "Sat, 21 Nov 2026 22:28:40 GMT x", 0},
		{"very long", "Sat, 21 Nov 2026 22:28:40 GMT                                                   GMT", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		int64_t wait_ms = provider_retry_after_ms(slice_of(rows[i].value), 1795300000000);

		if (wait_ms != rows[i].wait_ms)
			fail_msg("%s: %lld ms", rows[i].when, (long long)wait_ms);
	}
	assert_int_equal(provider_retry_after_ms((struct slice){0}, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_registry_is_whole),
		cmocka_unit_test(test_rule_1_settings_are_checked),
		cmocka_unit_test(test_rule_2_same_in_same_out),
		cmocka_unit_test(test_rule_2_a_wrong_address_is_told_from_a_wrong_message),
		cmocka_unit_test(test_rule_3_the_delivery_and_the_key_are_carried),
		cmocka_unit_test(test_rule_4_no_line_breaks_get_through),
		cmocka_unit_test(test_rule_4_nor_through_addresses_of_our_own),
		cmocka_unit_test(test_rules_5_to_9_any_answer_is_one_outcome),
		cmocka_unit_test(test_rule_8_retry_after_in_both_forms),
		cmocka_unit_test(test_rule_10_nothing_unsigned_is_believed),
		cmocka_unit_test(test_rules_11_and_12_any_body_gives_the_same_events_or_a_sentence),
	};

	setenv("TEST_SECRET", "whsec_" SECRET_IN_BASE64, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
