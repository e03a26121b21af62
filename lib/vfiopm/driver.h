/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfiopm: drivers of a device, and what taking it away would hurt. */
#ifndef VFIOPM_DRIVER_H
#define VFIOPM_DRIVER_H

#include "device.h"

VFIOPM_BEGIN_DECLS

/* ---- drivers: bind, unbind, restore --------------------------------------- */

/**
 * vfiopm_driver_is_loaded - does the kernel know PCI driver @name?
 * Return: 1, 0; -EINVAL: that is no name. Since: 0.1
 */
int vfiopm_driver_is_loaded(struct vfiopm_ctx *ctx, const char *name);

struct vfiopm_binding;

/**
 * vfiopm_device_bind - give a device to a driver
 * @dev: device
 * @driver: name of a loaded PCI driver
 * @timeout_ms: milliseconds to wait for the kernel; negative: no limit
 * @former: NULL, or what was before, for vfiopm_binding_restore(); set on
 *          success, released with vfiopm_binding_free()
 *
 * By `driver_override`, which stays set, and `drivers_probe`; verified by the
 * device's driver link. When the driver doesn't take the device, its former
 * driver, override and power/control are restored. A device that somebody has open through
 * VFIO is left alone, since the kernel would wait for them with the device
 * locked. What else would be hurt tells vfiopm_uses_new().
 *
 * The work is done by a process of its own, which ends what was begun even
 * when the caller has stopped waiting. Two calls for one device at the same
 * time are done one after the other.
 *
 * Return: 1 bound; 0 it was bound to @driver already, nothing was written;
 * -EINVAL: no name of a driver; -ENOENT: @driver isn't loaded; -EBUSY: open
 * through VFIO, nothing was written; -ENXIO: the driver didn't take it, all is
 * as before; -ENOTRECOVERABLE: the same, and its former driver didn't take it
 * back; -EAGAIN: another call for this device didn't end in time; -ETIMEDOUT:
 * the kernel hasn't answered, the work goes on; -ENODEV: the device has gone;
 * -EACCES: not permitted; -EROFS: foreign root; another errno of write(2).
 * Since: 0.1
 */
int vfiopm_device_bind(const struct vfiopm_device *dev, const char *driver, int64_t timeout_ms,
		       struct vfiopm_binding **former);
/**
 * vfiopm_device_unbind - give a device back to the host
 * @dev: device
 * @driver: NULL, or a loaded driver that is to have it
 * @timeout_ms: as for vfiopm_device_bind()
 * @former: as for vfiopm_device_bind()
 *
 * Clears `driver_override`. With @driver NULL a device on a VFIO driver, or on
 * none, gets the driver that the kernel chooses, perhaps none; another is left
 * where it is. With @driver all is as for vfiopm_device_bind(), but that the
 * override isn't set in the end.
 * Return: 1 changed; 0 nothing to do; as vfiopm_device_bind().
 * Since: 0.1
 */
int vfiopm_device_unbind(const struct vfiopm_device *dev, const char *driver, int64_t timeout_ms,
			 struct vfiopm_binding **former);
/** vfiopm_binding_get_driver - the driver that it was bound to, NULL: none. Since: 0.1 */
const char *vfiopm_binding_get_driver(const struct vfiopm_binding *binding);
/** vfiopm_binding_get_override - the driver_override, NULL: none. Since: 0.1 */
const char *vfiopm_binding_get_override(const struct vfiopm_binding *binding);
/**
 * vfiopm_binding_restore - undo vfiopm_device_bind() or vfiopm_device_unbind()
 * @binding: what was before
 * @timeout_ms: as for vfiopm_device_bind()
 *
 * Its driver, override and power/control are what they were.
 * Return: as vfiopm_device_bind(). Since: 0.1
 */
int vfiopm_binding_restore(const struct vfiopm_binding *binding, int64_t timeout_ms);
/** vfiopm_binding_free - release it; NULL is allowed. Since: 0.1 */
void vfiopm_binding_free(struct vfiopm_binding *binding);

/**
 * vfiopm_device_wait_node - wait until the VFIO nodes of a device are there
 * @dev: device; one on no VFIO driver has none, which is success
 * @timeout_ms: milliseconds
 *
 * The kernel makes the nodes, udev sets their owner and mode afterwards: this
 * waits for both, but a busy udev isn't a failure.
 * Return: 0; -ETIMEDOUT: a node is missing; -EROFS: foreign root.
 * Since: 0.1
 */
int vfiopm_device_wait_node(const struct vfiopm_device *dev, int64_t timeout_ms);

/* ---- uses: what taking a device away would hurt ----------------------------- */

/** enum vfiopm_use - what a device is used for */
enum vfiopm_use {
	VFIOPM_USE_BRIDGE,		/* it is a bridge: devices sit below it */
	VFIOPM_USE_MOUNT,		/* a mounted filesystem; @what: the mount point */
	VFIOPM_USE_SWAP,		/* swap; @what: the swap file as the kernel names it */
	VFIOPM_USE_HOLDER,		/* RAID, dm-crypt, Open vSwitch ...; @what: the holder */
	VFIOPM_USE_CLAIMED,		/* a disk that a program or the kernel has claimed */
	VFIOPM_USE_DEFAULT_ROUTE,	/* @what: the interface that the route names */
	VFIOPM_USE_SESSION,		/* the caller's SSH session; @what: its local address */
	VFIOPM_USE_UPPER,		/* below a bond, bridge ... that is up; @what: it */
	VFIOPM_USE_BOOT_DISPLAY,	/* the firmware's display (`boot_vga`) */
	VFIOPM_USE_CONSOLE,		/* the console is on it; @what: the framebuffer */
	VFIOPM_USE_MONITOR,		/* shows a picture; @what: the connector */
	VFIOPM_USE_VF,			/* a PF whose VF has a driver of the host; @what: the VF */
	VFIOPM_USE_VF_OPEN,		/* a PF whose VF is open through VFIO; @what: the VF */
	VFIOPM_USE_MDEV,		/* parent of a mediated device; @what: its UUID */
	VFIOPM_USE_MDEV_OPEN,		/* the same, and that is open through VFIO */
	VFIOPM_USE_UNTOLD,		/* a disk whose uses can't be told; @what: why */
};

struct vfiopm_uses;

/**
 * vfiopm_uses_new - what a device is used for by the host
 * @dev: device
 * @session: NULL, or the local address of a connection that must survive
 * @ret: the result, released with vfiopm_uses_free()
 *
 * From the device to its disks, their partitions and all that is made of them,
 * to mounts and swap; from its network interfaces to what is on top of them, to
 * the routes; its displays; its VFs and mediated devices. Disks in which nothing
 * is found are opened exclusively for a moment, which the kernel refuses when
 * anything holds them, and so are the VFIO nodes of VFs and mediated devices;
 * that needs the nodes in /dev, and permission on them: a disk of which nothing could
 * be told is a use of its own kind. Below a foreign root the tables of mounts and swap
 * are all there is, and nothing is opened.
 * Interfaces in other network namespaces aren't seen.
 * Return: 0, also when there is none; -ENODEV; -ENOMEM; an error of open(2).
 * Since: 0.1
 */
int vfiopm_uses_new(const struct vfiopm_device *dev, const char *session,
		    struct vfiopm_uses **ret);
/** vfiopm_uses_free - release the result. Since: 0.1 */
void vfiopm_uses_free(struct vfiopm_uses *uses);
/** vfiopm_uses_count - number of uses. Since: 0.1 */
size_t vfiopm_uses_count(const struct vfiopm_uses *uses);
/** vfiopm_uses_get_kind - kind of use @i. Since: 0.1 */
enum vfiopm_use vfiopm_uses_get_kind(const struct vfiopm_uses *uses, size_t i);
/**
 * vfiopm_uses_get_what - its object, see enum vfiopm_use; "" where there is none.
 * Since: 0.1
 */
const char *vfiopm_uses_get_what(const struct vfiopm_uses *uses, size_t i);
/**
 * vfiopm_uses_get_path - how one gets there: "nvme0n1 > nvme0n1p2 > vg-data".
 * Since: 0.1
 */
const char *vfiopm_uses_get_path(const struct vfiopm_uses *uses, size_t i);

/**
 * vfiopm_session_address - the local address of the caller's SSH session
 * @ctx: context
 * @ret: address, to be freed by the caller
 *
 * From SSH_CONNECTION in the environment of the caller, or of the nearest
 * ancestor that has it: sudo drops it.
 * Return: 0; -ENOENT: there is none; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_session_address(struct vfiopm_ctx *ctx, char **ret);

VFIOPM_END_DECLS

#endif /* VFIOPM_DRIVER_H */
