// SPDX-License-Identifier: LGPL-2.1-or-later
/* The low-power features of a VFIO device (include/uapi/linux/vfio.h). */
#include <errno.h>
#include <string.h>

#include "private.h"
#include "uapi.h"

/* A feature's header and the largest payload that low power has. */
struct request {
	struct vfio_device_feature head;
	struct vfio_device_low_power_entry_with_wakeup wakeup;
};

static int feature(struct vfiopm_handle *handle, uint32_t flags, size_t payload,
		   struct request *rq)
{
	rq->head.argsz = (uint32_t)(sizeof(rq->head) + payload);
	rq->head.flags = flags;
	return ioctl(handle->fd, VFIO_DEVICE_FEATURE, &rq->head) < 0 ? -errno : 0;
}

/* The same, told to the log. */
static int change(struct vfiopm_handle *handle, const char *what, uint32_t number, size_t payload,
		  struct request *rq)
{
	int r = feature(handle, number | VFIO_DEVICE_FEATURE_SET, payload, rq);

	log_info(handle->ctx, "%s: %s: %s", handle->name, what, r < 0 ? strerror(-r) : "done");
	return r;
}

int vfiopm_low_power_probe(struct vfiopm_handle *handle, unsigned int *ret)
{
	static const struct {
		uint32_t feature;
		unsigned int bit;
	} features[] = {
		{ VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, VFIOPM_FEATURE_ENTRY },
		{ VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
		  VFIOPM_FEATURE_ENTRY_WITH_WAKEUP },
		{ VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, VFIOPM_FEATURE_EXIT },
	};
	unsigned int found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		struct request rq = { 0 };
		int r;

		r = feature(handle,
			    features[i].feature | VFIO_DEVICE_FEATURE_PROBE |
				    VFIO_DEVICE_FEATURE_SET,
			    0, &rq);
		if (r == 0)
			found |= features[i].bit;
		else if (r != -ENOTTY)
			return r;
	}
	*ret = found;
	return 0;
}

bool low_power_outlives_wake(struct vfiopm_handle *handle)
{
	struct request rq = { 0 };

	return feature(handle,
		       VFIO_DEVICE_FEATURE_DMA_BUF | VFIO_DEVICE_FEATURE_PROBE |
			       VFIO_DEVICE_FEATURE_GET,
		       0, &rq) == 0;
}

int vfiopm_low_power_enter(struct vfiopm_handle *handle)
{
	struct request rq = { 0 };

	return change(handle, "LOW_POWER_ENTRY", VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 0, &rq);
}

int vfiopm_low_power_enter_with_wakeup(struct vfiopm_handle *handle, int eventfd)
{
	struct request rq = { .wakeup.wakeup_eventfd = eventfd };

	return change(handle, "LOW_POWER_ENTRY_WITH_WAKEUP",
		      VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, sizeof(rq.wakeup), &rq);
}

int vfiopm_low_power_exit(struct vfiopm_handle *handle)
{
	struct request rq = { 0 };

	return change(handle, "LOW_POWER_EXIT", VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, 0, &rq);
}
