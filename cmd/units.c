// SPDX-License-Identifier: GPL-2.0-or-later
/* Times: as users write them, and as they like to read them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

int parse_time(const char *text, int64_t *ret_ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {
		{ "", 1000 },
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60000 },
		{ "h", 3600000 },
	};
	double value;
	char *end;

	/* strtod() also takes signs, blanks, "inf", "nan" and hexadecimal. */
	if (text[0] < '0' || text[0] > '9' || text[1] == 'x' || text[1] == 'X')
		return -EINVAL;
	errno = 0;
	value = strtod(text, &end);
	if (errno)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit))
			continue;
		value *= (double)units[i].ms;
		/* A year is long enough, and far from any overflow. */
		if (value > 366.0 * 86400000)
			return -ERANGE;
		*ret_ms = (int64_t)(value + 0.5);
		return 0;
	}
	return -EINVAL;
}

char *format_time(int64_t ms, char *buf, size_t size)
{
	if (ms < 1000)
		snprintf(buf, size, "%" PRId64 " ms", ms);
	else if (ms < 60000)
		snprintf(buf, size, "%.1f s", (double)ms / 1000);
	else if (ms < 3600000)
		snprintf(buf, size, "%" PRId64 " min %" PRId64 " s", ms / 60000, ms / 1000 % 60);
	else if (ms < 86400000)
		snprintf(buf, size, "%" PRId64 " h %" PRId64 " min", ms / 3600000,
			 ms / 60000 % 60);
	else
		snprintf(buf, size, "%" PRId64 " d %" PRId64 " h", ms / 86400000,
			 ms / 3600000 % 24);
	return buf;
}
