// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm hold: what enter does, in the foreground, for service managers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "holder.h"
#include "options.h"
#include "service.h"

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
		return 0;
	}
	return devices_parse(key, state, &args->devices, true);
}

static const struct argp_child children[] = { { &hold_options_argp, 0, NULL, 0 }, { 0 } };

const struct argp hold_argp = {
	.parser = parse,
	.args_doc = "DEVICE...",
	.doc = "Open each DEVICE, enter low power and keep it there until a signal or `" PROGRAM
	       " exit'.\v"
	       "The same as `enter' in the foreground: for service managers (sd_notify) and for "
	       "watching. Wakes and the host's wish to have the device back are logged on standard "
	       "error. Ends with the last device.",
	.children = children,
};

static void log_to_stderr(void *data, int priority, const char *line)
{
	msg_error("%s", line);
}

/* What the service manager shows beside the unit's name. */
static void notify_status(const struct targets *targets, const char *first)
{
	char line[512] = "", state[600];
	size_t used = 0;

	for (size_t i = 0; i < targets->count && used < sizeof(line) - 64; i++) {
		struct vfiopm_power *power;

		if (vfiopm_power_new(targets->dev[i], &power) < 0)
			continue;
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s %s in %s",
					 used ? ", " : "",
					 vfiopm_device_get_name(targets->dev[i]),
					 vfiopm_status_name(vfiopm_power_get_status(power)),
					 vfiopm_state_name(vfiopm_power_get_state(power)));
		vfiopm_power_free(power);
	}
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
	struct holder_reply reply;
	int code, r;

	code = trouble_check(app, "hold", dev);
	if (code != EXIT_OK)
		return code;
	r = holder_listen(holder, vfiopm_device_get_group(dev));
	if (r == -EADDRINUSE)
		return trouble_busy(app, "hold", dev);
	if (r < 0)
		return trouble_reply(app, "hold", dev, r, NULL);
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
		struct vfiopm_power *power;
		char text[32];
		int state;

		/* The wait goes by small steps, since a signal or a request may come. */
		do {
			state = vfiopm_power_wait_asleep(targets->dev[i], VFIOPM_STATE_D3HOT, 0,
							 &power);
			if (state != -ETIMEDOUT ||
			    monotonic_ms() - start >= args->hold.timeout_ms)
				break;
			vfiopm_power_free(power);
			r = holder_step(holder, 10);
		} while (r == 0);
		if (r != 0 || (state < 0 && state != -ETIMEDOUT && state != -EOPNOTSUPP))
			continue;
		if (state < 0)
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

int cmd_hold(struct app *app, int argc, char **argv)
{
	struct hold_args args = { .hold.timeout_ms = TIMEOUT_DEFAULT_MS };
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
		notify_status(&targets, "READY=1\n");
	while (r == 0) {
		r = holder_step(holder, -1);
		if (r == 0)
			notify_status(&targets, "");
	}
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
