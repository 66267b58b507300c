/* template - personalization: Liquid, compiled once, rendered many times.
 *
 * A library of its own: no network, no database, no clock. The language for authors is explained in README.md.
 *
 *     struct template_options options = {.slot = TEMPLATE_SLOT_HEADER, .is_marketing = true};
 *     struct template *subject = template_compile(source, length, &options, &fault);
 *     struct template_context *context = template_context_new();
 *     template_context_set(context, &(struct template_settings){.now_ms = now_ms, .time_zone = "Europe/Riga"});
 *     if (!template_render(subject, context, &data, &out, &fault)) ...
 *
 * A compiled template is immutable and may be rendered by any number of threads. A context belongs to one thread: it
 * keeps the memory of earlier renders, so that the next needs none from the system. The same template, settings and data
 * give the same bytes, so that a retry repeats its first attempt.
 *
 * Escaping belongs to the slot the text goes to and not to the template. With options.is_marketing unset the template
 * is pure Liquid: no escape, no abort_message, nothing undefined.
 * A template that reads no path does not look at the data.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_TEMPLATE_H
#define POSTRIDER_WORKER_TEMPLATE_TEMPLATE_H

#include "shared/base.h"
#include "shared/text.h"

#define TEMPLATE_SOURCE_MAX (1024 * 1024)
#define TEMPLATE_FAULT_MAX  300

/* Where the text goes; decides the escape. */
enum template_slot {
	TEMPLATE_SLOT_PLAIN,  /* nothing is escaped (also SMS and text bodies) */
	TEMPLATE_SLOT_HTML,   /* & < > " ' become entities; `| raw` opts out, what `| escape` made is left alone */
	TEMPLATE_SLOT_HEADER, /* CR, LF and control characters are dropped, from values and from literal text */
	TEMPLATE_SLOT_JSON,   /* inside a JSON string */
	TEMPLATE_SLOT_URL,    /* percent-encoded */
};

/* What a token without a value does, when neither a default nor an if, unless or case around it expects that. */
enum template_undefined {
	TEMPLATE_UNDEFINED_BLANK,   /* print nothing */
	TEMPLATE_UNDEFINED_SKIP,    /* do not render: the recipient is skipped, the fault names the path and line */
	TEMPLATE_UNDEFINED_DEFAULT, /* ask settings.token_default; what it does not know is as with SKIP */
};

enum template_fault_kind {
	TEMPLATE_FAULT_SYNTAX,    /* does not compile, or an argument that makes no sense */
	TEMPLATE_FAULT_UNDEFINED, /* a token has no value and the policy is skip */
	TEMPLATE_FAULT_ABORTED,   /* the author's abort_message; text is the author's reason and nothing else */
	TEMPLATE_FAULT_DATA,      /* the data is not a JSON object, or not JSON */
	TEMPLATE_FAULT_LIMIT,     /* too large, too deep, too long */
};

struct template_fault {
	enum template_fault_kind kind;
	int line, column;              /* from 1, in characters; 0: not known */
	char text[TEMPLATE_FAULT_MAX]; /* a sentence: what is wrong and what to do */
};

/* Partials for include and render. Every partial a template names is looked up and compiled with it, once. */
struct template_partials {
	/* The source of the partial of that name, borrowed until template_compile() returns. False: there is none. */
	bool (*find)(void *context, const char *name, size_t name_length, const char **source, size_t *source_length);
	/* The name of partial number index, from 0; NULL after the last. Only asked when a template chooses the partial by
	 * a variable ({% include which %}); may be NULL: then it must name its partials in quotes. */
	const char *(*name_at)(void *context, size_t index);
	void *context;
};

struct template_options {
	enum template_slot slot;           /* counts in the marketing layer only */
	bool is_marketing;                 /* escaping, undefined tokens, abort_message, money, split_digit, ... */
	struct template_partials partials; /* zeroed: there are none */
};

struct template;

/* NULL: see fault (SYNTAX or LIMIT). The source is not needed afterwards. */
struct template *template_compile(const char *source, size_t length, const struct template_options *options,
				  struct template_fault *fault) MUST_CHECK;
void template_free(struct template **template);

/* What a template reads from the data, through its partials also; in the order of the source. */
struct template_need {
	const char *path; /* contact.first_name; data.offers[].title for what is read of each element in a loop */
	size_t path_length;
	const char *partial; /* the partial that line counts in; NULL: the template itself */
	int line, column;
	bool is_guarded;           /* a default, or an if, unless, case or for that asks for it */
	const char *default_value; /* as it is printed; NULL: none, or not a literal */
	size_t default_length;
};
size_t template_need_count(const struct template *template);
/* index below the count; the texts are borrowed from the template. */
struct template_need template_need_at(const struct template *template, size_t index);

/* Bounds of one render; 0 stands for the default. A render that reaches one ends with TEMPLATE_FAULT_LIMIT. */
struct template_limits {
	uint64_t steps_max;      /* instructions, and one for each 64 bytes that an instruction works on */
	size_t memory_bytes_max; /* what filters, captures and loops keep */
	size_t output_bytes_max; /* beside the output text's own ceiling */
};
#define TEMPLATE_STEPS_MAX        1000000
#define TEMPLATE_MEMORY_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define TEMPLATE_OUTPUT_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct template_settings {
	enum template_undefined undefined;
	int64_t now_ms;        /* what 'now' and 'today' mean, since 1970 in UTC */
	const char *time_zone; /* IANA name; NULL, "" or unknown: UTC. Copied */
	int64_t contact_id;    /* what split_digit is made of */
	struct template_limits limits;
	/* For TEMPLATE_UNDEFINED_DEFAULT: the text for a token. False: none. */
	bool (*token_default)(void *context, const char *path, size_t path_length, const char **text, size_t *length);
	void *token_context;
};

struct template_context;

struct template_context *template_context_new(void); /* all settings zero */
void template_context_free(struct template_context **context);
void template_context_set(struct template_context *context, const struct template_settings *settings);
/* False: the system's time zone database does not have it, and UTC is used. */
bool template_context_zone_is_known(const struct template_context *context);

/* What the last render has used: for tests and for choosing limits. */
struct template_usage {
	uint64_t steps;
	size_t memory_bytes;
};
struct template_usage template_context_usage(const struct template_context *context);

/* JSON bytes, an object. Scanned once for the paths that the template reads; no tree is built. */
struct template_data {
	const char *json;
	size_t length;
};

/* Appends to out. On false, out is as before. */
bool template_render(const struct template *template, struct template_context *context,
		     const struct template_data *data, struct text *out, struct template_fault *fault) MUST_CHECK;

/* The two halves of template_render(), to measure them apart. The data must live until the run. */
bool template_load(const struct template *template, struct template_context *context, const struct template_data *data,
		   struct template_fault *fault) MUST_CHECK;
bool template_run(const struct template *template, struct template_context *context, struct text *out,
		  struct template_fault *fault) MUST_CHECK;

#endif
