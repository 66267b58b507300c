#include "worker/template/property.h"

#include <string.h>

#include "worker/template/suggest.h"

bool property_fault(const struct filter_call *call)
{
	struct value name;

	return run_string(call->run, &call->arguments[1], &name) &&
	       run_fault(call->run, "Something in the list given to %s has no property \"%.*s\": filter it out first.",
			 call->filter->name, SUGGEST_QUOTE(name.bytes, name.length));
}

static bool in_text(struct run *run, const struct value *text, const struct value *property,
		    enum property_answer *answer, struct value *value)
{
	if (property->kind == VALUE_STRING) {
		if (property->length == 0 ||
		    memmem(text->bytes, text->length, property->bytes, property->length) != NULL)
			*value = *property;
		return run_charge_search(run, text->length);
	}
	if (property->kind != VALUE_INTEGER)
		*answer = PROPERTY_REFUSED;
	else if (property->integer >= 0 && property->integer < text->length)
		*value = value_string(text->bytes + property->integer, 1);
	return true;
}

bool property_of(struct run *run, const struct value *element, const struct value *property,
		 enum property_answer *answer, struct value *value)
{
	*answer = PROPERTY_FOUND;
	*value = value_nil();
	switch (element->kind) {
	case VALUE_JSON_OBJECT:
		return property->kind != VALUE_STRING || run_member(run, element, property, false, value);
	case VALUE_LOOP:
	case VALUE_TABLE_LOOP:
		if (property->kind == VALUE_STRING)
			*value = run_loop_member(element, property->bytes, property->length);
		return true;
	case VALUE_STRING:
		return in_text(run, element, property, answer, value);
	case VALUE_INTEGER:
		if (property->kind != VALUE_INTEGER)
			*answer = PROPERTY_REFUSED;
		else
			*value = value_integer(property->integer < 0 || property->integer > 63
						       ? (property->integer > 63 && element->integer < 0)
						       : (element->integer >> property->integer & 1));
		return true;
	case VALUE_ARRAY:
	case VALUE_JSON_ARRAY:
		if (property->kind == VALUE_INTEGER)
			return run_member(run, element, property, false, value);
		*answer = PROPERTY_REFUSED;
		return true;
	default:
		*answer = PROPERTY_NONE;
		return true;
	}
}
