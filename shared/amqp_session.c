#include "shared/amqp_session.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/amqp_connect.h"
#include "shared/amqp_frame.h"
#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/message.h"
#include "shared/text.h"

#define CALL_LIMIT_MS    10000
#define LEAVE_LIMIT_MS   1000
#define FRAMES_A_READ    384 /* a hundred messages: their memory is released before the next read */
#define OUT_BYTES_MAX    (8u << 20)
#define RETRY_BASE_MS    200
#define RETRY_CAP_MS     30000
#define LASTING_MS       5000
#define SILENCE_CHECK_MS 1000

struct amqp_session {
	struct amqp_session_settings settings; /* its strings are ours */
	amqp_connection_state_t connection;    /* NULL: down */
	int fd;
	bool plain; /* no TLS: our bytes go to the socket as they are */
	bool blocked;
	bool more;
	int close_code;
	unsigned failures;
	int64_t connected_at_ms;
	int64_t silence_checked_at_ms;
	struct text out;

	amqp_method_number_t awaited; /* 0: nothing */
	amqp_method_t answer;

	struct amqp_content content; /* being put together while content.method.id is not 0 */
	uint64_t body_taken;
	char body[MESSAGE_BYTES_MAX];

	/* The other thread's side. The lock is held for one shutdown() or for forgetting the number, so that
	 * a number the kernel has given to somebody else is never shut down. */
	pthread_mutex_t break_lock;
	int break_fd;
	const char *break_reason;
	atomic_uint beat; /* odd while inside a call that may block; only ever counted up by the owner */
	unsigned beat_seen;
	int64_t beat_seen_at_ms;
};

struct amqp_session *amqp_session_new(const struct amqp_session_settings *settings)
{
	struct amqp_session *session = memory_new(sizeof(*session));

	session->settings = *settings;
	session->settings.url = memory_copy_string(settings->url);
	session->settings.ca_file = memory_copy_string(settings->ca_file);
	session->settings.name = memory_copy_string(settings->name ? settings->name : "postrider");
	session->fd = session->break_fd = -1;
	pthread_mutex_init(&session->break_lock, NULL);
	text_init(&session->out, OUT_BYTES_MAX);
	return session;
}

void amqp_session_free(struct amqp_session **session)
{
	if (!*session)
		return;
	amqp_session_disconnect(*session);
	text_release(&(*session)->out);
	pthread_mutex_destroy(&(*session)->break_lock);
	free((char *)(*session)->settings.url);
	free((char *)(*session)->settings.ca_file);
	free((char *)(*session)->settings.name);
	free(*session);
	*session = NULL;
}

bool amqp_session_is_up(const struct amqp_session *session)
{
	return session->connection;
}

bool amqp_session_is_blocked(const struct amqp_session *session)
{
	return session->blocked;
}

int amqp_session_fd(const struct amqp_session *session)
{
	return session->fd;
}

bool amqp_session_has_more(const struct amqp_session *session)
{
	return session->more;
}

int amqp_session_close_code(const struct amqp_session *session)
{
	return session->close_code;
}

/* Before and after each call that may block. */
static void count_beat(struct amqp_session *session)
{
	atomic_store_explicit(&session->beat, atomic_load_explicit(&session->beat, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void set_break_fd(struct amqp_session *session, int fd)
{
	pthread_mutex_lock(&session->break_lock);
	session->break_fd = fd;
	if (fd >= 0)
		session->break_reason = NULL;
	pthread_mutex_unlock(&session->break_lock);
}

void amqp_session_break(struct amqp_session *session, const char *why)
{
	pthread_mutex_lock(&session->break_lock);
	if (session->break_fd >= 0) {
		session->break_reason = why;
		shutdown(session->break_fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&session->break_lock);
}

bool amqp_session_is_stuck(struct amqp_session *session, int64_t now_ms, int64_t limit_ms)
{
	unsigned beat = atomic_load_explicit(&session->beat, memory_order_relaxed);

	if (beat != session->beat_seen || beat % 2 == 0) {
		session->beat_seen = beat;
		session->beat_seen_at_ms = now_ms;
	}
	return now_ms - session->beat_seen_at_ms >= limit_ms;
}

static bool connection_lost(struct amqp_session *session, const char *doing, const char *detail, struct error *err)
{
	pthread_mutex_lock(&session->break_lock);
	const char *why = session->break_reason;
	pthread_mutex_unlock(&session->break_lock);
	if (why)
		return error_set(err, ERROR_TRANSIENT, "%s", why);
	return error_set(err, ERROR_TRANSIENT, "%s: %s", doing, detail);
}

static bool library_failed(struct amqp_session *session, const char *doing, int status, struct error *err)
{
	return connection_lost(session, doing, amqp_error_string2(status), err);
}

static bool open_channel(struct amqp_session *session, struct error *err)
{
	amqp_channel_open_t request = {0};
	amqp_method_t answer;

	return amqp_session_call(session, AMQP_CHANNEL_OPEN_METHOD, &request, AMQP_CHANNEL_OPEN_OK_METHOD, &answer,
				 err);
}

static bool connect_to(struct amqp_session *session, const struct amqp_connection_info *where, struct error *err)
{
	session->plain = !where->ssl;
	if (!amqp_connect_socket(session->connection, where, session->settings.ca_file, err))
		return false;
	session->fd = amqp_get_sockfd(session->connection);
	set_break_fd(session, session->fd);
	amqp_connect_set_stall_limit(session->fd, session->settings.stall_limit_ms);
	return amqp_connect_login(session->connection, where, session->settings.name, &session->close_code, err) &&
	       open_channel(session, err);
}

bool amqp_session_connect(struct amqp_session *session, struct error *err)
{
	char *url = memory_copy_string(session->settings.url);
	struct amqp_connection_info where;
	bool connected;

	session->connected_at_ms = session->silence_checked_at_ms = clock_now_ms();
	session->close_code = 0;
	session->connection = amqp_new_connection();
	if (!session->connection)
		connected = error_set(err, ERROR_TRANSIENT, "no memory for a connection");
	else if (amqp_parse_url(url, &where) != AMQP_STATUS_OK)
		connected =
			error_set(err, ERROR_INVALID, "the broker's URL is not amqp://user:password@host:port/vhost");
	else
		connected = connect_to(session, &where, err);
	free(url);
	if (!connected)
		amqp_session_disconnect(session);
	return connected;
}

void amqp_session_disconnect(struct amqp_session *session)
{
	if (!session->connection)
		return;
	set_break_fd(session, -1);
	/* A TLS socket would wait for the other side's good-bye. */
	if (session->fd >= 0)
		shutdown(session->fd, SHUT_RDWR);
	amqp_destroy_connection(session->connection);
	session->connection = NULL;
	session->fd = -1;
	session->blocked = session->more = false;
	session->awaited = session->content.method.id = 0;
	text_clear(&session->out);
	if (clock_now_ms() - session->connected_at_ms >= LASTING_MS)
		session->failures = 0;
}

int64_t amqp_session_retry_ms(struct amqp_session *session)
{
	session->failures++;
	return backoff_full_jitter_ms(RETRY_BASE_MS, RETRY_CAP_MS, session->failures, backoff_random());
}

/* ---- reading ---- */

static void finish_content(struct amqp_session *session)
{
	session->content.method.id = 0;
}

static bool take_method(struct amqp_session *session, const amqp_method_t *method, struct error *err)
{
	const amqp_channel_close_t *close = method->decoded; /* connection.close has the same fields */

	switch (method->id) {
	case AMQP_CONNECTION_CLOSE_METHOD:
		session->close_code = close->reply_code;
		return amqp_connect_refused("connection", close->reply_code, close->reply_text, err);
	case AMQP_CHANNEL_CLOSE_METHOD:
		session->close_code = close->reply_code;
		return amqp_connect_refused("channel", close->reply_code, close->reply_text, err);
	case AMQP_BASIC_DELIVER_METHOD:
	case AMQP_BASIC_RETURN_METHOD:
		session->content.method = *method;
		return true;
	case AMQP_CONNECTION_BLOCKED_METHOD:
	case AMQP_CONNECTION_UNBLOCKED_METHOD:
		session->blocked = method->id == AMQP_CONNECTION_BLOCKED_METHOD;
		break;
	}
	if (method->id != session->awaited)
		return session->settings.on_method(session->settings.context, method, err);
	session->awaited = 0;
	session->answer = *method;
	return true;
}

static bool end_body(struct amqp_session *session, struct error *err)
{
	struct amqp_content *content = &session->content;

	if (session->body_taken < content->length)
		return true;
	bool taken = session->settings.on_content(session->settings.context, content, err);
	finish_content(session);
	return taken;
}

static bool take_header(struct amqp_session *session, uint64_t length, struct error *err)
{
	if (session->content.method.id == 0)
		return error_set(err, ERROR_TRANSIENT, "the broker sent a header without a message");
	session->content.length = length;
	session->content.body = session->body;
	session->content.kept = 0;
	session->body_taken = 0;
	return end_body(session, err);
}

static bool take_body(struct amqp_session *session, amqp_bytes_t part, struct error *err)
{
	struct amqp_content *content = &session->content;
	size_t room = sizeof(session->body) - content->kept;
	size_t kept = part.len < room ? part.len : room;

	if (content->method.id == 0)
		return error_set(err, ERROR_TRANSIENT, "the broker sent a body without a message");
	memcpy(session->body + content->kept, part.bytes, kept);
	content->kept += kept;
	session->body_taken += part.len;
	return end_body(session, err);
}

static bool take_frame(struct amqp_session *session, const amqp_frame_t *frame, struct error *err)
{
	switch (frame->frame_type) {
	case AMQP_FRAME_METHOD:
		return take_method(session, &frame->payload.method, err);
	case AMQP_FRAME_HEADER:
		return take_header(session, frame->payload.properties.body_size, err);
	case AMQP_FRAME_BODY:
		return take_body(session, frame->payload.body_fragment, err);
	default:
		return true;
	}
}

/* librabbitmq looks for missed heartbeats only when it is asked to wait at all, so it is, once a second. */
static struct timeval how_long(struct amqp_session *session)
{
	int64_t now_ms = clock_now_ms();

	if (now_ms - session->silence_checked_at_ms < SILENCE_CHECK_MS)
		return (struct timeval){0, 0};
	session->silence_checked_at_ms = now_ms;
	return (struct timeval){0, 1};
}

bool amqp_session_read(struct amqp_session *session, struct error *err)
{
	struct timeval wait = how_long(session);
	amqp_frame_t frame = {0};

	if (!amqp_session_flush(session, err))
		return false;
	if (session->content.method.id == 0)
		amqp_maybe_release_buffers(session->connection);
	session->more = false;
	for (int i = 0; i < FRAMES_A_READ; i++) {
		count_beat(session);
		int status = amqp_simple_wait_frame_noblock(session->connection, &frame, &wait);
		count_beat(session);
		if (status == AMQP_STATUS_TIMEOUT)
			return true;
		if (status != AMQP_STATUS_OK)
			return library_failed(session, "connection lost", status, err);
		if (!take_frame(session, &frame, err))
			return false;
	}
	session->more = true;
	return true;
}

/* ---- writing ---- */

static bool wait_until_writable(struct amqp_session *session)
{
	struct pollfd ready = {.fd = session->fd, .events = POLLOUT};

	return poll(&ready, 1, -1) >= 0 || errno == EINTR;
}

static bool write_all(struct amqp_session *session)
{
	for (size_t done = 0; done < session->out.length;) {
		ssize_t sent = send(session->fd, session->out.bytes + done, session->out.length - done, MSG_NOSIGNAL);
		if (sent >= 0)
			done += (size_t)sent;
		else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			return false;
		else if (!wait_until_writable(session))
			return false;
	}
	return true;
}

bool amqp_session_flush(struct amqp_session *session, struct error *err)
{
	if (session->out.length == 0 && text_ok(&session->out))
		return true;
	if (!text_ok(&session->out))
		return error_set(err, ERROR_INVALID, "too much was written at once");
	count_beat(session);
	bool written = write_all(session);
	count_beat(session);
	text_clear(&session->out);
	return written || connection_lost(session, "writing to the broker", strerror(errno), err);
}

bool amqp_session_publish(struct amqp_session *session, const char *exchange, const char *key, const void *body,
			  size_t length, struct error *err)
{
	if (session->plain) {
		amqp_frame_add_publish(&session->out, exchange, key, body, length);
		return true;
	}
	amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
	amqp_bytes_t bytes = {length, (void *)(uintptr_t)body};
	count_beat(session);
	int status = amqp_basic_publish(session->connection, AMQP_FRAME_CHANNEL, amqp_cstring_bytes(exchange),
					amqp_cstring_bytes(key), 1, 0, &properties, bytes);
	count_beat(session);
	return status == AMQP_STATUS_OK || library_failed(session, "publishing", status, err);
}

bool amqp_session_ack(struct amqp_session *session, uint64_t tag, bool multiple, struct error *err)
{
	if (session->plain) {
		amqp_frame_add_ack(&session->out, tag, multiple);
		return true;
	}
	count_beat(session);
	int status = amqp_basic_ack(session->connection, AMQP_FRAME_CHANNEL, tag, multiple);
	count_beat(session);
	return status == AMQP_STATUS_OK || library_failed(session, "acknowledging", status, err);
}

static bool send_on(struct amqp_session *session, amqp_channel_t channel, amqp_method_number_t id, void *request,
		    struct error *err)
{
	if (!amqp_session_flush(session, err))
		return false;
	count_beat(session);
	int status = amqp_send_method(session->connection, channel, id, request);
	count_beat(session);
	return status == AMQP_STATUS_OK || library_failed(session, amqp_method_name(id), status, err);
}

bool amqp_session_send(struct amqp_session *session, amqp_method_number_t id, void *request, struct error *err)
{
	return send_on(session, AMQP_FRAME_CHANNEL, id, request, err);
}

/* ---- asking ---- */

static bool wait_for_answer(struct amqp_session *session, amqp_method_number_t id, int64_t limit_ms, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + limit_ms;
	struct pollfd readable = {.fd = session->fd, .events = POLLIN};

	while (amqp_session_read(session, err)) {
		if (session->awaited == 0)
			return true;
		int64_t left_ms = deadline_ms - clock_now_ms();
		/* A blocked connection answers when the alarm is over, and that may take as long as it likes. */
		if (left_ms <= 0 && !session->blocked)
			return error_set(err, ERROR_TRANSIENT, "%s: no answer within %" PRId64 " ms",
					 amqp_method_name(id), limit_ms);
		if (!session->more)
			poll(&readable, 1, left_ms > 0 && left_ms < SILENCE_CHECK_MS ? (int)left_ms : SILENCE_CHECK_MS);
	}
	return false;
}

static bool call_on(struct amqp_session *session, amqp_channel_t channel, amqp_method_number_t id, void *request,
		    amqp_method_number_t answer_id, int64_t limit_ms, struct error *err)
{
	session->awaited = answer_id;
	return send_on(session, channel, id, request, err) && wait_for_answer(session, id, limit_ms, err);
}

bool amqp_session_call(struct amqp_session *session, amqp_method_number_t id, void *request,
		       amqp_method_number_t answer_id, amqp_method_t *answer, struct error *err)
{
	if (!call_on(session, AMQP_FRAME_CHANNEL, id, request, answer_id, CALL_LIMIT_MS, err))
		return false;
	*answer = session->answer;
	return true;
}

void amqp_session_leave(struct amqp_session *session)
{
	amqp_channel_close_t channel_close = {.reply_code = AMQP_REPLY_SUCCESS};
	amqp_connection_close_t connection_close = {.reply_code = AMQP_REPLY_SUCCESS};
	struct error ignored;

	if (session->connection && !session->blocked &&
	    call_on(session, AMQP_FRAME_CHANNEL, AMQP_CHANNEL_CLOSE_METHOD, &channel_close,
		    AMQP_CHANNEL_CLOSE_OK_METHOD, LEAVE_LIMIT_MS, &ignored))
		(void)!call_on(session, 0, AMQP_CONNECTION_CLOSE_METHOD, &connection_close,
			       AMQP_CONNECTION_CLOSE_OK_METHOD, LEAVE_LIMIT_MS, &ignored);
	amqp_session_disconnect(session);
}
