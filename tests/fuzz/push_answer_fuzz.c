/* What Firebase, Apple, push services and the token server answer. First byte: which driver and how far the call came;
 * second: the status. One outcome for anything, that never says more than may be kept. */
#include <stdlib.h>
#include <string.h>

#include "worker/providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const int statuses[] = {0, 200, 201, 400, 401, 403, 404, 410, 413, 429, 500, 502, 503, 999};
static const char *const drivers[] = {"webpush", "fcm", "apns"};
static const char *const settings[] = {
	"{\"vapid_private_key\": \"file:tests/providers/webpush/vapid_private_key\", \"subject\": \"mailto:a@example.org\"}",
	"{\"service_account\": \"file:tests/providers/fcm/service_account.json\"}",
	"{\"team_id\":\"T\",\"key_id\":\"K\",\"topic\":\"a\",\"private_key\":\"file:tests/providers/apns/private_key.p8\"}",
};

static struct provider_account *account_of(size_t which)
{
	static struct provider_account *accounts[3];
	struct error err = {0};
	json_t *json;

	if (accounts[which] != NULL)
		return accounts[which];
	json = json_loads(settings[which], 0, NULL);
	accounts[which] = provider_find(drivers[which])->configure(json, &err);
	json_decref(json);
	if (accounts[which] == NULL)
		abort();
	return accounts[which];
}

static void check_outcome(const struct outcome *outcome, const struct provider_answer *answer)
{
	if ((unsigned)outcome->class >= OUTCOME_CLASS_COUNT || outcome->code[0] == '\0' || outcome->retry_after_ms < 0)
		abort();
	if (outcome->class == OUTCOME_ACCEPTED && (answer->progress != PROVIDER_ANSWERED || answer->status / 100 != 2))
		abort();
	if (strchr(outcome->words, '@') != NULL)
		abort();
	for (const char *at = outcome->words; *at != '\0'; at++)
		if ((unsigned char)*at < ' ')
			abort();
}

/* A token that is taken can be put into a header. */
static void check_token(const struct provider_driver *driver, struct provider_account *account,
			const struct provider_answer *answer)
{
	struct provider_token held;
	struct outcome outcome;

	if (driver->token == NULL || driver->token->read == NULL)
		return;
	if (!driver->token->read(account, answer, &outcome)) {
		check_outcome(&outcome, answer);
		return;
	}
	driver->token->held(account, &held);
	if (answer->status / 100 != 2 || held.number == 0 || held.expires_at_ms <= held.obtained_at_ms)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct provider_answer answer = {.wall_ms = 1795300000000};
	const struct provider_driver *driver;
	struct provider_account *account;
	struct provider_token held = {0};
	struct outcome outcome;
	size_t which;

	if (length < 2)
		return 0;
	which = bytes[0] % 3;
	driver = provider_find(drivers[which]);
	account = account_of(which);
	answer.progress = (enum provider_progress)(bytes[0] / 3 % 3);
	answer.status = statuses[bytes[1] % ARRAY_LENGTH(statuses)];
	answer.body = (struct slice){(const char *)bytes + 2, length - 2};
	answer.headers = answer.retry_after = answer.body;
	check_token(driver, account, &answer);
	if (driver->token != NULL)
		driver->token->held(account, &held);
	answer.token_number = held.number;
	memset(&outcome, 0xA5, sizeof(outcome));
	driver->read(account, &answer, &outcome);
	check_outcome(&outcome, &answer);
	return 0;
}
