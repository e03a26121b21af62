// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is a device's configuration space as it was before the sleep? Registers are
 * named by where linux/pci_regs.h has them; bits that live their own life
 * (status, pending, what a link negotiates anew) are left out.
 */
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include "cycle.h"

struct reg {
	uint16_t offset;
	uint8_t width;		/* bytes */
	uint32_t mask;
	const char *name;
};

static const struct reg header[] = {
	{ PCI_VENDOR_ID, 4, 0xffffffff, "vendor and device ID" },
	/*
	 * Not its bit for INTx: VFIO leaves that on when it sets up MSI, and a restore of MSI
	 * switches it off (drivers/vfio/pci/vfio_pci_config.c,
	 * vfio_pci_memory_unlock_and_restore(); drivers/pci/msi/msi.c, __pci_restore_msi_state()).
	 */
	{ PCI_COMMAND, 2, 0xffff & ~PCI_COMMAND_INTX_DISABLE, "command register" },
	{ PCI_STATUS, 2, PCI_STATUS_CAP_LIST, "capability bit of the status register" },
	{ PCI_CLASS_REVISION, 4, 0xffffffff, "class and revision" },
	{ PCI_CACHE_LINE_SIZE, 1, 0xff, "cache line size" },
	{ PCI_LATENCY_TIMER, 1, 0xff, "latency timer" },
	{ PCI_HEADER_TYPE, 1, 0xff, "header type" },
	{ PCI_BASE_ADDRESS_0, 4, 0xffffffff, "BAR 0" },
	{ PCI_BASE_ADDRESS_1, 4, 0xffffffff, "BAR 1" },
	{ PCI_BASE_ADDRESS_2, 4, 0xffffffff, "BAR 2" },
	{ PCI_BASE_ADDRESS_3, 4, 0xffffffff, "BAR 3" },
	{ PCI_BASE_ADDRESS_4, 4, 0xffffffff, "BAR 4" },
	{ PCI_BASE_ADDRESS_5, 4, 0xffffffff, "BAR 5" },
	{ PCI_SUBSYSTEM_VENDOR_ID, 4, 0xffffffff, "subsystem ID" },
	{ PCI_ROM_ADDRESS, 4, 0xffffffff, "expansion ROM address" },
	{ PCI_CAPABILITY_LIST, 1, 0xff, "capability pointer" },
	{ PCI_INTERRUPT_LINE, 1, 0xff, "interrupt line" },
	{ PCI_INTERRUPT_PIN, 1, 0xff, "interrupt pin" },
	{ 0 }
};

/* Offsets from the start of the capability. */
static const struct reg pm[] = {
	{ PCI_PM_PMC, 2, 0xffff, "PM capabilities" },
	{ PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_ENABLE,
	  "PM control: power state and PME enable" },
	{ 0 }
};

/* Of its two forms, and each with and without masks, see msi_same(). */
static const struct reg msi[] = {
	{ PCI_MSI_FLAGS, 2, 0xffff, "MSI control" },
	{ PCI_MSI_ADDRESS_LO, 4, 0xffffffff, "MSI address" },
	{ 0 }
};

static const struct reg msi_32[] = {
	{ PCI_MSI_DATA_32, 2, 0xffff, "MSI data" },
	{ 0 }
};

static const struct reg msi_32_mask[] = {
	{ PCI_MSI_MASK_32, 4, 0xffffffff, "MSI mask" },
	{ 0 }
};

static const struct reg msi_64[] = {
	{ PCI_MSI_ADDRESS_HI, 4, 0xffffffff, "upper MSI address" },
	{ PCI_MSI_DATA_64, 2, 0xffff, "MSI data" },
	{ 0 }
};

static const struct reg msi_64_mask[] = {
	{ PCI_MSI_MASK_64, 4, 0xffffffff, "MSI mask" },
	{ 0 }
};

static const struct reg msix[] = {
	{ PCI_MSIX_FLAGS, 2, 0xffff, "MSI-X control" },
	{ PCI_MSIX_TABLE, 4, 0xffffffff, "MSI-X table" },
	{ PCI_MSIX_PBA, 4, 0xffffffff, "MSI-X pending bits" },
	{ 0 }
};

static const struct reg express[] = {
	{ PCI_EXP_FLAGS, 2, 0xffff, "PCI Express capabilities" },
	{ PCI_EXP_DEVCAP, 4, 0xffffffff, "device capabilities" },
	{ PCI_EXP_DEVCTL, 2, 0xffff, "device control" },
	{ PCI_EXP_LNKCTL, 2, 0xffff & ~PCI_EXP_LNKCTL_RL, "link control" },
	{ PCI_EXP_LNKSTA, 2, PCI_EXP_LNKSTA_CLS, "link speed" },
	{ PCI_EXP_LNKSTA, 2, PCI_EXP_LNKSTA_NLW, "link width" },
	{ 0 }
};

/* From version 2 of the capability on. */
static const struct reg express_2[] = {
	{ PCI_EXP_DEVCTL2, 2, 0xffff, "device control 2" },
	{ PCI_EXP_LNKCTL2, 2, 0xffff, "link control 2" },
	{ 0 }
};

static const struct reg errors[] = {
	{ PCI_ERR_UNCOR_MASK, 4, 0xffffffff, "uncorrectable error mask" },
	{ PCI_ERR_UNCOR_SEVER, 4, 0xffffffff, "uncorrectable error severity" },
	{ PCI_ERR_COR_MASK, 4, 0xffffffff, "correctable error mask" },
	/* Not which error was the first. */
	{ PCI_ERR_CAP, 4, PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE, "ECRC control" },
	{ 0 }
};

static const struct reg serial[] = {
	{ 4, 4, 0xffffffff, "serial number" },
	{ 8, 4, 0xffffffff, "upper serial number" },
	{ 0 }
};

static const struct reg acs[] = {
	{ PCI_ACS_CTRL, 2, 0xffff, "ACS control" },
	{ 0 }
};

static const struct reg ari[] = {
	{ PCI_ARI_CTRL, 2, 0xffff, "ARI control" },
	{ 0 }
};

static const struct reg ats[] = {
	{ PCI_ATS_CTRL, 2, 0xffff, "ATS control" },
	{ 0 }
};

static const struct reg pri[] = {
	{ PCI_PRI_CTRL, 2, PCI_PRI_CTRL_ENABLE, "page request control" },
	{ 0 }
};

static const struct reg pasid[] = {
	{ PCI_PASID_CTRL, 2, 0xffff, "PASID control" },
	{ 0 }
};

static const struct reg sriov[] = {
	{ PCI_SRIOV_CTRL, 2, 0xffff, "SR-IOV control" },
	{ PCI_SRIOV_NUM_VF, 2, 0xffff, "number of VFs" },
	{ PCI_SRIOV_SYS_PGSIZE, 4, 0xffffffff, "page size of VFs" },
	{ PCI_SRIOV_BAR, 4, 0xffffffff, "BAR 0 of VFs" },
	{ PCI_SRIOV_BAR + 4, 4, 0xffffffff, "BAR 1 of VFs" },
	{ PCI_SRIOV_BAR + 8, 4, 0xffffffff, "BAR 2 of VFs" },
	{ PCI_SRIOV_BAR + 12, 4, 0xffffffff, "BAR 3 of VFs" },
	{ PCI_SRIOV_BAR + 16, 4, 0xffffffff, "BAR 4 of VFs" },
	{ PCI_SRIOV_BAR + 20, 4, 0xffffffff, "BAR 5 of VFs" },
	{ 0 }
};

static const struct reg rebar[] = {
	{ PCI_REBAR_CTRL, 4, PCI_REBAR_CTRL_BAR_IDX | PCI_REBAR_CTRL_BAR_SIZE, "size of a BAR" },
	{ 0 }
};

static const struct reg ltr[] = {
	{ PCI_LTR_MAX_SNOOP_LAT, 2, 0xffff, "maximum snoop latency" },
	{ PCI_LTR_MAX_NOSNOOP_LAT, 2, 0xffff, "maximum no-snoop latency" },
	{ 0 }
};

static const struct reg l1ss[] = {
	{ PCI_L1SS_CTL1, 4, 0xffffffff, "L1 substates control 1" },
	{ PCI_L1SS_CTL2, 4, 0xffffffff, "L1 substates control 2" },
	{ 0 }
};

struct capability {
	uint16_t id;
	const struct reg *regs;
};

static const struct capability capabilities[] = {
	{ PCI_CAP_ID_PM, pm },
	{ PCI_CAP_ID_MSI, msi },
	{ PCI_CAP_ID_MSIX, msix },
	{ PCI_CAP_ID_EXP, express },
	{ 0 }
};

static const struct capability extended[] = {
	{ PCI_EXT_CAP_ID_ERR, errors },
	{ PCI_EXT_CAP_ID_DSN, serial },
	{ PCI_EXT_CAP_ID_ACS, acs },
	{ PCI_EXT_CAP_ID_ARI, ari },
	{ PCI_EXT_CAP_ID_ATS, ats },
	{ PCI_EXT_CAP_ID_SRIOV, sriov },
	{ PCI_EXT_CAP_ID_PRI, pri },
	{ PCI_EXT_CAP_ID_REBAR, rebar },
	{ PCI_EXT_CAP_ID_LTR, ltr },
	{ PCI_EXT_CAP_ID_PASID, pasid },
	{ PCI_EXT_CAP_ID_L1SS, l1ss },
	{ 0 }
};

static uint32_t get(const uint8_t *config, size_t len, size_t at, unsigned int width)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < width && at + i < len; i++)
		value |= (uint32_t)config[at + i] << (8 * i);
	return value;
}

static bool same(const struct reg *regs, size_t base, const uint8_t *before,
		 const uint8_t *after, size_t len, char *why, size_t size)
{
	for (const struct reg *r = regs; r->width; r++) {
		uint32_t was = get(before, len, base + r->offset, r->width) & r->mask;
		uint32_t is = get(after, len, base + r->offset, r->width) & r->mask;

		if (was == is)
			continue;
		snprintf(why, size, "%s (at 0x%zx): expected 0x%0*x, found 0x%0*x", r->name,
			 base + r->offset, 2 * r->width, was, 2 * r->width, is);
		return false;
	}
	return true;
}

static const struct reg *registers_of(const struct capability *table, uint16_t id)
{
	for (; table->regs; table++)
		if (table->id == id)
			return table->regs;
	return NULL;
}

static bool is_all_ones(const uint8_t *config, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (config[i] != 0xff)
			return false;
	return true;
}

/* Next capability after @at (0: the first), 0: none. Bounded: a dying device may give a loop. */
static size_t next_capability(const uint8_t *config, size_t len, size_t at, int *budget)
{
	size_t next = get(config, len, at ? at + 1 : PCI_CAPABILITY_LIST, 1) & ~3u;

	if (next < 0x40 || next + 2 > len || next > 0xfc || --*budget < 0)
		return 0;
	return next;
}

static bool same_capability(size_t at, const uint8_t *before, const uint8_t *after, size_t len,
			    char *why, size_t size)
{
	uint8_t id = before[at];
	const struct reg *regs;
	uint16_t flags;

	if (before[at + 1] != after[at + 1]) {
		snprintf(why, size, "capability at 0x%zx: expected a link to 0x%02x, found 0x%02x",
			 at, before[at + 1], after[at + 1]);
		return false;
	}
	regs = registers_of(capabilities, id);
	if (regs && !same(regs, at, before, after, len, why, size))
		return false;
	/* What there is of these is told by their flags, which are the same. */
	flags = (uint16_t)get(before, len, at + 2, 2);
	switch (id) {
	case PCI_CAP_ID_EXP:
		return (flags & PCI_EXP_FLAGS_VERS) < 2 ||
		       same(express_2, at, before, after, len, why, size);
	case PCI_CAP_ID_MSI:
		regs = flags & PCI_MSI_FLAGS_64BIT ? msi_64 : msi_32;
		if (!same(regs, at, before, after, len, why, size))
			return false;
		regs = flags & PCI_MSI_FLAGS_64BIT ? msi_64_mask : msi_32_mask;
		return !(flags & PCI_MSI_FLAGS_MASKBIT) ||
		       same(regs, at, before, after, len, why, size);
	}
	return true;
}

/* Beyond the first 256 bytes, where these could be read. */
static bool same_extended(const uint8_t *before, const uint8_t *after, size_t len, char *why,
			  size_t size)
{
	size_t at = PCI_CFG_SPACE_SIZE;
	/* Bounded, as next_capability(). */
	int budget = (PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8;

	while (at >= PCI_CFG_SPACE_SIZE && at + 4 <= len && budget-- > 0) {
		uint32_t was = get(before, len, at, 4), is = get(after, len, at, 4);
		const struct reg *regs;

		if (was != is) {
			snprintf(why, size,
				 "extended capability at 0x%zx: expected 0x%08x, found 0x%08x", at,
				 was, is);
			return false;
		}
		/* No device answers with ones, none is there without a capability. */
		if (!was || was == 0xffffffff)
			return true;
		regs = registers_of(extended, (uint16_t)PCI_EXT_CAP_ID(was));
		if (regs && !same(regs, at, before, after, len, why, size))
			return false;
		at = PCI_EXT_CAP_NEXT(was);
	}
	return true;
}

bool verify_config(const uint8_t *before, const uint8_t *after, size_t len, char *why,
		   size_t size)
{
	int budget = 48;

	if (is_all_ones(after, len < 64 ? len : 64)) {
		snprintf(why, size,
			 "its configuration space reads all ones: it doesn't answer any more");
		return false;
	}
	if (!same(header, 0, before, after, len, why, size))
		return false;
	if (!(get(before, len, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return true;
	for (size_t at = next_capability(before, len, 0, &budget); at;
	     at = next_capability(before, len, at, &budget))
		if (!same_capability(at, before, after, len, why, size))
			return false;
	return same_extended(before, after, len, why, size);
}

bool config_loses_state(const uint8_t *config, size_t len)
{
	int budget = 48;

	for (size_t at = next_capability(config, len, 0, &budget); at;
	     at = next_capability(config, len, at, &budget))
		if (config[at] == PCI_CAP_ID_PM)
			return !(get(config, len, at + PCI_PM_CTRL, 2) &
				 PCI_PM_CTRL_NO_SOFT_RESET);
	return true;
}
