// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two sources, one stream of changes. The kernel's rpm events tell each suspend
 * and resume and who asked for it; sysfs is looked at after an event, for what
 * has none: the PCI power state, the driver, the owner. Each access through
 * VFIO passes through runtime PM (drivers/vfio/pci/vfio_pci_core.c,
 * vfio_pci_rw()), so a power state written by the owner shows as well.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "watch_private.h"

/* One look for all that happens in this time: nothing is lost by it, the buffer holds seconds. */
#define BATCH_MS 5

/* ---- devices ---- */

static void watched_clear(struct watched *d)
{
	vfiopm_device_unref(d->dev);
	free(d->driver);
	free(d->owner);
}

static struct watched *find(struct watch *w, const char *name)
{
	for (size_t i = 0; i < w->n_dev; i++)
		if (!strcmp(vfiopm_device_get_name(w->dev[i].dev), name))
			return &w->dev[i];
	return NULL;
}

static int look_at_touched(struct watch *w)
{
	for (size_t i = 0; i < w->n_dev; i++) {
		int r = w->dev[i].touched ? watch_look(w, &w->dev[i]) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int tell_present(struct watch *w, const struct watched *d)
{
	struct watch_event *event;

	event = watch_tell(w, WATCH_PRESENT, vfiopm_device_get_name(d->dev), monotonic_ns());
	if (!event)
		return -ENOMEM;
	event->status = d->status;
	event->state = d->state;
	event->text = d->driver ? strdup(d->driver) : NULL;
	event->old_text = d->owner ? strdup(d->owner) : NULL;
	return 0;
}

static int add(struct watch *w, struct vfiopm_device *dev)
{
	struct watched *grown, *d;
	int r;

	grown = reallocarray(w->dev, w->n_dev + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	w->dev = grown;
	d = &w->dev[w->n_dev];
	memset(d, 0, sizeof(*d));
	d->dev = vfiopm_device_ref(dev);
	r = watch_read(w, d);
	if (r < 0) {
		watched_clear(d);
		return r == -ENODEV ? 0 : r;
	}
	w->n_dev++;
	return tell_present(w, d);
}

static int gone(struct watch *w, struct watched *d)
{
	if (!watch_tell(w, WATCH_GONE, vfiopm_device_get_name(d->dev), monotonic_ns()))
		return -ENOMEM;
	/* One that was named is kept: it may come back. */
	if (w->flags & WATCH_ALL) {
		watched_clear(d);
		*d = w->dev[--w->n_dev];
	} else {
		struct vfiopm_device *dev = vfiopm_device_ref(d->dev);

		watched_clear(d);
		memset(d, 0, sizeof(*d));
		d->dev = dev;
		d->gone = true;
	}
	return 0;
}

/* One that was named is there again; -ENODEV: it has gone at once. */
static int came_back(struct watch *w, struct watched *d)
{
	int r = watch_read(w, d);

	if (r < 0)
		return r == -ENODEV ? 0 : r;
	d->gone = false;
	/* What happened before we looked is told by a later look. */
	d->touched = true;
	return tell_present(w, d);
}

static int device_event(struct watch *w, enum vfiopm_event what, const struct vfiopm_addr *addr)
{
	char name[VFIOPM_ADDR_LEN];
	struct vfiopm_device *dev;
	struct watched *d;
	const char *driver;
	int r;

	d = find(w, vfiopm_addr_format(addr, name));
	if (d && what == VFIOPM_EVENT_REMOVE)
		return gone(w, d);
	if (!d && !(w->flags & WATCH_ALL))
		return 0;
	r = vfiopm_device_new(w->app->ctx, addr, &dev);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	if (d) {
		vfiopm_device_unref(d->dev);
		d->dev = vfiopm_device_ref(dev);
		if (d->gone) {
			r = came_back(w, d);
			goto out;
		}
		watch_find_ports(d);
		d->touched = true;
		/* What the message said: the link may lag, or be ahead. */
		driver = what == VFIOPM_EVENT_UNBIND ? NULL : vfiopm_device_get_driver(dev);
		r = watch_tell_text(w, WATCH_DRIVER, d, &d->driver, driver ? strdup(driver) : NULL);
	} else if (vfiopm_device_is_vfio(dev)) {
		r = add(w, dev);
	}
out:
	vfiopm_device_unref(dev);
	return r;
}

static int drain_events(struct watch *w)
{
	enum vfiopm_event what;
	struct vfiopm_addr addr;
	int r;

	while ((r = vfiopm_events_next(w->events, &what, &addr)) > 0) {
		r = device_event(w, what, &addr);
		if (r < 0)
			return r;
	}
	if (r == -ENOBUFS) {
		for (size_t i = 0; i < w->n_dev; i++)
			w->dev[i].touched = true;
		return watch_tell(w, WATCH_LOST, "", monotonic_ns()) ? 0 : -ENOMEM;
	}
	return r;
}

/* ---- trace events ---- */

static void touch(struct watch *w, const char *name)
{
	for (size_t i = 0; i < w->n_dev; i++) {
		struct watched *d = &w->dev[i];

		if (!strcmp(vfiopm_device_get_name(d->dev), name))
			d->touched = true;
		/* A port that goes to sleep takes the devices below it to D3cold. */
		for (size_t p = 0; p < d->n_ports; p++)
			if (!strcmp(d->ports[p], name))
				d->touched = true;
	}
}

static int resumed(struct watch *w, struct watched *d, const struct transition *t)
{
	struct watch_event *event;
	int r;

	/* A resume that had something to do: so it was suspended before. */
	if (d->status == VFIOPM_STATUS_ACTIVE) {
		r = watch_tell_status(w, d, VFIOPM_STATUS_SUSPENDED,
				      d->maybe_ns ? d->maybe_ns : (int64_t)t->asked_ns);
		if (r < 0)
			return r;
	}
	d->maybe_ns = 0;
	r = watch_tell_status(w, d, VFIOPM_STATUS_ACTIVE, (int64_t)t->ns);
	if (r < 0)
		return r;
	event = &w->queue[w->tail - 1];
	event->pid = t->pid;
	event->took_ns = (int64_t)(t->ns - t->asked_ns);
	trace_comm(w->trace, t->pid, event->comm, sizeof(event->comm));
	/*
	 * A resume ends in D0 (drivers/pci/pci-driver.c, pci_pm_runtime_resume()). A look may come
	 * after the next suspend.
	 */
	return watch_tell_state(w, d, VFIOPM_STATE_D0, (int64_t)t->ns);
}

static int take_trace(const struct rpm_event *event, void *data)
{
	struct watch *w = data;
	struct transition t;
	struct watched *d;
	int r;

	if (event->kind == RPM_LOST) {
		struct watch_event *lost = watch_tell(w, WATCH_LOST, "", (int64_t)event->ns);

		if (!lost)
			return -ENOMEM;
		lost->count = (uint64_t)event->ret;
		for (size_t i = 0; i < w->n_dev; i++)
			w->dev[i].touched = true;
	} else {
		touch(w, event->name);
	}
	r = transitions_feed(w->transitions, event, &t);
	if (r <= 0)
		return r;
	d = find(w, t.name);
	/* One that comes back is told as present first. */
	if (!d || d->gone)
		return 0;
	if (t.active)
		return resumed(w, d, &t);
	if (t.maybe && d->autosuspend)
		d->maybe_ns = (int64_t)t.ns;
	else if (d->status != VFIOPM_STATUS_SUSPENDED)
		return watch_tell_status(w, d, VFIOPM_STATUS_SUSPENDED, (int64_t)t.ns);
	return 0;
}

/* ---- the outside ---- */

static int start_trace(struct watch *w)
{
	const char **names;
	size_t n = 0, room = 0;
	int r;

	for (size_t i = 0; i < w->n_dev; i++)
		room += 1 + w->dev[i].n_ports;
	names = calloc(room + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < w->n_dev && !(w->flags & WATCH_ALL); i++) {
		names[n++] = vfiopm_device_get_name(w->dev[i].dev);
		for (size_t p = 0; p < w->dev[i].n_ports; p++)
			names[n++] = w->dev[i].ports[p];
	}
	r = trace_open(names, n, &w->trace);
	free(names);
	return r;
}

int watch_new(struct app *app, const struct targets *targets, unsigned int flags,
	      int64_t interval_ms, struct watch **ret)
{
	struct watch *w;
	int r;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->app = app;
	w->flags = flags;
	w->interval_ms = interval_ms;
	w->stop.fd = -1;
	r = stop_open(&w->stop);
	if (r == 0)
		r = transitions_new(&w->transitions);
	/* Listening starts before looking: nothing falls in between. */
	if (r == 0 && vfiopm_events_new(app->ctx, &w->events) < 0)
		w->events = NULL;
	for (size_t i = 0; i < targets->count && r == 0; i++)
		r = add(w, targets->dev[i]);
	if (r == 0 && !(flags & WATCH_ONCE) && !vfiopm_ctx_is_foreign(app->ctx) &&
	    start_trace(w) == 0)
		for (size_t i = 0; i < w->n_dev; i++)
			w->dev[i].touched = true;
	if (r < 0) {
		watch_free(w);
		return r;
	}
	w->next_look_ns = monotonic_ns() + interval_ms * 1000000;
	*ret = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	trace_close(w->trace);
	vfiopm_events_free(w->events);
	transitions_free(w->transitions);
	if (w->stop.fd >= 0)
		stop_close(&w->stop);
	for (size_t i = w->head; i < w->tail; i++)
		watch_event_clear(&w->queue[i]);
	for (size_t i = 0; i < w->n_dev; i++)
		watched_clear(&w->dev[i]);
	free(w->queue);
	free(w->dev);
	free(w);
}

bool watch_is_driven(const struct watch *w)
{
	return w->trace;
}

/* In ms, for poll(2); -1: until something happens. */
static int wait_time(const struct watch *w, int64_t deadline_ns)
{
	int64_t until = deadline_ns, now = monotonic_ns();

	if (w->held)
		return 1;
	if (!w->trace && w->next_look_ns < until)
		until = w->next_look_ns;
	for (size_t i = 0; i < w->n_dev; i++) {
		const struct watched *d = &w->dev[i];

		if (d->disagree_ns && d->disagree_ns + DISAGREE_NS < until)
			until = d->disagree_ns + DISAGREE_NS;
		if (d->owner_due_ns && d->owner_due_ns < until)
			until = d->owner_due_ns;
	}
	if (until == INT64_MAX)
		return -1;
	if (until <= now)
		return 0;
	return (int)((until - now + 999999) / 1000000 > INT32_MAX ?
			     INT32_MAX :
			     (until - now + 999999) / 1000000);
}

static int take_all(struct watch *w, const struct pollfd *fds)
{
	int r = 0;

	if (w->trace && (fds[2].revents || w->held)) {
		struct timespec batch = { .tv_nsec = BATCH_MS * 1000000 };

		nanosleep(&batch, NULL);
		r = trace_read(w->trace, take_trace, w);
		if (r < 0)
			return r;
		w->held = r > 0;
	}
	if (w->events && fds[3].revents)
		r = drain_events(w);
	if (r < 0)
		return r;
	for (size_t i = 0; i < w->n_dev; i++) {
		struct watched *d = &w->dev[i];

		if ((d->disagree_ns && monotonic_ns() - d->disagree_ns >= DISAGREE_NS) ||
		    (d->owner_due_ns && monotonic_ns() >= d->owner_due_ns))
			d->touched = true;
	}
	if (!w->trace && monotonic_ns() >= w->next_look_ns) {
		for (size_t i = 0; i < w->n_dev; i++)
			w->dev[i].touched = true;
		w->next_look_ns = monotonic_ns() + w->interval_ms * 1000000;
	}
	return w->held ? 0 : look_at_touched(w);
}

int watch_next(struct watch *w, int64_t timeout_ms, struct watch_event *ret)
{
	int events = w->events ? vfiopm_events_get_fd(w->events) : -1;
	int64_t deadline = timeout_ms < 0 ? INT64_MAX : monotonic_ns() + timeout_ms * 1000000;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = w->stop.fd, .events = POLLIN },
			/* No events: poll(2) reports a reader that went away all the same. */
			{ .fd = w->flags & WATCH_READER ? STDOUT_FILENO : -1 },
			{ .fd = w->trace ? trace_get_fd(w->trace) : -1, .events = POLLIN },
			{ .fd = events, .events = POLLIN },
		};
		int r;

		if (w->head < w->tail) {
			*ret = w->queue[w->head++];
			return 1;
		}
		r = poll(fds, 4, wait_time(w, deadline));
		if (r < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents && stop_signal(&w->stop))
			return -EINTR;
		if (fds[1].revents & (POLLERR | POLLHUP))
			return -EPIPE;
		r = take_all(w, fds);
		if (r < 0)
			return r;
		if (w->head == w->tail && monotonic_ns() >= deadline)
			return 0;
	}
}
