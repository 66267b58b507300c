#include "shared/pg_session.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/pg_connect.h"
#include "shared/pg_error.h"
#include "shared/pg_prepared.h"

#define RECONNECT_BASE_MS     100
#define RECONNECT_CAP_MS      10000
#define CONNECT_LIMIT_MS      15000 /* libpq leaves this to us when it connects without blocking */
#define ANSWER_GRACE_MS       5000  /* after the server should have ended the statement itself */
#define STATEMENT_TIMEOUT_MAX INT32_MAX

enum session_state {
	SESSION_WAITING,      /* until the next attempt */
	SESSION_CONNECTING,   /* libpq shakes hands */
	SESSION_SETTING_UP,   /* our SETs are under way */
	SESSION_IDLE,         /* ready, nothing asked */
	SESSION_REFUSING,     /* a request that cannot be sent waits for its turn to hear so */
	SESSION_DEALLOCATING, /* the prepared statement is stale: drop it, then prepare it again */
	SESSION_PREPARING,    /* nothing of the current request is executed yet */
	SESSION_EXECUTING,    /* from here on a loss is uncertain */
};

struct request {
	struct request *next;
	const struct pg_statement *statement;
	struct pg_values values;
	pg_session_answer *answer;
	void *context;
	bool tried_again;
};

struct pg_session {
	struct event_base *base;
	char *url, *application_name;
	struct text set_up_sql;
	int64_t statement_timeout_ms;
	bool read_only;
	pg_session_changed *changed;
	void *context;

	enum session_state state;
	PGconn *connection;
	struct event *reading, *writing; /* while connecting, reading is whichever libpq waits for */
	struct event *retry, *tick, *broken;
	struct error last_words; /* what the server said before it hung up */
	int64_t deadline_ms;     /* 0: none */
	bool send_failed;        /* libpq took nothing; the event `broken` is on its way */
	unsigned failures;

	struct pg_prepared prepared;

	struct request *first, **last; /* not yet begun */
	struct request *current;
	size_t pending;
	PGresult *result; /* of the step under way */

	bool told, told_ready;
	struct error told_reason;
	int entered; /* callbacks of the loop on the stack */
	bool closed;
};

/* A callback may close the session; what is left of it goes when the last of our frames does. */
static void session_enter(struct pg_session *session)
{
	session->entered++;
}

static void session_leave(struct pg_session *session)
{
	if (--session->entered == 0 && session->closed)
		free(session);
}

static void session_tell(struct pg_session *session, bool ready, const struct error *reason)
{
	if (session->told && session->told_ready == ready &&
	    (ready || strcmp(session->told_reason.text, reason->text) == 0))
		return;
	session->told = true;
	session->told_ready = ready;
	if (!ready)
		session->told_reason = *reason;
	if (session->changed != NULL)
		session->changed(session->context, ready, ready ? "" : session->told_reason.text);
}

static void request_free(struct request *request)
{
	pg_values_release(&request->values);
	free(request);
}

static void queue_push(struct pg_session *session, struct request *request)
{
	*session->last = request;
	session->last = &request->next;
	session->pending++;
}

static struct request *queue_pop(struct pg_session *session)
{
	struct request *request = session->first;
	session->first = request->next;
	if (session->first == NULL)
		session->last = &session->first;
	request->next = NULL;
	return request;
}

static void queue_put_back(struct pg_session *session, struct request *request)
{
	request->next = session->first;
	session->first = request;
	if (request->next == NULL)
		session->last = &request->next;
}

static void free_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

/* Events go before the socket does: a number closed and reused would be unregistered for its new owner. */
static void session_disconnect(struct pg_session *session)
{
	free_event(&session->reading);
	free_event(&session->writing);
	event_del(session->broken);
	PQclear(session->result);
	session->result = NULL;
	PQfinish(session->connection);
	session->connection = NULL;
	pg_prepared_clear(&session->prepared);
	session->deadline_ms = 0;
	session->send_failed = false;
}

static void session_answer(struct pg_session *session, struct request *request, const PGresult *result,
			   const struct error *err)
{
	session->pending--;
	if (request->answer != NULL)
		request->answer(request->context, err == NULL ? (const struct pg_rows *)result : NULL, err);
	request_free(request);
}

static void session_wait(struct pg_session *session)
{
	session->state = SESSION_WAITING;
	session->failures++;
	int64_t wait_ms =
		backoff_full_jitter_ms(RECONNECT_BASE_MS, RECONNECT_CAP_MS, session->failures, backoff_random());
	struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
	event_add(session->retry, &wait);
}

/* The one way from a connection to none. Only from the loop, since it answers. */
static void session_lost(struct pg_session *session, const struct error *reason)
{
	struct error why = session->last_words.kind != ERROR_NONE ? session->last_words : *reason;
	struct request *uncertain = NULL;
	if (session->state == SESSION_EXECUTING)
		uncertain = session->current;
	else if (session->current != NULL)
		queue_put_back(session, session->current);
	session->current = NULL;
	session_disconnect(session);
	session_wait(session);
	session_tell(session, false, &why);
	if (uncertain == NULL)
		return;
	if (session->closed) {
		request_free(uncertain);
		return;
	}
	why.kind = ERROR_UNCERTAIN;
	error_wrap(&why, "the connection was lost while %s ran", uncertain->statement->name);
	session_answer(session, uncertain, NULL, &why);
}

static void session_lost_as_libpq_says(struct pg_session *session)
{
	struct error reason;
	pg_error_from_connection(&reason, ERROR_TRANSIENT, session->connection);
	session_lost(session, &reason);
}

/* Sending may fail inside pg_session_ask(), where nobody may be answered: the loop hears of it. */
static void session_flush(struct pg_session *session, int sent)
{
	int rest = sent == 1 ? PQflush(session->connection) : -1;
	if (rest == 1)
		event_add(session->writing, NULL);
	if (rest >= 0)
		return;
	session->send_failed = true;
	event_active(session->broken, EV_TIMEOUT, 0);
}

static void session_set_deadline(struct pg_session *session)
{
	bool limited = session->statement_timeout_ms > 0;
	session->deadline_ms = limited ? clock_now_ms() + session->statement_timeout_ms + ANSWER_GRACE_MS : 0;
}

static void session_prepare(struct pg_session *session)
{
	const struct pg_statement *statement = session->current->statement;
	session->state = SESSION_PREPARING;
	session_flush(session, PQsendPrepare(session->connection, statement->name, statement->sql, 0, NULL));
}

static void session_execute(struct pg_session *session)
{
	const struct request *request = session->current;
	const struct pg_values *values = &request->values;
	const char *parameters[PG_VALUES_MAX];
	for (int i = 0; i < values->count; i++)
		parameters[i] = values->nulls[i] ? NULL : values->bytes.bytes + values->offsets[i];
	session->state = SESSION_EXECUTING;
	session_flush(session, PQsendQueryPrepared(session->connection, request->statement->name, values->count,
						   parameters, NULL, NULL, 0));
}

/* libpq 15 cannot close a prepared statement by message. */
static void session_deallocate(struct pg_session *session)
{
	const char *name = session->current->statement->name;
	char *quoted = PQescapeIdentifier(session->connection, name, strlen(name));
	struct text sql;
	text_init(&sql, 1024);
	text_add(&sql, "deallocate ");
	text_add(&sql, quoted != NULL ? quoted : "");
	session->state = SESSION_DEALLOCATING;
	pg_prepared_remove(&session->prepared, session->current->statement);
	session_flush(session, PQsendQuery(session->connection, text_string(&sql)));
	text_release(&sql);
	PQfreemem(quoted);
}

/* An empty query keeps the order of the answers and brings this one from the loop. */
static void session_refuse(struct pg_session *session)
{
	session->state = SESSION_REFUSING;
	session_flush(session, PQsendQuery(session->connection, ""));
}

static void session_start_next(struct pg_session *session)
{
	if (session->state != SESSION_IDLE || session->first == NULL)
		return;
	session->current = queue_pop(session);
	session_set_deadline(session);
	if (!text_ok(&session->current->values.bytes))
		session_refuse(session);
	else if (pg_prepared_has(&session->prepared, session->current->statement))
		session_execute(session);
	else
		session_prepare(session);
}

static bool server_says_on(const struct pg_session *session, const char *parameter)
{
	const char *value = PQparameterStatus(session->connection, parameter);
	return value != NULL && strcmp(value, "on") == 0;
}

/* The server was demoted or its disk protected under us: another host of the URL may be the one to write to. */
static bool server_turned_read_only(const struct pg_session *session, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (session->read_only || sqlstate == NULL || strcmp(sqlstate, "25006") != 0)
		return false;
	return server_says_on(session, "in_hot_standby") || server_says_on(session, "default_transaction_read_only");
}

/* The next statement is sent before the answer is given, so that the server works while the caller reads. */
static void session_finish(struct pg_session *session)
{
	struct request *request = session->current;
	PGresult *result = session->result;
	session->current = NULL;
	session->result = NULL;
	session->state = SESSION_IDLE;
	session->deadline_ms = 0;
	if (!pg_error_is_error(result)) {
		session_start_next(session);
		session_answer(session, request, result, NULL);
		PQclear(result);
		return;
	}
	struct error err;
	pg_error_from_result(&err, result, false);
	error_wrap(&err, "%s", request->statement->name);
	if (server_turned_read_only(session, result)) {
		err.kind = ERROR_TRANSIENT;
		session_lost(session, &err);
	} else {
		session_start_next(session);
	}
	PQclear(result);
	if (session->closed)
		request_free(request);
	else
		session_answer(session, request, NULL, &err);
}

static void session_is_set_up(struct pg_session *session)
{
	if (session->result != NULL && pg_error_is_error(session->result)) {
		struct error err;
		pg_error_from_result(&err, session->result, false);
		session_lost(session, &err);
		return;
	}
	PQclear(session->result);
	session->result = NULL;
	session->state = SESSION_IDLE;
	session->deadline_ms = 0;
	session->failures = 0;
	session_tell(session, true, NULL);
	if (!session->closed)
		session_start_next(session);
}

static void session_is_prepared(struct pg_session *session)
{
	if (session->result == NULL || pg_error_is_error(session->result)) {
		session_finish(session);
		return;
	}
	PQclear(session->result);
	session->result = NULL;
	pg_prepared_add(&session->prepared, session->current->statement);
	session_execute(session);
}

static void session_is_executed(struct pg_session *session)
{
	if (!pg_error_is_stale_plan(session->result) || session->current->tried_again) {
		session_finish(session);
		return;
	}
	session->current->tried_again = true;
	PQclear(session->result);
	session->result = NULL;
	session_deallocate(session);
}

static void session_is_refused(struct pg_session *session)
{
	struct request *request = session->current;
	struct error err;
	error_set(&err, ERROR_INVALID, "%s: more than %d parameters or too many bytes", request->statement->name,
		  PG_VALUES_MAX);
	PQclear(session->result);
	session->result = NULL;
	session->current = NULL;
	session->state = SESSION_IDLE;
	session_start_next(session);
	session_answer(session, request, NULL, &err);
}

/* Only now is the statement over, its transaction committed: the server has said that it is ready. */
static void session_step_is_over(struct pg_session *session)
{
	switch (session->state) {
	case SESSION_SETTING_UP:
		session_is_set_up(session);
		break;
	case SESSION_REFUSING:
		session_is_refused(session);
		break;
	case SESSION_DEALLOCATING:
		PQclear(session->result);
		session->result = NULL;
		session_prepare(session);
		break;
	case SESSION_PREPARING:
		session_is_prepared(session);
		break;
	case SESSION_EXECUTING:
		session_is_executed(session);
		break;
	case SESSION_WAITING:
	case SESSION_CONNECTING:
	case SESSION_IDLE:
		break;
	}
}

/* Rows may be followed by an error, when the commit fails; the error is the answer then. */
static void session_keep(struct pg_session *session, PGresult *result)
{
	if (session->result != NULL && pg_error_is_error(session->result)) {
		PQclear(result);
		return;
	}
	PQclear(session->result);
	session->result = result;
}

static void note_last_words(void *context, const PGresult *result)
{
	struct pg_session *session = context;
	if (pg_error_is_fatal(result))
		pg_error_from_result(&session->last_words, result, false);
}

static bool session_has_answer(const struct pg_session *session)
{
	if (session->connection == NULL || session->send_failed)
		return false;
	return !PQisBusy(session->connection) && session->state > SESSION_CONNECTING && session->state != SESSION_IDLE;
}

/* COPY would wait for us for ever; no statement of ours is one. */
static bool ends_connection(const struct pg_session *session, const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	bool copy = status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
	return copy || pg_error_is_fatal(result) || PQstatus(session->connection) == CONNECTION_BAD;
}

static void session_read(struct pg_session *session)
{
	if (PQconsumeInput(session->connection) != 1) {
		session_lost_as_libpq_says(session);
		return;
	}
	while (session_has_answer(session)) {
		PGresult *result = PQgetResult(session->connection);
		if (result == NULL) {
			session_step_is_over(session);
		} else if (ends_connection(session, result)) {
			struct error reason;
			pg_error_from_result(&reason, result, false);
			PQclear(result);
			session_lost(session, &reason);
		} else {
			session_keep(session, result);
		}
	}
}

static void on_readable(evutil_socket_t socket, short what, void *context)
{
	(void)socket, (void)what;
	struct pg_session *session = context;
	session_enter(session);
	session_read(session);
	session_leave(session);
}

/* libpq asks to read as well before it writes on, or both sides may wait with full buffers. */
static void on_writable(evutil_socket_t socket, short what, void *context)
{
	(void)socket, (void)what;
	struct pg_session *session = context;
	session_enter(session);
	session_flush(session, 1);
	session_leave(session);
}

static void on_broken(evutil_socket_t socket, short what, void *context)
{
	(void)socket, (void)what;
	struct pg_session *session = context;
	session_enter(session);
	session_lost_as_libpq_says(session);
	session_leave(session);
}

static void session_set_up(struct pg_session *session)
{
	evutil_socket_t socket = PQsocket(session->connection);
	PQsetnonblocking(session->connection, 1);
	session->reading = event_new(session->base, socket, EV_READ | EV_PERSIST, on_readable, session);
	session->writing = event_new(session->base, socket, EV_WRITE, on_writable, session);
	event_add(session->reading, NULL);
	session->state = SESSION_SETTING_UP;
	session_flush(session, PQsendQuery(session->connection, text_string(&session->set_up_sql)));
}

static void on_connecting(evutil_socket_t socket, short what, void *context);

/* A new event each time: libpq may have gone on to the next address with another socket. */
static void session_watch(struct pg_session *session, short what)
{
	session->reading = event_new(session->base, PQsocket(session->connection), what, on_connecting, session);
	event_add(session->reading, NULL);
}

static void on_connecting(evutil_socket_t socket, short what, void *context)
{
	(void)socket, (void)what;
	struct pg_session *session = context;
	session_enter(session);
	free_event(&session->reading);
	switch (PQconnectPoll(session->connection)) {
	case PGRES_POLLING_READING:
		session_watch(session, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		session_watch(session, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		session_set_up(session);
		break;
	default:
		session_lost_as_libpq_says(session);
	}
	session_leave(session);
}

static void session_connect(struct pg_session *session)
{
	session->last_words.kind = ERROR_NONE;
	session->connection = pg_connect_start(session->url, session->application_name, session->read_only);
	session->state = SESSION_CONNECTING;
	session->deadline_ms = clock_now_ms() + CONNECT_LIMIT_MS;
	if (PQstatus(session->connection) == CONNECTION_BAD) {
		session_lost_as_libpq_says(session);
		return;
	}
	PQsetNoticeReceiver(session->connection, note_last_words, session);
	session_watch(session, EV_WRITE);
}

static void on_retry(evutil_socket_t socket, short what, void *context)
{
	(void)socket, (void)what;
	struct pg_session *session = context;
	session_enter(session);
	session_connect(session);
	session_leave(session);
}

/* Once a second: a server that says nothing at all, and bytes that TLS has read ahead and no socket announces. */
static void on_tick(evutil_socket_t socket, short what, void *context)
{
	(void)socket, (void)what;
	struct pg_session *session = context;
	session_enter(session);
	if (session->deadline_ms != 0 && clock_now_ms() >= session->deadline_ms) {
		struct error reason;
		error_set(&reason, ERROR_TRANSIENT, "the server at the other end does not answer");
		session_lost(session, &reason);
	} else if (session->state > SESSION_CONNECTING && PQsslInUse(session->connection)) {
		session_read(session);
	}
	session_leave(session);
}

struct pg_session *pg_session_open(struct event_base *base, const struct pg_session_settings *settings,
				   pg_session_changed *changed, void *context)
{
	struct pg_session *session = memory_new(sizeof(*session));
	int64_t timeout_ms = settings->statement_timeout_ms;
	session->base = base;
	session->url = memory_copy_string(settings->url);
	session->application_name = memory_copy_string(settings->application_name);
	session->read_only = settings->read_only;
	session->statement_timeout_ms = timeout_ms < STATEMENT_TIMEOUT_MAX ? timeout_ms : STATEMENT_TIMEOUT_MAX;
	session->changed = changed;
	session->context = context;
	session->last = &session->first;
	text_init(&session->set_up_sql, 1024);
	pg_connect_add_settings(&session->set_up_sql, session->statement_timeout_ms, session->read_only);
	session->broken = event_new(base, -1, 0, on_broken, session);
	session->retry = event_new(base, -1, 0, on_retry, session);
	session->tick = event_new(base, -1, EV_PERSIST, on_tick, session);
	event_add(session->tick, &(struct timeval){.tv_sec = 1});
	event_active(session->retry, EV_TIMEOUT, 0);
	return session;
}

void pg_session_close(struct pg_session **where)
{
	struct pg_session *session = *where;
	if (session == NULL)
		return;
	*where = NULL;
	session->closed = true;
	session_disconnect(session);
	free_event(&session->broken);
	free_event(&session->retry);
	free_event(&session->tick);
	if (session->current != NULL)
		request_free(session->current);
	while (session->first != NULL)
		request_free(queue_pop(session));
	text_release(&session->set_up_sql);
	pg_prepared_release(&session->prepared);
	free(session->url);
	free(session->application_name);
	if (session->entered == 0)
		free(session);
}

void pg_session_ask(struct pg_session *session, const struct pg_statement *statement, struct pg_values *values,
		    pg_session_answer *answer, void *context)
{
	struct request *request = memory_new(sizeof(*request));
	request->statement = statement;
	request->answer = answer;
	request->context = context;
	if (values != NULL) {
		assert(!values->in_array);
		request->values = *values;
		pg_values_init(values);
	}
	queue_push(session, request);
	session_start_next(session);
}

bool pg_session_is_ready(const struct pg_session *session)
{
	return session->state > SESSION_SETTING_UP;
}

size_t pg_session_pending(const struct pg_session *session)
{
	return session->pending;
}
