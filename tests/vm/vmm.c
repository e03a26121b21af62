// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vmm: owns devices as a small VMM would, by the kernel's interface alone and
 * with no idea of low power. Commands on standard input, an answer each:
 *
 *	open ADDRESS		open its group where needed, and the device; map its first BAR
 *	close ADDRESS
 *	d3hot|d0 ADDRESS	write its PCI_PM_CTRL, as a guest's PCI core does
 *	enter|leave ADDRESS	low power, by itself
 *	fork ADDRESS		a child has all of it, too, until this one ends
 *	touch ADDRESS OFFSET	read 32 bits of the mapped BAR
 *	toggle ADDRESS OFFSET VALUE SECONDS
 *				d3hot and d0 at random times, a touch right after each d0, which
 *				must read VALUE; answers with the number of rounds
 *	reopen ADDRESS SECONDS [OTHER]
 *				close and open at random times, and d3hot; OTHER is woken and put
 *				into d3hot again; answers with the number of rounds
 *
 * A touched mapping that is gone kills it (SIGBUS), as it kills any VMM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define DEVICES_MAX 4
#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

struct device {
	char address[32];
	int fd;
	off_t config;
	unsigned int pm;	/* offset of PCI_PM_CTRL */
	volatile uint32_t *bar;
	size_t bar_size;
};

struct vmm {
	int container, group, group_number;
	struct device dev[DEVICES_MAX];
};

static void fail(const char *what)
{
	printf("failed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_up_to(int ms)
{
	struct timespec t = { .tv_nsec = (long)(rand() % (ms * 1000)) * 1000 };

	nanosleep(&t, NULL);
}

static void open_group(struct vmm *v, const char *address)
{
	char path[128], target[256];
	ssize_t n;
	int number;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		fail("iommu_group");
	target[n] = '\0';
	number = atoi(strrchr(target, '/') + 1);
	if (v->group >= 0 && v->group_number == number)
		return;
	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	v->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	v->group = open(path, O_RDWR | O_CLOEXEC);
	if (v->container < 0 || v->group < 0)
		fail(path);
	if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container) < 0 ||
	    ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		fail("container");
	v->group_number = number;
}

static void map_bar(struct device *d)
{
	for (unsigned int i = 0; i < 6; i++) {
		struct vfio_region_info info = { .argsz = sizeof(info), .index = i };
		void *map;

		if (ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0 ||
		    !(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || info.size < 4096)
			continue;
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd,
			   (off_t)info.offset);
		if (map == MAP_FAILED)
			continue;
		d->bar = map;
		d->bar_size = 4096;
		return;
	}
	fail("no BAR can be mapped");
}

static void find_pm(struct device *d)
{
	uint8_t at = 0, capability[2];

	if (pread(d->fd, &at, 1, d->config + 0x34) != 1)
		fail("config");
	while (at) {
		if (pread(d->fd, capability, 2, d->config + at) != 2)
			fail("config");
		if (capability[0] == 1) {
			d->pm = at + 4u;
			return;
		}
		at = capability[1];
	}
}

static struct device *find(struct vmm *v, const char *address)
{
	for (int i = 0; i < DEVICES_MAX; i++)
		if (!strcmp(v->dev[i].address, address))
			return &v->dev[i];
	return NULL;
}

static void open_device(struct vmm *v, const char *address)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = CONFIG };
	struct device *d = find(v, "");
	uint16_t command;

	open_group(v, address);
	if (!d)
		fail("too many devices");
	d->fd = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (d->fd < 0 || ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
		fail("device");
	snprintf(d->address, sizeof(d->address), "%s", address);
	d->config = (off_t)info.offset;
	if (pread(d->fd, &command, 2, d->config + 4) != 2)
		fail("command");
	command |= 2;
	if (pwrite(d->fd, &command, 2, d->config + 4) != 2)
		fail("command");
	find_pm(d);
	map_bar(d);
}

static void close_device(struct device *d)
{
	munmap((void *)d->bar, d->bar_size);
	close(d->fd);
	memset(d, 0, sizeof(*d));
}

static void write_state(struct device *d, unsigned int state)
{
	uint16_t control;

	if (pread(d->fd, &control, 2, d->config + d->pm) != 2)
		fail("PCI_PM_CTRL");
	control = (uint16_t)((control & ~3u) | state);
	if (pwrite(d->fd, &control, 2, d->config + d->pm) != 2)
		fail("PCI_PM_CTRL");
}

static void low_power(struct device *d, unsigned int feature)
{
	struct vfio_device_feature rq = { .argsz = sizeof(rq),
					  .flags = VFIO_DEVICE_FEATURE_SET | feature };

	if (ioctl(d->fd, VFIO_DEVICE_FEATURE, &rq) < 0)
		fail("low power");
}

static void fork_heir(void)
{
	pid_t parent = getpid();

	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

static void toggle(struct device *d, unsigned int offset, uint32_t expected, double seconds)
{
	double end = now() + seconds;
	int rounds = 0;

	while (now() < end) {
		uint32_t value;

		write_state(d, 3);
		pause_up_to(30);
		write_state(d, 0);
		value = d->bar[offset / 4];
		if (value != expected) {
			printf("failed: round %d: read 0x%08x\n", rounds, value);
			exit(1);
		}
		rounds++;
		pause_up_to(10);
	}
	printf("%d\n", rounds);
}

static void reopen(struct vmm *v, const char *address, double seconds, struct device *other)
{
	double end = now() + seconds;
	int rounds = 0;

	while (now() < end) {
		close_device(find(v, address));
		pause_up_to(20);
		open_device(v, address);
		write_state(find(v, address), 3);
		if (other) {
			write_state(other, 0);
			write_state(other, 3);
		}
		/* Now and then long enough for somebody to come in between. */
		if (rounds % 4 == 3)
			sleep(2);
		pause_up_to(20);
		rounds++;
	}
	printf("%d\n", rounds);
}

static void obey(struct vmm *v, char *line)
{
	char verb[16] = "", address[32] = "", a[32] = "0", b[32] = "0", c[32] = "0";
	struct device *d;

	sscanf(line, "%15s %31s %31s %31s %31s", verb, address, a, b, c);
	d = find(v, address);
	if (!strcmp(verb, "open")) {
		open_device(v, address);
	} else if (!d) {
		errno = ENODEV;
		fail(line);
	} else if (!strcmp(verb, "close")) {
		close_device(d);
	} else if (!strcmp(verb, "d3hot") || !strcmp(verb, "d0")) {
		write_state(d, verb[1] == '3' ? 3 : 0);
	} else if (!strcmp(verb, "enter") || !strcmp(verb, "leave")) {
		low_power(d, verb[0] == 'e' ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY :
					      VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	} else if (!strcmp(verb, "fork")) {
		fork_heir();
	} else if (!strcmp(verb, "touch")) {
		printf("0x%08x\n", d->bar[strtoul(a, NULL, 0) / 4]);
		return;
	} else if (!strcmp(verb, "toggle")) {
		toggle(d, (unsigned int)strtoul(a, NULL, 0), (uint32_t)strtoul(b, NULL, 0),
		       atof(c));
		return;
	} else if (!strcmp(verb, "reopen")) {
		reopen(v, address, atof(a), find(v, b));
		return;
	}
	printf("ok\n");
}

int main(void)
{
	struct vmm v = { .group = -1 };
	char line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	srand((unsigned int)getpid());
	while (fgets(line, sizeof(line), stdin))
		obey(&v, line);
	return 0;
}
