// SPDX-License-Identifier: LGPL-2.1-or-later
/* Rules about the platform and the kernel: ACPI power resources, configuration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocker.h"

/* A kernel's configuration is some 270 KiB. */
#define CONFIG_MAX (1u << 20)

int survey_config_pm(struct vfiopm_survey *survey, char *file, size_t size)
{
	const struct fact *release = survey_fact(survey, FACT_RELEASE);
	char *text, *line;
	ssize_t n;
	int r;

	if (!release->value)
		return release->err;
	if (strchr(release->value, '/') ||
	    snprintf(file, size, "boot/config-%s", release->value) >= (int)size)
		return -EINVAL;
	text = malloc(CONFIG_MAX);
	if (!text)
		return -ENOMEM;
	n = sysfs_read(survey->ctx, file, text, CONFIG_MAX);
	r = n < 0 ? (int)n : -ENODATA;
	if (n > 0) {
		line = strstr(text, "CONFIG_PM=y\n");
		if (line && (line == text || line[-1] == '\n'))
			r = 1;
		else if (strstr(text, "# CONFIG_PM is not set"))
			r = 0;
	}
	free(text);
	return r;
}

bool look_has_pm(struct look *look)
{
	return look_fact(look, ATTR_STATUS)->err != -ENOENT ||
	       look_fact(look, ATTR_CONTROL)->err != -ENOENT;
}

/* Without CONFIG_PM a device has no runtime PM attributes at all. */
void rule_config_pm(struct scene *s)
{
	struct vfiopm_finding *f;
	char file[128] = "";
	int r;

	if (look_has_pm(s->look)) {
		passes(s, ROUTES_ALL, NULL, "the kernel has power management");
		return;
	}
	r = survey_config_pm(s->survey, file, sizeof(file));
	if (r == -ENOMEM) {
		s->err = r;
	} else if (r == 0) {
		f = blocks(s, ROUTES_ALL, NULL, "the kernel was built without CONFIG_PM");
		quote(s, f, s->look, ATTR_CONTROL);
		quote_file(s, f, file, "# CONFIG_PM is not set");
		mend_advice(s, f, ORDER_BOOT, "boot a kernel with CONFIG_PM=y");
	} else if (r < 0) {
		f = untold(s, ROUTES_ALL, NULL, reason_of(r),
			   "whether the kernel has power management could not be measured");
		quote(s, f, s->look, ATTR_CONTROL);
		if (file[0])
			quote_file(s, f, file, reason_of(r));
	}
}

static bool has_node(struct scene *s)
{
	if (look_text(s->look, ATTR_NODE))
		return true;
	for (size_t k = 0; k < s->n_ports; k++)
		if (look_text(s->ports[k], ATTR_NODE))
			return true;
	return false;
}

static bool platform_has_cold(struct scene *s)
{
	if (look_has_resources(s->look))
		return true;
	for (size_t k = 0; k < s->n_ports; k++)
		if (look_has_resources(s->ports[k]))
			return true;
	return false;
}

static bool has_acpi(struct scene *s)
{
	return has_node(s) || survey_fact(s->survey, FACT_ACPI)->value;
}

void rule_acpi(struct scene *s)
{
	struct vfiopm_finding *f;

	if (has_acpi(s)) {
		f = passes(s, ROUTES_COLD, NULL, "the platform has ACPI");
		quote(s, f, s->look, ATTR_NODE);
		return;
	}
	if (survey_fact(s->survey, FACT_ACPI)->err != -ENOENT) {
		f = untold(s, ROUTES_COLD, NULL,
			   reason_of(survey_fact(s->survey, FACT_ACPI)->err),
			   "whether the platform has ACPI could not be measured");
		quote_fact(s, f, FACT_ACPI);
		return;
	}
	f = blocks(s, ROUTES_COLD, NULL, "no ACPI: nothing can cut the power of a device");
	quote_fact(s, f, FACT_ACPI);
	if (survey_has_parameter(s->survey, "acpi=off") == 1) {
		quote_fact(s, f, FACT_CMDLINE);
		mend_advice(s, f, ORDER_BOOT, "boot without acpi=off");
	} else {
		mend_advice(s, f, ORDER_LOOK, "none: D3hot is the deepest state of this platform");
	}
}

void rule_power_resource(struct scene *s)
{
	struct vfiopm_finding *f;

	if (platform_has_cold(s)) {
		if (look_has_resources(s->look)) {
			f = passes(s, ROUTE_OWN, s->look,
				   "its ACPI node has power resources for D3");
			quote(s, f, s->look, ATTR_NODE_D3HOT);
		}
		for (size_t k = 0; k < s->n_ports; k++) {
			if (!look_has_resources(s->ports[k]))
				continue;
			f = passes(s, ROUTE_PORT(k), s->ports[k],
				   "its ACPI node has power resources for D3");
			quote(s, f, s->ports[k], ATTR_NODE_D3HOT);
		}
		return;
	}
	if (!has_acpi(s))
		return;
	if (look_fact(s->look, ATTR_NODE_D3HOT)->err != -ENOENT) {
		unmeasured(s, ROUTES_COLD, s->look, ATTR_NODE_D3HOT, "its ACPI power resources");
		return;
	}
	f = blocks(s, ROUTES_COLD, s->look,
		   "no ACPI power resource for D3 on the device%s: nothing can cut its power",
		   s->n_ports ? " or on a port above it" : "");
	quote(s, f, s->look, ATTR_NODE_D3HOT);
	for (size_t k = 0; k < s->n_ports; k++)
		quote(s, f, s->ports[k], ATTR_NODE_D3HOT);
	mend_advice(s, f, ORDER_LOOK,
		    "none in the system: another slot, or firmware that describes _PR3, gives "
		    "D3cold");
}

static void judge_eject(struct scene *s, struct look *look, unsigned int route)
{
	const struct fact *eject;
	struct vfiopm_finding *f;

	if (!wants_routes(s, route) || !look_has_resources(look))
		return;
	eject = look_fact(look, ATTR_NODE_EJECT);
	if (eject->err && eject->err != -ENOENT) {
		unmeasured(s, route, look, ATTR_NODE_EJECT, "whether its ACPI node has _EJ0");
		return;
	}
	if (!eject->value) {
		f = passes(s, route, look, "its ACPI node has no _EJ0");
		quote(s, f, look, ATTR_NODE_EJECT);
		return;
	}
	f = blocks(s, route, look,
		   "its ACPI node has _EJ0 (a hotplug slot): Linux ignores its power methods");
	quote(s, f, look, ATTR_NODE_EJECT);
	quote(s, f, look, ATTR_NODE_PATH);
	mend_advice(s, f, ORDER_BOOT,
		    "turn hotplug of this slot off in the firmware, or use another slot");
}

typedef void (*judge_node_fn)(struct scene *s, struct look *look, unsigned int route);

/* Each node that may be a way to D3cold: the device's and those of the ports above. */
static void judge_nodes(struct scene *s, judge_node_fn judge)
{
	judge(s, s->look, ROUTE_OWN);
	for (size_t k = 0; k < s->n_ports; k++)
		judge(s, s->ports[k], ROUTE_PORT(k));
}

void rule_eject(struct scene *s)
{
	judge_nodes(s, judge_eject);
}

void mend_unpowered(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	quote(s, f, look, ATTR_NODE_STATE);
	quote(s, f, look, ATTR_NODE_PATH);
	mend_advice(s, f, ORDER_BOOT,
		    "look into the kernel's log for the ACPI error, and boot again");
}

static void judge_unpowered(struct scene *s, struct look *look, unsigned int route)
{
	struct vfiopm_finding *f;

	/* What is lost is told by that rule: this one is of those that answer nevertheless. */
	if (!wants_routes(s, route) || !look_is_unpowered(look) || (s->lost && look == s->look))
		return;
	f = blocks(s, route, look,
		   "the state of its ACPI node is unknown: switching a power resource on has "
		   "failed, and Linux switches it no more");
	mend_unpowered(s, f, look);
}

void rule_acpi_state(struct scene *s)
{
	judge_nodes(s, judge_unpowered);
}

/* ---- resources that another device keeps on ---- */

struct resource_walk {
	struct scene *s;
	struct look *look;
	unsigned int route;
	unsigned int users;
	struct look *own_way;	/* one on the way to the root that uses the resource, too */
};

/* The device on the way from the judged one to the root whose ACPI node this is. */
static struct look *on_the_way(struct scene *s, const char *node)
{
	if (look_is(s->look, ATTR_NODE, node))
		return s->look;
	for (size_t k = 0; k < s->n_ports; k++)
		if (look_is(s->ports[k], ATTR_NODE, node))
			return s->ports[k];
	return NULL;
}

/* One that sleeps, and in a state that needs the power. */
static void mend_deeper(struct scene *s, struct vfiopm_finding *f, struct look *other)
{
	if (look_is(other, ATTR_D3COLD, "0"))
		mend_knob(s, f, other, ATTR_D3COLD, "1");
	else
		mend_command(s, f, ORDER_LOOK, "vfio-pm explain --state=D3cold %s",
			     other->dev->name);
}

/*
 * Which nodes need a resource was read before this. A device that is woken with
 * the resource, as the kernel does with all that share one
 * (acpi_device_power_add_dependent()), may be asleep again by now.
 */
static bool is_passing(struct look *other)
{
	if (look_is_awake(other))
		return !look_is(other, ATTR_D3COLD, "0");
	return look_is(other, ATTR_STATE, "D3cold");
}

/* Name the PCI device of an ACPI node, when it is one, and what would let it sleep. */
static void accuse_user(struct resource_walk *walk, const char *resource,
			struct power_user *user)
{
	struct look *other = NULL, *culprit = NULL;
	struct scene *s = walk->s;
	struct vfiopm_finding *f;
	struct vfiopm_addr addr;
	const char *name;
	char file[128];

	if (!user->physical || !(s->flags & VFIOPM_EXPLAIN_BRIEF))
		survey_name_user(s->survey, user);
	name = user->physical ? user->physical : user->path ? user->path : user->node;
	if (user->physical && vfiopm_addr_parse(user->physical, &addr) == 0 &&
	    survey_look(s->survey, &addr, &other) == -ENOMEM)
		s->err = -ENOMEM;
	snprintf(file, sizeof(file), "sys/bus/acpi/devices/%.40s/power_resources_D0/%.40s",
		 user->node, resource);
	walk->users++;
	if (user->err) {
		f = untold(s, walk->route, walk->look, reason_of(user->err),
			   "whether %s keeps its power resource %s on could not be measured", name,
			   resource);
		quote_file(s, f, file, "there");
		return;
	}
	if (other)
		culprit = look_culprit(s, other);
	if (other && !culprit && other->willing && is_passing(other)) {
		f = passes(s, walk->route, walk->look,
			   "its power resource %s is shared with %s, which is going to sleep, too",
			   resource, name);
	} else if (other && !culprit && is_passing(other)) {
		s->passing = other;
		f = passes(s, walk->route, walk->look,
			   "its power resource %s is shared with %s, which is awake for a moment",
			   resource, name);
	} else {
		f = blocks(s, walk->route, walk->look,
			   "its power resource %s is shared with %s, which keeps it on", resource,
			   name);
	}
	quote_file(s, f, file, user->path ? user->path : "there");
	quote(s, f, walk->look, ATTR_NODE_REAL);
	if (!other) {
		mend_advice(s, f, ORDER_LOOK, "let %s sleep",
			    user->path ? user->path : user->node);
		return;
	}
	quote(s, f, other, ATTR_STATUS);
	if (look_is(other, ATTR_STATUS, "suspended")) {
		mend_deeper(s, f, other);
		return;
	}
	if (look_is(other, ATTR_D3COLD, "0"))
		mend_knob(s, f, other, ATTR_D3COLD, "1");
	if (culprit || !look_is_awake(other))
		mend_awake(s, f, other);
	if (f && f->verdict == VFIOPM_VERDICT_BLOCKS && !f->curable)
		mend_command(s, f, ORDER_LOOK, "vfio-pm explain %s", other->dev->name);
}

static void judge_users(struct resource_walk *walk, const char *name)
{
	struct vfiopm_survey *survey = walk->s->survey;
	const char *own = look_text(walk->look, ATTR_NODE);

	for (size_t i = survey_first_user(survey, name); i < survey->n_users; i++) {
		struct power_user *user = &survey->users[i];

		if (strcmp(user->resource, name))
			break;
		if (own && !strcmp(user->node, own))
			continue;
		/* What is on the way sleeps with the device, or is told by its own rules. */
		if (on_the_way(walk->s, user->node)) {
			walk->own_way = on_the_way(walk->s, user->node);
			continue;
		}
		accuse_user(walk, name, user);
	}
}

/* Switched off by the kernel, and the power is on: nobody but who is on the way can be seen. */
static void judge_kept(struct resource_walk *walk)
{
	struct look *look = walk->look, *other = walk->own_way;
	struct scene *s = walk->s;
	struct vfiopm_finding *f;

	if (other) {
		f = blocks(s, walk->route, look,
			   "the kernel has switched its power resource off, and %s, which shares "
			   "it, keeps it on", other->dev->name);
		quote(s, f, other, ATTR_STATUS);
		if (other == s->look)
			mend_advice(s, f, ORDER_LOOK,
				    "it has to go to D3cold by its own power resources");
		else if (look_is(other, ATTR_STATUS, "suspended"))
			mend_deeper(s, f, other);
		else
			mend_awake(s, f, other);
		if (f && other != s->look && !f->curable)
			mend_command(s, f, ORDER_LOOK, "vfio-pm monitor %s", other->dev->name);
	} else {
		f = blocks(s, walk->route, look,
			   "the kernel has switched its power resource off, and the power is still "
			   "on: an unseen user keeps it on, or _OFF has failed");
		/* It then counts as in use until the next boot: acpi_power_off_unlocked(). */
		mend_advice(s, f, ORDER_LOOK,
			    "with an ACPI error in the kernel's log, boot again; none else is "
			    "known");
	}
	quote(s, f, look, ATTR_NODE_STATE);
	quote(s, f, look, ATTR_NODE_REAL);
}

/* What wakes and sleeps all the time: both must have been read in one and the same sleep. */
static bool is_kept(struct look *look)
{
	look_forget(look, ATTR_STATUS);
	look_forget(look, ATTR_NODE_STATE);
	look_forget(look, ATTR_NODE_REAL);
	if (!look_is(look, ATTR_STATUS, "suspended") ||
	    !look_is(look, ATTR_NODE_STATE, "D3cold") || look_is(look, ATTR_NODE_REAL, "D3cold"))
		return false;
	look_forget(look, ATTR_STATUS);
	return look_is(look, ATTR_STATUS, "suspended");
}

static void judge_resources(struct scene *s, struct look *look, unsigned int route)
{
	struct resource_walk walk = { .s = s, .look = look, .route = route };
	struct vfiopm_finding *f;
	int r;

	if (!wants_routes(s, route) || !look_has_resources(look) || s->err)
		return;
	/* What is really off is off; what is awake has power. */
	if (!look_is_awake(look) && look_is(look, ATTR_NODE_REAL, "D3cold")) {
		f = passes(s, route, look, "its power is off");
		quote(s, f, look, ATTR_NODE_REAL);
		return;
	}
	r = survey_users(s->survey);
	if (r == -ENOMEM) {
		s->err = r;
		return;
	}
	if (r < 0) {
		f = untold(s, route, look, reason_of(r),
			   "whether another device uses its power resource could not be measured");
		quote_file(s, f, "sys/bus/acpi/devices", reason_of(r));
		return;
	}
	for (size_t i = 0; i < look->n_resources; i++)
		judge_users(&walk, look->resources[i]);
	if (look->resources_err)
		unmeasured(s, route, look, ATTR_NODE_D3HOT, "which its power resources are");
	/* The file always stands beside the resources (drivers/acpi/device_sysfs.c). */
	if (!walk.users && look_is(look, ATTR_STATE, "D3cold") &&
	    (!look_text(look, ATTR_NODE_REAL) || !look_text(look, ATTR_NODE_STATE)))
		unmeasured(s, route, look,
			   look_text(look, ATTR_NODE_REAL) ? ATTR_NODE_STATE : ATTR_NODE_REAL,
			   "whether its power is off");
	else if (!walk.users && is_kept(look))
		judge_kept(&walk);
	else if (!walk.users) {
		f = passes(s, route, look, "no other device that is awake uses its power resource");
		quote(s, f, look, ATTR_NODE_REAL);
	}
}

/* false: what it shows is no reason to doubt the D3cold of the device. */
static bool tells_power(struct look *look, enum power *ret)
{
	const char *real = look_text(look, ATTR_NODE_REAL);
	const char *state = look_text(look, ATTR_NODE_STATE);

	if (!look_has_resources(look) || !look_is(look, ATTR_STATE, "D3cold"))
		return false;
	if (real && !strcmp(real, "D3cold"))
		*ret = POWER_OFF;
	else
		*ret = real && state ? POWER_KEPT : POWER_UNTOLD;
	return *ret != POWER_KEPT || !strcmp(state, "D3cold");
}

enum power scene_power(struct scene *s)
{
	enum power best = POWER_OFF, power;

	if (tells_power(s->look, &power)) {
		if (power == POWER_OFF)
			return POWER_OFF;
		best = power;
	}
	for (size_t k = 0; k < s->n_ports; k++) {
		if (!tells_power(s->ports[k], &power))
			continue;
		if (power == POWER_OFF)
			return POWER_OFF;
		if (best != POWER_UNTOLD)
			best = power;
	}
	return best;
}

void rule_shared_resource(struct scene *s)
{
	judge_nodes(s, judge_resources);
}

/*
 * Suspended with power resources of its own, allowed to go to D3cold, and yet
 * the kernel chose a lesser state: what ACPI's _S0W says counts for what can
 * wake the system (_PRW), and can't be seen.
 */
static void judge_choice(struct scene *s, struct look *look, unsigned int route)
{
	struct vfiopm_finding *f;

	if (!wants_routes(s, route) || !look_is(look, ATTR_STATUS, "suspended") ||
	    !look_has_resources(look) ||
	    !look_is(look, ATTR_STATE, "D3hot") || look_text(look, ATTR_NODE_EJECT) ||
	    !look_is(look, ATTR_D3COLD, "1") || look_is(look, ATTR_NODE_STATE, "D3cold") ||
	    look_is_unpowered(look))
		return;
	f = blocks(s, route, look,
		   "the kernel chose D3hot for it, for a reason that can't be seen; likely the "
		   "firmware allows no deeper state that can wake the system (_S0W)");
	quote(s, f, look, ATTR_STATE);
	quote(s, f, look, ATTR_NODE_STATE);
	quote(s, f, look, ATTR_D3COLD);
	mend_advice(s, f, ORDER_LOOK, "none is known in the system: _S0W is the firmware's");
}

void rule_acpi_choice(struct scene *s)
{
	judge_nodes(s, judge_choice);
}
