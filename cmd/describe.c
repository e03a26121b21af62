// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vfio-pm --describe: the command line as data, for the completions and for the
 * tests that hold help, man pages and completions together.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "json.h"

typedef struct json_object json;

/* What argp adds to every command line, and what is kept out of sight. */
static const struct argp_option builtin[] = {
	{ "help", '?', NULL, 0, "Give this help list", 0 },
	{ "usage", KEY_SYSROOT, NULL, 0, "Give a short usage message", 0 },
	{ "version", 'V', NULL, 0, "Print program version", 0 },
	{ 0 }
};

const struct exit_meaning exit_meanings[] = {
	{ EXIT_OK, "done, or already so" },
	{ EXIT_FAILED, "failed: permission, I/O, the device didn't come back" },
	{ EXIT_USAGE, "wrong usage" },
	{ EXIT_NODEV, "no such device" },
	{ EXIT_UNUSABLE, "not usable as it is" },
	{ EXIT_BUSY, "busy, another owner" },
	{ EXIT_STATE, "the wanted state was not reached" },
	{ 0, NULL }
};

static bool option_is_end(const struct argp_option *o)
{
	return !o->name && !o->key && !o->doc && !o->group;
}

static void add_options(json *list, const struct argp_option *options)
{
	/* An alias takes what the option before it takes. */
	const struct argp_option *main_option = options;

	for (const struct argp_option *o = options; o && !option_is_end(o); o++) {
		char letter[2] = { 0 };
		json *row;

		if (!(o->flags & OPTION_ALIAS))
			main_option = o;
		if ((!o->name && !o->key) || o->flags & (OPTION_HIDDEN | OPTION_DOC))
			continue;
		if (o->key > 0 && o->key < 128 && isprint(o->key))
			letter[0] = (char)o->key;
		row = json_object_new_object();
		json_object_object_add(row, "name", json_text(o->name));
		json_object_object_add(row, "short", json_text(letter[0] ? letter : NULL));
		json_object_object_add(row, "arg", json_text(main_option->arg));
		json_object_object_add(
			row, "optional",
			json_object_new_boolean(main_option->flags & OPTION_ARG_OPTIONAL));
		json_object_object_add(row, "help", json_text(main_option->doc));
		json_object_array_add(list, row);
	}
}

static void add_argp(json *list, const struct argp *argp)
{
	add_options(list, argp->options);
	for (const struct argp_child *c = argp->children; c && c->argp; c++)
		add_argp(list, c->argp);
}

static json *describe_options(const struct argp *argp)
{
	json *list = json_object_new_array();

	add_argp(list, argp);
	add_options(list, builtin);
	return list;
}

static json *describe_verb(const struct verb *verb)
{
	json *row = json_object_new_object();

	json_object_object_add(row, "name", json_text(verb->name));
	json_object_object_add(row, "summary", json_text(verb->summary));
	json_object_object_add(row, "args", json_text(verb->argp->args_doc));
	json_object_object_add(row, "options", describe_options(verb->argp));
	return row;
}

static json *describe_columns(void)
{
	json *list = json_object_new_array();

	for (const struct column *c = columns; c->name; c++) {
		json *row = json_object_new_object();

		json_object_object_add(row, "name", json_text(c->name));
		json_object_object_add(row, "type", json_text(column_type_name(c->type)));
		json_object_object_add(row, "unit", json_text(c->unit));
		json_object_object_add(row, "default",
				       json_object_new_boolean(c->flags & COLUMN_DEFAULT));
		json_object_object_add(row, "help", json_text(c->help));
		json_object_array_add(list, row);
	}
	return list;
}

int describe(const struct argp *main_argp)
{
	json *root = json_object_new_object(), *list = json_object_new_array();

	json_object_object_add(root, "program", json_text(PROGRAM));
	json_object_object_add(root, "version", json_text(VFIOPM_VERSION));
	json_object_object_add(root, "options", describe_options(main_argp));
	for (const struct verb *v = verbs; v->name; v++)
		if (!(v->flags & VERB_HIDDEN))
			json_object_array_add(list, describe_verb(v));
	json_object_object_add(root, "verbs", list);
	json_object_object_add(root, "columns", describe_columns());
	list = json_object_new_array();
	for (const struct exit_meaning *m = exit_meanings; m->text; m++) {
		json *row = json_object_new_object();

		json_object_object_add(row, "code", json_object_new_int(m->code));
		json_object_object_add(row, "meaning", json_text(m->text));
		json_object_array_add(list, row);
	}
	json_object_object_add(root, "exit_codes", list);
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
							   JSON_C_TO_STRING_SPACED |
							   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	return EXIT_OK;
}
