#include "tests/support/http2_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "shared/memory.h"

#define REQUEST_MAX (64 * 1024)
#define ANSWER_MAX  8192

struct http2_peer {
	struct event_base *base;
	struct evconnlistener *listener;
	SSL_CTX *tls;
	uint32_t streams_max;
	enum http2_order order;
	int order_times, requests, connections, most_streams;
	char status[8];
	struct text header, body, newest;
	struct connection *all;
};

struct stream {
	int32_t id;
	size_t sent;
	struct text request;
};

struct connection {
	struct http2_peer *peer;
	int fd;
	SSL *ssl;
	bool ready, ending;
	struct event *readable, *writable;
	nghttp2_session *session;
	int streams;
	struct connection *prev, *next;
};

static void connection_free(struct connection *connection)
{
	DL_DELETE(connection->peer->all, connection);
	event_free(connection->readable);
	event_free(connection->writable);
	nghttp2_session_del(connection->session);
	SSL_free(connection->ssl);
	close(connection->fd);
	free(connection);
}

/* -- bytes -- */

static ssize_t in_nghttp2_words(const struct connection *connection, ssize_t count)
{
	if (count > 0)
		return count;
	if (connection->ssl != NULL) {
		int why = SSL_get_error(connection->ssl, (int)count);

		ERR_clear_error();
		return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? NGHTTP2_ERR_WOULDBLOCK
										 : NGHTTP2_ERR_EOF;
	}
	return count < 0 && errno == EAGAIN ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_EOF;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t length, int flags, void *context)
{
	struct connection *connection = context;

	(void)session;
	(void)flags;
	return in_nghttp2_words(connection, connection->ssl != NULL ? SSL_write(connection->ssl, bytes, (int)length)
								    : write(connection->fd, bytes, length));
}

static ssize_t on_receive(nghttp2_session *session, uint8_t *bytes, size_t size, int flags, void *context)
{
	struct connection *connection = context;

	(void)session;
	(void)flags;
	return in_nghttp2_words(connection, connection->ssl != NULL ? SSL_read(connection->ssl, bytes, (int)size)
								    : read(connection->fd, bytes, size));
}

/* -- requests -- */

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct connection *connection = context;
	struct stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	stream = memory_new(sizeof(*stream));
	stream->id = frame->hd.stream_id;
	text_init(&stream->request, REQUEST_MAX);
	nghttp2_session_set_stream_user_data(session, stream->id, stream);
	if (++connection->streams > connection->peer->most_streams)
		connection->peer->most_streams = connection->streams;
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
		     const uint8_t *value, size_t value_length, uint8_t flags, void *context)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags;
	(void)context;
	if (stream == NULL)
		return 0;
	text_add_bytes(&stream->request, name, name_length);
	text_add_bytes(&stream->request, ": ", 2);
	text_add_bytes(&stream->request, value, value_length);
	text_add_char(&stream->request, '\n');
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t length,
		   void *context)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	(void)context;
	if (stream != NULL)
		text_add_bytes(&stream->request, bytes, length);
	return 0;
}

static ssize_t on_body_wanted(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t size, uint32_t *flags,
			      nghttp2_data_source *source, void *context)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
	const struct text *body = &((struct connection *)context)->peer->body;
	size_t left = body->length - stream->sent, count = left < size ? left : size;

	(void)source;
	if (count > 0)
		memcpy(bytes, body->bytes + stream->sent, count);
	stream->sent += count;
	if (count == left)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)count;
}

static nghttp2_nv pair(const char *name, size_t name_length, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_length, strlen(value), 0};
}

static void answer(struct connection *connection, int32_t id)
{
	const struct http2_peer *peer = connection->peer;
	const nghttp2_data_provider provider = {.read_callback = on_body_wanted};
	const char *header = text_string(&peer->header), *colon = strchr(header, ':');
	nghttp2_nv pairs[2] = {pair(":status", 7, peer->status)};
	size_t count = 1;

	if (colon != NULL)
		pairs[count++] = pair(header, (size_t)(colon - header), colon + 2);
	nghttp2_submit_response(connection->session, id, pairs, count, &provider);
}

static enum http2_order take_order(struct http2_peer *peer)
{
	enum http2_order order = peer->order;

	if (peer->order_times > 0 && --peer->order_times == 0)
		peer->order = HTTP2_ANSWER;
	return order;
}

static void obey(struct connection *connection, int32_t id)
{
	nghttp2_session *session = connection->session;

	switch (take_order(connection->peer)) {
	case HTTP2_ANSWER:
		answer(connection, id);
		break;
	case HTTP2_HANG:
		break;
	case HTTP2_RESET_STREAM:
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
		break;
	case HTTP2_REFUSE_STREAM:
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
		break;
	case HTTP2_GOAWAY:
		nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR, NULL, 0);
		connection->ending = true;
		break;
	case HTTP2_GOAWAY_UNTAKEN:
		nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, id > 2 ? id - 2 : 0, NGHTTP2_NO_ERROR, NULL, 0);
		connection->ending = true;
		break;
	case HTTP2_CLOSE:
		connection->ending = true;
		break;
	}
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct connection *connection = context;
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct text *newest = &connection->peer->newest;
	const char *body;

	if (stream == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	connection->peer->requests++;
	text_clear(newest);
	body = text_string(&stream->request);
	text_add_bytes(newest, body, stream->request.length);
	obey(connection, stream->id);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)code;
	if (stream == NULL)
		return 0;
	((struct connection *)context)->streams--;
	text_release(&stream->request);
	free(stream);
	return 0;
}

/* -- connections -- */

static bool is_shaken(struct connection *connection)
{
	int done, why;

	if (connection->ready)
		return true;
	done = SSL_accept(connection->ssl);
	why = SSL_get_error(connection->ssl, done);
	ERR_clear_error();
	if (done == 1)
		connection->ready = true;
	else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		connection->ending = true;
	return connection->ready;
}

static void free_streams(struct connection *connection)
{
	/* Streams that are open still: nghttp2 does not tell of them when its session goes. */
	for (int32_t id = 1; id <= nghttp2_session_get_last_proc_stream_id(connection->session); id += 2)
		on_stream_close(connection->session, id, 0, connection);
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;
	bool works = true;

	(void)fd;
	(void)what;
	if (is_shaken(connection))
		works = nghttp2_session_recv(connection->session) == 0 &&
			nghttp2_session_send(connection->session) == 0;
	if (!works || connection->ending) {
		free_streams(connection);
		connection_free(connection);
		return;
	}
	if (nghttp2_session_want_write(connection->session))
		event_add(connection->writable, NULL);
}

static nghttp2_session *session_new(struct connection *connection)
{
	const nghttp2_settings_entry setting = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, connection->peer->streams_max};
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *session;

	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
	nghttp2_session_callbacks_set_recv_callback(callbacks, on_receive);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	if (nghttp2_session_server_new(&session, callbacks, connection) != 0)
		abort();
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &setting, 1);
	return session;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length,
		      void *context)
{
	struct http2_peer *peer = context;
	struct connection *connection = memory_new(sizeof(*connection));

	(void)listener;
	(void)address;
	(void)length;
	connection->peer = peer;
	connection->fd = fd;
	connection->ready = peer->tls == NULL;
	if (peer->tls != NULL) {
		connection->ssl = SSL_new(peer->tls);
		SSL_set_fd(connection->ssl, fd);
	}
	connection->session = session_new(connection);
	connection->readable = event_new(peer->base, fd, EV_READ | EV_PERSIST, on_ready, connection);
	connection->writable = event_new(peer->base, fd, EV_WRITE, on_ready, connection);
	event_add(connection->readable, NULL);
	peer->connections++;
	DL_APPEND(peer->all, connection);
}

static int on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *length, const unsigned char *offered,
			unsigned offered_length, void *context)
{
	unsigned char *out;

	(void)ssl;
	(void)context;
	if (SSL_select_next_proto(&out, length, (const unsigned char *)"\x02h2", 3, offered, offered_length) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK; /* it goes on, and ends at the first bytes */
	*chosen = out;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *tls_new(const char *certificate)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, certificate, SSL_FILETYPE_PEM) != 1)
		abort();
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_alpn_select_cb(tls, on_protocols, NULL);
	return tls;
}

struct http2_peer *http2_peer_open(struct event_base *base, const char *certificate, uint32_t streams_max)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct http2_peer *peer = memory_new(sizeof(*peer));

	peer->base = base;
	peer->streams_max = streams_max;
	peer->tls = certificate != NULL ? tls_new(certificate) : NULL;
	text_init(&peer->header, ANSWER_MAX);
	text_init(&peer->body, ANSWER_MAX);
	text_init(&peer->newest, REQUEST_MAX);
	http2_peer_answer(peer, 200, NULL, "");
	peer->listener = evconnlistener_new_bind(base, on_accept, peer, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
						 64, (struct sockaddr *)&address, sizeof(address));
	if (peer->listener == NULL)
		abort();
	return peer;
}

void http2_peer_close(struct http2_peer **peer)
{
	struct http2_peer *p = *peer;

	while (p->all != NULL) {
		struct connection *first = p->all;

		free_streams(first);
		connection_free(first);
	}
	evconnlistener_free(p->listener);
	SSL_CTX_free(p->tls);
	text_release(&p->header);
	text_release(&p->body);
	text_release(&p->newest);
	free(p);
	*peer = NULL;
}

int http2_peer_port(const struct http2_peer *peer)
{
	struct sockaddr_in address = {0};
	socklen_t length = sizeof(address);

	getsockname(evconnlistener_get_fd(peer->listener), (struct sockaddr *)&address, &length);
	return ntohs(address.sin_port);
}

void http2_peer_order(struct http2_peer *peer, enum http2_order order, int times)
{
	peer->order = order;
	peer->order_times = times;
}

void http2_peer_answer(struct http2_peer *peer, int status, const char *header, const char *body)
{
	snprintf(peer->status, sizeof(peer->status), "%d", status);
	text_clear(&peer->header);
	text_add(&peer->header, header != NULL ? header : "");
	text_clear(&peer->body);
	text_add(&peer->body, body);
}

int http2_peer_requests(const struct http2_peer *peer)
{
	return peer->requests;
}

int http2_peer_connections(const struct http2_peer *peer)
{
	return peer->connections;
}

int http2_peer_most_streams(const struct http2_peer *peer)
{
	return peer->most_streams;
}

const char *http2_peer_request(const struct http2_peer *peer)
{
	return text_string(&peer->newest);
}

void http2_certificate_write(const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
	FILE *file = fopen(path, "we");

	if (key == NULL || file == NULL || names == NULL)
		abort();
	X509_set_version(certificate, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"127.0.0.1", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_add_ext(certificate, names, -1);
	X509_set_pubkey(certificate, key);
	if (X509_sign(certificate, key, EVP_sha256()) == 0 || PEM_write_X509(file, certificate) != 1 ||
	    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1)
		abort();
	(void)fclose(file);
	X509_EXTENSION_free(names);
	X509_free(certificate);
	EVP_PKEY_free(key);
}
