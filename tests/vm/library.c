// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * library ADDRESS [group|cdev]: what libvfiopm answers on a real device that is on a VFIO driver
 * with disable_idle_d3=1. A line a case, "ok" or "not ok"; the exit status counts the failures.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vfiopm.h"

static int failures;

static void check(const char *what, int got, int wanted)
{
	printf("%sok: %s", got == wanted ? "" : "not ", what);
	if (got != wanted) {
		failures++;
		printf(": %d (%s) instead of %d", got, got < 0 ? strerror(-got) : "", wanted);
	}
	putchar('\n');
}

static int signalled(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms);
}

static void low_power(const struct vfiopm_device *dev, struct vfiopm_handle *h)
{
	struct vfiopm_power *power;
	unsigned int features = 0;
	uint16_t id = 0;
	int wake;

	check("probe", vfiopm_low_power_probe(h, &features), 0);
	check("all three features", (int)features, 7);
	check("enter", vfiopm_low_power_enter(h), 0);
	check("enter again", vfiopm_low_power_enter(h), -EINVAL);
	/* That ioctl itself woke the device; it falls asleep again. */
	check("asleep", vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, 10000, &power), 0);
	check("is asleep", vfiopm_power_is_asleep(power), 1);
	vfiopm_power_free(power);
	check("exit", vfiopm_low_power_exit(h), 0);
	check("exit again", vfiopm_low_power_exit(h), 0);
	check("active", vfiopm_power_wait_active(dev, 1000, NULL), 0);
	check("read the vendor ID", vfiopm_handle_read(h, 7, 0, &id, 2), 0);
	check("as sysfs says", id, (int)vfiopm_device_get_vendor(dev));

	wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	check("wakeup mode without an eventfd", vfiopm_low_power_enter_with_wakeup(h, -1), -EINVAL);
	check("wakeup mode with what is none", vfiopm_low_power_enter_with_wakeup(h, 0), -EINVAL);
	check("wakeup mode", vfiopm_low_power_enter_with_wakeup(h, wake), 0);
	check("asleep", vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, 10000, NULL), 0);
	check("not woken yet", signalled(wake, 0), 0);
	check("an access wakes it", vfiopm_handle_read(h, 7, 0, &id, 2), 0);
	check("and is told", signalled(wake, 2000), 1);
	check("exit all the same", vfiopm_low_power_exit(h), 0);
	close(wake);
}

static void wrapped(struct vfiopm_ctx *ctx, const struct vfiopm_device *dev,
		    struct vfiopm_handle *owner)
{
	struct vfiopm_handle *h;
	int fd = vfiopm_handle_get_fd(owner), r;

	check("wrap no descriptor", vfiopm_handle_wrap(ctx, -1, &h), -EBADF);
	check("wrap another file", vfiopm_handle_wrap(ctx, 0, &h), -ENOTTY);
	r = vfiopm_handle_wrap(ctx, fd, &h);
	check("wrap the descriptor of a VMM", r, 0);
	if (r < 0)
		return;
	check("it is a wrapped one", (int)vfiopm_handle_get_backend(h), VFIOPM_BACKEND_WRAPPED);
	low_power(dev, h);
	vfiopm_handle_close(h);
	check("the descriptor is still the VMM's", vfiopm_low_power_exit(owner), 0);
}

int main(int argc, char **argv)
{
	enum vfiopm_backend backend = VFIOPM_BACKEND_AUTO;
	struct vfiopm_handle *h, *second;
	struct vfiopm_device *dev;
	struct vfiopm_addr addr;
	struct vfiopm_ctx *ctx;
	uint32_t word;
	int r;

	if (argc < 2 || vfiopm_addr_parse(argv[1], &addr) < 0 || vfiopm_ctx_new(NULL, &ctx) < 0 ||
	    vfiopm_device_new(ctx, &addr, &dev) < 0)
		return 99;
	if (argc > 2)
		backend = strcmp(argv[2], "cdev") ? VFIOPM_BACKEND_GROUP : VFIOPM_BACKEND_CDEV;
	r = vfiopm_handle_open(dev, backend, NULL, &h);
	check("open", r, 0);
	if (r < 0)
		return 98;
	if (backend != VFIOPM_BACKEND_AUTO)
		check("opened as asked", (int)vfiopm_handle_get_backend(h), (int)backend);
	printf("backend: %s\n",
	       vfiopm_handle_get_backend(h) == VFIOPM_BACKEND_CDEV ? "cdev" : "group");
	check("a second open elsewhere", vfiopm_handle_open(dev, backend, NULL, &second), -EBUSY);
	check("read outside of a region", vfiopm_handle_read(h, 7, 1 << 20, &word, 4), -EINVAL);
	check("no such region", vfiopm_handle_read(h, 99, 0, &word, 4), -EINVAL);
	low_power(dev, h);
	wrapped(ctx, dev, h);
	vfiopm_handle_close(h);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	return failures;
}
