// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long a device can have been asleep at most. The kernel keeps sums only,
 * since it found the device; what is known to have woken it since then makes
 * the bound a closer one.
 */
#include <stdlib.h>

#include "columns.h"

static int64_t closer(int64_t bound, int64_t other)
{
	return other >= 0 && other < bound ? other : bound;
}

/* To open a device resumes it (vfio_pci_core_enable()), and who opened it was started before. */
static int64_t age_of_owners(const struct vfiopm_device *dev, const struct vfiopm_owners *owners)
{
	const struct vfiopm_owner *owner;
	int64_t age = -1;

	for (size_t i = 0; owners && (owner = vfiopm_owners_find(owners, dev, i)); i++) {
		int64_t start = vfiopm_owner_get_start_time(owner);

		if (!start)
			return -1;
		start = boot_ms() - start;
		if (start > age)
			age = start;
	}
	return age;
}

static int64_t age_of_last_wake(const struct vfiopm_device *dev)
{
	struct vfiopm_account *account;
	const char *time = NULL;
	int64_t age = -1;

	if (vfiopm_account_new(dev, &account) < 0)
		return -1;
	if (vfiopm_account_has_last_wake(account) == 1)
		time = vfiopm_account_get_last_wake(account, "time");
	if (time)
		age = wall_ms() - (int64_t)(strtod(time, NULL) * 1000);
	vfiopm_account_free(account);
	return age;
}

int64_t asleep_at_most(const struct vfiopm_device *dev, const struct vfiopm_power *power,
		       const struct vfiopm_owners *owners)
{
	int64_t bound;

	if (!vfiopm_power_is_asleep(power) || vfiopm_power_get_suspended_time(power, &bound) < 0)
		return -1;
	/* The clocks here say nothing about a tree from elsewhere. */
	if (vfiopm_ctx_is_foreign(vfiopm_device_get_ctx(dev)))
		return bound;
	bound = closer(bound, age_of_owners(dev, owners));
	return closer(bound, age_of_last_wake(dev));
}

struct json_object *column_since(const struct row *row)
{
	int64_t bound = asleep_at_most(row->dev, row->power, row->owners);

	return bound < 0 ? NULL : json_object_new_int64(bound);
}
