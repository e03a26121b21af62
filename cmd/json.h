/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small change for JSON by json-c: a key and its value, a line of a stream. */
#ifndef JSON_H
#define JSON_H

#include <json-c/json.h>
#include <stdint.h>

/* NULL, which is JSON's null, stays NULL. */
struct json_object *json_text(const char *text);
void json_add_text(struct json_object *object, const char *key, const char *text);
void json_add_int(struct json_object *object, const char *key, int64_t value);
/* Microseconds as milliseconds. */
void json_add_ms(struct json_object *object, const char *key, int64_t us);
/* One line on standard output; @object is given back. */
void json_print_line(struct json_object *object);

#endif /* JSON_H */
