// SPDX-License-Identifier: GPL-2.0-only
/*
 * The low-power features, and the reasons that keep low power engaged.
 *
 * core.pm_runtime_engaged is true exactly while a reason is set; both change
 * together under core.memory_lock, so that the core's fault handler (SIGBUS
 * while engaged) and its disable path see what we mean. Engaged means that the
 * usage count taken at open is given back.
 *
 * The eventfd of the wakeup mode stays in our own structure: the core's resume
 * callback would leave low power whatever the other reasons. The domain's
 * resume callback does it instead, after the core's.
 *
 * Where LP_CORE_ENTRY is set the core does all that itself and we follow it.
 */
#include <linux/eventfd.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "compat.h"
#include "vfio_pm_pci.h"

static struct eventfd_ctx **lp_ctx(struct lp_device *lp)
{
	return LP_CORE_ENTRY ? &lp->core.pm_wake_eventfd_ctx : &lp->wake_ctx;
}

/**
 * lp_wakeup_mode() - is low power engaged in the wakeup mode?
 * @lp: the device
 *
 * Return: true if the next access or wake ends it.
 */
bool lp_wakeup_mode(struct lp_device *lp)
{
	return READ_ONCE(*lp_ctx(lp));
}

/* Brings @reasons in line with what the core did. */
static void lp_follow_core(struct lp_device *lp, bool wakeup,
			   enum lp_exit_why why)
{
	bool engaged;

	lockdep_assert_held_write(&lp->core.memory_lock);

	engaged = lp->core.pm_runtime_engaged;
	if (engaged && !lp->reasons) {
		lp->reasons = LP_USER;
		lp_pm_forget_last_busy(&lp->core.pdev->dev);
		lp_count_entry(lp, LP_USER, wakeup);
	} else if (!engaged && lp->reasons) {
		lp->reasons = 0;
		lp_count_exit(lp, LP_USER, why, true);
	}
}

static int lp_core_feature(struct lp_device *lp, u32 flags, void __user *arg,
			   size_t argsz, bool wakeup)
{
	int ret;

	ret = vfio_pci_core_ioctl_feature(&lp->core.vdev, flags, arg, argsz);

	down_write(&lp->core.memory_lock);
	lp_follow_core(lp, wakeup, LP_EXIT_ASKED);
	up_write(&lp->core.memory_lock);
	return ret;
}

/**
 * lp_engage() - adds a reason to be in low power
 * @lp: the device, held active by the caller
 * @reason: the reason
 * @ctx: eventfd of the wakeup mode, or NULL; ours on success
 *
 * The BAR mappings are taken away first, as the core does it: also when the
 * answer is -EINVAL.
 *
 * Return: 0, or -EINVAL if the reason was there already, or -EBUSY if the
 * device isn't open, or -EAGAIN for LP_DEEPEN if it isn't in D3hot.
 */
int lp_engage(struct lp_device *lp, enum lp_reason reason,
	      struct eventfd_ctx *ctx)
{
	struct device *dev = &lp->core.pdev->dev;
	int ret = 0;

	lp_zap_and_lock(lp);
	if (lp->reasons & reason) {
		ret = -EINVAL;
	} else if (reason == LP_DEEPEN &&
		   lp->core.pdev->current_state != PCI_D3hot) {
		/* A reset, which has the lock, was faster */
		ret = -EAGAIN;
	} else if (lp->closing) {
		ret = -EBUSY;
	} else {
		if (!lp->reasons) {
			lp->core.pm_runtime_engaged = true;
			/* The caller's own put is what lets the device go */
			pm_runtime_put_noidle(dev);
		}
		/* The first sleep is not delayed by what came before */
		lp_pm_forget_last_busy(dev);
		lp->reasons |= reason;
		if (ctx)
			WRITE_ONCE(lp->wake_ctx, ctx);
		lp_count_entry(lp, reason, ctx);
	}
	up_write(&lp->core.memory_lock);
	return ret;
}

static void lp_drop_reasons(struct lp_device *lp, unsigned int reasons,
			    enum lp_exit_why why)
{
	lockdep_assert_held_write(&lp->core.memory_lock);

	reasons &= lp->reasons;
	if (!reasons)
		return;

	lp->reasons &= ~reasons;
	if ((reasons & LP_USER) && lp->wake_ctx) {
		eventfd_ctx_put(lp->wake_ctx);
		WRITE_ONCE(lp->wake_ctx, NULL);
	}
	if (!lp->reasons) {
		lp->core.pm_runtime_engaged = false;
		pm_runtime_get_noresume(&lp->core.pdev->dev);
	}
	lp_count_exit(lp, reasons, why, !lp->reasons);
}

/**
 * lp_disengage() - takes reasons away
 * @lp: the device; held active by the caller unless no mapping of it is left
 * @reasons: those of enum lp_reason that end
 * @why: for the trace
 */
void lp_disengage(struct lp_device *lp, unsigned int reasons,
		  enum lp_exit_why why)
{
	if (LP_CORE_ENTRY) {
		vfio_pci_core_ioctl_feature(&lp->core.vdev,
					    VFIO_DEVICE_FEATURE_SET |
					    VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
					    NULL, 0);
		down_write(&lp->core.memory_lock);
		lp_follow_core(lp, false, why);
	} else {
		down_write(&lp->core.memory_lock);
		lp_drop_reasons(lp, reasons, why);
	}
	up_write(&lp->core.memory_lock);
}

/**
 * lp_end_wakeup_mode() - an access ends the wakeup mode before the device slept
 * @lp: the device, held active by the caller
 *
 * A device that was asleep left the mode when it woke for the access. One that
 * had not gone to sleep yet would stay engaged, and the next touch of a BAR
 * mapping by a user who rightly believes that an access ends the mode would be
 * a SIGBUS. The kernel's driver has that gap.
 */
void lp_end_wakeup_mode(struct lp_device *lp)
{
	bool end;

	down_write(&lp->core.memory_lock);
	end = *lp_ctx(lp);
	if (end) {
		lp_eventfd_signal(*lp_ctx(lp));
		if (LP_CORE_ENTRY) {
			/* The core's exit below then finds none: one signal */
			eventfd_ctx_put(lp->core.pm_wake_eventfd_ctx);
			WRITE_ONCE(lp->core.pm_wake_eventfd_ctx, NULL);
		} else {
			lp_drop_reasons(lp, LP_USER, LP_EXIT_ACCESS);
		}
	}
	up_write(&lp->core.memory_lock);

	if (end && LP_CORE_ENTRY)
		lp_disengage(lp, LP_USER, LP_EXIT_ACCESS);
}

/**
 * lp_resumed() - the device woke: the wakeup mode ends
 * @lp: the device, in its resume callback, powered and restored
 */
void lp_resumed(struct lp_device *lp)
{
	down_write(&lp->core.memory_lock);
	if (LP_CORE_ENTRY) {
		lp_follow_core(lp, false, LP_EXIT_WAKE);
	} else if (lp->wake_ctx) {
		lp_eventfd_signal(lp->wake_ctx);
		lp_drop_reasons(lp, LP_USER, LP_EXIT_WAKE);
	}
	up_write(&lp->core.memory_lock);
}

static int lp_feature_entry(struct lp_device *lp, u32 flags, void __user *arg,
			    size_t argsz)
{
	int ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET, 0);
	if (ret != 1)
		return ret;

	lp_config_refresh(lp);
	if (LP_CORE_ENTRY)
		return lp_core_feature(lp, flags, arg, argsz, false);

	return lp_engage(lp, LP_USER, NULL);
}

static int lp_feature_entry_with_wakeup(struct lp_device *lp, u32 flags,
					void __user *arg, size_t argsz)
{
	struct vfio_device_low_power_entry_with_wakeup entry;
	struct eventfd_ctx *ctx;
	int ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET,
				 sizeof(entry));
	if (ret != 1)
		return ret;

	lp_config_refresh(lp);
	if (LP_CORE_ENTRY)
		return lp_core_feature(lp, flags, arg, argsz, true);

	if (copy_from_user(&entry, arg, sizeof(entry)))
		return -EFAULT;

	if (entry.wakeup_eventfd < 0)
		return -EINVAL;

	ctx = eventfd_ctx_fdget(entry.wakeup_eventfd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);

	ret = lp_engage(lp, LP_USER, ctx);
	if (ret)
		eventfd_ctx_put(ctx);

	return ret;
}

static int lp_feature_exit(struct lp_device *lp, u32 flags, void __user *arg,
			   size_t argsz)
{
	int ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET, 0);
	if (ret != 1)
		return ret;

	if (LP_CORE_ENTRY)
		return lp_core_feature(lp, flags, arg, argsz, false);

	lp_disengage(lp, LP_USER, LP_EXIT_ASKED);
	return 0;
}

/**
 * lp_device_feature() - VFIO_DEVICE_FEATURE
 * @core_vdev: the device; the VFIO core holds it active
 * @flags: feature number and operation
 * @arg: the feature's data
 * @argsz: size of that
 *
 * To enter and to leave is no access: the answers are those of the kernel's
 * driver, -EINVAL for a second entry included. Everything else is one, PROBE
 * too, as it wakes the device.
 *
 * Return: 0 or a negative errno, as vfio-pci-core.
 */
int lp_device_feature(struct vfio_device *core_vdev, u32 flags,
		      void __user *arg, size_t argsz)
{
	struct lp_device *lp = lp_from_core(core_vdev);
	u32 feature = flags & VFIO_DEVICE_FEATURE_MASK;
	bool set = (flags & VFIO_DEVICE_FEATURE_SET) &&
		   !(flags & VFIO_DEVICE_FEATURE_PROBE);
	int ret;

	lp_settle(lp, LP_FEATURE, feature);

	switch (feature) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
		if (!set)
			lp_user_access(lp);
		return lp_feature_entry(lp, flags, arg, argsz);
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		if (!set)
			lp_user_access(lp);
		return lp_feature_entry_with_wakeup(lp, flags, arg, argsz);
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		if (!set)
			lp_user_access(lp);
		return lp_feature_exit(lp, flags, arg, argsz);
	default:
		lp_user_access(lp);
		ret = vfio_pci_core_ioctl_feature(core_vdev, flags, arg, argsz);
		if (lp_engaged(lp))
			pm_runtime_mark_last_busy(core_vdev->dev);
		return ret;
	}
}
