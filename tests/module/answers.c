// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * answers ADDRESS: the table of answers of the low-power features, the same
 * for vfio-pci and vfio-pm-pci. Where they are meant to differ it is said.
 */
#include "common.h"

#define ENTRY VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
#define WAKEUP VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP
#define EXIT VFIO_DEVICE_FEATURE_LOW_POWER_EXIT
#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

struct row {
	const char *what;
	uint32_t flags;
	int payload; /* bytes */
	int want;
};

static const struct row table[] = {
	{ "probe entry", PROBE | ENTRY, 0, 0 },
	{ "probe entry for set", PROBE | SET | ENTRY, 0, 0 },
	{ "probe entry for get", PROBE | GET | ENTRY, 0, -EINVAL },
	{ "probe entry for both", PROBE | GET | SET | ENTRY, 0, -EINVAL },
	{ "probe wakeup entry", PROBE | WAKEUP, 0, 0 },
	{ "probe wakeup entry for set", PROBE | SET | WAKEUP, 0, 0 },
	{ "probe wakeup entry for get", PROBE | GET | WAKEUP, 0, -EINVAL },
	{ "probe exit", PROBE | EXIT, 0, 0 },
	{ "probe exit for set", PROBE | SET | EXIT, 0, 0 },
	{ "probe exit for get", PROBE | GET | EXIT, 0, -EINVAL },
	{ "entry without an operation", ENTRY, 0, -EINVAL },
	{ "get entry", GET | ENTRY, 0, -EINVAL },
	{ "get wakeup entry", GET | WAKEUP, 8, -EINVAL },
	{ "get exit", GET | EXIT, 0, -EINVAL },
	{ "get and set entry", GET | SET | ENTRY, 0, -EINVAL },
	{ "unknown flags", SET | ENTRY | 1u << 30, 0, -EINVAL },
	{ "wakeup entry without its data", SET | WAKEUP, 0, -EINVAL },
	{ "wakeup entry with half its data", SET | WAKEUP, 4, -EINVAL },
	{ "unknown feature", SET | 0xfff0, 0, -ENOTTY },
	{ "probe unknown feature", PROBE | 0xfff0, 0, -ENOTTY },
};

static void fixed(struct vt_dev *dev, const char *when)
{
	static const char zero[64];
	unsigned int i;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++)
		vt_is(vt_feature(dev->fd, table[i].flags, zero, table[i].payload), table[i].want,
		      "%s, %s", table[i].what, when);
}

static void argsz(struct vt_dev *dev)
{
	struct vfio_device_feature feature = { .flags = SET | ENTRY };
	int ret;

	feature.argsz = sizeof(feature) - 1;
	ret = ioctl(dev->fd, VFIO_DEVICE_FEATURE, &feature) ? -errno : 0;
	vt_is(ret, -EINVAL, "entry with an argsz that is too small");
	ret = ioctl(dev->fd, VFIO_DEVICE_FEATURE, NULL) ? -errno : 0;
	vt_is(ret, -EFAULT, "no argument");
}

/* The header lies at the end of what is mapped, its data behind that. */
static void half_mapped(struct vt_dev *dev)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	struct vfio_device_feature *feature;

	if (memory == MAP_FAILED || munmap(memory + page, page))
		vt_die("mmap");
	feature = (void *)(memory + page - sizeof(*feature));
	feature->argsz = sizeof(*feature) + sizeof(struct vfio_device_low_power_entry_with_wakeup);
	feature->flags = SET | WAKEUP;
	vt_is(ioctl(dev->fd, VFIO_DEVICE_FEATURE, feature) ? -errno : 0, -EFAULT,
	      "wakeup entry whose data isn't there");
	feature->argsz = sizeof(*feature);
	feature->flags = PROBE | SET | WAKEUP;
	vt_is(ioctl(dev->fd, VFIO_DEVICE_FEATURE, feature) ? -errno : 0, 0, "its probe");
	vt_is(vt_entry(dev), 0, "entry: nothing is half done");
	vt_is(vt_exit(dev), 0, "exit");
	munmap(memory, page);
}

static void eventfds(struct vt_dev *dev)
{
	int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	vt_is(vt_entry_wakeup(dev, -1), -EINVAL, "wakeup entry with eventfd -1");
	vt_is(vt_entry_wakeup(dev, -2), -EINVAL, "wakeup entry with eventfd -2");
	vt_is(vt_entry_wakeup(dev, 4000), -EBADF, "wakeup entry with a closed descriptor");
	vt_is(vt_entry_wakeup(dev, file), -EINVAL, "wakeup entry with no eventfd");
	close(file);
}

static void sequences(struct vt_dev *dev)
{
	int event = eventfd(0, EFD_CLOEXEC);

	vt_is(vt_exit(dev), 0, "exit without an entry");
	vt_is(vt_entry(dev), 0, "entry");
	vt_is(vt_entry(dev), -EINVAL, "second entry");
	vt_is(vt_entry_wakeup(dev, event), -EINVAL, "wakeup entry while engaged");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep");
	vt_is(vt_entry(dev), -EINVAL, "second entry, asleep");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep again");
	vt_is(vt_entry_wakeup(dev, event), -EINVAL, "wakeup entry while engaged, asleep");
	fixed(dev, "engaged");
	vt_is(vt_exit(dev), 0, "exit");
	vt_is(vt_exit(dev), 0, "second exit");
	vt_is(vt_signals(event, 0), 0, "no signal without the wakeup mode");

	vt_is(vt_entry(dev), 0, "entry, at once");
	vt_is(vt_exit(dev), 0, "exit, at once");

	vt_is(vt_entry_wakeup(dev, event), 0, "wakeup entry");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep in the wakeup mode");
	vt_is(vt_exit(dev), 0, "exit, which wakes");
	vt_is(vt_signals(event, 0), 1, "and is signalled, as any wake");
	vt_is(vt_exit(dev), 0, "second exit in the wakeup mode");

	vt_is(vt_entry_wakeup(dev, event), 0, "wakeup entry anew");
	vt_ok(vt_wait_asleep(dev, 3000), "asleep in the wakeup mode");
	vt_is(vt_entry(dev), 0, "entry: it has woken the device and ended the mode itself");
	vt_is(vt_signals(event, 0), 1, "signalled");
	vt_is(vt_exit(dev), 0, "exit");
	close(event);
}

int main(int argc, char **argv)
{
	struct vt_dev dev;

	if (argc != 2)
		return 2;
	vt_open(&dev, argv[1]);
	printf("# %s on %s\n", dev.address, dev.driver);
	fixed(&dev, "not engaged");
	argsz(&dev);
	half_mapped(&dev);
	eventfds(&dev);
	sequences(&dev);
	vt_close(&dev);
	return vt_done();
}
