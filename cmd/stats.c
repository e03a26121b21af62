// SPDX-License-Identifier: GPL-2.0-or-later
/* Distributions of times. */
#include <errno.h>
#include <stdlib.h>

#include "stats.h"

int stats_add(struct stats *stats, int64_t ns)
{
	if (stats->count == stats->room) {
		size_t room = stats->room ? 2 * stats->room : 64;
		int64_t *grown = reallocarray(stats->values, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		stats->values = grown;
		stats->room = room;
	}
	stats->values[stats->count++] = ns;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t rank(const struct stats *stats, size_t percent)
{
	size_t at = (stats->count * percent + 99) / 100;

	return stats->values[at ? at - 1 : 0];
}

void stats_summarize(struct stats *stats, struct summary *ret)
{
	*ret = (struct summary){ .count = stats->count };
	if (!stats->count)
		return;
	qsort(stats->values, stats->count, sizeof(stats->values[0]), by_value);
	ret->min = stats->values[0];
	ret->median = rank(stats, 50);
	ret->p95 = rank(stats, 95);
	ret->p99 = rank(stats, 99);
	ret->max = stats->values[stats->count - 1];
}

void stats_free(struct stats *stats)
{
	free(stats->values);
	*stats = (struct stats){ 0 };
}
