// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm bind: give devices to a VFIO driver. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holder.h"
#include "rebind.h"

#define NODE_TIMEOUT_MS 5000

struct bind_input {
	struct rebind_args to;
	bool group, dry_run, force;
};

enum { KEY_DRY_RUN = KEY_VERB, KEY_FORCE };

static const struct argp_option bind_options[] = {
	{ "driver", 'd', "NAME", 0, "Give it to driver NAME (vfio-pci)", 0 },
	{ "group", 'g', NULL, 0, "All endpoints of its IOMMU group, or none", 0 },
	{ "dry-run", KEY_DRY_RUN, NULL, 0, "Check and tell, but change nothing", 0 },
	{ "force", KEY_FORCE, NULL, 0, "Also take what the host uses", 0 },
	{ "timeout", KEY_REBIND_TIMEOUT, "TIME", 0, "How long to wait for the kernel (30 s)", 0 },
	{ 0 }
};

static error_t bind_parse(int key, char *arg, struct argp_state *state)
{
	struct bind_input *in = state->input;

	switch (key) {
	case 'g':
		in->group = true;
		return 0;
	case KEY_DRY_RUN:
		in->dry_run = true;
		return 0;
	case KEY_FORCE:
		in->force = true;
		return 0;
	}
	return rebind_parse(key, arg, state, &in->to);
}

const struct argp bind_argp = {
	.options = bind_options,
	.parser = bind_parse,
	.args_doc = "DEVICE...",
	.doc = "Take devices from the host's drivers and give them to VFIO."
	       "\v"
	       "Refused, and named, is what would hurt: a disk with a mounted filesystem, swap, "
	       "LVM, RAID, dm-crypt or ZFS on it; a network interface with the default route or "
	       "your SSH session, or below a bond, bridge or VLAN that is up; the boot display or "
	       "the console's; a PF whose VFs are in use. --force is for those who know. A bridge "
	       "is never taken, nor is what is open through VFIO.\n"
	       "When the driver doesn't take a device, its former driver and override are "
	       "restored. DEVICE is [DDDD:]BB:DD.F, VENDOR:DEVICE, group:N or a sysfs path.",
};

/* ---- one device ---- */

static bool is_done(const struct vfiopm_device *dev, const char *driver)
{
	const char *now = vfiopm_device_get_driver(dev);

	return now && !strcmp(now, driver);
}

static int refuse_use(const char *name, const struct vfiopm_uses *uses, size_t i)
{
	char text[1024];

	rebind_describe_use(uses, i, text, sizeof(text));
	msg_cannot("bind", name, "%s", text);
	return vfiopm_uses_get_kind(uses, i) == VFIOPM_USE_BRIDGE ? EXIT_UNUSABLE : EXIT_BUSY;
}

static void hint_bridge(void)
{
	msg_hint("VFIO takes the devices below it: " PROGRAM " list -a");
}

static void hint_look(const char *name)
{
	msg_hint("look as root, with the host's /dev, /proc and /sys: " PROGRAM
		 " bind --dry-run %s", name);
}

/* It tells what root would meet, and needn't be root, nor on that machine, itself. */
static bool looks_for_another(const struct app *app, const struct bind_input *in)
{
	return in->dry_run && (geteuid() != 0 || vfiopm_ctx_is_foreign(app->ctx));
}

static int check_uses(struct app *app, const struct bind_input *in, const char *session,
		      const struct vfiopm_device *dev)
{
	const char *name = vfiopm_device_get_name(dev);
	bool free_first = false, untold = false;
	struct vfiopm_uses *uses;
	int r, code = EXIT_OK;

	r = vfiopm_uses_new(dev, session, &uses);
	if (r == -ENODEV)
		return app_gone(app, "bind", name);
	if (r < 0) {
		msg_cannot("bind", name, "what it is used for can't be told: %s", strerror(-r));
		hint_look(name);
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < vfiopm_uses_count(uses); i++) {
		bool told = vfiopm_uses_get_kind(uses, i) != VFIOPM_USE_UNTOLD;
		char text[1024];

		if (!told && looks_for_another(app, in)) {
			untold = true;
		} else if (!in->force || rebind_use_blocks(uses, i)) {
			code_merge(&code, refuse_use(name, uses, i));
			free_first |= told;
			continue;
		}
		rebind_describe_use(uses, i, text, sizeof(text));
		msg_warn("'%s': %s", name, text);
	}
	if (code == EXIT_UNUSABLE)
		hint_bridge();
	else if (code != EXIT_OK && in->force)
		msg_hint("the kernel would wait for it to be closed, for ever");
	else if (code != EXIT_OK && !free_first)
		msg_hint("look as root, with the host's /dev, /proc and /sys, or, if you know: "
			 PROGRAM " bind --force %s", name);
	else if (code == EXIT_OK && untold)
		hint_look(name);
	else if (code != EXIT_OK)
		msg_hint("free it first, or, if you know: " PROGRAM " bind --force %s", name);
	vfiopm_uses_free(uses);
	return code;
}

static int check(struct app *app, const struct bind_input *in, const char *session,
		 const struct vfiopm_device *dev)
{
	int code;

	if (is_done(dev, in->to.driver))
		return EXIT_OK;
	code = rebind_check_owner(app, "bind", dev);
	return code == EXIT_OK ? check_uses(app, in, session, dev) : code;
}

static void show_plan(const struct bind_input *in, const struct vfiopm_device *dev)
{
	const char *now = vfiopm_device_get_driver(dev);

	if (is_done(dev, in->to.driver))
		printf("%s: stays on %s\n", vfiopm_device_get_name(dev), now);
	else
		printf("%s: would go from %s to %s\n", vfiopm_device_get_name(dev),
		       now ? now : "no driver", in->to.driver);
}

/* The result, when udev has made the node. */
static int show(struct app *app, const struct bind_input *in, const struct vfiopm_device *dev,
		const struct vfiopm_binding *former)
{
	struct vfiopm_device *now;
	int r;

	r = vfiopm_device_refresh(dev, &now);
	if (r < 0)
		return app_gone(app, "bind", vfiopm_device_get_name(dev));
	r = vfiopm_device_wait_node(now, NODE_TIMEOUT_MS);
	rebind_print(now, former ? vfiopm_binding_get_driver(former) :
				   vfiopm_device_get_driver(now));
	rebind_warn_unless_on(now, in->to.driver);
	if (r < 0) {
		const char *node = vfiopm_device_get_group_node(now);

		msg_warn("'%s': '%s' has not appeared", vfiopm_device_get_name(now),
			 node ? node : "its VFIO node");
		msg_hint("is /dev a devtmpfs? udevadm trigger --subsystem-match=vfio");
	}
	vfiopm_device_unref(now);
	return EXIT_OK;
}

static void warn_unless_viable(const struct vfiopm_device *dev)
{
	struct vfiopm_device *blocker = NULL, *now;
	char mend[64];

	if (vfiopm_device_refresh(dev, &now) < 0)
		return;
	if (vfiopm_device_is_vfio(now) && vfiopm_group_viable(now, &blocker) == 0 && blocker) {
		msg_warn("'%s': its group %d can't be opened yet: '%s' is on '%s'",
			 vfiopm_device_get_name(now), vfiopm_device_get_group(now),
			 vfiopm_device_get_name(blocker), vfiopm_device_get_driver(blocker));
		snprintf(mend, sizeof(mend), PROGRAM " bind --group %s",
			 vfiopm_device_get_name(now));
		trouble_hint_viable(now, blocker, mend);
	}
	vfiopm_device_unref(blocker);
	vfiopm_device_unref(now);
}

/* ---- a unit: one device, or the endpoints of a group, all or none ---- */

static void restore(const struct bind_input *in, const struct targets *unit,
		    struct vfiopm_binding **former, size_t n)
{
	while (n-- > 0) {
		const char *name = vfiopm_device_get_name(unit->dev[n]), *driver;
		int r;

		if (!former[n])
			continue;
		driver = vfiopm_binding_get_driver(former[n]);
		r = vfiopm_binding_restore(former[n], in->to.timeout_ms);
		if (r >= 0)
			printf("%s: restored to %s\n", name, driver ? driver : "no driver");
		else
			msg_cannot("restore", name, "it was on %s: %s",
				   driver ? driver : "no driver", strerror(-r));
		if (r < 0)
			msg_hint("the kernel's log may tell more: dmesg | grep %s", name);
	}
}

static int bind_all(struct app *app, const struct bind_input *in, const struct targets *unit,
		    struct vfiopm_binding **former)
{
	for (size_t i = 0; i < unit->count; i++) {
		int r;

		r = vfiopm_device_bind(unit->dev[i], in->to.driver, in->to.timeout_ms, &former[i]);
		if (r < 0) {
			int code = rebind_report(app, "bind", unit->dev[i], in->to.driver,
						 in->to.timeout_ms, r);

			restore(in, unit, former, i);
			return code;
		}
	}
	return EXIT_OK;
}

static int bind_unit(struct app *app, const struct bind_input *in, const char *session,
		     const struct targets *unit)
{
	struct vfiopm_binding **former;
	int code = EXIT_OK;

	for (size_t i = 0; i < unit->count; i++)
		code_merge(&code, check(app, in, session, unit->dev[i]));
	if (code != EXIT_OK)
		return code;
	if (in->dry_run) {
		if (vfiopm_driver_is_loaded(app->ctx, in->to.driver) == 0)
			printf("%s: its module would be loaded\n", in->to.driver);
		for (size_t i = 0; i < unit->count; i++)
			show_plan(in, unit->dev[i]);
		return EXIT_OK;
	}
	code = rebind_need_driver(app, "bind", unit->dev[0], in->to.driver);
	if (code != EXIT_OK)
		return code;
	former = calloc(unit->count, sizeof(*former));
	if (!former) {
		msg_error("out of memory");
		return EXIT_FAILED;
	}
	code = bind_all(app, in, unit, former);
	for (size_t i = 0; i < unit->count; i++) {
		if (code == EXIT_OK)
			code_merge(&code, show(app, in, unit->dev[i], former[i]));
		vfiopm_binding_free(former[i]);
	}
	free(former);
	if (code == EXIT_OK)
		warn_unless_viable(unit->dev[0]);
	return code;
}

/* ---- the verb ---- */

static int bind_group(struct app *app, const struct bind_input *in, const char *session,
		      const struct vfiopm_device *dev)
{
	int code, group = vfiopm_device_get_group(dev);
	struct targets unit;
	char text[32], *spec = text;
	const struct device_args args = { &spec, 1 };

	if (vfiopm_device_is_bridge(dev)) {
		msg_cannot("bind", vfiopm_device_get_name(dev), "it is a bridge");
		hint_bridge();
		return EXIT_UNUSABLE;
	}
	if (group < 0) {
		msg_cannot("bind", vfiopm_device_get_name(dev), "it is in no IOMMU group");
		msg_hint("turn the IOMMU on in the firmware and on the kernel's command line "
			 "(intel_iommu=on, amd_iommu=on)");
		return EXIT_UNUSABLE;
	}
	snprintf(text, sizeof(text), "group:%d", group);
	code = targets_resolve(app, &args, &unit);
	if (code == EXIT_OK)
		code = bind_unit(app, in, session, &unit);
	targets_free(&unit);
	return code;
}

/* Two devices of one group name one unit; a bridge names none. */
static bool group_was_done(const struct targets *targets, size_t i)
{
	int group = vfiopm_device_get_group(targets->dev[i]);

	for (size_t j = 0; group >= 0 && j < i; j++)
		if (vfiopm_device_get_group(targets->dev[j]) == group &&
		    !vfiopm_device_is_bridge(targets->dev[j]))
			return !vfiopm_device_is_bridge(targets->dev[i]);
	return false;
}

int cmd_bind(struct app *app, int argc, char **argv)
{
	struct bind_input in = {
		.to = { .driver = "vfio-pci", .timeout_ms = REBIND_TIMEOUT_MS },
	};
	struct targets targets;
	char *session = NULL;
	int code;

	verb_parse(app, argc, argv, &in);
	if (vfiopm_driver_is_loaded(app->ctx, in.to.driver) == -EINVAL) {
		msg_error("'%s' is no name of a driver", in.to.driver);
		return EXIT_USAGE;
	}
	/* Fixtures and reports of other machines can be judged, not changed. */
	if (vfiopm_ctx_is_foreign(app->ctx) && !in.dry_run) {
		msg_error("'bind' acts on devices and takes no --sysroot without --dry-run");
		return EXIT_USAGE;
	}
	if (!vfiopm_ctx_is_foreign(app->ctx))
		vfiopm_session_address(app->ctx, &session);
	code = targets_resolve(app, &in.to.devices, &targets);
	for (size_t i = 0; i < targets.count; i++) {
		struct targets one = { .count = 1, .dev = &targets.dev[i] };

		if (!in.group)
			code_merge(&code, bind_unit(app, &in, session, &one));
		else if (!group_was_done(&targets, i))
			code_merge(&code, bind_group(app, &in, session, targets.dev[i]));
	}
	targets_free(&targets);
	free(session);
	return code;
}
