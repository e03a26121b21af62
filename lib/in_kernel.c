// SPDX-License-Identifier: LGPL-2.1-or-later
/* The driver vfio-pm-pci, which deepens by itself: its attributes below vfio_pm/. */
#include <errno.h>
#include <unistd.h>

#include "private.h"

static const char *const files[] = {
	[VFIOPM_IN_KERNEL_DEEPEN] = "vfio_pm/deepen",
	[VFIOPM_IN_KERNEL_STATE_LOSS] = "vfio_pm/deepen_state_loss_ok",
};

int vfiopm_in_kernel_get(const struct vfiopm_device *dev, enum vfiopm_in_kernel what)
{
	int64_t value = 0;
	int dir, r;

	if ((size_t)what >= ARRAY_SIZE(files))
		return -EINVAL;
	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	r = sysfs_read_int_at(dev->ctx, dir, files[what], &value);
	close(dir);
	return r < 0 ? r : value != 0;
}

int vfiopm_in_kernel_set(const struct vfiopm_device *dev, enum vfiopm_in_kernel what, bool on)
{
	int dir, r;

	if ((size_t)what >= ARRAY_SIZE(files))
		return -EINVAL;
	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	r = sysfs_write_at(dev->ctx, dir, files[what], on ? "1" : "0");
	close(dir);
	return r;
}
