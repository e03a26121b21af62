// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Another device that is awake: for a moment, or kept so, by whom, and what
 * lets it sleep. For what is beside the device, below its bridges, what shares
 * its power resources, and what depends on it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "blocker.h"

bool look_in_transition(struct look *look)
{
	return look_is(look, ATTR_STATUS, "resuming") || look_is(look, ATTR_STATUS, "suspending");
}

bool look_is_awake(struct look *look)
{
	return look_is(look, ATTR_STATUS, "active") || look_in_transition(look);
}

/* pcie_portdrv_probe() sets the delay of those ports that the kernel takes into D3. */
bool look_is_refused(struct look *look)
{
	return look_is(look, ATTR_DRIVER, "pcieport") && look_fact(look, ATTR_DELAY)->err == -EIO;
}

static bool has_negative_delay(struct look *look)
{
	int64_t delay;

	return look_number(look, ATTR_DELAY, &delay) == 0 && delay < 0;
}

/*
 * A driver of the host may refuse without a usage count, by its runtime_idle();
 * one whose device has slept before doesn't always. No driver at all never does
 * (drivers/pci/pci-driver.c, pci_pm_runtime_idle()).
 */
static bool driver_may_refuse(struct look *look)
{
	int64_t slept;

	return !look_is_vfio(look) && look_text(look, ATTR_DRIVER) &&
	       !vfiopm_device_is_bridge(look->dev) &&
	       look_number(look, ATTR_SUSPENDED_TIME, &slept) == 0 && !slept;
}

/* vfio_pci_core_sriov_configure() keeps it awake as long as it has any. */
static bool has_vfs(struct look *look)
{
	return look_is_vfio(look) && look_text(look, ATTR_NUMVFS);
}

int64_t look_active_kids(struct look *look)
{
	int64_t kids;

	return !vfiopm_device_is_bridge(look->dev) &&
			       look_number(look, ATTR_KIDS, &kids) == 0 && kids > 0 ?
		       kids : 0;
}

bool look_may_sleep(struct look *look)
{
	int64_t pins;

	return look_is(look, ATTR_CONTROL, "auto") && look_pins(look, &pins) == 0 && pins <= 0 &&
	       !look_active_kids(look) && !has_negative_delay(look) && !look_is_refused(look) &&
	       !driver_may_refuse(look) && !has_vfs(look);
}

/* Each look is asked once, so that a tree made of loops ends. */
struct look *look_culprit(struct scene *s, struct look *look)
{
	if (look->have_culprit)
		return look->culprit;
	look->have_culprit = true;
	if (!look_is_awake(look))
		return NULL;
	if (vfiopm_device_is_bridge(look->dev)) {
		if (survey_children(s->survey, look) < 0)
			s->err = -ENOMEM;
		for (size_t i = 0; i < look->n_children && !look->culprit; i++)
			look->culprit = look_culprit(s, look->children[i]);
	}
	if (!look->culprit && !look_may_sleep(look))
		look->culprit = look;
	return look->culprit;
}

/* "driver e1000e, control auto, usage 1: may not sleep"; nothing where that can't be told. */
void describe_awake(struct look *look, char *buf, size_t size)
{
	const char *driver = look_text(look, ATTR_DRIVER);
	const char *control = look_text(look, ATTR_CONTROL);
	const char *usage = look_text(look, ATTR_USAGE);
	bool known = look_is(look, ATTR_CONTROL, "on") ||
		     (look_is(look, ATTR_CONTROL, "auto") && usage);
	int64_t kids = look_active_kids(look);
	char below[48] = "";

	if (kids)
		snprintf(below, sizeof(below), ", %" PRId64 " active device%s below it", kids,
			 kids > 1 ? "s" : "");
	snprintf(buf, size, "driver %s, control %s, usage %s%s%s%s%s%s", driver ? driver : "none",
		 control ? control : "unknown", usage ? usage : "unknown", below,
		 has_negative_delay(look) ? ", autosuspend delay negative" : "",
		 driver_may_refuse(look) ? ", has never slept" : "",
		 has_vfs(look) ? ", has virtual functions" : "",
		 !known ? "" : look_may_sleep(look) ? ": may sleep" : ": may not sleep");
}

void quote_awake(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	quote(s, f, look, ATTR_STATUS);
	quote(s, f, look, ATTR_DRIVER);
	quote(s, f, look, ATTR_CONTROL);
	quote(s, f, look, ATTR_USAGE);
	if (look_active_kids(look))
		quote(s, f, look, ATTR_KIDS);
	if (has_negative_delay(look))
		quote(s, f, look, ATTR_DELAY);
	if (has_vfs(look))
		quote(s, f, look, ATTR_NUMVFS);
}

/* What the command line says decides what could help. */
static void mend_refused(struct scene *s, struct vfiopm_finding *f)
{
	if (survey_has_parameter(s->survey, "pcie_port_pm=off") == 1)
		mend_advice(s, f, ORDER_BOOT, "boot without pcie_port_pm=off");
	else if (survey_has_parameter(s->survey, "pcie_port_pm=force") == 1)
		mend_advice(s, f, ORDER_BOOT, HOTPLUG_MEND);
	else
		mend_advice(s, f, ORDER_BOOT, "boot with pcie_port_pm=force");
}

static void mend_awake_bridge(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	struct look *culprit = look_culprit(s, look);

	if (culprit && culprit != look)
		mend_awake(s, f, culprit);
	/* Such a port is held by the kernel from its probe on, whatever its control says. */
	if (look_is_refused(look)) {
		mend_refused(s, f);
		return;
	}
	if (has_negative_delay(look))
		mend_knob(s, f, look, ATTR_DELAY, "100");
	if (look_is(look, ATTR_CONTROL, "on"))
		mend_knob(s, f, look, ATTR_CONTROL, "auto");
	else if (!has_negative_delay(look) && culprit == look)
		mend_command(s, f, ORDER_LOOK, "vfio-pm monitor %s", look->dev->name);
}

void mend_kids(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	mend_advice(s, f, ORDER_LOOK,
		    "let what is below %s sleep; which that is: "
		    "grep . /sys/bus/pci/devices/%s/*/power/runtime_status",
		    look->dev->name, look->dev->name);
}

/* On a driver of the host, or on none. */
static void mend_awake_host(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	bool on = look_is(look, ATTR_CONTROL, "on"), negative = has_negative_delay(look);
	const char *name = look->dev->name;
	int64_t pins = 0;

	look_pins(look, &pins);
	if (look_text(look, ATTR_DRIVER) &&
	    (pins > 0 || look_active_kids(look) || (!on && !negative))) {
		/* Its driver takes no part in runtime PM, or is at work, or what it drives is. */
		mend_bind(s, f, look);
		return;
	}
	if (negative)
		mend_knob(s, f, look, ATTR_DELAY, "100");
	if (on)
		mend_knob(s, f, look, ATTR_CONTROL, "auto");
	if (!on && !negative)
		mend_command(s, f, ORDER_LOOK, "vfio-pm explain %s", name);
}

static void mend_awake_vfio(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	bool on = look_is(look, ATTR_CONTROL, "on"), negative = has_negative_delay(look);
	const char *name = look->dev->name;
	int64_t pins = 0;
	bool pins_known = look_pins(look, &pins) == 0;

	if (negative)
		mend_knob(s, f, look, ATTR_DELAY, "100");
	if (on)
		mend_knob(s, f, look, ATTR_CONTROL, "auto");
	if (has_vfs(look))
		mend_vfs(s, f, look);
	if (look_active_kids(look))
		mend_kids(s, f, look);
	if (pins <= 0 && (pins_known || on))
		return;
	if (look_is_open(look))
		mend_open(s, f, look);
	else
		mend_command(s, f, ORDER_ENTER, "vfio-pm enter %s", name);
}

void mend_awake(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	if (vfiopm_device_is_bridge(look->dev))
		mend_awake_bridge(s, f, look);
	else if (look_is_vfio(look))
		mend_awake_vfio(s, f, look);
	else
		mend_awake_host(s, f, look);
}

/* ---- what depends on the device ---- */

/*
 * The kernel links the audio, USB and UCSI functions of a GPU to it as
 * consumers (drivers/pci/quirks.c, pci_create_device_link()): one that is awake
 * holds a usage count of the device (drivers/base/power/runtime.c,
 * rpm_get_suppliers()).
 */
void rule_consumer(struct scene *s)
{
	int64_t held;

	/* A count that is accounted for is nobody's. */
	if (s->suspended ||
	    (s->flags & VFIOPM_EXPLAIN_BRIEF && look_held(s->look, &held) == 0 && held <= 0) ||
	    look_consumers(s->look) < 0)
		return;
	for (size_t i = 0; i < s->look->n_consumers; i++) {
		struct look *consumer = s->look->consumers[i];
		struct vfiopm_finding *f;
		char text[AWAKE_TEXT_MAX];

		describe_awake(consumer, text, sizeof(text));
		if (!look_is_awake(consumer)) {
			if (look_text(consumer, ATTR_STATUS))
				f = passes(s, ROUTES_ALL, consumer, "depends on %s, and sleeps",
					   s->look->dev->name);
			else
				f = unmeasured(s, ROUTES_ALL, consumer, ATTR_STATUS,
					       "whether it keeps the device awake");
		} else if (look_may_sleep(consumer) && !consumer->willing) {
			f = passes(s, ROUTES_ALL, consumer,
				   "depends on %s, is awake for a moment (%s)",
				   s->look->dev->name, text);
		} else {
			f = blocks(s, ROUTES_ALL, consumer,
				   "depends on %s and is awake (%s), which keeps both awake",
				   s->look->dev->name, text);
			mend_awake(s, f, consumer);
		}
		quote_consumer(s, f, s->look, consumer);
		quote_awake(s, f, consumer);
	}
}
