/* base64url - base64 with the letters of URLs and without padding: RFC 4648 §5, as JSON Web Tokens and Web Push want it. */
#ifndef POSTRIDER_SHARED_BASE64URL_H
#define POSTRIDER_SHARED_BASE64URL_H

#include "shared/base.h"
#include "shared/text.h"

void base64url_add(struct text *out, const void *bytes, size_t length);
/* Appends to out. Padding may be there or not, because browsers' libraries differ. False on a foreign character, a wrong
 * length, unused bits that are not zero, or overflow; out is as before then. */
bool base64url_decode(struct text *out, const char *letters, size_t length) MUST_CHECK;

#endif
