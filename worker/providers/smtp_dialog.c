#include "worker/providers/smtp_dialog.h"

#include <string.h>
#include <strings.h>

enum {
	OUTPUT_MAX = 2 * PROVIDER_BODY_MAX + 64 * 1024, /* a message of nothing but dots grows by a third */
	REPLY_LINE_MAX = 4 * 1024,
	REPLY_MAX = 64 * 1024,
};

void smtp_dialog_init(struct smtp_dialog *dialog)
{
	*dialog = (struct smtp_dialog){0};
	text_init(&dialog->output, OUTPUT_MAX);
	text_init(&dialog->reply, REPLY_MAX);
	text_init(&dialog->line, REPLY_LINE_MAX);
	text_init(&dialog->words, REPLY_MAX);
}

void smtp_dialog_release(struct smtp_dialog *dialog)
{
	text_release(&dialog->output);
	text_release(&dialog->reply);
	text_release(&dialog->line);
	text_release(&dialog->words);
}

static bool starts_with(const char *bytes, size_t length, const char *word)
{
	return length >= strlen(word) && strncasecmp(bytes, word, strlen(word)) == 0;
}

void smtp_dialog_hello(struct smtp_dialog *dialog, const char *line, size_t length)
{
	/* A greeting, also the one to STARTTLS: what was offered before it does not count. */
	if (starts_with(line, length, "220"))
		dialog->has_pipelining = dialog->has_size = dialog->has_8bit = dialog->has_utf8 = false;
	if (!starts_with(line, length, "250") || length < 4)
		return;
	line += 4;
	length -= 4;
	dialog->has_pipelining = dialog->has_pipelining || starts_with(line, length, "PIPELINING");
	dialog->has_size = dialog->has_size || starts_with(line, length, "SIZE");
	dialog->has_8bit = dialog->has_8bit || starts_with(line, length, "8BITMIME");
	dialog->has_utf8 = dialog->has_utf8 || starts_with(line, length, "SMTPUTF8");
}

static bool is_ascii(const struct text *text)
{
	unsigned char all = 0;

	for (size_t i = 0; i < text->length; i++)
		all |= (unsigned char)text->bytes[i];
	return all < 0x80;
}

static bool address_is_safe(const struct text *address)
{
	for (size_t i = 0; i < address->length; i++) {
		unsigned char c = (unsigned char)address->bytes[i];
		if (c <= ' ' || c == 0x7f || c == '<' || c == '>')
			return false;
	}
	return true;
}

static void await(struct smtp_dialog *dialog, enum smtp_command command)
{
	dialog->awaited[dialog->awaited_count++] = command;
}

static void add_mail(struct smtp_dialog *dialog)
{
	const struct provider_request *request = dialog->request;
	struct text *output = &dialog->output;

	text_add(output, "MAIL FROM:<");
	text_add_bytes(output, request->mail_from.bytes, request->mail_from.length);
	text_add_char(output, '>');
	if (dialog->has_size) {
		text_add(output, " SIZE=");
		text_add_int64(output, (int64_t)request->body.length);
	}
	if (dialog->has_8bit && !is_ascii(&request->body))
		text_add(output, " BODY=8BITMIME");
	if (dialog->has_utf8 && (!is_ascii(&request->mail_from) || !is_ascii(&request->rcpt_to)))
		text_add(output, " SMTPUTF8");
	text_add(output, "\r\n");
	await(dialog, SMTP_MAIL);
}

static void add_rcpt(struct smtp_dialog *dialog)
{
	text_add(&dialog->output, "RCPT TO:<");
	text_add_bytes(&dialog->output, dialog->request->rcpt_to.bytes, dialog->request->rcpt_to.length);
	text_add(&dialog->output, ">\r\n");
	await(dialog, SMTP_RCPT);
}

static void add_data(struct smtp_dialog *dialog)
{
	text_add(&dialog->output, "DATA\r\n");
	await(dialog, SMTP_DATA);
}

/* RFC 5321 §4.5.2: a line that begins with a dot gets another. */
static void add_message(struct smtp_dialog *dialog)
{
	struct text *output = &dialog->output;
	const char *from = text_string(&dialog->request->body);
	const char *end = from + dialog->request->body.length;
	const char *dot = from < end && *from == '.' ? from : NULL;

	if (!dot && (dot = memmem(from, (size_t)(end - from), "\r\n.", 3)))
		dot += 2;
	while (dot) {
		text_add_bytes(output, from, (size_t)(dot - from));
		text_add_char(output, '.');
		from = dot;
		dot = memmem(from, (size_t)(end - from), "\r\n.", 3);
		dot = dot ? dot + 2 : NULL;
	}
	text_add_bytes(output, from, (size_t)(end - from));
	if (dialog->request->body.length >= 2 && memcmp(end - 2, "\r\n", 2) == 0)
		text_add(output, ".\r\n");
	else
		text_add(output, "\r\n.\r\n");
	dialog->message_queued = true;
	await(dialog, SMTP_MESSAGE);
}

bool smtp_dialog_start(struct smtp_dialog *dialog, const struct provider_request *request, struct error *err)
{
	if (request->rcpt_to.length == 0 || !address_is_safe(&request->rcpt_to) ||
	    !address_is_safe(&request->mail_from))
		return error_set(err, ERROR_INVALID,
				 "An envelope address is empty or holds a space, <, > or a control.");
	if (request->body.length > PROVIDER_BODY_MAX)
		return error_set(err, ERROR_INVALID, "The message is larger than %d bytes.", PROVIDER_BODY_MAX);
	if (!dialog->has_utf8 && (!is_ascii(&request->mail_from) || !is_ascii(&request->rcpt_to)))
		return error_set(err, ERROR_REFUSED, "The relay does not take addresses beyond ASCII (SMTPUTF8).");
	dialog->request = request;
	dialog->progress = SMTP_TALKING;
	dialog->awaited_count = dialog->awaited_next = 0;
	dialog->status = 0;
	dialog->refused = dialog->rcpt_stage = dialog->message_queued = dialog->last = false;
	text_clear(&dialog->output);
	text_clear(&dialog->line);
	text_clear(&dialog->words);
	text_clear(&dialog->reply);
	dialog->reply_length = 0;
	if (dialog->needs_reset) {
		text_add(&dialog->output, "RSET\r\n");
		await(dialog, SMTP_RSET);
	}
	if (dialog->needs_reset && !dialog->has_pipelining)
		return true;
	add_mail(dialog);
	if (dialog->has_pipelining) {
		add_rcpt(dialog);
		add_data(dialog);
	}
	return true;
}

bool smtp_dialog_message_is_out(const struct smtp_dialog *dialog)
{
	return dialog->message_queued;
}

static void decide(struct smtp_dialog *dialog, enum smtp_command command, int code)
{
	dialog->status = code;
	dialog->rcpt_stage = command == SMTP_RCPT && code != 421; /* which is never about the recipient */
	text_clear(&dialog->reply);
	text_add_bytes(&dialog->reply, dialog->words.bytes, dialog->words.length);
}

/* The first refusal decides; what a pipelining relay says after it only has to be heard. */
static void refuse(struct smtp_dialog *dialog, enum smtp_command command, int code)
{
	if (dialog->refused)
		return;
	/* A yes to what was not asked: nothing was taken, and taking it for a success would lose the message. */
	if (code < 400) {
		dialog->progress = SMTP_BROKEN;
		return;
	}
	decide(dialog, command, code);
	dialog->refused = true;
	dialog->needs_reset = command != SMTP_MAIL;
}

static void on_data_reply(struct smtp_dialog *dialog, int code)
{
	if (code != 354) {
		refuse(dialog, SMTP_DATA, code);
	} else if (dialog->refused) {
		/* RFC 2920 §3.1: 354 though no recipient was taken; a lone dot ends it. */
		text_add(&dialog->output, ".\r\n");
		dialog->needs_reset = false;
		await(dialog, SMTP_MESSAGE);
	} else {
		add_message(dialog);
	}
}

static void on_reply(struct smtp_dialog *dialog, enum smtp_command command, int code)
{
	bool taken = code >= 200 && code < 300;

	switch (command) {
	case SMTP_RSET:
		dialog->needs_reset = false;
		if (!dialog->has_pipelining)
			add_mail(dialog);
		break;
	case SMTP_MAIL:
		if (!taken)
			refuse(dialog, command, code);
		else if (!dialog->has_pipelining)
			add_rcpt(dialog);
		break;
	case SMTP_RCPT:
		if (!taken)
			refuse(dialog, command, code);
		else if (!dialog->has_pipelining)
			add_data(dialog);
		break;
	case SMTP_DATA:
		on_data_reply(dialog, code);
		break;
	case SMTP_MESSAGE:
		if (!dialog->refused)
			decide(dialog, command, code);
		break;
	}
}

static void take_reply(struct smtp_dialog *dialog, int code)
{
	enum smtp_command command = dialog->awaited[dialog->awaited_next++];

	if (code == 421) {
		if (!dialog->refused)
			decide(dialog, command, code);
		dialog->last = true;
		dialog->progress = SMTP_ANSWERED;
		return;
	}
	on_reply(dialog, command, code);
	if (dialog->progress == SMTP_TALKING && dialog->awaited_next == dialog->awaited_count)
		dialog->progress = SMTP_ANSWERED;
}

/* "250-words", "250 words" or "250" */
static int parse_code(const struct text *line)
{
	const char *digits = line->bytes;

	if (line->length < 3 || digits[0] < '2' || digits[0] > '5' || digits[1] < '0' || digits[1] > '9' ||
	    digits[2] < '0' || digits[2] > '9')
		return 0;
	if (line->length > 3 && digits[3] != ' ' && digits[3] != '-')
		return 0;
	return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + digits[2] - '0';
}

static void take_line(struct smtp_dialog *dialog)
{
	int code = parse_code(&dialog->line);
	bool more = dialog->line.length > 3 && dialog->line.bytes[3] == '-';

	dialog->reply_length += dialog->line.length + 1;
	if (code == 0 || !text_ok(&dialog->line) || dialog->awaited_next == dialog->awaited_count ||
	    dialog->reply_length > REPLY_MAX) {
		dialog->progress = SMTP_BROKEN;
		return;
	}
	if (dialog->line.length > 4) {
		if (dialog->words.length > 0)
			text_add_char(&dialog->words, ' ');
		text_add_bytes(&dialog->words, dialog->line.bytes + 4, dialog->line.length - 4);
	}
	text_clear(&dialog->line);
	if (more)
		return;
	take_reply(dialog, code);
	text_clear(&dialog->words);
	dialog->reply_length = 0;
}

enum smtp_progress smtp_dialog_read(struct smtp_dialog *dialog, const char *bytes, size_t length)
{
	while (length > 0 && dialog->progress == SMTP_TALKING) {
		const char *newline = memchr(bytes, '\n', length);
		size_t part = newline ? (size_t)(newline - bytes) : length;

		text_add_bytes(&dialog->line, bytes, part);
		if (!text_ok(&dialog->line))
			dialog->progress = SMTP_BROKEN;
		if (!newline || dialog->progress == SMTP_BROKEN)
			break;
		if (dialog->line.length > 0 && dialog->line.bytes[dialog->line.length - 1] == '\r')
			dialog->line.length--;
		take_line(dialog);
		bytes += part + 1;
		length -= part + 1;
	}
	/* Words nobody asked for: the two sides are out of step. */
	if (length > 0 && dialog->progress == SMTP_ANSWERED)
		dialog->last = true;
	return dialog->progress;
}
