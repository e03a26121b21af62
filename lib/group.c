// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Opening a device by its group: /dev/vfio/N in a container of type 1 v2, or
 * of no IOMMU for a no-IOMMU group. Also: may a group be opened at all?
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"
#include "uapi.h"

/*
 * Drivers that leave DMA alone and so don't make a group unviable: they set
 * driver_managed_dma (drivers/pci/pcie/portdrv.c, drivers/pci/pci-stub.c).
 */
bool group_driver_is_harmless(const struct vfiopm_device *dev)
{
	return !dev->driver || dev->vfio || !strcmp(dev->driver, "pcieport") ||
	       !strcmp(dev->driver, "pci-stub");
}

int vfiopm_group_viable(const struct vfiopm_device *dev, struct vfiopm_device **ret)
{
	struct vfiopm_list *members;
	struct vfiopm_device *member, *blocker = NULL;
	size_t i;
	int r;

	if (dev->group < 0)
		return -ENODEV;
	r = vfiopm_list_new_group(dev->ctx, dev->group, &members);
	if (r < 0)
		return r;
	vfiopm_list_foreach(members, i, member) {
		if (group_driver_is_harmless(member))
			continue;
		blocker = vfiopm_device_ref(member);
		break;
	}
	vfiopm_list_free(members);
	r = !blocker;
	if (ret)
		*ret = blocker;
	else
		vfiopm_device_unref(blocker);
	return r;
}

bool group_node_is_taken(const struct vfiopm_ctx *ctx, const char *node)
{
	int fd;

	if (!node)
		return true;
	fd = sysfs_open_node(ctx, node + strspn(node, "/"), O_RDWR);
	if (fd < 0)
		return true;
	close(fd);
	return false;
}

bool device_is_open(const struct vfiopm_device *dev)
{
	return dev->vfio && vfiopm_device_is_enabled(dev) &&
	       group_node_is_taken(dev->ctx, vfiopm_device_get_group_node(dev));
}

bool vfiopm_group_is_open(const struct vfiopm_device *dev)
{
	struct vfiopm_list *members;
	struct vfiopm_device *member;
	bool enabled = false;
	size_t i;

	if (vfiopm_list_new_group(dev->ctx, dev->group, &members) < 0) {
		enabled = dev->vfio && vfiopm_device_is_enabled(dev);
	} else {
		vfiopm_list_foreach(members, i, member)
			enabled = enabled || (member->vfio && vfiopm_device_is_enabled(member));
		vfiopm_list_free(members);
	}
	return enabled && group_node_is_taken(dev->ctx, vfiopm_device_get_group_node(dev));
}

static int attach(int container, int group, bool noiommu)
{
	int type = noiommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;

	if (ioctl(container, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		return -EPROTONOSUPPORT;
	if (ioctl(container, VFIO_CHECK_EXTENSION, (unsigned long)type) <= 0)
		return -EOPNOTSUPP;
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0)
		return -errno;
	if (ioctl(container, VFIO_SET_IOMMU, (unsigned long)type) < 0)
		return -errno;
	return 0;
}

static int check_status(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) < 0)
		return -errno;
	return status.flags & VFIO_GROUP_FLAGS_VIABLE ? 0 : -EPERM;
}

int group_backing_new(const struct vfiopm_device *dev, struct backing **ret)
{
	struct backing *b;
	int r;

	if (!vfiopm_device_get_group_node(dev))
		return -ENODEV;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->refs = 1;
	b->backend = VFIOPM_BACKEND_GROUP;
	b->group = dev->group;
	b->container_fd = -1;
	b->group_fd = sysfs_open_node(dev->ctx, vfiopm_device_get_group_node(dev) + 1, O_RDWR);
	r = b->group_fd < 0 ? b->group_fd : check_status(b->group_fd);
	if (r == 0) {
		b->container_fd = sysfs_open_node(dev->ctx, "dev/vfio/vfio", O_RDWR);
		r = b->container_fd < 0 ? b->container_fd :
					  attach(b->container_fd, b->group_fd,
						 vfiopm_device_is_noiommu(dev));
	}
	if (r < 0) {
		log_debug(dev->ctx, "%s: group %d can't be opened: %s", dev->name, dev->group,
			  strerror(-r));
		backing_unref(b);
		return r;
	}
	*ret = b;
	return 0;
}

int group_open_device(const struct backing *backing, const struct vfiopm_device *dev)
{
	/* Closed on exec (drivers/vfio/group.c, vfio_group_ioctl_get_device_fd()). */
	int fd = ioctl(backing->group_fd, VFIO_GROUP_GET_DEVICE_FD, dev->name);

	return fd < 0 ? -errno : fd;
}
