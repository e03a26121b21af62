// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm exit: the holder leaves low power, verifies, closes. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "borrow.h"
#include "columns.h"
#include "holder.h"
#include "result.h"

/* What follows a close shows within the time in which ports settle. */
#define AFTERWARDS_MS 1500

struct exit_args {
	struct reg_spec reg;
	struct borrow_options borrow;
	bool json;
	struct device_args devices;
};

enum { KEY_READ = KEY_VERB };

static const struct argp_option options[] = {
	{ "read", KEY_READ, "BAR:OFFSET[:WIDTH]", 0,
	  "Read a register of the device while it is still open, e.g. 0:0x8; WIDTH is 1, 2 or 4 "
	  "bytes (default 4). Some registers change when they are read",
	  0 },
	{ "json", 'J', NULL, 0, "Print JSON: what became of each device", 0 },
	{ 0 }
};

static int parse_register(const char *text, struct reg_spec *ret)
{
	unsigned long bar, width = 4;
	unsigned long long offset;
	char *end;

	if (text[0] < '0' || text[0] > '5' || text[1] != ':')
		return -EINVAL;
	bar = (unsigned long)(text[0] - '0');
	text += 2;
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	offset = strtoull(text, &end, 0);
	if (errno)
		return -EINVAL;
	if (*end == ':' && (end[1] == '1' || end[1] == '2' || end[1] == '4') && !end[2])
		width = (unsigned long)(end[1] - '0');
	else if (*end)
		return -EINVAL;
	*ret = (struct reg_spec){ .bar = (uint32_t)bar, .width = (uint32_t)width,
				  .offset = offset };
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct exit_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->borrow;
		state->child_inputs[1] = &args->devices;
		return 0;
	case KEY_READ:
		if (parse_register(arg, &args->reg) < 0)
			argp_error(state, "'%s' is no register: BAR:OFFSET[:WIDTH]", arg);
		return 0;
	case 'J':
		args->json = true;
		return 0;
	case ARGP_KEY_END:
		if (args->reg.width && args->borrow.borrow)
			argp_error(state, "--read is for a holder's device, not with --borrow");
		return 0;
	}
	return devices_parse(key, state, &args->devices, true);
}

static const struct argp_child children[] = {
	{ &borrow_options_argp, 0, NULL, 0 },
	{ &group_argp, 0, NULL, 0 },
	{ 0 }
};

const struct argp exit_argp = {
	.children = children,
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE...",
	.doc = "Leave low power on each DEVICE that a holder keeps, look whether it came back, and "
	       "close it.\v"
	       "The last close resets the device. What follows depends on its driver: with idle "
	       "runtime PM the device falls asleep again by itself, with vfio-pci's "
	       "disable_idle_d3 it stays in D0; the command tells which.",
};

/* One device on its way. */
struct leaving {
	struct vfiopm_device *dev;
	struct holder_reply reply;
	struct result result;
	const char *after;		/* a holder has let go of it: what that led to */
};

/* A usage count that stays tells a driver that pins the device, without a wait for its sleep. */
static bool is_pinned(const struct vfiopm_device *dev)
{
	struct timespec t = { .tv_nsec = 50000000 };

	for (int look = 0; look < 2; look++) {
		struct vfiopm_power *power;
		int64_t usage = 0;

		if (vfiopm_power_new(dev, &power) < 0)
			return true;
		vfiopm_power_get_usage(power, &usage);
		vfiopm_power_free(power);
		if (usage < 1)
			return false;
		if (look == 0)
			nanosleep(&t, NULL);
	}
	return true;
}

/* What the close leads to: why it stays awake, or "idle" when it falls asleep again. */
static const char *look_afterwards(struct leaving *l)
{
	const char *control;
	int64_t usage, enable = 0;
	struct vfiopm_power *power;
	int r;

	r = is_pinned(l->dev) ? vfiopm_power_new(l->dev, &power) :
				vfiopm_power_wait_asleep(l->dev, VFIOPM_STATE_D3HOT,
							 AFTERWARDS_MS, &power);
	if (r < 0 && r != -ETIMEDOUT && r != -EOPNOTSUPP)
		return NULL;
	l->result.now = power;
	/*
	 * Without CONFIG_PM_ADVANCED_DEBUG there is none. A driver of VFIO has
	 * no other reason to keep awake what nobody has open.
	 */
	if (vfiopm_power_get_usage(power, &usage) < 0)
		usage = 1;
	control = vfiopm_power_get_control(power);
	vfiopm_power_get_enable(power, &enable);
	if (vfiopm_power_get_status(power) == VFIOPM_STATUS_SUSPENDED)
		return "idle";
	if (enable > 0)
		return "in-use";
	if (control && !strcmp(control, "on"))
		return "control";
	return usage >= 1 ? "disable_idle_d3" : "unknown";
}

static void tell_afterwards(const struct leaving *l)
{
	const char *name = vfiopm_device_get_name(l->dev), *after = l->after, *state;

	if (!after)
		return;
	state = vfiopm_state_name(vfiopm_power_get_state(l->result.now));
	if (!strcmp(after, "idle"))
		printf("%s: released; idle runtime PM: suspended, %s\n", name, state);
	else if (!strcmp(after, "in-use"))
		printf("%s: released; another user has it open: %s\n", name, state);
	else
		printf("%s: released; it stays in %s: %s\n", name, state,
		       !strcmp(after, "control") ? "power/control is 'on'" :
		       !strcmp(after, "unknown") ? "nothing lets it sleep" :
						   after);
}

static void tell(const struct leaving *l, const struct exit_args *args)
{
	const struct holder_reply *reply = &l->reply;
	const char *name = vfiopm_device_get_name(l->dev);

	printf("%s: awake in %s after %.1f ms (was %s in %s); config space reads %04x:%04x\n",
	       name, vfiopm_state_name((enum vfiopm_state)reply->state),
	       (double)reply->took_us / 1000,
	       vfiopm_status_name((enum vfiopm_status)reply->status_before),
	       vfiopm_state_name((enum vfiopm_state)reply->state_before), reply->vendor,
	       reply->device);
	if (args->reg.width && !reply->reg_error)
		printf("%s: BAR %u offset %#" PRIx64 " reads 0x%0*" PRIx32 "\n", name,
		       args->reg.bar, args->reg.offset, (int)args->reg.width * 2,
		       reply->reg_value);
	tell_afterwards(l);
}

/* What is known only when a holder has let go of it; null in other cases. */
static struct json_object *leaving_json(const struct leaving *l, const struct exit_args *args)
{
	struct json_object *o = result_json(l->dev, &l->result), *id = NULL, *value = NULL;
	const struct holder_reply *reply = &l->reply;
	char text[16];

	if (l->after) {
		snprintf(text, sizeof(text), "%04x:%04x", reply->vendor, reply->device);
		id = json_object_new_string(text);
	}
	if (l->after && args->reg.width && !reply->reg_error)
		value = json_object_new_int64(reply->reg_value);
	json_object_object_add(o, "id", id);
	json_object_object_add(o, "register", value);
	json_object_object_add(o, "afterwards", column_string(l->after));
	return o;
}

enum user {
	USER_NONE,
	USER_OURS,		/* a process of ours, or one that can't be seen */
	USER_OTHER,
};

static enum user look_for_user(struct app *app, const struct vfiopm_device *dev)
{
	const struct vfiopm_owner *owner;
	struct vfiopm_owners *owners;
	enum user user = USER_NONE;
	int64_t enable = 0;
	struct vfiopm_power *power;

	if (vfiopm_owners_new(app->ctx, &owners) == 0) {
		owner = vfiopm_owners_find(owners, dev, 0);
		if (owner)
			user = vfiopm_owner_get_uid(owner) == geteuid() &&
					       vfiopm_process_is_self_exe(
						       app->ctx, vfiopm_owner_get_pid(owner)) == 1 ?
				       USER_OURS :
				       USER_OTHER;
		vfiopm_owners_free(owners);
	}
	if (user == USER_NONE && vfiopm_power_new(dev, &power) == 0) {
		vfiopm_power_get_enable(power, &enable);
		vfiopm_power_free(power);
	}
	return enable > 0 ? USER_OURS : user;
}

/*
 * Ask the holder to drop it. An `enter' that has begun since its socket was
 * looked for has the device open by now: its holder is asked, too.
 */
static int drop(struct app *app, struct vfiopm_device *dev, const struct holder_request *rq,
		struct holder_reply *reply, enum user *user)
{
	struct timespec t = { .tv_nsec = 20000000 };
	int r;

	for (int i = 0;; i++) {
		*user = USER_NONE;
		r = holder_request(app, dev, rq, reply);
		if (r < 0 || reply->held || reply->stage != STAGE_DONE)
			return r;
		*user = look_for_user(app, dev);
		if (*user != USER_OURS || i == 50)
			return 0;
		nanosleep(&t, NULL);
	}
}

static int nothing_to_do(const struct exit_args *args, const struct leaving *l, const char *why)
{
	if (!args->json)
		printf("%s: nothing to do: %s\n", vfiopm_device_get_name(l->dev), why);
	return EXIT_OK;
}

static int exit_one(struct app *app, const struct exit_args *args, struct leaving *l)
{
	struct holder_request rq = {
		.version = HOLDER_VERSION,
		.op = HOLDER_DROP,
		.addr = *vfiopm_device_get_addr(l->dev),
		.reg = args->reg,
	};
	struct holder_reply *reply = &l->reply;
	enum user user;
	int code, r;

	if (!vfiopm_device_is_vfio(l->dev))
		return nothing_to_do(args, l, "on no VFIO driver");
	r = drop(app, l->dev, &rq, reply, &user);
	if (user != USER_NONE)
		return trouble_busy(app, "leave low power on", l->dev);
	if (r == 0 && !reply->held && reply->stage == STAGE_DONE)
		return nothing_to_do(args, l, "not held");
	if (r == 0) {
		l->result.held = reply->held;
		l->result.pid = reply->pid;
		l->result.status_before = (enum vfiopm_status)reply->status_before;
		l->result.state_before = (enum vfiopm_state)reply->state_before;
		l->result.time_us = reply->took_us;
	}
	code = trouble_reply(app, "leave low power on", l->dev, r, reply);
	if (code != EXIT_OK)
		return code;
	l->after = look_afterwards(l);
	if (!args->json)
		tell(l, args);
	if (args->reg.width && reply->reg_error) {
		app_cannot(app, "read a register of", vfiopm_device_get_name(l->dev),
			   "BAR %u offset %#" PRIx64 ": %s", args->reg.bar, args->reg.offset,
			   strerror((int)reply->reg_error));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static void exit_all(struct app *app, const struct exit_args *args, struct leaving *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		app->cause = &all[i].result.cause;
		all[i].result.code = exit_one(app, args, &all[i]);
	}
	app->cause = NULL;
}

/*
 * A guest that runs may touch each of its devices, so it goes on when all are
 * awake. @code: whether all that were named are among @all.
 */
static void borrow_all(struct app *app, const struct exit_args *args, struct leaving *all,
		       size_t n, int code)
{
	struct result wake = { 0 };

	for (size_t i = 0; i < n; i++) {
		borrow_exit(app, all[i].dev, &args->borrow, &all[i].result);
		code_merge(&code, all[i].result.code);
	}
	if (!args->borrow.qmp || !n)
		return;
	if (code != EXIT_OK) {
		msg_warn("the guest is left as it is: not all devices are known to be awake");
		return;
	}
	borrow_wake(app, all[0].dev, &args->borrow, &wake);
	for (size_t i = 0; i < n && wake.code != EXIT_OK; i++) {
		all[i].result.code = wake.code;
		all[i].result.cause = wake.cause;
	}
}

int cmd_exit(struct app *app, int argc, char **argv)
{
	struct json_object *devices = NULL;
	struct exit_args args = { 0 };
	struct targets targets;
	struct leaving *all;
	int code;

	verb_parse(app, argc, argv, &args);
	args.borrow.quiet = args.json;
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
		exit_all(app, &args, all, targets.count);
	if (args.json)
		devices = json_object_new_array();
	for (size_t i = 0; i < targets.count; i++) {
		code_merge(&code, all[i].result.code);
		if (devices)
			json_object_array_add(devices, leaving_json(&all[i], &args));
		vfiopm_power_free(all[i].result.now);
	}
	if (devices)
		result_print(devices);
	free(all);
	targets_free(&targets);
	return code;
}
