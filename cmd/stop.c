// SPDX-License-Identifier: GPL-2.0-or-later
/* Signals as a descriptor to wait on; requests to stop. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "stop.h"

int signals_open(const sigset_t *set, sigset_t *saved)
{
	sigset_t old;
	int fd, r;

	if (sigprocmask(SIG_BLOCK, set, &old) < 0)
		return -errno;
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0) {
		r = -errno;
		sigprocmask(SIG_SETMASK, &old, NULL);
		return r;
	}
	if (saved)
		*saved = old;
	return fd;
}

bool signals_take(int fd, struct signalfd_siginfo *ret)
{
	return read(fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);
}

int stop_open(struct stop *stop)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	stop->fd = signals_open(&set, &stop->saved);
	if (stop->fd < 0)
		return stop->fd;
	/* A reader who goes away is an error of write(2), after which we clean up. */
	stop->saved_pipe = signal(SIGPIPE, SIG_IGN);
	return 0;
}

int stop_signal(const struct stop *stop)
{
	struct signalfd_siginfo info;

	return signals_take(stop->fd, &info) ? (int)info.ssi_signo : 0;
}

void stop_restore(const struct stop *stop)
{
	signal(SIGPIPE, stop->saved_pipe);
	sigprocmask(SIG_SETMASK, &stop->saved, NULL);
}

void stop_close(struct stop *stop)
{
	if (stop->fd >= 0)
		close(stop->fd);
	stop->fd = -1;
	stop_restore(stop);
}
