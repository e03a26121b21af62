// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An explanation for people: the chain from the root port to the device as a
 * small tree, what stands in the way where it stands, one sentence, and the
 * mends in the order in which to apply them.
 */
#include <langinfo.h>
#include <locale.h>
#include <string.h>

#include "explain.h"

/* Marks are characters of their own: colour only repeats what they say. */
struct style {
	const char *passes, *blocks, *unknown, *aside;
	const char *branch;
	const char *red, *yellow, *green, *dim, *bold, *off;
};

static const struct style ascii = { "+", "x", "?", "-", "`-", "", "", "", "", "", "" };
static const struct style utf8 = { "✓", "✗", "?", "·", "└─", "", "", "", "", "", "" };

struct printer {
	FILE *out;
	struct style style;
	const struct vfiopm_explanation *e;
	bool verbose;
	unsigned int depth;
};

static void indent(const struct printer *p, unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		fputs("  ", p->out);
}

static bool is_shown(const struct printer *p, const struct vfiopm_finding *f)
{
	if (p->verbose)
		return true;
	return vfiopm_finding_matters(f) &&
	       vfiopm_finding_get_verdict(f) != VFIOPM_VERDICT_PASSES;
}

static bool is_about(const struct vfiopm_finding *f, const char *name)
{
	const char *subject = vfiopm_finding_get_subject(f);

	return name && subject ? !strcmp(subject, name) : name == subject;
}

static void print_finding(const struct printer *p, const struct vfiopm_finding *f)
{
	const struct style *s = &p->style;
	const char *mark = s->passes, *colour = s->green, *file, *value;

	if (vfiopm_finding_get_verdict(f) != VFIOPM_VERDICT_PASSES) {
		bool blocks = vfiopm_finding_get_verdict(f) == VFIOPM_VERDICT_BLOCKS;

		mark = blocks ? s->blocks : s->unknown;
		colour = blocks ? s->red : s->yellow;
	}
	if (!vfiopm_finding_matters(f)) {
		mark = s->aside;
		colour = s->dim;
	}
	indent(p, p->depth + 2);
	fprintf(p->out, "%s%s %s%s", colour, mark, vfiopm_finding_get_text(f), s->off);
	if (vfiopm_finding_get_reason(f))
		fprintf(p->out, ": %s", vfiopm_finding_get_reason(f));
	if (p->verbose && !vfiopm_finding_matters(f) &&
	    vfiopm_finding_get_verdict(f) != VFIOPM_VERDICT_PASSES)
		fputs(" (doesn't matter here)", p->out);
	fputc('\n', p->out);
	for (size_t i = 0; (file = vfiopm_finding_get_evidence(f, i, &value)); i++) {
		indent(p, p->depth + 3);
		fprintf(p->out, "%s%s: %s%s\n", s->dim, file, value, s->off);
	}
	if (p->verbose) {
		indent(p, p->depth + 3);
		fprintf(p->out, "%srule %s: %s%s\n", s->dim, vfiopm_finding_get_rule(f),
			vfiopm_finding_get_source(f), s->off);
	}
}

static void print_findings_about(const struct printer *p, const char *name)
{
	const struct vfiopm_finding *f;

	for (size_t i = 0; (f = vfiopm_explanation_get_finding(p->e, i)); i++)
		if (is_about(f, name) && is_shown(p, f))
			print_finding(p, f);
}

static bool has_findings_about(const struct printer *p, const char *name)
{
	const struct vfiopm_finding *f;

	for (size_t i = 0; (f = vfiopm_explanation_get_finding(p->e, i)); i++)
		if (is_about(f, name) && is_shown(p, f))
			return true;
	return false;
}

/* "0000:00:1c.0  pcieport, active, D0" and what is to be said about it. */
static void print_node(const struct printer *p, const struct vfiopm_device *dev)
{
	const char *driver = vfiopm_device_get_driver(dev);
	enum vfiopm_status status = VFIOPM_STATUS_UNKNOWN;
	enum vfiopm_state state = VFIOPM_STATE_UNKNOWN;
	struct vfiopm_power *power;

	if (dev == vfiopm_explanation_get_device(p->e)) {
		status = vfiopm_explanation_get_status(p->e);
		state = vfiopm_explanation_get_state(p->e);
	} else if (vfiopm_power_new_parts(dev, VFIOPM_POWER_STATE, &power) == 0) {
		status = vfiopm_power_get_status(power);
		state = vfiopm_power_get_state(power);
		vfiopm_power_free(power);
	}
	if (p->depth) {
		indent(p, p->depth - 1);
		fputs(p->style.branch, p->out);
	}
	fprintf(p->out, "%s%s%s  %s, %s, %s\n", p->style.bold, vfiopm_device_get_name(dev),
		p->style.off, driver ? driver : "no driver", vfiopm_status_name(status),
		vfiopm_state_name(state));
	print_findings_about(p, vfiopm_device_get_name(dev));
}

/* What is below @port and not on the way: only where there is something to say. */
static void print_others(struct printer *p, const struct vfiopm_device *port,
			 const struct vfiopm_device *next)
{
	struct vfiopm_list *children;
	struct vfiopm_device *child;
	size_t i;

	if (vfiopm_list_new_children(port, &children) < 0)
		return;
	vfiopm_list_foreach(children, i, child)
		if (strcmp(vfiopm_device_get_name(child), vfiopm_device_get_name(next)) &&
		    has_findings_about(p, vfiopm_device_get_name(child)))
			print_node(p, child);
	vfiopm_list_free(children);
}

static void print_chain(struct printer *p)
{
	struct vfiopm_device *dev = vfiopm_explanation_get_device(p->e);
	struct vfiopm_list *ports;
	size_t n;

	if (vfiopm_list_new_upstream(dev, &ports) < 0) {
		print_node(p, dev);
		return;
	}
	n = vfiopm_list_count(ports);
	for (size_t i = n; i > 0; i--) {
		const struct vfiopm_device *port = vfiopm_list_get(ports, i - 1);

		print_node(p, port);
		p->depth++;
		print_others(p, port, i > 1 ? vfiopm_list_get(ports, i - 2) : dev);
	}
	print_node(p, dev);
	vfiopm_list_free(ports);
}

static void print_mends_if(FILE *out, const struct vfiopm_explanation *e, bool needed,
			   const char *title)
{
	const struct vfiopm_mend *mend;

	for (size_t i = 0; (mend = vfiopm_explanation_get_mend(e, i)); i++) {
		if (vfiopm_mend_is_needed(mend) != needed)
			continue;
		if (title)
			fprintf(out, "%s\n", title);
		title = NULL;
		fprintf(out, "  %s%s%s\n",
			vfiopm_mend_get_kind(mend) == VFIOPM_MEND_ADVICE ? "# " : "",
			vfiopm_mend_get_text(mend),
			vfiopm_mend_wakes(mend) ? "  # wakes the device" : "");
	}
}

void explain_print_mends(FILE *out, const struct vfiopm_explanation *e, const char *title)
{
	print_mends_if(out, e, true, title);
	print_mends_if(out, e, false, "May be needed, too:");
}

static bool lacks_permission(const struct vfiopm_explanation *e)
{
	const struct vfiopm_finding *f;

	for (size_t i = 0; (f = vfiopm_explanation_get_finding(e, i)); i++)
		if (vfiopm_finding_matters(f) && vfiopm_finding_get_reason(f) &&
		    !strcmp(vfiopm_finding_get_reason(f), "permission denied"))
			return true;
	return false;
}

static bool is_utf8(void)
{
	/* The locale stays "C" elsewhere: numbers are parsed and printed as the kernel has them. */
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool yes;

	if (!locale)
		return false;
	yes = !strcmp(nl_langinfo_l(CODESET, locale), "UTF-8");
	freelocale(locale);
	return yes;
}

void explain_print(FILE *out, const struct vfiopm_explanation *e, bool verbose, bool colour)
{
	struct printer p = { .out = out, .style = is_utf8() ? utf8 : ascii, .e = e,
			     .verbose = verbose };

	if (colour) {
		p.style.red = "\033[31m";
		p.style.yellow = "\033[33m";
		p.style.green = "\033[32m";
		p.style.dim = "\033[2m";
		p.style.bold = "\033[1m";
		p.style.off = "\033[0m";
	}
	if (has_findings_about(&p, NULL)) {
		fputs("the system\n", out);
		print_findings_about(&p, NULL);
	}
	print_chain(&p);
	fprintf(out, "%s%s%s.\n", p.style.bold, vfiopm_explanation_get_sentence(e), p.style.off);
	if (lacks_permission(e))
		fputs("As root more can be measured.\n", out);
	explain_print_mends(out, e, "In this order:");
}
