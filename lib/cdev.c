// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Opening a device by its own node, /dev/vfio/devices/vfioN, bound to an
 * iommufd. No I/O address space is attached: the device's DMA stays blocked,
 * which is what a device that only sleeps should have.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"
#include "uapi.h"

bool cdev_available(const struct vfiopm_device *dev)
{
	const char *node = vfiopm_device_get_cdev_node(dev);

	return node && sysfs_exists_at(dev->ctx->root_fd, "dev/iommu") &&
	       sysfs_exists_at(dev->ctx->root_fd, node + 1);
}

int cdev_backing_new(const struct vfiopm_device *dev, struct backing **ret)
{
	struct backing *b;
	int r;

	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->refs = 1;
	b->backend = VFIOPM_BACKEND_CDEV;
	b->group = dev->group;
	b->group_fd = -1;
	b->container_fd = sysfs_open_node(dev->ctx, "dev/iommu", O_RDWR);
	if (b->container_fd < 0) {
		r = b->container_fd;
		log_debug(dev->ctx, "%s: iommufd can't be opened: %s", dev->name, strerror(-r));
		backing_unref(b);
		return r;
	}
	*ret = b;
	return 0;
}

int cdev_open_device(const struct backing *backing, const struct vfiopm_device *dev)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = backing->container_fd,
	};
	int fd, r;

	fd = sysfs_open_node(dev->ctx, vfiopm_device_get_cdev_node(dev) + 1, O_RDWR);
	if (fd < 0)
		return fd;
	if (ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) < 0) {
		r = -errno;
		close(fd);
		/*
		 * A node may be opened twice but bound once only
		 * (drivers/vfio/vfio_main.c, vfio_df_open() says EINVAL).
		 */
		return r == -EINVAL ? -EBUSY : r;
	}
	return fd;
}
