// SPDX-License-Identifier: GPL-2.0-or-later
/* The device that a VM has open: reaching it, and low power in and out. */
#include <errno.h>
#include <unistd.h>

#include "guest.h"
#include "stall.h"

static void drain(const struct guest_device *d)
{
	uint64_t wakes;

	if (read(d->wake_fd, &wakes, sizeof(wakes)) < 0 && errno != EAGAIN)
		return;
}

void guest_forget_owner(struct guest_device *d)
{
	vfiopm_borrow_free(d->borrow);
	d->borrow = NULL;
}

/* ---- reaching it ---- */

/* A device may come to its VFIO driver with the VM (libvirt, managed='yes'), in another group. */
void guest_look_anew(struct guest_device *d)
{
	struct vfiopm_glance *glance;
	struct vfiopm_device *dev;

	guest_forget_owner(d);
	if (vfiopm_device_refresh(d->dev, &dev) < 0)
		return;
	if (vfiopm_glance_new(dev, &glance) < 0) {
		vfiopm_device_unref(dev);
		return;
	}
	vfiopm_glance_free(d->glance);
	vfiopm_device_unref(d->dev);
	d->glance = glance;
	d->dev = dev;
}

static int check_owner(const struct guest *g, struct guest_device *d)
{
	if (vfiopm_borrow_get_pid(d->borrow) == g->owner_pid)
		return 0;
	/* Another VM's, perhaps: its guest hasn't asked for anything. */
	guest_forget_owner(d);
	d->refusal = VFIOPM_REFUSED_NO_OWNER;
	return -ECANCELED;
}

int guest_take(struct guest *g, struct guest_device *d)
{
	int r;

	d->refusal = VFIOPM_REFUSED_NOT;
	if (d->borrow) {
		r = vfiopm_borrow_again(d->borrow, &d->refusal);
		if (r == 0)
			return 0;
		guest_forget_owner(d);
	}
	r = vfiopm_borrow_new(d->dev, &d->borrow, &d->refusal);
	/* Plugged into a VM that was there before. */
	if (r == -EMEDIUMTYPE) {
		guest_look_anew(d);
		r = vfiopm_borrow_new(d->dev, &d->borrow, &d->refusal);
	}
	if (r < 0) {
		d->borrow = NULL;
		return r;
	}
	return check_owner(g, d);
}

void guest_let_go(struct guest_device *d)
{
	if (d->borrow)
		vfiopm_borrow_drop(d->borrow);
}

/* ---- in and out ---- */

static int enter(struct guest *g, struct guest_device *d, unsigned int flags, int64_t *ioctl_us)
{
	int r;

	r = guest_take(g, d);
	if (r == 0 && !(flags & VFIOPM_ENTER_IN_USE))
		r = vfiopm_borrow_read_header(d->borrow, d->header);
	if (r < 0)
		return r;
	drain(d);
	r = vfiopm_borrow_enter_agreed(d->borrow, d->wake_fd, flags, &d->refusal);
	*ioctl_us = vfiopm_borrow_get_entry(d->borrow);
	/* Whoever has done that: nothing but an exit ends it before the device has suspended. */
	if (r == -ECANCELED && d->refusal == VFIOPM_REFUSED_ENGAGED)
		d->slot.unsure = true;
	return r;
}

int guest_enter(struct guest *g, struct guest_device *d, unsigned int flags, int64_t *ioctl_us)
{
	int r;

	stall_begin(g->stall, "enter low power on", vfiopm_device_get_name(d->dev));
	r = enter(g, d, flags, ioctl_us);
	stall_end(g->stall);
	return r;
}

bool guest_has_gone(const struct guest_device *d, int r)
{
	if (r == -ECANCELED)
		return d->refusal == VFIOPM_REFUSED_NO_OWNER ||
		       d->refusal == VFIOPM_REFUSED_NOT_OPENED;
	return r == -EMEDIUMTYPE || r == -ENODEV;
}

int guest_leave(struct guest *g, struct guest_device *d, int64_t *ioctl_us)
{
	int64_t start;
	int r;

	stall_begin(g->stall, "leave low power on", vfiopm_device_get_name(d->dev));
	r = guest_take(g, d);
	start = monotonic_us();
	if (r == 0)
		r = vfiopm_low_power_exit(vfiopm_borrow_get_handle(d->borrow));
	else if (guest_has_gone(d, r))
		r = 0;
	*ioctl_us = monotonic_us() - start;
	stall_end(g->stall);
	d->error = -r;
	if (r < 0)
		return r;
	/* The exit's own wake is left to the next look at the eventfd: the guest waits. */
	d->exit_due = false;
	return 0;
}
