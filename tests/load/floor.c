#include "tests/load/floor.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "shared/clock.h"

static const char help[] = "postrider-load-floor PART: the bare parts of the engine's work, for tests/load/run.\n"
			   "\n"
			   "  broker               publish with confirms, consume, acknowledge\n"
			   "  rows                 insert and update in batches\n"
			   "  requests             http:// or smtp:// requests\n"
			   "  verify               callbacks: signature and JSON; no URL\n"
			   "\n"
			   "  --url URL            of the server\n"
			   "  --first N            the first number, 1\n"
			   "  --count N            how many, 10000\n"
			   "  --connections N      requests in flight, 100\n";

static const struct part {
	const char *name;
	bool (*run)(const struct floor_options *options, struct error *err);
} parts[] = {{"broker", floor_broker}, {"rows", floor_rows}, {"requests", floor_requests}, {"verify", floor_verify}};

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

static int64_t number(const char *text)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	if (*text && !*end && value > 0)
		return value;
	fprintf(stderr, "postrider-load-floor: %s is not a number above 0.\n", text);
	exit(2);
}

static void read_options(int argc, char **argv, struct floor_options *options)
{
	static const struct option known[] = {
		{"url", required_argument, NULL, 'u'},         {"first", required_argument, NULL, 'f'},
		{"count", required_argument, NULL, 'n'},       {"help", no_argument, NULL, 'h'},
		{"connections", required_argument, NULL, 'c'}, {0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			exit(0);
		} else if (option == 'u') {
			options->url = optarg;
		} else if (option == 'f') {
			options->first = number(optarg);
		} else if (option == 'n') {
			options->count = number(optarg);
		} else if (option == 'c') {
			options->connections = number(optarg);
		} else {
			exit(2);
		}
	}
}

static int run(const struct part *part, const struct floor_options *options)
{
	struct error err = {0};
	int64_t started_us = clock_now_us();

	if (!part->run(options, &err)) {
		fprintf(stderr, "postrider-load-floor %s: %s\n", part->name, err.text);
		return 1;
	}
	printf("{\"part\":\"%s\",\"count\":%" PRId64 ",\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", part->name,
	       options->count, (double)(clock_now_us() - started_us) / 1e6, cpu_seconds());
	return 0;
}

int main(int argc, char **argv)
{
	struct floor_options options = {.first = 1, .count = 10000, .connections = 100};

	/* libcurl asks for and gives back its buffers all the time; they need not go back to the kernel. */
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	read_options(argc, argv, &options);
	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
		if (optind < argc && strcmp(argv[optind], parts[i].name) == 0 &&
		    (options.url || parts[i].run == floor_verify))
			return run(&parts[i], &options);
	fputs(help, stderr);
	return 2;
}
