#include "scheduler/status.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/pg_plain.h"

#define PAGE_BYTES_MAX (4 * 1024 * 1024)
#define BAR_WIDTH      24
#define CLEAR_SCREEN   "\033[H\033[2J"

/* Columns of each view, in the order of its statement. */
enum {
	CAMPAIGN_RUN,
	CAMPAIGN_NAME,
	CAMPAIGN_STATUS,
	CAMPAIGN_AUDIENCE,
	CAMPAIGN_SETTLED,
	CAMPAIGN_PERCENT,
	CAMPAIGN_PER_SECOND,
	CAMPAIGN_SECONDS_LEFT,
	CAMPAIGN_IS_PLANNING,
	CAMPAIGN_BLOCKED,
	CAMPAIGN_HAS_ENDED
};
enum { WAITING_NAME, WAITING_STATUS, WAITING_SEND_AT, WAITING_BLOCKED };
enum { LANE_QUEUE, LANE_READY, LANE_CONSUMERS, LANE_STATE };
enum { STUCK_CAMPAIGN, STUCK_CHANNEL, STUCK_STATUS, STUCK_DELIVERIES, STUCK_WAITING_FOR, STUCK_SECONDS };

enum column_kind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_SWITCH };

struct column {
	const char *name;
	enum column_kind kind;
};

static const struct column campaign_columns[] = {
	{"run", COLUMN_NUMBER},          {"campaign", COLUMN_TEXT},       {"status", COLUMN_TEXT},
	{"audience", COLUMN_NUMBER},     {"settled", COLUMN_NUMBER},      {"percent", COLUMN_NUMBER},
	{"per_second", COLUMN_NUMBER},   {"seconds_left", COLUMN_NUMBER}, {"is_still_planning", COLUMN_SWITCH},
	{"blocked_reason", COLUMN_TEXT}, {"has_ended", COLUMN_SWITCH},
};
static const struct column waiting_columns[] = {
	{"campaign", COLUMN_TEXT}, {"status", COLUMN_TEXT}, {"send_at", COLUMN_TEXT}, {"blocked_reason", COLUMN_TEXT}};
static const struct column lane_columns[] = {
	{"queue", COLUMN_TEXT}, {"ready", COLUMN_NUMBER}, {"workers", COLUMN_NUMBER}, {"state", COLUMN_TEXT}};
static const struct column stuck_columns[] = {
	{"campaign", COLUMN_TEXT},     {"channel", COLUMN_TEXT},     {"status", COLUMN_TEXT},
	{"deliveries", COLUMN_NUMBER}, {"waiting_for", COLUMN_TEXT}, {"seconds", COLUMN_NUMBER},
};

struct part {
	const char *name;
	const char *sql;
	const struct column *columns;
	size_t column_count;
	void (*add_row)(struct text *text, const struct pg_rows *rows, size_t row);
	const char *nothing; /* said when there is no row; NULL: the part is left out */
};

/* ---- for people ---- */

void status_add_bar(struct text *text, int64_t settled, int64_t audience, size_t width)
{
	double share = audience > 0 ? (double)settled / (double)audience : 0;
	size_t filled = share >= 1 ? width : (size_t)(share * (double)width);

	text_add_char(text, '[');
	for (size_t i = 0; i < width; i++)
		text_add_char(text, i < filled ? '#' : '.');
	text_add_char(text, ']');
}

void status_add_duration(struct text *text, int64_t seconds)
{
	if (seconds < 60)
		text_addf(text, "%" PRId64 " s", seconds > 0 ? seconds : 0);
	else if (seconds < 3600)
		text_addf(text, "%" PRId64 " min %02" PRId64 " s", seconds / 60, seconds % 60);
	else if (seconds < 2 * 86400)
		text_addf(text, "%" PRId64 " h %02" PRId64 " min", seconds / 3600, seconds / 60 % 60);
	else
		text_addf(text, "%" PRId64 " days", seconds / 86400);
}

static const char *column_text(const struct pg_rows *rows, size_t row, int column)
{
	const char *text = pg_rows_text(rows, row, column, NULL);

	return text ? text : "";
}

/* Names come from people: nothing of them may steer the terminal. */
static void add_name(struct text *text, const char *name)
{
	text_add_header(text, name, strlen(name));
}

static void add_pace(struct text *text, const struct pg_rows *rows, size_t row)
{
	if (pg_rows_bool(rows, row, CAMPAIGN_HAS_ENDED))
		return;
	if (!pg_rows_is_null(rows, row, CAMPAIGN_PER_SECOND))
		text_addf(text, "  %s/s", column_text(rows, row, CAMPAIGN_PER_SECOND));
	if (!pg_rows_is_null(rows, row, CAMPAIGN_SECONDS_LEFT)) {
		text_add(text, "  ");
		status_add_duration(text, pg_rows_int64(rows, row, CAMPAIGN_SECONDS_LEFT));
		text_add(text, " left");
	}
	if (pg_rows_bool(rows, row, CAMPAIGN_IS_PLANNING))
		text_add(text, "  (the audience is still being made)");
}

static void add_campaign(struct text *text, const struct pg_rows *rows, size_t row)
{
	int64_t settled = pg_rows_int64(rows, row, CAMPAIGN_SETTLED);
	int64_t audience = pg_rows_int64(rows, row, CAMPAIGN_AUDIENCE);

	text_add(text, "  ");
	status_add_bar(text, settled, audience, BAR_WIDTH);
	text_addf(text, " %5s %%  ", column_text(rows, row, CAMPAIGN_PERCENT));
	add_name(text, column_text(rows, row, CAMPAIGN_NAME));
	text_addf(text, "  %s  %" PRId64 " of %" PRId64, column_text(rows, row, CAMPAIGN_STATUS), settled, audience);
	add_pace(text, rows, row);
	text_add_char(text, '\n');
	if (!pg_rows_is_null(rows, row, CAMPAIGN_BLOCKED)) {
		text_add(text, "      ");
		add_name(text, column_text(rows, row, CAMPAIGN_BLOCKED));
		text_add_char(text, '\n');
	}
}

static void add_waiting(struct text *text, const struct pg_rows *rows, size_t row)
{
	text_add(text, "  ");
	add_name(text, column_text(rows, row, WAITING_NAME));
	if (!pg_rows_is_null(rows, row, WAITING_BLOCKED)) {
		text_add(text, ": ");
		add_name(text, column_text(rows, row, WAITING_BLOCKED));
	} else if (!pg_rows_is_null(rows, row, WAITING_SEND_AT)) {
		text_addf(text, "  at %s", column_text(rows, row, WAITING_SEND_AT));
	}
	text_add_char(text, '\n');
}

static void add_lane(struct text *text, const struct pg_rows *rows, size_t row)
{
	text_add(text, "  ");
	add_name(text, column_text(rows, row, LANE_QUEUE));
	text_addf(text, "  %" PRId64 " waiting, %" PRId64 " consumers, ", pg_rows_int64(rows, row, LANE_READY),
		  pg_rows_int64(rows, row, LANE_CONSUMERS));
	add_name(text, column_text(rows, row, LANE_STATE));
	text_add_char(text, '\n');
}

static void add_stuck(struct text *text, const struct pg_rows *rows, size_t row)
{
	text_addf(text, "  %" PRId64 " %s of ", pg_rows_int64(rows, row, STUCK_DELIVERIES),
		  column_text(rows, row, STUCK_CHANNEL));
	add_name(text, column_text(rows, row, STUCK_CAMPAIGN));
	text_addf(text, " are %s for ", column_text(rows, row, STUCK_STATUS));
	status_add_duration(text, pg_rows_int64(rows, row, STUCK_SECONDS));
	text_add(text, ", waiting for ");
	add_name(text, column_text(rows, row, STUCK_WAITING_FOR));
	text_add_char(text, '\n');
}

static const struct part parts[] = {
	{"campaigns",
	 "select campaign_run_id, campaign, status, audience, settled, percent, per_second, "
	 "extract(epoch from eta - now())::bigint, is_still_planning, blocked_reason, "
	 "ended_at is not null from report.run_progress "
	 "where ended_at is null or ended_at > now() - interval '1 hour' order by campaign_run_id desc limit 100",
	 campaign_columns, ARRAY_LENGTH(campaign_columns), add_campaign, "  none in the last hour\n"},
	{"not_started",
	 "select campaign, status, send_at, blocked_reason from report.not_started order by campaign_id limit 50",
	 waiting_columns, ARRAY_LENGTH(waiting_columns), add_waiting, NULL},
	{"lanes", "select queue_name, ready_count, consumer_count, state from report.lane order by queue_name",
	 lane_columns, ARRAY_LENGTH(lane_columns), add_lane, "  none yet\n"},
	{"stuck",
	 "select campaign, channel, status, deliveries, waiting_for, "
	 "extract(epoch from now() - oldest_since)::bigint from report.stuck order by oldest_since limit 50",
	 stuck_columns, ARRAY_LENGTH(stuck_columns), add_stuck, NULL},
};

static void add_for_people(struct text *text, const struct part *part, const struct pg_rows *rows)
{
	size_t count = pg_rows_count(rows);

	if (count == 0 && !part->nothing)
		return;
	text_addf(text, "%s\n", part->name);
	if (count == 0)
		text_add(text, part->nothing);
	for (size_t row = 0; row < count; row++)
		part->add_row(text, rows, row);
}

/* ---- for programs ---- */

static void add_json_value(struct text *text, const struct pg_rows *rows, size_t row, int at, enum column_kind kind)
{
	size_t length;
	const char *value = pg_rows_text(rows, row, at, &length);

	if (!value)
		text_add(text, "null");
	else if (kind == COLUMN_SWITCH)
		text_add(text, pg_rows_bool(rows, row, at) ? "true" : "false");
	else if (kind == COLUMN_NUMBER)
		text_add_bytes(text, value, length);
	else
		text_add_json_string(text, value, length);
}

static void add_as_json(struct text *text, const struct part *part, const struct pg_rows *rows)
{
	text_addf(text, "%s\"%s\":[", part == parts ? "" : ",", part->name);
	for (size_t row = 0; row < pg_rows_count(rows); row++) {
		text_add(text, row == 0 ? "{" : ",{");
		for (size_t at = 0; at < part->column_count; at++) {
			text_addf(text, "%s\"%s\":", at == 0 ? "" : ",", part->columns[at].name);
			add_json_value(text, rows, row, (int)at, part->columns[at].kind);
		}
		text_add_char(text, '}');
	}
	text_add_char(text, ']');
}

/* ---- one look ---- */

static bool look(struct pg_plain *db, bool json, struct text *text, struct error *err)
{
	const struct pg_rows *rows;

	text_clear(text);
	text_add(text, json ? "{" : "");
	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
		if (!pg_plain_ask(db, parts[i].sql, NULL, &rows, err))
			return error_wrap(err, "the %s", parts[i].name);
		if (json)
			add_as_json(text, &parts[i], rows);
		else
			add_for_people(text, &parts[i], rows);
	}
	text_add(text, json ? "}\n" : "");
	return text_ok(text) || error_set(err, ERROR_INVALID, "there is too much to show");
}

static bool show(struct pg_plain *db, const struct status_options *options, struct text *text, FILE *out,
		 struct error *err)
{
	const struct timespec second = {.tv_sec = 1};
	bool redraws = options->watch && !options->json && isatty(fileno(out));

	do {
		if (!look(db, options->json, text, err))
			return false;
		fputs(redraws ? CLEAR_SCREEN : "", out);
		fwrite(text_string(text), 1, text->length, out);
		if (fflush(out) != 0)
			return true; /* the reader has seen enough */
	} while (options->watch && nanosleep(&second, NULL) == 0);
	return true;
}

bool status_run(const struct status_options *options, FILE *out, struct error *err)
{
	struct pg_plain *db = pg_plain_open(options->database_url, "postrider-scheduler status", err);
	struct text text;

	if (!db)
		return false;
	text_init(&text, PAGE_BYTES_MAX);
	bool worked = show(db, options, &text, out, err);
	text_release(&text);
	pg_plain_close(&db);
	return worked;
}
