// SPDX-License-Identifier: LGPL-2.1-or-later
/* Lists of devices: all, by a user's words, by group, slot and bridge. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

struct collector {
	struct vfiopm_ctx *ctx;
	struct vfiopm_list *list;
	size_t room;
	bool (*keep)(const struct vfiopm_device *dev, const void *arg);
	const void *arg;
};

static int list_append(struct collector *c, struct vfiopm_device *dev)
{
	struct vfiopm_device **grown;

	if (c->list->count == c->room) {
		c->room = c->room ? 2 * c->room : 8;
		grown = reallocarray(c->list->dev, c->room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		c->list->dev = grown;
	}
	c->list->dev[c->list->count++] = dev;
	return 0;
}

/* Directory entries that aren't addresses, and devices that have gone, are passed over. */
static int collect(const char *name, void *data)
{
	struct collector *c = data;
	struct vfiopm_device *dev;
	struct vfiopm_addr addr;
	int r;

	if (vfiopm_addr_parse(name, &addr) < 0)
		return 0;
	r = vfiopm_device_new(c->ctx, &addr, &dev);
	if (r < 0)
		return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : 0;
	if (c->keep && !c->keep(dev, c->arg)) {
		vfiopm_device_unref(dev);
		return 0;
	}
	r = list_append(c, dev);
	if (r < 0)
		vfiopm_device_unref(dev);
	return r;
}

static int by_address(const void *a, const void *b)
{
	const struct vfiopm_device *const *x = a, *const *y = b;

	return vfiopm_addr_cmp(&(*x)->addr, &(*y)->addr);
}

/* The end of every collection: the list is the caller's, or free when @r is an error. */
static int list_finish(struct collector *c, int r, struct vfiopm_list **ret)
{
	if (r < 0) {
		vfiopm_list_free(c->list);
		return r;
	}
	*ret = c->list;
	return 0;
}

/* Collect what @path names; -ENOENT for it is an empty list. */
static int list_collect(struct collector *c, const char *path, struct vfiopm_list **ret)
{
	int r;

	c->list = calloc(1, sizeof(*c->list));
	if (!c->list)
		return -ENOMEM;
	r = sysfs_foreach(c->ctx, path, collect, c);
	if (c->list->count)
		qsort(c->list->dev, c->list->count, sizeof(c->list->dev[0]), by_address);
	return list_finish(c, r == -ENOENT ? 0 : r, ret);
}

static bool keep_vfio(const struct vfiopm_device *dev, const void *arg)
{
	return dev->vfio;
}

int vfiopm_list_new(struct vfiopm_ctx *ctx, bool vfio_only, struct vfiopm_list **ret)
{
	struct collector c = { .ctx = ctx, .keep = vfio_only ? keep_vfio : NULL };

	return list_collect(&c, "sys/bus/pci/devices", ret);
}

int vfiopm_list_new_group(struct vfiopm_ctx *ctx, int group, struct vfiopm_list **ret)
{
	struct collector c = { .ctx = ctx };
	char path[SYSFS_PATH_MAX];
	struct vfiopm_list *list;
	int r;

	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices", group);
	r = list_collect(&c, path, &list);
	if (r < 0)
		return r;
	if (!list->count) {
		vfiopm_list_free(list);
		return -ENODEV;
	}
	*ret = list;
	return 0;
}

static bool keep_sibling(const struct vfiopm_device *dev, const void *arg)
{
	const struct vfiopm_addr *of = arg;

	return vfiopm_addr_same_slot(&dev->addr, of) && dev->addr.function != of->function;
}

int vfiopm_list_new_siblings(const struct vfiopm_device *dev, struct vfiopm_list **ret)
{
	struct collector c = { .ctx = dev->ctx };
	struct vfiopm_addr addr = dev->addr;
	int r = 0;

	c.list = calloc(1, sizeof(*c.list));
	if (!c.list)
		return -ENOMEM;
	c.keep = keep_sibling;
	c.arg = &dev->addr;
	for (addr.function = 0; addr.function < 8 && r == 0; addr.function++) {
		char name[VFIOPM_ADDR_LEN];

		r = collect(vfiopm_addr_format(&addr, name), &c);
	}
	return list_finish(&c, r, ret);
}

/*
 * The path of a device in /sys/devices goes through its bridges:
 * /sys/devices/pci0000:00/0000:00:1c.0/0000:01:00.0.
 */
int vfiopm_list_new_upstream(const struct vfiopm_device *dev, struct vfiopm_list **ret)
{
	struct collector c = { .ctx = dev->ctx };
	char *path, *slash;
	int r = 0;

	path = strdup(dev->syspath);
	c.list = calloc(1, sizeof(*c.list));
	if (!path || !c.list) {
		free(path);
		free(c.list);
		return -ENOMEM;
	}
	slash = strrchr(path, '/');
	while (r == 0 && slash && slash != path) {
		struct vfiopm_addr addr;

		*slash = '\0';
		slash = strrchr(path, '/');
		if (!slash || vfiopm_addr_parse(slash + 1, &addr) < 0)
			break;
		r = collect(slash + 1, &c);
	}
	free(path);
	return list_finish(&c, r, ret);
}

int vfiopm_list_new_children(const struct vfiopm_device *dev, struct vfiopm_list **ret)
{
	struct collector c = { .ctx = dev->ctx };
	char path[SYSFS_PATH_MAX];

	device_path(dev, "", path, sizeof(path));
	return list_collect(&c, path, ret);
}

struct id_pair {
	unsigned int vendor, device;
};

static bool keep_ids(const struct vfiopm_device *dev, const void *arg)
{
	const struct id_pair *ids = arg;

	return vfiopm_device_get_vendor(dev) == ids->vendor &&
	       vfiopm_device_get_device(dev) == ids->device;
}

static bool keep_address(const struct vfiopm_device *dev, const void *arg)
{
	return vfiopm_addr_cmp(&dev->addr, arg) == 0;
}

static int list_new_address(struct vfiopm_ctx *ctx, const struct vfiopm_addr *addr,
			    struct vfiopm_list **ret)
{
	struct collector c = { .ctx = ctx, .keep = keep_address, .arg = addr };
	struct vfiopm_device *dev;
	int r;

	r = vfiopm_device_new(ctx, addr, &dev);
	if (r < 0)
		return r;
	c.list = calloc(1, sizeof(*c.list));
	r = c.list ? list_append(&c, dev) : -ENOMEM;
	if (r < 0)
		vfiopm_device_unref(dev);
	return list_finish(&c, r, ret);
}

/* "group:N", N decimal without sign or blanks. */
static int parse_group(const char *text, int *ret)
{
	long group;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	group = strtol(text, &end, 10);
	if (*end || errno || group > INT32_MAX)
		return -EINVAL;
	*ret = (int)group;
	return 0;
}

static int list_new_endpoints(struct vfiopm_ctx *ctx, int group, struct vfiopm_list **ret)
{
	struct vfiopm_list *list;
	size_t kept = 0;
	int r;

	r = vfiopm_list_new_group(ctx, group, &list);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list->count; i++) {
		if (vfiopm_device_is_bridge(list->dev[i]))
			vfiopm_device_unref(list->dev[i]);
		else
			list->dev[kept++] = list->dev[i];
	}
	list->count = kept;
	if (!kept) {
		vfiopm_list_free(list);
		return -ENODEV;
	}
	*ret = list;
	return 0;
}

/* By whatever link it leads there: /sys/class/net/eth0/device is a device, too. */
static int list_new_path(struct vfiopm_ctx *ctx, const char *path, struct vfiopm_list **ret)
{
	char real[SYSFS_PATH_MAX];
	struct vfiopm_list *list;
	struct vfiopm_addr addr;
	const char *base;
	int fd, r;

	while (*path == '/')
		path++;
	if (strncmp(path, "sys/", 4))
		return -EINVAL;
	/* Only a look at the path: nothing is opened that could wake a device. */
	fd = sysfs_path(ctx, path);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return -ENODEV;
	if (fd == -ENAMETOOLONG)
		return -EINVAL;
	if (fd < 0)
		return fd;
	r = sysfs_real_path(ctx, fd, real, sizeof(real));
	close(fd);
	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	base = strrchr(real, '/');
	if (!base || vfiopm_addr_parse(base + 1, &addr) < 0)
		return -EINVAL;
	r = list_new_address(ctx, &addr, &list);
	if (r < 0)
		return r;
	/* A folder may be called as a device is, and be none. */
	if (strcmp(vfiopm_device_get_syspath(list->dev[0]), real)) {
		vfiopm_list_free(list);
		return -EINVAL;
	}
	*ret = list;
	return 0;
}

int vfiopm_list_new_from_spec(struct vfiopm_ctx *ctx, const char *spec, struct vfiopm_list **ret)
{
	struct vfiopm_list *list;
	struct vfiopm_addr addr;
	struct id_pair ids;
	int group, r;

	if (vfiopm_addr_parse(spec, &addr) == 0)
		return list_new_address(ctx, &addr, ret);
	if (spec[0] == '/')
		return list_new_path(ctx, spec, ret);
	if (!strncmp(spec, "group:", 6)) {
		r = parse_group(spec + 6, &group);
		return r < 0 ? r : list_new_endpoints(ctx, group, ret);
	}
	if (parse_id_pair(spec, &ids.vendor, &ids.device) == 0) {
		struct collector c = { .ctx = ctx, .keep = keep_ids, .arg = &ids };

		r = list_collect(&c, "sys/bus/pci/devices", &list);
		if (r < 0)
			return r;
		if (!list->count) {
			vfiopm_list_free(list);
			return -ENODEV;
		}
		*ret = list;
		return 0;
	}
	return -EINVAL;
}

void vfiopm_list_free(struct vfiopm_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->count; i++)
		vfiopm_device_unref(list->dev[i]);
	free(list->dev);
	free(list);
}

size_t vfiopm_list_count(const struct vfiopm_list *list)
{
	return list->count;
}

struct vfiopm_device *vfiopm_list_get(const struct vfiopm_list *list, size_t i)
{
	return i < list->count ? list->dev[i] : NULL;
}
