// SPDX-License-Identifier: GPL-2.0-or-later
/* Options that several verbs share. */
#include <string.h>

#include "options.h"

enum { KEY_ON_WAKE = 0x300, KEY_BACKEND, KEY_TIMEOUT };

static const struct argp_option options[] = {
	{ "timeout", KEY_TIMEOUT, "TIME", 0,
	  "How long the device may take to fall asleep (default 10s); a number with ms, s, m or h",
	  0 },
	{ "on-wake", KEY_ON_WAKE, "exit|ignore|reenter|stay", OPTION_ARG_OPTIONAL,
	  "Notice when something wakes the device, and then let go of it (exit, also without a "
	  "value), enter low power again (reenter, the default of hold), or keep it awake (stay); "
	  "or do not notice, the kernel lets it fall asleep again (ignore, the default of enter; a "
	  "device that is held already keeps what it has)",
	  0 },
	{ "backend", KEY_BACKEND, "auto|group|cdev", 0,
	  "Open the device by its IOMMU group, or by iommufd and its own node (default: cdev "
	  "where the kernel has it)",
	  0 },
	{ 0 }
};

static int parse_on_wake(const char *text, enum on_wake *ret)
{
	if (!text || !strcmp(text, "exit"))
		*ret = ON_WAKE_EXIT;
	else if (!strcmp(text, "ignore"))
		*ret = ON_WAKE_IGNORE;
	else if (!strcmp(text, "reenter"))
		*ret = ON_WAKE_REENTER;
	else if (!strcmp(text, "stay"))
		*ret = ON_WAKE_STAY;
	else
		return -1;
	return 0;
}

static int parse_backend(const char *text, enum vfiopm_backend *ret)
{
	if (!strcmp(text, "auto"))
		*ret = VFIOPM_BACKEND_AUTO;
	else if (!strcmp(text, "group"))
		*ret = VFIOPM_BACKEND_GROUP;
	else if (!strcmp(text, "cdev"))
		*ret = VFIOPM_BACKEND_CDEV;
	else
		return -1;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct hold_options *hold = state->input;

	switch (key) {
	case KEY_TIMEOUT:
		time_parse(state, arg, &hold->timeout_ms);
		return 0;
	case KEY_ON_WAKE:
		if (parse_on_wake(arg, &hold->on_wake) < 0)
			argp_error(state, "'%s' is none of exit, ignore, reenter, stay", arg);
		return 0;
	case KEY_BACKEND:
		if (parse_backend(arg, &hold->backend) < 0)
			argp_error(state, "'%s' is none of auto, group, cdev", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp hold_options_argp = { .options = options, .parser = parse };
