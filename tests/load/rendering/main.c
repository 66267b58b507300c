/* postrider-load-render - how fast templates are rendered, against the same message written in C. See README.md.
 *
 *     postrider-load-render               a line for each sample: name, sizes, and nanoseconds of CPU a message
 *     postrider-load-render --print NAME  a sample's template and what it renders, for other engines: JSON
 *     postrider-load-render --hostile     what each hostile template costs
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hostile.h"
#include "samples.h"

#define ROUNDS     15
#define ROUND_NS   INT64_C(40000000)
#define OUTPUT_MAX ((size_t)16 * 1024 * 1024)

struct bench {
	const struct sample *sample;
	struct template *template;
	struct template_context *context;
	struct template_data data;
	json_t *profile;
	struct text out;
};

static int64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void fail(const char *sentence)
{
	fprintf(stderr, "postrider-load-render: %s\n", sentence);
	exit(1);
}

static void run_direct(struct bench *bench)
{
	text_clear(&bench->out);
	bench->sample->direct(bench->profile, &bench->out);
}

static void run_compiled(struct bench *bench)
{
	struct template_fault fault;

	text_clear(&bench->out);
	if (!template_run(bench->template, bench->context, &bench->out, &fault))
		fail(fault.text);
}

static void run_whole(struct bench *bench)
{
	struct template_fault fault;

	text_clear(&bench->out);
	if (!template_render(bench->template, bench->context, &bench->data, &bench->out, &fault))
		fail(fault.text);
}

static void run_parse(struct bench *bench)
{
	json_t *parsed = json_loadb(bench->data.json, bench->data.length, 0, NULL);

	if (parsed == NULL)
		fail("the profile is no JSON");
	json_decref(parsed);
}

/* One round's nanoseconds a run. */
static double round_of(struct bench *bench, void (*run)(struct bench *bench))
{
	int64_t start = cpu_ns(), runs = 0, spent;

	do {
		for (int i = 0; i < 20; i++)
			run(bench);
		runs += 20;
		spent = cpu_ns() - start;
	} while (spent < ROUND_NS);
	return (double)spent / (double)runs;
}

static int by_size(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double median(double *rounds)
{
	qsort(rounds, ROUNDS, sizeof(*rounds), by_size);
	return rounds[ROUNDS / 2];
}

static void open_bench(struct bench *bench, const struct sample *sample, struct text *profile)
{
	struct template_options options = {.slot = sample->slot, .is_marketing = true};
	struct template_fault fault;
	struct text source;

	text_init(&source, OUTPUT_MAX);
	sample->source(&source);
	*bench = (struct bench){.sample = sample, .context = template_context_new()};
	bench->template = template_compile(text_string(&source), source.length, &options, &fault);
	if (bench->template == NULL)
		fail(fault.text);
	template_context_set(bench->context, &(struct template_settings){.undefined = TEMPLATE_UNDEFINED_SKIP,
									 .time_zone = "Europe/Riga"});
	bench->data = (struct template_data){.json = text_string(profile), .length = profile->length};
	bench->profile = json_loadb(text_string(profile), profile->length, 0, NULL);
	text_init(&bench->out, OUTPUT_MAX);
	text_release(&source);
}

static void close_bench(struct bench *bench)
{
	template_free(&bench->template);
	template_context_free(&bench->context);
	json_decref(bench->profile);
	text_release(&bench->out);
}

/* Both ways must print the same, or nothing is compared. */
static void check_same(struct bench *bench)
{
	struct text direct;

	text_init(&direct, OUTPUT_MAX);
	bench->sample->direct(bench->profile, &direct);
	run_whole(bench);
	if (strcmp(text_string(&direct), text_string(&bench->out)) != 0) {
		fprintf(stderr, "direct: %s\ncompiled: %s\n", text_string(&direct), text_string(&bench->out));
		fail("the template and the C code print different messages");
	}
	text_release(&direct);
}

static void measure(const struct sample *sample, struct text *profile)
{
	double direct[ROUNDS], compiled[ROUNDS], whole[ROUNDS], parse[ROUNDS];
	struct bench bench;
	struct text source;

	text_init(&source, OUTPUT_MAX);
	sample->source(&source);
	open_bench(&bench, sample, profile);
	check_same(&bench);
	/* Turn by turn, so that a busy machine slows all of them. */
	for (int i = 0; i < ROUNDS; i++) {
		direct[i] = round_of(&bench, run_direct);
		compiled[i] = round_of(&bench, run_compiled);
		whole[i] = round_of(&bench, run_whole);
		parse[i] = round_of(&bench, run_parse);
	}
	run_whole(&bench);
	printf("%s %zu %zu %zu %.1f %.1f %.1f %.1f\n", sample->name, source.length, profile->length, bench.out.length,
	       median(direct), median(compiled), median(whole), median(parse));
	close_bench(&bench);
	text_release(&source);
}

static void print_sample(const struct sample *sample, struct text *profile)
{
	struct text json, source;
	struct bench bench;

	text_init(&json, OUTPUT_MAX);
	text_init(&source, OUTPUT_MAX);
	sample->source(&source);
	open_bench(&bench, sample, profile);
	run_whole(&bench);
	text_add(&json, "{\"template\":");
	text_add_json_string(&json, text_string(&source), source.length);
	text_add(&json, ",\"data\":");
	text_add_bytes(&json, text_string(profile), profile->length);
	text_add(&json, ",\"result\":");
	text_add_json_string(&json, text_string(&bench.out), bench.out.length);
	text_add_char(&json, '}');
	puts(text_string(&json));
	close_bench(&bench);
	text_release(&json);
	text_release(&source);
}

static bool find_fan(void *context, const char *name, size_t name_length, const char **source, size_t *length)
{
	(void)context, (void)name_length;
	*source = *name == 'f' ? "{% include 'fan' %}{% include 'fan' %}" : "{% render 'deep' %}";
	*length = strlen(*source);
	return true;
}

static void measure_hostile(const struct hostile *row)
{
	struct template_options options = {.partials = {.find = find_fan}};
	struct template_context *context = template_context_new();
	struct text source = hostile_source(row), out;
	struct template_data data = hostile_data();
	struct template_fault fault = {0};
	struct template *template;
	int64_t start, compiled_ns, ended_ns;

	text_init(&out, OUTPUT_MAX);
	start = cpu_ns();
	template = template_compile(text_string(&source), source.length, &options, &fault);
	compiled_ns = cpu_ns() - start;
	if (template != NULL)
		(void)!template_render(template, context, &data, &out, &fault);
	ended_ns = cpu_ns() - start;
	printf("%6.1f ms, compiling %6.1f, %8" PRIu64 " steps, %8zu bytes: %s: %.60s\n", (double)ended_ns / 1e6,
	       (double)compiled_ns / 1e6, template_context_usage(context).steps,
	       template_context_usage(context).memory_bytes, row->when, fault.text);
	text_release(&out);
	text_release(&source);
	template_free(&template);
	template_context_free(&context);
}

int main(int argument_count, char **arguments)
{
	const char *command = argument_count > 1 ? arguments[1] : "";
	struct text profile;

	text_init(&profile, OUTPUT_MAX);
	sample_profile(&profile);
	if (strcmp(command, "--hostile") == 0)
		for (size_t i = 0; i < hostile_count; i++)
			measure_hostile(&hostiles[i]);
	else
		for (size_t i = 0; i < sample_count; i++) {
			if (argument_count == 1)
				measure(&samples[i], &profile);
			else if (argument_count > 2 && strcmp(arguments[2], samples[i].name) == 0)
				print_sample(&samples[i], &profile);
		}
	text_release(&profile);
	return 0;
}
