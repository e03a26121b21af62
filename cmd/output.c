// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices as a table, pairs, raw text or JSON. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols.h>

#include "output.h"

enum {
	KEY_LIST_COLUMNS = KEY_VERB + 0x80,
	KEY_SORT,
};

static const struct argp_option output_options[] = {
	{ NULL, 0, NULL, 0, "Output:", 10 },
	{ "json", 'J', NULL, 0, "Print JSON: an array 'devices' of objects", 10 },
	{ "pairs", 'P', NULL, 0, "Print KEY=\"value\" pairs", 10 },
	{ "raw", 'r', NULL, 0, "Print columns without alignment", 10 },
	{ "noheadings", 'n', NULL, 0, "Print no headings", 10 },
	{ "output", 'o', "[+]LIST", 0,
	  "Show the columns LIST, separated by commas, or 'all'; with a plus in addition to the "
	  "default ones",
	  10 },
	{ "list-columns", KEY_LIST_COLUMNS, NULL, 0, "Say what columns there are", 10 },
	{ "sort", KEY_SORT, "COLUMN", 0, "Sort by COLUMN", 10 },
	{ 0 }
};

void output_set_columns(struct output *out, bool all)
{
	for (const struct column *c = columns; c->name && out->n < OUTPUT_COLUMNS_MAX; c++)
		if (all || c->flags & COLUMN_DEFAULT)
			out->column[out->n++] = c;
}

static const struct column *parse_column(struct argp_state *state, const char *name, size_t len)
{
	const struct column *column = column_find(name, len);

	if (!column)
		argp_error(state, "there is no column '%.*s'; --list-columns names them", (int)len,
			   name);
	return column;
}

static void parse_columns(struct argp_state *state, struct output *out, const char *list)
{
	out->n = 0;
	if (*list == '+') {
		output_set_columns(out, false);
		list++;
	}
	for (;;) {
		size_t len = strcspn(list, ",");

		if (len == 3 && !strncmp(list, "all", 3)) {
			out->n = 0;
			output_set_columns(out, true);
		} else if (out->n < OUTPUT_COLUMNS_MAX) {
			out->column[out->n++] = parse_column(state, list, len);
		}
		if (!list[len])
			return;
		list += len + 1;
	}
}

static error_t parse_output(int key, char *arg, struct argp_state *state)
{
	struct output *out = state->input;

	switch (key) {
	case 'J':
		out->format = OUTPUT_JSON;
		return 0;
	case 'P':
		out->format = OUTPUT_PAIRS;
		return 0;
	case 'r':
		out->format = OUTPUT_RAW;
		return 0;
	case 'n':
		out->noheadings = true;
		return 0;
	case 'o':
		parse_columns(state, out, arg);
		return 0;
	case KEY_LIST_COLUMNS:
		out->list_columns = true;
		return 0;
	case KEY_SORT:
		out->sort = parse_column(state, arg, strlen(arg));
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp output_argp = { .options = output_options, .parser = parse_output };

/* ---- rows ---- */

struct source {
	struct vfiopm_owners *owners;
	struct name_db *names;
};

static void source_open(struct source *source, struct app *app, unsigned int needs)
{
	int r;

	source->owners = NULL;
	source->names = NULL;
	if (needs & NEED_OWNERS) {
		r = vfiopm_owners_new(app->ctx, &source->owners);
		if (r < 0)
			msg_warn("cannot look for owners: %s", strerror(-r));
	}
	if (needs & NEED_NAMES)
		source->names = name_db_new();
}

static void source_close(struct source *source)
{
	vfiopm_owners_free(source->owners);
	name_db_free(source->names);
}

/* The row's power side is the caller's; false: the device has gone. */
static bool row_open(struct row *row, struct vfiopm_power **power, const struct source *source,
		     const struct vfiopm_device *dev, unsigned int needs)
{
	*power = NULL;
	if (needs & NEED_POWER && vfiopm_power_new_parts(dev, needs & NEED_POWER, power) < 0)
		return false;
	row->dev = dev;
	row->power = *power;
	row->owners = source->owners;
	row->names = source->names;
	return true;
}

static struct json_object *row_object(const struct output *out, const struct row *row)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < out->n; i++)
		json_object_object_add_ex(object, out->column[i]->name, out->column[i]->fill(row),
					  JSON_C_OBJECT_ADD_CONSTANT_KEY);
	return object;
}

/*
 * One device a line, printed when it is read: a list of any length needs no
 * more memory than its longest line.
 */
static int print_json(const struct output *out, const struct source *source,
		      struct vfiopm_device **dev, size_t n, unsigned int needs)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *comma = "";

	printf("{\n   \"devices\": [");
	for (size_t i = 0; i < n; i++) {
		struct vfiopm_power *power;
		struct json_object *object;
		struct row row;

		if (!row_open(&row, &power, source, dev[i], needs))
			continue;
		object = row_object(out, &row);
		printf("%s\n      %s", comma,
		       json_object_to_json_string_ext(object, flags));
		comma = ",";
		json_object_put(object);
		vfiopm_power_free(power);
	}
	printf("\n   ]\n}\n");
	return EXIT_OK;
}

static void heading(const char *name, char *buf, size_t size)
{
	size_t i;

	for (i = 0; i < size - 1 && name[i]; i++)
		buf[i] = (char)toupper((unsigned char)name[i]);
	buf[i] = '\0';
}

static struct libscols_table *table_new(const struct output *out)
{
	struct libscols_table *table = scols_new_table();

	if (!table)
		return NULL;
	scols_table_enable_noheadings(table, out->noheadings);
	scols_table_enable_raw(table, out->format == OUTPUT_RAW);
	scols_table_enable_export(table, out->format == OUTPUT_PAIRS);
	for (size_t i = 0; i < out->n; i++) {
		const struct column *c = out->column[i];
		char name[32];

		heading(c->name, name, sizeof(name));
		if (!scols_table_new_column(table, name, c->width,
					    (c->flags & COLUMN_RIGHT ? SCOLS_FL_RIGHT : 0) |
						    (c->flags & COLUMN_SHORTEN ? SCOLS_FL_TRUNC :
										 0))) {
			scols_unref_table(table);
			return NULL;
		}
	}
	return table;
}

static bool table_add(struct libscols_table *table, const struct output *out,
		      const struct row *row)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		return false;
	for (size_t i = 0; i < out->n; i++) {
		struct json_object *value = out->column[i]->fill(row);
		char *text = column_text(out->column[i], value);

		json_object_put(value);
		if (!text || scols_line_refer_data(line, i, text) < 0) {
			free(text);
			return false;
		}
	}
	return true;
}

static int print_table(const struct output *out, const struct source *source,
		       struct vfiopm_device **dev, size_t n, unsigned int needs)
{
	struct libscols_table *table = table_new(out);
	bool ok = table != NULL;

	for (size_t i = 0; ok && i < n; i++) {
		struct vfiopm_power *power;
		struct row row;

		if (!row_open(&row, &power, source, dev[i], needs))
			continue;
		ok = table_add(table, out, &row);
		vfiopm_power_free(power);
	}
	ok = ok && scols_print_table(table) == 0;
	scols_unref_table(table);
	if (!ok)
		msg_error("cannot print the table: out of memory");
	return ok ? EXIT_OK : EXIT_FAILED;
}

/* ---- sorting ---- */

struct key {
	struct vfiopm_device *dev;
	struct json_object *value;
	const struct column *column;
	size_t position;
};

static int compare_values(const struct key *a, const struct key *b)
{
	char *x, *y;
	int r;

	/* What wasn't measured comes last. */
	if (!a->value || !b->value)
		return !a->value - !b->value;
	if (a->column->type == COLUMN_NUMBER || a->column->type == COLUMN_BOOLEAN) {
		double m = json_object_get_double(a->value), n = json_object_get_double(b->value);

		return m < n ? -1 : m > n;
	}
	x = column_text(a->column, a->value);
	y = column_text(b->column, b->value);
	r = x && y ? strcmp(x, y) : 0;
	free(x);
	free(y);
	return r;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int r = compare_values(x, y);

	return r ? r : x->position < y->position ? -1 :
						   1;
}

static int sort_devices(const struct output *out, const struct source *source,
			struct vfiopm_device **dev, size_t n)
{
	struct key *keys = calloc(n ? n : 1, sizeof(*keys));

	if (!keys) {
		msg_error("cannot sort: out of memory");
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < n; i++) {
		struct vfiopm_power *power;
		struct row row;

		keys[i] = (struct key){ .dev = dev[i], .column = out->sort, .position = i };
		if (!row_open(&row, &power, source, dev[i], out->sort->needs))
			continue;
		keys[i].value = out->sort->fill(&row);
		vfiopm_power_free(power);
	}
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < n; i++) {
		dev[i] = keys[i].dev;
		json_object_put(keys[i].value);
	}
	free(keys);
	return EXIT_OK;
}

static bool any_may_be_owned(struct vfiopm_device **dev, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (column_may_be_owned(dev[i]))
			return true;
	return false;
}

int output_devices(struct app *app, const struct output *out, struct vfiopm_device **dev, size_t n)
{
	struct source source;
	unsigned int needs = 0, needed;
	int code = EXIT_OK;

	for (size_t i = 0; i < out->n; i++)
		needs |= out->column[i]->needs;
	needed = needs | (out->sort ? out->sort->needs : 0);
	if (!any_may_be_owned(dev, n))
		needed &= ~NEED_OWNERS;
	source_open(&source, app, needed);
	if (out->sort)
		code = sort_devices(out, &source, dev, n);
	if (code == EXIT_OK)
		code = out->format == OUTPUT_JSON ? print_json(out, &source, dev, n, needs) :
						    print_table(out, &source, dev, n, needs);
	source_close(&source);
	return code;
}

/* ---- the columns themselves ---- */

int output_list_columns(const struct output *out)
{
	struct libscols_table *table = scols_new_table();
	bool ok = table && scols_table_new_column(table, "COLUMN", 0, 0) &&
		  scols_table_new_column(table, "TYPE", 0, 0) &&
		  scols_table_new_column(table, "UNIT", 0, 0) &&
		  scols_table_new_column(table, "MEANING", 0, SCOLS_FL_WRAP);

	if (ok) {
		scols_table_enable_noheadings(table, out->noheadings);
		scols_table_enable_raw(table, out->format == OUTPUT_RAW);
		scols_table_enable_export(table, out->format == OUTPUT_PAIRS);
		scols_table_enable_json(table, out->format == OUTPUT_JSON);
		scols_table_set_name(table, "columns");
	}
	for (const struct column *c = columns; ok && c->name; c++) {
		struct libscols_line *line = scols_table_new_line(table, NULL);

		ok = line && scols_line_set_data(line, 0, c->name) == 0 &&
		     scols_line_set_data(line, 1, column_type_name(c->type)) == 0 &&
		     scols_line_set_data(line, 2, c->unit) == 0 &&
		     scols_line_set_data(line, 3, c->help) == 0;
	}
	ok = ok && scols_print_table(table) == 0;
	scols_unref_table(table);
	if (!ok)
		msg_error("cannot print the table: out of memory");
	return ok ? EXIT_OK : EXIT_FAILED;
}
