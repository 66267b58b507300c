#include "worker/named_texts.h"

#include <jansson.h>
#include <stdlib.h>

#include "shared/memory.h"

struct named_texts {
	json_t *object; /* NULL: none */
};

struct named_texts *named_texts_read(const char *json)
{
	struct named_texts *texts = memory_new(sizeof(*texts));

	if (json != NULL)
		texts->object = json_loads(json, JSON_ALLOW_NUL, NULL);
	return texts;
}

void named_texts_free(struct named_texts **texts)
{
	if (*texts == NULL)
		return;
	json_decref((*texts)->object);
	free(*texts);
	*texts = NULL;
}

bool named_texts_find(void *context, const char *name, size_t name_length, const char **text, size_t *length)
{
	const struct named_texts *texts = context;
	const json_t *found = json_object_getn(texts->object, name, name_length);

	if (!json_is_string(found))
		return false;
	*text = json_string_value(found);
	*length = json_string_length(found);
	return true;
}
