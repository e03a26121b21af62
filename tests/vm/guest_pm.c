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
 *	vfork I MS	in a thread: waits for a child as vfork(2) does, which no signal interrupts
 *	toggle I N MAX	in a thread: N times d3 and d0, up to MAX microseconds apart
 *	churn I N	in a thread: N times close and open
 *	join		wait for the threads: "bad N rounds N"
 *	enough		the same, without the rounds that they have not begun
 *	listen PATH	make the socket of the guest's UART; port 02.4 is above device 0, the second
 *			is 11.0
 *	off I [MS]	d3, then OFF to the listener: "done US", "refused US" or "none US"; waits
 *			for MS, two seconds
 *	on I [MS]	ON, then d0: the same and what the BAR reads; waits for MS, five seconds
 *	sleeps I N	N times off and on, looking at the host: "bad N rounds N off US on US", the
 *			times on average
 *	bytes HEX...	to the wire
 *	hang		close the connection; the socket stays
 *	reset I		what a reset of the machine does to the device
 *	hot I		what a VMM does for a device without a reset of its own: a hot reset of its
 *			slot or bus, which is that of its neighbours
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "group_fd.h"
#include "guest_wire.h"
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
	atomic_bool enough;
	struct wire wire;
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

	for (int i = 0; i < d->rounds && !vmm.enough; i++) {
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

/* The child has no file of ours: it isn't another owner. */
static void *wait_unstoppable(void *data)
{
	unsigned int ms = *(unsigned int *)data;
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	pid_t pid = vfork();

	if (pid == 0) {
		syscall(SYS_close_range, 0, ~0u, 0);
		syscall(SYS_nanosleep, &time, NULL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return NULL;
}

static void start_unstoppable(int ms)
{
	static unsigned int time;
	pthread_t thread;

	time = (unsigned int)ms;
	if (pthread_create(&thread, NULL, wait_unstoppable, &time))
		die("start a thread", -EAGAIN);
	pthread_detach(thread);
	usleep(100000);
}

static void join(void)
{
	for (int i = 0; i < vmm.n; i++) {
		if (vmm.dev[i].running)
			pthread_join(vmm.dev[i].thread, NULL);
		vmm.dev[i].running = false;
	}
	vmm.enough = false;
	printf("bad %d rounds %d\n", atomic_exchange(&vmm.bad, 0), atomic_exchange(&vmm.done, 0));
}

/* ---- a guest whose ACPI table asks the host ---- */

static char ask(struct dev *d, unsigned int kind, int wait_ms, int64_t *us)
{
	bool second = d != &vmm.dev[0];
	int64_t start = wire_us();
	char answer;

	answer = wire_ask(&vmm.wire, kind, second ? 0xff : 0x14, second ? 0x88 : 0x00, wait_ms);
	*us = wire_us() - start;
	return answer;
}

static const char *answer_name(char answer)
{
	return answer == 'd' ? "done" : answer == 'r' ? "refused" : "none";
}

static void turn_off(struct dev *d, int wait_ms)
{
	int64_t us;
	char answer;

	set_power(d, 3);
	answer = ask(d, 1, wait_ms, &us);
	printf("%s %" PRId64 "\n", answer_name(answer), us);
}

static void turn_on(struct dev *d, int wait_ms)
{
	int64_t us;
	char answer = ask(d, 2, wait_ms, &us);

	set_power(d, 0);
	printf("%s %" PRId64 " 0x%08" PRIx32 "\n", answer_name(answer), us, touch(d));
}

/* What is wrong is said on standard error, so that one line answers the order. */
static bool one_sleep(struct dev *d, struct vfiopm_glance *glance, int64_t *off, int64_t *on)
{
	const char *name = vfiopm_device_get_name(d->device);
	int64_t us, end;
	bool good = true;

	set_power(d, 3);
	if (ask(d, 1, 2000, &us) != 'd') {
		fprintf(stderr, "%s: OFF isn't done\n", name);
		good = false;
	}
	*off += us;
	usleep((unsigned int)rand_r(&d->seed) % 40000);
	end = wire_us() + 5000000;
	while (rand_r(&d->seed) % 4 && good &&
	       (vfiopm_glance_status(glance) != VFIOPM_STATUS_SUSPENDED ||
		vfiopm_glance_state(glance) != VFIOPM_STATE_D3COLD)) {
		if (wire_us() > end) {
			fprintf(stderr, "%s: not asleep in D3cold\n", name);
			good = false;
		}
		usleep(1000);
	}
	if (ask(d, 2, 5000, &us) != 'd' ||
	    vfiopm_glance_status(glance) != VFIOPM_STATUS_ACTIVE) {
		fprintf(stderr, "%s: ON isn't done, or not really\n", name);
		good = false;
	}
	*on += us;
	set_power(d, 0);
	if (touch(d) != d->value) {
		fprintf(stderr, "%s: its register reads wrong\n", name);
		good = false;
	}
	return good;
}

static void sleeps(struct dev *d, int rounds)
{
	struct vfiopm_glance *glance;
	int64_t off = 0, on = 0;
	int bad = 0, r;

	r = vfiopm_glance_new(d->device, &glance);
	if (r < 0)
		die("look at the device", r);
	for (int i = 0; i < rounds; i++)
		bad += !one_sleep(d, glance, &off, &on);
	vfiopm_glance_free(glance);
	printf("bad %d rounds %d off %" PRId64 " on %" PRId64 "\n", bad, rounds,
	       rounds ? off / rounds : 0, rounds ? on / rounds : 0);
}

static void send_bytes(const char *hex)
{
	uint8_t bytes[64];
	unsigned int byte;
	size_t n = 0;

	while (n < sizeof(bytes) && sscanf(hex, "%2x", &byte) == 1) {
		bytes[n++] = (uint8_t)byte;
		hex += 2;
	}
	wire_send(&vmm.wire, bytes, n);
	printf("sent %zu\n", n);
}

/* As hw/vfio/pci.c has it: D0, no decoding, reset, BARs cleared; then the firmware's part. */
static void machine_reset(struct dev *d)
{
	uint16_t bars[12];

	set_power(d, 0);
	config_write(d, PCI_COMMAND, 0);
	for (unsigned int i = 0; i < 12; i++) {
		bars[i] = config_word(d, PCI_BASE_ADDRESS_0 + 2 * i);
		config_write(d, PCI_BASE_ADDRESS_0 + 2 * i, 0);
	}
	ioctl(vfiopm_handle_get_fd(d->handle), VFIO_DEVICE_RESET);
	usleep(100000);
	for (unsigned int i = 0; i < 12; i++)
		config_write(d, PCI_BASE_ADDRESS_0 + 2 * i, bars[i]);
	config_write(d, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	printf("0x%08" PRIx32 "\n", touch(d));
}

static void hot_reset(struct dev *d)
{
	char buffer[sizeof(struct vfio_pci_hot_reset) + sizeof(int)] = "";
	struct vfio_pci_hot_reset *reset = (void *)buffer;
	int group = group_fd(d->device);

	reset->argsz = sizeof(buffer);
	reset->count = group >= 0;
	memcpy(reset->group_fds, &group, sizeof(group));
	/*
	 * The link of QEMU's port isn't back as fast as the kernel wants it to be
	 * (pci_bridge_wait_for_secondary_bus()): a reset it was.
	 */
	if (ioctl(vfiopm_handle_get_fd(d->handle), VFIO_DEVICE_PCI_HOT_RESET, reset) < 0 &&
	    errno != ENOTTY)
		die("reset the slot", -errno);
	for (int i = 0; i < vmm.n; i++)
		config_write(&vmm.dev[i], PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	puts("ok");
}

static bool obey_wire(const char *order, const char *line, struct dev *d, int number)
{
	if (!strcmp(order, "listen")) {
		char path[108] = "";

		sscanf(line, "listen %107s", path);
		puts(wire_listen(&vmm.wire, path) ? "ok" : "cannot listen");
	} else if (!strcmp(order, "off")) {
		turn_off(d, number ? number : 2000);
	} else if (!strcmp(order, "on")) {
		turn_on(d, number ? number : 5000);
	} else if (!strcmp(order, "sleeps")) {
		sleeps(d, number);
	} else if (!strcmp(order, "bytes")) {
		send_bytes(line + strlen("bytes "));
	} else if (!strcmp(order, "hang")) {
		wire_accept(&vmm.wire);
		wire_drop(&vmm.wire);
		puts("ok");
	} else if (!strcmp(order, "reset")) {
		machine_reset(d);
	} else if (!strcmp(order, "hot")) {
		hot_reset(d);
	} else {
		return false;
	}
	return true;
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
	} else if (!strcmp(order, "vfork")) {
		start_unstoppable(rounds);
		puts("ok");
	} else if (!strcmp(order, "toggle")) {
		start(d, false, rounds, max);
		puts("ok");
	} else if (!strcmp(order, "churn")) {
		start(d, true, rounds, 0);
		puts("ok");
	} else if (!strcmp(order, "join") || !strcmp(order, "enough")) {
		vmm.enough = order[0] == 'e';
		join();
	} else {
		return obey_wire(order, line, d, rounds);
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
