/* A form: what is decoded is never longer than what came, encoded again it gives the same fields, and sorting loses only
 * what is there twice. */
#include <stdlib.h>
#include <string.h>

#include "worker/providers/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void encode(const struct form *form, struct text *out)
{
	for (size_t i = 0; i < form->count; i++) {
		if (i > 0)
			text_add_char(out, '&');
		text_add_url(out, form->fields[i].name.bytes, form->fields[i].name.length);
		text_add_char(out, '=');
		text_add_url(out, form->fields[i].value.bytes, form->fields[i].value.length);
	}
	if (!text_ok(out))
		abort();
}

static bool slices_are_equal(struct slice a, struct slice b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

static void check_again(const struct form *form)
{
	struct error err = {0};
	struct form again;
	struct text encoded;

	text_init(&encoded, 4 * 1024 * 1024);
	encode(form, &encoded);
	if (!form_parse(&again, (struct slice){text_string(&encoded), encoded.length}, &err))
		abort();
	if (again.count != form->count)
		abort();
	for (size_t i = 0; i < form->count; i++)
		if (!slices_are_equal(again.fields[i].name, form->fields[i].name) ||
		    !slices_are_equal(again.fields[i].value, form->fields[i].value))
			abort();
	form_release(&again);
	text_release(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct error err = {0};
	struct text sorted;
	struct form form;
	size_t total = 0;

	if (!form_parse(&form, (struct slice){(const char *)bytes, length}, &err)) {
		if (err.kind != ERROR_INVALID || form.bytes != NULL)
			abort();
		return 0;
	}
	for (size_t i = 0; i < form.count; i++)
		total += form.fields[i].name.length + form.fields[i].value.length;
	if (total > length || form.count > FORM_FIELDS_MAX)
		abort();
	check_again(&form);
	text_init(&sorted, length + 1);
	form_add_sorted(&form, &sorted);
	if (!text_ok(&sorted) || sorted.length > total)
		abort();
	text_release(&sorted);
	form_release(&form);
	return 0;
}
