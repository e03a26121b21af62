// SPDX-License-Identifier: GPL-2.0-or-later
/* What the verbs' argument parsers share. */
#include <stdlib.h>

#include "cmd.h"

error_t devices_parse(int key, struct argp_state *state, struct device_args *devices, bool needed)
{
	switch (key) {
	case ARGP_KEY_ARGS:
		devices->specs = state->argv + state->next;
		devices->count = (size_t)(state->argc - state->next);
		return 0;
	case ARGP_KEY_NO_ARGS:
		if (!needed)
			break;
		argp_error(state, "which device?");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

enum { KEY_GROUP = 0x500 };

static const struct argp_option group_options[] = {
	{ "group", KEY_GROUP, NULL, 0, "Every endpoint of the IOMMU groups, too", 0 },
	{ 0 }
};

static error_t group_parse(int key, char *arg, struct argp_state *state)
{
	struct device_args *devices = state->input;

	switch (key) {
	case KEY_GROUP:
		devices->group = true;
		return 0;
	case ARGP_KEY_END:
		if (devices->group && !devices->count)
			argp_error(state, "--group goes with a DEVICE");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp group_argp = { .options = group_options, .parser = group_parse };

void time_parse(struct argp_state *state, const char *arg, int64_t *ret_ms)
{
	if (parse_time(arg, ret_ms) < 0)
		argp_error(state, "'%s' is no time: a number with ms, s, m or h", arg);
}

void interval_parse(struct argp_state *state, const char *arg, int64_t *ret_ms)
{
	time_parse(state, arg, ret_ms);
	if (*ret_ms < 1)
		argp_error(state, "an interval is at least 1ms");
}

void number_parse(struct argp_state *state, const char *arg, unsigned int max, unsigned int *ret)
{
	char *end;
	unsigned long value = strtoul(arg, &end, 10);

	if (arg[0] < '0' || arg[0] > '9' || *end || value > max)
		argp_error(state, "'%s' is no number from 0 to %u", arg, max);
	*ret = (unsigned int)value;
}
