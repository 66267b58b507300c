#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/meters.h"
#include "scheduler/settings.h"
#include "shared/text.h"

#define README "scheduler/README.md" /* tests run in the root of the sources */

static struct text readme;

static int read_readme(void **state)
{
	char part[4096];
	size_t length;
	FILE *file = fopen(README, "re");

	(void)state;
	if (!file)
		return -1;
	text_init(&readme, 1 << 20);
	while ((length = fread(part, 1, sizeof(part), file)) > 0)
		text_add_bytes(&readme, part, length);
	return fclose(file);
}

static int forget_readme(void **state)
{
	(void)state;
	text_release(&readme);
	return 0;
}

static void must_explain(const char *name, const char *sentence)
{
	print_message("%s\n", name);
	assert_non_null(strstr(text_string(&readme), name));
	assert_non_null(strstr(text_string(&readme), sentence));
}

static void every_setting_is_explained(void **state)
{
	size_t count;
	const struct setting *table = scheduler_settings_table(&count);

	(void)state;
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++)
		must_explain(table[i].name, table[i].sentence);
}

static void every_metric_is_explained(void **state)
{
	const struct metric *table = meters_table();

	(void)state;
	for (size_t i = 0; i < METER_COUNT; i++)
		must_explain(table[i].name, table[i].help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_setting_is_explained),
		cmocka_unit_test(every_metric_is_explained),
	};
	return cmocka_run_group_tests(tests, read_readme, forget_readme);
}
