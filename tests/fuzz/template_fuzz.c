/* The first byte chooses slot, layer and policy; then templates and partials, apart at NUL bytes. Whatever they say, they
 * compile or not, and render within their limits; the same again renders the same; needs are what can be printed. */
#include <stdlib.h>
#include <string.h>

#include "worker/template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define STEPS_MAX        20000
#define MEMORY_BYTES_MAX (256 * 1024)
#define OUTPUT_BYTES_MAX 65536

struct partials {
	const char *start, *end;
};

/* Partials are called a, b, c ... in the order they stand in. */
static bool find(void *context, const char *name, size_t name_length, const char **source, size_t *length)
{
	const struct partials *partials = context;
	const char *at = partials->start;

	if (name_length != 1 || *name < 'a' || *name > 'd')
		return false;
	for (char letter = 'a'; at < partials->end; letter++) {
		const char *end = memchr(at, '\0', (size_t)(partials->end - at));

		end = end != NULL ? end : partials->end;
		if (letter == *name) {
			*source = at;
			*length = (size_t)(end - at);
			return true;
		}
		at = end < partials->end ? end + 1 : end;
	}
	return false;
}

static const char *name_at(void *context, size_t index)
{
	static const char *const names[] = {"a", "b", "c", "d"};

	(void)context;
	return index < ARRAY_LENGTH(names) ? names[index] : NULL;
}

static void check_needs(const struct template *template)
{
	for (size_t i = 0; i < template_need_count(template); i++) {
		struct template_need need = template_need_at(template, i);

		if (need.line < 1 || need.column < 1 || need.path_length == 0 || need.path[0] == '\0')
			abort();
	}
}

static bool render(const struct template *template, struct template_context *context, struct text *out)
{
	static const char profile[] =
		"{\"a\": \"x\\n<\\ud83d\\ude00>\", \"b\": {\"c\": [1, null, {\"d\": \"\\\"\"}, 2.5, -7, true]}, \"a-b\": [], "
		"\"n\": 9223372036854775807, \"big\": 123456789012345678901234567890, \"s\": \"a b,c\", "
		"\"list\": [{\"k\": \"x\", \"v\": 1}, {\"k\": \"Y\", \"v\": 0.1}, {\"k\": null}], \"day\": \"2026-03-29 02:30\"}";
	struct template_data data = {.json = profile, .length = sizeof(profile) - 1};
	struct template_fault fault = {0};
	bool rendered = template_render(template, context, &data, out, &fault);

	if (!rendered && (out->length != 0 || memchr(fault.text, '\0', sizeof(fault.text)) == NULL))
		abort();
	if (template_context_usage(context).memory_bytes > MEMORY_BYTES_MAX || out->length > OUTPUT_BYTES_MAX ||
	    template_context_usage(context).steps > STEPS_MAX)
		abort();
	return rendered;
}

static void render_twice(const struct template *template, uint8_t choice)
{
	struct template_context *context = template_context_new();
	struct template_settings settings = {
		.undefined = choice & 0x40 ? TEMPLATE_UNDEFINED_SKIP : TEMPLATE_UNDEFINED_BLANK,
		.now_ms = INT64_C(1795800000000),
		.time_zone = choice & 0x80 ? "Europe/Riga" : "Australia/Lord_Howe",
		.contact_id = 42,
		.limits = {.steps_max = STEPS_MAX,
			   .memory_bytes_max = MEMORY_BYTES_MAX,
			   .output_bytes_max = OUTPUT_BYTES_MAX},
	};
	struct text once, again;

	text_init(&once, OUTPUT_BYTES_MAX);
	text_init(&again, OUTPUT_BYTES_MAX);
	template_context_set(context, &settings);
	if (render(template, context, &once) != render(template, context, &again))
		abort();
	if (strcmp(text_string(&once), text_string(&again)) != 0)
		abort();
	text_release(&once);
	text_release(&again);
	template_context_free(&context);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *source = (const char *)bytes + 1, *end = (const char *)bytes + length, *first;
	struct partials partials = {.end = end};
	struct template_options options = {.partials = {.find = find, .name_at = name_at, .context = &partials}};
	struct template_fault fault = {0};
	struct template *template;

	if (length == 0)
		return 0;
	options.slot = (enum template_slot)(bytes[0] % 5);
	options.is_marketing = bytes[0] & 0x20;
	first = memchr(source, '\0', length - 1);
	first = first != NULL ? first : end;
	partials.start = first < end ? first + 1 : end;
	template = template_compile(source, (size_t)(first - source), &options, &fault);
	if (template == NULL) {
		if (fault.text[0] == '\0' || memchr(fault.text, '\0', sizeof(fault.text)) == NULL)
			abort();
		return 0;
	}
	check_needs(template);
	render_twice(template, bytes[0]);
	template_free(&template);
	return 0;
}
