// SPDX-License-Identifier: LGPL-2.1-or-later
/* PCI devices that come, go and change their driver, as it happens: the only user of libudev. */
#include <errno.h>
#include <libudev.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

struct vfiopm_events {
	struct udev *udev;
	struct udev_monitor *monitor;
};

static const char *const actions[] = {
	[VFIOPM_EVENT_ADD] = "add",
	[VFIOPM_EVENT_REMOVE] = "remove",
	[VFIOPM_EVENT_BIND] = "bind",
	[VFIOPM_EVENT_UNBIND] = "unbind",
	[VFIOPM_EVENT_CHANGE] = "change",
};

const char *vfiopm_event_name(enum vfiopm_event event)
{
	return (size_t)event < ARRAY_SIZE(actions) ? actions[event] : "unknown";
}

int vfiopm_events_new(struct vfiopm_ctx *ctx, struct vfiopm_events **ret)
{
	struct vfiopm_events *events;
	int r;

	if (ctx->foreign)
		return -EROFS;
	events = calloc(1, sizeof(*events));
	if (!events)
		return -ENOMEM;
	events->udev = udev_new();
	/*
	 * The kernel's own messages: they come at once, any user may hear them,
	 * and they come where no udevd runs.
	 */
	if (events->udev)
		events->monitor = udev_monitor_new_from_netlink(events->udev, "kernel");
	if (!events->monitor) {
		vfiopm_events_free(events);
		return -ENOMEM;
	}
	r = udev_monitor_filter_add_match_subsystem_devtype(events->monitor, "pci", NULL);
	if (r >= 0)
		r = udev_monitor_enable_receiving(events->monitor);
	if (r < 0) {
		vfiopm_events_free(events);
		return r;
	}
	/* Needs CAP_NET_ADMIN beyond the system's limit; the default does without. */
	udev_monitor_set_receive_buffer_size(events->monitor, 4 << 20);
	*ret = events;
	return 0;
}

void vfiopm_events_free(struct vfiopm_events *events)
{
	if (!events)
		return;
	if (events->monitor)
		udev_monitor_unref(events->monitor);
	if (events->udev)
		udev_unref(events->udev);
	free(events);
}

int vfiopm_events_get_fd(const struct vfiopm_events *events)
{
	return udev_monitor_get_fd(events->monitor);
}

static bool parse_event(struct udev_device *udev, enum vfiopm_event *event,
			struct vfiopm_addr *addr)
{
	const char *action = udev_device_get_action(udev);
	const char *name = udev_device_get_sysname(udev);

	if (!action || !name || vfiopm_addr_parse(name, addr) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!strcmp(action, actions[i])) {
			*event = (enum vfiopm_event)i;
			return true;
		}
	}
	return false;
}

int vfiopm_events_next(struct vfiopm_events *events, enum vfiopm_event *event,
		       struct vfiopm_addr *addr)
{
	struct udev_device *udev;
	bool ours;

	/* The socket doesn't block; what isn't for us is passed over. */
	for (;;) {
		errno = 0;
		udev = udev_monitor_receive_device(events->monitor);
		if (!udev)
			return errno == ENOBUFS ? -ENOBUFS : 0;
		ours = parse_event(udev, event, addr);
		udev_device_unref(udev);
		if (ours)
			return 1;
	}
}

int udev_settle(int64_t timeout_ms)
{
	struct udev_queue *queue = NULL;
	int64_t end = now_ms() + timeout_ms;
	struct udev *udev;
	int r = 0;

	udev = udev_new();
	queue = udev ? udev_queue_new(udev) : NULL;
	if (!queue) {
		udev_unref(udev);
		return -ENOMEM;
	}
	while (udev_queue_get_udev_is_active(queue) && !udev_queue_get_queue_is_empty(queue)) {
		struct pollfd p = { .fd = udev_queue_get_fd(queue), .events = POLLIN };
		int64_t left = end - now_ms();

		if (left <= 0) {
			r = -ETIMEDOUT;
			break;
		}
		/* Its inotify may miss what happened before it was set up: look again soon. */
		if (p.fd < 0 || poll(&p, 1, left > 100 ? 100 : (int)left) < 0)
			p.revents = 0;
		if (p.revents)
			udev_queue_flush(queue);
	}
	udev_queue_unref(queue);
	udev_unref(udev);
	return r;
}
