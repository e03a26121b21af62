// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Rules about the bridges above the device. Whether the kernel takes a port
 * into D3 at all is decided when its driver binds; then, and only then, the
 * port gets an autosuspend delay (drivers/pci/pcie/portdrv.c,
 * pcie_portdrv_probe()). So that file is the evidence, and what the command
 * line, the slot and the BIOS say is the reason.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocker.h"

#define for_each_awake_port(s, k) \
	for (size_t k = 0; k < (s)->n_ports; k++) \
		if (!look_is((s)->ports[k], ATTR_STATUS, "suspended"))

void rule_bridge_status(struct scene *s)
{
	for (size_t k = 0; k < s->n_ports; k++) {
		struct look *port = s->ports[k];
		struct vfiopm_finding *f;

		if (look_is(port, ATTR_STATUS, "error") ||
		    look_is(port, ATTR_STATUS, "unsupported")) {
			f = blocks(s, ROUTES_PORTS(k), port,
				   "its runtime PM has failed or is disabled");
			mend_remove(s, f, port);
		} else if (look_is(port, ATTR_STATUS, "suspended") ||
			   look_is(port, ATTR_STATUS, "active")) {
			f = passes(s, ROUTES_PORTS(k), port, "its runtime PM works, it is %s",
				   look_text(port, ATTR_STATUS));
		} else if (look_in_transition(port) && !port->stuck) {
			f = untold(s, ROUTES_PORTS(k), port, "it was looked at in a transition",
				   "is just %s: whether it gets to sleep could not be measured",
				   look_text(port, ATTR_STATUS));
		} else if (look_in_transition(port)) {
			f = blocks(s, ROUTES_PORTS(k), port, "is stuck in a transition, %s",
				   look_text(port, ATTR_STATUS));
			mend_advice(s, f, ORDER_BOOT, "look into the kernel's log for %s",
				    port->dev->name);
		} else {
			unmeasured(s, ROUTES_PORTS(k), port, ATTR_STATUS, "its runtime PM status");
			continue;
		}
		quote(s, f, port, ATTR_STATUS);
	}
}

void rule_bridge_control(struct scene *s)
{
	for_each_awake_port(s, k) {
		struct look *port = s->ports[k];
		struct vfiopm_finding *f;

		if (look_is(port, ATTR_CONTROL, "on")) {
			/* From the start, on a port that the kernel doesn't take into D3. */
			if (look_fact(port, ATTR_DELAY)->err == -EIO)
				continue;
			f = blocks(s, ROUTES_PORTS(k), port,
				   "power/control is on, which keeps the bridge awake");
			quote(s, f, port, ATTR_CONTROL);
			mend_knob(s, f, port, ATTR_CONTROL, "auto");
		} else if (look_is(port, ATTR_CONTROL, "auto")) {
			f = passes(s, ROUTES_PORTS(k), port, "power/control lets the bridge sleep");
			quote(s, f, port, ATTR_CONTROL);
		} else {
			unmeasured(s, ROUTES_PORTS(k), port, ATTR_CONTROL, "power/control");
		}
	}
}

void rule_bridge_autosuspend(struct scene *s)
{
	for_each_awake_port(s, k) {
		struct look *port = s->ports[k];
		struct vfiopm_finding *f;
		int64_t delay;

		if (look_number(port, ATTR_DELAY, &delay) < 0 || delay >= 0)
			continue;
		f = blocks(s, ROUTES_PORTS(k), port,
			   "a negative autosuspend delay keeps the bridge awake");
		quote(s, f, port, ATTR_DELAY);
		mend_knob(s, f, port, ATTR_DELAY, "100");
	}
}

void rule_bridge_d3cold(struct scene *s)
{
	for (size_t k = 0; k < s->n_ports; k++) {
		struct look *port = s->ports[k];
		struct vfiopm_finding *f;

		if (look_is(port, ATTR_D3COLD, "0")) {
			/* Powered off with what is above it, whatever it says. */
			if (look_is(port, ATTR_STATE, "D3cold"))
				continue;
			f = blocks(s, ROUTES_PORTS(k), port, "d3cold_allowed is 0");
			quote(s, f, port, ATTR_D3COLD);
			mend_knob(s, f, port, ATTR_D3COLD, "1");
		} else if (look_is(port, ATTR_D3COLD, "1")) {
			f = passes(s, ROUTES_PORTS(k), port, "may go to D3cold");
			quote(s, f, port, ATTR_D3COLD);
		} else {
			unmeasured(s, ROUTES_PORTS(k), port, ATTR_D3COLD, "d3cold_allowed");
		}
	}
}

static bool is_port(struct look *look)
{
	return look_is(look, ATTR_DRIVER, "pcieport");
}

/* Only PCI Express ports are put into D3, and only by their driver. */
void rule_bridge_driver(struct scene *s)
{
	for_each_awake_port(s, k) {
		struct look *port = s->ports[k];
		const struct fact *driver = look_fact(port, ATTR_DRIVER);
		struct vfiopm_finding *f;

		if (driver->err && driver->err != -ENOENT) {
			unmeasured(s, ROUTES_PORTS(k), port, ATTR_DRIVER, "its driver");
			continue;
		}
		if (is_port(port)) {
			f = passes(s, ROUTES_PORTS(k), port, "is a PCI Express port");
			quote(s, f, port, ATTR_DRIVER);
			continue;
		}
		f = blocks(s, ROUTES_PORTS(k), port,
			   "is a bridge %s%s, not a PCI Express port: the kernel doesn't put such "
			   "a bridge into D3",
			   driver->value ? "on the driver " : "without a driver",
			   driver->value ? driver->value : "");
		quote(s, f, port, ATTR_DRIVER);
		if (survey_has_parameter(s->survey, "pcie_ports=compat") == 1) {
			quote_fact(s, f, FACT_CMDLINE);
			mend_advice(s, f, ORDER_BOOT, "boot without pcie_ports=compat");
		} else {
			mend_advice(s, f, ORDER_LOOK,
				    "none: move the device to a PCI Express slot");
		}
	}
}

/* ---- a port that the kernel doesn't take into D3, and why ---- */

static bool has_slot_below(const char *line, const struct look *port)
{
	struct vfiopm_addr addr;
	char text[24];

	/* The slot's address is that of what is plugged: "0000:02:00". */
	if (snprintf(text, sizeof(text), "%.16s.0", line) >= (int)sizeof(text) ||
	    vfiopm_addr_parse(text, &addr) < 0)
		return false;
	for (size_t i = 0; i < port->n_children; i++) {
		const struct vfiopm_addr *child = &port->children[i]->dev->addr;

		if (child->domain == addr.domain && child->bus == addr.bus)
			return true;
	}
	return false;
}

struct slot_walk {
	struct vfiopm_survey *survey;
	const struct look *port;
	char file[96];
	int err;
};

/*
 * Firmware that numbers a slot (_SUN) gets it a folder, whether anything can be
 * plugged there or not (drivers/acpi/pci_slot.c). These files are of a slot that
 * a hotplug driver has (drivers/pci/hotplug/pci_hotplug_core.c, fs_add_slot());
 * they aren't read, which may ask the hardware.
 */
const char *const hotplug_slot_files[N_HOTPLUG_SLOT_FILES] = { "power", "adapter" };

static int find_hotplug_file(struct slot_walk *walk, const char *name)
{
	for (size_t i = 0; i < N_HOTPLUG_SLOT_FILES; i++) {
		char *there = NULL;
		int r;

		snprintf(walk->file, sizeof(walk->file), "sys/bus/pci/slots/%.64s/%s", name,
			 hotplug_slot_files[i]);
		r = fact_read_there(walk->survey->ctx, walk->file, &there);
		free(there);
		if (r == 0)
			return 1;
		if (r != -ENOENT)
			walk->err = r;
	}
	return 0;
}

static int find_slot(const char *name, void *data)
{
	struct slot_walk *walk = data;
	char path[SYSFS_PATH_MAX], line[64];
	ssize_t n;

	if (strlen(name) > 64)
		return 0;
	snprintf(path, sizeof(path), "sys/bus/pci/slots/%.64s/address", name);
	n = sysfs_read(walk->survey->ctx, path, line, sizeof(line));
	if (n < 0 && n != -ENOENT)
		walk->err = (int)n;
	return n > 0 && has_slot_below(line, walk->port) ? find_hotplug_file(walk, name) : 0;
}

enum hotplug { HOTPLUG_NONE, HOTPLUG_NATIVE, HOTPLUG_FIRMWARE, HOTPLUG_UNKNOWN };

/*
 * A hotplug port: handled by the kernel itself (it has the service), or by
 * firmware (a hotplug slot is registered for what is below it, and no service).
 */
static enum hotplug hotplug_of(struct scene *s, struct look *port, struct slot_walk *walk)
{
	int r;

	*walk = (struct slot_walk){ .survey = s->survey, .port = port };
	if (survey_children(s->survey, port) < 0) {
		s->err = -ENOMEM;
		return HOTPLUG_NONE;
	}
	if (port->hotplug_service[0]) {
		snprintf(walk->file, sizeof(walk->file), "sys/bus/pci/devices/%s/%s",
			 port->dev->name, port->hotplug_service);
		return HOTPLUG_NATIVE;
	}
	r = sysfs_foreach(s->survey->ctx, "sys/bus/pci/slots", find_slot, walk);
	if (r == 1)
		return HOTPLUG_FIRMWARE;
	if (r < 0 && r != -ENOENT)
		walk->err = r;
	return walk->err ? HOTPLUG_UNKNOWN : HOTPLUG_NONE;
}

static bool is_forced(struct scene *s)
{
	return survey_has_parameter(s->survey, "pcie_port_pm=force") == 1;
}

void rule_port_pm(struct scene *s)
{
	int off = survey_has_parameter(s->survey, "pcie_port_pm=off");
	struct vfiopm_finding *f;

	if (off == 0 && s->n_ports) {
		f = passes(s, ROUTES_PORTS(0), NULL,
			   "the kernel was booted without pcie_port_pm=off");
		quote_fact(s, f, FACT_CMDLINE);
	}
	for_each_awake_port(s, k) {
		struct look *port = s->ports[k];

		if (!look_is_refused(port))
			continue;
		if (off < 0) {
			f = untold(s, ROUTES_PORTS(k), port,
				   reason_of(survey_fact(s->survey, FACT_CMDLINE)->err),
				   "whether pcie_port_pm=off is why it isn't put into D3 could not "
				   "be measured");
			quote_fact(s, f, FACT_CMDLINE);
		}
		if (off <= 0)
			continue;
		f = blocks(s, ROUTES_PORTS(k), port,
			   "the kernel was booted with pcie_port_pm=off: no port is put into D3");
		quote(s, f, port, ATTR_DELAY);
		quote_fact(s, f, FACT_CMDLINE);
		mend_advice(s, f, ORDER_BOOT, "boot without pcie_port_pm=off");
	}
}

/* Hotplug that the kernel doesn't get from the firmware stays the firmware's. */
void rule_aspm(struct scene *s)
{
	int off = survey_has_parameter(s->survey, "pcie_aspm=off");

	if (off == 0 || survey_has_parameter(s->survey, "pcie_port_pm=off") == 1)
		return;
	for_each_awake_port(s, k) {
		struct look *port = s->ports[k];
		struct vfiopm_finding *f;
		struct slot_walk slot;

		if (off < 0 || !look_is_refused(port) ||
		    hotplug_of(s, port, &slot) != HOTPLUG_FIRMWARE)
			continue;
		f = blocks(s, ROUTES_PORTS(k), port,
			   "the kernel was booted with pcie_aspm=off, so it doesn't take over "
			   "hotplug from the firmware, and keeps this port out of D3");
		quote(s, f, port, ATTR_DELAY);
		quote_fact(s, f, FACT_CMDLINE);
		quote_file(s, f, slot.file, "there");
		mend_advice(s, f, ORDER_BOOT, "boot without pcie_aspm=off");
	}
}

static void judge_hotplug(struct scene *s, struct look *port, unsigned int routes)
{
	struct vfiopm_finding *f = NULL;
	struct slot_walk slot;

	switch (hotplug_of(s, port, &slot)) {
	case HOTPLUG_NONE:
		return;
	case HOTPLUG_UNKNOWN:
		f = untold(s, routes, port, reason_of(slot.err),
			   "whether it is a hotplug port could not be measured");
		quote_file(s, f, "sys/bus/pci/slots", reason_of(slot.err));
		return;
	case HOTPLUG_NATIVE:
		/* The kernel asks nothing of this kind then. */
		if (is_forced(s))
			return;
		f = blocks(s, routes, port,
			   "is a hotplug port whose firmware doesn't say that it works in D3 "
			   "(HotPlugSupportInD3), and no Thunderbolt port");
		mend_advice(s, f, ORDER_BOOT, "boot with pcie_port_pm=force");
		break;
	case HOTPLUG_FIRMWARE:
		if (survey_has_parameter(s->survey, "pcie_aspm=off") == 1)
			return;
		f = blocks(s, routes, port,
			   "is a hotplug port that the firmware handles: the kernel keeps it out "
			   "of D3");
		/* Where firmware handles hotplug, the kernel taking over may turn a slot off. */
		mend_advice(s, f, ORDER_BOOT, HOTPLUG_MEND);
		break;
	}
	quote(s, f, port, ATTR_DELAY);
	quote_file(s, f, slot.file, "there");
}

void rule_hotplug(struct scene *s)
{
	if (survey_has_parameter(s->survey, "pcie_port_pm=off") == 1)
		return;
	for_each_awake_port(s, k) {
		struct look *port = s->ports[k];
		struct vfiopm_finding *f;

		if (look_is_refused(port)) {
			judge_hotplug(s, port, ROUTES_PORTS(k));
		} else if (is_port(port) && look_text(port, ATTR_DELAY)) {
			f = passes(s, ROUTES_PORTS(k), port, "the kernel puts this port into D3");
			quote(s, f, port, ATTR_DELAY);
		}
	}
}

/* "06/18/2021", as DMI has it; 0 when it is something else. */
static int bios_year(struct scene *s)
{
	const struct fact *date = survey_fact(s->survey, FACT_BIOS_DATE);
	const char *slash = date->value ? strrchr(date->value, '/') : NULL;
	long year;
	char *end;

	if (!slash)
		return 0;
	year = strtol(slash + 1, &end, 10);
	/* drivers/firmware/dmi_scan.c, dmi_get_date(): two digits are of 1996 to 2095. */
	if (end == slash + 3 && year >= 0)
		year += year < 96 ? 2000 : 1900;
	return !*end && year > 1900 && year < 10000 ? (int)year : 0;
}

/* The order is that of pci_bridge_d3_possible(): off, the firmware's hotplug, force, the rest. */
static bool other_reason(struct scene *s, struct look *port)
{
	struct slot_walk slot;

	if (survey_has_parameter(s->survey, "pcie_port_pm=off") == 1)
		return true;
	switch (hotplug_of(s, port, &slot)) {
	case HOTPLUG_FIRMWARE:
		return true;
	case HOTPLUG_NATIVE:
		return !is_forced(s);
	default:
		return false;
	}
}

void rule_bios_year(struct scene *s)
{
	for_each_awake_port(s, k) {
		struct look *port = s->ports[k];
		struct vfiopm_finding *f;
		int year;

		if (!look_is_refused(port) || is_forced(s) || other_reason(s, port))
			continue;
		year = bios_year(s);
		if (!year || year >= 2015)
			continue;
		f = blocks(s, ROUTES_PORTS(k), port,
			   "the BIOS is of %d: on x86 only ports of systems from 2015 on are put "
			   "into D3", year);
		quote_fact(s, f, FACT_BIOS_DATE);
		quote(s, f, port, ATTR_DELAY);
		mend_advice(s, f, ORDER_BOOT, "boot with pcie_port_pm=force");
	}
}

/* Refused by a reason that none of the rules above has found. */
static void judge_refused(struct scene *s, struct look *port, unsigned int routes)
{
	int year = bios_year(s);
	struct vfiopm_finding *f;

	if (is_forced(s)) {
		f = blocks(s, routes, port,
			   "the kernel doesn't put this port into D3 in spite of "
			   "pcie_port_pm=force, for a reason that can't be seen; likely the "
			   "firmware handles its hotplug");
		quote(s, f, port, ATTR_DELAY);
		quote_fact(s, f, FACT_CMDLINE);
		mend_advice(s, f, ORDER_BOOT, HOTPLUG_MEND);
		return;
	}
	if (year && year < 2015)
		return;
	if (!year) {
		f = untold(s, routes, port, reason_of(survey_fact(s->survey, FACT_BIOS_DATE)->err),
			   "whether the BIOS is too old for this port to be put into D3 could not "
			   "be measured");
		quote_fact(s, f, FACT_BIOS_DATE);
	}
	f = blocks(s, routes, port,
		   "the kernel doesn't put this port into D3, for a reason that can't be seen%s",
		   year ? "; likely the machine is on its list of those where that fails" : "");
	quote(s, f, port, ATTR_DELAY);
	quote_fact(s, f, FACT_BIOS_DATE);
	mend_advice(s, f, ORDER_BOOT, "boot with pcie_port_pm=force");
}

void rule_bridge_refused(struct scene *s)
{
	for_each_awake_port(s, k) {
		struct look *port = s->ports[k];

		if (is_port(port) && !look_text(port, ATTR_DELAY) && !look_is_refused(port))
			unmeasured(s, ROUTES_PORTS(k), port, ATTR_DELAY,
				   "whether the kernel puts this port into D3");
		else if (look_is_refused(port) && !other_reason(s, port))
			judge_refused(s, port, ROUTES_PORTS(k));
	}
}

/* Held by its driver or one of its services, though it might sleep. */
void rule_bridge_usage(struct scene *s)
{
	for_each_awake_port(s, k) {
		struct look *port = s->ports[k];
		struct vfiopm_finding *f;
		int64_t pins;

		if (look_is_refused(port) || !is_port(port))
			continue;
		if (look_pins(port, &pins) < 0) {
			/* Where something else is the reason it is seen. */
			unmeasured(s,
				   s->suspended && !is_blocked(s->out, ROUTE_PORT(k)) ?
					   ROUTES_PORTS(k) : 0,
				   port, ATTR_USAGE, "whether something holds the port");
			continue;
		}
		if (pins <= 0) {
			f = passes(s, ROUTES_PORTS(k), port, "nothing else holds the port");
			quote(s, f, port, ATTR_USAGE);
			continue;
		}
		f = blocks(s, ROUTES_PORTS(k), port,
			   "something in the kernel holds the port: usage %" PRId64, pins);
		quote(s, f, port, ATTR_USAGE);
		mend_command(s, f, ORDER_LOOK, "vfio-pm monitor %s", port->dev->name);
	}
}
