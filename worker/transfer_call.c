#include "worker/transfer_call.h"

#include "shared/clock.h"
#include "shared/failpoint.h"
#include "worker/transfer_pool.h"
#include "worker/transfer_watch.h"

enum { KEPT_BYTES_MAX = 16 * 1024 };

struct slice call_slice(const struct text *text)
{
	return (struct slice){text_string(text), text->length};
}

const char *call_failure(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return "resolve";
	case CURLE_COULDNT_CONNECT:
		return "connect";
	case CURLE_OPERATION_TIMEDOUT:
		return "timeout";
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_USE_SSL_FAILED:
		return "tls";
	case CURLE_LOGIN_DENIED:
		return "login";
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2_STREAM:
		return "reset";
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_HTTP2:
		return "garbage";
	default:
		return "transport";
	}
}

void call_trim(struct text *text)
{
	size_t ceiling = text->ceiling;

	if (text->capacity <= KEPT_BYTES_MAX)
		return;
	text_release(text);
	text_init(text, ceiling);
}

void call_deliver(struct transfer_pool *pool, const struct call *call, struct provider_answer *answer)
{
	pool->in_flight--;
	answer->wall_ms = clock_wall_ms();
	answer->token_number = call->request->token_number;
	FAILPOINT("after_answer");
	call->done(call->context, answer, clock_now_us() - call->started_us);
}

bool call_may_go(const struct call *call)
{
	return !call->fence || call->fence(call->context) || !guard_is_on("fence");
}

bool call_is_given(const char *string)
{
	return string && *string;
}

void call_set_options(CURL *easy, struct transfer_pool *pool)
{
	const struct provider_transport *transport = &pool->transport;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)transport->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)transport->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, watch_on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, pool);
	if (call_is_given(transport->ca_file))
		curl_easy_setopt(easy, CURLOPT_CAINFO, transport->ca_file);
}
