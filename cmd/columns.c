// SPDX-License-Identifier: GPL-2.0-or-later
/* One row a column: name, type, what it needs, how it is filled, what it means. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "columns.h"

typedef struct json_object json;

/* A byte that is no part of UTF-8 would make the whole output something else than JSON. */
static bool is_utf8(const char *s)
{
	size_t left = 0;

	for (const unsigned char *c = (const unsigned char *)s; *c; c++) {
		if (left && *c >> 6 != 2)
			return false;
		if (left)
			left--;
		else if (*c >= 0xc2 && *c <= 0xf4)
			left = *c < 0xe0 ? 1 : *c < 0xf0 ? 2 : 3;
		else if (*c >= 0x80)
			return false;
	}
	return !left;
}

json *column_string(const char *s)
{
	char *plain;
	json *value;

	if (!s)
		return NULL;
	if (is_utf8(s))
		return json_object_new_string(s);
	plain = strdup(s);
	for (char *c = plain; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	value = plain ? json_object_new_string(plain) : NULL;
	free(plain);
	return value;
}

static json *number_or_null(int r, int64_t value)
{
	return r < 0 ? NULL : json_object_new_int64(value);
}

static json *hex(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static json *hex(const char *fmt, ...)
{
	char buf[32];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	return json_object_new_string(buf);
}

static void put(json *object, const char *key, json *value)
{
	json_object_object_add(object, key, value);
}

/* ---- identity ---- */

static json *fill_address(const struct row *row)
{
	return json_object_new_string(vfiopm_device_get_name(row->dev));
}

static json *fill_group(const struct row *row)
{
	int group = vfiopm_device_get_group(row->dev);

	return number_or_null(group, group);
}

static json *fill_driver(const struct row *row)
{
	return column_string(vfiopm_device_get_driver(row->dev));
}

static json *fill_name(const struct row *row)
{
	char buf[256];

	if (!row->names)
		return NULL;
	return column_string(name_db_lookup(row->names, vfiopm_device_get_vendor(row->dev),
					   vfiopm_device_get_device(row->dev), buf, sizeof(buf)));
}

static json *fill_id(const struct row *row)
{
	return hex("%04x:%04x", vfiopm_device_get_vendor(row->dev),
		   vfiopm_device_get_device(row->dev));
}

static json *fill_subsystem(const struct row *row)
{
	return hex("%04x:%04x", vfiopm_device_get_subvendor(row->dev),
		   vfiopm_device_get_subdevice(row->dev));
}

static json *fill_class(const struct row *row)
{
	return hex("%06x", vfiopm_device_get_class(row->dev));
}

static json *fill_vfio(const struct row *row)
{
	return json_object_new_boolean(vfiopm_device_is_vfio(row->dev));
}

/*
 * The kernel shows the override under the device's lock, which an unbind holds
 * as long as it waits for the device's user: then there is no driver any more,
 * and the file is left alone.
 */
static json *fill_override(const struct row *row)
{
	char *override = NULL;
	json *value;

	if (!vfiopm_device_get_driver(row->dev) && vfiopm_device_get_group(row->dev) >= 0) {
		int64_t enable;

		if (vfiopm_power_get_enable(row->power, &enable) < 0 || enable > 0)
			return NULL;
	}
	if (vfiopm_device_read_override(row->dev, &override) < 0)
		return NULL;
	value = column_string(override);
	free(override);
	return value;
}

static json *fill_node(const struct row *row)
{
	return column_string(vfiopm_device_get_group_node(row->dev));
}

static json *fill_cdev(const struct row *row)
{
	return column_string(vfiopm_device_get_cdev_node(row->dev));
}

static json *fill_sriov(const struct row *row)
{
	if (vfiopm_device_get_physfn(row->dev))
		return json_object_new_string("vf");
	return vfiopm_device_get_numvfs(row->dev) >= 0 ? json_object_new_string("pf") : NULL;
}

static json *fill_numvfs(const struct row *row)
{
	int n = vfiopm_device_get_numvfs(row->dev);

	return number_or_null(n, n);
}

static json *fill_physfn(const struct row *row)
{
	return column_string(vfiopm_device_get_physfn(row->dev));
}

/* ---- power ---- */

static json *state_or_null(const struct vfiopm_power *power)
{
	enum vfiopm_state state = vfiopm_power_get_state(power);

	return state == VFIOPM_STATE_UNKNOWN ? NULL :
					       json_object_new_string(vfiopm_state_name(state));
}

static json *status_or_null(const struct vfiopm_power *power)
{
	enum vfiopm_status status = vfiopm_power_get_status(power);

	return status == VFIOPM_STATUS_UNKNOWN ? NULL :
						 json_object_new_string(vfiopm_status_name(status));
}

static json *fill_state(const struct row *row)
{
	return state_or_null(row->power);
}

static json *fill_status(const struct row *row)
{
	return status_or_null(row->power);
}

static json *fill_asleep(const struct row *row)
{
	return json_object_new_boolean(vfiopm_power_is_asleep(row->power));
}

static json *fill_control(const struct row *row)
{
	return column_string(vfiopm_power_get_control(row->power));
}

static json *fill_d3cold(const struct row *row)
{
	int64_t allowed;

	if (vfiopm_power_get_d3cold_allowed(row->power, &allowed) < 0)
		return NULL;
	return json_object_new_boolean(allowed != 0);
}

static json *fill_residency(const struct row *row)
{
	int64_t active, suspended;
	char text[32];
	double share;

	if (vfiopm_power_get_active_time(row->power, &active) < 0 ||
	    vfiopm_power_get_suspended_time(row->power, &suspended) < 0 ||
	    active < 0 || suspended < 0 || (active == 0 && suspended == 0))
		return NULL;
	share = 100.0 * (double)suspended / ((double)active + (double)suspended);
	snprintf(text, sizeof(text), "%.1f", share);
	return json_object_new_double_s(share, text);
}

#define FILL_NUMBER(what)                                                     \
	static json *fill_##what(const struct row *row)                       \
	{                                                                     \
		int64_t value = 0;                                            \
		int r = vfiopm_power_get_##what(row->power, &value);          \
                                                                              \
		return number_or_null(r, value);                              \
	}
FILL_NUMBER(active_time)
FILL_NUMBER(suspended_time)
FILL_NUMBER(usage)
FILL_NUMBER(active_kids)
FILL_NUMBER(autosuspend_delay)
FILL_NUMBER(enable)

#define FILL_STRING(what)                                                  \
	static json *fill_##what(const struct row *row)                    \
	{                                                                  \
		return column_string(vfiopm_power_get_##what(row->power)); \
	}
FILL_STRING(runtime_enabled)
FILL_STRING(wakeup)
FILL_STRING(acpi_path)
FILL_STRING(acpi_state)
FILL_STRING(acpi_real_state)

static json *fill_reset_method(const struct row *row)
{
	const char *methods = vfiopm_power_get_reset_method(row->power);
	char *copy, *word, *rest;
	json *array;

	if (!methods)
		return NULL;
	array = json_object_new_array();
	copy = strdup(methods);
	for (word = copy ? strtok_r(copy, " ", &rest) : NULL; word;
	     word = strtok_r(NULL, " ", &rest))
		json_object_array_add(array, json_object_new_string(word));
	free(copy);
	return array;
}

static json *fill_resources(const struct row *row)
{
	json *array = json_object_new_array();
	const char *name;

	for (size_t i = 0; (name = vfiopm_power_get_resource(row->power, i)); i++)
		json_object_array_add(array, json_object_new_string(name));
	return array;
}

/* ---- neighbours ---- */

/* A bridge or member as an object: its address, driver, and what its power state is. */
static json *neighbour(const struct vfiopm_device *dev)
{
	struct vfiopm_power *power = NULL;
	json *object;

	if (vfiopm_power_new_parts(dev, VFIOPM_POWER_STATE | VFIOPM_POWER_CONTROL, &power) < 0)
		return NULL;
	object = json_object_new_object();
	put(object, "address", json_object_new_string(vfiopm_device_get_name(dev)));
	put(object, "driver", column_string(vfiopm_device_get_driver(dev)));
	put(object, "state", state_or_null(power));
	put(object, "status", status_or_null(power));
	put(object, "control", column_string(vfiopm_power_get_control(power)));
	vfiopm_power_free(power);
	return object;
}

/* Takes over @list. */
static json *neighbours(int r, struct vfiopm_list *list)
{
	struct vfiopm_device *dev;
	json *array, *object;
	size_t i;

	if (r < 0)
		return NULL;
	array = json_object_new_array();
	vfiopm_list_foreach(list, i, dev) {
		object = neighbour(dev);
		if (object)
			json_object_array_add(array, object);
	}
	vfiopm_list_free(list);
	return array;
}

static json *fill_siblings(const struct row *row)
{
	struct vfiopm_list *list = NULL;
	struct vfiopm_device *dev;
	json *array;
	size_t i;

	if (vfiopm_list_new_siblings(row->dev, &list) < 0)
		return NULL;
	array = json_object_new_array();
	vfiopm_list_foreach(list, i, dev)
		json_object_array_add(array, json_object_new_string(vfiopm_device_get_name(dev)));
	vfiopm_list_free(list);
	return array;
}

static json *fill_bridges(const struct row *row)
{
	struct vfiopm_list *list = NULL;
	int r = vfiopm_list_new_upstream(row->dev, &list);

	return neighbours(r, list);
}

static json *fill_members(const struct row *row)
{
	struct vfiopm_list *list = NULL;
	int group = vfiopm_device_get_group(row->dev);
	int r;

	if (group < 0)
		return NULL;
	r = vfiopm_list_new_group(vfiopm_device_get_ctx(row->dev), group, &list);
	return neighbours(r, list);
}

static json *fill_viable(const struct row *row)
{
	int r = vfiopm_group_viable(row->dev, NULL);

	return r < 0 ? NULL : json_object_new_boolean(r);
}

/* Fill from the nearest bridge above. */
static json *from_port(const struct row *row, bool state)
{
	struct vfiopm_list *list = NULL;
	struct vfiopm_power *power = NULL;
	struct vfiopm_device *port;
	json *value = NULL;

	if (vfiopm_list_new_upstream(row->dev, &list) < 0)
		return NULL;
	port = vfiopm_list_get(list, 0);
	if (port && !state)
		value = json_object_new_string(vfiopm_device_get_name(port));
	else if (port && vfiopm_power_new_parts(port, VFIOPM_POWER_STATE, &power) == 0)
		value = state_or_null(power);
	vfiopm_power_free(power);
	vfiopm_list_free(list);
	return value;
}

static json *fill_port(const struct row *row)
{
	return from_port(row, false);
}

static json *fill_port_state(const struct row *row)
{
	return from_port(row, true);
}

/* Only what is on a VFIO driver has an owner, or what waits in its unbind for one. */
bool column_may_be_owned(const struct vfiopm_device *dev)
{
	return vfiopm_device_is_vfio(dev) ||
	       (!vfiopm_device_get_driver(dev) && vfiopm_device_get_group(dev) >= 0);
}

/* null: open, but by nobody who is visible from here. */
static json *fill_owner(const struct row *row)
{
	const struct vfiopm_owner *owner;
	json *array;

	if (!column_may_be_owned(row->dev))
		return json_object_new_array();
	if (!row->owners || vfiopm_owners_first(row->owners, row->dev, &owner) == -EPERM)
		return NULL;
	array = json_object_new_array();
	for (size_t i = 1; owner; owner = vfiopm_owners_find(row->owners, row->dev, i++)) {
		json *object = json_object_new_object();

		put(object, "pid", json_object_new_int64(vfiopm_owner_get_pid(owner)));
		put(object, "comm", column_string(vfiopm_owner_get_comm(owner)));
		put(object, "uid", json_object_new_int64(vfiopm_owner_get_uid(owner)));
		put(object, "start_time",
		    json_object_new_int64(vfiopm_owner_get_start_time(owner)));
		put(object, "via",
		    json_object_new_string(vfiopm_via_name(vfiopm_owner_get_via(owner))));
		json_object_array_add(array, object);
	}
	return array;
}

/* ---- the table ---- */

#define SHOWN COLUMN_DEFAULT
#define RIGHT COLUMN_RIGHT
#define STATE VFIOPM_POWER_STATE
#define TIMES VFIOPM_POWER_TIMES
#define RUNTIME VFIOPM_POWER_RUNTIME
#define ACPI VFIOPM_POWER_ACPI
#define NEIGHBOUR "{address}={state}"

const struct column columns[] = {
	{ "address", COLUMN_STRING, SHOWN, 12, 0, NULL, fill_address, NULL, NULL,
	  "PCI address, DDDD:BB:DD.F" },
	{ "group", COLUMN_NUMBER, SHOWN | RIGHT, 4, 0, NULL, fill_group, NULL, NULL,
	  "IOMMU group" },
	{ "driver", COLUMN_STRING, SHOWN, 8, 0, NULL, fill_driver, NULL, NULL,
	  "driver that it is bound to" },
	{ "state", COLUMN_STRING, SHOWN, 6, STATE, NULL, fill_state, NULL, NULL,
	  "PCI power state: D0, D1, D2, D3hot or D3cold" },
	{ "status", COLUMN_STRING, SHOWN, 9, STATE, NULL, fill_status, NULL, NULL,
	  "runtime PM status: active, suspended, suspending, resuming, error or unsupported" },
	{ "control", COLUMN_STRING, SHOWN, 4, VFIOPM_POWER_CONTROL, NULL, fill_control, NULL, NULL,
	  "policy of runtime PM: auto, or on for never" },
	{ "d3cold", COLUMN_BOOLEAN, SHOWN, 3, VFIOPM_POWER_D3COLD, NULL, fill_d3cold, NULL, NULL,
	  "is D3cold allowed by policy (d3cold_allowed)?" },
	{ "residency", COLUMN_NUMBER, SHOWN | RIGHT, 6, TIMES, "%", fill_residency, NULL, NULL,
	  "share of the time that it was suspended, since the kernel found it" },
	{ "owner", COLUMN_OBJECTS, SHOWN, 12, NEED_OWNERS, NULL, fill_owner,
	  "{comm}[{pid}]", "?",
	  "processes that have it open (pid, comm, uid, start_time in ms since boot, via); null: "
	  "open, owner not visible" },
	{ "name", COLUMN_STRING, SHOWN | COLUMN_SHORTEN, 0.3, NEED_NAMES, NULL, fill_name, NULL,
	  NULL, "vendor and device by name" },
	{ "asleep", COLUMN_BOOLEAN, 0, 3, STATE, NULL, fill_asleep, NULL, NULL,
	  "suspended by runtime PM and in D3hot or D3cold?" },
	{ "active_time", COLUMN_NUMBER, RIGHT, 8, TIMES, "ms", fill_active_time, NULL, NULL,
	  "time that it was active" },
	{ "suspended_time", COLUMN_NUMBER, RIGHT, 8, TIMES, "ms", fill_suspended_time, NULL, NULL,
	  "time that it was suspended" },
	{ "since", COLUMN_NUMBER, RIGHT, 8, STATE | TIMES | NEED_OWNERS, "ms", column_since, NULL,
	  NULL, "the longest that it can have been asleep by now; null: it is awake" },
	{ "usage", COLUMN_NUMBER, RIGHT, 2, RUNTIME, NULL, fill_usage, NULL, NULL,
	  "references that keep it from suspending" },
	{ "kids", COLUMN_NUMBER, RIGHT, 2, RUNTIME, NULL, fill_active_kids, NULL, NULL,
	  "children that are active" },
	{ "runtime_enabled", COLUMN_STRING, 0, 8, RUNTIME, NULL, fill_runtime_enabled, NULL, NULL,
	  "is runtime PM enabled: enabled, disabled, forbidden" },
	{ "autosuspend", COLUMN_NUMBER, RIGHT, 5, RUNTIME, "ms", fill_autosuspend_delay, NULL,
	  NULL, "delay before it suspends; null: not in use" },
	{ "wakeup", COLUMN_STRING, 0, 8, VFIOPM_POWER_WAKEUP, NULL, fill_wakeup, NULL, NULL,
	  "may it wake the host: enabled, disabled; null: it can't" },
	{ "enable", COLUMN_NUMBER, RIGHT, 2, VFIOPM_POWER_ENABLE, NULL, fill_enable, NULL, NULL,
	  "enable count; on a VFIO driver 1 or more while it is open" },
	{ "reset_method", COLUMN_STRINGS, 0, 8, VFIOPM_POWER_RESET, NULL, fill_reset_method, NULL,
	  NULL, "ways to reset it, in the kernel's order" },
	{ "acpi", COLUMN_STRING, 0, 16, ACPI, NULL, fill_acpi_path, NULL, NULL,
	  "name of its ACPI node" },
	{ "acpi_state", COLUMN_STRING, 0, 6, ACPI, NULL, fill_acpi_state, NULL, NULL,
	  "power state that the kernel set for the ACPI node" },
	{ "acpi_real_state", COLUMN_STRING, 0, 6, ACPI, NULL, fill_acpi_real_state, NULL, NULL,
	  "power state that the firmware reports for the ACPI node" },
	{ "resources", COLUMN_STRINGS, 0, 11, ACPI, NULL, fill_resources, NULL, NULL,
	  "ACPI power resources of D3hot: when they are cut, it is in D3cold" },
	{ "port", COLUMN_STRING, 0, 12, 0, NULL, fill_port, NULL, NULL,
	  "bridge that it is directly below" },
	{ "port_state", COLUMN_STRING, 0, 6, 0, NULL, fill_port_state, NULL, NULL,
	  "power state of that bridge" },
	{ "bridges", COLUMN_OBJECTS, 0, 18, 0, NULL, fill_bridges, NEIGHBOUR, NULL,
	  "bridges above it, nearest first (address, driver, state, status, control)" },
	{ "siblings", COLUMN_STRINGS, 0, 12, 0, NULL, fill_siblings, NULL, NULL,
	  "other functions of its slot" },
	{ "members", COLUMN_OBJECTS, 0, 18, 0, NULL, fill_members, NEIGHBOUR, NULL,
	  "devices of its IOMMU group, as bridges" },
	{ "viable", COLUMN_BOOLEAN, 0, 3, 0, NULL, fill_viable, NULL, NULL,
	  "can its IOMMU group be opened: no member is on a driver of the host?" },
	{ "vfio", COLUMN_BOOLEAN, 0, 3, 0, NULL, fill_vfio, NULL, NULL,
	  "is it bound to a VFIO driver?" },
	{ "node", COLUMN_STRING, 0, 12, 0, NULL, fill_node, NULL, NULL,
	  "device node of its IOMMU group" },
	{ "cdev", COLUMN_STRING, 0, 12, 0, NULL, fill_cdev, NULL, NULL,
	  "its own device node, where the kernel makes one" },
	{ "sriov", COLUMN_STRING, 0, 2, 0, NULL, fill_sriov, NULL, NULL,
	  "SR-IOV role: pf, or vf, which has no power management of its own" },
	{ "numvfs", COLUMN_NUMBER, RIGHT, 2, 0, NULL, fill_numvfs, NULL, NULL,
	  "virtual functions of a pf that are enabled" },
	{ "physfn", COLUMN_STRING, 0, 12, 0, NULL, fill_physfn, NULL, NULL, "the pf of a vf" },
	{ "override", COLUMN_STRING, 0, 8, VFIOPM_POWER_ENABLE, NULL, fill_override, NULL, NULL,
	  "the only driver that may bind it (driver_override)" },
	{ "account", COLUMN_OBJECT, 0, 20, 0, NULL, column_account,
	  "{sleeps} sleeps, {quiet_reads} quiet reads", NULL,
	  "what the driver vfio-pm-pci counted since it was bound (engaged, entries, exits, "
	  "sleeps, quiet_reads, refused, rate_limited, asleep_time in ms, wakes by cause); null: "
	  "another driver" },
	{ "last_wake", COLUMN_OBJECT, 0, 20, 0, NULL, column_last_wake, "{cause} by {comm}[{pid}]",
	  NULL,
	  "its last wake, with vfio-pm-pci (cause, region, offset, command, feature, pid, comm, "
	  "time in seconds since 1970); null: none, or only root may know" },
	{ "id", COLUMN_STRING, 0, 9, 0, NULL, fill_id, NULL, NULL, "VENDOR:DEVICE" },
	{ "subsystem", COLUMN_STRING, 0, 9, 0, NULL, fill_subsystem, NULL, NULL,
	  "VENDOR:DEVICE of the subsystem" },
	{ "class", COLUMN_STRING, 0, 6, 0, NULL, fill_class, NULL, NULL, "class code" },
	{ NULL },
};

const struct column *column_find(const char *name, size_t len)
{
	for (const struct column *c = columns; c->name; c++)
		if (strlen(c->name) == len && !strncasecmp(c->name, name, len))
			return c;
	return NULL;
}
