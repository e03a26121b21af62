/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfiopm: owners, open devices, low power. */
#ifndef VFIOPM_HANDLE_H
#define VFIOPM_HANDLE_H

#include "device.h"
#include "power.h"

VFIOPM_BEGIN_DECLS

/* ---- owners: who has a device open --------------------------------------- */

/** enum vfiopm_via - how a process has a device open */
enum vfiopm_via {
	VFIOPM_VIA_GROUP,	/* a descriptor of the group's node */
	VFIOPM_VIA_CDEV,	/* a descriptor of the device's own node */
	VFIOPM_VIA_DEVICE,	/* a device descriptor that names its device (fdinfo, 6.18) */
	VFIOPM_VIA_MAP,		/* only a mapping of it is left */
};

/** vfiopm_via_name - "group", "cdev", "device", "map". Since: 0.1 */
const char *vfiopm_via_name(enum vfiopm_via via);

struct vfiopm_owners;
struct vfiopm_owner;

/**
 * vfiopm_owners_new - look once through the processes for VFIO devices
 * @ctx: context
 * @ret: the result, released with vfiopm_owners_free()
 *
 * Processes whose descriptors the caller may not see are left out; whether
 * there were any tells vfiopm_owners_is_partial().
 * Return: 0; -ENOMEM; an error of open(2) for /proc.
 * Since: 0.1
 */
int vfiopm_owners_new(struct vfiopm_ctx *ctx, struct vfiopm_owners **ret);
/** vfiopm_owners_free - release the result. Since: 0.1 */
void vfiopm_owners_free(struct vfiopm_owners *owners);
/** vfiopm_owners_is_partial - could some process not be looked into? Since: 0.1 */
bool vfiopm_owners_is_partial(const struct vfiopm_owners *owners);
/**
 * vfiopm_owners_find - owner number @i of a device
 * @owners: from vfiopm_owners_new()
 * @dev: device
 * @i: 0 for the first
 *
 * The owner of a group owns those members that are enabled (`enable` of 1 or
 * more: vfio-pci-core enables a device when it is opened).
 * Return: the owner, or NULL past the end. Since: 0.1
 */
const struct vfiopm_owner *vfiopm_owners_find(const struct vfiopm_owners *owners,
					      const struct vfiopm_device *dev, size_t i);
/**
 * vfiopm_owners_first - the first owner of a device, or why there is none
 * @owners: from vfiopm_owners_new()
 * @dev: device
 * @ret: the owner, as of vfiopm_owners_find() with 0; NULL on failure
 *
 * Return: 0; -ESRCH: nobody has it open; -EPERM: it is enabled, so it is open, but its
 * owner isn't visible from here, or a former driver left it enabled.
 * Since: 0.1
 */
int vfiopm_owners_first(const struct vfiopm_owners *owners, const struct vfiopm_device *dev,
			const struct vfiopm_owner **ret);
/**
 * vfiopm_owners_find_group - as vfiopm_owners_find(), whoever has the group of @dev open.
 * Since: 0.1
 */
const struct vfiopm_owner *vfiopm_owners_find_group(const struct vfiopm_owners *owners,
						    const struct vfiopm_device *dev, size_t i);
/** vfiopm_owner_get_pid - process ID. Since: 0.1 */
pid_t vfiopm_owner_get_pid(const struct vfiopm_owner *owner);
/** vfiopm_owner_get_uid - effective user ID. Since: 0.1 */
uid_t vfiopm_owner_get_uid(const struct vfiopm_owner *owner);
/** vfiopm_owner_get_comm - name of the process. Since: 0.1 */
const char *vfiopm_owner_get_comm(const struct vfiopm_owner *owner);
/** vfiopm_owner_get_start_time - start of the process, milliseconds since boot. Since: 0.1 */
int64_t vfiopm_owner_get_start_time(const struct vfiopm_owner *owner);
/** vfiopm_owner_get_via - how it has the device open. Since: 0.1 */
enum vfiopm_via vfiopm_owner_get_via(const struct vfiopm_owner *owner);

/**
 * vfiopm_process_is_self_exe - does process @pid run the caller's executable?
 * Return: 1 yes, 0 no; -ESRCH; -EACCES when it can't be told. Since: 0.1
 */
int vfiopm_process_is_self_exe(struct vfiopm_ctx *ctx, pid_t pid);

/* ---- open devices --------------------------------------------------------- */

/** enum vfiopm_backend - how to open a device */
enum vfiopm_backend {
	VFIOPM_BACKEND_AUTO = 0,	/* cdev where iommufd and the cdev exist, else group */
	VFIOPM_BACKEND_GROUP,		/* container and group */
	VFIOPM_BACKEND_CDEV,		/* iommufd and the device's own node */
	VFIOPM_BACKEND_WRAPPED,		/* result only: vfiopm_handle_wrap() */
};

struct vfiopm_handle;

/**
 * vfiopm_handle_open - open a device
 * @dev: device, on a VFIO driver
 * @backend: AUTO, GROUP or CDEV
 * @peer: NULL, or an open handle of the same IOMMU group: its group (or
 *        iommufd) is shared, since a group is opened by one file only
 * @ret: handle, released with vfiopm_handle_close()
 *
 * The first open and the last close reset the device where it can be reset.
 * May sleep in the kernel for as long as a resume and a reset take.
 * Return: 0; -ENODEV: no device, or no node for it; -EMEDIUMTYPE: on no VFIO
 * driver; -EPERM from the group: not viable, see vfiopm_group_viable();
 * -EACCES: no permission on the node; -EBUSY: opened by another process;
 * -EROFS: foreign root; -EOPNOTSUPP: @backend isn't available; another error
 * of open(2) or ioctl(2).
 * Since: 0.1
 */
int vfiopm_handle_open(const struct vfiopm_device *dev, enum vfiopm_backend backend,
		       struct vfiopm_handle *peer, struct vfiopm_handle **ret);
/**
 * vfiopm_handle_wrap - use a VFIO device descriptor that the caller has
 * @ctx: context
 * @fd: descriptor; stays the caller's, who keeps it open as long as the handle
 * @ret: handle; vfiopm_handle_close() doesn't close @fd
 * Return: 0; -EBADF; -ENOTTY: not a VFIO device; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_handle_wrap(struct vfiopm_ctx *ctx, int fd, struct vfiopm_handle **ret);
/** vfiopm_handle_close - close; NULL is allowed. Since: 0.1 */
void vfiopm_handle_close(struct vfiopm_handle *handle);
/** vfiopm_handle_get_fd - the device's descriptor; stays the handle's. Since: 0.1 */
int vfiopm_handle_get_fd(const struct vfiopm_handle *handle);
/** vfiopm_handle_get_backend - which way it was opened. Since: 0.1 */
enum vfiopm_backend vfiopm_handle_get_backend(const struct vfiopm_handle *handle);
/**
 * vfiopm_handle_read - read from a region
 * @handle: handle
 * @region: VFIO region index: 0 to 5 for a BAR, VFIO_PCI_CONFIG_REGION_INDEX
 * @offset: bytes from its start
 * @buf: for @len bytes
 * @len: bytes
 *
 * Resumes the device for the time of the access.
 * Return: 0; -EINVAL: no such region, or outside of it; -EIO; -ENODEV.
 * Since: 0.1
 */
int vfiopm_handle_read(struct vfiopm_handle *handle, unsigned int region, uint64_t offset,
		       void *buf, size_t len);
/** vfiopm_handle_write - the reverse of vfiopm_handle_read(). Since: 0.1 */
int vfiopm_handle_write(struct vfiopm_handle *handle, unsigned int region, uint64_t offset,
			const void *buf, size_t len);
/**
 * vfiopm_handle_on_request - be told when the host wants the device back
 * @handle: handle
 * @eventfd: signalled on VFIO_PCI_REQ_IRQ_INDEX; -1 takes it away
 * Return: 0; -ENOTTY or -EINVAL: the driver has no such interrupt.
 * Since: 0.1
 */
int vfiopm_handle_on_request(struct vfiopm_handle *handle, int eventfd);
/** vfiopm_handle_on_error - the same for VFIO_PCI_ERR_IRQ_INDEX (PCI Express only). Since: 0.1 */
int vfiopm_handle_on_error(struct vfiopm_handle *handle, int eventfd);
/**
 * vfiopm_handle_on_interrupt - set up the first vector of MSI, or else of MSI-X
 * @handle: handle
 * @eventfd: signalled by the device's interrupt; the kernel keeps a reference
 * Return: 0; -ENOTTY: it has neither; an errno of VFIO_DEVICE_SET_IRQS. Since: 0.1
 */
int vfiopm_handle_on_interrupt(struct vfiopm_handle *handle, int eventfd);

/* ---- low power -------------------------------------------------------------- */

#define VFIOPM_FEATURE_ENTRY		(1u << 0)
#define VFIOPM_FEATURE_ENTRY_WITH_WAKEUP (1u << 1)
#define VFIOPM_FEATURE_EXIT		(1u << 2)

/**
 * vfiopm_low_power_probe - which low-power features has the driver?
 * @handle: handle
 * @ret: VFIOPM_FEATURE_* or'ed; 0: none, a driver before Linux 6.1
 *
 * Resumes the device for the time of the call, as every ioctl on it.
 * Return: 0; an error of ioctl(2) other than ENOTTY.
 * Since: 0.1
 */
int vfiopm_low_power_probe(struct vfiopm_handle *handle, unsigned int *ret);
/**
 * vfiopm_low_power_enter - allow the device to use its low-power states
 * @handle: handle
 *
 * A permission, not a transition: see vfiopm_power_wait_asleep(). From here to
 * vfiopm_low_power_exit() an access to a BAR mapping is a SIGBUS
 * (include/uapi/linux/vfio.h, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY).
 * Return: 0; -EINVAL: low power is engaged already; -ENOTTY: no such feature.
 * Since: 0.1
 */
int vfiopm_low_power_enter(struct vfiopm_handle *handle);
/**
 * vfiopm_low_power_enter_with_wakeup - the same, until the first wake
 * @handle: handle
 * @eventfd: signalled when the device was woken, which also leaves low power;
 *           call vfiopm_low_power_exit() afterwards all the same, since kernels
 *           that export dma-bufs restore those only there
 * Return: as vfiopm_low_power_enter(); -EINVAL or -EBADF: no eventfd.
 * Since: 0.1
 */
int vfiopm_low_power_enter_with_wakeup(struct vfiopm_handle *handle, int eventfd);
/**
 * vfiopm_low_power_exit - resume the device and keep it from sleeping
 * @handle: handle
 * Return: 0, also when low power wasn't engaged; -ENOTTY; -EIO and others:
 * the device didn't come back.
 * Since: 0.1
 */
int vfiopm_low_power_exit(struct vfiopm_handle *handle);

/* ---- a glance: one device's state, again and again --------------------------- */

struct vfiopm_glance;

/**
 * vfiopm_glance_new - prepare to look at a device often
 * @dev: device
 * @ret: released with vfiopm_glance_free(); it isn't bound to the context
 *
 * Two files stay open, so that a look is one system call. Wakes nothing.
 * Return: 0; -ENODEV; -ENOMEM; an error of open(2).
 * Since: 0.1
 */
int vfiopm_glance_new(const struct vfiopm_device *dev, struct vfiopm_glance **ret);
/** vfiopm_glance_free - release it; NULL is allowed. Since: 0.1 */
void vfiopm_glance_free(struct vfiopm_glance *glance);
/** vfiopm_glance_state - `power_state` now; UNKNOWN too when the device has gone. Since: 0.1 */
enum vfiopm_state vfiopm_glance_state(const struct vfiopm_glance *glance);
/** vfiopm_glance_status - `power/runtime_status` now; as above. Since: 0.1 */
enum vfiopm_status vfiopm_glance_status(const struct vfiopm_glance *glance);

VFIOPM_END_DECLS

#endif /* VFIOPM_HANDLE_H */
