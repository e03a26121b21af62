// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * quiet ADDRESS: config space read while low power is engaged is, byte for
 * byte, what an awake read gives; and what is promised quiet wakes nothing.
 */
#include "common.h"

#define SIZE 4096

static struct vt_dev dev;
static unsigned int size; /* of config space */

/* Reads all of it in units of WIDTH; what can't be read is left zero. */
static void read_all(uint8_t *bytes, unsigned int width)
{
	unsigned int pos;

	memset(bytes, 0, SIZE);
	for (pos = 0; pos + width <= size; pos += width)
		vt_read(&dev, pos, bytes + pos, width);
}

static unsigned int differences(const uint8_t *a, const uint8_t *b)
{
	unsigned int pos, n = 0;

	for (pos = 0; pos < size; pos++) {
		if (a[pos] == b[pos])
			continue;
		printf("# 0x%03x: %02x awake, %02x engaged\n", pos, a[pos], b[pos]);
		n++;
	}
	return n;
}

static void compare(const char *when)
{
	static const unsigned int widths[] = { 1, 2, 4 };
	uint8_t awake[SIZE], engaged[SIZE];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		read_all(awake, widths[i]);
		if (vt_entry(&dev))
			vt_die("entry");
		vt_wait_asleep(&dev, 3000);
		read_all(engaged, widths[i]);
		vt_exit(&dev);
		vt_is(differences(awake, engaged), 0, "%s: the same in units of %u", when,
		      widths[i]);
	}
}

struct promise {
	unsigned int pos, len;
};

static bool integrated(unsigned int pos)
{
	uint16_t type = vt_read16(&dev, pos + PCI_EXP_FLAGS) & PCI_EXP_FLAGS_TYPE;

	return type >> 4 == PCI_EXP_TYPE_RC_END;
}

static unsigned int promises(struct promise *list)
{
	unsigned int n = 0, pos, loops = 48;

	list[n++] = (struct promise){ PCI_VENDOR_ID, 4 };
	list[n++] = (struct promise){ PCI_VENDOR_ID, 2 };
	list[n++] = (struct promise){ PCI_DEVICE_ID, 2 };
	list[n++] = (struct promise){ PCI_CLASS_REVISION, 4 };
	list[n++] = (struct promise){ PCI_HEADER_TYPE, 1 };
	list[n++] = (struct promise){ PCI_SUBSYSTEM_VENDOR_ID, 4 };
	list[n++] = (struct promise){ PCI_CAPABILITY_LIST, 1 };
	if (!(vt_read16(&dev, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return n;
	for (pos = vt_read16(&dev, PCI_CAPABILITY_LIST) & 0xfc; pos && loops; loops--) {
		uint16_t header = vt_read16(&dev, pos);

		list[n++] = (struct promise){ pos, 2 };
		list[n++] = (struct promise){ pos, 1 };
		list[n++] = (struct promise){ pos + 1, 1 };
		if ((header & 0xff) == PCI_CAP_ID_PM)
			list[n++] = (struct promise){ pos + PCI_PM_PMC, 2 };
		if ((header & 0xff) == PCI_CAP_ID_MSIX)
			list[n++] = (struct promise){ pos + PCI_MSIX_TABLE, 8 };
		/* An integrated endpoint has no link. */
		if ((header & 0xff) == PCI_CAP_ID_EXP && !integrated(pos))
			list[n++] = (struct promise){ pos + PCI_EXP_LNKCAP, 4 };
		pos = header >> 8 & 0xfc;
	}
	for (pos = 0x100; pos && size == SIZE && loops; loops--) {
		uint32_t header = vt_read32(&dev, pos);

		if (!header)
			break;
		list[n++] = (struct promise){ pos, 4 };
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return n;
}

/* The driver has an account: it tells whether it is quiet at all. */
static void keeps_quiet(const char *when, bool quiet)
{
	struct promise list[256];
	uint8_t buffer[8], awake[256][8];
	unsigned int i, n = promises(list), asleep = 0, same = 0;
	long long reads, sleeps;

	for (i = 0; i < n; i++)
		vt_read(&dev, list[i].pos, awake[i], list[i].len);
	if (vt_entry(&dev))
		vt_die("entry");
	vt_ok(vt_wait_asleep(&dev, 3000), "%s: asleep", when);
	reads = vt_account(&dev, "quiet_reads");
	sleeps = vt_account(&dev, "sleeps");
	for (i = 0; i < n; i++) {
		vt_read(&dev, list[i].pos, buffer, list[i].len);
		same += !memcmp(buffer, awake[i], list[i].len);
		asleep += vt_asleep(&dev);
	}
	vt_is(same, n, "%s: %u promised fields read as awake", when, n);
	if (quiet) {
		vt_is(asleep, n, "%s: and the device slept on, each time", when);
		vt_is(vt_account(&dev, "quiet_reads") - reads, n, "%s: each is counted", when);
		vt_is(vt_account(&dev, "sleeps"), sleeps, "%s: no sleep but the first", when);
		reads = vt_account(&dev, "config_read");
		vt_read(&dev, PCI_STATUS - 2, buffer, 4);
		vt_is(vt_account(&dev, "config_read"), reads + 1, "%s: a live register wakes",
		      when);
		vt_ok(vt_wait_asleep(&dev, 3000), "%s: asleep again", when);
		vt_read(&dev, 0, buffer, 8);
		vt_is(vt_account(&dev, "config_read"), reads + 2,
		      "%s: constant and live bytes in one read wake", when);
	} else if (dev.ours) {
		vt_ok(vt_account(&dev, "config_read") > 0, "%s: reads wake", when);
	}
	vt_exit(&dev);
}

static bool use_irq(unsigned int index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	char buffer[sizeof(struct vfio_irq_set) + sizeof(int)] = "";
	struct vfio_irq_set *set = (void *)buffer;
	int event = eventfd(0, EFD_CLOEXEC);
	bool good;

	if (ioctl(dev.fd, VFIO_DEVICE_GET_IRQ_INFO, &info) || !info.count)
		return false;
	set->argsz = sizeof(buffer);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = 1;
	memcpy(set->data, &event, sizeof(event));
	good = !ioctl(dev.fd, VFIO_DEVICE_SET_IRQS, set);
	close(event);
	return good;
}

static void drop_irq(unsigned int index)
{
	struct vfio_irq_set set = { .argsz = sizeof(set),
				    .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
				    .index = index };

	ioctl(dev.fd, VFIO_DEVICE_SET_IRQS, &set);
}

static void bar_writes(void)
{
	uint32_t ones = 0xffffffff, old;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		old = vt_read32(&dev, PCI_BASE_ADDRESS_0 + 4 * i);
		vt_write(&dev, PCI_BASE_ADDRESS_0 + 4 * i, &ones, 4);
		vt_read32(&dev, PCI_BASE_ADDRESS_0 + 4 * i);
		vt_write(&dev, PCI_BASE_ADDRESS_0 + 4 * i, &old, 4);
	}
}

static void in_wakeup_mode(bool quiet)
{
	int event = eventfd(0, EFD_CLOEXEC);

	vt_is(vt_entry_wakeup(&dev, event), 0, "wakeup entry");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	vt_read16(&dev, PCI_VENDOR_ID);
	vt_is(vt_signals(event, 0), !quiet, "a constant read %s the wakeup mode",
	      quiet ? "leaves" : "ends");
	vt_is(vt_asleep(&dev), quiet, "the device %s", quiet ? "sleeps on" : "is awake");
	vt_exit(&dev);
	close(event);
}

int main(int argc, char **argv)
{
	char text[32];
	unsigned int mode;

	if (argc != 2)
		return 2;
	vt_open(&dev, argv[1]);
	snprintf(text, sizeof(text), "/sys/bus/pci/devices/%s/vfio_pm", argv[1]);
	printf("# %s on %s\n", dev.address, dev.driver);
	{
		uint8_t byte;

		size = vt_read(&dev, 256, &byte, 1) == 1 ? SIZE : 256;
	}
	{
		FILE *file = fopen("/sys/module/vfio_pm_pci/parameters/quiet_reads", "r");

		mode = 0;
		if (dev.ours && (!file || fscanf(file, "%u", &mode) != 1))
			vt_die("parameter quiet_reads");
		if (file)
			fclose(file);
	}
	compare("fresh");
	keeps_quiet("fresh", mode > 0);
	if (use_irq(VFIO_PCI_MSI_IRQ_INDEX)) {
		compare("with MSI");
		keeps_quiet("with MSI", mode > 0);
		drop_irq(VFIO_PCI_MSI_IRQ_INDEX);
		compare("after MSI");
	}
	if (use_irq(VFIO_PCI_MSIX_IRQ_INDEX)) {
		compare("with MSI-X");
		drop_irq(VFIO_PCI_MSIX_IRQ_INDEX);
	}
	bar_writes();
	compare("after BAR writes");
	if (!ioctl(dev.fd, VFIO_DEVICE_RESET)) {
		compare("after a reset");
		keeps_quiet("after a reset", mode > 0);
	}
	in_wakeup_mode(mode == 2);
	vt_close(&dev);
	return vt_done();
}
