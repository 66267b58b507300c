/* inbox_writer - sends the requests of PROVIDER_DATABASE: rows for our own inbox, many in one statement.
 *
 * Keeps transfer.h's contract: the request's bytes are borrowed until done() runs, which happens exactly once, on the
 * loop, never from inside inbox_writer_add(). What gathers while one statement is on its way goes with the next one. The
 * fence is asked when a statement is made, which is only while the database is there: what waits longer than it may is
 * PROVIDER_NOT_WRITTEN, "fenced". A statement whose answer is lost is PROVIDER_WRITTEN: its rows are keyed, so that
 * sending them again is harmless. One row that the database will not take does not spoil the others.
 *
 * Opens a connection of its own with the first message.
 */
#ifndef POSTRIDER_WORKER_INBOX_WRITER_H
#define POSTRIDER_WORKER_INBOX_WRITER_H

#include "worker/transfer.h"

struct inbox_writer;

/* database_url is borrowed for good. */
struct inbox_writer *inbox_writer_open(struct event_base *base, const char *database_url) MUST_CHECK;
/* Drops what waits without calling done(). */
void inbox_writer_close(struct inbox_writer **writer);

void inbox_writer_add(struct inbox_writer *writer, const struct provider_request *request, transfer_fence *fence,
		      transfer_done *done, void *context);

#endif
