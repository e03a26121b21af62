// SPDX-License-Identifier: GPL-2.0-or-later
/* What bind and unbind promise without a device: names, foreign roots, whose session it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfiopm.h"

static int number, failures;

static void check(bool good, const char *name)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++number, name);
	failures += !good;
}

static void make_dirs(const char *root, const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	mkdir(full, 0755);
}

static void test_foreign(struct vfiopm_ctx *ctx)
{
	struct vfiopm_addr addr = { .bus = 1 };
	struct vfiopm_binding *former = NULL;
	struct vfiopm_device *dev;
	struct vfiopm_uses *uses;
	char *override = NULL;

	if (vfiopm_device_new(ctx, &addr, &dev) < 0) {
		check(false, "a device in a tree of its own");
		return;
	}
	check(vfiopm_driver_is_loaded(ctx, "vfio-pci") == 1, "a driver that is there");
	check(vfiopm_driver_is_loaded(ctx, "nvme") == 0, "one that isn't");
	check(vfiopm_driver_is_loaded(ctx, "") == -EINVAL &&
		      vfiopm_driver_is_loaded(ctx, "..") == -EINVAL &&
		      vfiopm_driver_is_loaded(ctx, "a/b") == -EINVAL &&
		      vfiopm_driver_is_loaded(ctx, "a\nb") == -EINVAL,
	      "what is no name of a driver");
	check(vfiopm_device_bind(dev, "nvme", 0, &former) == -ENOENT, "bind to what isn't loaded");
	check(vfiopm_device_bind(dev, "vfio-pci", 0, &former) == -EROFS, "bind, foreign root");
	check(vfiopm_device_unbind(dev, NULL, 0, &former) == -EROFS, "unbind, foreign root");
	check(vfiopm_device_wait_node(dev, 0) == -EROFS, "wait for nodes, foreign root");
	check(!former, "results stay untouched on failure");
	check(vfiopm_device_read_override(dev, &override) == -ENOENT, "no driver_override");
	check(vfiopm_uses_new(dev, NULL, &uses) == 0 && vfiopm_uses_count(uses) == 0,
	      "an empty tree has no uses");
	vfiopm_uses_free(uses);
	vfiopm_binding_free(NULL);
	vfiopm_uses_free(NULL);
	vfiopm_device_unref(dev);
}

static void test_session(struct vfiopm_ctx *ctx)
{
	char *address = NULL;

	setenv("SSH_CONNECTION", "198.51.100.7 50022 192.0.2.1 22", 1);
	check(vfiopm_session_address(ctx, &address) == 0 && !strcmp(address, "192.0.2.1"),
	      "the third word of SSH_CONNECTION");
	free(address);
	setenv("SSH_CONNECTION", "fe80::2%eth0 50022 fe80::1%eth0 22", 1);
	check(vfiopm_session_address(ctx, &address) == 0 && !strcmp(address, "fe80::1%eth0"),
	      "a link-local address keeps its scope");
	free(address);
	/* No /proc in this tree, so no ancestors either. */
	setenv("SSH_CONNECTION", "198.51.100.7", 1);
	check(vfiopm_session_address(ctx, &address) == -ENOENT, "too few words");
	unsetenv("SSH_CONNECTION");
	check(vfiopm_session_address(ctx, &address) == -ENOENT, "no session");
}

int main(void)
{
	char root[] = "/tmp/vfio-pm-unit.XXXXXX", command[64];
	struct vfiopm_ctx *ctx;

	if (!mkdtemp(root))
		return 1;
	make_dirs(root, "sys/bus/pci/drivers/vfio-pci");
	make_dirs(root, "sys/bus/pci/devices/0000:01:00.0");
	if (vfiopm_ctx_new(root, &ctx) < 0)
		return 1;
	test_foreign(ctx);
	test_session(ctx);
	vfiopm_ctx_unref(ctx);
	snprintf(command, sizeof(command), "rm -r %s", root);
	if (system(command) != 0)
		failures++;
	printf("1..%d\n", number);
	return failures > 0;
}
