#include "worker/providers/access_token.h"

#include <string.h>

void access_token_init(struct access_token *token)
{
	memset(token, 0, sizeof(*token));
	text_init(&token->authorization, ACCESS_TOKEN_MAX + 20);
}

static void wipe(struct access_token *token)
{
	if (token->authorization.bytes != NULL)
		explicit_bzero(token->authorization.bytes, token->authorization.length);
	text_clear(&token->authorization);
	token->held = (struct provider_token){0};
	token->was_good = false;
}

void access_token_release(struct access_token *token)
{
	wipe(token);
	text_release(&token->authorization);
}

bool access_token_is_usable(struct slice bytes)
{
	for (size_t i = 0; i < bytes.length; i++)
		if ((unsigned char)bytes.bytes[i] <= ' ' || (unsigned char)bytes.bytes[i] >= 0x7F)
			return false;
	return bytes.length > 0 && bytes.length <= ACCESS_TOKEN_MAX;
}

void access_token_hold(struct access_token *token, const char *scheme, struct slice bytes, int64_t obtained_at_ms,
		       int64_t expires_at_ms)
{
	wipe(token);
	token->held.number = ++token->last_number;
	token->held.obtained_at_ms = obtained_at_ms;
	token->held.expires_at_ms = expires_at_ms;
	text_add(&token->authorization, scheme);
	text_add_char(&token->authorization, ' ');
	text_add_bytes(&token->authorization, bytes.bytes, bytes.length);
}

bool access_token_add(const struct access_token *token, struct provider_request *request, struct error *err)
{
	const struct text *value = &token->authorization;

	if (token->held.number == 0)
		return error_set(err, ERROR_INVALID, "The account holds no access token.");
	request->token_number = token->held.number;
	return provider_request_header(request, "Authorization", text_string(value), value->length, err);
}

void access_token_good(struct access_token *token, const struct provider_answer *answer)
{
	if (answer->token_number == token->held.number)
		token->was_good = true;
}

void access_token_refused(struct access_token *token, const struct provider_answer *answer, const char *vendor,
			  const char *code, struct outcome *outcome)
{
	bool is_held = token->held.number != 0 && answer->token_number == token->held.number;

	if (is_held && !token->was_good) {
		outcome_set(outcome, OUTCOME_BAD_CREDENTIALS, code,
			    "%s answered %d: it does not accept a new access token of this account.", vendor,
			    answer->status);
	} else {
		outcome_set(outcome, OUTCOME_THROTTLED, code,
			    "%s answered %d: the access token had run out; sent again with a new one.", vendor,
			    answer->status);
		outcome->alone = true;
	}
	if (is_held)
		wipe(token);
}
