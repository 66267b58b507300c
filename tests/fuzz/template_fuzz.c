/* The input's first byte chooses slot and policy, the rest is the template. */
#include "worker/template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const char profile[] =
		"{\"a\": \"x\\n<\\ud83d\\ude00>\", \"b\": {\"c\": [1, null, {\"d\": \"\\\"\"}]}, \"a-b\": []}";
	struct template_data data = {.json = profile, .length = sizeof(profile) - 1};
	struct template_fault fault;
	struct template *template;
	struct text out;

	if (length == 0)
		return 0;
	template = template_compile((const char *)bytes + 1, length - 1, &(struct template_options){.slot = (enum template_slot)(bytes[0] % 5), .is_marketing = true}, &fault);
	if (template == NULL)
		return 0;
	text_init(&out, 4096);
	(void)!render(template, (enum template_undefined)(bytes[0] / 5 % 2), &data, &out, &fault);
	text_release(&out);
	template_free(&template);
	return 0;
}
