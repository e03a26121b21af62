// SPDX-License-Identifier: LGPL-2.1-or-later
/* The explanation as its callers read it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocker.h"

enum vfiopm_outcome vfiopm_explanation_get_outcome(const struct vfiopm_explanation *e)
{
	return e->outcome;
}

enum vfiopm_state vfiopm_explanation_get_want(const struct vfiopm_explanation *e)
{
	return e->want;
}

enum vfiopm_state vfiopm_explanation_get_reachable(const struct vfiopm_explanation *e)
{
	return e->reachable;
}

enum vfiopm_state vfiopm_explanation_get_state(const struct vfiopm_explanation *e)
{
	return e->state;
}

enum vfiopm_status vfiopm_explanation_get_status(const struct vfiopm_explanation *e)
{
	return e->status;
}

const char *vfiopm_explanation_get_sentence(const struct vfiopm_explanation *e)
{
	return e->sentence;
}

struct vfiopm_device *vfiopm_explanation_get_device(const struct vfiopm_explanation *e)
{
	return e->dev;
}

const struct vfiopm_finding *vfiopm_explanation_get_finding(const struct vfiopm_explanation *e,
							    size_t i)
{
	return i < e->n_findings ? e->findings[i] : NULL;
}

size_t vfiopm_explanation_count_blockers(const struct vfiopm_explanation *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_findings; i++)
		n += e->findings[i]->matters &&
		     e->findings[i]->verdict == VFIOPM_VERDICT_BLOCKS;
	return n;
}

const struct vfiopm_mend *vfiopm_explanation_get_mend(const struct vfiopm_explanation *e,
						      size_t i)
{
	return i < e->n_mends ? e->mends[i] : NULL;
}

/* The first that blocks; else the first that couldn't be measured. */
static const struct vfiopm_finding *likeliest(const struct vfiopm_explanation *e)
{
	const struct vfiopm_finding *unknown = NULL;

	for (size_t i = 0; i < e->n_findings; i++) {
		const struct vfiopm_finding *f = e->findings[i];

		if (!f->matters || f->verdict == VFIOPM_VERDICT_PASSES)
			continue;
		if (f->verdict == VFIOPM_VERDICT_BLOCKS)
			return f;
		if (!unknown)
			unknown = f;
	}
	return unknown;
}

/* One command is a hint; the first of several, or of a guess, would be half the way. */
static char *hint_of(const struct vfiopm_explanation *e, const struct vfiopm_finding *f)
{
	char *hint;

	if (f->n_mends == 1 && f->mends[0]->needed)
		return strdup(f->mends[0]->text);
	return asprintf(&hint, "vfio-pm explain %s", e->dev->name) < 0 ? NULL : hint;
}

int vfiopm_explain_likeliest(struct vfiopm_device *dev, enum vfiopm_state want,
			     unsigned int flags, char **cause, char **mend)
{
	struct vfiopm_explanation *e;
	const struct vfiopm_finding *f;
	struct vfiopm_survey *survey;
	char *text, *cure = NULL;
	int r;

	r = vfiopm_survey_new(dev->ctx, &survey);
	if (r < 0)
		return r;
	r = vfiopm_explain_new(survey, dev, want, 0, flags, &e);
	vfiopm_survey_unref(survey);
	if (r < 0)
		return r;
	f = likeliest(e);
	if (f) {
		text = finding_phrase(e, f);
		if (text && mend && f->n_mends)
			cure = hint_of(e, f);
		r = text && (cure || !mend || !f->n_mends) ? 1 : -ENOMEM;
		if (r > 0) {
			*cause = text;
			if (mend)
				*mend = cure;
		} else {
			free(text);
		}
	}
	vfiopm_explanation_free(e);
	return r;
}
