#include "shared/amqp_connect.h"

#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define CONNECT_LIMIT_S     5
#define LOGIN_LIMIT_S       10
#define CHANNEL_MAX         4 /* 0.11 takes the broker's 2047 for 0, and some brokers refuse 0 */
#define FRAME_MAX           131072
#define SYSTEM_CERTIFICATES "/etc/ssl/certs/ca-certificates.crt" /* 0.11 knows no default */

static bool prepare_tls(amqp_socket_t *tls, const char *ca_file, struct error *err)
{
	if (!tls)
		return error_set(err, ERROR_TRANSIENT, "cannot prepare TLS");
	amqp_ssl_socket_set_verify_peer(tls, 1);
	amqp_ssl_socket_set_verify_hostname(tls, 1);
	amqp_ssl_socket_set_ssl_versions(tls, AMQP_TLSv1_2, AMQP_TLSvLATEST);
	if (amqp_ssl_socket_set_cacert(tls, ca_file) == AMQP_STATUS_OK)
		return true;
	return error_set(err, ERROR_INVALID, "cannot read the certificates in %s", ca_file);
}

static amqp_socket_t *new_socket(amqp_connection_state_t connection, bool with_tls, const char *ca_file,
				 struct error *err)
{
	amqp_socket_t *made = with_tls ? amqp_ssl_socket_new(connection) : amqp_tcp_socket_new(connection);

	if (with_tls)
		return prepare_tls(made, ca_file ? ca_file : SYSTEM_CERTIFICATES, err) ? made : NULL;
	if (!made)
		error_set(err, ERROR_TRANSIENT, "cannot make a socket");
	return made;
}

bool amqp_connect_socket(amqp_connection_state_t connection, const struct amqp_connection_info *where,
			 const char *ca_file, struct error *err)
{
	struct timeval limit = {CONNECT_LIMIT_S, 0};
	amqp_socket_t *made = new_socket(connection, where->ssl, ca_file, err);

	if (!made)
		return false;
	int status = amqp_socket_open_noblock(made, where->host, where->port, &limit);
	if (status == AMQP_STATUS_OK)
		return true;
	return error_set(err, ERROR_TRANSIENT, "connecting to %s:%d: %s", where->host, where->port,
			 amqp_error_string2(status));
}

void amqp_connect_set_stall_limit(int fd, int64_t limit_ms)
{
	unsigned limit = (unsigned)limit_ms;

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof(limit));
}

bool amqp_connect_refused(const char *what, int code, amqp_bytes_t text, struct error *err)
{
	return error_set(err, ERROR_REFUSED, "the broker closed the %s: %d %.*s", what, code, (int)text.len,
			 (const char *)text.bytes);
}

static bool login_failed(const amqp_rpc_reply_t *reply, int *close_code, struct error *err)
{
	const amqp_connection_close_t *close = reply->reply.decoded;

	if (reply->reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
		return error_set(err, ERROR_TRANSIENT, "logging in: %s", amqp_error_string2(reply->library_error));
	if (reply->reply_type != AMQP_RESPONSE_SERVER_EXCEPTION || reply->reply.id != AMQP_CONNECTION_CLOSE_METHOD)
		return error_set(err, ERROR_REFUSED, "logging in: the broker gave no reason");
	*close_code = close->reply_code;
	return amqp_connect_refused("connection", close->reply_code, close->reply_text, err);
}

static amqp_table_entry_t capability(const char *name)
{
	return (amqp_table_entry_t){
		.key = amqp_cstring_bytes(name),
		.value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1},
	};
}

bool amqp_connect_login(amqp_connection_state_t connection, const struct amqp_connection_info *where, const char *name,
			int *close_code, struct error *err)
{
	struct timeval limit = {LOGIN_LIMIT_S, 0};
	amqp_table_entry_t capabilities[] = {
		capability("publisher_confirms"),           capability("basic.nack"),
		capability("consumer_cancel_notify"),       capability("connection.blocked"),
		capability("authentication_failure_close"),
	};
	amqp_table_entry_t entries[] = {
		{.key = amqp_cstring_bytes("capabilities"),
		 .value = {.kind = AMQP_FIELD_KIND_TABLE,
			   .value.table = {(int)ARRAY_LENGTH(capabilities), capabilities}}},
		{.key = amqp_cstring_bytes("connection_name"),
		 .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(name)}},
	};
	amqp_table_t properties = {(int)ARRAY_LENGTH(entries), entries};
	/* amqp://host:port/ names the vhost "", which nobody has; "/" is meant. */
	const char *vhost = where->vhost[0] ? where->vhost : "/";

	amqp_set_handshake_timeout(connection, &limit);
	amqp_rpc_reply_t reply =
		amqp_login_with_properties(connection, vhost, CHANNEL_MAX, FRAME_MAX, AMQP_HEARTBEAT_S, &properties,
					   AMQP_SASL_METHOD_PLAIN, where->user, where->password);
	return reply.reply_type == AMQP_RESPONSE_NORMAL || login_failed(&reply, close_code, err);
}
