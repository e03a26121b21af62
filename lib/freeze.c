// SPDX-License-Identifier: LGPL-2.1-or-later
/* Stopping the owner of a device for a moment, so that nothing changes under our hands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "freeze.h"

struct vfiopm_freezer {
	struct vfiopm_ctx *ctx;
	int64_t bound_ms;
	int guard;		/* socket */
	const struct vfiopm_freeze_ops *ops;
	void *ops_data;
	bool frozen;
	int lock_fd;		/* of the owner that is stopped; -1 */
	struct stop stop;
	int64_t since_us, pause_us;
};

static const char *const how_names[] = {
	[VFIOPM_FREEZE_NONE] = "none",
	[VFIOPM_FREEZE_CGROUP] = "cgroup",
	[VFIOPM_FREEZE_SIGNAL] = "signal",
	[VFIOPM_FREEZE_OWN] = "own",
};

const char *vfiopm_freeze_how_name(enum vfiopm_freeze_how how)
{
	return (size_t)how < ARRAY_SIZE(how_names) ? how_names[how] : "unknown";
}

int vfiopm_freezer_new(struct vfiopm_ctx *ctx, int64_t bound_ms, struct vfiopm_freezer **ret)
{
	struct vfiopm_freezer *f;

	if (vfiopm_ctx_is_foreign(ctx))
		return -EROFS;
	if (bound_ms < 1 || bound_ms > 60000)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->bound_ms = bound_ms;
	f->lock_fd = -1;
	f->stop = (struct stop){ .thaw.fd = -1, .events_fd = -1 };
	f->guard = guard_start();
	if (f->guard < 0) {
		int r = f->guard;

		free(f);
		return r;
	}
	f->ctx = vfiopm_ctx_ref(ctx);
	*ret = f;
	return 0;
}

void vfiopm_freezer_free(struct vfiopm_freezer *freezer)
{
	if (!freezer)
		return;
	vfiopm_freezer_thaw(freezer);
	if (freezer->guard >= 0)
		close(freezer->guard);
	vfiopm_ctx_unref(freezer->ctx);
	free(freezer);
}

void vfiopm_freezer_set_ops(struct vfiopm_freezer *freezer, const struct vfiopm_freeze_ops *ops,
			    void *data)
{
	freezer->ops = ops;
	freezer->ops_data = data;
}

/*
 * Two that stop one owner must not overlap: the one that is done first would let it
 * run under the other's hands. The lock is on the folder of the owner's descriptors,
 * which only they may open who may borrow from it (fs/proc/fd.c, proc_fd_permission()).
 * It ends with the last process that has it, and the guard is one. Who sees another
 * mount of /proc has another lock.
 */
static int lock_owner(struct vfiopm_freezer *f, pid_t pid, int64_t timeout_ms)
{
	const struct timespec gap = { .tv_nsec = 1000000 };
	int64_t end = now_us() + timeout_ms * 1000;
	char path[64];
	int fd, r;

	snprintf(path, sizeof(path), "proc/%d/fd", (int)pid);
	fd = sysfs_dir(f->ctx, path);
	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK && now_us() >= end ? -EALREADY : -errno;
		if (r != -EWOULDBLOCK && r != -EINTR) {
			close(fd);
			return r;
		}
		nanosleep(&gap, NULL);
	}
	f->lock_fd = fd;
	return 0;
}

/* @thawed: the guard's duplicate, should it have one still, needn't keep it any longer. */
static void unlock_owner(struct vfiopm_freezer *f, bool thawed)
{
	if (thawed)
		flock(f->lock_fd, LOCK_UN);
	close(f->lock_fd);
	f->lock_fd = -1;
}

static int prepare(struct vfiopm_freezer *f, const struct vfiopm_borrow *b)
{
	const char *text, *answer = NULL;
	int r;

	if (!f->ops)
		return stop_prepare(f->ctx, b->pid, b->pidfd, &f->stop);
	f->stop = (struct stop){ .pid = b->pid, .thaw.how = VFIOPM_FREEZE_OWN, .events_fd = -1 };
	f->stop.thaw.fd = fcntl(f->ops->get_thaw(f->ops_data, &text, &answer), F_DUPFD_CLOEXEC, 3);
	r = f->stop.thaw.fd < 0 ? -errno : 0;
	if (r == 0 && (strlen(text) >= sizeof(f->stop.thaw.text) ||
		       (answer && strlen(answer) >= sizeof(f->stop.thaw.answer))))
		r = -EINVAL;
	if (r < 0) {
		stop_release(&f->stop);
		return r;
	}
	strcpy(f->stop.thaw.text, text);
	if (answer)
		strcpy(f->stop.thaw.answer, answer);
	return 0;
}

/* A guard that was killed is replaced: without one nothing is frozen. */
static int arm(struct vfiopm_freezer *f, const struct vfiopm_borrow *b)
{
	int fd = vfiopm_handle_get_fd(b->handle), r;

	r = f->guard < 0 ? -EPIPE :
			   guard_arm(f->guard, &f->stop.thaw, f->lock_fd, fd, f->bound_ms);
	if (r != -EPIPE && r != -ECONNRESET)
		return r;
	r = guard_start();
	if (r < 0)
		return r;
	if (f->guard >= 0)
		close(f->guard);
	f->guard = r;
	return guard_arm(f->guard, &f->stop.thaw, f->lock_fd, fd, f->bound_ms);
}

static int wait_stopped(struct vfiopm_freezer *f, int64_t timeout_ms)
{
	const struct timespec gap = { .tv_nsec = 100000 };
	int64_t end = now_us() + timeout_ms * 1000;

	for (;;) {
		int r = stop_is_complete(f->ctx, &f->stop);

		if (r != 0)
			return r < 0 ? r : 0;
		if (now_us() >= end)
			return -ETIMEDOUT;
		nanosleep(&gap, NULL);
	}
}

int vfiopm_freezer_freeze(struct vfiopm_freezer *freezer, const struct vfiopm_borrow *borrow,
			  int64_t timeout_ms)
{
	int r;

	if (freezer->frozen)
		return -EBUSY;
	r = lock_owner(freezer, borrow->pid, timeout_ms);
	if (r < 0)
		return r;
	r = prepare(freezer, borrow);
	if (r == 0) {
		r = arm(freezer, borrow);
		if (r < 0)
			stop_release(&freezer->stop);
	}
	if (r < 0) {
		unlock_owner(freezer, true);
		return r;
	}
	freezer->frozen = true;
	freezer->since_us = now_us();
	if (freezer->ops) {
		r = freezer->ops->stop(freezer->ops_data, timeout_ms);
	} else {
		r = stop_begin(&freezer->stop);
		if (r == 0)
			r = wait_stopped(freezer, timeout_ms);
	}
	if (r < 0)
		vfiopm_freezer_thaw(freezer);
	return r;
}

int vfiopm_freezer_holds(const struct vfiopm_freezer *freezer)
{
	if (!freezer->frozen)
		return 0;
	/* Half of the bound is left to the guard's clock, which started earlier. */
	if (now_us() - freezer->since_us > freezer->bound_ms * 500)
		return 0;
	if (freezer->ops)
		return freezer->ops->holds(freezer->ops_data);
	return stop_is_complete(freezer->ctx, &freezer->stop);
}

int vfiopm_freezer_thaw(struct vfiopm_freezer *freezer)
{
	int r;

	if (!freezer->frozen)
		return 0;
	if (freezer->ops)
		r = freezer->ops->thaw(freezer->ops_data);
	else
		r = thaw_do(&freezer->stop.thaw);
	freezer->pause_us = now_us() - freezer->since_us;
	/* Ended meanwhile: nothing is left that could be frozen. */
	if (r == -ESRCH || r == -ENODEV || r == -ENOENT)
		r = 0;
	freezer->frozen = false;
	stop_release(&freezer->stop);
	if (r < 0) {
		/* Perhaps the guard can: it acts when we are gone. */
		close(freezer->guard);
		freezer->guard = -1;
		unlock_owner(freezer, false);
		return r;
	}
	r = guard_disarm(freezer->guard);
	unlock_owner(freezer, true);
	if (r != 0) {
		/* Used up; or gone, and the next freeze would take a late answer for its own. */
		close(freezer->guard);
		freezer->guard = -1;
	}
	if (r > 0)
		return -ETIME;
	/* Gone: it can't act any more. Without an answer it may have acted. */
	return r == -ETIMEDOUT ? r : 0;
}

enum vfiopm_freeze_how vfiopm_freezer_get_how(const struct vfiopm_freezer *freezer)
{
	return freezer->stop.thaw.how;
}

int64_t vfiopm_freezer_get_pause(const struct vfiopm_freezer *freezer)
{
	return freezer->pause_us;
}
