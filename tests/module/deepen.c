// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * deepen ADDRESS ROUNDS: a program in the place of a VMM whose guest writes
 * D3hot and D0. Needs vfio-pm-pci and a device with a PM capability.
 * deepen --hot-reset ADDRESS NEIGHBOUR: a neighbour in its group resets both.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "common.h"

static struct vt_dev dev;
static unsigned int pm;
static volatile uint32_t *map;

static unsigned int state(void)
{
	return vt_read16(&dev, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK;
}

static void set_state(unsigned int to)
{
	uint16_t ctrl = vt_read16(&dev, pm + PCI_PM_CTRL);

	vt_write16(&dev, pm + PCI_PM_CTRL, (ctrl & ~PCI_PM_CTRL_STATE_MASK) | to);
}

static bool engaged(void)
{
	char text[16];

	return atoi(vt_sysfs(dev.address, "vfio_pm/engaged", text, sizeof(text)));
}

/* What the user's registers must be like after each way back to D0. */
static uint32_t known;
static uint32_t bars[6];

static bool restored(void)
{
	uint32_t value = 0;
	unsigned int i;

	for (i = 0; i < 6; i++)
		if (vt_read32(&dev, PCI_BASE_ADDRESS_0 + 4 * i) != bars[i])
			return false;
	vt_enable_memory(&dev);
	return vt_touch(map, &value) && value == known;
}

/* A BAR by read(2), as a VMM has it that maps nothing: 0 or -errno. */
static int bar_read(uint32_t *value)
{
	uint64_t offset = dev.bar[vt_first_bar(&dev)].offset;

	return pread(dev.fd, value, sizeof(*value), offset) == sizeof(*value) ? 0 : -errno;
}

static void off(bool soft_reset)
{
	vt_sysfs_write(dev.address, "vfio_pm/deepen", "0");
	set_state(3);
	vt_is(state(), 3, "off: D3hot reads as D3hot");
	vt_ok(!engaged(), "off: low power isn't engaged");
	vt_sleep_ms(300);
	vt_ok(!vt_asleep(&dev), "off: the device doesn't sleep");
	set_state(0);
	vt_ok(restored(), "off: D0 works");

	vt_sysfs_write(dev.address, "vfio_pm/deepen", "1");
	if (soft_reset) {
		vt_sysfs_write(dev.address, "vfio_pm/deepen", "0");
		set_state(3);
		vt_sysfs_write(dev.address, "vfio_pm/deepen", "1");
		vt_ok(engaged(), "allowed in D3hot: engaged at once");
		vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
		set_state(0);
		vt_ok(restored(), "and D0 works");
		return;
	}
	set_state(3);
	vt_ok(!engaged(), "No_Soft_Reset set: refused without a word that state may be lost");
	set_state(0);
	vt_ok(restored(), "and D0 works");
	vt_sysfs_write(dev.address, "vfio_pm/deepen_state_loss_ok", "1");
}

static void deep(void)
{
	uint32_t value;
	long long wakes;

	set_state(3);
	vt_ok(engaged(), "the write of D3hot engages low power");
	vt_is(bar_read(&value), -EIO, "a read of the BAR is an error");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	vt_is(bar_read(&value), -EIO, "and still is");
	wakes = vt_wakes(&dev);
	vt_is(state(), 3, "PCI_PM_CTRL reads D3hot");
	vt_ok(vt_asleep(&dev), "quietly");
	vt_ok(!vt_touch(map, &value), "a touch of the BAR is a SIGBUS");
	vt_is(vt_wakes(&dev), wakes, "nothing has woken it");

	vt_is(vt_read32(&dev, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK, 3,
	      "PCI_PM_CTRL read with what follows it: D3hot");
	vt_ok(!vt_asleep(&dev), "which wakes");
	vt_is(vt_read32(&dev, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK, 3, "and again, awake");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	vt_read16(&dev, PCI_STATUS);
	vt_ok(!vt_asleep(&dev), "a live register wakes");
	vt_is(state(), 3, "still D3hot for its user, awake");
	vt_ok(!vt_touch(map, &value), "still a SIGBUS");
	vt_ok(vt_wait_asleep(&dev, 3000), "and sleeps again by itself");
	vt_host_wake(&dev);
	vt_ok(vt_wait_asleep(&dev, 3000), "so it does after a wake by the host");
	vt_is(state(), 3, "D3hot");

	set_state(3);
	vt_ok(vt_wait_asleep(&dev, 3000), "D3hot written once more: sleeps on");
	set_state(0);
	vt_ok(!engaged(), "the write of D0 ends it");
	vt_is(state(), 0, "PCI_PM_CTRL reads D0");
	vt_ok(restored(), "BARs and register as before");
	vt_sleep_ms(300);
	vt_ok(!vt_asleep(&dev), "and the device stays awake");
}

static void nested(void)
{
	int event = eventfd(0, EFD_CLOEXEC);

	set_state(3);
	vt_is(vt_entry(&dev), 0, "entry in D3hot");
	vt_is(vt_entry(&dev), -EINVAL, "second entry");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	vt_is(vt_exit(&dev), 0, "exit");
	vt_ok(engaged(), "D3hot keeps low power engaged");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep again");
	vt_is(vt_entry(&dev), 0, "entry again");
	set_state(0);
	vt_ok(engaged(), "the entry keeps low power engaged");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep again");
	vt_is(vt_exit(&dev), 0, "exit");
	vt_ok(!engaged(), "left");
	vt_ok(restored(), "works");

	set_state(3);
	vt_is(vt_entry_wakeup(&dev, event), 0, "wakeup entry in D3hot");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	vt_is(state(), 3, "PCI_PM_CTRL reads D3hot");
	vt_is(vt_signals(event, 0), 1, "and that is an access, which ends the mode");
	vt_ok(engaged(), "but not D3hot's");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep again");
	set_state(0);
	vt_ok(restored(), "works");
	close(event);
}

/* A touch in the very moment that a reset returns. */
static void touch_after_reset(unsigned int rounds)
{
	unsigned int i, refused = 0, failed = 0, deep = 0;
	uint32_t value;

	for (i = 0; i < rounds; i++) {
		set_state(3);
		deep += engaged();
		if (i % 2)
			vt_wait_asleep(&dev, 3000);
		failed += ioctl(dev.fd, VFIO_DEVICE_RESET) != 0;
		vt_enable_memory(&dev);
		refused += !vt_touch(map, &value);
	}
	vt_is(deep, rounds, "%u resets in D3hot, engaged", rounds);
	vt_is(failed, 0, "each works");
	vt_is(refused, 0, "and the BAR works as soon as it has returned");
	vt_ok(!engaged(), "left");
}

/* A reset that is asked for in config space. */
static void function_level_reset(unsigned int rounds)
{
	unsigned int exp = vt_cap(&dev, PCI_CAP_ID_EXP), i, refused = 0, deep = 0;
	uint32_t value;
	uint16_t ctl;

	if (!exp || !(vt_read32(&dev, exp + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR)) {
		printf("# %s: no function level reset\n", dev.address);
		return;
	}
	ctl = vt_read16(&dev, exp + PCI_EXP_DEVCTL);
	for (i = 0; i < rounds; i++) {
		set_state(3);
		deep += engaged();
		if (i % 2)
			vt_wait_asleep(&dev, 3000);
		vt_write16(&dev, exp + PCI_EXP_DEVCTL, ctl | PCI_EXP_DEVCTL_BCR_FLR);
		vt_enable_memory(&dev);
		refused += !vt_touch(map, &value);
	}
	vt_is(deep, rounds, "%u function level resets in D3hot, engaged", rounds);
	vt_is(refused, 0, "and the BAR works as soon as each has returned");
	vt_ok(!engaged(), "left");
}

static void *suspends(void *arg)
{
	(void)arg;
	vt_write16(&dev, pm + PCI_PM_CTRL, 3);
	return NULL;
}

/* Two processors of a guest: one writes D3hot, the other D0 as soon as it sees that. */
static void overtaken(unsigned int rounds)
{
	unsigned int i, refused = 0, wrong = 0;
	pthread_t thread;
	uint32_t value;

	for (i = 0; i < rounds; i++) {
		if (pthread_create(&thread, NULL, suspends, NULL))
			vt_die("pthread_create");
		while (state() != 3)
			;
		set_state(0);
		wrong += state() != 0;
		vt_enable_memory(&dev);
		refused += !vt_touch(map, &value);
		pthread_join(thread, NULL);
	}
	vt_is(wrong, 0, "D0 written while D3hot is on its way, %u times: D0 it is", rounds);
	vt_is(refused, 0, "and the BAR works");
	vt_ok(!engaged(), "left");
}

static bool left_within(unsigned int ms)
{
	uint64_t end = vt_now_us() + ms * 1000ull;

	while (engaged() && vt_now_us() < end)
		vt_sleep_ms(5);
	return !engaged();
}

/* Constant config space is quiet after a reset as well, which a VMM's start is. */
static void quiet_after_reset(void)
{
	long long reads;

	vt_is(ioctl(dev.fd, VFIO_DEVICE_RESET), 0, "reset in D0");
	set_state(3);
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	reads = vt_account(&dev, "quiet_reads");
	vt_read32(&dev, PCI_VENDOR_ID);
	vt_ok(vt_asleep(&dev), "the vendor ID after a reset is read asleep");
	vt_is(vt_account(&dev, "quiet_reads"), reads + 1, "and counted as quiet");
	set_state(0);
	vt_ok(restored(), "works");
}

static void resets(void)
{
	set_state(3);
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	vt_is(ioctl(dev.fd, VFIO_DEVICE_RESET), 0, "reset");
	vt_ok(left_within(2000), "a reset by the user ends it");
	vt_is(state(), 0, "in D0");
	vt_ok(restored(), "works");

	set_state(3);
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	vt_is(vt_sysfs_write(dev.address, "reset", "1"), 0, "reset by the host");
	vt_ok(left_within(2000), "ends it too");
	vt_ok(!vt_asleep(&dev), "awake");
	set_state(0);
	vt_ok(restored(), "works");
}

static void toggles(unsigned int rounds)
{
	unsigned int i, wrong = 0, slept = 0;
	uint64_t start, longest = 0;

	srand(getpid());
	for (i = 0; i < rounds; i++) {
		set_state(3);
		vt_sleep_ms(rand() % 25);
		slept += vt_asleep(&dev);
		start = vt_now_us();
		set_state(0);
		if (vt_now_us() - start > longest)
			longest = vt_now_us() - start;
		wrong += !restored();
	}
	printf("# %u toggles, found asleep %u times, D0 took %llu us at most\n", rounds, slept,
	       (unsigned long long)longest);
	vt_is(wrong, 0, "the BAR right after D0, at random times: never refused, never wrong");
}

static void *turn_on_and_off(void *arg)
{
	atomic_bool *over = arg;

	while (!*over) {
		vt_sysfs_write(dev.address, "vfio_pm/deepen", "0");
		vt_sysfs_write(dev.address, "vfio_pm/deepen", "1");
		usleep(500);
	}
	return NULL;
}

/* A D3hot that is just being ended is none that lasts, whenever deepening is turned on. */
static void toggles_while_switched(unsigned int rounds)
{
	atomic_bool over = false;
	pthread_t thread;

	if (pthread_create(&thread, NULL, turn_on_and_off, &over))
		vt_die("pthread_create");
	toggles(rounds);
	over = true;
	pthread_join(thread, NULL);
}

/* A reset of bus or slot, asked for by the user of a neighbour. */
static int hot_reset(const char *neighbour)
{
	char buffer[sizeof(struct vfio_pci_hot_reset) + sizeof(int)] = "";
	struct vfio_pci_hot_reset *reset = (void *)buffer;
	int fd = ioctl(dev.group, VFIO_GROUP_GET_DEVICE_FD, neighbour);
	unsigned int i, refused = 0, failed = 0, deep = 0;
	uint32_t value;

	if (fd < 0)
		vt_die("cannot open %s", neighbour);
	vt_sysfs_write(dev.address, "vfio_pm/deepen", "1");
	vt_sysfs_write(dev.address, "vfio_pm/deepen_state_loss_ok", "1");
	reset->argsz = sizeof(buffer);
	reset->count = 1;
	memcpy(reset->group_fds, &dev.group, sizeof(dev.group));
	for (i = 0; i < 6; i++) {
		set_state(3);
		deep += engaged();
		if (i % 2)
			vt_wait_asleep(&dev, 3000);
		/*
		 * The link of QEMU's port isn't back as fast as the kernel wants
		 * it to be (pci_bridge_wait_for_secondary_bus()): a reset it was.
		 */
		if (ioctl(fd, VFIO_DEVICE_PCI_HOT_RESET, reset) && errno != ENOTTY) {
			printf("# hot reset: %s\n", strerror(errno));
			failed++;
		}
		vt_enable_memory(&dev);
		refused += !vt_touch(map, &value);
	}
	vt_is(deep, i, "%u hot resets by a neighbour's user, in D3hot, engaged", i);
	vt_is(failed, 0, "each is done");
	vt_is(refused, 0, "and the BAR works as soon as it has returned");
	vt_ok(!engaged(), "left");
	close(fd);
	vt_close(&dev);
	return vt_done();
}

int main(int argc, char **argv)
{
	bool hot = argc == 4 && !strcmp(argv[1], "--hot-reset");
	unsigned int i;
	int bar;

	if (argc != 3 && !hot)
		return 2;
	vt_open(&dev, argv[hot ? 2 : 1]);
	pm = vt_cap(&dev, PCI_CAP_ID_PM);
	bar = vt_first_bar(&dev);
	if (!pm || bar < 0)
		vt_die("no PM capability or no BAR");
	for (i = 0; i < 6; i++)
		bars[i] = vt_read32(&dev, PCI_BASE_ADDRESS_0 + 4 * i);
	vt_enable_memory(&dev);
	map = vt_map(&dev, bar, 4096);
	if (!map || !vt_touch(map, &known))
		vt_die("BAR");
	printf("# %s, register 0x%08x\n", dev.address, known);
	if (hot)
		return hot_reset(argv[3]);
	off(!(vt_read16(&dev, pm + PCI_PM_CTRL) & PCI_PM_CTRL_NO_SOFT_RESET));
	/* e1000e's first register has bits that only the driver of a reset sets */
	vt_touch(map, &known);
	deep();
	nested();
	quiet_after_reset();
	resets();
	touch_after_reset(20);
	function_level_reset(20);
	overtaken(200);
	vt_touch(map, &known);
	toggles(strtoul(argv[2], NULL, 0));
	toggles_while_switched(strtoul(argv[2], NULL, 0));

	set_state(3);
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep before the close");
	munmap((void *)map, 4096);
	vt_close(&dev);
	vt_ok(!engaged(), "a close ends it");
	vt_is(vt_account(&dev, "entries"), vt_account(&dev, "exits"),
	      "all that was entered was left");
	return vt_done();
}
