// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Low power on a borrowed device, whose owner knows nothing of it.
 *
 * Between the look that finds the device in D3hot and the moment when it has
 * suspended, its owner must not run. If it wrote D0 then, nothing would tell:
 * the wakeup mode is ended by a resume only, and there is none before the
 * suspend. The owner would believe its device to be awake, and its next access
 * to a BAR would be a SIGBUS. So: stop the owner, look, enter, wait for the
 * suspend, let it run; and leave low power first wherever that order breaks.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "private.h"
#include "uapi.h"

/* The capability list lies in 256 bytes, 4 bytes an entry at the least. */
#define CAPS_MAX 48

/* What is known before the owner is stopped, so that the pause is short. */
struct plan {
	struct vfiopm_borrow *b;
	struct vfiopm_glance *glance;
	struct host_pm host; /* as the device has it; VFIO hides a part */
	int eventfd;
	unsigned int flags;
	int64_t suspend_ms;
};

static int read_config(struct vfiopm_borrow *b, unsigned int offset, void *buf, size_t len)
{
	return vfiopm_handle_read(b->handle, VFIO_PCI_CONFIG_REGION_INDEX, offset, buf, len);
}

/* 1: found; 0: it has none; a negative errno. It stays where it is. */
static int find_pm(struct vfiopm_borrow *b)
{
	uint8_t at, entry[2];
	int r;

	if (b->pm_cap)
		return 1;
	r = read_config(b, PCI_CAPABILITY_LIST, &at, 1);
	for (int i = 0; r == 0 && at >= PCI_STD_HEADER_SIZEOF && i < CAPS_MAX; i++) {
		r = read_config(b, at, entry, sizeof(entry));
		if (r == 0 && entry[0] == PCI_CAP_ID_PM) {
			b->pm_cap = at;
			return 1;
		}
		at = entry[1] & ~3;
	}
	return r;
}

static int plan_make(struct plan *p, enum vfiopm_refusal *why)
{
	int r;

	r = vfiopm_glance_new(p->b->dev, &p->glance);
	if (r < 0)
		return r;
	if (vfiopm_glance_status(p->glance) != VFIOPM_STATUS_ACTIVE)
		return refuse(why, VFIOPM_REFUSED_NOT_ACTIVE);
	r = find_pm(p->b);
	if (r <= 0)
		return r < 0 ? r : refuse(why, VFIOPM_REFUSED_NO_PM);
	p->b->needs_exit = low_power_outlives_wake(p->b->handle);
	host_pm_open(p->b->dev, p->b->pm_cap, &p->host);
	return 0;
}

static void plan_free(struct plan *p)
{
	vfiopm_glance_free(p->glance);
	host_pm_close(&p->host);
}

/* May it be put to sleep? Called while the owner is stopped. */
static int look(const struct plan *p, enum vfiopm_refusal *why)
{
	uint16_t ctrl;
	int r;

	if (vfiopm_glance_status(p->glance) != VFIOPM_STATUS_ACTIVE)
		return refuse(why, VFIOPM_REFUSED_NOT_ACTIVE);
	r = read_config(p->b, p->b->pm_cap + PCI_PM_CTRL, &ctrl, sizeof(ctrl));
	if (r < 0)
		return r;
	p->b->pm_ctrl = ctrl;
	if (!(p->flags & VFIOPM_ENTER_IN_USE) && (ctrl & PCI_PM_CTRL_STATE_MASK) != 3)
		return refuse(why, VFIOPM_REFUSED_IN_USE);
	if (!(p->flags & VFIOPM_ENTER_STATE_LOSS) && (ctrl & PCI_PM_CTRL_NO_SOFT_RESET))
		return refuse(why, VFIOPM_REFUSED_STATE_LOSS);
	if (host_pm_wakes_in_vain(&p->host))
		return refuse(why, VFIOPM_REFUSED_PME);
	return 0;
}

/* Wait until the device has suspended. Called while the owner is stopped. */
static int wait_suspended(const struct plan *p, enum vfiopm_refusal *why)
{
	const struct timespec gap = { .tv_nsec = 200000 };
	int64_t end = now_us() + p->suspend_ms * 1000;

	while (vfiopm_glance_status(p->glance) != VFIOPM_STATUS_SUSPENDED) {
		if (now_us() >= end)
			return refuse(why, VFIOPM_REFUSED_NOT_SUSPENDED);
		nanosleep(&gap, NULL);
	}
	return 0;
}

/*
 * Leave low power, with the device as its owner had it: a suspend sets D0
 * (vfio_pci_core_runtime_suspend()), and an owner that runs again believes it in
 * D3hot. One that may run already may have written D0, and would die of D3hot.
 */
static int put_back(struct vfiopm_borrow *b, struct vfiopm_freezer *f)
{
	uint16_t ctrl = b->pm_ctrl & ~(PCI_PM_CTRL_PME_STATUS | PCI_PM_CTRL_PME_ENABLE);
	int r = vfiopm_low_power_exit(b->handle);

	if (r == 0 && (ctrl & PCI_PM_CTRL_STATE_MASK) == 3 && vfiopm_freezer_holds(f) == 1)
		vfiopm_handle_write(b->handle, VFIO_PCI_CONFIG_REGION_INDEX,
				    b->pm_cap + PCI_PM_CTRL, &ctrl, sizeof(ctrl));
	return r;
}

static int enter_stopped(const struct plan *p, struct vfiopm_freezer *f,
			 enum vfiopm_refusal *why)
{
	int64_t start;
	int r;

	r = look(p, why);
	if (r < 0)
		return r;
	/* Late, or let run by somebody else: the look is worth nothing. */
	if (vfiopm_freezer_holds(f) != 1)
		return refuse(why, VFIOPM_REFUSED_THAWED);
	r = vfiopm_low_power_enter_with_wakeup(p->b->handle, p->eventfd);
	if (r == -EINVAL)
		return refuse(why, VFIOPM_REFUSED_ENGAGED);
	if (r == -ENOTTY)
		return refuse(why, VFIOPM_REFUSED_UNSUPPORTED);
	if (r < 0)
		return r;
	start = now_us();
	r = wait_suspended(p, why);
	if (r == 0 && vfiopm_freezer_holds(f) != 1)
		r = refuse(why, VFIOPM_REFUSED_THAWED);
	if (r == 0)
		p->b->suspend_us = now_us() - start;
	else
		put_back(p->b, f);
	return r;
}

static int freeze(struct vfiopm_borrow *b, struct vfiopm_freezer *f, int64_t timeout_ms,
		  enum vfiopm_refusal *why)
{
	int r = vfiopm_freezer_freeze(f, b, timeout_ms);

	switch (r) {
	case -EALREADY:
		return refuse(why, VFIOPM_REFUSED_STOPPED);
	case -ETIMEDOUT:
		return refuse(why, VFIOPM_REFUSED_NOT_FROZEN);
	case -EOPNOTSUPP:
		return refuse(why, VFIOPM_REFUSED_FOREGROUND);
	case -ESRCH:
		return refuse(why, VFIOPM_REFUSED_CHANGED);
	case -EPERM:
	case -EACCES:
		return refuse(why, VFIOPM_REFUSED_DENIED);
	}
	return r;
}

int vfiopm_borrow_enter(struct vfiopm_borrow *borrow, struct vfiopm_freezer *freezer, int eventfd,
			int64_t freeze_ms, int64_t suspend_ms, unsigned int flags,
			enum vfiopm_refusal *why)
{
	struct plan p = {
		.b = borrow,
		.host.fd = -1,
		.eventfd = eventfd,
		.flags = flags,
		.suspend_ms = suspend_ms,
	};
	int r;

	borrow->suspend_us = 0;
	r = plan_make(&p, why);
	if (r == 0)
		r = freeze(borrow, freezer, freeze_ms, why);
	if (r == 0) {
		r = enter_stopped(&p, freezer, why);
		/* The guard was faster: whether it came before the entry can't be told. */
		if (vfiopm_freezer_thaw(freezer) < 0 && r == 0) {
			vfiopm_low_power_exit(borrow->handle);
			r = refuse(why, VFIOPM_REFUSED_THAWED);
		}
	}
	plan_free(&p);
	return r;
}

bool vfiopm_borrow_needs_exit(const struct vfiopm_borrow *borrow)
{
	return borrow->needs_exit;
}

/* Asleep by that entry? Called while the owner is stopped. */
static bool still_asleep(struct vfiopm_borrow *b, int eventfd)
{
	struct pollfd p = { .fd = eventfd, .events = POLLIN };
	struct vfiopm_glance *glance;
	bool asleep;

	if (vfiopm_glance_new(b->dev, &glance) < 0)
		return false;
	asleep = vfiopm_glance_status(glance) == VFIOPM_STATUS_SUSPENDED && poll(&p, 1, 0) == 0;
	vfiopm_glance_free(glance);
	return asleep;
}

int vfiopm_borrow_leave(struct vfiopm_borrow *borrow, struct vfiopm_freezer *freezer, int eventfd,
			int64_t freeze_ms, enum vfiopm_refusal *why)
{
	int r;

	r = vfiopm_borrow_again(borrow, why);
	if (r == 0)
		r = freeze(borrow, freezer, freeze_ms, why);
	if (r == 0) {
		if (still_asleep(borrow, eventfd)) {
			r = put_back(borrow, freezer);
			r = r < 0 ? r : 1;
		}
		vfiopm_freezer_thaw(freezer);
	}
	vfiopm_borrow_drop(borrow);
	return r;
}

int64_t vfiopm_borrow_get_suspend(const struct vfiopm_borrow *borrow)
{
	return borrow->suspend_us;
}

/* ---- an owner that stands still because it has agreed to ---- */

static bool host_keeps_awake(struct vfiopm_borrow *b)
{
	char buf[16];
	int dir;

	if (b->control_fd < 0) {
		dir = device_open_dir(b->dev);
		if (dir < 0)
			return false;
		b->control_fd = sysfs_open_at(b->dev->ctx, dir, "power/control");
		close(dir);
	}
	return sysfs_reread(b->control_fd, buf, sizeof(buf)) > 0 && !strcmp(buf, "on");
}

int vfiopm_borrow_enter_agreed(struct vfiopm_borrow *borrow, int eventfd, unsigned int flags,
			       enum vfiopm_refusal *why)
{
	int64_t start;
	uint16_t ctrl;
	int r;

	borrow->entry_us = 0;
	r = find_pm(borrow);
	if (r <= 0)
		return r < 0 ? r : refuse(why, VFIOPM_REFUSED_NO_PM);
	r = read_config(borrow, borrow->pm_cap + PCI_PM_CTRL, &ctrl, sizeof(ctrl));
	if (r < 0)
		return r;
	if (!(flags & VFIOPM_ENTER_IN_USE) && (ctrl & PCI_PM_CTRL_STATE_MASK) != 3)
		return refuse(why, VFIOPM_REFUSED_IN_USE);
	/* It would stay engaged and awake, which no wake ends. */
	if (host_keeps_awake(borrow))
		return refuse(why, VFIOPM_REFUSED_NOT_SUSPENDED);
	start = now_us();
	r = vfiopm_low_power_enter_with_wakeup(borrow->handle, eventfd);
	borrow->entry_us = now_us() - start;
	if (r == -EINVAL)
		return refuse(why, VFIOPM_REFUSED_ENGAGED);
	if (r == -ENOTTY)
		return refuse(why, VFIOPM_REFUSED_UNSUPPORTED);
	return r;
}

int64_t vfiopm_borrow_get_entry(const struct vfiopm_borrow *borrow)
{
	return borrow->entry_us;
}

int vfiopm_borrow_read_header(struct vfiopm_borrow *borrow, uint8_t *buf)
{
	return read_config(borrow, 0, buf, VFIOPM_HEADER_LEN);
}
