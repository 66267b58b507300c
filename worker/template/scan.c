#include "worker/template/scan.h"

#include <endian.h>
#include <string.h>

#include "worker/template/fault.h"

struct frame {
	const char *start;
	int32_t node;     /* TEMPLATE_NOTHING: nobody reads what is in here */
	int32_t children; /* members or elements so far */
	bool is_array;
};

struct scan {
	const char *at, *end;
	const struct template *template;
	struct piece *values;
	int depth;
	const char *wrong; /* the sentence, when it is not JSON */
	struct frame frames[TEMPLATE_DEPTH_MAX];
};

static bool wrong(struct scan *scan, const char *sentence)
{
	scan->wrong = sentence;
	return false;
}

static inline void skip_space(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
		scan->at++;
}

static inline bool next_is(const struct scan *scan, char byte)
{
	return scan->at < scan->end && *scan->at == byte;
}

/* Offset of the first byte among eight that ends a run of plain text: quote, backslash, control, not ASCII. 8: none. */
static inline unsigned plain_run(const char *bytes)
{
	const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
	uint64_t word, quote, backslash, stops;

	memcpy(&word, bytes, sizeof(word));
	word = le64toh(word);
	quote = word ^ ones * '"';
	backslash = word ^ ones * '\\';
	stops = (quote - ones) & ~quote;
	stops |= (backslash - ones) & ~backslash;
	stops |= (word - ones * 0x20) & ~word;
	stops = (stops | word) & tops;
	return stops == 0 ? 8 : (unsigned)__builtin_ctzll(stops) / 8;
}

static inline void skip_plain(struct scan *scan)
{
	while (scan->end - scan->at >= 8) {
		unsigned run = plain_run(scan->at);

		scan->at += run;
		if (run < 8)
			return;
	}
	while (scan->at < scan->end && (unsigned char)*scan->at >= 0x20 && (unsigned char)*scan->at < 0x80 &&
	       *scan->at != '"' && *scan->at != '\\')
		scan->at++;
}

static bool is_hex(char byte)
{
	return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

static bool scan_escape(struct scan *scan)
{
	if (scan->end - scan->at < 2)
		return wrong(scan, "a text is not closed");
	if (scan->at[1] != 'u') {
		if (scan->at[1] == '\0' || strchr("\"\\/bfnrt", scan->at[1]) == NULL)
			return wrong(scan, "a backslash is followed by a letter that has no meaning");
		scan->at += 2;
		return true;
	}
	if (scan->end - scan->at < 6 || !is_hex(scan->at[2]) || !is_hex(scan->at[3]) || !is_hex(scan->at[4]) ||
	    !is_hex(scan->at[5]))
		return wrong(scan, "\\u is not followed by four hexadecimal digits");
	scan->at += 6;
	return true;
}

/* At a quote. Notes the text between the quotes. */
static bool scan_string(struct scan *scan, struct piece *value)
{
	value->kind = PIECE_STRING;
	value->bytes = ++scan->at;
	for (;;) {
		size_t length;

		skip_plain(scan);
		if (scan->at == scan->end)
			return wrong(scan, "a text is not closed");
		if (*scan->at == '"')
			break;
		if (*scan->at == '\\') {
			value->kind = PIECE_ESCAPED;
			if (!scan_escape(scan))
				return false;
			continue;
		}
		if ((unsigned char)*scan->at < 0x20)
			return wrong(scan, "a control character stands in a text");
		length = text_utf8_length(scan->at, (size_t)(scan->end - scan->at));
		if (length == 0)
			return wrong(scan, "a text is not UTF-8");
		scan->at += length;
	}
	value->length = (size_t)(scan->at - value->bytes);
	scan->at++;
	return true;
}

static size_t skip_digits(struct scan *scan)
{
	const char *start = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return (size_t)(scan->at - start);
}

static bool scan_number(struct scan *scan, struct piece *value)
{
	value->kind = PIECE_NUMBER;
	value->bytes = scan->at;
	if (*scan->at == '-')
		scan->at++;
	if (next_is(scan, '0'))
		scan->at++;
	else if (skip_digits(scan) == 0)
		return wrong(scan, "a number has no digits");
	if (next_is(scan, '.')) {
		scan->at++;
		if (skip_digits(scan) == 0)
			return wrong(scan, "a number ends with its point");
	}
	if (next_is(scan, 'e') || next_is(scan, 'E')) {
		scan->at++;
		if (next_is(scan, '+') || next_is(scan, '-'))
			scan->at++;
		if (skip_digits(scan) == 0)
			return wrong(scan, "a number has an empty exponent");
	}
	value->length = (size_t)(scan->at - value->bytes);
	return true;
}

static bool scan_word(struct scan *scan, const char *word, size_t length, enum piece_kind kind, struct piece *value)
{
	if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
		return wrong(scan, "a word is neither true nor false nor null");
	value->kind = kind;
	value->bytes = scan->at;
	value->length = length;
	scan->at += length;
	return true;
}

static bool open_container(struct scan *scan, int32_t node)
{
	struct frame *frame;

	if (scan->depth == TEMPLATE_DEPTH_MAX)
		return wrong(scan, "it is nested too deep");
	frame = &scan->frames[scan->depth++];
	frame->start = scan->at;
	frame->node = node;
	frame->children = 0;
	frame->is_array = *scan->at == '[';
	scan->at++;
	return true;
}

static void close_container(struct scan *scan)
{
	const struct frame *frame = &scan->frames[--scan->depth];

	scan->at++;
	if (frame->node < 0)
		return;
	scan->values[frame->node].kind = frame->is_array ? PIECE_ARRAY : PIECE_OBJECT;
	scan->values[frame->node].bytes = frame->start;
	scan->values[frame->node].length = (size_t)(scan->at - frame->start);
}

/* A repeated key: what the earlier one had below it is not true any more. Parents come before their children. */
static void forget_below(struct scan *scan, int32_t node)
{
	const struct template *template = scan->template;
	bool below[TEMPLATE_NODES_MAX] = {false};

	below[node] = true;
	for (size_t i = (size_t)node + 1; i < template->node_count; i++) {
		below[i] = template->nodes[i].parent >= 0 && below[template->nodes[i].parent];
		if (below[i])
			scan->values[i].kind = PIECE_MISSING;
	}
}

static bool scan_value(struct scan *scan, int32_t node)
{
	struct piece ignored, *value = node >= 0 ? &scan->values[node] : &ignored;

	skip_space(scan);
	if (scan->at == scan->end)
		return wrong(scan, "it ends too early");
	if (node >= 0 && value->kind != PIECE_MISSING)
		forget_below(scan, node);
	switch (*scan->at) {
	case '{':
	case '[':
		return open_container(scan, node);
	case '"':
		return scan_string(scan, value);
	case 't':
		return scan_word(scan, "true", 4, PIECE_TRUE, value);
	case 'f':
		return scan_word(scan, "false", 5, PIECE_FALSE, value);
	case 'n':
		return scan_word(scan, "null", 4, PIECE_NULL, value);
	default:
		if (*scan->at != '-' && (*scan->at < '0' || *scan->at > '9'))
			return wrong(scan, "a value is missing");
		return scan_number(scan, value);
	}
}

static int32_t find_member(const struct template *template, int32_t parent, const struct piece *key)
{
	const struct template_node *node = &template->nodes[parent];
	bool plain = key->kind == PIECE_STRING;

	if (plain && (node->child_lengths >> (key->length & 63) & 1) == 0)
		return TEMPLATE_NOTHING;
	for (int32_t child = node->first_child; child >= 0; child = template->nodes[child].next_sibling) {
		node = &template->nodes[child];
		if (node->element < 0 && piece_text_is(key, node->name, node->name_length))
			return child;
	}
	return TEMPLATE_NOTHING;
}

static int32_t find_element(const struct template *template, int32_t parent, int32_t element)
{
	int32_t child = template->nodes[parent].first_child;

	while (child >= 0 && template->nodes[child].element != element)
		child = template->nodes[child].next_sibling;
	return child;
}

static bool scan_key(struct scan *scan, struct piece *key)
{
	skip_space(scan);
	if (!next_is(scan, '"'))
		return wrong(scan, "a name in quotes is missing");
	if (!scan_string(scan, key))
		return false;
	skip_space(scan);
	if (!next_is(scan, ':'))
		return wrong(scan, "a colon is missing");
	scan->at++;
	return true;
}

/* One step within the innermost array or object: its end, or its next value. */
static bool scan_step(struct scan *scan)
{
	struct frame *frame = &scan->frames[scan->depth - 1];
	int32_t node = TEMPLATE_NOTHING;
	struct piece key;

	skip_space(scan);
	if (next_is(scan, frame->is_array ? ']' : '}')) {
		close_container(scan);
		return true;
	}
	if (frame->children > 0) {
		if (!next_is(scan, ','))
			return wrong(scan, "a comma is missing");
		scan->at++;
	}
	if (frame->is_array) {
		if (frame->node >= 0)
			node = find_element(scan->template, frame->node, frame->children);
	} else {
		if (!scan_key(scan, &key))
			return false;
		if (frame->node >= 0)
			node = find_member(scan->template, frame->node, &key);
	}
	if (frame->children < INT32_MAX)
		frame->children++;
	return scan_value(scan, node);
}

static bool scan_object(struct scan *scan)
{
	skip_space(scan);
	if (!next_is(scan, '{'))
		return wrong(scan, "it is not an object");
	if (!open_container(scan, TEMPLATE_ROOT))
		return false;
	while (scan->depth > 0)
		if (!scan_step(scan))
			return false;
	skip_space(scan);
	return scan->at == scan->end || wrong(scan, "something follows after its end");
}

bool template_scan(const struct template *template, const struct template_data *data, struct piece *values,
		   struct template_fault *fault)
{
	struct scan scan TEMPLATE_NOT_ZEROED;

	scan.at = data->json;
	scan.end = data->json + data->length;
	scan.template = template;
	scan.values = values;
	scan.depth = 0;
	for (size_t i = 0; i < template->node_count; i++)
		values[i].kind = PIECE_MISSING;
	if (data->json != NULL && scan_object(&scan))
		return true;
	return template_fault_set(fault, TEMPLATE_FAULT_DATA, 0, 0,
				  "The data is not a JSON object: %s (byte %zu). Correct the recipient's profile.",
				  data->json != NULL ? scan.wrong : "there is none",
				  data->json != NULL ? (size_t)(scan.at - data->json) : 0);
}

bool scan_object_bytes(const char *json, size_t length, struct piece *object, const char **problem)
{
	struct template_node root = {.parent = TEMPLATE_NOTHING, .first_child = TEMPLATE_NOTHING};
	struct template none = {.nodes = &root, .node_count = 1};
	struct scan scan TEMPLATE_NOT_ZEROED;

	object->kind = PIECE_MISSING;
	scan.at = json;
	scan.end = json + length;
	scan.template = &none;
	scan.values = object;
	scan.depth = 0;
	scan.wrong = NULL;
	if (scan_object(&scan))
		return true;
	*problem = scan.wrong;
	return false;
}
