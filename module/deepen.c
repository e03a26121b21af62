// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user's D3hot as permission for low power.
 *
 * A guest's PCI core suspends a device by writing D3hot to PCI_PM_CTRL. With
 * vfio_pm/deepen set that write engages low power, and the platform may take
 * the device further, to D3cold. The user sees D3hot until it writes D0.
 *
 * The core refuses BAR mappings in D3hot and we refuse them while engaged, both
 * decided under memory_lock: there is no moment in between in which a mapping
 * could hit a device without power. Writes of PCI_PM_CTRL are taken one at a
 * time, and a reset, which comes with memory_lock held, is seen by lp_engage():
 * low power is engaged in D3hot only.
 */
#include <linux/pm_runtime.h>

#include "vfio_pm_pci.h"

#define LP_MINUTE (60 * HZ)

/**
 * lp_is_pm_ctrl_write() - does a config write change the power state?
 * @lp: the device
 * @pos: offset in config space
 * @count: length of the write
 *
 * Return: true if it may, so that it is done under pm_ctrl_lock.
 */
bool lp_is_pm_ctrl_write(struct lp_device *lp, loff_t pos, size_t count)
{
	u8 cap = lp->core.pdev->pm_cap;

	return cap && pos <= cap + PCI_PM_CTRL &&
	       pos + count > cap + PCI_PM_CTRL;
}

/**
 * lp_deepens() - must deepening see a write of PCI_PM_CTRL?
 * @lp: the device, with pm_ctrl_lock held: lp_deepen_now() must not take a D3hot
 *      that is just being ended for one that lasts
 *
 * Return: true if so.
 */
bool lp_deepens(struct lp_device *lp)
{
	lockdep_assert_held(&lp->pm_ctrl_lock);

	return READ_ONCE(lp->deepen) || READ_ONCE(lp->reasons) & LP_DEEPEN;
}

/**
 * lp_deepen_before_write() - the user writes PCI_PM_CTRL: the permission ends
 * @lp: the device, held active
 */
void lp_deepen_before_write(struct lp_device *lp)
{
	if (READ_ONCE(lp->reasons) & LP_DEEPEN)
		lp_disengage(lp, LP_DEEPEN, LP_EXIT_ASKED);
	/* What a reset before this write ends is not what this write begins */
	lp_deepen_flush(lp);
}

/*
 * What a device loses in D3cold its user must expect to lose: one with
 * No_Soft_Reset clear is reset on its way from D3hot to D0 anyway. And it
 * must not be armed to signal PME, which nobody would relay to the user.
 */
static bool lp_deepen_allowed(struct lp_device *lp, u16 pm_ctrl)
{
	if (!READ_ONCE(lp->deepen))
		return false;
	if ((pm_ctrl & PCI_PM_CTRL_STATE_MASK) != (__force u16)PCI_D3hot)
		return false;
	if (pm_ctrl & PCI_PM_CTRL_PME_ENABLE)
		return false;
	return lp->core.needs_pm_restore || READ_ONCE(lp->state_loss_ok);
}

/**
 * lp_deepen_after_write() - the core passed a write of PCI_PM_CTRL on
 * @lp: the device, held active
 */
void lp_deepen_after_write(struct lp_device *lp)
{
	struct pci_dev *pdev = lp->core.pdev;
	u16 pm_ctrl;

	/* A PF with VFs stays in D0 whatever its user writes */
	if (READ_ONCE(pdev->current_state) != PCI_D3hot)
		return;
	if (pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &pm_ctrl))
		return;
	if (!lp_deepen_allowed(lp, pm_ctrl))
		return;
	/* The core virtualizes these two, and shows them as zero */
	WRITE_ONCE(lp->pm_ctrl, pm_ctrl & ~(PCI_PM_CTRL_PME_ENABLE |
					    PCI_PM_CTRL_PME_STATUS));
	/* VMMs reset at their start: without this no read was quiet again */
	lp_config_refresh(lp);
	lp_engage(lp, LP_DEEPEN, NULL);
}

/**
 * lp_deepen_now() - a D3hot that was written before deepening was allowed
 * @lp: the device
 *
 * Nothing is woken for it: a device that is asleep has nothing to gain, and one
 * in D3hot that is in use is awake.
 *
 * Return: 0 or -ERESTARTSYS.
 */
int lp_deepen_now(struct lp_device *lp)
{
	struct device *dev = &lp->core.pdev->dev;

	if (mutex_lock_interruptible(&lp->pm_ctrl_lock))
		return -ERESTARTSYS;
	if (lp->core.pdev->pm_cap && pm_runtime_get_if_in_use(dev) > 0) {
		lp_deepen_after_write(lp);
		pm_runtime_put(dev);
	}
	mutex_unlock(&lp->pm_ctrl_lock);
	return 0;
}

/**
 * lp_deepen_refuses() - is an access of a region an error in the user's D3hot?
 * @lp: the device
 * @index: the region
 *
 * The core answers -EIO for memory in D3hot (__vfio_pci_memory_enabled()). An
 * access that woke the device first would find it in D0.
 *
 * Return: true if so.
 */
bool lp_deepen_refuses(struct lp_device *lp, unsigned int index)
{
	if (!(READ_ONCE(lp->reasons) & LP_DEEPEN))
		return false;

	return index == VFIO_PCI_ROM_REGION_INDEX ||
	       (index < VFIO_PCI_ROM_REGION_INDEX &&
		pci_resource_flags(lp->core.pdev, index) & IORESOURCE_MEM);
}

/**
 * lp_deepen_put_off() - has the user's D3hot had its sleeps for this minute?
 * @lp: the device, in its suspend callback
 *
 * A user that toggles, or that reads a live register again and again, must not
 * wear out what switches the power. Low power stays engaged, and the sleep is
 * asked for again when the minute is over.
 *
 * Return: true if the device may not be suspended now.
 */
bool lp_deepen_put_off(struct lp_device *lp)
{
	unsigned int rate = READ_ONCE(lp->deepen_rate);

	if (!rate || READ_ONCE(lp->reasons) != LP_DEEPEN)
		return false;

	if (time_after_eq(jiffies, lp->minute + LP_MINUTE)) {
		lp->minute = jiffies;
		lp->slept = 0;
	}
	if (lp->slept < rate) {
		lp->slept++;
		return false;
	}

	lp_count_rate_limited(lp);
	mod_delayed_work(system_wq, &lp->again,
			 lp->minute + LP_MINUTE - jiffies);
	return true;
}

static void lp_deepen_again(struct work_struct *work)
{
	struct lp_device *lp = container_of(to_delayed_work(work),
					    struct lp_device, again);

	pm_request_autosuspend(&lp->core.pdev->dev);
}

/**
 * lp_deepen_pm_ctrl() - PCI_PM_CTRL as the user left it
 * @lp: the device
 * @pm_ctrl: filled with it
 *
 * Return: true if the user is to see that: the device may be in any state.
 */
bool lp_deepen_pm_ctrl(struct lp_device *lp, u16 *pm_ctrl)
{
	if (!(READ_ONCE(lp->reasons) & LP_DEEPEN))
		return false;

	*pm_ctrl = READ_ONCE(lp->pm_ctrl);
	return true;
}

/**
 * lp_deepen_overlay() - puts PCI_PM_CTRL into what the device answered
 * @lp: the device
 * @pm_ctrl: of lp_deepen_pm_ctrl(), before the device was asked
 * @pos: offset in config space
 * @buf: what was read there
 * @count: how many bytes
 *
 * A read of more than the register wakes the device, and the core leaves it in
 * D0 when it has really been suspended.
 *
 * Return: 0 or -EFAULT.
 */
int lp_deepen_overlay(struct lp_device *lp, u16 pm_ctrl, unsigned int pos,
		      char __user *buf, size_t count)
{
	unsigned int start = lp->core.pdev->pm_cap + PCI_PM_CTRL;
	__le16 both = cpu_to_le16(pm_ctrl);
	unsigned int from = max(pos, start);
	unsigned int to = min_t(size_t, pos + count, start + sizeof(both));

	if (from >= to || !lp_config_may_answer(lp))
		return 0;
	if (copy_to_user(buf + (from - pos), (u8 *)&both + (from - start),
			 to - from))
		return -EFAULT;
	return 0;
}

/**
 * lp_deepen_read() - PCI_PM_CTRL as the user left it, without the device
 * @lp: the device
 * @pos: offset in config space
 * @count: length of the read
 * @bytes: room for two bytes
 *
 * Return: true if @bytes is the answer; the device may be in any state.
 */
bool lp_deepen_read(struct lp_device *lp, unsigned int pos, size_t count,
		    u8 *bytes)
{
	unsigned int start = lp->core.pdev->pm_cap + PCI_PM_CTRL;
	__le16 both;
	u16 pm_ctrl;

	if (!lp_deepen_pm_ctrl(lp, &pm_ctrl))
		return false;
	if (pos < start || pos + count > start + sizeof(both))
		return false;

	both = cpu_to_le16(pm_ctrl);
	memcpy(bytes, (u8 *)&both + (pos - start), count);
	return true;
}

/*
 * A reset leaves the device in D0, whatever its user wrote before. The device
 * is woken first: once low power is left its BARs may be mapped again.
 */
static void lp_deepen_reset_work(struct work_struct *work)
{
	struct lp_device *lp = container_of(work, struct lp_device, reset_work);
	struct device *dev = &lp->core.pdev->dev;

	pm_runtime_get_sync(dev);
	lp_disengage(lp, LP_DEEPEN, LP_EXIT_RESET);
	pm_runtime_put(dev);
}

/**
 * lp_deepen_reset() - the device is reset or in error: the permission ends
 * @lp: the device
 *
 * The core resets with memory_lock held, hence the work item. The ioctls that
 * reset wait for it: lp_deepen_flush().
 */
void lp_deepen_reset(struct lp_device *lp)
{
	if (READ_ONCE(lp->reasons) & LP_DEEPEN)
		queue_work(system_unbound_wq, &lp->reset_work);
}

/**
 * lp_deepen_flush() - waits until what lp_deepen_reset() began has happened
 * @lp: the device; memory_lock isn't held
 */
void lp_deepen_flush(struct lp_device *lp)
{
	flush_work(&lp->reset_work);
}

/**
 * lp_deepen_init() - prepares a device that is being bound
 * @lp: the device
 * @rate: how often a minute the user's D3hot may let it sleep; 0: no limit
 */
void lp_deepen_init(struct lp_device *lp, unsigned int rate)
{
	lp->deepen_rate = rate;
	/* Over: the first sleep begins one, however long after the bind it is */
	lp->minute = jiffies - LP_MINUTE;
	mutex_init(&lp->pm_ctrl_lock);
	INIT_WORK(&lp->reset_work, lp_deepen_reset_work);
	INIT_DELAYED_WORK(&lp->again, lp_deepen_again);
}

/**
 * lp_deepen_fini() - ends what is still to be done
 * @lp: the device, which nobody has open: nothing new begins
 */
void lp_deepen_fini(struct lp_device *lp)
{
	cancel_work_sync(&lp->reset_work);
	cancel_delayed_work_sync(&lp->again);
}
