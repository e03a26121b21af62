// SPDX-License-Identifier: GPL-2.0-or-later
/* A device that falls asleep, looked at time and again. */
#include <errno.h>

#include "fall.h"

/*
 * As vfiopm_power_wait_asleep() without a wait. A device that is asleep, but
 * may still get to D3cold by its ports, has a second for that.
 */
int fall_look(const struct vfiopm_device *dev, struct fall *fall, struct vfiopm_power **ret)
{
	bool settled = vfiopm_power_upstream_settled(dev);
	int64_t now = monotonic_ms();
	int r;

	r = vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, 0, ret);
	if (fall->asleep != (r == 0) || fall->flat != (r == -EOPNOTSUPP))
		*fall = (struct fall){ .asleep = r == 0, .flat = r == -EOPNOTSUPP, .since = now };
	if (settled || now - fall->since >= FALL_SETTLE_MS)
		return r;
	/* Nor is what is suspended in D0 known to stay so while a port may still cut its power. */
	return r == 0 || r == -EOPNOTSUPP ? -ETIMEDOUT : r;
}
