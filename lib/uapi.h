/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's VFIO interface, with what the installed headers may be too old
 * for. Values are those of include/uapi/linux/vfio.h.
 */
#ifndef VFIOPM_UAPI_H
#define VFIOPM_UAPI_H

#include <linux/vfio.h>
#include <sys/ioctl.h>

/* Since Linux 6.1 */
#ifndef VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
#define VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY 3
#define VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP 4
#define VFIO_DEVICE_FEATURE_LOW_POWER_EXIT 5
struct vfio_device_low_power_entry_with_wakeup {
	__s32 wakeup_eventfd;
	__u32 reserved;
};
#endif

/* Since Linux 6.6 */
#ifndef VFIO_DEVICE_BIND_IOMMUFD
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
struct vfio_device_bind_iommufd {
	__u32 argsz;
	__u32 flags;
	__s32 iommufd;
	__u32 out_devid;
};
#endif

/* Since Linux 6.19 */
#ifndef VFIO_DEVICE_FEATURE_DMA_BUF
#define VFIO_DEVICE_FEATURE_DMA_BUF 11
#endif

#endif /* VFIOPM_UAPI_H */
