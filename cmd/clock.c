// SPDX-License-Identifier: GPL-2.0-or-later
/* The clocks of the verbs. */
#include <time.h>

#include "cmd.h"

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t monotonic_us(void)
{
	return monotonic_ns() / 1000;
}

int64_t monotonic_ms(void)
{
	return monotonic_ns() / 1000000;
}

int64_t boot_ms(void)
{
	return clock_ns(CLOCK_BOOTTIME) / 1000000;
}

int64_t wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t wall_ms(void)
{
	return wall_ns() / 1000000;
}
