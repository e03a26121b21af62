// SPDX-License-Identifier: LGPL-2.1-or-later
/* The clock of the library: CLOCK_MONOTONIC, for differences; async-signal-safe. */
#include <time.h>

#include "private.h"

int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int64_t now_ms(void)
{
	return now_us() / 1000;
}
