/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The descriptor of a group is what the library keeps to itself: found by its name. */
#ifndef GROUP_FD_H
#define GROUP_FD_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfiopm.h"

/* This process's file of @dev's group, -1: it has none. */
static inline int group_fd(const struct vfiopm_device *dev)
{
	char want[32], path[32], name[32];

	snprintf(want, sizeof(want), "/dev/vfio/%d", vfiopm_device_get_group(dev));
	for (int fd = 3; fd < 64; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, name, sizeof(name) - 1);
		if (n < 0)
			continue;
		name[n] = '\0';
		if (!strcmp(name, want))
			return fd;
	}
	return -1;
}

#endif /* GROUP_FD_H */
