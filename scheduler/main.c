#include <stdio.h>
#include <string.h>

#include "scheduler/migrate.h"
#include "scheduler/scheduler.h"
#include "scheduler/settings.h"
#include "scheduler/status.h"
#include "shared/log.h"

#define EXIT_USAGE 2

static const char help[] =
	"postrider-scheduler reads due campaigns from PostgreSQL and puts one job per recipient on RabbitMQ.\n"
	"\n"
	"  postrider-scheduler [run]              work until SIGTERM; several may run, they share the work\n"
	"  postrider-scheduler migrate [--dry-run]\n"
	"                                         bring the database up to this version; may be repeated\n"
	"  postrider-scheduler status [--watch] [--json]\n"
	"                                         campaigns, lanes and what is stuck; --watch: every second\n"
	"  postrider-scheduler --settings         every setting with its default and what it is now\n"
	"  postrider-scheduler --version\n"
	"  postrider-scheduler --help\n"
	"\n"
	"It is set by environment variables. These two are needed nearly always:\n"
	"\n"
	"  POSTRIDER_DATABASE_URL=postgresql://user:password@host/postrider\n"
	"  POSTRIDER_AMQP_URL=amqp://user:password@host:5672/vhost\n"
	"\n"
	"NAME_FILE=path reads a value from a file instead. The log goes to stderr, one JSON object a line.\n"
	"http://127.0.0.1:9464 answers /livez, /readyz and /metrics (POSTRIDER_LISTEN).\n"
	"\n"
	"Exit status: 0 done, 1 it did not work (the reason is the last line), 2 called wrongly.\n";

/* What may stand behind each subcommand. */
struct flags {
	bool dry_run, watch, json;
};

static int fail(const struct error *err)
{
	fprintf(stderr, "postrider-scheduler: %s\n", err->text);
	return 1;
}

static int run(const struct scheduler_settings *settings, const struct flags *flags)
{
	enum log_level level;
	struct error err;
	const char *unknown;
	size_t count;
	const struct setting *table = scheduler_settings_table(&count);

	(void)flags;
	if (!log_level_parse(settings->log_level, &level)) {
		error_set(&err, ERROR_INVALID, "POSTRIDER_LOG_LEVEL is none of debug, info, warning, error");
		return fail(&err);
	}
	log_open("postrider-scheduler", level);
	unknown = settings_unknown(table, count);
	if (unknown)
		log_event(LOG_WARNING, "setting_unknown", "A setting has a name that no part of Postrider knows.",
			  LOG_TEXT("setting", unknown));
	return scheduler_run(settings, &err) ? 0 : fail(&err);
}

static int migrate(const struct scheduler_settings *settings, const struct flags *flags)
{
	struct error err;
	const struct migrate_options options = {
		.database_url = settings->database_url,
		.folder = *settings->sql_dir ? settings->sql_dir : NULL,
		.dry_run = flags->dry_run,
		.out = stdout,
	};

	return migrate_run(&options, &err) ? 0 : fail(&err);
}

static int status(const struct scheduler_settings *settings, const struct flags *flags)
{
	struct error err;
	const struct status_options options = {
		.database_url = settings->database_url, .watch = flags->watch, .json = flags->json};

	return status_run(&options, stdout, &err) ? 0 : fail(&err);
}

static int print_settings(const struct scheduler_settings *settings, const struct flags *flags)
{
	(void)settings;
	(void)flags;
	scheduler_settings_print(stdout);
	return 0;
}

struct subcommand {
	const char *name;
	int (*call)(const struct scheduler_settings *settings, const struct flags *flags);
	bool has_dry_run, has_watch, has_json;
};

static const struct subcommand subcommands[] = {
	{.name = "run", .call = run},
	{.name = "migrate", .call = migrate, .has_dry_run = true},
	{.name = "status", .call = status, .has_watch = true, .has_json = true},
	{.name = "--settings", .call = print_settings},
};

static const struct subcommand *find_subcommand(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(subcommands); i++) {
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	}
	return NULL;
}

static bool take_flag(const struct subcommand *subcommand, const char *argument, struct flags *flags)
{
	bool *flag = NULL;

	if (subcommand->has_dry_run && strcmp(argument, "--dry-run") == 0)
		flag = &flags->dry_run;
	if (subcommand->has_watch && strcmp(argument, "--watch") == 0)
		flag = &flags->watch;
	if (subcommand->has_json && strcmp(argument, "--json") == 0)
		flag = &flags->json;
	if (flag)
		*flag = true;
	return flag != NULL;
}

static int refuse(const char *argument)
{
	fprintf(stderr,
		"postrider-scheduler: \"%s\" is not understood here; postrider-scheduler --help says what is.\n",
		argument);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "run";
	const struct subcommand *subcommand = find_subcommand(name);
	struct flags flags = {0};
	struct error err;

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return fputs(help, stdout) < 0;
	if (strcmp(name, "--version") == 0)
		return puts("postrider-scheduler " POSTRIDER_VERSION) < 0;
	if (!subcommand)
		return refuse(name);
	for (int i = 2; i < argc; i++) {
		if (!take_flag(subcommand, argv[i], &flags))
			return refuse(argv[i]);
	}
	const struct scheduler_settings *settings = scheduler_settings_read(&err);
	return settings ? subcommand->call(settings, &flags) : fail(&err);
}
