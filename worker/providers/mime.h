/* mime - an email message as bytes: headers, encoded words, multipart/alternative.
 *
 * The same message gives the same bytes, always: Date, Message-ID and boundary come from the delivery, so that a
 * repeated send is recognizable as one. Lines end in CRLF and have at most 998 bytes, all of them ASCII: a part goes
 * as 7bit where it can, else as quoted-printable, or base64 where most of it is not ASCII.
 *
 * What is put in is text, never markup: header text loses its control characters, so nobody adds a header.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_MIME_H
#define POSTRIDER_WORKER_PROVIDERS_MIME_H

#include "worker/providers/provider.h"

#define MIME_LINE_MAX  998
#define MIME_LIST_POST "List-Unsubscribe=One-Click" /* the value of List-Unsubscribe-Post, RFC 8058 §3.1 */

struct mime_message {
	struct slice from; /* the header's value, made by mime_add_mailbox() */
	struct slice from_domain;
	struct slice to; /* an address that mime_address_fault() accepts */
	struct slice subject;
	struct slice body_text;
	struct slice body_html; /* empty: text only */
	int64_t delivery_id;
	const char *key; /* part of the Message-ID; may be NULL */
	/* For List-Unsubscribe (RFC 8058): no blanks, <, > or controls and short enough for a line; NULL: none. */
	const char *unsubscribe_url;
	int64_t created_at_ms;
};

void mime_build(const struct mime_message *message, struct text *out);

/* `"Display \"Name\"" <address>`, or encoded words where the name is not ASCII. column: where on the line it begins. */
void mime_add_mailbox(struct text *out, struct slice name, struct slice address, size_t column);

/* Free text of a header such as Subject, folded and encoded (RFC 2047). */
void mime_add_header_text(struct text *out, struct slice value, size_t column);

/* One part's body with its Content-Transfer-Encoding. */
void mime_add_part(struct text *out, const char *content_type, struct slice body);

/* NULL when this is an email address that we send to; else what is wrong, a sentence that does not quote it. */
const char *mime_address_fault(struct slice address);

#endif
