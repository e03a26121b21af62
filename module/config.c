// SPDX-License-Identifier: GPL-2.0-only
/*
 * Constant config space, answered without waking the device.
 *
 * The bytes are those of the core's virtual config space, copied right after
 * the core filled it from the hardware and adjusted it, before the user can
 * touch anything. That is what an awake read gives: virtualized bits come from
 * there, the others from the hardware it was filled from. The live virtual
 * config space is never used later: the core's handler for the MSI flags
 * updates a wrong byte of it (vfio_msi_config_read()), and a capability ID
 * that the hardware has as 05 turns into 01 there.
 *
 * What counts as constant is listed here, and nothing is taken for constant
 * because it happened not to change.
 */
#include <linux/bitmap.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "vfio_pm_pci.h"

/* The core's ID of the header, which is in no capability (vfio_pci_priv.h) */
#define PCI_CAP_ID_BASIC 0

/* A run of constant bytes, at an offset within its capability. */
struct lp_const {
	u8 cap;		/* capability ID, as in the core's map */
	u8 offset;
	u8 len;
	bool hardware;	/* all bits are the hardware's */
};

static const struct lp_const lp_consts[] = {
	{ PCI_CAP_ID_BASIC, PCI_VENDOR_ID, 4, false },	/* VFs have none of their own */
	{ PCI_CAP_ID_BASIC, PCI_CLASS_REVISION, 4, true },
	{ PCI_CAP_ID_BASIC, PCI_HEADER_TYPE, 1, true },
	{ PCI_CAP_ID_BASIC, PCI_SUBSYSTEM_VENDOR_ID, 4, true },
	{ PCI_CAP_ID_BASIC, PCI_CAPABILITY_LIST, 1, false },
	{ PCI_CAP_ID_PM, PCI_PM_PMC, 2, false },
	{ PCI_CAP_ID_MSIX, PCI_MSIX_TABLE, 8, true },	/* and the PBA */
	/*
	 * The interrupt message number in the upper byte of the flags follows
	 * the number of MSI vectors, and the slot power limit in the upper
	 * half of the device capabilities is set by a message on the link.
	 */
	{ PCI_CAP_ID_EXP, PCI_EXP_FLAGS, 1, true },
	{ PCI_CAP_ID_EXP, PCI_EXP_DEVCAP, 2, true },
	{ PCI_CAP_ID_EXP, PCI_EXP_LNKCAP, 4, true },
	{ PCI_CAP_ID_AF, PCI_AF_LENGTH, 2, true },	/* and the capabilities */
};

/* The core's own marks in its map of config space: no capability is here. */
#define LP_MAP_NO_CAP 0xfe

/*
 * Only what the core takes for part of that capability: elsewhere it reads the
 * hardware and its virtual config space was never filled. A root complex
 * integrated endpoint has no link registers, for example.
 */
static void lp_mark(struct lp_device *lp, u8 cap, unsigned int pos,
		    unsigned int len, bool hardware)
{
	const u8 *map = lp->core.pci_config_map;
	unsigned int i;

	if (pos + len > lp->core.pdev->cfg_size)
		return;
	for (i = 0; i < len; i++) {
		if (map[pos + i] != cap)
			return;
	}

	memcpy(&lp->config.bytes[pos], &lp->core.vconfig[pos], len);
	bitmap_set(lp->config.quiet, pos, len);
	if (hardware)
		bitmap_set(lp->config.hardware, pos, len);
}

static void lp_mark_cap(struct lp_device *lp, u8 cap, unsigned int pos)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lp_consts); i++) {
		if (lp_consts[i].cap == cap)
			lp_mark(lp, cap, pos + lp_consts[i].offset,
				lp_consts[i].len, lp_consts[i].hardware);
	}
}

/* The chain as the user sees it: the core hides what it doesn't know. */
static void lp_walk_caps(struct lp_device *lp)
{
	const u8 *vconfig = lp->core.vconfig;
	unsigned int loops = (PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) /
			     PCI_CAP_SIZEOF;
	u8 pos = vconfig[PCI_CAPABILITY_LIST];

	if (!(vconfig[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return;

	while (pos >= PCI_STD_HEADER_SIZEOF && !(pos & 3) && loops--) {
		u8 cap = lp->core.pci_config_map[pos];

		if (cap >= LP_MAP_NO_CAP)
			break;

		lp_mark(lp, cap, pos + PCI_CAP_LIST_ID, 1, true);
		lp_mark(lp, cap, pos + PCI_CAP_LIST_NEXT, 1, false);
		lp_mark_cap(lp, cap, pos);
		pos = vconfig[pos + PCI_CAP_LIST_NEXT];
	}
}

static void lp_walk_ext_caps(struct lp_device *lp)
{
	unsigned int loops = (PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) /
			     PCI_CAP_SIZEOF;
	unsigned int pos = PCI_CFG_SPACE_SIZE;

	while (pos >= PCI_CFG_SPACE_SIZE && !(pos & 3) && loops--) {
		u8 cap = lp->core.pci_config_map[pos];
		__le32 raw;
		u32 header;

		if (cap >= LP_MAP_NO_CAP)
			break;
		memcpy(&raw, &lp->core.vconfig[pos], sizeof(raw));
		header = le32_to_cpu(raw);
		if (!header)
			break;

		lp_mark(lp, cap, pos, sizeof(header), false);
		if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_DSN)
			lp_mark(lp, cap, pos + sizeof(header), 8, true);
		pos = PCI_EXT_CAP_NEXT(header);
	}
}

/**
 * lp_config_snapshot() - takes the constant bytes
 * @lp: the device, just enabled by the core: active, nobody has it yet
 */
void lp_config_snapshot(struct lp_device *lp)
{
	struct lp_config *config = &lp->config;
	int drops = atomic_read_acquire(&config->drops);

	bitmap_zero(config->quiet, PCI_CFG_SPACE_EXP_SIZE);
	bitmap_zero(config->hardware, PCI_CFG_SPACE_EXP_SIZE);
	WRITE_ONCE(config->gone, false);
	if (lp->quiet_reads == LP_QUIET_OFF)
		return;

	lp_mark_cap(lp, PCI_CAP_ID_BASIC, 0);
	lp_walk_caps(lp);
	if (lp->core.extended_caps &&
	    lp->core.pdev->cfg_size == PCI_CFG_SPACE_EXP_SIZE)
		lp_walk_ext_caps(lp);

	/* Pairs with the acquire in lp_config_constant(): the bytes come first */
	smp_store_release(&config->checked, drops);
}

/**
 * lp_config_check_gone() - finds out whether the device answers at all
 * @lp: the device, powered
 *
 * The PCI core takes a device that doesn't come back for resumed:
 * pci_pm_runtime_resume() ignores the error of pci_power_up(). All ones in the
 * command and status registers are no device's answer; in the vendor ID they
 * are a VF's.
 *
 * Return: true, with the bytes dropped, if it doesn't.
 */
bool lp_config_check_gone(struct lp_device *lp)
{
	bool gone;
	u32 value;

	pci_read_config_dword(lp->core.pdev, PCI_COMMAND, &value);
	gone = PCI_POSSIBLE_ERROR(value);
	WRITE_ONCE(lp->config.gone, gone);
	if (gone)
		lp_config_drop(lp);
	return gone;
}

/**
 * lp_config_refresh() - checks the bytes against the hardware after a drop
 * @lp: the device, open, held active
 *
 * A reset may have loaded other firmware: what is the hardware's own and isn't
 * as it was at open is no constant. What was read while a reset went on says
 * nothing: it comes with another drop, or as all ones.
 */
void lp_config_refresh(struct lp_device *lp)
{
	DECLARE_BITMAP(changed, PCI_CFG_SPACE_EXP_SIZE) = { 0 };
	struct lp_config *config = &lp->config;
	int drops = atomic_read_acquire(&config->drops);
	unsigned int pos;
	u8 byte;

	if (READ_ONCE(config->checked) == drops ||
	    lp->quiet_reads == LP_QUIET_OFF ||
	    pci_channel_offline(lp->core.pdev))
		return;

	for_each_set_bit(pos, config->hardware, PCI_CFG_SPACE_EXP_SIZE) {
		if (pci_read_config_byte(lp->core.pdev, pos, &byte) ||
		    byte != config->bytes[pos])
			__set_bit(pos, changed);
	}
	if (lp_config_check_gone(lp) || atomic_read(&config->drops) != drops)
		return;

	for_each_set_bit(pos, changed, PCI_CFG_SPACE_EXP_SIZE)
		clear_bit(pos, config->quiet);
	/* Pairs with the acquire in lp_config_constant(): the bytes come first */
	smp_store_release(&config->checked, drops);
}

/**
 * lp_config_drop() - forgets: close, error or reset
 * @lp: the device
 */
void lp_config_drop(struct lp_device *lp)
{
	atomic_inc(&lp->config.drops);
}

/**
 * lp_config_may_answer() - may anything be said in the device's place?
 * @lp: the device
 *
 * Return: false for a device that is going, in error or gone.
 */
bool lp_config_may_answer(struct lp_device *lp)
{
	return !READ_ONCE(lp->removing) && !READ_ONCE(lp->config.gone) &&
	       !pci_channel_offline(lp->core.pdev);
}

/* In the wakeup mode an access is what the user wants to hear of. */
static bool lp_config_quiet(struct lp_device *lp)
{
	return lp->quiet_reads > (lp_wakeup_mode(lp) ? LP_QUIET_ON :
						       LP_QUIET_OFF);
}

/* Into @bytes if all @count bytes at @pos are constant. */
static bool lp_config_constant(struct lp_device *lp, unsigned int pos,
			       size_t count, const u8 **bytes)
{
	struct lp_config *config = &lp->config;

	/* Pairs with the release after the bytes were taken or checked */
	if (smp_load_acquire(&config->checked) != atomic_read(&config->drops))
		return false;
	if (find_next_zero_bit(config->quiet, pos + count, pos) < pos + count)
		return false;

	*bytes = &config->bytes[pos];
	return true;
}

/**
 * lp_config_read() - answers a config read without the device, if it can
 * @lp: the device
 * @buf: where to
 * @count: how many bytes
 * @ppos: offset in the device file, moved on by what was read
 *
 * Return: @count, -EFAULT, or 0 if the device must be asked.
 */
ssize_t lp_config_read(struct lp_device *lp, char __user *buf, size_t count,
		       loff_t *ppos)
{
	u64 pos = *ppos & VFIO_PCI_OFFSET_MASK;
	const u8 *bytes;
	u8 pm_ctrl[2];

	if (pos >= PCI_CFG_SPACE_EXP_SIZE ||
	    count > PCI_CFG_SPACE_EXP_SIZE - pos)
		return 0;

	/* A device that has gone must not go on answering */
	if (!lp_config_may_answer(lp) || !lp_config_quiet(lp))
		return 0;

	if (lp_deepen_read(lp, pos, count, pm_ctrl))
		bytes = pm_ctrl;
	else if (!lp_config_constant(lp, pos, count, &bytes))
		return 0;

	if (copy_to_user(buf, bytes, count))
		return -EFAULT;

	*ppos += count;
	lp_count_quiet_read(lp);
	return count;
}
