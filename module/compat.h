/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The differences between the kernels this driver builds for, in one place.
 * Kbuild asks the headers and defines LP_HAVE_*; nothing else in this
 * directory has a conditional on what a kernel offers.
 */
#ifndef VFIO_PM_COMPAT_H
#define VFIO_PM_COMPAT_H

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/pm_runtime.h>
#include <linux/vfio_pci_core.h>

/*
 * Who takes the BAR mappings away on entry:
 *  core     the kernel exports dma-bufs of device memory. Only the core can
 *           revoke those, so entry and exit are handed to it as a whole.
 *  mapping  one inode a device: all mappings of all processes hang off its
 *           address space.
 *  vma_list the core keeps a list of the VMAs it has filled.
 */
#if defined(LP_HAVE_DMABUFS)
#define LP_ZAP_PATH	"core"
#define LP_CORE_ENTRY	1
#elif defined(LP_HAVE_VMA_LIST)
#define LP_ZAP_PATH	"vma_list"
#define LP_CORE_ENTRY	0
#else
#define LP_ZAP_PATH	"mapping"
#define LP_CORE_ENTRY	0
#endif

static inline void lp_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef LP_HAVE_EVENTFD_SIGNAL_ONE_ARG
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/*
 * Makes the next autosuspend due at once. There is no call for it: the
 * runtime PM core only ever moves last_busy forward to now, as
 * pm_runtime_mark_last_busy() does with the same store.
 */
static inline void lp_pm_forget_last_busy(struct device *dev)
{
#ifdef CONFIG_PM
	WRITE_ONCE(dev->power.last_busy, 0);
#endif
}

/* What power/runtime_suspended_time shows, in nanoseconds. */
static inline u64 lp_pm_suspended_ns(struct device *dev)
{
#ifdef CONFIG_PM
	return pm_runtime_suspended_time(dev);
#else
	return 0;
#endif
}

/*
 * disable_idle_d3 belongs to the device where the core has a field for it.
 * Elsewhere it is a variable of the core that governs every driver on top of
 * it; a device that shall stay in D0 is then held there by a reference of ours.
 */
static inline bool lp_idle_d3_needs_ref(bool disable_idle_d3)
{
#ifdef LP_HAVE_IDLE_D3_FIELD
	return false;
#else
	return disable_idle_d3;
#endif
}

static inline void lp_set_disable_idle_d3(struct vfio_pci_core_device *core,
					  bool disable_idle_d3)
{
#ifdef LP_HAVE_IDLE_D3_FIELD
	core->disable_idle_d3 = disable_idle_d3;
#endif
}

/* Without these the core exports no dma-buf of the device. */
static inline void lp_set_pci_ops(struct vfio_pci_core_device *core)
{
#ifdef LP_HAVE_CORE_DMABUF_PHYS
	static const struct vfio_pci_device_ops ops = {
		.get_dmabuf_phys = vfio_pci_core_get_dmabuf_phys,
	};

	core->pci_ops = &ops;
#endif
}

#ifdef LP_HAVE_IOMMUFD_OPS
#define LP_OPS_IOMMUFD							\
	.bind_iommufd	= vfio_iommufd_physical_bind,			\
	.unbind_iommufd	= vfio_iommufd_physical_unbind,			\
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,
#else
#define LP_OPS_IOMMUFD
#endif

#ifdef LP_HAVE_IOMMUFD_DETACH
#define LP_OPS_DETACH							\
	.detach_ioas	= vfio_iommufd_physical_detach_ioas,
#else
#define LP_OPS_DETACH
#endif

#ifdef LP_HAVE_IOMMUFD_PASID
#define LP_OPS_PASID							\
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas,	\
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
#else
#define LP_OPS_PASID
#endif

#ifdef LP_HAVE_CORE_TOKEN_UUID
#define LP_OPS_TOKEN							\
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#else
#define LP_OPS_TOKEN
#endif

#ifdef LP_HAVE_CORE_REGION_INFO
#define LP_OPS_REGION							\
	.get_region_info_caps = lp_get_region_info,
#else
#define LP_OPS_REGION
#endif

#define LP_OPS_COMPAT \
	LP_OPS_IOMMUFD LP_OPS_DETACH LP_OPS_PASID LP_OPS_TOKEN LP_OPS_REGION

#endif /* VFIO_PM_COMPAT_H */
