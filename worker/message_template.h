/* message_template - the texts of one template version, compiled: subject, body_text, body_html, and what a push
 * message has beside them: link, image and data.
 *
 *     struct message_template *template = message_template_compile(CHANNEL_EMAIL, &sources, partials);
 *     if (template->problem != NULL) ... "subject, line 1, column 4: ..."
 *
 * Where a text goes decides how its values are escaped: the subject of an email is a header, body_html is HTML, link and
 * image are URLs, data is JSON; everything else is plain, since drivers escape for their own formats.
 */
#ifndef POSTRIDER_WORKER_MESSAGE_TEMPLATE_H
#define POSTRIDER_WORKER_MESSAGE_TEMPLATE_H

#include "shared/channel.h"
#include "worker/named_texts.h"
#include "worker/template/template.h"

enum message_part {
	MESSAGE_SUBJECT,
	MESSAGE_BODY_TEXT,
	MESSAGE_BODY_HTML,
	MESSAGE_LINK,
	MESSAGE_IMAGE,
	MESSAGE_DATA,
	MESSAGE_PARTS,
};
const char *message_part_name(enum message_part part); /* "subject", as the column is called */

struct message_sources {
	const char *bytes[MESSAGE_PARTS];
	size_t length[MESSAGE_PARTS];
};

struct message_template {
	struct template *parts[MESSAGE_PARTS]; /* NULL: it is empty; all NULL where there is a problem */
	char *problem;                         /* the first one; NULL: it works */
};

struct template *message_part_compile(enum message_part part, enum channel channel,
				      const struct message_sources *sources, struct named_texts *partials,
				      struct template_fault *fault) MUST_CHECK;

struct message_template *message_template_compile(enum channel channel, const struct message_sources *sources,
						  struct named_texts *partials) MUST_CHECK;
void message_template_free(struct message_template **template);

#endif
