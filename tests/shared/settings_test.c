#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/settings.h"

static struct {
	const char *url;
	const char *token;
	int64_t lease_ms;
	bool dry_run;
} settings;

static const struct setting table[] = {
	SETTING_TEXT("POSTRIDER_TEST_URL", &settings.url, "pg://u:hush@h/d", "Where it is."),
	SETTING_SECRET("POSTRIDER_TEST_TOKEN", &settings.token, NULL, "What opens it."),
	SETTING_NUMBER("POSTRIDER_TEST_LEASE_MS", "ms", &settings.lease_ms, 60000, -10, 600000, "How long it holds."),
	SETTING_SWITCH("POSTRIDER_TEST_DRY_RUN", &settings.dry_run, false, "Sends nothing."),
};

static char file_path[] = "/tmp/settings-test-XXXXXX";

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(file_path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(file_path);
}

static void write_file(const char *bytes, size_t length)
{
	FILE *file = fopen(file_path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static int clear(void **state)
{
	(void)state;
	char name[80];
	for (size_t i = 0; i < ARRAY_LENGTH(table); i++) {
		unsetenv(table[i].name);
		snprintf(name, sizeof(name), "%s_FILE", table[i].name);
		unsetenv(name);
	}
	memset(&settings, 0, sizeof(settings));
	return 0;
}

static void an_empty_environment_gives_the_defaults(void **state)
{
	(void)state;
	struct error err;
	setenv("POSTRIDER_TEST_LEASE_MS", "", 1);
	assert_true(settings_read(table, ARRAY_LENGTH(table), &err));
	assert_string_equal(settings.url, "pg://u:hush@h/d");
	assert_null(settings.token);
	assert_int_equal(settings.lease_ms, 60000);
	assert_false(settings.dry_run);
}

static const struct {
	const char *when;
	const char *name;
	const char *value;
	const char *says; /* NULL: is accepted */
	int64_t lease_ms;
	bool dry_run;
} rows[] = {
	{"a number", "POSTRIDER_TEST_LEASE_MS", "1000", NULL, 1000, false},
	{"the lowest", "POSTRIDER_TEST_LEASE_MS", "-10", NULL, -10, false},
	{"the highest", "POSTRIDER_TEST_LEASE_MS", "600000", NULL, 600000, false},
	{"below", "POSTRIDER_TEST_LEASE_MS", "-11", "=-11 is not between -10 and 600000 ms", 0, false},
	{"above", "POSTRIDER_TEST_LEASE_MS", "600001", "not between", 0, false},
	{"beyond 64 bits", "POSTRIDER_TEST_LEASE_MS", "99999999999999999999", "not between", 0, false},
	{"a unit behind", "POSTRIDER_TEST_LEASE_MS", "10s", "not a whole number", 0, false},
	{"a fraction", "POSTRIDER_TEST_LEASE_MS", "1.5", "not a whole number", 0, false},
	{"a blank in front", "POSTRIDER_TEST_LEASE_MS", " 1", "not a whole number", 0, false},
	{"only a sign", "POSTRIDER_TEST_LEASE_MS", "-", "not a whole number", 0, false},
	{"on", "POSTRIDER_TEST_DRY_RUN", "on", NULL, 60000, true},
	{"true", "POSTRIDER_TEST_DRY_RUN", "true", NULL, 60000, true},
	{"1", "POSTRIDER_TEST_DRY_RUN", "1", NULL, 60000, true},
	{"off", "POSTRIDER_TEST_DRY_RUN", "off", NULL, 60000, false},
	{"maybe", "POSTRIDER_TEST_DRY_RUN", "maybe", "neither on nor off", 0, false},
	{"a file that is not there", "POSTRIDER_TEST_TOKEN_FILE", "/nonexistent", "No such file", 0, false},
	{"a folder", "POSTRIDER_TEST_TOKEN_FILE", "/", "POSTRIDER_TEST_TOKEN_FILE: /: ", 0, false},
};

static void values_are_checked(void **state)
{
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		clear(state);
		setenv(rows[i].name, rows[i].value, 1);
		struct error err = {0};
		bool accepted = settings_read(table, ARRAY_LENGTH(table), &err);
		if (accepted != !rows[i].says)
			fail_msg("%s: accepted %d, %s", rows[i].when, accepted, err.text);
		if (!accepted && (!strstr(err.text, rows[i].says) || err.kind != ERROR_INVALID))
			fail_msg("%s: %s", rows[i].when, err.text);
		if (settings.lease_ms != rows[i].lease_ms || settings.dry_run != rows[i].dry_run)
			fail_msg("%s: lease %" PRId64, rows[i].when, settings.lease_ms);
	}
}

static void a_secret_comes_from_a_file_without_its_line_end(void **state)
{
	(void)state;
	struct error err;
	write_file("  s3cret \r\n", 11);
	setenv("POSTRIDER_TEST_TOKEN_FILE", file_path, 1);
	assert_true(settings_read(table, ARRAY_LENGTH(table), &err));
	assert_string_equal(settings.token, "  s3cret ");
	free((char *)(uintptr_t)settings.token);
}

static void a_useless_file_is_refused(void **state)
{
	(void)state;
	static char large[70000];
	memset(large, 'x', sizeof(large));
	static const struct {
		const char *bytes;
		size_t length;
		const char *says;
	} files[] = {
		{"", 0, "empty"},
		{"\n", 1, "empty"},
		{"a\0b", 3, "NUL"},
		{large, sizeof(large), "64 KiB"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
		struct error err;
		write_file(files[i].bytes, files[i].length);
		setenv("POSTRIDER_TEST_TOKEN_FILE", file_path, 1);
		assert_false(settings_read(table, ARRAY_LENGTH(table), &err));
		assert_non_null(strstr(err.text, files[i].says));
	}
}

static void two_sources_are_refused(void **state)
{
	(void)state;
	struct error err;
	setenv("POSTRIDER_TEST_TOKEN", "hush", 1);
	setenv("POSTRIDER_TEST_TOKEN_FILE", file_path, 1);
	assert_false(settings_read(table, ARRAY_LENGTH(table), &err));
	assert_non_null(strstr(err.text, "both set"));
	assert_null(strstr(err.text, "hush"));
}

static void one_wrong_row_leaves_all_alone(void **state)
{
	(void)state;
	struct error err;
	setenv("POSTRIDER_TEST_URL", "pg://other", 1);
	setenv("POSTRIDER_TEST_DRY_RUN", "maybe", 1);
	settings.url = "before";
	assert_false(settings_read(table, ARRAY_LENGTH(table), &err));
	assert_string_equal(settings.url, "before");
	assert_int_equal(settings.lease_ms, 0);
}

static void only_strange_names_are_unknown(void **state)
{
	(void)state;
	clearenv();
	setenv("POSTRIDER_TEST_URL", "x", 1);
	setenv("POSTRIDER_TEST_TOKEN_FILE", "x", 1);
	setenv("POSTRIDER_DATABASE_URL", "x", 1);
	setenv("POSTRIDER_AMQP_URL_FILE", "x", 1);
	setenv("POSTRIDE", "x", 1);
	setenv("PATH", "x", 1);
	assert_null(settings_unknown(table, ARRAY_LENGTH(table)));
	setenv("POSTRIDER_TEST_URLS", "x", 1);
	assert_string_equal(settings_unknown(table, ARRAY_LENGTH(table)), "POSTRIDER_TEST_URLS");
	unsetenv("POSTRIDER_TEST_URLS");
	setenv("POSTRIDER_FILE", "x", 1);
	assert_string_equal(settings_unknown(table, ARRAY_LENGTH(table)), "POSTRIDER_FILE");
	unsetenv("POSTRIDER_FILE");
	assert_null(settings_unknown(table, ARRAY_LENGTH(table)));
}

static char *print(void)
{
	char *printed = NULL;
	size_t length;
	FILE *out = open_memstream(&printed, &length);
	assert_non_null(out);
	settings_print(table, ARRAY_LENGTH(table), out);
	fclose(out);
	return printed;
}

static void prints_itself_without_secrets(void **state)
{
	(void)state;
	setenv("POSTRIDER_TEST_TOKEN", "hush", 1);
	setenv("POSTRIDER_TEST_URL", "pg://me:hush@host/db@1", 1);
	setenv("POSTRIDER_TEST_LEASE_MS", "5", 1);
	char *printed = print();
	assert_string_equal(printed, "POSTRIDER_TEST_URL\n"
				     "    text, default pg://u:***@h/d; now pg://me:***@host/db@1\n"
				     "    Where it is.\n"
				     "POSTRIDER_TEST_TOKEN\n"
				     "    secret; now set\n"
				     "    What opens it.\n"
				     "POSTRIDER_TEST_LEASE_MS\n"
				     "    ms, default 60000, -10 to 600000; now 5\n"
				     "    How long it holds.\n"
				     "POSTRIDER_TEST_DRY_RUN\n"
				     "    on or off, default off\n"
				     "    Sends nothing.\n");
	free(printed);

	setenv("POSTRIDER_TEST_URL", "host=h password=hush", 1);
	printed = print();
	assert_null(strstr(printed, "hush"));
	free(printed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_empty_environment_gives_the_defaults, clear),
		cmocka_unit_test_setup(values_are_checked, clear),
		cmocka_unit_test_setup(a_secret_comes_from_a_file_without_its_line_end, clear),
		cmocka_unit_test_setup(a_useless_file_is_refused, clear),
		cmocka_unit_test_setup(two_sources_are_refused, clear),
		cmocka_unit_test_setup(one_wrong_row_leaves_all_alone, clear),
		cmocka_unit_test_setup(only_strange_names_are_unknown, clear),
		cmocka_unit_test_setup(prints_itself_without_secrets, clear),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
