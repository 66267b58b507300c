#include "worker/providers/email_sender.h"

#include <stdlib.h>
#include <string.h>

#include "worker/providers/mime.h"

#define NAME_MAX_BYTES  200
#define UNSUBSCRIBE_MAX 900 /* the header's line may have MIME_LINE_MAX */

bool email_sender_configure(struct email_sender *sender, const json_t *settings, struct error *err)
{
	const char *fault;

	if (!provider_setting_text(settings, "from_email", false, NULL, &sender->address, err) ||
	    !provider_setting_text(settings, "from_name", false, "", &sender->name, err))
		return false;
	fault = mime_address_fault(provider_slice(sender->address));
	if (fault != NULL)
		return error_set(err, ERROR_INVALID, "from_email: %s", fault);
	if (strlen(sender->name) > NAME_MAX_BYTES)
		return error_set(err, ERROR_INVALID, "from_name has more than %d bytes.", NAME_MAX_BYTES);
	return true;
}

void email_sender_release(struct email_sender *sender)
{
	free(sender->address);
	free(sender->name);
	sender->address = sender->name = NULL;
}

static bool check_unsubscribe(const char *url, struct error *err)
{
	size_t length = strlen(url);

	for (size_t i = 0; i < length; i++)
		if (url[i] <= ' ' || url[i] >= 0x7F || url[i] == '<' || url[i] == '>')
			return error_set(err, ERROR_INVALID,
					 "The unsubscribe address holds a character that may not "
					 "stand in a header.");
	if (length == 0 || length > UNSUBSCRIBE_MAX)
		return error_set(err, ERROR_INVALID, "The unsubscribe address is empty or longer than %d bytes.",
				 UNSUBSCRIBE_MAX);
	return true;
}

bool email_message_check(const struct provider_message *message, struct error *err)
{
	const char *fault = mime_address_fault(message->address);

	if (fault != NULL)
		return error_set(err, ERROR_REFUSED, "%s", fault);
	if (message->body_text.length == 0 && message->body_html.length == 0)
		return error_set(err, ERROR_INVALID, "The message has neither a text nor an HTML body.");
	return message->unsubscribe_url == NULL || check_unsubscribe(message->unsubscribe_url, err);
}

void email_add_list_headers_json(struct text *out, const struct provider_message *message)
{
	struct text value;

	if (message->unsubscribe_url == NULL)
		return;
	text_init(&value, UNSUBSCRIBE_MAX + 2);
	text_addf(&value, "<%s>", message->unsubscribe_url);
	text_add(out, ",\"headers\":{\"List-Unsubscribe\":");
	text_add_json_string(out, text_string(&value), value.length);
	text_add(out, ",\"List-Unsubscribe-Post\":\"" MIME_LIST_POST "\"}");
	text_release(&value);
}
