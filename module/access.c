// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every access of the user on its way to the core.
 *
 * While low power isn't engaged an access goes straight through: the device is
 * open, hence active. While it is, the access says who it is in case the device
 * must wake for it, and moves the next sleep back by the autosuspend delay.
 */
#include <linux/pm_runtime.h>

#include "compat.h"
#include "vfio_pm_pci.h"

/**
 * lp_user_access() - what every access does to the wakeup mode
 * @lp: the device, held active
 */
void lp_user_access(struct lp_device *lp)
{
	if (unlikely(lp_wakeup_mode(lp)))
		lp_end_wakeup_mode(lp);
}

/* 0 with the device active and held, or -EIO as the core answers it. */
static int lp_hold_active(struct lp_device *lp, enum lp_cause cause, u64 detail)
{
	struct device *dev = &lp->core.pdev->dev;
	struct lp_access access;
	int ret;

	lp_access_begin(lp, &access, cause, detail);
	ret = pm_runtime_resume_and_get(dev);
	lp_access_end(lp, &access);
	if (ret) {
		pci_info_ratelimited(lp->core.pdev,
				     "runtime resume failed %d\n", ret);
		return -EIO;
	}

	lp_user_access(lp);
	return 0;
}

static void lp_release_active(struct lp_device *lp)
{
	struct device *dev = &lp->core.pdev->dev;

	pm_runtime_mark_last_busy(dev);
	pm_runtime_put(dev);
}

/*
 * The core takes a reference around each access of its own (vfio_pci_rw()):
 * there is no need to hold another, but to say who it is, in case it must wake
 * the device, and that the device is in use. Before, as the core's put may
 * decide about the next sleep at once; and after, as a long transfer may have
 * used up the delay.
 *
 * To end the wakeup mode the device must be held, whether it had to wake or not.
 */
static int lp_begin(struct lp_device *lp, struct lp_access *access,
		    enum lp_cause cause, u64 detail)
{
	int ret;

	if (unlikely(lp_wakeup_mode(lp))) {
		ret = lp_hold_active(lp, cause, detail);
		if (ret)
			return ret;
		lp_release_active(lp);
	}

	lp_access_begin(lp, access, cause, detail);
	pm_runtime_mark_last_busy(&lp->core.pdev->dev);
	return 0;
}

static void lp_end(struct lp_device *lp, struct lp_access *access)
{
	pm_runtime_mark_last_busy(&lp->core.pdev->dev);
	lp_access_end(lp, access);
}

static unsigned int lp_regions(struct lp_device *lp)
{
	return VFIO_PCI_NUM_REGIONS + lp->core.num_regions;
}

ssize_t lp_read(struct vfio_device *core_vdev, char __user *buf, size_t count,
		loff_t *ppos)
{
	struct lp_device *lp = lp_from_core(core_vdev);
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);
	bool config = index == VFIO_PCI_CONFIG_REGION_INDEX;
	loff_t pos = *ppos;
	struct lp_access access;
	bool deepened;
	u16 pm_ctrl;
	ssize_t ret;

	/* What the core refuses without a look at the device needs no wake */
	if (!lp_engaged(lp) || !count || index >= lp_regions(lp))
		return vfio_pci_core_read(core_vdev, buf, count, ppos);
	if (lp_deepen_refuses(lp, index))
		return -EIO;

	if (config) {
		ret = lp_config_read(lp, buf, count, ppos);
		if (ret)
			return ret;
	}

	/* Before the device is asked: the user may write D0 meanwhile */
	deepened = config && lp_deepen_pm_ctrl(lp, &pm_ctrl);

	ret = lp_begin(lp, &access, config ? LP_CONFIG_READ : LP_REGION, *ppos);
	if (ret)
		return ret;

	ret = vfio_pci_core_read(core_vdev, buf, count, ppos);
	lp_end(lp, &access);
	if (deepened && ret > 0 &&
	    lp_deepen_overlay(lp, pm_ctrl, pos & VFIO_PCI_OFFSET_MASK, buf, ret))
		return -EFAULT;
	return ret;
}

/* With pm_ctrl_lock held: PCI_PM_CTRL is taken for permission before and after. */
static ssize_t lp_write_pm_ctrl(struct lp_device *lp, const char __user *buf,
				size_t count, loff_t *ppos)
{
	struct device *dev = &lp->core.pdev->dev;
	ssize_t ret;

	ret = lp_hold_active(lp, LP_CONFIG_WRITE, *ppos);
	if (ret)
		return ret;

	lp_deepen_before_write(lp);
	ret = vfio_pci_core_write(&lp->core.vdev, buf, count, ppos);
	pm_runtime_mark_last_busy(dev);
	/* Last, as entry makes the next sleep due at once */
	lp_deepen_after_write(lp);
	pm_runtime_put(dev);
	return ret;
}

static ssize_t lp_write_any(struct lp_device *lp, const char __user *buf,
			    size_t count, loff_t *ppos)
{
	struct vfio_device *core_vdev = &lp->core.vdev;
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);
	bool config = index == VFIO_PCI_CONFIG_REGION_INDEX;
	struct lp_access access;
	ssize_t ret;

	if (!lp_engaged(lp) || !count || index >= lp_regions(lp))
		return vfio_pci_core_write(core_vdev, buf, count, ppos);
	if (lp_deepen_refuses(lp, index))
		return -EIO;

	ret = lp_begin(lp, &access, config ? LP_CONFIG_WRITE : LP_REGION, *ppos);
	if (ret)
		return ret;

	ret = vfio_pci_core_write(core_vdev, buf, count, ppos);
	lp_end(lp, &access);
	/* It may have been a function level reset: as lp_ioctl() */
	if (config)
		lp_deepen_flush(lp);
	return ret;
}

ssize_t lp_write(struct vfio_device *core_vdev, const char __user *buf,
		 size_t count, loff_t *ppos)
{
	struct lp_device *lp = lp_from_core(core_vdev);
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);
	ssize_t ret;

	if (index != VFIO_PCI_CONFIG_REGION_INDEX ||
	    !lp_is_pm_ctrl_write(lp, *ppos & VFIO_PCI_OFFSET_MASK, count))
		return lp_write_any(lp, buf, count, ppos);

	if (mutex_lock_killable(&lp->pm_ctrl_lock))
		return -EINTR;
	ret = lp_deepens(lp) ? lp_write_pm_ctrl(lp, buf, count, ppos) :
			       lp_write_any(lp, buf, count, ppos);
	mutex_unlock(&lp->pm_ctrl_lock);
	return ret;
}

/* A hot reset resets all that share the bus or slot, whose users may be others. */
static void lp_flush_dev_set(struct vfio_device *core_vdev)
{
	struct vfio_device_set *dev_set = core_vdev->dev_set;
	struct vfio_device *other;

	mutex_lock(&dev_set->lock);
	list_for_each_entry(other, &dev_set->device_list, dev_set_list) {
		if (other->ops == core_vdev->ops)
			lp_deepen_flush(lp_from_core(other));
	}
	mutex_unlock(&dev_set->lock);
}

#ifdef LP_HAVE_CORE_REGION_INFO
/* Where this is no part of .ioctl any more it is an access of its own. */
int lp_get_region_info(struct vfio_device *core_vdev,
		       struct vfio_region_info *info,
		       struct vfio_info_cap *caps)
{
	struct lp_device *lp = lp_from_core(core_vdev);
	int ret;

	lp_settle(lp, LP_IOCTL, VFIO_DEVICE_GET_REGION_INFO);
	lp_user_access(lp);
	ret = vfio_pci_ioctl_get_region_info(core_vdev, info, caps);
	if (lp_engaged(lp))
		pm_runtime_mark_last_busy(core_vdev->dev);
	return ret;
}
#endif

/* The VFIO core holds the device active around .ioctl and .device_feature. */
long lp_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
	      unsigned long arg)
{
	struct lp_device *lp = lp_from_core(core_vdev);
	long ret;

	lp_settle(lp, LP_IOCTL, cmd);
	lp_user_access(lp);

	ret = vfio_pci_core_ioctl(core_vdev, cmd, arg);
	/* Touched right after a reset, a BAR is to work: D0 is what that left */
	if (cmd == VFIO_DEVICE_RESET)
		lp_deepen_flush(lp);
	else if (cmd == VFIO_DEVICE_PCI_HOT_RESET)
		lp_flush_dev_set(core_vdev);
	if (lp_engaged(lp))
		pm_runtime_mark_last_busy(core_vdev->dev);
	return ret;
}
