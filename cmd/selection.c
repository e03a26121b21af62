// SPDX-License-Identifier: GPL-2.0-or-later
/* Which devices list and status show: by name, driver, owner, asleep or awake. */
#include <stdio.h>
#include <string.h>

#include "selection.h"

enum {
	KEY_DRIVER = KEY_VERB + 0x40,
	KEY_OWNER,
	KEY_ASLEEP,
	KEY_AWAKE,
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "Selection:", 1 },
	{ "all", 'a', NULL, 0, "Not only devices on a VFIO driver", 1 },
	{ "driver", KEY_DRIVER, "NAME", 0, "Only devices on this driver; 'none': on no driver", 1 },
	{ "owner", KEY_OWNER, "WHO", 0,
	  "Only devices that a process has open: its name or number, 'any' or 'none'", 1 },
	{ "asleep", KEY_ASLEEP, NULL, 0, "Only devices that are suspended in D3hot or D3cold", 1 },
	{ "awake", KEY_AWAKE, NULL, 0, "Only devices that are not", 1 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct selection *s = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &s->devices;
		return 0;
	case 'a':
		s->all = true;
		return 0;
	case KEY_DRIVER:
		s->driver = arg;
		return 0;
	case KEY_OWNER:
		s->owner = arg;
		return 0;
	case KEY_ASLEEP:
		s->asleep = true;
		return 0;
	case KEY_AWAKE:
		s->awake = true;
		return 0;
	case ARGP_KEY_END:
		if (s->asleep && s->awake)
			argp_error(state, "--asleep and --awake exclude each other");
		return 0;
	}
	return devices_parse(key, state, &s->devices, false);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp selection_argp = { .options = options, .parser = parse, .children = children };

bool selection_is_empty(const struct selection *s)
{
	return !s->devices.count && !s->all && !s->asleep && !s->awake && !s->driver && !s->owner;
}

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

static bool matches(const struct selection *s, const struct vfiopm_owners *owners,
		    const struct vfiopm_device *dev)
{
	if (s->driver && !driver_matches(dev, s->driver))
		return false;
	if ((s->asleep || s->awake) && is_asleep(dev) != s->asleep)
		return false;
	return !s->owner || owner_matches(owners, dev, s->owner);
}

/* Keep what matches, in its order. */
static void keep_matching(const struct selection *s, const struct vfiopm_owners *owners,
			  struct targets *targets)
{
	size_t kept = 0;

	for (size_t i = 0; i < targets->count; i++) {
		if (matches(s, owners, targets->dev[i]))
			targets->dev[kept++] = targets->dev[i];
		else
			vfiopm_device_unref(targets->dev[i]);
	}
	targets->count = kept;
}

int selection_resolve(struct app *app, const struct selection *s, struct targets *ret)
{
	struct vfiopm_owners *owners = NULL;
	int code, r;

	/* A driver that was named may be any. */
	code = s->devices.count ? targets_resolve(app, &s->devices, ret) :
				  targets_all(app, !s->all && !s->driver, ret);
	if (!ret->count)
		return code;
	if (s->owner) {
		r = vfiopm_owners_new(app->ctx, &owners);
		if (r < 0) {
			msg_error("cannot look for owners: %s", strerror(-r));
			targets_free(ret);
			*ret = (struct targets){ 0 };
			return EXIT_FAILED;
		}
	}
	keep_matching(s, owners, ret);
	vfiopm_owners_free(owners);
	return code;
}
