/* What a mail relay says. First byte: what it offered (PIPELINING, SIZE, 8BITMIME, SMTPUTF8) and who it is for; second:
 * in pieces of how many bytes its words come. In pieces or at once, it means the same. */
#include <stdlib.h>
#include <string.h>

#include "worker/providers/smtp_dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define MESSAGE "Subject: x\r\n\r\n.\r\n..two\r\nend"
#define STUFFED "Subject: x\r\n\r\n..\r\n...two\r\nend\r\n.\r\n"

struct course {
	struct smtp_dialog dialog;
	struct text written;
	enum smtp_progress progress;
};

static void drain(struct course *course)
{
	text_add_bytes(&course->written, course->dialog.output.bytes, course->dialog.output.length);
	text_clear(&course->dialog.output);
}

static void talk(struct course *course, uint8_t offers, const struct provider_request *request, const char *said,
		 size_t length, size_t piece)
{
	static const char *const words[] = {"250-PIPELINING\r\n", "250-SIZE 100\r\n", "250-8BITMIME\r\n",
					    "250-SMTPUTF8\r\n"};
	struct error err = {0};

	smtp_dialog_init(&course->dialog);
	text_init(&course->written, 1024 * 1024);
	for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
		if (offers & 1u << i)
			smtp_dialog_hello(&course->dialog, words[i], strlen(words[i]));
	course->progress = SMTP_TALKING;
	if (!smtp_dialog_start(&course->dialog, request, &err))
		return;
	drain(course);
	for (size_t at = 0; at < length && course->progress == SMTP_TALKING; at += piece) {
		course->progress =
			smtp_dialog_read(&course->dialog, said + at, length - at < piece ? length - at : piece);
		drain(course);
	}
}

/* The message leaves whole and once, and not before it was asked for. */
static void check_written(const struct course *course)
{
	const char *written = text_string(&course->written);
	const char *message = strstr(written, "Subject:");

	if ((message != NULL) != smtp_dialog_message_is_out(&course->dialog))
		abort();
	if (message != NULL && strcmp(message, STUFFED) != 0)
		abort();
	if (course->progress == SMTP_ANSWERED && course->dialog.status / 100 == 2 && message == NULL)
		abort(); /* a success without a message */
	if (course->progress == SMTP_ANSWERED && (course->dialog.status < 200 || course->dialog.status > 599))
		abort();
}

static void check_same(const struct course *one, const struct course *other)
{
	if (one->progress != other->progress || one->dialog.status != other->dialog.status ||
	    one->dialog.rcpt_stage != other->dialog.rcpt_stage)
		abort();
	if (strcmp(text_string(&one->written), text_string(&other->written)) != 0)
		abort();
	if (one->dialog.reply.length != other->dialog.reply.length ||
	    memcmp(text_string(&one->dialog.reply), text_string(&other->dialog.reply), one->dialog.reply.length) != 0)
		abort();
}

static void release(struct course *course)
{
	smtp_dialog_release(&course->dialog);
	text_release(&course->written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct course whole, pieces;
	struct provider_request request;
	const char *said = (const char *)bytes + 2;

	if (length < 2)
		return 0;
	provider_request_init(&request);
	text_add(&request.mail_from, "a@example.org");
	text_add(&request.rcpt_to, bytes[0] & 0x80 ? "zo\xc3\xab@example.org" : "b@example.org");
	text_add(&request.body, MESSAGE);
	talk(&whole, bytes[0], &request, said, length - 2, length);
	talk(&pieces, bytes[0], &request, said, length - 2, (size_t)bytes[1] % 16 + 1);
	check_written(&whole);
	check_written(&pieces);
	check_same(&whole, &pieces);
	release(&whole);
	release(&pieces);
	provider_request_release(&request);
	return 0;
}
