// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * readers ADDRESS SECONDS: while the device enters and leaves low power, sleeps
 * and is woken, others read the files of vfio_pm/: each look is of one moment.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "common.h"

#define READERS 3

static const char *const keys[] = { "entries", "exits", "sleeps", "config_read",
				    "config_write", "region", "ioctl", "feature",
				    "open", "close", "host", "quiet_reads",
				    "refused", "asleep_us", "rate_limited" };
#define KEYS (sizeof(keys) / sizeof(*keys))
#define ENTRIES 0
#define EXITS 1
#define SLEEPS 2
#define FIRST_CAUSE 3
#define LAST_CAUSE 10 /* host */

static struct vt_dev dev;
static atomic_bool over;
static atomic_uint looks, torn;

static bool parse(char *text, long long *values)
{
	char *line, *save;
	unsigned int i = 0;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t len = i < KEYS ? strlen(keys[i]) : 0;

		if (!len || strncmp(line, keys[i], len) || line[len] != ' ')
			return false;
		values[i++] = atoll(line + len + 1);
	}
	return i == KEYS;
}

/*
 * It was active when it was bound: it has slept as often as it was woken, or once
 * more. Nothing counts backwards but the host, who has an ioctl's wake for a moment.
 */
static bool adds_up(const long long *now, const long long *before)
{
	long long wakes = 0;
	unsigned int i;

	for (i = FIRST_CAUSE; i <= LAST_CAUSE; i++)
		wakes += now[i];
	for (i = 0; i < KEYS; i++)
		if (now[i] + (i == LAST_CAUSE) < before[i])
			return false;
	return now[SLEEPS] - wakes >= 0 && now[SLEEPS] - wakes <= 1 &&
	       now[ENTRIES] - now[EXITS] >= 0 && now[ENTRIES] - now[EXITS] <= 1;
}

static bool is_whole_wake(const char *text)
{
	return !text[0] || (!strncmp(text, "cause ", 6) && strstr(text, "\npid ") &&
			    strstr(text, "\ncomm readers") && strstr(text, "\ntime "));
}

static void *reader(void *unused)
{
	long long now[KEYS], before[KEYS] = { 0 };
	char text[4096], copy[4096];

	(void)unused;
	while (!over) {
		vt_sysfs(dev.address, "vfio_pm/account", text, sizeof(text));
		strcpy(copy, text);
		if (!parse(text, now) || !adds_up(now, before)) {
			torn++;
			printf("# %s\n", copy);
		}
		memcpy(before, now, sizeof(before));
		vt_sysfs(dev.address, "vfio_pm/last_wake", text, sizeof(text));
		if (!is_whole_wake(text)) {
			torn++;
			printf("# %s\n", text);
		}
		looks++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[READERS];
	long long sleeps;
	time_t end;
	int i;

	if (argc != 3)
		return 2;
	vt_open(&dev, argv[1]);
	sleeps = vt_account(&dev, "sleeps");
	/* Whoever woke it before isn't us. */
	vt_entry(&dev);
	vt_wait_asleep(&dev, 5000);
	vt_exit(&dev);
	for (i = 0; i < READERS; i++)
		if (pthread_create(&threads[i], NULL, reader, NULL))
			vt_die("pthread_create");
	end = time(NULL) + atoi(argv[2]);
	while (time(NULL) < end) {
		if (vt_entry(&dev))
			vt_die("entry");
		for (i = 0; i < 5; i++) {
			vt_wait_asleep(&dev, 5000);
			vt_read16(&dev, PCI_STATUS);
			vt_read16(&dev, PCI_VENDOR_ID);
		}
		vt_exit(&dev);
	}
	over = true;
	for (i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	sleeps = vt_account(&dev, "sleeps") - sleeps;
	printf("# %u looks, %lld sleeps\n", looks, sleeps);
	vt_is(torn, 0, "each look is of one moment");
	vt_ok(looks >= 100 && sleeps >= 10, "and there were many");
	vt_close(&dev);
	return vt_done();
}
