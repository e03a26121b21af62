// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gone ADDRESS PORT: a device that doesn't come back from a sleep is no longer
 * answered for. It goes, and comes back, by the bus numbers of the port above:
 * nobody claims what is meant for the buses behind it while they are zero. The
 * port is kept awake, as its own wake would restore them.
 */
#include "common.h"

static struct vt_dev dev;
static int port; /* its config space, in sysfs */

static uint32_t set_buses(uint32_t buses)
{
	uint32_t old;

	if (pread(port, &old, 4, PCI_PRIMARY_BUS) != 4 ||
	    pwrite(port, &buses, 4, PCI_PRIMARY_BUS) != 4)
		vt_die("bus numbers of the port");
	return old;
}

static void asleep(const char *when)
{
	vt_ok(vt_wait_asleep(&dev, 5000), "asleep %s", when);
}

/*
 * How many reads of the class, asleep, were answered without the device: 0 or
 * 1. Not of the vendor ID, which the core answers itself also when the device
 * is awake.
 */
static long long quiet_class(uint16_t *class)
{
	long long quiet = vt_account(&dev, "quiet_reads"), reads = vt_account(&dev, "config_read");

	*class = vt_read16(&dev, PCI_CLASS_DEVICE);
	quiet = vt_account(&dev, "quiet_reads") - quiet;
	reads = vt_account(&dev, "config_read") - reads;
	vt_is(quiet + reads, 1, "a read asleep is quiet or a wake");
	return quiet;
}

int main(int argc, char **argv)
{
	uint16_t known, class;
	unsigned int pm;
	uint32_t buses;
	char path[256];

	if (argc != 3)
		return 2;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", argv[2]);
	port = open(path, O_RDWR | O_CLOEXEC);
	if (port < 0)
		vt_die("%s", path);
	vt_sysfs_write(argv[2], "power/control", "on");
	vt_open(&dev, argv[1]);
	known = vt_read16(&dev, PCI_CLASS_DEVICE);
	pm = vt_cap(&dev, PCI_CAP_ID_PM);

	vt_is(vt_entry(&dev), 0, "entry");
	asleep("after the entry");
	vt_is(quiet_class(&class), 1, "the class is quiet");
	vt_is(ioctl(dev.fd, VFIO_DEVICE_RESET), 0, "reset while engaged");
	asleep("after the reset");
	vt_is(quiet_class(&class), 0, "the device is asked after a reset");
	vt_is(class, known, "and answers");

	vt_is(vt_exit(&dev), 0, "exit");
	vt_is(vt_entry(&dev), 0, "entry, which compares");
	asleep("again");
	vt_is(quiet_class(&class), 1, "quiet again");
	buses = set_buses(0);
	vt_is(vt_read16(&dev, PCI_STATUS), 0xffff, "it has gone: a live register is all ones");
	vt_is(vt_read16(&dev, PCI_CLASS_DEVICE), 0xffff, "and so is the class from then on");
	asleep("although it has gone");
	vt_is(quiet_class(&class), 0, "asked asleep, too");
	vt_is(class, 0xffff, "all ones");
	vt_is(vt_exit(&dev), 0, "exit of what has gone");
	vt_is(vt_entry(&dev), 0, "entry of what has gone");
	asleep("gone");
	vt_is(quiet_class(&class), 0, "the entry has not made up an answer");
	vt_is(class, 0xffff, "all ones");
	vt_exit(&dev);

	set_buses(buses);
	vt_is(vt_entry(&dev), 0, "entry of what has come back");
	asleep("back");
	vt_read16(&dev, PCI_STATUS);
	vt_is(vt_exit(&dev), 0, "exit");
	vt_is(vt_entry(&dev), 0, "entry, awake");
	asleep("back");
	vt_is(quiet_class(&class), 1, "quiet as before");
	vt_is(class, known, "and itself");
	vt_exit(&dev);

	/* The same of PCI_PM_CTRL, which is answered while the user's D3hot is deepened. */
	vt_sysfs_write(dev.address, "vfio_pm/deepen_state_loss_ok", "1");
	vt_sysfs_write(dev.address, "vfio_pm/deepen", "1");
	vt_write16(&dev, pm + PCI_PM_CTRL, 3);
	asleep("in D3hot");
	buses = set_buses(0);
	vt_is(vt_read16(&dev, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK, 3,
	      "nobody has noticed yet: D3hot");
	vt_read16(&dev, PCI_STATUS);
	/* All ones but for PME, which the core virtualizes. */
	vt_is(vt_read16(&dev, pm + PCI_PM_CTRL) | PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS,
	      0xffff, "all ones once it is known to have gone");
	vt_is(vt_read16(&dev, pm + PCI_PM_CTRL + 2), 0xffff, "and what is next to it");
	set_buses(buses);
	vt_close(&dev);
	vt_sysfs_write(argv[2], "power/control", "auto");
	return vt_done();
}
