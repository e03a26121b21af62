/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-pm-pci: a VFIO PCI driver on top of vfio-pci-core whose low-power
 * features last and are accounted for.
 */
#ifndef VFIO_PM_PCI_H
#define VFIO_PM_PCI_H

#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pm.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/vfio_pci_core.h>
#include <linux/workqueue.h>

#define LP_DRIVER_NAME "vfio-pm-pci"

/*
 * Locks, outermost first: mmap_lock of a process; core.vma_lock, where there is
 * one (the fault handler takes them in this order); core.memory_lock, which
 * decides about engagement and mappings; account.lock, in process context only,
 * with nothing below it but a task's alloc_lock, for its name, and the device's
 * power.lock, for the time it was suspended. vm_lock stands alone, below
 * mmap_lock. pm_ctrl_lock is outside of all of these: it is held while the
 * user's bytes are copied.
 *
 * The resume callback takes memory_lock (lp_resumed()): nobody may wait for a
 * resume with memory_lock held. The core resets the device with it held, so
 * what a reset ends that must wake the device first is ended by a work item.
 */

/* Why low power is engaged. Any one reason keeps it so. */
enum lp_reason {
	LP_USER = BIT(0),	/* VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY* */
	LP_DEEPEN = BIT(1),	/* the user wrote D3hot and that is taken as permission */
};

/* What ended low power, for the trace. */
enum lp_exit_why {
	LP_EXIT_ASKED,		/* by the ioctl, or D0 written */
	LP_EXIT_WAKE,		/* wakeup mode: the device woke */
	LP_EXIT_ACCESS,		/* wakeup mode: accessed before it slept */
	LP_EXIT_CLOSE,
	LP_EXIT_RESET,
};

/* Who woke the device; the order is that of the lines in vfio_pm/account. */
enum lp_cause {
	LP_CONFIG_READ,
	LP_CONFIG_WRITE,
	LP_REGION,
	LP_IOCTL,
	LP_FEATURE,
	LP_OPEN,
	LP_CLOSE,
	LP_HOST,
	LP_CAUSES,
};

/**
 * struct lp_access - an access of the user that may wake the device
 * @node: in lp_account.accesses while the access waits for the device
 * @task: the task that makes it
 * @cause: its kind
 * @detail: offset in the device file, ioctl command or feature number
 *
 * On the stack of the accessing task. The resume callback runs in the context
 * of the task that asked for the resume, and finds the access by its task; or
 * in that of a kernel worker, and takes the oldest.
 */
struct lp_access {
	struct list_head node;
	struct task_struct *task;
	enum lp_cause cause;
	u64 detail;
};

/**
 * struct lp_wake - a wake as vfio_pm/last_wake shows it
 * @cause: its kind
 * @detail: see struct lp_access
 * @tgid: process that caused it, in the initial PID namespace
 * @comm: name of its task
 * @time: CLOCK_REALTIME
 */
struct lp_wake {
	enum lp_cause cause;
	u64 detail;
	pid_t tgid;
	char comm[TASK_COMM_LEN];
	ktime_t time;
};

/**
 * struct lp_syscall - which system call a task is in
 * @task: the task; only ever compared, never dereferenced
 * @nr: number of the call
 * @args: its arguments
 */
struct lp_syscall {
	const struct task_struct *task;
	long nr;
	unsigned long args[6];
};

/**
 * struct lp_account - what vfio_pm/account shows
 * @lock: protects all of it; see the order of locks above
 * @entries: reasons added, of enum lp_reason
 * @exits: reasons taken away; @entries - @exits is how many there are now
 * @sleeps: runtime suspends, engaged or idle
 * @wakes: runtime resumes by cause
 * @quiet_reads: config reads answered from the snapshot
 * @refused: touches of a BAR mapping answered by SIGBUS while engaged
 * @rate_limited: sleeps put off because of vfio_pm/deepen_rate
 * @asleep_ns: time suspended while engaged, without the sleep under way
 * @asleep_since_ns: the device's suspended time when the sleep under way began
 * @asleep: suspended now
 * @asleep_engaged: and low power was engaged when that began
 * @last: the last wake; @last.time is 0 when there was none
 * @pending: an ioctl that woke the device and hasn't reached the driver yet
 * @accesses: accesses that wait for the device
 */
struct lp_account {
	spinlock_t lock;
	u64 entries;
	u64 exits;
	u64 sleeps;
	u64 wakes[LP_CAUSES];
	u64 quiet_reads;
	u64 refused;
	u64 rate_limited;
	u64 asleep_ns;
	u64 asleep_since_ns;
	bool asleep;
	bool asleep_engaged;
	struct lp_wake last;
	struct lp_syscall pending;
	struct list_head accesses;
};

/**
 * struct lp_config - config space bytes that can't change
 * @drops: how often the bytes were forgotten
 * @checked: @drops when they were taken, or checked against the hardware: as
 *	long as the two are equal the bytes may be used
 * @gone: the device, when it woke or at an entry, read as all ones
 * @quiet: a bit a byte: constant
 * @hardware: a bit a byte: constant and as the hardware has it (the others are
 *	virtualized by the core)
 * @bytes: their values, written at open only
 */
struct lp_config {
	atomic_t drops;
	int checked;
	bool gone;
	DECLARE_BITMAP(quiet, PCI_CFG_SPACE_EXP_SIZE);
	DECLARE_BITMAP(hardware, PCI_CFG_SPACE_EXP_SIZE);
	u8 bytes[PCI_CFG_SPACE_EXP_SIZE];
};

/**
 * struct lp_device - a device bound to this driver
 * @core: first member, as vfio_alloc_device() demands; drvdata points at it
 * @domain: PM domain that chains the bus's runtime PM callbacks
 * @base: the bus's callbacks
 * @reasons: enum lp_reason bits; core.pm_runtime_engaged is "not zero". Under
 *	core.memory_lock
 * @wake_ctx: eventfd of the wakeup mode, owned. Under core.memory_lock
 * @mapping: address space of the device's file, once it was mapped
 * @vm_lock: protects the first fill of @vm_ops
 * @core_vm_ops: the core's VMA operations
 * @vm_ops: those, with the faults seen by us
 * @opened: VMAs that fork() or mremap() has made, where the core keeps a list
 *	and misses those. Under core.vma_lock
 * @config: constant config space
 * @account: who woke the device
 * @disable_idle_d3: parameter, latched at probe
 * @quiet_reads: parameter, latched at probe
 * @deepen: vfio_pm/deepen
 * @state_loss_ok: vfio_pm/deepen_state_loss_ok
 * @deepen_rate: vfio_pm/deepen_rate
 * @minute: jiffies at the start of the minute that it counts; of @minute and
 *	@slept the suspend callback is the only user
 * @slept: sleeps in that minute
 * @again: asks for the sleep that was put off until the next minute
 * @pm_ctrl_lock: one write of PCI_PM_CTRL at a time, with what it engages
 * @closing: nobody has the device open, or not for long: no engagement. Under
 *	core.memory_lock
 * @removing: the driver is being taken from the device
 * @pm_ctrl: PCI_PM_CTRL as the user reads it while LP_DEEPEN is set
 * @reset_work: ends LP_DEEPEN after a reset
 */
struct lp_device {
	struct vfio_pci_core_device core;

	struct dev_pm_domain domain;
	const struct dev_pm_ops *base;

	unsigned int reasons;
	struct eventfd_ctx *wake_ctx;

	struct address_space *mapping;
	struct mutex vm_lock;
	const struct vm_operations_struct *core_vm_ops;
	struct vm_operations_struct vm_ops;
	struct list_head opened;

	struct lp_config config;
	struct lp_account account;

	bool disable_idle_d3;
	unsigned int quiet_reads;

	bool deepen;
	bool state_loss_ok;
	unsigned int deepen_rate;
	unsigned long minute;
	unsigned int slept;
	struct delayed_work again;
	struct mutex pm_ctrl_lock;
	bool closing;
	bool removing;
	u16 pm_ctrl;
	struct work_struct reset_work;
};

/* quiet_reads: in which modes a config read may be answered from the snapshot */
enum lp_quiet_mode {
	LP_QUIET_OFF = 0,
	LP_QUIET_ON = 1,
	LP_QUIET_WAKEUP_TOO = 2,
};

static inline struct lp_device *lp_from_core(struct vfio_device *core_vdev)
{
	return container_of(core_vdev, struct lp_device, core.vdev);
}

static inline struct lp_device *lp_from_dev(struct device *dev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(dev);

	return container_of(core, struct lp_device, core);
}

static inline bool lp_engaged(struct lp_device *lp)
{
	return READ_ONCE(lp->core.pm_runtime_engaged);
}

/* low_power.c */
int lp_device_feature(struct vfio_device *core_vdev, u32 flags,
		      void __user *arg, size_t argsz);
int lp_engage(struct lp_device *lp, enum lp_reason reason,
	      struct eventfd_ctx *ctx);
void lp_disengage(struct lp_device *lp, unsigned int reasons,
		  enum lp_exit_why why);
void lp_end_wakeup_mode(struct lp_device *lp);
void lp_resumed(struct lp_device *lp);
bool lp_wakeup_mode(struct lp_device *lp);

/* zap.c */
void lp_zap_and_lock(struct lp_device *lp);
int lp_mmap(struct vfio_device *core_vdev, struct vm_area_struct *vma);

/* access.c */
ssize_t lp_read(struct vfio_device *core_vdev, char __user *buf, size_t count,
		loff_t *ppos);
ssize_t lp_write(struct vfio_device *core_vdev, const char __user *buf,
		 size_t count, loff_t *ppos);
long lp_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
	      unsigned long arg);
int lp_get_region_info(struct vfio_device *core_vdev,
		       struct vfio_region_info *info,
		       struct vfio_info_cap *caps);
void lp_user_access(struct lp_device *lp);

/* config.c */
void lp_config_snapshot(struct lp_device *lp);
void lp_config_refresh(struct lp_device *lp);
void lp_config_drop(struct lp_device *lp);
bool lp_config_check_gone(struct lp_device *lp);
bool lp_config_may_answer(struct lp_device *lp);
ssize_t lp_config_read(struct lp_device *lp, char __user *buf, size_t count,
		       loff_t *ppos);

/* account.c */
int lp_account_init(struct lp_device *lp);
void lp_account_fini(struct lp_device *lp);
void lp_access_begin(struct lp_device *lp, struct lp_access *access,
		     enum lp_cause cause, u64 detail);
void lp_access_end(struct lp_device *lp, struct lp_access *access);
void lp_settle(struct lp_device *lp, enum lp_cause cause, u64 detail);
void lp_count_entry(struct lp_device *lp, enum lp_reason reason, bool wakeup);
void lp_count_exit(struct lp_device *lp, unsigned int reasons,
		   enum lp_exit_why why, bool left);
void lp_count_quiet_read(struct lp_device *lp);
void lp_count_refused(struct lp_device *lp, unsigned long pgoff);
void lp_count_rate_limited(struct lp_device *lp);

/* sysfs.c */
extern const struct attribute_group *lp_groups[];

/* deepen.c */
void lp_deepen_init(struct lp_device *lp, unsigned int rate);
bool lp_is_pm_ctrl_write(struct lp_device *lp, loff_t pos, size_t count);
bool lp_deepens(struct lp_device *lp);
void lp_deepen_before_write(struct lp_device *lp);
void lp_deepen_after_write(struct lp_device *lp);
int lp_deepen_now(struct lp_device *lp);
bool lp_deepen_refuses(struct lp_device *lp, unsigned int index);
bool lp_deepen_put_off(struct lp_device *lp);
void lp_deepen_fini(struct lp_device *lp);
void lp_deepen_reset(struct lp_device *lp);
void lp_deepen_flush(struct lp_device *lp);
bool lp_deepen_pm_ctrl(struct lp_device *lp, u16 *pm_ctrl);
int lp_deepen_overlay(struct lp_device *lp, u16 pm_ctrl, unsigned int pos,
		      char __user *buf, size_t count);
bool lp_deepen_read(struct lp_device *lp, unsigned int pos, size_t count,
		    u8 *bytes);

#endif /* VFIO_PM_PCI_H */
