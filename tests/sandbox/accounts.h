/* accounts - who the customers of the vendors are: keys, tokens, projects. One JSON object a vendor.
 *
 * There are defaults for all, so that a test needs no order; POST /_sandbox/accounts changes single values. Private keys
 * that the sandbox has made are among them, for whoever configures the sending side. With a file they outlive the
 * sandbox: a provider that is killed and comes back knows its customers.
 */
#ifndef POSTRIDER_TESTS_SANDBOX_ACCOUNTS_H
#define POSTRIDER_TESTS_SANDBOX_ACCOUNTS_H

#include <jansson.h>
#include <openssl/types.h>

#include "shared/error.h"
#include "tests/sandbox/span.h"

struct accounts;

/* path NULL: nothing is kept. */
struct accounts *accounts_open(const char *path, struct error *err) MUST_CHECK;
void accounts_close(struct accounts **accounts);

/* {"vendor": "...", any of its settings}. */
bool accounts_change(struct accounts *accounts, const json_t *order, struct error *err) MUST_CHECK;
/* All, with Google's key pair made if it was not yet. A new reference. */
json_t *accounts_describe(struct accounts *accounts) MUST_CHECK;

/* Borrowed until the next change. */
const char *accounts_text(const struct accounts *accounts, const char *vendor, const char *name);
int64_t accounts_number(const struct accounts *accounts, const char *vendor, const char *name);
/* Is the text among the values of a list? */
bool accounts_has(const struct accounts *accounts, const char *vendor, const char *name, struct span text);

/* Borrowed. The one that assertions of the Google account are signed with. */
EVP_PKEY *accounts_google_key(struct accounts *accounts);
/* What stands as private_key, private or public, in PEM; NULL: it cannot be read. To be released. */
EVP_PKEY *accounts_apns_key(const struct accounts *accounts) MUST_CHECK;

#endif
