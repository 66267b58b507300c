/* words - makes a provider's sentence fit to be kept: no addresses, no secrets, no control characters.
 *
 * Servers like to repeat the address ("550 <ada@example.org>: unknown user"); outcomes never hold one (provider.h,
 * rule 9). Whatever contains an @ becomes "(address)", a telephone number becomes "(number)", long runs without a blank (tokens, keys, encoded text)
 * become "(...)", and so does everything that is not readable text.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_WORDS_H
#define POSTRIDER_WORKER_PROVIDERS_WORDS_H

#include "worker/providers/provider.h"

#define WORDS_RUN_MAX 60

/* Writes at most size - 1 bytes and a NUL, valid UTF-8. The provider's words need not be UTF-8. */
void words_clean(struct slice provider, char *words, size_t size);

/* Fills the outcome of a call that has no answer: NOT_WRITTEN and WRITTEN. False: there is an answer to read. */
bool words_without_answer(const struct provider_answer *answer, struct outcome *outcome);

#endif
