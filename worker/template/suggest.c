#include "worker/template/suggest.h"

#include <string.h>

#define WORD_MAX 24

int suggest_quoted(const char *bytes, size_t length)
{
	if (length <= SUGGEST_QUOTED_MAX)
		return (int)length;
	length = SUGGEST_QUOTED_MAX;
	while (length > 0 && ((unsigned char)bytes[length] & 0xC0) == 0x80)
		length--;
	return (int)length;
}

static int least(int a, int b, int c)
{
	return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/* Levenshtein's distance; two swapped letters next to each other count as one. */
int suggest_distance(const char *bytes, size_t length, const char *word)
{
	int rows[3][WORD_MAX + 1];
	size_t word_length = strlen(word);

	if (length > WORD_MAX || word_length > WORD_MAX)
		return SUGGEST_FAR;
	for (size_t j = 0; j <= word_length; j++)
		rows[0][j] = (int)j;
	for (size_t i = 1; i <= length; i++) {
		int *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		row[0] = (int)i;
		for (size_t j = 1; j <= word_length; j++) {
			row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (bytes[i - 1] != word[j - 1]));
			if (i > 1 && j > 1 && bytes[i - 1] == word[j - 2] && bytes[i - 2] == word[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return rows[length % 3][word_length] < SUGGEST_FAR ? rows[length % 3][word_length] : SUGGEST_FAR;
}

static size_t name_length(const char *bytes, size_t length)
{
	size_t at = 0;

	while (at < length && at < 60 &&
	       ((bytes[at] >= 'a' && bytes[at] <= 'z') || (bytes[at] >= 'A' && bytes[at] <= 'Z') ||
		(at > 0 && bytes[at] >= '0' && bytes[at] <= '9') || bytes[at] == '_' || (at > 0 && bytes[at] == '.') ||
		(at > 0 && bytes[at] == ':')))
		at++;
	return at;
}

/* |there */
static size_t default_length(const char *bytes, size_t length)
{
	size_t at = 0;

	if (length == 0 || *bytes != '|')
		return 0;
	while (at < length && at < 60 && bytes[at] != '}' && bytes[at] != '\n')
		at++;
	return at;
}

bool suggest_foreign(const char *bytes, size_t length, size_t *start, size_t *foreign_length)
{
	static const struct {
		const char *open, *close;
		bool has_default;
	} kinds[] = {{"*|", "|*", false}, {"%%", "%%", false}, {"{contactfield=", "}", true}};

	for (size_t at = 0; at < length; at++) {
		if (bytes[at] != '*' && bytes[at] != '%' && bytes[at] != '{')
			continue;
		for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
			size_t open = strlen(kinds[i].open), close = strlen(kinds[i].close), name;

			if (length - at < open || memcmp(bytes + at, kinds[i].open, open) != 0)
				continue;
			name = name_length(bytes + at + open, length - at - open);
			if (name > 0 && kinds[i].has_default)
				name += default_length(bytes + at + open + name, length - at - open - name);
			if (name == 0 || length - at - open - name < close ||
			    memcmp(bytes + at + open + name, kinds[i].close, close) != 0)
				continue;
			*start = at;
			*foreign_length = open + name + close;
			return true;
		}
	}
	return false;
}
