#include "temporary_folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/memory.h"
#include "shared/text.h"

static void require(bool worked, const char *path)
{
	if (worked)
		return;
	fprintf(stderr, "temporary folder: %s: %s\n", path, strerror(errno));
	exit(1);
}

char *temporary_folder_new(void)
{
	char *folder = memory_copy_string("/tmp/postrider-test-XXXXXX");
	require(mkdtemp(folder) != NULL, folder);
	return folder;
}

static char *join(const char *folder, const char *path)
{
	struct text text;
	text_init(&text, 4096);
	text_addf(&text, "%s/%s", folder, path);
	return text_take(&text, NULL);
}

void temporary_folder_write(const char *folder, const char *path, const char *text)
{
	char *full = join(folder, path);
	for (char *slash = full + strlen(folder); (slash = strchr(slash + 1, '/')) != NULL;) {
		*slash = '\0';
		require(mkdir(full, 0700) == 0 || errno == EEXIST, full);
		*slash = '/';
	}
	FILE *stream = fopen(full, "we");
	require(stream != NULL, full);
	require(fputs(text, stream) >= 0, full);
	require(fclose(stream) == 0, full);
	free(full);
}

void temporary_folder_delete(const char *folder, const char *path)
{
	char *full = join(folder, path);
	require(unlink(full) == 0, full);
	free(full);
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *where)
{
	(void)about, (void)type, (void)where;
	return remove(path);
}

void temporary_folder_remove(char **folder)
{
	if (*folder == NULL)
		return;
	require(nftw(*folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0, *folder);
	free(*folder);
	*folder = NULL;
}
