/* A browser's subscription, which comes from anybody, and the other push drivers' addresses and data. Whatever builds leads to
 * https and nowhere else, carries no line end and is small enough. */
#include <stdlib.h>
#include <string.h>

#include "worker/providers/provider.h"
#include "worker/providers/webpush_encrypt.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct provider_account *accounts[3];
static const char *const drivers[] = {"webpush", "fcm", "apns"};
static const char *const settings[] = {
	"{\"vapid_private_key\": \"file:tests/providers/webpush/vapid_private_key\", \"subject\": \"mailto:a@example.org\"}",
	"{\"service_account\": \"file:tests/providers/fcm/service_account.json\"}",
	"{\"team_id\":\"T\",\"key_id\":\"K\",\"topic\":\"a\",\"private_key\":\"file:tests/providers/apns/private_key.p8\"}",
};

static void hold_token(const struct provider_driver *driver, struct provider_account *account)
{
	static const char token[] = "{\"access_token\":\"ya29\"}";
	struct provider_token_share share;
	struct outcome outcome;

	if (driver->token == NULL)
		return;
	if (driver->token->mint != NULL) {
		driver->token->mint(account, 1795300000000, &share);
		if (!driver->token->adopt(account, 1795300000000, &share))
			abort();
	} else if (!driver->token->read(account,
					&(struct provider_answer){.progress = PROVIDER_ANSWERED,
								  .status = 200,
								  .body = {token, sizeof(token) - 1}},
					&outcome)) {
		abort();
	}
}

static void open_accounts(void)
{
	for (size_t i = 0; i < ARRAY_LENGTH(drivers); i++) {
		const struct provider_driver *driver = provider_find(drivers[i]);
		json_t *json = json_loads(settings[i], 0, NULL);
		struct error err = {0};

		accounts[i] = driver->configure(json, &err);
		if (accounts[i] == NULL)
			abort();
		json_decref(json);
		hold_token(driver, accounts[i]);
	}
}

static void check_request(const struct provider_request *request)
{
	const char *url = text_string(&request->url);

	if (strncmp(url, "https://", 8) != 0 || strpbrk(url, "\r\n #") != NULL || strlen(url) != request->url.length)
		abort();
	for (size_t i = 0; i < request->header_count; i++)
		if (strpbrk(text_string(&request->headers[i]), "\r\n") != NULL)
			abort();
	if (request->body.length == 0 || request->body.length > 8192)
		abort();
}

static void build(size_t which, struct slice address, struct slice data)
{
	const struct provider_message message = {.delivery_id = 42,
						 .idempotency_key = "d-42",
						 .address = address,
						 .subject = {"Hi", 2},
						 .data = data,
						 .now_ms = 1795300000000};
	struct provider_request request;
	struct error err = {0};

	provider_request_init(&request);
	if (provider_find(drivers[which])->build(accounts[which], &message, &request, &err))
		check_request(&request);
	else if (request.url.length + request.body.length + request.header_count != 0 || err.text[0] == '\0')
		abort();
	provider_request_release(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct slice input = {(const char *)bytes, length};

	if (accounts[0] == NULL)
		open_accounts();
	build(0, input, (struct slice){0});
	build(1, input, (struct slice){0});
	build(2, input, (struct slice){0});
	build(1, (struct slice){"abc:def", 7}, input);
	build(2, (struct slice){"00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0", 64}, input);
	return 0;
}
