// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm cycle: does a device come back, a thousand times? */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cycle.h"

enum {
	KEY_COUNT = KEY_VERB, KEY_DURATION, KEY_ASLEEP, KEY_AWAKE, KEY_STATE, KEY_COMMAND,
	KEY_KEEP_GOING, KEY_TIMEOUT, KEY_REGISTER, KEY_NO_VERIFY, KEY_JSON_LINES,
};

static const struct argp_option options[] = {
	{ "count", KEY_COUNT, "N", 0, "This many cycles (10)", 0 },
	{ "duration", KEY_DURATION, "TIME", 0, "As many cycles as fit in TIME", 0 },
	{ "asleep", KEY_ASLEEP, "TIME", 0, "Stay asleep for TIME in each cycle (0)", 0 },
	{ "awake", KEY_AWAKE, "TIME", 0, "Stay awake for TIME after each cycle (0)", 0 },
	{ "state", KEY_STATE, "D3hot|D3cold", 0,
	  "The state to reach, at least (D3hot: asleep, as deep as it goes)", 0 },
	{ "timeout", KEY_TIMEOUT, "TIME", 0, "How long it may take to fall asleep (10s)", 0 },
	{ "command", KEY_COMMAND, "CMD", 0,
	  "Run CMD by the shell when asleep and when awake again, with VFIO_PM_DEVICE, "
	  "VFIO_PM_PHASE (asleep, awake), VFIO_PM_CYCLE and VFIO_PM_STATE in its environment; an "
	  "exit status other than 0 is a failure", 0 },
	{ "register", KEY_REGISTER, "BAR:OFFSET=VALUE", 0,
	  "Write VALUE to a 32-bit register before each sleep, and expect it, or the register's "
	  "value at the start where the sleep may lose it, afterwards", 0 },
	{ "no-verify", KEY_NO_VERIFY, NULL, 0, "Only look whether it is active in D0 again", 0 },
	{ "keep-going", KEY_KEEP_GOING, NULL, 0, "Go on after a failure", 0 },
	{ "json", 'J', NULL, 0, "Print the figures as JSON", 0 },
	{ "json-lines", KEY_JSON_LINES, NULL, 0,
	  "One JSON object a cycle as it happens, then one with the figures", 0 },
	{ 0 }
};

static void parse_count(struct argp_state *state, const char *arg, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(arg, &end, 10);
	if (arg[0] < '0' || arg[0] > '9' || *end || errno || *ret < 1)
		argp_error(state, "'%s' is no number of cycles", arg);
}

/* "0:0x24=0x1f001f" */
static void parse_register(struct argp_state *state, const char *arg, struct cycle_options *o)
{
	unsigned long long offset, value;
	unsigned long bar;
	char *end = NULL;

	errno = 0;
	bar = strtoul(arg, &end, 0);
	if (*end != ':' || end == arg)
		goto bad;
	offset = strtoull(end + 1, &end, 0);
	if (*end != '=')
		goto bad;
	value = strtoull(end + 1, &end, 0);
	if (*end || errno || bar > 5 || offset % 4 || value > UINT32_MAX)
		goto bad;
	o->reg.bar = (unsigned int)bar;
	o->reg.offset = offset;
	o->reg_value = (uint32_t)value;
	o->has_reg = true;
	return;
bad:
	argp_error(state, "'%s' is no BAR:OFFSET=VALUE, e.g. 0:0x24=0x1f001f", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct cycle_options *o = state->input;

	switch (key) {
	case KEY_COUNT:
		parse_count(state, arg, &o->count);
		return 0;
	case KEY_DURATION:
		time_parse(state, arg, &o->duration_ms);
		return 0;
	case KEY_ASLEEP:
		time_parse(state, arg, &o->asleep_ms);
		return 0;
	case KEY_AWAKE:
		time_parse(state, arg, &o->awake_ms);
		return 0;
	case KEY_TIMEOUT:
		time_parse(state, arg, &o->timeout_ms);
		return 0;
	case KEY_STATE:
		if (vfiopm_state_parse(arg, &o->state) < 0 || o->state < VFIOPM_STATE_D3HOT)
			argp_error(state, "--state is D3hot or D3cold, not '%s'", arg);
		return 0;
	case KEY_COMMAND:
		o->command = arg;
		return 0;
	case KEY_REGISTER:
		parse_register(state, arg, o);
		return 0;
	case KEY_NO_VERIFY:
		o->no_verify = true;
		return 0;
	case KEY_KEEP_GOING:
		o->keep_going = true;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->devices;
		return 0;
	case 'J':
		o->json = true;
		return 0;
	case KEY_JSON_LINES:
		o->json_lines = true;
		return 0;
	case ARGP_KEY_END:
		if (o->count && o->duration_ms)
			argp_error(state, "--count and --duration exclude each other");
		if (!o->count && !o->duration_ms)
			o->count = 10;
		return 0;
	}
	return devices_parse(key, state, &o->devices, true);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp cycle_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE...",
	.doc = "Put devices to sleep and wake them, again and again, and verify each time that "
	       "they came back."
	       "\vEach is opened once, which resets it, and so does the close at the end. Verified "
	       "are the configuration header, BARs and command register, the PM, MSI, MSI-X and "
	       "PCI Express capabilities with the link's speed and width and an interrupt that is "
	       "set up for it, extended capabilities, a register, and that there are no new PCI "
	       "Express errors of the device or the ports above it. Exit status 1: it didn't come "
	       "back as it was; 6: it didn't fall asleep as deep as wanted.",
	.children = children,
};

/* Registers without effect while nothing runs, for kinds of devices that are known. */
static const struct {
	uint32_t class;			/* 0: by vendor and device */
	unsigned int vendor, device;
	struct opened_register reg;
	uint32_t value;
} known_registers[] = {
	/* NVM Express 1.4, 3.1.8: admin queue attributes, used when the controller is enabled */
	{ .class = 0x010802, .reg = { 0, 0x24 }, .value = 0x001f001f },
	/* Intel 82574 datasheet, 10.2.6.2: multicast table, used when the receiver is on */
	{ .vendor = 0x8086, .device = 0x10d3, .reg = { 0, 0x5200 }, .value = 0x5a5a5a5a },
};

static void choose_register(const struct cycle_options *o, struct cycled *d)
{
	if (o->has_reg) {
		d->has_reg = true;
		d->reg = o->reg;
		d->reg_value = o->reg_value;
	}
	for (size_t i = 0; i < sizeof(known_registers) / sizeof(known_registers[0]); i++) {
		if (d->has_reg || o->no_verify)
			return;
		if (known_registers[i].class ?
			    known_registers[i].class != vfiopm_device_get_class(d->dev) :
			    known_registers[i].vendor != vfiopm_device_get_vendor(d->dev) ||
				    known_registers[i].device != vfiopm_device_get_device(d->dev))
			continue;
		d->has_reg = true;
		d->reg = known_registers[i].reg;
		d->reg_value = known_registers[i].value;
	}
}

static bool is_over(const struct cycle *c)
{
	const struct cycle_options *o = c->options;

	if (c->interrupted)
		return true;
	if (o->count)
		return c->number >= o->count;
	return monotonic_ns() - c->start_ns >= o->duration_ms * 1000000;
}

/* In the child. */
static int run(struct cycle *c)
{
	bool last = false;

	c->code = cycle_open(c);
	if (c->code != EXIT_OK)
		return c->code;
	c->stage = STAGE_CYCLING;
	c->has_progress = !c->options->json_lines && isatty(STDERR_FILENO) && isatty(STDOUT_FILENO);
	c->start_ns = monotonic_ns();
	/* Nobody reads any more: SIGPIPE is ignored until all is cleaned up. */
	while (!last && !is_over(c) && !ferror(stdout)) {
		cycle_step(c);
		atomic_store(&c->pace, PACE_TELLS);
		last = report_step(c);
		atomic_store(&c->pace, PACE_WORKS);
	}
	atomic_store(&c->pace, PACE_TELLS);
	if (!cycle_is_orphan(c))
		code_merge(&c->code, report_summary(c));
	return c->code;
}

static int start(struct cycle *c, const struct targets *targets)
{
	int r;

	for (size_t i = 0; i < c->count; i++) {
		struct cycled *d = &c->dev[i];

		d->dev = vfiopm_device_ref(targets->dev[i]);
		if (vfiopm_glance_new(d->dev, &d->glance) < 0)
			d->glance = NULL;
		choose_register(c->options, d);
	}
	if (vfiopm_klog_new(c->app->ctx, &c->klog) < 0)
		c->klog = NULL;
	r = journal_open(&c->journal);
	if (r == 0)
		r = opened_new(targets, &c->opened);
	/* Before there is a child, which must not be ended by the terminal's ^C. */
	if (r == 0)
		r = stop_open(&c->stop);
	if (r == 0)
		return cycle_in_child(c, run);
	msg_error("cannot start: %s", strerror(-r));
	return EXIT_FAILED;
}

static void clear(struct cycle *c)
{
	opened_free(c->opened);
	journal_close(&c->journal);
	vfiopm_klog_free(c->klog);
	if (c->stop.fd >= 0)
		stop_close(&c->stop);
	for (size_t i = 0; i < c->count; i++) {
		vfiopm_glance_free(c->dev[i].glance);
		vfiopm_device_unref(c->dev[i].dev);
		free(c->dev[i].log);
	}
	cycle_free(c);
}

/* All or none: a cycle that lacks a device that was asked for proves nothing. */
static int cycle_targets(struct app *app, const struct cycle_options *o,
			 const struct targets *targets)
{
	struct cycle *c = cycle_alloc(targets->count);
	int code;

	if (!c) {
		msg_error("cannot start: %s", strerror(ENOMEM));
		return EXIT_FAILED;
	}
	c->app = app;
	c->options = o;
	code = start(c, targets);
	clear(c);
	return code;
}

int cmd_cycle(struct app *app, int argc, char **argv)
{
	struct cycle_options o = { .timeout_ms = 10000, .state = VFIOPM_STATE_D3HOT };
	struct targets targets;
	int code;

	verb_parse(app, argc, argv, &o);
	code = targets_resolve(app, &o.devices, &targets);
	if (code == EXIT_OK)
		code = cycle_targets(app, &o, &targets);
	targets_free(&targets);
	return code;
}
