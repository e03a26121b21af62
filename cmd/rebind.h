/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bind and unbind share: owners, modules, outcomes. */
#ifndef REBIND_H
#define REBIND_H

#include "cmd.h"

/* A reset on the way can take seconds; what takes longer hangs. */
#define REBIND_TIMEOUT_MS 30000

/* What both are told. */
struct rebind_args {
	const char *driver;
	int64_t timeout_ms;
	struct device_args devices;
};

enum { KEY_REBIND_TIMEOUT = KEY_VERB + 0x40 };

/* --driver, --timeout and DEVICE arguments. */
error_t rebind_parse(int key, char *arg, struct argp_state *state, struct rebind_args *args);

/* Refuse what somebody has open through VFIO: exit code, said already. */
int rebind_check_owner(struct app *app, const char *what, const struct vfiopm_device *dev);
/* "is open": the owner by name where it can be seen. Returns EXIT_BUSY. */
int rebind_report_owner(struct app *app, const char *what, const struct vfiopm_device *dev);
/* Have a driver loaded that the kernel doesn't know yet: exit code, said already. */
int rebind_need_driver(struct app *app, const char *what, const struct vfiopm_device *dev,
		       const char *driver);
/* Say what became of vfiopm_device_bind() and its like when @r is negative: exit code. */
int rebind_report(struct app *app, const char *what, const struct vfiopm_device *dev,
		  const char *driver, int64_t timeout_ms, int r);
/* "ADDR: FROM -> TO, NODE, control auto, ..." on stdout; a warning when the host keeps it awake. */
void rebind_print(const struct vfiopm_device *dev, const char *former);
/* Warn when another process has changed its driver right after; @driver NULL: whatever it is. */
void rebind_warn_unless_on(const struct vfiopm_device *dev, const char *driver);
/* One use in words: "'/mnt' is mounted from nvme0n1 > nvme0n1p1". */
void rebind_describe_use(const struct vfiopm_uses *uses, size_t i, char *buf, size_t size);
/*
 * Is it one that no --force helps against? What is open makes an unbind block in the
 * kernel. A bridge is refused by VFIO's drivers, but its own driver has to let go of it
 * before, which turns off bus mastering for all behind it (pcie_portdrv_remove(),
 * pci_disable_device()), and nobody has asked who uses those.
 */
bool rebind_use_blocks(const struct vfiopm_uses *uses, size_t i);

/* module.c: modprobe, quietly. 0, or an exit status or negative errno. */
int load_module(const char *name);
int load_module_for(const struct vfiopm_device *dev);

#endif /* REBIND_H */
