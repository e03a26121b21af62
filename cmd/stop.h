/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to stop, as a descriptor to wait on. */
#ifndef STOP_H
#define STOP_H

#include <signal.h>

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
