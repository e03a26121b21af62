// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * watcher [SECONDS]: prints each change of power state of the devices on VFIO.
 *
 * It looks every 100 ms and never wakes what it looks at: a snapshot reads none
 * of the attributes that resume a device or its port.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vfiopm.h>

#define MAX_DEVICES 256

static enum vfiopm_state seen[MAX_DEVICES];

static void look(struct vfiopm_list *list)
{
	struct vfiopm_device *dev;
	size_t i;

	vfiopm_list_foreach(list, i, dev) {
		struct vfiopm_power *power;
		enum vfiopm_state state;

		/* Gone meanwhile: not worth a word. */
		if (i == MAX_DEVICES || vfiopm_power_new(dev, &power) < 0)
			continue;
		state = vfiopm_power_get_state(power);
		if (state != seen[i])
			printf("%s %s -> %s, %s\n", vfiopm_device_get_name(dev),
			       vfiopm_state_name(seen[i]), vfiopm_state_name(state),
			       vfiopm_status_name(vfiopm_power_get_status(power)));
		seen[i] = state;
		vfiopm_power_free(power);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	long left = argc > 1 ? 10 * atol(argv[1]) : -1;
	struct vfiopm_list *list;
	struct vfiopm_ctx *ctx;
	int r;

	if (argc > 1 && argv[1][0] == '-') {
		printf("Usage: watcher [SECONDS]\n");
		return 0;
	}
	r = vfiopm_ctx_new(NULL, &ctx);
	if (r == 0)
		r = vfiopm_list_new(ctx, true, &list);
	if (r < 0) {
		fprintf(stderr, "watcher: %s\n", strerror(-r));
		return 1;
	}
	for (; left != 0; left -= left > 0) {
		look(list);
		nanosleep(&pause, NULL);
	}
	vfiopm_list_free(list);
	vfiopm_ctx_unref(ctx);
	return 0;
}
