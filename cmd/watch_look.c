// SPDX-License-Identifier: GPL-2.0-or-later
/* Looking at a device that is watched, and telling what has changed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch_private.h"

/* ---- the queue of what is to be told ---- */

struct watch_event *watch_tell(struct watch *w, enum watch_kind kind, const char *device,
			       int64_t ns)
{
	struct watch_event *event;

	if (w->head == w->tail)
		w->head = w->tail = 0;
	if (w->tail == w->room) {
		size_t room = w->room ? 2 * w->room : 64;
		struct watch_event *grown = reallocarray(w->queue, room, sizeof(*grown));

		if (!grown)
			return NULL;
		w->queue = grown;
		w->room = room;
	}
	event = &w->queue[w->tail++];
	memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->ns = ns;
	event->took_ns = -1;
	snprintf(event->device, sizeof(event->device), "%s", device);
	return event;
}

void watch_event_clear(struct watch_event *event)
{
	free(event->text);
	free(event->old_text);
	event->text = event->old_text = NULL;
}

int watch_tell_status(struct watch *w, struct watched *d, enum vfiopm_status status, int64_t ns)
{
	struct watch_event *event = watch_tell(w, WATCH_STATUS, vfiopm_device_get_name(d->dev), ns);

	if (!event)
		return -ENOMEM;
	event->status = d->status = status;
	d->disagree_ns = 0;
	return 0;
}

int watch_tell_state(struct watch *w, struct watched *d, enum vfiopm_state state, int64_t ns)
{
	struct watch_event *event;

	if (state == d->state)
		return 0;
	event = watch_tell(w, WATCH_STATE, vfiopm_device_get_name(d->dev), ns);
	if (!event)
		return -ENOMEM;
	event->old_state = d->state;
	event->state = d->state = state;
	event->status = d->status;
	return 0;
}

/* Hands @text over. */
int watch_tell_text(struct watch *w, enum watch_kind kind, struct watched *d, char **slot,
		    char *text)
{
	struct watch_event *event;

	if ((!text && !*slot) || (text && *slot && !strcmp(text, *slot))) {
		free(text);
		return 0;
	}
	event = watch_tell(w, kind, vfiopm_device_get_name(d->dev), monotonic_ns());
	if (!event) {
		free(text);
		return -ENOMEM;
	}
	event->old_text = *slot;
	event->text = text ? strdup(text) : NULL;
	*slot = text;
	return 0;
}

/* ---- looking ---- */

static char *owner_text(struct watch *w, const struct vfiopm_device *dev)
{
	const struct vfiopm_owner *owner;
	struct vfiopm_owners *owners;
	char *text = NULL;
	size_t size;
	FILE *f;

	if (!(w->flags & WATCH_OWNERS) || vfiopm_owners_new(w->app->ctx, &owners) < 0)
		return NULL;
	f = open_memstream(&text, &size);
	for (size_t i = 0; f && (owner = vfiopm_owners_find(owners, dev, i)); i++)
		fprintf(f, "%s%s (%d)", i ? ", " : "", vfiopm_owner_get_comm(owner),
			(int)vfiopm_owner_get_pid(owner));
	if (f)
		fclose(f);
	vfiopm_owners_free(owners);
	if (text && !*text) {
		free(text);
		text = NULL;
	}
	return text;
}

static int look_status(struct watch *w, struct watched *d, enum vfiopm_status status)
{
	int64_t now = monotonic_ns();

	if (status != VFIOPM_STATUS_ACTIVE && status != VFIOPM_STATUS_SUSPENDED)
		return 0;
	if (status == d->status) {
		d->disagree_ns = 0;
		return 0;
	}
	if (!w->trace || d->status == VFIOPM_STATUS_UNKNOWN)
		return watch_tell_status(w, d, status, now);
	if (d->maybe_ns && status == VFIOPM_STATUS_SUSPENDED) {
		int64_t ns = d->maybe_ns;

		d->maybe_ns = 0;
		return watch_tell_status(w, d, status, ns);
	}
	if (!d->disagree_ns)
		d->disagree_ns = now;
	/* System sleep sets the status without a trace event (pm_runtime_set_active()). */
	if (now - d->disagree_ns >= DISAGREE_NS)
		return watch_tell_status(w, d, status, now);
	return 0;
}

/*
 * A device is enabled when it is first opened and until it is last closed
 * (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_enable()). That says neither
 * that a descriptor was handed on, nor that one process came right after
 * another. And while it is opened its events come before it is enabled, and
 * that before a process has the descriptor. So whatever happens is followed by
 * another look.
 */
static int look_owner(struct watch *w, struct watched *d, int64_t enable)
{
	bool changed = enable != d->enable;
	int64_t now = monotonic_ns();

	d->enable = enable;
	if (!(w->flags & WATCH_OWNERS))
		return 0;
	if (!changed && !d->owner_due_ns)
		d->owner_due_ns = (enable ? d->owner_ns : now) + OWNER_NS;
	if (!changed && now < d->owner_due_ns)
		return 0;
	d->owner_due_ns = changed ? now + OWNER_NS : 0;
	if (!changed && !enable)
		return 0;
	d->owner_ns = now;
	return watch_tell_text(w, WATCH_OWNER, d, &d->owner, owner_text(w, d->dev));
}

int watch_look(struct watch *w, struct watched *d)
{
	struct vfiopm_power *power;
	int64_t value;
	int r;

	d->touched = false;
	if (d->gone)
		return 0;
	r = vfiopm_power_new(d->dev, &power);
	if (r == -ENODEV) {
		/* Nothing to come back to; its removal is told by an event. */
		d->disagree_ns = d->owner_due_ns = 0;
		return 0;
	}
	if (r < 0)
		return r;
	r = look_status(w, d, vfiopm_power_get_status(power));
	if (r == 0)
		r = watch_tell_state(w, d, vfiopm_power_get_state(power), monotonic_ns());
	if (vfiopm_power_get_enable(power, &value) < 0)
		value = -1;
	if (r == 0)
		r = look_owner(w, d, value);
	d->autosuspend = vfiopm_power_get_autosuspend_delay(power, &value) == 0;
	vfiopm_power_free(power);
	return r;
}

void watch_find_ports(struct watched *d)
{
	struct vfiopm_device *port;
	struct vfiopm_list *ports;
	size_t i;

	d->n_ports = 0;
	if (vfiopm_list_new_upstream(d->dev, &ports) < 0)
		return;
	vfiopm_list_foreach(ports, i, port)
		if (d->n_ports < PORTS_MAX)
			snprintf(d->ports[d->n_ports++], VFIOPM_ADDR_LEN, "%s",
				 vfiopm_device_get_name(port));
	vfiopm_list_free(ports);
}

int watch_read(struct watch *w, struct watched *d)
{
	const char *driver = vfiopm_device_get_driver(d->dev);
	struct vfiopm_power *power;
	int64_t delay;
	int r;

	r = vfiopm_power_new(d->dev, &power);
	if (r < 0)
		return r;
	d->status = vfiopm_power_get_status(power);
	d->state = vfiopm_power_get_state(power);
	if (vfiopm_power_get_enable(power, &d->enable) < 0)
		d->enable = -1;
	d->autosuspend = vfiopm_power_get_autosuspend_delay(power, &delay) == 0;
	vfiopm_power_free(power);
	d->driver = driver ? strdup(driver) : NULL;
	d->owner = d->enable ? owner_text(w, d->dev) : NULL;
	d->owner_ns = monotonic_ns();
	watch_find_ports(d);
	return 0;
}
