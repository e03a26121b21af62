// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench_cycle ADDRESS ROUNDS: the bare loop that `vfio-pm cycle` is measured against: the two
 * ioctls, and between them a look at the runtime status until it says "suspended". Prints the
 * seconds that the rounds took.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "vfiopm.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int bare(int fd, unsigned int feature)
{
	struct vfio_device_feature f = {
		.argsz = sizeof(f),
		.flags = feature | VFIO_DEVICE_FEATURE_SET,
	};

	return ioctl(fd, VFIO_DEVICE_FEATURE, &f);
}

int main(int argc, char **argv)
{
	const struct timespec gap = { .tv_nsec = 100000 };
	struct vfiopm_device *dev;
	struct vfiopm_handle *h;
	struct vfiopm_addr addr;
	struct vfiopm_ctx *ctx;
	char path[128], text[16];
	int fd, status, rounds;
	double start;

	if (argc != 3 || vfiopm_addr_parse(argv[1], &addr) < 0 || vfiopm_ctx_new(NULL, &ctx) < 0 ||
	    vfiopm_device_new(ctx, &addr, &dev) < 0 ||
	    vfiopm_handle_open(dev, VFIOPM_BACKEND_AUTO, NULL, &h) < 0)
		return 2;
	fd = vfiopm_handle_get_fd(h);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/runtime_status",
		 vfiopm_device_get_name(dev));
	status = open(path, O_RDONLY | O_CLOEXEC);
	rounds = atoi(argv[2]);
	start = now();
	for (int i = 0; i < rounds; i++) {
		if (bare(fd, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY) < 0)
			return 1;
		while (pread(status, text, sizeof(text), 0) > 0 && strncmp(text, "suspended", 9))
			nanosleep(&gap, NULL);
		if (bare(fd, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT) < 0)
			return 1;
	}
	printf("%.6f\n", now() - start);
	close(status);
	vfiopm_handle_close(h);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	return 0;
}
