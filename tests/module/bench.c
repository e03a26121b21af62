// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench ADDRESS [N [short]]: what accesses, entry and exit cost with the driver
 * that the device is bound to, by N reads of a kind (500); "short" leaves out
 * those with pauses. One line "KEY VALUE" a figure, times in microseconds.
 */
#include "common.h"

static struct vt_dev dev;

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void say(const char *key, double value)
{
	printf("%s %.2f\n", key, value);
	fflush(stdout);
}

/*
 * Two reads further apart than the autosuspend delay (100 ms by default) find
 * the device asleep, rightly: on a busy host the VM itself stands still at times.
 */
#define GAP_NS 95000000ull

/* N reads MS apart: time in all, each read's median, and pauses that were too long. */
static void engaged_reads(const char *key, unsigned int pos, unsigned int n, unsigned int ms)
{
	static uint64_t each[1000];
	uint64_t start, begin, before = 0;
	unsigned int i, gaps = 0;
	char name[64];

	if (vt_entry(&dev))
		vt_die("entry");
	vt_wait_asleep(&dev, 3000);
	/* The marks let the caller count the kernel's own events in between. */
	printf("begin %s\n", key);
	fflush(stdout);
	getchar();
	start = vt_now_us();
	for (i = 0; i < n; i++) {
		begin = now_ns();
		gaps += before && begin - before > GAP_NS;
		before = begin;
		vt_read16(&dev, pos);
		each[i] = now_ns() - begin;
		if (ms)
			vt_sleep_ms(ms);
	}
	snprintf(name, sizeof(name), "%s_gaps", key);
	say(name, gaps);
	snprintf(name, sizeof(name), "%s_total", key);
	say(name, vt_now_us() - start);
	qsort(each, n, sizeof(*each), compare);
	snprintf(name, sizeof(name), "%s_median", key);
	say(name, each[n / 2] / 1e3);
	printf("end %s\n", key);
	fflush(stdout);
	getchar();
	vt_exit(&dev);
}

/* The fastest of several batches: the host's other work only ever adds. */
static double best(void (*once)(void), unsigned int n)
{
	uint64_t start, least = UINT64_MAX;
	unsigned int batch, i;

	for (batch = 0; batch < 20; batch++) {
		start = now_ns();
		for (i = 0; i < n; i++)
			once();
		if (now_ns() - start < least)
			least = now_ns() - start;
	}
	return least / 1e3 / n;
}

static volatile uint32_t *map;

static void read_live(void)
{
	vt_read16(&dev, PCI_STATUS);
}

static void read_mapped(void)
{
	(void)*map;
}

static void read_region(void)
{
	uint32_t value;

	if (pread(dev.fd, &value, 4, dev.bar[vt_first_bar(&dev)].offset) != 4)
		vt_die("BAR read");
}

int main(int argc, char **argv)
{
	uint64_t entry[50], sleep[50], leave[50], start;
	unsigned int i, n = argc > 2 ? strtoul(argv[2], NULL, 0) : 500;
	bool pauses = argc < 4 || strcmp(argv[3], "short") != 0;

	if (argc < 2 || n < 5 || n > 1000)
		return 2;
	vt_open(&dev, argv[1]);
	vt_enable_memory(&dev);
	map = vt_map(&dev, vt_first_bar(&dev), 4096);
	if (!map)
		vt_die("BAR");
	read_mapped();

	say("awake_config_read", best(read_live, 200));
	say("awake_region_read", best(read_region, 200));
	say("awake_mapped_read", best(read_mapped, 500));
	for (i = 0; i < 50; i++) {
		start = now_ns();
		if (vt_entry(&dev))
			vt_die("entry");
		entry[i] = now_ns() - start;
		while (!vt_asleep(&dev))
			;
		sleep[i] = now_ns() - start;
		start = now_ns();
		vt_exit(&dev);
		leave[i] = now_ns() - start;
		if (i == 49 || i >= n)
			break;
	}
	i++;
	i = i > 50 ? 50 : i;
	qsort(entry, i, sizeof(*entry), compare);
	qsort(sleep, i, sizeof(*sleep), compare);
	qsort(leave, i, sizeof(*leave), compare);
	say("entry_median", entry[i / 2] / 1e3);
	say("entry_to_asleep_median", sleep[i / 2] / 1e3);
	say("exit_asleep_median", leave[i / 2] / 1e3);

	engaged_reads("reads_back_to_back", PCI_STATUS, n, 0);
	if (!pauses)
		return 0;
	engaged_reads("reads_1ms_apart", PCI_STATUS, n, 1);
	engaged_reads("reads_20ms_apart", PCI_STATUS, n * 2 / 5, 20);
	engaged_reads("vendor_20ms_apart", PCI_VENDOR_ID, n / 5, 20);
	return 0;
}
