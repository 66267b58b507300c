#include "worker/personalize.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static void add_name(struct text *document, const char *name)
{
	text_add_char(document, '"');
	text_add(document, name);
	text_add(document, "\":");
}

/* The texts about a contact; contact_id and points are numbers. */
static const struct {
	const char *name;
	size_t offset;
} members[] = {
	{"first_name", offsetof(struct delivery_facts, first_name)},
	{"last_name", offsetof(struct delivery_facts, last_name)},
	{"member_no", offsetof(struct delivery_facts, member_no)},
	{"language", offsetof(struct delivery_facts, language)},
	{"time_zone", offsetof(struct delivery_facts, time_zone)},
	{"tier", offsetof(struct delivery_facts, tier)},
};

static void add_members(struct text *document, const struct delivery_facts *facts)
{
	for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
		const char *value = *(const char *const *)((const char *)facts + members[i].offset);

		if (value == NULL)
			continue;
		add_name(document, members[i].name);
		text_add_json_string(document, value, strlen(value));
		text_add_char(document, ',');
	}
}

static void add_document(struct text *document, const char *name, const char *json)
{
	text_add_char(document, ',');
	add_name(document, name);
	text_add(document, json != NULL ? json : "{}");
}

static void add_address(struct text *document, const char *name, const char *url)
{
	if (url == NULL)
		return;
	text_add_char(document, ',');
	add_name(document, name);
	text_add_json_string(document, url, strlen(url));
}

static void build_document(const struct delivery *delivery, struct text *document)
{
	const struct delivery_facts *facts = &delivery->facts;

	text_clear(document);
	text_add(document, "{\"contact\":{\"contact_id\":");
	text_add_int64(document, facts->contact_id);
	text_add_char(document, ',');
	add_members(document, facts);
	add_name(document, "points");
	text_add_int64(document, facts->points);
	text_add_char(document, '}');
	add_document(document, "profile", facts->profile);
	add_document(document, "data", facts->data);
	text_add(document, ",\"campaign\":{\"name\":");
	text_add_json_string(document, delivery->step->campaign_name, strlen(delivery->step->campaign_name));
	text_add_char(document, '}');
	add_address(document, "unsubscribe_url", delivery->unsubscribe_url);
	add_address(document, "preferences_url", delivery->preferences_url);
	text_add_char(document, '}');
}

static bool is_object(const char *json)
{
	if (json == NULL)
		return true;
	while (*json == ' ' || *json == '\t' || *json == '\n' || *json == '\r')
		json++;
	return *json == '{';
}

static enum personalize_result explain(const struct template_fault *fault, const char *slot, char *explanation,
				       size_t size)
{
	if (fault->kind == TEMPLATE_FAULT_ABORTED) {
		snprintf(explanation, size, "%s", fault->text);
		return PERSONALIZE_ABORTED;
	}
	if (fault->line > 0)
		snprintf(explanation, size, "%s, line %d, column %d: %s", slot, fault->line, fault->column,
			 fault->text);
	else
		snprintf(explanation, size, "%s: %s", slot, fault->text);
	return fault->kind == TEMPLATE_FAULT_UNDEFINED ? PERSONALIZE_MISSING_TOKEN : PERSONALIZE_FAILED;
}

static void set_context(struct template_context *context, const struct delivery *delivery)
{
	const struct template_settings settings = {
		.undefined = delivery->step->on_undefined,
		.now_ms = delivery->facts.planned_at_ms,
		.time_zone = delivery->facts.time_zone,
		.contact_id = delivery->facts.contact_id,
		.token_default = named_texts_find,
		.token_context = delivery->step->token_defaults,
	};

	template_context_set(context, &settings);
}

/* Rendered data is checked here: the template's author is told, rather than a vendor. */
static bool is_data(const struct text *rendered)
{
	json_t *json = json_loadb(text_string(rendered), rendered->length, JSON_REJECT_DUPLICATES, NULL);
	bool usable = json_is_object(json);

	json_decref(json);
	return usable;
}

enum personalize_result personalize(struct delivery *delivery, struct template_context *context, struct text *document,
				    char *explanation, size_t explanation_size)
{
	const struct step *step = delivery->step;
	struct text *rendered = delivery->rendered;
	struct template_data data;
	struct template_fault fault;

	if (step->problem != NULL) {
		snprintf(explanation, explanation_size, "%s", step->problem);
		return PERSONALIZE_FAILED;
	}
	if (!is_object(delivery->facts.profile) || !is_object(delivery->facts.data)) {
		snprintf(explanation, explanation_size,
			 "The contact's profile or the message's data is not a JSON object.");
		return PERSONALIZE_FAILED;
	}
	build_document(delivery, document);
	if (!text_ok(document)) {
		snprintf(explanation, explanation_size, "The contact's profile is too large.");
		return PERSONALIZE_FAILED;
	}
	set_context(context, delivery);
	data = (struct template_data){.json = text_string(document), .length = document->length};
	for (int part = 0; part < MESSAGE_PARTS; part++) {
		text_clear(&rendered[part]);
		if (step->template->parts[part] != NULL &&
		    !template_render(step->template->parts[part], context, &data, &rendered[part], &fault))
			return explain(&fault, message_part_name((enum message_part)part), explanation,
				       explanation_size);
	}
	if (rendered[MESSAGE_DATA].length == 0 || is_data(&rendered[MESSAGE_DATA]))
		return PERSONALIZE_OK;
	snprintf(explanation, explanation_size,
		 "data: what the template makes is not a JSON object, or names a member twice.");
	return PERSONALIZE_FAILED;
}

enum template_undefined personalize_policy(const char *word)
{
	if (strcmp(word, "skip") == 0)
		return TEMPLATE_UNDEFINED_SKIP;
	return strcmp(word, "default") == 0 ? TEMPLATE_UNDEFINED_DEFAULT : TEMPLATE_UNDEFINED_BLANK;
}

/* Whether the path begins with that name, and where it goes on: behind the dot or at its end. */
static bool begins_with(const char *path, size_t length, const char *name, size_t *rest)
{
	size_t size = strlen(name);

	if (length < size || memcmp(path, name, size) != 0 || (length > size && path[size] != '.' && path[size] != '['))
		return false;
	*rest = length > size && path[size] == '.' ? size + 1 : size;
	return true;
}

static bool contact_has(const char *member, size_t length)
{
	size_t rest;

	for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
		if (begins_with(member, length, members[i].name, &rest))
			return true;
	return length == 0 || begins_with(member, length, "points", &rest) ||
	       begins_with(member, length, "contact_id", &rest);
}

static void name_members(struct text *sentence)
{
	text_add(sentence, "contact_id");
	for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
		text_addf(sentence, ", %s", members[i].name);
	text_add(sentence, " and points");
}

bool personalize_knows(const char *path, size_t length, struct text *sentence)
{
	size_t rest;

	if (begins_with(path, length, "profile", &rest) || begins_with(path, length, "data", &rest))
		return true;
	if ((begins_with(path, length, "unsubscribe_url", &rest) ||
	     begins_with(path, length, "preferences_url", &rest)) &&
	    rest == length)
		return true;
	if (begins_with(path, length, "campaign", &rest)) {
		if (rest == length || (length - rest == 4 && memcmp(path + rest, "name", 4) == 0))
			return true;
		text_addf(sentence, "A campaign has no \"%.*s\", only a name.", (int)(length - rest), path + rest);
	} else if (begins_with(path, length, "contact", &rest)) {
		if (contact_has(path + rest, length - rest))
			return true;
		text_addf(sentence, "A contact has no \"%.*s\": only ", (int)(length - rest), path + rest);
		name_members(sentence);
		text_add(sentence, ". Everything else is in profile.");
	} else {
		text_addf(sentence, "There is no \"%.*s\": a token begins with contact, profile, data or campaign.",
			  (int)length, path);
	}
	return false;
}
