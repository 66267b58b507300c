/* zone - what time it is somewhere: the system's time zone database, read without touching the process's own zone.
 *
 * A zone is /usr/share/zoneinfo/<IANA name> as RFC 8536 describes it: the moments the clocks were changed, and a rule
 * for the time after the last of them. Zones are kept in a cache of at most ZONES_MAX, of which the least recently
 * used goes; a file is read once.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_ZONE_H
#define POSTRIDER_WORKER_TEMPLATE_ZONE_H

#include "shared/base.h"

#define ZONE_NAME_MAX         64
#define ZONE_ABBREVIATION_MAX 16
#define ZONES_MAX             64

struct zone;
struct zone_cache;

struct zone_cache *zone_cache_new(void);
void zone_cache_free(struct zone_cache **cache);

/* NULL: there is no such zone (also for a name that is no plain IANA name). Borrowed until ZONES_MAX others were asked
 * for. */
const struct zone *zone_cache_get(struct zone_cache *cache, const char *name);

/* Seconds east of Greenwich at that moment; zone NULL: UTC. abbreviation: CET, or +07. */
int32_t zone_offset_at(const struct zone *zone, int64_t seconds, char abbreviation[ZONE_ABBREVIATION_MAX]);

/* The moment that a clock on the wall there shows so (seconds since 1970 as if it were UTC). */
int64_t zone_moment_of(const struct zone *zone, int64_t wall_seconds);

#endif
