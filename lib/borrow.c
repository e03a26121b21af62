// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reaching the device that another process has open, without its help.
 *
 * Low power belongs to the device, not to the descriptor that asked for it, so
 * a second descriptor will do: pidfd_getfd(2) duplicates the owner's group, and
 * VFIO_GROUP_GET_DEVICE_FD on the duplicate opens the device by its name. That
 * must never be its first open, which resets the device, as would the close
 * after it. Hence, before: every device descriptor of the owner is duplicated,
 * so that nothing can be closed under us; as many devices of its groups must be
 * enabled as it has device files; and ours must be one of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "private.h"
#include "uapi.h"

/* An owner that opens and closes devices just now is looked at again. */
#define TRIES 3
#define TRY_GAP_NS 20000000

/* A device's file in /proc (drivers/vfio/vfio_main.c, vfio_device_open_file()). */
#define DEVICE_LINK "anon_inode:[vfio-device]"

static const char *const refusal_names[] = {
	[VFIOPM_REFUSED_NOT] = "none",
	[VFIOPM_REFUSED_NO_OWNER] = "no-owner",
	[VFIOPM_REFUSED_OWNER_HIDDEN] = "owner-hidden",
	[VFIOPM_REFUSED_DENIED] = "denied",
	[VFIOPM_REFUSED_SHARED] = "shared",
	[VFIOPM_REFUSED_NOT_OPENED] = "not-opened",
	[VFIOPM_REFUSED_UNCLEAR] = "unclear",
	[VFIOPM_REFUSED_CHANGED] = "changed",
	[VFIOPM_REFUSED_UNSUPPORTED] = "unsupported",
	[VFIOPM_REFUSED_NOT_ACTIVE] = "not-active",
	[VFIOPM_REFUSED_IN_USE] = "in-use",
	[VFIOPM_REFUSED_NO_PM] = "no-pm-capability",
	[VFIOPM_REFUSED_STATE_LOSS] = "state-loss",
	[VFIOPM_REFUSED_PME] = "pme",
	[VFIOPM_REFUSED_ENGAGED] = "engaged",
	[VFIOPM_REFUSED_STOPPED] = "stopped",
	[VFIOPM_REFUSED_NOT_FROZEN] = "not-frozen",
	[VFIOPM_REFUSED_NOT_SUSPENDED] = "not-suspended",
	[VFIOPM_REFUSED_THAWED] = "thawed",
	[VFIOPM_REFUSED_FOREGROUND] = "foreground",
};

const char *vfiopm_refusal_name(enum vfiopm_refusal refusal)
{
	return (size_t)refusal < ARRAY_SIZE(refusal_names) ? refusal_names[refusal] : "unknown";
}

int refuse(enum vfiopm_refusal *why, enum vfiopm_refusal refusal)
{
	if (why)
		*why = refusal;
	return -ECANCELED;
}

/* ---- the owner's descriptors ---- */

/* A list of descriptors, or of numbers of groups. */
struct numbers {
	int *at;
	size_t count;
};

static int numbers_add(struct numbers *n, int value)
{
	int *grown = reallocarray(n->at, n->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	n->at = grown;
	n->at[n->count++] = value;
	return 0;
}

/* One walk through the descriptors of the owner. */
struct grab {
	const struct vfiopm_device *dev;
	int proc, fds; /* its folder, and that of its descriptors */
	int pidfd;
	bool again; /* the second walk: what isn't pinned yet is new */
	bool changed;
	struct numbers pins; /* every device file, once */
	struct numbers pin_numbers; /* the owner's numbers of them */
	struct numbers groups;
	int group_fd, group_number; /* duplicate of the one of @dev's group */
	int device_fd, device_number; /* duplicate of @dev's own, where the kernel names it */
};

static int same_file(pid_t pid_a, int a, pid_t pid_b, int b)
{
	long r = syscall(SYS_kcmp, pid_a, pid_b, KCMP_FILE, a, b);

	return r < 0 ? -errno : r == 0;
}

int borrow_is_among(const int *at, size_t n, pid_t pid, int fd)
{
	pid_t self = n ? getpid() : 0;

	for (size_t i = 0; i < n; i++) {
		int r = same_file(self, at[i], pid, fd);

		if (r != 0)
			return r;
	}
	return 0;
}

/* 1: among the pins already; 0; a negative errno. */
static int is_pinned(const struct grab *g, pid_t pid, int fd)
{
	return borrow_is_among(g->pins.at, g->pins.count, pid, fd);
}

int borrow_getfd(int pidfd, int number)
{
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);

	return fd < 0 ? -errno : fd;
}

int node_of(int fd, struct node *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (struct node){ .fs = st.st_dev, .inode = st.st_ino, .number = st.st_rdev };
	return 0;
}

/* Duplicate the owner's descriptor @name, if it still is what @link said: -EBADF else. */
static int grab_fd(const struct grab *g, const char *name, const char *link)
{
	char self[64], now[128];
	int fd = borrow_getfd(g->pidfd, atoi(name));

	if (fd < 0)
		return fd;
	snprintf(self, sizeof(self), "proc/self/fd/%d", fd);
	if (sysfs_readlink_at(g->dev->ctx->root_fd, self, now, sizeof(now)) < 0 ||
	    strcmp(now, link)) {
		close(fd);
		return -EBADF;
	}
	return fd;
}

static int add_pin(struct grab *g, int fd, const char *name)
{
	int r = numbers_add(&g->pins, fd);

	if (r < 0) {
		close(fd);
		return r;
	}
	return numbers_add(&g->pin_numbers, atoi(name));
}

static int pin(struct grab *g, const char *name, const char *link)
{
	char *path;
	int fd, r;

	fd = grab_fd(g, name, link);
	if (fd < 0)
		return fd;
	r = is_pinned(g, getpid(), fd);
	if (r != 0) {
		close(fd);
		return r < 0 ? r : 0;
	}
	g->changed |= g->again;
	r = add_pin(g, fd, name);
	if (r < 0)
		return r;
	path = owner_fd_syspath(g->dev->ctx, g->proc, name);
	if (path && !strcmp(path, g->dev->syspath)) {
		g->device_fd = fd;
		g->device_number = atoi(name);
	}
	free(path);
	return 0;
}

static int note_group(struct grab *g, const char *name, const char *link, const char *number)
{
	const char *node = vfiopm_device_get_group_node(g->dev);
	int group = atoi(number), r;

	for (size_t i = 0; i < g->groups.count; i++)
		if (g->groups.at[i] == group)
			return 0;
	r = numbers_add(&g->groups, group);
	if (r < 0 || group != g->dev->group || !node || strcmp(node, link))
		return r;
	r = grab_fd(g, name, link);
	if (r < 0)
		return r;
	g->group_fd = r;
	g->group_number = atoi(name);
	return 0;
}

static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? NULL : text + len;
}

static int grab_one(const char *name, void *data)
{
	struct grab *g = data;
	const char *cdev = vfiopm_device_get_cdev_node(g->dev), *rest;
	char link[128];
	ssize_t n;
	int r = 0;

	n = sysfs_readlink_at(g->fds, name, link, sizeof(link));
	if (n == -EACCES || n == -EPERM)
		return (int)n;
	if (n < 0)
		return 0;
	if (!strcmp(link, DEVICE_LINK)) {
		r = pin(g, name, link);
	} else if (cdev && !strcmp(link, cdev)) {
		if (g->device_fd < 0) {
			r = grab_fd(g, name, link);
			if (r >= 0) {
				g->device_fd = r;
				g->device_number = atoi(name);
				r = add_pin(g, g->device_fd, name);
			}
		}
	} else if (link[0] == '/' && (rest = after(link + 1, "dev/vfio/")) != NULL) {
		if (after(rest, "noiommu-"))
			rest += strlen("noiommu-");
		if (*rest >= '0' && *rest <= '9')
			r = note_group(g, name, link, rest);
	}
	/* Closed, or another file by now: the second walk tells. */
	return r == -EBADF ? 0 : r;
}

static int walk(struct grab *g, bool again)
{
	g->again = again;
	return sysfs_foreach_at(g->dev->ctx, g->fds, ".", grab_one, g);
}

static void grab_free(struct grab *g)
{
	for (size_t i = 0; i < g->pins.count; i++)
		close(g->pins.at[i]);
	free(g->pins.at);
	free(g->pin_numbers.at);
	free(g->groups.at);
	if (g->group_fd >= 0)
		close(g->group_fd);
	if (g->fds >= 0)
		close(g->fds);
	if (g->proc >= 0)
		close(g->proc);
	if (g->pidfd >= 0)
		close(g->pidfd);
}

/* ---- what of that is ours? ---- */

/*
 * How many devices of the owner's groups are open: vfio-pci-core enables one when
 * it is opened. @own: whether ours was in this very count. Each pin keeps its device
 * enabled, so that one which isn't pinned makes the count too high; by another look
 * it might be one that was opened since.
 */
static int count_open(const struct grab *g, size_t *ret, bool *own)
{
	size_t count = 0;

	*own = false;

	for (size_t i = 0; i < g->groups.count; i++) {
		struct vfiopm_device *member;
		struct vfiopm_list *members;
		size_t j;
		int r;

		r = vfiopm_list_new_group(g->dev->ctx, g->groups.at[i], &members);
		if (r < 0)
			return r;
		vfiopm_list_foreach(members, j, member) {
			if (!member->vfio || !vfiopm_device_is_enabled(member))
				continue;
			count++;
			*own |= !vfiopm_addr_cmp(&member->addr, &g->dev->addr);
		}
		vfiopm_list_free(members);
	}
	*ret = count;
	return 0;
}

/* Open the device by its name on the duplicate of its group. */
static int open_by_name(struct grab *g, enum vfiopm_refusal *why)
{
	struct backing backing = { .group_fd = g->group_fd };
	size_t open = 0;
	bool own;
	int r;

	if (g->group_fd < 0)
		return refuse(why, VFIOPM_REFUSED_UNCLEAR);
	r = count_open(g, &open, &own);
	if (r < 0)
		return r;
	if (open != g->pins.count) {
		log_debug(g->dev->ctx, "%s: the owner has %zu device files, %zu devices are open",
			  g->dev->name, g->pins.count, open);
		return refuse(why, VFIOPM_REFUSED_UNCLEAR);
	}
	if (!own)
		return refuse(why, VFIOPM_REFUSED_NOT_OPENED);
	/* What was opened since the first walk isn't pinned, and may be closed at any time. */
	r = walk(g, true);
	if (r < 0)
		return r;
	if (g->changed)
		return refuse(why, VFIOPM_REFUSED_CHANGED);
	r = group_open_device(&backing, g->dev);
	if (r < 0)
		return r;
	g->device_fd = r;
	return 0;
}

/* ---- who else has it? ---- */

struct others {
	const struct grab *g;
	pid_t pid;
	int fds;
	bool found;
};

static int compare_one(const char *name, void *data)
{
	struct others *o = data;
	char link[128];

	if (sysfs_readlink_at(o->fds, name, link, sizeof(link)) < 0 ||
	    strcmp(link, DEVICE_LINK))
		return 0;
	/* What can't be compared may be the same. */
	o->found = is_pinned(o->g, o->pid, atoi(name)) != 0;
	return o->found;
}

/* Has a process but the owner one of its device files open, inherited or sent? */
static bool is_shared(const struct grab *g, const struct vfiopm_owners *owners, pid_t owner)
{
	struct others o = { .g = g };

	for (size_t i = 0; i < owners->count && !o.found; i++) {
		const struct vfiopm_owner *other = owners->owner[i];
		char path[64];

		if (other->pid == owner || other->target != TARGET_UNNAMED)
			continue;
		snprintf(path, sizeof(path), "proc/%d/fd", (int)other->pid);
		o.pid = other->pid;
		o.fds = sysfs_dir(owners->ctx, path);
		if (o.fds < 0)
			continue;
		sysfs_foreach_at(owners->ctx, o.fds, ".", compare_one, &o);
		close(o.fds);
	}
	return o.found;
}

/* ---- all of it ---- */

static int open_process(struct grab *g, const struct vfiopm_owner *owner,
			enum vfiopm_refusal *why)
{
	char path[64];

	g->pidfd = (int)syscall(SYS_pidfd_open, owner->pid, 0);
	if (g->pidfd < 0)
		return errno == ENOSYS ? refuse(why, VFIOPM_REFUSED_UNSUPPORTED) :
					 refuse(why, VFIOPM_REFUSED_CHANGED);
	snprintf(path, sizeof(path), "proc/%d", (int)owner->pid);
	g->proc = sysfs_dir(g->dev->ctx, path);
	/* Another process may have got the number before it was pinned. */
	if (g->proc < 0 || process_start_time(g->dev->ctx, g->proc) != owner->start_time)
		return refuse(why, VFIOPM_REFUSED_CHANGED);
	g->fds = sysfs_dir_at(g->dev->ctx, g->proc, "fd");
	return g->fds < 0 ? g->fds : 0;
}

static int find_owner(const struct vfiopm_owners *owners, const struct vfiopm_device *dev,
		      const struct vfiopm_owner **ret, enum vfiopm_refusal *why)
{
	int r = vfiopm_owners_first(owners, dev, ret);

	if (r < 0 && vfiopm_owners_find_group(owners, dev, 0))
		return refuse(why, VFIOPM_REFUSED_NOT_OPENED);
	if (r < 0)
		return refuse(why, r == -EPERM ? VFIOPM_REFUSED_OWNER_HIDDEN :
						 VFIOPM_REFUSED_NO_OWNER);
	if (vfiopm_owners_find(owners, dev, 1))
		return refuse(why, VFIOPM_REFUSED_SHARED);
	/* To stop oneself has no end. */
	return (*ret)->pid == getpid() ? -EINVAL : 0;
}

static int grab_device(struct grab *g, const struct vfiopm_owners *owners,
		       const struct vfiopm_owner *owner, enum vfiopm_refusal *why)
{
	int r;

	r = open_process(g, owner, why);
	if (r == 0)
		r = walk(g, false);
	if (r < 0)
		return r;
	if (!g->pins.count)
		return refuse(why, VFIOPM_REFUSED_NOT_OPENED);
	if (is_shared(g, owners, owner->pid))
		return refuse(why, VFIOPM_REFUSED_SHARED);
	return g->device_fd >= 0 ? 0 : open_by_name(g, why);
}

static int take_over(struct vfiopm_borrow *b, struct grab *g)
{
	int r = 0;

	if (g->group_fd >= 0)
		r = node_of(g->group_fd, &b->group_node);
	else if (vfiopm_device_get_cdev_node(b->dev))
		r = node_of(g->device_fd, &b->cdev_node);
	if (r < 0)
		return r;
	/* Not with the pins: closed with them. */
	b->fd = g->device_fd;
	for (size_t i = 0; i < g->pins.count; i++) {
		if (g->pins.at[i] == g->device_fd) {
			b->fd = fcntl(g->device_fd, F_DUPFD_CLOEXEC, 3);
			if (b->fd < 0)
				return -errno;
		}
	}
	r = vfiopm_handle_wrap(b->dev->ctx, b->fd, &b->handle);
	if (r < 0)
		return r;
	b->pins = g->pins.at;
	b->n_pins = g->pins.count;
	b->group_fd = g->group_fd;
	b->pidfd = g->pidfd;
	b->pin_numbers = g->pin_numbers.at;
	b->group_number = g->group_number;
	b->device_number = g->device_number;
	b->groups = g->groups.at;
	b->n_groups = g->groups.count;
	g->pins = g->pin_numbers = g->groups = (struct numbers){ 0 };
	g->group_fd = g->pidfd = -1;
	return 0;
}

static int try_borrow(struct vfiopm_borrow *b, enum vfiopm_refusal *why)
{
	struct grab g = {
		.dev = b->dev,
		.proc = -1,
		.fds = -1,
		.pidfd = -1,
		.group_fd = -1,
		.group_number = -1,
		.device_fd = -1,
		.device_number = -1,
	};
	const struct vfiopm_owner *owner;
	struct vfiopm_owners *owners;
	int r;

	r = vfiopm_owners_new(b->dev->ctx, &owners);
	if (r < 0)
		return r;
	r = find_owner(owners, b->dev, &owner, why);
	if (r == 0) {
		b->pid = owner->pid;
		b->start_time = owner->start_time;
		snprintf(b->comm, sizeof(b->comm), "%s", owner->comm);
		r = grab_device(&g, owners, owner, why);
	}
	if (r == 0)
		r = take_over(b, &g);
	grab_free(&g);
	vfiopm_owners_free(owners);
	switch (r) {
	case -EACCES:
	case -EPERM:
		return refuse(why, VFIOPM_REFUSED_DENIED);
	case -ENOSYS:
		return refuse(why, VFIOPM_REFUSED_UNSUPPORTED);
	case -ESRCH:
		return refuse(why, VFIOPM_REFUSED_CHANGED);
	}
	return r;
}

static bool may_pass(enum vfiopm_refusal refusal)
{
	return refusal == VFIOPM_REFUSED_CHANGED || refusal == VFIOPM_REFUSED_SHARED ||
	       refusal == VFIOPM_REFUSED_UNCLEAR;
}

int vfiopm_borrow_new(struct vfiopm_device *dev, struct vfiopm_borrow **ret,
		      enum vfiopm_refusal *why)
{
	const struct timespec gap = { .tv_nsec = TRY_GAP_NS };
	enum vfiopm_refusal refusal = VFIOPM_REFUSED_NOT;
	struct vfiopm_borrow *b;
	int r;

	if (vfiopm_ctx_is_foreign(dev->ctx))
		return -EROFS;
	if (!dev->vfio)
		return -EMEDIUMTYPE;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->dev = vfiopm_device_ref(dev);
	b->fd = b->pidfd = b->group_fd = b->own_enable_fd = b->control_fd = -1;
	for (int i = 0; i < TRIES; i++) {
		if (i > 0)
			nanosleep(&gap, NULL);
		r = try_borrow(b, &refusal);
		if (r != -ECANCELED || !may_pass(refusal))
			break;
	}
	if (r < 0) {
		if (r == -ECANCELED) {
			log_debug(dev->ctx, "%s: not borrowed: %s", dev->name,
				  vfiopm_refusal_name(refusal));
			refuse(why, refusal);
		}
		vfiopm_borrow_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

struct vfiopm_handle *vfiopm_borrow_get_handle(const struct vfiopm_borrow *borrow)
{
	return borrow->handle;
}

pid_t vfiopm_borrow_get_pid(const struct vfiopm_borrow *borrow)
{
	return borrow->pid;
}

int64_t vfiopm_borrow_get_start_time(const struct vfiopm_borrow *borrow)
{
	return borrow->start_time;
}

int vfiopm_borrow_get_pidfd(const struct vfiopm_borrow *borrow)
{
	return borrow->pidfd;
}

const char *vfiopm_borrow_get_comm(const struct vfiopm_borrow *borrow)
{
	return borrow->comm;
}
