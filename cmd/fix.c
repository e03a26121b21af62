// SPDX-License-Identifier: GPL-2.0-or-later
/* explain --fix: turn the knobs that are in the way, say how to turn them back, look again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"

/* A write of d3cold_allowed resumes; from there to sleep again, ports included. */
#define SETTLE_MS 3000

/* No guess, and nothing of devices that were not named. */
static bool is_fixed(const struct vfiopm_mend *mend)
{
	return vfiopm_mend_get_kind(mend) == VFIOPM_MEND_KNOB && vfiopm_mend_is_needed(mend) &&
	       vfiopm_mend_is_near(mend);
}

static size_t announce(const struct vfiopm_explanation *e, bool dry_run)
{
	const struct vfiopm_mend *mend;
	bool other = false, wakes = false;
	size_t n = 0;

	for (size_t i = 0; (mend = vfiopm_explanation_get_mend(e, i)); i++) {
		if (!is_fixed(mend)) {
			other = true;
			continue;
		}
		if (n++ == 0)
			puts(dry_run ? "Would be written:" : "Written now:");
		printf("  %s\n", vfiopm_mend_get_text(mend));
		wakes |= vfiopm_mend_wakes(mend);
	}
	if (wakes)
		puts("A write of d3cold_allowed wakes its device, and ends an armed wakeup mode.");
	if (!n)
		puts("Nothing that --fix may write is in the way.");
	if (other) {
		puts("Left to you:");
		for (size_t i = 0; (mend = vfiopm_explanation_get_mend(e, i)); i++)
			if (!is_fixed(mend))
				printf("  %s%s%s\n",
				       vfiopm_mend_get_kind(mend) == VFIOPM_MEND_ADVICE ? "# " : "",
				       vfiopm_mend_get_text(mend),
				       vfiopm_mend_is_needed(mend) ? "" : "  # may be needed, too");
	}
	return n;
}

/* The last first. */
static void print_undo(const struct vfiopm_explanation *e, size_t applied)
{
	const struct vfiopm_mend *mend;
	size_t n = 0, knobs = 0;

	if (!applied)
		return;
	puts("To undo it:");
	for (; (mend = vfiopm_explanation_get_mend(e, n)) && knobs < applied; n++)
		knobs += is_fixed(mend);
	while (n-- > 0) {
		mend = vfiopm_explanation_get_mend(e, n);
		if (is_fixed(mend) && vfiopm_mend_get_undo(mend))
			printf("  %s\n", vfiopm_mend_get_undo(mend));
	}
}

/* Returns an exit code; @applied counts the knobs that were turned. */
static int apply(struct app *app, const struct vfiopm_explanation *e, size_t *applied)
{
	const char *name = vfiopm_device_get_name(vfiopm_explanation_get_device(e));
	const struct vfiopm_mend *mend;

	for (size_t i = 0; (mend = vfiopm_explanation_get_mend(e, i)); i++) {
		int r;

		if (!is_fixed(mend))
			continue;
		r = vfiopm_mend_apply(app->ctx, mend);
		/* It was written, then, so it is among what to undo. */
		*applied += r == 0 || r == -EIO;
		if (r < 0) {
			msg_cannot("fix", name, "'%s': %s", vfiopm_mend_get_text(mend),
				   r == -EIO ? "the kernel didn't keep the value" : strerror(-r));
			if (r == -EACCES || r == -EPERM)
				msg_hint("be root: sudo " PROGRAM " explain --fix %s", name);
			return r == -ENODEV ? EXIT_NODEV : EXIT_FAILED;
		}
	}
	return EXIT_OK;
}

static int look_again(struct app *app, const struct vfiopm_explanation *before)
{
	struct vfiopm_device *dev = vfiopm_explanation_get_device(before);
	struct vfiopm_explanation *e = NULL;
	struct vfiopm_survey *survey;
	int code, r;

	vfiopm_power_wait_asleep(dev, vfiopm_explanation_get_want(before), SETTLE_MS, NULL);
	r = vfiopm_survey_new(app->ctx, &survey);
	if (r == 0) {
		r = vfiopm_explain_new(survey, dev, vfiopm_explanation_get_want(before), 0, 0, &e);
		vfiopm_survey_unref(survey);
	}
	if (r < 0) {
		msg_cannot("look again at", vfiopm_device_get_name(dev), "%s", strerror(-r));
		return r == -ENODEV ? EXIT_NODEV : EXIT_FAILED;
	}
	printf("Afterwards: %s.\n", vfiopm_explanation_get_sentence(e));
	explain_print_mends(stdout, e, "Still, in this order:");
	code = explain_exit_code(e);
	vfiopm_explanation_free(e);
	return code;
}

int explain_fix(struct app *app, const struct vfiopm_explanation *e,
		const struct explain_options *options)
{
	size_t applied = 0;
	int code;

	if (!announce(e, options->dry_run) || options->dry_run)
		return explain_exit_code(e);
	/* Shown before it is done, also when the output is a pipe. */
	fflush(stdout);
	code = apply(app, e, &applied);
	print_undo(e, applied);
	if (code != EXIT_OK)
		return code;
	return look_again(app, e);
}
