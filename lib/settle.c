// SPDX-License-Identifier: LGPL-2.1-or-later
/* Waiting for a power state, by sysfs alone. */
#include <errno.h>
#include <time.h>

#include "private.h"

/* How long a state may still get deeper after the device itself has suspended. */
#define SETTLE_MS 1000

/* Fine steps for the typical 10 to 40 ms of a transition, coarse ones for a long wait. */
static void pause_for(int64_t waited_ms)
{
	int64_t ms = waited_ms < 100 ? 1 : (waited_ms < 2000 ? 10 : 50);
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

/*
 * A port is on its way when nothing but time holds it: control auto, no active
 * child, and status active or suspending. With no count of children to be had
 * it may be.
 */
bool vfiopm_power_upstream_settled(const struct vfiopm_device *dev)
{
	struct vfiopm_list *ports;
	struct vfiopm_device *port;
	bool settled = true;
	size_t i;

	if (vfiopm_list_new_upstream(dev, &ports) < 0)
		return true;
	vfiopm_list_foreach(ports, i, port) {
		struct vfiopm_power *power;
		enum vfiopm_status status;
		const char *control;
		int64_t kids = 0;

		if (vfiopm_power_new(port, &power) < 0)
			break;
		status = vfiopm_power_get_status(power);
		control = vfiopm_power_get_control(power);
		vfiopm_power_get_active_kids(power, &kids);
		if (status == VFIOPM_STATUS_SUSPENDING ||
		    (status == VFIOPM_STATUS_ACTIVE && control && control[0] == 'a' && !kids))
			settled = false;
		vfiopm_power_free(power);
	}
	vfiopm_list_free(ports);
	return settled;
}

/*
 * Judge a snapshot: 0 reached, -EOPNOTSUPP won't be reached, -EAGAIN look again.
 * @settled: nothing above the device moved any more, before the snapshot was taken.
 */
static int judge(const struct vfiopm_power *power, enum vfiopm_state want, bool settled)
{
	enum vfiopm_state state = vfiopm_power_get_state(power);

	if (vfiopm_power_get_status(power) != VFIOPM_STATUS_SUSPENDED || !settled)
		return -EAGAIN;
	if (vfiopm_power_is_asleep(power))
		return state >= want ? 0 : -EAGAIN;
	/*
	 * Suspended, not deeper than D0, and no port that could still change
	 * it: the PCI core ignores that a device has no PM capability
	 * (drivers/pci/pci.c, pci_set_power_state()).
	 */
	return state == VFIOPM_STATE_D0 ? -EOPNOTSUPP : -EAGAIN;
}

int vfiopm_power_wait_asleep(const struct vfiopm_device *dev, enum vfiopm_state want,
			     int64_t timeout_ms, struct vfiopm_power **ret)
{
	int64_t start = now_ms(), suspended_since = -1;
	struct vfiopm_power *power;
	int r;

	for (;;) {
		int64_t now = now_ms();
		bool last = timeout_ms >= 0 && now - start >= timeout_ms, settled = last;

		/*
		 * Before the snapshot: a port that goes to sleep in between takes
		 * the device deeper than a snapshot taken first would say.
		 */
		if (!last && suspended_since >= 0)
			settled = now - suspended_since >= SETTLE_MS ||
				  vfiopm_power_upstream_settled(dev);
		r = vfiopm_power_new(dev, &power);
		if (r < 0)
			return r;
		if (vfiopm_power_get_status(power) != VFIOPM_STATUS_SUSPENDED)
			suspended_since = -1;
		else if (suspended_since < 0)
			suspended_since = now;
		r = judge(power, want, settled);
		if (r == -EAGAIN && last)
			r = -ETIMEDOUT;
		if (r != -EAGAIN)
			break;
		vfiopm_power_free(power);
		pause_for(now - start);
	}
	if (ret)
		*ret = power;
	else
		vfiopm_power_free(power);
	return r;
}

int vfiopm_power_wait_active(const struct vfiopm_device *dev, int64_t timeout_ms,
			     struct vfiopm_power **ret)
{
	struct vfiopm_power *power;
	int64_t start = now_ms();
	int r;

	for (;;) {
		int64_t waited;

		r = vfiopm_power_new(dev, &power);
		if (r < 0)
			return r;
		waited = now_ms() - start;
		if (vfiopm_power_get_status(power) == VFIOPM_STATUS_ACTIVE)
			break;
		if (timeout_ms >= 0 && waited >= timeout_ms) {
			r = -ETIMEDOUT;
			break;
		}
		vfiopm_power_free(power);
		pause_for(waited);
	}
	if (ret)
		*ret = power;
	else
		vfiopm_power_free(power);
	return r;
}
