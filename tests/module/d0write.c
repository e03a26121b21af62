// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * d0write ADDRESS N: what the user's write of D0 to PCI_PM_CTRL costs after one
 * of D3hot, and what the device was in meanwhile. A figure a line, in
 * milliseconds; the caller has the driver and its attributes as it wants them.
 */
#include "common.h"

int main(int argc, char **argv)
{
	unsigned int i, n = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	char state[64];
	struct vt_dev dev;
	unsigned int pm;
	uint64_t start;

	if (argc != 3 || !n)
		return 2;
	vt_open(&dev, argv[1]);
	vt_enable_memory(&dev);
	pm = vt_cap(&dev, PCI_CAP_ID_PM);
	for (i = 0; i < n; i++) {
		vt_write16(&dev, pm + PCI_PM_CTRL, 3);
		/* As deep as its driver takes it, or for as long as that would take. */
		vt_wait_asleep(&dev, 500);
		vt_sysfs(dev.address, "power_state", state, sizeof(state));
		start = vt_now_us();
		vt_write16(&dev, pm + PCI_PM_CTRL, 0);
		printf("%s %.3f\n", state, (vt_now_us() - start) / 1e3);
		if ((vt_read16(&dev, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK) != 0)
			vt_die("not in D0");
	}
	vt_close(&dev);
	return 0;
}
