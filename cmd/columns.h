/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be shown of a device: the one table that list, status and their documentation share. */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <json-c/json.h>

#include "cmd.h"
#include "names.h"

/* What the fill functions draw on; only what the wanted columns need is there. */
struct row {
	const struct vfiopm_device *dev;
	const struct vfiopm_power *power;
	const struct vfiopm_owners *owners;
	struct name_db *names;
};

enum column_type {
	COLUMN_STRING,
	COLUMN_NUMBER,
	COLUMN_BOOLEAN,
	COLUMN_STRINGS,		/* array of strings */
	COLUMN_OBJECTS,		/* array of objects */
	COLUMN_OBJECT,
};

/* Needs of a column beyond the VFIOPM_POWER_* parts, which share the field. */
#define NEED_OWNERS	(1u << 30)
#define NEED_NAMES	(1u << 31)
#define NEED_POWER	(~(NEED_OWNERS | NEED_NAMES))

#define COLUMN_DEFAULT	(1u << 0)	/* shown by list unless told otherwise */
#define COLUMN_RIGHT	(1u << 1)	/* aligned right in a table */
#define COLUMN_SHORTEN	(1u << 2)	/* cut when the terminal is narrow */

struct column {
	const char *name;	/* key in JSON, and in capitals the heading */
	enum column_type type;
	unsigned int flags;
	double width;		/* hint of libsmartcols: characters, or a share below 1 */
	unsigned int needs;
	const char *unit;	/* NULL: none */
	/* A value for the row, the caller's; NULL for null. */
	struct json_object *(*fill)(const struct row *row);
	const char *item;	/* text of an object, "{key}" stands for a value */
	const char *none;	/* text of null, "-" when not set */
	const char *help;
};

extern const struct column columns[];	/* ends with a NULL name */

/* May somebody have it open through VFIO? Then its owner needs a look at all processes. */
bool column_may_be_owned(const struct vfiopm_device *dev);
const struct column *column_find(const char *name, size_t len);
/* The string with bytes that are no UTF-8 replaced, NULL for NULL. */
struct json_object *column_string(const char *s);
/* columns_account.c */
struct json_object *column_account(const struct row *row);
struct json_object *column_last_wake(const struct row *row);
/* since.c */
struct json_object *column_since(const struct row *row);
/* The longest that it can have been asleep by now, in ms; -1: it isn't, or not known. */
int64_t asleep_at_most(const struct vfiopm_device *dev, const struct vfiopm_power *power,
		       const struct vfiopm_owners *owners);
/* "string", "array of objects", …: for documentation. */
const char *column_type_name(enum column_type type);
/* The text of a value, to be freed; NULL: no memory. */
char *column_text(const struct column *column, struct json_object *value);

#endif /* COLUMNS_H */
