#include "worker/message_template.h"

#include <stdlib.h>

#include "shared/memory.h"

const char *message_part_name(enum message_part part)
{
	static const char *const names[MESSAGE_PARTS] = {
		[MESSAGE_SUBJECT] = "subject", [MESSAGE_BODY_TEXT] = "body_text", [MESSAGE_BODY_HTML] = "body_html",
		[MESSAGE_LINK] = "link",       [MESSAGE_IMAGE] = "image",         [MESSAGE_DATA] = "data"};

	return names[part];
}

static enum template_slot slot_of(enum message_part part, enum channel channel)
{
	switch (part) {
	case MESSAGE_SUBJECT:
		return channel == CHANNEL_EMAIL ? TEMPLATE_SLOT_HEADER : TEMPLATE_SLOT_PLAIN;
	case MESSAGE_BODY_HTML:
		return TEMPLATE_SLOT_HTML;
	case MESSAGE_LINK:
	case MESSAGE_IMAGE:
		return TEMPLATE_SLOT_URL;
	case MESSAGE_DATA:
		return TEMPLATE_SLOT_JSON;
	case MESSAGE_BODY_TEXT:
	case MESSAGE_PARTS:
		break;
	}
	return TEMPLATE_SLOT_PLAIN;
}

struct template *message_part_compile(enum message_part part, enum channel channel,
				      const struct message_sources *sources, struct named_texts *partials,
				      struct template_fault *fault)
{
	const struct template_options options = {
		.slot = slot_of(part, channel),
		.is_marketing = true,
		.partials = {.find = named_texts_find, .context = partials},
	};

	return template_compile(sources->bytes[part], sources->length[part], &options, fault);
}

static char *sentence_of(enum message_part part, const struct template_fault *fault)
{
	struct text sentence;
	size_t ignored;

	text_init(&sentence, TEMPLATE_FAULT_MAX + 100);
	text_add(&sentence, message_part_name(part));
	if (fault->line > 0)
		text_addf(&sentence, ", line %d, column %d", fault->line, fault->column);
	text_addf(&sentence, ": %s", fault->text);
	return text_take(&sentence, &ignored);
}

static void free_parts(struct message_template *template)
{
	for (int part = 0; part < MESSAGE_PARTS; part++)
		template_free(&template->parts[part]);
}

struct message_template *message_template_compile(enum channel channel, const struct message_sources *sources,
						  struct named_texts *partials)
{
	struct message_template *template = memory_new(sizeof(*template));
	struct template_fault fault;

	for (int part = 0; part < MESSAGE_PARTS; part++) {
		if (sources->length[part] == 0)
			continue;
		template->parts[part] =
			message_part_compile((enum message_part)part, channel, sources, partials, &fault);
		if (template->parts[part] != NULL)
			continue;
		template->problem = sentence_of((enum message_part)part, &fault);
		free_parts(template);
		break;
	}
	return template;
}

void message_template_free(struct message_template **template)
{
	if (*template == NULL)
		return;
	free_parts(*template);
	free((*template)->problem);
	free(*template);
	*template = NULL;
}
