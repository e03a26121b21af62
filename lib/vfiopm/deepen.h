/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfiopm: deepening, and the account of vfio-pm-pci. */
#ifndef VFIOPM_DEEPEN_H
#define VFIOPM_DEEPEN_H

#include "borrow.h"

VFIOPM_BEGIN_DECLS

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
 * vfiopm_device_wakes_from_d3cold - can it signal PME from D3cold?
 * @dev: device; one that isn't active isn't looked at, which would wake it
 *
 * By its PM capability; the kernel keeps the ports above a device that is to
 * wake the system (power/wakeup) out of D3 when it can't
 * (drivers/pci/pci.c, pci_dev_check_d3cold()).
 * Return: 1 or 0; -EAGAIN: it isn't active; -ENOENT, -EIO, -ENODEV as
 * vfiopm_device_may_lose_power(). Since: 0.1
 */
int vfiopm_device_wakes_from_d3cold(const struct vfiopm_device *dev);
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
/* Bytes of the config space's header, as far as its BARs go. */
#define VFIOPM_HEADER_LEN 40
/**
 * vfiopm_borrow_read_header - IDs to BARs of the config space, as the owner has them
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
/**
 * vfiopm_account_new_counts - the same with one read of a file, and without the last wake
 * @dev: device
 * @ret: to be freed with vfiopm_account_free()
 * Return: as vfiopm_account_new(). Since: 0.1
 */
int vfiopm_account_new_counts(const struct vfiopm_device *dev, struct vfiopm_account **ret);
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

VFIOPM_END_DECLS

#endif /* VFIOPM_DEEPEN_H */
