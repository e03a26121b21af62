// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From a PCI device to its disks, to their partitions, to what holds these
 * (device mapper, RAID, bcache), and so on up to mounts and swap.
 *
 * The end of the walk is a question to the kernel itself: an exclusive open of
 * a disk in which nothing was found. It fails for whatever has a claim on the
 * disk or a part of it (block/bdev.c, bd_may_claim()), so it also finds what
 * leaves no trace in sysfs: ZFS, mounts in other namespaces. Where it can't be
 * asked nothing is known of the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "private.h"

#define CLASS_BLOCK "sys/class/block"
/* A host of a thousand containers has some MiB of mounts. */
#define TABLE_MAX (16u << 20)
#define BLOCK_NAME_MAX 128

struct block_walk {
	const struct vfiopm_device *dev;
	const struct vfiopm_ctx *ctx;
	struct vfiopm_uses *uses;
	bool peek;
	char *mounts[2];	/* of the caller and of init: namespaces may differ */
	char *swaps;
	const char *unread;	/* the table that couldn't be read, and why */
	int unread_err;
	/* Where the walk stands. */
	const char *path;
	const char *name;
	unsigned int depth;
	size_t found;		/* uses of the disk so far */
	void *seen;		/* names: a mirror is reached twice, a hostile tree has loops */
};

static int visit(struct block_walk *w, const char *name, bool holder);

/* A path of a multipath NVMe disk is hidden and has no number. */
static bool block_number(const struct block_walk *w, const char *name, unsigned int *major,
			 unsigned int *minor)
{
	char path[SYSFS_PATH_MAX], number[32];

	snprintf(path, sizeof(path), CLASS_BLOCK "/%s/dev", name);
	return sysfs_read(w->ctx, path, number, sizeof(number)) > 0 &&
	       sscanf(number, "%u:%u", major, minor) == 2;
}

/* "cciss!c0d0" is dev/cciss/c0d0 */
static void block_node(const char *name, char *node, size_t size)
{
	snprintf(node, size, "dev/%s", name);
	for (char *c = node; *c; c++)
		if (*c == '!')
			*c = '/';
}

/*
 * 1: something has a claim, 0: nothing has, negative: the kernel couldn't be asked. A
 * node that is missing or can't be opened, as in a container, answers nothing; one of
 * another number answers for another disk.
 */
static int ask_claim(const struct block_walk *w, const char *name)
{
	char node[SYSFS_PATH_MAX];
	unsigned int major, minor;
	dev_t number;
	int fd, r;

	if (!block_number(w, name, &major, &minor))
		return 0;
	block_node(name, node, sizeof(node));
	r = sysfs_block_number(w->ctx, node, &number);
	if (r < 0)
		return r;
	if (number != makedev(major, minor))
		return -ENODEV;
	fd = sysfs_open_node(w->ctx, node, O_RDONLY | O_EXCL | O_NONBLOCK);
	if (fd >= 0)
		close(fd);
	if (fd == -EBUSY)
		return 1;
	/* Claims come first (bdev_open()): whoever gets as far as this has it. */
	return fd >= 0 || fd == -ENOMEDIUM ? 0 : fd;
}

/* ---- tables ---- */

static char *read_table(struct block_walk *w, const char *path)
{
	char *text = NULL;
	int r;

	r = sysfs_read_all(w->ctx, path, TABLE_MAX, &text);
	if (r < 0 && r != -ENOENT) {
		w->unread = path;
		w->unread_err = r;
	}
	return r < 0 ? NULL : text;
}

/* Undo, in place, the octal escapes of mountinfo and swaps (fs/seq_file.c, mangle_path()). */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; out++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*out = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				      (text[3] - '0'));
			text += 4;
		} else {
			*out = *text++;
		}
	}
	*out = '\0';
}

/* Does a node like /dev/dm-0, or a link to such, stand for the block device? */
static bool is_node_of(const struct block_walk *w, const char *path, const char *name,
		       unsigned int major, unsigned int minor)
{
	const char *base;
	dev_t number;

	if (path[0] != '/' || strncmp(path + 1, "dev/", 4))
		return false;
	if (sysfs_block_number(w->ctx, path + 1, &number) == 0)
		return major(number) == major && minor(number) == minor;
	base = strrchr(path, '/') + 1;
	return !strcmp(base, name);
}

/*
 * Lines of mountinfo(5): ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAG...] - TYPE SOURCE ...
 * A filesystem of its own numbers (btrfs) is found by its source.
 */
static int match_mounts(struct block_walk *w, const char *table, const char *name,
			unsigned int major, unsigned int minor)
{
	while (table && *table) {
		const char *newline = strchrnul(table, '\n');
		char line[SYSFS_VALUE_MAX * 2], *point = NULL, *source = NULL, *rest;
		unsigned int their_major = 0, their_minor = 0;
		int at = 0, r;

		snprintf(line, sizeof(line), "%.*s", (int)(newline - table), table);
		table = *newline ? newline + 1 : newline;
		if (sscanf(line, "%*u %*u %u:%u %*s %n", &their_major, &their_minor, &at) < 2 ||
		    !at)
			continue;
		rest = line + at;
		point = strsep(&rest, " ");
		source = rest ? strstr(rest, " - ") : NULL;
		if (source) {
			source += 3;
			strsep(&source, " ");
			source = strsep(&source, " ");
		}
		if (source)
			unescape(source);
		if ((their_major != major || their_minor != minor) &&
		    !(source && is_node_of(w, source, name, major, minor)))
			continue;
		unescape(point);
		w->found++;
		r = uses_add(w->uses, VFIOPM_USE_MOUNT, w->path, point);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Lines of /proc/swaps, after a headline: FILE TYPE ... */
static int match_swaps(struct block_walk *w, const char *name, unsigned int major,
		       unsigned int minor)
{
	const char *table = w->swaps;

	while (table && *table) {
		const char *newline = strchrnul(table, '\n');
		char line[SYSFS_VALUE_MAX];
		int r;

		snprintf(line, sizeof(line), "%.*s", (int)(newline - table), table);
		table = *newline ? newline + 1 : newline;
		line[strcspn(line, " \t")] = '\0';
		unescape(line);
		if (!is_node_of(w, line, name, major, minor))
			continue;
		w->found++;
		r = uses_add(w->uses, VFIOPM_USE_SWAP, w->path, line);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Members of a mounted btrfs other than the one that mountinfo names (fs/btrfs/sysfs.c). */
static int match_btrfs(const char *uuid, void *data)
{
	struct block_walk *w = data;
	char path[SYSFS_PATH_MAX];
	int dir;

	snprintf(path, sizeof(path), "sys/fs/btrfs/%s/devices/%s", uuid, w->name);
	dir = sysfs_dir(w->ctx, path);
	if (dir < 0)
		return 0;
	close(dir);
	w->found++;
	snprintf(path, sizeof(path), "btrfs %s", uuid);
	return uses_add(w->uses, VFIOPM_USE_HOLDER, w->path, path);
}

/*
 * A loop device makes no claim on the disk that it is made of, and is no holder of it
 * (drivers/block/loop.c): all that tells is the name that the disk had for it.
 */
static int visit_loop(const char *name, void *data)
{
	struct block_walk *w = data;
	char path[SYSFS_PATH_MAX], file[SYSFS_PATH_MAX];
	unsigned int major, minor;

	if (strncmp(name, "loop", 4) || !block_number(w, w->name, &major, &minor))
		return 0;
	snprintf(path, sizeof(path), CLASS_BLOCK "/%s/loop/backing_file", name);
	if (sysfs_read(w->ctx, path, file, sizeof(file)) <= 0 ||
	    !is_node_of(w, file, w->name, major, minor))
		return 0;
	return visit(w, name, true);
}

/* ---- steps up ---- */

static int visit_holder(const char *name, void *data)
{
	return visit(data, name, true);
}

static int visit_partition(const char *name, void *data)
{
	struct block_walk *w = data;
	char path[SYSFS_PATH_MAX];
	int64_t number;
	int dir, r;

	/* A partition's folder is named after its disk. */
	if (strncmp(name, w->name, strlen(w->name)))
		return 0;
	snprintf(path, sizeof(path), CLASS_BLOCK "/%s/%s", w->name, name);
	dir = sysfs_dir(w->ctx, path);
	if (dir < 0)
		return 0;
	r = sysfs_read_int_at(w->ctx, dir, "partition", &number);
	close(dir);
	return r < 0 ? 0 : visit(w, name, false);
}

/* A readable name: "vg-data (LVM)" for dm-0. */
static void label_block(const struct block_walk *w, int dir, const char *name, char *buf,
			size_t size)
{
	char dm[BLOCK_NAME_MAX], uuid[BLOCK_NAME_MAX];
	const char *kind = "device mapper";

	if (sysfs_read_at(w->ctx, dir, "dm/name", dm, sizeof(dm)) <= 0) {
		snprintf(buf, size, "%s%s", name, sysfs_exists_at(dir, "md") ? " (RAID)" : "");
		return;
	}
	/* The prefix names who made it (lvm2, libdm: DM_UUID). */
	if (sysfs_read_at(w->ctx, dir, "dm/uuid", uuid, sizeof(uuid)) > 0) {
		if (!strncmp(uuid, "LVM-", 4))
			kind = "LVM";
		else if (!strncmp(uuid, "CRYPT-", 6))
			kind = "dm-crypt";
		else if (!strncmp(uuid, "mpath-", 6))
			kind = "multipath";
	}
	snprintf(buf, size, "%s (%s)", dm, kind);
}

/* Does udev's record of the disk say that it belongs to a ZFS pool? */
static bool is_zfs_member(const struct block_walk *w, unsigned int major, unsigned int minor)
{
	char path[SYSFS_PATH_MAX], *text;
	bool found;

	snprintf(path, sizeof(path), "run/udev/data/b%u:%u", major, minor);
	if (sysfs_read_all(w->ctx, path, TABLE_MAX, &text) < 0)
		return false;
	found = strstr(text, "E:ID_FS_TYPE=zfs_member\n");
	free(text);
	return found;
}

static int count_entry(const char *name, void *data)
{
	(*(size_t *)data)++;
	return 0;
}

/*
 * ZFS tells sysfs nothing. On the running system the exclusive open decides
 * whether its pool is imported; without that it is, as soon as any is.
 */
static int match_zfs(struct block_walk *w, unsigned int major, unsigned int minor)
{
	size_t pools = 0;

	if (!is_zfs_member(w, major, minor))
		return 0;
	if (w->ctx->foreign || w->peek)
		sysfs_foreach(w->ctx, "proc/spl/kstat/zfs", count_entry, &pools);
	else
		pools = ask_claim(w, w->name) == 1;
	if (!pools)
		return 0;
	w->found++;
	return uses_add(w->uses, VFIOPM_USE_HOLDER, w->path, "a ZFS pool");
}

static int match_all(struct block_walk *w, const char *name)
{
	unsigned int major, minor;
	int r = 0;

	if (!block_number(w, name, &major, &minor))
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(w->mounts); i++)
		r = match_mounts(w, w->mounts[i], name, major, minor);
	if (r == 0)
		r = match_swaps(w, name, major, minor);
	if (r == 0)
		r = sysfs_foreach(w->ctx, "sys/fs/btrfs", match_btrfs, w);
	if (r == 0 || r == -ENOENT)
		r = sysfs_foreach(w->ctx, CLASS_BLOCK, visit_loop, w);
	if (r == 0)
		r = match_zfs(w, major, minor);
	return r;
}

/*
 * With native multipath "nvme0c1n1", below the controller, is a path of "nvme0n1",
 * and hidden: only that can be used, and has a node.
 */
static bool nvme_head(const char *name, char head[BLOCK_NAME_MAX])
{
	unsigned int subsystem, controller, namespace;
	int end = 0;

	if (sscanf(name, "nvme%uc%un%u%n", &subsystem, &controller, &namespace, &end) != 3 ||
	    name[end])
		return false;
	snprintf(head, BLOCK_NAME_MAX, "nvme%un%u", subsystem, namespace);
	return true;
}

/*
 * One block device and all that is on top of it. A holder counts as a use only
 * when nothing was found on top of it.
 */
static int visit(struct block_walk *w, const char *name, bool holder)
{
	const char *outer_path = w->path, *outer_name = w->name;
	char path[SYSFS_VALUE_MAX], dir_path[SYSFS_PATH_MAX], label[2 * BLOCK_NAME_MAX + 32];
	char head[BLOCK_NAME_MAX];
	size_t before = w->found;
	int dir, r;

	if (w->depth >= USES_DEPTH_MAX || strlen(name) >= BLOCK_NAME_MAX)
		return 0;
	r = names_add(&w->seen, name);
	if (r <= 0) {
		w->found += r == 0 && holder;
		return r;
	}
	snprintf(dir_path, sizeof(dir_path), CLASS_BLOCK "/%s", name);
	dir = sysfs_dir(w->ctx, dir_path);
	if (dir < 0)
		return 0;
	label_block(w, dir, name, label, sizeof(label));
	uses_join(path, sizeof(path), outer_path, label);
	w->path = path;
	w->name = name;
	w->depth++;

	r = match_all(w, name);
	if (r == 0 && nvme_head(name, head))
		r = visit(w, head, false);
	if (r == 0)
		r = sysfs_foreach_at(w->ctx, dir, ".", visit_partition, w);
	if (r == 0)
		r = sysfs_foreach_at(w->ctx, dir, "holders", visit_holder, w);
	if (r == -ENOENT)
		r = 0;

	close(dir);
	w->path = outer_path;
	w->name = outer_name;
	w->depth--;
	if (r == 0 && holder && w->found == before) {
		w->found++;
		r = uses_add(w->uses, VFIOPM_USE_HOLDER, outer_path, label);
	}
	return r;
}

/* ---- disks of the device ---- */

/*
 * A disk in which the walk has found nothing. Of another machine there are the tables
 * alone; here they name what the kernel's answer wouldn't, and needn't be complete.
 */
static int judge_free(struct block_walk *w, const char *name)
{
	char node[SYSFS_PATH_MAX], text[SYSFS_PATH_MAX + 64];
	const char *asked = node;
	int r;

	block_node(name, node, sizeof(node));
	if (w->ctx->foreign) {
		asked = w->unread;
		r = w->unread_err;
	} else {
		r = ask_claim(w, name);
	}
	if (r == 1)
		return uses_add(w->uses, VFIOPM_USE_CLAIMED, name, name);
	if (r == 0)
		return 0;
	snprintf(text, sizeof(text), "/%s: %s", asked, strerror(-r));
	return uses_add(w->uses, VFIOPM_USE_UNTOLD, name, text);
}

static int visit_disk(const char *name, void *data)
{
	struct block_walk *w = data;
	char path[SYSFS_PATH_MAX], number[32], head[BLOCK_NAME_MAX];
	int r;

	snprintf(path, sizeof(path), CLASS_BLOCK "/%s/partition", name);
	if (!device_has_below(w->dev, CLASS_BLOCK, name) ||
	    sysfs_read(w->ctx, path, number, sizeof(number)) >= 0)
		return 0;
	w->path = "";
	w->name = "";
	w->found = 0;
	r = visit(w, name, false);
	if (nvme_head(name, head))
		name = head;
	return r == 0 && !w->found && !w->peek ? judge_free(w, name) : r;
}

int in_use_block(const struct vfiopm_device *dev, bool peek, struct vfiopm_uses *uses)
{
	struct block_walk w = {
		.dev = dev,
		.ctx = dev->ctx,
		.uses = uses,
		.peek = peek,
		.path = "",
		.name = "",
	};
	int r;

	w.mounts[0] = read_table(&w, "proc/self/mountinfo");
	w.mounts[1] = read_table(&w, "proc/1/mountinfo");
	w.swaps = read_table(&w, "proc/swaps");
	/* A kernel may have no swap; one without mounts doesn't run. */
	if (!w.mounts[0] && !w.mounts[1] && !w.unread) {
		w.unread = "proc/self/mountinfo";
		w.unread_err = -ENOENT;
	}
	r = sysfs_foreach(w.ctx, CLASS_BLOCK, visit_disk, &w);
	names_free(&w.seen);
	free(w.mounts[0]);
	free(w.mounts[1]);
	free(w.swaps);
	return r == -ENOENT ? 0 : r;
}
