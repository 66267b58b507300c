#include "private_postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/memory.h"
#include "shared/pg_plain.h"

static char folder[] = "/tmp/postrider-pg-XXXXXX"; /* short: a socket's path may have 107 bytes */
static char *url;
static bool ours;

/* $1 is the folder, $2 the verb. As root the server needs another user; where that one may not go,
 * a user namespace makes root look like one. */
static const char script[] =
	"cd /; D=$1; umask 077; exec >>\"$D/output\" 2>&1\n"
	"bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1); bin=${bin:-$(pg_config --bindir)}\n"
	"as=\n"
	"if [ \"$(id -u)\" = 0 ]; then\n"
	"  as='setpriv --reuid=postgres --regid=postgres --init-groups --'\n"
	"  if $as test -x /tmp 2>/dev/null; then chown postgres \"$D\"\n"
	"  else as='unshare --user --map-user=1000 --map-group=1000'; fi\n"
	"fi\n"
	"start() { $as \"$bin/pg_ctl\" -D \"$D/data\" -l \"$D/log\" -w -t 60 -s start -o \"-k $D -c listen_addresses=''"
	" -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB\""
	" || { cat \"$D/log\"; false; }; }\n"
	"case $2 in\n"
	"create) $as \"$bin/initdb\" -D \"$D/data\" -U postrider -A trust -E UTF8 --locale=C.UTF-8 --no-sync"
	" --no-instructions && start ;;\n"
	"start) start ;;\n"
	"stop) $as \"$bin/pg_ctl\" -D \"$D/data\" -w -t 60 -s -m fast stop ;;\n"
	"remove) $as \"$bin/pg_ctl\" -D \"$D/data\" -w -t 60 -s -m immediate stop; rm -rf \"$D\" ;;\n"
	"esac\n";

/* The watchdog alone runs the script, one verb after the other, so that nothing is half done when it removes all. */
static bool run_script(const char *verb)
{
	pid_t child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", script, "sh", folder, verb, (char *)NULL);
		_exit(127);
	}
	int status = -1;
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void print_output(void)
{
	struct text path;
	text_init(&path, 100);
	text_addf(&path, "%s/output", folder);
	FILE *output = fopen(text_string(&path), "re");
	for (int byte; output != NULL && (byte = fgetc(output)) != EOF;)
		fputc(byte, stderr);
	if (output != NULL)
		fclose(output);
	text_release(&path);
}

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "private PostgreSQL: could not %s\n", what);
	rmdir(folder); /* still empty when there is no watchdog */
	exit(1);
}

static int commands = -1, answers = -1;
static const char *const verbs[] = {"create", "start", "stop"};

static void command(char index)
{
	char worked = false;
	if (write(commands, &index, 1) == 1 && read(answers, &worked, 1) == 1 && worked)
		return;
	print_output();
	give_up(verbs[(size_t)index]);
}

/* The pipe ends when the test program is gone; the kernel closes it for whoever dies. */
static _Noreturn void watch(int from, int to)
{
	char index;
	int nowhere = open("/dev/null", O_RDWR);
	for (int standard = 0; standard <= 2; standard++)
		dup2(nowhere, standard);
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	while (read(from, &index, 1) == 1) {
		char worked = (char)run_script(verbs[(size_t)index]);
		if (write(to, &worked, 1) != 1)
			break;
	}
	run_script("remove");
	_exit(0);
}

static void wait_for_removal(void)
{
	char byte;
	close(commands);
	while (read(answers, &byte, 1) > 0)
		;
}

/* Forked twice, so that whoever kills the test with all its children does not kill the watchdog too. */
static void start_watchdog(void)
{
	int to[2], from[2];
	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
		give_up("make a pipe");
	pid_t child = fork();
	if (child < 0)
		give_up("fork");
	if (child == 0) {
		close(to[1]);
		close(from[0]);
		if (fork() == 0)
			watch(to[0], from[1]);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	close(to[0]);
	close(from[1]);
	commands = to[1];
	answers = from[0];
	atexit(wait_for_removal);
}

static void create_server(void)
{
	if (mkdtemp(folder) == NULL)
		give_up("make a folder below /tmp");
	start_watchdog();
	command(0);
	struct text text;
	text_init(&text, 1024);
	text_addf(&text, "postgresql:///postgres?host=%s&user=postrider", folder);
	url = text_take(&text, NULL);
	ours = true;
}

static void free_url(void)
{
	free(url);
	url = NULL;
}

const char *private_postgres_url(void)
{
	if (url != NULL)
		return url;
	const char *given = getenv("POSTRIDER_DATABASE_URL");
	if (given != NULL && given[0] != '\0')
		url = memory_copy_string(given);
	else
		create_server();
	atexit(free_url);
	return url;
}

bool private_postgres_is_ours(void)
{
	return private_postgres_url() != NULL && ours;
}

void private_postgres_stop(void)
{
	if (!ours)
		give_up("stop a server that is not ours");
	command(2);
}

void private_postgres_start(void)
{
	if (!ours)
		give_up("start a server that is not ours");
	command(1);
}

/* postgresql://user@host:port/HERE?options */
static char *url_of_database(const char *name)
{
	const char *authority = strstr(url, "://");
	const char *path = authority == NULL ? NULL : authority + 3 + strcspn(authority + 3, "/?");
	struct text text;
	text_init(&text, 4096);
	if (path == NULL) {
		text_addf(&text, "%s dbname=%s", url, name);
	} else {
		text_add_bytes(&text, url, (size_t)(path - url));
		text_addf(&text, "/%s%s", name, path + strcspn(path, "?"));
	}
	return text_take(&text, NULL);
}

char *private_postgres_new_database(void)
{
	static unsigned count;
	struct error err = {0};
	struct text name, sql;
	text_init(&name, 100);
	text_init(&sql, 200);
	text_addf(&name, "test_%d_%u", (int)getpid(), ++count);
	text_addf(&sql, "create database %s template template0", text_string(&name));
	struct pg_plain *db = pg_plain_open(private_postgres_url(), "tests", &err);
	if (db == NULL || !pg_plain_run(db, text_string(&sql), &err)) {
		error_wrap(&err, "create a database");
		give_up(err.text);
	}
	pg_plain_close(&db);
	char *answer = url_of_database(text_string(&name));
	text_release(&name);
	text_release(&sql);
	return answer;
}
