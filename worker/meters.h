/* meters - what a worker counts; /metrics prints it. */
#ifndef POSTRIDER_WORKER_METERS_H
#define POSTRIDER_WORKER_METERS_H

#include "shared/metrics.h"

enum meter {
	METER_JOBS,
	METER_MALFORMED,
	METER_CLAIMED,
	METER_STALE,
	METER_REFUSED,
	METER_OUTCOMES,
	METER_RECORDED,
	METER_FENCED,
	METER_LOST_CLAIMS,
	METER_IN_HAND,
	METER_IN_FLIGHT,
	METER_BREAKERS,
	METER_PROVIDER_SECONDS,
	METER_COUNT,
};

extern const struct metric meters_table[METER_COUNT];

#endif
