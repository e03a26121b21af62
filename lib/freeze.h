/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stopping another process for a moment.
 *
 * freeze.c         what callers see: freeze, thaw, bounds
 * freeze_stop.c    the two ways to stop a process: cgroup v2, SIGSTOP
 * freeze_guard.c   the process that lets go when the caller can't
 */
#ifndef VFIOPM_FREEZE_H
#define VFIOPM_FREEZE_H

#include "private.h"

/* What makes a stopped process run again. */
struct thaw {
	enum vfiopm_freeze_how how;
	int fd;			/* `cgroup.freeze`, a pidfd, or what the caller's way writes to */
	char text[64];		/* written to @fd, but for VFIOPM_FREEZE_SIGNAL */
	char answer[32];	/* what @fd then answers; empty: nothing */
};

/* A process that is stopped, or is to be. */
struct stop {
	struct thaw thaw;
	pid_t pid;
	int events_fd;		/* `cgroup.events`, or -1 */
};

/* ---- freeze_stop.c ---- */

/*
 * Choose the way for @pid; nothing is stopped yet. -EALREADY: somebody else has
 * stopped it, and it isn't ours to let run. -EOPNOTSUPP: a terminal's foreground job.
 */
int stop_prepare(const struct vfiopm_ctx *ctx, pid_t pid, int pidfd, struct stop *ret);
void stop_release(struct stop *stop);
/* Ask for the stop. */
int stop_begin(const struct stop *stop);
/* Is all of the process stopped? 1, 0, or a negative errno: -ESRCH when it has ended. */
int stop_is_complete(const struct vfiopm_ctx *ctx, const struct stop *stop);
/* Async-signal-safe. */
int thaw_do(const struct thaw *thaw);

/* ---- freeze_guard.c ---- */

/* Start a guard. Return the socket to it, or a negative errno. */
int guard_start(void);
/*
 * From here on the guard leaves low power on @device_fd (-1: there is none) and
 * undoes the stop when the caller dies, or doesn't disarm it: @bound_ms from now at the latest.
 * It keeps @lock_fd open until then.
 */
int guard_arm(int sock, const struct thaw *thaw, int lock_fd, int device_fd, int64_t bound_ms);
/* Return 0; 1: the time was over, the guard has acted, once and for all; -errno: it is gone. */
int guard_disarm(int sock);

#endif /* VFIOPM_FREEZE_H */
