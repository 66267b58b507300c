/* Google's token endpoint for service accounts: POST /token with a signed assertion (RFC 7523), answered with an access
 * token. developers.google.com/identity/protocols/oauth2/service-account.
 *
 * A token says until when it holds and is signed by us, so a sandbox that comes back still knows it. Another
 * "generation" of the account revokes all. */
#include <string.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "tests/sandbox/accounts.h"
#include "tests/sandbox/google.h"
#include "tests/sandbox/jwt.h"
#include "tests/sandbox/vendor.h"

enum { ASSERTION_MAX = 16 * 1024, LIFETIME_MAX_S = 3600, CLOCK_SKEW_S = 60 };

static void refuse(struct exchange *exchange, int status, const char *error, const char *description)
{
	exchange_answer_json(exchange, status,
			     json_pack("{s:s, s:s}", "error", error, "error_description", description));
}

static void fail(struct exchange *exchange, int status)
{
	refuse(exchange, status, status == 429 ? "rate_limit_exceeded" : "internal_failure", "Told to say this");
}

static void add_token(struct text *out, const struct accounts *accounts, int64_t until_s)
{
	struct text claims, digest;

	text_init(&claims, 256);
	text_init(&digest, 64);
	text_addf(&claims, "%" PRId64 ".%" PRId64, until_s, accounts_number(accounts, "google", "generation"));
	crypto_add_hmac(&digest, "SHA256", span_of(accounts_text(accounts, "google", "private_key")),
			span_of_text(&claims));
	text_addf(out, "ya29.%" PRId64 ".", until_s);
	digest_add_hex(out, digest.bytes, digest.length);
	text_release(&claims);
	text_release(&digest);
}

bool google_token_holds(const struct accounts *accounts, struct span token)
{
	struct span rest = token;
	struct text expected;
	int64_t until_s;
	bool holds;

	(void)span_cut(&rest, '.');
	until_s = span_number(span_cut(&rest, '.'), INT64_MAX);
	text_init(&expected, 256);
	add_token(&expected, accounts, until_s);
	holds = until_s > clock_wall_ms() / 1000 && span_equal(token, text_string(&expected));
	text_release(&expected);
	return holds;
}

static bool scope_is_right(const char *scope)
{
	return strstr(scope, "https://www.googleapis.com/auth/firebase.messaging") ||
	       strstr(scope, "https://www.googleapis.com/auth/cloud-platform");
}

/* The assertion's aud is the URL that it was sent to. */
static bool audience_is_right(const struct exchange *exchange, const char *audience)
{
	struct span rest = span_of(audience);

	if (!span_starts(rest, "http://") && !span_starts(rest, "https://"))
		return false;
	rest = span_skip(rest, (size_t)(strstr(audience, "://") + 3 - audience));
	if (rest.length <= exchange->path.length)
		return false;
	rest = span_skip(rest, rest.length - exchange->path.length);
	return rest.length == exchange->path.length && memcmp(rest.bytes, exchange->path.bytes, rest.length) == 0;
}

/* NULL: it may have a token. */
static const char *check_claims(const struct exchange *exchange, const json_t *claims)
{
	int64_t now_s = clock_wall_ms() / 1000;
	int64_t issued_s = jwt_number(claims, "iat"), expires_s = jwt_number(claims, "exp");
	const char *client = accounts_text(exchange->sandbox->accounts, "google", "client_email");

	if (strcmp(jwt_text(claims, "iss"), client) != 0)
		return "Invalid grant: account not found";
	if (!audience_is_right(exchange, jwt_text(claims, "aud")))
		return "Invalid JWT: Failed audience check.";
	if (issued_s < 0 || expires_s < 0 || issued_s > now_s + CLOCK_SKEW_S || expires_s <= now_s ||
	    expires_s - issued_s > LIFETIME_MAX_S)
		return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check "
		       "your iat and exp values in the JWT claim.";
	return NULL;
}

static void issue(struct exchange *exchange)
{
	const struct accounts *accounts = exchange->sandbox->accounts;
	int64_t lifetime_s = accounts_number(accounts, "google", "expires_in");
	struct text token;

	text_init(&token, 256);
	add_token(&token, accounts, clock_wall_ms() / 1000 + lifetime_s);
	exchange_answer_json(exchange, 200,
			     json_pack("{s:s, s:I, s:s}", "access_token", text_string(&token), "expires_in",
				       (json_int_t)lifetime_s, "token_type", "Bearer"));
	text_release(&token);
}

static void answer_assertion(struct exchange *exchange, struct span assertion)
{
	EVP_PKEY *key = accounts_google_key(exchange->sandbox->accounts);
	struct jwt jwt;
	const char *mistake;

	if (!jwt_read(&jwt, assertion)) {
		refuse(exchange, 400, "invalid_grant", "Bad Request");
	} else if (!jwt_is_signed_by(&jwt, key, "RS256")) {
		refuse(exchange, 400, "invalid_grant", "Invalid JWT Signature.");
	} else if ((mistake = check_claims(exchange, jwt.claims)) != NULL) {
		refuse(exchange, 400, "invalid_grant", mistake);
	} else if (!scope_is_right(jwt_text(jwt.claims, "scope"))) {
		refuse(exchange, 400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.");
	} else {
		text_add(&exchange->recipient, jwt_text(jwt.claims, "iss"));
		issue(exchange);
	}
	jwt_release(&jwt);
}

static void answer_form(struct exchange *exchange)
{
	struct text grant, assertion;

	text_init(&grant, 1024);
	text_init(&assertion, ASSERTION_MAX);
	if (!span_find_field(exchange->body, "grant_type", &grant) ||
	    !span_equal(span_of_text(&grant), "urn:ietf:params:oauth:grant-type:jwt-bearer"))
		refuse(exchange, 400, "unsupported_grant_type", "Invalid grant_type");
	else if (!span_find_field(exchange->body, "assertion", &assertion))
		refuse(exchange, 400, "invalid_request", "Missing required parameter: assertion");
	else
		answer_assertion(exchange, span_of_text(&assertion));
	text_release(&grant);
	text_release(&assertion);
}

static void answer(struct exchange *exchange)
{
	if (!span_equal(exchange->path, "/google/token"))
		refuse(exchange, 404, "invalid_request", "Not Found");
	else if (!span_equal(exchange->method, "POST"))
		refuse(exchange, 405, "invalid_request", "Only POST");
	else if (!exchange_is_type(exchange, "application/x-www-form-urlencoded"))
		refuse(exchange, 400, "invalid_request", "The content type is application/x-www-form-urlencoded");
	else
		answer_form(exchange);
}

const struct vendor vendor_google = {
	.name = "google",
	.prefix = "/google/",
	.answer = answer,
	.fail = fail,
};
