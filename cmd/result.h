/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What enter and exit have done with each device, for programs. */
#ifndef RESULT_H
#define RESULT_H

#include "cmd.h"

struct json_object;

struct result {
	int code;			/* exit code of this device */
	struct cause cause;		/* of the failure */
	bool held;			/* enter: a holder of ours keeps it; exit: did so */
	bool entered;			/* enter --borrow: low power was entered by this call */
	int pid;			/* of the holder, or of the owner; 0: not known */
	enum vfiopm_status status_before;
	enum vfiopm_state state_before;
	int64_t time_us;		/* 0: not measured */
	struct vfiopm_power *now;	/* as it was told; NULL: look again */
};

/* The members that both verbs have; the caller adds its own. */
struct json_object *result_json(const struct vfiopm_device *dev, const struct result *result);
struct json_object *json_state(enum vfiopm_state state);	/* null when unknown */
struct json_object *json_status(enum vfiopm_status status);
/* Print {"devices": @devices} and release it. */
void result_print(struct json_object *devices);

#endif /* RESULT_H */
