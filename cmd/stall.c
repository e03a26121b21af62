// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The caller sits in the kernel, unkillable maybe: so it is another thread that
 * tells. It sleeps unless a call is late.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "service.h"
#include "stall.h"

struct stall {
	int timer_fd, end_fd;
	pthread_t thread;
	pthread_mutex_t lock;		/* what follows, with the thread */
	const char *what, *name;	/* of the call; NULL: there is none */
	int64_t since_ms;
	bool armed;			/* the timer is set, for this call or one before */
	bool told;
};

static int64_t due_ms(const struct stall *stall)
{
	return stall->since_ms + STALL_LIMIT_MS;
}

static void arm(struct stall *stall)
{
	const struct itimerspec when = { .it_value.tv_sec = due_ms(stall) / 1000,
					 .it_value.tv_nsec = due_ms(stall) % 1000 * 1000000 };

	stall->armed = true;
	timerfd_settime(stall->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void tell(struct stall *stall)
{
	char line[128];

	pthread_mutex_lock(&stall->lock);
	stall->armed = false;
	if (stall->what && monotonic_ms() < due_ms(stall)) {
		/* It was another call that the timer was set for. */
		arm(stall);
	} else if (stall->what) {
		stall->told = true;
		msg_cannot(stall->what, stall->name, "the kernel has not answered for %d s",
			   STALL_LIMIT_MS / 1000);
		msg_hint("no other device is served until it does; dmesg may tell why");
		snprintf(line, sizeof(line), "STATUS=the kernel has not answered for %d s: %s",
			 STALL_LIMIT_MS / 1000, stall->name);
		service_notify(line);
	}
	pthread_mutex_unlock(&stall->lock);
}

static void *watch(void *arg)
{
	struct stall *stall = arg;
	struct pollfd p[] = {
		{ .fd = stall->timer_fd, .events = POLLIN },
		{ .fd = stall->end_fd, .events = POLLIN },
	};
	uint64_t times;

	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			return NULL;
		if (read(stall->timer_fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
			tell(stall);
	}
}

/* Signals are for who waits for them. */
static int start(struct stall *stall)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&stall->thread, NULL, watch, stall);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void clear(struct stall *stall)
{
	if (stall->timer_fd >= 0)
		close(stall->timer_fd);
	if (stall->end_fd >= 0)
		close(stall->end_fd);
	pthread_mutex_destroy(&stall->lock);
	free(stall);
}

int stall_new(struct stall **ret)
{
	struct stall *stall;
	int r;

	stall = calloc(1, sizeof(*stall));
	if (!stall)
		return -ENOMEM;
	pthread_mutex_init(&stall->lock, NULL);
	stall->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	stall->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = stall->timer_fd < 0 || stall->end_fd < 0 ? -errno : start(stall);
	if (r < 0) {
		clear(stall);
		return r;
	}
	*ret = stall;
	return 0;
}

void stall_begin(struct stall *stall, const char *what, const char *name)
{
	pthread_mutex_lock(&stall->lock);
	stall->what = what;
	stall->name = name;
	stall->since_ms = monotonic_ms();
	stall->told = false;
	/* One that is set goes off before: then it is set anew, so that few calls cost that. */
	if (!stall->armed)
		arm(stall);
	pthread_mutex_unlock(&stall->lock);
}

void stall_end(struct stall *stall)
{
	pthread_mutex_lock(&stall->lock);
	if (stall->told)
		msg_warn("'%s': the kernel has answered after %d s", stall->name,
			 (int)((monotonic_ms() - stall->since_ms) / 1000));
	stall->what = NULL;
	pthread_mutex_unlock(&stall->lock);
}

void stall_free(struct stall *stall)
{
	if (!stall)
		return;
	eventfd_write(stall->end_fd, 1);
	pthread_join(stall->thread, NULL);
	clear(stall);
}
