/* rewrite - puts tracking into a rendered message: links that lead through us, and a picture that tells of an opening.
 *
 * HTML is read once from front to back, as a browser reads it (HTML standard §13.2.5, as far as tags, attributes,
 * comments and raw text go), and copied as it is but for the values of href of <a> and <area> that lead to
 * http:// or https://. Left alone are mailto:, tel:, #, relative and our own links, those of a tag with the attribute
 * data-no-tracking, targets over LINKS_TARGET_MAX, and whatever cannot be read with certainty: an entity that is not
 * known here, a control or a backslash in an address. What is replaced holds only letters that need no escape, so markup
 * cannot break. At most REWRITE_LINKS_MAX links are rewritten, and each grows by a third and about 60 characters.
 *
 * The picture stands before the last </body>, or at the end; a message that ends inside a comment or a tag gets none.
 * The same message gives the same bytes. Nothing is allocated once out has grown.
 */
#ifndef POSTRIDER_WORKER_LINKS_REWRITE_H
#define POSTRIDER_WORKER_LINKS_REWRITE_H

#include "worker/links/links.h"

#define REWRITE_LINKS_MAX 500

/* Appends the message to out. An overflow of out (text_ok) means: send it without tracking. */
void rewrite_html(struct links *links, int64_t delivery_id, bool opens, bool clicks, const char *html, size_t length,
		  struct text *out);

/* The same for the links in plain text, as an SMS has them: http:// or https:// up to a blank, less punctuation at the
 * end. Email's text bodies are not rewritten. */
void rewrite_text(struct links *links, int64_t delivery_id, const char *plain, size_t length, struct text *out);

#endif
