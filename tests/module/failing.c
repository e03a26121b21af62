// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * failing ADDRESS: every allocation of the kernel on the way through bind,
 * open, entry and access fails in turn (/proc/thread-self/fail-nth): the call
 * then fails cleanly or gets by, and works the next time.
 *
 * Needs failslab with ignore-gfp-wait off, and the device unbound with its
 * driver_override set.
 */
#include "common.h"

static struct vt_dev dev;
static const char *address;

static void arm(unsigned int nth)
{
	char text[16];
	int fd = open("/proc/thread-self/fail-nth", O_WRONLY | O_CLOEXEC);

	snprintf(text, sizeof(text), "%u", nth);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		vt_die("fail-nth");
	close(fd);
}

/* True if an allocation has failed since arm(). */
static bool fired(void)
{
	char text[16] = "";
	int fd;

	fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	/* To open this file may have been what failed. */
	if (fd < 0)
		return true;
	if (read(fd, text, sizeof(text) - 1) < 0)
		return true;
	if (write(fd, "0", 1) < 0)
		vt_die("fail-nth off");
	close(fd);
	return !atoi(text);
}

static int do_bind(void)
{
	int fd = open("/sys/bus/pci/drivers/vfio-pm-pci/bind", O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, address, strlen(address)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static void undo_bind(void)
{
	vt_sysfs_write(address, "driver/unbind", address);
}

static int do_open(void)
{
	return vt_try_open(&dev, address);
}

static void undo_open(void)
{
	vt_close(&dev);
}

static int do_entry(void)
{
	return vt_entry(&dev);
}

static void undo_entry(void)
{
	vt_exit(&dev);
}

static int event;

static int do_wakeup(void)
{
	return vt_entry_wakeup(&dev, event);
}

static int do_read(void)
{
	uint16_t value;
	int ret = vt_read(&dev, PCI_STATUS, &value, 2);

	return ret == 2 ? 0 : ret;
}

static int do_map(void)
{
	volatile uint32_t *map = vt_map(&dev, vt_first_bar(&dev), 4096);
	uint32_t value;
	bool good;

	if (!map)
		return -errno;
	good = vt_touch(map, &value);
	munmap((void *)map, 4096);
	return good ? 0 : -ENOMEM;
}

static void nothing(void)
{
}

static bool engaged(void)
{
	char text[16];

	return atoi(vt_sysfs(address, "vfio_pm/engaged", text, sizeof(text)));
}

static void each(const char *what, int (*run)(void), void (*undo)(void), bool engages)
{
	unsigned int nth, failed = 0, got_by = 0, wrong = 0;

	for (nth = 1; nth < 3000; nth++) {
		bool hit;
		int ret;

		arm(nth);
		ret = run();
		hit = fired();
		if (engages && engaged() != (ret == 0)) {
			printf("# %s, allocation %u: %d, but engaged is %d\n", what, nth, ret,
			       engaged());
			wrong++;
		}
		if (!ret) {
			undo();
			got_by += hit;
			if (!hit)
				break;
			continue;
		}
		failed++;
		if (!hit) {
			printf("# %s: %s though nothing failed\n", what, strerror(-ret));
			wrong++;
			break;
		}
	}
	printf("# %s: %u allocations, %u failed the call, it got by without %u\n", what, nth - 1,
	       failed, got_by);
	vt_ok(!wrong && nth < 3000, "%s: clean at each failed allocation", what);
	vt_is(run(), 0, "%s: works after that", what);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	address = argv[1];
	each("bind", do_bind, undo_bind, false);
	each("open", do_open, undo_open, false);
	event = eventfd(0, EFD_CLOEXEC);
	vt_enable_memory(&dev);
	each("entry", do_entry, undo_entry, true);
	undo_entry();
	each("entry with wakeup", do_wakeup, undo_entry, true);
	undo_entry();
	each("map and touch", do_map, nothing, false);
	if (vt_entry(&dev))
		vt_die("entry");
	each("a read while engaged", do_read, nothing, false);
	vt_ok(vt_wait_asleep(&dev, 5000), "asleep");
	vt_is(vt_exit(&dev), 0, "exit");
	vt_close(&dev);
	vt_is(vt_account(&dev, "entries"), vt_account(&dev, "exits"),
	      "all that was entered was left");
	return vt_done();
}
