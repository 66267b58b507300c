#include <errno.h>
#include <event2/listener.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shared/digest.h"
#include "shared/memory.h"
#include "tests/sandbox/accounts.h"
#include "tests/sandbox/apns.h"
#include "tests/sandbox/callbacks.h"
#include "tests/sandbox/certificates.h"
#include "tests/sandbox/connection.h"
#include "tests/sandbox/keys.h"
#include "tests/sandbox/rate.h"
#include "tests/sandbox/sandbox.h"
#include "tests/sandbox/tls.h"

static const char help[] = "postrider-sandbox: look-alikes of message providers on 127.0.0.1, for tests.\n"
			   "\n"
			   "  --http-port N        HTTP, 0 (default): a free port\n"
			   "  --smtp-port N        SMTP, 0 (default): a free port\n"
			   "  --https-port N       HTTPS, 0: a free port; without it there is none. With\n"
			   "  --ca-file FILE       gets the certificate to trust there, FILE.key its key\n"
			   "  --port-file FILE     gets \"http=PORT smtp=PORT https=PORT\" when all listen\n"
			   "  --ledger FILE        gets a JSON line for every accepted message\n"
			   "  --callbacks FILE     gets a JSON line for every request to a receiver\n"
			   "  --accounts FILE      keeps the vendors' customers over a restart\n"
			   "  --no-hash            leave body_sha256 out of the ledger\n"
			   "  --strict             answer only when the ledger line is on disk\n"
			   "  --latency-ms N       delay the answer to every message\n"
			   "  --webhook-secret S   whsec_...: ask for Standard Webhooks signatures\n"
			   "  --smtp-user NAME     ask for AUTH, with\n"
			   "  --smtp-password WORD\n"
			   "  --smtp-tls FILE      STARTTLS with this certificate and key in one PEM file,\n"
			   "                       instead of what --ca-file vouches for\n"
			   "  --max-connections N  5000 by default; more are closed at once\n"
			   "\n"
			   "Faults are ordered over HTTP under /_sandbox/, see README.md beside the source.\n";

struct ports {
	struct evconnlistener *http, *https, *smtp; /* https NULL: none */
};

struct options {
	int http_port, smtp_port, https_port; /* https_port below 0: none */
	const char *port_file, *ledger, *webhook_secret, *tls_file, *ca_file, *callbacks, *accounts;
	bool no_hash;
};

static int fail(const char *sentence)
{
	fprintf(stderr, "postrider-sandbox: %s\n", sentence);
	return 1;
}

static int64_t number(const char *text, int64_t highest)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	if (*text && !*end && value >= 0 && value <= highest)
		return value;
	fprintf(stderr, "postrider-sandbox: %s is not a number from 0 to %lld.\n", text, (long long)highest);
	exit(2);
}

static void take_option(struct options *options, struct sandbox *sandbox, int option)
{
	switch (option) {
	case 'h':
		options->http_port = (int)number(optarg, 65535);
		break;
	case 's':
		options->smtp_port = (int)number(optarg, 65535);
		break;
	case 'T':
		options->https_port = (int)number(optarg, 65535);
		break;
	case 'C':
		options->ca_file = optarg;
		break;
	case 'c':
		options->callbacks = optarg;
		break;
	case 'a':
		options->accounts = optarg;
		break;
	case 'p':
		options->port_file = optarg;
		break;
	case 'l':
		options->ledger = optarg;
		break;
	case 'n':
		options->no_hash = true;
		break;
	case 'S':
		sandbox->strict = true;
		break;
	case 'L':
		sandbox->latency_ms = number(optarg, 3600 * 1000);
		break;
	case 'w':
		options->webhook_secret = optarg;
		break;
	case 'u':
		sandbox->smtp_user = optarg;
		break;
	case 'P':
		sandbox->smtp_password = optarg;
		break;
	case 't':
		options->tls_file = optarg;
		break;
	case 'm':
		sandbox->connections_max = (size_t)number(optarg, 1000 * 1000);
		break;
	case '?':
		exit(2);
	default:
		fputs(help, stdout);
		exit(0);
	}
}

static void take_options(struct options *options, struct sandbox *sandbox, int argc, char **argv)
{
	static const struct option names[] = {
		{"http-port", required_argument, NULL, 'h'},
		{"smtp-port", required_argument, NULL, 's'},
		{"https-port", required_argument, NULL, 'T'},
		{"ca-file", required_argument, NULL, 'C'},
		{"callbacks", required_argument, NULL, 'c'},
		{"accounts", required_argument, NULL, 'a'},
		{"port-file", required_argument, NULL, 'p'},
		{"ledger", required_argument, NULL, 'l'},
		{"no-hash", no_argument, NULL, 'n'},
		{"strict", no_argument, NULL, 'S'},
		{"latency-ms", required_argument, NULL, 'L'},
		{"webhook-secret", required_argument, NULL, 'w'},
		{"smtp-user", required_argument, NULL, 'u'},
		{"smtp-password", required_argument, NULL, 'P'},
		{"smtp-tls", required_argument, NULL, 't'},
		{"max-connections", required_argument, NULL, 'm'},
		{"help", no_argument, NULL, 'H'},
		{0},
	};

	for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;)
		take_option(options, sandbox, option);
}

static bool take_secret(struct sandbox *sandbox, const char *secret, struct error *err)
{
	static const char prefix[] = "whsec_";
	struct text key;
	bool decoded;

	text_init(&key, 1024);
	decoded = strncmp(secret, prefix, sizeof(prefix) - 1) == 0 &&
		  digest_base64_decode(&key, secret + sizeof(prefix) - 1, strlen(secret) - sizeof(prefix) + 1);
	if (decoded)
		sandbox->webhook_hmac = digest_hmac_new(key.bytes, key.length);
	text_release(&key);
	return decoded || error_set(err, ERROR_INVALID, "--webhook-secret is whsec_ and base64.");
}

typedef void accept_socket(struct sandbox *sandbox, int fd);

static void on_accept(struct sandbox *sandbox, int fd, accept_socket *accept_one)
{
	if (sandbox->connections < sandbox->connections_max)
		accept_one(sandbox, fd);
	else
		close(fd);
}

static void on_http(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int length,
		    void *context)
{
	(void)listener;
	(void)peer;
	(void)length;
	on_accept(context, fd, http_accept);
}

static void on_https(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int length,
		     void *context)
{
	(void)listener;
	(void)peer;
	(void)length;
	on_accept(context, fd, https_accept);
}

static void on_smtp(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int length,
		    void *context)
{
	(void)listener;
	(void)peer;
	(void)length;
	on_accept(context, fd, smtp_accept);
}

static struct evconnlistener *listen_on(struct sandbox *sandbox, int port, evconnlistener_cb accepted)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return evconnlistener_new_bind(sandbox->base, accepted, sandbox,
				       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 4096,
				       (struct sockaddr *)&address, sizeof(address));
}

/* 0 where nothing listens. */
static int port_of(struct evconnlistener *listener)
{
	struct sockaddr_in address = {0};
	socklen_t length = sizeof(address);

	if (!listener)
		return 0;
	getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length);
	return ntohs(address.sin_port);
}

static void write_ports(FILE *file, const struct ports *ports)
{
	fprintf(file, "http=%d smtp=%d", port_of(ports->http), port_of(ports->smtp));
	if (ports->https)
		fprintf(file, " https=%d", port_of(ports->https));
	fprintf(file, "\n");
}

/* Whoever waits for the file never sees half of it. */
static bool write_port_file(const char *path, const struct ports *ports)
{
	struct text part;
	FILE *file;
	bool written;

	text_init(&part, 4096);
	text_addf(&part, "%s.part", path);
	file = fopen(text_string(&part), "we");
	if (file)
		write_ports(file, ports);
	written = file && fclose(file) == 0 && rename(text_string(&part), path) == 0;
	text_release(&part);
	return written;
}

static void on_end(evutil_socket_t number_, short what, void *context)
{
	(void)number_;
	(void)what;
	event_base_loopbreak(context);
}

static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static bool prepare(struct sandbox *sandbox, const struct options *options, struct error *err)
{
	if (!sandbox->smtp_user != !sandbox->smtp_password)
		return error_set(err, ERROR_INVALID, "--smtp-user and --smtp-password go together.");
	if (options->webhook_secret && !take_secret(sandbox, options->webhook_secret, err))
		return false;
	if (options->tls_file && !(sandbox->tls = tls_context_open(options->tls_file, err)))
		return false;
	if ((options->https_port < 0) != !options->ca_file)
		return error_set(err, ERROR_INVALID, "--https-port and --ca-file go together.");
	if (options->ca_file && !(sandbox->certificates = certificates_open(options->ca_file, err)))
		return false;
	sandbox->greylisted = keys_open();
	sandbox->apns_tokens = apns_tokens_open();
	sandbox->accounts = accounts_open(options->accounts, err);
	sandbox->callbacks = sandbox->accounts ? callbacks_open(sandbox->base, options->callbacks, err) : NULL;
	if (sandbox->callbacks)
		sandbox->ledger = ledger_open(sandbox->base, options->ledger, !options->no_hash, sandbox->strict, err);
	return sandbox->ledger != NULL;
}

static void serve(struct sandbox *sandbox)
{
	struct event *term = evsignal_new(sandbox->base, SIGTERM, on_end, sandbox->base);
	struct event *interrupt = evsignal_new(sandbox->base, SIGINT, on_end, sandbox->base);

	event_add(term, NULL);
	event_add(interrupt, NULL);
	event_base_dispatch(sandbox->base);
	connection_close_all();
	event_free(term);
	event_free(interrupt);
}

static int run(struct sandbox *sandbox, const struct options *options)
{
	struct ports ports = {
		.http = listen_on(sandbox, options->http_port, on_http),
		.smtp = listen_on(sandbox, options->smtp_port, on_smtp),
	};

	if (options->https_port >= 0)
		ports.https = listen_on(sandbox, options->https_port, on_https);
	if (!ports.http || !ports.smtp || (options->https_port >= 0 && !ports.https))
		return fail("a port is taken.");
	sandbox->http_port = port_of(ports.http);
	if (options->port_file && !write_port_file(options->port_file, &ports))
		return fail("the port file cannot be written.");
	write_ports(stdout, &ports);
	fflush(stdout);
	serve(sandbox);
	evconnlistener_free(ports.http);
	evconnlistener_free(ports.smtp);
	if (ports.https)
		evconnlistener_free(ports.https);
	return 0;
}

static void release(struct sandbox *sandbox)
{
	callbacks_close(&sandbox->callbacks);
	ledger_close(&sandbox->ledger);
	keys_close(&sandbox->greylisted);
	apns_tokens_close(&sandbox->apns_tokens);
	accounts_close(&sandbox->accounts);
	rate_clear(sandbox);
	fault_clear(&sandbox->faults);
	digest_hmac_free(&sandbox->webhook_hmac);
	tls_context_close(&sandbox->tls);
	certificates_close(&sandbox->certificates);
	event_base_free(sandbox->base);
}

int main(int argc, char **argv)
{
	struct sandbox sandbox = {.connections_max = 5000};
	struct options options = {.https_port = -1};
	struct error err = {0};
	int status;

	take_options(&options, &sandbox, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	allow_many_files();
	sandbox.base = event_base_new();
	status = prepare(&sandbox, &options, &err) ? run(&sandbox, &options) : fail(err.text);
	release(&sandbox);
	return status;
}
