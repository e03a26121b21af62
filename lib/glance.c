// SPDX-License-Identifier: LGPL-2.1-or-later
/* Looking at one device's state again and again, at the price of one system call a look. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "private.h"

struct vfiopm_glance {
	int state_fd, status_fd;
};

int vfiopm_glance_new(const struct vfiopm_device *dev, struct vfiopm_glance **ret)
{
	struct vfiopm_glance *g;
	int dir, r = 0;

	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->state_fd = g->status_fd = -1;
	dir = device_open_dir(dev);
	if (dir < 0) {
		free(g);
		return dir;
	}
	g->state_fd = sysfs_open_at(dev->ctx, dir, "power_state");
	g->status_fd = sysfs_open_at(dev->ctx, dir, "power/runtime_status");
	close(dir);
	if (g->state_fd < 0)
		r = g->state_fd;
	else if (g->status_fd < 0)
		r = g->status_fd;
	if (r < 0) {
		vfiopm_glance_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

void vfiopm_glance_free(struct vfiopm_glance *glance)
{
	if (!glance)
		return;
	if (glance->state_fd >= 0)
		close(glance->state_fd);
	if (glance->status_fd >= 0)
		close(glance->status_fd);
	free(glance);
}

enum vfiopm_state vfiopm_glance_state(const struct vfiopm_glance *glance)
{
	enum vfiopm_state state = VFIOPM_STATE_UNKNOWN;
	char buf[32];

	if (sysfs_reread(glance->state_fd, buf, sizeof(buf)) > 0)
		vfiopm_state_parse(buf, &state);
	return state;
}

enum vfiopm_status vfiopm_glance_status(const struct vfiopm_glance *glance)
{
	char buf[32];

	if (sysfs_reread(glance->status_fd, buf, sizeof(buf)) <= 0)
		return VFIOPM_STATUS_UNKNOWN;
	return status_parse(buf);
}
