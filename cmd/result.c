// SPDX-License-Identifier: GPL-2.0-or-later
/* The JSON of enter and exit: one object a device, also for those that failed. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "columns.h"
#include "result.h"

typedef struct json_object json;

json *json_state(enum vfiopm_state state)
{
	return state == VFIOPM_STATE_UNKNOWN ? NULL :
					       json_object_new_string(vfiopm_state_name(state));
}

json *json_status(enum vfiopm_status status)
{
	return status == VFIOPM_STATUS_UNKNOWN ? NULL :
						 json_object_new_string(vfiopm_status_name(status));
}

static json *milliseconds(int64_t us)
{
	char text[32];

	if (us <= 0)
		return NULL;
	/* Three decimals as they are, not what a double makes of them. */
	snprintf(text, sizeof(text), "%" PRId64 ".%03d", us / 1000, (int)(us % 1000));
	return json_object_new_double_s((double)us / 1e3, text);
}

json *result_json(const struct vfiopm_device *dev, const struct result *result)
{
	const struct vfiopm_power *power = result->now;
	struct vfiopm_power *look = NULL;
	json *o = json_object_new_object();

	if (!power && vfiopm_power_new(dev, &look) == 0)
		power = look;
	json_object_object_add(o, "address", json_object_new_string(vfiopm_device_get_name(dev)));
	json_object_object_add(o, "code", json_object_new_int(result->code));
	json_object_object_add(o, "error",
			       column_string(*result->cause.text ? result->cause.text : NULL));
	json_object_object_add(o, "asleep",
			       power ? json_object_new_boolean(vfiopm_power_is_asleep(power)) :
				       NULL);
	json_object_object_add(o, "state",
			       power ? json_state(vfiopm_power_get_state(power)) : NULL);
	json_object_object_add(o, "status",
			       power ? json_status(vfiopm_power_get_status(power)) : NULL);
	json_object_object_add(o, "state_before", json_state(result->state_before));
	json_object_object_add(o, "status_before", json_status(result->status_before));
	json_object_object_add(o, "time", milliseconds(result->time_us));
	json_object_object_add(o, "held", json_object_new_boolean(result->held));
	json_object_object_add(o, "pid", result->pid ? json_object_new_int(result->pid) : NULL);
	vfiopm_power_free(look);
	return o;
}

void result_print(json *devices)
{
	json *root = json_object_new_object();

	json_object_object_add(root, "devices", devices);
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_SPACED));
	json_object_put(root);
}
