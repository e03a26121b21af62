/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call into the kernel that doesn't return: on a device that doesn't come back,
 * low power is left for ever. A service that is stuck in it says at least on what.
 */
#ifndef STALL_H
#define STALL_H

#include "cmd.h"

#define STALL_LIMIT_MS 30000

struct stall;

/* Returns 0 or a negative errno. One call is watched at a time. */
int stall_new(struct stall **ret);
void stall_free(struct stall *stall);

/*
 * From here on the kernel is to answer: "cannot @what 'NAME': the kernel has not
 * answered for 30 s". Both texts must last until stall_end().
 */
void stall_begin(struct stall *stall, const char *what, const char *name);
/* It has, which is said, too, when it was late. */
void stall_end(struct stall *stall);

#endif /* STALL_H */
