// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Runtime PM and power state as sysfs shows them. Nothing here may resume the
 * device or its port: `config`, `vpd` and the link attributes are never read
 * (drivers/pci/pci-sysfs.c takes a runtime PM reference for them).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "private.h"

/* A number that may not have been measured. */
struct measure {
	int64_t value;
	bool known;
};

/* Power resources of one ACPI node; firmware names a few at the most. */
#define RESOURCES_MAX 16

/* A wake is two changes of the status, a sleep two more. */
#define STATUS_LOOKS 5

struct vfiopm_power {
	enum vfiopm_state state;
	enum vfiopm_status status;
	char *control, *runtime_enabled, *wakeup, *reset_method;
	struct measure active_time, suspended_time, usage, active_kids, autosuspend_delay;
	struct measure d3cold_allowed, enable;
	char *acpi_state, *acpi_real_state, *acpi_path;
	char *resources[RESOURCES_MAX];
	size_t n_resources;
	bool d3cold_resources;
};

/* drivers/pci/pci.c, pci_power_names[] */
static const char *const state_names[] = {
	[VFIOPM_STATE_UNKNOWN] = "unknown",
	[VFIOPM_STATE_D0] = "D0",
	[VFIOPM_STATE_D1] = "D1",
	[VFIOPM_STATE_D2] = "D2",
	[VFIOPM_STATE_D3HOT] = "D3hot",
	[VFIOPM_STATE_D3COLD] = "D3cold",
};

/* drivers/base/power/sysfs.c, runtime_status_show() */
static const char *const status_names[] = {
	[VFIOPM_STATUS_UNKNOWN] = "unknown",
	[VFIOPM_STATUS_ACTIVE] = "active",
	[VFIOPM_STATUS_SUSPENDED] = "suspended",
	[VFIOPM_STATUS_SUSPENDING] = "suspending",
	[VFIOPM_STATUS_RESUMING] = "resuming",
	[VFIOPM_STATUS_ERROR] = "error",
	[VFIOPM_STATUS_UNSUPPORTED] = "unsupported",
};

const char *vfiopm_state_name(enum vfiopm_state state)
{
	return (size_t)state < ARRAY_SIZE(state_names) ? state_names[state] : "unknown";
}

int vfiopm_state_parse(const char *text, enum vfiopm_state *ret)
{
	for (size_t i = VFIOPM_STATE_D0; i < ARRAY_SIZE(state_names); i++) {
		if (!strcasecmp(text, state_names[i])) {
			*ret = (enum vfiopm_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *vfiopm_status_name(enum vfiopm_status status)
{
	return (size_t)status < ARRAY_SIZE(status_names) ? status_names[status] : "unknown";
}

static enum vfiopm_state read_state(const struct vfiopm_ctx *ctx, int dir)
{
	enum vfiopm_state state = VFIOPM_STATE_UNKNOWN;
	char buf[32];

	if (sysfs_read_at(ctx, dir, "power_state", buf, sizeof(buf)) > 0)
		vfiopm_state_parse(buf, &state);
	return state;
}

enum vfiopm_status status_parse(const char *text)
{
	for (size_t i = 1; i < ARRAY_SIZE(status_names); i++)
		if (!strcmp(text, status_names[i]))
			return (enum vfiopm_status)i;
	return VFIOPM_STATUS_UNKNOWN;
}

static enum vfiopm_status read_status(const struct vfiopm_ctx *ctx, int dir)
{
	char buf[32];

	if (sysfs_read_at(ctx, dir, "power/runtime_status", buf, sizeof(buf)) <= 0)
		return VFIOPM_STATUS_UNKNOWN;
	return status_parse(buf);
}

/*
 * Two files, and a device that wakes between the two reads would be seen
 * suspended in D0, as one without PM capability is. The state changes while
 * the status is resuming or suspending, so the two belong together when the
 * status is the same before and after. A device that changes all the time is
 * shown as it comes.
 */
static void read_status_and_state(const struct vfiopm_ctx *ctx, int dir,
				  struct vfiopm_power *power)
{
	enum vfiopm_status again = read_status(ctx, dir);

	for (int i = 0; i < STATUS_LOOKS; i++) {
		power->status = again;
		power->state = read_state(ctx, dir);
		if (vfiopm_power_is_asleep(power))
			return;
		again = read_status(ctx, dir);
		if (again == power->status)
			return;
	}
}

static void read_measure(const struct vfiopm_ctx *ctx, int dir, const char *name,
			 struct measure *m)
{
	m->known = sysfs_read_int_at(ctx, dir, name, &m->value) == 0;
}

static int take_resource(const char *name, void *data)
{
	struct vfiopm_power *power = data;

	if (power->n_resources == RESOURCES_MAX)
		return 1;
	power->resources[power->n_resources] = strdup(name);
	if (!power->resources[power->n_resources])
		return -ENOMEM;
	power->n_resources++;
	return 0;
}

static int read_acpi(const struct vfiopm_device *dev, struct vfiopm_power *power)
{
	char path[SYSFS_PATH_MAX];
	int node, r = 0;

	/* A link out of the device's folder: opened from the root, which holds a foreign one. */
	device_path(dev, "firmware_node", path, sizeof(path));
	node = sysfs_dir(dev->ctx, path);
	if (node < 0)
		return 0;
	power->acpi_path = sysfs_read_str_at(dev->ctx, node, "path");
	power->acpi_state = sysfs_read_str_at(dev->ctx, node, "power_state");
	power->acpi_real_state = sysfs_read_str_at(dev->ctx, node, "real_power_state");
	if (sysfs_exists_at(node, "power_resources_D3hot")) {
		power->d3cold_resources = true;
		r = sysfs_foreach_at(dev->ctx, node, "power_resources_D3hot", take_resource,
				     power);
	}
	close(node);
	return r == -ENOMEM ? r : 0;
}

static void read_runtime(const struct vfiopm_ctx *ctx, int dir, struct vfiopm_power *power)
{
	read_measure(ctx, dir, "power/runtime_usage", &power->usage);
	read_measure(ctx, dir, "power/runtime_active_kids", &power->active_kids);
	power->runtime_enabled = sysfs_read_str_at(ctx, dir, "power/runtime_enabled");
	read_measure(ctx, dir, "power/autosuspend_delay_ms", &power->autosuspend_delay);
}

int vfiopm_power_new_parts(const struct vfiopm_device *dev, unsigned int parts,
			   struct vfiopm_power **ret)
{
	const struct vfiopm_ctx *ctx = dev->ctx;
	struct vfiopm_power *power;
	int dir, r = 0;

	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	power = calloc(1, sizeof(*power));
	if (!power) {
		close(dir);
		return -ENOMEM;
	}
	if (parts & VFIOPM_POWER_STATE) {
		read_status_and_state(ctx, dir, power);
	}
	if (parts & VFIOPM_POWER_TIMES) {
		read_measure(ctx, dir, "power/runtime_active_time", &power->active_time);
		read_measure(ctx, dir, "power/runtime_suspended_time", &power->suspended_time);
	}
	if (parts & VFIOPM_POWER_CONTROL)
		power->control = sysfs_read_str_at(ctx, dir, "power/control");
	if (parts & VFIOPM_POWER_D3COLD)
		read_measure(ctx, dir, "d3cold_allowed", &power->d3cold_allowed);
	if (parts & VFIOPM_POWER_ENABLE)
		read_measure(ctx, dir, "enable", &power->enable);
	if (parts & VFIOPM_POWER_RUNTIME)
		read_runtime(ctx, dir, power);
	if (parts & VFIOPM_POWER_WAKEUP)
		power->wakeup = sysfs_read_str_at(ctx, dir, "power/wakeup");
	if (parts & VFIOPM_POWER_RESET)
		power->reset_method = sysfs_read_str_at(ctx, dir, "reset_method");
	if (parts & VFIOPM_POWER_ACPI)
		r = read_acpi(dev, power);
	close(dir);
	if (r < 0) {
		vfiopm_power_free(power);
		return r;
	}
	*ret = power;
	return 0;
}

int vfiopm_power_new(const struct vfiopm_device *dev, struct vfiopm_power **ret)
{
	return vfiopm_power_new_parts(dev, VFIOPM_POWER_ALL, ret);
}

void vfiopm_power_free(struct vfiopm_power *power)
{
	if (!power)
		return;
	free(power->control);
	free(power->runtime_enabled);
	free(power->wakeup);
	free(power->reset_method);
	free(power->acpi_state);
	free(power->acpi_real_state);
	free(power->acpi_path);
	for (size_t i = 0; i < power->n_resources; i++)
		free(power->resources[i]);
	free(power);
}

enum vfiopm_state vfiopm_power_get_state(const struct vfiopm_power *power)
{
	return power->state;
}

enum vfiopm_status vfiopm_power_get_status(const struct vfiopm_power *power)
{
	return power->status;
}

bool vfiopm_power_is_asleep(const struct vfiopm_power *power)
{
	return power->status == VFIOPM_STATUS_SUSPENDED && power->state >= VFIOPM_STATE_D3HOT;
}

const char *vfiopm_power_get_control(const struct vfiopm_power *power)
{
	return power->control;
}

const char *vfiopm_power_get_runtime_enabled(const struct vfiopm_power *power)
{
	return power->runtime_enabled;
}

const char *vfiopm_power_get_wakeup(const struct vfiopm_power *power)
{
	return power->wakeup;
}

const char *vfiopm_power_get_reset_method(const struct vfiopm_power *power)
{
	return power->reset_method;
}

static int get_measure(const struct measure *m, int64_t *ret)
{
	if (!m->known)
		return -ENODATA;
	*ret = m->value;
	return 0;
}

int vfiopm_power_get_active_time(const struct vfiopm_power *power, int64_t *ret)
{
	return get_measure(&power->active_time, ret);
}

int vfiopm_power_get_suspended_time(const struct vfiopm_power *power, int64_t *ret)
{
	return get_measure(&power->suspended_time, ret);
}

int vfiopm_power_get_usage(const struct vfiopm_power *power, int64_t *ret)
{
	return get_measure(&power->usage, ret);
}

int vfiopm_power_get_active_kids(const struct vfiopm_power *power, int64_t *ret)
{
	return get_measure(&power->active_kids, ret);
}

int vfiopm_power_get_autosuspend_delay(const struct vfiopm_power *power, int64_t *ret)
{
	return get_measure(&power->autosuspend_delay, ret);
}

int vfiopm_power_get_d3cold_allowed(const struct vfiopm_power *power, int64_t *ret)
{
	return get_measure(&power->d3cold_allowed, ret);
}

int vfiopm_power_get_enable(const struct vfiopm_power *power, int64_t *ret)
{
	return get_measure(&power->enable, ret);
}

const char *vfiopm_power_get_acpi_state(const struct vfiopm_power *power)
{
	return power->acpi_state;
}

const char *vfiopm_power_get_acpi_real_state(const struct vfiopm_power *power)
{
	return power->acpi_real_state;
}

const char *vfiopm_power_get_acpi_path(const struct vfiopm_power *power)
{
	return power->acpi_path;
}

bool vfiopm_power_has_d3cold_resources(const struct vfiopm_power *power)
{
	return power->d3cold_resources;
}

const char *vfiopm_power_get_resource(const struct vfiopm_power *power, size_t i)
{
	return i < power->n_resources ? power->resources[i] : NULL;
}

bool vfiopm_device_is_enabled(const struct vfiopm_device *dev)
{
	char path[SYSFS_PATH_MAX];
	int64_t enable;

	/* For each device of a list: without a descriptor of its folder. */
	device_attr(dev, "enable", path, sizeof(path));
	return sysfs_read_int_at(dev->ctx, dev->ctx->root_fd, path, &enable) == 0 && enable > 0;
}
