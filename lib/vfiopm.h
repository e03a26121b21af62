/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvfiopm: power management of PCI devices behind VFIO.
 *
 * Conventions of every function here:
 *  - a result of type int is 0 (or a count) on success and a negative errno on
 *    failure; results travel through `ret` pointers, which stay untouched on
 *    failure;
 *  - objects are reference counted or owned by the caller as their
 *    constructor says; every `_unref`/`_free` takes NULL and returns nothing;
 *  - strings returned by `_get_` functions belong to the object;
 *  - a function that reads sysfs reads only files that neither resume the
 *    device nor its upstream port (see vfiopm_power_new());
 *  - nothing is printed, nothing exits; see vfiopm_ctx_set_log_fn();
 *  - an object may be used by one thread at a time; different contexts are
 *    independent of each other.
 */
#ifndef VFIOPM_H
#define VFIOPM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* ---- context: root directory and log ---------------------------------- */

struct vfiopm_ctx;

/**
 * typedef vfiopm_log_fn - receives a log line of the library
 * @data: what vfiopm_ctx_set_log_fn() was given
 * @priority: a syslog(3) level, LOG_ERR to LOG_DEBUG
 * @fmt: printf format without a newline
 * @args: its arguments
 */
typedef void (*vfiopm_log_fn)(void *data, int priority, const char *fmt, va_list args);

/**
 * vfiopm_ctx_new - make a context
 * @root: directory that stands for "/", or NULL for the running system
 * @ret: the context, to be released with vfiopm_ctx_unref()
 *
 * Below a foreign root the tree is treated as hostile: links are resolved
 * inside it (openat2(2), RESOLVE_IN_ROOT), only regular files are opened, and
 * sizes are capped. Functions that open devices, write or signal return
 * -EROFS for such a context.
 *
 * Return: 0; -ENOENT or another error of open(2) for @root; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_ctx_new(const char *root, struct vfiopm_ctx **ret);
/** vfiopm_ctx_ref - take a reference. Return: @ctx. Since: 0.1 */
struct vfiopm_ctx *vfiopm_ctx_ref(struct vfiopm_ctx *ctx);
/** vfiopm_ctx_unref - drop a reference, NULL is allowed. Since: 0.1 */
void vfiopm_ctx_unref(struct vfiopm_ctx *ctx);
/** vfiopm_ctx_is_foreign - is the root another than "/"? Since: 0.1 */
bool vfiopm_ctx_is_foreign(const struct vfiopm_ctx *ctx);
/**
 * vfiopm_ctx_set_log_fn - hand log lines to the caller
 * @ctx: context
 * @fn: called for each line; NULL, the default, drops them
 * @data: handed to @fn
 * @max_priority: the highest syslog level that is handed on
 * Since: 0.1
 */
void vfiopm_ctx_set_log_fn(struct vfiopm_ctx *ctx, vfiopm_log_fn fn, void *data,
			   int max_priority);

/* ---- PCI addresses ------------------------------------------------------ */

/**
 * struct vfiopm_addr - a PCI address
 * @domain: up to 32 bits wide (virtual domains, e.g. VMD, exceed 0xffff)
 * @bus: bus number
 * @device: 0 to 31
 * @function: 0 to 7
 */
struct vfiopm_addr {
	uint32_t domain;
	uint8_t bus;
	uint8_t device;
	uint8_t function;
};

/* Enough for "ffffffff:ff:1f.7" and its terminating zero. */
#define VFIOPM_ADDR_LEN 17

/**
 * vfiopm_addr_parse - parse "[DDDD:]BB:DD.F", hexadecimal
 * @text: the whole string is consumed; 4 to 8 digits of domain, 2 of bus and
 *        device, 1 of function
 * @ret: the address; domain 0 when @text names none
 * Return: 0; -EINVAL.
 * Since: 0.1
 */
int vfiopm_addr_parse(const char *text, struct vfiopm_addr *ret);
/**
 * vfiopm_addr_format - write the kernel's form "DDDD:BB:DD.F"
 * @addr: address
 * @buf: room for VFIOPM_ADDR_LEN characters
 * Return: @buf. Since: 0.1
 */
char *vfiopm_addr_format(const struct vfiopm_addr *addr, char *buf);
/** vfiopm_addr_cmp - order two addresses, as strcmp(3). Since: 0.1 */
int vfiopm_addr_cmp(const struct vfiopm_addr *a, const struct vfiopm_addr *b);

/* ---- devices: identity, as a snapshot ----------------------------------- */

struct vfiopm_device;

/**
 * vfiopm_device_new - look at one PCI device
 * @ctx: context; the device keeps a reference
 * @addr: its address
 * @ret: a snapshot, released with vfiopm_device_unref()
 * Return: 0; -ENODEV when there is no such device; -ENOMEM; an error of open(2).
 * Since: 0.1
 */
int vfiopm_device_new(struct vfiopm_ctx *ctx, const struct vfiopm_addr *addr,
		      struct vfiopm_device **ret);
/** vfiopm_device_refresh - a new snapshot of the same device, as vfiopm_device_new(). Since: 0.1 */
int vfiopm_device_refresh(const struct vfiopm_device *dev, struct vfiopm_device **ret);
/** vfiopm_device_ref - take a reference. Since: 0.1 */
struct vfiopm_device *vfiopm_device_ref(struct vfiopm_device *dev);
/** vfiopm_device_unref - drop a reference, NULL is allowed. Since: 0.1 */
void vfiopm_device_unref(struct vfiopm_device *dev);

/** vfiopm_device_get_ctx - the context, no reference taken. Since: 0.1 */
struct vfiopm_ctx *vfiopm_device_get_ctx(const struct vfiopm_device *dev);
/** vfiopm_device_get_addr - its address. Since: 0.1 */
const struct vfiopm_addr *vfiopm_device_get_addr(const struct vfiopm_device *dev);
/** vfiopm_device_get_name - its address as the kernel writes it. Since: 0.1 */
const char *vfiopm_device_get_name(const struct vfiopm_device *dev);
/** vfiopm_device_get_syspath - "/sys/devices/pci…", as seen from inside the root. Since: 0.1 */
const char *vfiopm_device_get_syspath(const struct vfiopm_device *dev);
/** vfiopm_device_get_vendor - vendor ID, or 0xffff when not readable. Since: 0.1 */
unsigned int vfiopm_device_get_vendor(const struct vfiopm_device *dev);
/** vfiopm_device_get_device - device ID, or 0xffff. Since: 0.1 */
unsigned int vfiopm_device_get_device(const struct vfiopm_device *dev);
/** vfiopm_device_get_subvendor - subsystem vendor ID, or 0xffff. Since: 0.1 */
unsigned int vfiopm_device_get_subvendor(const struct vfiopm_device *dev);
/** vfiopm_device_get_subdevice - subsystem ID, or 0xffff. Since: 0.1 */
unsigned int vfiopm_device_get_subdevice(const struct vfiopm_device *dev);
/** vfiopm_device_get_class - 24-bit class code, or 0xffffff. Since: 0.1 */
unsigned int vfiopm_device_get_class(const struct vfiopm_device *dev);
/** vfiopm_device_is_bridge - class 06xx, and not on a VFIO driver. Since: 0.1 */
bool vfiopm_device_is_bridge(const struct vfiopm_device *dev);
/** vfiopm_device_get_driver - name of the driver it is bound to, NULL: none. Since: 0.1 */
const char *vfiopm_device_get_driver(const struct vfiopm_device *dev);
/**
 * vfiopm_device_read_override - read `driver_override`
 * @dev: device
 * @ret: the name of a driver, to be freed by the caller; NULL: none is set
 *
 * Not part of the snapshot: the kernel takes the device lock to show it
 * (drivers/pci/pci-sysfs.c, driver_override_show()), so that this blocks for
 * as long as a probe or an unbind of the device does.
 * Return: 0; -ENODEV when the device has gone; -ENOMEM; an error of open(2).
 * Since: 0.1
 */
int vfiopm_device_read_override(const struct vfiopm_device *dev, char **ret);
/**
 * vfiopm_device_is_vfio - is it bound to a VFIO driver?
 *
 * Told by its `vfio-dev/` directory (kernel 6.1 and later,
 * drivers/vfio/vfio_main.c), so variant drivers count without a list of names.
 * Since: 0.1
 */
bool vfiopm_device_is_vfio(const struct vfiopm_device *dev);
/** vfiopm_device_get_group - number of its IOMMU group, -1: none. Since: 0.1 */
int vfiopm_device_get_group(const struct vfiopm_device *dev);
/** vfiopm_device_is_noiommu - is its group one of VFIO's no-IOMMU groups? Since: 0.1 */
bool vfiopm_device_is_noiommu(const struct vfiopm_device *dev);
/**
 * vfiopm_device_get_group_node - "/dev/vfio/N" or "/dev/vfio/noiommu-N"
 *
 * NULL when the device is on no VFIO driver or in no group. The node is named
 * whether or not udev has made it yet.
 * Since: 0.1
 */
const char *vfiopm_device_get_group_node(const struct vfiopm_device *dev);
/**
 * vfiopm_device_get_cdev_node - "/dev/vfio/devices/vfioN"
 *
 * NULL when the kernel has no VFIO device cdev (CONFIG_VFIO_DEVICE_CDEV: the
 * `dev` attribute in vfio-dev/vfioN is missing) or the driver is no VFIO one.
 * Since: 0.1
 */
const char *vfiopm_device_get_cdev_node(const struct vfiopm_device *dev);
/** vfiopm_device_get_numvfs - enabled virtual functions; -1: not an SR-IOV PF. Since: 0.1 */
int vfiopm_device_get_numvfs(const struct vfiopm_device *dev);
/** vfiopm_device_get_physfn - address of the PF of a VF, NULL: not a VF. Since: 0.1 */
const char *vfiopm_device_get_physfn(const struct vfiopm_device *dev);

/* ---- lists of devices ---------------------------------------------------- */

struct vfiopm_list;

/** vfiopm_list_free - release a list and its references. Since: 0.1 */
void vfiopm_list_free(struct vfiopm_list *list);
/** vfiopm_list_count - number of devices. Since: 0.1 */
size_t vfiopm_list_count(const struct vfiopm_list *list);
/** vfiopm_list_get - device @i, no reference taken; NULL past the end. Since: 0.1 */
struct vfiopm_device *vfiopm_list_get(const struct vfiopm_list *list, size_t i);

#define vfiopm_list_foreach(list, i, dev) \
	for ((i) = 0; ((dev) = vfiopm_list_get((list), (i))); (i)++)

/**
 * vfiopm_list_new - all PCI devices, ordered by address
 * @ctx: context
 * @vfio_only: leave out what is on no VFIO driver
 * @ret: the list, released with vfiopm_list_free()
 *
 * A device that vanishes meanwhile is left out.
 * Return: 0 (an empty list too); -ENOMEM; an error of open(2).
 * Since: 0.1
 */
int vfiopm_list_new(struct vfiopm_ctx *ctx, bool vfio_only, struct vfiopm_list **ret);
/**
 * vfiopm_list_new_from_spec - the devices that a user named
 * @ctx: context
 * @spec: "[DDDD:]BB:DD.F", a sysfs path of a PCI device, "VENDOR:DEVICE" in
 *        hexadecimal (all that match), or "group:N" (all endpoints of it)
 * @ret: at least one device
 * Return: 0; -EINVAL: @spec is malformed; -ENODEV: nothing matches; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_list_new_from_spec(struct vfiopm_ctx *ctx, const char *spec, struct vfiopm_list **ret);
/** vfiopm_list_new_group - all members of IOMMU group @group, bridges too; -ENODEV. Since: 0.1 */
int vfiopm_list_new_group(struct vfiopm_ctx *ctx, int group, struct vfiopm_list **ret);
/** vfiopm_list_new_siblings - the other functions of @dev's slot. Since: 0.1 */
int vfiopm_list_new_siblings(const struct vfiopm_device *dev, struct vfiopm_list **ret);
/**
 * vfiopm_list_new_upstream - the bridges above @dev, nearest first, up to the root port.
 * Since: 0.1
 */
int vfiopm_list_new_upstream(const struct vfiopm_device *dev, struct vfiopm_list **ret);
/** vfiopm_list_new_children - the devices directly below bridge @dev. Since: 0.1 */
int vfiopm_list_new_children(const struct vfiopm_device *dev, struct vfiopm_list **ret);

/**
 * vfiopm_group_viable - may the group of @dev be opened?
 * @dev: device
 * @ret: NULL, or set to the first member in the way (a reference for the
 *       caller), NULL when there is none
 *
 * A group is viable when each member has a VFIO driver, none, pcieport or
 * pci-stub (drivers/vfio/group.c, iommu_group_claim_dma_owner() with
 * driver_managed_dma).
 * Return: 1 viable, 0 not viable; -ENODEV: in no group; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_group_viable(const struct vfiopm_device *dev, struct vfiopm_device **ret);
/**
 * vfiopm_group_is_open - has anybody the group of @dev, or a device of it, open?
 * @dev: device
 *
 * A device on a VFIO driver that is enabled is open, unless the driver before
 * left it enabled. So where one is, the group's node is opened, and closed at
 * once: that the kernel refuses while anybody has the group or one of its
 * devices open (drivers/vfio/group.c, vfio_group_fops_open()). Nothing is
 * opened otherwise.
 * Return: true: somebody has, or it couldn't be tried (no permission, no node,
 * a foreign root). Since: 0.1
 */
bool vfiopm_group_is_open(const struct vfiopm_device *dev);

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
 * that needs permission on the nodes and isn't done below a foreign root.
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

/* ---- power: what sysfs shows, as a snapshot ------------------------------ */

/** enum vfiopm_state - PCI power states, the deeper the larger */
enum vfiopm_state {
	VFIOPM_STATE_UNKNOWN = 0,	/* not readable, "unknown" or "error" */
	VFIOPM_STATE_D0,
	VFIOPM_STATE_D1,
	VFIOPM_STATE_D2,
	VFIOPM_STATE_D3HOT,
	VFIOPM_STATE_D3COLD,
};

/** enum vfiopm_status - runtime PM status (Documentation/power/runtime_pm.rst) */
enum vfiopm_status {
	VFIOPM_STATUS_UNKNOWN = 0,	/* not readable */
	VFIOPM_STATUS_ACTIVE,
	VFIOPM_STATUS_SUSPENDED,
	VFIOPM_STATUS_SUSPENDING,
	VFIOPM_STATUS_RESUMING,
	VFIOPM_STATUS_ERROR,
	VFIOPM_STATUS_UNSUPPORTED,
};

/** vfiopm_state_name - "D3cold", …, "unknown". Since: 0.1 */
const char *vfiopm_state_name(enum vfiopm_state state);
/** vfiopm_state_parse - the reverse, case ignored. Return: 0; -EINVAL. Since: 0.1 */
int vfiopm_state_parse(const char *text, enum vfiopm_state *ret);
/** vfiopm_status_name - "active", "suspended", …, "unknown". Since: 0.1 */
const char *vfiopm_status_name(enum vfiopm_status status);

struct vfiopm_power;

/**
 * vfiopm_power_new - read the power side of a device
 * @dev: device
 * @ret: snapshot, released with vfiopm_power_free()
 *
 * Reads none of the files that resume the device or its port (`config`,
 * `current_link_speed`, `current_link_width`, `max_link_*`, `vpd`:
 * drivers/pci/pci-sysfs.c). A file that is missing or not readable leaves its
 * value unmeasured.
 * Return: 0; -ENODEV when the device has gone; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_power_new(const struct vfiopm_device *dev, struct vfiopm_power **ret);
/* What vfiopm_power_new_parts() reads, by the getters that need it. */
#define VFIOPM_POWER_STATE	(1u << 0)	/* state, status, is_asleep */
#define VFIOPM_POWER_TIMES	(1u << 1)	/* active_time, suspended_time */
#define VFIOPM_POWER_CONTROL	(1u << 2)	/* control */
#define VFIOPM_POWER_D3COLD	(1u << 3)	/* d3cold_allowed */
#define VFIOPM_POWER_ENABLE	(1u << 4)	/* enable */
#define VFIOPM_POWER_RUNTIME	(1u << 5)	/* usage, active_kids, enabled, autosuspend */
#define VFIOPM_POWER_WAKEUP	(1u << 6)	/* wakeup */
#define VFIOPM_POWER_RESET	(1u << 7)	/* reset_method */
#define VFIOPM_POWER_ACPI	(1u << 8)	/* acpi_*, d3cold_resources, resource */
#define VFIOPM_POWER_ALL	(~0u)
/**
 * vfiopm_power_new_parts - as vfiopm_power_new(), only parts of it
 * @dev: device
 * @parts: VFIOPM_POWER_* or'ed; what isn't asked for stays unmeasured
 * @ret: snapshot, released with vfiopm_power_free()
 *
 * For who looks at thousands of devices.
 * Return: as vfiopm_power_new().
 * Since: 0.1
 */
int vfiopm_power_new_parts(const struct vfiopm_device *dev, unsigned int parts,
			   struct vfiopm_power **ret);
/** vfiopm_power_free - release a snapshot. Since: 0.1 */
void vfiopm_power_free(struct vfiopm_power *power);

/** vfiopm_power_get_state - PCI power state (`power_state`). Since: 0.1 */
enum vfiopm_state vfiopm_power_get_state(const struct vfiopm_power *power);
/** vfiopm_power_get_status - `power/runtime_status`. Since: 0.1 */
enum vfiopm_status vfiopm_power_get_status(const struct vfiopm_power *power);
/** vfiopm_power_is_asleep - runtime status suspended *and* D3hot or D3cold. Since: 0.1 */
bool vfiopm_power_is_asleep(const struct vfiopm_power *power);
/** vfiopm_power_get_control - "auto" or "on", NULL: not measured. Since: 0.1 */
const char *vfiopm_power_get_control(const struct vfiopm_power *power);
/**
 * vfiopm_power_get_runtime_enabled - "enabled", "disabled", "forbidden", "disabled &
 *        forbidden", NULL.
 * Since: 0.1
 */
const char *vfiopm_power_get_runtime_enabled(const struct vfiopm_power *power);
/** vfiopm_power_get_wakeup - "enabled", "disabled"; NULL: the device can't wake. Since: 0.1 */
const char *vfiopm_power_get_wakeup(const struct vfiopm_power *power);
/** vfiopm_power_get_reset_method - as `reset_method`, NULL: not measured. Since: 0.1 */
const char *vfiopm_power_get_reset_method(const struct vfiopm_power *power);
/** vfiopm_power_get_active_time - milliseconds active; -ENODATA: not measured. Since: 0.1 */
int vfiopm_power_get_active_time(const struct vfiopm_power *power, int64_t *ret);
/** vfiopm_power_get_suspended_time - milliseconds suspended; -ENODATA. Since: 0.1 */
int vfiopm_power_get_suspended_time(const struct vfiopm_power *power, int64_t *ret);
/** vfiopm_power_get_usage - runtime PM usage count; -ENODATA. Since: 0.1 */
int vfiopm_power_get_usage(const struct vfiopm_power *power, int64_t *ret);
/** vfiopm_power_get_active_kids - active children; -ENODATA. Since: 0.1 */
int vfiopm_power_get_active_kids(const struct vfiopm_power *power, int64_t *ret);
/**
 * vfiopm_power_get_autosuspend_delay - milliseconds, negative: never; -ENODATA: not in use.
 * Since: 0.1
 */
int vfiopm_power_get_autosuspend_delay(const struct vfiopm_power *power, int64_t *ret);
/** vfiopm_power_get_d3cold_allowed - 0 or 1; -ENODATA. Since: 0.1 */
int vfiopm_power_get_d3cold_allowed(const struct vfiopm_power *power, int64_t *ret);
/**
 * vfiopm_power_get_enable - enable count: for vfio-pci, 1 or more while open; -ENODATA.
 * Since: 0.1
 */
int vfiopm_power_get_enable(const struct vfiopm_power *power, int64_t *ret);
/**
 * vfiopm_device_is_enabled - is the enable count above 0, as for as long as a VFIO driver has it
 * open (vfio_pci_core_enable())? Reads it now. Since: 0.1
 */
bool vfiopm_device_is_enabled(const struct vfiopm_device *dev);
/** vfiopm_power_get_acpi_state - the ACPI node's `power_state`, NULL: none. Since: 0.1 */
const char *vfiopm_power_get_acpi_state(const struct vfiopm_power *power);
/** vfiopm_power_get_acpi_real_state - the node's `real_power_state`, NULL: none. Since: 0.1 */
const char *vfiopm_power_get_acpi_real_state(const struct vfiopm_power *power);
/**
 * vfiopm_power_get_acpi_path - the node's full name, e.g. "\_SB_.PCI0.S28_", NULL: no node.
 * Since: 0.1
 */
const char *vfiopm_power_get_acpi_path(const struct vfiopm_power *power);
/**
 * vfiopm_power_has_d3cold_resources - can the platform cut this node's power?
 *
 * True when the ACPI node has power resources for D3hot (`_PR3`):
 * `firmware_node/power_resources_D3hot/` (drivers/acpi/power.c).
 * Since: 0.1
 */
bool vfiopm_power_has_d3cold_resources(const struct vfiopm_power *power);
/**
 * vfiopm_power_get_resource - name of power resource @i of the node for D3hot
 * Return: e.g. "LNXPOWER:00", NULL past the end. Since: 0.1
 */
const char *vfiopm_power_get_resource(const struct vfiopm_power *power, size_t i);

/**
 * vfiopm_power_upstream_settled - has every upstream port come to rest?
 *
 * False while one may still go to sleep by itself, and take @dev from D3hot to
 * D3cold: a snapshot that is to be final is taken after this was true. For
 * callers that wait in steps of their own; vfiopm_power_wait_asleep() looks by
 * itself.
 * Since: 0.1
 */
bool vfiopm_power_upstream_settled(const struct vfiopm_device *dev);
/**
 * vfiopm_power_wait_asleep - wait until a device sleeps and its ports have settled
 * @dev: device
 * @want: at least this deep; VFIOPM_STATE_D3HOT for "asleep"
 * @timeout_ms: milliseconds; negative: no limit
 * @ret: NULL, or the last snapshot, also with -ETIMEDOUT and -EOPNOTSUPP
 *
 * Reads sysfs only. A port suspends 100 ms after its last child
 * (drivers/pci/pcie/portdrv.c), which may turn D3hot into D3cold: the state is
 * read again until no upstream port is still on its way, for up to one second.
 * Return: 0; -ETIMEDOUT; -EOPNOTSUPP: suspended, but still in D0, which means
 * no PM capability; -ENODEV; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_power_wait_asleep(const struct vfiopm_device *dev, enum vfiopm_state want,
			     int64_t timeout_ms, struct vfiopm_power **ret);
/** vfiopm_power_wait_active - wait until runtime status is active; as above. Since: 0.1 */
int vfiopm_power_wait_active(const struct vfiopm_device *dev, int64_t timeout_ms,
			     struct vfiopm_power **ret);

/* ---- health: did a device come back? -------------------------------------- */

/**
 * vfiopm_device_read_config - read the raw configuration space
 * @dev: device
 * @buf: for up to @size bytes
 * @size: bytes; 4096 is all there can be
 *
 * The one function here that resumes the device, and its port, by looking. May
 * block for as long as a resume takes. All ones: the device doesn't answer.
 * Return: the bytes read, 64 unless privileged (CAP_SYS_ADMIN); -ENODEV;
 * -EROFS: foreign root; an error of open(2) or read(2).
 * Since: 0.1
 */
ssize_t vfiopm_device_read_config(const struct vfiopm_device *dev, void *buf, size_t size);
/**
 * vfiopm_device_get_errors - PCI Express errors (AER) counted so far, of all kinds
 *
 * Wakes nothing.
 * Return: 0; -ENODATA: the kernel counts none for it; -ENODEV. Since: 0.1
 */
int vfiopm_device_get_errors(const struct vfiopm_device *dev, uint64_t *ret);

struct vfiopm_klog;

/**
 * vfiopm_klog_new - read the kernel's log from now on
 * Return: 0; -EPERM: not permitted (kernel.dmesg_restrict); -EROFS: foreign
 * root; -ENOMEM; an error of open(2). Since: 0.1
 */
int vfiopm_klog_new(struct vfiopm_ctx *ctx, struct vfiopm_klog **ret);
/** vfiopm_klog_free - release it; NULL is allowed. Since: 0.1 */
void vfiopm_klog_free(struct vfiopm_klog *klog);
/**
 * vfiopm_klog_next - take the next message; doesn't block
 * @klog: log
 * @buf: its text, terminated
 * @size: room in @buf
 * Return: 1 with a message, 0 when there is none; an error of read(2). Since: 0.1
 */
int vfiopm_klog_next(struct vfiopm_klog *klog, char *buf, size_t size);

/* ---- events: devices that come, go and change their driver -------------- */

/** enum vfiopm_event - what happened to a PCI device, as uevents name it */
enum vfiopm_event {
	VFIOPM_EVENT_ADD,
	VFIOPM_EVENT_REMOVE,
	VFIOPM_EVENT_BIND,	/* a driver took it */
	VFIOPM_EVENT_UNBIND,
	VFIOPM_EVENT_CHANGE,
};

/** vfiopm_event_name - "add", "remove", "bind", "unbind", "change". Since: 0.1 */
const char *vfiopm_event_name(enum vfiopm_event event);

struct vfiopm_events;

/**
 * vfiopm_events_new - listen for what happens to PCI devices
 * @ctx: context
 * @ret: listener, released with vfiopm_events_free()
 *
 * Hears the kernel's own uevents from now on; needs no privilege and no udevd.
 * What udevd does on them (device nodes, rules) may still be to come.
 * Return: 0; -EROFS: foreign root; -ENOMEM; an error of socket(2) or bind(2).
 * Since: 0.1
 */
int vfiopm_events_new(struct vfiopm_ctx *ctx, struct vfiopm_events **ret);
/** vfiopm_events_free - stop listening; NULL is allowed. Since: 0.1 */
void vfiopm_events_free(struct vfiopm_events *events);
/** vfiopm_events_get_fd - readable when vfiopm_events_next() has something. Since: 0.1 */
int vfiopm_events_get_fd(const struct vfiopm_events *events);
/**
 * vfiopm_events_next - take the next event; doesn't block
 * @events: listener
 * @event: what happened
 * @addr: to which device
 * Return: 1 with an event, 0 when there is none; -ENOBUFS: some were lost,
 * look at everything anew.
 * Since: 0.1
 */
int vfiopm_events_next(struct vfiopm_events *events, enum vfiopm_event *event,
		       struct vfiopm_addr *addr);

/* ---- host policy: what may happen to a device --------------------------- */

/**
 * vfiopm_policy_set_control - write `power/control`
 * @dev: device
 * @on: true: "on", keep it awake; false: "auto"
 *
 * "on" wakes a sleeping device.
 * Return: 0; -EROFS: foreign root; -ENODEV; -EACCES and others of write(2).
 * Since: 0.1
 */
int vfiopm_policy_set_control(const struct vfiopm_device *dev, bool on);
/**
 * vfiopm_policy_set_d3cold - write `d3cold_allowed`
 * @dev: device
 * @allow: may its power be cut?
 *
 * The write itself resumes the device (drivers/pci/pci-sysfs.c,
 * d3cold_allowed_store()), which ends a low power entered with wakeup.
 * Return: as vfiopm_policy_set_control(); -ENOENT: no such attribute.
 * Since: 0.1
 */
int vfiopm_policy_set_d3cold(const struct vfiopm_device *dev, bool allow);

/* File of all persisted policies, as seen from inside the root. */
#define VFIOPM_POLICY_FILE "/etc/udev/rules.d/90-vfio-pm.rules"

/**
 * vfiopm_policy_persist - have a policy applied whenever the device gets a driver
 * @dev: device
 * @control_on: 1: "on", 0: "auto", -1: as persisted before, if it was
 * @d3cold_allowed: 1, 0, or -1: as persisted before, if it was
 *
 * Writes a udev rule for ACTION=="bind": registering with VFIO allows runtime
 * PM, so what a rule for "add" wrote is lost (drivers/vfio/pci/vfio_pci_core.c,
 * vfio_pci_core_register_device()). Addresses shift when hardware is added, so
 * the rule matches the address and vendor:device. The file is replaced as a
 * whole, lines that aren't about @dev are kept.
 * Return: 0; -EROFS: foreign root; -EINVAL: nothing to persist; -EFBIG: the
 * file is larger than 1 MiB; -ENOMEM; an error of open(2) or rename(2).
 * Since: 0.1
 */
int vfiopm_policy_persist(const struct vfiopm_device *dev, int control_on, int d3cold_allowed);
/**
 * vfiopm_policy_forget - take the rule of vfiopm_policy_persist() away
 *
 * Those of devices that were at its address before go with it.
 * Return: 1 done, 0 there was none; else as vfiopm_policy_persist(). Since: 0.1
 */
int vfiopm_policy_forget(const struct vfiopm_device *dev);
/**
 * vfiopm_policy_forget_address - take all rules for an address away
 * @ctx: context
 * @addr: where a device is, or was
 * @dry_run: only count them
 * Return: how many there were; else as vfiopm_policy_persist(). Since: 0.1
 */
int vfiopm_policy_forget_address(struct vfiopm_ctx *ctx, const struct vfiopm_addr *addr,
				 bool dry_run);
/**
 * vfiopm_policy_get_persisted - what is persisted for a device
 * @dev: device
 * @control_on: 1, 0, or -1: nothing
 * @d3cold_allowed: 1, 0, or -1: nothing
 * Return: 1 when there is a rule, 0 when there is none; -ENOMEM. Since: 0.1
 */
int vfiopm_policy_get_persisted(const struct vfiopm_device *dev, int *control_on,
				int *d3cold_allowed);

#define VFIOPM_DRIFT_CONTROL	(1u << 0)
#define VFIOPM_DRIFT_D3COLD	(1u << 1)

/**
 * vfiopm_policy_get_drift - in what does a device differ from its persisted policy?
 * @dev: device
 * @power: its snapshot
 * Return: VFIOPM_DRIFT_* or'ed, 0: in nothing, or nothing is persisted. Since: 0.1
 */
unsigned int vfiopm_policy_get_drift(const struct vfiopm_device *dev,
				     const struct vfiopm_power *power);

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

/* ---- borrowing: the device that another process has open ---------------------- */

/** enum vfiopm_refusal - why a device of another process was left alone */
enum vfiopm_refusal {
	VFIOPM_REFUSED_NOT = 0,
	VFIOPM_REFUSED_NO_OWNER,	/* nobody has it open */
	VFIOPM_REFUSED_OWNER_HIDDEN,	/* open, but by whom can't be seen from here */
	VFIOPM_REFUSED_DENIED,		/* the caller may not reach the owner (CAP_SYS_PTRACE) */
	VFIOPM_REFUSED_SHARED,		/* several processes have it open */
	VFIOPM_REFUSED_NOT_OPENED,	/* the owner has its group open, but not the device */
	VFIOPM_REFUSED_UNCLEAR,		/* device files and open devices don't match */
	VFIOPM_REFUSED_CHANGED,		/* the owner opens, closes or ends just now */
	VFIOPM_REFUSED_UNSUPPORTED,	/* the kernel lacks pidfd_getfd, kcmp or low power */
	VFIOPM_REFUSED_NOT_ACTIVE,	/* asleep already, or in between */
	VFIOPM_REFUSED_IN_USE,		/* the owner has it in D0 */
	VFIOPM_REFUSED_NO_PM,		/* it has no PM capability */
	VFIOPM_REFUSED_STATE_LOSS,	/* it promises to keep its state (No_Soft_Reset) */
	VFIOPM_REFUSED_PME,		/* armed to wake by PME, which would be lost */
	VFIOPM_REFUSED_ENGAGED,		/* the owner has entered low power by itself */
	VFIOPM_REFUSED_STOPPED,		/* somebody else has stopped the owner */
	VFIOPM_REFUSED_NOT_FROZEN,	/* the owner could not be stopped in time */
	VFIOPM_REFUSED_NOT_SUSPENDED,	/* the device didn't suspend in time; low power was left */
	VFIOPM_REFUSED_THAWED,		/* the owner was let run by somebody else, or too late */
	VFIOPM_REFUSED_FOREGROUND,	/* the owner is the foreground job of a terminal */
};

/** vfiopm_refusal_name - "no-owner", "in-use", …, as in the output of tools. Since: 0.1 */
const char *vfiopm_refusal_name(enum vfiopm_refusal refusal);

struct vfiopm_borrow;

/**
 * vfiopm_borrow_new - get a second descriptor of a device that another process has open
 * @dev: device
 * @ret: released with vfiopm_borrow_free(), soon: as long as it is there, the
 *       owner's close, its end and an unbind don't reach the device
 * @why: NULL, or set with -ECANCELED
 *
 * By pidfd_getfd(2), without the owner's help. All device files of the owner
 * are held meanwhile, and what is open must be clear without a doubt, so that
 * the device is never opened as the first: that would reset it. A process that
 * has only a mapping left that it inherited isn't noticed.
 *
 * Needs CAP_SYS_PTRACE, or the owner's user where ptrace is allowed to it.
 * Return: 0; -ECANCELED: refused, see @why; -EMEDIUMTYPE: on no VFIO driver;
 * -EINVAL: the owner is the caller itself; -EROFS: foreign root; -ENODEV;
 * -ENOMEM; another errno of the system calls.
 * Since: 0.1
 */
int vfiopm_borrow_new(struct vfiopm_device *dev, struct vfiopm_borrow **ret,
		      enum vfiopm_refusal *why);
/**
 * vfiopm_borrow_drop - let go of the device, but remember where it was found
 *
 * Nothing of the owner's is held any more; its pidfd stays open. Only
 * vfiopm_borrow_again(), vfiopm_borrow_free() and the getters of the process
 * may follow.
 * Since: 0.1
 */
void vfiopm_borrow_drop(struct vfiopm_borrow *borrow);
/**
 * vfiopm_borrow_again - take it again, from the same owner
 * @borrow: dropped; one that wasn't is left as it is
 * @why: NULL, or set with -ECANCELED
 *
 * Costs some dozens of system calls, and no look at other processes.
 * Return: as vfiopm_borrow_new(); refused as changed when anything is not as
 * it was: free it and borrow anew.
 * Since: 0.1
 */
int vfiopm_borrow_again(struct vfiopm_borrow *borrow, enum vfiopm_refusal *why);
/** vfiopm_borrow_free - close all of it; NULL is allowed. Since: 0.1 */
void vfiopm_borrow_free(struct vfiopm_borrow *borrow);
/** vfiopm_borrow_get_handle - the device, as long as @borrow is there. Since: 0.1 */
struct vfiopm_handle *vfiopm_borrow_get_handle(const struct vfiopm_borrow *borrow);
/** vfiopm_borrow_get_pid - process ID of the owner. Since: 0.1 */
pid_t vfiopm_borrow_get_pid(const struct vfiopm_borrow *borrow);
/** vfiopm_borrow_get_start_time - its start, milliseconds since boot. Since: 0.1 */
int64_t vfiopm_borrow_get_start_time(const struct vfiopm_borrow *borrow);
/** vfiopm_borrow_get_pidfd - a pidfd of the owner; stays the borrow's. Since: 0.1 */
int vfiopm_borrow_get_pidfd(const struct vfiopm_borrow *borrow);
/** vfiopm_borrow_get_comm - name of the owner. Since: 0.1 */
const char *vfiopm_borrow_get_comm(const struct vfiopm_borrow *borrow);

/* ---- freezing: the owner, for a moment ----------------------------------------- */

/** enum vfiopm_freeze_how - how a process is stopped */
enum vfiopm_freeze_how {
	VFIOPM_FREEZE_NONE = 0,
	VFIOPM_FREEZE_CGROUP,	/* cgroup v2, where it is alone in its cgroup */
	VFIOPM_FREEZE_SIGNAL,	/* SIGSTOP */
	VFIOPM_FREEZE_OWN,	/* vfiopm_freezer_set_ops() */
};

/** vfiopm_freeze_how_name - "none", "cgroup", "signal", "own". Since: 0.1 */
const char *vfiopm_freeze_how_name(enum vfiopm_freeze_how how);

/**
 * struct vfiopm_freeze_ops - a caller's own way to stop an owner
 * @stop: stop it within @timeout_ms: 0, -ETIMEDOUT, another errno
 * @holds: is it still stopped? 1, 0, a negative errno
 * @thaw: let it run: 0 or a negative errno
 * @get_thaw: what lets it run when the caller is gone: a descriptor to write
 *            to, and a text of at most 63 characters. @answer: what then comes
 *            back, of at most 31 characters, and is waited for before the
 *            descriptor is closed; stays NULL when nothing does
 */
struct vfiopm_freeze_ops {
	int (*stop)(void *data, int64_t timeout_ms);
	int (*holds)(void *data);
	int (*thaw)(void *data);
	int (*get_thaw)(void *data, const char **text, const char **answer);
};

struct vfiopm_freezer;

/**
 * vfiopm_freezer_new - make a freezer, which stops one owner at a time
 * @ctx: context; the freezer keeps a reference
 * @bound_ms: milliseconds, 1 to 60000, after which an owner is let run in any case
 * @ret: released with vfiopm_freezer_free()
 *
 * Starts a process, the guard. When the caller dies while an owner is stopped,
 * by SIGKILL too, or doesn't thaw it within the bound, the guard leaves low
 * power on the device and lets the owner run.
 * Return: 0; -EINVAL: @bound_ms; -EROFS: foreign root; -ENOMEM; an error of
 * fork(2) or socketpair(2).
 * Since: 0.1
 */
int vfiopm_freezer_new(struct vfiopm_ctx *ctx, int64_t bound_ms, struct vfiopm_freezer **ret);
/** vfiopm_freezer_free - thaw what is frozen, end the guard; NULL is allowed. Since: 0.1 */
void vfiopm_freezer_free(struct vfiopm_freezer *freezer);
/** vfiopm_freezer_set_ops - stop owners the caller's way; @ops NULL: as before. Since: 0.1 */
void vfiopm_freezer_set_ops(struct vfiopm_freezer *freezer, const struct vfiopm_freeze_ops *ops,
			    void *data);
/**
 * vfiopm_freezer_freeze - stop the owner of a borrowed device
 * @freezer: freezer
 * @borrow: what was borrowed
 * @timeout_ms: milliseconds until all its threads must have stopped; as long is
 *              waited for another freezer that has stopped it
 *
 * By the cgroup v2 freezer where the owner is alone in its cgroup, else by
 * SIGSTOP, which no foreground job of a terminal gets: its shell would take the
 * terminal back, for good. On failure it runs as before.
 * Return: 0; -EALREADY: somebody else has stopped it; -ETIMEDOUT; -ESRCH: it
 * has ended; -EBUSY: the freezer holds another; -EPERM; -EOPNOTSUPP: a
 * foreground job; another errno.
 * Since: 0.1
 */
int vfiopm_freezer_freeze(struct vfiopm_freezer *freezer, const struct vfiopm_borrow *borrow,
			  int64_t timeout_ms);
/**
 * vfiopm_freezer_holds - is the owner still stopped, with time left?
 * Return: 1; 0: somebody let it run, or more than half of the bound is over; -ESRCH.
 * Since: 0.1
 */
int vfiopm_freezer_holds(const struct vfiopm_freezer *freezer);
/**
 * vfiopm_freezer_thaw - let the owner run
 * Return: 0, also when none is stopped; -ETIME: the guard had done it before;
 * another errno, and the guard tries.
 * Since: 0.1
 */
int vfiopm_freezer_thaw(struct vfiopm_freezer *freezer);
/** vfiopm_freezer_get_how - how the last owner was stopped. Since: 0.1 */
enum vfiopm_freeze_how vfiopm_freezer_get_how(const struct vfiopm_freezer *freezer);
/** vfiopm_freezer_get_pause - microseconds for which the last owner was stopped. Since: 0.1 */
int64_t vfiopm_freezer_get_pause(const struct vfiopm_freezer *freezer);

/**
 * vfiopm_process_get_exe - the path of what process @pid executes
 * Return: 0; -ESRCH; -EACCES; -ENAMETOOLONG. Since: 0.1
 */
int vfiopm_process_get_exe(struct vfiopm_ctx *ctx, pid_t pid, char *buf, size_t size);
/** vfiopm_process_get_comm - name of a process. Return: 0; -ESRCH; another errno. Since: 0.1 */
int vfiopm_process_get_comm(struct vfiopm_ctx *ctx, pid_t pid, char *buf, size_t size);

/* ---- QMP: a QEMU's monitor, as far as stopping and waking its guest takes ------- */

struct vfiopm_qmp;

/** enum vfiopm_guest - what a guest of QEMU does */
enum vfiopm_guest {
	VFIOPM_GUEST_OTHER = 0,		/* shut down, in error, migrating ... */
	VFIOPM_GUEST_RUNNING,
	VFIOPM_GUEST_PAUSED,
	VFIOPM_GUEST_SUSPENDED,		/* asleep in S3 */
};

/**
 * vfiopm_qmp_open - connect to a QEMU by its QMP socket
 * @path: of the unix socket, as it is in the running system
 * @timeout_ms: for the greeting
 * @ret: to be released with vfiopm_qmp_close()
 * Return: 0; -EBUSY: another client has it; -EPROTO: no QMP; -ENAMETOOLONG;
 * -ENOMEM; an error of connect(2) or recv(2). Since: 0.1
 */
int vfiopm_qmp_open(const char *path, int64_t timeout_ms, struct vfiopm_qmp **ret);
/** vfiopm_qmp_close - disconnect; NULL is allowed. Since: 0.1 */
void vfiopm_qmp_close(struct vfiopm_qmp *qmp);
/** vfiopm_qmp_get_fd - the connection; stays the monitor's. Since: 0.1 */
int vfiopm_qmp_get_fd(const struct vfiopm_qmp *qmp);
/**
 * vfiopm_qmp_get_peer - the process that has made the socket: QEMU, or its manager
 * Return: a process ID; 0: it isn't visible from here. Since: 0.1
 */
pid_t vfiopm_qmp_get_peer(const struct vfiopm_qmp *qmp);
/**
 * vfiopm_qmp_has_device - is that device passed through to the guest, by what QEMU says?
 * Return: 1; 0: it isn't, or QEMU has no such commands; errors as vfiopm_qmp_get_guest().
 * Since: 0.1
 */
int vfiopm_qmp_has_device(struct vfiopm_qmp *qmp, const struct vfiopm_addr *addr);
/** vfiopm_qmp_get_guest - query-status; -ETIMEDOUT; -EPIPE; -EREMOTEIO: refused. Since: 0.1 */
int vfiopm_qmp_get_guest(struct vfiopm_qmp *qmp, enum vfiopm_guest *ret);
/** enum vfiopm_qmp_event - what QEMU tells of its guest by itself */
enum vfiopm_qmp_event {
	VFIOPM_QMP_RESET = 0,
	VFIOPM_QMP_SHUTDOWN,
	VFIOPM_QMP_SUSPEND,	/* S3 */
	VFIOPM_QMP_WAKEUP,
	VFIOPM_QMP_STOP,
	VFIOPM_QMP_RESUME,
};

/** vfiopm_qmp_event_name - "reset", "shutdown" … Since: 0.1 */
const char *vfiopm_qmp_event_name(enum vfiopm_qmp_event event);
/**
 * vfiopm_qmp_next - the next of these events, without waiting
 * @qmp: monitor; its descriptor is readable when there may be one
 * @ret: what has happened
 * Return: 1; 0: none so far; -EPIPE: the monitor is gone; an error of recv(2). Since: 0.1
 */
int vfiopm_qmp_next(struct vfiopm_qmp *qmp, enum vfiopm_qmp_event *ret);
/** vfiopm_qmp_stop - stop the guest's CPUs; errors as vfiopm_qmp_get_guest(). Since: 0.1 */
int vfiopm_qmp_stop(struct vfiopm_qmp *qmp);
/** vfiopm_qmp_cont - let them go on. Since: 0.1 */
int vfiopm_qmp_cont(struct vfiopm_qmp *qmp);
/** vfiopm_qmp_wakeup - wake a guest from S3. Since: 0.1 */
int vfiopm_qmp_wakeup(struct vfiopm_qmp *qmp);

/* ---- deepening: low power for a device that another process has open ----------- */

/* The owner doesn't use it (a guest in S3, a paused one): any power state will do. */
#define VFIOPM_ENTER_IN_USE	(1u << 0)
/* It may lose its state although it promises to keep it in D3hot (No_Soft_Reset). */
#define VFIOPM_ENTER_STATE_LOSS	(1u << 1)

/**
 * vfiopm_device_may_lose_power - would vfiopm_borrow_enter() take it by what its registers say?
 * @dev: device; one that isn't active isn't looked at, which would wake it
 * @flags: VFIOPM_ENTER_STATE_LOSS or 0
 * @why: NULL, or set with -ECANCELED
 * Return: 0; -ECANCELED: no, see @why; -ENOENT: it has no PM capability; -EIO: its
 * registers can't be read, which takes CAP_SYS_ADMIN; -ENODEV. Since: 0.1
 */
int vfiopm_device_may_lose_power(const struct vfiopm_device *dev, unsigned int flags,
				 enum vfiopm_refusal *why);
/**
 * vfiopm_borrow_enter - put a borrowed device to sleep until its owner touches it
 * @borrow: what was borrowed
 * @freezer: what stops the owner for the time until the device has suspended
 * @eventfd: signalled at the first wake, which also leaves low power, but see
 *           vfiopm_borrow_needs_exit()
 * @freeze_ms: milliseconds until the owner must have stopped
 * @suspend_ms: milliseconds until the device must have suspended, else low power
 *              is left again
 * @flags: VFIOPM_ENTER_* or'ed
 * @why: NULL, or set with -ECANCELED
 *
 * Stops the owner, looks whether it has the device in D3hot, enters low power in
 * the wakeup mode, waits for the suspend, lets the owner run. An owner that ran
 * in between could touch a BAR of a device that is engaged but not yet
 * suspended: SIGBUS, since only a resume ends the wakeup mode
 * (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_runtime_resume()).
 * When it doesn't come to that, the device is in D3hot as before.
 * Return: 0: it is suspended; -ECANCELED: refused, see @why; -EIO and others.
 * Since: 0.1
 */
int vfiopm_borrow_enter(struct vfiopm_borrow *borrow, struct vfiopm_freezer *freezer, int eventfd,
			int64_t freeze_ms, int64_t suspend_ms, unsigned int flags,
			enum vfiopm_refusal *why);
/**
 * vfiopm_borrow_needs_exit - is there something to do after the wake that ended low power?
 *
 * Kernels that export dma-bufs of device memory restore those by an exit only:
 * vfiopm_borrow_again() and vfiopm_low_power_exit() then. On others an exit could
 * only end what somebody else has entered since. Known after vfiopm_borrow_enter().
 * Since: 0.1
 */
bool vfiopm_borrow_needs_exit(const struct vfiopm_borrow *borrow);
/**
 * vfiopm_borrow_leave - take vfiopm_borrow_enter() back: D3hot, as the owner left it
 * @borrow: as for vfiopm_borrow_enter(), or dropped since; it is dropped after this
 * @freezer: what stops the owner meanwhile
 * @eventfd: that of the entry, not read since
 * @freeze_ms: milliseconds until the owner must have stopped
 * @why: NULL, or set with -ECANCELED
 *
 * The suspend has put the device into D0, so that it takes a write of D3hot after
 * the exit, before which the owner must not write D0. When the exit takes too long
 * to be sure of that, the device is left in D0.
 * Return: 1: done; 0: woken before, nothing is done; -ECANCELED: refused, see @why:
 * it sleeps until its owner's next access; -EIO and others.
 * Since: 0.1
 */
int vfiopm_borrow_leave(struct vfiopm_borrow *borrow, struct vfiopm_freezer *freezer, int eventfd,
			int64_t freeze_ms, enum vfiopm_refusal *why);
/**
 * vfiopm_borrow_enter_agreed - the same for an owner that waits for the entry
 * @borrow: what was borrowed
 * @eventfd: as for vfiopm_borrow_enter()
 * @flags: 0, or VFIOPM_ENTER_IN_USE for a device that was asleep like this and
 *         was woken, which has put it into D0, by something else than its owner
 * @why: NULL, or set with -ECANCELED
 *
 * The owner has asked for it, has put the device into D3hot, and doesn't touch
 * it until it is answered (a guest in its _OFF method): it needs no stop, and
 * state that is lost is its own concern. The suspend isn't waited for: the
 * caller looks whether it comes, and leaves low power if it doesn't.
 * Return: 0: engaged; -ECANCELED: refused, see @why; -EIO and others.
 * Since: 0.1
 */
int vfiopm_borrow_enter_agreed(struct vfiopm_borrow *borrow, int eventfd, unsigned int flags,
			       enum vfiopm_refusal *why);
/** vfiopm_borrow_get_entry - microseconds of these in the kernel, the last time. Since: 0.1 */
int64_t vfiopm_borrow_get_entry(const struct vfiopm_borrow *borrow);
/* Bytes of the config space's header. */
#define VFIOPM_HEADER_LEN 64
/**
 * vfiopm_borrow_read_header - the config space's header as the owner has it
 * @borrow: what was borrowed; the device is resumed
 * @buf: room for VFIOPM_HEADER_LEN bytes
 * Return: 0; -EIO; another errno of pread(2). Since: 0.1
 */
int vfiopm_borrow_read_header(struct vfiopm_borrow *borrow, uint8_t *buf);
/**
 * vfiopm_borrow_get_suspend - microseconds from the last entry until the suspend was seen.
 * Since: 0.1
 */
int64_t vfiopm_borrow_get_suspend(const struct vfiopm_borrow *borrow);

/** enum vfiopm_in_kernel - what the driver vfio-pm-pci does by itself */
enum vfiopm_in_kernel {
	VFIOPM_IN_KERNEL_DEEPEN,	/* the owner's write of D3hot permits low power */
	VFIOPM_IN_KERNEL_STATE_LOSS,	/* also on a device with No_Soft_Reset */
	VFIOPM_IN_KERNEL_RATE,		/* how often a minute at most; 0: no limit */
};

/**
 * vfiopm_in_kernel_get - is it on? Or its number.
 * Return: 1, 0; the number of VFIOPM_IN_KERNEL_RATE; -ENOENT: the driver has
 * no such thing; -ENODEV. Since: 0.1
 */
int vfiopm_in_kernel_get(const struct vfiopm_device *dev, enum vfiopm_in_kernel what);
/**
 * vfiopm_in_kernel_set - turn it on or off, or set its number
 * Return: 0; -EINVAL: negative; -ENOENT: the driver has no such thing;
 * -EOPNOTSUPP: not on this kernel; -EROFS: foreign root; -ENODEV; -EACCES.
 * Since: 0.1
 */
int vfiopm_in_kernel_set(const struct vfiopm_device *dev, enum vfiopm_in_kernel what,
			 int value);

struct vfiopm_keeper;

/**
 * vfiopm_keeper_new - change what the driver does, for as long as the caller lives
 * @ctx: context; the keeper keeps a reference
 * @ret: released with vfiopm_keeper_free()
 *
 * The first change starts a process, which puts all back when the caller is
 * killed; a caller that ends otherwise does it itself.
 * Return: 0; -EROFS: foreign root; -ENOMEM. Since: 0.1
 */
int vfiopm_keeper_new(struct vfiopm_ctx *ctx, struct vfiopm_keeper **ret);
/** vfiopm_keeper_free - put all back; NULL is allowed. Since: 0.1 */
void vfiopm_keeper_free(struct vfiopm_keeper *keeper);
/**
 * vfiopm_keeper_set - as vfiopm_in_kernel_set(), remembering what it was before
 * Return: 1: changed; 0: it is so already; as vfiopm_in_kernel_set() and
 * vfiopm_in_kernel_get(); an error of fork(2) or socketpair(2). Since: 0.1
 */
int vfiopm_keeper_set(struct vfiopm_keeper *keeper, const struct vfiopm_device *dev,
		      enum vfiopm_in_kernel what, int value);
/** vfiopm_keeper_restore - put back what was changed of one device. Since: 0.1 */
void vfiopm_keeper_restore(struct vfiopm_keeper *keeper, const struct vfiopm_device *dev);

/* ---- account: what the driver vfio-pm-pci counted of a device ---------------- */

struct vfiopm_account;

/**
 * vfiopm_account_new - what the driver counted since the device was bound, as of now
 * @dev: device
 * @ret: to be freed with vfiopm_account_free()
 *
 * Wakes nothing (module/ABI-sysfs-vfio_pm).
 * Return: 0; -ENOENT: the driver keeps none; -ENODEV; -ENOMEM. Since: 0.1
 */
int vfiopm_account_new(const struct vfiopm_device *dev, struct vfiopm_account **ret);
/** vfiopm_account_free - free it. NULL is allowed. Since: 0.1 */
void vfiopm_account_free(struct vfiopm_account *account);
/**
 * vfiopm_account_get - one of its numbers
 * @account: account
 * @key: "entries", "exits", "sleeps", "quiet_reads", "refused",
 *       "rate_limited", "asleep_us" (microseconds), or a cause of wakes
 * @ret: the number
 * Return: 0; -ENOENT: no such number; -EIO: it is none. Since: 0.1
 */
int vfiopm_account_get(const struct vfiopm_account *account, const char *key, int64_t *ret);
/**
 * vfiopm_account_cause - the causes of wakes that are counted, one key each
 * @i: 0, 1, ...
 * Return: "config_read", ..., or NULL after the last. Since: 0.1
 */
const char *vfiopm_account_cause(size_t i);
/** vfiopm_account_is_engaged - was low power engaged? Since: 0.1 */
bool vfiopm_account_is_engaged(const struct vfiopm_account *account);
/**
 * vfiopm_account_has_last_wake - is there a last wake?
 * Return: 1; 0: nothing has woken it since it was bound; -EACCES: only root may
 * know; -ENOENT. Since: 0.1
 */
int vfiopm_account_has_last_wake(const struct vfiopm_account *account);
/**
 * vfiopm_account_get_last_wake - what is known of the last wake
 * @account: account
 * @key: "cause", "region", "offset", "command", "feature", "pid", "comm", or
 *       "time" (seconds since 1970, with microseconds)
 * Return: the value, the account's, or NULL: this wake has none. Since: 0.1
 */
const char *vfiopm_account_get_last_wake(const struct vfiopm_account *account, const char *key);

/* ---- a guest that drives the sleep of its devices: vfio-pm-guest(7) ------------ */

#define VFIOPM_FRAME_VERSION	1
#define VFIOPM_FRAME_LEN	8	/* bytes on the wire */
#define VFIOPM_NO_PORT		0xff	/* the device is on the root complex */

/** enum vfiopm_frame_kind - what a frame says; the first two come from the guest */
enum vfiopm_frame_kind {
	VFIOPM_FRAME_OFF = 0x1,		/* the guest doesn't use the device from now on */
	VFIOPM_FRAME_ON = 0x2,		/* the guest is about to use it */
	VFIOPM_FRAME_DONE = 0xd,
	VFIOPM_FRAME_REFUSED = 0xe,
};

/**
 * struct vfiopm_frame - one frame of the protocol
 * @kind: what it says
 * @port: device and function (device << 3 | function) of the port that the
 *        device is behind, VFIOPM_NO_PORT for the root complex
 * @devfn: device and function of the device itself
 * @seq: number of the question; its answer carries it, too
 */
struct vfiopm_frame {
	enum vfiopm_frame_kind kind;
	uint8_t port, devfn, seq;
};

/**
 * struct vfiopm_frames - finds frames in a stream of bytes; zeroed at the start
 * @window: what may be the start of a frame
 * @len: bytes in it
 * @frames: frames found
 * @unknown: frames of another version, or of an unknown kind, passed over
 * @garbage: bytes that belong to no frame
 */
struct vfiopm_frames {
	uint8_t window[VFIOPM_FRAME_LEN];
	size_t len;
	uint64_t frames, unknown, garbage;
};

/** vfiopm_frame_encode - write a frame into @buf, VFIOPM_FRAME_LEN bytes. Since: 0.1 */
void vfiopm_frame_encode(const struct vfiopm_frame *frame, uint8_t *buf);
/**
 * vfiopm_frames_feed - take the next byte of the stream
 * Return: 1: it ends a frame, @ret is set; 0. Since: 0.1
 */
int vfiopm_frames_feed(struct vfiopm_frames *frames, uint8_t byte, struct vfiopm_frame *ret);

/** struct vfiopm_guest_path - where a device is in a guest; fields as in struct vfiopm_frame */
struct vfiopm_guest_path {
	uint8_t port, devfn;
};

/* Enough for "1f.7/1f.7" and its terminating zero. */
#define VFIOPM_GUEST_PATH_LEN 10

/**
 * vfiopm_guest_path_parse - parse "DD.F", or "DD.F/DD.F" behind a port
 * @text: device and function, hexadecimal, on the root complex; the first may
 *        have "00:" before it. Bus numbers behind ports are the guest's choice
 *        and can't be told before it runs.
 * @ret: the path
 * Return: 0; -EINVAL. Since: 0.1
 */
int vfiopm_guest_path_parse(const char *text, struct vfiopm_guest_path *ret);
/**
 * vfiopm_guest_path_format - write it as vfiopm_guest_path_parse() takes it
 * @path: path
 * @buf: room for VFIOPM_GUEST_PATH_LEN characters
 * Return: @buf. Since: 0.1
 */
char *vfiopm_guest_path_format(const struct vfiopm_guest_path *path, char *buf);

/** enum vfiopm_slot_step - what the caller has to do */
enum vfiopm_slot_step {
	VFIOPM_SLOT_NOTHING = 0,
	VFIOPM_SLOT_ANSWER,		/* send the slot's answer */
	VFIOPM_SLOT_ENTER,		/* low power, then vfiopm_slot_entered() */
	VFIOPM_SLOT_LEAVE,		/* it, then vfiopm_slot_left() */
};

/** enum vfiopm_limit - why the last OFF was refused without an attempt */
enum vfiopm_limit {
	VFIOPM_LIMIT_NONE = 0,
	VFIOPM_LIMIT_RATE,		/* too many entries within a minute */
	VFIOPM_LIMIT_DWELL,		/* too soon after its last wake */
	VFIOPM_LIMIT_VAIN,		/* too soon after an attempt that failed, as this would */
};

#define VFIOPM_SLOT_RATE_MAX 120

/**
 * struct vfiopm_slot - the state of one device that a guest puts to sleep
 * @rate: entries a minute, 0: no limit; of those with which the last of several
 *        that vfiopm_slot_join() has joined goes to sleep, as many of all
 * @dwell_ms: milliseconds that it stays awake at least
 * @asked_off: the last that the guest has asked for is OFF, whatever came of it
 * @off: and it was told "done", which holds: what wakes it may be put to sleep again
 * @engaged: low power was entered, and neither left nor ended by a wake
 * @unsure: it may be engaged whatever @engaged says, since it could not be left;
 *          set by the caller, too, after an entry that found it engaged. ON is
 *          answered only after it was left
 * @answer: what the last question was, or is to be, answered with
 * @limit: why the last OFF was refused
 * @entries: of low power
 * @refused: OFFs
 * @woken: wakes while the guest had it off
 *
 * The rest is for the functions alone.
 */
struct vfiopm_slot {
	unsigned int rate;
	int64_t dwell_ms;
	bool asked_off, off, engaged, unsure;
	enum vfiopm_frame_kind answer;
	enum vfiopm_limit limit;
	unsigned int entries, refused, woken;
	unsigned int asked, seq;
	int64_t awake_ms, asked_ms, vain_until_ms;
	int64_t entered_ms[VFIOPM_SLOT_RATE_MAX];
	bool entered_used[VFIOPM_SLOT_RATE_MAX], entered_last[VFIOPM_SLOT_RATE_MAX];
	unsigned int entered_at;
	struct vfiopm_slot *next;
};

/** vfiopm_slot_init - a device that is awake; fields as in struct vfiopm_slot. Since: 0.1 */
void vfiopm_slot_init(struct vfiopm_slot *slot, unsigned int rate, int64_t dwell_ms);
/**
 * vfiopm_slot_join - functions of one slot of the host share its power
 * @slot: joins
 * @other: and whoever has joined it; none may be initialized anew, or moved,
 *         while another is used
 * Since: 0.1
 */
void vfiopm_slot_join(struct vfiopm_slot *slot, struct vfiopm_slot *other);
/**
 * vfiopm_slot_ask - the guest has asked
 * @slot: device that the frame names; its wakes so far are told
 * @frame: the question; an answer is passed over
 * @now_ms: milliseconds of a monotonic clock, the same for all calls
 * Return: what to do. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_ask(struct vfiopm_slot *slot, const struct vfiopm_frame *frame,
				      int64_t now_ms);
/** vfiopm_slot_entered - how the entry went. Return: what to answer. Since: 0.1 */
enum vfiopm_frame_kind vfiopm_slot_entered(struct vfiopm_slot *slot, bool done, int64_t now_ms);
/**
 * vfiopm_slot_left - how the exit went
 * Return: VFIOPM_SLOT_ANSWER: done, which answers an ON; VFIOPM_SLOT_NOTHING: it
 * failed, and is to be tried again; no ON is answered before it works. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_left(struct vfiopm_slot *slot, bool done, int64_t now_ms);
/**
 * vfiopm_slot_woken - a wake has ended low power, not by vfiopm_slot_left()
 * Return: VFIOPM_SLOT_ENTER: the guest still has it off, so it may sleep again
 * once it is clear that it wasn't the guest's own machine that was reset. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_woken(struct vfiopm_slot *slot, int64_t now_ms);
/** vfiopm_slot_again - may it, after vfiopm_slot_woken(), sleep again now? Since: 0.1 */
enum vfiopm_slot_step vfiopm_slot_again(const struct vfiopm_slot *slot, int64_t now_ms);
/**
 * vfiopm_slot_give_up - low power is left though the guest has it off
 * Return: VFIOPM_SLOT_LEAVE, or VFIOPM_SLOT_NOTHING. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_give_up(struct vfiopm_slot *slot);
/**
 * vfiopm_slot_settle - the guest starts anew, ends, or is served no longer
 * Return: VFIOPM_SLOT_LEAVE, or VFIOPM_SLOT_NOTHING. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_settle(struct vfiopm_slot *slot);

/* ---- explain: why a device doesn't reach a state ---------------------------- */

/** enum vfiopm_verdict - what a rule says */
enum vfiopm_verdict {
	VFIOPM_VERDICT_PASSES = 0,	/* not in the way */
	VFIOPM_VERDICT_BLOCKS,		/* in the way */
	VFIOPM_VERDICT_UNKNOWN,		/* could not be measured */
};

/** enum vfiopm_topic - what a rule is about */
enum vfiopm_topic {
	VFIOPM_TOPIC_DEVICE = 0,
	VFIOPM_TOPIC_SLOT,
	VFIOPM_TOPIC_BRIDGE,
	VFIOPM_TOPIC_PLATFORM,
	VFIOPM_TOPIC_GROUP,
	VFIOPM_TOPIC_KERNEL,
};

/** enum vfiopm_outcome - the answer to "does it reach the wanted state?" */
enum vfiopm_outcome {
	VFIOPM_OUTCOME_REACHED = 0,	/* measured: it is in it, or deeper */
	VFIOPM_OUTCOME_REACHABLE,	/* nothing is in the way */
	VFIOPM_OUTCOME_BLOCKED,		/* it can't as things are */
	VFIOPM_OUTCOME_UNKNOWN,		/* what decides could not be measured */
};

/** enum vfiopm_mend_kind - what a mend is */
enum vfiopm_mend_kind {
	VFIOPM_MEND_KNOB = 0,		/* a sysfs attribute: vfiopm_mend_apply() does it */
	VFIOPM_MEND_COMMAND,		/* a shell command */
	VFIOPM_MEND_ADVICE,		/* words: a boot parameter, a firmware setting */
};

/** vfiopm_verdict_name - "passes", "blocks", "unknown". Since: 0.1 */
const char *vfiopm_verdict_name(enum vfiopm_verdict verdict);
/** vfiopm_topic_name - "device", "slot", "bridge", "platform", "group", "kernel". Since: 0.1 */
const char *vfiopm_topic_name(enum vfiopm_topic topic);
/** vfiopm_outcome_name - "reached", "reachable", "blocked", "unknown". Since: 0.1 */
const char *vfiopm_outcome_name(enum vfiopm_outcome outcome);

struct vfiopm_survey;
struct vfiopm_explanation;
struct vfiopm_finding;
struct vfiopm_mend;

/**
 * vfiopm_survey_new - make a survey: what several explanations share
 * @ctx: context
 * @ret: survey, released with vfiopm_survey_unref()
 *
 * Each file is read once for a survey, when a rule first asks for it, so a
 * survey is a snapshot: a second look needs a new one.
 * Return: 0; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_survey_new(struct vfiopm_ctx *ctx, struct vfiopm_survey **ret);
/** vfiopm_survey_unref - drop the caller's reference, NULL is allowed. Since: 0.1 */
void vfiopm_survey_unref(struct vfiopm_survey *survey);

/* Low power is engaged by the caller: being open is no reason. */
#define VFIOPM_EXPLAIN_ENGAGED	(1u << 0)
/* Only what is in the way or couldn't be measured, without evidence and mends; faster. */
#define VFIOPM_EXPLAIN_BRIEF	(1u << 1)

/**
 * vfiopm_survey_settle - tell a survey which devices are going to be explained
 * @survey: survey
 * @dev: devices
 * @n: how many
 * @want: as in vfiopm_explain_new()
 * @flags: VFIOPM_EXPLAIN_*
 *
 * What changes by itself within moments, a transition or an access that is at
 * work, is waited for. Each explanation would take that time for its device;
 * this takes it once for all of them.
 * Return: 0; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_survey_settle(struct vfiopm_survey *survey, struct vfiopm_device *const *dev, size_t n,
			 enum vfiopm_state want, unsigned int flags);

/**
 * vfiopm_explain_new - judge what decides whether a device gets to a state
 * @survey: survey; the explanation keeps a reference
 * @dev: device
 * @want: at least this deep; VFIOPM_STATE_UNKNOWN: the deepest that the
 *        platform offers
 * @watch_ms: 0, or milliseconds for which the device is watched first, which
 *            tells one that is kept busy from one that sleeps
 * @flags: VFIOPM_EXPLAIN_*
 * @ret: explanation, released with vfiopm_explanation_free()
 *
 * Reads sysfs and proc only, and wakes nothing. What the kernel does is taken
 * from its sources: each finding names the place. What is measured beats every
 * rule: a device that is asleep has nothing in its way.
 * Return: 0; -ENODEV; -EROFS: @watch_ms for another system than this; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_explain_new(struct vfiopm_survey *survey, struct vfiopm_device *dev,
		       enum vfiopm_state want, int64_t watch_ms, unsigned int flags,
		       struct vfiopm_explanation **ret);
/** vfiopm_explanation_free - release an explanation, NULL is allowed. Since: 0.1 */
void vfiopm_explanation_free(struct vfiopm_explanation *e);
/** vfiopm_explanation_get_outcome - the answer. Since: 0.1 */
enum vfiopm_outcome vfiopm_explanation_get_outcome(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_want - the state asked for, resolved. Since: 0.1 */
enum vfiopm_state vfiopm_explanation_get_want(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_reachable - the deepest that can be reached as things are. Since: 0.1 */
enum vfiopm_state vfiopm_explanation_get_reachable(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_state - PCI power state when it was looked at. Since: 0.1 */
enum vfiopm_state vfiopm_explanation_get_state(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_status - runtime PM status when it was looked at. Since: 0.1 */
enum vfiopm_status vfiopm_explanation_get_status(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_sentence - the answer in one sentence. Since: 0.1 */
const char *vfiopm_explanation_get_sentence(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_device - the device, no reference taken. Since: 0.1 */
struct vfiopm_device *vfiopm_explanation_get_device(const struct vfiopm_explanation *e);
/**
 * vfiopm_explanation_get_finding - finding number @i, in the order of the rules
 * Return: the explanation's, NULL past the end. Since: 0.1
 */
const struct vfiopm_finding *vfiopm_explanation_get_finding(const struct vfiopm_explanation *e,
							    size_t i);
/** vfiopm_explanation_count_blockers - findings that matter and block. Since: 0.1 */
size_t vfiopm_explanation_count_blockers(const struct vfiopm_explanation *e);
/**
 * vfiopm_explanation_get_mend - mend number @i of all that matter
 *
 * In the order in which to apply them, each once; those that may be needed
 * only (vfiopm_mend_is_needed()) stand last.
 * Return: the explanation's, NULL past the end. Since: 0.1
 */
const struct vfiopm_mend *vfiopm_explanation_get_mend(const struct vfiopm_explanation *e,
						      size_t i);

/** vfiopm_finding_get_rule - the rule's name, e.g. "control". Since: 0.1 */
const char *vfiopm_finding_get_rule(const struct vfiopm_finding *f);
/** vfiopm_finding_get_topic - what it is about. Since: 0.1 */
enum vfiopm_topic vfiopm_finding_get_topic(const struct vfiopm_finding *f);
/** vfiopm_finding_get_verdict - what it says. Since: 0.1 */
enum vfiopm_verdict vfiopm_finding_get_verdict(const struct vfiopm_finding *f);
/**
 * vfiopm_finding_matters - does it decide the answer?
 *
 * Not when it concerns another way to the wanted state than the one that is
 * open, or when what was measured refutes it.
 * Since: 0.1
 */
bool vfiopm_finding_matters(const struct vfiopm_finding *f);
/** vfiopm_finding_get_subject - address that it is about, NULL: the system. Since: 0.1 */
const char *vfiopm_finding_get_subject(const struct vfiopm_finding *f);
/** vfiopm_finding_get_text - one sentence without a full stop. Since: 0.1 */
const char *vfiopm_finding_get_text(const struct vfiopm_finding *f);
/** vfiopm_finding_get_reason - why it could not be measured, else NULL. Since: 0.1 */
const char *vfiopm_finding_get_reason(const struct vfiopm_finding *f);
/** vfiopm_finding_get_source - where the kernel decides so. Since: 0.1 */
const char *vfiopm_finding_get_source(const struct vfiopm_finding *f);
/**
 * vfiopm_finding_get_evidence - file number @i that the verdict rests on
 * @f: finding
 * @i: from 0
 * @value: NULL, or set to what was read, or to why it couldn't be
 * Return: the file's path, NULL past the end. Since: 0.1
 */
const char *vfiopm_finding_get_evidence(const struct vfiopm_finding *f, size_t i,
					const char **value);
/** vfiopm_finding_get_mend - mend number @i of this finding, NULL past the end. Since: 0.1 */
const struct vfiopm_mend *vfiopm_finding_get_mend(const struct vfiopm_finding *f, size_t i);

/** vfiopm_mend_get_kind - what it is. Since: 0.1 */
enum vfiopm_mend_kind vfiopm_mend_get_kind(const struct vfiopm_mend *mend);
/** vfiopm_mend_get_text - the command, or the words. Since: 0.1 */
const char *vfiopm_mend_get_text(const struct vfiopm_mend *mend);
/** vfiopm_mend_get_undo - the command that undoes a knob, else NULL. Since: 0.1 */
const char *vfiopm_mend_get_undo(const struct vfiopm_mend *mend);
/** vfiopm_mend_wakes - does it resume the device? Since: 0.1 */
bool vfiopm_mend_wakes(const struct vfiopm_mend *mend);
/**
 * vfiopm_mend_is_needed - does what it mends stand in the way?
 *
 * false: what it would mend could not be measured, so it may be needed.
 * Since: 0.1
 */
bool vfiopm_mend_is_needed(const struct vfiopm_mend *mend);
/**
 * vfiopm_mend_is_near - is it a knob of the device, of a function of its slot
 * or of a bridge above?
 * Since: 0.1
 */
bool vfiopm_mend_is_near(const struct vfiopm_mend *mend);
/**
 * vfiopm_mend_apply - turn the knob
 * @ctx: context
 * @mend: of the kind VFIOPM_MEND_KNOB
 * Return: 0; -EINVAL: another kind; -EROFS: foreign root; -EACCES; -ENODEV:
 * the device has gone; another error of write(2); -EIO: it was written, and the
 * kernel shows another value or none.
 * Since: 0.1
 */
int vfiopm_mend_apply(struct vfiopm_ctx *ctx, const struct vfiopm_mend *mend);

/**
 * vfiopm_explain_likeliest - the one reason to tell when a device doesn't sleep
 * @dev: device
 * @want: the state that was waited for; VFIOPM_STATE_D3HOT for "asleep"
 * @flags: VFIOPM_EXPLAIN_ENGAGED when low power is engaged
 * @cause: set to a sentence without a full stop, freed by the caller
 * @mend: NULL, or set to a command or advice, freed by the caller, or to NULL
 * Return: 1: a reason is told; 0: none was found, nothing is set; -ENODEV; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_explain_likeliest(struct vfiopm_device *dev, enum vfiopm_state want,
			     unsigned int flags, char **cause, char **mend);

/* ---- report: what the rules read, for another machine ------------------------ */

/** enum vfiopm_report_type - what an entry of a report is */
enum vfiopm_report_type {
	VFIOPM_REPORT_FILE = 0,		/* content: its text */
	VFIOPM_REPORT_LINK,		/* content: its target */
	VFIOPM_REPORT_FOLDER,		/* content: NULL */
};

/**
 * typedef vfiopm_report_fn - receives the entries of a report
 * @data: what vfiopm_report_foreach() was given
 * @type: what it is
 * @path: relative to the root of the report; folders above it aren't told
 * @content: as @type says
 *
 * Return: 0 to go on; anything else ends the walk and is handed back.
 */
typedef int (*vfiopm_report_fn)(void *data, enum vfiopm_report_type type, const char *path,
				const char *content);

/**
 * vfiopm_report_foreach - tell all that explanations of devices rest on
 * @survey: the survey that they were explained with
 * @dev: devices
 * @n: how many
 * @fn: called for each entry
 * @data: handed to @fn
 *
 * A tree of these entries is a root for vfiopm_ctx_new() that gives the same
 * explanations. It holds no serial numbers, host names or UUIDs, and of the
 * kernel's command line only parameters that are known to be harmless. An
 * attribute that could not be read is a dangling link "error:" and the name of
 * its errno.
 * Return: 0; what @fn returned; -ENODEV; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_report_foreach(struct vfiopm_survey *survey, struct vfiopm_device *const *dev, size_t n,
			  vfiopm_report_fn fn, void *data);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* VFIOPM_H */
