/* The publisher and the consumer against a real RabbitMQ that is interrupted, blocked and robbed of its queues.
 * Starts a private one with deploy/stack; with POSTRIDER_AMQP_URL it uses that and leaves out what would disturb it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/amqp_consumer.h"
#include "shared/amqp_publisher.h"
#include "shared/amqp_session.h"
#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/memory.h"

#define LANE             3
#define SUBSCRIPTION     5
#define WINDOW           1000
#define PREFETCH         300
#define HELD_MAX         100
#define PATIENCE_MS      60000 /* how long a test waits before it fails; nothing is decided by it */
#define DELIVERY_ID_BASE 202611000000000000

/* ---- the broker ---- */

static char *url;
static char directory[] = "/tmp/postrider-amqp-XXXXXX";
static bool broker_is_ours;
static int guard_pipe = -1;
static pid_t guard;

static char *print_to_string(const char *format, ...) PRINTF_LIKE(1, 2);
static char *print_to_string(const char *format, ...)
{
	char *string = NULL;
	va_list arguments;

	va_start(arguments, format);
	assert_true(vasprintf(&string, format, arguments) >= 0);
	va_end(arguments);
	return string;
}

static void run_stack(const char *verb, const char *arguments)
{
	char *command = print_to_string("deploy/stack %s %s %s >>%s.log 2>&1", verb, directory, arguments, directory);

	if (system(command) != 0)
		fail_msg("%s: see %s.log", command, directory);
	free(command);
}

/* Stops the broker when this program has ended, however it ended. */
static void start_guard(void)
{
	int fds[2];
	char nothing;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	guard = fork();
	assert_true(guard >= 0);
	if (guard > 0) {
		close(fds[0]);
		guard_pipe = fds[1];
		return;
	}
	setsid();
	close(fds[1]);
	while (read(fds[0], &nothing, 1) > 0)
		;
	execl("/bin/sh", "sh", "-c", "deploy/stack stop \"$1\" >/dev/null 2>&1; rm -rf \"$1\" \"$1.log\"", "sh",
	      directory, (char *)NULL);
	_exit(127);
}

static char *read_url(void)
{
	char *command =
		print_to_string("eval \"$(deploy/stack env %s)\" && printf %%s \"$POSTRIDER_AMQP_URL\"", directory);
	FILE *pipe = popen(command, "r");
	char line[1000] = "";

	free(command);
	assert_non_null(pipe);
	assert_non_null(fgets(line, sizeof(line), pipe));
	assert_int_equal(pclose(pipe), 0);
	return memory_copy_string(line);
}

static int start_broker(void **state)
{
	const char *given = getenv("POSTRIDER_AMQP_URL");

	(void)state;
	if (given) {
		url = memory_copy_string(given);
		return 0;
	}
	assert_non_null(mkdtemp(directory));
	start_guard();
	run_stack("start", "--fast --no-migrate");
	url = read_url();
	broker_is_ours = true;
	return 0;
}

static int stop_broker(void **state)
{
	(void)state;
	free(url);
	if (guard_pipe < 0)
		return 0;
	close(guard_pipe);
	waitpid(guard, NULL, 0);
	return 0;
}

/* ---- one publisher, one consumer, and what they said ---- */

struct held {
	uint32_t session;
	uint64_t tag;
};

static struct world {
	struct event_base *base;
	struct amqp_publisher *publisher;
	struct amqp_consumer *consumer;
	char *queue;

	bool publisher_ready, consumer_ready;
	int publisher_away_count, consumer_away_count;
	char *publisher_reason; /* of the last time it was away */
	int64_t submitted;
	int64_t receipts[AMQP_LOST + 1];
	int64_t depth_reports, depth_ready, depth_consumers;

	bool hold; /* settle nothing */
	struct held held[WINDOW];
	size_t held_count;
	uint8_t *seen; /* by delivery: how often */
	int64_t seen_different;
	int64_t jobs, redelivered;
	uint32_t last_session;
	uint64_t last_delivery_id;
	struct amqp_job last_job;
} world;

static void on_publisher_changed(void *context, bool ready, const char *reason)
{
	(void)context;
	world.publisher_ready = ready;
	print_message("publisher: %s%s\n", ready ? "ready" : "away: ", reason);
	if (ready)
		return;
	world.publisher_away_count++;
	free(world.publisher_reason);
	world.publisher_reason = memory_copy_string(reason);
}

static void on_settled(void *context, const struct amqp_receipt *receipts, size_t count)
{
	(void)context;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(receipts[i].lane_id, LANE);
		assert_int_equal(receipts[i].epoch, 1);
		world.receipts[receipts[i].verdict]++;
	}
}

static void on_depth(void *context, int32_t lane_id, int64_t ready, int64_t consumers)
{
	(void)context;
	assert_int_equal(lane_id, LANE);
	world.depth_reports++;
	world.depth_ready = ready;
	world.depth_consumers = consumers;
}

static void on_consumer_changed(void *context, bool ready, const char *reason)
{
	(void)context;
	print_message("consumer: %s%s\n", ready ? "ready" : "away: ", reason);
	world.consumer_ready = ready;
	if (!ready)
		world.consumer_away_count++;
}

static void settle_held(size_t i)
{
	amqp_consumer_settle(world.consumer, world.held[i].session, world.held[i].tag);
	world.held[i] = world.held[--world.held_count];
}

static void settle_all_held(void)
{
	while (world.held_count > 0)
		settle_held(world.held_count - 1);
}

static void note_delivery(const struct amqp_job *job)
{
	struct message message;
	struct error err;

	if (!world.seen || job->length > MESSAGE_BYTES_MAX)
		return;
	assert_true(message_decode(&message, job->body, job->length, &err));
	world.last_delivery_id = (uint64_t)(message.delivery_id - DELIVERY_ID_BASE);
	if (world.seen[world.last_delivery_id]++ == 0)
		world.seen_different++;
}

/* Jobs are settled in another order than they come, as in life. */
static void on_jobs(void *context, const struct amqp_job *jobs, size_t count)
{
	(void)context;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(jobs[i].subscription, SUBSCRIPTION);
		note_delivery(&jobs[i]);
		world.jobs++;
		world.redelivered += jobs[i].redelivered;
		world.last_session = jobs[i].session;
		world.last_job = jobs[i];
		world.held[world.held_count++] = (struct held){jobs[i].session, jobs[i].tag};
		if (!world.hold && world.held_count > HELD_MAX)
			settle_held((size_t)(backoff_random() % world.held_count));
	}
}

static void open_publisher(void)
{
	struct amqp_publisher_settings settings = {.url = url, .connection_name = "live test", .window = WINDOW};
	struct amqp_publisher_events events = {
		.changed = on_publisher_changed, .settled = on_settled, .depth = on_depth};

	world.publisher = amqp_publisher_open(world.base, &settings, &events);
	amqp_publisher_watch(world.publisher, LANE, world.queue);
}

static void open_consumer(void)
{
	struct amqp_consumer_settings settings = {.url = url, .connection_name = "live test", .ring_slots = PREFETCH};
	struct amqp_consumer_events events = {.changed = on_consumer_changed, .jobs = on_jobs};

	world.consumer = amqp_consumer_open(world.base, &settings, &events);
	amqp_consumer_subscribe(world.consumer, SUBSCRIPTION, world.queue, PREFETCH);
}

static int open_world(void **state)
{
	static int number;

	(void)state;
	world = (struct world){.base = event_base_new()};
	world.queue = print_to_string("postrider.test.%ld-%d.marketing", (long)getpid(), ++number);
	open_publisher();
	return 0;
}

static void on_nothing(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
}

/* Turns the loop until the condition holds. The timer only lets the deadline be looked at. */
#define wait_until(condition)                                                                                          \
	do {                                                                                                           \
		int64_t deadline_ms = clock_now_ms() + PATIENCE_MS;                                                    \
		struct timeval second = {1, 0};                                                                        \
		struct event *timer = event_new(world.base, -1, EV_PERSIST, on_nothing, NULL);                         \
		event_add(timer, &second);                                                                             \
		while (!(condition) && clock_now_ms() < deadline_ms)                                                   \
			event_base_loop(world.base, EVLOOP_ONCE);                                                      \
		event_free(timer);                                                                                     \
		assert_true(condition);                                                                                \
	} while (0)

static int64_t receipts_of_all_kinds(void)
{
	int64_t sum = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(world.receipts); i++)
		sum += world.receipts[i];
	return sum;
}

static bool submit_one(void)
{
	struct message message = {.delivery_id = DELIVERY_ID_BASE + world.submitted + 1, .epoch = 1, .lane_id = LANE};

	memset(message.trace_id, 'a', MESSAGE_TRACE_LENGTH);
	if (!amqp_publisher_submit(world.publisher, &message))
		return false;
	world.submitted++;
	return true;
}

static void submit(int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		assert_true(submit_one());
	amqp_publisher_flush(world.publisher);
}

/* A session of the test's own, to do what others might do to our queues. */
static bool ignore_method(void *context, const amqp_method_t *method, struct error *err)
{
	(void)context;
	(void)method;
	(void)err;
	return true;
}

static bool ignore_content(void *context, const struct amqp_content *content, struct error *err)
{
	(void)context;
	(void)content;
	(void)err;
	return true;
}

static struct amqp_session *open_session(void)
{
	struct amqp_session_settings settings = {
		.url = url, .stall_limit_ms = 20000, .on_method = ignore_method, .on_content = ignore_content};
	struct amqp_session *session = amqp_session_new(&settings);
	struct error err;

	if (!amqp_session_connect(session, &err))
		fail_msg("%s", err.text);
	return session;
}

static void close_session(struct amqp_session *session)
{
	amqp_session_leave(session);
	amqp_session_free(&session);
}

static void delete_queue(struct amqp_session *session)
{
	amqp_queue_delete_t request = {.queue = amqp_cstring_bytes(world.queue)};
	amqp_method_t answer;
	struct error err;

	assert_true(amqp_session_call(session, AMQP_QUEUE_DELETE_METHOD, &request, AMQP_QUEUE_DELETE_OK_METHOD, &answer,
				      &err));
}

static int close_world(void **state)
{
	struct amqp_session *session = open_session();

	(void)state;
	amqp_consumer_close(&world.consumer);
	amqp_publisher_close(&world.publisher);
	delete_queue(session);
	close_session(session);
	event_base_free(world.base);
	free(world.queue);
	free(world.seen);
	free(world.publisher_reason);
	return 0;
}

static void expect_nothing_left(void)
{
	amqp_consumer_close(&world.consumer);
	world.depth_reports = 0;
	wait_until(world.depth_reports >= 2);
	assert_int_equal(world.depth_consumers, 0);
	assert_int_equal(world.depth_ready, 0);
}

/* ---- the tests ---- */

static void twenty_thousand_jobs_arrive_and_are_acknowledged(void **state)
{
	const int64_t all = 20000;

	(void)state;
	world.seen = memory_new((size_t)all + 1);
	open_consumer();
	wait_until(world.publisher_ready && world.consumer_ready);
	assert_int_equal(amqp_publisher_free_slots(world.publisher), WINDOW);
	while (world.submitted < all) {
		while (world.submitted < all && submit_one())
			;
		amqp_publisher_flush(world.publisher);
		wait_until(amqp_publisher_free_slots(world.publisher) > 0);
	}
	wait_until(receipts_of_all_kinds() == all);
	assert_int_equal(world.receipts[AMQP_CONFIRMED], all);
	wait_until(world.seen_different == all);
	assert_int_equal(world.jobs, all);
	settle_all_held();
	assert_int_equal(amqp_consumer_unsettled(world.consumer), 0);
	expect_nothing_left();
}

static void a_deleted_queue_returns_its_jobs_and_comes_back(void **state)
{
	struct amqp_session *session = open_session();

	(void)state;
	wait_until(world.publisher_ready && world.depth_reports > 0);
	/* The queue may be declared again between the deletion and the publish, so it may take several tries. */
	for (int i = 0; i < 50 && world.receipts[AMQP_RETURNED] == 0; i++) {
		delete_queue(session);
		submit(10);
		wait_until(receipts_of_all_kinds() == world.submitted);
	}
	assert_in_range(world.receipts[AMQP_RETURNED], 1, 10);
	int64_t confirmed = world.receipts[AMQP_CONFIRMED];
	world.depth_reports = 0;
	wait_until(world.depth_reports >= 2);
	submit(10);
	wait_until(receipts_of_all_kinds() == world.submitted);
	assert_int_equal(world.receipts[AMQP_CONFIRMED], confirmed + 10);
	assert_int_equal(world.receipts[AMQP_LOST] + world.receipts[AMQP_REFUSED], 0);
	close_session(session);
}

static void both_come_back_after(void (*interrupt)(void))
{
	if (!broker_is_ours)
		skip();
	world.hold = true;
	open_consumer();
	wait_until(world.publisher_ready && world.consumer_ready);
	submit(10);
	wait_until(world.jobs == 10 && world.receipts[AMQP_CONFIRMED] == 10);
	uint32_t first_session = world.last_session;

	interrupt();
	wait_until(world.publisher_away_count > 0 && world.consumer_away_count > 0);
	wait_until(world.publisher_ready && world.consumer_ready);
	wait_until(world.jobs == 20);
	assert_int_equal(world.redelivered, 10);
	assert_true(world.last_session > first_session);
	submit(10);
	wait_until(world.jobs == 30 && receipts_of_all_kinds() == world.submitted);
	settle_all_held();
	expect_nothing_left();
}

static void close_connections(void)
{
	run_stack("rabbitmqctl", "close_all_connections test");
}

static void kill_and_start(void)
{
	/* RabbitMQ 3.10 forgets the log of a queue that is killed right after its birth: give it some seconds of life. */
	world.depth_reports = 0;
	wait_until(world.depth_reports >= 6);
	run_stack("kill-rabbitmq", "");
	/* Nothing must be accepted meanwhile, and nothing wait without a receipt. */
	wait_until(!world.publisher_ready);
	assert_int_equal(amqp_publisher_free_slots(world.publisher), 0);
	run_stack("start-rabbitmq", "");
}

static void closed_connections_come_back(void **state)
{
	(void)state;
	both_come_back_after(close_connections);
}

static void a_killed_broker_comes_back(void **state)
{
	(void)state;
	both_come_back_after(kill_and_start);
}

static void a_memory_alarm_stops_publishing_until_it_is_over(void **state)
{
	(void)state;
	if (!broker_is_ours)
		skip();
	wait_until(world.publisher_ready);
	run_stack("rabbitmqctl", "set_vm_memory_high_watermark 0.00001");
	/* The broker tells those who publish. */
	for (int i = 0; i < 100 && world.publisher_ready; i++) {
		submit(1);
		wait_until(receipts_of_all_kinds() == world.submitted || !world.publisher_ready);
	}
	wait_until(!world.publisher_ready);
	assert_non_null(strstr(world.publisher_reason, "the broker blocks publishing: "));
	assert_int_equal(amqp_publisher_free_slots(world.publisher), 0);
	assert_false(submit_one());

	run_stack("rabbitmqctl", "set_vm_memory_high_watermark 0.6");
	wait_until(world.publisher_ready);
	submit(10);
	wait_until(receipts_of_all_kinds() == world.submitted);
	assert_int_equal(world.receipts[AMQP_CONFIRMED], world.submitted);
	assert_int_equal(world.publisher_away_count, 1);
}

static void a_queue_deleted_under_the_consumer_is_subscribed_again_on_a_new_connection(void **state)
{
	struct amqp_session *session = open_session();

	(void)state;
	open_consumer();
	wait_until(world.publisher_ready && world.consumer_ready);
	delete_queue(session);
	close_session(session);
	world.depth_reports = 0;
	wait_until(world.depth_reports >= 2 && world.depth_consumers == 1);
	submit(10);
	wait_until(world.jobs == 10);
	assert_int_equal(world.consumer_away_count, 1);
	settle_all_held();
	expect_nothing_left();
}

static void a_large_body_arrives_cut_with_its_true_length(void **state)
{
	struct amqp_session *session = open_session();
	char body[3000];
	struct error err;

	(void)state;
	open_consumer();
	wait_until(world.publisher_ready && world.consumer_ready);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 26);
	assert_true(amqp_session_publish(session, AMQP_JOBS_EXCHANGE, world.queue, body, sizeof(body), &err));
	assert_true(amqp_session_publish(session, AMQP_JOBS_EXCHANGE, world.queue, "", 0, &err));
	assert_true(amqp_session_flush(session, &err));
	wait_until(world.jobs >= 1);
	if (world.jobs == 1) {
		assert_int_equal(world.last_job.length, sizeof(body));
		assert_memory_equal(world.last_job.body, body, MESSAGE_BYTES_MAX);
	}
	wait_until(world.jobs == 2);
	assert_int_equal(world.last_job.length, 0);
	close_session(session);
	settle_all_held();
	expect_nothing_left();
}

static void a_stopped_consumer_takes_no_more(void **state)
{
	(void)state;
	world.hold = true;
	open_consumer();
	wait_until(world.publisher_ready && world.consumer_ready);
	submit(10);
	wait_until(world.jobs == 10);
	amqp_consumer_stop(world.consumer);
	submit(10);
	wait_until(world.receipts[AMQP_CONFIRMED] == 20);
	world.depth_reports = 0;
	wait_until(world.depth_reports >= 2);
	assert_int_equal(world.jobs, 10);
	settle_all_held();
	assert_int_equal(amqp_consumer_unsettled(world.consumer), 0);
	amqp_consumer_close(&world.consumer);
	world.depth_reports = 0;
	wait_until(world.depth_reports >= 2);
	assert_int_equal(world.depth_ready, 10);
}

static void a_queue_with_other_arguments_is_reported_and_used(void **state)
{
	struct amqp_session *session = open_session();
	amqp_queue_declare_t request = {.queue = amqp_cstring_bytes(world.queue), .durable = 1};
	amqp_method_t answer;
	struct error err;

	(void)state;
	/* The publisher may declare it again first: then ours is refused, and is tried again. */
	wait_until(world.publisher_ready && world.depth_reports > 0);
	delete_queue(session);
	while (!amqp_session_call(session, AMQP_QUEUE_DECLARE_METHOD, &request, AMQP_QUEUE_DECLARE_OK_METHOD, &answer,
				  &err)) {
		close_session(session);
		session = open_session();
		delete_queue(session);
	}
	close_session(session);
	wait_until(world.publisher_away_count > 0);
	assert_non_null(strstr(world.publisher_reason, "406 PRECONDITION_FAILED"));
	assert_non_null(strstr(world.publisher_reason, world.queue));
	wait_until(world.publisher_ready);
	open_consumer();
	wait_until(world.consumer_ready);
	submit(10);
	wait_until(world.receipts[AMQP_CONFIRMED] == 10 && world.jobs == 10);
	settle_all_held();
	expect_nothing_left();
}

static void a_broker_that_reads_nothing_is_given_up(void **state)
{
	(void)state;
	if (!broker_is_ours)
		skip();
	amqp_publisher_close(&world.publisher);
	struct amqp_publisher_settings settings = {
		.url = url, .connection_name = "live test", .window = 200000, .blocked_limit_ms = 1000};
	struct amqp_publisher_events events = {
		.changed = on_publisher_changed, .settled = on_settled, .depth = on_depth};
	world.publisher = amqp_publisher_open(world.base, &settings, &events);
	amqp_publisher_watch(world.publisher, LANE, world.queue);
	wait_until(world.publisher_ready && world.depth_reports > 0);

	char *pause = print_to_string("kill -STOP $(cat %s/rabbitmq/pid)", directory);
	char *resume = print_to_string("kill -CONT $(cat %s/rabbitmq/pid)", directory);
	int paused = system(pause);
	submit(200000); /* far more than the kernels' buffers hold */
	int64_t resume_at_ms = clock_now_ms() + PATIENCE_MS;
	while (world.publisher_ready && clock_now_ms() < resume_at_ms)
		event_base_loop(world.base, EVLOOP_ONCE);
	int resumed = system(resume);
	free(pause);
	free(resume);
	assert_int_equal(paused, 0);
	assert_int_equal(resumed, 0);
	assert_false(world.publisher_ready);
	assert_string_equal(world.publisher_reason, "the broker took no bytes for too long");
	wait_until(receipts_of_all_kinds() == world.submitted);
	assert_true(world.receipts[AMQP_LOST] > 0);
	wait_until(world.publisher_ready);
}

#define live_test(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		live_test(twenty_thousand_jobs_arrive_and_are_acknowledged),
		live_test(a_deleted_queue_returns_its_jobs_and_comes_back),
		live_test(a_queue_deleted_under_the_consumer_is_subscribed_again_on_a_new_connection),
		live_test(a_queue_with_other_arguments_is_reported_and_used),
		live_test(a_large_body_arrives_cut_with_its_true_length),
		live_test(a_stopped_consumer_takes_no_more),
		live_test(a_memory_alarm_stops_publishing_until_it_is_over),
		live_test(closed_connections_come_back),
		live_test(a_broker_that_reads_nothing_is_given_up),
		live_test(a_killed_broker_comes_back),
	};

	cmocka_set_test_filter(getenv("POSTRIDER_TEST_FILTER")); /* a pattern such as *alarm* */
	return cmocka_run_group_tests(tests, start_broker, stop_broker);
}
