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
	{ "consumer", VFIOPM_TOPIC_SLOT,
	  "drivers/pci/quirks.c, pci_create_device_link(); drivers/base/power/runtime.c, "
	  "rpm_get_suppliers()",
	  rule_consumer },
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
	{ "acpi-state", VFIOPM_TOPIC_PLATFORM, "drivers/acpi/power.c, acpi_power_transition()",
	  rule_acpi_state },
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
	{ "bridge-autosuspend", VFIOPM_TOPIC_BRIDGE,
	  "drivers/base/power/runtime.c, update_autosuspend()", rule_bridge_autosuspend },
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
	{ "measured", VFIOPM_TOPIC_DEVICE, "drivers/pci/pci.c, pci_target_state()",
	  rule_measured },
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

bool is_blocked(const struct vfiopm_explanation *e, unsigned int routes)
{
	return score_route(e, routes).blocked;
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

/* Asleep as deep as wanted, and not in name only. */
static bool is_reached(struct scene *s)
{
	return s->asleep && s->state >= s->want && !s->busy && !s->lost &&
	       (s->want != VFIOPM_STATE_D3COLD || scene_power(s) == POWER_OFF);
}

/* Of the ways to the wanted state those that nothing known closes. */
static unsigned int open_routes(const struct scene *s)
{
	unsigned int open = 0;

	/* Without any way to D3cold the rules have said so. */
	if (s->want == VFIOPM_STATE_D3COLD && !scene_cold_routes(s))
		return 0;
	for (unsigned int bit = 0; bit < MAX_PORTS + 2; bit++) {
		struct score score = score_route(s->out, 1u << bit);

		if (s->routes & 1u << bit && !score.blocked && !score.unknown)
			open |= 1u << bit;
	}
	return open;
}

/* What is measured beats every rule: one that sleeps less deep than wanted is kept from it. */
void rule_measured(struct scene *s)
{
	const char *state = vfiopm_state_name(s->state);
	unsigned int open = open_routes(s);
	struct vfiopm_finding *f;

	if (!s->suspended || s->busy || s->lost || !open || is_reached(s))
		return;
	if (s->state == VFIOPM_STATE_UNKNOWN) {
		unmeasured(s, open, s->look, ATTR_STATE, "its power state");
		return;
	}
	if (s->passing)
		f = untold(s, open, s->look, "a device that is awake for a moment may be why",
			   "measured: suspended in %s, and %s was awake meanwhile", state,
			   s->passing->dev->name);
	else
		f = untold(s, open, s->look, "no rule explains it",
			   "measured: suspended in %s%s", state,
			   s->state >= s->want ? ", and its power may still be on" : "");
	quote(s, f, s->look, ATTR_STATUS);
	quote(s, f, s->look, ATTR_STATE);
	if (s->passing)
		mend_command(s, f, ORDER_LOOK, "vfio-pm monitor %s", s->passing->dev->name);
	else
		mend_advice(s, f, ORDER_LOOK,
			    "vfio-pm report %s -o FILE has what a bug report needs",
			    s->look->dev->name);
}

static void conclude(struct scene *s)
{
	struct vfiopm_explanation *e = s->out;
	unsigned int cold = scene_cold_routes(s), routes;
	struct score score = { 0 };

	e->state = s->state;
	/* Without any way to D3cold what is in the way of D3hot counts, and that there is none. */
	if (s->want == VFIOPM_STATE_D3COLD && !cold)
		score = score_route(e, routes = s->routes);
	else
		routes = best_route(e, s->routes, &score);

	if (is_reached(s))
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

/* By order, and within it as the rules came. */
static void collect_mends_of(struct vfiopm_explanation *e, enum vfiopm_verdict verdict)
{
	for (int order = ORDER_BOOT; order <= ORDER_LOOK; order++) {
		for (size_t i = 0; i < e->n_findings; i++) {
			const struct vfiopm_finding *f = e->findings[i];

			if (!f->matters || f->verdict != verdict)
				continue;
			for (size_t j = 0; j < f->n_mends; j++)
				if ((int)f->mends[j]->order == order && !has_mend(e, f->mends[j]))
					e->mends[e->n_mends++] = f->mends[j];
		}
	}
}

/* Each once: what is needed first, then what may be. */
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
	collect_mends_of(e, VFIOPM_VERDICT_BLOCKS);
	collect_mends_of(e, VFIOPM_VERDICT_UNKNOWN);
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
	r = scene_set(&s, dev, want);
	if (r < 0)
		return r;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	look_open(s.look);
	s.out = e;
	e->survey = survey_ref(survey);
	e->dev = vfiopm_device_ref(dev);
	e->want = s.want;
	if (watch_ms) {
		watch_device(&s, watch_ms);
		look_again(s.look);
	}
	scene_settle(&s);
	scene_judge(&s);
	e->status = look_status(s.look);
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
