#include "worker/template/foreign_tokens.h"

#include <ctype.h>
#include <string.h>

#define INSIDE_MAX 80 /* no system has longer names; what is longer is prose */

struct kind {
	const char *opener, *closer, *system;
	size_t inside_min;
	bool (*may_hold)(unsigned char character);
};

static bool is_name(unsigned char c)
{
	return isalnum(c) || c == '_' || c == '.' || c == '-' || c == ':' || c == ' ';
}

static bool is_script(unsigned char c)
{
	return is_name(c) || strchr("=()@,'\"[]|", c) != NULL;
}

static bool is_capital(unsigned char c)
{
	return isupper(c) || c == '_';
}

/* The longer opener before the one that it begins with. */
static const struct kind kinds[] = {
	{"*|", "|*", "Mailchimp", 1, is_script},         {"%%", "%%", "Salesforce Marketing Cloud", 2, is_script},
	{"{contactfield=", "}", "Mautic", 1, is_script}, {"${", "}", "another system", 1, is_script},
	{"[[", "]]", "another system", 2, is_name},      {"<%=", "%>", "another system", 1, is_script},
	{"%", "%", "another system", 3, is_capital},
};

/* How long the token at the start is; 0: it is none. */
static size_t match(const struct kind *kind, const char *text, size_t length)
{
	size_t opener = strlen(kind->opener), closer = strlen(kind->closer), end;

	if (length < opener || memcmp(text, kind->opener, opener) != 0)
		return 0;
	for (end = opener; end + closer <= length && end - opener <= INSIDE_MAX; end++) {
		if (end - opener >= kind->inside_min && memcmp(text + end, kind->closer, closer) == 0)
			return end + closer;
		if (text[end] == '\0' || !kind->may_hold((unsigned char)text[end]))
			return 0;
	}
	return 0;
}

bool foreign_tokens_find(const char *text, size_t length, size_t from, struct foreign_token *found)
{
	for (size_t at = from; at < length; at++) {
		if (strchr("*%{$[<", text[at]) == NULL || text[at] == '\0')
			continue;
		for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
			size_t size = match(&kinds[i], text + at, length - at);
			if (size == 0)
				continue;
			*found = (struct foreign_token){.system = kinds[i].system, .at = at, .length = size};
			return true;
		}
	}
	return false;
}
