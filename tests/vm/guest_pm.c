// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guest_pm DEVICE,BAR,OFFSET,VALUE...: an owner that knows nothing of low power, and does what a
 * VMM does for its guest: it has devices open and BARs mapped, and writes PCI_PM_CTRL. OFFSET in
 * BAR is a 32-bit register that always reads VALUE. An access that the kernel refuses kills it, as
 * it kills a VMM.
 *
 * Orders come on standard input, one a line; each is answered by one line. I is a device's number.
 *	d3 I		the guest suspends: write D3hot
 *	d0 I		the guest resumes: write D0, then touch the BAR
 *	touch I		touch the BAR
 *	pm I		read PCI_PM_CTRL
 *	open I, close I	a device goes and comes
 *	twice I		open it once more, by its name
 *	fork		a child inherits all, and sleeps
 *	toggle I N MAX	in a thread: N times d3 and d0, up to MAX microseconds apart
 *	churn I N	in a thread: N times close and open
 *	join		wait for the threads: "bad N rounds N"
 *	quit
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vfiopm.h"

#define DEVICES_MAX 4

struct dev {
	struct vfiopm_device *device;
	struct vfiopm_handle *handle, *second;
	unsigned int bar, offset, pm_cap;
	uint32_t value;
	volatile uint32_t *map;
	size_t size;
	/* a thread's work */
	pthread_t thread;
	bool running, churns;
	int rounds;
	unsigned int max_us, seed;
};

struct vmm {
	struct dev dev[DEVICES_MAX];
	int n;
	atomic_int bad, done;
};

static struct vmm vmm;

static void die(const char *what, int r)
{
	printf("cannot %s: %s\n", what, strerror(-r));
	fflush(stdout);
	_exit(1);
}

static void on_sigbus(int sig)
{
	static const char text[] = "SIGBUS\n";

	if (write(1, text, sizeof(text) - 1) < 0)
		_exit(1);
	signal(sig, SIG_DFL);
	raise(sig);
}

static uint16_t config_word(struct dev *d, unsigned int offset)
{
	uint16_t value;
	int r = vfiopm_handle_read(d->handle, VFIO_PCI_CONFIG_REGION_INDEX, offset, &value, 2);

	if (r < 0)
		die("read config space", r);
	return value;
}

static void config_write(struct dev *d, unsigned int offset, uint16_t value)
{
	int r = vfiopm_handle_write(d->handle, VFIO_PCI_CONFIG_REGION_INDEX, offset, &value, 2);

	if (r < 0)
		die("write config space", r);
}

/* A device of the same group: one process opens a group once. */
static struct vfiopm_handle *peer_of(const struct dev *d)
{
	for (int i = 0; i < vmm.n; i++)
		if (&vmm.dev[i] != d && vmm.dev[i].handle &&
		    vfiopm_device_get_group(vmm.dev[i].device) ==
			    vfiopm_device_get_group(d->device))
			return vmm.dev[i].handle;
	return NULL;
}

static void dev_open(struct dev *d)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = d->bar };
	int fd, r;
	void *map;

	r = vfiopm_handle_open(d->device, VFIOPM_BACKEND_AUTO, peer_of(d), &d->handle);
	if (r < 0)
		die("open", r);
	fd = vfiopm_handle_get_fd(d->handle);
	config_write(d, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (unsigned int at = config_word(d, PCI_CAPABILITY_LIST) & 0xfc; at;) {
		uint16_t entry = config_word(d, at);

		if ((entry & 0xff) == PCI_CAP_ID_PM)
			d->pm_cap = at;
		at = entry >> 8 & 0xfc;
	}
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
		die("find the BAR", -errno);
	d->size = info.size;
	map = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)info.offset);
	if (map == MAP_FAILED)
		die("map the BAR", -errno);
	d->map = map;
}

static void dev_close(struct dev *d)
{
	munmap((void *)d->map, d->size);
	vfiopm_handle_close(d->second);
	vfiopm_handle_close(d->handle);
	d->handle = d->second = NULL;
}

static uint32_t touch(const struct dev *d)
{
	return d->map[d->offset / 4];
}

static void set_power(struct dev *d, unsigned int state)
{
	config_write(d, d->pm_cap + PCI_PM_CTRL, (uint16_t)state);
}

static void pause_up_to(struct dev *d)
{
	usleep(d->max_us ? (unsigned int)rand_r(&d->seed) % d->max_us : 0);
}

static void *work(void *data)
{
	struct dev *d = data;

	for (int i = 0; i < d->rounds; i++) {
		if (d->churns) {
			dev_close(d);
			dev_open(d);
			atomic_fetch_add(&vmm.done, 1);
			continue;
		}
		set_power(d, 3);
		pause_up_to(d);
		set_power(d, 0);
		if (touch(d) != d->value)
			atomic_fetch_add(&vmm.bad, 1);
		atomic_fetch_add(&vmm.done, 1);
		pause_up_to(d);
	}
	return NULL;
}

static void start(struct dev *d, bool churns, int rounds, unsigned int max_us)
{
	d->churns = churns;
	d->rounds = rounds;
	d->max_us = max_us;
	d->running = true;
	if (pthread_create(&d->thread, NULL, work, d))
		die("start a thread", -EAGAIN);
}

static void join(void)
{
	for (int i = 0; i < vmm.n; i++) {
		if (vmm.dev[i].running)
			pthread_join(vmm.dev[i].thread, NULL);
		vmm.dev[i].running = false;
	}
	printf("bad %d rounds %d\n", atomic_exchange(&vmm.bad, 0), atomic_exchange(&vmm.done, 0));
}

static bool obey(const char *line)
{
	char order[16] = "";
	int i = 0, rounds = 0, r;
	unsigned int max = 0;
	struct dev *d;

	sscanf(line, "%15s %d %d %u", order, &i, &rounds, &max);
	if (i < 0 || i >= vmm.n)
		i = 0;
	d = &vmm.dev[i];
	if (!strcmp(order, "d3")) {
		set_power(d, 3);
		puts("ok");
	} else if (!strcmp(order, "d0")) {
		set_power(d, 0);
		printf("0x%08" PRIx32 "\n", touch(d));
	} else if (!strcmp(order, "touch")) {
		printf("0x%08" PRIx32 "\n", touch(d));
	} else if (!strcmp(order, "pm")) {
		printf("0x%04x\n", config_word(d, d->pm_cap + PCI_PM_CTRL));
	} else if (!strcmp(order, "close")) {
		dev_close(d);
		puts("ok");
	} else if (!strcmp(order, "open")) {
		dev_open(d);
		puts("ok");
	} else if (!strcmp(order, "twice")) {
		r = vfiopm_handle_open(d->device, VFIOPM_BACKEND_AUTO, d->handle, &d->second);
		if (r < 0)
			die("open again", r);
		puts("ok");
	} else if (!strcmp(order, "fork")) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		puts("ok");
	} else if (!strcmp(order, "toggle")) {
		start(d, false, rounds, max);
		puts("ok");
	} else if (!strcmp(order, "churn")) {
		start(d, true, rounds, 0);
		puts("ok");
	} else if (!strcmp(order, "join")) {
		join();
	} else {
		return false;
	}
	return true;
}

static void add(struct vfiopm_ctx *ctx, const char *arg)
{
	struct dev *d = &vmm.dev[vmm.n];
	struct vfiopm_addr addr;
	char name[32] = "";
	int r;

	if (vmm.n == DEVICES_MAX ||
	    sscanf(arg, "%31[^,],%u,%i,%i", name, &d->bar, (int *)&d->offset,
		   (int *)&d->value) != 4 ||
	    vfiopm_addr_parse(name, &addr) < 0)
		die(arg, -EINVAL);
	r = vfiopm_device_new(ctx, &addr, &d->device);
	if (r < 0)
		die(arg, r);
	d->seed = (unsigned int)getpid() * 7 + (unsigned int)vmm.n;
	vmm.n++;
	dev_open(d);
}

int main(int argc, char **argv)
{
	struct vfiopm_ctx *ctx;
	char line[128];

	signal(SIGBUS, on_sigbus);
	if (vfiopm_ctx_new(NULL, &ctx) < 0)
		return 1;
	for (int i = 1; i < argc; i++)
		add(ctx, argv[i]);
	printf("ready %d\n", (int)getpid());
	do
		fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && obey(line));
	return 0;
}
