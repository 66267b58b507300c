/* transfer_mail - a connection to a mail relay: libcurl connects, smtp_dialog talks. Private to transfer*.c.
 *
 * libcurl resolves, connects, starts TLS, says EHLO and authenticates (CONNECT_ONLY). From then on the socket is ours,
 * one transaction after the other, until the relay closes it or the pool does.
 */
#ifndef POSTRIDER_WORKER_TRANSFER_MAIL_H
#define POSTRIDER_WORKER_TRANSFER_MAIL_H

#include <curl/curl.h>

#include "worker/transfer_call.h"

struct relay;

void relay_start(struct transfer_pool *pool, const struct call *call);
/* libcurl has done its part. A 4xx or 5xx on the way is the relay's answer. */
void relay_connected(struct relay *relay, CURLcode result);
/* The socket is ready. The relay may be gone afterwards. */
void relay_ready(struct relay *relay, short what);
void relay_socket_closed(struct relay *relay);
/* Says QUIT where nothing is going on. */
void relays_close(struct transfer_pool *pool);

#endif
