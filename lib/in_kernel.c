// SPDX-License-Identifier: LGPL-2.1-or-later
/* The driver vfio-pm-pci, which deepens by itself: its attributes below vfio_pm/. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "private.h"

static const char *const files[] = {
	[VFIOPM_IN_KERNEL_DEEPEN] = "vfio_pm/deepen",
	[VFIOPM_IN_KERNEL_STATE_LOSS] = "vfio_pm/deepen_state_loss_ok",
	[VFIOPM_IN_KERNEL_RATE] = "vfio_pm/deepen_rate",
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
	if (r < 0)
		return r;
	return what == VFIOPM_IN_KERNEL_RATE && value >= 0 && value <= INT_MAX ? (int)value :
										 value != 0;
}

int in_kernel_open(const struct vfiopm_device *dev, enum vfiopm_in_kernel what)
{
	int dir, fd;

	if ((size_t)what >= ARRAY_SIZE(files))
		return -EINVAL;
	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	fd = sysfs_open_write_at(dev->ctx, dir, files[what]);
	close(dir);
	return fd;
}

int vfiopm_in_kernel_set(const struct vfiopm_device *dev, enum vfiopm_in_kernel what, int value)
{
	char text[16];
	int dir, r;

	if ((size_t)what >= ARRAY_SIZE(files) || value < 0)
		return -EINVAL;
	snprintf(text, sizeof(text), "%d", what == VFIOPM_IN_KERNEL_RATE ? value : value != 0);
	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	r = sysfs_write_at(dev->ctx, dir, files[what], text);
	close(dir);
	return r;
}
