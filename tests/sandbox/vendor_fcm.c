/* Firebase Cloud Messaging: POST /v1/projects/{id}/messages:send with an access token; one message a request.
 * firebase.google.com/docs/reference/fcm/rest/v1/projects.messages and .../ErrorCode. It never calls back.
 *
 * Fields that the message resource does not have are refused, as Google's JSON reader does. */
#include <stdlib.h>
#include <string.h>

#include "tests/sandbox/google.h"
#include "tests/sandbox/jwt.h"
#include "tests/sandbox/vendor.h"

enum { PAYLOAD_MAX = 4096 };

static const char error_type[] = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
static const char bad_request_type[] = "type.googleapis.com/google.rpc.BadRequest";

static void refuse(struct exchange *exchange, int code, const char *status, const char *message, json_t *detail)
{
	json_t *error = json_pack("{s:i, s:s, s:s}", "code", code, "message", message, "status", status);

	exchange->accepted = false;
	if (detail)
		json_object_set_new(error, "details", json_pack("[o]", detail));
	exchange_answer_json(exchange, code, json_pack("{s:o}", "error", error));
}

/* The payload is wrong; the token may be all right. */
static void invalid(struct exchange *exchange, const char *field, const char *description)
{
	refuse(exchange, 400, "INVALID_ARGUMENT", description,
	       json_pack("{s:s, s:[{s:s, s:s}]}", "@type", bad_request_type, "fieldViolations", "field", field,
			 "description", description));
}

static const struct error_row {
	const char *word; /* in the token */
	int code;
	const char *status, *error_code, *message;
} errors[] = {
	{"invalid-token", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT",
	 "The registration token is not a valid FCM registration token"},
	{"third-party-auth", 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR",
	 "Auth error from APNS or Web Push Service"},
	{"sender-mismatch", 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch"},
	{"unregistered", 404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."},
	{"quota", 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Message rate exceeded"},
	{"internal", 500, "INTERNAL", "INTERNAL", "Internal error encountered."},
	{"unavailable", 503, "UNAVAILABLE", "UNAVAILABLE", "The service is currently unavailable."},
};

static void refuse_by_row(struct exchange *exchange, const struct error_row *row)
{
	if (row->code == 429 || row->code == 503)
		exchange_add_header(exchange, "Retry-After", "1");
	refuse(exchange, row->code, row->status, row->message,
	       json_pack("{s:s, s:s}", "@type", error_type, "errorCode", row->error_code));
}

static void fail(struct exchange *exchange, int status)
{
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (errors[i].code == status && strcmp(errors[i].word, "third-party-auth") != 0) {
			refuse_by_row(exchange, &errors[i]);
			return;
		}
	refuse(exchange, status,
	       status >= 500   ? "INTERNAL"
	       : status == 401 ? "UNAUTHENTICATED"
			       : "INVALID_ARGUMENT",
	       status == 401 ? "Request had invalid authentication credentials." : "Told to say this", NULL);
}

/* The first name that is not among the words, which blanks separate; NULL: none. */
static const char *unknown_name(const json_t *object, const char *words)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		const char *at = strstr(words, name);
		size_t length = strlen(name);

		while (at && ((at != words && at[-1] != ' ') || (at[length] != ' ' && at[length] != '\0')))
			at = strstr(at + 1, name);
		if (!at || length == 0)
			return name;
	}
	return NULL;
}

static const struct {
	const char *part, *words; /* part "": the message itself */
} known[] = {
	{"", "token topic condition notification data android apns webpush fcm_options name"},
	{"notification", "title body image"},
	{"android", "collapse_key priority ttl restricted_package_name data notification fcm_options "
		    "direct_boot_ok bandwidth_constrained_ok restricted_satellite_ok"},
	{"apns", "headers payload fcm_options live_activity_token"},
	{"webpush", "headers data notification fcm_options"},
	{"fcm_options", "analytics_label"},
};

static bool names_are_wrong(struct exchange *exchange, const json_t *message)
{
	struct text sentence;
	const char *name = NULL;

	for (size_t i = 0; i < ARRAY_LENGTH(known) && !name; i++) {
		const json_t *part = *known[i].part ? json_object_get(message, known[i].part) : message;

		if (part && !json_is_object(part)) {
			invalid(exchange, known[i].part, "Invalid value, an object is needed");
			return true;
		}
		name = unknown_name(part, known[i].words);
	}
	if (!name)
		return false;
	text_init(&sentence, 4096);
	text_addf(&sentence, "Invalid JSON payload received. Unknown name \"%s\": Cannot find field.", name);
	invalid(exchange, "message", text_ok(&sentence) ? text_string(&sentence) : "Cannot find field.");
	text_release(&sentence);
	return true;
}

static bool is_reserved(const char *key)
{
	return strcmp(key, "from") == 0 || strcmp(key, "message_type") == 0 || strncmp(key, "google", 6) == 0 ||
	       strncmp(key, "gcm", 3) == 0;
}

static bool data_is_wrong(struct exchange *exchange, const json_t *data)
{
	const char *key;
	json_t *value;

	if (data && !json_is_object(data)) {
		invalid(exchange, "message.data", "Invalid value at 'message.data' (Map)");
		return true;
	}
	json_object_foreach((json_t *)(uintptr_t)data, key, value)
	{
		if (!json_is_string(value)) {
			invalid(exchange, "message.data[0].value",
				"Invalid value at 'message.data[0].value' (TYPE_STRING)");
			return true;
		}
		if (is_reserved(key)) {
			invalid(exchange, "message.data", "Invalid data payload key");
			return true;
		}
	}
	return false;
}

static size_t dumped_size(const json_t *part)
{
	return part ? json_dumpb(part, NULL, 0, JSON_COMPACT) : 0;
}

static bool is_duration(const char *text)
{
	size_t length = strlen(text);

	return length >= 2 && text[length - 1] == 's' && strspn(text, "0123456789.") == length - 1;
}

static bool android_is_wrong(struct exchange *exchange, const json_t *android)
{
	const json_t *priority = json_object_get(android, "priority"), *ttl = json_object_get(android, "ttl");
	const char *word = json_string_value(priority);

	if (priority && (!word || (strcasecmp(word, "normal") != 0 && strcasecmp(word, "high") != 0))) {
		invalid(exchange, "message.android.priority",
			"Invalid value at 'message.android.priority' (type.googleapis.com/"
			"google.firebase.fcm.v1.AndroidMessagePriority)");
		return true;
	}
	if (ttl && (!json_is_string(ttl) || !is_duration(json_string_value(ttl)))) {
		invalid(exchange, "message.android.ttl",
			"Invalid value at 'message.android.ttl' (type.googleapis.com/google.protobuf.Duration), Field "
			"'ttl', Illegal duration format; duration must end with 's'");
		return true;
	}
	return data_is_wrong(exchange, json_object_get(android, "data"));
}

/* Background pushes are of their own type and of normal priority (the discovery document of the API). */
static bool apns_is_wrong(struct exchange *exchange, const json_t *apns)
{
	const json_t *headers = json_object_get(apns, "headers");
	const json_t *aps = json_object_get(json_object_get(apns, "payload"), "aps");
	bool is_silent = json_integer_value(json_object_get(aps, "content-available")) == 1 &&
			 !json_object_get(aps, "alert") && !json_object_get(aps, "sound");

	if (json_object_get(apns, "payload") && !json_is_object(aps)) {
		invalid(exchange, "message.apns.payload.aps", "The payload needs an aps dictionary");
		return true;
	}
	if (is_silent && (strcmp(jwt_text(headers, "apns-push-type"), "background") != 0 ||
			  strcmp(jwt_text(headers, "apns-priority"), "5") != 0)) {
		invalid(exchange, "message.apns.headers",
			"Only normal priority and the push type background are allowed for silent messages");
		return true;
	}
	return data_is_wrong(exchange, headers);
}

static bool webpush_is_wrong(struct exchange *exchange, const json_t *webpush)
{
	const char *link = jwt_text(json_object_get(webpush, "fcm_options"), "link");

	if (*link && strncmp(link, "https://", 8) != 0) {
		invalid(exchange, "message.webpush.fcm_options.link", "The link must be an https URL");
		return true;
	}
	return data_is_wrong(exchange, json_object_get(webpush, "data"));
}

static bool target_is_wrong(struct exchange *exchange, const json_t *message)
{
	int targets = (json_string_length(json_object_get(message, "token")) > 0) +
		      (json_string_length(json_object_get(message, "topic")) > 0) +
		      (json_string_length(json_object_get(message, "condition")) > 0);

	if (targets != 1)
		invalid(exchange, "message", "Exactly one of token, topic or condition is required");
	return targets != 1;
}

static bool size_is_wrong(struct exchange *exchange, const json_t *message)
{
	size_t size =
		dumped_size(json_object_get(message, "notification")) + dumped_size(json_object_get(message, "data"));

	if (size > PAYLOAD_MAX)
		refuse(exchange, 400, "INVALID_ARGUMENT", "Android message is too big",
		       json_pack("{s:s, s:s}", "@type", error_type, "errorCode", "INVALID_ARGUMENT"));
	return size > PAYLOAD_MAX;
}

static bool message_is_wrong(struct exchange *exchange, const json_t *message)
{
	return names_are_wrong(exchange, message) || target_is_wrong(exchange, message) ||
	       data_is_wrong(exchange, json_object_get(message, "data")) ||
	       android_is_wrong(exchange, json_object_get(message, "android")) ||
	       apns_is_wrong(exchange, json_object_get(message, "apns")) ||
	       webpush_is_wrong(exchange, json_object_get(message, "webpush")) || size_is_wrong(exchange, message);
}

static bool refuse_as_wished(struct exchange *exchange, const char *token)
{
	const char *status = strstr(token, "status-");

	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (strstr(token, errors[i].word)) {
			refuse_by_row(exchange, &errors[i]);
			return true;
		}
	if (strstr(token, "bad-payload")) {
		invalid(exchange, "message.notification.title", "Told to say this");
		return true;
	}
	if (status && atoi(status + 7) >= 400)
		fail(exchange, atoi(status + 7));
	return status && atoi(status + 7) >= 400;
}

/* Last of all the label "d-<id>". */
static void find_delivery(const struct exchange *exchange, const json_t *message, struct text *delivery)
{
	struct span label = span_of(jwt_text(json_object_get(message, "fcm_options"), "analytics_label"));

	exchange_add_delivery(exchange, json_object_get(message, "data"), delivery);
	if (delivery->length == 0 && span_starts(label, "d-"))
		span_add(delivery, span_skip(label, 2));
}

/* All but the seconds that are left; last, for they are taken out. */
static void note_said(struct exchange *exchange, const json_t *message)
{
	char *said;

	json_object_del(json_object_get(message, "android"), "ttl");
	said = json_dumps(message, JSON_COMPACT);
	if (said)
		text_add(&exchange->said, said);
	free(said);
}

static void take(struct exchange *exchange, const json_t *message)
{
	const char *token = jwt_text(message, "token");
	struct text name, delivery;

	if (refuse_as_wished(exchange, token))
		return;
	text_init(&name, 512);
	text_init(&delivery, 256);
	find_delivery(exchange, message, &delivery);
	text_addf(&name, "projects/%s/messages/0:", accounts_text(exchange->sandbox->accounts, "google", "project_id"));
	exchange_add_id(&name, 16);
	exchange_accept(exchange, span_of_text(&delivery), span_of(token));
	text_add(&exchange->message, text_string(&name));
	note_said(exchange, message);
	exchange_answer_json(exchange, 200, json_pack("{s:s}", "name", text_string(&name)));
	text_release(&name);
	text_release(&delivery);
}

static void answer_body(struct exchange *exchange)
{
	json_t *body = exchange_json(exchange);
	const json_t *message = json_object_get(body, "message");

	if (!json_is_object(body))
		refuse(exchange, 400, "INVALID_ARGUMENT", "Invalid JSON payload received.", NULL);
	else if (!json_is_object(message) || unknown_name(body, "message validate_only"))
		invalid(exchange, "message", "The message is required, and nothing but validate_only beside it");
	else if (!message_is_wrong(exchange, message))
		take(exchange, message);
	json_decref(body);
}

static bool project_is_ours(const struct exchange *exchange, struct span rest)
{
	struct span project;

	if (!span_starts(rest, "v1/projects/"))
		return false;
	rest = span_skip(rest, strlen("v1/projects/"));
	project = span_cut(&rest, '/');
	return span_equal(project, accounts_text(exchange->sandbox->accounts, "google", "project_id")) &&
	       span_equal(rest, "messages:send");
}

static void answer(struct exchange *exchange)
{
	struct span bearer = exchange_header(exchange, "authorization");

	if (!project_is_ours(exchange, span_skip(exchange->path, strlen("/fcm/"))))
		refuse(exchange, 404, "NOT_FOUND", "Requested entity was not found.", NULL);
	else if (!span_equal(exchange->method, "POST"))
		refuse(exchange, 405, "INVALID_ARGUMENT", "Only POST", NULL);
	else if (!span_starts(bearer, "Bearer ") ||
		 !google_token_holds(exchange->sandbox->accounts, span_skip(bearer, strlen("Bearer "))))
		fail(exchange, 401);
	else if (!exchange_is_type(exchange, "application/json"))
		refuse(exchange, 400, "INVALID_ARGUMENT", "The content type is application/json", NULL);
	else
		answer_body(exchange);
}

const struct vendor vendor_fcm = {
	.name = "fcm",
	.prefix = "/fcm/",
	.is_message = true,
	.answer = answer,
	.fail = fail,
};
