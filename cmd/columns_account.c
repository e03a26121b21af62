// SPDX-License-Identifier: GPL-2.0-or-later
/* Columns of the account that the driver vfio-pm-pci keeps. */
#include <stdlib.h>

#include "columns.h"

typedef struct json_object json;

static void put(json *object, const char *key, json *value)
{
	json_object_object_add(object, key, value);
}

static json *account_number(const struct vfiopm_account *account, const char *key, int64_t unit)
{
	int64_t value = 0;
	int r = vfiopm_account_get(account, key, &value);

	return r < 0 ? NULL : json_object_new_int64(value / unit);
}

json *column_account(const struct row *row)
{
	static const char *const keys[] = { "entries", "exits", "sleeps", "quiet_reads",
					    "refused", "rate_limited" };
	struct vfiopm_account *account;
	json *object, *wakes;
	const char *cause;

	if (vfiopm_account_new(row->dev, &account) < 0)
		return NULL;
	object = json_object_new_object();
	put(object, "engaged", json_object_new_boolean(vfiopm_account_is_engaged(account)));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put(object, keys[i], account_number(account, keys[i], 1));
	put(object, "asleep_time", account_number(account, "asleep_us", 1000));
	wakes = json_object_new_object();
	for (size_t i = 0; (cause = vfiopm_account_cause(i)); i++)
		put(wakes, cause, account_number(account, cause, 1));
	put(object, "wakes", wakes);
	vfiopm_account_free(account);
	return object;
}

static json *wake_number(const struct vfiopm_account *account, const char *key)
{
	const char *value = vfiopm_account_get_last_wake(account, key);

	return value ? json_object_new_int64(strtoll(value, NULL, 0)) : NULL;
}

/* null: none yet, or only root may know. */
json *column_last_wake(const struct row *row)
{
	static const char *const numbers[] = { "region", "offset", "command", "feature", "pid" };
	struct vfiopm_account *account;
	json *object = NULL;
	const char *time;

	if (vfiopm_account_new(row->dev, &account) < 0)
		return NULL;
	if (vfiopm_account_has_last_wake(account) == 1) {
		object = json_object_new_object();
		put(object, "cause",
		    column_string(vfiopm_account_get_last_wake(account, "cause")));
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			put(object, numbers[i], wake_number(account, numbers[i]));
		put(object, "comm", column_string(vfiopm_account_get_last_wake(account, "comm")));
		time = vfiopm_account_get_last_wake(account, "time");
		put(object, "time",
		    time ? json_object_new_double_s(strtod(time, NULL), time) : NULL);
	}
	vfiopm_account_free(account);
	return object;
}
