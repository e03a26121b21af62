// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Two ways to stop a process.
 *
 * The cgroup v2 freezer stops it unnoticed; it takes all of a cgroup, so that it
 * serves only where the process is alone in one. Under a manager of virtual
 * machines each has its own.
 *
 * SIGSTOP takes the process alone. Its parent is told, as of every stopped
 * child, and it is asynchronous: a thread runs on until it has seen the signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "freeze.h"

/* A process's path in its cgroup tree is as long as its manager likes. */
#define CGROUP_PATH_MAX SYSFS_PATH_MAX

int thaw_do(const struct thaw *thaw)
{
	size_t len = strlen(thaw->text);
	ssize_t n;

	if (thaw->how == VFIOPM_FREEZE_SIGNAL)
		return syscall(SYS_pidfd_send_signal, thaw->fd, SIGCONT, NULL, 0) < 0 ? -errno : 0;
	do
		n = write(thaw->fd, thaw->text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* ---- cgroup v2 ---- */

/* Folder of the process's cgroup below the root; -ENOENT: none to be seen from here. */
static int cgroup_path(const struct vfiopm_ctx *ctx, pid_t pid, char *ret, size_t size)
{
	static const char *const mounts[] = { "sys/fs/cgroup", "sys/fs/cgroup/unified" };
	char path[SYSFS_PATH_MAX], text[SYSFS_VALUE_MAX], *at, *end;

	snprintf(path, sizeof(path), "proc/%d/cgroup", (int)pid);
	if (sysfs_read(ctx, path, text, sizeof(text)) <= 0)
		return -ENOENT;
	/* "0::/machine.slice/vm.scope", of version 2; versions 1 have other lines (cgroups(7)) */
	at = text;
	if (strncmp(at, "0::", 3)) {
		at = strstr(text, "\n0::");
		if (!at)
			return -ENOENT;
		at++;
	}
	at += strlen("0::");
	end = strchr(at, '\n');
	if (end)
		*end = '\0';
	/* Outside of our cgroup namespace, or removed. */
	if (at[0] != '/' || strstr(at, "/../") || strstr(at, " (deleted)"))
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", mounts[i]);
		if (!sysfs_exists_at(ctx->root_fd, path))
			continue;
		if ((size_t)snprintf(ret, size, "%s%s", mounts[i], at) >= size)
			return -ENAMETOOLONG;
		return 0;
	}
	return -ENOENT;
}

static bool has_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	return at && (at == text || at[-1] == '\n') &&
	       (at[strlen(line)] == '\n' || !at[strlen(line)]);
}

struct children {
	const struct vfiopm_ctx *ctx;
	int dir;
	bool populated;
};

/* A child cgroup of its own right (one of threads belongs to its parent's processes). */
static int look_at_child(const char *name, void *data)
{
	struct children *c = data;
	char path[SYSFS_PATH_MAX], text[256];

	snprintf(path, sizeof(path), "%s/cgroup.type", name);
	if (sysfs_read_at(c->ctx, c->dir, path, text, sizeof(text)) <= 0 ||
	    !strcmp(text, "threaded"))
		return 0;
	snprintf(path, sizeof(path), "%s/cgroup.events", name);
	if (sysfs_read_at(c->ctx, c->dir, path, text, sizeof(text)) > 0 &&
	    has_line(text, "populated 1"))
		c->populated = true;
	return c->populated;
}

static bool is_alone(const struct vfiopm_ctx *ctx, int dir, pid_t pid)
{
	struct children c = { .ctx = ctx, .dir = dir };
	char text[64], number[16];

	snprintf(number, sizeof(number), "%d", (int)pid);
	if (sysfs_read_at(ctx, dir, "cgroup.procs", text, sizeof(text)) <= 0 ||
	    strcmp(text, number))
		return false;
	sysfs_foreach_at(ctx, dir, ".", look_at_child, &c);
	return !c.populated;
}

/*
 * The cgroup that holds all threads of the process and nothing else. Threads of
 * one process may sit in cgroups of their own below it, of type "threaded".
 */
static int open_cgroup(const struct vfiopm_ctx *ctx, pid_t pid)
{
	char path[CGROUP_PATH_MAX], type[64], *slash;
	int dir, r;

	r = cgroup_path(ctx, pid, path, sizeof(path));
	if (r < 0)
		return r;
	for (;;) {
		dir = sysfs_dir(ctx, path);
		if (dir < 0)
			return dir;
		/* The root has no type, and can't be frozen. */
		if (sysfs_read_at(ctx, dir, "cgroup.type", type, sizeof(type)) <= 0)
			break;
		if (strcmp(type, "threaded")) {
			if (is_alone(ctx, dir, pid))
				return dir;
			break;
		}
		close(dir);
		slash = strrchr(path, '/');
		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	close(dir);
	return -ENOENT;
}

static int prepare_cgroup(const struct vfiopm_ctx *ctx, pid_t pid, struct stop *stop)
{
	char text[16];
	int dir, r;

	dir = open_cgroup(ctx, pid);
	if (dir < 0)
		return dir;
	r = sysfs_read_at(ctx, dir, "cgroup.freeze", text, sizeof(text)) > 0 ? 0 : -ENOENT;
	if (r == 0 && text[0] != '0')
		r = -EALREADY;
	if (r == 0) {
		stop->events_fd = sysfs_open_at(ctx, dir, "cgroup.events");
		r = stop->events_fd < 0 ? stop->events_fd : 0;
	}
	if (r == 0) {
		stop->thaw.fd = sysfs_open_write_at(ctx, dir, "cgroup.freeze");
		r = stop->thaw.fd < 0 ? stop->thaw.fd : 0;
	}
	close(dir);
	if (r < 0) {
		stop_release(stop);
		return r;
	}
	stop->thaw.how = VFIOPM_FREEZE_CGROUP;
	strcpy(stop->thaw.text, "0");
	return 0;
}

/* ---- SIGSTOP ---- */

struct threads {
	const struct vfiopm_ctx *ctx;
	int dir;
	size_t stopped, running;
};

static int look_at_thread(const char *name, void *data)
{
	struct threads *t = data;
	char path[SYSFS_PATH_MAX], text[SYSFS_VALUE_MAX], *at;

	snprintf(path, sizeof(path), "%s/stat", name);
	if (sysfs_read_at(t->ctx, t->dir, path, text, sizeof(text)) <= 0)
		return 0;
	/* "TID (NAME) STATE ...", and NAME may hold anything */
	at = strrchr(text, ')');
	if (!at || at[1] != ' ')
		return 0;
	switch (at[2]) {
	case 'T':
		t->stopped++;
		return 0;
	case 'Z':
	case 'X':
		return 0;
	}
	t->running++;
	return 1;
}

/*
 * 1: all its threads are stopped, 0: one isn't. A thread that isn't stopped may
 * start others behind our back, one that is can't: a walk that sees all of them
 * stopped has seen all.
 */
static int all_stopped(const struct vfiopm_ctx *ctx, pid_t pid)
{
	struct threads t = { .ctx = ctx };
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/task", (int)pid);
	t.dir = sysfs_dir(ctx, path);
	if (t.dir < 0)
		return -ESRCH;
	sysfs_foreach_at(ctx, t.dir, ".", look_at_thread, &t);
	close(t.dir);
	if (t.running)
		return 0;
	return t.stopped ? 1 : -ESRCH;
}

/*
 * The shell of a terminal sees that its foreground job has stopped, takes the
 * terminal back, and does not give it again at a SIGCONT: a job that reads or sets
 * the terminal then is stopped anew. proc(5): 5 pgrp, 8 tpgid, of which -1: no terminal.
 */
static bool is_foreground(const struct vfiopm_ctx *ctx, pid_t pid)
{
	char path[64], text[SYSFS_VALUE_MAX], *at;
	int pgrp, tpgid;

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (sysfs_read(ctx, path, text, sizeof(text)) <= 0)
		return false;
	at = strrchr(text, ')');
	return at && sscanf(at + 1, " %*c %*d %d %*d %*d %d", &pgrp, &tpgid) == 2 && tpgid > 0 &&
	       tpgid == pgrp;
}

static int prepare_signal(const struct vfiopm_ctx *ctx, pid_t pid, int pidfd, struct stop *stop)
{
	int r;

	r = all_stopped(ctx, pid);
	if (r < 0)
		return r;
	if (r > 0)
		return -EALREADY;
	if (is_foreground(ctx, pid))
		return -EOPNOTSUPP;
	stop->thaw.fd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
	if (stop->thaw.fd < 0)
		return -errno;
	stop->thaw.how = VFIOPM_FREEZE_SIGNAL;
	return 0;
}

/* ---- both ---- */

int stop_prepare(const struct vfiopm_ctx *ctx, pid_t pid, int pidfd, struct stop *ret)
{
	int r;

	*ret = (struct stop){ .pid = pid, .thaw.fd = -1, .events_fd = -1 };
	r = prepare_cgroup(ctx, pid, ret);
	if (r == 0 || r == -EALREADY)
		return r;
	return prepare_signal(ctx, pid, pidfd, ret);
}

void stop_release(struct stop *stop)
{
	if (stop->thaw.fd >= 0)
		close(stop->thaw.fd);
	if (stop->events_fd >= 0)
		close(stop->events_fd);
	stop->thaw.fd = stop->events_fd = -1;
}

int stop_begin(const struct stop *stop)
{
	if (stop->thaw.how == VFIOPM_FREEZE_SIGNAL)
		return syscall(SYS_pidfd_send_signal, stop->thaw.fd, SIGSTOP, NULL, 0) < 0 ?
			       -errno :
			       0;
	return write(stop->thaw.fd, "1", 1) == 1 ? 0 : -errno;
}

int stop_is_complete(const struct vfiopm_ctx *ctx, const struct stop *stop)
{
	char text[256];
	ssize_t n;

	if (stop->thaw.how == VFIOPM_FREEZE_SIGNAL)
		return all_stopped(ctx, stop->pid);
	n = sysfs_reread(stop->events_fd, text, sizeof(text));
	if (n < 0)
		return (int)n;
	if (has_line(text, "populated 0"))
		return -ESRCH;
	return has_line(text, "frozen 1");
}
