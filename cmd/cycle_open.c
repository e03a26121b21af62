// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening what is cycled, and how it is before the first sleep. */
#include <errno.h>
#include <string.h>

#include "cycle.h"
#include "holder.h"

#define OPENING "opening it"

void cycle_count_errors(const struct cycled *d, struct error_counts *ret)
{
	struct vfiopm_device *port;
	struct vfiopm_list *ports;
	uint64_t n;
	size_t i;

	*ret = (struct error_counts){ 0 };
	if (vfiopm_device_get_errors(d->dev, &n) == 0)
		ret->own = n;
	if (vfiopm_list_new_upstream(d->dev, &ports) < 0)
		return;
	/* What goes wrong with a link while it is trained is counted at its upper end. */
	vfiopm_list_foreach(ports, i, port)
		if (vfiopm_device_get_errors(port, &n) == 0)
			ret->above += n;
	vfiopm_list_free(ports);
}

/* With no vector set up a sleep has no interrupt to lose, and reset values pass for kept ones. */
static void arm(struct cycle *c, size_t i)
{
	struct opened_reply reply;
	int r = cycle_do(c, OPENING, DO_ARM, i, NULL, 0, &reply);

	if (r < 0 && r != -ENOTTY)
		msg_warn("'%s': no interrupt could be set up, and none can get lost: %s",
			 vfiopm_device_get_name(c->dev[i].dev), strerror(-r));
}

static int baseline(struct cycle *c, size_t i)
{
	struct cycled *d = &c->dev[i];
	struct opened_reply reply;
	int r;

	/* First the register, for which memory decoding is switched on. */
	if (d->has_reg) {
		r = cycle_do(c, OPENING, DO_REG_READ, i, &d->reg, 0, &reply);
		if (r < 0)
			return r;
		d->reg_reset = reply.value;
	}
	if (!c->options->no_verify)
		arm(c, i);
	/* Awake from here: later comparisons are with a device in D0. */
	r = cycle_do(c, OPENING, DO_CONFIG, i, NULL, 0, &reply);
	if (r < 0)
		return r;
	memcpy(d->config, reply.config, reply.config_len);
	d->config_len = reply.config_len;
	cycle_count_errors(d, &d->errors);
	return 0;
}

static int open_one(struct cycle *c, size_t i)
{
	const unsigned int needed = VFIOPM_FEATURE_ENTRY | VFIOPM_FEATURE_EXIT;
	const char *name = vfiopm_device_get_name(c->dev[i].dev);
	struct opened_reply reply;
	int code, r;

	code = trouble_check(c->app, "cycle", c->dev[i].dev);
	if (code != EXIT_OK)
		return code;
	r = cycle_do(c, OPENING, DO_OPEN, i, NULL, 0, &reply);
	if (r == 0 && (reply.features & needed) != needed) {
		msg_cannot("cycle", name, "driver '%s' has no low-power features",
			   vfiopm_device_get_driver(c->dev[i].dev));
		msg_hint("vfio-pci has them since Linux 6.1");
		return EXIT_UNUSABLE;
	}
	if (r == 0)
		r = baseline(c, i);
	switch (r) {
	case 0:
		return EXIT_OK;
	case -EBUSY:
		return trouble_busy(c->app, "cycle", c->dev[i].dev);
	case -ENODEV:
		msg_cannot("cycle", name, "the device has gone");
		return EXIT_NODEV;
	case -EACCES:
		msg_cannot("cycle", name, "no permission on its VFIO node");
		msg_hint("run it as root, or be given the node by its owner");
		return EXIT_FAILED;
	}
	msg_cannot("cycle", name, "it can't be opened: %s", strerror(-r));
	return EXIT_FAILED;
}

int cycle_open(struct cycle *c)
{
	int code = EXIT_OK;

	for (size_t i = 0; i < c->count; i++)
		code_merge(&code, open_one(c, i));
	return code;
}
