#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/template/fault.h"
#include "worker/template/lex.h"
#include "worker/template/program.h"
#include "worker/template/value.h"

/* A place in the source, in characters; only ever moves forward. */
struct place {
	size_t offset;
	int line, column;
};

struct compiler {
	struct lexer lexer;
	struct token token; /* the one looked at */
	struct template *template;
	struct place place;
	size_t op_room, node_room;
	bool trim; /* the literal that follows loses its leading blanks */
	struct template_fault *fault;
};

static void advance(struct compiler *compiler, size_t offset)
{
	struct place *place = &compiler->place;

	for (; place->offset < offset; place->offset++) {
		unsigned char byte = (unsigned char)compiler->lexer.source[place->offset];

		if (byte == '\n') {
			place->line++;
			place->column = 1;
		} else if ((byte & 0xC0) != 0x80) {
			place->column++;
		}
	}
}

#define SYNTAX(compiler, offset, ...)                                                                                  \
	(advance((compiler), (offset)),                                                                                \
	 template_fault_set((compiler)->fault, TEMPLATE_FAULT_SYNTAX, (compiler)->place.line,                          \
			    (compiler)->place.column, __VA_ARGS__))
#define LIMIT(compiler, ...) template_fault_set((compiler)->fault, TEMPLATE_FAULT_LIMIT, 0, 0, __VA_ARGS__)

static const char *token_bytes(const struct compiler *compiler)
{
	return compiler->lexer.source + compiler->token.start;
}

static void next_token(struct compiler *compiler)
{
	compiler->token = lex_next(&compiler->lexer);
}

static bool token_closes(const struct compiler *compiler)
{
	return compiler->token.kind == TOKEN_CLOSE || compiler->token.kind == TOKEN_CLOSE_TRIM;
}

/* What is wrong with the token looked at, for a person who edits a message. */
static bool unexpected(struct compiler *compiler, const char *expected)
{
	const struct token *token = &compiler->token;

	switch (token->kind) {
	case TOKEN_CURLY_QUOTE:
		return SYNTAX(compiler, token->place,
			      "%.*s is a typographic quote, put there by an editor: write \" or ' instead.",
			      (int)token->length, token_bytes(compiler));
	case TOKEN_OPEN_TEXT:
		return SYNTAX(compiler, token->place, "This quote is never closed: put the same %c behind the text.",
			      *token_bytes(compiler));
	case TOKEN_END:
		return SYNTAX(compiler, token->place, "The template ends within {{: put }} behind the name.");
	case TOKEN_FOREIGN:
		if (*token_bytes(compiler) == '$')
			return SYNTAX(compiler, token->place, "${ } is not used here: write {{ first_name }}.");
		if (*token_bytes(compiler) == '{')
			return SYNTAX(compiler, token->place, "There is a brace too many: write {{ name }}.");
		if (*token_bytes(compiler) == '&')
			return SYNTAX(compiler, token->place,
				      "An HTML editor has changed this: write \" and spaces themselves, not &quot; or "
				      "&nbsp;.");
		break;
	default:
		break;
	}
	if (token_closes(compiler))
		return SYNTAX(compiler, token->place, "Before }}, %s is missing.", expected);
	return SYNTAX(compiler, token->place, "\"%.*s\" stands where %s is expected.",
		      TEMPLATE_QUOTE(token_bytes(compiler), token->length), expected);
}

static struct template_piece keep(struct template *template, const char *bytes, size_t length)
{
	struct template_piece piece = {.start = (uint32_t) template->bytes.length, .length = (uint32_t)length};

	text_add_bytes(&template->bytes, bytes, length);
	return piece;
}

static struct template_op *add_op(struct compiler *compiler, enum template_op_kind kind)
{
	struct template *template = compiler->template;
	struct template_op *op;

	if (template->op_count == compiler->op_room) {
		compiler->op_room = compiler->op_room == 0 ? 8 : 2 * compiler->op_room;
		template->ops = memory_grow(template->ops, compiler->op_room, sizeof(*template->ops));
	}
	op = &template->ops[template->op_count++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->node = TEMPLATE_NOTHING;
	op->line = compiler->place.line;
	op->column = compiler->place.column;
	return op;
}

static int32_t find_child(const struct template *template, int32_t parent, const char *name, size_t length,
			  int32_t element)
{
	int32_t child = template->nodes[parent].first_child;

	for (; child >= 0; child = template->nodes[child].next_sibling) {
		const struct template_node *node = &template->nodes[child];

		if (node->element != element)
			continue;
		if (element >= 0 ||
		    (node->name.length == length && memcmp(template_bytes(template, node->name), name, length) == 0))
			return child;
	}
	return TEMPLATE_NOTHING;
}

static int32_t new_node(struct compiler *compiler, int32_t parent)
{
	struct template *template = compiler->template;
	struct template_node *node;
	int32_t number = (int32_t) template->node_count;

	if (template->node_count == compiler->node_room) {
		compiler->node_room = compiler->node_room == 0 ? 8 : 2 * compiler->node_room;
		template->nodes = memory_grow(template->nodes, compiler->node_room, sizeof(*template->nodes));
	}
	node = &template->nodes[template->node_count++];
	*node = (struct template_node){.element = TEMPLATE_NOTHING,
				       .parent = parent,
				       .first_child = TEMPLATE_NOTHING,
				       .next_sibling = TEMPLATE_NOTHING};
	if (parent >= 0) {
		node->next_sibling = template->nodes[parent].first_child;
		template->nodes[parent].first_child = number;
	}
	return number;
}

/* The node of a name or element below parent, made when it is new. */
static bool enter(struct compiler *compiler, int32_t *node, const char *name, size_t length, int32_t element)
{
	struct template *template = compiler->template;
	int32_t parent = *node, child = find_child(template, parent, name, length, element);

	if (child < 0) {
		if (template->node_count == TEMPLATE_NODES_MAX)
			return LIMIT(compiler, "The template reads more than %d different names: use fewer.",
				     TEMPLATE_NODES_MAX - 1);
		child = new_node(compiler, parent);
		template->nodes[child].element = element;
		if (element < 0) {
			template->nodes[child].name = keep(template, name, length);
			template->nodes[parent].child_lengths |= UINT64_C(1) << (length & 63);
		}
	}
	*node = child;
	return true;
}

static bool parse_element(struct compiler *compiler, int32_t *node)
{
	const char *digits;
	int32_t element = 0;

	next_token(compiler);
	digits = token_bytes(compiler);
	if (compiler->token.kind != TOKEN_NAME)
		return unexpected(compiler, "an element's number, such as [0],");
	for (size_t i = 0; i < compiler->token.length; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return unexpected(compiler, "an element's number, such as [0],");
		if (element > 1000000)
			return SYNTAX(compiler, compiler->token.place, "An element's number is at most 1000000.");
		element = element * 10 + (digits[i] - '0');
	}
	next_token(compiler);
	if (compiler->token.kind != TOKEN_CLOSE_BRACKET)
		return unexpected(compiler, "]");
	return enter(compiler, node, NULL, 0, element);
}

static bool parse_name(struct compiler *compiler, int32_t *node)
{
	if (compiler->token.kind != TOKEN_NAME)
		return unexpected(compiler, "a name, such as contact.first_name,");
	return enter(compiler, node, token_bytes(compiler), compiler->token.length, TEMPLATE_NOTHING);
}

/* contact.points[0] */
static bool parse_path(struct compiler *compiler, struct template_op *op)
{
	int32_t node = TEMPLATE_ROOT;
	size_t start = compiler->token.start, end;

	if (!parse_name(compiler, &node))
		return false;
	for (;;) {
		end = compiler->lexer.at;
		next_token(compiler);
		if (compiler->token.kind == TOKEN_DOT) {
			next_token(compiler);
			if (!parse_name(compiler, &node))
				return false;
		} else if (compiler->token.kind == TOKEN_OPEN_BRACKET) {
			if (!parse_element(compiler, &node))
				return false;
		} else {
			break;
		}
	}
	op->node = node;
	op->path = keep(compiler->template, compiler->lexer.source + start, end - start);
	return true;
}

static void set_default(struct compiler *compiler, struct template_op *op, size_t start, size_t length)
{
	struct text *bytes = &compiler->template->bytes;

	/* Of several defaults the first that is not empty counts. */
	if (op->has_default && op->text.length > 0)
		return;
	op->has_default = true;
	op->text.start = (uint32_t)bytes->length;
	template_print_escaped(compiler->lexer.source + start, length, compiler->template->slot, bytes);
	op->text.length = (uint32_t)(bytes->length - op->text.start);
}

static bool is_number(const char *bytes, size_t length)
{
	size_t digits = 0;

	for (size_t i = 0; i < length; i++) {
		if (bytes[i] >= '0' && bytes[i] <= '9')
			digits++;
		else if (!(bytes[i] == '-' && i == 0))
			return false;
	}
	return digits > 0;
}

/* default: "friend" or default: 0 or default: 9.95 */
static bool parse_default(struct compiler *compiler, struct template_op *op)
{
	const char *expected = "a text in quotes or a number";
	size_t start;

	next_token(compiler);
	if (compiler->token.kind != TOKEN_COLON)
		return unexpected(compiler, "a colon and a text, as in default: \"friend\",");
	next_token(compiler);
	start = compiler->token.start;
	if (compiler->token.kind == TOKEN_TEXT) {
		set_default(compiler, op, start, compiler->token.length);
		next_token(compiler);
		return true;
	}
	if (compiler->token.kind != TOKEN_NAME || !is_number(token_bytes(compiler), compiler->token.length))
		return unexpected(compiler, expected);
	size_t end = compiler->lexer.at;
	next_token(compiler);
	if (compiler->token.kind == TOKEN_DOT) {
		next_token(compiler);
		if (compiler->token.kind != TOKEN_NAME || *token_bytes(compiler) == '-' ||
		    !is_number(token_bytes(compiler), compiler->token.length))
			return unexpected(compiler, "a number's decimals");
		end = compiler->lexer.at;
		next_token(compiler);
	}
	set_default(compiler, op, start, end - start);
	return true;
}

static bool parse_filter(struct compiler *compiler, struct template_op *op)
{
	next_token(compiler);
	if (compiler->token.kind != TOKEN_NAME)
		return unexpected(compiler, "a filter's name, such as default,");
	if (compiler->token.length != 7 || memcmp(token_bytes(compiler), "default", 7) != 0)
		return SYNTAX(
			compiler, compiler->token.place,
			"There is no filter \"%.*s\": only default is known, as in {{ name | default: \"friend\" }}.",
			TEMPLATE_QUOTE(token_bytes(compiler), compiler->token.length));
	return parse_default(compiler, op);
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void add_literal(struct compiler *compiler, size_t start, size_t end, bool trim_end)
{
	const char *source = compiler->lexer.source;
	struct template *template = compiler->template;
	struct template_op *op;

	while (compiler->trim && start < end && is_blank(source[start]))
		start++;
	while (trim_end && end > start && is_blank(source[end - 1]))
		end--;
	if (start == end)
		return;
	op = add_op(compiler, TEMPLATE_OP_LITERAL);
	op->text.start = (uint32_t) template->bytes.length;
	if (template->slot == TEMPLATE_SLOT_HEADER)
		text_add_header(&template->bytes, source + start, end - start);
	else
		text_add_bytes(&template->bytes, source + start, end - start);
	op->text.length = (uint32_t)(template->bytes.length - op->text.start);
}

/* Said before the words inside are looked at: otherwise the next sentence's first word would get the blame. */
static bool check_closed(struct compiler *compiler, size_t open)
{
	const char *inside = compiler->lexer.source + open + 2;
	size_t length = compiler->lexer.length - open - 2;
	const char *close = memmem(inside, length, "}}", 2);

	if (close != NULL && memmem(inside, (size_t)(close - inside), "{{", 2) == NULL)
		return true;
	if (close != NULL && inside < close && *inside == '{')
		return true; /* {{{ has a sentence of its own */
	return SYNTAX(compiler, open, "This {{ is not closed: put }} behind the name.");
}

/* From {{ to behind }}. */
static bool parse_output(struct compiler *compiler, size_t open)
{
	struct template_op op = {.kind = TEMPLATE_OP_VALUE};

	if (!check_closed(compiler, open))
		return false;
	advance(compiler, open);
	op.line = compiler->place.line;
	op.column = compiler->place.column;
	compiler->lexer.at = open + 2 + (compiler->lexer.source[open + 2] == '-' ? 1 : 0);
	next_token(compiler);
	if (!parse_path(compiler, &op))
		return false;
	while (compiler->token.kind == TOKEN_PIPE)
		if (!parse_filter(compiler, &op))
			return false;
	if (!token_closes(compiler))
		return unexpected(compiler, "| or }}");
	compiler->trim = compiler->token.kind == TOKEN_CLOSE_TRIM;
	*add_op(compiler, TEMPLATE_OP_VALUE) = op;
	return true;
}

/* The next {{ or {%, or the end. */
static size_t find_open(const struct lexer *lexer)
{
	const char *at = lexer->source + lexer->at, *end = lexer->source + lexer->length;

	while (at < end && (at = memchr(at, '{', (size_t)(end - at))) != NULL) {
		if (end - at >= 2 && (at[1] == '{' || at[1] == '%'))
			return (size_t)(at - lexer->source);
		at++;
	}
	return lexer->length;
}

static bool compile_source(struct compiler *compiler)
{
	struct lexer *lexer = &compiler->lexer;

	while (lexer->at < lexer->length) {
		size_t open = find_open(lexer);
		bool trims = lexer->length - open > 2 && lexer->source[open + 2] == '-';

		add_literal(compiler, lexer->at, open, trims);
		compiler->trim = false;
		if (open == lexer->length)
			break;
		if (lexer->source[open + 1] == '%')
			return SYNTAX(compiler, open,
				      "Tags ({%% ... %%}) are not known yet: use {{ name }} and {{ name | default: "
				      "\"friend\" }}.");
		if (!parse_output(compiler, open))
			return false;
		if (compiler->template->op_count > TEMPLATE_OPS_MAX)
			return LIMIT(compiler, "The template has more than %d pieces: make it shorter.",
				     TEMPLATE_OPS_MAX);
	}
	return true;
}

struct template *template_compile(const char *source, size_t length, const struct template_options *options,
				  struct template_fault *fault)
{
	struct compiler compiler = {
		.lexer = {.source = source, .length = length}, .place = {.line = 1, .column = 1}, .fault = fault};

	if (length > TEMPLATE_SOURCE_MAX) {
		LIMIT(&compiler, "The template has %zu bytes; at most %d are allowed.", length, TEMPLATE_SOURCE_MAX);
		return NULL;
	}
	compiler.template = memory_new(sizeof(*compiler.template));
	compiler.template->slot = options->slot;
	/* Names, defaults and paths lie beside the text; an escaped default grows to six times its length at most. */
	text_init(&compiler.template->bytes, 16 + (size_t)8 * TEMPLATE_SOURCE_MAX);
	new_node(&compiler, TEMPLATE_NOTHING);
	if (!compile_source(&compiler))
		template_free(&compiler.template);
	return compiler.template;
}

void template_free(struct template **template)
{
	if (*template == NULL)
		return;
	free((*template)->ops);
	free((*template)->nodes);
	text_release(&(*template)->bytes);
	free(*template);
	*template = NULL;
}
