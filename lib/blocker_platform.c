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
	struct vfiopm_finding *f;

	if (!look_has_resources(look))
		return;
	if (!look_text(look, ATTR_NODE_EJECT)) {
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

void rule_eject(struct scene *s)
{
	judge_eject(s, s->look, ROUTE_OWN);
	for (size_t k = 0; k < s->n_ports; k++)
		judge_eject(s, s->ports[k], ROUTE_PORT(k));
}

/* ---- resources that another device keeps on ---- */

struct resource_walk {
	struct scene *s;
	struct look *look;
	unsigned int route;
	unsigned int users;
};

/* Name the PCI device of an ACPI node, when it is one, and what would let it sleep. */
static void accuse_user(struct resource_walk *walk, const char *resource,
			const struct power_user *user)
{
	struct scene *s = walk->s;
	struct vfiopm_finding *f;
	struct vfiopm_addr addr;
	struct look *other;
	char file[128];
	int r;

	walk->users++;
	f = blocks(s, walk->route, walk->look,
		   "its power resource %s is shared with %s, which keeps it on", resource,
		   user->physical ? user->physical : user->path ? user->path : user->node);
	snprintf(file, sizeof(file), "sys/bus/acpi/devices/%.40s/power_resources_D0/%.40s",
		 user->node, resource);
	quote_file(s, f, file, user->path ? user->path : "there");
	quote(s, f, walk->look, ATTR_NODE_REAL);
	if (!user->physical || vfiopm_addr_parse(user->physical, &addr) < 0) {
		mend_advice(s, f, ORDER_LOOK, "let %s sleep",
			    user->path ? user->path : user->node);
		return;
	}
	r = survey_look(s->survey, &addr, &other);
	if (r == -ENOMEM)
		s->err = r;
	if (r < 0)
		return;
	quote(s, f, other, ATTR_STATUS);
	if (look_is(other, ATTR_D3COLD, "0"))
		mend_knob(s, f, other, ATTR_D3COLD, "1");
	if (!look_is(other, ATTR_STATUS, "suspended"))
		mend_awake(s, f, other);
}

static int take_resource(const char *name, void *data)
{
	struct resource_walk *walk = data;
	struct vfiopm_survey *survey = walk->s->survey;
	const char *own = look_text(walk->look, ATTR_NODE);

	for (size_t i = 0; i < survey->n_users; i++) {
		const struct power_user *user = &survey->users[i];

		if (!strcmp(user->resource, name) && (!own || strcmp(user->node, own)))
			accuse_user(walk, name, user);
	}
	return walk->s->err;
}

static void judge_resources(struct scene *s, struct look *look, unsigned int route)
{
	struct resource_walk walk = { .s = s, .look = look, .route = route };
	const char *real = look_text(look, ATTR_NODE_REAL);
	char path[SYSFS_PATH_MAX];
	struct vfiopm_finding *f;

	if (!look_has_resources(look) || s->err)
		return;
	/* What is really off is off. */
	if (real && !strcmp(real, "D3cold")) {
		f = passes(s, route, look, "its power is off");
		quote(s, f, look, ATTR_NODE_REAL);
		return;
	}
	if (survey_users(s->survey) < 0) {
		s->err = -ENOMEM;
		return;
	}
	device_path(look->dev, attr_file(ATTR_NODE_D3HOT), path, sizeof(path));
	sysfs_foreach(s->survey->ctx, path, take_resource, &walk);
	if (walk.users)
		return;
	if (look_is(look, ATTR_NODE_STATE, "D3cold") && real) {
		f = blocks(s, route, look,
			   "the kernel has switched its power resource off, and the power is still "
			   "on: an unseen user keeps it on");
		quote(s, f, look, ATTR_NODE_STATE);
		quote(s, f, look, ATTR_NODE_REAL);
		mend_advice(s, f, ORDER_LOOK, "none is known: the firmware decides");
		return;
	}
	f = passes(s, route, look, "no other device that is awake uses its power resource");
	quote(s, f, look, ATTR_NODE_REAL);
}

void rule_shared_resource(struct scene *s)
{
	judge_resources(s, s->look, ROUTE_OWN);
	for (size_t k = 0; k < s->n_ports; k++)
		judge_resources(s, s->ports[k], ROUTE_PORT(k));
}

/*
 * Suspended with power resources of its own, allowed to go to D3cold, and yet
 * the kernel chose a lesser state: what ACPI's _S0W says counts for what can
 * wake the system (_PRW), and can't be seen.
 */
static void judge_choice(struct scene *s, struct look *look, unsigned int routes)
{
	struct vfiopm_finding *f;

	if (!look_is(look, ATTR_STATUS, "suspended") || !look_has_resources(look) ||
	    !look_is(look, ATTR_STATE, "D3hot") || look_text(look, ATTR_NODE_EJECT) ||
	    !look_is(look, ATTR_D3COLD, "1") || look_is(look, ATTR_NODE_STATE, "D3cold"))
		return;
	f = blocks(s, routes, look,
		   "the kernel chose D3hot for it: the firmware allows no deeper state that can "
		   "wake the system (_S0W)");
	quote(s, f, look, ATTR_STATE);
	quote(s, f, look, ATTR_NODE_STATE);
	quote(s, f, look, ATTR_D3COLD);
	mend_advice(s, f, ORDER_LOOK, "none in the system: _S0W is the firmware's");
}

void rule_acpi_choice(struct scene *s)
{
	judge_choice(s, s->look, ROUTE_OWN);
	for (size_t k = 0; k < s->n_ports; k++)
		judge_choice(s, s->ports[k], ROUTE_PORT(k));
}
