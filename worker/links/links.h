/* links - the signed addresses in our messages, and the tokens in them. Pure.
 *
 * A worker writes them into a message, the receiver reads them back:
 *
 *     https://links.example.org/o/TOKEN   the picture that tells of an opening
 *     https://links.example.org/c/TOKEN   a link of the message; leads to where it led before
 *     https://links.example.org/u/TOKEN   one-click unsubscribing (RFC 8058): POST only
 *     https://links.example.org/p/TOKEN   the preference page
 *
 * A token is base64url without padding (RFC 4648 §5) of our numbers, big-endian, and the first 16 bytes of HMAC-SHA256
 * (RFC 2104 §5 allows half) over the kind's letter, the numbers and, for a click, the target, which stands behind the
 * MAC: nothing can be redirected to that was not in the message. No address and no name is in a token, only numbers of
 * ours. A token of one kind is none of another.
 *
 *     o: delivery 8                      u, p, f: delivery 8, contact 8
 *     c: delivery 8, place 2, (target)   i: contact 8, expiry 8 (seconds of Unix time)
 *
 * Several keys may stand side by side: the first signs, all of them verify. To change a key, put the new one in front
 * and keep the old one as long as old messages are to work. Not thread-safe: a set of keys has scratch space.
 */
#ifndef POSTRIDER_WORKER_LINKS_LINKS_H
#define POSTRIDER_WORKER_LINKS_LINKS_H

#include "shared/error.h"
#include "shared/text.h"

#define LINKS_TARGET_MAX 2048 /* bytes of a link's target; a longer one is left as it is */
#define LINKS_TOKEN_MAX  4096 /* characters; what is longer is no token */
#define LINKS_KEY_MIN    32   /* characters */

enum link_kind {
	LINK_OPEN = 'o',
	LINK_CLICK = 'c',
	LINK_UNSUBSCRIBE = 'u',
	LINK_PREFERENCES = 'p',
	LINK_FORM = 'f',  /* hidden in the preference page's form */
	LINK_INBOX = 'i', /* lets a member's app read its inbox */
};

/* What a token says. Fields that its kind does not have are 0. */
struct link_claim {
	int64_t delivery_id, contact_id;
	int32_t place;        /* the link's place in the message, from 1 */
	int64_t expires_at_s; /* Unix time; links_verify() does not look at a clock */
};

struct links;

/* base_url: https://host[/path] without a slash behind, http:// for tests. keys: one or several of at least LINKS_KEY_MIN
 * characters, separated by commas or blanks. Both empty: *links becomes NULL and there are no links. ERROR_INVALID with a
 * sentence for anything else. */
bool links_open(struct links **links, const char *base_url, const char *keys, struct error *err) MUST_CHECK;
void links_close(struct links **links);

/* Does an address already lead to us? */
bool links_is_own(const struct links *links, const char *url, size_t length);

/* Appends a token; target only for LINK_CLICK, else NULL and 0. */
void links_add_token(struct links *links, struct text *out, enum link_kind kind, const struct link_claim *claim,
		     const char *target, size_t target_length);
/* Appends the whole address. The same claim gives the same bytes, as long as the first key stays. */
void links_add_url(struct links *links, struct text *out, enum link_kind kind, const struct link_claim *claim,
		   const char *target, size_t target_length);

/* Is it a token of this kind, made with one of our keys? Fills claim; target (may be NULL for other kinds than LINK_CLICK)
 * gets a click's target, which may hold any bytes but controls and blanks. False: forged or broken; outputs untouched. */
bool links_verify(struct links *links, enum link_kind kind, const char *token, size_t length, struct link_claim *claim,
		  struct text *target) MUST_CHECK;

#endif
