#include "worker/providers/words.h"

#include <string.h>

#include "shared/memory.h"

#define NUMBER_DIGITS_MIN 7 /* shorter telephone numbers are nobody's own */

static bool is_blank(char byte)
{
	return (unsigned char)byte <= ' ' || byte == 0x7F;
}

static bool is_readable(const char *bytes, size_t length)
{
	for (size_t at = 0, step; at < length; at += step) {
		step = text_utf8_length(bytes + at, length - at);
		if (step == 0)
			return false;
	}
	return true;
}

static void put(char *words, size_t size, size_t *used, const char *bytes, size_t length)
{
	size_t blank = *used > 0 ? 1 : 0;

	/* Words are kept whole; the first one that does not fit ends the sentence. */
	if (*used + blank + length + 1 > size) {
		*used = size;
		return;
	}
	if (blank)
		words[(*used)++] = ' ';
	memcpy(words + *used, bytes, length);
	*used += length;
	words[*used] = '\0';
}

/* How many digits a word has that could be a telephone number or a part of one; 0: it is none. */
static size_t number_digits(const char *bytes, size_t length)
{
	size_t digits = 0;

	while (length > 0 && strchr("'\"(.,:;", *bytes) != NULL && *bytes != '\0') {
		bytes++;
		length--;
	}
	while (length > 0 && strchr("'\").,:;", bytes[length - 1]) != NULL && bytes[length - 1] != '\0')
		length--;
	for (size_t i = 0; i < length; i++)
		if (bytes[i] >= '0' && bytes[i] <= '9')
			digits++;
		else if (bytes[i] == '\0' || strchr("+-()", bytes[i]) == NULL)
			return 0;
	return digits;
}

static void put_word(char *words, size_t size, size_t *used, const char *bytes, size_t length)
{
	if (memchr(bytes, '@', length) != NULL)
		put(words, size, used, "(address)", 9);
	else if (number_digits(bytes, length) >= NUMBER_DIGITS_MIN)
		put(words, size, used, "(number)", 8);
	else if (length > WORDS_RUN_MAX || !is_readable(bytes, length))
		put(words, size, used, "(...)", 5);
	else
		put(words, size, used, bytes, length);
}

void words_clean(struct slice provider, char *words, size_t size)
{
	size_t used = 0, at = 0;

	words[0] = '\0';
	while (used < size && at < provider.length) {
		size_t end = at;

		while (end < provider.length && !is_blank(provider.bytes[end]))
			end++;
		if (end > at)
			put_word(words, size, &used, provider.bytes + at, end - at);
		at = end + 1;
	}
}

bool words_without_answer(const struct provider_answer *answer, struct outcome *outcome)
{
	bool written = answer->progress != PROVIDER_NOT_WRITTEN;
	const char *explanation = answer->explanation != NULL ? answer->explanation : "";
	char clean[160];

	if (answer->progress == PROVIDER_ANSWERED && answer->status > 0)
		return false;
	words_clean((struct slice){.bytes = explanation, .length = strlen(explanation)}, clean, sizeof(clean));
	outcome_set(outcome, written ? OUTCOME_UNCERTAIN : OUTCOME_NOT_SENT,
		    answer->failure != NULL ? answer->failure
		    : written               ? "no_answer"
					    : "not_sent",
		    "%s%s%s", written ? "The message was handed over, but no answer came" : "Nothing was sent",
		    clean[0] != '\0' ? ": " : ".", clean);
	return true;
}
