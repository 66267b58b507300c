/* Against the real postrider-sandbox, which stands beside this program. */
#include <arpa/inet.h>
#include <event2/event.h>
#include <jansson.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/digest.h"
#include "shared/memory.h"
#include "worker/transfer.h"

enum { PATIENT_MS = 60000, IMPATIENT_MS = 1000, ANSWER_MAX = 256 * 1024 };

static struct event_base *base;
static pid_t sandbox_pid = -1;
static int http_port, smtp_port;
static char folder[] = "/tmp/transfer_test.XXXXXX";

/* -- the sandbox -- */

static void in_folder(struct text *path, const char *name)
{
	text_init(path, 4096);
	text_addf(path, "%s/%s", folder, name);
}

static void become_sandbox(const char *ledger)
{
	char own[4096];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	struct text path;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	own[length > 0 ? length : 0] = '\0';
	*(strrchr(own, '/') + 1) = '\0';
	text_init(&path, 8192);
	text_addf(&path, "%spostrider-sandbox", own);
	execl(text_string(&path), "postrider-sandbox", "--ledger", ledger, "--smtp-user", "worker", "--smtp-password",
	      "open sesame", (char *)NULL);
	_exit(127);
}

static int start_sandbox(void **state)
{
	struct text ledger;
	char line[64] = "";
	int out[2];
	FILE *file;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(folder) || pipe(out) != 0)
		return -1;
	in_folder(&ledger, "ledger");
	sandbox_pid = fork();
	if (sandbox_pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		become_sandbox(text_string(&ledger));
	}
	close(out[1]);
	text_release(&ledger);
	file = fdopen(out[0], "r");
	if (!fgets(line, sizeof(line), file) || sscanf(line, "http=%d smtp=%d", &http_port, &smtp_port) != 2)
		return -1;
	fclose(file);
	base = event_base_new();
	return 0;
}

static int stop_sandbox(void **state)
{
	struct text ledger;
	int status = -1;

	(void)state;
	event_base_free(base);
	kill(sandbox_pid, SIGTERM);
	waitpid(sandbox_pid, &status, 0);
	in_folder(&ledger, "ledger");
	unlink(text_string(&ledger));
	rmdir(folder);
	text_release(&ledger);
	return status;
}

static int connect_control(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)http_port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The JSON answer; to be released. */
static json_t *control(const char *method, const char *path, const char *body)
{
	struct text bytes;
	int fd = connect_control();
	char part[4096];
	json_t *json;

	text_init(&bytes, ANSWER_MAX);
	text_addf(&bytes, "%s /_sandbox/%s HTTP/1.1\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method,
		  path, strlen(body), body);
	assert_int_equal(write(fd, bytes.bytes, bytes.length), bytes.length);
	text_clear(&bytes);
	for (ssize_t n; (n = read(fd, part, sizeof(part))) > 0;)
		text_add_bytes(&bytes, part, (size_t)n);
	close(fd);
	assert_memory_equal(text_string(&bytes), "HTTP/1.1 200 ", 13);
	json = json_loads(strstr(text_string(&bytes), "\r\n\r\n"), 0, NULL);
	assert_non_null(json);
	text_release(&bytes);
	return json;
}

static void order(const char *fault)
{
	json_decref(control("DELETE", "faults", ""));
	if (fault)
		json_decref(control("POST", "faults", fault));
}

static int64_t count(const char *name)
{
	json_t *counts = control("POST", "sync", "");
	int64_t number = json_integer_value(json_object_get(counts, name));

	json_decref(counts);
	return number;
}

/* -- one call -- */

struct call {
	struct provider_request request;
	struct provider_answer answer; /* its strings are the copies below */
	struct text body, retry_after, failure;
	int fence_calls, answers;
	bool may_be_sent;
	struct call *next; /* started from done() */
	struct transfer_pool *pool;
};

static bool fence(void *context)
{
	struct call *call = context;

	call->fence_calls++;
	return call->may_be_sent;
}

static void start(struct call *call);

static void on_done(void *context, const struct provider_answer *answer, int64_t duration_us)
{
	struct call *call = context;

	assert_true(duration_us >= 0);
	call->answers++;
	call->answer = *answer;
	text_add_bytes(&call->body, answer->body.bytes, answer->body.length);
	text_add_bytes(&call->retry_after, answer->retry_after.bytes, answer->retry_after.length);
	text_add(&call->failure, answer->failure ? answer->failure : "");
	if (call->next)
		start(call->next);
	else
		event_base_loopbreak(base);
}

static void start(struct call *call)
{
	transfer_start(call->pool, &call->request, fence, on_done, call);
}

static void call_init(struct call *call, struct transfer_pool *pool, enum provider_protocol protocol, const char *body)
{
	*call = (struct call){.pool = pool, .may_be_sent = true};
	provider_request_init(&call->request);
	text_init(&call->body, ANSWER_MAX);
	text_init(&call->retry_after, ANSWER_MAX);
	text_init(&call->failure, ANSWER_MAX);
	call->request.protocol = protocol;
	text_add(&call->request.body, body);
	if (protocol == PROVIDER_SMTP) {
		text_addf(&call->request.url, "smtp://127.0.0.1:%d", smtp_port);
		text_add(&call->request.mail_from, "news@example.org");
		text_add(&call->request.rcpt_to, "ada@example.net");
	} else {
		text_addf(&call->request.url, "http://127.0.0.1:%d/in", http_port);
	}
}

static void call_release(struct call *call)
{
	provider_request_release(&call->request);
	text_release(&call->body);
	text_release(&call->retry_after);
	text_release(&call->failure);
}

static void run(struct call *call)
{
	start(call);
	assert_int_equal(call->answers, 0);
	event_base_dispatch(base);
	assert_int_equal(call->answers, 1);
}

static struct transfer_pool *open_pool(int64_t timeout_ms, const char *password)
{
	struct provider_transport transport = {
		.plain_allowed = true,
		.user = "worker",
		.password = password,
		.connect_timeout_ms = timeout_ms,
		.timeout_ms = timeout_ms,
	};

	return transfer_pool_open(base, &transport, 8);
}

static const char mail[] =
	"Message-ID: <1@example.org>\r\nSubject: Hi\r\n\r\n.dot\r\n..dots\r\n.\r\nEnd without a line end";

/* -- the table -- */

struct row {
	const char *when;
	enum provider_protocol protocol;
	const char *fault;
	int calls; /* one after the other; the last is looked at; 0: one */
	bool refused_by_fence, impatient, wrong_password;
	enum provider_progress progress;
	int status;
	const char *failure;
	int reached;  /* requests that came to the sandbox, of all calls */
	int accepted; /* messages that it took */
	bool rcpt_stage;
};

static const struct row rows[] = {
	{
		.when = "a POST is accepted",
		.progress = PROVIDER_ANSWERED,
		.status = 200,
		.reached = 1,
		.accepted = 1,
	},
	{
		.when = "three POSTs share a connection",
		.calls = 3,
		.progress = PROVIDER_ANSWERED,
		.status = 200,
		.reached = 3,
		.accepted = 3,
	},
	{
		.when = "the provider answers 503",
		.fault = "{\"protocol\":\"http\",\"fault\":\"status\",\"status\":503}",
		.progress = PROVIDER_ANSWERED,
		.status = 503,
		.reached = 1,
	},
	{
		.when = "the provider never answers",
		.fault = "{\"protocol\":\"http\",\"fault\":\"hang\"}",
		.impatient = true,
		.progress = PROVIDER_WRITTEN,
		.failure = "timeout",
		.reached = 1,
	},
	{
		.when = "the connection is reset after the body",
		.fault = "{\"protocol\":\"http\",\"fault\":\"reset_after_body\"}",
		.progress = PROVIDER_WRITTEN,
		.failure = "reset",
		.reached = 1,
	},
	{
		.when = "the provider takes it and then resets",
		.fault = "{\"protocol\":\"http\",\"fault\":\"accept_then_reset\"}",
		.progress = PROVIDER_WRITTEN,
		.failure = "reset",
		.reached = 1,
		.accepted = 1,
	},
	{
		.when = "a reused connection is closed after the request, libcurl's repetition is stopped",
		.fault = "{\"protocol\":\"http\",\"fault\":\"close_on_reuse\",\"accept\":true}",
		.calls = 2,
		.progress = PROVIDER_WRITTEN,
		.failure = "repeat",
		.reached = 2,
		.accepted = 2,
	},
	{
		.when = "the answer is not HTTP",
		.fault = "{\"protocol\":\"http\",\"fault\":\"garbage\"}",
		.progress = PROVIDER_WRITTEN,
		.failure = "garbage",
		.reached = 1,
	},
	{
		.when = "the fence says no",
		.refused_by_fence = true,
		.progress = PROVIDER_NOT_WRITTEN,
		.failure = "fenced",
	},
	{
		.when = "a mail is accepted",
		.protocol = PROVIDER_SMTP,
		.progress = PROVIDER_ANSWERED,
		.status = 250,
		.reached = 1,
		.accepted = 1,
	},
	{
		.when = "three mails share a connection",
		.protocol = PROVIDER_SMTP,
		.calls = 3,
		.progress = PROVIDER_ANSWERED,
		.status = 250,
		.reached = 3,
		.accepted = 3,
	},
	{
		.when = "the recipient is refused",
		.protocol = PROVIDER_SMTP,
		.fault = "{\"protocol\":\"smtp\",\"fault\":\"refuse_rcpt\"}",
		.progress = PROVIDER_ANSWERED,
		.status = 550,
		.reached = 1,
		.rcpt_stage = true,
	},
	{
		.when = "after a refused recipient the connection serves the next mail",
		.protocol = PROVIDER_SMTP,
		.fault = "{\"protocol\":\"smtp\",\"fault\":\"refuse_rcpt\",\"times\":1}",
		.calls = 2,
		.progress = PROVIDER_ANSWERED,
		.status = 250,
		.reached = 2,
		.accepted = 1,
	},
	{
		.when = "the relay answers 451 to the final dot",
		.protocol = PROVIDER_SMTP,
		.fault = "{\"protocol\":\"smtp\",\"fault\":\"status\",\"status\":451}",
		.progress = PROVIDER_ANSWERED,
		.status = 451,
		.reached = 1,
	},
	{
		.when = "the relay greets with 421",
		.protocol = PROVIDER_SMTP,
		.fault = "{\"protocol\":\"smtp\",\"fault\":\"banner_421\"}",
		.progress = PROVIDER_ANSWERED,
		.status = 421,
	},
	{
		.when = "the password is wrong",
		.protocol = PROVIDER_SMTP,
		.wrong_password = true,
		.progress = PROVIDER_ANSWERED,
		.status = 535,
	},
	{
		.when = "the relay leaves after the final dot",
		.protocol = PROVIDER_SMTP,
		.fault = "{\"protocol\":\"smtp\",\"fault\":\"drop_after_dot\",\"accept\":true}",
		.progress = PROVIDER_WRITTEN,
		.failure = "reset",
		.reached = 1,
		.accepted = 1,
	},
	{
		.when = "the relay leaves before the message",
		.protocol = PROVIDER_SMTP,
		.fault = "{\"protocol\":\"smtp\",\"fault\":\"drop_before_dot\"}",
		.progress = PROVIDER_NOT_WRITTEN,
		.failure = "reset",
		.reached = 1,
	},
	{
		.when = "the relay never answers the final dot",
		.protocol = PROVIDER_SMTP,
		.fault = "{\"protocol\":\"smtp\",\"fault\":\"hang\"}",
		.impatient = true,
		.progress = PROVIDER_WRITTEN,
		.failure = "timeout",
		.reached = 1,
	},
	{
		.when = "the relay answers the final dot with nonsense",
		.protocol = PROVIDER_SMTP,
		.fault = "{\"protocol\":\"smtp\",\"fault\":\"garbage\"}",
		.progress = PROVIDER_WRITTEN,
		.failure = "garbage",
		.reached = 1,
	},
	{
		.when = "the fence says no to a mail",
		.protocol = PROVIDER_SMTP,
		.refused_by_fence = true,
		.progress = PROVIDER_NOT_WRITTEN,
		.failure = "fenced",
	},
};

static void check_row(const struct row *row, const struct call *call)
{
	assert_int_equal(call->answer.progress, row->progress);
	assert_int_equal(call->answer.status, row->status);
	assert_string_equal(text_string(&call->failure), row->failure ? row->failure : "");
	assert_int_equal(call->answer.rcpt_stage, row->rcpt_stage);
	assert_int_equal(call->answer.wall_ms > 0, true);
}

static void run_row(const struct row *row)
{
	struct transfer_pool *pool =
		open_pool(row->impatient ? IMPATIENT_MS : PATIENT_MS, row->wrong_password ? "shut" : "open sesame");
	int64_t requests = count("requests"), accepted = count("accepted");
	struct call call;

	order(row->fault);
	for (int i = 0; i < (row->calls ? row->calls : 1); i++) {
		call_init(&call, pool, row->protocol, row->protocol == PROVIDER_SMTP ? mail : "{\"to\":\"ada\"}");
		call.may_be_sent = !row->refused_by_fence;
		run(&call);
		if (i + 1 < row->calls)
			call_release(&call);
	}
	assert_int_equal(transfer_pool_in_flight(pool), 0);
	check_row(row, &call);
	assert_int_equal(count("requests") - requests, row->reached);
	assert_int_equal(count("accepted") - accepted, row->accepted);
	call_release(&call);
	transfer_pool_close(&pool);
	assert_null(pool);
}

static void every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		print_message("  when %s\n", rows[i].when);
		run_row(&rows[i]);
	}
	order(NULL);
}

/* -- what needs more than a row -- */

static void answer_is_handed_on(void **state)
{
	struct transfer_pool *pool = open_pool(PATIENT_MS, "open sesame");
	struct call call;

	(void)state;
	order("{\"protocol\":\"http\",\"fault\":\"retry_after\",\"status\":503,\"retry_after\":\"17\",\"body_bytes\":"
	      "5}");
	call_init(&call, pool, PROVIDER_HTTP, "{}");
	run(&call);
	assert_int_equal(call.answer.status, 503);
	assert_string_equal(text_string(&call.retry_after), "17");
	assert_string_equal(text_string(&call.body), "xxxxx");
	call_release(&call);
	order("{\"protocol\":\"smtp\",\"fault\":\"refuse_rcpt\"}");
	call_init(&call, pool, PROVIDER_SMTP, mail);
	run(&call);
	assert_string_equal(text_string(&call.body), "5.1.1 No such mailbox");
	call_release(&call);
	transfer_pool_close(&pool);
	order(NULL);
}

static void long_answer_is_cut_and_counts(void **state)
{
	struct transfer_pool *pool = open_pool(PATIENT_MS, "open sesame");
	struct call call;

	(void)state;
	order("{\"protocol\":\"http\",\"fault\":\"status\",\"status\":400,\"body_bytes\":1000000}");
	call_init(&call, pool, PROVIDER_HTTP, "{}");
	run(&call);
	assert_int_equal(call.answer.progress, PROVIDER_ANSWERED);
	assert_int_equal(call.answer.status, 400);
	assert_int_equal(call.body.length, 64 * 1024);
	call_release(&call);
	transfer_pool_close(&pool);
	order(NULL);
}

/* A port that is taken but not listened on. */
static void refused_connection_is_not_written(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct transfer_pool *pool = open_pool(PATIENT_MS, "open sesame");
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	getsockname(fd, (struct sockaddr *)&address, &length);
	for (int i = 0; i < 2; i++) {
		struct call call;

		call_init(&call, pool, i ? PROVIDER_SMTP : PROVIDER_HTTP, mail);
		text_clear(&call.request.url);
		text_addf(&call.request.url, "%s://127.0.0.1:%d", i ? "smtp" : "http", ntohs(address.sin_port));
		run(&call);
		assert_int_equal(call.answer.progress, PROVIDER_NOT_WRITTEN);
		assert_string_equal(text_string(&call.failure), "connect");
		assert_int_equal(call.fence_calls, 0);
		call_release(&call);
	}
	close(fd);
	transfer_pool_close(&pool);
}

static void private_addresses_are_refused(void **state)
{
	static const char *const urls[] = {"http://127.0.0.1", "https://127.0.0.1", "https://[::1]",
					   "https://[::ffff:10.0.0.1]", "https://169.254.169.254"};
	struct provider_transport transport = {.connect_timeout_ms = PATIENT_MS, .timeout_ms = PATIENT_MS};
	struct transfer_pool *pool = transfer_pool_open(base, &transport, 8);

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
		struct call call;

		call_init(&call, pool, PROVIDER_HTTP, "{}");
		text_clear(&call.request.url);
		text_addf(&call.request.url, "%s:%d/", urls[i], http_port);
		run(&call);
		assert_int_equal(call.answer.progress, PROVIDER_NOT_WRITTEN);
		assert_string_equal(text_string(&call.failure), "address_refused");
		call_release(&call);
	}
	transfer_pool_close(&pool);
}

static void unsafe_envelope_is_not_written(void **state)
{
	struct transfer_pool *pool = open_pool(PATIENT_MS, "open sesame");
	int64_t requests = count("requests");
	struct call call;

	(void)state;
	call_init(&call, pool, PROVIDER_SMTP, mail);
	text_add(&call.request.rcpt_to, ">\r\nRCPT TO:<eve@example.net");
	run(&call);
	assert_int_equal(call.answer.progress, PROVIDER_NOT_WRITTEN);
	assert_string_equal(text_string(&call.failure), "address");
	assert_int_equal(count("requests"), requests);
	call_release(&call);
	transfer_pool_close(&pool);
}

static void done_may_start_the_next(void **state)
{
	enum { CALLS = 100 };
	struct call *calls = memory_new_array(CALLS, sizeof(*calls));
	struct transfer_pool *pool = open_pool(PATIENT_MS, "open sesame");
	int64_t accepted = count("accepted");

	(void)state;
	for (int i = 0; i < CALLS; i++) {
		call_init(&calls[i], pool, i % 3 ? PROVIDER_HTTP : PROVIDER_SMTP, mail);
		calls[i].next = i + 1 < CALLS ? &calls[i + 1] : NULL;
	}
	start(&calls[0]);
	event_base_dispatch(base);
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(calls[i].answers, 1);
		assert_int_equal(calls[i].answer.progress, PROVIDER_ANSWERED);
		call_release(&calls[i]);
	}
	assert_int_equal(count("accepted") - accepted, CALLS);
	transfer_pool_close(&pool);
	free(calls);
}

/* libcurl's own SMTP would stop the loop here until its time is over. */
static void slow_relay_holds_nobody_up(void **state)
{
	struct transfer_pool *pool = open_pool(PATIENT_MS, "open sesame");
	struct call letter, post;

	(void)state;
	order("{\"protocol\":\"smtp\",\"fault\":\"hang\"}");
	call_init(&letter, pool, PROVIDER_SMTP, mail);
	start(&letter);
	for (int64_t before = count("requests"); count("requests") == before;)
		event_base_loop(base, EVLOOP_NONBLOCK);
	for (int i = 0; i < 20; i++) {
		call_init(&post, pool, PROVIDER_HTTP, "{}");
		run(&post);
		assert_int_equal(post.answer.status, 200);
		call_release(&post);
	}
	assert_int_equal(letter.answers, 0);
	assert_int_equal(transfer_pool_in_flight(pool), 1);
	transfer_pool_close(&pool);
	assert_int_equal(letter.answers, 0);
	call_release(&letter);
	order(NULL);
}

static void closing_forgets_what_is_in_flight(void **state)
{
	struct transfer_pool *pool = open_pool(PATIENT_MS, "open sesame");
	struct call calls[2];

	(void)state;
	call_init(&calls[0], pool, PROVIDER_HTTP, "{}");
	call_init(&calls[1], pool, PROVIDER_SMTP, mail);
	start(&calls[0]);
	start(&calls[1]);
	assert_int_equal(transfer_pool_in_flight(pool), 2);
	transfer_pool_close(&pool);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(calls[0].answers + calls[1].answers, 0);
	call_release(&calls[0]);
	call_release(&calls[1]);
}

/* The ledger's last line holds the hash of what arrived, dots taken out. */
static void mail_arrives_as_it_was(void **state)
{
	struct transfer_pool *pool = open_pool(PATIENT_MS, "open sesame");
	struct text path, expected, line;
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct call call;
	char bytes[4096];
	FILE *file;

	(void)state;
	call_init(&call, pool, PROVIDER_SMTP, mail);
	run(&call);
	text_init(&expected, 4096);
	text_add(&expected, mail);
	text_add(&expected, "\r\n");
	digest_sha256(expected.bytes, expected.length, digest);
	text_clear(&expected);
	digest_add_hex(&expected, digest, sizeof(digest));
	count("accepted");
	in_folder(&path, "ledger");
	file = fopen(text_string(&path), "r");
	assert_non_null(file);
	text_init(&line, sizeof(bytes));
	while (fgets(bytes, sizeof(bytes), file)) {
		text_clear(&line);
		text_add(&line, bytes);
	}
	fclose(file);
	assert_non_null(strstr(text_string(&line), text_string(&expected)));
	text_release(&path);
	text_release(&expected);
	text_release(&line);
	call_release(&call);
	transfer_pool_close(&pool);
}

/* -- a relay that answers before it was asked -- */

static void say(int fd, const char *words)
{
	if (write(fd, words, strlen(words)) < 0)
		_exit(1);
}

static void hear(int fd, const char *word)
{
	char heard[4096] = "";

	for (size_t length = 0; length < sizeof(heard) - 1 && !strstr(heard, word);) {
		ssize_t n = read(fd, heard + length, sizeof(heard) - 1 - length);
		if (n <= 0)
			return;
		length += (size_t)n;
	}
}

/* Says `answers` to its first pipelined transaction, all at once, and then only listens; further connections are
 * served as they should be. */
static void be_hasty_relay(int listener, const char *answers)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (bool first = true;; first = false) {
		int fd = accept(listener, NULL, NULL);

		say(fd, "220 hasty\r\n");
		hear(fd, "\r\n");
		say(fd, "250-hasty\r\n250 PIPELINING\r\n");
		hear(fd, "DATA\r\n");
		say(fd, first ? answers : "250 ok\r\n250 ok\r\n354 go\r\n");
		hear(fd, "\r\n.\r\n");
		if (!first)
			say(fd, "250 taken\r\n");
	}
}

static pid_t start_hasty_relay(const char *answers, int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	pid = fork();
	if (pid == 0)
		be_hasty_relay(listener, answers);
	close(listener);
	*port = ntohs(address.sin_port);
	return pid;
}

struct hasty {
	const char *when, *answers;
	enum provider_progress progress;
	int status;
	const char *failure;
};

static void a_hasty_relay_gets_nobody_elses_mail(void **state)
{
	static const struct hasty hasty[] = {
		{"it takes the message before it has it", "250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n",
		 PROVIDER_NOT_WRITTEN, 0, "garbage"},
		{"it refuses the message before it has it", "250 ok\r\n250 ok\r\n354 go\r\n552 too large\r\n",
		 PROVIDER_ANSWERED, 552, ""},
		{"it says yes to DATA", "250 ok\r\n250 ok\r\n250 ok\r\n", PROVIDER_NOT_WRITTEN, 0, "garbage"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(hasty); i++) {
		struct provider_transport transport = {.connect_timeout_ms = PATIENT_MS, .timeout_ms = PATIENT_MS};
		struct transfer_pool *pool = transfer_pool_open(base, &transport, 8);
		int port;
		pid_t pid = start_hasty_relay(hasty[i].answers, &port);

		print_message("  when %s\n", hasty[i].when);
		for (int n = 0; n < 2; n++) {
			struct call call;

			call_init(&call, pool, PROVIDER_SMTP, mail);
			text_clear(&call.request.url);
			text_addf(&call.request.url, "smtp://127.0.0.1:%d", port);
			run(&call);
			assert_int_equal(call.answer.progress, n == 0 ? hasty[i].progress : PROVIDER_ANSWERED);
			assert_int_equal(call.answer.status, n == 0 ? hasty[i].status : 250);
			assert_string_equal(text_string(&call.failure), n == 0 ? hasty[i].failure : "");
			call_release(&call);
		}
		transfer_pool_close(&pool);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row),
		cmocka_unit_test(answer_is_handed_on),
		cmocka_unit_test(long_answer_is_cut_and_counts),
		cmocka_unit_test(refused_connection_is_not_written),
		cmocka_unit_test(private_addresses_are_refused),
		cmocka_unit_test(unsafe_envelope_is_not_written),
		cmocka_unit_test(done_may_start_the_next),
		cmocka_unit_test(slow_relay_holds_nobody_up),
		cmocka_unit_test(closing_forgets_what_is_in_flight),
		cmocka_unit_test(mail_arrives_as_it_was),
		cmocka_unit_test(a_hasty_relay_gets_nobody_elses_mail),
	};

	return cmocka_run_group_tests(tests, start_sandbox, stop_sandbox);
}
