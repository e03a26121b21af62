/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device that falls asleep, looked at time and again by who has more to do than to wait. */
#ifndef FALL_H
#define FALL_H

#include "cmd.h"

/* What a sleep takes, and after it the ports' part in it; one that is kept awake takes longer. */
#define FALL_SETTLE_MS 1000

/* Is it asleep, or is it suspended in D0, and since when is that so? */
struct fall {
	bool asleep, flat;
	int64_t since;	/* monotonic_ms(); at first: now */
};

/* One look: returns, and fills @ret, as vfiopm_power_wait_asleep(); -ETIMEDOUT: not yet. */
int fall_look(const struct vfiopm_device *dev, struct fall *fall, struct vfiopm_power **ret);

#endif /* FALL_H */
