// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A device's power management registers, read from the host's side: VFIO shows
 * its user no PME at all (drivers/vfio/pci/vfio_pci_config.c,
 * init_pci_cap_pm_perm()). To read `config` wakes a device that is asleep, so only
 * one that is active is looked at.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <unistd.h>

#include "private.h"

/* The capability list lies in 256 bytes, 4 bytes an entry at the least. */
#define CAPS_MAX 48

static int read_word(const struct host_pm *h, unsigned int offset, uint16_t *ret)
{
	uint8_t bytes[2];

	if (h->fd < 0 || pread(h->fd, bytes, 2, offset) != 2)
		return -EIO;
	*ret = (uint16_t)(bytes[0] | bytes[1] << 8);
	return 0;
}

static int find_cap(struct host_pm *h)
{
	uint16_t word;
	int r;

	r = read_word(h, PCI_CAPABILITY_LIST, &word);
	for (int i = 0; r == 0 && i < CAPS_MAX; i++) {
		unsigned int at = word & 0xfc;

		if (at < PCI_STD_HEADER_SIZEOF)
			return -ENOENT;
		r = read_word(h, at, &word);
		if (r == 0 && (word & 0xff) == PCI_CAP_ID_PM) {
			h->cap = at;
			return 0;
		}
		word >>= 8;
	}
	return r < 0 ? r : -ENOENT;
}

int host_pm_open(const struct vfiopm_device *dev, unsigned int cap, struct host_pm *ret)
{
	int dir, r;

	*ret = (struct host_pm){ .dev = dev, .fd = -1, .cap = cap };
	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	ret->fd = sysfs_open_at(dev->ctx, dir, "config");
	close(dir);
	if (ret->fd < 0)
		return ret->fd;
	r = cap ? 0 : find_cap(ret);
	if (r == 0)
		r = read_word(ret, ret->cap + PCI_PM_PMC, &ret->pmc);
	if (r < 0)
		host_pm_close(ret);
	return r;
}

void host_pm_close(struct host_pm *h)
{
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}

/*
 * Who may not read so far (it takes CAP_SYS_ADMIN) has VFIO's word that the guest
 * can't arm it.
 */
bool host_pm_wakes_in_vain(const struct host_pm *h)
{
	struct vfiopm_power *power;
	const char *wakeup;
	bool listens;
	uint16_t ctrl;

	if (h->fd < 0 || read_word(h, h->cap + PCI_PM_CTRL, &ctrl) < 0 ||
	    !(ctrl & PCI_PM_CTRL_PME_ENABLE))
		return false;
	if (!(h->pmc & PCI_PM_CAP_PME_D3cold))
		return true;
	if (vfiopm_power_new_parts(h->dev, VFIOPM_POWER_WAKEUP, &power) < 0)
		return true;
	wakeup = vfiopm_power_get_wakeup(power);
	listens = wakeup && wakeup[0] == 'e';
	vfiopm_power_free(power);
	return !listens;
}

static int judge(const struct host_pm *h, unsigned int flags, enum vfiopm_refusal *why)
{
	uint16_t ctrl;
	int r;

	r = read_word(h, h->cap + PCI_PM_CTRL, &ctrl);
	if (r < 0)
		return r;
	if (!(flags & VFIOPM_ENTER_STATE_LOSS) && (ctrl & PCI_PM_CTRL_NO_SOFT_RESET))
		return refuse(why, VFIOPM_REFUSED_STATE_LOSS);
	if (host_pm_wakes_in_vain(h))
		return refuse(why, VFIOPM_REFUSED_PME);
	return 0;
}

/* -EAGAIN: it isn't active. */
static int open_active(const struct vfiopm_device *dev, struct host_pm *ret)
{
	struct vfiopm_glance *glance;
	bool active;
	int r;

	r = vfiopm_glance_new(dev, &glance);
	if (r < 0)
		return r;
	active = vfiopm_glance_status(glance) == VFIOPM_STATUS_ACTIVE;
	vfiopm_glance_free(glance);
	return active ? host_pm_open(dev, 0, ret) : -EAGAIN;
}

int vfiopm_device_may_lose_power(const struct vfiopm_device *dev, unsigned int flags,
				 enum vfiopm_refusal *why)
{
	struct host_pm h;
	int r;

	r = open_active(dev, &h);
	if (r == -EAGAIN)
		return refuse(why, VFIOPM_REFUSED_NOT_ACTIVE);
	if (r < 0)
		return r;
	r = judge(&h, flags, why);
	host_pm_close(&h);
	return r;
}

int vfiopm_device_wakes_from_d3cold(const struct vfiopm_device *dev)
{
	struct host_pm h;
	int r;

	r = open_active(dev, &h);
	if (r < 0)
		return r;
	host_pm_close(&h);
	return !!(h.pmc & PCI_PM_CAP_PME_D3cold);
}
