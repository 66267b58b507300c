/* http_account - what the accounts of all providers that are called over HTTP have in common: where the provider is,
 * how it is reached and trusted, and how its status codes read when it says nothing more precise.
 *
 * A driver puts a struct http_account into its own account, describes its URL setting once, and keeps to its vendor's
 * words:
 *
 *     static const struct http_account_defaults defaults = {"base_url", "https://api.pigeon.example", 30000};
 *     if (!http_account_configure(&account->http, settings, &defaults, err)) ...
 *     http_account_release(&account->http);
 *
 * The URL may be http:// or lead to this machine only where the account says plain_http. TLS is always verified, against
 * the system's certificates or those in ca_file.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_HTTP_ACCOUNT_H
#define POSTRIDER_WORKER_PROVIDERS_HTTP_ACCOUNT_H

#include "worker/providers/provider.h"

struct http_account {
	struct provider_transport transport;
	char *url; /* without a slash at its end when it is a base that paths are put behind */
	char *ca_file;
};

struct http_account_defaults {
	const char
		*url_setting; /* "base_url", or the name that the driver gives it; only a base loses its last slash */
	const char *url;      /* NULL: the setting is required */
	int64_t timeout_ms;
};

/* The lines of settings_help that are the same for every HTTP driver. */
#define HTTP_ACCOUNT_HELP                                                                                              \
	"plain_http  false; true allows http:// and addresses of this machine\n"                                       \
	"ca_file     certificates to trust instead of the system's\n"                                                  \
	"timeout_ms  from connecting to the last byte of the answer\n"

/* False and a sentence that names the setting; what was taken over is released by http_account_release(). */
bool http_account_configure(struct http_account *http, const json_t *settings,
			    const struct http_account_defaults *defaults, struct error *err) MUST_CHECK;
void http_account_release(struct http_account *http); /* also for a zeroed struct */

/* Overwrites a secret before its memory goes; NULL is fine. */
void http_secret_free(char **secret);

/* The Authorization header: "Bearer token", or Basic (RFC 7617) of user and password. */
bool http_add_bearer(struct provider_request *request, const char *token, struct error *err) MUST_CHECK;
bool http_add_basic(struct provider_request *request, const char *user, const char *password,
		    struct error *err) MUST_CHECK;

/* The end of every build(): true when nothing has outgrown its limit, else the request is empty and err says so. */
bool http_request_fits(struct provider_request *request, struct error *err) MUST_CHECK;

/* What an answer means, by the vendor's own name for the error and by the status. */
struct http_rule {
	const char *name;    /* the vendor's name or number of the error; NULL: any */
	int lowest, highest; /* HTTP status; 0, 0: any */
	enum outcome_class class;
	const char *sentence;
};

struct http_finding {
	const char *vendor;            /* "Twilio" */
	const struct http_rule *rules; /* the first that holds; behind them stand the rules of RFC 9110's classes */
	size_t rule_count;
	const char *name;   /* the vendor's name of the error; NULL or "": none was told */
	struct slice words; /* its explanation; cleaned before it is kept */
	int64_t wait_ms;    /* what it asked us to wait, beside Retry-After; 0: nothing */
};

/* Fills the outcome of an answer that is there. The code is the vendor's name, or the status. */
void http_outcome(const struct provider_answer *answer, const struct http_finding *finding, struct outcome *outcome);

/* The answer's body as JSON (json_decref() it), or NULL. */
json_t *http_answer_json(const struct provider_answer *answer) MUST_CHECK;

#endif
