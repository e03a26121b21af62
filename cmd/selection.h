/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which devices list and status show. */
#ifndef SELECTION_H
#define SELECTION_H

#include "cmd.h"

struct selection {
	struct device_args devices;	/* by name; none: all on a VFIO driver */
	bool all, asleep, awake;
	const char *driver, *owner;
};

extern const struct argp selection_argp;	/* its input is a struct selection */

/* Did the user name any device, or say what it must be like? */
bool selection_is_empty(const struct selection *s);
/* The devices, as targets_resolve(): reports, and finds what there is all the same. */
int selection_resolve(struct app *app, const struct selection *s, struct targets *ret);

#endif /* SELECTION_H */
