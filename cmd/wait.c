// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm wait: returns when a device is in a state. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

enum { KEY_STATE = KEY_VERB,
       KEY_TIMEOUT,
       KEY_FOR,
       KEY_INTERVAL };

/* What --state asks for: a runtime status, or a power state. */
struct wanted {
	const char *text;
	enum vfiopm_status status; /* UNKNOWN: any */
	enum vfiopm_state state; /* UNKNOWN: any */
};

struct input {
	struct device_args devices;
	struct wanted want;
	int64_t timeout_ms, for_ms, interval_ms;
};

/* A device on its way there. */
struct waiting {
	const char *name;
	enum vfiopm_status status;
	enum vfiopm_state state;
	int64_t since_ns; /* in the wanted state; 0: it isn't */
	bool seen, reached, gone;
};

static const struct argp_option options[] = {
	{ "state", KEY_STATE, "STATE", 0,
	  "suspended or active, the runtime status; D3cold or D3hot: asleep at least that deep; "
	  "D0: awake in D0",
	  0 },
	{ "timeout", KEY_TIMEOUT, "TIME", 0, "Give up after TIME (10s); 0: only look", 0 },
	{ "for", KEY_FOR, "TIME", 0, "The state must have been kept for TIME", 0 },
	{ "interval", KEY_INTERVAL, "TIME", 0,
	  "How often to look where the kernel's trace events can't be had (50ms)", 0 },
	{ 0 }
};

static int parse_wanted(const char *text, struct wanted *ret)
{
	*ret = (struct wanted){ .text = text };
	if (!strcmp(text, "suspended")) {
		ret->status = VFIOPM_STATUS_SUSPENDED;
	} else if (!strcmp(text, "active")) {
		ret->status = VFIOPM_STATUS_ACTIVE;
	} else if (vfiopm_state_parse(text, &ret->state) < 0 ||
		   (ret->state != VFIOPM_STATE_D0 && ret->state < VFIOPM_STATE_D3HOT)) {
		return -EINVAL;
	} else {
		/* Asleep is suspended *and* in D3; a D3hot that the owner wrote isn't. */
		ret->status = ret->state == VFIOPM_STATE_D0 ? VFIOPM_STATUS_ACTIVE :
							      VFIOPM_STATUS_SUSPENDED;
		ret->text = vfiopm_state_name(ret->state);
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->devices;
		return 0;
	case KEY_STATE:
		if (parse_wanted(arg, &in->want) < 0)
			argp_error(state, "'%s' is none of suspended, active, D0, D3hot, D3cold",
				   arg);
		return 0;
	case KEY_TIMEOUT:
		time_parse(state, arg, &in->timeout_ms);
		return 0;
	case KEY_FOR:
		time_parse(state, arg, &in->for_ms);
		return 0;
	case KEY_INTERVAL:
		interval_parse(state, arg, &in->interval_ms);
		return 0;
	case ARGP_KEY_END:
		if (!in->want.text)
			argp_error(state, "which state? give --state=");
		return 0;
	}
	return devices_parse(key, state, &in->devices, true);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp wait_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE...",
	.doc = "Wait until each DEVICE is, or was meanwhile, in a state."
	       "\vLooking never wakes a device. Root is told by the kernel's trace events, so that "
	       "a pulse of some milliseconds isn't missed; others look every TIME, which is said. "
	       "Exit status 6 when the state wasn't reached in time.",
	.children = children,
};

static bool fits(const struct wanted *want, const struct waiting *dev)
{
	if (want->status && dev->status != want->status)
		return false;
	return want->state == VFIOPM_STATE_D0 ? dev->state == VFIOPM_STATE_D0 :
						dev->state >= want->state;
}

static void judge(const struct input *in, struct waiting *dev, int64_t ns)
{
	bool now = !dev->gone && fits(&in->want, dev);

	/* It was there until @ns, when it stopped being so. */
	if (dev->since_ns && ns - dev->since_ns >= in->for_ms * 1000000)
		dev->reached = true;
	if (!now)
		dev->since_ns = 0;
	else if (!dev->since_ns)
		dev->since_ns = ns;
	if (now && !in->for_ms)
		dev->reached = true;
}

/* What was kept until now may have been interrupted meanwhile. */
static void begin_anew(struct waiting *devs, size_t n, int64_t ns)
{
	for (size_t i = 0; i < n; i++)
		if (devs[i].since_ns)
			devs[i].since_ns = ns;
}

static void take(const struct input *in, struct waiting *devs, size_t n,
		 const struct watch_event *event)
{
	for (size_t i = 0; i < n; i++) {
		struct waiting *dev = &devs[i];

		if (strcmp(dev->name, event->device))
			continue;
		switch (event->kind) {
		case WATCH_PRESENT:
			dev->status = event->status;
			dev->state = event->state;
			dev->seen = true;
			break;
		case WATCH_STATUS:
			dev->status = event->status;
			break;
		case WATCH_STATE:
			dev->state = event->state;
			break;
		case WATCH_GONE:
			dev->gone = true;
			break;
		default:
			return;
		}
		judge(in, dev, event->ns);
	}
}

/* Why it doesn't sleep; who waits for it to wake is told nothing. */
static void explain(const struct input *in, struct vfiopm_device *dev, char **cause, char **mend)
{
	if (in->want.status == VFIOPM_STATUS_SUSPENDED)
		vfiopm_explain_likeliest(dev,
					 in->want.state ? in->want.state : VFIOPM_STATE_D3HOT, 0,
					 cause, mend);
}

static int report(const struct input *in, const struct waiting *dev, struct vfiopm_device *device)
{
	char time[32], *cause = NULL, *mend = NULL;

	if (dev->gone) {
		msg_cannot("wait for", dev->name, "the device was removed");
		return EXIT_NODEV;
	}
	explain(in, device, &cause, &mend);
	msg_cannot("wait for", dev->name, "not %s%s within %s, it is %s/%s%s%s", in->want.text,
		   in->for_ms ? " for long enough" : "",
		   format_time(in->timeout_ms, time, sizeof(time)), vfiopm_status_name(dev->status),
		   vfiopm_state_name(dev->state), cause ? ": " : "", cause ? cause : "");
	if (mend)
		msg_hint("%s", mend);
	else
		msg_hint(PROGRAM " %s %s", cause ? "explain" : "status", dev->name);
	free(cause);
	free(mend);
	return EXIT_STATE;
}

static void tell_interval(const struct input *in)
{
	char interval[32];

	msg_warn("the kernel's trace events can't be had: looking every %s, what is shorter may be "
		 "missed",
		 format_time(in->interval_ms, interval, sizeof(interval)));
	msg_hint("root gets them where tracefs is mounted");
}

static int wait_all(const struct input *in, struct watch *watch, struct waiting *devs,
		    const struct targets *targets)
{
	int64_t deadline = monotonic_ns() + in->timeout_ms * 1000000;
	bool told = watch_is_driven(watch), lost = false;
	size_t n = targets->count;
	int code = EXIT_OK;

	for (;;) {
		int64_t now = monotonic_ns(), until = deadline;
		struct watch_event event;
		size_t open = 0, seen = 0;
		int r;

		for (size_t i = 0; i < n; i++) {
			seen += devs[i].seen;
			if (devs[i].reached)
				continue;
			judge(in, &devs[i], now);
			open += !devs[i].reached && !devs[i].gone;
			if (devs[i].since_ns && devs[i].since_ns + in->for_ms * 1000000 < until)
				until = devs[i].since_ns + in->for_ms * 1000000;
		}
		if (!open)
			until = now;
		/* Who is there already isn't waited for: their present state comes first. */
		if (!told && until > now && seen == n) {
			tell_interval(in);
			told = true;
		}
		r = watch_next(watch, until > now ? (until - now + 999999) / 1000000 : 0, &event);
		if (r == -EINTR)
			return EXIT_STATE;
		if (r < 0) {
			msg_error("cannot wait: %s", strerror(-r));
			return EXIT_FAILED;
		}
		if (r > 0 && event.kind == WATCH_LOST) {
			begin_anew(devs, n, event.ns);
			if (!lost)
				msg_warn("the kernel's trace events came too fast: a state that "
					 "was there for a moment may have been missed");
			lost = true;
			watch_event_clear(&event);
		} else if (r > 0) {
			take(in, devs, n, &event);
			watch_event_clear(&event);
		} else if (!open || monotonic_ns() >= deadline) {
			break;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (!devs[i].reached)
			code_merge(&code, report(in, &devs[i], targets->dev[i]));
	return code;
}

int cmd_wait(struct app *app, int argc, char **argv)
{
	struct input in = { .timeout_ms = 10000, .interval_ms = 50 };
	struct waiting *devs = NULL;
	struct targets targets;
	struct watch *watch;
	int code, r;

	verb_parse(app, argc, argv, &in);
	code = targets_resolve(app, &in.devices, &targets);
	if (!targets.count)
		goto out;
	devs = calloc(targets.count, sizeof(*devs));
	r = devs ? watch_new(app, &targets, in.timeout_ms ? 0 : WATCH_ONCE, in.interval_ms,
			     &watch) :
		   -ENOMEM;
	if (r < 0) {
		msg_error("cannot wait: %s", strerror(-r));
		code_merge(&code, EXIT_FAILED);
		goto out;
	}
	for (size_t i = 0; i < targets.count; i++)
		devs[i].name = vfiopm_device_get_name(targets.dev[i]);
	code_merge(&code, wait_all(&in, watch, devs, &targets));
	watch_free(watch);
out:
	free(devs);
	targets_free(&targets);
	return code;
}
