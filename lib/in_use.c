// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the host uses a device for: the list of uses, and the kinds that take
 * no walk: bridges, displays, virtual functions, mediated devices.
 */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

struct use {
	enum vfiopm_use kind;
	char *path, *what;
};

struct vfiopm_uses {
	size_t count;
	struct use *use;
};

int uses_add(struct vfiopm_uses *uses, enum vfiopm_use kind, const char *path, const char *what)
{
	struct use *grown, *use;

	/* A mirror's filesystem is found through each of its halves. */
	for (size_t i = 0; i < uses->count; i++)
		if (uses->use[i].kind == kind && !strcmp(uses->use[i].what, what))
			return 0;
	grown = reallocarray(uses->use, uses->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	uses->use = grown;
	use = &grown[uses->count];
	use->kind = kind;
	use->path = strdup(path);
	use->what = strdup(what);
	if (!use->path || !use->what) {
		free(use->path);
		free(use->what);
		return -ENOMEM;
	}
	uses->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

int names_add(void **set, const char *name)
{
	char *copy = strdup(name), **node;

	node = copy ? tsearch(copy, set, by_name) : NULL;
	if (!node || *node != copy)
		free(copy);
	return !node ? -ENOMEM : *node == copy;
}

bool names_have(void *const *set, const char *name)
{
	return tfind(name, set, by_name);
}

void names_free(void **set)
{
	tdestroy(*set, free);
	*set = NULL;
}

void uses_join(char *buf, size_t size, const char *path, const char *name)
{
	snprintf(buf, size, "%s%s%s", path, *path ? " > " : "", name);
}

bool device_has_below(const struct vfiopm_device *dev, const char *class_dir, const char *name)
{
	char link[SYSFS_PATH_MAX], real[SYSFS_PATH_MAX];
	size_t len = strlen(dev->syspath);
	int dir, r;

	if (snprintf(link, sizeof(link), "%s/%s", class_dir, name) >= (int)sizeof(link))
		return false;
	dir = sysfs_dir(dev->ctx, link);
	if (dir < 0)
		return false;
	r = sysfs_real_path(dev->ctx, dir, real, sizeof(real));
	close(dir);
	return r == 0 && !strncmp(real, dev->syspath, len) && real[len] == '/';
}

struct walk {
	const struct vfiopm_device *dev;
	struct vfiopm_uses *uses;
	bool peek;
	bool fbcon;
};

/* ---- displays ---- */

/* Is the framebuffer console the one that is bound? (drivers/tty/vt/vt.c) */
static int find_fbcon(const char *name, void *data)
{
	struct walk *w = data;
	char path[SYSFS_PATH_MAX], text[64];

	snprintf(path, sizeof(path), "sys/class/vtconsole/%s/name", name);
	if (sysfs_read(w->dev->ctx, path, text, sizeof(text)) < 0 || !strstr(text, "frame buffer"))
		return 0;
	snprintf(path, sizeof(path), "sys/class/vtconsole/%s/bind", name);
	if (sysfs_read(w->dev->ctx, path, text, sizeof(text)) == 1 && text[0] == '1')
		w->fbcon = true;
	return 0;
}

static int visit_framebuffer(const char *name, void *data)
{
	struct walk *w = data;

	if (strncmp(name, "fb", 2) || !device_has_below(w->dev, "sys/class/graphics", name))
		return 0;
	return w->fbcon ? uses_add(w->uses, VFIOPM_USE_CONSOLE, name, name) : 0;
}

/* The files show what the driver knows already; reading them probes nothing (drm_sysfs.c). */
static int visit_connector(const char *name, void *data)
{
	struct walk *w = data;
	char path[SYSFS_PATH_MAX], text[32];

	if (!strchr(name, '-') || !device_has_below(w->dev, "sys/class/drm", name))
		return 0;
	snprintf(path, sizeof(path), "sys/class/drm/%s/status", name);
	if (sysfs_read(w->dev->ctx, path, text, sizeof(text)) < 0 || strcmp(text, "connected"))
		return 0;
	snprintf(path, sizeof(path), "sys/class/drm/%s/enabled", name);
	if (sysfs_read(w->dev->ctx, path, text, sizeof(text)) < 0 || strcmp(text, "enabled"))
		return 0;
	return uses_add(w->uses, VFIOPM_USE_MONITOR, name, name);
}

static int in_use_display(struct walk *w)
{
	const struct vfiopm_ctx *ctx = w->dev->ctx;
	int64_t boot_vga;
	int dir, r = 0;

	dir = device_open_dir(w->dev);
	if (dir < 0)
		return dir;
	if (sysfs_read_int_at(ctx, dir, "boot_vga", &boot_vga) == 0 && boot_vga == 1)
		r = uses_add(w->uses, VFIOPM_USE_BOOT_DISPLAY, "", "");
	close(dir);
	if (r == 0)
		r = sysfs_foreach(ctx, "sys/class/vtconsole", find_fbcon, w);
	if (r == 0 || r == -ENOENT)
		r = sysfs_foreach(ctx, "sys/class/graphics", visit_framebuffer, w);
	if (r == 0 || r == -ENOENT)
		r = sysfs_foreach(ctx, "sys/class/drm", visit_connector, w);
	return r == -ENOENT ? 0 : r;
}

/* ---- virtual functions ---- */

/*
 * Without its PF a VF is gone, or dead. One without a driver, on pci-stub, or
 * waiting on a VFIO driver, is nobody's loss; one that a driver of the host has is in use,
 * whatever for; one that is open would block the unbind of the PF.
 */
static int visit_vf(const char *name, void *data)
{
	struct walk *w = data;
	char path[SYSFS_PATH_MAX], link[64], text[192];
	struct vfiopm_device *vf;
	struct vfiopm_addr addr;
	int dir, r;

	if (strncmp(name, "virtfn", 6))
		return 0;
	device_path(w->dev, "", path, sizeof(path));
	dir = sysfs_dir(w->dev->ctx, path);
	if (dir < 0)
		return 0;
	r = (int)sysfs_link_at(dir, name, link, sizeof(link));
	close(dir);
	if (r < 0 || vfiopm_addr_parse(link, &addr) < 0)
		return 0;
	r = vfiopm_device_new(w->dev->ctx, &addr, &vf);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = 0;
	if (vf->vfio) {
		/* One that is enabled is open, most likely: VFIO does that for who opens it. */
		if (w->peek ? vfiopm_device_is_enabled(vf) : device_is_open(vf))
			r = uses_add(w->uses, VFIOPM_USE_VF_OPEN, name, vf->name);
	} else if (vf->driver && strcmp(vf->driver, "pci-stub")) {
		snprintf(text, sizeof(text), "%s (%s)", vf->name, vf->driver);
		r = uses_add(w->uses, VFIOPM_USE_VF, name, text);
	}
	vfiopm_device_unref(vf);
	return r;
}

static int in_use_vfs(struct walk *w)
{
	char path[SYSFS_PATH_MAX];
	int r;

	if (vfiopm_device_get_numvfs(w->dev) <= 0)
		return 0;
	device_path(w->dev, "", path, sizeof(path));
	r = sysfs_foreach(w->dev->ctx, path, visit_vf, w);
	return r == -ENOENT ? -ENODEV : r;
}

/* ---- mediated devices ---- */

/*
 * One goes with its parent's driver, and while it is open the unbind of the
 * parent waits for it (drivers/vfio/mdev/mdev_core.c, mdev_unregister_parent()).
 * Its folder is below the parent's, and has a link to its type (mdev_sysfs.c).
 */
static int visit_mdev(const char *name, void *data)
{
	struct walk *w = data;
	const struct vfiopm_ctx *ctx = w->dev->ctx;
	char path[SYSFS_PATH_MAX], link[64], node[80];
	bool open = false;
	int dir;

	dir = sysfs_dir(ctx, device_attr(w->dev, name, path, sizeof(path)));
	if (dir < 0)
		return 0;
	if (sysfs_link_at(dir, "mdev_type", link, sizeof(link)) < 0) {
		close(dir);
		return 0;
	}
	if (!ctx->foreign && !w->peek &&
	    sysfs_link_at(dir, "iommu_group", link, sizeof(link)) > 0) {
		snprintf(node, sizeof(node), "dev/vfio/%s", link);
		open = group_node_is_taken(ctx, node);
	}
	close(dir);
	return uses_add(w->uses, open ? VFIOPM_USE_MDEV_OPEN : VFIOPM_USE_MDEV, name, name);
}

static int in_use_mdevs(struct walk *w)
{
	char path[SYSFS_PATH_MAX];

	/* The folder of types is there while the driver offers some. */
	device_attr(w->dev, "mdev_supported_types", path, sizeof(path));
	if (!sysfs_exists_at(w->dev->ctx->root_fd, path))
		return 0;
	return sysfs_foreach(w->dev->ctx, w->dev->syspath + 1, visit_mdev, w);
}

/* ---- the list ---- */

/* Directories have no order; who reads the list twice wants it the same. */
static int by_kind(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int r;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	r = strcmp(x->path, y->path);
	return r ? r : strcmp(x->what, y->what);
}

int uses_new(const struct vfiopm_device *dev, const char *session, bool peek,
	     struct vfiopm_uses **ret)
{
	struct walk w = { .dev = dev, .peek = peek };
	int r = 0;

	w.uses = calloc(1, sizeof(*w.uses));
	if (!w.uses)
		return -ENOMEM;
	if (vfiopm_device_is_bridge(dev))
		r = uses_add(w.uses, VFIOPM_USE_BRIDGE, "", "");
	if (r == 0)
		r = in_use_vfs(&w);
	if (r == 0)
		r = in_use_mdevs(&w);
	if (r == 0)
		r = in_use_block(dev, peek, w.uses);
	if (r == 0)
		r = in_use_net(dev, session, w.uses);
	if (r == 0)
		r = in_use_display(&w);
	if (r < 0) {
		vfiopm_uses_free(w.uses);
		return r;
	}
	if (w.uses->count)
		qsort(w.uses->use, w.uses->count, sizeof(w.uses->use[0]), by_kind);
	*ret = w.uses;
	return 0;
}

int vfiopm_uses_new(const struct vfiopm_device *dev, const char *session,
		    struct vfiopm_uses **ret)
{
	return uses_new(dev, session, false, ret);
}

void vfiopm_uses_free(struct vfiopm_uses *uses)
{
	if (!uses)
		return;
	for (size_t i = 0; i < uses->count; i++) {
		free(uses->use[i].path);
		free(uses->use[i].what);
	}
	free(uses->use);
	free(uses);
}

size_t vfiopm_uses_count(const struct vfiopm_uses *uses)
{
	return uses->count;
}

enum vfiopm_use vfiopm_uses_get_kind(const struct vfiopm_uses *uses, size_t i)
{
	return uses->use[i].kind;
}

const char *vfiopm_uses_get_what(const struct vfiopm_uses *uses, size_t i)
{
	return uses->use[i].what;
}

const char *vfiopm_uses_get_path(const struct vfiopm_uses *uses, size_t i)
{
	return uses->use[i].path;
}
