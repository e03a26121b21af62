// SPDX-License-Identifier: GPL-2.0-or-later
/* Values of columns as text: one formatter for all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"

typedef struct json_object json;

const char *column_type_name(enum column_type type)
{
	static const char *const names[] = {
		[COLUMN_STRING] = "string",
		[COLUMN_NUMBER] = "number",
		[COLUMN_BOOLEAN] = "boolean",
		[COLUMN_STRINGS] = "array of strings",
		[COLUMN_OBJECTS] = "array of objects",
		[COLUMN_OBJECT] = "object",
	};

	return names[type];
}

static void write_value(FILE *f, const struct column *column, json *value);

/* "{comm}[{pid}]" with the members of @object in the place of their names. */
static void write_object(FILE *f, const struct column *column, json *object)
{
	for (const char *at = column->item ? column->item : ""; *at; at++) {
		const char *end = *at == '{' ? strchr(at, '}') : NULL;
		char key[32];

		if (!end) {
			fputc(*at, f);
			continue;
		}
		snprintf(key, sizeof(key), "%.*s", (int)(end - at - 1), at + 1);
		write_value(f, column, json_object_object_get(object, key));
		at = end;
	}
}

static void write_array(FILE *f, const struct column *column, json *array)
{
	size_t n = json_object_array_length(array);

	if (!n)
		fputc('-', f);
	for (size_t i = 0; i < n; i++) {
		if (i)
			fputc(',', f);
		write_value(f, column, json_object_array_get_idx(array, i));
	}
}

static void write_value(FILE *f, const struct column *column, json *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		fputs(column->none ? column->none : "-", f);
		break;
	case json_type_boolean:
		fputs(json_object_get_boolean(value) ? "yes" : "no", f);
		break;
	case json_type_array:
		write_array(f, column, value);
		break;
	case json_type_object:
		write_object(f, column, value);
		break;
	case json_type_double:
	case json_type_int:
		fputs(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), f);
		if (column->unit && !strcmp(column->unit, "%"))
			fputc('%', f);
		break;
	case json_type_string:
		fputs(json_object_get_string(value), f);
		break;
	}
}

char *column_text(const struct column *column, struct json_object *value)
{
	char *text = NULL;
	size_t size;
	FILE *f;

	/* Most cells: without the cost of a stream. */
	switch (json_object_get_type(value)) {
	case json_type_string:
		return strdup(json_object_get_string(value));
	case json_type_null:
		return strdup(column->none ? column->none : "-");
	case json_type_boolean:
		return strdup(json_object_get_boolean(value) ? "yes" : "no");
	case json_type_int:
		if (asprintf(&text, "%" PRId64, json_object_get_int64(value)) < 0)
			return NULL;
		return text;
	default:
		break;
	}
	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	write_value(f, column, value);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
