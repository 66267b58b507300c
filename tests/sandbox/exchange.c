#include "tests/sandbox/exchange.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/digest.h"
#include "shared/memory.h"
#include "tests/sandbox/callbacks.h"
#include "tests/sandbox/rate.h"
#include "tests/sandbox/vendor.h"

enum { ANSWER_MAX = 4 * 1024 * 1024, HEADERS_MAX = 16 * 1024, FIELD_MAX = 16 * 1024 };

static struct text *field_texts(struct exchange *exchange, size_t at)
{
	struct text *texts[] = {&exchange->key,     &exchange->delivery,   &exchange->recipient,
				&exchange->message, &exchange->credential, &exchange->callback_url,
				&exchange->said};

	return at < ARRAY_LENGTH(texts) ? texts[at] : NULL;
}

void exchange_init(struct exchange *exchange, struct sandbox *sandbox, struct connection *connection)
{
	*exchange = (struct exchange){.sandbox = sandbox, .connection = connection};
	text_init(&exchange->headers, HEADERS_MAX);
	text_init(&exchange->answer, ANSWER_MAX);
	for (size_t i = 0; field_texts(exchange, i); i++)
		text_init(field_texts(exchange, i), FIELD_MAX);
}

void exchange_release(struct exchange *exchange)
{
	text_release(&exchange->headers);
	text_release(&exchange->answer);
	for (size_t i = 0; field_texts(exchange, i); i++)
		text_release(field_texts(exchange, i));
}

void exchange_clear(struct exchange *exchange)
{
	text_clear(&exchange->headers);
	text_clear(&exchange->answer);
	for (size_t i = 0; field_texts(exchange, i); i++)
		text_clear(field_texts(exchange, i));
	exchange->status = 0;
	exchange->content_type = NULL;
	exchange->accepted = exchange->is_early = false;
	exchange->delay_ms = 0;
}

void exchange_set_target(struct exchange *exchange, struct span target)
{
	exchange->path = span_cut(&target, '?');
	exchange->query = target;
	exchange->vendor = vendor_for_path(exchange->path);
}

bool exchange_has_header(const struct exchange *exchange, const char *name)
{
	return exchange_header(exchange, name).bytes != NULL;
}

bool exchange_set_headers(struct exchange *exchange, struct span lines)
{
	exchange->field_count = 0;
	while (lines.length > 0 && exchange->field_count < EXCHANGE_HEADERS_MAX) {
		struct span line = span_cut(&lines, '\n'), name;

		if (line.length > 0 && line.bytes[line.length - 1] == '\r')
			line.length--;
		name = span_cut(&line, ':');
		exchange->fields[exchange->field_count++] = (struct exchange_header){name, span_trim(line)};
	}
	return lines.length == 0;
}

struct span exchange_header(const struct exchange *exchange, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < exchange->field_count; i++)
		if (exchange->fields[i].name.length == length &&
		    strncasecmp(exchange->fields[i].name.bytes, name, length) == 0)
			return exchange->fields[i].value;
	return (struct span){NULL, 0};
}

bool exchange_is_type(const struct exchange *exchange, const char *media_type)
{
	struct span value = exchange_header(exchange, "content-type");

	return span_is(span_trim(span_cut(&value, ';')), media_type);
}

json_t *exchange_json(const struct exchange *exchange)
{
	return json_loadb(exchange->body.length > 0 ? exchange->body.bytes : "", exchange->body.length,
			  JSON_REJECT_DUPLICATES, NULL);
}

void exchange_answer(struct exchange *exchange, int status, const char *content_type, const char *body)
{
	exchange->status = status;
	exchange->content_type = content_type;
	text_clear(&exchange->answer);
	text_add(&exchange->answer, body);
}

void exchange_answer_json(struct exchange *exchange, int status, json_t *body)
{
	char *bytes = json_dumps(body, JSON_COMPACT);

	exchange_answer(exchange, status, "application/json; charset=utf-8", bytes);
	free(bytes);
	json_decref(body);
}

void exchange_add_header(struct exchange *exchange, const char *name, const char *value)
{
	text_addf(&exchange->headers, "%s: %s\r\n", name, value);
}

void exchange_accept(struct exchange *exchange, struct span delivery, struct span recipient)
{
	exchange->accepted = true;
	text_clear(&exchange->delivery);
	text_clear(&exchange->recipient);
	span_add(&exchange->delivery, delivery);
	span_add(&exchange->recipient, recipient);
}

void exchange_add_delivery(const struct exchange *exchange, const json_t *app_data, struct text *out)
{
	struct span header = exchange_header(exchange, "x-postrider-delivery");
	const char *told = json_string_value(json_object_get(app_data, "postrider_delivery"));

	span_add(out, header.length > 0 ? header : span_of(told));
}

void exchange_add_id(struct text *out, size_t bytes)
{
	unsigned char random[32];

	if (bytes > sizeof(random) || RAND_bytes(random, (int)bytes) != 1)
		abort();
	digest_add_hex(out, random, bytes);
}

static void record(struct exchange *exchange)
{
	struct span hashed = exchange->said.length > 0 ? span_of_text(&exchange->said) : exchange->body;
	uint32_t repeat;

	repeat = ledger_add(exchange->sandbox->ledger, &(struct ledger_entry){
							       .protocol = LEDGER_HTTP,
							       .vendor = exchange->vendor->name,
							       .is_blind = !exchange->vendor->is_keyed,
							       .key = exchange->key.bytes,
							       .key_length = exchange->key.length,
							       .delivery = exchange->delivery.bytes,
							       .delivery_length = exchange->delivery.length,
							       .recipient = exchange->recipient.bytes,
							       .recipient_length = exchange->recipient.length,
							       .message = exchange->message.bytes,
							       .message_length = exchange->message.length,
							       .body = hashed.bytes,
							       .body_length = hashed.length,
						       });
	if (exchange->vendor->callbacks && (repeat == 0 || !exchange->vendor->is_keyed))
		exchange->is_early = callbacks_plan(exchange->sandbox->callbacks, exchange);
}

/* The vendor's words for the status, or as many bytes as were ordered. */
static void refuse_as_told(struct exchange *exchange, const struct fault *fault)
{
	text_clear(&exchange->headers);
	if (fault->body_bytes > 0) {
		char *body = memory_new(fault->body_bytes + 1);

		memset(body, 'x', fault->body_bytes);
		exchange_answer(exchange, fault->status, "text/plain", body);
		free(body);
	} else {
		exchange->vendor->fail(exchange, fault->status);
	}
	if (fault->kind == FAULT_RETRY_AFTER)
		exchange_add_header(exchange, "Retry-After", fault->retry_after);
}

static bool is_answered(const struct fault *fault)
{
	return !fault || fault->kind == FAULT_STATUS || fault->kind == FAULT_RETRY_AFTER || fault->kind == FAULT_SLOW;
}

/* Only what the vendor would have taken is spoilt: a refusal stays what it is. */
static const struct fault *find_fault(struct exchange *exchange, unsigned kinds)
{
	const struct vendor *vendor = exchange->vendor;

	if (exchange->sandbox->faults.count == 0)
		return NULL;
	return fault_take(&exchange->sandbox->faults, &(struct fault_place){
							      .protocol = LEDGER_HTTP,
							      .vendor = vendor->name,
							      .is_side_matter = !vendor->is_message,
							      .kinds = kinds,
							      .recipient = exchange->recipient.bytes,
							      .recipient_length = exchange->recipient.length,
						      });
}

const struct fault *exchange_run(struct exchange *exchange, unsigned fault_kinds)
{
	const struct fault *fault;

	exchange->sandbox->requests++;
	exchange->delay_ms = exchange->sandbox->latency_ms;
	exchange->vendor->answer(exchange);
	if (exchange->status >= 300)
		return NULL;
	if (!rate_take(exchange->sandbox, exchange->vendor)) {
		exchange->accepted = false;
		text_clear(&exchange->headers);
		exchange->vendor->fail(exchange, 429);
		return NULL;
	}
	fault = find_fault(exchange, fault_kinds);
	exchange->accepted = exchange->accepted && (!fault || fault->accept || fault->kind == FAULT_SLOW);
	if (exchange->accepted)
		record(exchange);
	if (fault && fault->kind == FAULT_SLOW)
		exchange->delay_ms = fault->latency_ms;
	if (fault && (fault->kind == FAULT_STATUS || fault->kind == FAULT_RETRY_AFTER))
		refuse_as_told(exchange, fault);
	return is_answered(fault) ? NULL : fault;
}
