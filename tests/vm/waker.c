// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * waker ADDRESS COUNT: wakes a sleeping device COUNT times, by one config read
 * each, and lets it fall asleep again each time. Prints the number of wakes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int open_attribute(const char *address, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);
	return open(path, O_RDONLY);
}

static int is_suspended(int status)
{
	char buf[16];

	return pread(status, buf, sizeof(buf), 0) > 5 && !strncmp(buf, "suspended", 9);
}

int main(int argc, char **argv)
{
	const struct timespec step = { .tv_nsec = 500000 };
	int config, status, wakes = 0;

	if (argc != 3)
		return 2;
	config = open_attribute(argv[1], "config");
	status = open_attribute(argv[1], "power/runtime_status");
	if (config < 0 || status < 0)
		return 1;
	for (int i = 0; i < atoi(argv[2]); i++) {
		char byte;

		for (int tries = 0; !is_suspended(status); tries++) {
			if (tries == 20000)
				return 1;
			nanosleep(&step, NULL);
		}
		if (pread(config, &byte, 1, 0) != 1)
			return 1;
		wakes++;
	}
	printf("%d\n", wakes);
	return 0;
}
