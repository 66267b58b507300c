/* named_texts - texts by name, from a JSON object of strings: partials by name, defaults of tokens by path.
 *
 *     struct named_texts *partials = named_texts_read("{\"footer\": \"Yours, ...\"}");
 *     if (named_texts_find(partials, "footer", 6, &text, &length)) ...
 *
 * Immutable. Texts are borrowed from it until it is freed.
 */
#ifndef POSTRIDER_WORKER_NAMED_TEXTS_H
#define POSTRIDER_WORKER_NAMED_TEXTS_H

#include "shared/base.h"

struct named_texts;

/* NULL, or what is no JSON object: no texts. Members that are no strings are left out. */
struct named_texts *named_texts_read(const char *json) MUST_CHECK;
void named_texts_free(struct named_texts **texts);

/* The signature of template_partials.find and template_settings.token_default; context: struct named_texts. */
bool named_texts_find(void *context, const char *name, size_t name_length, const char **text, size_t *length);

#endif
