/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the kernel's rpm trace events to suspends and resumes that really happened. */
#ifndef TRANSITIONS_H
#define TRANSITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfiopm.h"

enum rpm_kind { RPM_SUSPEND,
		RPM_RESUME,
		RPM_IDLE,
		RPM_USAGE,
		RPM_RETURN,
		RPM_LOST };

/* One trace event (include/trace/events/rpm.h). */
struct rpm_event {
	uint64_t ns; /* CLOCK_MONOTONIC */
	enum rpm_kind kind;
	int pid, cpu; /* in whose context */
	int flags; /* of the request */
	int64_t ret; /* RPM_RETURN: of the function; RPM_LOST: how many, 0: not known */
	char name[VFIOPM_ADDR_LEN];
};

struct transition {
	uint64_t ns; /* when it was complete */
	uint64_t asked_ns; /* when it was asked for */
	int pid; /* in whose context it was asked for */
	bool active; /* resumed, not suspended */
	bool maybe; /* suspended, unless autosuspend only set its timer */
	char name[VFIOPM_ADDR_LEN];
};

struct transitions;

int transitions_new(struct transitions **ret);
void transitions_free(struct transitions *t);
/* Feed events in order of time. Returns 1 when @ret is filled, 0 when it isn't; -ENOMEM. */
int transitions_feed(struct transitions *t, const struct rpm_event *event, struct transition *ret);

#endif /* TRANSITIONS_H */
