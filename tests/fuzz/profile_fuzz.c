/* The input is a profile. What the scan takes for JSON must be JSON to jansson too, and with the same values. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "worker/template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_same(const char *json, size_t length, const struct text *out)
{
	/* jansson refuses lone surrogates, \u0000 in keys, huge numbers and its own depth: look where it agrees. */
	json_t *tree = json_loadb(json, length, JSON_ALLOW_NUL, NULL);
	const json_t *value = json_object_get(tree, "a");

	if (json_is_string(value) && (out->length != json_string_length(value) ||
				      memcmp(text_string(out), json_string_value(value), out->length) != 0))
		abort();
	if ((json_is_null(value) || (json_is_object(tree) && value == NULL)) && out->length != 0)
		abort();
	json_decref(tree);
}

static void check_refused(const char *json, size_t length)
{
	json_t *tree = json_loadb(json, length, JSON_ALLOW_NUL, NULL);

	/* jansson goes deeper than we do, and overlooks a NUL behind a number, which is no JSON. */
	if (json_is_object(tree) && length < 128 && memchr(json, '\0', length) == NULL)
		abort();
	json_decref(tree);
}

static struct template *compile(const char *source, enum template_slot slot)
{
	struct template_fault fault;

	return template_compile(source, strlen(source), &(struct template_options){.slot = slot, .is_marketing = true},
				&fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct template_data data = {.json = (const char *)bytes, .length = length};
	struct template_context *context = template_context_new();
	struct template_fault fault;
	struct template *value = compile("{{ a }}", TEMPLATE_SLOT_PLAIN);
	struct template *paths =
		compile("{{ a.b }}{{ a[1] }}{{ c.d[0].e | default: 'x' }}{{ c }}{% for x in a %}{{ x[1].b }}"
			"{{ x.b.size }}{% endfor %}{{ a | map: 'b' | join }}{% if a == c %}{{ a.last }}{% endif %}",
			TEMPLATE_SLOT_JSON);
	struct text out;

	text_init(&out, 1024 * 1024);
	if (template_render(value, context, &data, &out, &fault))
		check_same((const char *)bytes, length, &out);
	else if (fault.kind == TEMPLATE_FAULT_DATA)
		check_refused((const char *)bytes, length);
	(void)!template_render(paths, context, &data, &out, &fault);
	text_release(&out);
	template_free(&value);
	template_free(&paths);
	template_context_free(&context);
	return 0;
}
