// SPDX-License-Identifier: GPL-2.0-or-later
/* Loading kernel modules, by modprobe: it knows aliases, options and blacklists. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "rebind.h"

extern char **environ;

static int run(char *const argv[])
{
	/* su without a dash leaves root with a PATH that lacks it. */
	static const char *const programs[] = { "modprobe", "/sbin/modprobe" };
	int status, r = ENOENT;
	pid_t pid;

	for (size_t i = 0; r == ENOENT && i < sizeof(programs) / sizeof(programs[0]); i++)
		r = posix_spawnp(&pid, programs[i], NULL, NULL, argv, environ);
	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int load_module(const char *name)
{
	char program[] = "modprobe", quiet[] = "--quiet", end[] = "--";
	char *const argv[] = { program, quiet, end, (char *)name, NULL };

	return run(argv);
}

/* As udev does when a device is plugged in: by alias, and blacklists count. */
int load_module_for(const struct vfiopm_device *dev)
{
	char program[] = "modprobe", quiet[] = "--quiet", blacklist[] = "--use-blacklist";
	unsigned int class = vfiopm_device_get_class(dev);
	char end[] = "--", alias[96];
	char *const argv[] = { program, quiet, blacklist, end, alias, NULL };

	/* drivers/pci/pci-sysfs.c, modalias_show() */
	snprintf(alias, sizeof(alias), "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X",
		 vfiopm_device_get_vendor(dev), vfiopm_device_get_device(dev),
		 vfiopm_device_get_subvendor(dev), vfiopm_device_get_subdevice(dev),
		 class >> 16 & 0xff, class >> 8 & 0xff, class & 0xff);
	return run(argv);
}
