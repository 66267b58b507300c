#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "worker/providers/provider.h"
#include "worker/providers/words.h"

struct row {
	const char *when, *driver, *settings;
	const char *says; /* part of the sentence; NULL: accepted */
};

#define SMTP(more)     "{\"host\": \"mail.example.com\", \"from_email\": \"shop@example.com\"" more "}"
#define MANDRILL(more) "{\"api_key\": \"env:TEST_SECRET\", \"from_email\": \"shop@example.com\"" more "}"
#define SENDGRID(more) MANDRILL(more)
#define TWILIO(more)                                                                                                   \
	"{\"account_sid\": \"AC0123456789abcdef0123456789abcdef\", \"auth_token\": \"env:TEST_SECRET\"" more "}"
#define P256                                                                                                           \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQdQ/mGE6mz5KRW6yEQyOfoBA5o5DZojkNIJXXLbx3D8b4YSBxGHv0+evTH/ie9RnlUzKyAmT5WWWd+fWQDqz0Q=="
#define P384                                                                                                           \
	"MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEWj+NniMudUiCDBXiDQ6NLn5i/eCQeP+57gIAuGxEn588LIec7bvABoQMphHprYajAkcB9v7lOzNqHyhrQR/EEFGmJPI30vyMZcoFbCVI5GTifp71PaFkDPJ/xGPiovyw"
#define WEBHOOK(more) "{\"secret\": \"env:TEST_SECRET\", \"url\": " more "}"

#define FCM(account) "{\"service_account\": \"" account "\"}"
#define APNS(key, topic)                                                                                               \
	"{\"team_id\": \"TEAM123456\", \"key_id\": \"KEY1234567\", \"topic\": \"" topic "\", \"private_key\": \"" key  \
	"\"}"
#define WEBPUSH(key, subject) "{\"vapid_private_key\": \"" key "\", \"subject\": \"" subject "\"}"

static const struct row rows[] = {
	{"the least that SMTP needs", "smtp", SMTP(""), NULL},
	{"all that SMTP knows", "smtp",
	 SMTP(", \"port\": 25, \"tls\": \"tls\", \"ca_file\": \"/etc/ca.pem\", \"user\": \"u\", \"password\": "
	      "\"env:TEST_SECRET\", "
	      "\"from_name\": \"Caf\u00e9\", \"timeout_ms\": 1000"),
	 NULL},
	{"null is absent", "smtp", SMTP(", \"from_name\": null, \"port\": null"), NULL},
	{"a sender that is no address", "smtp", "{\"host\": \"a\", \"from_email\": \"shop\"}",
	 "from_email: The address is not"},
	{"a host with a scheme", "smtp", "{\"host\": \"smtp://a\", \"from_email\": \"a@b\"}", "without smtp://"},
	{"an empty host", "smtp", "{\"host\": \"\", \"from_email\": \"a@b\"}", "host"},
	{"an unknown kind of TLS", "smtp", SMTP(", \"tls\": \"ssl\""), "tls is \"none\""},
	{"a port that does not exist", "smtp", SMTP(", \"port\": 70000"), "port is not between 1 and 65535"},
	{"a port in quotes", "smtp", SMTP(", \"port\": \"25\""), "port is not a whole number"},
	{"a user without a password", "smtp", SMTP(", \"user\": \"u\""), "belong together"},
	{"a password in clear over the network", "smtp",
	 SMTP(", \"tls\": \"none\", \"user\": \"u\", \"password\": \"env:TEST_SECRET\""), "show the password"},
	{"a name that would add a header", "smtp", SMTP(", \"from_name\": \"a\\r\\nBcc: eve\""), "control character"},
	{"a secret from a file that is not there", "smtp",
	 SMTP(", \"user\": \"u\", \"password\": \"file:/nowhere/secret\""), "cannot be read"},
	{"a webhook", "webhook", WEBHOOK("\"https://app.example.com/inbox?x=1\""), NULL},
	{"http where it is allowed", "webhook", WEBHOOK("\"http://127.0.0.1:80/\", \"plain_http\": true"), NULL},
	{"http where it is not", "webhook", WEBHOOK("\"http://app.example.com/\""), "use https://"},
	{"another scheme", "webhook", WEBHOOK("\"file:///etc/passwd\", \"plain_http\": true"), "begins with https://"},
	{"no host", "webhook", WEBHOOK("\"https:///x\""), "needs a host"},
	{"a password in the URL", "webhook", WEBHOOK("\"https://u:p@app.example.com/\""), "user or password"},
	{"a fragment", "webhook", WEBHOOK("\"https://app.example.com/#x\""), "without #"},
	{"a blank in the URL", "webhook", WEBHOOK("\"https://app.example.com/a b\""), "blank"},
	{"plain_http that is no boolean", "webhook", WEBHOOK("\"https://a\", \"plain_http\": \"yes\""),
	 "true or false"},
	{"a secret that is no base64", "webhook", "{\"url\": \"https://a\", \"secret\": \"env:TEST_BROKEN\"}",
	 "secret is not"},
	{"a secret that is too short", "webhook", "{\"url\": \"https://a\", \"secret\": \"env:TEST_SHORT\"}",
	 "at least 16 bytes"},
	{"a certificate of one's own", "webhook", WEBHOOK("\"https://a\", \"ca_file\": \"/etc/ca.pem\""), NULL},
	{"a patience of a day", "webhook", WEBHOOK("\"https://a\", \"tolerance_s\": 86401"),
	 "tolerance_s is not between 1 and 86400"},
	{"the least that Mandrill needs", "mandrill", MANDRILL(""), NULL},
	{"all that Mandrill knows", "mandrill",
	 MANDRILL(", \"webhook_key\": \"env:TEST_SECRET\", \"from_name\": \"Shop\", \"base_url\": "
		  "\"https://mandrillapp.com/api/1.0/\", \"plain_http\": false, \"ca_file\": \"/etc/ca.pem\", "
		  "\"timeout_ms\": 1000"),
	 NULL},
	{"a key in the database", "mandrill", MANDRILL(", \"webhook_key\": \"abc\""), "webhook_key is a secret"},
	{"a sender that is no address", "mandrill", "{\"api_key\": \"env:TEST_SECRET\", \"from_email\": \"shop\"}",
	 "from_email: The address is not"},
	{"no sender", "mandrill", "{\"api_key\": \"env:TEST_SECRET\"}", "from_email is missing"},
	{"a base over http", "mandrill", MANDRILL(", \"base_url\": \"http://mandrillapp.com\""),
	 "base_url begins with http://: use https://"},
	{"a base over http where it is allowed", "mandrill",
	 MANDRILL(", \"base_url\": \"http://127.0.0.1:1\", \"plain_http\": true"), NULL},
	{"a base with a query", "mandrill", MANDRILL(", \"base_url\": \"https://a/?x\""), "base_url has no ?"},
	{"a base with a password", "mandrill", MANDRILL(", \"base_url\": \"https://u:p@a/\""), "user or password"},
	{"a patience of an hour", "mandrill", MANDRILL(", \"timeout_ms\": 3600000"), "timeout_ms is not between"},
	{"the least that SendGrid needs", "sendgrid", SENDGRID(""), NULL},
	{"a verification key", "sendgrid", SENDGRID(", \"webhook_public_key\": \"" P256 "\""), NULL},
	{"a verification key in a file or variable", "sendgrid",
	 SENDGRID(", \"webhook_public_key\": \"env:TEST_PUBLIC_KEY\""), NULL},
	{"a verification key with the lines of PEM", "sendgrid",
	 SENDGRID(", \"webhook_public_key\": \"-----BEGIN PUBLIC KEY-----\""), "without BEGIN and END"},
	{"a verification key on another curve", "sendgrid", SENDGRID(", \"webhook_public_key\": \"" P384 "\""),
	 "webhook_public_key is not"},
	{"a verification key that is cut", "sendgrid",
	 SENDGRID(", \"webhook_public_key\": \"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\""), "webhook_public_key is not"},
	{"a verification key that is no text", "sendgrid", SENDGRID(", \"webhook_public_key\": 5"),
	 "webhook_public_key is not a text"},
	{"a sender's number", "twilio", TWILIO(", \"from\": \"+37120000000\""), NULL},
	{"a messaging service", "twilio", TWILIO(", \"messaging_service_sid\": \"MG0123456789abcdef0123456789ABCDEF\""),
	 NULL},
	{"no sender", "twilio", TWILIO(""), "one of from and messaging_service_sid"},
	{"two senders", "twilio",
	 TWILIO(", \"from\": \"Club\", \"messaging_service_sid\": \"MG0123456789abcdef0123456789abcdef\""), "not both"},
	{"a messaging service that is none", "twilio", TWILIO(", \"messaging_service_sid\": \"MG01\""),
	 "messaging_service_sid is MG and 32"},
	{"a sender's name that is too long", "twilio", TWILIO(", \"from\": \"The whole name of the club\""),
	 "from has more than"},
	{"overrides", "twilio", TWILIO(", \"from\": \"Club\", \"callback_overrides\": \"rc=5&rp=4xx,5xx,ct,rt\""),
	 NULL},
	{"overrides with the #", "twilio", TWILIO(", \"from\": \"Club\", \"callback_overrides\": \"#rc=5\""),
	 "without the #"},
	{"an account that is none", "twilio",
	 "{\"account_sid\": \"SK0123456789abcdef0123456789abcdef\", \"auth_token\": \"env:TEST_SECRET\", \"from\": "
	 "\"Club\"}",
	 "account_sid is AC and 32"},
	{"an empty token", "twilio",
	 "{\"account_sid\": \"AC0123456789abcdef0123456789abcdef\", \"auth_token\": \"env:TEST_EMPTY\", \"from\": "
	 "\"Club\"}",
	 "auth_token is empty"},
	{"Firebase with a service account's file", "fcm", FCM("file:tests/providers/fcm/service_account.json"), NULL},
	{"all that Firebase knows", "fcm",
	 "{\"service_account\": \"file:tests/providers/fcm/service_account.json\", \"project_id\": \"other-1\", \"base_url\": "
	 "\"https://fcm.example.com/\", \"ca_file\": \"/etc/ca.pem\", \"timeout_ms\": 1000}",
	 NULL},
	{"a service account in the database", "fcm", FCM("{\\\"type\\\": 1}"), "service_account is a secret"},
	{"a service account that is no JSON", "fcm", FCM("env:TEST_BROKEN"), "not the JSON file of a service account"},
	{"a service account without a key", "fcm", FCM("env:TEST_FCM_NO_KEY"), "no private_key"},
	{"a service account whose key is none", "fcm", FCM("env:TEST_FCM_BAD_KEY"),
	 "private_key: It is no private key"},
	{"a service account without its email", "fcm", FCM("env:TEST_FCM_NO_EMAIL"), "no client_email"},
	{"a project that would leave its place in the URL", "fcm",
	 "{\"service_account\": \"file:tests/providers/fcm/service_account.json\", \"project_id\": \"a/../b\"}",
	 "project_id is not"},
	{"Apple", "apns", APNS("file:tests/providers/apns/private_key.p8", "com.example.club"), NULL},
	{"a key of Apple's that is RSA", "apns", APNS("env:TEST_RSA_KEY", "com.example.club"), "RSA key"},
	{"a key of Apple's that is none", "apns", APNS("env:TEST_BROKEN", "com.example.club"), "private_key: It is no"},
	{"a topic with a blank", "apns", APNS("file:tests/providers/apns/private_key.p8", "com example"),
	 "topic has letters"},
	{"Apple without TLS", "apns",
	 "{\"team_id\": \"T\", \"key_id\": \"K\", \"topic\": \"a\", \"base_url\": \"http://a\", \"private_key\": "
	 "\"file:tests/providers/apns/private_key.p8\"}",
	 "use https://"},
	{"Web Push", "webpush", WEBPUSH("file:tests/providers/webpush/vapid_private_key", "mailto:ops@example.org"),
	 NULL},
	{"Web Push with a key in PEM", "webpush",
	 WEBPUSH("file:tests/providers/apns/private_key.p8", "https://example.org/contact"), NULL},
	{"a key of Web Push that is RSA", "webpush", WEBPUSH("env:TEST_RSA_KEY", "mailto:a@b"),
	 "vapid_private_key is not"},
	{"a key of Web Push that is none", "webpush", WEBPUSH("env:TEST_BROKEN", "mailto:a@b"),
	 "vapid_private_key is not"},
	{"a subject that is no URL", "webpush",
	 WEBPUSH("file:tests/providers/webpush/vapid_private_key", "ops@example.org"), "subject is mailto:"},
	{"a subject without an address", "webpush",
	 WEBPUSH("file:tests/providers/webpush/vapid_private_key", "mailto:ops"), "subject is mailto:"},
	{"settings that are no object", "webhook", "[]", "is missing"},
};

static void test_settings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct provider_driver *driver = provider_find(rows[i].driver);
		json_t *settings = json_loads(rows[i].settings, 0, NULL);
		struct error err = {0};
		struct provider_account *account;

		assert_non_null(settings);
		account = driver->configure(settings, &err);
		if ((account != NULL) != (rows[i].says == NULL) ||
		    (account == NULL && strstr(err.text, rows[i].says) == NULL))
			fail_msg("%s: %s", rows[i].when, account != NULL ? "accepted" : err.text);
		if (strstr(err.text, "u:p") != NULL || strstr(err.text, "not base64") != NULL)
			fail_msg("%s: repeats a secret: %s", rows[i].when, err.text);
		driver->release(account);
		json_decref(settings);
	}
}

static void test_what_the_transport_is_told(void **state)
{
	const struct provider_driver *driver = provider_find("smtp");
	json_t *settings =
		json_loads(SMTP(", \"user\": \"u\", \"password\": \"env:TEST_SECRET\", \"timeout_ms\": 2000"), 0, NULL);
	struct error err = {0};
	struct provider_account *account = driver->configure(settings, &err);
	const struct provider_transport *transport;

	(void)state;
	assert_non_null(account);
	transport = driver->transport(account);
	assert_true(transport->start_tls);
	assert_false(transport->plain_allowed);
	assert_null(transport->ca_file);
	assert_string_equal(transport->user, "u");
	assert_string_equal(transport->password, getenv("TEST_SECRET"));
	assert_int_equal(transport->timeout_ms, 2000);
	assert_int_equal(transport->connect_timeout_ms, 2000);
	driver->release(account);
	json_decref(settings);
}

static void test_words_are_cleaned(void **state)
{
	static const struct {
		const char *said, *kept;
	} cases[] = {
		{"Ok: queued as 4ABC1234567", "Ok: queued as 4ABC1234567"},
		{"no <ada@example.org> here", "no (address) here"},
		{"The 'To' number +37121234567 is wrong.", "The 'To' number (number) is wrong."},
		{"'(371)2123-4567', or 21234567.", "(number) or (number)"},
		{"wait 300 s, error 21610, on 2026-11-21", "wait 300 s, error 21610, on (number)"},
		{"a\r\n\tb\x01", "a b"},
		{"0123456789012345678901234567890123456789012345678901234567890x", "(...)"},
		{"caf\xff", "(...)"},
		{"", ""},
	};
	char words[60];

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		words_clean(provider_slice(cases[i].said), words, sizeof(words));
		assert_string_equal(words, cases[i].kept);
	}
}

static void test_headers_of_a_request(void **state)
{
	struct provider_request request;
	struct error err = {0};

	(void)state;
	provider_request_init(&request);
	assert_true(provider_request_header(&request, "A", "b", 1, &err));
	assert_string_equal(text_string(&request.headers[0]), "A: b");
	assert_false(provider_request_header(&request, "A", "b\nc", 3, &err));
	assert_false(provider_request_header(&request, "A", "b\0c", 3, &err));
	assert_int_equal(request.header_count, 1);
	for (size_t i = 1; i < PROVIDER_HEADERS_MAX; i++)
		assert_true(provider_request_header(&request, "A", "b", 1, &err));
	assert_false(provider_request_header(&request, "A", "b", 1, &err));
	provider_request_clear(&request);
	assert_int_equal(request.header_count, 0);
	provider_request_release(&request);
}

static void test_finding_a_header(void **state)
{
	static const char lines[] = "X-Id: a b \r\nRetry-After:2\r\nEmpty:\r\nX-Id-2: c\r\nNo colon\r\nLast: d";
	static const struct {
		const char *name, *value;
	} cases[] = {
		{"X-Id", "a b"}, {"x-id", "a b"}, {"Retry-After", "2"}, {"Empty", ""}, {"X-Id-2", "c"},
		{"Last", "d"},   {"X", NULL},     {"Id", NULL},         {"No", NULL},
	};
	const struct slice headers = {lines, sizeof(lines) - 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct slice found = provider_header(headers, cases[i].name);

		if ((found.bytes != NULL) != (cases[i].value != NULL) ||
		    (cases[i].value != NULL && (found.length != strlen(cases[i].value) ||
						memcmp(found.bytes, cases[i].value, found.length) != 0)))
			fail_msg("%s: found \"%.*s\"", cases[i].name, (int)found.length, found.bytes);
	}
	assert_null(provider_header((struct slice){NULL, 0}, "X").bytes);
}

/* The file of the exchanges, each time with something missing. */
static void make_service_accounts(void)
{
	static const struct {
		const char *variable, *member, *value;
	} parts[] = {{"TEST_FCM_NO_KEY", "private_key", NULL},
		     {"TEST_FCM_BAD_KEY", "private_key", "-----BEGIN PRIVATE KEY-----"},
		     {"TEST_FCM_NO_EMAIL", "client_email", ""}};
	json_t *whole = json_load_file("tests/providers/fcm/service_account.json", 0, NULL);

	assert_non_null(whole);
	setenv("TEST_RSA_KEY", json_string_value(json_object_get(whole, "private_key")), 1);
	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
		json_t *part = json_deep_copy(whole);
		char *bytes;

		if (parts[i].value != NULL)
			json_object_set_new(part, parts[i].member, json_string(parts[i].value));
		else
			json_object_del(part, parts[i].member);
		bytes = json_dumps(part, 0);
		setenv(parts[i].variable, bytes, 1);
		free(bytes);
		json_decref(part);
	}
	json_decref(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),          cmocka_unit_test(test_what_the_transport_is_told),
		cmocka_unit_test(test_words_are_cleaned), cmocka_unit_test(test_headers_of_a_request),
		cmocka_unit_test(test_finding_a_header),
	};

	setenv("TEST_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1);
	setenv("TEST_BROKEN", "whsec_not base64", 1);
	setenv("TEST_PUBLIC_KEY", P256, 1);
	setenv("TEST_EMPTY", "", 1);
	setenv("TEST_SHORT", "whsec_c2hvcnQ=", 1);
	make_service_accounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
