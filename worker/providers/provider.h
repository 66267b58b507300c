/* provider - what a driver is, and the contract that every driver keeps.
 *
 * A driver turns a message into a request and an answer into an outcome. It is pure: text in, text out, no network, no
 * clock but the one handed in, no global state. worker/transfer.c does the sending. One vendor is one file
 * and one folder of recorded exchanges; registry.c lists them.
 *
 *  1. configure() checks every setting, fills an account, and explains the first mistake in a sentence. It
 *     reads secrets only through `env:NAME` or `file:/path`.
 *  2. build() writes the whole request or fails with a sentence; it never writes a partial one. ERROR_REFUSED says
 *     that the address is wrong, so that no message can reach it; ERROR_INVALID is anything else. Same message, same
 *     account, same now -> same bytes, except for signatures over the time.
 *  3. The request carries the delivery id where the provider's callback brings it back, and the idempotency key where
 *     the provider has one (then `keyed` is true).
 *  4. No CR, LF or NUL from a message ever reaches a header line, an envelope or a URL.
 *  5. read() gives exactly one outcome for any answer, also for nonsense; it never fails.
 *  6. A status that the driver does not know falls to the rule of its class (2xx accepted, 429 throttled, other 4xx
 *     bad payload, 5xx transient or uncertain as the vendor documents). A vendor whose 2xx says in its body what became
 *     of the message, and whose body does not, leaves a doubt: uncertain.
 *  7. A request that may have been written in full without a clear answer is OUTCOME_UNCERTAIN; one that was provably
 *     not is OUTCOME_NOT_SENT. transfer.h's answer says which.
 *  8. Retry-After is honoured in both forms (seconds and HTTP date).
 *  9. No secret, address or body is ever put into an outcome or an error.
 *
 * A provider that wants an access token of limited life with each request has a token source; worker/token.c asks it
 * and holds deliveries back while there is no token. build() is called only while one is held, and fails with
 * ERROR_INVALID otherwise.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_PROVIDER_H
#define POSTRIDER_WORKER_PROVIDERS_PROVIDER_H

#include <jansson.h>

#include "shared/channel.h"
#include "shared/error.h"
#include "shared/text.h"
#include "worker/outcome.h"

struct slice {
	const char *bytes; /* may be NULL when length is 0 */
	size_t length;
};

/* One rendered message to one address. Borrowed for the call. */
struct provider_message {
	int64_t delivery_id;
	int32_t attempt;
	const char *idempotency_key; /* the same for every attempt of this delivery */
	struct slice address;
	struct slice subject; /* email subject, in-app and push title */
	struct slice body_text;
	struct slice body_html; /* empty: text only */
	int64_t created_at_ms;  /* wall clock, fixed per delivery: Date and Message-ID do not change on a retry */
	int64_t now_ms;         /* wall clock of this attempt: signatures */
	int64_t expires_at_ms;  /* wall clock: a provider that can is told to drop it after this; 0: not told */
	bool is_marketing;      /* the other class is transactional */
	bool is_silent;         /* push: data for the app, nothing shown to the person */
	struct slice link;      /* push, web push, in-app: where a tap leads; empty: nowhere */
	struct slice image;     /* push, web push, in-app: an image's URL; empty: none */
	struct slice data;      /* push, web push, in-app: a JSON object for the app; empty: none */
	/* For marketing email: the one-click address of RFC 8058, https; NULL: none. */
	const char *unsubscribe_url;
	/* Where this delivery's status is to be reported, for vendors that are told with each message: a URL of the
	 * receiver whose query has delivery=<delivery_id>. NULL: nowhere. */
	const char *callback_url;
};

enum provider_protocol {
	PROVIDER_HTTP,
	PROVIDER_SMTP,
	PROVIDER_DATABASE, /* no network: the body is a row for delivery.inbox_put (worker/inbox_writer.h) */
};

#define PROVIDER_HEADERS_MAX 12
#define PROVIDER_BODY_MAX    (4 * 1024 * 1024)

/* Reused between messages: provider_request_clear() keeps the memory. */
struct provider_request {
	enum provider_protocol protocol;
	struct text url;                           /* http(s)://..., smtp(s)://host:port */
	struct text headers[PROVIDER_HEADERS_MAX]; /* "Name: value", HTTP only */
	size_t header_count;
	int64_t token_number;  /* the access token that it carries; 0: none */
	struct text body;      /* HTTP body; the whole MIME message for SMTP, CRLF lines, not dot-stuffed */
	struct text mail_from; /* SMTP envelope, bare addresses */
	struct text rcpt_to;
};

/* How far a call came. Filled by worker/transfer.c. */
enum provider_progress {
	PROVIDER_NOT_WRITTEN, /* provably the provider cannot have taken it */
	PROVIDER_WRITTEN,     /* the request may have arrived in full, no complete answer */
	PROVIDER_ANSWERED,    /* there is an answer */
};

struct provider_answer {
	enum provider_progress progress;
	int status;               /* HTTP status or SMTP reply code; 0: none */
	struct slice body;        /* HTTP answer body (cut at 64 KiB); the last SMTP reply's text */
	struct slice retry_after; /* the header's value */
	struct slice
		headers; /* HTTP: the answer's "Name: value\r\n" lines, cut at 16 KiB; provider_header() finds one */
	const char *failure;     /* NULL, or a word for what went wrong below: "connect", "tls", "fenced" ... */
	const char *explanation; /* libcurl's sentence, or NULL; may hold host names, never addresses of people */
	bool rcpt_stage;         /* SMTP: the refusal was for RCPT TO */
	int64_t token_number;    /* the request's */
	int64_t wall_ms;         /* when the answer came: for Retry-After dates */
};

struct provider_account; /* the driver's own, made by configure() */

/* A callback as it came in. Borrowed for the call. */
struct provider_callback {
	const char *method; /* GET, POST or HEAD */
	const char *
		url; /* as the provider was given it: the configured public URL, path and query, never the Host header */
	const char *query;    /* the part behind ?, as received; "" when there is none */
	struct slice headers; /* "Name: value\r\n" lines as received; provider_header() finds one */
	struct slice body;    /* raw */
	int64_t now_ms;       /* wall clock when it came in, also when it is parsed again later */
};

/* What a provider may tell of a message. The words are those of delivery.callback_event.kind. */
enum provider_event_kind {
	PROVIDER_EVENT_QUEUED,       /* the provider has it, no more is known */
	PROVIDER_EVENT_SENT,         /* it left the provider */
	PROVIDER_EVENT_DEFERRED,     /* the provider tries again */
	PROVIDER_EVENT_DELIVERED,    /* it arrived */
	PROVIDER_EVENT_BOUNCED_HARD, /* the address will never work */
	PROVIDER_EVENT_BOUNCED_SOFT, /* it did not arrive; the address may work later */
	PROVIDER_EVENT_FAILED,       /* it did not arrive, for a reason that says nothing about the address */
	PROVIDER_EVENT_OPENED,
	PROVIDER_EVENT_CLICKED,
	PROVIDER_EVENT_COMPLAINED, /* reported as spam */
	PROVIDER_EVENT_UNSUBSCRIBED,
	PROVIDER_EVENT_RESUBSCRIBED,
	PROVIDER_EVENT_REPLIED, /* the recipient wrote back; text holds it */
	PROVIDER_EVENT_OTHER,   /* none of our business */
};

struct provider_event {
	enum provider_event_kind kind;
	int64_t delivery_id;              /* ours, echoed back; 0: not told */
	struct slice provider_message_id; /* as read() kept it from the send's answer; empty: not told */
	struct slice event_key;   /* the vendor's own number of the event, the same when repeated; empty: none */
	struct slice address;     /* the recipient; empty: not told */
	struct slice code, words; /* the vendor's code and explanation; may be empty */
	struct slice link;        /* clicked: where to */
	struct slice text;        /* replied: what was written */
	int64_t at_ms;            /* wall clock, when it happened */
	bool is_machine;          /* opened or clicked by a scanner or proxy, not by a person */
};

/* The other half of a driver whose provider calls back. Pure, like the first.
 *
 * 10. verify() proves over the raw bytes and the public URL that the provider sent this; comparisons take constant time,
 *     and an old timestamp is refused where the scheme has one. ERROR_REFUSED: forged; nothing else.
 * 11. parse() runs after verify() and hands over each event. Unknown kinds are PROVIDER_EVENT_OTHER, an empty batch is
 *     fine; ERROR_INVALID when the body makes no sense. It may have handed over events before it failed: the caller
 *     drops them. Slices are valid during the call of add() only.
 * 12. The same bytes give the same events, whenever they are parsed again.
 */
struct provider_callbacks {
	bool (*verify)(struct provider_account *account, const struct provider_callback *callback, struct error *err);
	bool (*parse)(struct provider_account *account, const struct provider_callback *callback,
		      void (*add)(void *context, const struct provider_event *event), void *context, struct error *err);
	bool probes_unsigned;           /* a HEAD without signature is the vendor's set-up probe and is answered 200 */
	const char *reply_type, *reply; /* NULL, or what a 200 says: Twilio wants TwiML */
};

/* An access token, as its driver keeps it. Times are of the wall clock. */
struct provider_token {
	int64_t number; /* counts up from 1: requests and answers name it. 0: none is held */
	int64_t obtained_at_ms, expires_at_ms;
};

/* The bytes of a token that the whole fleet uses together, fit to be kept in the database: only who has the account's
 * private key can open them. */
struct provider_token_share {
	int64_t oldest_slot; /* tokens of earlier slots are over */
	int64_t slot;        /* the stretch of time at whose end this one is over */
	struct slice sealed;
};

/* Where access tokens come from. Either each process fetches its own from the vendor (build, read), or the vendor wants
 * all of a fleet to use one that we sign ourselves (mint, adopt). Pure, like the rest of the driver.
 *
 * 13. read() of an answer that says that a token is not valid any more gives it up: held() then tells number 0. Many
 *     requests may carry the same token: the answers that come after it was given up change nothing. A token that was
 *     good before is replaced and the message is sent again (OUTCOME_THROTTLED, alone); one that is refused at its first
 *     use means that the account is refused.
 */
struct provider_token_source {
	void (*held)(const struct provider_account *account, struct provider_token *token);
	/* The request for a token; false with a sentence when it cannot be made. */
	bool (*build)(struct provider_account *account, int64_t now_ms, struct provider_request *request,
		      struct error *err);
	/* True: a new token is held. False: outcome says why not, and what was held is held still. */
	bool (*read)(struct provider_account *account, const struct provider_answer *answer, struct outcome *outcome);
	/* Signs a token for others to use, too; the share's bytes are borrowed until the next call. It is not held. */
	void (*mint)(struct provider_account *account, int64_t now_ms, struct provider_token_share *share);
	/* Holds the token that the fleet has agreed upon, which may be another one. False: it cannot be opened or is
	 * over, and mint() wants none of its slot any more. */
	bool (*adopt)(struct provider_account *account, int64_t now_ms, const struct provider_token_share *share);
};

struct provider_driver {
	const char *name;          /* as in delivery.provider_account.driver */
	unsigned channels;         /* bits: 1u << CHANNEL_EMAIL ... */
	bool keyed;                /* the provider honours an idempotency key */
	const char *settings_help; /* a line per setting, for --help and error sentences */
	struct provider_account *(*configure)(const json_t *settings, struct error *err);
	void (*release)(struct provider_account *account);
	bool (*build)(struct provider_account *account, const struct provider_message *message,
		      struct provider_request *request, struct error *err);
	void (*read)(struct provider_account *account, const struct provider_answer *answer, struct outcome *outcome);
	/* What the transport needs beside the request; NULL pointers where not used. */
	const struct provider_transport *(*transport)(const struct provider_account *account);
	const struct provider_callbacks *callbacks; /* NULL: this provider does not call back */
	const struct provider_token_source *token;  /* NULL: its requests carry no access token */
};

/* Per account: how to connect. */
struct provider_transport {
	bool start_tls;              /* SMTP: require STARTTLS */
	const char *ca_file;         /* NULL: the system's */
	const char *user, *password; /* SMTP AUTH */
	bool plain_allowed;          /* http:// and loopback only where the account says so */
	bool http2;                  /* https://: HTTP/2 where the server offers it (ALPN) */
	/* HTTP/2: requests at once on one connection; 0: one. Drivers leave it: under load libcurl 7.88 fails a connection now
	 * and then with all that it carries. Of 5,000 messages 20 to 90 became uncertain, of those sent one at a time none. */
	int64_t streams_max;
	bool http2_only; /* and http:// speaks HTTP/2 from its first byte; only where plain_allowed */
	int64_t connect_timeout_ms, timeout_ms;
};

extern const struct provider_driver *const provider_registry[]; /* ends with NULL */
const struct provider_driver *provider_find(const char *name);

void provider_request_init(struct provider_request *request);
void provider_request_clear(struct provider_request *request);
void provider_request_release(struct provider_request *request);
/* "Name: value"; false and ERROR_INVALID when the value holds CR, LF or NUL. */
bool provider_request_header(struct provider_request *request, const char *name, const char *value, size_t length,
			     struct error *err) MUST_CHECK;

/* Settings helpers: a text setting, resolved through env: and file: where secret is true. NULL default: required. */
bool provider_setting_text(const json_t *settings, const char *name, bool secret, const char *default_text,
			   char **value, struct error *err) MUST_CHECK;
/* A secret of several lines, as a PEM key or a JSON document in a file is. Required. */
bool provider_setting_document(const json_t *settings, const char *name, char **value, struct error *err) MUST_CHECK;
bool provider_setting_number(const json_t *settings, const char *name, int64_t default_number, int64_t lowest,
			     int64_t highest, int64_t *value, struct error *err) MUST_CHECK;

struct slice provider_slice(const char *text); /* borrowed */

/* The value of a header in "Name: value\r\n" lines, without the blanks around it; the name in any case. Empty when it is
 * not there; bytes is NULL then. */
struct slice provider_header(struct slice headers, const char *name);

/* RFC 9110 §10.2.3: delta-seconds or HTTP-date. 0 when absent or nonsense; at most 24 h. */
int64_t provider_retry_after_ms(struct slice value, int64_t wall_ms);

#endif
