// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm enter: a holder opens the device, enters low power and stays. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "borrow.h"
#include "holder.h"
#include "options.h"
#include "result.h"

struct enter_args {
	struct hold_options hold;
	struct borrow_options borrow;
	bool no_wait, json;
	struct device_args devices;
};

enum { KEY_NO_WAIT = KEY_VERB, KEY_FORCE, KEY_STATE_LOSS_OK };

static const struct argp_option options[] = {
	{ "no-wait", KEY_NO_WAIT, NULL, 0,
	  "Return as soon as low power is entered, asleep or not", 0 },
	{ "json", 'J', NULL, 0, "Print JSON: what became of each device", 0 },
	{ "force", KEY_FORCE, NULL, 0,
	  "With --borrow: also a device in D0, of a guest that is only paused or an owner that "
	  "isn't QEMU; it will find a device that may have lost its state", 0 },
	{ "state-loss-ok", KEY_STATE_LOSS_OK, NULL, 0,
	  "With --borrow: also a device in D3hot that promises to keep its state there "
	  "(No_Soft_Reset), of a guest that doesn't sleep", 0 },
	{ 0 }
};

static void check_options(const struct enter_args *args, struct argp_state *state)
{
	const struct borrow_options *o = &args->borrow;

	if ((o->force || o->state_loss_ok) && !o->borrow)
		argp_error(state, "--force and --state-loss-ok go with --borrow");
	if (o->borrow && (args->hold.on_wake != ON_WAKE_KEEP ||
			  args->hold.backend != VFIOPM_BACKEND_AUTO))
		argp_error(state, "--on-wake and --backend are for a holder: --borrow has none");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct enter_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->hold;
		state->child_inputs[1] = &args->borrow;
		state->child_inputs[2] = &args->devices;
		return 0;
	case KEY_NO_WAIT:
		args->no_wait = true;
		return 0;
	case 'J':
		args->json = true;
		return 0;
	case KEY_FORCE:
		args->borrow.force = true;
		return 0;
	case KEY_STATE_LOSS_OK:
		args->borrow.state_loss_ok = true;
		return 0;
	case ARGP_KEY_END:
		check_options(args, state);
		return 0;
	}
	return devices_parse(key, state, &args->devices, true);
}

static const struct argp_child children[] = {
	{ &hold_options_argp, 0, NULL, 0 },
	{ &borrow_options_argp, 0, NULL, 0 },
	{ &group_argp, 0, NULL, 0 },
	{ 0 }
};

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
	int64_t start_us;
	struct result result;
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

static bool has_changed(const struct port_look *before, const struct port_look *now)
{
	return now->status != before->status || now->state != before->state;
}

/* Ports that aren't as they were: as lines, or added to @ret. */
static void tell_ports(const struct progress *p, struct json_object *ret)
{
	struct port_look *now = look_at_ports(p->dev), *was = p->ports;
	struct vfiopm_list *ports;
	struct vfiopm_device *port;
	size_t i;

	if (!now || !was || vfiopm_list_new_upstream(p->dev, &ports) < 0)
		goto out;
	vfiopm_list_foreach(ports, i, port) {
		const char *name = vfiopm_device_get_name(port);
		struct json_object *o;

		if (!has_changed(&was[i], &now[i]))
			continue;
		if (!ret) {
			printf("  port %s: %s in %s (was %s in %s)\n", name,
			       vfiopm_status_name(now[i].status), vfiopm_state_name(now[i].state),
			       vfiopm_status_name(was[i].status), vfiopm_state_name(was[i].state));
			continue;
		}
		o = json_object_new_object();
		json_object_object_add(o, "address", json_object_new_string(name));
		json_object_object_add(o, "state", json_state(now[i].state));
		json_object_object_add(o, "status", json_status(now[i].status));
		json_object_object_add(o, "state_before", json_state(was[i].state));
		json_object_object_add(o, "status_before", json_status(was[i].status));
		json_object_array_add(ret, o);
	}
	vfiopm_list_free(ports);
out:
	free(now);
}

static struct json_object *progress_json(const struct progress *p)
{
	struct json_object *o = result_json(p->dev, &p->result), *ports = json_object_new_array();

	if (p->result.held)
		tell_ports(p, ports);
	json_object_object_add(o, "ports", ports);
	return o;
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
	p->start_us = monotonic_us();
	r = add(app, p, &rq);
	code = trouble_reply(app, "enter low power on", p->dev, r, &p->reply);
	if (code != EXIT_OK)
		return code;
	p->result.held = true;
	p->result.pid = p->reply.pid;
	p->result.status_before = (enum vfiopm_status)p->reply.status_before;
	p->result.state_before = (enum vfiopm_state)p->reply.state_before;
	return EXIT_OK;
}

static void tell(const struct progress *p)
{
	const struct vfiopm_power *power = p->result.now;
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
	       format_time((p->result.time_us + 500) / 1000, text, sizeof(text)),
	       vfiopm_status_name(p->result.status_before),
	       vfiopm_state_name(p->result.state_before));
	tell_ports(p, NULL);
}

static int wait_one(struct app *app, const struct enter_args *args, struct progress *p)
{
	int64_t left = args->hold.timeout_ms - (monotonic_us() - p->start_us) / 1000;
	int r;

	if (args->no_wait)
		left = 0;
	r = vfiopm_power_wait_asleep(p->dev, VFIOPM_STATE_D3HOT, left > 0 ? left : 0,
				     &p->result.now);
	p->result.time_us = monotonic_us() - p->start_us;
	if (r < 0 && r != -ETIMEDOUT && r != -EOPNOTSUPP) {
		p->result.now = NULL;
		if (r == -ENODEV)
			return app_gone(app, "look at", vfiopm_device_get_name(p->dev));
		app_cannot(app, "look at", vfiopm_device_get_name(p->dev), "%s", strerror(-r));
		msg_hint("it stays held, as asked; " PROGRAM " exit %s releases it",
			 vfiopm_device_get_name(p->dev));
		return EXIT_FAILED;
	}
	if (r < 0 && !args->no_wait)
		return trouble_awake(app, p->dev, p->result.now, r, p->result.time_us / 1000);
	if (!args->json)
		tell(p);
	return EXIT_OK;
}

/* All are sent to sleep before the first one is waited for. */
static void enter_all(struct app *app, const struct enter_args *args, struct progress *all,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		app->cause = &all[i].result.cause;
		all[i].result.code = enter_one(app, args, &all[i]);
	}
	for (size_t i = 0; i < n; i++) {
		app->cause = &all[i].result.cause;
		if (all[i].result.held)
			all[i].result.code = wait_one(app, args, &all[i]);
	}
	app->cause = NULL;
}

/* An owner that goes on, told that this has failed, must not find some of them asleep. */
static void undo_borrowed(struct app *app, struct progress *p, int code)
{
	struct borrow_options quiet = { .borrow = true, .quiet = true };
	const char *name = vfiopm_device_get_name(p->dev);
	struct result left = { 0 };

	msg_warn("'%s': low power is left again: of several devices all sleep or none", name);
	borrow_exit(app, p->dev, &quiet, &left);
	p->result.code = left.code != EXIT_OK ? left.code : code;
	app->cause = &p->result.cause;
	app_remember(app, "low power was left again: another device has failed");
	app->cause = NULL;
}

/* @code: whether all that were named are among @all. */
static void borrow_all(struct app *app, const struct enter_args *args, struct progress *all,
		       size_t n, int code)
{
	struct borrow_options borrow = args->borrow;

	borrow.quiet = args->json;
	for (size_t i = 0; i < n; i++) {
		borrow_enter(app, all[i].dev, &borrow, args->no_wait ? 0 : args->hold.timeout_ms,
			     &all[i].result);
		code_merge(&code, all[i].result.code);
	}
	for (size_t i = 0; i < n && code != EXIT_OK; i++)
		if (all[i].result.entered)
			undo_borrowed(app, &all[i], code);
}

int cmd_enter(struct app *app, int argc, char **argv)
{
	struct enter_args args = { .hold = { .timeout_ms = TIMEOUT_DEFAULT_MS,
					     .on_wake = ON_WAKE_KEEP } };
	struct json_object *devices = NULL;
	struct progress *all;
	struct targets targets;
	int code;

	verb_parse(app, argc, argv, &args);
	code = targets_resolve(app, &args.devices, &targets);
	all = calloc(targets.count + 1, sizeof(*all));
	if (!all) {
		targets_free(&targets);
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < targets.count; i++)
		all[i].dev = targets.dev[i];
	if (args.borrow.borrow)
		borrow_all(app, &args, all, targets.count, code);
	else
		enter_all(app, &args, all, targets.count);
	if (args.json)
		devices = json_object_new_array();
	for (size_t i = 0; i < targets.count; i++) {
		code_merge(&code, all[i].result.code);
		if (devices)
			json_object_array_add(devices, progress_json(&all[i]));
		vfiopm_power_free(all[i].result.now);
		free(all[i].ports);
	}
	if (devices)
		result_print(devices);
	free(all);
	targets_free(&targets);
	return code;
}
