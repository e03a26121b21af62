// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mends that take a device out of the kernel's hands, and what goes with it: its
 * VFs, all below a bridge. VFIO lets no device go while it is open
 * (drivers/vfio/vfio_main.c, vfio_unregister_group_dev()): who writes to the
 * file waits for its user, so that is told first.
 */
#include <errno.h>
#include <stdlib.h>

#include "blocker.h"

bool look_is_open(struct look *look)
{
	int64_t enable;

	return look_is_vfio(look) && look_number(look, ATTR_ENABLE, &enable) == 0 && enable > 0;
}

static void mend_let_go(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	const char *name = look->dev->name;

	if (look_is_open(look))
		mend_advice(s, f, ORDER_LET_GO,
			    "let the user of %s end, or give it up (in a VM: detach it), since the "
			    "kernel waits for that; who it is: vfio-pm owner %s", name, name);
}

static void mend_let_go_all(struct scene *s, struct vfiopm_finding *f, struct look *const *looks,
			    size_t n)
{
	for (size_t i = 0; i < n; i++)
		mend_let_go(s, f, looks[i]);
}

/* Another device that a driver of the host has. */
static const struct look *host_use(const struct scene *s, struct look *const *looks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (looks[i] != s->look && !group_driver_is_harmless(looks[i]->dev))
			return looks[i];
	return NULL;
}

void mend_vfs(struct scene *s, struct vfiopm_finding *f, struct look *pf)
{
	const char *name = pf->dev->name;
	const struct look *used;

	if (look_vfs(pf) == -ENOMEM)
		s->err = -ENOMEM;
	used = host_use(s, pf->vfs, pf->n_vfs);
	if (used) {
		mend_advice(s, f, ORDER_DEVICE,
			    "stop the use of %s (%s) by the host, then write 0 to sriov_numvfs "
			    "of %s: that takes %s away",
			    used->dev->name, used->dev->driver, name, used->dev->name);
		return;
	}
	mend_let_go_all(s, f, pf->vfs, pf->n_vfs);
	mend_command(s, f, ORDER_DEVICE, "echo 0 > /sys/bus/pci/devices/%s/sriov_numvfs", name);
}

/* Does the host use it in a way that a bind is refused for? Asked once a look. */
static bool look_in_use(struct scene *s, struct look *look)
{
	struct vfiopm_uses *uses;
	char *session = NULL;
	int r;

	if (look->have_in_use)
		return look->in_use;
	look->have_in_use = true;
	vfiopm_session_address(look->dev->ctx, &session);
	r = uses_new(look->dev, session, true, &uses);
	free(session);
	if (r == -ENOMEM)
		s->err = r;
	if (r < 0)
		return false;
	look->in_use = vfiopm_uses_count(uses) > 0;
	vfiopm_uses_free(uses);
	return look->in_use;
}

void mend_bind(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	const char *name = look->dev->name;

	if (look_in_use(s, look))
		mend_advice(s, f, ORDER_BIND,
			    "end the use of %s (%s) by the host, then vfio-pm bind %s; what uses "
			    "it: vfio-pm bind --dry-run %s", name,
			    look->dev->driver ? look->dev->driver : "no driver", name, name);
	else
		mend_command(s, f, ORDER_BIND, "vfio-pm bind %s", name);
}

void mend_remove(struct scene *s, struct vfiopm_finding *f, struct look *look)
{
	const char *name = look->dev->name;
	const struct look *used;

	if (look_vfs(look) == -ENOMEM ||
	    (vfiopm_device_is_bridge(look->dev) && survey_below(s->survey, look) < 0)) {
		s->err = -ENOMEM;
		return;
	}
	used = host_use(s, look->below, look->n_below);
	if (!used)
		used = host_use(s, look->vfs, look->n_vfs);
	if (used) {
		mend_advice(s, f, ORDER_REMOVE,
			    "reboot, or stop the use of %s (%s) by the host, then remove %s and "
			    "rescan the bus: a removal takes %s along", used->dev->name,
			    used->dev->driver, name, used->dev->name);
		return;
	}
	mend_let_go(s, f, look);
	mend_let_go_all(s, f, look->vfs, look->n_vfs);
	mend_let_go_all(s, f, look->below, look->n_below);
	mend_command(s, f, ORDER_REMOVE, "echo 1 > /sys/bus/pci/devices/%s/remove", name);
	mend_command(s, f, ORDER_RESCAN, "echo 1 > /sys/bus/pci/rescan");
	mend_command(s, f, ORDER_BIND, "vfio-pm bind %s", s->look->dev->name);
}
