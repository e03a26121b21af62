// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm hold: what enter does, in the foreground, for service managers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "fall.h"
#include "holder.h"
#include "options.h"
#include "service.h"

#define STATUS_MAX	512
/* How often a device is looked at meanwhile, and later. */
#define LOOK_MS		20
#define LOOK_LATER_MS	1000

struct hold_args {
	struct hold_options hold;
	struct device_args devices;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct hold_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->hold;
		state->child_inputs[1] = &args->devices;
		return 0;
	}
	return devices_parse(key, state, &args->devices, true);
}

static const struct argp_child children[] = {
	{ &hold_options_argp, 0, NULL, 0 },
	{ &group_argp, 0, NULL, 0 },
	{ 0 }
};

const struct argp hold_argp = {
	.parser = parse,
	.args_doc = "DEVICE...",
	.doc = "Open each DEVICE, enter low power and keep it there until a signal or `" PROGRAM
	       " exit'.\v"
	       "The same as `enter' in the foreground: for service managers (sd_notify) and for "
	       "watching. A device that is woken enters low power again after a second, unless "
	       "--on-wake tells otherwise. Wakes and the host's wish to have the device back are "
	       "logged on standard error. Ends with the last device; the exit status is 1 when one "
	       "did not come back or reported an error.",
	.children = children,
};

static void log_to_stderr(void *data, int priority, const char *line)
{
	msg_error("%s", line);
}

/* What the service manager shows beside the unit's name; @line keeps what it was told. */
static void notify_status(const struct targets *targets, const char *first, char line[STATUS_MAX])
{
	char was[STATUS_MAX], state[STATUS_MAX + 64];
	size_t used = 0;

	memcpy(was, line, sizeof(was));
	line[0] = '\0';
	for (size_t i = 0; i < targets->count && used < STATUS_MAX - 64; i++) {
		struct vfiopm_power *power;

		if (vfiopm_power_new(targets->dev[i], &power) < 0)
			continue;
		used += (size_t)snprintf(line + used, STATUS_MAX - used, "%s%s %s in %s",
					 used ? ", " : "",
					 vfiopm_device_get_name(targets->dev[i]),
					 vfiopm_status_name(vfiopm_power_get_status(power)),
					 vfiopm_state_name(vfiopm_power_get_state(power)));
		vfiopm_power_free(power);
	}
	if (!*first && !strcmp(line, was))
		return;
	snprintf(state, sizeof(state), "%sSTATUS=%s", first, line);
	service_notify(state);
}

static int hold_one(struct app *app, const struct hold_args *args, struct holder *holder,
		    const struct vfiopm_device *dev)
{
	struct holder_request rq = {
		.version = HOLDER_VERSION,
		.op = HOLDER_ADD,
		.addr = *vfiopm_device_get_addr(dev),
		.on_wake = args->hold.on_wake,
		.backend = args->hold.backend,
	};
	struct holder_reply reply = { 0 };
	int code, r;

	code = trouble_check(app, "hold", dev);
	if (code != EXIT_OK)
		return code;
	r = holder_listen(holder, vfiopm_device_get_group(dev));
	if (r == -EADDRINUSE)
		return trouble_taken(app, "hold", dev);
	if (r < 0)
		return trouble_reply(app, "hold", dev, r, &reply);
	holder_handle(holder, &rq, &reply);
	return trouble_reply(app, "hold", dev, 0, &reply);
}

/* Serve while the devices fall asleep. Returns a signal, -1 when all have gone, or 0. */
static int settle(struct app *app, const struct hold_args *args, struct holder *holder,
		  const struct targets *targets)
{
	int64_t start = monotonic_ms();
	int r = 0;

	for (size_t i = 0; i < targets->count && r == 0; i++) {
		struct fall fall = { .since = start };
		struct vfiopm_power *power;
		char text[32];
		int state;

		/* The wait goes by small steps, since a signal or a request may come. */
		do {
			state = fall_look(targets->dev[i], &fall, &power);
			if (state != -ETIMEDOUT ||
			    monotonic_ms() - start >= args->hold.timeout_ms)
				break;
			vfiopm_power_free(power);
			r = holder_step(holder, 10);
		} while (r == 0);
		if (r != 0 || (state < 0 && state != -ETIMEDOUT && state != -EOPNOTSUPP))
			continue;
		if (state < 0 && !fall.asleep)
			trouble_awake(app, targets->dev[i], power, state,
				      monotonic_ms() - start);
		else
			msg_error("%s: asleep in %s after %s",
				  vfiopm_device_get_name(targets->dev[i]),
				  vfiopm_state_name(vfiopm_power_get_state(power)),
				  format_time(monotonic_ms() - start, text, sizeof(text)));
		vfiopm_power_free(power);
	}
	return r;
}

/* How long until the devices are to be looked at again; -1: all are as deep as they get. */
static int next_look(struct holder *holder, const struct targets *targets, struct fall *falls)
{
	int limit = -1;

	for (size_t i = 0; i < targets->count; i++) {
		struct vfiopm_power *power;
		int r;

		if (!holder_is_engaged(holder, vfiopm_device_get_addr(targets->dev[i]))) {
			falls[i] = (struct fall){ .since = monotonic_ms() };
			continue;
		}
		r = fall_look(targets->dev[i], &falls[i], &power);
		if (r == 0 || r == -ETIMEDOUT || r == -EOPNOTSUPP)
			vfiopm_power_free(power);
		if (r == -ETIMEDOUT && monotonic_ms() - falls[i].since < FALL_SETTLE_MS)
			limit = LOOK_MS;
		else if (r == -ETIMEDOUT && limit < 0)
			limit = LOOK_LATER_MS;
	}
	return limit;
}

/*
 * Serve until the end; what the service manager is told follows the devices.
 * Returns a signal, or -1 when all have gone.
 */
static int serve(struct holder *holder, const struct targets *targets)
{
	struct fall *falls = calloc(targets->count, sizeof(*falls));
	char line[STATUS_MAX] = "";
	int r;

	if (!falls)
		return -1;
	notify_status(targets, "READY=1\n", line);
	do {
		int limit = next_look(holder, targets, falls);

		notify_status(targets, "", line);
		r = holder_step(holder, limit);
	} while (r == 0);
	free(falls);
	return r;
}

int cmd_hold(struct app *app, int argc, char **argv)
{
	/* In the long run a wake is worth a line in the log, and no reason to stay awake. */
	struct hold_args args = { .hold = { .timeout_ms = TIMEOUT_DEFAULT_MS,
					    .on_wake = ON_WAKE_REENTER } };
	struct targets targets;
	struct holder *holder;
	int code, r;

	verb_parse(app, argc, argv, &args);
	code = targets_resolve(app, &args.devices, &targets);
	holder = holder_new(app->ctx, log_to_stderr, NULL);
	if (!holder) {
		targets_free(&targets);
		return EXIT_FAILED;
	}
	/* All or none: a unit that is up holds what it names. */
	for (size_t i = 0; i < targets.count && code == EXIT_OK; i++)
		code = hold_one(app, &args, holder, targets.dev[i]);
	if (code != EXIT_OK) {
		holder_release_all(holder, "not all devices could be held");
		goto out;
	}
	holder_give_up_privileges(holder);
	r = settle(app, &args, holder, &targets);
	if (r == 0)
		r = serve(holder, &targets);
	service_notify("STOPPING=1");
	if (r > 0)
		holder_release_all(holder, strsignal(r));
	if (holder_has_failed(holder))
		code = EXIT_FAILED;
out:
	holder_free(holder);
	targets_free(&targets);
	return code;
}
