/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Acting on the device of the process that owns it. */
#ifndef BORROW_H
#define BORROW_H

#include "cmd.h"

struct borrow_options {
	bool borrow;
	bool force, state_loss_ok;	/* enter only */
	bool quiet;		/* say nothing but failures */
	const char *qmp;	/* path of a socket, or NULL */
};

extern const struct argp borrow_options_argp;	/* its input is a struct borrow_options */

struct result;

/* All report, and fill @ret. */
void borrow_enter(struct app *app, struct vfiopm_device *dev, const struct borrow_options *o,
		  int64_t timeout_ms, struct result *ret);
void borrow_exit(struct app *app, struct vfiopm_device *dev, const struct borrow_options *o,
		 struct result *ret);

/* With --qmp: wake the guest that has @dev, or let it go on. */
void borrow_wake(struct app *app, struct vfiopm_device *dev, const struct borrow_options *o,
		 struct result *ret);

#endif /* BORROW_H */
