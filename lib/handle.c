// SPDX-License-Identifier: LGPL-2.1-or-later
/* An open VFIO device, whichever way it was opened. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"
#include "uapi.h"

void backing_unref(struct backing *b)
{
	if (!b || --b->refs > 0)
		return;
	/* The group leaves its container with its last reference. */
	if (b->group_fd >= 0)
		close(b->group_fd);
	if (b->container_fd >= 0)
		close(b->container_fd);
	free(b);
}

static int open_with(const struct vfiopm_device *dev, struct backing *b,
		     struct vfiopm_handle **ret)
{
	struct vfiopm_handle *h;
	int fd;

	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	fd = b->backend == VFIOPM_BACKEND_CDEV ? cdev_open_device(b, dev) :
						 group_open_device(b, dev);
	if (fd < 0) {
		free(h);
		return fd;
	}
	h->ctx = vfiopm_ctx_ref(dev->ctx);
	h->backing = b;
	b->refs++;
	h->backend = b->backend;
	h->fd = fd;
	strcpy(h->name, dev->name);
	log_info(dev->ctx, "%s: opened by its %s", dev->name,
		 b->backend == VFIOPM_BACKEND_CDEV ? "own node" : "group");
	*ret = h;
	return 0;
}

static int open_anew(const struct vfiopm_device *dev, enum vfiopm_backend backend,
		     struct vfiopm_handle **ret)
{
	struct backing *b;
	int r;

	r = backend == VFIOPM_BACKEND_CDEV ? cdev_backing_new(dev, &b) :
					     group_backing_new(dev, &b);
	if (r < 0)
		return r;
	r = open_with(dev, b, ret);
	backing_unref(b);
	return r;
}

int vfiopm_handle_open(const struct vfiopm_device *dev, enum vfiopm_backend backend,
		       struct vfiopm_handle *peer, struct vfiopm_handle **ret)
{
	int r;

	if (vfiopm_ctx_is_foreign(dev->ctx))
		return -EROFS;
	if (!dev->vfio)
		return -EMEDIUMTYPE;
	if (peer) {
		if (!peer->backing || peer->backing->group != dev->group)
			return -EINVAL;
		return open_with(dev, peer->backing, ret);
	}
	switch (backend) {
	case VFIOPM_BACKEND_GROUP:
		return open_anew(dev, VFIOPM_BACKEND_GROUP, ret);
	case VFIOPM_BACKEND_CDEV:
		if (!cdev_available(dev))
			return -EOPNOTSUPP;
		return open_anew(dev, VFIOPM_BACKEND_CDEV, ret);
	case VFIOPM_BACKEND_AUTO:
		if (!cdev_available(dev))
			return open_anew(dev, VFIOPM_BACKEND_GROUP, ret);
		r = open_anew(dev, VFIOPM_BACKEND_CDEV, ret);
		/* An ordinary user may have been given the group's node only. */
		if ((r == -EACCES || r == -EPERM) && vfiopm_device_get_group_node(dev))
			r = open_anew(dev, VFIOPM_BACKEND_GROUP, ret);
		return r;
	default:
		return -EINVAL;
	}
}

int handle_wrap(struct vfiopm_ctx *ctx, int fd, const char *name, struct vfiopm_handle **ret)
{
	struct vfiopm_handle *h;

	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->ctx = vfiopm_ctx_ref(ctx);
	h->backend = VFIOPM_BACKEND_WRAPPED;
	h->fd = fd;
	if (name)
		strcpy(h->name, name);
	else
		snprintf(h->name, sizeof(h->name), "fd %d", fd);
	*ret = h;
	return 0;
}

int vfiopm_handle_wrap(struct vfiopm_ctx *ctx, int fd, struct vfiopm_handle **ret)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	if (ioctl(fd, VFIO_DEVICE_GET_INFO, &info) < 0)
		return errno == EBADF ? -EBADF : -ENOTTY;
	return handle_wrap(ctx, fd, NULL, ret);
}

void vfiopm_handle_close(struct vfiopm_handle *handle)
{
	if (!handle)
		return;
	if (handle->backing) {
		close(handle->fd);
		log_info(handle->ctx, "%s: closed", handle->name);
		backing_unref(handle->backing);
	}
	vfiopm_ctx_unref(handle->ctx);
	free(handle);
}

int vfiopm_handle_get_fd(const struct vfiopm_handle *handle)
{
	return handle->fd;
}

enum vfiopm_backend vfiopm_handle_get_backend(const struct vfiopm_handle *handle)
{
	return handle->backend;
}

static int region_find(struct vfiopm_handle *handle, unsigned int region, uint64_t offset,
		       size_t len, off_t *ret)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = region };
	bool kept = region < VFIO_PCI_NUM_REGIONS;

	if (kept && handle->region[region].known) {
		info.offset = handle->region[region].offset;
		info.size = handle->region[region].size;
	} else {
		if (ioctl(handle->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
			return -errno;
		if (kept) {
			handle->region[region].known = true;
			handle->region[region].offset = info.offset;
			handle->region[region].size = info.size;
		}
	}
	if (offset > info.size || len > info.size - offset)
		return -EINVAL;
	*ret = (off_t)(info.offset + offset);
	return 0;
}

static int transfer_result(ssize_t n, size_t len)
{
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int vfiopm_handle_read(struct vfiopm_handle *handle, unsigned int region, uint64_t offset,
		       void *buf, size_t len)
{
	off_t at = 0;
	int r;

	r = region_find(handle, region, offset, len, &at);
	return r < 0 ? r : transfer_result(pread(handle->fd, buf, len, at), len);
}

int vfiopm_handle_write(struct vfiopm_handle *handle, unsigned int region, uint64_t offset,
			const void *buf, size_t len)
{
	off_t at = 0;
	int r;

	r = region_find(handle, region, offset, len, &at);
	return r < 0 ? r : transfer_result(pwrite(handle->fd, buf, len, at), len);
}

static int set_eventfd(struct vfiopm_handle *handle, uint32_t index, int eventfd)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	uint64_t room[(sizeof(struct vfio_irq_set) + sizeof(int32_t) + 7) / 8] = { 0 };
	struct vfio_irq_set *set = (struct vfio_irq_set *)room;
	int32_t fd = eventfd;

	if (ioctl(handle->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
		return -errno;
	if (!info.count)
		return -ENOTTY;
	set->argsz = sizeof(*set) + sizeof(fd);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = 1;
	memcpy(set->data, &fd, sizeof(fd));
	return ioctl(handle->fd, VFIO_DEVICE_SET_IRQS, set) < 0 ? -errno : 0;
}

int vfiopm_handle_on_request(struct vfiopm_handle *handle, int eventfd)
{
	return set_eventfd(handle, VFIO_PCI_REQ_IRQ_INDEX, eventfd);
}

int vfiopm_handle_on_error(struct vfiopm_handle *handle, int eventfd)
{
	return set_eventfd(handle, VFIO_PCI_ERR_IRQ_INDEX, eventfd);
}

int vfiopm_handle_on_interrupt(struct vfiopm_handle *handle, int eventfd)
{
	int r = set_eventfd(handle, VFIO_PCI_MSI_IRQ_INDEX, eventfd);

	return r == -ENOTTY ? set_eventfd(handle, VFIO_PCI_MSIX_IRQ_INDEX, eventfd) : r;
}
