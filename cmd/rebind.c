// SPDX-License-Identifier: GPL-2.0-or-later
/* What bind and unbind share: owners, modules, outcomes in words. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rebind.h"

/* How often, and after which pause, a device without a driver is looked at. */
#define LEAVE_LOOKS 10
#define LEAVE_NS 50000000

error_t rebind_parse(int key, char *arg, struct argp_state *state, struct rebind_args *args)
{
	switch (key) {
	case 'd':
		args->driver = arg;
		return 0;
	case KEY_REBIND_TIMEOUT:
		time_parse(state, arg, &args->timeout_ms);
		return 0;
	}
	return devices_parse(key, state, &args->devices, true);
}

static const struct vfiopm_owner *find_owner(struct vfiopm_owners *owners,
					     const struct vfiopm_device *dev)
{
	const struct vfiopm_owner *owner;

	owner = vfiopm_owners_find(owners, dev, 0);
	return owner ? owner : vfiopm_owners_find_group(owners, dev, 0);
}

static int say_owner(struct app *app, const char *what, const struct vfiopm_device *dev,
		     const struct vfiopm_owner *owner)
{
	const char *name = vfiopm_device_get_name(dev);
	pid_t pid;

	if (!owner) {
		msg_cannot(what, name, "it is open through VFIO, owner not visible from here");
		msg_hint("look as root, and outside of this container: " PROGRAM " status %s",
			 name);
		return EXIT_BUSY;
	}
	pid = vfiopm_owner_get_pid(owner);
	msg_cannot(what, name, "it is open through VFIO by '%s' (pid %d)",
		   vfiopm_owner_get_comm(owner), (int)pid);
	if (vfiopm_process_is_self_exe(app->ctx, pid) == 1)
		msg_hint(PROGRAM " exit %s", name);
	else
		msg_hint("it is free when that process closes it or ends");
	return EXIT_BUSY;
}

int rebind_report_owner(struct app *app, const char *what, const struct vfiopm_device *dev)
{
	struct vfiopm_owners *owners = NULL;
	int code;

	if (vfiopm_owners_new(app->ctx, &owners) < 0)
		owners = NULL;
	code = say_owner(app, what, dev, owners ? find_owner(owners, dev) : NULL);
	vfiopm_owners_free(owners);
	return code;
}

int rebind_check_owner(struct app *app, const char *what, const struct vfiopm_device *dev)
{
	const struct vfiopm_owner *owner = NULL;
	struct vfiopm_owners *owners = NULL;
	bool vfio = vfiopm_device_is_vfio(dev);
	int code = EXIT_OK;

	/*
	 * While an unbind waits for the owner, the device has neither driver
	 * nor vfio-dev any more (Linux 6.12), but it is still enabled. So is
	 * one that a driver left so: there only an owner that is seen counts.
	 */
	if (!vfio && (vfiopm_device_get_driver(dev) || !vfiopm_device_is_enabled(dev)))
		return EXIT_OK;
	if (vfiopm_owners_new(app->ctx, &owners) == 0)
		owner = find_owner(owners, dev);
	if (owner || (vfio && vfiopm_group_is_open(dev)))
		code = say_owner(app, what, dev, owner);
	vfiopm_owners_free(owners);
	return code;
}

static int say_no_permission(struct app *app, const char *what, const char *name)
{
	msg_cannot(what, name, "only root may change its driver");
	msg_hint("sudo " PROGRAM " %s %s", app->verb->name, name);
	return EXIT_FAILED;
}

int rebind_need_driver(struct app *app, const char *what, const struct vfiopm_device *dev,
		       const char *driver)
{
	const char *name = vfiopm_device_get_name(dev);

	if (vfiopm_driver_is_loaded(app->ctx, driver) == 1)
		return EXIT_OK;
	if (geteuid() != 0)
		return say_no_permission(app, what, name);
	load_module(driver);
	if (vfiopm_driver_is_loaded(app->ctx, driver) == 1) {
		printf("%s: module loaded\n", driver);
		return EXIT_OK;
	}
	msg_cannot(what, name, "driver '%s' is not loaded, and no module brings it", driver);
	msg_hint("is it spelled right, and installed? modprobe %s", driver);
	return EXIT_UNUSABLE;
}

/*
 * What can't be had may be on its way out: a device that is removed loses its driver
 * first, takes no other, and is to be seen for a moment still (pci_stop_dev() and
 * pci_destroy_dev() in drivers/pci/remove.c).
 */
static bool is_leaving(const struct vfiopm_device *dev, bool has_driver)
{
	const struct timespec pause = { .tv_nsec = LEAVE_NS };

	for (int i = 0; i < LEAVE_LOOKS; i++) {
		struct vfiopm_device *now = NULL;

		if (vfiopm_device_refresh(dev, &now) == -ENODEV)
			return true;
		vfiopm_device_unref(now);
		if (has_driver)
			break;
		nanosleep(&pause, NULL);
	}
	return false;
}

int rebind_report(struct app *app, const char *what, const struct vfiopm_device *dev,
		  const char *driver, int64_t timeout_ms, int r)
{
	const char *name = vfiopm_device_get_name(dev);
	const char *former = vfiopm_device_get_driver(dev);
	char time[32];

	switch (r) {
	case -EBUSY:
		return rebind_report_owner(app, what, dev);
	case -EACCES:
	case -EPERM:
		return say_no_permission(app, what, name);
	case -ENODEV:
		return app_gone(app, what, name);
	case -ENOENT:
		msg_cannot(what, name, "driver '%s' has been unloaded", driver ? driver : "");
		msg_hint("load it again: modprobe %s", driver ? driver : "");
		return EXIT_UNUSABLE;
	case -EAGAIN:
		msg_cannot(what, name, "another process is changing its driver");
		msg_hint("ps -C " PROGRAM " shows it, if it is " PROGRAM);
		return EXIT_BUSY;
	case -ETIMEDOUT:
		msg_cannot(what, name, "the kernel has not answered for %s",
			   format_time(timeout_ms, time, sizeof(time)));
		msg_hint("the change goes on in the background; dmesg | grep %s", name);
		return EXIT_FAILED;
	case -ENXIO:
		if (is_leaving(dev, former != NULL))
			return rebind_report(app, what, dev, driver, timeout_ms, -ENODEV);
		msg_cannot(what, name, "driver '%s' did not take it; all is as before: %s%s",
			   driver ? driver : "", former ? "back on " : "no driver",
			   former ? former : "");
		msg_hint("the driver's reason is in the kernel's log: dmesg | grep %s", name);
		return EXIT_FAILED;
	case -ENOTRECOVERABLE:
		msg_cannot(what, name, "driver '%s' did not take it, nor did '%s' take it back",
			   driver ? driver : "", former ? former : "none");
		msg_hint("the drivers' reasons are in the kernel's log: dmesg | grep %s", name);
		return EXIT_FAILED;
	}
	msg_cannot(what, name, "%s", strerror(-r));
	msg_hint("the kernel's log may tell more: dmesg | grep %s", name);
	return EXIT_FAILED;
}

static void print_node(const char *node)
{
	if (node)
		printf(", %s", node);
}

void rebind_print(const struct vfiopm_device *dev, const char *former)
{
	const char *name = vfiopm_device_get_name(dev), *driver = vfiopm_device_get_driver(dev);
	const char *control = NULL, *pf = vfiopm_device_get_physfn(dev);
	struct vfiopm_power *power = NULL;
	int64_t number;

	printf("%s: ", name);
	if (former && driver && !strcmp(former, driver))
		printf("stays on %s", driver);
	else
		printf("%s -> %s", former ? former : "no driver", driver ? driver : "no driver");
	print_node(vfiopm_device_get_group_node(dev));
	print_node(vfiopm_device_get_cdev_node(dev));
	if (vfiopm_power_new_parts(dev,
				   VFIOPM_POWER_CONTROL | VFIOPM_POWER_D3COLD |
					   VFIOPM_POWER_RUNTIME,
				   &power) == 0) {
		control = vfiopm_power_get_control(power);
		if (control)
			printf(", control %s", control);
		if (vfiopm_power_get_d3cold_allowed(power, &number) == 0)
			printf(", d3cold_allowed %" PRId64, number);
		if (vfiopm_power_get_autosuspend_delay(power, &number) == 0)
			printf(", autosuspend_delay %" PRId64 " ms", number);
	}
	if (pf)
		printf(", a VF: its power is that of %s", pf);
	putchar('\n');
	if (vfiopm_device_is_vfio(dev) && control && !strcmp(control, "on")) {
		msg_warn("'%s': power/control is 'on', the host keeps it awake", name);
		msg_hint(PROGRAM " policy --control=auto %s", name);
	}
	vfiopm_power_free(power);
}

void rebind_warn_unless_on(const struct vfiopm_device *dev, const char *driver)
{
	const char *now = vfiopm_device_get_driver(dev);

	if (!now)
		msg_warn("'%s': another process has taken it off its driver since",
			 vfiopm_device_get_name(dev));
	else if (!driver || strcmp(now, driver))
		msg_warn("'%s': another process has bound it to '%s' since",
			 vfiopm_device_get_name(dev), now);
}

bool rebind_use_blocks(const struct vfiopm_uses *uses, size_t i)
{
	enum vfiopm_use kind = vfiopm_uses_get_kind(uses, i);

	return kind == VFIOPM_USE_BRIDGE || kind == VFIOPM_USE_VF_OPEN ||
	       kind == VFIOPM_USE_MDEV_OPEN;
}

void rebind_describe_use(const struct vfiopm_uses *uses, size_t i, char *buf, size_t size)
{
	const char *what = vfiopm_uses_get_what(uses, i), *path = vfiopm_uses_get_path(uses, i);

	switch (vfiopm_uses_get_kind(uses, i)) {
	case VFIOPM_USE_BRIDGE:
		snprintf(buf, size, "it is a bridge");
		return;
	case VFIOPM_USE_MOUNT:
		snprintf(buf, size, "'%s' is mounted from %s", what, path);
		return;
	case VFIOPM_USE_SWAP:
		snprintf(buf, size, "swap '%s' is on %s", what, path);
		return;
	case VFIOPM_USE_HOLDER:
		snprintf(buf, size, "%s is on %s", what, path);
		return;
	case VFIOPM_USE_CLAIMED:
		snprintf(buf, size, "%s is claimed by the kernel or by a program", what);
		return;
	case VFIOPM_USE_DEFAULT_ROUTE:
		snprintf(buf, size, "the default route goes through %s", path);
		return;
	case VFIOPM_USE_SESSION:
		snprintf(buf, size, "your SSH session (%s) comes through %s", what, path);
		return;
	case VFIOPM_USE_UPPER:
		snprintf(buf, size, "%s, which is up, is on %s", what, path);
		return;
	case VFIOPM_USE_BOOT_DISPLAY:
		snprintf(buf, size, "it is the boot display");
		return;
	case VFIOPM_USE_CONSOLE:
		snprintf(buf, size, "the console is on it (%s)", what);
		return;
	case VFIOPM_USE_MONITOR:
		snprintf(buf, size, "it shows a picture (%s)", what);
		return;
	case VFIOPM_USE_VF:
		snprintf(buf, size, "its VF %s is in use", what);
		return;
	case VFIOPM_USE_VF_OPEN:
		snprintf(buf, size, "its VF %s is open through VFIO", what);
		return;
	case VFIOPM_USE_MDEV:
		snprintf(buf, size, "its mediated device %s would go with its driver", what);
		return;
	case VFIOPM_USE_MDEV_OPEN:
		snprintf(buf, size, "its mediated device %s is open through VFIO", what);
		return;
	case VFIOPM_USE_UNTOLD:
		snprintf(buf, size, "what it is used for can't be told: %s", what);
		return;
	}
	snprintf(buf, size, "it is in use");
}
