/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfiopm: power states, health, events, and the host's policy. */
#ifndef VFIOPM_POWER_H
#define VFIOPM_POWER_H

#include "device.h"

VFIOPM_BEGIN_DECLS

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

VFIOPM_END_DECLS

#endif /* VFIOPM_POWER_H */
