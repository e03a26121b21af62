/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Acting on the device of the process that owns it, in two parts:
 *
 * borrow.c	the device: borrowed, entered, left, in a process of its own
 * borrow_guest.c	the guest, as the owner's monitor tells of it
 */
#ifndef BORROW_PRIVATE_H
#define BORROW_PRIVATE_H

#include <sys/types.h>

#include "borrow.h"

struct loan {
	struct app *app;
	struct vfiopm_device *dev;
	const struct borrow_options *options;
	const char *what, *name;
	pid_t pid;			/* of the owner that all is judged on; 0: none seen */
	int64_t start_time;
	char comm[64];
	bool qemu;
	struct vfiopm_qmp *qmp;
	enum vfiopm_guest guest;	/* with qmp */
	int64_t timeout_ms, frozen_us;
	enum vfiopm_freeze_how how;
	struct result *result;		/* shared with the child that does the work */
};

/* borrow.c: report, and return @code. */
int loan_refuse(const struct loan *loan, int code, const char *why, const char *hint);

/* borrow_guest.c: all but the second return an exit code, and report. */

/* With --qmp: is that the owner's monitor, and what does its guest do? */
int guest_ask(struct loan *loan);
/* Does it still do that? True without --qmp. */
bool guest_is_same(const struct loan *loan);
/* What the guest's state allows; adds to @flags. */
int guest_allows(const struct loan *loan, unsigned int *flags);
/* The device is in D0: why that isn't allowed. */
int guest_refuse_in_use(const struct loan *loan);
/* A guest that sleeps or is paused goes on, unless another device of its VMM is asleep. */
int guest_wake(struct loan *loan);

/* Stops the CPUs of a guest that runs; the data is a struct loan. */
extern const struct vfiopm_freeze_ops guest_freeze_ops;

#endif /* BORROW_PRIVATE_H */
