// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench_low_power ADDRESS ROUNDS: enter and exit of low power through libvfiopm against the bare
 * ioctl, in turns on one open device, so that both see the same machine. Prints both distributions
 * and the ratio of the medians.
 */
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "vfiopm.h"

enum { BARE_ENTER, LIB_ENTER, BARE_EXIT, LIB_EXIT, KINDS };

static const char *const names[KINDS] = { "enter, bare ioctl", "enter, library",
					  "exit, bare ioctl", "exit, library" };

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int bare(int fd, unsigned int feature)
{
	struct vfio_device_feature f = {
		.argsz = sizeof(f),
		.flags = feature | VFIO_DEVICE_FEATURE_SET,
	};

	return ioctl(fd, VFIO_DEVICE_FEATURE, &f);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
	struct vfiopm_device *dev;
	struct vfiopm_handle *h;
	struct vfiopm_addr addr;
	struct vfiopm_ctx *ctx;
	double *us[KINDS];
	size_t rounds;

	if (argc != 3 || vfiopm_addr_parse(argv[1], &addr) < 0 || vfiopm_ctx_new(NULL, &ctx) < 0 ||
	    vfiopm_device_new(ctx, &addr, &dev) < 0 ||
	    vfiopm_handle_open(dev, VFIOPM_BACKEND_AUTO, NULL, &h) < 0)
		return 2;
	rounds = strtoul(argv[2], NULL, 10);
	if (!rounds)
		return 2;
	for (int k = 0; k < KINDS; k++) {
		us[k] = calloc(rounds, sizeof(double));
		if (!us[k])
			return 2;
	}
	for (size_t i = 0; i < 2 * rounds; i++) {
		int fd = vfiopm_handle_get_fd(h), lib = (int)(i & 1), r;
		double start = now_us();

		r = lib ? vfiopm_low_power_enter(h) :
			  bare(fd, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
		us[lib ? LIB_ENTER : BARE_ENTER][i / 2] = now_us() - start;
		if (r < 0 || vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, 10000, NULL) < 0)
			return 1;
		start = now_us();
		r = lib ? vfiopm_low_power_exit(h) :
			  bare(fd, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
		us[lib ? LIB_EXIT : BARE_EXIT][i / 2] = now_us() - start;
		if (r < 0)
			return 1;
	}
	printf("%-18s %10s %10s %10s %10s %10s\n", "us", "min", "median", "p95", "p99", "max");
	for (int k = 0; k < KINDS; k++) {
		qsort(us[k], rounds, sizeof(double), by_value);
		printf("%-18s %10.1f %10.1f %10.1f %10.1f %10.1f\n", names[k], us[k][0],
		       us[k][rounds / 2], us[k][rounds * 95 / 100], us[k][rounds * 99 / 100],
		       us[k][rounds - 1]);
	}
	printf("ratio of medians, library to bare: enter %.3f, exit %.3f\n",
	       us[LIB_ENTER][rounds / 2] / us[BARE_ENTER][rounds / 2],
	       us[LIB_EXIT][rounds / 2] / us[BARE_EXIT][rounds / 2]);
	vfiopm_handle_close(h);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	return 0;
}
