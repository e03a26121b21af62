// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm list: a line a device. */
#include <unistd.h>

#include "cmd.h"
#include "output.h"
#include "selection.h"

struct list_input {
	struct selection selection;
	struct output out;
};

static const struct argp_child list_children[] = {
	{ &selection_argp, 0, NULL, 0 },
	{ &output_argp, 0, NULL, 0 },
	{ 0 }
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct list_input *in = state->input;

	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = &in->selection;
	state->child_inputs[1] = &in->out;
	return 0;
}

const struct argp list_argp = {
	.parser = parse_list,
	.args_doc = "[DEVICE...]",
	.doc = "List devices: by default those on a VFIO driver, or each DEVICE named."
	       "\vDEVICE is [DDDD:]BB:DD.F, VENDOR:DEVICE (all that match), group:N, or a sysfs "
	       "path of a PCI device. Looking wakes nothing: no device is opened, and no file is "
	       "read that resumes a device or its port.",
	.children = list_children,
};

int cmd_list(struct app *app, int argc, char **argv)
{
	struct list_input in = { 0 };
	struct targets targets;
	int code;

	verb_parse(app, argc, argv, &in);
	if (in.out.list_columns)
		return output_list_columns(&in.out);
	if (!in.out.n)
		output_set_columns(&in.out, false);
	code = selection_resolve(app, &in.selection, &targets);
	/* What was named and isn't there is said; without a device there may be an empty list. */
	if (targets.count || code == EXIT_OK)
		code_merge(&code, output_devices(app, &in.out, targets.dev, targets.count));
	if (!targets.count && selection_is_empty(&in.selection) &&
	    in.out.format == OUTPUT_TABLE && isatty(STDERR_FILENO))
		msg_hint("no device is on a VFIO driver; " PROGRAM " list -a shows all");
	targets_free(&targets);
	return code;
}
