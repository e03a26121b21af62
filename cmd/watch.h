/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of devices as they happen, for `wait` and `monitor`. */
#ifndef WATCH_H
#define WATCH_H

#include "cmd.h"

enum watch_kind {
	WATCH_PRESENT, /* what it was at the start, or when it came */
	WATCH_STATUS, /* runtime status */
	WATCH_STATE, /* PCI power state */
	WATCH_DRIVER,
	WATCH_OWNER,
	WATCH_GONE, /* the device was removed */
	WATCH_LOST, /* events were lost: @count of them, 0: nobody knows how many */
};

struct watch_event {
	enum watch_kind kind;
	int64_t ns; /* CLOCK_MONOTONIC */
	char device[VFIOPM_ADDR_LEN];
	enum vfiopm_status status; /* PRESENT, STATUS: now */
	enum vfiopm_state state, old_state; /* PRESENT, STATE */
	char *text, *old_text; /* PRESENT, DRIVER, OWNER; NULL: none */
	int pid; /* STATUS, active: who asked; 0: not known */
	char comm[64];
	int64_t took_ns; /* STATUS, active: from the request to the end; -1: not known */
	uint64_t count;
};

#define WATCH_ALL (1u << 0) /* whatever is on a VFIO driver, also later */
#define WATCH_OWNERS (1u << 1) /* who has it open, too */
#define WATCH_READER (1u << 2) /* end when nobody reads standard output any more */
#define WATCH_ONCE (1u << 3) /* what it is now will do: nothing is traced */

struct watch;

/*
 * Watch @targets. @interval_ms: how often to look when the kernel's trace
 * events can't be had. Blocks SIGINT, SIGTERM and SIGHUP: watch_next() tells.
 */
int watch_new(struct app *app, const struct targets *targets, unsigned int flags,
	      int64_t interval_ms, struct watch **ret);
void watch_free(struct watch *watch);
/* Is it told of each suspend and resume, or does it look from time to time? */
bool watch_is_driven(const struct watch *watch);
/*
 * The next change, waiting at most @timeout_ms (negative: for ever). Returns 1
 * with an event (released with watch_event_clear()), 0 at the time limit,
 * -EINTR on a signal, -EPIPE with WATCH_READER.
 */
int watch_next(struct watch *watch, int64_t timeout_ms, struct watch_event *ret);
void watch_event_clear(struct watch_event *event);

#endif /* WATCH_H */
