/* Access tokens: fetched once for all who wait, replaced in time, shared by the fleet through a real database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private_postgres.h"
#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/pg_plain.h"
#include "temporary_folder.h"
#include "tests/support/http2_peer.h"
#include "worker/token.h"

#define TOKEN(seconds) "{\"access_token\":\"ya29.test\",\"expires_in\":" #seconds ",\"token_type\":\"Bearer\"}"

static struct event_base *base;
static char *folder, *url;
static struct text certificate, stranger;
static struct pg_session *database;

static void run_migrations(void)
{
	char own[4096];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	struct text command;

	own[length > 0 ? length : 0] = '\0';
	*(strrchr(own, '/') + 1) = '\0';
	setenv("POSTRIDER_DATABASE_URL", url, 1);
	text_init(&command, 8192);
	text_addf(&command, "'%spostrider-scheduler' migrate >/dev/null", own);
	assert_int_equal(system(text_string(&command)), 0);
	unsetenv("POSTRIDER_DATABASE_URL");
	text_release(&command);
}

static void on_session(void *context, bool ready, const char *reason)
{
	(void)context;
	(void)ready;
	(void)reason;
}

/* Another key of the curve P-256, as one comes after a change. */
static void make_key(void)
{
	FILE *file = fopen(text_string(&stranger), "re");
	char *pem = memory_new(8192);
	size_t length = fread(pem, 1, 8191, file);

	(void)fclose(file);
	assert_true(length > 0);
	setenv("TEST_OTHER_KEY", strstr(pem, "-----BEGIN PRIVATE KEY"), 1);
	free(pem);
}

static int start_all(void **state)
{
	struct pg_session_settings settings = {.application_name = "token_test"};

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	folder = temporary_folder_new();
	text_init(&certificate, 4096);
	text_init(&stranger, 4096);
	text_addf(&certificate, "%s/certificate.pem", folder);
	text_addf(&stranger, "%s/stranger.pem", folder);
	http2_certificate_write(text_string(&certificate));
	http2_certificate_write(text_string(&stranger));
	make_key();
	url = private_postgres_new_database();
	run_migrations();
	settings.url = url;
	database = pg_session_open(base, &settings, on_session, NULL);
	return 0;
}

static int stop_all(void **state)
{
	(void)state;
	pg_session_close(&database);
	event_base_free(base);
	temporary_folder_remove(&folder);
	text_release(&certificate);
	text_release(&stranger);
	free(url);
	return 0;
}

/* -- an account with its token -- */

struct fixture {
	const struct provider_driver *driver;
	struct provider_account *provider;
	struct transfer_pool *pool;
	struct token *token;
	int told_usable, told_failed;
	struct outcome failure;
};

static void on_changed(void *context, const struct outcome *failure)
{
	struct fixture *fixture = context;

	if (failure == NULL) {
		fixture->told_usable++;
	} else {
		fixture->told_failed++;
		fixture->failure = *failure;
	}
	event_base_loopbreak(base);
}

static void fixture_open(struct fixture *fixture, const char *driver, json_t *settings, int32_t account_id)
{
	struct error err = {0};

	*fixture = (struct fixture){.driver = provider_find(driver)};
	fixture->provider = fixture->driver->configure(settings, &err);
	json_decref(settings);
	if (fixture->provider == NULL)
		fail_msg("%s", err.text);
	fixture->pool = transfer_pool_open(base, fixture->driver->transport(fixture->provider), 8);
	fixture->token = token_open(&(struct token_owner){.base = base,
							  .database = database,
							  .provider_account_id = account_id,
							  .driver = fixture->driver,
							  .provider = fixture->provider,
							  .pool = fixture->pool,
							  .changed = on_changed,
							  .context = fixture});
}

static void fixture_close(struct fixture *fixture)
{
	transfer_pool_close(&fixture->pool);
	token_close(&fixture->token);
	assert_null(fixture->token);
	fixture->driver->release(fixture->provider);
}

/* A service account whose token_uri leads to the peer. */
static void open_fcm(struct fixture *fixture, const struct http2_peer *peer, const struct text *ca_file)
{
	json_t *service = json_load_file("tests/providers/fcm/service_account.json", 0, NULL);
	struct text token_uri, reference;
	char *bytes;

	text_init(&token_uri, 200);
	text_init(&reference, 4096);
	text_addf(&token_uri, "https://127.0.0.1:%d/token", http2_peer_port(peer));
	json_object_set_new(service, "token_uri", json_string(text_string(&token_uri)));
	bytes = json_dumps(service, 0);
	temporary_folder_write(folder, "service_account.json", bytes);
	text_addf(&reference, "file:%s/service_account.json", folder);
	fixture_open(fixture, "fcm",
		     json_pack("{s:s,s:b,s:s,s:i}", "service_account", text_string(&reference), "plain_http", 1,
			       "ca_file", text_string(ca_file), "timeout_ms", 60000),
		     1);
	free(bytes);
	json_decref(service);
	text_release(&token_uri);
	text_release(&reference);
}

static void wait_for_news(void)
{
	event_base_dispatch(base);
}

static bool ready_at(struct fixture *fixture, int64_t wall_ms)
{
	bool ready;

	clock_fake(clock_now_ms(), wall_ms);
	ready = token_ready(fixture->token);
	clock_real();
	return ready;
}

/* -- fetched from the vendor -- */

static void one_fetch_serves_all_who_wait(void **state)
{
	struct http2_peer *peer = http2_peer_open(base, text_string(&certificate), 100);
	struct fixture fixture;

	(void)state;
	http2_peer_answer(peer, 200, NULL, TOKEN(3599));
	open_fcm(&fixture, peer, &certificate);
	for (int i = 0; i < 500; i++)
		assert_false(token_ready(fixture.token));
	assert_int_equal(fixture.told_usable, 0);
	wait_for_news();
	assert_int_equal(fixture.told_usable, 1);
	assert_true(token_ready(fixture.token));
	assert_int_equal(http2_peer_requests(peer), 1);
	assert_non_null(strstr(http2_peer_request(peer), ":path: /token\n"));
	assert_non_null(strstr(http2_peer_request(peer), "grant-type%3Ajwt-bearer&assertion=eyJ"));
	assert_false(token_is_failing(fixture.token));
	fixture_close(&fixture);
	http2_peer_close(&peer);
}

static void what_fails_is_tried_again(void **state)
{
	struct http2_peer *peer = http2_peer_open(base, text_string(&certificate), 100);
	struct fixture fixture;

	(void)state;
	http2_peer_answer(peer, 503, NULL, "{}");
	open_fcm(&fixture, peer, &certificate);
	assert_false(token_ready(fixture.token));
	wait_for_news();
	assert_int_equal(fixture.told_failed, 1);
	assert_int_equal(fixture.failure.class, OUTCOME_TRANSIENT);
	assert_true(token_is_failing(fixture.token));
	/* Whoever asks now does not hurry it. */
	for (int i = 0; i < 100; i++)
		assert_false(token_ready(fixture.token));
	assert_int_equal(http2_peer_requests(peer), 1);
	http2_peer_answer(peer, 200, NULL, TOKEN(3599));
	wait_for_news();
	assert_int_equal(fixture.told_usable, 1);
	assert_int_equal(http2_peer_requests(peer), 2);
	assert_false(token_is_failing(fixture.token));
	assert_true(token_ready(fixture.token));
	fixture_close(&fixture);
	http2_peer_close(&peer);
}

/* A person has to mend it; the breaker's single tries ask again. */
static void refused_credentials_wait_to_be_asked(void **state)
{
	struct http2_peer *peer = http2_peer_open(base, text_string(&certificate), 100);
	struct fixture fixture;

	(void)state;
	http2_peer_answer(peer, 400, NULL, "{\"error\":\"invalid_grant\"}");
	open_fcm(&fixture, peer, &certificate);
	assert_false(token_ready(fixture.token));
	wait_for_news();
	assert_int_equal(fixture.failure.class, OUTCOME_BAD_CREDENTIALS);
	assert_string_equal(fixture.failure.code, "invalid_grant");
	assert_false(token_is_failing(fixture.token));
	http2_peer_answer(peer, 200, NULL, TOKEN(3599));
	assert_false(token_ready(fixture.token));
	wait_for_news();
	assert_int_equal(fixture.told_usable, 1);
	assert_int_equal(http2_peer_requests(peer), 2);
	fixture_close(&fixture);
	http2_peer_close(&peer);
}

static void a_strange_token_server_gets_nothing(void **state)
{
	struct http2_peer *peer = http2_peer_open(base, text_string(&stranger), 100);
	struct fixture fixture;

	(void)state;
	open_fcm(&fixture, peer, &certificate);
	assert_false(token_ready(fixture.token));
	wait_for_news();
	assert_int_equal(fixture.failure.class, OUTCOME_NOT_SENT);
	assert_string_equal(fixture.failure.code, "tls");
	assert_int_equal(http2_peer_requests(peer), 0);
	fixture_close(&fixture);
	http2_peer_close(&peer);
}

/* Within its last quarter at the latest, and while it still serves. */
static void a_token_is_replaced_before_it_runs_out(void **state)
{
	struct http2_peer *peer = http2_peer_open(base, text_string(&certificate), 100);
	struct fixture fixture;
	struct provider_token held;

	(void)state;
	http2_peer_answer(peer, 200, NULL, TOKEN(3600));
	open_fcm(&fixture, peer, &certificate);
	assert_false(token_ready(fixture.token));
	wait_for_news();
	fixture.driver->token->held(fixture.provider, &held);
	assert_true(ready_at(&fixture, held.expires_at_ms - 120 * 1000 - 1));
	assert_int_equal(transfer_pool_in_flight(fixture.pool), 0);
	for (int i = 0; i < 100; i++)
		assert_true(ready_at(&fixture, held.expires_at_ms - 60 * 1000));
	wait_for_news();
	assert_int_equal(fixture.told_usable, 2);
	assert_int_equal(http2_peer_requests(peer), 2);
	/* A vendor that is down then hurts nobody while the token lasts. */
	http2_peer_answer(peer, 500, NULL, "");
	fixture.driver->token->held(fixture.provider, &held);
	assert_int_equal(held.number, 2);
	assert_true(ready_at(&fixture, held.expires_at_ms - 1));
	while (transfer_pool_in_flight(fixture.pool) > 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(http2_peer_requests(peer), 3);
	assert_true(ready_at(&fixture, held.expires_at_ms - 1));
	assert_int_equal(fixture.told_failed, 0);
	assert_false(ready_at(&fixture, held.expires_at_ms));
	fixture_close(&fixture);
	http2_peer_close(&peer);
}

/* A worker that leaves while it asks. */
static void it_may_be_closed_at_any_time(void **state)
{
	struct http2_peer *peer = http2_peer_open(base, text_string(&certificate), 100);
	struct fixture fixture;

	(void)state;
	http2_peer_order(peer, HTTP2_HANG, 0);
	open_fcm(&fixture, peer, &certificate);
	assert_false(token_ready(fixture.token));
	while (http2_peer_requests(peer) == 0)
		event_base_loop(base, EVLOOP_ONCE);
	fixture_close(&fixture);
	http2_peer_close(&peer);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* -- shared by the fleet -- */

static void open_apns(struct fixture *fixture, const char *key_file, int32_t account_id)
{
	fixture_open(fixture, "apns",
		     json_pack("{s:s,s:s,s:s,s:s}", "team_id", "TEAM123456", "key_id", "KEY1234567", "topic",
			       "com.example.club", "private_key", key_file),
		     account_id);
}

static void authorization_of(struct fixture *fixture, struct text *out)
{
	const struct provider_message message = {
		.delivery_id = 1,
		.address = {"00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0", 64},
		.subject = {"Hi", 2}};
	struct provider_request request;
	struct error err = {0};

	provider_request_init(&request);
	if (!fixture->driver->build(fixture->provider, &message, &request, &err))
		fail_msg("%s", err.text);
	text_add(out, text_string(&request.headers[request.header_count - 1]));
	assert_non_null(strstr(text_string(out), "bearer eyJ"));
	provider_request_release(&request);
}

static void get_token(struct fixture *fixture)
{
	assert_false(token_ready(fixture->token));
	assert_true(token_is_asking(fixture->token));
	wait_for_news();
	assert_false(token_is_asking(fixture->token));
	if (fixture->told_usable == 0)
		fail_msg("%s", fixture->failure.words);
	assert_true(token_ready(fixture->token));
}

static void ask(const char *sql)
{
	struct pg_plain *plain;
	struct error err = {0};

	plain = pg_plain_open(url, "token_test", &err);
	if (plain == NULL || !pg_plain_run(plain, sql, &err))
		fail_msg("%s", err.text);
	pg_plain_close(&plain);
}

/* Three workers of one account, and one of another. Then one whose key is new. */
static void the_fleet_uses_one_token(void **state)
{
	struct fixture workers[4], renewed;
	struct text tokens[5];

	(void)state;
	ask("insert into delivery.provider_account (provider_account_id, name, driver, channel) overriding system value "
	    "values (71, 'apns-a', 'apns', 'push'), (72, 'apns-b', 'apns', 'push')");
	for (int i = 0; i < 4; i++) {
		text_init(&tokens[i], 8192);
		open_apns(&workers[i], "file:tests/providers/apns/private_key.p8", i < 3 ? 71 : 72);
		get_token(&workers[i]);
		authorization_of(&workers[i], &tokens[i]);
	}
	assert_string_equal(text_string(&tokens[0]), text_string(&tokens[1]));
	assert_string_equal(text_string(&tokens[0]), text_string(&tokens[2]));
	assert_string_not_equal(text_string(&tokens[0]), text_string(&tokens[3]));
	/* The key was changed: what the others share cannot be opened, so it is left behind. */
	open_apns(&renewed, "env:TEST_OTHER_KEY", 71);
	get_token(&renewed);
	text_init(&tokens[4], 8192);
	authorization_of(&renewed, &tokens[4]);
	assert_string_not_equal(text_string(&tokens[0]), text_string(&tokens[4]));
	fixture_close(&renewed);
	for (int i = 0; i < 5; i++)
		text_release(&tokens[i]);
	for (int i = 0; i < 4; i++)
		fixture_close(&workers[i]);
}

static void without_the_account_there_is_no_token(void **state)
{
	struct fixture fixture;

	(void)state;
	open_apns(&fixture, "file:tests/providers/apns/private_key.p8", 999);
	assert_false(token_ready(fixture.token));
	wait_for_news();
	assert_int_equal(fixture.told_failed, 1);
	assert_int_equal(fixture.failure.class, OUTCOME_TRANSIENT);
	assert_true(token_is_failing(fixture.token));
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_fetch_serves_all_who_wait),
		cmocka_unit_test(what_fails_is_tried_again),
		cmocka_unit_test(refused_credentials_wait_to_be_asked),
		cmocka_unit_test(a_strange_token_server_gets_nothing),
		cmocka_unit_test(a_token_is_replaced_before_it_runs_out),
		cmocka_unit_test(it_may_be_closed_at_any_time),
		cmocka_unit_test(the_fleet_uses_one_token),
		cmocka_unit_test(without_the_account_there_is_no_token),
	};

	return cmocka_run_group_tests(tests, start_all, stop_all);
}
