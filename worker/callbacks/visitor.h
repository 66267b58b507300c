/* visitor - was it a person who opened a message or clicked a link, or a machine? A table of rules, pure.
 *
 * Nobody can tell for certain. Mail scanners that call themselves a browser are found only by their haste, which the database
 * looks at (delivery.note_tracking). Apple's Mail Privacy Protection fetches every picture when the mail arrives, so
 * that an opening by its users says nothing; Gmail's and Yahoo's proxies fetch when a person opens, and count as persons.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_VISITOR_H
#define POSTRIDER_WORKER_CALLBACKS_VISITOR_H

#include "worker/providers/provider.h"

struct visitor {
	bool is_machine;
	const char *note; /* why we think so; "": nothing speaks against a person. Static. */
};

/* headers: "Name: value\r\n" lines of the request. is_head: it was asked with HEAD. */
struct visitor visitor_judge(bool is_head, struct slice headers);

#endif
