/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfiopm: the device that another process has open, and that process. */
#ifndef VFIOPM_BORROW_H
#define VFIOPM_BORROW_H

#include "handle.h"

VFIOPM_BEGIN_DECLS

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
 * power on the device and lets the owner run. The owner's next access may be its
 * end while low power is engaged: a host that stood still itself meanwhile, and
 * its guard with it, is given more time for that, the bound once more at most.
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

VFIOPM_END_DECLS

#endif /* VFIOPM_BORROW_H */
