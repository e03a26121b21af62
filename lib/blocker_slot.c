// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Rules about the devices beside this one: in its IOMMU group, its slot, below
 * its ports. A port suspends only when all below it are suspended, so they
 * decide wherever a port is to cut the power.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "blocker.h"

/* "0000:01:00.1 (snd_hda_intel), ...": the other members, or those of them that are in the way. */
static size_t name_members(const struct scene *s, const struct vfiopm_list *members,
			   bool in_the_way, char *buf, size_t size)
{
	struct vfiopm_device *member;
	size_t i, used = 0, n = 0;

	buf[0] = '\0';
	vfiopm_list_foreach(members, i, member) {
		if (!vfiopm_addr_cmp(&member->addr, &s->look->dev->addr) ||
		    (in_the_way && group_driver_is_harmless(member)))
			continue;
		n++;
		if (used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%s (%s)",
						 used ? ", " : "", member->name,
						 member->driver ? member->driver : "no driver");
	}
	return n;
}

static void block_group(struct scene *s, unsigned int routes, const struct vfiopm_list *members,
			const char *names)
{
	struct vfiopm_device *member;
	struct vfiopm_finding *f;
	size_t i;

	f = blocks(s, routes, s->look,
		   "its IOMMU group %d can't be opened: drivers of the host have members of it, %s",
		   s->look->dev->group, names);
	vfiopm_list_foreach(members, i, member) {
		char file[64];

		if (group_driver_is_harmless(member))
			continue;
		snprintf(file, sizeof(file), "sys/bus/pci/devices/%s/driver", member->name);
		quote_file(s, f, file, member->driver);
		mend_command(s, f, ORDER_BIND, "vfio-pm bind %s", member->name);
	}
}

/* A VFIO group is opened only when every member may be in it. */
void rule_group(struct scene *s)
{
	struct vfiopm_list *members;
	unsigned int routes;
	char names[512];
	int r;

	if (!s->vfio)
		return;
	/* An idle device sleeps without being opened; one that doesn't has to be. */
	routes = !s->open && !s->suspended && s->usage_known && s->pins > 0 &&
		 !(s->flags & VFIOPM_EXPLAIN_ENGAGED) ? ROUTES_ALL : 0;
	if (!routes && s->flags & VFIOPM_EXPLAIN_BRIEF)
		return;
	r = s->look->dev->group < 0 ? -ENODEV :
		vfiopm_list_new_group(s->look->dev->ctx, s->look->dev->group, &members);
	if (r == -ENOMEM)
		s->err = r;
	else if (r < 0)
		passes(s, 0, s->look, "is in no IOMMU group");
	if (r < 0)
		return;
	if (name_members(s, members, true, names, sizeof(names)))
		block_group(s, routes, members, names);
	else if (name_members(s, members, false, names, sizeof(names)))
		passes(s, routes, s->look, "its IOMMU group %d may be opened; also in it: %s",
		       s->look->dev->group, names);
	else
		passes(s, routes, s->look, "is alone in its IOMMU group %d", s->look->dev->group);
	vfiopm_list_free(members);
}

void mend_awake(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	const char *name = look->dev->name;
	bool on = look_is(look, ATTR_CONTROL, "on");
	int64_t pins = 0, enable = 0;
	bool pins_known = look_pins(look, &pins) == 0;

	if (vfiopm_device_is_bridge(look->dev)) {
		if (on)
			mend_knob(s, f, look, ATTR_CONTROL, "auto");
		else
			mend_command(s, f, ORDER_LOOK, "vfio-pm explain %s", name);
		return;
	}
	if (!look_is_vfio(look) && look_text(look, ATTR_DRIVER) && (pins > 0 || !on)) {
		/* Its driver takes no part in runtime PM, or is at work. */
		mend_command(s, f, ORDER_BIND, "vfio-pm bind %s", name);
		return;
	}
	if (on)
		mend_knob(s, f, look, ATTR_CONTROL, "auto");
	if (!look_is_vfio(look))
		return;
	if (look_text(look, ATTR_NUMVFS))
		mend_command(s, f, ORDER_DEVICE, "echo 0 > /sys/bus/pci/devices/%s/sriov_numvfs",
			     name);
	look_number(look, ATTR_ENABLE, &enable);
	if (pins <= 0 && (pins_known || on))
		return;
	if (enable > 0)
		mend_open(s, f, look);
	else
		mend_command(s, f, ORDER_ENTER, "vfio-pm enter %s", name);
}

/* May a device sleep at all, once nobody uses it just now? "" where that can't be told. */
static const char *may_sleep(struct look *look)
{
	int64_t pins;

	if (look_is(look, ATTR_CONTROL, "on"))
		return ": may not sleep";
	if (!look_is(look, ATTR_CONTROL, "auto") || look_pins(look, &pins) < 0)
		return "";
	return pins > 0 ? ": may not sleep" : ": may sleep";
}

/* "driver e1000e, control auto, usage 1: may not sleep" */
static void describe(struct look *look, char *buf, size_t size)
{
	const char *driver = look_text(look, ATTR_DRIVER);
	const char *control = look_text(look, ATTR_CONTROL);
	const char *usage = look_text(look, ATTR_USAGE);

	snprintf(buf, size, "driver %s, control %s, usage %s%s", driver ? driver : "none",
		 control ? control : "unknown", usage ? usage : "unknown", may_sleep(look));
}

static void quote_awake(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	quote(s, f, look, ATTR_STATUS);
	quote(s, f, look, ATTR_DRIVER);
	quote(s, f, look, ATTR_CONTROL);
	quote(s, f, look, ATTR_USAGE);
}

/* Judge a device below port @k that isn't on the way from the device to the root. */
static void judge_child(struct scene *s, struct look *child, size_t k, const char *what)
{
	unsigned int routes = ROUTES_PORTS(k);
	const struct look *port = s->ports[k];
	struct vfiopm_finding *f;
	char text[128];
	int64_t kids;

	if (look_is(child, ATTR_STATUS, "suspended")) {
		f = passes(s, routes, child, "%s is suspended", what);
		quote(s, f, child, ATTR_STATUS);
		return;
	}
	if (look_is(child, ATTR_STATUS, "active") || look_is(child, ATTR_STATUS, "resuming") ||
	    look_is(child, ATTR_STATUS, "suspending")) {
		describe(child, text, sizeof(text));
		f = blocks(s, routes, child, "%s is awake (%s), which keeps %s awake", what, text,
			   port->dev->name);
		quote_awake(s, f, child);
		mend_awake(s, f, child);
		return;
	}
	/*
	 * With runtime PM disabled or broken the kernel shows no status; the
	 * port's count of active children tells it.
	 */
	if (look_number(s->ports[k], ATTR_KIDS, &kids) == 0 && !kids) {
		f = passes(s, routes, child, "%s doesn't count as awake", what);
		quote(s, f, s->ports[k], ATTR_KIDS);
		return;
	}
	if (look_text(child, ATTR_STATUS) &&
	    (look_is(child, ATTR_STATUS, "unsupported") || look_is(child, ATTR_STATUS, "error"))) {
		f = untold(s, routes, child,
			   "its runtime PM is disabled or has failed, so its status isn't shown",
			   "whether %s keeps %s awake could not be measured", what,
			   port->dev->name);
		quote(s, f, child, ATTR_STATUS);
		quote(s, f, s->ports[k], ATTR_KIDS);
		return;
	}
	unmeasured(s, routes, child, ATTR_STATUS, "its runtime PM status");
}

static bool is_sibling(const struct scene *s, const struct look *look)
{
	const struct vfiopm_addr *a = &look->dev->addr, *b = &s->look->dev->addr;

	return a->domain == b->domain && a->bus == b->bus && a->device == b->device;
}

/* A port that is suspended has nothing awake below it. */
static bool port_sleeps(struct scene *s, size_t k)
{
	return look_is(s->ports[k], ATTR_STATUS, "suspended");
}

/* Hundreds of devices may be below a port: not for nothing when only the answer counts. */
static bool wants_ports(const struct scene *s)
{
	return s->n_ports &&
	       (s->routes & ROUTES_PORTS(0) || !(s->flags & VFIOPM_EXPLAIN_BRIEF));
}

static bool list_children(struct scene *s, size_t k)
{
	if (survey_children(s->survey, s->ports[k]) < 0) {
		s->err = -ENOMEM;
		return false;
	}
	return true;
}

void rule_sibling(struct scene *s)
{
	struct look *port;

	if (!wants_ports(s) || port_sleeps(s, 0) || !list_children(s, 0))
		return;
	port = s->ports[0];
	for (size_t i = 0; i < port->n_children; i++)
		if (port->children[i] != s->look && is_sibling(s, port->children[i]))
			judge_child(s, port->children[i], 0, "this function of the same slot");
}

void rule_bridge_child(struct scene *s)
{
	if (!wants_ports(s))
		return;
	for (size_t k = 0; k < s->n_ports; k++) {
		struct look *port = s->ports[k];
		struct vfiopm_finding *f;
		char what[48];

		if (port_sleeps(s, k)) {
			f = passes(s, ROUTES_PORTS(k), port, "all below it are suspended");
			quote(s, f, port, ATTR_STATUS);
			continue;
		}
		if (!list_children(s, k))
			return;
		if (port->children_err) {
			untold(s, ROUTES_PORTS(k), port, reason_of(port->children_err),
			       "what else is below it could not be measured");
			continue;
		}
		snprintf(what, sizeof(what), "this device below %s", port->dev->name);
		for (size_t i = 0; i < port->n_children; i++) {
			struct look *child = port->children[i];

			/* The way itself, and what another rule has judged. */
			if (child == s->look || (k > 0 && child == s->ports[k - 1]) ||
			    (k == 0 && is_sibling(s, child)))
				continue;
			judge_child(s, child, k, what);
		}
	}
}

typedef void (*judge_fn)(struct scene *s, struct look *child, size_t k);

/*
 * A port asks every device below it, asleep or not (pci_bridge_d3_update()):
 * judge those beside the way whose @attr has @value, below ports that don't
 * sleep.
 */
static void judge_beside(struct scene *s, enum attr attr, const char *value, judge_fn judge)
{
	if (!wants_ports(s))
		return;
	for (size_t k = 0; k < s->n_ports; k++) {
		struct look *port = s->ports[k];

		if (port_sleeps(s, k) || !list_children(s, k))
			continue;
		for (size_t i = 0; i < port->n_children; i++) {
			struct look *child = port->children[i];

			if (child != s->look && (k == 0 || child != s->ports[k - 1]) &&
			    look_is(child, attr, value))
				judge(s, child, k);
		}
	}
}

static void judge_d3cold(struct scene *s, struct look *child, size_t k)
{
	struct vfiopm_finding *f;

	f = blocks(s, ROUTES_PORTS(k), child, "d3cold_allowed is 0, which keeps %s out of D3",
		   s->ports[k]->dev->name);
	quote(s, f, child, ATTR_D3COLD);
	mend_knob(s, f, child, ATTR_D3COLD, "1");
}

void rule_sibling_d3cold(struct scene *s)
{
	judge_beside(s, ATTR_D3COLD, "0", judge_d3cold);
}

/*
 * Does port @k stay awake though no child, setting or usage count holds it?
 * Then the kernel doesn't take it into D3 for what a device below it is set to.
 */
static bool port_stays_awake(struct scene *s, size_t k)
{
	struct look *port = s->ports[k];
	int64_t kids, pins;

	if (!s->suspended || !look_is(port, ATTR_STATUS, "active") ||
	    !look_is(port, ATTR_CONTROL, "auto") || look_fact(port, ATTR_DELAY)->err == -EIO ||
	    look_number(port, ATTR_KIDS, &kids) < 0 || kids || look_pins(port, &pins) < 0 ||
	    pins > 0 || survey_children(s->survey, port) < 0)
		return false;
	for (size_t i = 0; i < port->n_children; i++)
		if (!look_is(port->children[i], ATTR_D3COLD, "1"))
			return false;
	return true;
}

/*
 * A device that may wake the system and can't signal that from D3cold keeps
 * the ports above it out of D3. Which states it can signal from stands in
 * config space; a port that nothing else holds gives the answer.
 */
static void judge_wakeup(struct scene *s, struct look *look, size_t k)
{
	struct look *port = s->ports[k];
	struct vfiopm_finding *f;

	if (port_stays_awake(s, k)) {
		f = blocks(s, ROUTES_PORTS(k), look,
			   "is to wake the system and can't from D3cold: its port %s stays awake, "
			   "which nothing else holds", port->dev->name);
		quote(s, f, port, ATTR_STATUS);
		quote(s, f, port, ATTR_KIDS);
	} else {
		f = untold(s, ROUTES_PORTS(k), look,
			   "it stands in config space, and a read of that would wake a device",
			   "it is to wake the system; whether it can from D3cold could not be "
			   "measured");
	}
	quote(s, f, look, ATTR_WAKEUP);
	mend_knob(s, f, look, ATTR_WAKEUP, "disabled");
	/* The port looks again when d3cold_allowed is written (pci_bridge_d3_update()). */
	mend_knob(s, f, look, ATTR_D3COLD, "1");
}

void rule_wakeup(struct scene *s)
{
	struct vfiopm_finding *f;

	if (look_is(s->look, ATTR_WAKEUP, "enabled") && s->n_ports && !port_sleeps(s, 0)) {
		judge_wakeup(s, s->look, 0);
		return;
	}
	f = passes(s, ROUTES_PORTS(0), s->look, "%s",
		   look_is(s->look, ATTR_WAKEUP, "enabled") ? "its wakeup is in no port's way" :
							      "isn't to wake the system");
	quote(s, f, s->look, ATTR_WAKEUP);
}

void rule_sibling_wakeup(struct scene *s)
{
	judge_beside(s, ATTR_WAKEUP, "enabled", judge_wakeup);
}

static bool is_blocked(const struct vfiopm_explanation *e, unsigned int routes)
{
	for (size_t i = 0; i < e->n_findings; i++)
		if (e->findings[i]->routes & routes &&
		    e->findings[i]->verdict == VFIOPM_VERDICT_BLOCKS)
			return true;
	return false;
}

/* What no rule explains isn't passed over: the port was given the time to sleep. */
void rule_bridge_awake(struct scene *s)
{
	for (size_t k = 0; k < s->n_ports; k++) {
		struct vfiopm_finding *f;

		if (!port_stays_awake(s, k) || is_blocked(s->out, ROUTE_PORT(k)))
			continue;
		f = untold(s, ROUTES_PORTS(k), s->ports[k],
			   "no child, setting or usage count that can be seen holds it",
			   "why %s stays awake could not be measured", s->ports[k]->dev->name);
		quote(s, f, s->ports[k], ATTR_STATUS);
		quote(s, f, s->ports[k], ATTR_USAGE);
	}
}
