// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The rules that say why a device doesn't reach a state: the table, the engine
 * that asks them, and the answer. What the kernel does is taken from the
 * sources of 6.1 and 6.12; each row names the place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocker.h"

/* In the order of the answer: the first that blocks is the likeliest reason. */
static const struct rule rules[] = {
	{ "config-pm", VFIOPM_TOPIC_KERNEL, "kernel/power/Kconfig, CONFIG_PM",
	  rule_config_pm },
	{ "driver", VFIOPM_TOPIC_DEVICE,
	  "drivers/pci/pci-driver.c, pci_pm_runtime_suspend(); drivers/vfio/vfio_main.c",
	  rule_driver },
	{ "features", VFIOPM_TOPIC_DEVICE,
	  "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_ioctl_feature()", rule_features },
	{ "status", VFIOPM_TOPIC_DEVICE,
	  "drivers/base/power/runtime.c, rpm_check_suspend_allowed()", rule_status },
	{ "sriov", VFIOPM_TOPIC_DEVICE,
	  "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_sriov_configure()", rule_sriov },
	{ "vf", VFIOPM_TOPIC_DEVICE, "PCI Express Base Specification, 9.6 SR-IOV power management",
	  rule_vf },
	{ "control", VFIOPM_TOPIC_DEVICE, "drivers/base/power/runtime.c, pm_runtime_forbid()",
	  rule_control },
	{ "autosuspend", VFIOPM_TOPIC_DEVICE, "drivers/base/power/runtime.c, update_autosuspend()",
	  rule_autosuspend },
	{ "group", VFIOPM_TOPIC_GROUP, "drivers/iommu/iommu.c, iommu_group_claim_dma_owner()",
	  rule_group },
	{ "user-d3hot", VFIOPM_TOPIC_DEVICE,
	  "drivers/vfio/pci/vfio_pci_config.c, vfio_pm_config_write()", rule_user_d3hot },
	{ "owner", VFIOPM_TOPIC_DEVICE, "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_enable()",
	  rule_owner },
	{ "idle", VFIOPM_TOPIC_DEVICE,
	  "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_register_device(), disable_idle_d3",
	  rule_idle },
	{ "usage", VFIOPM_TOPIC_DEVICE,
	  "drivers/base/power/runtime.c, rpm_check_suspend_allowed()", rule_usage },
	{ "busy", VFIOPM_TOPIC_DEVICE,
	  "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_rw() and vfio_pci_core_ioctl()", rule_busy },
	{ "lost", VFIOPM_TOPIC_DEVICE,
	  "drivers/pci/pci-driver.c, pci_pm_bridge_power_up_actions(); drivers/pci/pci.c, "
	  "pci_power_up()",
	  rule_lost },
	{ "pm-capability", VFIOPM_TOPIC_DEVICE, "drivers/pci/pci.c, pci_set_low_power_state()",
	  rule_pm_capability },
	{ "no-d3", VFIOPM_TOPIC_DEVICE,
	  "drivers/pci/pci.c, PCI_DEV_FLAGS_NO_D3, pci_target_state()", rule_no_d3 },
	{ "acpi", VFIOPM_TOPIC_PLATFORM, "drivers/pci/pci.c, platform_pci_power_manageable()",
	  rule_acpi },
	{ "power-resource", VFIOPM_TOPIC_PLATFORM,
	  "drivers/acpi/scan.c, acpi_bus_get_power_flags()", rule_power_resource },
	{ "eject", VFIOPM_TOPIC_PLATFORM, "drivers/pci/pci-acpi.c, acpi_pci_set_power_state()",
	  rule_eject },
	{ "d3cold-allowed", VFIOPM_TOPIC_DEVICE,
	  "drivers/pci/pci-acpi.c, acpi_pci_choose_state(); drivers/pci/pci.c, "
	  "pci_dev_check_d3cold()",
	  rule_d3cold_allowed },
	{ "wakeup", VFIOPM_TOPIC_DEVICE, "drivers/pci/pci.c, pci_dev_check_d3cold()",
	  rule_wakeup },
	{ "sibling", VFIOPM_TOPIC_SLOT, "drivers/base/power/runtime.c, rpm_check_suspend_allowed()",
	  rule_sibling },
	{ "sibling-d3cold", VFIOPM_TOPIC_SLOT, "drivers/pci/pci.c, pci_dev_check_d3cold()",
	  rule_sibling_d3cold },
	{ "sibling-wakeup", VFIOPM_TOPIC_SLOT, "drivers/pci/pci.c, pci_dev_check_d3cold()",
	  rule_sibling_wakeup },
	{ "bridge-child", VFIOPM_TOPIC_BRIDGE,
	  "drivers/base/power/runtime.c, rpm_check_suspend_allowed()", rule_bridge_child },
	{ "bridge-status", VFIOPM_TOPIC_BRIDGE,
	  "drivers/base/power/runtime.c, rpm_check_suspend_allowed()", rule_bridge_status },
	{ "bridge-control", VFIOPM_TOPIC_BRIDGE,
	  "drivers/base/power/runtime.c, pm_runtime_forbid()", rule_bridge_control },
	{ "bridge-d3cold", VFIOPM_TOPIC_BRIDGE,
	  "drivers/pci/pci-acpi.c, acpi_pci_choose_state(); drivers/pci/pci.c, "
	  "pci_dev_check_d3cold()",
	  rule_bridge_d3cold },
	{ "bridge-driver", VFIOPM_TOPIC_BRIDGE, "drivers/pci/pci.c, pci_bridge_d3_possible()",
	  rule_bridge_driver },
	{ "port-pm", VFIOPM_TOPIC_KERNEL, "drivers/pci/pci.c, pci_bridge_d3_disable",
	  rule_port_pm },
	{ "aspm", VFIOPM_TOPIC_KERNEL, "drivers/acpi/pci_root.c, os_control_query_checks()",
	  rule_aspm },
	{ "hotplug", VFIOPM_TOPIC_BRIDGE,
	  "drivers/pci/pci.c, pci_bridge_d3_possible(); drivers/pci/pci-acpi.c, "
	  "acpi_pci_bridge_d3(), HotPlugSupportInD3",
	  rule_hotplug },
	{ "bios-year", VFIOPM_TOPIC_PLATFORM, "drivers/pci/pci.c, pci_bridge_d3_possible()",
	  rule_bios_year },
	{ "bridge-refused", VFIOPM_TOPIC_BRIDGE,
	  "drivers/pci/pci.c, pci_bridge_d3_possible(), bridge_d3_blacklist",
	  rule_bridge_refused },
	{ "bridge-usage", VFIOPM_TOPIC_BRIDGE,
	  "drivers/base/power/runtime.c, rpm_check_suspend_allowed()", rule_bridge_usage },
	{ "shared-resource", VFIOPM_TOPIC_PLATFORM, "drivers/acpi/power.c, acpi_power_off()",
	  rule_shared_resource },
	{ "acpi-choice", VFIOPM_TOPIC_PLATFORM,
	  "drivers/acpi/device_pm.c, acpi_dev_pm_get_state(), _S0W", rule_acpi_choice },
	{ "bridge-awake", VFIOPM_TOPIC_BRIDGE,
	  "drivers/pci/pcie/portdrv.c, pcie_port_runtime_idle()", rule_bridge_awake },
};

const char *vfiopm_verdict_name(enum vfiopm_verdict verdict)
{
	static const char *const names[] = { "passes", "blocks", "unknown" };

	return (size_t)verdict < ARRAY_SIZE(names) ? names[verdict] : "unknown";
}

const char *vfiopm_topic_name(enum vfiopm_topic topic)
{
	static const char *const names[] = {
		"device",
		"slot",
		"bridge",
		"platform",
		"group",
		"kernel",
	};

	return (size_t)topic < ARRAY_SIZE(names) ? names[topic] : "unknown";
}

const char *vfiopm_outcome_name(enum vfiopm_outcome outcome)
{
	static const char *const names[] = { "reached", "reachable", "blocked", "unknown" };

	return (size_t)outcome < ARRAY_SIZE(names) ? names[outcome] : "unknown";
}

int explanation_add(struct vfiopm_explanation *e, struct vfiopm_finding *f)
{
	struct vfiopm_finding **grown;

	grown = reallocarray(e->findings, e->n_findings + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	e->findings = grown;
	grown[e->n_findings++] = f;
	return 0;
}

/* ---- the scene ---- */

bool look_is_vfio(struct look *look)
{
	return look->dev->vfio;
}

int look_pins(struct look *look, int64_t *ret)
{
	int64_t usage, delay;
	int r;

	r = look_number(look, ATTR_USAGE, &usage);
	if (r < 0)
		return r;
	if (look_is(look, ATTR_CONTROL, "on"))
		usage--;
	/* A PF with VFs holds a reference of its own (vfio_pci_core_sriov_configure()). */
	if (look_is_vfio(look) && look_text(look, ATTR_NUMVFS))
		usage--;
	/* So does a negative delay (update_autosuspend()). */
	if (look_number(look, ATTR_DELAY, &delay) == 0 && delay < 0)
		usage--;
	*ret = usage;
	return 0;
}

static enum vfiopm_state state_of(struct look *look)
{
	const char *text = look_text(look, ATTR_STATE);
	enum vfiopm_state state = VFIOPM_STATE_UNKNOWN;

	if (text)
		vfiopm_state_parse(text, &state);
	return state;
}

static bool in_transition(struct look *look)
{
	return look_is(look, ATTR_STATUS, "resuming") || look_is(look, ATTR_STATUS, "suspending");
}

static bool port_is_due(struct look *port)
{
	int64_t kids, pins;

	return look_is(port, ATTR_STATUS, "active") && look_is(port, ATTR_CONTROL, "auto") &&
	       look_number(port, ATTR_KIDS, &kids) == 0 && !kids &&
	       look_pins(port, &pins) == 0 && pins <= 0;
}

/*
 * What changes by itself within moments is waited for, so that nothing is
 * accused for being looked at too early: a transition takes tens of
 * milliseconds, a port suspends 100 ms after its last child
 * (drivers/pci/pcie/portdrv.c), an access by the user holds a usage count for
 * as long as it takes.
 */
static void settle(struct scene *s)
{
	int64_t pins;

	if (s->foreign)
		return;
	/* Often enough to see one transition end, where the next one follows at once. */
	for (int i = 0; i < 1000 && in_transition(s->look); i++) {
		look_pause(1);
		look_again(s->look);
	}
	for (int i = 0; i < 4; i++) {
		if (!look_is(s->look, ATTR_STATUS, "active") || look_pins(s->look, &pins) < 0 ||
		    pins <= 0)
			break;
		look_pause(3);
		look_again(s->look);
	}
	for (size_t k = 0; k < s->n_ports; k++) {
		struct look *port = s->ports[k];
		int i;

		if (!look_is(s->look, ATTR_STATUS, "suspended"))
			return;
		for (i = 0; i < 100 && !port->waited_for &&
			    (port_is_due(port) || in_transition(port));
		     i++) {
			look_pause(10);
			look_again(port);
			look_again(s->look);
		}
		/* One that doesn't go to sleep is waited for once, not for each device. */
		port->waited_for |= i == 100;
	}
}

bool watch_saw_sleep(const struct scene *s)
{
	return s->watch.changes >= 2 && s->watch.timed && s->watch.suspended_ms > 0;
}

static void judge_scene(struct scene *s)
{
	int64_t enable, pins;

	s->state = state_of(s->look);
	s->vfio = look_is_vfio(s->look);
	s->suspended = look_is(s->look, ATTR_STATUS, "suspended");
	s->active = look_is(s->look, ATTR_STATUS, "active");
	s->asleep = s->suspended && s->state >= VFIOPM_STATE_D3HOT;
	/* vfio-pci-core enables a device while it is open (vfio_pci_core_enable()). */
	s->open = s->vfio && look_number(s->look, ATTR_ENABLE, &enable) == 0 && enable > 0;
	s->usage_known = look_pins(s->look, &pins) == 0;
	s->pins = s->usage_known ? pins : 0;
	/* What was seen to sleep isn't pinned: a count at the moment is who keeps it busy. */
	if (watch_saw_sleep(s) && s->pins > 0)
		s->pins = 0;
}

bool look_has_resources(struct look *look)
{
	return look_text(look, ATTR_NODE_D3HOT) != NULL;
}

/* Every way to D3cold that the platform has. */
static unsigned int cold_routes(const struct scene *s)
{
	unsigned int routes = 0;

	if (look_has_resources(s->look))
		routes |= ROUTE_OWN;
	for (size_t k = 0; k < s->n_ports; k++)
		if (look_has_resources(s->ports[k]))
			routes |= ROUTE_PORT(k);
	return routes;
}

/* ---- the answer ---- */

struct score {
	unsigned int blocked, hard, blockers, unknown;
};

static struct score score_route(const struct vfiopm_explanation *e, unsigned int routes)
{
	struct score score = { 0 };

	for (size_t i = 0; i < e->n_findings; i++) {
		const struct vfiopm_finding *f = e->findings[i];

		if (!(f->routes & routes))
			continue;
		if (f->verdict == VFIOPM_VERDICT_BLOCKS) {
			score.blocked = 1;
			score.blockers++;
			score.hard += !f->curable;
		} else if (f->verdict == VFIOPM_VERDICT_UNKNOWN) {
			score.unknown++;
		}
	}
	return score;
}

static bool is_better(const struct score *a, const struct score *b)
{
	if (a->blocked != b->blocked)
		return a->blocked < b->blocked;
	if (a->hard != b->hard)
		return a->hard < b->hard;
	if (a->blockers != b->blockers)
		return a->blockers < b->blockers;
	return a->unknown < b->unknown;
}

/* Of several ways the one that is open, or the most easily opened; else the nearest. */
static unsigned int best_route(const struct vfiopm_explanation *e, unsigned int routes,
			       struct score *ret)
{
	unsigned int best = 0;

	for (unsigned int bit = 0; bit < MAX_PORTS + 2; bit++) {
		struct score score;

		if (!(routes & 1u << bit))
			continue;
		score = score_route(e, 1u << bit);
		if (!best || is_better(&score, ret)) {
			best = 1u << bit;
			*ret = score;
		}
	}
	return best;
}

static enum vfiopm_state reachable(const struct scene *s, unsigned int cold)
{
	struct score score = { 0 };

	if (s->asleep && !s->busy && !s->lost)
		return s->state;
	if (best_route(s->out, cold, &score) && !score.blocked)
		return score.unknown ? VFIOPM_STATE_UNKNOWN : VFIOPM_STATE_D3COLD;
	score = score_route(s->out, ROUTE_NATIVE);
	if (score.blocked)
		return VFIOPM_STATE_D0;
	return score.unknown ? VFIOPM_STATE_UNKNOWN : VFIOPM_STATE_D3HOT;
}

/* Power is really off only where the ACPI node doesn't show otherwise. */
static bool power_is_kept(struct scene *s)
{
	const char *real = look_text(s->look, ATTR_NODE_REAL);

	return look_is(s->look, ATTR_NODE_STATE, "D3cold") && real && strcmp(real, "D3cold") &&
	       look_has_resources(s->look);
}

static void conclude(struct scene *s)
{
	struct vfiopm_explanation *e = s->out;
	unsigned int cold = cold_routes(s), routes;
	struct score score = { 0 };

	e->state = s->state;
	/* Without any way to D3cold what is in the way of D3hot counts, and that there is none. */
	if (s->want == VFIOPM_STATE_D3COLD && !cold)
		score = score_route(e, routes = s->routes);
	else
		routes = best_route(e, s->routes, &score);

	if (s->asleep && s->state >= s->want && !s->busy && !s->lost &&
	    !(s->want == VFIOPM_STATE_D3COLD && power_is_kept(s)))
		e->outcome = VFIOPM_OUTCOME_REACHED;
	else if (score.blocked)
		e->outcome = VFIOPM_OUTCOME_BLOCKED;
	else
		e->outcome = score.unknown ? VFIOPM_OUTCOME_UNKNOWN : VFIOPM_OUTCOME_REACHABLE;
	for (size_t i = 0; i < e->n_findings; i++)
		e->findings[i]->matters = e->findings[i]->routes & routes &&
					  (e->outcome != VFIOPM_OUTCOME_REACHED ||
					   e->findings[i]->verdict == VFIOPM_VERDICT_PASSES);
	e->reachable = reachable(s, cold);
	if (e->outcome == VFIOPM_OUTCOME_BLOCKED && e->reachable >= s->want)
		e->reachable = VFIOPM_STATE_D3HOT; /* D3cold in name only */
}

static const struct vfiopm_finding *first_of(const struct vfiopm_explanation *e,
					     enum vfiopm_verdict verdict)
{
	for (size_t i = 0; i < e->n_findings; i++)
		if (e->findings[i]->matters && e->findings[i]->verdict == verdict)
			return e->findings[i];
	return NULL;
}

char *finding_phrase(const struct vfiopm_explanation *e, const struct vfiopm_finding *f)
{
	bool other = f->subject[0] && strcmp(f->subject, e->dev->name);
	char *phrase;

	return asprintf(&phrase, "%s%s%s", other ? f->subject : "", other ? ": " : "",
			f->text) < 0 ?
		       NULL :
		       phrase;
}

/* What stands in the way, the first by name: "...: CAUSE; and 2 more". */
static int sentence_of_cause(struct vfiopm_explanation *e, const char *cause)
{
	const char *name = e->dev->name, *want = vfiopm_state_name(e->want);
	size_t more = vfiopm_explanation_count_blockers(e) - 1;
	char rest[32] = "";

	if (more)
		snprintf(rest, sizeof(rest), "; and %zu more", more);
	if (e->reachable == VFIOPM_STATE_UNKNOWN)
		return asprintf(&e->sentence, "%s doesn't reach %s as things are: %s%s", name, want,
				cause, rest);
	return asprintf(&e->sentence, "%s %s %s as things are, not %s: %s%s", name,
			e->reachable == VFIOPM_STATE_D0 ? "stays in" : "reaches",
			vfiopm_state_name(e->reachable), want, cause, rest);
}

static int write_sentence(struct vfiopm_explanation *e)
{
	bool blocked = e->outcome == VFIOPM_OUTCOME_BLOCKED;
	const char *name = e->dev->name, *want = vfiopm_state_name(e->want);
	const struct vfiopm_finding *f;
	char *cause = NULL;
	int n = -1;

	f = first_of(e, blocked ? VFIOPM_VERDICT_BLOCKS : VFIOPM_VERDICT_UNKNOWN);
	if (f) {
		cause = finding_phrase(e, f);
		if (!cause)
			return -ENOMEM;
	}
	switch (e->outcome) {
	case VFIOPM_OUTCOME_REACHED:
		n = asprintf(&e->sentence, "%s is in %s", name, vfiopm_state_name(e->state));
		break;
	case VFIOPM_OUTCOME_REACHABLE:
		n = asprintf(&e->sentence,
			     "%s can reach %s as things are: nothing stands in the way", name,
			     want);
		break;
	case VFIOPM_OUTCOME_UNKNOWN:
		n = asprintf(&e->sentence, "whether %s reaches %s could not be found out: %s (%s)",
			     name, want, cause ? cause : "", f && f->reason ? f->reason : "");
		break;
	case VFIOPM_OUTCOME_BLOCKED:
		n = sentence_of_cause(e, cause ? cause : "");
		break;
	}
	free(cause);
	if (n < 0)
		e->sentence = NULL;
	return n < 0 ? -ENOMEM : 0;
}

static bool has_mend(const struct vfiopm_explanation *e, const struct vfiopm_mend *mend)
{
	for (size_t i = 0; i < e->n_mends && e->mends[i]; i++)
		if (!strcmp(e->mends[i]->text, mend->text))
			return true;
	return false;
}

/* Each mend once, by order, and within it as the rules came. */
static int collect_mends(struct vfiopm_explanation *e)
{
	size_t room = 0;

	for (size_t i = 0; i < e->n_findings; i++)
		room += e->findings[i]->n_mends;
	if (!room)
		return 0;
	e->mends = calloc(room, sizeof(*e->mends));
	if (!e->mends)
		return -ENOMEM;
	for (int order = ORDER_BOOT; order <= ORDER_LOOK; order++) {
		for (size_t i = 0; i < e->n_findings; i++) {
			const struct vfiopm_finding *f = e->findings[i];

			for (size_t j = 0; f->matters && j < f->n_mends; j++)
				if ((int)f->mends[j]->order == order && !has_mend(e, f->mends[j]))
					e->mends[e->n_mends++] = f->mends[j];
		}
	}
	return 0;
}

static enum vfiopm_status status_of(struct look *look)
{
	const char *text = look_text(look, ATTR_STATUS);

	for (int i = VFIOPM_STATUS_ACTIVE; text && i <= VFIOPM_STATUS_UNSUPPORTED; i++)
		if (!strcmp(text, vfiopm_status_name((enum vfiopm_status)i)))
			return (enum vfiopm_status)i;
	return VFIOPM_STATUS_UNKNOWN;
}

static int set_scene(struct scene *s, struct vfiopm_device *dev, enum vfiopm_state want)
{
	int r;

	r = survey_look_device(s->survey, dev, &s->look);
	if (r < 0)
		return r;
	look_open(s->look);
	r = survey_ports(s->survey, s->look);
	if (r < 0)
		return r;
	s->ports = s->look->ports;
	s->n_ports = s->look->n_ports;
	s->want = want;
	if (want == VFIOPM_STATE_UNKNOWN)
		s->want = cold_routes(s) ? VFIOPM_STATE_D3COLD : VFIOPM_STATE_D3HOT;
	s->routes = cold_routes(s);
	if (s->want < VFIOPM_STATE_D3COLD)
		s->routes |= ROUTE_NATIVE;
	else if (!s->routes)
		s->routes = ROUTE_NATIVE | ROUTE_OWN;
	return 0;
}

int vfiopm_explain_new(struct vfiopm_survey *survey, struct vfiopm_device *dev,
		       enum vfiopm_state want, int64_t watch_ms, unsigned int flags,
		       struct vfiopm_explanation **ret)
{
	struct vfiopm_explanation *e;
	struct scene s = { .survey = survey, .flags = flags, .foreign = survey->ctx->foreign };
	int r;

	if (watch_ms && s.foreign)
		return -EROFS;
	r = set_scene(&s, dev, want);
	if (r < 0) {
		if (s.look)
			look_close(s.look);
		return r;
	}
	e = calloc(1, sizeof(*e));
	if (!e) {
		look_close(s.look);
		return -ENOMEM;
	}
	s.out = e;
	e->survey = survey_ref(survey);
	e->dev = vfiopm_device_ref(dev);
	e->want = s.want;
	if (watch_ms) {
		watch_device(&s, watch_ms);
		look_again(s.look);
	}
	settle(&s);
	judge_scene(&s);
	e->status = status_of(s.look);
	for (size_t i = 0; i < ARRAY_SIZE(rules) && !s.err; i++) {
		s.rule = &rules[i];
		rules[i].judge(&s);
	}
	r = s.err;
	if (r == 0) {
		conclude(&s);
		r = write_sentence(e);
	}
	if (r == 0)
		r = collect_mends(e);
	look_close(s.look);
	if (r < 0) {
		vfiopm_explanation_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void vfiopm_explanation_free(struct vfiopm_explanation *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_findings; i++)
		finding_free(e->findings[i]);
	free(e->findings);
	free(e->mends);
	free(e->sentence);
	vfiopm_device_unref(e->dev);
	vfiopm_survey_unref(e->survey);
	free(e);
}
