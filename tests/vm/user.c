// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * user ADDRESS [open|d3hot|map|busy|ask|heir]: uses a device as a VMM would, prints "ready", and
 * goes on until its input ends.
 *	open	has it open (default)
 *	d3hot	puts it into D3hot by PCI_PM_CTRL, as a guest's driver does
 *	busy	enters low power, and reads config space again and again
 *	ask	enters low power, and asks the kernel for the device's interrupts, by an ioctl, for
 *		each line of its input
 *	heir	reads config space; a child has it from the first line of input on, says "heir PID"
 *		and reads config space; the parent ends
 *	map	closes every descriptor and keeps a mapping of the first BAR that can be mapped
 */
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfiopm.h"

static void check(const char *what, int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "user: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* Register 4 of the power management capability, ID 1. */
static void write_d3hot(struct vfiopm_handle *h)
{
	uint8_t at = 0, id = 0;
	uint16_t control;

	check("capabilities", vfiopm_handle_read(h, VFIO_PCI_CONFIG_REGION_INDEX, 0x34, &at, 1));
	while (at) {
		check("capability",
		      vfiopm_handle_read(h, VFIO_PCI_CONFIG_REGION_INDEX, at, &id, 1));
		if (id == 1)
			break;
		check("next",
		      vfiopm_handle_read(h, VFIO_PCI_CONFIG_REGION_INDEX, at + 1u, &at, 1));
	}
	if (!at)
		check("no power management capability", -19);
	check("PCI_PM_CTRL",
	      vfiopm_handle_read(h, VFIO_PCI_CONFIG_REGION_INDEX, at + 4u, &control, 2));
	control |= 3;
	check("PCI_PM_CTRL",
	      vfiopm_handle_write(h, VFIO_PCI_CONFIG_REGION_INDEX, at + 4u, &control, 2));
}

static void map_bar(struct vfiopm_handle *h)
{
	for (unsigned int bar = 0; bar < 6; bar++) {
		struct vfio_region_info info = { .argsz = sizeof(info), .index = bar };
		void *map;

		if (ioctl(vfiopm_handle_get_fd(h), VFIO_DEVICE_GET_REGION_INFO, &info) < 0 ||
		    !(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || info.size < 4096)
			continue;
		map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, vfiopm_handle_get_fd(h),
			   (off_t)info.offset);
		if (map != MAP_FAILED)
			return;
	}
	check("no BAR can be mapped", -19);
}

static void read_config(struct vfiopm_handle *h)
{
	uint16_t id;

	check("config space", vfiopm_handle_read(h, VFIO_PCI_CONFIG_REGION_INDEX, 6, &id, 2));
}

/* Until the input ends. Each read wakes the device, which falls asleep at once. */
static void be_busy(struct vfiopm_handle *h)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	while (poll(&in, 1, 5) == 0)
		read_config(h);
}

static void ask(struct vfiopm_handle *h)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {
		struct vfio_irq_info info = { .argsz = sizeof(info) };

		if (ioctl(vfiopm_handle_get_fd(h), VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
			check("interrupts", -1);
	}
}

static void hand_on(struct vfiopm_handle *h)
{
	char c;

	if (read(STDIN_FILENO, &c, 1) != 1 || fork())
		_exit(0);
	read_config(h);
	printf("heir %d\n", (int)getpid());
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "open";
	struct vfiopm_handle *handle;
	struct vfiopm_device *dev;
	struct vfiopm_addr addr;
	struct vfiopm_ctx *ctx;
	char c;

	if (argc < 2)
		return 2;
	check(argv[1], vfiopm_addr_parse(argv[1], &addr));
	check("context", vfiopm_ctx_new(NULL, &ctx));
	check(argv[1], vfiopm_device_new(ctx, &addr, &dev));
	check("open", vfiopm_handle_open(dev, VFIOPM_BACKEND_AUTO, NULL, &handle));
	if (!strcmp(how, "d3hot"))
		write_d3hot(handle);
	if (!strcmp(how, "map")) {
		map_bar(handle);
		vfiopm_handle_close(handle);
		handle = NULL;
	}
	if (!strcmp(how, "busy") || !strcmp(how, "ask"))
		check("low power", vfiopm_low_power_enter(handle));
	if (!strcmp(how, "heir"))
		read_config(handle);
	puts("ready");
	fflush(stdout);
	if (!strcmp(how, "busy"))
		be_busy(handle);
	if (!strcmp(how, "ask"))
		ask(handle);
	if (!strcmp(how, "heir"))
		hand_on(handle);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	vfiopm_handle_close(handle);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	return 0;
}
