/* postrider-test-publish - puts any bytes on the broker, for tests of bad input.
 *
 *   postrider-test-publish HOST PORT USER PASSWORD EXCHANGE ROUTING-KEY [TIMES]      the body comes from stdin
 *
 * Exits 0 when the broker has confirmed that it holds every copy.
 */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base.h"

enum { BODY_MAX = 4 * 1024 * 1024, CHANNEL = 1 };

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "postrider-test-publish: %s failed\n", what);
	exit(1);
}

static amqp_connection_state_t connect_to(char **arguments)
{
	amqp_connection_state_t connection = amqp_new_connection();
	amqp_socket_t *socket = amqp_tcp_socket_new(connection);

	require(socket != NULL && amqp_socket_open(socket, arguments[1], atoi(arguments[2])) == AMQP_STATUS_OK,
		"connect");
	require(amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, arguments[3], arguments[4])
				.reply_type == AMQP_RESPONSE_NORMAL,
		"login");
	require(amqp_channel_open(connection, CHANNEL) != NULL, "channel.open");
	require(amqp_confirm_select(connection, CHANNEL) != NULL, "confirm.select");
	return connection;
}

static void publish(amqp_connection_state_t connection, char **arguments, amqp_bytes_t body)
{
	const amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
	amqp_frame_t frame;

	require(amqp_basic_publish(connection, CHANNEL, amqp_cstring_bytes(arguments[5]),
				   amqp_cstring_bytes(arguments[6]), 1, 0, &properties, body) == AMQP_STATUS_OK,
		"basic.publish");
	require(amqp_simple_wait_frame(connection, &frame) == AMQP_STATUS_OK && frame.frame_type == AMQP_FRAME_METHOD &&
			frame.payload.method.id == AMQP_BASIC_ACK_METHOD,
		"the confirmation");
}

int main(int argument_count, char **arguments)
{
	amqp_connection_state_t connection;
	amqp_bytes_t body = {.bytes = malloc(BODY_MAX)};

	if (argument_count < 7) {
		fprintf(stderr, "postrider-test-publish HOST PORT USER PASSWORD EXCHANGE ROUTING-KEY [TIMES] <BODY\n");
		return 2;
	}
	require(body.bytes != NULL, "malloc");
	body.len = fread(body.bytes, 1, BODY_MAX, stdin);
	connection = connect_to(arguments);
	for (int times = argument_count > 7 ? atoi(arguments[7]) : 1; times > 0; times--)
		publish(connection, arguments, body);
	amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(connection);
	free(body.bytes);
	return 0;
}
