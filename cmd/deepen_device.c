// SPDX-License-Identifier: GPL-2.0-or-later
/* One device of the service: what it is in, what follows. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "deepen.h"
#include "stall.h"

/* An owner that doesn't stop within this time isn't waited for. */
#define FREEZE_MS 200

static void report(struct deepen *s, struct deepen_device *d, enum deepen_event_kind kind)
{
	deepen_report(s, &(struct deepen_event){ .kind = kind, .d = d });
}

/* ---- by borrowing ---- */

/* Counted from here: the next attempt must not follow at once on one that took long. */
static void refused(struct deepen *s, struct deepen_device *d)
{
	d->phase = PHASE_REFUSED;
	d->retry_at_ms = monotonic_ms() + deepen_rules_backoff(s, d);
	d->stats.refused++;
	report(s, d, DEEPEN_REFUSED);
}

static void settle_failure(struct deepen *s, struct deepen_device *d, int r)
{
	if (r == -ENODEV)
		return;
	d->reason = r == -ECANCELED ? REASON_REFUSAL : REASON_ERROR;
	d->error = -r;
	/* The owner was faster, or has gone: that is how it should be. */
	if (r == -ECANCELED &&
	    (d->refusal == VFIOPM_REFUSED_IN_USE || d->refusal == VFIOPM_REFUSED_NOT_ACTIVE ||
	     d->refusal == VFIOPM_REFUSED_NO_OWNER)) {
		d->stats.missed++;
		d->phase = PHASE_WATCHING;
		return;
	}
	if (r != -ECANCELED)
		d->stats.failed++;
	refused(s, d);
}

/* A function of the same slot that waited for this one: the kernel may have linked them. */
static void try_siblings(struct deepen *s, const struct deepen_device *d)
{
	const struct vfiopm_addr *addr = vfiopm_device_get_addr(d->dev);

	for (size_t i = 0; i < s->count; i++) {
		struct deepen_device *other = s->device[i];

		if (other->phase == PHASE_REFUSED && other->reason == REASON_NOTHING_GAINED &&
		    vfiopm_addr_same_slot(addr, vfiopm_device_get_addr(other->dev)))
			other->retry_at_ms = 0;
	}
}

static void note_deepened(struct deepen *s, struct deepen_device *d)
{
	struct deepen_event event = {
		.kind = DEEPEN_DEEPENED,
		.d = d,
		.state = vfiopm_glance_state(d->glance),
		.how = vfiopm_freezer_get_how(s->freezer),
		.pid = vfiopm_borrow_get_pid(d->borrow),
		.comm = vfiopm_borrow_get_comm(d->borrow),
		.pause_us = vfiopm_freezer_get_pause(s->freezer),
		.suspend_us = vfiopm_borrow_get_suspend(d->borrow),
	};

	d->phase = PHASE_ASLEEP;
	d->since_ms = monotonic_ms();
	d->retry_at_ms = 0;
	deepen_rules_note_entry(d, d->since_ms);
	d->stats.deepened++;
	d->stats.pause_us += event.pause_us;
	d->stats.suspend_us += event.suspend_us;
	if (event.pause_us > d->stats.pause_max_us)
		d->stats.pause_max_us = event.pause_us;
	deepen_report(s, &event);
	try_siblings(s, d);
}

static void let_go(struct deepen_device *d)
{
	if (d->wake_fd >= 0)
		close(d->wake_fd);
	if (d->owner_fd >= 0)
		close(d->owner_fd);
	d->wake_fd = d->owner_fd = -1;
	vfiopm_borrow_free(d->borrow);
	d->borrow = NULL;
}

static int enter(struct deepen *s, struct deepen_device *d)
{
	int r;

	r = vfiopm_borrow_new(d->dev, &d->borrow, &d->refusal);
	if (r < 0) {
		d->borrow = NULL;
		return r;
	}
	d->owner_fd = fcntl(vfiopm_borrow_get_pidfd(d->borrow), F_DUPFD_CLOEXEC, 3);
	d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->owner_fd < 0 || d->wake_fd < 0)
		return -errno;
	stall_begin(s->stall, "deepen", vfiopm_device_get_name(d->dev));
	r = vfiopm_borrow_enter(d->borrow, s->freezer, d->wake_fd, FREEZE_MS,
				s->options.suspend_ms,
				d->state_loss_ok ? VFIOPM_ENTER_STATE_LOSS : 0, &d->refusal);
	stall_end(s->stall);
	/* Before anything is written: a reader that is slow must not keep the device open. */
	vfiopm_borrow_drop(d->borrow);
	return r;
}

static void deepen(struct deepen *s, struct deepen_device *d, int64_t now_ms)
{
	int r;

	d->reason = deepen_rules_check(s, d, now_ms);
	if (d->reason != REASON_NONE) {
		refused(s, d);
		return;
	}
	if (s->options.dry_run) {
		report(s, d, DEEPEN_WOULD);
		d->phase = PHASE_TOLD;
		return;
	}
	r = enter(s, d);
	if (r == 0) {
		note_deepened(s, d);
		return;
	}
	let_go(d);
	settle_failure(s, d, r);
}

static void ended(struct deepen *s, struct deepen_device *d, enum deepen_event_kind kind)
{
	struct deepen_event event = {
		.kind = kind,
		.d = d,
		.asleep_ms = monotonic_ms() - d->since_ms,
	};

	d->stats.asleep_ms += event.asleep_ms;
	if (kind == DEEPEN_WOKEN)
		d->stats.woken++;
	let_go(d);
	d->phase = PHASE_WATCHING;
	d->was_suspended = false;
	d->since_ms = 0;
	deepen_report(s, &event);
}

static bool is_engaged(const struct deepen_device *d)
{
	struct vfiopm_account *account;
	bool engaged;

	if (vfiopm_account_new_counts(d->dev, &account) < 0)
		return false;
	engaged = vfiopm_account_is_engaged(account);
	vfiopm_account_free(account);
	return engaged;
}

/*
 * The kernel has left low power by itself, but for what vfiopm_borrow_needs_exit()
 * says. That must not end an entry of somebody else's, which the device's being
 * awake speaks against, and with vfio-pm-pci its account.
 */
static void tidy(struct deepen *s, struct deepen_device *d)
{
	if (!vfiopm_borrow_needs_exit(d->borrow) ||
	    vfiopm_glance_status(d->glance) != VFIOPM_STATUS_ACTIVE || is_engaged(d))
		return;
	stall_begin(s->stall, "leave low power on", vfiopm_device_get_name(d->dev));
	if (vfiopm_borrow_again(d->borrow, NULL) == 0)
		vfiopm_low_power_exit(vfiopm_borrow_get_handle(d->borrow));
	stall_end(s->stall);
	vfiopm_borrow_drop(d->borrow);
}

void deepen_device_woken(struct deepen *s, struct deepen_device *d)
{
	tidy(s, d);
	ended(s, d, DEEPEN_WOKEN);
}

void deepen_device_owner_gone(struct deepen *s, struct deepen_device *d)
{
	ended(s, d, DEEPEN_OWNER_GONE);
}

/* The end: as its owner had it, if the owner can be stopped for that; else it sleeps on. */
static void give_back(struct deepen *s, struct deepen_device *d)
{
	int r;

	stall_begin(s->stall, "leave low power on", vfiopm_device_get_name(d->dev));
	r = vfiopm_borrow_leave(d->borrow, s->freezer, d->wake_fd, FREEZE_MS, &d->refusal);
	stall_end(s->stall);
	if (r == 0)
		tidy(s, d);
	if (r >= 0) {
		ended(s, d, DEEPEN_WOKEN);
		return;
	}
	d->reason = r == -ECANCELED ? REASON_REFUSAL : REASON_ERROR;
	d->error = -r;
	ended(s, d, vfiopm_device_is_enabled(d->dev) ? DEEPEN_LEFT : DEEPEN_OWNER_GONE);
}

/* ---- looking ---- */

/*
 * Is the device in D3hot by its owner's hand, that is, with runtime PM active?
 * One read unless something has changed: of the status while it was suspended,
 * of the state else, which tells nothing but D3hot apart.
 */
static bool is_in_d3hot(struct deepen_device *d)
{
	enum vfiopm_status status;

	if (d->was_suspended) {
		status = vfiopm_glance_status(d->glance);
		if (status == VFIOPM_STATUS_SUSPENDED)
			return false;
		d->was_suspended = false;
	}
	switch (vfiopm_glance_state(d->glance)) {
	case VFIOPM_STATE_D3HOT:
		status = vfiopm_glance_status(d->glance);
		d->was_suspended = status == VFIOPM_STATUS_SUSPENDED;
		return status == VFIOPM_STATUS_ACTIVE;
	case VFIOPM_STATE_D3COLD:
		d->was_suspended = true;
		return false;
	default:
		return false;
	}
}

bool deepen_device_is_asleep(const struct deepen_device *d)
{
	return d->phase == PHASE_ASLEEP ||
	       (d->phase == PHASE_IN_KERNEL && d->kernel.in_session && d->kernel.asleep);
}

void deepen_device_tick(struct deepen *s, struct deepen_device *d, int64_t now_ms)
{
	uint64_t wakes;

	if (d->phase == PHASE_IN_KERNEL) {
		deepen_kernel_look(s, d, now_ms);
		return;
	}
	if (d->phase == PHASE_ASLEEP) {
		d->ask_enabled = !d->ask_enabled;
		/*
		 * Its close tells nobody (vfio_pci_core_disable()), and the next open
		 * wakes it; with idle runtime PM it sleeps on then.
		 */
		if (d->ask_enabled && vfiopm_device_is_enabled(d->dev))
			return;
		if (vfiopm_glance_status(d->glance) != VFIOPM_STATUS_ACTIVE) {
			if (d->ask_enabled)
				ended(s, d, DEEPEN_OWNER_GONE);
			return;
		}
		if (read(d->wake_fd, &wakes, sizeof(wakes)) == (ssize_t)sizeof(wakes))
			deepen_device_woken(s, d);
		else
			ended(s, d, DEEPEN_OWNER_GONE);
		return;
	}
	if (!is_in_d3hot(d)) {
		d->phase = PHASE_WATCHING;
		return;
	}
	if (d->phase == PHASE_WATCHING) {
		/* A guest that comes and goes isn't stopped each time for nothing. */
		d->phase = now_ms < d->retry_at_ms ? PHASE_REFUSED : PHASE_DWELLING;
		d->since_ms = now_ms;
	}
	if (d->phase == PHASE_REFUSED && now_ms >= d->retry_at_ms)
		d->phase = PHASE_DWELLING;
	if (d->phase == PHASE_DWELLING && now_ms - d->since_ms >= s->options.dwell_ms)
		deepen(s, d, now_ms);
}

int deepen_device_new(struct deepen *s, struct vfiopm_device *dev, struct deepen_device **ret)
{
	struct deepen_device *d;
	int r;

	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->wake_fd = d->owner_fd = -1;
	d->wakes = -EAGAIN;
	r = vfiopm_glance_new(dev, &d->glance);
	if (r < 0) {
		free(d);
		return r;
	}
	d->dev = vfiopm_device_ref(dev);
	for (size_t i = 0; i < s->loss_ok.count; i++)
		if (!vfiopm_addr_cmp(vfiopm_device_get_addr(s->loss_ok.dev[i]),
				     vfiopm_device_get_addr(dev)))
			d->state_loss_ok = true;
	d->was_suspended = vfiopm_glance_status(d->glance) == VFIOPM_STATUS_SUSPENDED;
	if (deepen_kernel_start(s, d))
		d->phase = PHASE_IN_KERNEL;
	*ret = d;
	report(s, d, DEEPEN_WATCHED);
	return 0;
}

void deepen_device_free(struct deepen *s, struct deepen_device *d)
{
	if (!d)
		return;
	if (d->phase == PHASE_ASLEEP)
		give_back(s, d);
	if (d->phase == PHASE_IN_KERNEL)
		deepen_kernel_stop(s, d);
	report(s, d, DEEPEN_TOTAL);
	let_go(d);
	vfiopm_glance_free(d->glance);
	vfiopm_device_unref(d->dev);
	free(d);
}
