/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What watch.c and watch_look.c share. */
#ifndef WATCH_PRIVATE_H
#define WATCH_PRIVATE_H

#include "stop.h"
#include "trace.h"
#include "watch.h"

/* sysfs and the events may disagree while events are on their way, not for longer. */
#define DISAGREE_NS 250000000
/* To find an owner all processes are gone through: not for each of many events. */
#define OWNER_NS 1000000000
#define PORTS_MAX 8

struct watched {
	struct vfiopm_device *dev;
	char ports[PORTS_MAX][VFIOPM_ADDR_LEN];
	size_t n_ports;
	enum vfiopm_status status;
	enum vfiopm_state state;
	int64_t enable;
	char *driver, *owner;
	bool autosuspend;
	bool touched; /* look at it */
	bool gone; /* removed; one that was named may come back */
	int64_t maybe_ns; /* a suspend that may have been one */
	int64_t disagree_ns; /* since when; 0: it doesn't */
	int64_t owner_ns; /* when its owner was looked for */
	int64_t owner_due_ns; /* when that is to be done again; 0: after the next event */
};

struct watch {
	struct app *app;
	unsigned int flags;
	int64_t interval_ms, next_look_ns;
	struct stop stop;
	struct trace *trace; /* NULL: not to be had */
	struct transitions *transitions;
	struct vfiopm_events *events; /* NULL: not to be had */
	struct watched *dev;
	size_t n_dev;
	struct watch_event *queue;
	size_t head, tail, room;
	bool held; /* the trace has events that wait for others */
};

/* Append to the queue; NULL: out of memory. */
struct watch_event *watch_tell(struct watch *w, enum watch_kind kind, const char *device,
			       int64_t ns);
int watch_tell_status(struct watch *w, struct watched *d, enum vfiopm_status status, int64_t ns);
/* Nothing when it is so already. */
int watch_tell_state(struct watch *w, struct watched *d, enum vfiopm_state state, int64_t ns);
/* A text that may have changed; takes @text over. */
int watch_tell_text(struct watch *w, enum watch_kind kind, struct watched *d, char **slot,
		    char *text);
/* Compare a device with what was known of it, and tell. */
int watch_look(struct watch *w, struct watched *d);
/* Fill in what it is now, without telling. */
int watch_read(struct watch *w, struct watched *d);
void watch_find_ports(struct watched *d);

#endif /* WATCH_PRIVATE_H */
