#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/providers/smtp_dialog.h"

#define PIPELINED "250-mx.example.org\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n"

struct row {
	const char *when;
	const char *hello; /* lines of EHLO's answer */
	const char *rcpt_to, *body;
	const char *said;    /* everything the relay says */
	const char *written; /* everything we say */
	enum smtp_progress progress;
	int status;
	const char *reply;
	bool rcpt_stage, last, reset_next;
};

static const struct row rows[] = {
	{
		.when = "a plain relay is asked step by step",
		.hello = "250 mx.example.org\r\n",
		.said = "250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 queued as 77\r\n",
		.written = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nHi\r\n.\r\n",
		.progress = SMTP_ANSWERED,
		.status = 250,
		.reply = "2.0.0 queued as 77",
	},
	{
		.when = "a pipelining relay hears three commands at once",
		.hello = PIPELINED,
		.said = "250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n",
		.written = "MAIL FROM:<a@x> SIZE=4\r\nRCPT TO:<b@y>\r\nDATA\r\nHi\r\n.\r\n",
		.progress = SMTP_ANSWERED,
		.status = 250,
		.reply = "done",
	},
	{
		.when = "lines that begin with a dot get another, a missing line end is added",
		.hello = "250 mx\r\n",
		.body = ".a\r\n..b\r\nc.\r\n.",
		.said = "250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n",
		.written = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n..a\r\n...b\r\nc.\r\n..\r\n.\r\n",
		.progress = SMTP_ANSWERED,
		.status = 250,
		.reply = "done",
	},
	{
		.when = "the recipient is refused and DATA with it",
		.hello = PIPELINED,
		.said = "250 ok\r\n550-5.1.1 No such\r\n550 5.1.1 mailbox\r\n554 no recipients\r\n",
		.written = "MAIL FROM:<a@x> SIZE=4\r\nRCPT TO:<b@y>\r\nDATA\r\n",
		.progress = SMTP_ANSWERED,
		.status = 550,
		.reply = "5.1.1 No such 5.1.1 mailbox",
		.rcpt_stage = true,
		.reset_next = true,
	},
	{
		.when = "the recipient is refused and DATA is not: a lone dot ends it",
		.hello = PIPELINED,
		.said = "250 ok\r\n450 4.2.0 greylisted\r\n354 go\r\n554 no recipients\r\n",
		.written = "MAIL FROM:<a@x> SIZE=4\r\nRCPT TO:<b@y>\r\nDATA\r\n.\r\n",
		.progress = SMTP_ANSWERED,
		.status = 450,
		.reply = "4.2.0 greylisted",
		.rcpt_stage = true,
	},
	{
		.when = "the sender is refused",
		.hello = "250 mx\r\n",
		.said = "530 5.7.0 Authenticate\r\n",
		.written = "MAIL FROM:<a@x>\r\n",
		.progress = SMTP_ANSWERED,
		.status = 530,
		.reply = "5.7.0 Authenticate",
	},
	{
		.when = "the relay closes in the middle",
		.hello = PIPELINED,
		.said = "250 ok\r\n421 4.3.2 closing\r\n",
		.written = "MAIL FROM:<a@x> SIZE=4\r\nRCPT TO:<b@y>\r\nDATA\r\n",
		.progress = SMTP_ANSWERED,
		.status = 421,
		.reply = "4.3.2 closing",
		.last = true,
	},
	{
		.when = "an answer to nothing follows",
		.hello = "250 mx\r\n",
		.said = "250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n250 really\r\n",
		.written = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nHi\r\n.\r\n",
		.progress = SMTP_ANSWERED,
		.status = 250,
		.reply = "done",
		.last = true,
	},
	{
		.when = "DATA is answered with a yes: the relay has no message, so it is no success",
		.hello = PIPELINED,
		.said = "250 ok\r\n250 ok\r\n250 ok\r\n",
		.written = "MAIL FROM:<a@x> SIZE=4\r\nRCPT TO:<b@y>\r\nDATA\r\n",
		.progress = SMTP_BROKEN,
	},
	{
		.when = "a recipient is answered like DATA",
		.hello = "250 mx\r\n",
		.said = "250 ok\r\n354 go\r\n",
		.written = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n",
		.progress = SMTP_BROKEN,
	},
	{
		.when = "what comes is not SMTP",
		.hello = "250 mx\r\n",
		.said = "HTTP/1.1 400 Bad Request\r\n",
		.written = "MAIL FROM:<a@x>\r\n",
		.progress = SMTP_BROKEN,
	},
	{
		.when = "the final answer has not come in full",
		.hello = "250 mx\r\n",
		.said = "250 ok\r\n250 ok\r\n354 go\r\n250-do",
		.written = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nHi\r\n.\r\n",
		.progress = SMTP_TALKING,
	},
	{
		.when = "capabilities from before STARTTLS do not count",
		.hello = PIPELINED "220 go ahead\r\n250 mx\r\n",
		.said = "",
		.written = "MAIL FROM:<a@x>\r\n",
		.progress = SMTP_TALKING,
	},
	{
		.when = "bytes beyond ASCII are announced where the relay wants to know",
		.hello = "250-mx\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
		.rcpt_to = "zo\xc3\xab@y",
		.body = "\xc3\xab\r\n",
		.said = "250 ok\r\n",
		.written = "MAIL FROM:<a@x> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<zo\xc3\xab@y>\r\n",
		.progress = SMTP_TALKING,
	},
};

static void hello(struct smtp_dialog *dialog, const char *lines)
{
	for (const char *end; *lines; lines = end) {
		end = strstr(lines, "\r\n") + 2;
		smtp_dialog_hello(dialog, lines, (size_t)(end - lines));
	}
}

static void set_request(struct provider_request *request, const char *rcpt_to, const char *body)
{
	provider_request_clear(request);
	text_add(&request->mail_from, "a@x");
	text_add(&request->rcpt_to, rcpt_to ? rcpt_to : "b@y");
	text_add(&request->body, body ? body : "Hi\r\n");
}

static void drain(struct smtp_dialog *dialog, struct text *written)
{
	text_add_bytes(written, text_string(&dialog->output), dialog->output.length);
	text_clear(&dialog->output);
}

/* piece: how many bytes come at once. */
static void run_row(const struct row *row, size_t piece)
{
	struct provider_request request;
	struct smtp_dialog dialog;
	struct error err;
	struct text written;

	provider_request_init(&request);
	text_init(&written, 100000);
	smtp_dialog_init(&dialog);
	hello(&dialog, row->hello);
	set_request(&request, row->rcpt_to, row->body);
	assert_true(smtp_dialog_start(&dialog, &request, &err));
	for (size_t at = 0, length = strlen(row->said); at < length; at += piece) {
		drain(&dialog, &written);
		smtp_dialog_read(&dialog, row->said + at, length - at < piece ? length - at : piece);
	}
	drain(&dialog, &written);
	assert_string_equal(text_string(&written), row->written);
	assert_int_equal(dialog.progress, row->progress);
	if (row->progress == SMTP_ANSWERED) {
		assert_int_equal(dialog.status, row->status);
		assert_string_equal(text_string(&dialog.reply), row->reply);
		assert_int_equal(dialog.rcpt_stage, row->rcpt_stage);
		assert_true(dialog.last == row->last || piece < 100);
		assert_true(smtp_dialog_start(&dialog, &request, &err));
		assert_int_equal(strncmp(text_string(&dialog.output), "RSET\r\n", 6) == 0, row->reset_next);
	}
	smtp_dialog_release(&dialog);
	provider_request_release(&request);
	text_release(&written);
}

static void every_row_in_one_piece(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		print_message("  when %s\n", rows[i].when);
		run_row(&rows[i], 100000);
	}
}

static void every_row_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		run_row(&rows[i], 1);
}

static void unsafe_addresses_are_not_sent(void **state)
{
	static const char *const addresses[] = {"", "b@y>\r\nDATA", "b @y", "<b@y", "b@y\x7f", "zo\xc3\xab@y"};
	struct provider_request request;
	struct smtp_dialog dialog;

	(void)state;
	provider_request_init(&request);
	smtp_dialog_init(&dialog);
	hello(&dialog, "250 mx\r\n");
	for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
		struct error err;

		set_request(&request, addresses[i], NULL);
		assert_false(smtp_dialog_start(&dialog, &request, &err));
		assert_int_equal(dialog.output.length, 0);
	}
	smtp_dialog_release(&dialog);
	provider_request_release(&request);
}

static void endless_reply_line_is_broken(void **state)
{
	struct provider_request request;
	struct smtp_dialog dialog;
	struct error err;
	enum smtp_progress progress = SMTP_TALKING;

	(void)state;
	provider_request_init(&request);
	smtp_dialog_init(&dialog);
	set_request(&request, NULL, NULL);
	assert_true(smtp_dialog_start(&dialog, &request, &err));
	for (int i = 0; i < 10000 && progress == SMTP_TALKING; i++)
		progress = smtp_dialog_read(&dialog, "2", 1);
	assert_int_equal(progress, SMTP_BROKEN);
	smtp_dialog_release(&dialog);
	provider_request_release(&request);
}

static void endless_reply_is_broken(void **state)
{
	struct provider_request request;
	struct smtp_dialog dialog;
	struct error err;
	enum smtp_progress progress = SMTP_TALKING;

	(void)state;
	provider_request_init(&request);
	smtp_dialog_init(&dialog);
	set_request(&request, NULL, NULL);
	assert_true(smtp_dialog_start(&dialog, &request, &err));
	for (int i = 0; i < 100000 && progress == SMTP_TALKING; i++)
		progress = smtp_dialog_read(&dialog, "250-\r\n", 6);
	assert_int_equal(progress, SMTP_BROKEN);
	smtp_dialog_release(&dialog);
	provider_request_release(&request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_in_one_piece),        cmocka_unit_test(every_row_byte_by_byte),
		cmocka_unit_test(unsafe_addresses_are_not_sent), cmocka_unit_test(endless_reply_line_is_broken),
		cmocka_unit_test(endless_reply_is_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
