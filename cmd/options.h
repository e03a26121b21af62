/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that several verbs share, each parsed in one place. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "holder.h"

/* How a device is held: enter, hold, run. */
struct hold_options {
	int64_t timeout_ms;
	enum on_wake on_wake;
	enum vfiopm_backend backend;
};

#define TIMEOUT_DEFAULT_MS 10000

extern const struct argp hold_options_argp;	/* its input is a struct hold_options */

#endif /* OPTIONS_H */
