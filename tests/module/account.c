// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * account ADDRESS ROUNDS [port]: every cause of a wake in turn, and the account after
 * each: that cause one more, no other. Prints "# total SLEEPS WAKES" at the
 * end, for comparison with the kernel's own trace. With "port", it is the port
 * above that has the power.
 */
#include "common.h"

static const char *const causes[] = { "config_read", "config_write", "region", "ioctl",
				      "feature", "open", "close", "host" };
#define CAUSES (sizeof(causes) / sizeof(*causes))

static struct vt_dev dev;

static void counts(long long *into)
{
	unsigned int i;

	for (i = 0; i < CAUSES; i++)
		into[i] = vt_account(&dev, causes[i]);
}

/* True when CAUSE and only CAUSE has one more than BEFORE. */
static bool one_more(const long long *before, const char *cause)
{
	long long now[CAUSES];
	bool good = true;
	unsigned int i;

	counts(now);
	for (i = 0; i < CAUSES; i++) {
		long long want = before[i] + !strcmp(causes[i], cause);

		if (now[i] != want) {
			printf("# %s: %lld, wanted %lld\n", causes[i], now[i], want);
			good = false;
		}
	}
	return good;
}

static bool last_wake_has(const char *line)
{
	char text[1024], wanted[128];

	snprintf(wanted, sizeof(wanted), "%s\n", line);
	vt_sysfs(dev.address, "vfio_pm/last_wake", text, sizeof(text) - 1);
	strcat(text, "\n");
	if (strstr(text, wanted))
		return true;
	printf("# no '%s' in last_wake: %s\n", line, text);
	return false;
}

static void do_config_read(void)
{
	vt_read16(&dev, PCI_STATUS);
}

static void do_config_write(void)
{
	uint8_t line = 0;

	vt_write(&dev, PCI_CACHE_LINE_SIZE, &line, 1);
}

static void do_region(void)
{
	uint32_t value;

	if (pread(dev.fd, &value, 4, dev.bar[vt_first_bar(&dev)].offset) != 4)
		vt_die("BAR read");
}

static void do_ioctl(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	if (ioctl(dev.fd, VFIO_DEVICE_GET_INFO, &info))
		vt_die("GET_INFO");
}

static void do_feature(void)
{
	if (vt_feature(dev.fd, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
		       NULL, 0))
		vt_die("probe");
}

/* In this very task, to be confused with an ioctl of it that comes later. */
static void do_host(void)
{
	vt_host_wake(&dev);
}

struct step {
	const char *cause;
	void (*wake)(void);
	const char *detail;
};

static const struct step steps[] = {
	{ "config_read", do_config_read, "offset 0x6" },
	{ "config_write", do_config_write, "offset 0xc" },
	{ "region", do_region, "offset 0x0" },
	{ "ioctl", do_ioctl, "command 0x3b6b" },
	{ "feature", do_feature, "feature 5" },
	{ "host", do_host, "cause host" },
};

/*
 * The port's resume has a kernel worker wake what is below it, which may be
 * faster than an ioctl, or the host, that waits for the port; nothing tells then
 * that they did.
 */
static bool behind_port;
static unsigned int overtaken;

static bool was_overtaken(const struct step *step, const long long *before)
{
	char text[1024];

	if (!behind_port || (step->wake != do_ioctl && step->wake != do_feature &&
			     step->wake != do_host))
		return false;
	vt_sysfs(dev.address, "vfio_pm/last_wake", text, sizeof(text));
	if (!strstr(text, "cause host\n") || !strstr(text, "comm kworker"))
		return false;
	overtaken++;
	return one_more(before, "host");
}

static unsigned int rounds_failed;

static void one_round(bool say)
{
	char pid[32];
	unsigned int i;

	snprintf(pid, sizeof(pid), "pid %d", getpid());
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		char cause[64];
		long long before[CAUSES];
		bool good;

		if (steps[i].wake == do_region && vt_first_bar(&dev) < 0)
			continue;
		if (!vt_wait_asleep(&dev, 5000))
			vt_die("not asleep before %s", steps[i].cause);
		counts(before);
		steps[i].wake();
		/* A second access finds it awake; a later ioctl isn't the host. */
		do_ioctl();
		snprintf(cause, sizeof(cause), "cause %s", steps[i].cause);
		good = was_overtaken(&steps[i], before) ||
		       (one_more(before, steps[i].cause) && last_wake_has(cause) &&
			last_wake_has(steps[i].detail) && last_wake_has(pid) &&
			last_wake_has("comm account"));
		if (say)
			vt_ok(good, "%s: one wake, of that cause, by us", steps[i].cause);
		rounds_failed += !good;
	}
}

/* The account's time asleep; SYSFS the kernel's, SKEW how long it took to look. */
static long long asleep_between(long long *sysfs, long long *skew)
{
	long long first = vt_account(&dev, "asleep_us");
	char text[64];

	*sysfs = atoll(vt_sysfs(dev.address, "power/runtime_suspended_time", text, sizeof(text)));
	*skew = vt_account(&dev, "asleep_us") - first;
	return first;
}

int main(int argc, char **argv)
{
	unsigned int rounds, i;
	long long entries, asleep, before, sysfs, sysfs_before, skew, skew_after;
	char text[64];

	behind_port = argc == 4 && !strcmp(argv[3], "port");
	if (argc != 3 && !behind_port)
		return 2;
	rounds = strtoul(argv[2], NULL, 0);
	vt_open(&dev, argv[1]);
	vt_enable_memory(&dev);
	entries = vt_account(&dev, "entries");
	vt_is(vt_entry(&dev), 0, "entry");
	vt_is(vt_account(&dev, "entries"), entries + 1, "counted");
	vt_is(atoi(vt_sysfs(dev.address, "vfio_pm/engaged", text, sizeof(text))), 1, "engaged");
	/*
	 * The time asleep is sysfs's, which shows whole milliseconds. A busy host
	 * may stop the VM between two looks: sysfs is between two of ours.
	 */
	vt_wait_asleep(&dev, 5000);
	before = asleep_between(&sysfs_before, &skew);
	for (i = 0; i < rounds; i++)
		one_round(i == 0);
	vt_is(rounds_failed, 0, "%u rounds, all right", rounds);
	if (behind_port)
		printf("# %u wakes were overtaken by a worker\n", overtaken);
	vt_sleep_ms(2000);
	vt_wait_asleep(&dev, 5000);
	asleep = asleep_between(&sysfs, &skew_after) - before;
	sysfs -= sysfs_before;
	printf("# asleep %lld us, sysfs says %lld ms, looks %lld us apart\n", asleep, sysfs,
	       skew + skew_after);
	vt_ok(llabs(asleep - sysfs * 1000) <= 2000 + skew + skew_after,
	      "time asleep is sysfs's");
	vt_is(vt_exit(&dev), 0, "exit");
	vt_is(vt_account(&dev, "exits"), entries + 1, "exits as many as entries");
	vt_is(atoi(vt_sysfs(dev.address, "vfio_pm/engaged", text, sizeof(text))), 0, "not engaged");

	vt_is(vt_entry(&dev), 0, "entry");
	vt_wait_asleep(&dev, 5000);
	i = vt_account(&dev, "close");
	vt_close(&dev);
	vt_is(vt_account(&dev, "close"), i + 1, "a close while asleep is a wake of its own kind");
	vt_is(vt_account(&dev, "exits"), vt_account(&dev, "entries"), "and an exit");
	return vt_done();
}
