#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/sql_folder.h"
#include "shared/text.h"
#include "temporary_folder.h"

struct file {
	const char *path, *text;
};

static const struct {
	const char *when;
	struct file files[6];
	const char *order; /* or else */
	const char *complaint;
} folders[] = {
	{"files come by number and by name, views last",
	 {{"views/a.sql", ""},
	  {"functions/b.sql", ""},
	  {"functions/a/c.sql", ""},
	  {"migrations/0002_b.sql", ""},
	  {"migrations/0001_z.sql", ""},
	  {"roles.sql", ""}},
	 "migrations/0001_z.sql migrations/0002_b.sql functions/a/c.sql functions/b.sql views/a.sql roles.sql ",
	 NULL},
	{"other files are none of ours",
	 {{"migrations/README.md", ""}, {"functions/.hidden.sql", ""}, {"functions/a.sql~", ""}, {"a.sql", ""}},
	 "",
	 NULL},
	{"a need comes first",
	 {{"functions/a.sql", "-- What it does.\n\n-- needs: c, b\nselect 1;"},
	  {"functions/b.sql", ""},
	  {"functions/c.sql", "  -- needs: d\r\n-- needs: b\n"},
	  {"functions/d.sql", ""}},
	 "functions/d.sql functions/b.sql functions/c.sql functions/a.sql ",
	 NULL},
	{"a function may need a view",
	 {{"functions/a.sql", "-- needs: views/v"}, {"functions/b.sql", ""}, {"views/v.sql", "-- needs: b.sql"}},
	 "functions/b.sql views/v.sql functions/a.sql ",
	 NULL},
	{"only the head tells needs",
	 {{"functions/a.sql", "select 1;\n-- needs: b\n"}, {"functions/b.sql", ""}},
	 "functions/a.sql functions/b.sql ",
	 NULL},
	{"a name is whole",
	 {{"functions/a.sql", "-- needs: claim"}, {"functions/may_claim.sql", ""}, {"functions/claim.sql", ""}},
	 "functions/claim.sql functions/a.sql functions/may_claim.sql ",
	 NULL},
	{"nobody has the needed name",
	 {{"functions/a.sql", "-- needs: b"}},
	 NULL,
	 "functions/a.sql needs b, and no file has that name"},
	{"two have the needed name",
	 {{"functions/a.sql", "-- needs: b"}, {"functions/b.sql", ""}, {"views/b.sql", ""}},
	 NULL,
	 "functions/a.sql needs b, and more than one file has that name"},
	{"two need each other",
	 {{"functions/a.sql", "-- needs: b"}, {"functions/b.sql", "-- needs: c"}, {"functions/c.sql", "-- needs: a"}},
	 NULL,
	 "functions/c.sql and functions/a.sql need each other, directly or through others"},
	{"one needs itself",
	 {{"functions/a.sql", "-- needs: a"}},
	 NULL,
	 "functions/a.sql and functions/a.sql need each other"},
	{"a number is doubled",
	 {{"migrations/0001_a.sql", ""}, {"migrations/0001_b.sql", ""}},
	 NULL,
	 "migrations/0001_a.sql and migrations/0001_b.sql have the same number"},
	{"a number is missing",
	 {{"migrations/0001_a.sql", ""}, {"migrations/0003_b.sql", ""}},
	 NULL,
	 "migration 0002 is missing; migrations/0003_b.sql comes too early"},
	{"the first number is missing", {{"migrations/0002_a.sql", ""}}, NULL, "migration 0001 is missing"},
	{"a name has no number", {{"migrations/quiet_hours.sql", ""}}, NULL, "is no name for a migration"},
	{"a name has a short number", {{"migrations/001_a.sql", ""}}, NULL, "is no name for a migration"},
	{"a migration lies too deep", {{"migrations/old/0001_a.sql", ""}}, NULL, "is no name for a migration"},
};

static char *order_of(const struct sql_folder *folder)
{
	const struct sql_files *const lists[] = {&folder->migrations, &folder->definitions, &folder->roles};
	struct text order;
	text_init(&order, 4096);
	text_add(&order, "");
	for (size_t list = 0; list < ARRAY_LENGTH(lists); list++)
		for (size_t i = 0; i < lists[list]->count; i++)
			text_addf(&order, "%s ", lists[list]->files[i].path);
	return text_take(&order, NULL);
}

static void folders_are_put_in_order(void **state)
{
	(void)state;
	for (size_t row = 0; row < ARRAY_LENGTH(folders); row++) {
		char *path = temporary_folder_new();
		struct sql_folder folder = {0};
		struct error err = {0};
		for (size_t i = 0; i < ARRAY_LENGTH(folders[row].files) && folders[row].files[i].path != NULL; i++)
			temporary_folder_write(path, folders[row].files[i].path, folders[row].files[i].text);
		bool ok = sql_folder_read(&folder, path, &err);
		char *order = order_of(&folder);
		if (ok != (folders[row].order != NULL) || strcmp(order, ok ? folders[row].order : "") != 0)
			fail_msg("%s: %s%s", folders[row].when, order, err.text);
		if (!ok && strstr(err.text, folders[row].complaint) == NULL)
			fail_msg("%s: %s", folders[row].when, err.text);
		free(order);
		sql_folder_release(&folder);
		temporary_folder_remove(&path);
	}
}

static void checksums_follow_the_content(void **state)
{
	(void)state;
	char *path = temporary_folder_new();
	struct sql_folder folder;
	struct error err = {0};
	char all[SQL_CHECKSUM_LENGTH + 1], again[SQL_CHECKSUM_LENGTH + 1];
	temporary_folder_write(path, "functions/a.sql", "abc");
	assert_true(sql_folder_read(&folder, path, &err));
	assert_string_equal(folder.definitions.files[0].checksum,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sql_files_checksum(&folder.definitions, "", all);
	sql_files_checksum(&folder.definitions, "after another migration", again);
	assert_string_not_equal(all, again);
	sql_folder_release(&folder);
	temporary_folder_write(path, "functions/a.sql", "abd");
	assert_true(sql_folder_read(&folder, path, &err));
	sql_files_checksum(&folder.definitions, "", again);
	assert_string_not_equal(all, again);
	sql_folder_release(&folder);
	temporary_folder_remove(&path);
}

#ifdef POSTRIDER_TEST_HOOKS
static void guards_can_be_left_out(void **state)
{
	(void)state;
	static const char text[] =
		"a\nb -- guard: epoch\nc -- guard: epochs\n  -- guard: epoch  \nd -- guard: epoch e\nf -- guard:epoch";
	char *path = temporary_folder_new();
	struct sql_folder folder;
	struct error err = {0};
	temporary_folder_write(path, "functions/a.sql", text);
	temporary_folder_write(path, "views/b.sql", text);
	setenv("POSTRIDER_WITHOUT_GUARD", "epoch", 1);
	assert_true(sql_folder_read(&folder, path, &err));
	unsetenv("POSTRIDER_WITHOUT_GUARD");
	assert_string_equal(folder.definitions.files[0].text, "a\n\nc -- guard: epochs\n\nd -- guard: epoch e\n");
	assert_string_equal(folder.definitions.files[1].text, text);
	sql_folder_release(&folder);
	temporary_folder_remove(&path);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folders_are_put_in_order),
		cmocka_unit_test(checksums_follow_the_content),
#ifdef POSTRIDER_TEST_HOOKS
		cmocka_unit_test(guards_can_be_left_out),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
