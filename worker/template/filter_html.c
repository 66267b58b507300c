#include <string.h>

#include "shared/text.h"
#include "worker/template/filter.h"

static bool text_of(const struct filter_call *call, struct value *text)
{
	return run_string(call->run, &call->arguments[0], text) && run_charge(call->run, text->length);
}

static bool is_nil(const struct filter_call *call, struct value *result)
{
	*result = value_nil();
	return call->arguments[0].kind == VALUE_NIL;
}

static const char *entity_of(char byte)
{
	switch (byte) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* &name; or &#12; */
static bool is_entity(const char *at, const char *end)
{
	const char *start = ++at;

	if (at < end && *at == '#') {
		for (start = ++at; at < end && *at >= '0' && *at <= '9';)
			at++;
	} else {
		while (at < end && ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'z'))
			at++;
	}
	return at > start && at < end && *at == ';';
}

static bool escape_some(const struct filter_call *call, bool once, struct value *result)
{
	struct value text;
	const char *end;
	size_t length = 0;
	char *bytes, *to;

	if (!text_of(call, &text))
		return false;
	end = text.bytes + text.length;
	for (const char *at = text.bytes; at < end; at++)
		length += entity_of(*at) != NULL ? 6 : 1;
	if ((bytes = to = run_memory(call->run, length)) == NULL || !run_charge(call->run, length))
		return false;
	for (const char *at = text.bytes; at < end; at++) {
		const char *entity = once && *at == '&' && is_entity(at, end) ? NULL : entity_of(*at);

		if (entity == NULL) {
			*to++ = *at;
			continue;
		}
		memcpy(to, entity, strlen(entity));
		to += strlen(entity);
	}
	*result = value_string(bytes, (size_t)(to - bytes));
	result->is_safe = call->run->template->slot == TEMPLATE_SLOT_HTML;
	arena_shrink(call->run->arena, bytes, length, result->length);
	return true;
}

/* What was escaped for the slot already is left alone. */
static bool escape(const struct filter_call *call, struct value *result)
{
	if (is_nil(call, result))
		return true;
	if (call->arguments[0].is_safe) {
		*result = call->arguments[0];
		return true;
	}
	return escape_some(call, false, result);
}

static bool escape_once(const struct filter_call *call, struct value *result)
{
	return escape_some(call, true, result);
}

static bool newline_to_br(const struct filter_call *call, struct value *result)
{
	bool escapes = call->run->template->slot == TEMPLATE_SLOT_HTML && !call->arguments[0].is_safe;
	struct value text;
	size_t length = 0;
	char *bytes, *to;

	if (!text_of(call, &text))
		return false;
	for (uint32_t i = 0; i < text.length; i++)
		length += 7;
	if ((bytes = to = run_memory(call->run, length)) == NULL || !run_charge(call->run, length))
		return false;
	for (uint32_t i = 0; i < text.length; i++) {
		const char *entity = escapes ? entity_of(text.bytes[i]) : NULL;

		if (text.bytes[i] == '\r' && i + 1 < text.length && text.bytes[i + 1] == '\n')
			continue;
		if (text.bytes[i] == '\n')
			entity = "<br />\n";
		if (entity == NULL) {
			*to++ = text.bytes[i];
			continue;
		}
		memcpy(to, entity, strlen(entity));
		to += strlen(entity);
	}
	*result = value_string(bytes, (size_t)(to - bytes));
	result->is_safe = call->run->template->slot == TEMPLATE_SLOT_HTML;
	arena_shrink(call->run->arena, bytes, length, result->length);
	return true;
}

/* -- tags -- */

struct span {
	const char *open, *close;
	bool is_gone; /* there is no close from here on: not looked for again */
};

static bool starts(const char *at, const char *end, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(end - at) >= length && memcmp(at, word, length) == 0;
}

/* Behind the block that starts here; NULL: none does. */
static const char *skip_block(const char *at, const char *end, struct span *spans, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *inside, *close;

		if (spans[i].is_gone || !starts(at, end, spans[i].open))
			continue;
		inside = at + strlen(spans[i].open);
		close = memmem(inside, (size_t)(end - inside), spans[i].close, strlen(spans[i].close));
		if (close != NULL)
			return close + strlen(spans[i].close);
		spans[i].is_gone = true;
	}
	return NULL;
}

static size_t remove_blocks(const char *bytes, size_t length, struct span *spans, size_t count, char *to)
{
	const char *at = bytes, *end = bytes + length;
	char *start = to;

	while (at < end) {
		const char *behind = *at == '<' ? skip_block(at, end, spans, count) : NULL;

		if (behind != NULL)
			at = behind;
		else
			*to++ = *at++;
	}
	return (size_t)(to - start);
}

/* First scripts, comments and styles with what is in them, then all other tags. */
static bool strip_html(const struct filter_call *call, struct value *result)
{
	struct span blocks[] = {{"<script", "</script>", false}, {"<!--", "-->", false}, {"<style", "</style>", false}};
	struct span tags[] = {{"<", ">", false}};
	struct value text;
	char *once, *twice;
	size_t length;

	if (!text_of(call, &text) || (once = run_memory(call->run, text.length)) == NULL)
		return false;
	length = remove_blocks(text.bytes, text.length, blocks, ARRAY_LENGTH(blocks), once);
	if ((twice = run_memory(call->run, length)) == NULL)
		return false;
	length = remove_blocks(once, length, tags, ARRAY_LENGTH(tags), twice);
	*result = value_string(twice, length);
	return true;
}

const struct filter html_filters[] = {
	{"escape", escape, 0, 0, "| escape", NULL, false, false, false},
	{"h", escape, 0, 0, "| h", NULL, false, false, false},
	{"escape_once", escape_once, 0, 0, "| escape_once", NULL, false, false, false},
	{"newline_to_br", newline_to_br, 0, 0, "| newline_to_br", NULL, false, false, false},
	{"strip_html", strip_html, 0, 0, "| strip_html", NULL, false, false, false},
	{.name = NULL},
};
