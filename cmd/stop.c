// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests to stop, as a descriptor to wait on. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "stop.h"

int stop_open(struct stop *stop)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, &stop->saved) < 0)
		return -errno;
	/* A reader who goes away is an error of write(2), after which we clean up. */
	stop->saved_pipe = signal(SIGPIPE, SIG_IGN);
	stop->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (stop->fd < 0) {
		int r = -errno;

		stop_restore(stop);
		return r;
	}
	return 0;
}

int stop_signal(const struct stop *stop)
{
	struct signalfd_siginfo info;

	return read(stop->fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
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
