// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who has a VFIO device open, as /proc shows it. What a descriptor tells:
 *
 *   /dev/vfio/N, /dev/vfio/noiommu-N   the group, opened by one file at a time
 *   /dev/vfio/devices/vfioN            the device itself
 *   anon_inode:[vfio-device]           a device of some group; which one tells
 *                                      fdinfo since Linux 6.18 (drivers/vfio/
 *                                      vfio_main.c, vfio_device_show_fdinfo())
 *
 * A mapping outlives its descriptor. It names the device only where that was
 * opened by its own node, so mappings are looked at last, and only for a
 * device that is open and has no owner by descriptor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

static const char *const via_names[] = {
	[VFIOPM_VIA_GROUP] = "group",
	[VFIOPM_VIA_CDEV] = "cdev",
	[VFIOPM_VIA_DEVICE] = "device",
	[VFIOPM_VIA_MAP] = "map",
};

const char *vfiopm_via_name(enum vfiopm_via via)
{
	return (size_t)via < ARRAY_SIZE(via_names) ? via_names[via] : "unknown";
}

/* A look at one process. */
struct look {
	struct vfiopm_owners *owners;
	pid_t pid;
	int proc;	/* its folder */
	int fds;	/* its folder of descriptors, -1 while mappings are looked at */
};

static bool take_number(const char *text, int64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	/* The node of a device that was unplugged while open. */
	return !errno && (!*end || !strcmp(end, " (deleted)"));
}

static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? NULL : text + len;
}

/* Is @name the name of something of VFIO's? */
static bool take_target(const char *name, struct vfiopm_owner *owner)
{
	const char *rest;

	if (!strcmp(name, "anon_inode:[vfio-device]")) {
		owner->target = TARGET_UNNAMED;
		owner->via = VFIOPM_VIA_DEVICE;
		return true;
	}
	if (name[0] != '/')
		return false;
	rest = after(name + 1, "dev/vfio/");
	if (!rest)
		return false;
	owner->gone = strchr(rest, ' ') != NULL;
	if (after(rest, "devices/vfio")) {
		owner->target = TARGET_CDEV;
		owner->via = VFIOPM_VIA_CDEV;
		return take_number(after(rest, "devices/vfio"), &owner->id);
	}
	owner->target = TARGET_GROUP;
	owner->via = VFIOPM_VIA_GROUP;
	owner->noiommu = after(rest, "noiommu-") != NULL;
	return take_number(owner->noiommu ? after(rest, "noiommu-") : rest, &owner->id);
}

char *owner_fd_syspath(const struct vfiopm_ctx *ctx, int proc, const char *fd)
{
	static const char key[] = "\nvfio-device-syspath:";
	char name[64], buf[SYSFS_VALUE_MAX], *at, *end;

	snprintf(name, sizeof(name), "fdinfo/%s", fd);
	if (sysfs_read_at(ctx, proc, name, buf, sizeof(buf)) <= 0)
		return NULL;
	at = strstr(buf, key);
	if (!at)
		return NULL;
	at += strlen(key);
	at += strspn(at, " \t");
	end = strchr(at, '\n');
	return strndup(at, end ? (size_t)(end - at) : strlen(at));
}

static bool same_target(const struct vfiopm_owner *a, const struct vfiopm_owner *b)
{
	return a->pid == b->pid && a->target == b->target && a->id == b->id &&
	       a->noiommu == b->noiommu && (!a->path || !b->path || !strcmp(a->path, b->path));
}

/* Field 22, counted from behind the name, which may hold blanks and brackets. */
int64_t process_start_time(const struct vfiopm_ctx *ctx, int proc)
{
	unsigned long long ticks;
	char buf[SYSFS_VALUE_MAX], *at;

	if (sysfs_read_at(ctx, proc, "stat", buf, sizeof(buf)) <= 0 || !(at = strrchr(buf, ')')) ||
	    sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
		       "%*d %*d %llu",
		   &ticks) != 1)
		return 0;
	return (int64_t)(ticks * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}

static void read_process(const struct look *look, struct vfiopm_owner *owner)
{
	const struct vfiopm_ctx *ctx = look->owners->ctx;
	char buf[SYSFS_VALUE_MAX], *at;
	unsigned int uid;
	char *comm;

	comm = sysfs_read_str_at(ctx, look->proc, "comm");
	snprintf(owner->comm, sizeof(owner->comm), "%s", comm ? comm : "?");
	free(comm);
	/* Uid: real, effective, saved, of the filesystem (proc(5)) */
	if (sysfs_read_at(ctx, look->proc, "status", buf, sizeof(buf)) > 0 &&
	    (at = strstr(buf, "\nUid:")) && sscanf(at, "\nUid: %*u %u", &uid) == 1)
		owner->uid = uid;
	owner->start_time = process_start_time(ctx, look->proc);
}

/* Takes over @owner->path. */
static int add_owner(const struct look *look, struct vfiopm_owner *owner)
{
	struct vfiopm_owners *owners = look->owners;
	struct vfiopm_owner **grown, *copy;

	owner->pid = look->pid;
	for (size_t i = 0; i < owners->count; i++) {
		if (same_target(owners->owner[i], owner)) {
			free(owner->path);
			return 0;
		}
	}
	grown = reallocarray(owners->owner, owners->count + 1, sizeof(*grown));
	if (grown)
		owners->owner = grown;
	copy = malloc(sizeof(*copy));
	if (!grown || !copy) {
		free(copy);
		free(owner->path);
		return -ENOMEM;
	}
	read_process(look, owner);
	*copy = *owner;
	owners->owner[owners->count++] = copy;
	return 0;
}

static int take_fd(const char *name, void *data)
{
	struct vfiopm_owner owner = { 0 };
	struct look *look = data;
	char target[128];
	ssize_t n;

	n = sysfs_readlink_at(look->fds, name, target, sizeof(target));
	if (n == -EACCES || n == -EPERM)
		look->owners->partial = true;
	if (n < 0 || !take_target(target, &owner))
		return 0;
	if (owner.target == TARGET_UNNAMED) {
		owner.path = owner_fd_syspath(look->owners->ctx, look->proc, name);
		if (owner.path)
			owner.target = TARGET_DEVICE;
	}
	return add_owner(look, &owner);
}

static int look_at_fds(struct look *look)
{
	int r;

	look->fds = sysfs_dir_at(look->owners->ctx, look->proc, "fd");
	if (look->fds < 0) {
		/* Ended meanwhile, or not ours to look into. */
		if (look->fds != -ENOENT && look->fds != -ESRCH)
			look->owners->partial = true;
		return 0;
	}
	r = sysfs_foreach_at(look->owners->ctx, look->fds, ".", take_fd, look);
	close(look->fds);
	return r == -ENOMEM ? r : 0;
}

/* "55d0-55d1 rw-s 0000 00:0f 99   /dev/vfio/devices/vfio0" */
static int take_mapping(const char *line, void *data)
{
	struct vfiopm_owner owner = { 0 };
	const struct look *look = data;
	int at = 0;

	if (sscanf(line, "%*s %*s %*s %*s %*s %n", &at) < 0 || !at ||
	    !take_target(line + at, &owner))
		return 0;
	owner.via = VFIOPM_VIA_MAP;
	return add_owner(look, &owner);
}

static int look_at_mappings(struct look *look)
{
	int r;

	r = sysfs_foreach_line_at(look->owners->ctx, look->proc, "maps", take_mapping, look);
	if (r < 0 && r != -ENOMEM && r != -ENOENT && r != -ESRCH)
		look->owners->partial = true;
	return r == -ENOMEM ? r : 0;
}

struct scan {
	struct vfiopm_owners *owners;
	int dir;
	int (*fn)(struct look *look);
};

static int take_process(const char *name, void *data)
{
	const struct scan *scan = data;
	struct look look = { .owners = scan->owners };
	int64_t pid;
	int r;

	if (!take_number(name, &pid) || pid > INT32_MAX)
		return 0;
	look.pid = (pid_t)pid;
	look.proc = sysfs_dir_at(scan->owners->ctx, scan->dir, name);
	if (look.proc < 0)
		return 0;
	r = scan->fn(&look);
	close(look.proc);
	return r;
}

/* By process, what names the device best first: not as the folder happens to be ordered. */
static int by_process(const void *a, const void *b)
{
	const struct vfiopm_owner *const *x = a, *const *y = b;

	if ((*x)->pid != (*y)->pid)
		return (*x)->pid < (*y)->pid ? -1 : 1;
	return (int)(*x)->via - (int)(*y)->via;
}

static int scan_processes(struct vfiopm_owners *owners, int (*fn)(struct look *look))
{
	struct scan scan = { .owners = owners, .fn = fn };
	int r;

	scan.dir = sysfs_dir(owners->ctx, "proc");
	if (scan.dir < 0)
		return scan.dir;
	/* With hidepid (proc(5)) processes of others aren't even listed; the first always is. */
	if (!owners->ctx->foreign && !sysfs_exists_at(scan.dir, "1"))
		owners->partial = true;
	r = sysfs_foreach_at(owners->ctx, scan.dir, ".", take_process, &scan);
	close(scan.dir);
	if (owners->count)
		qsort(owners->owner, owners->count, sizeof(owners->owner[0]), by_process);
	return r;
}

int vfiopm_owners_new(struct vfiopm_ctx *ctx, struct vfiopm_owners **ret)
{
	struct vfiopm_owners *owners;
	int r;

	owners = calloc(1, sizeof(*owners));
	if (!owners)
		return -ENOMEM;
	owners->ctx = vfiopm_ctx_ref(ctx);
	r = scan_processes(owners, look_at_fds);
	/* A report may come without processes: nobody is visible. */
	if (r == -ENOENT && ctx->foreign) {
		owners->partial = true;
		r = 0;
	}
	if (r < 0) {
		vfiopm_owners_free(owners);
		return r;
	}
	*ret = owners;
	return 0;
}

void vfiopm_owners_free(struct vfiopm_owners *owners)
{
	if (!owners)
		return;
	for (size_t i = 0; i < owners->count; i++) {
		free(owners->owner[i]->path);
		free(owners->owner[i]);
	}
	free(owners->owner);
	vfiopm_ctx_unref(owners->ctx);
	free(owners);
}

bool vfiopm_owners_is_partial(const struct vfiopm_owners *owners)
{
	return owners->partial;
}

/* ---- which of them has this device ---- */

static bool has_group(const struct vfiopm_owner *owner, const struct vfiopm_device *dev)
{
	/* Not by vfiopm_device_is_noiommu(): an unbind that waits has taken vfio-dev/ away. */
	return owner->target == TARGET_GROUP && owner->id == dev->group &&
	       (!dev->vfio || owner->noiommu == vfiopm_device_is_noiommu(dev));
}

static bool has_device(const struct vfiopm_owner *owner, const struct vfiopm_device *dev)
{
	const char *node;
	int64_t number;

	if (owner->target == TARGET_DEVICE)
		return !strcmp(owner->path, dev->syspath);
	if (owner->target != TARGET_CDEV)
		return false;
	node = vfiopm_device_get_cdev_node(dev);
	node = node ? strstr(node, "/vfio/devices/vfio") : NULL;
	return node && take_number(node + strlen("/vfio/devices/vfio"), &number) &&
	       number == owner->id;
}

static bool has_target(const struct vfiopm_owners *owners, pid_t pid, enum target target)
{
	for (size_t i = 0; i < owners->count; i++)
		if (owners->owner[i]->pid == pid && owners->owner[i]->target == target)
			return true;
	return false;
}

struct member_count {
	const struct vfiopm_ctx *ctx;
	int n;
};

static int count_vfio(const char *name, void *data)
{
	struct member_count *count = data;
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/vfio-dev", name);
	if (sysfs_exists_at(count->ctx->root_fd, path))
		count->n++;
	return 0;
}

/* The only device that the group can be opened for. */
static bool alone_in_group(const struct vfiopm_device *dev)
{
	struct member_count count = { .ctx = dev->ctx };
	char path[64];

	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices", dev->group);
	return sysfs_foreach(dev->ctx, path, count_vfio, &count) == 0 && count.n == 1 &&
	       dev->vfio;
}

/*
 * An unbind that waits has removed the device's own node (drivers/vfio/vfio_main.c):
 * who has it by that can only be told by exclusion.
 */
static bool has_lost_node(const struct vfiopm_owners *owners, const struct vfiopm_owner *owner,
			  const struct vfiopm_device *dev)
{
	if (owner->target != TARGET_CDEV || !owner->gone || owners->partial || dev->vfio ||
	    dev->driver || !vfiopm_device_is_enabled(dev))
		return false;
	for (size_t i = 0; i < owners->count; i++)
		if (owners->owner[i]->target == TARGET_CDEV && owners->owner[i]->gone &&
		    owners->owner[i]->pid != owner->pid)
			return false;
	return true;
}

/*
 * The group's owner has those of its devices that are enabled: vfio-pci-core
 * enables a device when it is opened. Of a group of one it has that.
 */
static bool owns(const struct vfiopm_owners *owners, const struct vfiopm_owner *owner,
		 const struct vfiopm_device *dev)
{
	if (has_device(owner, dev) || has_lost_node(owners, owner, dev))
		return true;
	/* Where the kernel names devices in fdinfo, it has named all that are this process's. */
	if (!has_group(owner, dev) || has_target(owners, owner->pid, TARGET_DEVICE))
		return false;
	/*
	 * A bridge may share the group, and is enabled. Without any driver: its
	 * unbind waits until the owner lets go.
	 */
	if (!dev->vfio && dev->driver)
		return false;
	return vfiopm_device_is_enabled(dev) || alone_in_group(dev);
}

static bool seen_before(const struct vfiopm_owners *owners, size_t i,
			const struct vfiopm_device *dev,
			bool (*match)(const struct vfiopm_owners *owners,
				      const struct vfiopm_owner *owner,
				      const struct vfiopm_device *dev))
{
	for (size_t j = 0; j < i; j++)
		if (owners->owner[j]->pid == owners->owner[i]->pid &&
		    match(owners, owners->owner[j], dev))
			return true;
	return false;
}

/* Number @nth of those who match, each process once. */
static const struct vfiopm_owner *find(const struct vfiopm_owners *owners,
				       const struct vfiopm_device *dev, size_t nth,
				       bool (*match)(const struct vfiopm_owners *owners,
						     const struct vfiopm_owner *owner,
						     const struct vfiopm_device *dev))
{
	for (size_t i = 0; i < owners->count; i++)
		if (match(owners, owners->owner[i], dev) &&
		    !seen_before(owners, i, dev, match) && nth-- == 0)
			return owners->owner[i];
	return NULL;
}

static void need_mappings(const struct vfiopm_owners *owners)
{
	/* A cache: the caller sees the same owners, only more of them. */
	struct vfiopm_owners *more = (struct vfiopm_owners *)owners;

	if (more->mappings)
		return;
	more->mappings = true;
	if (scan_processes(more, look_at_mappings) < 0)
		more->partial = true;
}

/*
 * Whoever has a device without a name can only be told by exclusion: one
 * process, everything was visible, and the device is open. With two such
 * processes either may be it, and none is named.
 */
static const struct vfiopm_owner *find_unnamed(const struct vfiopm_owners *owners)
{
	const struct vfiopm_owner *found = NULL;

	if (owners->partial)
		return NULL;
	for (size_t i = 0; i < owners->count; i++) {
		const struct vfiopm_owner *owner = owners->owner[i];

		if (owner->target != TARGET_UNNAMED || has_target(owners, owner->pid, TARGET_GROUP))
			continue;
		if (found && found->pid != owner->pid)
			return NULL;
		if (!found)
			found = owner;
	}
	return found;
}

int vfiopm_owners_first(const struct vfiopm_owners *owners, const struct vfiopm_device *dev,
			const struct vfiopm_owner **ret)
{
	*ret = find(owners, dev, 0, owns);
	if (*ret)
		return 0;
	if (!dev->vfio || !vfiopm_device_is_enabled(dev))
		return -ESRCH;
	need_mappings(owners);
	*ret = find(owners, dev, 0, owns);
	if (!*ret)
		*ret = find_unnamed(owners);
	return *ret ? 0 : -EPERM;
}

const struct vfiopm_owner *vfiopm_owners_find(const struct vfiopm_owners *owners,
					      const struct vfiopm_device *dev, size_t i)
{
	const struct vfiopm_owner *owner;

	if (i > 0)
		return find(owners, dev, i, owns);
	vfiopm_owners_first(owners, dev, &owner);
	return owner;
}

static bool owns_group(const struct vfiopm_owners *owners, const struct vfiopm_owner *owner,
		       const struct vfiopm_device *dev)
{
	return has_group(owner, dev) || has_device(owner, dev);
}

const struct vfiopm_owner *vfiopm_owners_find_group(const struct vfiopm_owners *owners,
						    const struct vfiopm_device *dev, size_t i)
{
	return find(owners, dev, i, owns_group);
}

pid_t vfiopm_owner_get_pid(const struct vfiopm_owner *owner)
{
	return owner->pid;
}

uid_t vfiopm_owner_get_uid(const struct vfiopm_owner *owner)
{
	return owner->uid;
}

const char *vfiopm_owner_get_comm(const struct vfiopm_owner *owner)
{
	return owner->comm;
}

int64_t vfiopm_owner_get_start_time(const struct vfiopm_owner *owner)
{
	return owner->start_time;
}

enum vfiopm_via vfiopm_owner_get_via(const struct vfiopm_owner *owner)
{
	return owner->via;
}
