// SPDX-License-Identifier: LGPL-2.1-or-later
/* Rules about the device itself: driver, runtime PM, capability, its user. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocker.h"

static const char *driver_name(struct look *look)
{
	const char *name = look_text(look, ATTR_DRIVER);

	return name ? name : "no driver";
}

static void judge_bridge(struct scene *s)
{
	struct look *culprit = look_culprit(s, s->look);
	struct vfiopm_finding *f;

	f = blocks(s, ROUTES_ALL, s->look, "is a bridge: it sleeps when all below it does");
	quote(s, f, s->look, ATTR_DRIVER);
	if (culprit && culprit != s->look)
		mend_command(s, f, ORDER_LOOK, "vfio-pm explain %s", culprit->dev->name);
	else
		mend_advice(s, f, ORDER_LOOK,
			    "ask of a device below it: that explains the bridges above, too");
}

void rule_driver(struct scene *s)
{
	const struct fact *driver = look_fact(s->look, ATTR_DRIVER);
	struct vfiopm_finding *f;

	if (s->vfio) {
		f = passes(s, ROUTES_ALL, s->look, "is on the VFIO driver %s",
			   driver_name(s->look));
		quote(s, f, s->look, ATTR_DRIVER);
		return;
	}
	if (driver->err && driver->err != -ENOENT) {
		unmeasured(s, ROUTES_ALL, s->look, ATTR_DRIVER, "its driver");
		return;
	}
	/* Without its kind of folder in sysfs a VFIO driver is older than Linux 6.1. */
	if (driver->value && strstr(driver->value, "vfio")) {
		f = untold(s, ROUTES_ALL, s->look, "the kernel is older than 6.1",
			   "whether %s is a VFIO driver could not be measured", driver->value);
		quote(s, f, s->look, ATTR_DRIVER);
		quote(s, f, s->look, ATTR_VFIO_DEV);
		quote_fact(s, f, FACT_RELEASE);
		return;
	}
	if (vfiopm_device_is_bridge(s->look->dev)) {
		judge_bridge(s);
		return;
	}
	f = driver->value ?
		blocks(s, ROUTES_ALL, s->look, "is on the driver %s, not on a VFIO driver",
		       driver->value) :
		blocks(s, ROUTES_ALL, s->look,
		       "is on no driver: the kernel leaves such a device in D0");
	quote(s, f, s->look, ATTR_DRIVER);
	mend_bind(s, f, s->look);
}

/* Drivers whose device_feature is, or ends in, vfio_pci_core_ioctl_feature(). */
static bool has_features(const char *driver)
{
	static const char *const names[] = {
		"vfio-pci", "vfio-pm-pci", "hisi-acc-vfio-pci", "mlx5-vfio-pci",
		"nvgrace-gpu-vfio-pci", "pds-vfio-pci", "qat-vfio-pci", "virtio-vfio-pci",
		"xe-vfio-pci",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *a = names[i], *b = driver;

		/* A module's name has underscores where its author may have typed dashes. */
		while (*a && (*a == *b || (*a == '-' && *b == '_'))) {
			a++;
			b++;
		}
		if (!*a && !*b)
			return true;
	}
	return false;
}

void rule_features(struct scene *s)
{
	const char *driver = look_text(s->look, ATTR_DRIVER);
	struct vfiopm_finding *f;

	if (!s->vfio || !driver)
		return;
	if (has_features(driver)) {
		f = passes(s, ROUTES_ALL, s->look, "%s has the low-power features", driver);
	} else {
		/* A probe is an ioctl, which resumes; an idle device needs none of the features. */
		f = untold(s, s->open && s->active ? ROUTES_ALL : 0, s->look,
			   "the driver isn't a known one, and asking it would wake the device",
			   "whether %s has the low-power features could not be measured", driver);
	}
	quote(s, f, s->look, ATTR_DRIVER);
}

void rule_status(struct scene *s)
{
	const char *status = look_text(s->look, ATTR_STATUS);
	const char *name = s->look->dev->name, *enabled;
	struct vfiopm_finding *f;

	if (s->active || s->suspended || (status && watch_saw_sleep(s))) {
		/* The status would be "unsupported" (drivers/base/power/sysfs.c). */
		if (s->flags & VFIOPM_EXPLAIN_BRIEF)
			return;
		enabled = look_text(s->look, ATTR_ENABLED);
		if (!enabled || strncmp(enabled, "disabled", 8)) {
			f = passes(s, ROUTES_ALL, s->look, "runtime PM works, it is %s", status);
			quote(s, f, s->look, ATTR_STATUS);
			return;
		}
		f = blocks(s, ROUTES_ALL, s->look, "runtime PM of the device is disabled");
	} else if (look_is(s->look, ATTR_STATUS, "error")) {
		f = blocks(s, ROUTES_ALL, s->look,
			   "a transition has failed before, and the kernel tries no other");
	} else if (look_is(s->look, ATTR_STATUS, "unsupported")) {
		f = blocks(s, ROUTES_ALL, s->look, "runtime PM of the device is disabled");
	} else if (look_in_transition(s->look) && !s->look->stuck) {
		f = untold(s, ROUTES_ALL, s->look, "it was looked at in a transition",
			   "is just %s: whether it gets to sleep could not be measured", status);
		quote(s, f, s->look, ATTR_STATUS);
		return;
	} else if (look_in_transition(s->look)) {
		f = blocks(s, ROUTES_ALL, s->look, "is stuck in a transition, %s", status);
		quote(s, f, s->look, ATTR_STATUS);
		mend_advice(s, f, ORDER_BOOT,
			    "look into the kernel's log for %s; a device that never answers is "
			    "freed by a reboot only", name);
		return;
	} else {
		unmeasured(s, ROUTES_ALL, s->look, ATTR_STATUS, "its runtime PM status");
		return;
	}
	quote(s, f, s->look, ATTR_STATUS);
	quote(s, f, s->look, ATTR_ENABLED);
	/* The error and the count of disables live as long as the device in the kernel. */
	mend_remove(s, f, s->look);
}

void rule_sriov(struct scene *s)
{
	struct vfiopm_finding *f;
	int vfs = 0;

	if (look_fact(s->look, ATTR_NUMVFS)->err != -ENOENT)
		vfs = vfiopm_device_get_numvfs(s->look->dev);
	if (vfs <= 0) {
		passes(s, ROUTES_ALL, s->look, "has no virtual functions enabled");
		return;
	}
	/* vfio_pci_core_sriov_configure() holds it awake; what another driver does is its own. */
	if (!s->vfio) {
		f = passes(s, ROUTES_ALL, s->look, "its driver decides what its VFs are to it");
		quote(s, f, s->look, ATTR_NUMVFS);
		return;
	}
	f = blocks(s, ROUTES_ALL, s->look, "%d virtual function%s of it %s enabled", vfs,
		   vfs > 1 ? "s" : "", vfs > 1 ? "are" : "is");
	quote(s, f, s->look, ATTR_NUMVFS);
	mend_vfs(s, f, s->look);
}

/*
 * The capability stands in config space, which isn't read here. What shows it:
 * a D-state that only the capability gives, the reset method "pm"; for a device
 * that hasn't been suspended also wakeup that isn't the firmware's, and
 * d3cold_allowed, which starts as 1 only with it (drivers/pci/pci.c,
 * pci_pm_init()), though a user may have written it.
 */
static bool shows_capability(struct scene *s, enum attr *by)
{
	const char *reset = look_text(s->look, ATTR_RESET);
	const char *pm = reset ? strstr(reset, "pm") : NULL;

	if (s->state >= VFIOPM_STATE_D1 && s->state <= VFIOPM_STATE_D3HOT)
		*by = ATTR_STATE;
	else if (pm && (pm == reset || pm[-1] == ' ') && (!pm[2] || pm[2] == ' '))
		*by = ATTR_RESET;
	else if (!s->suspended && look_text(s->look, ATTR_WAKEUP) &&
		 !look_text(s->look, ATTR_NODE))
		*by = ATTR_WAKEUP;
	else if (!s->suspended && look_is(s->look, ATTR_D3COLD, "1"))
		*by = ATTR_D3COLD;
	else
		return false;
	return true;
}

void rule_vf(struct scene *s)
{
	const char *physfn = look_text(s->look, ATTR_PHYSFN);
	struct vfiopm_finding *f;
	enum attr by;

	if (!physfn) {
		passes(s, ROUTE_NATIVE | ROUTE_OWN, s->look, "is no virtual function");
		return;
	}
	/* A VF may have a PM capability: 9.6.2 there. */
	if (shows_capability(s, &by)) {
		f = passes(s, ROUTE_NATIVE | ROUTE_OWN, s->look,
			   "is a virtual function with a PM capability of its own");
		quote(s, f, s->look, by);
		return;
	}
	f = blocks(s, ROUTE_NATIVE | ROUTE_OWN, s->look,
		   "is a virtual function, which has no power states of its own: it follows %s",
		   physfn);
	quote(s, f, s->look, ATTR_PHYSFN);
	mend_advice(s, f, ORDER_DEVICE, "let the physical function %s sleep: vfio-pm explain %s",
		    physfn, physfn);
}

void rule_control(struct scene *s)
{
	struct vfiopm_finding *f;

	if (look_is(s->look, ATTR_CONTROL, "on") && !s->suspended) {
		f = blocks(s, ROUTES_ALL, s->look, "power/control is on, which keeps it awake");
		quote(s, f, s->look, ATTR_CONTROL);
		mend_knob(s, f, s->look, ATTR_CONTROL, "auto");
	} else if (s->suspended || look_is(s->look, ATTR_CONTROL, "auto")) {
		f = passes(s, ROUTES_ALL, s->look, "power/control lets it sleep");
		quote(s, f, s->look, ATTR_CONTROL);
	} else {
		unmeasured(s, ROUTES_ALL, s->look, ATTR_CONTROL, "power/control");
	}
}

void rule_autosuspend(struct scene *s)
{
	struct vfiopm_finding *f;
	int64_t delay;
	int r;

	r = look_number(s->look, ATTR_DELAY, &delay);
	if (r == 0 && delay < 0) {
		f = blocks(s, ROUTES_ALL, s->look,
			   "a negative autosuspend delay keeps it awake");
		quote(s, f, s->look, ATTR_DELAY);
		mend_knob(s, f, s->look, ATTR_DELAY, "100");
	} else if (r == 0) {
		f = passes(s, ROUTES_ALL, s->look, "sleeps %" PRId64 " ms after its last use",
			   delay);
		quote(s, f, s->look, ATTR_DELAY);
	} else if (r == -EIO || s->suspended || (s->usage_known && s->pins <= 0)) {
		/* A negative delay would be a usage count, and each is accounted for. */
		f = passes(s, ROUTES_ALL, s->look, "no autosuspend delay is in the way");
		quote(s, f, s->look, r == -EIO ? ATTR_DELAY : ATTR_USAGE);
	} else {
		unmeasured(s, ROUTES_ALL, s->look, ATTR_DELAY, "the autosuspend delay");
	}
}

static void quote_hold(struct scene *s, struct vfiopm_finding *f)
{
	quote(s, f, s->look, ATTR_ENABLE);
	quote(s, f, s->look, ATTR_CONTROL);
	quote(s, f, s->look, ATTR_USAGE);
}

/* What sleeps behind the back of who uses it has lost its state when it comes back. */
void mend_open(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	const char *name = look->dev->name;

	if (look_is(look, ATTR_STATE, "D3hot")) {
		mend_command(s, f, ORDER_ENTER, "vfio-pm enter --borrow %s", name);
		/* The bit stands in config space, and a read of that would wake it. */
		mend_advice(s, f, ORDER_ENTER,
			    "with --state-loss-ok where %s keeps its state in D3hot "
			    "(No_Soft_Reset, as most NVMe drives do) and its user can bear the "
			    "loss: exit code 4 without it tells", name);
	} else {
		mend_advice(s, f, ORDER_ENTER,
			    "let the user of %s enter low power, suspend it (in a VM: the guest's "
			    "driver) or end; one that can bear a device without its state: "
			    "vfio-pm enter --borrow --force %s", name, name);
	}
}

static void block_open(struct scene *s, const char *what)
{
	const struct vfiopm_owner *owner = survey_owner(s->survey, s->look->dev);
	struct vfiopm_finding *f;

	if (owner)
		f = blocks(s, ROUTES_ALL, s->look, "%s (pid %d) %s", vfiopm_owner_get_comm(owner),
			   (int)vfiopm_owner_get_pid(owner), what);
	else
		/* pci_disable_device() that a driver owes leaves the count above 0 for ever. */
		f = blocks(s, ROUTES_ALL, s->look,
			   "a process that isn't visible from here %s (or none has it open, "
			   "and a former driver left it enabled)", what);
	quote_hold(s, f);
	quote(s, f, s->look, ATTR_STATE);
	mend_open(s, f, s->look);
}

static bool user_d3hot(const struct scene *s)
{
	/* Not for who is going to enter low power for it. */
	return s->active && s->state == VFIOPM_STATE_D3HOT && s->open &&
	       !(s->flags & VFIOPM_EXPLAIN_ENGAGED);
}

void rule_user_d3hot(struct scene *s)
{
	if (user_d3hot(s))
		block_open(s, "has put it into D3hot by PCI_PM_CTRL, and nothing more happens: "
			   "the kernel counts it as active");
}

/*
 * Whoever opens a device holds a usage count until it enters low power: so a
 * count that nothing else accounts for is an owner that hasn't entered.
 */
void rule_owner(struct scene *s)
{
	struct vfiopm_finding *f;

	if (!s->vfio || user_d3hot(s))
		return;
	if (!s->open || s->suspended || s->flags & VFIOPM_EXPLAIN_ENGAGED) {
		int64_t enable;

		if (look_number(s->look, ATTR_ENABLE, &enable) < 0) {
			unmeasured(s, s->suspended ? 0 : ROUTES_ALL, s->look, ATTR_ENABLE,
				   "whether it is open");
			return;
		}
		f = passes(s, ROUTES_ALL, s->look, s->open ? "its owner has entered low power" :
							     "nobody has it open");
		quote(s, f, s->look, ATTR_ENABLE);
	} else if (!s->usage_known) {
		f = unmeasured(s, ROUTES_ALL, s->look, ATTR_USAGE,
			       "it is open; whether its owner has entered low power");
		quote(s, f, s->look, ATTR_ENABLE);
	} else if (s->pins > 0) {
		block_open(s, "has it open and has not entered low power");
	} else {
		f = passes(s, ROUTES_ALL, s->look, "its owner has entered low power");
		quote_hold(s, f);
	}
}

/* disable_idle_d3 itself isn't looked at: the parameter shows what was last written to it. */
void rule_idle(struct scene *s)
{
	struct vfiopm_finding *f;

	if (!s->vfio || s->open)
		return;
	if (s->suspended || s->flags & VFIOPM_EXPLAIN_ENGAGED ||
	    (s->usage_known && s->pins <= 0)) {
		f = passes(s, ROUTES_ALL, s->look, "idle runtime PM applies to it");
		quote(s, f, s->look, s->suspended ? ATTR_STATUS : ATTR_USAGE);
	} else if (!s->usage_known) {
		unmeasured(s, ROUTES_ALL, s->look, ATTR_USAGE,
			   "whether disable_idle_d3 governs it");
	} else {
		f = blocks(s, ROUTES_ALL, s->look,
			   "nobody has it open, and disable_idle_d3 keeps it in D0");
		quote_hold(s, f);
		mend_command(s, f, ORDER_ENTER, "vfio-pm enter %s", s->look->dev->name);
	}
}

/* Users of another driver, and active children: the vfio drivers have none. */
void rule_usage(struct scene *s)
{
	struct vfiopm_finding *f;
	int64_t kids = look_active_kids(s->look);

	if (s->suspended)
		return;
	if (kids) {
		f = blocks(s, ROUTES_ALL, s->look, "%" PRId64 " active device%s below it keep%s it "
			   "awake", kids, kids > 1 ? "s" : "", kids > 1 ? "" : "s");
		quote(s, f, s->look, ATTR_KIDS);
		mend_kids(s, f, s->look);
	}
	if (s->vfio || !s->usage_known)
		return;
	if (s->pins > 0 && look_text(s->look, ATTR_DRIVER)) {
		f = blocks(s, ROUTES_ALL, s->look, "its driver %s keeps it in use",
			   driver_name(s->look));
		quote(s, f, s->look, ATTR_USAGE);
		mend_bind(s, f, s->look);
	}
}

/* What doesn't show that all above the device is up, and has been long enough for it to answer. */
static const char *why_silent(struct scene *s)
{
	for (size_t k = 0; k < s->n_ports; k++) {
		if (look_in_transition(s->ports[k]))
			return "a port above it is just being resumed or suspended";
		if (!look_is(s->ports[k], ATTR_STATUS, "active"))
			return "a port above it isn't known to be awake";
	}
	/* A report of another machine is one look. */
	return s->foreign || s->look->silent ? NULL : "it may be on its way up";
}

/*
 * A device that doesn't answer is recorded as D3cold, too: where nothing has
 * cut its power that isn't sleep. vfio_pci_core needs no other way down than
 * ACPI's.
 */
void rule_lost(struct scene *s)
{
	struct vfiopm_finding *f;
	const char *why;

	/* What was seen to come and go answers. */
	if (!s->vfio || s->state != VFIOPM_STATE_D3COLD || watch_saw_sleep(s) ||
	    !scene_seems_lost(s))
		return;
	/* The devices of a survey have been waited for a while ago. */
	if (!s->foreign) {
		scene_look_again(s);
		if (!scene_seems_lost(s))
			return;
	}
	s->lost = true;
	/* Known without a look: one that answers is recorded as what it says. */
	if (look_is_unpowered(s->look) && !look_in_transition(s->look)) {
		f = blocks(s, ROUTES_ALL, s->look,
			   "is recorded as D3cold, and its power could not be switched on");
		quote(s, f, s->look, ATTR_STATE);
		mend_unpowered(s, f, s->look);
		return;
	}
	why = why_silent(s);
	if (why) {
		f = untold(s, ROUTES_ALL, s->look, why,
			   "is recorded as D3cold, and nothing has cut its power: whether it "
			   "answers could not be measured");
		quote(s, f, s->look, ATTR_STATE);
		for (size_t k = 0; k < s->n_ports; k++)
			quote(s, f, s->ports[k], ATTR_STATUS);
		return;
	}
	f = blocks(s, ROUTES_ALL, s->look,
		   "is recorded as D3cold, and nothing has cut its power: it no longer answers, or "
		   "its link has not come back");
	quote(s, f, s->look, ATTR_STATE);
	quote(s, f, s->look, ATTR_NODE_STATE);
	for (size_t k = 0; k < s->n_ports; k++)
		quote(s, f, s->ports[k], ATTR_STATE);
	mend_remove(s, f, s->look);
}

void rule_pm_capability(struct scene *s)
{
	struct vfiopm_finding *f;
	enum attr by = ATTR_STATE;

	if (!s->vfio || look_text(s->look, ATTR_PHYSFN) || !wants_routes(s, ROUTE_NATIVE))
		return;
	/* What is read anyway is enough for an answer in brief. */
	if (s->flags & VFIOPM_EXPLAIN_BRIEF && !s->suspended && look_is(s->look, ATTR_D3COLD, "1"))
		return;
	if (s->asleep || shows_capability(s, &by)) {
		f = passes(s, ROUTE_NATIVE, s->look, "%s",
			   s->asleep || by != ATTR_D3COLD ?
				   "has a PM capability, or sleeps without one" :
				   "likely has a PM capability: d3cold_allowed is 1 at first only "
				   "with one");
		quote(s, f, s->look, s->asleep ? ATTR_STATE : by);
	} else if (s->suspended && s->state == VFIOPM_STATE_UNKNOWN) {
		unmeasured(s, ROUTE_NATIVE, s->look, ATTR_STATE, "its power state");
	} else if (s->suspended && s->state == VFIOPM_STATE_D0) {
		f = blocks(s, ROUTE_NATIVE, s->look,
			   "no PM capability: it is suspended and stays in D0");
		quote(s, f, s->look, ATTR_STATUS);
		quote(s, f, s->look, ATTR_STATE);
		mend_advice(s, f, ORDER_LOOK, "none: the device has no deeper state of its own");
	} else {
		f = untold(s, ROUTE_NATIVE, s->look,
			   "it stands in config space, and a read of that would wake a device",
			   "whether it has a PM capability could not be measured");
		quote(s, f, s->look, ATTR_STATUS);
		quote(s, f, s->look, ATTR_STATE);
	}
}

/* A quirk of the device, or PME from D0 only, which pci_target_state() then chooses. */
void rule_no_d3(struct scene *s)
{
	struct vfiopm_finding *f;
	enum attr by;

	if (!s->vfio || !s->suspended || s->state != VFIOPM_STATE_D0 || !shows_capability(s, &by))
		return;
	f = blocks(s, ROUTE_NATIVE, s->look,
		   "has a PM capability, is suspended and stays in D0: a quirk keeps it out of D3, "
		   "or it signals wakeup from D0 only");
	quote(s, f, s->look, ATTR_STATUS);
	quote(s, f, s->look, ATTR_STATE);
	quote(s, f, s->look, by);
	mend_advice(s, f, ORDER_LOOK,
		    "none: the kernel knows this device not to come back from D3");
}

void rule_d3cold_allowed(struct scene *s)
{
	struct vfiopm_finding *f;

	if (look_is(s->look, ATTR_D3COLD, "0")) {
		f = blocks(s, ROUTES_COLD, s->look, "d3cold_allowed is 0");
		quote(s, f, s->look, ATTR_D3COLD);
		mend_knob(s, f, s->look, ATTR_D3COLD, "1");
	} else if (look_is(s->look, ATTR_D3COLD, "1")) {
		f = passes(s, ROUTES_COLD, s->look, "may go to D3cold");
		quote(s, f, s->look, ATTR_D3COLD);
	} else {
		unmeasured(s, ROUTES_COLD, s->look, ATTR_D3COLD, "d3cold_allowed");
	}
}
