// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm status: all that is known of a device, grouped for reading. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "deepen_tell.h"
#include "guest.h"
#include "output.h"
#include "selection.h"
#include "status.h"

struct status_input {
	struct selection selection;
	struct output out;
};

static const struct argp_child status_children[] = {
	{ &selection_argp, 0, NULL, 0 },
	{ &output_argp, 0, NULL, 0 },
	{ 0 }
};

static error_t parse_status(int key, char *arg, struct argp_state *state)
{
	struct status_input *in = state->input;

	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = &in->selection;
		state->child_inputs[1] = &in->out;
		return 0;
	}
	if (key == ARGP_KEY_END && selection_is_empty(&in->selection) && !in->out.list_columns)
		argp_error(state, "which device?");
	return ARGP_ERR_UNKNOWN;
}

const struct argp status_argp = {
	.parser = parse_status,
	.args_doc = "DEVICE...\nSELECTION...",
	.doc = "Show all that is known of devices: whether they sleep and could be woken, who has "
	       "them open, what policy, platform and neighbours allow. With an output option the "
	       "same as list does, in JSON with all columns."
	       "\vA device is asleep when runtime PM has suspended it and its power state is D3hot "
	       "or D3cold. Looking wakes nothing: no device is opened, and no file is read that "
	       "resumes a device or its port.",
	.children = status_children,
};

/* What one device's text is made from. */
struct view {
	struct app *app;
	const struct vfiopm_device *dev;
	const struct vfiopm_power *power;
	const struct vfiopm_owners *owners; /* NULL: could not be looked for */
	struct name_db *names;
};

void section(const char *name)
{
	printf("  %s\n", name);
}

void field(const char *name, const char *fmt, ...)
{
	va_list args;

	printf("    %-12s", name);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/* -1: not measured. */
static int64_t get_enable(const struct view *v)
{
	int64_t value;

	return vfiopm_power_get_enable(v->power, &value) < 0 ? -1 : value;
}

/* ---- power ---- */

static void show_asleep(const struct view *v)
{
	enum vfiopm_status status = vfiopm_power_get_status(v->power);
	enum vfiopm_state state = vfiopm_power_get_state(v->power);
	const char *now = vfiopm_state_name(state);
	const char *physfn = vfiopm_device_get_physfn(v->dev);

	if (vfiopm_power_is_asleep(v->power))
		field("asleep", "yes: suspended, in %s", now);
	else if (physfn)
		field("asleep", "no: %s, in %s; a VF has no power management of its own, see %s",
		      vfiopm_status_name(status), now, physfn);
	else if (status == VFIOPM_STATUS_SUSPENDED && state == VFIOPM_STATE_D0)
		field("asleep", "no: suspended by runtime PM, but in D0: no PM capability");
	else if (status == VFIOPM_STATUS_ACTIVE && state >= VFIOPM_STATE_D3HOT &&
		 vfiopm_device_is_vfio(v->dev))
		field("asleep",
		      "no: its user put it into %s by PCI_PM_CTRL, runtime PM is active", now);
	else if (status == VFIOPM_STATUS_UNKNOWN && state == VFIOPM_STATE_UNKNOWN)
		field("asleep", "unknown: neither runtime status nor power state can be read");
	else
		field("asleep", "no: %s, in %s", vfiopm_status_name(status), now);
}

static void show_times(const struct view *v)
{
	char total[32], suspended_text[32], since[32];
	int64_t active, suspended, at_most = asleep_at_most(v->dev, v->power, v->owners);

	if (vfiopm_power_get_active_time(v->power, &active) < 0 ||
	    vfiopm_power_get_suspended_time(v->power, &suspended) < 0)
		return;
	format_time(suspended, suspended_text, sizeof(suspended_text));
	format_time(active + suspended, total, sizeof(total));
	if (at_most >= 0)
		field("since", "at most %s", format_time(at_most, since, sizeof(since)));
	if (!suspended)
		field("residency", "never suspended in %s", total);
	else
		field("residency", "suspended %.1f%% of %s (%s)",
		      100.0 * (double)suspended / (double)(active + suspended), total,
		      suspended_text);
}

static void show_wake(const struct view *v)
{
	const char *wakeup = vfiopm_power_get_wakeup(v->power);

	if (!wakeup)
		field("wakes", "when it is accessed; it can't wake the host by itself");
	else if (!strcmp(wakeup, "enabled"))
		field("wakes", "when it is accessed, and by itself: wakeup is enabled");
	else
		field("wakes", "when it is accessed; not by itself: wakeup is %s", wakeup);
}

/* ---- owner ---- */

static void show_owner(const struct view *v)
{
	const struct vfiopm_owner *owner;
	size_t i;

	section("Owner");
	if (!v->owners) {
		field("open", "unknown: the processes can't be looked at");
		return;
	}
	for (i = 0; (owner = vfiopm_owners_find(v->owners, v->dev, i)); i++)
		field(i ? "" : "open", "by %s, process %d, user %u, through %s",
		      vfiopm_owner_get_comm(owner), (int)vfiopm_owner_get_pid(owner),
		      (unsigned int)vfiopm_owner_get_uid(owner),
		      vfiopm_owner_get_via(owner) == VFIOPM_VIA_GROUP ? "its group's node" :
		      vfiopm_owner_get_via(owner) == VFIOPM_VIA_CDEV  ? "its own node" :
		      vfiopm_owner_get_via(owner) == VFIOPM_VIA_MAP   ? "a mapping" :
									"its descriptor");
	if (i)
		return;
	if (vfiopm_device_is_vfio(v->dev) && get_enable(v) > 0)
		field("open", "yes, by an owner that is not visible from here, unless a former "
			      "driver left it enabled");
	else if (!vfiopm_device_is_vfio(v->dev))
		field("open", "no: it is not on a VFIO driver");
	else
		field("open", "no");
}

/* ---- the service ---- */

static void show_deepen(const struct view *v)
{
	struct deepen_told told;
	char text[32];

	if (vfiopm_ctx_is_foreign(v->app->ctx) || deepen_ask(v->app, v->dev, &told) != 1)
		return;
	section("Deepen");
	field("service", "process %d watches it%s", (int)told.pid,
	      told.in_kernel ? "; the driver deepens by itself" : "");
	field("deepened", "%" PRIu32 ", woken %" PRIu32 ", asleep %s%s", told.deepened, told.woken,
	      format_time(told.asleep_ms, text, sizeof(text)),
	      told.asleep ? ", and now" : "");
	if (told.pause_us && told.deepened)
		field("pause", "%.1f ms on average, %.1f ms at most",
		      (double)told.pause_us / told.deepened / 1000,
		      (double)told.pause_max_us / 1000);
	if (told.refused || told.missed)
		field("refused", "%" PRIu32 "%s%s%s; the owner was faster: %" PRIu32, told.refused,
		      *told.reason ? " (the last one: " : "", told.reason,
		      *told.reason ? ")" : "", told.missed);
}

/* Does a guest drive its sleep, and which? */
static void show_guest(const struct view *v)
{
	struct guest_told told;
	int r = vfiopm_ctx_is_foreign(v->app->ctx) ? 0 : guest_claim_ask(v->app, v->dev, &told);

	/* -EPERM: somebody has taken the name, and is no listener. */
	if (r == 0 || r == -EPERM)
		return;
	section("Guest");
	if (r < 0) {
		field("driven by", "not known: its listener does not answer");
		return;
	}
	if (!told.vm_pid) {
		field("driven by", "none now: process %d waits for the VM", (int)told.pid);
		return;
	}
	field("driven by", "the guest of %s, process %d, where it is %s, by process %d",
	      told.vm_comm, (int)told.vm_pid, told.path, (int)told.pid);
	field("the guest", "%s%s",
	      !told.open     ? "can't use it: the VM doesn't have it open" :
	      told.asked_off ? "has it off" :
			       "has it on",
	      !told.open || !told.asked_off || told.engaged ? "" :
	      told.off ? ", but something else has woken it" :
			 ", but it stays awake");
	field("so far", "%u times off, %u refused, %u woken by something else", told.entries,
	      told.refused, told.woken);
}

/* ---- policy ---- */

/*
 * What keeps an unopened device awake: vfio-pci with disable_idle_d3 takes a
 * runtime PM reference of its own. The module's parameter only shows what was
 * last written, not what this device was bound with.
 */
static bool idle_in_d0(const struct view *v)
{
	const char *control = vfiopm_power_get_control(v->power);
	int64_t usage = 0;

	return vfiopm_device_is_vfio(v->dev) && get_enable(v) == 0 && control &&
	       !strcmp(control, "auto") && vfiopm_power_get_usage(v->power, &usage) == 0 &&
	       usage >= 1;
}

/* A rule that is persisted, and in what the device differs from it now. */
static void show_persisted(const struct view *v)
{
	int control_on, d3cold;
	unsigned int drift;

	if (vfiopm_policy_get_persisted(v->dev, &control_on, &d3cold) != 1)
		return;
	drift = vfiopm_policy_get_drift(v->dev, v->power);
	if (control_on >= 0)
		field("persisted", "control %s%s", control_on ? "on" : "auto",
		      drift & VFIOPM_DRIFT_CONTROL ? ": drifted, it isn't so now" : "");
	if (d3cold >= 0)
		field("persisted", "D3cold %s%s", d3cold ? "allowed" : "not allowed",
		      drift & VFIOPM_DRIFT_D3COLD ? ": drifted, it isn't so now" : "");
}

static void show_policy(const struct view *v)
{
	const char *control = vfiopm_power_get_control(v->power);
	const char *enabled = vfiopm_power_get_runtime_enabled(v->power);
	int64_t usage = 0, kids = 0, delay, allowed;

	section("Policy");
	if (control)
		field("control", "%s%s", control,
		      strcmp(control, "on") ? "" : ": runtime PM may not suspend it");
	if (enabled && strcmp(enabled, "enabled"))
		field("runtime PM", "%s", enabled);
	if (vfiopm_power_get_d3cold_allowed(v->power, &allowed) == 0)
		field("D3cold", "%s", allowed ? "allowed" : "not allowed: d3cold_allowed is 0");
	show_persisted(v);
	if (vfiopm_power_get_autosuspend_delay(v->power, &delay) == 0)
		field("autosuspend", delay < 0 ? "never" : "after %" PRId64 " ms", delay);
	if (vfiopm_power_get_usage(v->power, &usage) == 0 &&
	    vfiopm_power_get_active_kids(v->power, &kids) == 0)
		field("held by", "%" PRId64 " reference%s, %" PRId64 " active child%s", usage,
		      usage == 1 ? "" : "s", kids, kids == 1 ? "" : "ren");
	if (!vfiopm_device_is_vfio(v->dev) || get_enable(v) != 0)
		return;
	if (vfiopm_power_get_usage(v->power, &usage) < 0 &&
	    vfiopm_power_get_status(v->power) != VFIOPM_STATUS_SUSPENDED)
		field("unopened", "not known: this kernel shows no runtime_usage");
	else
		field("unopened", idle_in_d0(v) ? "kept in D0 (disable_idle_d3)" :
						  "may sleep (idle runtime PM)");
}

/* ---- platform ---- */

/* Where a device has no power resource of its own. */
static const char *without_resources(const struct view *v)
{
	struct vfiopm_list *ports;
	size_t n = 0;

	if (vfiopm_list_new_upstream(v->dev, &ports) == 0) {
		n = vfiopm_list_count(ports);
		vfiopm_list_free(ports);
	}
	return n ? "only an upstream port can take it to D3cold" : "D3hot is the deepest";
}

static void show_platform(const struct view *v)
{
	const char *path = vfiopm_power_get_acpi_path(v->power);
	const char *state = vfiopm_power_get_acpi_state(v->power);
	const char *real = vfiopm_power_get_acpi_real_state(v->power);
	const char *resource;

	section("Platform");
	if (!path && !state) {
		field("ACPI", "no node: %s", without_resources(v));
		return;
	}
	field("ACPI", "%s", or_unknown(path));
	if (state)
		field("state", "%s%s%s", state, real && strcmp(real, state) ? ", but really " : "",
		      real && strcmp(real, state) ? real : "");
	if (!vfiopm_power_has_d3cold_resources(v->power)) {
		field("resources", "none of its own: %s", without_resources(v));
		return;
	}
	printf("    %-12s", "resources");
	for (size_t i = 0; (resource = vfiopm_power_get_resource(v->power, i)); i++)
		printf("%s%s", i ? ", " : "", resource);
	puts(": can be cut for D3cold");
}

/* ---- VFIO and neighbours ---- */

static void show_neighbours(const char *name, const struct vfiopm_list *list,
			    const struct vfiopm_device *self)
{
	struct vfiopm_device *dev;
	size_t i;

	vfiopm_list_foreach(list, i, dev) {
		struct vfiopm_power *power = NULL;
		const char *driver = vfiopm_device_get_driver(dev);
		const char *control;

		if (vfiopm_power_new_parts(dev, VFIOPM_POWER_STATE | VFIOPM_POWER_CONTROL,
					   &power) < 0)
			continue;
		control = vfiopm_power_get_control(power);
		field(name, "%s  %s, %s in %s%s%s", vfiopm_device_get_name(dev),
		      driver ? driver : "no driver",
		      vfiopm_status_name(vfiopm_power_get_status(power)),
		      vfiopm_state_name(vfiopm_power_get_state(power)),
		      control && !strcmp(control, "on") ? ", control on" : "",
		      self && !vfiopm_addr_cmp(vfiopm_device_get_addr(dev),
					       vfiopm_device_get_addr(self)) ?
			      " (this one)" :
			      "");
		vfiopm_power_free(power);
		name = "";
	}
}

static void show_group(const struct view *v)
{
	int number = vfiopm_device_get_group(v->dev), viable;
	struct vfiopm_device *in_the_way = NULL;
	struct vfiopm_list *members;
	const char *driver;

	if (number < 0) {
		field("group", "none: VFIO needs an IOMMU, or its no-IOMMU mode");
		return;
	}
	viable = vfiopm_group_viable(v->dev, &in_the_way);
	if (in_the_way) {
		driver = vfiopm_device_get_driver(in_the_way);
		field("group", "%d, not viable: %s is on %s", number,
		      vfiopm_device_get_name(in_the_way), driver ? driver : "no driver");
	} else {
		field("group", "%d%s%s", number,
		      vfiopm_device_is_noiommu(v->dev) ? ", without an IOMMU" : "",
		      viable < 0 ? "" : ", viable");
	}
	vfiopm_device_unref(in_the_way);
	if (vfiopm_list_new_group(vfiopm_device_get_ctx(v->dev), number, &members) == 0) {
		show_neighbours("members", members, v->dev);
		vfiopm_list_free(members);
	}
}

static void show_vfio(const struct view *v)
{
	const char *driver = vfiopm_device_get_driver(v->dev);
	const char *node = vfiopm_device_get_group_node(v->dev);
	const char *cdev = vfiopm_device_get_cdev_node(v->dev);

	section("VFIO");
	if (driver)
		field("driver", "%s%s", driver,
		      vfiopm_device_is_vfio(v->dev) ? "" : ", not a VFIO driver");
	else if (get_enable(v) > 0 && vfiopm_device_get_group(v->dev) >= 0 && v->owners &&
		 vfiopm_owners_find(v->owners, v->dev, 0))
		field("driver", "none: its unbind waits until its owner closes it");
	else
		field("driver", "none");
	if (node)
		field("node", "%s%s%s", node, cdev ? ", " : "", cdev ? cdev : "");
	show_group(v);
}

/* ---- the account of the driver vfio-pm-pci ---- */

static void show_bus(const struct view *v)
{
	struct vfiopm_list *list;

	section("Bus");
	if (vfiopm_list_new_siblings(v->dev, &list) == 0) {
		if (!vfiopm_list_count(list))
			field("siblings", "none");
		show_neighbours("siblings", list, NULL);
		vfiopm_list_free(list);
	}
	if (vfiopm_list_new_upstream(v->dev, &list) == 0) {
		if (!vfiopm_list_count(list))
			field("upstream", "none: on the root bus");
		show_neighbours("upstream", list, NULL);
		vfiopm_list_free(list);
	}
}

static void show_device(const struct view *v)
{
	const char *reset = vfiopm_power_get_reset_method(v->power);
	const char *physfn = vfiopm_device_get_physfn(v->dev);
	int numvfs = vfiopm_device_get_numvfs(v->dev);

	section("Device");
	field("id", "%04x:%04x, subsystem %04x:%04x, class %06x",
	      vfiopm_device_get_vendor(v->dev), vfiopm_device_get_device(v->dev),
	      vfiopm_device_get_subvendor(v->dev), vfiopm_device_get_subdevice(v->dev),
	      vfiopm_device_get_class(v->dev));
	if (physfn)
		field("SR-IOV", "a VF of %s", physfn);
	else if (numvfs >= 0)
		field("SR-IOV", "a PF with %d VF%s enabled", numvfs, numvfs == 1 ? "" : "s");
	if (reset)
		field("reset", "%s", *reset ? reset : "none");
}

static void show(const struct view *v)
{
	const char *name = NULL;
	char buf[256];

	if (v->names)
		name = name_db_lookup(v->names, vfiopm_device_get_vendor(v->dev),
				      vfiopm_device_get_device(v->dev), buf, sizeof(buf));
	printf("%s%s%s\n", vfiopm_device_get_name(v->dev), name ? " " : "", name ? name : "");
	section("Power");
	show_asleep(v);
	show_times(v);
	show_wake(v);
	show_owner(v);
	show_deepen(v);
	show_guest(v);
	show_policy(v);
	show_platform(v);
	show_vfio(v);
	show_account(v->dev);
	show_bus(v);
	show_device(v);
}

static int show_all(struct app *app, const struct targets *targets)
{
	struct vfiopm_owners *owners = NULL;
	struct name_db *names = name_db_new();
	int r, code = EXIT_OK;

	r = vfiopm_owners_new(app->ctx, &owners);
	if (r < 0)
		msg_warn("cannot look for owners: %s", strerror(-r));
	for (size_t i = 0; i < targets->count; i++) {
		struct vfiopm_power *power;
		struct view view = {
			.app = app,
			.dev = targets->dev[i],
			.owners = owners,
			.names = names,
		};

		r = vfiopm_power_new(view.dev, &power);
		if (r < 0) {
			msg_cannot("show", vfiopm_device_get_name(view.dev), "%s",
				   r == -ENODEV ? "it has gone" : strerror(-r));
			code_merge(&code, r == -ENODEV ? EXIT_NODEV : EXIT_FAILED);
			continue;
		}
		if (i)
			putchar('\n');
		view.power = power;
		show(&view);
		vfiopm_power_free(power);
	}
	name_db_free(names);
	vfiopm_owners_free(owners);
	return code;
}

int cmd_status(struct app *app, int argc, char **argv)
{
	struct status_input in = { 0 };
	struct targets targets;
	int code;

	verb_parse(app, argc, argv, &in);
	if (in.out.list_columns)
		return output_list_columns(&in.out);
	code = selection_resolve(app, &in.selection, &targets);
	if (targets.count) {
		if (in.out.format == OUTPUT_TABLE && !in.out.n) {
			code_merge(&code, show_all(app, &targets));
		} else {
			if (!in.out.n)
				output_set_columns(&in.out, in.out.format == OUTPUT_JSON);
			code_merge(&code, output_devices(app, &in.out, targets.dev,
							 targets.count));
		}
	}
	targets_free(&targets);
	return code;
}
