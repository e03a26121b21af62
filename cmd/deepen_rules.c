// SPDX-License-Identifier: GPL-2.0-or-later
/* May and can a device be deepened? What the host's side says, before its owner is disturbed. */
#include <errno.h>

#include "deepen.h"

/* The owner was busy opening, was stopped, was let run: it passes. */
#define PASSING_MS 5000

#define MINUTE_MS 60000

static bool too_often(const struct deepen *s, const struct deepen_device *d, int64_t now_ms)
{
	unsigned int rate = s->options.rate, oldest;

	if (!rate)
		return false;
	/* The entry before the last RATE ones is to be a minute past. */
	oldest = (d->entered_at + RATE_MAX - rate) % RATE_MAX;
	return d->entered_ms[oldest] && now_ms - d->entered_ms[oldest] < MINUTE_MS;
}

/* It is in D3hot by its owner's hand, too, and nothing that is known of it is in the way. */
static bool is_next(const struct deepen *s, const struct deepen_device *d)
{
	enum vfiopm_refusal why;

	if (d->phase == PHASE_ASLEEP || d->phase == PHASE_IN_KERNEL ||
	    (d->phase == PHASE_REFUSED && d->reason != REASON_NOTHING_GAINED))
		return false;
	return vfiopm_glance_state(d->glance) == VFIOPM_STATE_D3HOT &&
	       vfiopm_glance_status(d->glance) == VFIOPM_STATUS_ACTIVE &&
	       !too_often(s, d, monotonic_ms()) &&
	       vfiopm_device_may_lose_power(
		       d->dev, d->state_loss_ok ? VFIOPM_ENTER_STATE_LOSS : 0, &why) == 0;
}

/* A driver of the host may have left it armed. What was read while it was awake holds. */
static void tell_wakes(struct vfiopm_survey *survey, struct deepen_device *d)
{
	if (d->wakes < 0)
		d->wakes = vfiopm_device_wakes_from_d3cold(d->dev);
	if (d->wakes >= 0)
		vfiopm_survey_set_wakes(survey, d->dev, d->wakes);
}

/*
 * Of the functions of a slot, which a guest puts into D3hot one after the other, each
 * keeps the port from cutting the power: one of them has to be the first.
 */
bool deepen_rules_goes_deeper(struct deepen *s, struct deepen_device *d)
{
	struct vfiopm_explanation *e;
	struct vfiopm_survey *survey;
	bool deeper = false;

	if (vfiopm_survey_new(s->app->ctx, &survey) < 0)
		return false;
	for (size_t i = 0; i < s->count; i++) {
		tell_wakes(survey, s->device[i]);
		if (s->device[i] != d && is_next(s, s->device[i]))
			vfiopm_survey_set_willing(survey, s->device[i]->dev);
	}
	if (vfiopm_explain_new(survey, d->dev, VFIOPM_STATE_D3COLD, 0,
			       VFIOPM_EXPLAIN_ENGAGED | VFIOPM_EXPLAIN_BRIEF, &e) == 0) {
		deeper = vfiopm_explanation_get_reachable(e) == VFIOPM_STATE_D3COLD;
		vfiopm_explanation_free(e);
	}
	vfiopm_survey_unref(survey);
	return deeper;
}

enum deepen_reason deepen_rules_check(struct deepen *s, struct deepen_device *d, int64_t now_ms)
{
	enum vfiopm_refusal why = VFIOPM_REFUSED_NOT;
	int r;

	if (too_often(s, d, now_ms))
		return REASON_RATE;
	if (!deepen_rules_goes_deeper(s, d))
		return REASON_NOTHING_GAINED;
	/* It is active: to read its registers wakes nothing, and stops nobody. */
	r = vfiopm_device_may_lose_power(d->dev, d->state_loss_ok ? VFIOPM_ENTER_STATE_LOSS : 0,
					 &why);
	if (r != -ECANCELED || why == VFIOPM_REFUSED_NOT_ACTIVE)
		return REASON_NONE;
	d->refusal = why;
	return REASON_REFUSAL;
}

void deepen_rules_note_entry(struct deepen_device *d, int64_t now_ms)
{
	d->entered_ms[d->entered_at] = now_ms;
	d->entered_at = (d->entered_at + 1) % RATE_MAX;
}

int64_t deepen_rules_backoff(const struct deepen *s, const struct deepen_device *d)
{
	int64_t passing = s->options.retry_ms < PASSING_MS ? s->options.retry_ms : PASSING_MS;

	if (d->reason == REASON_RATE)
		return passing;
	if (d->reason != REASON_REFUSAL)
		return s->options.retry_ms;
	switch (d->refusal) {
	case VFIOPM_REFUSED_CHANGED:
	case VFIOPM_REFUSED_SHARED:
	case VFIOPM_REFUSED_UNCLEAR:
	case VFIOPM_REFUSED_STOPPED:
	case VFIOPM_REFUSED_NOT_FROZEN:
	case VFIOPM_REFUSED_THAWED:
		return passing;
	default:
		return s->options.retry_ms;
	}
}
