/* Believing and reading a callback, without HTTP and without a database. */
#include "tests/load/floor.h"

#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "worker/providers/provider.h"

#define SECRET "cG9zdHJpZGVyLXRlc3RzLWFsd2F5cy11c2UtdGhpcw==" /* of tests/support/engine.py */

static const char settings_text[] = "{\"url\": \"http://127.0.0.1:1/\", \"plain_http\": true, "
				    "\"secret\": \"env:WEBHOOK_SECRET\"}";
static const char body[] =
	"{\"type\": \"message.delivered\", \"timestamp\": \"2026-11-21T22:26:40Z\", \"data\": {"
	"\"delivery_id\": \"202611000000000042\", \"recipient\": \"app-42\", \"device\": \"Pixel 9\", "
	"\"app\": \"7.14.2\", \"campaign\": \"Spring offers for members in Riga\", \"locale\": \"lv\"}}";

static void add_event(void *context, const struct provider_event *event)
{
	*(int64_t *)context += event->delivery_id == INT64_C(202611000000000042);
}

static void add_signed_headers(struct text *headers, int64_t now_ms)
{
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct digest_hmac *hmac;
	struct text key, covered;

	text_init(&key, 1024);
	text_init(&covered, 4096);
	if (!digest_base64_decode(&key, SECRET, strlen(SECRET)))
		abort();
	text_addf(&covered, "evt_1.%" PRId64 ".%s", now_ms / 1000, body);
	hmac = digest_hmac_new(key.bytes, key.length);
	digest_hmac_start(hmac);
	digest_hmac_add(hmac, covered.bytes, covered.length);
	digest_hmac_finish(hmac, digest);
	digest_hmac_free(&hmac);
	text_addf(headers,
		  "Content-Type: application/json\r\nwebhook-id: evt_1\r\nwebhook-timestamp: %" PRId64
		  "\r\nwebhook-signature: v1,",
		  now_ms / 1000);
	digest_add_base64(headers, digest, sizeof(digest));
	text_add(headers, "\r\n");
	text_release(&key);
	text_release(&covered);
}

static bool verify_all(const struct provider_driver *driver, struct provider_account *account, int64_t count,
		       struct error *err)
{
	int64_t now_ms = clock_wall_ms(), told = 0;
	struct provider_callback callback = {.method = "POST", .url = "http://127.0.0.1/callbacks/app", .query = ""};
	struct text headers;
	bool works = true;

	text_init(&headers, 4096);
	add_signed_headers(&headers, now_ms);
	callback.headers = (struct slice){headers.bytes, headers.length};
	callback.body = (struct slice){body, sizeof(body) - 1};
	callback.now_ms = now_ms;
	for (int64_t i = 0; i < count && works; i++)
		works = driver->callbacks->verify(account, &callback, err) &&
			driver->callbacks->parse(account, &callback, add_event, &told, err);
	text_release(&headers);
	return works && (told == count || error_set(err, ERROR_INVALID, "not every callback was read"));
}

bool floor_verify(const struct floor_options *options, struct error *err)
{
	const struct provider_driver *driver = provider_find("webhook");
	json_t *settings = json_loads(settings_text, 0, NULL);
	struct provider_account *account = driver->configure(settings, err);
	bool works = account != NULL && verify_all(driver, account, options->count, err);

	json_decref(settings);
	driver->release(account);
	return works;
}
