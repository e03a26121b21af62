// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sleep ADDRESS [N]: what wakes a device and what ends low power, with either
 * driver; N accesses a burst. The differences between the two are the ones
 * that vfio-pm-pci(4) names.
 */
#include "common.h"

/* PCI_STATUS is live: it shows a pending interrupt. */
static void touch_live(struct vt_dev *dev)
{
	vt_read16(dev, PCI_STATUS);
}

static unsigned int burst_of(struct vt_dev *dev, unsigned int n, unsigned int ms)
{
	long long wakes = vt_wakes(dev);
	unsigned int i;

	for (i = 0; i < n; i++) {
		touch_live(dev);
		vt_sleep_ms(ms);
	}
	return vt_wakes(dev) - wakes;
}

static void access_wakes(struct vt_dev *dev)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint16_t before = vt_read16(dev, PCI_COMMAND);

	vt_is(vt_entry(dev), 0, "entry");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep");
	vt_is(vt_read16(dev, PCI_COMMAND), before, "a config read gives what it gave");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep after the read");
	vt_is(vt_write(dev, PCI_COMMAND, &before, 2), 2, "a config write works");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep after the write");
	vt_is(ioctl(dev->fd, VFIO_DEVICE_GET_INFO, &info), 0, "an ioctl works");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep after the ioctl");
	if (vt_first_bar(dev) >= 0) {
		struct vfio_region_info *bar = &dev->bar[vt_first_bar(dev)];
		uint32_t value;

		vt_is(pread(dev->fd, &value, 4, bar->offset), 4, "a read of a BAR works");
		vt_ok(vt_wait_asleep(dev, 3000), "asleep after the BAR");
	}
	vt_is(pread(dev->fd, &info, 4, 100ull << 40), -1, "a region that isn't there is refused");
	vt_is(vt_exit(dev), 0, "exit");
	vt_ok(!vt_asleep(dev), "awake after the exit");
	vt_sleep_ms(300);
	vt_ok(!vt_asleep(dev), "and stays awake");
}

static void burst(struct vt_dev *dev, unsigned int n)
{
	unsigned int wakes;
	uint64_t start;

	/* Longer than a busy host keeps the VM waiting between two reads. */
	if (dev->ours)
		vt_sysfs_write(dev->address, "power/autosuspend_delay_ms", "2000");
	vt_is(vt_entry(dev), 0, "entry for a burst");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep");
	start = vt_now_us();
	wakes = burst_of(dev, n, 1);
	printf("# %u reads 1 ms apart: %llu us\n", n, (unsigned long long)(vt_now_us() - start));
	if (dev->ours)
		vt_is(wakes, 1, "a burst of accesses costs one wake");
	vt_ok(vt_wait_asleep(dev, 9000), "asleep after the burst");
	start = vt_now_us();
	wakes = burst_of(dev, n / 10 + 2, 20);
	printf("# %u reads 20 ms apart: %llu us\n", n / 10 + 2,
	       (unsigned long long)(vt_now_us() - start));
	if (dev->ours)
		vt_is(wakes, 1, "a trickle of accesses costs one wake");
	vt_is(vt_exit(dev), 0, "exit");
	if (dev->ours)
		vt_sysfs_write(dev->address, "power/autosuspend_delay_ms", "100");
}

/* The first sleep isn't delayed by accesses before the entry. */
static void no_delay(struct vt_dev *dev)
{
	uint64_t start;

	vt_sysfs_write(dev->address, "power/autosuspend_delay_ms", "3000");
	touch_live(dev);
	start = vt_now_us();
	vt_is(vt_entry(dev), 0, "entry after an access, with a delay of 3 s");
	vt_ok(vt_wait_asleep(dev, 2500), "asleep long before that");
	printf("# %llu us\n", (unsigned long long)(vt_now_us() - start));
	vt_is(vt_exit(dev), 0, "exit");
	vt_is(vt_entry(dev), 0, "entry right after a wake");
	vt_ok(vt_wait_asleep(dev, 2500), "asleep long before the delay");
	vt_is(vt_exit(dev), 0, "exit");
	vt_sysfs_write(dev->address, "power/autosuspend_delay_ms", "100");
}

static void wakeup_mode(struct vt_dev *dev)
{
	int event = eventfd(0, EFD_CLOEXEC), bar = vt_first_bar(dev);
	volatile uint32_t *map = bar >= 0 ? vt_map(dev, bar, 4096) : NULL;
	uint32_t value;

	vt_enable_memory(dev);
	vt_is(vt_entry_wakeup(dev, event), 0, "wakeup entry");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep");
	vt_is(vt_signals(event, 0), 0, "no signal yet");
	touch_live(dev);
	vt_is(vt_signals(event, 0), 1, "an access signals once");
	vt_sleep_ms(300);
	vt_ok(!vt_asleep(dev), "and leaves low power");
	vt_ok(!map || vt_touch(map, &value), "the BAR can be touched");
	touch_live(dev);
	vt_is(vt_signals(event, 0), 0, "no second signal");

	vt_is(vt_entry_wakeup(dev, event), 0, "wakeup entry");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep");
	vt_host_wake(dev);
	vt_is(vt_signals(event, 1000), 1, "a wake by the host signals once");
	vt_sleep_ms(300);
	vt_ok(!vt_asleep(dev), "and leaves low power");
	if (map)
		munmap((void *)map, 4096);
	close(event);
}

static volatile uint32_t *map; /* of a BAR, for the accesses below */

static void by_config_read(struct vt_dev *dev)
{
	touch_live(dev);
}

static void by_config_write(struct vt_dev *dev)
{
	uint8_t line = 0;

	vt_write(dev, PCI_CACHE_LINE_SIZE, &line, 1);
}

static void by_region(struct vt_dev *dev)
{
	uint32_t value;

	if (pread(dev->fd, &value, 4, dev->bar[vt_first_bar(dev)].offset) != 4)
		vt_die("BAR read");
}

static void by_ioctl(struct vt_dev *dev)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	if (ioctl(dev->fd, VFIO_DEVICE_GET_INFO, &info))
		vt_die("GET_INFO");
}

static void by_probe(struct vt_dev *dev)
{
	if (vt_feature(dev->fd, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
		       NULL, 0))
		vt_die("probe");
}

static const struct {
	const char *name;
	void (*call)(struct vt_dev *dev);
} accesses[] = {
	{ "config read", by_config_read }, { "config write", by_config_write },
	{ "BAR read", by_region },	   { "ioctl", by_ioctl },
	{ "feature probe", by_probe },
};

/*
 * An access after the entry that comes before the device really sleeps: the
 * host keeps it awake here. vfio-pci stays in the mode, unsignalled.
 */
static void hole(struct vt_dev *dev)
{
	int event = eventfd(0, EFD_CLOEXEC);
	uint32_t value;
	unsigned int i;

	if (vt_first_bar(dev) < 0) {
		vt_ok(true, "no BAR to map");
		return;
	}
	map = vt_map(dev, vt_first_bar(dev), 4096);
	vt_enable_memory(dev);
	vt_sysfs_write(dev->address, "power/control", "on");
	for (i = 0; i < sizeof(accesses) / sizeof(*accesses); i++) {
		const char *name = accesses[i].name;

		vt_is(vt_entry_wakeup(dev, event), 0, "wakeup entry, held awake by the host");
		vt_ok(!vt_touch(map, &value), "no BAR");
		accesses[i].call(dev);
		vt_is(vt_signals(event, 0), dev->ours, "%s before it sleeps: %s", name,
		      dev->ours ? "signalled" : "vfio-pci doesn't signal");
		vt_is(vt_touch(map, &value), dev->ours, "%s: %s", name,
		      dev->ours ? "the mode is left, the BAR works" : "vfio-pci is engaged still");
		accesses[i].call(dev);
		vt_is(vt_signals(event, 0), 0, "no second signal");
		vt_is(vt_exit(dev), 0, "exit");
		vt_is(vt_signals(event, 0), 0, "which isn't signalled");
		vt_ok(vt_touch(map, &value), "the BAR works");
	}
	/* To enter and to leave is no access. */
	vt_is(vt_entry_wakeup(dev, event), 0, "wakeup entry");
	vt_is(vt_entry_wakeup(dev, event), -EINVAL, "a second one");
	vt_is(vt_signals(event, 0), 0, "isn't signalled");
	vt_ok(!vt_touch(map, &value), "and doesn't end the mode");
	vt_is(vt_exit(dev), 0, "exit");
	vt_is(vt_signals(event, 0), 0, "isn't signalled");
	vt_sysfs_write(dev->address, "power/control", "auto");
	munmap((void *)map, 4096);
	close(event);
}

/* Without a delay it is as with vfio-pci: a wake for each access after a sleep. */
static void without_delay(struct vt_dev *dev)
{
	unsigned int i, slept = 0;
	long long wakes;

	vt_sysfs_write(dev->address, "power/autosuspend_delay_ms", "5000");
	vt_is(vt_entry(dev), 0, "entry");
	vt_sysfs_write(dev->address, "power/autosuspend_delay_ms", "0");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep");
	wakes = vt_wakes(dev);
	for (i = 0; i < 20; i++) {
		touch_live(dev);
		vt_sleep_ms(20);
		/* A busy host may stop the machine for longer than that. */
		slept += vt_wait_asleep(dev, 3000);
	}
	vt_is(slept, 20, "no delay: asleep after each of 20 reads");
	vt_is(vt_wakes(dev) - wakes, 20, "20 wakes");
	vt_is(vt_exit(dev), 0, "exit");
	vt_sysfs_write(dev->address, "power/autosuspend_delay_ms", "100");
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 2 ? strtoul(argv[2], NULL, 0) : 50;
	struct vt_dev dev;

	if (argc < 2)
		return 2;
	vt_open(&dev, argv[1]);
	printf("# %s on %s\n", dev.address, dev.driver);
	access_wakes(&dev);
	burst(&dev, n);
	if (dev.ours) {
		no_delay(&dev);
		without_delay(&dev);
	}
	wakeup_mode(&dev);
	hole(&dev);
	vt_close(&dev);
	return vt_done();
}
