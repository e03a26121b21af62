// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm explain: what decides whether a device gets to a power state. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explain.h"

struct explain_args {
	struct explain_options options;
	struct device_args devices;
};

enum { KEY_STATE = KEY_VERB, KEY_WATCH, KEY_FIX, KEY_DRY_RUN };

static const struct argp_option options[] = {
	{ "state", KEY_STATE, "D3hot|D3cold", 0,
	  "The state that is wanted: D3hot or D3cold, or deeper (default: the deepest that the "
	  "platform offers)",
	  0 },
	{ "all", 'a', NULL, 0, "One line for each device on a VFIO driver", 0 },
	{ "watch", KEY_WATCH, "TIME", 0,
	  "Watch each DEVICE for TIME first: is it kept busy?", 0 },
	{ "fix", KEY_FIX, NULL, 0,
	  "Apply those mends of what stands in the way that are sysfs attributes of the device, "
	  "its siblings and bridges; nothing is unbound",
	  0 },
	{ "dry-run", KEY_DRY_RUN, NULL, 0, "With --fix: show what would be written", 0 },
	{ "verbose", 'v', NULL, 0, "Show also the rules that passed, and where the kernel has them",
	  0 },
	{ "json", 'J', NULL, 0, "Everything, as JSON", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct explain_args *args = state->input;
	struct explain_options *o = &args->options;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->devices;
		return 0;
	case KEY_STATE:
		if (vfiopm_state_parse(arg, &o->want) < 0 || o->want < VFIOPM_STATE_D3HOT)
			argp_error(state, "'%s' is no state to sleep in: D3hot or D3cold", arg);
		return 0;
	case KEY_WATCH:
		if (parse_time(arg, &o->watch_ms) < 0 || !o->watch_ms || o->watch_ms > 3600000)
			argp_error(state, "'%s' is no time of up to an hour", arg);
		return 0;
	case KEY_FIX:
		o->fix = true;
		return 0;
	case KEY_DRY_RUN:
		o->dry_run = true;
		return 0;
	case 'a':
		o->all = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case ARGP_KEY_END:
		if (!o->all && !args->devices.count)
			argp_error(state, "which device?");
		if (o->all && (args->devices.count || o->fix || o->watch_ms))
			argp_error(state, "--all takes no DEVICE, no --fix and no --watch");
		if (o->all && o->verbose)
			argp_error(state, "--all is a line for each device; --verbose goes with a "
					  "DEVICE, and --all --json has everything");
		if (o->dry_run && !o->fix)
			argp_error(state, "--dry-run goes with --fix");
		if (o->fix && o->json)
			argp_error(state, "--fix and --json exclude each other");
		return 0;
	}
	return devices_parse(key, state, &args->devices, false);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp explain_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE...\n--all",
	.doc = "Say what state each DEVICE can reach, and what stands in the way of the wanted "
	       "one. Nothing is woken, no VFIO device is opened.\v"
	       "Each verdict quotes the file that it rests on. What can't be read is said, not "
	       "guessed. The mends are given as commands, in the order in which to apply them.\n\n"
	       "Exit status: 0 the state is reached or can be; 6 it can't as things are, also "
	       "when the device is not on a VFIO driver; 1 it couldn't be found out.",
	.children = children,
};

int explain_exit_code(const struct vfiopm_explanation *e)
{
	switch (vfiopm_explanation_get_outcome(e)) {
	case VFIOPM_OUTCOME_REACHED:
	case VFIOPM_OUTCOME_REACHABLE:
		return EXIT_OK;
	case VFIOPM_OUTCOME_BLOCKED:
		return EXIT_STATE;
	case VFIOPM_OUTCOME_UNKNOWN:
		break;
	}
	return EXIT_FAILED;
}

static int report(const struct vfiopm_device *dev, int r)
{
	const char *name = vfiopm_device_get_name(dev);

	if (r == -ENODEV) {
		msg_cannot("explain", name, "the device has gone");
		return EXIT_NODEV;
	}
	msg_cannot("explain", name, "%s", strerror(-r));
	return EXIT_FAILED;
}

static bool wants_colour(void)
{
	const char *none = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (!none || !*none);
}

/* One device, in words; each has a survey of its own, so that it is looked at now. */
static int explain_one(struct app *app, struct vfiopm_device *dev,
		       const struct explain_options *o, bool more)
{
	struct vfiopm_explanation *e;
	struct vfiopm_survey *survey;
	int code, r;

	r = vfiopm_survey_new(app->ctx, &survey);
	if (r < 0)
		return report(dev, r);
	r = vfiopm_explain_new(survey, dev, o->want, o->watch_ms, 0, &e);
	vfiopm_survey_unref(survey);
	if (r < 0)
		return report(dev, r);
	explain_print(stdout, e, o->verbose, wants_colour());
	code = explain_exit_code(e);
	if (o->fix)
		code = explain_fix(app, e, o);
	if (more)
		putchar('\n');
	vfiopm_explanation_free(e);
	return code;
}

static int print_json(struct json_object *devices)
{
	struct json_object *top = json_object_new_object();
	const char *text;

	json_object_object_add(top, "devices", devices);
	text = json_object_to_json_string_ext(
		top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
			     JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		puts(text);
	json_object_put(top);
	return text ? EXIT_OK : EXIT_FAILED;
}

static int explain_as_json(struct app *app, struct vfiopm_device **dev, size_t n,
			   const struct explain_options *o)
{
	struct json_object *devices = json_object_new_array();
	struct vfiopm_survey *survey = NULL;
	int code = EXIT_OK;

	for (size_t i = 0; i < n; i++) {
		struct vfiopm_explanation *e = NULL;
		int r = 0;

		/* All devices share a look at the system; watched ones are looked at in turn. */
		if (!survey || o->watch_ms) {
			vfiopm_survey_unref(survey);
			survey = NULL;
			r = vfiopm_survey_new(app->ctx, &survey);
			if (r == 0 && !o->watch_ms)
				r = vfiopm_survey_settle(survey, dev, n, o->want, 0);
		}
		if (r == 0)
			r = vfiopm_explain_new(survey, dev[i], o->want, o->watch_ms, 0, &e);
		if (r < 0) {
			code_merge(&code, report(dev[i], r));
			continue;
		}
		json_object_array_add(devices, explain_json(e));
		code_merge(&code, explain_exit_code(e));
		vfiopm_explanation_free(e);
	}
	vfiopm_survey_unref(survey);
	code_merge(&code, print_json(devices));
	return code;
}

/* ---- --all ---- */

/* The first reason, and how many there are. */
static void print_line(const struct vfiopm_explanation *e)
{
	const char *want = vfiopm_state_name(vfiopm_explanation_get_want(e));
	size_t n = vfiopm_explanation_count_blockers(e);
	const struct vfiopm_finding *f;

	printf("%-12s  %-9s  %-7s  ", vfiopm_device_get_name(vfiopm_explanation_get_device(e)),
	       vfiopm_status_name(vfiopm_explanation_get_status(e)),
	       vfiopm_state_name(vfiopm_explanation_get_state(e)));
	if (explain_exit_code(e) == EXIT_OK) {
		printf("%s %s\n",
		       vfiopm_explanation_get_outcome(e) == VFIOPM_OUTCOME_REACHED ? "is in" :
										     "can reach",
		       vfiopm_explanation_get_outcome(e) == VFIOPM_OUTCOME_REACHED ?
			       vfiopm_state_name(vfiopm_explanation_get_state(e)) :
			       want);
		return;
	}
	for (size_t i = 0; (f = vfiopm_explanation_get_finding(e, i)); i++) {
		const char *subject = vfiopm_finding_get_subject(f);

		if (!vfiopm_finding_matters(f) ||
		    vfiopm_finding_get_verdict(f) !=
			    (n ? VFIOPM_VERDICT_BLOCKS : VFIOPM_VERDICT_UNKNOWN))
			continue;
		printf("not %s: ", want);
		if (subject &&
		    strcmp(subject, vfiopm_device_get_name(vfiopm_explanation_get_device(e))))
			printf("%s: ", subject);
		fputs(vfiopm_finding_get_text(f), stdout);
		if (vfiopm_finding_get_reason(f))
			printf(" (%s)", vfiopm_finding_get_reason(f));
		break;
	}
	if (n > 1)
		printf("; and %zu more", n - 1);
	putchar('\n');
}

static int explain_lines(struct app *app, struct vfiopm_device **dev, size_t n,
			 const struct explain_options *o)
{
	size_t awake = 0, unknown = 0;
	struct vfiopm_survey *survey;
	int code = EXIT_OK, r;

	r = vfiopm_survey_new(app->ctx, &survey);
	if (r == 0) {
		r = vfiopm_survey_settle(survey, dev, n, o->want, VFIOPM_EXPLAIN_BRIEF);
		if (r < 0)
			vfiopm_survey_unref(survey);
	}
	if (r < 0) {
		msg_error("cannot look at the system: %s", strerror(-r));
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < n; i++) {
		struct vfiopm_explanation *e;

		r = vfiopm_explain_new(survey, dev[i], o->want, 0, VFIOPM_EXPLAIN_BRIEF, &e);
		if (r == -ENODEV)
			continue;
		if (r < 0) {
			code_merge(&code, report(dev[i], r));
			continue;
		}
		print_line(e);
		code_merge(&code, explain_exit_code(e));
		awake += explain_exit_code(e) == EXIT_STATE;
		unknown += explain_exit_code(e) == EXIT_FAILED;
		vfiopm_explanation_free(e);
	}
	vfiopm_survey_unref(survey);
	printf("%zu device%s on a VFIO driver, %zu kept from sleeping as deep as %s", n,
	       n == 1 ? "" : "s", awake, o->want ? "wanted" : "the platform offers");
	if (unknown)
		printf(", %zu not to be found out", unknown);
	putchar('\n');
	return code;
}

static int explain_all(struct app *app, const struct explain_options *o)
{
	struct vfiopm_device **dev, *one;
	struct vfiopm_list *list;
	size_t n, i;
	int code, r;

	r = vfiopm_list_new(app->ctx, true, &list);
	if (r < 0) {
		msg_error("cannot list PCI devices: %s", strerror(-r));
		return EXIT_FAILED;
	}
	n = vfiopm_list_count(list);
	dev = calloc(n ? n : 1, sizeof(*dev));
	if (!dev) {
		vfiopm_list_free(list);
		msg_error("out of memory");
		return EXIT_FAILED;
	}
	vfiopm_list_foreach(list, i, one)
		dev[i] = one;
	code = o->json ? explain_as_json(app, dev, n, o) : explain_lines(app, dev, n, o);
	free(dev);
	vfiopm_list_free(list);
	return code;
}

int cmd_explain(struct app *app, int argc, char **argv)
{
	struct explain_args args = { 0 };
	const struct explain_options *o = &args.options;
	struct targets targets;
	int code;

	verb_parse(app, argc, argv, &args);
	if (vfiopm_ctx_is_foreign(app->ctx) && (o->watch_ms || (o->fix && !o->dry_run))) {
		msg_error("--%s acts on this system and takes no --sysroot",
			  o->fix ? "fix" : "watch");
		return EXIT_USAGE;
	}
	if (o->all)
		return explain_all(app, o);
	code = targets_resolve(app, &args.devices, &targets);
	if (o->json) {
		code_merge(&code, explain_as_json(app, targets.dev, targets.count, o));
	} else {
		for (size_t i = 0; i < targets.count; i++)
			code_merge(&code, explain_one(app, targets.dev[i], o,
						      i + 1 < targets.count));
	}
	targets_free(&targets);
	return code;
}
