// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm owner: who has a device open. */
#include <errno.h>
#include <json-c/json.h>
#include <libsmartcols.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "columns.h"

struct input {
	struct device_args devices;
	bool json, no_headings;
};

static const struct argp_option options[] = {
	{ "json", 'J', NULL, 0, "Print JSON", 0 },
	{ "noheadings", 'n', NULL, 0, "Print no line of headings", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->devices;
		return 0;
	case 'J':
		in->json = true;
		return 0;
	case 'n':
		in->no_headings = true;
		return 0;
	}
	return devices_parse(key, state, &in->devices, false);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp owner_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[DEVICE...]",
	.doc = "Show which processes have a VFIO device open, and how. Without DEVICE: all that "
	       "are open."
	       "\vVIA is group or cdev for a descriptor of that node, device for a descriptor that "
	       "names its device, map when only a mapping is left. The owner of a group owns those "
	       "members of it that are enabled. Descriptors of other users are seen by root only.",
	.children = children,
};

enum { COL_DEVICE,
       COL_PID,
       COL_COMM,
       COL_USER,
       COL_STARTED,
       COL_VIA,
       N_COLS };

static const struct {
	const char *name;
	int flags;
} shown[N_COLS] = {
	[COL_DEVICE] = { "DEVICE", 0 },
	[COL_PID] = { "PID", SCOLS_FL_RIGHT },
	[COL_COMM] = { "COMMAND", 0 },
	[COL_USER] = { "USER", 0 },
	[COL_STARTED] = { "STARTED", 0 },
	[COL_VIA] = { "VIA", 0 },
};

/* The kernel tells the time since boot; people want the date. */
static time_t started(const struct vfiopm_owner *owner)
{
	/* In ms: two differences of whole seconds may differ by one from each other. */
	return (time_t)((wall_ms() - boot_ms() + vfiopm_owner_get_start_time(owner)) / 1000);
}

/* The users of this machine aren't those of another. */
static const char *user_name(const struct vfiopm_device *dev, uid_t uid, char *buf, size_t size)
{
	bool foreign = vfiopm_ctx_is_foreign(vfiopm_device_get_ctx(dev));
	const struct passwd *pw = foreign ? NULL : getpwuid(uid);

	if (pw)
		snprintf(buf, size, "%s", pw->pw_name);
	else
		snprintf(buf, size, "%u", uid);
	return buf;
}

static int add_line(struct libscols_table *table, const struct vfiopm_device *dev,
		    const struct vfiopm_owner *owner)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	time_t at = started(owner);
	char buf[64];
	struct tm tm;
	int r;

	if (!line)
		return -ENOMEM;
	r = scols_line_set_data(line, COL_DEVICE, vfiopm_device_get_name(dev));
	snprintf(buf, sizeof(buf), "%d", (int)vfiopm_owner_get_pid(owner));
	r |= scols_line_set_data(line, COL_PID, buf);
	r |= scols_line_set_data(line, COL_COMM, vfiopm_owner_get_comm(owner));
	r |= scols_line_set_data(line, COL_USER,
				 user_name(dev, vfiopm_owner_get_uid(owner), buf, sizeof(buf)));
	/* Another machine's boot is at another time. */
	snprintf(buf, sizeof(buf), "-");
	if (!vfiopm_ctx_is_foreign(vfiopm_device_get_ctx(dev)) && localtime_r(&at, &tm))
		strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm);
	r |= scols_line_set_data(line, COL_STARTED, buf);
	r |= scols_line_set_data(line, COL_VIA, vfiopm_via_name(vfiopm_owner_get_via(owner)));
	return r ? -ENOMEM : 0;
}

static int print_table(const struct targets *targets, const struct vfiopm_owners *owners,
		       bool no_headings)
{
	struct libscols_table *table;
	int r = 0;

	scols_init_debug(0);
	table = scols_new_table();
	if (!table)
		return -ENOMEM;
	scols_table_enable_noheadings(table, no_headings);
	for (size_t i = 0; i < N_COLS && r == 0; i++)
		r = scols_table_new_column(table, shown[i].name, 0, shown[i].flags) ?
			    0 :
			    -ENOMEM;
	for (size_t d = 0; d < targets->count && r == 0; d++) {
		const struct vfiopm_owner *owner;

		for (size_t i = 0;
		     r == 0 && (owner = vfiopm_owners_find(owners, targets->dev[d], i)); i++)
			r = add_line(table, targets->dev[d], owner);
	}
	if (r == 0 && scols_table_get_nlines(table))
		r = scols_print_table(table);
	scols_unref_table(table);
	return r;
}

static json_object *owner_json(const struct vfiopm_device *dev, const struct vfiopm_owner *owner)
{
	const char *via = vfiopm_via_name(vfiopm_owner_get_via(owner));
	json_object *o = json_object_new_object();
	char user[64];

	json_object_object_add(o, "pid", json_object_new_int(vfiopm_owner_get_pid(owner)));
	json_object_object_add(o, "comm", column_string(vfiopm_owner_get_comm(owner)));
	json_object_object_add(o, "uid", json_object_new_int64(vfiopm_owner_get_uid(owner)));
	json_object_object_add(o, "user",
			       json_object_new_string(user_name(dev, vfiopm_owner_get_uid(owner),
								user, sizeof(user))));
	json_object_object_add(o, "start_time",
			       json_object_new_int64(vfiopm_owner_get_start_time(owner)));
	json_object_object_add(o, "via", json_object_new_string(via));
	return o;
}

static void print_json(const struct targets *targets, const struct vfiopm_owners *owners,
		       bool all)
{
	json_object *root = json_object_new_object(), *devices = json_object_new_array();

	for (size_t d = 0; d < targets->count; d++) {
		json_object *device = json_object_new_object(), *list = json_object_new_array();
		const struct vfiopm_owner *owner;

		for (size_t i = 0; (owner = vfiopm_owners_find(owners, targets->dev[d], i)); i++)
			json_object_array_add(list, owner_json(targets->dev[d], owner));
		if (!all && !json_object_array_length(list)) {
			json_object_put(device);
			json_object_put(list);
			continue;
		}
		json_object_object_add(device, "address",
				       json_object_new_string(
					       vfiopm_device_get_name(targets->dev[d])));
		json_object_object_add(device, "owner", list);
		json_object_array_add(devices, device);
	}
	json_object_object_add(root, "devices", devices);
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_SPACED));
	json_object_put(root);
}

/* A device that is enabled is open by someone whom we can't see, or was left so. */
static void tell_hidden(const struct targets *targets, const struct vfiopm_owners *owners)
{
	for (size_t d = 0; d < targets->count; d++) {
		const struct vfiopm_device *dev = targets->dev[d];
		const struct vfiopm_owner *owner;

		if (vfiopm_owners_first(owners, dev, &owner) != -EPERM)
			continue;
		msg_warn("'%s' is open, its owner isn't visible from here",
			 vfiopm_device_get_name(dev));
		msg_hint("sudo " PROGRAM " owner %s; when root, outside of containers, sees none "
			 "either, a former driver left it enabled", vfiopm_device_get_name(dev));
	}
}

int cmd_owner(struct app *app, int argc, char **argv)
{
	struct vfiopm_owners *owners = NULL;
	struct targets targets = { 0 };
	struct input in = { 0 };
	int code, r;

	verb_parse(app, argc, argv, &in);
	code = in.devices.count ? targets_resolve(app, &in.devices, &targets) :
				  targets_all(app, true, &targets);
	if (in.devices.count && !targets.count)
		return code;
	r = vfiopm_owners_new(app->ctx, &owners);
	if (r == 0 && in.json)
		print_json(&targets, owners, in.devices.count > 0);
	else if (r == 0)
		r = print_table(&targets, owners, in.no_headings);
	if (r < 0) {
		msg_error("cannot look for owners: %s", strerror(-r));
		code_merge(&code, EXIT_FAILED);
	} else {
		tell_hidden(&targets, owners);
	}
	vfiopm_owners_free(owners);
	targets_free(&targets);
	return code;
}
