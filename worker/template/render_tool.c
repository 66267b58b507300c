#include "worker/template/render_tool.h"

#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "worker/template/number.h"
#include "worker/template/scan.h"
#include "worker/template/segments.h"
#include "worker/template/template.h"

#define OUTPUT_BYTES_MAX  ((size_t)8 * 1024 * 1024)
#define PARTIALS_KEPT_MAX 1000

const char render_tool_help[] =
	"postrider-worker render - renders templates: one JSON object a line in, one a line out\n"
	"\n"
	"In:  {\"template\": \"Hi {{ name }}\", \"data\": {\"name\": \"Ada\"}, \"partials\": {\"foot\": \"...\"}}\n"
	"Out: {\"result\": \"Hi Ada\"} or {\"error\": \"line:column: what is wrong and what to do\"}\n"
	"\n"
	"data and partials may be left out. This is pure Liquid: nothing is escaped, the time zone is UTC. Further members:\n"
	"  \"needs\": true       answers {\"needs\": [{\"path\", \"line\", \"guarded\", \"default\"}]}: what the template reads\n"
	"  \"sms\": true         adds {\"segments\", \"ucs2\", \"remark\"}: what the text costs as an SMS, and which character\n"
	"                     makes it more\n"
	"  \"now_ms\": 0         what 'now' means; else the clock\n"
	"  \"marketing\": true   the marketing layer: escaping, undefined tokens, abort_message, money, split_digit ...\n"
	"  \"slot\": \"html\"      then: plain, html, header, json or url\n"
	"  \"undefined\": \"skip\" then: blank or skip; a skip answers {\"skipped\": \"why\"}, an abort {\"aborted\": \"reason\"}\n"
	"  \"time_zone\": \"Europe/Riga\", \"contact_id\": 7\n"
	"\n"
	"A line has at most 8 MiB.\n";

/* One line at work. */
struct request {
	struct piece root;
	struct text names; /* of the partials, decoded, each with a NUL behind it */
	size_t name_starts[PARTIALS_KEPT_MAX];
	size_t name_count;
	struct text source; /* the partial asked for last */
	struct text text;   /* the template */
};

static struct piece member(const struct request *request, const char *name)
{
	return piece_member(&request->root, name, strlen(name));
}

static bool is_text(const struct piece *piece)
{
	return piece->kind == PIECE_STRING || piece->kind == PIECE_ESCAPED;
}

static void decode(const struct piece *piece, struct text *text)
{
	char *bytes = malloc(piece->length + 1);

	text_clear(text);
	if (bytes != NULL)
		text_add_bytes(text, bytes, piece_unescape(piece, bytes));
	free(bytes);
}

static bool find_partial(void *context, const char *name, size_t name_length, const char **source, size_t *length)
{
	struct request *request = context;
	struct piece partials = member(request, "partials"), found = piece_member(&partials, name, name_length);

	if (!is_text(&found))
		return false;
	decode(&found, &request->source);
	*source = text_string(&request->source);
	*length = request->source.length;
	return true;
}

static const char *partial_name(void *context, size_t index)
{
	const struct request *request = context;

	return index < request->name_count ? text_string(&request->names) + request->name_starts[index] : NULL;
}

static void list_partials(struct request *request)
{
	struct piece partials = member(request, "partials"), name, source;
	struct piece_walk walk = piece_walk(&partials);
	struct text one;

	text_init(&one, RENDER_LINE_BYTES_MAX);
	text_clear(&request->names);
	request->name_count = 0;
	if (partials.kind != PIECE_OBJECT)
		return;
	while (request->name_count < PARTIALS_KEPT_MAX && piece_walk_next(&walk, &name, &source)) {
		request->name_starts[request->name_count++] = request->names.length;
		decode(&name, &one);
		text_add_bytes(&request->names, text_string(&one), one.length);
		text_add_char(&request->names, '\0');
	}
	text_release(&one);
}

static bool is_true(const struct request *request, const char *name)
{
	return member(request, name).kind == PIECE_TRUE;
}

static int64_t integer(const struct request *request, const char *name, int64_t otherwise)
{
	struct piece piece = member(request, name);
	int64_t number;

	return piece.kind == PIECE_NUMBER && number_read_integer(piece.bytes, piece.length, &number) ? number
												     : otherwise;
}

static enum template_slot slot_of(const struct request *request)
{
	static const char *const names[] = {"plain", "html", "header", "json", "url"};
	struct piece piece = member(request, "slot");

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		if (piece_text_is(&piece, names[i], strlen(names[i])))
			return (enum template_slot)i;
	return TEMPLATE_SLOT_PLAIN;
}

static void answer_text(struct text *answer, const char *name, const char *bytes, size_t length)
{
	text_addf(answer, "{\"%s\":", name);
	text_add_json_string(answer, bytes, length);
	text_add_char(answer, '}');
}

/* The result, and how many SMS it makes. */
static void answer_sms(struct text *answer, const struct text *out)
{
	const struct segments segments = segments_count(text_string(out), out->length);
	struct text remark;

	text_init(&remark, 1000);
	segments_explain(&segments, &remark);
	text_add(answer, "{\"result\":");
	text_add_json_string(answer, text_string(out), out->length);
	text_addf(answer, ",\"segments\":%zu,\"ucs2\":%s,\"remark\":", segments.count,
		  segments.is_ucs2 ? "true" : "false");
	text_add_json_string(answer, text_string(&remark), remark.length);
	text_add_char(answer, '}');
	text_release(&remark);
}

static void answer_fault(struct text *answer, const struct template_fault *fault)
{
	char place[64];
	struct text sentence;
	int line = fault->line > 0 ? fault->line : 1, column = fault->column > 0 ? fault->column : 1;

	if (fault->kind == TEMPLATE_FAULT_ABORTED) {
		answer_text(answer, "aborted", fault->text, strlen(fault->text));
		return;
	}
	text_init(&sentence, TEMPLATE_FAULT_MAX + sizeof(place));
	text_addf(&sentence, "%d:%d: %s", line, column, fault->text);
	answer_text(answer, fault->kind == TEMPLATE_FAULT_UNDEFINED ? "skipped" : "error", text_string(&sentence),
		    sentence.length);
	text_release(&sentence);
}

static void answer_error(struct text *answer, const char *sentence)
{
	struct template_fault fault = {.kind = TEMPLATE_FAULT_DATA};

	(void)snprintf(fault.text, sizeof(fault.text), "%s", sentence);
	answer_fault(answer, &fault);
}

static void answer_needs(struct text *answer, const struct template *template)
{
	text_add(answer, "{\"needs\":[");
	for (size_t i = 0; i < template_need_count(template); i++) {
		struct template_need need = template_need_at(template, i);

		text_add(answer, i > 0 ? ",{\"path\":" : "{\"path\":");
		text_add_json_string(answer, need.path, need.path_length);
		text_addf(answer, ",\"line\":%d,\"guarded\":%s,\"default\":", need.line,
			  need.is_guarded ? "true" : "false");
		if (need.default_value != NULL)
			text_add_json_string(answer, need.default_value, need.default_length);
		else
			text_add(answer, "null");
		if (need.partial != NULL) {
			text_add(answer, ",\"partial\":");
			text_add_json_string(answer, need.partial, strlen(need.partial));
		}
		text_add_char(answer, '}');
	}
	text_add(answer, "]}");
}

static void set_context(const struct request *request, struct template_context *context)
{
	struct piece zone = member(request, "time_zone"), undefined = member(request, "undefined");
	char zone_name[64] = "";

	if (zone.kind == PIECE_STRING)
		(void)snprintf(zone_name, sizeof(zone_name), "%.*s", (int)(zone.length < 60 ? zone.length : 60),
			       zone.bytes);
	template_context_set(context,
			     &(struct template_settings){
				     .undefined = piece_text_is(&undefined, "skip", 4) ? TEMPLATE_UNDEFINED_SKIP
										       : TEMPLATE_UNDEFINED_BLANK,
				     .now_ms = integer(request, "now_ms", clock_wall_ms()),
				     .time_zone = zone_name,
				     .contact_id = integer(request, "contact_id", 0),
			     });
}

static void render(struct request *request, struct template_context *context, const struct template *template,
		   struct text *answer)
{
	struct piece data = member(request, "data");
	struct template_data json = {.json = "{}", .length = 2};
	struct template_fault fault = {0};
	struct text out;

	if (data.kind == PIECE_OBJECT)
		json = (struct template_data){.json = data.bytes, .length = data.length};
	else if (data.kind != PIECE_MISSING && data.kind != PIECE_NULL) {
		answer_error(answer, "data is not an object: write {\"name\": value}.");
		return;
	}
	text_init(&out, OUTPUT_BYTES_MAX);
	set_context(request, context);
	if (!template_render(template, context, &json, &out, &fault))
		answer_fault(answer, &fault);
	else if (is_true(request, "sms"))
		answer_sms(answer, &out);
	else
		answer_text(answer, "result", text_string(&out), out.length);
	text_release(&out);
}

static void compile_and_answer(struct request *request, struct template_context *context, struct text *answer)
{
	struct template_options options = {
		.slot = slot_of(request),
		.is_marketing = is_true(request, "marketing"),
		.partials = {.find = find_partial, .name_at = partial_name, .context = request},
	};
	struct template_fault fault = {0};
	struct template *template;

	list_partials(request);
	template = template_compile(text_string(&request->text), request->text.length, &options, &fault);
	if (template == NULL)
		answer_fault(answer, &fault);
	else if (is_true(request, "needs"))
		answer_needs(answer, template);
	else
		render(request, context, template, answer);
	template_free(&template);
}

static void answer_line(const struct text *line, struct request *request, struct template_context *context,
			struct text *answer)
{
	const char *problem = NULL;
	struct piece source;
	char sentence[200];

	if (!scan_object_bytes(text_string(line), line->length, &request->root, &problem)) {
		(void)snprintf(sentence, sizeof(sentence), "The line is not a JSON object: %s.", problem);
		answer_error(answer, sentence);
		return;
	}
	source = member(request, "template");
	if (!is_text(&source)) {
		answer_error(answer, "The line has no template: write {\"template\": \"...\", \"data\": {...}}.");
		return;
	}
	decode(&source, &request->text);
	compile_and_answer(request, context, answer);
}

/* False: there is no more. What is too long is read to its end, and the line overflows. */
static bool read_line(FILE *in, struct text *line)
{
	int byte;
	bool any = false;

	text_clear(line);
	while ((byte = getc_unlocked(in)) != EOF) {
		any = true;
		if (byte == '\n')
			break;
		text_add_char(line, (char)byte);
	}
	return any;
}

static bool is_blank(const struct text *line)
{
	for (size_t i = 0; i < line->length; i++)
		if (line->bytes[i] != ' ' && line->bytes[i] != '\t' && line->bytes[i] != '\r')
			return false;
	return true;
}

static bool write_answer(FILE *out, struct text *answer)
{
	if (!text_ok(answer)) {
		text_clear(answer);
		answer_error(answer, "The answer is too long: shorten the template or its values.");
	}
	text_add_char(answer, '\n');
	return fwrite(text_string(answer), 1, answer->length, out) == answer->length && fflush(out) == 0;
}

bool render_tool_run(FILE *in, FILE *out)
{
	struct template_context *context = template_context_new();
	struct request request = {.name_count = 0};
	struct text line, answer;
	bool written = true;

	text_init(&line, RENDER_LINE_BYTES_MAX);
	text_init(&answer, 6 * OUTPUT_BYTES_MAX + 100); /* a byte may become six in JSON */
	text_init(&request.names, 2 * RENDER_LINE_BYTES_MAX);
	text_init(&request.source, RENDER_LINE_BYTES_MAX);
	text_init(&request.text, RENDER_LINE_BYTES_MAX);
	while (written && read_line(in, &line)) {
		text_clear(&answer);
		if (!text_ok(&line))
			answer_error(&answer, "The line is longer than 8 MiB: split the work.");
		else if (is_blank(&line))
			answer_error(&answer, "The line is empty: write a JSON object.");
		else
			answer_line(&line, &request, context, &answer);
		written = write_answer(out, &answer);
	}
	text_release(&line);
	text_release(&answer);
	text_release(&request.names);
	text_release(&request.source);
	text_release(&request.text);
	template_context_free(&context);
	return written;
}
