// SPDX-License-Identifier: GPL-2.0-or-later
/* DEVICE arguments: what the user named, as devices. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

int targets_add(struct targets *targets, struct vfiopm_list *list)
{
	/* No list has a device twice. */
	size_t before = targets->count;
	struct vfiopm_device *dev;
	size_t i;

	vfiopm_list_foreach(list, i, dev) {
		struct vfiopm_device **grown;
		bool known = false;

		for (size_t j = 0; j < before && !known; j++)
			known = !vfiopm_addr_cmp(vfiopm_device_get_addr(targets->dev[j]),
						 vfiopm_device_get_addr(dev));
		if (known)
			continue;
		grown = reallocarray(targets->dev, targets->count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		targets->dev = grown;
		targets->dev[targets->count++] = vfiopm_device_ref(dev);
	}
	return 0;
}

static int report(const char *spec, int r)
{
	switch (r) {
	case -EINVAL:
		msg_error("'%s' is no PCI address, VENDOR:DEVICE, group:N or sysfs path", spec);
		msg_hint("an address looks like 0000:01:00.0 or 01:00.0");
		return EXIT_USAGE;
	case -ENODEV:
		msg_error("no such device: '%s'", spec);
		msg_hint(PROGRAM " list -a shows the PCI devices of this system");
		return EXIT_NODEV;
	}
	msg_error("cannot look up '%s': %s", spec, strerror(-r));
	return EXIT_FAILED;
}

static int add_spec(struct targets *targets, struct vfiopm_ctx *ctx, const char *spec)
{
	struct vfiopm_list *list;
	int r;

	r = vfiopm_list_new_from_spec(ctx, spec, &list);
	if (r < 0)
		return r;
	r = targets_add(targets, list);
	vfiopm_list_free(list);
	return r;
}

int targets_add_group(struct targets *targets, const struct vfiopm_device *dev)
{
	char spec[32];

	snprintf(spec, sizeof(spec), "group:%d", vfiopm_device_get_group(dev));
	return add_spec(targets, vfiopm_device_get_ctx(dev), spec);
}

/* --group: the endpoints of all their groups, too. */
static int widen_groups(struct targets *targets)
{
	for (size_t i = 0, n = targets->count; i < n; i++) {
		int r = targets_add_group(targets, targets->dev[i]);

		/* In no group: whatever is wanted of it will say so. */
		if (r < 0 && r != -EINVAL && r != -ENODEV) {
			msg_error("cannot look up the group: %s", strerror(-r));
			return EXIT_FAILED;
		}
	}
	return EXIT_OK;
}

int targets_resolve(struct app *app, const struct device_args *args, struct targets *ret)
{
	struct targets targets = { 0 };
	int code = EXIT_OK;

	for (size_t i = 0; i < args->count; i++) {
		int r = add_spec(&targets, app->ctx, args->specs[i]);

		if (r < 0)
			code_merge(&code, report(args->specs[i], r));
	}
	if (args->group)
		code_merge(&code, widen_groups(&targets));
	*ret = targets;
	return code;
}

int targets_all(struct app *app, bool vfio_only, struct targets *ret)
{
	struct targets targets = { 0 };
	struct vfiopm_list *list;
	int r;

	r = vfiopm_list_new(app->ctx, vfio_only, &list);
	if (r == 0) {
		r = targets_add(&targets, list);
		vfiopm_list_free(list);
	}
	*ret = targets;
	if (r == 0)
		return EXIT_OK;
	msg_error("cannot list the devices: %s", strerror(-r));
	return EXIT_FAILED;
}

void targets_free(struct targets *targets)
{
	for (size_t i = 0; i < targets->count; i++)
		vfiopm_device_unref(targets->dev[i]);
	free(targets->dev);
}
