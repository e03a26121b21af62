/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Acting on the device of the process that owns it. */
#ifndef BORROW_H
#define BORROW_H

#include "cmd.h"

struct borrow_options {
	bool borrow, force, group;
	const char *qmp;	/* path of a socket, or NULL */
};

extern const struct argp borrow_options_argp;	/* its input is a struct borrow_options */

/* Both report, and return an exit code. */
int borrow_enter(struct app *app, struct vfiopm_device *dev, const struct borrow_options *o,
		 int64_t timeout_ms);
int borrow_exit(struct app *app, struct vfiopm_device *dev, const struct borrow_options *o);

#endif /* BORROW_H */
