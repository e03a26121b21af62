/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfiopm: contexts, addresses, devices and lists of them. */
#ifndef VFIOPM_DEVICE_H
#define VFIOPM_DEVICE_H

#include <stdarg.h>

#include "common.h"

VFIOPM_BEGIN_DECLS

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
/** vfiopm_addr_same_slot - are they functions of one device, or the same? Since: 0.1 */
bool vfiopm_addr_same_slot(const struct vfiopm_addr *a, const struct vfiopm_addr *b);

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
/**
 * vfiopm_device_is_bridge - no VFIO driver takes it: other devices are behind it
 * @dev: device
 *
 * By its header, as far as sysfs shows that without a look at `config`: an "other
 * bridge" (class 0680) may be a device like any. Host and ISA bridges count.
 * Return: true also when such a one has no driver; false on a VFIO driver.
 * Since: 0.1
 */
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

VFIOPM_END_DECLS

#endif /* VFIOPM_DEVICE_H */
