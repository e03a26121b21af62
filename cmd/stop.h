/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals as a descriptor to wait on; requests to stop. */
#ifndef STOP_H
#define STOP_H

#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>

/*
 * The descriptor of @set's, for poll(2), which are blocked from here on; @saved, if it isn't
 * NULL, is what was blocked before. A negative errno.
 */
int signals_open(const sigset_t *set, sigset_t *saved);
/* The next one that came; false: none. */
bool signals_take(int fd, struct signalfd_siginfo *ret);

struct stop {
	int fd; /* for poll(2) */
	sigset_t saved;
	void (*saved_pipe)(int);
};

/* Block SIGINT, SIGTERM, SIGHUP; ignore SIGPIPE. */
int stop_open(struct stop *stop);
/* The signal that came, 0: none. */
int stop_signal(const struct stop *stop);
/* As it was before: in a child, before it executes something. */
void stop_restore(const struct stop *stop);
void stop_close(struct stop *stop);

#endif /* STOP_H */
