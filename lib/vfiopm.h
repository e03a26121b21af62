/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvfiopm: power management of PCI devices behind VFIO.
 *
 * Conventions of every function here:
 *  - a result of type int is 0 (or a count) on success and a negative errno on
 *    failure; results travel through `ret` pointers, which stay untouched on
 *    failure;
 *  - objects are reference counted or owned by the caller as their
 *    constructor says; every `_unref`/`_free` takes NULL and returns nothing;
 *  - strings returned by `_get_` functions belong to the object;
 *  - a function that reads sysfs reads only files that neither resume the
 *    device nor its upstream port (see vfiopm_power_new());
 *  - nothing is printed, nothing exits; see vfiopm_ctx_set_log_fn();
 *  - an object may be used by one thread at a time; different contexts are
 *    independent of each other.
 */
#ifndef VFIOPM_H
#define VFIOPM_H

#include "vfiopm/device.h"
#include "vfiopm/driver.h"
#include "vfiopm/power.h"
#include "vfiopm/handle.h"
#include "vfiopm/borrow.h"
#include "vfiopm/deepen.h"
#include "vfiopm/guest.h"
#include "vfiopm/explain.h"

#endif /* VFIOPM_H */
