#include "worker/template/zone.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/memory.h"
#include "worker/template/zone_rule.h"

#define FOLDER         "/usr/share/zoneinfo/"
#define FILE_BYTES_MAX ((size_t)256 * 1024)
#define CHANGES_MAX    5000
#define TYPES_MAX      256

struct type {
	int32_t offset;
	char abbreviation[ZONE_ABBREVIATION_MAX];
};

struct zone {
	char name[ZONE_NAME_MAX];
	uint64_t used; /* when, by the cache's own count */
	int64_t *moments;
	uint8_t *kinds; /* what holds from that moment on */
	size_t change_count;
	struct type types[TYPES_MAX];
	size_t type_count;
	struct zone_rule rule;
	bool has_rule;
};

struct zone_cache {
	struct zone *zones[ZONES_MAX];
	size_t count;
	uint64_t uses;
	char unknown[ZONE_NAME_MAX]; /* the last that was not there: not looked for again at once */
};

/* -- the file, RFC 8536 -- */

struct bytes {
	const unsigned char *at, *end;
};

static int64_t read_integer(struct bytes *bytes, size_t width)
{
	uint64_t number = 0;

	for (size_t i = 0; i < width; i++)
		number = number << 8 | bytes->at[i];
	bytes->at += width;
	return width == 4 ? (int32_t)(uint32_t)number : (int64_t)number;
}

struct header {
	size_t utc_count, standard_count, leap_count, change_count, type_count, letter_count;
	char version;
};

static bool read_header(struct bytes *bytes, struct header *header)
{
	size_t *counts[] = {&header->utc_count,    &header->standard_count, &header->leap_count,
			    &header->change_count, &header->type_count,     &header->letter_count};

	if (bytes->end - bytes->at < 44 || memcmp(bytes->at, "TZif", 4) != 0)
		return false;
	header->version = (char)bytes->at[4];
	bytes->at += 20;
	for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
		int64_t count = read_integer(bytes, 4);

		if (count < 0 || count > CHANGES_MAX)
			return false;
		*counts[i] = (size_t)count;
	}
	return header->type_count > 0 && header->type_count <= TYPES_MAX;
}

static size_t body_bytes(const struct header *header, size_t width)
{
	return header->change_count * (width + 1) + header->type_count * 6 + header->letter_count +
	       header->leap_count * (width + 4) + header->standard_count + header->utc_count;
}

static void read_types(struct zone *zone, struct bytes *bytes, const struct header *header)
{
	const unsigned char *letters = bytes->at + header->type_count * 6;

	for (size_t i = 0; i < header->type_count; i++) {
		struct type *type = &zone->types[i];
		size_t at;

		type->offset = (int32_t)read_integer(bytes, 4);
		bytes->at++; /* whether it is summer time: the offset says all */
		at = *bytes->at++;
		for (size_t j = 0; at + j < header->letter_count && j + 1 < sizeof(type->abbreviation); j++)
			if ((type->abbreviation[j] = (char)letters[at + j]) == '\0')
				break;
	}
	zone->type_count = header->type_count;
}

static bool read_body(struct zone *zone, struct bytes *bytes, const struct header *header)
{
	zone->change_count = header->change_count;
	zone->moments = memory_new_array(header->change_count + 1, sizeof(*zone->moments));
	zone->kinds = memory_new_array(header->change_count + 1, 1);
	for (size_t i = 0; i < header->change_count; i++)
		zone->moments[i] = read_integer(bytes, 8);
	for (size_t i = 0; i < header->change_count; i++) {
		zone->kinds[i] = *bytes->at++;
		if (zone->kinds[i] >= header->type_count)
			return false;
	}
	read_types(zone, bytes, header);
	bytes->at += header->letter_count + header->leap_count * 12 + header->standard_count + header->utc_count;
	return true;
}

/* Behind the body, between two line ends: the rule for the time after the last change. */
static void read_rule(struct zone *zone, struct bytes *bytes)
{
	const unsigned char *end;

	if (bytes->end - bytes->at < 2 || *bytes->at != '\n')
		return;
	bytes->at++;
	end = memchr(bytes->at, '\n', (size_t)(bytes->end - bytes->at));
	if (end != NULL)
		zone->has_rule = zone_rule_read((const char *)bytes->at, (size_t)(end - bytes->at), &zone->rule);
}

/* The first body has 32 bits and is skipped; the second has 64. */
static bool read_zone(struct zone *zone, struct bytes *bytes)
{
	struct header header;

	if (!read_header(bytes, &header) || header.version < '2' ||
	    (size_t)(bytes->end - bytes->at) < body_bytes(&header, 4))
		return false;
	bytes->at += body_bytes(&header, 4);
	if (!read_header(bytes, &header) || (size_t)(bytes->end - bytes->at) < body_bytes(&header, 8) ||
	    !read_body(zone, bytes, &header))
		return false;
	read_rule(zone, bytes);
	return true;
}

/* Names are Area/Place: nothing that could lead out of the folder. */
static bool is_plain_name(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length >= ZONE_NAME_MAX || *name == '/' || strstr(name, "..") != NULL)
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == length;
}

static size_t read_file(const char *name, unsigned char *bytes)
{
	char path[sizeof(FOLDER) + ZONE_NAME_MAX];
	size_t length = 0;
	ssize_t got;
	int file;

	(void)snprintf(path, sizeof(path), "%s%s", FOLDER, name);
	if ((file = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	while (length < FILE_BYTES_MAX && (got = read(file, bytes + length, FILE_BYTES_MAX - length)) > 0)
		length += (size_t)got;
	close(file);
	return length;
}

static void zone_free(struct zone *zone)
{
	free(zone->moments);
	free(zone->kinds);
	free(zone);
}

static struct zone *load(const char *name)
{
	unsigned char *file = memory_new(FILE_BYTES_MAX);
	struct bytes bytes = {.at = file, .end = file + read_file(name, file)};
	struct zone *zone = memory_new(sizeof(*zone));

	if (!read_zone(zone, &bytes)) {
		zone_free(zone);
		zone = NULL;
	} else {
		(void)snprintf(zone->name, sizeof(zone->name), "%s", name);
	}
	free(file);
	return zone;
}

/* -- the cache -- */

struct zone_cache *zone_cache_new(void)
{
	return memory_new(sizeof(struct zone_cache));
}

void zone_cache_free(struct zone_cache **cache)
{
	if (*cache == NULL)
		return;
	for (size_t i = 0; i < (*cache)->count; i++)
		zone_free((*cache)->zones[i]);
	free(*cache);
	*cache = NULL;
}

static struct zone **place_for(struct zone_cache *cache)
{
	size_t oldest = 0;

	if (cache->count < ZONES_MAX)
		return &cache->zones[cache->count++];
	for (size_t i = 1; i < cache->count; i++)
		if (cache->zones[i]->used < cache->zones[oldest]->used)
			oldest = i;
	zone_free(cache->zones[oldest]);
	return &cache->zones[oldest];
}

const struct zone *zone_cache_get(struct zone_cache *cache, const char *name)
{
	struct zone *zone;

	for (size_t i = 0; i < cache->count; i++)
		if (strcmp(cache->zones[i]->name, name) == 0) {
			cache->zones[i]->used = ++cache->uses;
			return cache->zones[i];
		}
	if (!is_plain_name(name) || strcmp(cache->unknown, name) == 0)
		return NULL;
	if ((zone = load(name)) == NULL) {
		(void)snprintf(cache->unknown, sizeof(cache->unknown), "%s", name);
		return NULL;
	}
	zone->used = ++cache->uses;
	*place_for(cache) = zone;
	return zone;
}

/* -- asking -- */

static int32_t answer(const struct type *type, char abbreviation[ZONE_ABBREVIATION_MAX])
{
	memcpy(abbreviation, type->abbreviation, ZONE_ABBREVIATION_MAX);
	return type->offset;
}

int32_t zone_offset_at(const struct zone *zone, int64_t seconds, char abbreviation[ZONE_ABBREVIATION_MAX])
{
	size_t low = 0, high;

	if (zone == NULL) {
		memcpy(abbreviation, "UTC", 4);
		return 0;
	}
	high = zone->change_count;
	if (zone->has_rule && (high == 0 || seconds >= zone->moments[high - 1]))
		return zone_rule_offset_at(&zone->rule, seconds, abbreviation);
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (zone->moments[middle] <= seconds)
			low = middle + 1;
		else
			high = middle;
	}
	return answer(&zone->types[low == 0 ? 0 : zone->kinds[low - 1]], abbreviation);
}

/* In the hour that comes twice the first is meant; one that never comes is moved on by as much as the clocks are. */
int64_t zone_moment_of(const struct zone *zone, int64_t wall_seconds)
{
	char ignored[ZONE_ABBREVIATION_MAX];
	int32_t before = zone_offset_at(zone, wall_seconds - 86400, ignored);
	int32_t after = zone_offset_at(zone, wall_seconds + 86400, ignored);

	if (zone_offset_at(zone, wall_seconds - before, ignored) == before)
		return wall_seconds - before;
	if (zone_offset_at(zone, wall_seconds - after, ignored) == after)
		return wall_seconds - after;
	return wall_seconds - before;
}
