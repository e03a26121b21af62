// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm list: a line a device. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "output.h"

enum {
	KEY_DRIVER = KEY_VERB,
	KEY_OWNER,
	KEY_ASLEEP,
	KEY_AWAKE,
};

struct list_input {
	struct output out;
	bool all, asleep, awake;
	const char *driver, *owner;
	struct device_args devices;
};

static const struct argp_option list_options[] = {
	{ NULL, 0, NULL, 0, "Selection:", 1 },
	{ "all", 'a', NULL, 0, "Not only devices on a VFIO driver", 1 },
	{ "driver", KEY_DRIVER, "NAME", 0, "Only devices on this driver; 'none': on no driver", 1 },
	{ "owner", KEY_OWNER, "WHO", 0,
	  "Only devices that a process has open: its name or number, 'any' or 'none'", 1 },
	{ "asleep", KEY_ASLEEP, NULL, 0, "Only devices that are suspended in D3hot or D3cold", 1 },
	{ "awake", KEY_AWAKE, NULL, 0, "Only devices that are not", 1 },
	{ 0 }
};

static const struct argp_child list_children[] = {
	{ &output_argp, 0, NULL, 0 },
	{ 0 }
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct list_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->out;
		return 0;
	case 'a':
		in->all = true;
		return 0;
	case KEY_DRIVER:
		in->driver = arg;
		return 0;
	case KEY_OWNER:
		in->owner = arg;
		return 0;
	case KEY_ASLEEP:
		in->asleep = true;
		return 0;
	case KEY_AWAKE:
		in->awake = true;
		return 0;
	case ARGP_KEY_END:
		if (in->asleep && in->awake)
			argp_error(state, "--asleep and --awake exclude each other");
		return 0;
	}
	return devices_parse(key, state, &in->devices, false);
}

const struct argp list_argp = {
	.options = list_options,
	.parser = parse_list,
	.args_doc = "[DEVICE...]",
	.doc = "List devices: by default those on a VFIO driver, or each DEVICE named."
	       "\vDEVICE is [DDDD:]BB:DD.F, VENDOR:DEVICE (all that match), group:N, or a sysfs "
	       "path of a PCI device. Looking wakes nothing: no device is opened, and no file is "
	       "read that resumes a device or its port.",
	.children = list_children,
};

static bool owner_matches(const struct vfiopm_owners *owners, const struct vfiopm_device *dev,
			  const char *who)
{
	const struct vfiopm_owner *owner;
	char pid[16];

	if (!strcmp(who, "none"))
		return !vfiopm_owners_find(owners, dev, 0);
	for (size_t i = 0; (owner = vfiopm_owners_find(owners, dev, i)); i++) {
		snprintf(pid, sizeof(pid), "%d", (int)vfiopm_owner_get_pid(owner));
		if (!strcmp(who, "any") || !strcmp(who, pid) ||
		    !strcmp(who, vfiopm_owner_get_comm(owner)))
			return true;
	}
	return false;
}

static bool is_asleep(const struct vfiopm_device *dev)
{
	struct vfiopm_power *power;
	bool asleep;

	if (vfiopm_power_new_parts(dev, VFIOPM_POWER_STATE, &power) < 0)
		return false;
	asleep = vfiopm_power_is_asleep(power);
	vfiopm_power_free(power);
	return asleep;
}

static bool driver_matches(const struct vfiopm_device *dev, const char *wanted)
{
	const char *driver = vfiopm_device_get_driver(dev);

	return !strcmp(wanted, driver ? driver : "none");
}

/* Keeps the devices that the user selected, in their order. Returns how many. */
static size_t select_devices(const struct list_input *in, const struct vfiopm_owners *owners,
			     struct vfiopm_device **dev, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (in->driver && !driver_matches(dev[i], in->driver))
			continue;
		if ((in->asleep || in->awake) && is_asleep(dev[i]) != in->asleep)
			continue;
		if (in->owner && !owner_matches(owners, dev[i], in->owner))
			continue;
		dev[kept++] = dev[i];
	}
	return kept;
}

static int show(struct app *app, struct list_input *in, struct vfiopm_device **dev, size_t n)
{
	struct vfiopm_owners *owners = NULL;
	int r, code;

	if (in->owner) {
		r = vfiopm_owners_new(app->ctx, &owners);
		if (r < 0) {
			msg_error("cannot look for owners: %s", strerror(-r));
			return EXIT_FAILED;
		}
	}
	n = select_devices(in, owners, dev, n);
	code = output_devices(app, &in->out, dev, n);
	vfiopm_owners_free(owners);
	return code;
}

static int list_all(struct app *app, struct list_input *in)
{
	struct vfiopm_device **dev, *d;
	struct vfiopm_list *list;
	/* A driver that was named may be any. */
	bool vfio_only = !in->all && !in->driver;
	size_t i, n;
	int r, code;

	r = vfiopm_list_new(app->ctx, vfio_only, &list);
	if (r < 0) {
		msg_error("cannot list the PCI devices: %s", strerror(-r));
		return EXIT_FAILED;
	}
	n = vfiopm_list_count(list);
	dev = calloc(n ? n : 1, sizeof(struct vfiopm_device *));
	if (!dev) {
		vfiopm_list_free(list);
		msg_error("cannot list the PCI devices: %s", strerror(ENOMEM));
		return EXIT_FAILED;
	}
	vfiopm_list_foreach(list, i, d)
		dev[i] = d;
	code = show(app, in, dev, n);
	if (!n && vfio_only && in->out.format == OUTPUT_TABLE && isatty(STDERR_FILENO))
		msg_hint("no device is on a VFIO driver; " PROGRAM " list -a shows all");
	free(dev);
	vfiopm_list_free(list);
	return code;
}

static int list_named(struct app *app, struct list_input *in)
{
	struct vfiopm_device **dev;
	struct targets targets;
	int code;

	code = targets_resolve(app, &in->devices, &targets);
	if (targets.count) {
		dev = calloc(targets.count, sizeof(struct vfiopm_device *));
		if (!dev) {
			msg_error("cannot list the devices: %s", strerror(ENOMEM));
			code_merge(&code, EXIT_FAILED);
		} else {
			memcpy(dev, targets.dev, targets.count * sizeof(struct vfiopm_device *));
			code_merge(&code, show(app, in, dev, targets.count));
			free(dev);
		}
	}
	targets_free(&targets);
	return code;
}

int cmd_list(struct app *app, int argc, char **argv)
{
	struct list_input in = { 0 };

	verb_parse(app, argc, argv, &in);
	if (in.out.list_columns)
		return output_list_columns(&in.out);
	if (!in.out.n)
		output_set_columns(&in.out, false);
	return in.devices.count ? list_named(app, &in) : list_all(app, &in);
}
