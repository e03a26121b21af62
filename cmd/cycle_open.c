// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening what is cycled, and how it is before the first sleep. */
#include <errno.h>
#include <string.h>

#include "cycle.h"
#include "holder.h"

static int baseline(struct cycle *c, size_t i)
{
	struct cycled *d = &c->dev[i];
	struct worker_reply reply;
	int r;

	/* Awake from here: later comparisons are with a device in D0. */
	r = worker_call(c->worker, WORKER_CONFIG, i, NULL, 0, &reply);
	if (r < 0)
		return r;
	memcpy(d->config, reply.config, reply.config_len);
	d->config_len = reply.config_len;
	if (d->has_reg) {
		r = worker_call(c->worker, WORKER_REG_READ, i, &d->reg, 0, &reply);
		if (r < 0)
			return r;
		d->reg_reset = reply.value;
		/* Memory decoding was switched on for it. */
		r = worker_call(c->worker, WORKER_CONFIG, i, NULL, 0, &reply);
		if (r < 0)
			return r;
		memcpy(d->config, reply.config, reply.config_len);
	}
	if (vfiopm_device_get_errors(d->dev, &d->errors) < 0)
		d->errors = 0;
	return 0;
}

static int open_one(struct cycle *c, size_t i)
{
	const unsigned int needed = VFIOPM_FEATURE_ENTRY | VFIOPM_FEATURE_EXIT;
	const char *name = vfiopm_device_get_name(c->dev[i].dev);
	struct worker_reply reply;
	int code, r;

	code = trouble_check(c->app, "cycle", c->dev[i].dev);
	if (code != EXIT_OK)
		return code;
	r = worker_call(c->worker, WORKER_OPEN, i, NULL, 0, &reply);
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
	case -ETIME:
		msg_cannot("cycle", name, "opening it: the kernel has not answered for %d s",
			   WORKER_LIMIT_MS / 1000);
		return EXIT_FAILED;
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
