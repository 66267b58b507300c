/* mime_body - how a text becomes the lines of a part: 7bit, quoted-printable or base64. */
#ifndef POSTRIDER_WORKER_PROVIDERS_MIME_BODY_H
#define POSTRIDER_WORKER_PROVIDERS_MIME_BODY_H

#include "shared/digest.h"
#include "worker/providers/mime.h"

#define MIME_BOUNDARY_MARK "=_postrider_"

enum mime_encoding { MIME_7BIT, MIME_QUOTED_PRINTABLE, MIME_BASE64 };

/* The shortest one that keeps every line within MIME_LINE_MAX and in ASCII. */
enum mime_encoding mime_body_choose(struct slice body);

/* Line ends of any kind become CRLF; the last line gets one too. */
void mime_body_add(struct text *out, struct slice body, enum mime_encoding encoding);

#endif
