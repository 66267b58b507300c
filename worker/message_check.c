#include "worker/message_check.h"

#include <stdio.h>
#include <string.h>

#include "worker/template/foreign_tokens.h"
#include "worker/personalize.h"
#include "worker/template/segments.h"

const char *finding_severity_name(enum finding_severity severity)
{
	static const char *const names[] = {
		[FINDING_ERROR] = "error", [FINDING_WARNING] = "warning", [FINDING_NOTE] = "note"};

	return names[severity];
}

/* The next finding to fill in; NULL when there are enough. */
static struct finding *add(struct message_check *check, enum finding_severity severity, enum message_part part,
			   int line, int column)
{
	struct finding *finding = &check->findings[check->count];

	if (check->count == MESSAGE_FINDINGS_MAX)
		return NULL;
	check->count++;
	*finding = (struct finding){.severity = severity, .part = part, .line = line, .column = column};
	return finding;
}

static void say(struct finding *finding, const char *sentence)
{
	if (finding != NULL)
		snprintf(finding->sentence, sizeof(finding->sentence), "%s", sentence);
}

/* Lines and columns from 1, in characters. */
static void find_place(const char *source, size_t at, int *line, int *column)
{
	*line = *column = 1;
	for (size_t i = 0; i < at; i++) {
		if (source[i] == '\n') {
			++*line;
			*column = 1;
		} else if (((unsigned char)source[i] & 0xC0) != 0x80) {
			++*column;
		}
	}
}

static void compile_part(struct message_check *check, enum message_part part, enum channel channel,
			 const struct message_sources *sources, struct named_texts *partials)
{
	struct template_fault fault;

	check->parts[part] = message_part_compile(part, channel, sources, partials, &fault);
	if (check->parts[part] == NULL)
		say(add(check, FINDING_ERROR, part, fault.line, fault.column), fault.text);
}

/* Every one of a kind is told once: the first that is left behind is what the author needs to know. */
static void look_for_foreign_tokens(struct message_check *check, enum message_part part,
				    const struct message_sources *sources)
{
	const char *source = sources->bytes[part];
	struct foreign_token found;
	struct finding *finding;
	int line, column;

	for (size_t from = 0; foreign_tokens_find(source, sources->length[part], from, &found);
	     from = found.at + found.length) {
		find_place(source, found.at, &line, &column);
		finding = add(check, FINDING_WARNING, part, line, column);
		if (finding == NULL)
			return;
		snprintf(finding->sentence, sizeof(finding->sentence),
			 "\"%.*s\" looks like a token of %s and is sent as it stands. Here a token looks like "
			 "{{ contact.first_name }}.",
			 (int)found.length, source + found.at, found.system);
	}
}

static bool was_said(const struct message_check *check, enum message_part part, const char *sentence)
{
	for (size_t i = 0; i < check->count; i++)
		if (check->findings[i].part == part && strcmp(check->findings[i].sentence, sentence) == 0)
			return true;
	return false;
}

static void look_for_wrong_paths(struct message_check *check, enum message_part part)
{
	const struct template *template = check->parts[part];
	struct text sentence;

	text_init(&sentence, TEMPLATE_FAULT_MAX);
	for (size_t i = 0; i < template_need_count(template) && check->count < MESSAGE_FINDINGS_MAX; i++) {
		struct template_need need = template_need_at(template, i);

		text_clear(&sentence);
		if (personalize_knows(need.path, need.path_length, &sentence) ||
		    was_said(check, part, text_string(&sentence)))
			continue;
		say(add(check, FINDING_WARNING, part, need.partial == NULL ? need.line : 0,
			need.partial == NULL ? need.column : 0),
		    text_string(&sentence));
	}
	text_release(&sentence);
}

/* Where the forcing character stands in the source; it may also come from a partial or a value. */
static bool find_forcing(const struct message_sources *sources, const struct text *rendered, size_t forced_at,
			 int *line, int *column)
{
	const char *bytes = text_string(rendered), *found;
	size_t at = 0, length;

	for (size_t position = 1; position < forced_at; position++) {
		length = text_utf8_length(bytes + at, rendered->length - at);
		at += length > 0 ? length : 1;
	}
	length = text_utf8_length(bytes + at, rendered->length - at);
	found = length == 0 ? NULL
			    : memmem(sources->bytes[MESSAGE_BODY_TEXT], sources->length[MESSAGE_BODY_TEXT], bytes + at,
				     length);
	if (found == NULL)
		return false;
	find_place(sources->bytes[MESSAGE_BODY_TEXT], (size_t)(found - sources->bytes[MESSAGE_BODY_TEXT]), line,
		   column);
	return true;
}

/* The text as it is for somebody of whom nothing is known: mostly what the author wrote. */
static bool render_bare(const struct template *template, struct text *out)
{
	static const char nobody[] =
		"{\"contact\":{\"points\":0},\"profile\":{},\"data\":{},\"campaign\":{\"name\":\"\"}}";
	const struct template_data data = {.json = nobody, .length = sizeof(nobody) - 1};
	struct template_context *context = template_context_new();
	struct template_fault fault;
	bool rendered = template_render(template, context, &data, out, &fault);

	template_context_free(&context);
	return rendered;
}

static void count_segments(struct message_check *check, const struct message_sources *sources)
{
	struct segments segments;
	struct text rendered, sentence;
	int line = 0, column = 0;

	text_init(&rendered, TEMPLATE_SOURCE_MAX);
	text_init(&sentence, TEMPLATE_FAULT_MAX);
	if (render_bare(check->parts[MESSAGE_BODY_TEXT], &rendered)) {
		segments = segments_count(text_string(&rendered), rendered.length);
		text_add(&sentence, "Without the values of its tokens: ");
		segments_explain(&segments, &sentence);
		if (segments.is_ucs2)
			find_forcing(sources, &rendered, segments.forced_at, &line, &column);
		say(add(check, segments.is_ucs2 ? FINDING_WARNING : FINDING_NOTE, MESSAGE_BODY_TEXT, line, column),
		    text_string(&sentence));
	}
	text_release(&sentence);
	text_release(&rendered);
}

void message_check_run(struct message_check *check, enum channel channel, const struct message_sources *sources,
		       struct named_texts *partials)
{
	*check = (struct message_check){0};
	for (int part = 0; part < MESSAGE_PARTS; part++)
		compile_part(check, (enum message_part)part, channel, sources, partials);
	if (channel == CHANNEL_SMS && check->parts[MESSAGE_BODY_TEXT] != NULL)
		count_segments(check, sources);
	for (int part = 0; part < MESSAGE_PARTS; part++) {
		if (check->parts[part] == NULL)
			continue;
		look_for_wrong_paths(check, (enum message_part)part);
		look_for_foreign_tokens(check, (enum message_part)part, sources);
	}
}

void message_check_release(struct message_check *check)
{
	for (int part = 0; part < MESSAGE_PARTS; part++)
		template_free(&check->parts[part]);
}
