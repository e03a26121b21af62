/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Distributions of times. */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>
#include <stdint.h>

struct stats {
	int64_t *values;	/* nanoseconds */
	size_t count, room;
};

struct summary {
	size_t count;
	int64_t min, median, p95, p99, max;	/* nanoseconds; 0 when count is 0 */
};

/* -ENOMEM. */
int stats_add(struct stats *stats, int64_t ns);
/* By nearest rank: each figure is a value that was measured. Sorts the values. */
void stats_summarize(struct stats *stats, struct summary *ret);
void stats_free(struct stats *stats);

#endif /* STATS_H */
