#include "scheduler/sql_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/digest.h"
#include "shared/failpoint.h"
#include "shared/memory.h"
#include "shared/text.h"

#define FILE_MAX_BYTES (4 * 1024 * 1024)
#define PATH_MAX_BYTES 4096
#define NEEDS          "-- needs:"
#define GUARD          "-- guard:"

static void files_release(struct sql_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->files[i].path);
		free(files->files[i].text);
	}
	free(files->files);
	*files = (struct sql_files){0};
}

void sql_folder_release(struct sql_folder *folder)
{
	files_release(&folder->migrations);
	files_release(&folder->definitions);
	files_release(&folder->roles);
}

static char *join(const char *folder, const char *name)
{
	struct text path;
	text_init(&path, PATH_MAX_BYTES);
	text_addf(&path, "%s/%s", folder, name);
	return text_take(&path, NULL);
}

static bool read_text(struct text *text, const char *path, struct error *err)
{
	char buffer[16384];
	size_t length;
	FILE *stream = fopen(path, "re");
	if (stream == NULL)
		return error_set(err, ERROR_INVALID, "cannot be opened: %s", strerror(errno));
	while ((length = fread(buffer, 1, sizeof(buffer), stream)) > 0)
		text_add_bytes(text, buffer, length);
	bool failed = ferror(stream) != 0;
	fclose(stream);
	if (failed)
		return error_set(err, ERROR_INVALID, "cannot be read");
	if (!text_ok(text))
		return error_set(err, ERROR_INVALID, "is larger than %d bytes", FILE_MAX_BYTES);
	if (memchr(text_string(text), '\0', text->length) != NULL)
		return error_set(err, ERROR_INVALID, "has a NUL byte; it is no SQL text");
	return true;
}

static bool line_is_guarded_off(const char *line, size_t length)
{
	while (length > 0 && isspace((unsigned char)line[length - 1]))
		length--;
	size_t name = length;
	while (name > 0 && (isalnum((unsigned char)line[name - 1]) || line[name - 1] == '_'))
		name--;
	size_t marker = name;
	while (marker > 0 && line[marker - 1] == ' ')
		marker--;
	size_t needed = strlen(GUARD);
	if (name == length || marker < needed || strncmp(line + marker - needed, GUARD, needed) != 0)
		return false;
	char *guard = memory_copy_bytes(line + name, length - name);
	bool off = !guard_is_on(guard);
	free(guard);
	return off;
}

/* The line's end stays, so that the server's positions still lead to the right line. */
static void leave_guards_out(struct text *text)
{
	struct text kept;
	text_init(&kept, FILE_MAX_BYTES);
	const char *end = text_string(text) + text->length;
	for (const char *line = text_string(text); line < end;) {
		const char *line_end = memchr(line, '\n', (size_t)(end - line));
		size_t length = (size_t)((line_end == NULL ? end : line_end) - line);
		if (!line_is_guarded_off(line, length))
			text_add_bytes(&kept, line, length);
		if (line_end != NULL)
			text_add_char(&kept, '\n');
		line += length + 1;
	}
	text_release(text);
	*text = kept;
}

static void write_checksum(const void *bytes, size_t length, char checksum[SQL_CHECKSUM_LENGTH + 1])
{
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct text hex;
	digest_sha256(bytes, length, digest);
	text_init(&hex, SQL_CHECKSUM_LENGTH);
	digest_add_hex(&hex, digest, sizeof(digest));
	memcpy(checksum, text_string(&hex), SQL_CHECKSUM_LENGTH + 1);
	text_release(&hex);
}

void sql_files_checksum(const struct sql_files *files, const char *begin, char checksum[SQL_CHECKSUM_LENGTH + 1])
{
	struct text all;
	text_init(&all, SIZE_MAX);
	text_add(&all, begin);
	for (size_t i = 0; i < files->count; i++)
		text_addf(&all, "\n%s %s", files->files[i].checksum, files->files[i].path);
	write_checksum(text_string(&all), all.length, checksum);
	text_release(&all);
}

static struct sql_file *files_add(struct sql_files *files)
{
	if (files->count == files->capacity) {
		files->capacity = files->capacity * 2 + 16;
		files->files = memory_grow(files->files, files->capacity, sizeof(*files->files));
	}
	struct sql_file *file = &files->files[files->count++];
	*file = (struct sql_file){0};
	return file;
}

static bool read_file(struct sql_files *files, const char *root, const char *path, struct error *err)
{
	struct text text;
	text_init(&text, FILE_MAX_BYTES);
	char *full = join(root, path);
	bool ok = read_text(&text, full, err);
	free(full);
	if (!ok) {
		text_release(&text);
		return error_wrap(err, "%s", path);
	}
	if (strncmp(path, "functions/", strlen("functions/")) == 0)
		leave_guards_out(&text);
	struct sql_file *file = files_add(files);
	file->path = memory_copy_string(path);
	file->length = text.length;
	file->text = memory_copy_bytes(text_string(&text), text.length);
	write_checksum(file->text, file->length, file->checksum);
	text_release(&text);
	return true;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), needed = strlen(suffix);
	return length > needed && strcmp(name + length - needed, suffix) == 0;
}

static bool read_below(struct sql_files *files, const char *root, const char *path, struct error *err);

/* Hidden files and files of other kinds (notes, an editor's copies) are not ours. */
static bool read_entry(struct sql_files *files, const char *root, const char *path, const char *name, struct error *err)
{
	struct stat about;
	char *below = join(path, name), *full = join(root, below);
	bool found = stat(full, &about) == 0, ok = true;
	if (name[0] != '.' && found && S_ISDIR(about.st_mode))
		ok = read_below(files, root, below, err);
	else if (name[0] != '.' && has_suffix(name, ".sql"))
		ok = read_file(files, root, below, err);
	free(below);
	free(full);
	return ok;
}

static bool read_below(struct sql_files *files, const char *root, const char *path, struct error *err)
{
	char *full = join(root, path);
	DIR *folder = opendir(full);
	free(full);
	if (folder == NULL)
		return errno == ENOENT || error_set(err, ERROR_INVALID, "%s cannot be read: %s", path, strerror(errno));
	bool ok = true;
	for (const struct dirent *entry; ok && (entry = readdir(folder)) != NULL;)
		ok = read_entry(files, root, path, entry->d_name, err);
	closedir(folder);
	return ok;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct sql_file *)a)->path, ((const struct sql_file *)b)->path);
}

/* functions/ sorts before views/, and names of four digits as their numbers do. */
static void files_sort(struct sql_files *files)
{
	if (files->count > 0)
		qsort(files->files, files->count, sizeof(*files->files), by_path);
}

static bool parse_number(struct sql_file *file, struct error *err)
{
	const char *name = file->path + strlen("migrations/");
	bool digits = strspn(name, "0123456789") == 4 && name[4] == '_';
	size_t subject = digits ? strspn(name + 5, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;
	if (subject == 0 || strcmp(name + 5 + subject, ".sql") != 0)
		return error_set(err, ERROR_INVALID, "%s is no name for a migration; call it like 0007_quiet_hours.sql",
				 file->path);
	file->number = strtol(name, NULL, 10);
	return true;
}

static bool check_numbers(const struct sql_files *migrations, struct error *err)
{
	for (size_t i = 0; i < migrations->count; i++) {
		if (!parse_number(&migrations->files[i], err))
			return false;
		int64_t expected = (int64_t)i + 1, number = migrations->files[i].number;
		if (i > 0 && number == migrations->files[i - 1].number)
			return error_set(err, ERROR_INVALID, "%s and %s have the same number; renumber the newer one",
					 migrations->files[i - 1].path, migrations->files[i].path);
		if (number != expected)
			return error_set(err, ERROR_INVALID, "migration %04" PRId64 " is missing; %s comes too early",
					 expected, migrations->files[i].path);
	}
	return true;
}

/* functions/claim.sql is meant by claim, functions/claim and claim.sql alike. */
static bool is_called(const struct sql_file *file, const char *name, size_t length)
{
	size_t path = strlen(file->path) - strlen(".sql");
	if (length > 4 && strncmp(name + length - 4, ".sql", 4) == 0)
		length -= 4;
	if (length > path || strncmp(file->path + path - length, name, length) != 0)
		return false;
	return length == path || file->path[path - length - 1] == '/';
}

static bool find_needed(const struct sql_files *files, const struct sql_file *by, const char *name, size_t length,
			size_t *index, struct error *err)
{
	size_t found = 0;
	for (size_t i = 0; i < files->count; i++) {
		if (!is_called(&files->files[i], name, length))
			continue;
		*index = i;
		found++;
	}
	if (found == 1)
		return true;
	return error_set(err, ERROR_INVALID, "%s needs %.*s, and %s file has that name", by->path, (int)length, name,
			 found == 0 ? "no" : "more than one");
}

struct ordering {
	const struct sql_files *files;
	enum { UNSEEN, OPEN, PLACED } * marks;
	struct sql_file *placed;
	size_t count;
};

static bool place(struct ordering *ordering, size_t index, struct error *err);

static bool place_needed(struct ordering *ordering, size_t index, const char *name, size_t length, struct error *err)
{
	const struct sql_file *by = &ordering->files->files[index];
	size_t needed = 0;
	if (!find_needed(ordering->files, by, name, length, &needed, err))
		return false;
	if (ordering->marks[needed] == OPEN)
		return error_set(err, ERROR_INVALID, "%s and %s need each other, directly or through others", by->path,
				 ordering->files->files[needed].path);
	return place(ordering, needed, err);
}

static bool place_line(struct ordering *ordering, size_t index, const char *line, struct error *err)
{
	static const char separators[] = " \t\r,";
	const char *end = line + strcspn(line, "\n");
	for (const char *at = line + strlen(NEEDS); at < end;) {
		at += strspn(at, separators);
		size_t length = strcspn(at, " \t\r,\n");
		if (length > 0 && !place_needed(ordering, index, at, length, err))
			return false;
		at += length;
		if (*at == '\n' || *at == '\0')
			break;
	}
	return true;
}

/* The head ends at the first line that is neither blank nor a comment. */
static bool place(struct ordering *ordering, size_t index, struct error *err)
{
	if (ordering->marks[index] == PLACED)
		return true;
	ordering->marks[index] = OPEN;
	const char *line = ordering->files->files[index].text;
	while (*line != '\0') {
		const char *word = line + strspn(line, " \t\r");
		if (strncmp(word, NEEDS, strlen(NEEDS)) == 0 && !place_line(ordering, index, word, err))
			return false;
		if (*word != '\n' && *word != '\0' && strncmp(word, "--", 2) != 0)
			break;
		line = word + strcspn(word, "\n");
		line += *line == '\n';
	}
	ordering->marks[index] = PLACED;
	ordering->placed[ordering->count++] = ordering->files->files[index];
	return true;
}

static bool order_by_needs(struct sql_files *files, struct error *err)
{
	struct ordering ordering = {.files = files};
	if (files->count == 0)
		return true;
	ordering.marks = memory_new_array(files->count, sizeof(*ordering.marks));
	ordering.placed = memory_new_array(files->count, sizeof(*ordering.placed));
	bool ok = true;
	for (size_t i = 0; ok && i < files->count; i++)
		ok = place(&ordering, i, err);
	free(ordering.marks);
	if (!ok) {
		free(ordering.placed);
		return false;
	}
	free(files->files);
	files->files = ordering.placed;
	files->capacity = files->count;
	return true;
}

static bool read_roles(struct sql_folder *folder, const char *path, struct error *err)
{
	struct stat about;
	char *full = join(path, "roles.sql");
	bool there = stat(full, &about) == 0;
	free(full);
	return !there || read_file(&folder->roles, path, "roles.sql", err);
}

bool sql_folder_read(struct sql_folder *folder, const char *path, struct error *err)
{
	*folder = (struct sql_folder){0};
	bool ok = read_below(&folder->migrations, path, "migrations", err) &&
		  read_below(&folder->definitions, path, "functions", err) &&
		  read_below(&folder->definitions, path, "views", err) && read_roles(folder, path, err);
	files_sort(&folder->migrations);
	files_sort(&folder->definitions);
	ok = ok && check_numbers(&folder->migrations, err) && order_by_needs(&folder->definitions, err);
	if (!ok)
		sql_folder_release(folder);
	return ok;
}
