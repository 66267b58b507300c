#include "worker/providers/push_data.h"

#include <stdlib.h>
#include <string.h>

#define DUMP_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15))

static bool is_ours(const struct provider_message *message, const char *key)
{
	return strcmp(key, PUSH_DELIVERY) == 0 || (strcmp(key, PUSH_LINK) == 0 && message->link.length > 0) ||
	       (strcmp(key, PUSH_IMAGE) == 0 && message->image.length > 0);
}

static bool check_keys(const struct provider_message *message, json_t *data, push_data_allows *allows,
		       struct error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(data, key, value)
	{
		if (*key == '\0')
			return error_set(err, ERROR_INVALID, "The data has a member without a name.");
		if (is_ours(message, key))
			return error_set(err, ERROR_INVALID,
					 "The data must not name the member \"%s\": it is set already.",
					 strcmp(key, PUSH_DELIVERY) == 0 ? PUSH_DELIVERY
					 : strcmp(key, PUSH_LINK) == 0   ? PUSH_LINK
									 : PUSH_IMAGE);
		if (!allows(key, err))
			return false;
	}
	return true;
}

/* jansson's sentence would quote the data. */
json_t *push_data_parse(const struct provider_message *message, push_data_allows *allows, struct error *err)
{
	json_t *data;

	if (message->data.length == 0)
		return json_object();
	data = json_loadb(message->data.bytes, message->data.length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(data))
		error_set(err, ERROR_INVALID, "The data is not a JSON object, or names a member twice.");
	else if (check_keys(message, data, allows, err))
		return data;
	json_decref(data);
	return NULL;
}

static int add_bytes(const char *bytes, size_t length, void *context)
{
	text_add_bytes(context, bytes, length);
	return 0;
}

void push_data_add_json(struct text *out, const json_t *value)
{
	json_dump_callback(value, add_bytes, out, DUMP_FLAGS);
}

void push_data_add_string(struct text *out, const json_t *value)
{
	struct text json;

	if (json_is_string(value)) {
		text_add_json_string(out, json_string_value(value), json_string_length(value));
		return;
	}
	text_init(&json, PROVIDER_BODY_MAX);
	push_data_add_json(&json, value);
	text_add_json_string(out, text_string(&json), json.length);
	text_release(&json);
}

void push_data_add_member(struct text *out, const char *name, struct slice value)
{
	if (value.length == 0)
		return;
	if (out->length > 0 && out->bytes[out->length - 1] != '{')
		text_add_char(out, ',');
	text_addf(out, "\"%s\":", name);
	text_add_json_string(out, value.bytes, value.length);
}

bool push_data_can_be_shown(const struct provider_message *message, struct error *err)
{
	if (message->is_silent || message->subject.length > 0 || message->body_text.length > 0)
		return true;
	return error_set(err, ERROR_INVALID, "The message has neither a title nor a text.");
}
