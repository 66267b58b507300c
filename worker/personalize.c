#include "worker/personalize.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void add_name(struct text *document, const char *name)
{
	text_add_char(document, '"');
	text_add(document, name);
	text_add(document, "\":");
}

static void add_member(struct text *document, const char *name, const char *value)
{
	if (value == NULL)
		return;
	add_name(document, name);
	text_add_json_string(document, value, strlen(value));
	text_add_char(document, ',');
}

static void add_document(struct text *document, const char *name, const char *json)
{
	text_add_char(document, ',');
	add_name(document, name);
	text_add(document, json != NULL ? json : "{}");
}

static void build_document(const struct delivery *delivery, struct text *document)
{
	const struct delivery_facts *facts = &delivery->facts;

	text_clear(document);
	text_add(document, "{\"contact\":{");
	add_member(document, "first_name", facts->first_name);
	add_member(document, "last_name", facts->last_name);
	add_member(document, "member_no", facts->member_no);
	add_member(document, "language", facts->language);
	add_member(document, "time_zone", facts->time_zone);
	add_member(document, "tier", facts->tier);
	add_name(document, "points");
	text_add_int64(document, facts->points);
	text_add_char(document, '}');
	add_document(document, "profile", facts->profile);
	add_document(document, "data", facts->data);
	text_add(document, ",\"campaign\":{\"name\":");
	text_add_json_string(document, delivery->step->campaign_name, strlen(delivery->step->campaign_name));
	text_add(document, "}}");
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
	if (fault->line > 0)
		snprintf(explanation, size, "%s, line %d, column %d: %s", slot, fault->line, fault->column,
			 fault->text);
	else
		snprintf(explanation, size, "%s: %s", slot, fault->text);
	return fault->kind == TEMPLATE_FAULT_UNDEFINED ? PERSONALIZE_MISSING_TOKEN : PERSONALIZE_FAILED;
}

/* Rendered data is checked here: the template's author is told, rather than a vendor. */
static bool is_data(const struct text *rendered)
{
	json_t *json = json_loadb(text_string(rendered), rendered->length, JSON_REJECT_DUPLICATES, NULL);
	bool usable = json_is_object(json);

	json_decref(json);
	return usable;
}

/* What a push or in-app message has beside its texts. */
static enum personalize_result render_extras(struct delivery *delivery, const struct template_data *data,
					     char *explanation, size_t size)
{
	const struct step *step = delivery->step;
	struct template_fault fault;

	if (!template_render(step->link, data, step->on_undefined, &delivery->link, &fault))
		return explain(&fault, "link", explanation, size);
	if (!template_render(step->image, data, step->on_undefined, &delivery->image, &fault))
		return explain(&fault, "image", explanation, size);
	if (!template_render(step->data, data, step->on_undefined, &delivery->data, &fault))
		return explain(&fault, "data", explanation, size);
	if (delivery->data.length == 0 || is_data(&delivery->data))
		return PERSONALIZE_OK;
	snprintf(explanation, size, "data: what the template makes is not a JSON object, or names a member twice.");
	return PERSONALIZE_FAILED;
}

enum personalize_result personalize(struct delivery *delivery, struct text *document, char *explanation,
				    size_t explanation_size)
{
	const struct step *step = delivery->step;
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
	data = (struct template_data){.json = text_string(document), .length = document->length};
	if (!template_render(step->subject, &data, step->on_undefined, &delivery->subject, &fault))
		return explain(&fault, "subject", explanation, explanation_size);
	if (!template_render(step->body_text, &data, step->on_undefined, &delivery->body_text, &fault))
		return explain(&fault, "body_text", explanation, explanation_size);
	if (!template_render(step->body_html, &data, step->on_undefined, &delivery->body_html, &fault))
		return explain(&fault, "body_html", explanation, explanation_size);
	return render_extras(delivery, &data, explanation, explanation_size);
}
