#include "worker/callbacks/callback.h"

#include <string.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "worker/callbacks/meters.h"

void callback_address(struct text *url, const char *public_url, struct slice target)
{
	text_clear(url);
	text_add(url, public_url);
	text_add_bytes(url, target.bytes, target.length);
}

const char *callback_query(const char *url)
{
	const char *mark = strchr(url, '?');

	return mark != NULL ? mark + 1 : "";
}

static void refuse(struct callback_route *route, struct http_exchange *exchange, enum callback_refusal reason,
		   int status, const char *words)
{
	struct http_answer answer = {.status = status, .body = {words, strlen(words)}};

	if (status == 503)
		answer.headers = "Retry-After: 5\r\n";
	else if (status == 405)
		answer.headers = "Allow: POST\r\n";
	metrics_add(route->metrics, METER_REFUSED, (size_t)reason, 1);
	http_exchange_answer(exchange, &answer);
}

/* Path and query lie side by side in the request. */
static struct slice target_of(const struct http_request *request)
{
	size_t query_length = request->query.length > 0 ? request->query.length + 1 : 0;

	return (struct slice){request->path.bytes, request->path.length + query_length};
}

static void take_genuine(struct callback_route *route, struct http_exchange *exchange,
			 const struct http_request *request, const struct callback_account *account,
			 const struct provider_callback *callback)
{
	if (pg_session_is_ready(route->database))
		inbox_add(route->inbox, exchange, request, account, callback);
	else
		refuse(route, exchange, CALLBACK_DATABASE_AWAY, 503, "Please come again: it cannot be kept now.\n");
}

static void take_of(struct callback_route *route, struct http_exchange *exchange, const struct http_request *request,
		    const struct callback_account *account)
{
	const struct provider_callbacks *callbacks = account->driver->callbacks;
	struct error err = {0};
	struct provider_callback callback = {
		.method = "POST",
		.headers = request->headers,
		.body = request->body,
		.now_ms = clock_wall_ms(),
	};

	callback_address(&route->url, route->public_url, target_of(request));
	callback.url = text_string(&route->url);
	callback.query = callback_query(callback.url);
	if (callbacks->verify(account->provider, &callback, &err)) {
		take_genuine(route, exchange, request, account, &callback);
		return;
	}
	log_event(LOG_WARNING, "callback_forged", err.text, LOG_INT("account", account->provider_account_id));
	refuse(route, exchange, CALLBACK_FORGED, 403, "The signature is missing, wrong or too old.\n");
}

void callback_take(void *context, struct http_exchange *exchange, const struct http_request *request)
{
	struct callback_route *route = context;
	const size_t prefix = strlen(CALLBACK_PREFIX);
	const struct slice name = {request->path.bytes + prefix, request->path.length - prefix};
	const struct callback_account *account = accounts_find(route->accounts, name);

	metrics_add(route->metrics, METER_REQUESTS, 0, 1);
	if (account == NULL && !accounts_are_known(route->accounts))
		refuse(route, exchange, CALLBACK_DATABASE_AWAY, 503, "Please come again: nothing is known yet.\n");
	else if (account == NULL)
		refuse(route, exchange, CALLBACK_UNKNOWN_ACCOUNT, 404, "There is no account of that name.\n");
	else if (request->method == HTTP_HEAD && account->driver->callbacks->probes_unsigned)
		http_exchange_answer(exchange, &(struct http_answer){.status = 200});
	else if (request->method == HTTP_HEAD)
		refuse(route, exchange, CALLBACK_NO_PROBE, 405, "Callbacks are posted.\n");
	else if (account->provider == NULL)
		refuse(route, exchange, CALLBACK_ACCOUNT_BROKEN, 503,
		       "Please come again: the account is not set up.\n");
	else
		take_of(route, exchange, request, account);
}
