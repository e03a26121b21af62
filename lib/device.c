// SPDX-License-Identifier: LGPL-2.1-or-later
/* A PCI device as a snapshot: identity, driver, IOMMU group, VFIO nodes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

void device_path(const struct vfiopm_device *dev, const char *tail, char *buf, size_t size)
{
	snprintf(buf, size, "sys/bus/pci/devices/%s%s%s", dev->name, *tail ? "/" : "", tail);
}

int device_open_dir(const struct vfiopm_device *dev)
{
	char path[SYSFS_PATH_MAX];
	int fd;

	device_path(dev, "", path, sizeof(path));
	fd = sysfs_dir(dev->ctx, path);
	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ENODEV : fd;
}

static unsigned int read_hex_at(const struct vfiopm_ctx *ctx, int dir, const char *name,
				unsigned int unknown)
{
	int64_t value;

	if (sysfs_read_int_at(ctx, dir, name, &value) < 0 || value < 0 || value > unknown)
		return unknown;
	return (unsigned int)value;
}

static char *link_at(int dir, const char *name)
{
	char buf[256];

	return sysfs_link_at(dir, name, buf, sizeof(buf)) > 0 ? strdup(buf) : NULL;
}

static int read_group(struct vfiopm_device *dev, int dir)
{
	char link[64], path[SYSFS_PATH_MAX], name[32], *end;
	long group;

	dev->group = -1;
	if (sysfs_link_at(dir, "iommu_group", link, sizeof(link)) < 0)
		return 0;
	group = strtol(link, &end, 10);
	if (end == link || *end || group < 0 || group > INT32_MAX)
		return 0;
	dev->group = (int)group;
	/* drivers/vfio/group.c, vfio_noiommu_group_alloc() names its groups so */
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/name", dev->group);
	if (sysfs_read(dev->ctx, path, name, sizeof(name)) > 0)
		dev->noiommu = !strcmp(name, "vfio-noiommu");
	if (!dev->vfio)
		return 0;
	if (asprintf(&dev->group_node, "/dev/vfio/%s%d", dev->noiommu ? "noiommu-" : "",
		     dev->group) < 0) {
		dev->group_node = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int take_vfio_dev(const char *name, void *data)
{
	char *found = data;

	if (strncmp(name, "vfio", 4) || strlen(name) >= 32)
		return 0;
	strcpy(found, name);
	return 1;
}

static int read_vfio(struct vfiopm_device *dev, int dir)
{
	char name[32] = "", attr[64];
	int vfio;

	vfio = sysfs_dir_at(dev->ctx, dir, "vfio-dev");
	if (vfio < 0)
		return 0;
	dev->vfio = true;
	if (sysfs_foreach_at(dev->ctx, vfio, ".", take_vfio_dev, name) == 1) {
		/* The attribute is there only when the kernel has the device cdev. */
		snprintf(attr, sizeof(attr), "%s/dev", name);
		if (sysfs_exists_at(vfio, attr) &&
		    asprintf(&dev->cdev_node, "/dev/vfio/devices/%s", name) < 0) {
			dev->cdev_node = NULL;
			close(vfio);
			return -ENOMEM;
		}
	}
	close(vfio);
	return 0;
}

static int count_virtfn(const char *name, void *data)
{
	int *count = data;

	if (!strncmp(name, "virtfn", 6))
		(*count)++;
	return 0;
}

/*
 * `sriov_numvfs` itself is not read: its show function takes the device lock
 * (drivers/pci/iov.c), which an unbind that is blocked holds for ever.
 */
static int count_vfs(const struct vfiopm_ctx *ctx, int dir)
{
	int count = 0;

	if (!sysfs_exists_at(dir, "sriov_numvfs"))
		return -1;
	return sysfs_foreach_at(ctx, dir, ".", count_virtfn, &count) < 0 ? -1 : count;
}

static int device_fill(struct vfiopm_device *dev)
{
	char path[SYSFS_PATH_MAX], real[SYSFS_PATH_MAX];
	int dir, r;

	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	device_path(dev, "", path, sizeof(path));
	r = sysfs_real_path(dev->ctx, path, real, sizeof(real));
	if (r < 0)
		goto out;
	dev->syspath = strdup(real);
	if (!dev->syspath) {
		r = -ENOMEM;
		goto out;
	}
	dev->vendor = (uint16_t)read_hex_at(dev->ctx, dir, "vendor", 0xffff);
	dev->device = (uint16_t)read_hex_at(dev->ctx, dir, "device", 0xffff);
	dev->subvendor = (uint16_t)read_hex_at(dev->ctx, dir, "subsystem_vendor", 0xffff);
	dev->subdevice = (uint16_t)read_hex_at(dev->ctx, dir, "subsystem_device", 0xffff);
	dev->class = read_hex_at(dev->ctx, dir, "class", 0xffffff);
	dev->driver = link_at(dir, "driver");
	dev->physfn = link_at(dir, "physfn");
	dev->numvfs = count_vfs(dev->ctx, dir);
	r = read_vfio(dev, dir);
	if (r == 0)
		r = read_group(dev, dir);
out:
	close(dir);
	return r == -ENOENT ? -ENODEV : r;
}

int vfiopm_device_new(struct vfiopm_ctx *ctx, const struct vfiopm_addr *addr,
		      struct vfiopm_device **ret)
{
	struct vfiopm_device *dev;
	int r;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->refs = 1;
	dev->ctx = vfiopm_ctx_ref(ctx);
	dev->addr = *addr;
	vfiopm_addr_format(addr, dev->name);
	r = device_fill(dev);
	if (r < 0) {
		vfiopm_device_unref(dev);
		return r;
	}
	*ret = dev;
	return 0;
}

int vfiopm_device_refresh(const struct vfiopm_device *dev, struct vfiopm_device **ret)
{
	return vfiopm_device_new(dev->ctx, &dev->addr, ret);
}

struct vfiopm_device *vfiopm_device_ref(struct vfiopm_device *dev)
{
	dev->refs++;
	return dev;
}

void vfiopm_device_unref(struct vfiopm_device *dev)
{
	if (!dev || --dev->refs > 0)
		return;
	free(dev->syspath);
	free(dev->driver);
	free(dev->group_node);
	free(dev->cdev_node);
	free(dev->physfn);
	vfiopm_ctx_unref(dev->ctx);
	free(dev);
}

struct vfiopm_ctx *vfiopm_device_get_ctx(const struct vfiopm_device *dev)
{
	return dev->ctx;
}

const struct vfiopm_addr *vfiopm_device_get_addr(const struct vfiopm_device *dev)
{
	return &dev->addr;
}

const char *vfiopm_device_get_name(const struct vfiopm_device *dev)
{
	return dev->name;
}

const char *vfiopm_device_get_syspath(const struct vfiopm_device *dev)
{
	return dev->syspath;
}

unsigned int vfiopm_device_get_vendor(const struct vfiopm_device *dev)
{
	return dev->vendor;
}

unsigned int vfiopm_device_get_device(const struct vfiopm_device *dev)
{
	return dev->device;
}

unsigned int vfiopm_device_get_subvendor(const struct vfiopm_device *dev)
{
	return dev->subvendor;
}

unsigned int vfiopm_device_get_subdevice(const struct vfiopm_device *dev)
{
	return dev->subdevice;
}

unsigned int vfiopm_device_get_class(const struct vfiopm_device *dev)
{
	return dev->class;
}

bool vfiopm_device_is_bridge(const struct vfiopm_device *dev)
{
	return dev->class >> 16 == 0x06;
}

const char *vfiopm_device_get_driver(const struct vfiopm_device *dev)
{
	return dev->driver;
}

int vfiopm_device_read_override(const struct vfiopm_device *dev, char **ret)
{
	char value[256];
	ssize_t n;
	int dir;

	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	n = sysfs_read_at(dev->ctx, dir, "driver_override", value, sizeof(value));
	close(dir);
	if (n < 0)
		return (int)n;
	/* The kernel prints an override that isn't set as "(null)". */
	if (n == 0 || !strcmp(value, "(null)")) {
		*ret = NULL;
		return 0;
	}
	*ret = strdup(value);
	return *ret ? 0 : -ENOMEM;
}

bool vfiopm_device_is_vfio(const struct vfiopm_device *dev)
{
	return dev->vfio;
}

int vfiopm_device_get_group(const struct vfiopm_device *dev)
{
	return dev->group;
}

bool vfiopm_device_is_noiommu(const struct vfiopm_device *dev)
{
	return dev->noiommu;
}

const char *vfiopm_device_get_group_node(const struct vfiopm_device *dev)
{
	return dev->group_node;
}

const char *vfiopm_device_get_cdev_node(const struct vfiopm_device *dev)
{
	return dev->cdev_node;
}

int vfiopm_device_get_numvfs(const struct vfiopm_device *dev)
{
	return dev->numvfs;
}

const char *vfiopm_device_get_physfn(const struct vfiopm_device *dev)
{
	return dev->physfn;
}
