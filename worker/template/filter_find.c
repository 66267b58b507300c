#include "worker/template/filter.h"
#include "worker/template/property.h"

/* The elements that have a property, or have it with a certain value. */
struct search {
	const struct filter_call *call;
	struct value list;
	uint32_t at;
	bool none; /* an element has no properties: there is no answer */
};

static bool open_search(const struct filter_call *call, struct search *search)
{
	*search = (struct search){.call = call};
	return run_list(call->run, &call->arguments[0], &search->list);
}

static bool matches(struct search *search, const struct value *element, bool *match)
{
	const struct filter_call *call = search->call;
	enum property_answer answer;
	struct value value;

	*match = false;
	if (!run_charge(call->run, 64) || !property_of(call->run, element, &call->arguments[1], &answer, &value))
		return false;
	/* Without a property's name nothing matches. */
	if (answer == PROPERTY_NONE || (answer == PROPERTY_REFUSED && call->arguments[1].kind == VALUE_NIL)) {
		search->none = true;
		return true;
	}
	if (answer == PROPERTY_REFUSED)
		return property_fault(call);
	if (call->count < 2 || call->arguments[2].kind == VALUE_NIL) {
		*match = value_is_truthy(&value);
		return true;
	}
	return value_equals(call->run, &value, &call->arguments[2], match);
}

static bool select_those(const struct filter_call *call, bool wanted, struct value *result)
{
	struct search search;
	struct value *kept;
	size_t count = 0;

	if (!open_search(call, &search) || (kept = run_memory(call->run, search.list.length * sizeof(*kept))) == NULL)
		return false;
	for (uint32_t i = 0; i < search.list.length && !search.none; i++) {
		bool match;

		if (!matches(&search, &search.list.items[i], &match))
			return false;
		if (match == wanted)
			kept[count++] = search.list.items[i];
	}
	*result = search.none ? value_nil() : value_array(kept, count);
	return true;
}

static bool where(const struct filter_call *call, struct value *result)
{
	return select_those(call, true, result);
}

static bool reject(const struct filter_call *call, struct value *result)
{
	return select_those(call, false, result);
}

/* *found: at search.at. */
static bool find_first(const struct filter_call *call, struct search *search, bool *found)
{
	*found = false;
	if (!open_search(call, search))
		return false;
	for (; search->at < search->list.length && !search->none; search->at++) {
		if (!matches(search, &search->list.items[search->at], found))
			return false;
		if (*found)
			return true;
	}
	return true;
}

static bool find(const struct filter_call *call, struct value *result)
{
	struct search search;
	bool found;

	if (!find_first(call, &search, &found))
		return false;
	*result = found ? search.list.items[search.at] : value_nil();
	return true;
}

static bool find_index(const struct filter_call *call, struct value *result)
{
	struct search search;
	bool found;

	if (!find_first(call, &search, &found))
		return false;
	*result = found ? value_integer(search.at) : value_nil();
	return true;
}

static bool has(const struct filter_call *call, struct value *result)
{
	struct search search;
	bool found;

	if (!find_first(call, &search, &found))
		return false;
	*result = search.none ? value_nil() : value_boolean(found);
	return true;
}

const struct filter find_filters[] = {
	{"where", where, 1, 2, "| where: \"kind\", \"gold\"", NULL, false, false, false},
	{"reject", reject, 1, 2, "| reject: \"kind\", \"gold\"", NULL, false, false, false},
	{"find", find, 1, 2, "| find: \"kind\", \"gold\"", NULL, false, false, false},
	{"find_index", find_index, 1, 2, "| find_index: \"kind\", \"gold\"", NULL, false, false, false},
	{"has", has, 1, 2, "| has: \"kind\", \"gold\"", NULL, false, false, false},
	{.name = NULL},
};
