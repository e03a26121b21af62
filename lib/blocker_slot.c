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
	struct look *look;
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
		/* vfio-pci takes no bridge (drivers/vfio/pci/vfio_pci_core.c). */
		if (vfiopm_device_is_bridge(member))
			mend_command(s, f, ORDER_BIND,
				     "echo %s > /sys/bus/pci/devices/%s/driver/unbind",
				     member->name, member->name);
		else if (survey_look_device(s->survey, member, &look) < 0)
			s->err = -ENOMEM;
		else
			mend_bind(s, f, look);
	}
}

static void untold_group(struct scene *s, unsigned int routes, const char *reason)
{
	struct vfiopm_finding *f;
	char file[64];

	f = untold(s, routes, s->look, reason,
		   "who else is in its IOMMU group %d could not be measured",
		   s->look->dev->group);
	snprintf(file, sizeof(file), "sys/kernel/iommu_groups/%d/devices", s->look->dev->group);
	quote_file(s, f, file, reason);
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
	else if (s->look->dev->group < 0)
		passes(s, 0, s->look, "is in no IOMMU group");
	else if (r < 0)
		untold_group(s, routes, reason_of(r));
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

/* It is awake: for a moment, or kept so, by itself or by what is below it. */
static void judge_awake(struct scene *s, struct look *child, size_t k, const char *what)
{
	struct look *culprit = look_culprit(s, child);
	unsigned int routes = ROUTES_PORTS(k);
	const char *name = s->ports[k]->dev->name;
	struct vfiopm_finding *f;
	char text[AWAKE_TEXT_MAX];

	describe_awake(culprit ? culprit : child, text, sizeof(text));
	if (!culprit && child->willing) {
		f = passes(s, routes, child, "%s is going to sleep, too", what);
	} else if (!culprit) {
		s->passing = child;
		f = passes(s, routes, child, "%s is awake for a moment (%s)", what, text);
	} else if (culprit == child) {
		f = blocks(s, routes, child, "%s is awake (%s), which keeps %s awake", what, text,
			   name);
	} else {
		f = blocks(s, routes, child,
			   "%s is kept awake by %s (%s) below it, which keeps %s awake", what,
			   culprit->dev->name, text, name);
		quote(s, f, child, ATTR_STATUS);
	}
	quote_awake(s, f, culprit ? culprit : child);
	if (culprit)
		mend_awake(s, f, child);
}

/* Judge a device below port @k that isn't on the way from the device to the root. */
static void judge_child(struct scene *s, struct look *child, size_t k, const char *what)
{
	unsigned int routes = ROUTES_PORTS(k);
	const struct look *port = s->ports[k];
	struct vfiopm_finding *f;
	int64_t kids;

	if (look_is(child, ATTR_STATUS, "suspended")) {
		f = passes(s, routes, child, "%s is suspended", what);
		quote(s, f, child, ATTR_STATUS);
		return;
	}
	if (look_is_awake(child)) {
		judge_awake(s, child, k, what);
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

bool is_sibling(const struct scene *s, const struct look *look)
{
	return vfiopm_addr_same_slot(&look->dev->addr, &s->look->dev->addr);
}

/* A port that is suspended has nothing awake below it. */
static bool port_sleeps(struct scene *s, size_t k)
{
	return look_is(s->ports[k], ATTR_STATUS, "suspended");
}

bool wants_routes(const struct scene *s, unsigned int routes)
{
	return s->routes & routes || !(s->flags & VFIOPM_EXPLAIN_BRIEF);
}

/* Hundreds of devices may be below a port: not for nothing when only the answer counts. */
bool wants_ports(const struct scene *s)
{
	return s->n_ports && wants_routes(s, ROUTES_PORTS(0));
}

static bool list_children(struct scene *s, size_t k)
{
	if (survey_children(s->survey, s->ports[k]) < 0) {
		s->err = -ENOMEM;
		return false;
	}
	return true;
}

/*
 * A VF of a PF whose VFs a mend takes away, rule_sriov()'s or mend_awake()'s: it
 * goes first, so a mend of its own would be for what is no longer there.
 */
static bool goes_with_its_pf(struct scene *s, struct look *child)
{
	const char *physfn = look_text(child, ATTR_PHYSFN);
	struct vfiopm_addr addr;
	struct look *pf;
	int r;

	if (!physfn || vfiopm_addr_parse(physfn, &addr) < 0)
		return false;
	r = survey_look(s->survey, &addr, &pf);
	if (r == -ENOMEM)
		s->err = r;
	if (r < 0 || !look_is_vfio(pf) || !look_text(pf, ATTR_NUMVFS))
		return false;
	return pf == s->look || look_culprit(s, pf) == pf;
}

void rule_sibling(struct scene *s)
{
	struct look *port;

	if (!wants_ports(s) || port_sleeps(s, 0) || !list_children(s, 0))
		return;
	port = s->ports[0];
	for (size_t i = 0; i < port->n_children; i++)
		if (port->children[i] != s->look && is_sibling(s, port->children[i]) &&
		    !goes_with_its_pf(s, port->children[i]))
			judge_child(s, port->children[i], 0, "this function of the same slot");
}

/*
 * Is @child of port @k's asking, and nobody nearer to judge it? Below another
 * port of the way it was judged there; a bridge that sleeps has asked all below
 * it, and none was in the way (drivers/pci/pcie/portdrv.c,
 * pcie_port_runtime_idle()).
 */
static bool is_asked_by(struct scene *s, struct look *child, size_t k)
{
	if (survey_ports(s->survey, child) < 0)
		s->err = -ENOMEM;
	for (size_t i = 0; i < child->n_ports && child->ports[i] != s->ports[k]; i++)
		if ((k > 0 && child->ports[i] == s->ports[k - 1]) ||
		    look_is(child->ports[i], ATTR_STATUS, "suspended"))
			return false;
	return !goes_with_its_pf(s, child);
}

/* What isn't known of @bridge, at port @k or further down. */
static void untold_below(struct scene *s, struct look *bridge, size_t k)
{
	char path[SYSFS_PATH_MAX];
	struct vfiopm_finding *f;

	f = untold(s, ROUTES_PORTS(k), bridge, reason_of(bridge->children_err),
		   "what else is below it could not be measured");
	device_path(bridge->dev, "", path, sizeof(path));
	quote_file(s, f, path, reason_of(bridge->children_err));
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
		if (port->children_err)
			untold_below(s, port, k);
		snprintf(what, sizeof(what), "this device below %s", port->dev->name);
		for (size_t i = 0; i < port->n_children; i++) {
			struct look *child = port->children[i];

			/* The way itself, and what another rule has judged. */
			if (child == s->look || (k > 0 && child == s->ports[k - 1]) ||
			    (k == 0 && is_sibling(s, child)) || goes_with_its_pf(s, child))
				continue;
			judge_child(s, child, k, what);
		}
		if (survey_below(s->survey, port) < 0)
			s->err = -ENOMEM;
		for (size_t i = 0; i < port->n_below; i++)
			if (port->below[i]->children_err &&
			    (k == 0 || port->below[i] != s->ports[k - 1]) &&
			    !look_is(port->below[i], ATTR_STATUS, "suspended") &&
			    is_asked_by(s, port->below[i], k))
				untold_below(s, port->below[i], k);
	}
}

typedef void (*judge_fn)(struct scene *s, struct look *child, size_t k);

/* No attribute, or an empty one: it can't wake the system (drivers/base/power/sysfs.c). */
static bool can_say_nothing(const struct fact *fact, enum attr attr)
{
	return fact->err == -ENOENT || (attr == ATTR_WAKEUP && fact->err == -ENODATA);
}

/*
 * A port asks every device below it, however far down, asleep or not
 * (pci_bridge_d3_update()): judge those whose @attr has @value, below ports that
 * don't sleep; @other is the value that lets them.
 */
static void judge_below(struct scene *s, enum attr attr, const char *value, const char *other,
			judge_fn judge)
{
	if (!wants_ports(s))
		return;
	for (size_t k = 0; k < s->n_ports; k++) {
		struct look *port = s->ports[k];

		if (port_sleeps(s, k))
			continue;
		if (survey_below(s->survey, port) < 0)
			s->err = -ENOMEM;
		for (size_t i = 0; i < port->n_below; i++) {
			struct look *child = port->below[i];
			bool on_way = k > 0 && child == s->ports[k - 1];

			/* Rules of their own have the device itself and the way. */
			if (child == s->look || (on_way && attr == ATTR_D3COLD) ||
			    look_is(child, attr, other) ||
			    can_say_nothing(look_fact(child, attr), attr) ||
			    !is_asked_by(s, child, k))
				continue;
			if (look_is(child, attr, value))
				judge(s, child, k);
			else
				unmeasured(s, ROUTES_PORTS(k), child, attr, attr_file(attr));
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
	judge_below(s, ATTR_D3COLD, "0", "1", judge_d3cold);
}

/*
 * Does port @k stay awake though no child, setting or usage count holds it?
 * Then the kernel doesn't take it into D3 for what a device below it is set to.
 */
static bool port_stays_awake(struct scene *s, size_t k)
{
	struct look *port = s->ports[k];
	int64_t kids;

	if (!s->suspended || !look_is(port, ATTR_STATUS, "active") || !look_may_sleep(port) ||
	    look_fact(port, ATTR_DELAY)->err == -EIO || look_number(port, ATTR_KIDS, &kids) < 0 ||
	    kids || survey_below(s->survey, port) < 0)
		return false;
	for (size_t i = 0; i < port->n_below; i++)
		if (!look_is(port->below[i], ATTR_D3COLD, "1"))
			return false;
	return true;
}

/*
 * A device that may wake the system and can't signal that from D3cold keeps
 * the ports above it out of D3. Which states it can signal from stands in
 * config space; a port that nothing else holds gives the answer.
 */
static void mend_wakeup(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	quote(s, f, look, ATTR_WAKEUP);
	mend_knob(s, f, look, ATTR_WAKEUP, "disabled");
	/* The port looks again when d3cold_allowed is written (pci_bridge_d3_update()). */
	mend_knob(s, f, look, ATTR_D3COLD, "1");
}

/* Another device of which port @k says just as much as of @look? */
static bool is_like(struct scene *s, const struct look *look, struct look *other, size_t k)
{
	return other != look && look_is(other, ATTR_WAKEUP, "enabled") && is_asked_by(s, other, k);
}

/* It stays awake for one of those below it at least; for which of several isn't to be seen. */
static void block_wakeup(struct scene *s, struct look *look, size_t k)
{
	struct look *port = s->ports[k];
	struct vfiopm_finding *f;
	size_t others = 0;

	if (s->told_wakeup & ROUTE_PORT(k))
		return;
	s->told_wakeup |= ROUTE_PORT(k);
	for (size_t i = 0; i < port->n_below; i++)
		others += is_like(s, look, port->below[i], k);
	if (others)
		f = blocks(s, ROUTES_PORTS(k), look,
			   "is to wake the system (%zu more below %s, too), and one of them at "
			   "least can't from D3cold: the port stays awake, and nothing else "
			   "holds it",
			   others, port->dev->name);
	else
		f = blocks(s, ROUTES_PORTS(k), look,
			   "is to wake the system and can't from D3cold: its port %s stays awake, "
			   "which nothing else holds", port->dev->name);
	quote(s, f, port, ATTR_STATUS);
	quote(s, f, port, ATTR_KIDS);
	mend_wakeup(s, f, look);
	for (size_t i = 0; i < port->n_below; i++)
		if (is_like(s, look, port->below[i], k))
			mend_wakeup(s, f, port->below[i]);
}

static void judge_wakeup(struct scene *s, struct look *look, size_t k)
{
	struct vfiopm_finding *f;

	if (look->knows_wakes && look->wakes) {
		f = passes(s, ROUTES_PORTS(k), look, "is to wake the system, and can from D3cold");
		quote(s, f, look, ATTR_WAKEUP);
		return;
	}
	if (port_stays_awake(s, k)) {
		block_wakeup(s, look, k);
		return;
	}
	/* Decided when one is added or removed, or d3cold_allowed is written. */
	if (look->knows_wakes)
		f = untold(s, ROUTES_PORTS(k), look,
			   "the kernel decides it before a driver arms the device, or later",
			   "it is to wake the system and can't from D3cold; whether its port "
			   "stays awake for that could not be measured");
	else
		f = untold(s, ROUTES_PORTS(k), look,
			   "it stands in config space, and a read of that would wake a device",
			   "it is to wake the system; whether it can from D3cold could not be "
			   "measured");
	mend_wakeup(s, f, look);
}

void rule_wakeup(struct scene *s)
{
	struct vfiopm_finding *f;

	if (look_is(s->look, ATTR_WAKEUP, "enabled") && s->n_ports && !port_sleeps(s, 0)) {
		judge_wakeup(s, s->look, 0);
		return;
	}
	if (s->n_ports && !port_sleeps(s, 0) && !look_is(s->look, ATTR_WAKEUP, "enabled") &&
	    !look_is(s->look, ATTR_WAKEUP, "disabled") &&
	    !can_say_nothing(look_fact(s->look, ATTR_WAKEUP), ATTR_WAKEUP)) {
		unmeasured(s, ROUTES_PORTS(0), s->look, ATTR_WAKEUP,
			   "whether it is to wake the system");
		return;
	}
	f = passes(s, ROUTES_PORTS(0), s->look, "%s",
		   look_is(s->look, ATTR_WAKEUP, "enabled") ? "its wakeup is in no port's way" :
							      "isn't to wake the system");
	quote(s, f, s->look, ATTR_WAKEUP);
}

void rule_sibling_wakeup(struct scene *s)
{
	judge_below(s, ATTR_WAKEUP, "enabled", "disabled", judge_wakeup);
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
