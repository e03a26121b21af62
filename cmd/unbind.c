// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm unbind: give devices back to the host. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rebind.h"

/* A module that has just been loaded may probe on its own time (nvme does). */
#define PROBE_TIMEOUT_MS 5000

struct unbind_input {
	struct rebind_args to;	/* no driver: the kernel's choice */
	const char *control;	/* NULL: as the kernel leaves it */
};

enum { KEY_CONTROL = KEY_VERB };

static const struct argp_option unbind_options[] = {
	{ "driver", 'd', "NAME", 0, "Give it to driver NAME (the kernel's choice)", 0 },
	{ "control", KEY_CONTROL, "auto|on", 0,
	  "Set power/control afterwards; the kernel leaves it 'on'", 0 },
	{ "timeout", KEY_REBIND_TIMEOUT, "TIME", 0, "How long to wait for the kernel (30 s)", 0 },
	{ 0 }
};

static error_t unbind_parse(int key, char *arg, struct argp_state *state)
{
	struct unbind_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->to.devices;
		return 0;
	case KEY_CONTROL:
		if (strcmp(arg, "auto") && strcmp(arg, "on"))
			argp_error(state, "--control is 'auto' or 'on', not '%s'", arg);
		in->control = arg;
		return 0;
	}
	return rebind_parse(key, arg, state, &in->to);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp unbind_argp = {
	.options = unbind_options,
	.parser = unbind_parse,
	.args_doc = "DEVICE...",
	.doc = "Give devices on a VFIO driver back to the host."
	       "\v"
	       "The override is cleared and the kernel chooses the driver; a module that knows the "
	       "device is loaded when no driver does. What is open through VFIO is left alone. "
	       "DEVICE is [DDDD:]BB:DD.F, VENDOR:DEVICE, group:N or a sysfs path.",
	.children = children,
};

static int check(struct app *app, const struct unbind_input *in, const struct vfiopm_device *dev)
{
	const char *name = vfiopm_device_get_name(dev), *driver = vfiopm_device_get_driver(dev);
	struct vfiopm_uses *uses;
	int code, r;

	if (!vfiopm_device_is_vfio(dev)) {
		if (!driver)
			return rebind_check_owner(app, "unbind", dev);
		if (!in->to.driver || !strcmp(driver, in->to.driver))
			return EXIT_OK;
		msg_cannot("unbind", name, "it is on '%s', which is no VFIO driver", driver);
		msg_hint(PROGRAM " bind --driver=%s %s", in->to.driver, name);
		return EXIT_UNUSABLE;
	}
	code = rebind_check_owner(app, "unbind", dev);
	if (code != EXIT_OK)
		return code;
	/* Of what the host can use, only VFs are left on a VFIO driver. */
	r = vfiopm_uses_new(dev, NULL, &uses);
	if (r < 0)
		return rebind_report(app, "unbind", dev, in->to.driver, in->to.timeout_ms, r);
	for (size_t i = 0; i < vfiopm_uses_count(uses); i++) {
		enum vfiopm_use kind = vfiopm_uses_get_kind(uses, i);
		char text[1024];

		if (kind != VFIOPM_USE_VF && kind != VFIOPM_USE_VF_OPEN)
			continue;
		rebind_describe_use(uses, i, text, sizeof(text));
		msg_cannot("unbind", name, "%s", text);
		code = EXIT_BUSY;
	}
	if (code != EXIT_OK)
		msg_hint("its VFs go with it: free them first");
	vfiopm_uses_free(uses);
	return code;
}

static int refresh(struct vfiopm_device **dev)
{
	struct vfiopm_device *now;
	int r;

	r = vfiopm_device_refresh(*dev, &now);
	if (r < 0)
		return r;
	vfiopm_device_unref(*dev);
	*dev = now;
	return 0;
}

/* A VFIO driver that was there first: the host's own may never have been loaded. */
static int load_driver(struct vfiopm_device **dev)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000000 };
	int r = 0;

	if (load_module_for(*dev) != 0)
		return 0;
	for (int waited = 0; r == 0 && waited < PROBE_TIMEOUT_MS; waited += 20) {
		r = refresh(dev);
		if (r == 0 && vfiopm_device_get_driver(*dev))
			break;
		nanosleep(&pause, NULL);
	}
	return r;
}

/*
 * Without an override a VFIO driver takes a device by a dynamic ID alone: its
 * own table is for overrides (drivers/vfio/pci/vfio_pci.c, vfio_pci_table[]).
 * With one, somebody has bound it after the kernel had given it back.
 */
static int back_on_vfio(const struct vfiopm_device *dev)
{
	const char *name = vfiopm_device_get_name(dev), *driver = vfiopm_device_get_driver(dev);
	unsigned int vendor = vfiopm_device_get_vendor(dev);
	unsigned int device = vfiopm_device_get_device(dev);
	char *override = NULL;

	if (vfiopm_device_read_override(dev, &override) == 0 && override) {
		free(override);
		rebind_warn_unless_on(dev, NULL);
		return EXIT_OK;
	}
	msg_cannot("unbind", name,
		   "'%s' has taken it back, by a dynamic ID: %04x:%04x (ids=, new_id)", driver,
		   vendor, device);
	msg_hint("take the ID away, and unbind again: echo %04x %04x "
		 ">/sys/bus/pci/drivers/%s/remove_id", vendor, device, driver);
	return EXIT_STATE;
}

/* What it is on now, in the words of the user's wish. */
static int finish(struct app *app, const struct unbind_input *in, struct vfiopm_device **dev,
		  const struct vfiopm_binding *former)
{
	const char *name = vfiopm_device_get_name(*dev), *was;
	int r;

	was = former ? vfiopm_binding_get_driver(former) : NULL;
	r = refresh(dev);
	if (r == 0 && !vfiopm_device_get_driver(*dev) && !in->to.driver)
		r = load_driver(dev);
	if (r == 0 && in->control)
		r = vfiopm_policy_set_control(*dev, !strcmp(in->control, "on"));
	if (r < 0)
		return rebind_report(app, "unbind", *dev, in->to.driver, in->to.timeout_ms, r);
	rebind_print(*dev, was);
	if (!vfiopm_device_get_driver(*dev))
		msg_warn("'%s': no driver of the host took it", name);
	else if (in->to.driver)
		rebind_warn_unless_on(*dev, in->to.driver);
	else if (vfiopm_device_is_vfio(*dev))
		return back_on_vfio(*dev);
	return EXIT_OK;
}

static int unbind_one(struct app *app, const struct unbind_input *in, struct vfiopm_device **dev)
{
	struct vfiopm_binding *former = NULL;
	int code, r;

	code = check(app, in, *dev);
	if (code == EXIT_OK && in->to.driver)
		code = rebind_need_driver(app, "unbind", *dev, in->to.driver);
	if (code != EXIT_OK)
		return code;
	r = vfiopm_device_unbind(*dev, in->to.driver, in->to.timeout_ms, &former);
	if (r < 0)
		return rebind_report(app, "unbind", *dev, in->to.driver, in->to.timeout_ms, r);
	code = finish(app, in, dev, former);
	vfiopm_binding_free(former);
	return code;
}

int cmd_unbind(struct app *app, int argc, char **argv)
{
	struct unbind_input in = { .to.timeout_ms = REBIND_TIMEOUT_MS };
	struct targets targets;
	int code;

	verb_parse(app, argc, argv, &in);
	if (in.to.driver && vfiopm_driver_is_loaded(app->ctx, in.to.driver) == -EINVAL) {
		msg_error("'%s' is no name of a driver", in.to.driver);
		return EXIT_USAGE;
	}
	code = targets_resolve(app, &in.to.devices, &targets);
	for (size_t i = 0; i < targets.count; i++)
		code_merge(&code, unbind_one(app, &in, &targets.dev[i]));
	targets_free(&targets);
	return code;
}
