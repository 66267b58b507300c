#include "worker/providers/fcm_message.h"

#include <string.h>

#include "worker/providers/push_data.h"

/* "The key should not be a reserved word": from, message_type, or any word starting with google or gcm. */
static bool allows(const char *key, struct error *err)
{
	if (strcmp(key, "from") != 0 && strcmp(key, "message_type") != 0 && strncmp(key, "google", 6) != 0 &&
	    strncmp(key, "gcm", 3) != 0)
		return true;
	return error_set(
		err, ERROR_INVALID,
		"The data must not name a member from, message_type, google... or gcm...: Firebase keeps these "
		"names for itself.");
}

static void add_notification(const struct provider_message *message, struct text *out)
{
	text_add(out, ",\"notification\":{");
	push_data_add_member(out, "title", message->subject);
	push_data_add_member(out, "body", message->body_text);
	push_data_add_member(out, "image", message->image);
	text_add_char(out, '}');
}

static void add_data(const struct provider_message *message, json_t *data, struct text *out)
{
	const char *key;
	json_t *value;

	text_addf(out, ",\"data\":{\"" PUSH_DELIVERY "\":\"%" PRId64 "\"", message->delivery_id);
	push_data_add_member(out, PUSH_LINK, message->link);
	json_object_foreach(data, key, value)
	{
		text_add_char(out, ',');
		text_add_json_string(out, key, strlen(key));
		text_add_char(out, ':');
		push_data_add_string(out, value);
	}
	text_add_char(out, '}');
}

static int64_t left_s(const struct provider_message *message)
{
	int64_t seconds = (message->expires_at_ms - message->now_ms) / 1000;

	return seconds > 0 ? seconds : 0;
}

/* The tag makes a notification that comes twice replace the first. Not collapse_key: Firebase keeps no more than four of
 * them for a device and would drop the messages of all others. */
static void add_android(const struct provider_message *message, struct text *out)
{
	text_addf(out, ",\"android\":{\"priority\":\"%s\"", message->is_silent ? "NORMAL" : "HIGH");
	if (message->expires_at_ms != 0)
		text_addf(out, ",\"ttl\":\"%" PRId64 "s\"", left_s(message));
	if (!message->is_silent)
		text_addf(out, ",\"notification\":{\"tag\":\"d-%" PRId64 "\"}", message->delivery_id);
	text_add_char(out, '}');
}

/* Apple: a background message has priority 5 and nothing to show
 * (https://developer.apple.com/documentation/usernotifications/pushing-background-updates-to-your-app). */
static void add_apns(const struct provider_message *message, struct text *out)
{
	text_addf(out, ",\"apns\":{\"headers\":{\"apns-push-type\":\"%s\",\"apns-priority\":\"%s\"",
		  message->is_silent ? "background" : "alert", message->is_silent ? "5" : "10");
	text_addf(out, ",\"apns-collapse-id\":\"d-%" PRId64 "\"", message->delivery_id);
	if (message->expires_at_ms != 0)
		text_addf(out, ",\"apns-expiration\":\"%" PRId64 "\"", message->expires_at_ms / 1000);
	text_add(out, "},\"payload\":{\"aps\":{");
	if (message->is_silent)
		text_add(out, "\"content-available\":1");
	else if (message->image.length > 0)
		text_add(out, "\"mutable-content\":1");
	text_add(out, "}}");
	if (!message->is_silent && message->image.length > 0) {
		text_add(out, ",\"fcm_options\":{");
		push_data_add_member(out, "image", message->image);
		text_add_char(out, '}');
	}
	text_add_char(out, '}');
}

/* Browsers are led somewhere by Firebase itself; it takes https only. */
static void add_webpush(const struct provider_message *message, struct text *out)
{
	if (message->is_silent || message->link.length < 8 || memcmp(message->link.bytes, "https://", 8) != 0)
		return;
	text_add(out, ",\"webpush\":{\"fcm_options\":{");
	push_data_add_member(out, "link", message->link);
	text_add(out, "}}");
}

/* What counts is what arrives at the device: the notification and the data. */
static bool fits(const struct text *out, size_t payload_start, struct error *err)
{
	if (text_ok(out) && out->length - payload_start <= PUSH_PAYLOAD_MAX)
		return true;
	return error_set(err, ERROR_INVALID, "The message has more than the %d bytes that Firebase takes.",
			 PUSH_PAYLOAD_MAX);
}

bool fcm_message_add(const struct provider_message *message, struct text *out, struct error *err)
{
	json_t *data = push_data_parse(message, allows, err);
	size_t payload_start;
	bool usable;

	if (data == NULL)
		return false;
	text_add(out, "{\"message\":{\"token\":");
	text_add_json_string(out, message->address.bytes, message->address.length);
	payload_start = out->length;
	if (!message->is_silent)
		add_notification(message, out);
	add_data(message, data, out);
	json_decref(data);
	usable = fits(out, payload_start, err);
	add_android(message, out);
	add_apns(message, out);
	add_webpush(message, out);
	text_add(out, "}}");
	return usable;
}
