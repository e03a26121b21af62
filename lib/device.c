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

const char *device_attr(const struct vfiopm_device *dev, const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", dev->syspath + 1, name);
	return buf;
}

int device_open_dir(const struct vfiopm_device *dev)
{
	char path[SYSFS_PATH_MAX];
	int fd;

	device_path(dev, "", path, sizeof(path));
	fd = sysfs_dir(dev->ctx, path);
	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ENODEV : fd;
}

static char *link_at(int dir, const char *name)
{
	char buf[256];

	return sysfs_link_at(dir, name, buf, sizeof(buf)) > 0 ? strdup(buf) : NULL;
}

static int read_group(int dir)
{
	char link[64], *end;
	long group;

	if (sysfs_link_at(dir, "iommu_group", link, sizeof(link)) < 0)
		return -1;
	group = strtol(link, &end, 10);
	if (end == link || *end || group < 0 || group > INT32_MAX)
		return -1;
	return (int)group;
}

static int device_fill(struct vfiopm_device *dev)
{
	char real[SYSFS_PATH_MAX];
	int dir, r;

	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	r = sysfs_real_path(dev->ctx, dir, real, sizeof(real));
	if (r < 0)
		goto out;
	dev->syspath = strdup(real);
	if (!dev->syspath) {
		r = -ENOMEM;
		goto out;
	}
	dev->driver = link_at(dir, "driver");
	dev->vfio = sysfs_exists_at(dir, "vfio-dev");
	dev->group = read_group(dir);
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
	free(dev->more.group_node);
	free(dev->more.cdev_node);
	free(dev->more.physfn);
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

/* ---- what is read when it is first asked for ---- */

enum {
	HAVE_IDS = 1 << 0,
	HAVE_NOIOMMU = 1 << 1,
	HAVE_GROUP_NODE = 1 << 2,
	HAVE_CDEV_NODE = 1 << 3,
	HAVE_NUMVFS = 1 << 4,
	HAVE_PHYSFN = 1 << 5,
	HAVE_BRIDGE = 1 << 6,
};

/* The cache in a device that the caller sees as constant; NULL: @what is in it already. */
static struct device_more *need(const struct vfiopm_device *dev, unsigned int what)
{
	struct device_more *more = &((struct vfiopm_device *)dev)->more;

	if (more->have & what)
		return NULL;
	more->have |= what;
	return more;
}

static unsigned int read_hex(const struct vfiopm_device *dev, const char *name,
			     unsigned int unknown)
{
	char path[SYSFS_PATH_MAX];
	int64_t value;

	device_attr(dev, name, path, sizeof(path));
	if (sysfs_read_int_at(dev->ctx, dev->ctx->root_fd, path, &value) < 0 || value < 0 ||
	    value > unknown)
		return unknown;
	return (unsigned int)value;
}

/*
 * All of them are in one file, drivers/pci/pci-sysfs.c, modalias_show(), which
 * takes no lock; `uevent`, which has some, may take the device's.
 */
static bool read_modalias(const struct vfiopm_device *dev, struct device_more *more)
{
	unsigned int vendor, device, subvendor, subdevice, base, sub, interface;
	char path[SYSFS_PATH_MAX], alias[128];
	int end = 0;

	device_attr(dev, "modalias", path, sizeof(path));
	if (sysfs_read_at(dev->ctx, dev->ctx->root_fd, path, alias, sizeof(alias)) <= 0 ||
	    sscanf(alias, "pci:v%8xd%8xsv%8xsd%8xbc%2xsc%2xi%2x%n", &vendor, &device, &subvendor,
		   &subdevice, &base, &sub, &interface, &end) != 7 || alias[end] ||
	    vendor > 0xffff || device > 0xffff || subvendor > 0xffff || subdevice > 0xffff)
		return false;
	more->vendor = (uint16_t)vendor;
	more->device = (uint16_t)device;
	more->subvendor = (uint16_t)subvendor;
	more->subdevice = (uint16_t)subdevice;
	more->class = base << 16 | sub << 8 | interface;
	return true;
}

static const struct device_more *ids(const struct vfiopm_device *dev)
{
	struct device_more *more = need(dev, HAVE_IDS);

	if (more && !read_modalias(dev, more)) {
		more->vendor = (uint16_t)read_hex(dev, "vendor", 0xffff);
		more->device = (uint16_t)read_hex(dev, "device", 0xffff);
		more->subvendor = (uint16_t)read_hex(dev, "subsystem_vendor", 0xffff);
		more->subdevice = (uint16_t)read_hex(dev, "subsystem_device", 0xffff);
		more->class = read_hex(dev, "class", 0xffffff);
	}
	return &dev->more;
}

unsigned int vfiopm_device_get_vendor(const struct vfiopm_device *dev)
{
	return ids(dev)->vendor;
}

unsigned int vfiopm_device_get_device(const struct vfiopm_device *dev)
{
	return ids(dev)->device;
}

unsigned int vfiopm_device_get_subvendor(const struct vfiopm_device *dev)
{
	return ids(dev)->subvendor;
}

unsigned int vfiopm_device_get_subdevice(const struct vfiopm_device *dev)
{
	return ids(dev)->subdevice;
}

unsigned int vfiopm_device_get_class(const struct vfiopm_device *dev)
{
	return ids(dev)->class;
}

/*
 * VFIO takes what has a normal header (drivers/vfio/pci/vfio_pci_core.c,
 * vfio_pci_core_register_device()), whatever the class: an NVSwitch is an "other
 * bridge" and no bridge. The header is in `config`, which isn't read here, but a
 * bridge's, and no other, gives the device this attribute (drivers/pci/pci-sysfs.c,
 * pci_bridge_attrs_are_visible()), and the kernel lets no device with a normal one
 * have the class of a PCI or CardBus bridge (probe.c, pci_setup_device()).
 */
static bool has_bridge_header(const struct vfiopm_device *dev)
{
	bool found;
	int dir;

	dir = device_open_dir(dev);
	if (dir < 0)
		return false;
	found = sysfs_exists_at(dir, "secondary_bus_number");
	close(dir);
	return found;
}

bool vfiopm_device_is_bridge(const struct vfiopm_device *dev)
{
	struct device_more *more;

	if (dev->vfio)
		return false;
	more = need(dev, HAVE_BRIDGE);
	if (!more)
		return dev->more.bridge;
	switch (vfiopm_device_get_class(dev) >> 8) {
	/* The platform's own: the kernel needs what is behind them. */
	case 0x0600:	/* host */
	case 0x0601:	/* ISA */
	case 0x0602:	/* EISA */
	case 0x0603:	/* MCA */
	case 0x0604:	/* PCI to PCI */
	case 0x0607:	/* CardBus */
	case 0x0609:	/* PCI to PCI, semi-transparent */
		more->bridge = true;
		break;
	default:
		more->bridge = has_bridge_header(dev);
	}
	return more->bridge;
}

bool vfiopm_device_is_noiommu(const struct vfiopm_device *dev)
{
	struct device_more *more;
	char path[64], name[32];

	/* Only VFIO makes such groups, so others need no look. */
	if (!dev->vfio || dev->group < 0)
		return false;
	more = need(dev, HAVE_NOIOMMU);
	if (!more)
		return dev->more.noiommu;
	/* drivers/vfio/group.c, vfio_noiommu_group_alloc() names its groups so */
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/name", dev->group);
	if (sysfs_read(dev->ctx, path, name, sizeof(name)) > 0)
		more->noiommu = !strcmp(name, "vfio-noiommu");
	return more->noiommu;
}

const char *vfiopm_device_get_group_node(const struct vfiopm_device *dev)
{
	struct device_more *more;

	if (!dev->vfio || dev->group < 0)
		return NULL;
	more = need(dev, HAVE_GROUP_NODE);
	if (more && asprintf(&more->group_node, "/dev/vfio/%s%d",
			     vfiopm_device_is_noiommu(dev) ? "noiommu-" : "", dev->group) < 0)
		more->group_node = NULL;
	return dev->more.group_node;
}

static int take_vfio_dev(const char *name, void *data)
{
	char *found = data;

	if (strncmp(name, "vfio", 4) || strlen(name) >= 32)
		return 0;
	strcpy(found, name);
	return 1;
}

const char *vfiopm_device_get_cdev_node(const struct vfiopm_device *dev)
{
	char path[SYSFS_PATH_MAX], name[32] = "", attr[64];
	struct device_more *more;
	int dir;

	if (!dev->vfio)
		return NULL;
	more = need(dev, HAVE_CDEV_NODE);
	if (!more)
		return dev->more.cdev_node;
	dir = sysfs_dir(dev->ctx, device_attr(dev, "vfio-dev", path, sizeof(path)));
	if (dir < 0)
		return NULL;
	if (sysfs_foreach_at(dev->ctx, dir, ".", take_vfio_dev, name) == 1) {
		/* The attribute is there only when the kernel has the device cdev. */
		snprintf(attr, sizeof(attr), "%s/dev", name);
		if (sysfs_exists_at(dir, attr) &&
		    asprintf(&more->cdev_node, "/dev/vfio/devices/%s", name) < 0)
			more->cdev_node = NULL;
	}
	close(dir);
	return more->cdev_node;
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
int vfiopm_device_get_numvfs(const struct vfiopm_device *dev)
{
	struct device_more *more = need(dev, HAVE_NUMVFS);
	char path[SYSFS_PATH_MAX];
	int count = 0;

	if (!more)
		return dev->more.numvfs;
	more->numvfs = -1;
	device_attr(dev, "sriov_numvfs", path, sizeof(path));
	if (sysfs_exists_at(dev->ctx->root_fd, path) &&
	    sysfs_foreach(dev->ctx, dev->syspath + 1, count_virtfn, &count) == 0)
		more->numvfs = count;
	return more->numvfs;
}

const char *vfiopm_device_get_physfn(const struct vfiopm_device *dev)
{
	struct device_more *more = need(dev, HAVE_PHYSFN);
	char path[SYSFS_PATH_MAX];

	if (more)
		more->physfn = link_at(dev->ctx->root_fd,
				       device_attr(dev, "physfn", path, sizeof(path)));
	return dev->more.physfn;
}
