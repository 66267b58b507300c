#include "tests/sandbox/accounts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/memory.h"
#include "tests/sandbox/crypto.h"

enum { PEM_MAX = 16 * 1024 };

struct accounts {
	json_t *all;
	char *path;
	EVP_PKEY *google; /* NULL: not read yet */
};

static json_t *defaults(void)
{
	struct text pem;
	EVP_PKEY *key = crypto_derive_p256("postrider-sandbox apns");
	json_t *all;

	text_init(&pem, PEM_MAX);
	crypto_add_private_pem(&pem, key);
	crypto_free(&key);
	all = json_pack("{s:{s:[s]}, s:{s:[s]}, s:{s:s,s:s}, s:{s:s,s:s,s:s,s:i,s:i}, s:{s:s,s:s,s:s,s:s,s:i}, "
			"s:{s:s}}",
			"mandrill", "keys", "mandrill-sandbox-key", "sendgrid", "keys", "SG.sandbox.key", "twilio",
			"sid", "AC00000000000000000000000000000001", "token", "twilio-sandbox-token", "google",
			"project_id", "sandbox-project", "client_email",
			"sender@sandbox-project.iam.gserviceaccount.com", "private_key", "", "expires_in", 3599,
			"generation", 1, "apns", "team_id", "SANDBOXTEM", "key_id", "SANDBOXKEY", "topic",
			"com.example.club", "private_key", text_string(&pem), "token_interval_ms", 20 * 60 * 1000,
			"webpush", "server_key", "");
	text_release(&pem);
	return all;
}

struct accounts *accounts_open(const char *path, struct error *err)
{
	json_t *all = defaults();
	struct accounts *accounts;

	if (path && access(path, F_OK) == 0) {
		json_t *kept = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);

		if (!kept || json_object_update(all, kept) != 0) {
			json_decref(all);
			json_decref(kept);
			error_set(err, ERROR_INVALID, "%s does not hold accounts.", path);
			return NULL;
		}
		json_decref(kept);
	}
	accounts = memory_new(sizeof(*accounts));
	accounts->all = all;
	accounts->path = memory_copy_string(path);
	return accounts;
}

void accounts_close(struct accounts **accounts)
{
	if (!*accounts)
		return;
	json_decref((*accounts)->all);
	crypto_free(&(*accounts)->google);
	free((*accounts)->path);
	free(*accounts);
	*accounts = NULL;
}

static void keep(const struct accounts *accounts)
{
	struct text part;

	if (!accounts->path)
		return;
	text_init(&part, 4096);
	text_addf(&part, "%s.part", accounts->path);
	if (json_dump_file(accounts->all, text_string(&part), JSON_INDENT(2)) != 0 ||
	    rename(text_string(&part), accounts->path) != 0)
		exit(1);
	text_release(&part);
}

bool accounts_change(struct accounts *accounts, const json_t *order, struct error *err)
{
	const char *vendor = json_string_value(json_object_get(order, "vendor"));
	json_t *account = vendor ? json_object_get(accounts->all, vendor) : NULL, *value;
	const char *name;

	if (!account)
		return error_set(err, ERROR_INVALID, "vendor is one of those that GET /_sandbox/accounts lists.");
	json_object_foreach((json_t *)(uintptr_t)order, name, value)
	{
		const json_t *old = json_object_get(account, name);

		if (strcmp(name, "vendor") != 0 && (!old || json_typeof(old) != json_typeof(value)))
			return error_set(err, ERROR_INVALID, "%s has no setting %s of that type.", vendor, name);
	}
	json_object_foreach((json_t *)(uintptr_t)order, name, value) if (strcmp(name, "vendor") != 0)
		json_object_set(account, name, value);
	crypto_free(&accounts->google);
	keep(accounts);
	return true;
}

const char *accounts_text(const struct accounts *accounts, const char *vendor, const char *name)
{
	const char *text = json_string_value(json_object_get(json_object_get(accounts->all, vendor), name));

	return text ? text : "";
}

int64_t accounts_number(const struct accounts *accounts, const char *vendor, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(accounts->all, vendor), name));
}

bool accounts_has(const struct accounts *accounts, const char *vendor, const char *name, struct span text)
{
	const json_t *list = json_object_get(json_object_get(accounts->all, vendor), name);
	size_t at;
	json_t *value;

	json_array_foreach((json_t *)(uintptr_t)list, at,
			   value) if (json_is_string(value) && span_equal(text, json_string_value(value))) return true;
	return false;
}

/* A private key's public half is enough to verify, so either PEM will do. */
static EVP_PKEY *read_pem(const char *pem)
{
	EVP_PKEY *key = crypto_read_private_pem(span_of(pem));

	return key ? key : crypto_read_public_pem(span_of(pem));
}

EVP_PKEY *accounts_google_key(struct accounts *accounts)
{
	struct text pem;

	if (!accounts->google)
		accounts->google = read_pem(accounts_text(accounts, "google", "private_key"));
	if (accounts->google)
		return accounts->google;
	accounts->google = crypto_new_rsa();
	text_init(&pem, PEM_MAX);
	crypto_add_private_pem(&pem, accounts->google);
	json_object_set_new(json_object_get(accounts->all, "google"), "private_key", json_string(text_string(&pem)));
	text_release(&pem);
	keep(accounts);
	return accounts->google;
}

EVP_PKEY *accounts_apns_key(const struct accounts *accounts)
{
	return read_pem(accounts_text(accounts, "apns", "private_key"));
}

json_t *accounts_describe(struct accounts *accounts)
{
	(void)accounts_google_key(accounts);
	return json_incref(accounts->all);
}
