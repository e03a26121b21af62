// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Time for the code under test (ld --wrap): a sleep takes none, it moves the
 * clock. A verb that waits for ever is left after twenty waits.
 */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "fuzz.h"

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __real_nanosleep(const struct timespec *t, struct timespec *left);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left);
int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

bool clock_running;
static unsigned int waits;
static long long ahead_ns;

void clock_start(void)
{
	waits = 0;
	clock_running = true;
}

static void pass(long long ns)
{
	ahead_ns += ns;
	if (++waits > 20)
		leave();
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int r;

	if (!clock_running)
		return __real_poll(fds, n, timeout);
	r = __real_poll(fds, n, 0);
	if (r == 0 && timeout)
		pass(timeout > 0 ? timeout * 1000000LL : 1000000000LL);
	return r;
}

int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
	if (!clock_running)
		return __real_nanosleep(t, left);
	pass(t->tv_sec * 1000000000LL + t->tv_nsec);
	return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = __real_clock_gettime(clock, ret);

	if (clock_running && r == 0) {
		ret->tv_sec += (ret->tv_nsec + ahead_ns) / 1000000000LL;
		ret->tv_nsec = (ret->tv_nsec + ahead_ns) % 1000000000LL;
	}
	return r;
}
