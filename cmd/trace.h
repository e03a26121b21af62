/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's rpm trace events as they happen. */
#ifndef TRACE_H
#define TRACE_H

#include "transitions.h"

struct trace;

/*
 * Listen for devices of these names, all PCI devices when @n is 0, in a trace
 * instance of our own. -EACCES, -ENOENT and others: tracefs can't be used.
 */
int trace_open(const char *const *names, size_t n, struct trace **ret);
/* Stops, and removes the instance. */
void trace_close(struct trace *trace);
/* For poll(2): readable when there is something. */
int trace_get_fd(const struct trace *trace);
/*
 * Hand on what there is, in order of time; nothing blocks. @fn returns 0 or a
 * negative errno. Events that may still be preceded by one of another CPU are
 * held back: 1 is returned when there are any, and the next call brings them.
 */
int trace_read(struct trace *trace, int (*fn)(const struct rpm_event *event, void *data),
	       void *data);
/* Name of a task that had an event, also when it has ended; "" when the kernel doesn't know. */
void trace_comm(struct trace *trace, int pid, char *buf, size_t size);

#endif /* TRACE_H */
