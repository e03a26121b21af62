// SPDX-License-Identifier: GPL-2.0-or-later
/* A device whose driver, vfio-pm-pci, does it by itself: turned on, looked at, put back. */
#include "deepen.h"

/* As the driver counts them; unchanged when they can't be read. */
static void count_entries(const struct deepen_device *d, int64_t *entries)
{
	struct vfiopm_account *account;

	if (vfiopm_account_new(d->dev, &account) < 0)
		return;
	vfiopm_account_get(account, "entries", entries);
	vfiopm_account_free(account);
}

bool deepen_kernel_start(struct deepen *s, struct deepen_device *d)
{
	int on = vfiopm_in_kernel_get(d->dev, VFIOPM_IN_KERNEL_DEEPEN);

	if (on < 0 || s->options.dry_run)
		return false;
	/*
	 * Consent to a loss of state is this service's to give where the service
	 * turns it on: what is found then is what one that was killed has left.
	 */
	if (d->state_loss_ok || !on)
		vfiopm_keeper_set(s->keeper, d->dev, VFIOPM_IN_KERNEL_STATE_LOSS,
				  d->state_loss_ok);
	vfiopm_keeper_set(s->keeper, d->dev, VFIOPM_IN_KERNEL_RATE, (int)s->options.rate);
	if (vfiopm_keeper_set(s->keeper, d->dev, VFIOPM_IN_KERNEL_DEEPEN, true) < 0) {
		vfiopm_keeper_restore(s->keeper, d->dev);
		return false;
	}
	count_entries(d, &d->entries);
	return true;
}

void deepen_kernel_stop(struct deepen *s, struct deepen_device *d)
{
	vfiopm_keeper_restore(s->keeper, d->dev);
}

void deepen_kernel_tick(struct deepen *s, struct deepen_device *d, int64_t now_ms)
{
	bool suspended = vfiopm_glance_status(d->glance) == VFIOPM_STATUS_SUSPENDED;
	struct deepen_event event = { .d = d };
	int64_t entries = d->entries;

	if (suspended == d->was_suspended)
		return;
	d->was_suspended = suspended;
	if (!suspended && d->since_ms) {
		event.kind = DEEPEN_WOKEN;
		event.asleep_ms = now_ms - d->since_ms;
		d->stats.woken++;
		d->stats.asleep_ms += event.asleep_ms;
		d->since_ms = 0;
		deepen_report(s, &event);
	}
	/* A device that nobody has open falls asleep without an entry. */
	count_entries(d, &entries);
	if (suspended && entries != d->entries) {
		event.kind = DEEPEN_DEEPENED;
		event.state = vfiopm_glance_state(d->glance);
		d->stats.deepened += (unsigned int)(entries - d->entries);
		d->since_ms = now_ms;
		deepen_report(s, &event);
	}
	d->entries = entries;
}
