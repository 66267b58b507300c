/* smtp_dialog - the client's side of one mail transaction after another, on a connection that has said EHLO.
 *
 * Pure: replies in, commands out, no sockets. worker/transfer.c connects and carries. It exists because libcurl
 * speaks MAIL to DATA well but waits for the answer to the final dot without returning to the loop (smtp_done, curl
 * issue 8555): one slow relay would stop every lane. Written out here it is also two round trips instead of four where
 * the relay has PIPELINING (RFC 2920), and the moment when the final dot leaves is known exactly.
 *
 *     smtp_dialog_hello(&dialog, line, length);        every line of the greeting and of EHLO
 *     smtp_dialog_start(&dialog, request, &err);       then send `output`
 *     smtp_dialog_read(&dialog, bytes, length);        until it is not SMTP_TALKING; send what `output` gains
 *
 * The sender clears `output` when all of it is sent. If the connection fails while message_is_out() with output not
 * sent to its end, the relay cannot have taken the message; nothing is taken before the final dot.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_SMTP_DIALOG_H
#define POSTRIDER_WORKER_PROVIDERS_SMTP_DIALOG_H

#include "worker/providers/provider.h"

enum smtp_progress {
	SMTP_TALKING,
	SMTP_ANSWERED, /* status and reply are the relay's word; the next transaction may start unless last */
	SMTP_BROKEN,   /* what came is not SMTP; close */
};

enum smtp_command { SMTP_RSET, SMTP_MAIL, SMTP_RCPT, SMTP_DATA, SMTP_MESSAGE };

struct smtp_dialog {
	struct text output;
	struct text reply; /* the words of the reply that decided, lines joined by a space */
	int status;        /* its code */
	bool rcpt_stage;   /* it was the answer to RCPT TO */
	bool last;         /* the relay is closing (421) */

	/* The rest is the dialog's own. */
	const struct provider_request *request; /* borrowed until the answer */
	struct text line;
	struct text words;   /* of the reply that is coming in */
	size_t reply_length; /* its bytes so far */
	enum smtp_progress progress;
	enum smtp_command awaited[8];
	size_t awaited_count, awaited_next;
	bool has_pipelining, has_size, has_8bit, has_utf8;
	bool refused, needs_reset, message_queued;
};

void smtp_dialog_init(struct smtp_dialog *dialog);
void smtp_dialog_release(struct smtp_dialog *dialog);

void smtp_dialog_hello(struct smtp_dialog *dialog, const char *line, size_t length);
/* False, and nothing to send: an address that would not survive the envelope, or one beyond ASCII at a relay without
 * SMTPUTF8. */
bool smtp_dialog_start(struct smtp_dialog *dialog, const struct provider_request *request,
		       struct error *err) MUST_CHECK;
enum smtp_progress smtp_dialog_read(struct smtp_dialog *dialog, const char *bytes, size_t length);
/* The final dot is the end of output. */
bool smtp_dialog_message_is_out(const struct smtp_dialog *dialog);

#endif
