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
	{ PCI_COMMAND, 2, 0xffff, "command register" },
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

static const struct reg msi[] = {
	{ PCI_MSI_FLAGS, 2, 0xffff, "MSI control" },
	{ PCI_MSI_ADDRESS_LO, 4, 0xffffffff, "MSI address" },
	/* Upper address or data: the same place in both forms. */
	{ PCI_MSI_ADDRESS_HI, 4, 0xffffffff, "MSI address or data" },
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

static const struct {
	uint8_t id;
	const struct reg *regs;
} capabilities[] = {
	{ PCI_CAP_ID_PM, pm },
	{ PCI_CAP_ID_MSI, msi },
	{ PCI_CAP_ID_MSIX, msix },
	{ PCI_CAP_ID_EXP, express },
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

	if (before[at + 1] != after[at + 1]) {
		snprintf(why, size, "capability at 0x%zx: expected a link to 0x%02x, found 0x%02x",
			 at, before[at + 1], after[at + 1]);
		return false;
	}
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
		if (capabilities[i].id == id)
			return same(capabilities[i].regs, at, before, after, len, why, size);
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
	return true;
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
