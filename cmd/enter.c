// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm enter: a holder opens the device, enters low power and stays. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "borrow.h"
#include "holder.h"
#include "options.h"

struct enter_args {
	struct hold_options hold;
	struct borrow_options borrow;
	bool no_wait;
	struct device_args devices;
};

enum { KEY_NO_WAIT = KEY_VERB };

static const struct argp_option options[] = {
	{ "no-wait", KEY_NO_WAIT, NULL, 0,
	  "Return as soon as low power is entered, asleep or not", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct enter_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->hold;
		state->child_inputs[1] = &args->borrow;
		return 0;
	case KEY_NO_WAIT:
		args->no_wait = true;
		return 0;
	}
	return devices_parse(key, state, &args->devices, true);
}

static const struct argp_child children[] = { { &hold_options_argp, 0, NULL, 0 },
					      { &borrow_options_argp, 0, NULL, 0 },
					      { 0 } };

const struct argp enter_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE...",
	.doc = "Open each DEVICE, enter low power, and keep it there.\v"
	       "A process of its own, the holder, keeps the device open until `" PROGRAM
	       " exit'. Returns when the device is asleep: runtime status suspended, in D3hot "
	       "or D3cold. The first open and the last close reset the device.",
	.children = children,
};

/* One device on its way. */
struct progress {
	struct vfiopm_device *dev;
	struct port_look *ports;
	struct holder_reply reply;
	int64_t start_ms;
	bool entered;
};

/* How an upstream port was before. */
struct port_look {
	enum vfiopm_status status;
	enum vfiopm_state state;
};

static struct port_look *look_at_ports(const struct vfiopm_device *dev)
{
	struct vfiopm_list *ports;
	struct vfiopm_device *port;
	struct port_look *looks;
	size_t i;

	if (vfiopm_list_new_upstream(dev, &ports) < 0)
		return NULL;
	looks = calloc(vfiopm_list_count(ports) + 1, sizeof(*looks));
	vfiopm_list_foreach(ports, i, port) {
		struct vfiopm_power *power;

		if (!looks || vfiopm_power_new(port, &power) < 0)
			break;
		looks[i].status = vfiopm_power_get_status(power);
		looks[i].state = vfiopm_power_get_state(power);
		vfiopm_power_free(power);
	}
	vfiopm_list_free(ports);
	return looks;
}

static void tell_ports(const struct progress *p)
{
	struct port_look *now = look_at_ports(p->dev);
	struct vfiopm_list *ports;
	struct vfiopm_device *port;
	size_t i;

	if (now && p->ports && vfiopm_list_new_upstream(p->dev, &ports) == 0) {
		vfiopm_list_foreach(ports, i, port) {
			if (now[i].status == p->ports[i].status &&
			    now[i].state == p->ports[i].state)
				continue;
			printf("  port %s: %s in %s (was %s in %s)\n",
			       vfiopm_device_get_name(port), vfiopm_status_name(now[i].status),
			       vfiopm_state_name(now[i].state),
			       vfiopm_status_name(p->ports[i].status),
			       vfiopm_state_name(p->ports[i].state));
		}
		vfiopm_list_free(ports);
	}
	free(now);
}

/*
 * A group whose last holder is just going is busy for the time of a reset. An
 * owner that can be seen is told at once.
 */
static int add(struct app *app, struct progress *p, const struct holder_request *rq)
{
	struct timespec t = { .tv_nsec = 20000000 };
	int r;

	for (int i = 0; i < 50; i++) {
		struct vfiopm_owners *owners;
		bool seen;

		r = holder_request(app, p->dev, rq, &p->reply);
		if (r < 0 || p->reply.stage != STAGE_OPEN || p->reply.error != EBUSY)
			return r;
		if (vfiopm_owners_new(app->ctx, &owners) < 0)
			return r;
		seen = vfiopm_owners_find_group(owners, p->dev, 0) != NULL;
		vfiopm_owners_free(owners);
		if (seen)
			return r;
		nanosleep(&t, NULL);
	}
	return r;
}

static int enter_one(struct app *app, const struct enter_args *args, struct progress *p)
{
	struct holder_request rq = {
		.version = HOLDER_VERSION,
		.op = HOLDER_ADD,
		.addr = *vfiopm_device_get_addr(p->dev),
		.on_wake = args->hold.on_wake,
		.backend = args->hold.backend,
	};
	int code, r;

	code = trouble_check(app, "enter low power on", p->dev);
	if (code != EXIT_OK)
		return code;
	p->ports = look_at_ports(p->dev);
	p->start_ms = monotonic_ms();
	r = add(app, p, &rq);
	code = trouble_reply(app, "enter low power on", p->dev, r, &p->reply);
	p->entered = code == EXIT_OK;
	return code;
}

static void tell(const struct progress *p, const struct vfiopm_power *power)
{
	const char *name = vfiopm_device_get_name(p->dev);
	char text[32];

	if (!vfiopm_power_is_asleep(power)) {
		printf("%s: low power entered; now %s in %s\n", name,
		       vfiopm_status_name(vfiopm_power_get_status(power)),
		       vfiopm_state_name(vfiopm_power_get_state(power)));
		return;
	}
	if (p->reply.held && !p->reply.status_before) {
		printf("%s: asleep in %s; it was held already (pid %d)\n", name,
		       vfiopm_state_name(vfiopm_power_get_state(power)), (int)p->reply.pid);
		return;
	}
	printf("%s: asleep in %s after %s (was %s in %s)\n", name,
	       vfiopm_state_name(vfiopm_power_get_state(power)),
	       format_time(monotonic_ms() - p->start_ms, text, sizeof(text)),
	       vfiopm_status_name((enum vfiopm_status)p->reply.status_before),
	       vfiopm_state_name((enum vfiopm_state)p->reply.state_before));
	tell_ports(p);
}

static int wait_one(struct app *app, const struct enter_args *args, struct progress *p)
{
	int64_t waited = monotonic_ms() - p->start_ms;
	int64_t left = args->no_wait ? 0 : args->hold.timeout_ms - waited;
	struct vfiopm_power *power;
	int code = EXIT_OK, r;

	r = vfiopm_power_wait_asleep(p->dev, VFIOPM_STATE_D3HOT, left > 0 ? left : 0, &power);
	if (r < 0 && r != -ETIMEDOUT && r != -EOPNOTSUPP) {
		msg_cannot("look at", vfiopm_device_get_name(p->dev), "%s", strerror(-r));
		return r == -ENODEV ? EXIT_NODEV : EXIT_FAILED;
	}
	if (r < 0 && !args->no_wait)
		code = trouble_awake(app, p->dev, power, r, monotonic_ms() - p->start_ms);
	else
		tell(p, power);
	vfiopm_power_free(power);
	return code;
}

int cmd_enter(struct app *app, int argc, char **argv)
{
	struct enter_args args = { .hold.timeout_ms = TIMEOUT_DEFAULT_MS };
	struct progress *all;
	struct targets targets;
	int code;

	verb_parse(app, argc, argv, &args);
	code = targets_resolve(app, &args.devices, &targets);
	if (args.borrow.group)
		code_merge(&code, targets_widen_groups(&targets));
	if (args.borrow.borrow) {
		for (size_t i = 0; i < targets.count; i++)
			code_merge(&code, borrow_enter(app, targets.dev[i], &args.borrow,
						       args.no_wait ? 0 : args.hold.timeout_ms));
		targets_free(&targets);
		return code;
	}
	all = calloc(targets.count + 1, sizeof(*all));
	if (!all) {
		targets_free(&targets);
		return EXIT_FAILED;
	}
	/* All are sent to sleep before the first one is waited for. */
	for (size_t i = 0; i < targets.count; i++) {
		all[i].dev = targets.dev[i];
		code_merge(&code, enter_one(app, &args, &all[i]));
	}
	for (size_t i = 0; i < targets.count; i++) {
		if (all[i].entered)
			code_merge(&code, wait_one(app, &args, &all[i]));
		free(all[i].ports);
	}
	free(all);
	targets_free(&targets);
	return code;
}
