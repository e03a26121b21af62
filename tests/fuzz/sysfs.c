// SPDX-License-Identifier: GPL-2.0-or-later
/* The readers of the library on a hostile tree. */
#include <stdlib.h>

#include "fuzz.h"
#include "vfiopm.h"

static void look_around(struct vfiopm_device *dev)
{
	static int (*const lists[])(const struct vfiopm_device *dev, struct vfiopm_list **ret) = {
		vfiopm_list_new_siblings,
		vfiopm_list_new_upstream,
		vfiopm_list_new_children,
	};
	struct vfiopm_device *way = NULL;
	struct vfiopm_power *power;
	struct vfiopm_list *list;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (lists[i](dev, &list) == 0)
			vfiopm_list_free(list);
	if (vfiopm_list_new_group(vfiopm_device_get_ctx(dev), vfiopm_device_get_group(dev),
				  &list) == 0)
		vfiopm_list_free(list);
	if (vfiopm_group_viable(dev, &way) == 0)
		vfiopm_device_unref(way);
	if (vfiopm_power_new(dev, &power) == 0)
		vfiopm_power_free(power);
	power = NULL;
	vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, 0, &power);
	vfiopm_power_free(power);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct vfiopm_owners *owners;
	struct vfiopm_device *dev;
	struct vfiopm_list *list;
	struct vfiopm_ctx *ctx;
	size_t i;

	tree_build(&in);
	if (vfiopm_ctx_new(tree_root(), &ctx) < 0)
		abort();
	if (vfiopm_owners_new(ctx, &owners) < 0)
		owners = NULL;
	if (vfiopm_list_new(ctx, false, &list) == 0) {
		vfiopm_list_foreach(list, i, dev) {
			look_around(dev);
			if (owners)
				vfiopm_owners_find(owners, dev, 0);
		}
		vfiopm_list_free(list);
	}
	vfiopm_owners_free(owners);
	vfiopm_ctx_unref(ctx);
	return 0;
}
