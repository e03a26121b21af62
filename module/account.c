// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who woke the device, and how long it slept: the latter by the runtime PM
 * core's own account, so that it is sysfs's to the microsecond however often
 * the device sleeps and however busy the machine is.
 *
 * Suspends and resumes are counted by a PM domain of the device that chains
 * the bus's callbacks: a domain comes before the bus (RPM_GET_CALLBACK() in
 * drivers/base/power/runtime.c). The driver's own dev_pm_ops are no place for
 * it, as vfio-pci-core sets driver->pm anew whenever a device is bound, and
 * what other devices do in that moment would be lost.
 *
 * A resume runs in the context of the task that asked for it. A read or write
 * tells beforehand who it is. For an ioctl the VFIO core wakes the device
 * before the driver hears of it: such a wake is pending until the driver is
 * called from the same system call, and is the host's if that never happens.
 *
 * Where the port above has to wake first, its resume asks for that of all below
 * it (pci_resume_bus()), and a kernel worker may overtake the task that waits
 * for the port. A read or write that waits is charged then; an ioctl can't be
 * told from one that comes by chance, and such a wake is the host's.
 */
#include <linux/compat.h>
#include <linux/pm_domain.h>
#include <linux/pm_runtime.h>
#include <linux/sched/task_stack.h>
#include <linux/unistd.h>
#include <asm/syscall.h>

#include "compat.h"
#include "vfio_pm_pci.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * lp_access_begin() - an access waits for the device
 * @lp: the device
 * @access: on the caller's stack until lp_access_end()
 * @cause: kind of the access
 * @detail: see struct lp_access
 */
void lp_access_begin(struct lp_device *lp, struct lp_access *access,
		     enum lp_cause cause, u64 detail)
{
	struct lp_account *account = &lp->account;

	access->task = current;
	access->cause = cause;
	access->detail = detail;

	spin_lock(&account->lock);
	list_add(&access->node, &account->accesses);
	spin_unlock(&account->lock);
}

/**
 * lp_access_end() - the device is active, or didn't come back
 * @lp: the device
 * @access: what lp_access_begin() got
 */
void lp_access_end(struct lp_device *lp, struct lp_access *access)
{
	spin_lock(&lp->account.lock);
	list_del(&access->node);
	spin_unlock(&lp->account.lock);
}

/* True with @call filled if the current task is in an ioctl of VFIO. */
static bool lp_current_ioctl(struct lp_syscall *call)
{
	struct pt_regs *regs;

	if (current->flags & PF_KTHREAD)
		return false;

	regs = task_pt_regs(current);
	call->task = current;
	call->nr = syscall_get_nr(current, regs);
	/* The number differs for a 32-bit task; it is compared, not used */
	if (call->nr != __NR_ioctl && !in_compat_syscall())
		return false;

	syscall_get_arguments(current, regs, call->args);
	return _IOC_TYPE(call->args[1]) == VFIO_TYPE;
}

static bool lp_same_call(const struct lp_syscall *a, const struct lp_syscall *b)
{
	return a->task == b->task && a->nr == b->nr &&
	       a->args[0] == b->args[0] && a->args[1] == b->args[1] &&
	       a->args[2] == b->args[2];
}

/* Gives the pending wake its cause; true with a copy for the trace. */
static bool lp_settle_locked(struct lp_account *account, enum lp_cause cause,
			     u64 detail, struct lp_wake *wake)
{
	lockdep_assert_held(&account->lock);

	if (!account->pending.task)
		return false;

	WRITE_ONCE(account->pending.task, NULL);
	account->wakes[LP_HOST]--;
	account->wakes[cause]++;
	account->last.cause = cause;
	account->last.detail = detail;
	*wake = account->last;
	return true;
}

/**
 * lp_settle() - the driver is called by an ioctl, which may have woken the device
 * @lp: the device
 * @cause: LP_IOCTL or LP_FEATURE
 * @detail: command or feature
 */
void lp_settle(struct lp_device *lp, enum lp_cause cause, u64 detail)
{
	struct lp_account *account = &lp->account;
	struct lp_syscall call;
	struct lp_wake wake;
	bool settled = false;

	if (likely(READ_ONCE(account->pending.task) != current))
		return;

	spin_lock(&account->lock);
	if (account->pending.task == current) {
		if (!lp_current_ioctl(&call) ||
		    !lp_same_call(&call, &account->pending)) {
			cause = LP_HOST;
			detail = 0;
		}
		settled = lp_settle_locked(account, cause, detail, &wake);
	}
	spin_unlock(&account->lock);

	if (settled)
		trace_vfio_pm_wake(lp->core.pdev, &wake);
}

/* The access that the current task wakes the device for, or NULL. */
static struct lp_access *lp_waking_access(struct lp_account *account)
{
	struct lp_access *access;

	lockdep_assert_held(&account->lock);

	list_for_each_entry(access, &account->accesses, node) {
		if (access->task == current)
			return access;
	}
	if (!(current->flags & PF_WQ_WORKER) || list_empty(&account->accesses))
		return NULL;
	/* The oldest: new ones are added in front */
	return list_last_entry(&account->accesses, struct lp_access, node);
}

static void lp_count_wake(struct lp_device *lp)
{
	struct lp_account *account = &lp->account;
	struct lp_wake now = {
		.cause = LP_HOST,
		.time = ktime_get_real(),
	}, old;
	struct task_struct *task = current;
	struct lp_access *access;
	bool pending, settled;
	struct lp_syscall call;

	spin_lock(&account->lock);
	settled = lp_settle_locked(account, LP_HOST, 0, &old);
	access = lp_waking_access(account);
	if (access) {
		now.cause = access->cause;
		now.detail = access->detail;
		/* Alive: its stack is what @access is on */
		task = access->task;
	}
	now.tgid = task_tgid_nr(task);
	get_task_comm(now.comm, task);
	account->wakes[now.cause]++;
	account->last = now;
	pending = !access && lp_current_ioctl(&call);
	if (pending)
		account->pending = call;
	spin_unlock(&account->lock);

	if (settled)
		trace_vfio_pm_wake(lp->core.pdev, &old);
	if (!pending)
		trace_vfio_pm_wake(lp->core.pdev, &now);
}

static int lp_runtime_suspend(struct device *dev)
{
	struct lp_device *lp = lp_from_dev(dev);
	struct lp_account *account = &lp->account;
	bool settled, engaged;
	struct lp_wake wake;
	int ret;

	if (lp_deepen_put_off(lp))
		return -EBUSY;

	ret = lp->base->runtime_suspend(dev);
	if (ret)
		return ret;

	engaged = lp_engaged(lp);
	spin_lock(&account->lock);
	settled = lp_settle_locked(account, LP_HOST, 0, &wake);
	account->sleeps++;
	account->asleep = true;
	account->asleep_engaged = engaged;
	account->asleep_since_ns = lp_pm_suspended_ns(dev);
	spin_unlock(&account->lock);

	if (settled)
		trace_vfio_pm_wake(lp->core.pdev, &wake);
	trace_vfio_pm_sleep(lp->core.pdev, engaged);
	return 0;
}

static int lp_runtime_resume(struct device *dev)
{
	struct lp_device *lp = lp_from_dev(dev);
	struct lp_account *account = &lp->account;
	bool slept;
	int ret;

	ret = lp->base->runtime_resume(dev);
	lp_config_check_gone(lp);
	if (ret)
		return ret;

	/* The way up, which may take seconds, isn't in the suspended time */
	spin_lock(&account->lock);
	slept = account->asleep;
	if (slept && account->asleep_engaged)
		account->asleep_ns += lp_pm_suspended_ns(dev) -
				      account->asleep_since_ns;
	account->asleep = false;
	spin_unlock(&account->lock);

	if (slept)
		lp_count_wake(lp);
	lp_resumed(lp);
	return 0;
}

void lp_count_entry(struct lp_device *lp, enum lp_reason reason, bool wakeup)
{
	spin_lock(&lp->account.lock);
	lp->account.entries++;
	spin_unlock(&lp->account.lock);
	trace_vfio_pm_entry(lp->core.pdev, reason, wakeup);
}

void lp_count_exit(struct lp_device *lp, unsigned int reasons,
		   enum lp_exit_why why, bool left)
{
	spin_lock(&lp->account.lock);
	lp->account.exits += hweight32(reasons);
	spin_unlock(&lp->account.lock);
	trace_vfio_pm_exit(lp->core.pdev, reasons, why, left);
}

void lp_count_quiet_read(struct lp_device *lp)
{
	spin_lock(&lp->account.lock);
	lp->account.quiet_reads++;
	spin_unlock(&lp->account.lock);
}

void lp_count_refused(struct lp_device *lp, unsigned long pgoff)
{
	spin_lock(&lp->account.lock);
	lp->account.refused++;
	spin_unlock(&lp->account.lock);
	trace_vfio_pm_refused(lp->core.pdev, pgoff);
}

void lp_count_rate_limited(struct lp_device *lp)
{
	spin_lock(&lp->account.lock);
	lp->account.rate_limited++;
	spin_unlock(&lp->account.lock);
}

/**
 * lp_account_init() - starts to count
 * @lp: the device, being probed: the PCI core holds it active
 *
 * Return: 0, or -EOPNOTSUPP for a device in a PM domain of its platform: that
 * domain's owner finds its own structure around dev->pm_domain.
 */
int lp_account_init(struct lp_device *lp)
{
	struct device *dev = &lp->core.pdev->dev;

	spin_lock_init(&lp->account.lock);
	INIT_LIST_HEAD(&lp->account.accesses);

	if (dev->pm_domain) {
		dev_err(dev, "device is in a PM domain already, refused\n");
		return -EOPNOTSUPP;
	}

	lp->base = dev->bus->pm;
	lp->domain.ops = *lp->base;
	lp->domain.ops.runtime_suspend = lp_runtime_suspend;
	lp->domain.ops.runtime_resume = lp_runtime_resume;
	dev_pm_domain_set(dev, &lp->domain);
	return 0;
}

/**
 * lp_account_fini() - gives the callbacks back to the bus
 * @lp: the device, held active, no callback running
 */
void lp_account_fini(struct lp_device *lp)
{
	dev_pm_domain_set(&lp->core.pdev->dev, NULL);
}
