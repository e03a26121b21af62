/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of status, in sections of named fields. */
#ifndef VFIO_PM_STATUS_H
#define VFIO_PM_STATUS_H

#include <vfiopm.h>

void section(const char *name);
void field(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline const char *or_unknown(const char *text)
{
	return text ? text : "unknown";
}

/* Nothing for a device whose driver keeps no account. */
void show_account(const struct vfiopm_device *dev);

#endif
