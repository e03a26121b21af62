// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm deepen: what an owner puts into D3hot, the host takes further. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deepen.h"
#include "deepen_tell.h"
#include "holder.h"
#include "service.h"
#include "stall.h"
#include "stop.h"

/* After that an owner runs again, whatever has happened to us. */
#define BOUND_MS 2000

/* A look costs microseconds; more often than this it would still be a load. */
#define INTERVAL_MIN_MS 10
#define INTERVAL_MAX_MS 1000

struct input {
	struct deepen_options options;
	bool all;
	struct device_args devices, loss_ok;
};

enum {
	KEY_ALL = KEY_VERB,
	KEY_DWELL,
	KEY_DRY_RUN,
	KEY_LOSS_OK,
	KEY_RATE,
	KEY_RETRY,
	KEY_SUSPEND,
	KEY_JSON_LINES,
};

static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0, "All devices on a VFIO driver, also those that come later", 0 },
	{ "dwell", KEY_DWELL, "TIME", 0,
	  "How long a device must have been in D3hot (default 5s); with less than 1s devices are "
	  "looked at as often",
	  0 },
	{ "state-loss-ok", KEY_LOSS_OK, "DEVICE", 0,
	  "Deepen this device though it promises to keep its state in D3hot; repeatable", 0 },
	{ "rate", KEY_RATE, "N", 0,
	  "At most N transitions a minute and device, up to 120 (default 12; 0: no limit)", 0 },
	{ "retry", KEY_RETRY, "TIME", 0, "How long a refused device is left alone (default 60s)",
	  0 },
	{ "suspend-timeout", KEY_SUSPEND, "TIME", 0,
	  "How long a device may take to suspend while its owner stands still (default 100ms)", 0 },
	{ "dry-run", KEY_DRY_RUN, NULL, 0, "Only say what would be done", 0 },
	{ "json-lines", KEY_JSON_LINES, NULL, 0, "One JSON object a line", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;
	char **grown;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->devices;
		return 0;
	case 'a':
		in->all = true;
		return 0;
	case KEY_DWELL:
		time_parse(state, arg, &in->options.dwell_ms);
		return 0;
	case KEY_RETRY:
		time_parse(state, arg, &in->options.retry_ms);
		return 0;
	case KEY_SUSPEND:
		time_parse(state, arg, &in->options.suspend_ms);
		/* Half of the bound on the whole is left for the rest. */
		if (in->options.suspend_ms > BOUND_MS / 2)
			argp_error(state, "the owner isn't stopped for more than %d ms",
				   BOUND_MS / 2);
		return 0;
	case KEY_RATE:
		number_parse(state, arg, RATE_MAX, &in->options.rate);
		return 0;
	case KEY_LOSS_OK:
		grown = reallocarray(in->loss_ok.specs, in->loss_ok.count + 1,
				     sizeof(*grown));
		if (!grown)
			return ENOMEM;
		in->loss_ok.specs = grown;
		in->loss_ok.specs[in->loss_ok.count++] = arg;
		return 0;
	case KEY_DRY_RUN:
		in->options.dry_run = true;
		return 0;
	case KEY_JSON_LINES:
		in->options.json = true;
		return 0;
	case ARGP_KEY_END:
		if (in->all == (in->devices.count > 0))
			argp_error(state, in->all ? "--all, or devices, but not both" :
						    "which device? --all takes all");
		return 0;
	}
	return devices_parse(key, state, &in->devices, false);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp deepen_argp = {
	.children = children,
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE...\n--all",
	.doc = "Put devices that their owner has in D3hot into the host's deepest state.\v"
	       "A guest suspends a device by writing D3hot, which is as deep as that gets. This "
	       "service, in the foreground, notices it, stops the owner (a VMM, say) for some "
	       "milliseconds, and lets the host suspend the device, down to D3cold; the guest's "
	       "own next access wakes it. Works with any VFIO driver and any owner. vfio-pm-"
	       "deepen(8) says when that is safe.",
};

static bool is_target(const struct deepen *s, const struct vfiopm_addr *addr)
{
	if (s->all)
		return true;
	for (size_t i = 0; i < s->targets.count; i++)
		if (!vfiopm_addr_cmp(vfiopm_device_get_addr(s->targets.dev[i]), addr))
			return true;
	return false;
}

static int add(struct deepen *s, struct vfiopm_device *dev)
{
	struct deepen_device **grown;
	int r;

	for (size_t i = 0; i < s->count; i++)
		if (!vfiopm_addr_cmp(vfiopm_device_get_addr(s->device[i]->dev),
				     vfiopm_device_get_addr(dev)))
			return 0;
	grown = reallocarray(s->device, s->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->device = grown;
	r = deepen_device_new(s, dev, &s->device[s->count]);
	if (r == 0)
		s->count++;
	return r;
}

static void drop(struct deepen *s, const struct vfiopm_addr *addr)
{
	for (size_t i = 0; i < s->count; i++) {
		struct deepen_device *d = s->device[i];

		if (vfiopm_addr_cmp(vfiopm_device_get_addr(d->dev), addr))
			continue;
		s->device[i] = s->device[--s->count];
		deepen_report(s, &(struct deepen_event){ .kind = DEEPEN_GONE, .d = d });
		deepen_device_free(s, d);
		return;
	}
}

static void look_at_address(struct deepen *s, const struct vfiopm_addr *addr)
{
	struct vfiopm_device *dev;

	if (!is_target(s, addr) || vfiopm_device_new(s->app->ctx, addr, &dev) < 0)
		return;
	if (vfiopm_device_is_vfio(dev))
		add(s, dev);
	vfiopm_device_unref(dev);
}

static bool is_found(const struct targets *found, const struct deepen_device *d)
{
	/* Its files tell nothing: another device has its place. */
	if (vfiopm_glance_status(d->glance) == VFIOPM_STATUS_UNKNOWN)
		return false;
	for (size_t i = 0; i < found->count; i++)
		if (!vfiopm_addr_cmp(vfiopm_device_get_addr(found->dev[i]),
				     vfiopm_device_get_addr(d->dev)))
			return true;
	return false;
}

/* Also what has gone: that may have been among the events that were lost. */
static void look_at_all(struct deepen *s)
{
	struct targets found;

	if (targets_all(s->app, true, &found) != EXIT_OK) {
		targets_free(&found);
		return;
	}
	for (size_t i = s->count; i-- > 0;)
		if (!is_found(&found, s->device[i]))
			drop(s, vfiopm_device_get_addr(s->device[i]->dev));
	for (size_t i = 0; i < found.count; i++)
		if (is_target(s, vfiopm_device_get_addr(found.dev[i])))
			add(s, found.dev[i]);
	targets_free(&found);
}

static void take_events(struct deepen *s, struct vfiopm_events *events)
{
	enum vfiopm_event event;
	struct vfiopm_addr addr;
	int r;

	while ((r = vfiopm_events_next(events, &event, &addr)) > 0) {
		if (event == VFIOPM_EVENT_BIND)
			look_at_address(s, &addr);
		else if (event == VFIOPM_EVENT_UNBIND || event == VFIOPM_EVENT_REMOVE)
			drop(s, &addr);
	}
	if (r == -ENOBUFS)
		look_at_all(s);
}

/* Until something happens, or it is time for a look. False: asked to stop. */
static bool wait_and_look(struct deepen *s, const struct stop *stop, struct vfiopm_events *events,
			  struct pollfd *p, int timeout_ms)
{
	size_t n = 0, watched = s->count;

	p[n++] = (struct pollfd){ .fd = stop->fd, .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = vfiopm_events_get_fd(events), .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = s->tell_fd, .events = POLLIN };
	for (size_t i = 0; i < watched; i++) {
		p[n++] = (struct pollfd){ .fd = s->device[i]->wake_fd, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = s->device[i]->owner_fd, .events = POLLIN };
	}
	if (poll(p, n, timeout_ms) <= 0)
		return true;
	if (p[0].revents && stop_signal(stop))
		return false;
	for (size_t i = 0; i < watched; i++) {
		if (p[3 + 2 * i].revents)
			deepen_device_woken(s, s->device[i]);
		else if (p[4 + 2 * i].revents)
			deepen_device_owner_gone(s, s->device[i]);
	}
	/* Before a device goes. */
	if (p[2].revents) {
		for (size_t i = 0; i < s->count; i++)
			if (s->device[i]->phase == PHASE_IN_KERNEL)
				deepen_kernel_tick(s, s->device[i], monotonic_ms());
		deepen_tell(s, s->tell_fd);
	}
	if (p[1].revents)
		take_events(s, events);
	return true;
}

/* The service manager is told what has changed, not that nothing has. */
static void notify(struct deepen *s, const char *first)
{
	size_t asleep = 0;
	char line[128];

	for (size_t i = 0; i < s->count; i++)
		asleep += deepen_device_is_asleep(s->device[i]);
	if (!*first && asleep == s->told_asleep && s->count == s->told_count)
		return;
	s->told_asleep = asleep;
	s->told_count = s->count;
	snprintf(line, sizeof(line), "%sSTATUS=%zu devices watched, %zu deepened", first, s->count,
		 asleep);
	service_notify(line);
}

static int serve(struct deepen *s, const struct stop *stop, struct vfiopm_events *events)
{
	int64_t next = monotonic_ms();
	struct pollfd *p = NULL;
	bool go_on = true;
	size_t room = 0;

	notify(s, "READY=1\n");
	while (go_on) {
		int64_t now = monotonic_ms();

		if (s->count + 1 > room) {
			struct pollfd *grown;

			grown = reallocarray(p, 2 * (2 * s->count + 5), sizeof(*p));
			if (!grown)
				break;
			p = grown;
			room = 2 * s->count + 2;
		}
		if (now >= next) {
			for (size_t i = 0; i < s->count; i++)
				deepen_device_tick(s, s->device[i], now);
			next = now + s->options.interval_ms;
			notify(s, "");
		}
		now = monotonic_ms();
		go_on = wait_and_look(s, stop, events, p, next > now ? (int)(next - now) : 0);
		/* Nobody listens: that is how it was asked to end. */
		if (ferror(stdout))
			break;
	}
	service_notify("STOPPING=1");
	free(p);
	return EXIT_OK;
}

/* Nothing is changed before all is there. */
static int check_targets(struct deepen *s)
{
	int code = EXIT_OK;

	for (size_t i = 0; i < s->targets.count; i++)
		if (!vfiopm_device_is_vfio(s->targets.dev[i]))
			code_merge(&code, trouble_check(s->app, "deepen", s->targets.dev[i]));
	return code;
}

static int run(struct deepen *s)
{
	struct vfiopm_events *events = NULL;
	struct stop stop;
	int code, r;

	code = check_targets(s);
	if (code != EXIT_OK)
		return code;
	r = vfiopm_freezer_new(s->app->ctx, BOUND_MS, &s->freezer);
	if (r == 0)
		r = vfiopm_keeper_new(s->app->ctx, &s->keeper);
	if (r == 0)
		r = vfiopm_events_new(s->app->ctx, &events);
	if (r == 0)
		r = stall_new(&s->stall);
	if (r == 0)
		r = stop_open(&stop);
	if (r < 0) {
		msg_error("cannot start: %s", strerror(-r));
		stall_free(s->stall);
		vfiopm_events_free(events);
		vfiopm_keeper_free(s->keeper);
		vfiopm_freezer_free(s->freezer);
		return EXIT_FAILED;
	}
	s->tell_fd = deepen_tell_open();
	look_at_all(s);
	code = serve(s, &stop, events);
	for (size_t i = 0; i < s->count; i++)
		deepen_device_free(s, s->device[i]);
	free(s->device);
	if (s->tell_fd >= 0)
		close(s->tell_fd);
	stop_close(&stop);
	stall_free(s->stall);
	vfiopm_events_free(events);
	vfiopm_keeper_free(s->keeper);
	vfiopm_freezer_free(s->freezer);
	return code;
}

int cmd_deepen(struct app *app, int argc, char **argv)
{
	struct input in = {
		.options = { .dwell_ms = 5000, .suspend_ms = 100, .retry_ms = 60000, .rate = 12 },
	};
	struct deepen s = { .app = app };
	int code;

	verb_parse(app, argc, argv, &in);
	s.options = in.options;
	s.all = in.all;
	s.options.interval_ms = in.options.dwell_ms;
	if (s.options.interval_ms < INTERVAL_MIN_MS)
		s.options.interval_ms = INTERVAL_MIN_MS;
	if (s.options.interval_ms > INTERVAL_MAX_MS)
		s.options.interval_ms = INTERVAL_MAX_MS;
	code = targets_resolve(app, &in.loss_ok, &s.loss_ok);
	code_merge(&code, targets_resolve(app, &in.devices, &s.targets));
	if (code == EXIT_OK)
		code = run(&s);
	targets_free(&s.targets);
	targets_free(&s.loss_ok);
	free(in.loss_ok.specs);
	return code;
}
