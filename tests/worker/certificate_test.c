/* Every driver in the registry, as its account says how to connect: a server whose certificate is not trusted gets nothing, and that
 * is a message that was provably not sent. A new driver adds its settings below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "temporary_folder.h"
#include "tests/support/http2_peer.h"
#include "worker/transfer.h"

#define SETTINGS_MAX 8192

static struct event_base *base;
static char *folder;
static struct text certificate, stranger;

/* %d is the peer's port; ca_file, plain_http and timeout_ms are added where the driver knows them. */
static const struct sample {
	const char *driver, *settings, *address;
	bool is_mail;
} samples[] = {
	{"apns",
	 "{\"base_url\":\"https://127.0.0.1:%d\",\"team_id\":\"T\",\"key_id\":\"K\",\"topic\":\"com.example.club\","
	 "\"private_key\":\"file:tests/providers/apns/private_key.p8\"}",
	 "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0", false},
	{"fcm",
	 "{\"base_url\":\"https://127.0.0.1:%d\",\"service_account\":\"file:tests/providers/fcm/service_account.json\"}",
	 "abc:def", false},
	{"inbox", NULL, NULL, false}, /* a table of ours: nothing goes over the network */
	{"mandrill",
	 "{\"base_url\":\"https://127.0.0.1:%d\",\"api_key\":\"env:TEST_SECRET\",\"from_email\":\"a@example.org\"}",
	 "ada@example.org", false},
	{"sendgrid",
	 "{\"base_url\":\"https://127.0.0.1:%d\",\"api_key\":\"env:TEST_SECRET\",\"from_email\":\"a@example.org\"}",
	 "ada@example.org", false},
	{"smtp", "{\"host\":\"127.0.0.1\",\"port\":%d,\"tls\":\"tls\",\"from_email\":\"a@example.org\"}",
	 "ada@example.org", true},
	{"twilio",
	 "{\"base_url\":\"https://127.0.0.1:%d\",\"account_sid\":\"AC0123456789abcdef0123456789abcdef\",\"auth_token\":"
	 "\"env:TEST_SECRET\",\"from\":\"+37120000000\"}",
	 "+37121234567", false},
	{"webhook", "{\"url\":\"https://127.0.0.1:%d/inbox\",\"secret\":\"env:TEST_SECRET\"}", "member-1", false},
	{"webpush",
	 "{\"vapid_private_key\":\"file:tests/providers/webpush/vapid_private_key\",\"subject\":\"mailto:a@example.org\"}",
	 "{\"endpoint\":\"https://127.0.0.1:%d/push/1\",\"keys\":{\"p256dh\":\"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-"
	 "JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4\",\"auth\":\"BTBZMqHH6r4Tts7J_aSIgg\"}}",
	 false},
};

static int start_all(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	setenv("TEST_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1);
	base = event_base_new();
	folder = temporary_folder_new();
	text_init(&certificate, 4096);
	text_init(&stranger, 4096);
	text_addf(&certificate, "%s/certificate.pem", folder);
	text_addf(&stranger, "%s/stranger.pem", folder);
	http2_certificate_write(text_string(&certificate));
	http2_certificate_write(text_string(&stranger));
	return 0;
}

static int stop_all(void **state)
{
	(void)state;
	event_base_free(base);
	temporary_folder_remove(&folder);
	text_release(&certificate);
	text_release(&stranger);
	return 0;
}

/* The text with the port where it says %d. */
static void add_with_port(struct text *out, const char *text, int port)
{
	const char *mark = strstr(text, "%d");

	text_add_bytes(out, text, mark != NULL ? (size_t)(mark - text) : strlen(text));
	if (mark == NULL)
		return;
	text_add_int64(out, port);
	text_add(out, mark + 2);
}

static const struct sample *sample_of(const struct provider_driver *driver)
{
	for (size_t i = 0; i < ARRAY_LENGTH(samples); i++)
		if (strcmp(samples[i].driver, driver->name) == 0)
			return &samples[i];
	fail_msg("%s has no settings in this test", driver->name);
	return NULL;
}

static struct provider_account *open_account(const struct provider_driver *driver, const struct sample *sample,
					     int port)
{
	struct provider_account *account;
	struct error err = {0};
	struct text text;
	json_t *settings;

	text_init(&text, SETTINGS_MAX);
	add_with_port(&text, sample->settings, port);
	settings = json_loads(text_string(&text), 0, NULL);
	json_object_set_new(settings, "ca_file", json_string(text_string(&certificate)));
	json_object_set_new(settings, "timeout_ms", json_integer(60000));
	if (!sample->is_mail)
		json_object_set_new(settings, "plain_http", json_true());
	account = driver->configure(settings, &err);
	if (account == NULL)
		fail_msg("%s: %s", driver->name, err.text);
	json_decref(settings);
	text_release(&text);
	return account;
}

static void hold_token(const struct provider_driver *driver, struct provider_account *account)
{
	static const char answer[] = "{\"access_token\":\"ya29.test\",\"expires_in\":3599}";
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
								  .body = {answer, sizeof(answer) - 1}},
					&outcome));
}

static void build(const struct provider_driver *driver, struct provider_account *account, const struct sample *sample,
		  int port, struct provider_request *request)
{
	struct text address;
	struct error err = {0};

	text_init(&address, SETTINGS_MAX);
	add_with_port(&address, sample->address, port);
	if (!driver->build(account,
			   &(struct provider_message){.delivery_id = 1,
						      .attempt = 1,
						      .idempotency_key = "d-1",
						      .address = {text_string(&address), address.length},
						      .subject = {"Hi", 2},
						      .body_text = {"Hi", 2},
						      .created_at_ms = 1795300000000,
						      .now_ms = 1795300000000},
			   request, &err))
		fail_msg("%s: %s", driver->name, err.text);
	text_release(&address);
}

struct result {
	struct outcome outcome;
	enum provider_progress progress;
	struct text failure;
	int fence_calls;
	const struct provider_driver *driver;
	struct provider_account *account;
};

static bool fence(void *context)
{
	((struct result *)context)->fence_calls++;
	return true;
}

static void on_done(void *context, const struct provider_answer *answer, int64_t duration_us)
{
	struct result *result = context;

	(void)duration_us;
	result->progress = answer->progress;
	text_add(&result->failure, answer->failure != NULL ? answer->failure : "");
	result->driver->read(result->account, answer, &result->outcome);
	event_base_loopbreak(base);
}

static void send_one(const struct provider_driver *driver, const struct text *shown, struct result *result,
		     int *requests)
{
	const struct sample *sample = sample_of(driver);
	struct http2_peer *peer = http2_peer_open(base, text_string(shown), 100);
	int port = http2_peer_port(peer);
	struct provider_account *account = open_account(driver, sample, port);
	struct transfer_pool *pool = transfer_pool_open(base, driver->transport(account), 4);
	struct provider_request request;

	provider_request_init(&request);
	hold_token(driver, account);
	build(driver, account, sample, port, &request);
	*result = (struct result){.driver = driver, .account = account};
	text_init(&result->failure, 100);
	transfer_start(pool, &request, fence, on_done, result);
	event_base_dispatch(base);
	*requests = http2_peer_requests(peer);
	transfer_pool_close(&pool);
	driver->release(account);
	provider_request_release(&request);
	http2_peer_close(&peer);
}

static void a_strange_certificate_gets_no_message(void **state)
{
	(void)state;
	for (size_t i = 0; provider_registry[i] != NULL; i++) {
		struct result result;
		int requests;

		if (sample_of(provider_registry[i])->settings == NULL)
			continue;
		print_message("  %s\n", provider_registry[i]->name);
		send_one(provider_registry[i], &stranger, &result, &requests);
		assert_string_equal(text_string(&result.failure), "tls");
		assert_int_equal(result.progress, PROVIDER_NOT_WRITTEN);
		assert_int_equal(result.outcome.class, OUTCOME_NOT_SENT);
		assert_int_equal(result.fence_calls, 0);
		assert_int_equal(requests, 0);
		text_release(&result.failure);
	}
}

/* It was the certificate: with the one that the account names, each goes on to speak. A mail relay speaks first, which the
 * peer does not. */
static void the_right_certificate_is_trusted(void **state)
{
	(void)state;
	for (size_t i = 0; provider_registry[i] != NULL; i++) {
		const struct provider_driver *driver = provider_registry[i];
		struct result result;
		int requests;

		if (sample_of(driver)->is_mail || strstr(driver->settings_help, "ca_file") == NULL)
			continue;
		print_message("  %s\n", driver->name);
		send_one(driver, &certificate, &result, &requests);
		assert_int_equal(result.fence_calls, 1);
		if (requests > 0) /* those that speak HTTP/2, as the peer does */
			assert_int_equal(result.outcome.class, OUTCOME_ACCEPTED);
		text_release(&result.failure);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_strange_certificate_gets_no_message),
		cmocka_unit_test(the_right_certificate_is_trusted),
	};

	return cmocka_run_group_tests(tests, start_all, stop_all);
}
