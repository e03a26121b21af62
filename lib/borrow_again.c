// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Borrowing a device again and again from the same owner. To find out what the
 * owner's descriptors are takes a walk through all processes, and is done once;
 * later the same are taken by their numbers, and looked at as the first time:
 * still the same kind of file, all different from each other, as many as there
 * are devices open in the owner's groups, ours among these.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"
#include "uapi.h"

/* The region's number is what is above 40 bits (vfio_pci_core.h, VFIO_PCI_OFFSET_SHIFT). */
#define NO_REGION ((off_t)0x7fffff << 40)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_pins(struct vfiopm_borrow *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(b->pins[i]);
}

/* ---- how many devices of its groups are open ---- */

static int add_enable(struct vfiopm_borrow *b, const struct vfiopm_device *member)
{
	int *grown, dir, fd;

	dir = device_open_dir(member);
	if (dir < 0)
		return dir;
	fd = sysfs_open_at(b->dev->ctx, dir, "enable");
	close(dir);
	if (fd < 0)
		return fd;
	grown = reallocarray(b->enable_fds, b->n_enable + 1, sizeof(*grown));
	if (!grown) {
		close(fd);
		return -ENOMEM;
	}
	b->enable_fds = grown;
	b->enable_fds[b->n_enable++] = fd;
	if (!vfiopm_addr_cmp(&member->addr, &b->dev->addr))
		b->own_enable_fd = fd;
	return 0;
}

static int open_enables(struct vfiopm_borrow *b)
{
	int r = 0;

	for (size_t i = 0; i < b->n_groups && r == 0; i++) {
		struct vfiopm_device *member;
		struct vfiopm_list *members;
		size_t j;

		r = vfiopm_list_new_group(b->dev->ctx, b->groups[i], &members);
		if (r < 0)
			return r;
		vfiopm_list_foreach(members, j, member)
			if (r == 0 && member->vfio)
				r = add_enable(b, member);
		vfiopm_list_free(members);
	}
	return r;
}

static bool reads_enabled(int fd)
{
	char buf[16];

	return sysfs_reread(fd, buf, sizeof(buf)) > 0 && atoi(buf) > 0;
}

/* -ECANCELED: something was opened or closed. Ours must be in the very count (count_open()). */
static int check_open(const struct vfiopm_borrow *b, enum vfiopm_refusal *why)
{
	size_t open = 0;
	bool own = false;

	for (size_t i = 0; i < b->n_enable; i++) {
		if (!reads_enabled(b->enable_fds[i]))
			continue;
		open++;
		own |= b->enable_fds[i] == b->own_enable_fd;
	}
	if (open != b->n_pins || !own)
		return refuse(why, VFIOPM_REFUSED_CHANGED);
	return 0;
}

/* ---- letting go, taking again ---- */

void vfiopm_borrow_drop(struct vfiopm_borrow *borrow)
{
	if (borrow->handle)
		borrow->config = borrow->handle->region[VFIO_PCI_CONFIG_REGION_INDEX];
	vfiopm_handle_close(borrow->handle);
	borrow->handle = NULL;
	close_fd(&borrow->fd);
	if (borrow->n_pins && borrow->pins[0] >= 0) {
		close_pins(borrow, borrow->n_pins);
		borrow->pins[0] = -1;
	}
	close_fd(&borrow->group_fd);
}

static bool is_of(int fd, const struct node *node)
{
	struct node now;

	return node_of(fd, &now) == 0 && now.fs == node->fs && now.inode == node->inode &&
	       now.number == node->number;
}

/*
 * Is it a device's file? Its link in /proc tells, but takes a walk there. So does a
 * read where no region is: the region's number is looked at first, and nothing is
 * woken (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_rw()). Of the other anonymous
 * files, which have no type, those that can be read at a position at all end there.
 */
static bool is_device(int fd)
{
	struct stat st;
	char byte;

	return fstat(fd, &st) == 0 && !(st.st_mode & S_IFMT) &&
	       pread(fd, &byte, 1, NO_REGION) < 0 && errno == EINVAL;
}

static int take_pin(struct vfiopm_borrow *b, size_t i)
{
	bool is_cdev = vfiopm_device_get_cdev_node(b->dev) && b->pin_numbers[i] == b->device_number;
	int fd = borrow_getfd(b->pidfd, b->pin_numbers[i]), r = -EBADF;

	if (fd < 0)
		return fd;
	if (is_cdev ? is_of(fd, &b->cdev_node) : is_device(fd))
		r = borrow_is_among(b->pins, i, getpid(), fd);
	if (r != 0) {
		close(fd);
		return r < 0 ? r : -EBADF;
	}
	b->pins[i] = fd;
	return 0;
}

static int take_pins(struct vfiopm_borrow *b)
{
	for (size_t i = 0; i < b->n_pins; i++) {
		int r = take_pin(b, i);

		if (r < 0) {
			close_pins(b, i);
			b->pins[0] = -1;
			return r;
		}
	}
	return 0;
}

/* The owner's own file of the device, where the kernel names it; a duplicate of our own. */
static int take_own(struct vfiopm_borrow *b)
{
	char name[16], *path;
	bool same = true;
	size_t i = 0;
	int proc;

	while (i < b->n_pins && b->pin_numbers[i] != b->device_number)
		i++;
	if (i == b->n_pins)
		return -EBADF;
	if (!vfiopm_device_get_cdev_node(b->dev)) {
		proc = sysfs_dir(b->dev->ctx, "proc/self");
		if (proc < 0)
			return proc;
		snprintf(name, sizeof(name), "%d", b->pins[i]);
		path = owner_fd_syspath(b->dev->ctx, proc, name);
		same = path && !strcmp(path, b->dev->syspath);
		free(path);
		close(proc);
	}
	b->fd = same ? fcntl(b->pins[i], F_DUPFD_CLOEXEC, 3) : -1;
	return !same ? -EBADF : b->fd < 0 ? -errno :
					    0;
}

static int take_by_name(struct vfiopm_borrow *b, enum vfiopm_refusal *why)
{
	struct backing backing = { .group_fd = -1 };
	int r;

	if (!b->n_enable) {
		r = open_enables(b);
		if (r < 0)
			return r;
	}
	b->group_fd = borrow_getfd(b->pidfd, b->group_number);
	if (b->group_fd < 0)
		return b->group_fd;
	if (!is_of(b->group_fd, &b->group_node))
		return -EBADF;
	r = check_open(b, why);
	if (r < 0)
		return r;
	backing.group_fd = b->group_fd;
	b->fd = group_open_device(&backing, b->dev);
	return b->fd < 0 ? b->fd : 0;
}

int vfiopm_borrow_again(struct vfiopm_borrow *borrow, enum vfiopm_refusal *why)
{
	int r;

	if (borrow->handle)
		return 0;
	r = take_pins(borrow);
	if (r == 0)
		r = borrow->device_number >= 0 ? take_own(borrow) : take_by_name(borrow, why);
	/* What it is has been found out; to ask the device itself would wake it. */
	if (r == 0)
		r = handle_wrap(borrow->dev->ctx, borrow->fd, borrow->dev->name, &borrow->handle);
	if (r == 0) {
		borrow->handle->region[VFIO_PCI_CONFIG_REGION_INDEX] = borrow->config;
		return 0;
	}
	vfiopm_borrow_drop(borrow);
	switch (r) {
	case -EBADF:
	case -ESRCH:
	case -ENODEV:
		return refuse(why, VFIOPM_REFUSED_CHANGED);
	case -EPERM:
	case -EACCES:
		return refuse(why, VFIOPM_REFUSED_DENIED);
	}
	return r;
}

void vfiopm_borrow_free(struct vfiopm_borrow *borrow)
{
	if (!borrow)
		return;
	vfiopm_borrow_drop(borrow);
	free(borrow->pins);
	free(borrow->pin_numbers);
	free(borrow->groups);
	for (size_t i = 0; i < borrow->n_enable; i++)
		close(borrow->enable_fds[i]);
	free(borrow->enable_fds);
	close_fd(&borrow->control_fd);
	close_fd(&borrow->pidfd);
	vfiopm_device_unref(borrow->dev);
	free(borrow);
}
