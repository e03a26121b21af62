// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hold ADDRESS none|entry|wakeup|d3hot [SECONDS]: opens a device, puts it into that
 * state with a mapped BAR, prints "ready", and stays until killed or for
 * SECONDS.
 */
#include "common.h"

int main(int argc, char **argv)
{
	struct vt_dev dev;
	int ret = 0;

	if (argc < 3)
		return 2;
	vt_open(&dev, argv[1]);
	if (vt_first_bar(&dev) >= 0) {
		volatile uint32_t *map = vt_map(&dev, vt_first_bar(&dev), 4096);
		uint32_t value;

		vt_enable_memory(&dev);
		if (!map || !vt_touch(map, &value))
			vt_die("BAR");
	}
	if (!strcmp(argv[2], "entry"))
		ret = vt_entry(&dev);
	else if (!strcmp(argv[2], "wakeup"))
		ret = vt_entry_wakeup(&dev, eventfd(0, EFD_CLOEXEC));
	else if (!strcmp(argv[2], "d3hot"))
		vt_write16(&dev, vt_cap(&dev, PCI_CAP_ID_PM) + PCI_PM_CTRL, 3);
	if (ret)
		vt_die("%s: %d", argv[2], ret);
	printf("ready\n");
	fflush(stdout);
	if (argc > 3)
		vt_sleep_ms(atoi(argv[3]) * 1000);
	else
		pause();
	return 0;
}
