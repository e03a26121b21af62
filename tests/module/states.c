// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * states d3hot ADDRESS		a device that its user put into D3hot
 * states irq ADDRESS INDEX	interrupts of an e1000e before and after sleep
 *
 * What the core does about these must be the same with either driver.
 */
#include "common.h"

static struct vt_dev dev;

static void power_state_is(const char *want, const char *when)
{
	char text[32];

	vt_sysfs(dev.address, "power_state", text, sizeof(text));
	if (!vt_ok(!strcmp(text, want), "%s: %s", when, want))
		printf("# got %s\n", text);
}

static void d3hot(void)
{
	unsigned int pm = vt_cap(&dev, PCI_CAP_ID_PM);
	volatile uint32_t *map = vt_map(&dev, vt_first_bar(&dev), 4096);
	uint16_t ctrl = vt_read16(&dev, pm + PCI_PM_CTRL);
	uint32_t value, bar = vt_read32(&dev, PCI_BASE_ADDRESS_0);

	vt_enable_memory(&dev);
	vt_ok(vt_touch(map, &value), "BAR works");
	vt_write16(&dev, pm + PCI_PM_CTRL, ctrl | 3);
	vt_is(vt_read16(&dev, pm + PCI_PM_CTRL) & 3, 3, "D3hot reads as such");
	power_state_is("D3hot", "written by the user");
	vt_ok(!vt_touch(map, &value), "no BAR in D3hot");
	vt_is(vt_entry(&dev), 0, "entry in D3hot");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	vt_is(vt_exit(&dev), 0, "exit");
	/* The core sets D0 when it suspends the device, and leaves it there. */
	vt_is(vt_read16(&dev, pm + PCI_PM_CTRL) & 3, 0, "D0 after a real suspend");
	vt_enable_memory(&dev);
	vt_ok(vt_touch(map, &value), "BAR works");
	vt_is(vt_read32(&dev, PCI_BASE_ADDRESS_0), bar, "BAR 0 is as it was");

	/* Something of the host holds it awake: no suspend, so still D3hot. */
	vt_sysfs_write(dev.address, "power/control", "on");
	vt_write16(&dev, pm + PCI_PM_CTRL, ctrl | 3);
	vt_is(vt_entry(&dev), 0, "entry in D3hot, held awake by the host");
	vt_sleep_ms(500);
	vt_ok(!vt_asleep(&dev), "not asleep");
	power_state_is("D3hot", "as the user left it");
	vt_is(vt_exit(&dev), 0, "exit");
	vt_is(vt_read16(&dev, pm + PCI_PM_CTRL) & 3, 3, "still D3hot");
	vt_write16(&dev, pm + PCI_PM_CTRL, ctrl & ~3);
	vt_sysfs_write(dev.address, "power/control", "auto");
	vt_enable_memory(&dev);
	vt_ok(vt_touch(map, &value), "BAR works after D0");
}

/* Registers of Intel's 8254x and its descendants, in BAR 0. */
#define ICR 0x00c0
#define ICS 0x00c8
#define IMS 0x00d0
#define IMC 0x00d8

static int set_irq(unsigned int index, int event)
{
	char buffer[sizeof(struct vfio_irq_set) + sizeof(int)] = "";
	struct vfio_irq_set *set = (void *)buffer;

	set->argsz = sizeof(buffer);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = 1;
	memcpy(set->data, &event, sizeof(event));
	return ioctl(dev.fd, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
}

static void unmask(unsigned int index)
{
	struct vfio_irq_set set = { .argsz = sizeof(set),
				    .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
				    .index = index,
				    .count = 1 };

	ioctl(dev.fd, VFIO_DEVICE_SET_IRQS, &set);
}

static bool interrupts(volatile uint32_t *map, unsigned int index, int event)
{
	uint64_t got;

	map[IMS / 4] = 4; /* link status change */
	map[ICS / 4] = 4;
	got = vt_signals(event, 2000);
	map[IMC / 4] = 0xffffffff;
	(void)map[ICR / 4];
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		unmask(index);
	/* INTx may have been raised again before it was acknowledged. */
	vt_signals(event, 50);
	return got >= 1;
}

static void irq(unsigned int index)
{
	int event = eventfd(0, EFD_CLOEXEC), i;
	volatile uint32_t *map = vt_map(&dev, 0, dev.bar[0].size);

	vt_write16(&dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vt_is(set_irq(index, event), 0, "interrupt %u set up", index);
	vt_ok(interrupts(map, index, event), "it comes");
	for (i = 0; i < 3; i++) {
		vt_is(vt_entry(&dev), 0, "entry");
		vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
		vt_is(vt_exit(&dev), 0, "exit");
		vt_write16(&dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		vt_ok(interrupts(map, index, event), "it comes after sleep %d", i + 1);
	}
	vt_is(vt_signals(event, 100), 0, "none that nobody asked for");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	vt_open(&dev, argv[2]);
	printf("# %s on %s\n", dev.address, dev.driver);
	if (!strcmp(argv[1], "d3hot"))
		d3hot();
	else if (argc == 4)
		irq(strtoul(argv[3], NULL, 0));
	vt_close(&dev);
	return vt_done();
}
