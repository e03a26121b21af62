// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vmm ADDRESS: what a virtual machine monitor does when its guest is paused.
 *
 * A monitor has the device open already. It hands its own descriptor to the
 * library, enters low power with a wakeup eventfd, and goes on with its event
 * loop. Whatever wakes the device, an access of its own too, signals the
 * eventfd; then it leaves low power for good, since the one-shot mode of the
 * kernel gives mappings back only on an explicit exit.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/vfio.h>
#include <vfiopm.h>

static int fail(const char *what, int r)
{
	fprintf(stderr, "vmm: %s: %s\n", what, strerror(-r));
	return 1;
}

/* A monitor has opened the device its own way; here the library does it. */
static int open_device(struct vfiopm_ctx *ctx, const char *text, struct vfiopm_device **dev,
		       struct vfiopm_handle **ours)
{
	struct vfiopm_addr addr;
	int r;

	r = vfiopm_addr_parse(text, &addr);
	if (r == 0)
		r = vfiopm_device_new(ctx, &addr, dev);
	if (r == 0)
		r = vfiopm_handle_open(*dev, VFIOPM_BACKEND_AUTO, NULL, ours);
	return r;
}

static void show(const char *when, const struct vfiopm_power *power)
{
	printf("%s: %s, %s\n", when, vfiopm_status_name(vfiopm_power_get_status(power)),
	       vfiopm_state_name(vfiopm_power_get_state(power)));
}

/* The guest runs again: its first access to the configuration space. */
static int guest_resumes(struct vfiopm_handle *handle, int wakeup)
{
	struct pollfd p = { .fd = wakeup, .events = POLLIN };
	uint16_t vendor;
	uint64_t count;
	int r;

	r = vfiopm_handle_read(handle, VFIO_PCI_CONFIG_REGION_INDEX, 0, &vendor, sizeof(vendor));
	if (r < 0)
		return r;
	printf("guest reads: vendor %04x\n", vendor);
	if (poll(&p, 1, 5000) != 1 || read(wakeup, &count, sizeof(count)) != sizeof(count))
		return -ETIME;
	printf("wakeup: signalled\n");
	return vfiopm_low_power_exit(handle);
}

static int pause_guest(struct vfiopm_ctx *ctx, struct vfiopm_device *dev, int fd)
{
	struct vfiopm_power *power = NULL;
	struct vfiopm_handle *handle;
	int wakeup, r;

	wakeup = eventfd(0, EFD_CLOEXEC);
	if (wakeup < 0)
		return -errno;
	r = vfiopm_handle_wrap(ctx, fd, &handle);
	if (r < 0)
		goto out;
	r = vfiopm_low_power_enter_with_wakeup(handle, wakeup);
	if (r == 0) {
		/* Reads sysfs only: looking doesn't wake. */
		r = vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, 5000, &power);
		if (power)
			show("paused", power);
		vfiopm_power_free(power);
		if (r == 0)
			r = guest_resumes(handle, wakeup);
	}
	if (r == 0 && vfiopm_power_new(dev, &power) == 0) {
		show("running", power);
		vfiopm_power_free(power);
	}
	vfiopm_handle_close(handle);	/* the descriptor stays the monitor's */
out:
	close(wakeup);
	return r;
}

int main(int argc, char **argv)
{
	struct vfiopm_handle *ours = NULL;
	struct vfiopm_device *dev = NULL;
	struct vfiopm_ctx *ctx;
	int r;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(argc == 2 ? stdout : stderr, "Usage: vmm ADDRESS\n");
		return argc == 2 ? 0 : 2;
	}
	r = vfiopm_ctx_new(NULL, &ctx);
	if (r < 0)
		return fail("context", r);
	r = open_device(ctx, argv[1], &dev, &ours);
	if (r == 0)
		r = pause_guest(ctx, dev, vfiopm_handle_get_fd(ours));
	vfiopm_handle_close(ours);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	return r < 0 ? fail(argv[1], r) : 0;
}
