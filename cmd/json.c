// SPDX-License-Identifier: GPL-2.0-or-later
/* What every verb that writes JSON of its own needs. */
#include <stdio.h>

#include "json.h"

struct json_object *json_text(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

void json_add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_text(text));
}

void json_add_int(struct json_object *object, const char *key, int64_t value)
{
	json_object_object_add(object, key, json_object_new_int64(value));
}

void json_add_ms(struct json_object *object, const char *key, int64_t us)
{
	json_object_object_add(object, key, json_object_new_double((double)us / 1000));
}

void json_print_line(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}
