// SPDX-License-Identifier: GPL-2.0-or-later
/* What goes wrong with a device that should be opened or put to sleep, in words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "holder.h"

/* A transition takes milliseconds, 1.5 s on slow platforms; longer is stuck. */
#define STUCK_MS 2000

static bool between_states(const struct vfiopm_device *dev, enum vfiopm_status *ret)
{
	struct vfiopm_power *power;

	if (vfiopm_power_new(dev, &power) < 0)
		return false;
	*ret = vfiopm_power_get_status(power);
	vfiopm_power_free(power);
	return *ret == VFIOPM_STATUS_RESUMING || *ret == VFIOPM_STATUS_SUSPENDING;
}

static bool is_stuck(const struct vfiopm_device *dev, enum vfiopm_status *ret)
{
	struct timespec t = { .tv_nsec = 20000000 };
	int64_t start = monotonic_ms();

	while (between_states(dev, ret)) {
		if (monotonic_ms() - start > STUCK_MS)
			return true;
		nanosleep(&t, NULL);
	}
	return false;
}

void trouble_hint_viable(const struct vfiopm_device *dev, const struct vfiopm_device *blocker,
			 const char *mend)
{
	if (vfiopm_device_is_bridge(blocker))
		msg_hint("a bridge goes to no VFIO driver, but may be without one; the command: "
			 PROGRAM " explain %s", vfiopm_device_get_name(dev));
	else
		msg_hint("%s", mend);
}

static int check_group(struct app *app, const char *what, const struct vfiopm_device *dev)
{
	const char *name = vfiopm_device_get_name(dev);
	struct vfiopm_device *blocker;
	char mend[64];

	if (vfiopm_device_get_group(dev) < 0) {
		app_cannot(app, what, name, "it is in no IOMMU group");
		msg_hint("turn the IOMMU on in the firmware and on the kernel's command line "
			 "(intel_iommu=on, amd_iommu=on)");
		return EXIT_UNUSABLE;
	}
	if (vfiopm_group_viable(dev, &blocker) != 0)
		return EXIT_OK;
	app_cannot(app, what, name, "IOMMU group %d is not viable: '%s' is bound to '%s'",
		   vfiopm_device_get_group(dev), vfiopm_device_get_name(blocker),
		   vfiopm_device_get_driver(blocker));
	snprintf(mend, sizeof(mend), PROGRAM " bind %s", vfiopm_device_get_name(blocker));
	trouble_hint_viable(dev, blocker, mend);
	vfiopm_device_unref(blocker);
	return EXIT_UNUSABLE;
}

int trouble_check(struct app *app, const char *what, const struct vfiopm_device *dev)
{
	const char *name = vfiopm_device_get_name(dev);
	const char *driver = vfiopm_device_get_driver(dev);
	enum vfiopm_status status;

	if (!vfiopm_device_is_vfio(dev)) {
		if (driver)
			app_cannot(app, what, name, "bound to '%s', not to a VFIO driver", driver);
		else
			app_cannot(app, what, name, "bound to no driver");
		if (vfiopm_device_is_bridge(dev))
			msg_hint("a bridge sleeps by itself when all below it sleeps");
		else
			msg_hint(PROGRAM " bind %s", name);
		return EXIT_UNUSABLE;
	}
	/*
	 * Opening a device in the middle of a transition waits for it in the
	 * kernel, for ever if it never ends.
	 */
	if (is_stuck(dev, &status)) {
		app_cannot(app, what, name, "stuck: its runtime status stays '%s'",
			   vfiopm_status_name(status));
		msg_hint("the kernel's log tells more: dmesg | grep %s", name);
		return EXIT_UNUSABLE;
	}
	return check_group(app, what, dev);
}

/* Name the owner, if one is to be seen. */
static bool say_owner(struct app *app, const char *what, const struct vfiopm_device *dev)
{
	const char *name = vfiopm_device_get_name(dev);
	const struct vfiopm_owner *owner = NULL;
	struct vfiopm_owners *owners = NULL;

	if (vfiopm_owners_new(app->ctx, &owners) == 0) {
		owner = vfiopm_owners_find(owners, dev, 0);
		if (!owner)
			owner = vfiopm_owners_find_group(owners, dev, 0);
	}
	if (owner) {
		app_cannot(app, what, name, "in use by '%s' (pid %d, user %u)",
			   vfiopm_owner_get_comm(owner), (int)vfiopm_owner_get_pid(owner),
			   (unsigned int)vfiopm_owner_get_uid(owner));
		msg_hint("the device is released when that process closes it");
	}
	vfiopm_owners_free(owners);
	return owner != NULL;
}

int trouble_busy(struct app *app, const char *what, const struct vfiopm_device *dev)
{
	const char *name = vfiopm_device_get_name(dev);

	if (!say_owner(app, what, dev)) {
		app_cannot(app, what, name, "in use, owner not visible from here");
		msg_hint("look as root, and outside of this container: " PROGRAM " status %s",
			 name);
	}
	return EXIT_BUSY;
}

/* An abstract name is anybody's to take, whoever it is meant for (unix(7)). */
static int say_taken(struct app *app, const char *what, const struct vfiopm_device *dev,
		     pid_t pid, uid_t uid)
{
	const char *name = vfiopm_device_get_name(dev);
	char comm[64];

	if (say_owner(app, what, dev))
		return EXIT_BUSY;
	/* 0: a process of another PID namespace. */
	if (pid > 0 && vfiopm_process_get_comm(app->ctx, pid, comm, sizeof(comm)) == 0) {
		app_cannot(app, what, name,
			   "the name of its holder's socket is taken by '%s' (pid %d, user %u)",
			   comm, (int)pid, (unsigned int)uid);
		msg_hint("that is no holder of yours; the name is free when it ends: kill %d",
			 (int)pid);
		return EXIT_BUSY;
	}
	app_cannot(app, what, name,
		   "the name of its holder's socket is taken by a process of user %u, not visible "
		   "from here",
		   (unsigned int)uid);
	msg_hint("look outside of this container: ss -xap | grep " PROGRAM "/%u/group/%d",
		 (unsigned int)geteuid(), vfiopm_device_get_group(dev));
	return EXIT_BUSY;
}

static int report_open(struct app *app, const char *what, const struct vfiopm_device *dev,
		       int error)
{
	const char *name = vfiopm_device_get_name(dev);
	const char *node = vfiopm_device_get_group_node(dev);
	struct vfiopm_device *now;
	int code;

	switch (error) {
	case EBUSY:
		return trouble_busy(app, what, dev);
	case ENODEV:
		return app_gone(app, what, name);
	case EMEDIUMTYPE:
	case EPERM:
		/* What stood in the way may have come since it was looked at. */
		if (vfiopm_device_refresh(dev, &now) == 0) {
			code = trouble_check(app, what, now);
			vfiopm_device_unref(now);
			if (code != EXIT_OK)
				return code;
		}
		__attribute__((fallthrough));
	case EACCES:
		app_cannot(app, what, name, "no permission on '%s'", node ? node : "its VFIO node");
		msg_hint("be root, or let root give you the node: chown \"$USER\" %s",
			 node ? node : "NODE");
		return EXIT_FAILED;
	case EOPNOTSUPP:
		app_cannot(app, what, name, "this way of opening it is not available here");
		msg_hint("--backend=group works with every kernel");
		return EXIT_UNUSABLE;
	case ENOENT:
		app_cannot(app, what, name, "'%s' is missing", node ? node : "its VFIO node");
		msg_hint("udev makes it when the device is bound: udevadm settle");
		return EXIT_UNUSABLE;
	}
	app_cannot(app, what, name, "it can't be opened: %s", strerror(error));
	msg_hint("the kernel's log tells more: dmesg | grep %s", name);
	return EXIT_FAILED;
}

static int report_request(struct app *app, const char *what, const struct vfiopm_device *dev,
			  int error, const struct holder_reply *reply)
{
	const char *name = vfiopm_device_get_name(dev);

	switch (error) {
	case ETIMEDOUT:
		app_cannot(app, what, name, "the kernel has not answered for 30 s");
		msg_hint("the request goes on in the background; dmesg | grep %s", name);
		return EXIT_FAILED;
	case EPROTO:
		app_cannot(app, what, name, "its holder is another version of this program");
		msg_hint("end it, which releases its group's devices: kill %d", (int)reply->pid);
		return EXIT_FAILED;
	case EPERM:
		return say_taken(app, what, dev, reply->pid, reply->uid);
	}
	app_cannot(app, what, name, "no holder can be reached: %s", strerror(error));
	if (error == ECONNREFUSED || error == ECONNRESET)
		msg_hint("who has the name of its socket: ss -xap | grep " PROGRAM "/%u/group/%d",
			 (unsigned int)geteuid(), vfiopm_device_get_group(dev));
	else
		msg_hint(PROGRAM " hold %s needs none", name);
	return EXIT_FAILED;
}

int trouble_taken(struct app *app, const char *what, const struct vfiopm_device *dev)
{
	struct holder_reply reply = { 0 };
	struct ucred peer;
	int r;

	r = holder_look(app, dev, &peer);
	if (r == 1)
		return trouble_busy(app, what, dev);
	reply.pid = peer.pid;
	reply.uid = peer.uid;
	return report_request(app, what, dev, r == 0 ? EPERM : -r, &reply);
}

int trouble_reply(struct app *app, const char *what, const struct vfiopm_device *dev, int r,
		  const struct holder_reply *reply)
{
	const char *name = vfiopm_device_get_name(dev);

	if (r < 0)
		return report_request(app, what, dev, -r, reply);
	switch ((enum holder_stage)reply->stage) {
	case STAGE_DONE:
		return EXIT_OK;
	case STAGE_DEVICE:
	case STAGE_OPEN:
		return report_open(app, what, dev, reply->error);
	case STAGE_PROBE:
		app_cannot(app, what, name, "driver '%s' has no low-power features",
			   vfiopm_device_get_driver(dev));
		msg_hint("vfio-pci has them since Linux 6.1");
		return EXIT_UNUSABLE;
	case STAGE_ENTRY:
		app_cannot(app, what, name, "the kernel refused low power: %s",
			   strerror(reply->error));
		msg_hint("the kernel's log may tell more: dmesg | grep %s", name);
		return EXIT_FAILED;
	case STAGE_EXIT:
		app_cannot(app, what, name, "it does not come back: %s", strerror(reply->error));
		msg_hint("dmesg | grep %s; a bus rescan or a power cycle may help", name);
		return EXIT_FAILED;
	case STAGE_ACTIVE:
		app_cannot(app, what, name, "low power is left, but it is %s in %s",
			   vfiopm_status_name((enum vfiopm_status)reply->status),
			   vfiopm_state_name((enum vfiopm_state)reply->state));
		msg_hint("dmesg | grep %s; a bus rescan or a power cycle may help", name);
		return EXIT_FAILED;
	case STAGE_VERIFY:
		app_cannot(app, what, name, "its config space does not read as before: %04x:%04x",
			   reply->vendor, reply->device);
		msg_hint("dmesg | grep %s; a reset or a power cycle may help", name);
		return EXIT_FAILED;
	case STAGE_PROTOCOL:
		break;
	}
	return report_request(app, what, dev, EPROTO, reply);
}

int trouble_awake(struct app *app, struct vfiopm_device *dev, const struct vfiopm_power *power,
		  int r, int64_t waited_ms)
{
	const char *name = vfiopm_device_get_name(dev);
	char text[32], *cause = NULL, *mend = NULL;

	/* It was waited for long enough to know: nothing but D0 is what it has. */
	if (r != -EOPNOTSUPP)
		vfiopm_explain_likeliest(dev, VFIOPM_STATE_D3HOT, VFIOPM_EXPLAIN_ENGAGED, &cause,
					 &mend);
	if (r == -EOPNOTSUPP)
		cause = strdup("no PM capability, so there is nothing to save");
	else if (!cause)
		cause = strdup("something keeps it busy");
	app_remember(app, "%s", cause ? cause : "");
	msg_error("'%s' is not asleep after %s: %s in %s: %s", name,
		  format_time(waited_ms, text, sizeof(text)),
		  vfiopm_status_name(vfiopm_power_get_status(power)),
		  vfiopm_state_name(vfiopm_power_get_state(power)), cause ? cause : "unknown");
	if (mend)
		msg_hint("%s", mend);
	else
		msg_hint("it stays held, as asked; " PROGRAM " exit %s releases it", name);
	free(cause);
	free(mend);
	return EXIT_STATE;
}
