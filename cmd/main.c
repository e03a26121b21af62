// SPDX-License-Identifier: GPL-2.0-or-later
/* The command table, global options, dispatch. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

const struct verb verbs[] = {
#define NAMED_VERB(verb_name, text, verb_flags, verb_summary) \
	{ text, verb_summary, &verb_name##_argp, cmd_##verb_name, verb_flags },
#include "verbs.h"
#undef NAMED_VERB
	{ NULL },
};

static const char main_doc[] =
	"Put PCI devices behind VFIO to sleep, wake them, and say why they don't sleep."
	"\v" /* verbs are added by main_filter() */;

static const struct argp_option main_options[] = {
	{ "sysroot", KEY_SYSROOT, "DIR", 0,
	  "Read the system below DIR, e.g. a report of another machine", 0 },
	{ "describe", KEY_DESCRIBE, NULL, OPTION_HIDDEN, NULL, 0 },
	{ "verbose", 'v', NULL, 0,
	  "Say on standard error what is done; twice: every step. A holder logs to syslog", 0 },
	{ 0 }
};

struct main_input {
	struct app *app;
	int verb_index;		/* in argv; 0: none given */
	bool describe;
};

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

static error_t main_parse(int key, char *arg, struct argp_state *state)
{
	struct main_input *in = state->input;

	switch (key) {
	case KEY_SYSROOT:
		in->app->sysroot = arg;
		return 0;
	case KEY_DESCRIBE:
		in->describe = true;
		return 0;
	case 'v':
		in->app->verbose++;
		return 0;
	case ARGP_KEY_ARG:
		/* The rest belongs to the verb, options included. */
		in->verb_index = state->next - 1;
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static char *main_filter(int key, const char *text, void *input)
{
	char *out = NULL;
	size_t size;
	FILE *f;

	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	f = open_memstream(&out, &size);
	if (!f)
		return NULL;
	fputs("Verbs:\n", f);
	for (const struct verb *v = verbs; v->name; v++)
		if (!(v->flags & VERB_HIDDEN))
			fprintf(f, "  %-12s %s\n", v->name, v->summary);
	fputs("\n`" PROGRAM " VERB --help' tells more of each.\n\nExit status:\n", f);
	for (const struct exit_meaning *m = exit_meanings; m->text; m++)
		fprintf(f, "  %d  %s\n", m->code, m->text);
	fclose(f);
	return out;
}

static const struct argp main_argp = {
	.options = main_options,
	.parser = main_parse,
	.args_doc = "VERB [ARGUMENT...]",
	.doc = main_doc,
	.help_filter = main_filter,
};

/* argp names the program after argv[0]; a verb is "vfio-pm VERB" there. */
void verb_parse(struct app *app, int argc, char **argv, void *input)
{
	char *saved = argv[0], name[64];

	snprintf(name, sizeof(name), PROGRAM " %s", app->verb->name);
	argv[0] = name;
	argp_parse(app->verb->argp, argc, argv, 0, NULL, input);
	argv[0] = saved;
}

static error_t help_parse(int key, char *arg, struct argp_state *state)
{
	const char **name = state->input;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (*name)
		argp_error(state, "one verb at a time");
	*name = arg;
	return 0;
}

const struct argp help_argp = {
	.parser = help_parse,
	.args_doc = "[VERB]",
	.doc = "Show the help of VERB, or the list of verbs.",
};

int cmd_help(struct app *app, int argc, char **argv)
{
	char program[64] = PROGRAM;
	const char *name = NULL;
	const struct verb *v;

	verb_parse(app, argc, argv, &name);
	if (!name) {
		argp_help(&main_argp, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK, program);
		return EXIT_OK;
	}
	v = find_verb(name);
	if (!v) {
		msg_error("there is no verb '%s'", name);
		msg_hint(PROGRAM " --help lists them");
		return EXIT_USAGE;
	}
	snprintf(program, sizeof(program), PROGRAM " %s", v->name);
	argp_help(v->argp, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK, program);
	return EXIT_OK;
}

static void print_version(FILE *stream, struct argp_state *state)
{
	fprintf(stream, PROGRAM " " VFIOPM_VERSION "\n");
}

int finish_stdout(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout) && (fclose(stdout) == 0 || errno == EBADF))
		return code;
	msg_error("cannot write to standard output: %s", strerror(errno));
	return code == EXIT_OK ? EXIT_FAILED : code;
}

static void __attribute__((format(printf, 3, 0)))
log_line(void *data, int priority, const char *fmt, va_list args)
{
	fputs(PROGRAM ": ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

static int run_verb(struct app *app, int argc, char **argv)
{
	int r;

	app->verb = find_verb(argv[0]);
	if (!app->verb) {
		msg_error("there is no verb '%s'", argv[0]);
		msg_hint(PROGRAM " --help lists them");
		return EXIT_USAGE;
	}
	r = vfiopm_ctx_new(app->sysroot, &app->ctx);
	if (r < 0) {
		msg_error("cannot use '%s' as the root: %s", app->sysroot ? app->sysroot : "/",
			  strerror(-r));
		return EXIT_FAILED;
	}
	if (app->verbose)
		vfiopm_ctx_set_log_fn(app->ctx, log_line, NULL, app->verbose > 1 ? 7 : 6);
	if (vfiopm_ctx_is_foreign(app->ctx) && app->verb->flags & VERB_WRITES) {
		msg_error("'%s' acts on devices and takes no --sysroot", app->verb->name);
		r = EXIT_USAGE;
	} else {
		r = app->verb->run(app, argc, argv);
	}
	vfiopm_ctx_unref(app->ctx);
	return r;
}

int main(int argc, char **argv)
{
	char program[] = PROGRAM;
	struct app app = { 0 };
	struct main_input in = { .app = &app };
	int code;

	/*
	 * What a table's cell holds is printable or escaped by this; numbers and dates are the
	 * same everywhere.
	 */
	setlocale(LC_CTYPE, "");
	/*
	 * Ignored, which a caller may have left us, it would take the status of each child, and
	 * with that its pid, out of our hands (waitpid(2)).
	 */
	signal(SIGCHLD, SIG_DFL);
	argp_err_exit_status = EXIT_USAGE;
	argp_program_version_hook = print_version;
	if (argc > 0)
		argv[0] = program;
	argp_parse(&main_argp, argc, argv, ARGP_IN_ORDER, NULL, &in);
	if (in.describe)
		return finish_stdout(describe(&main_argp));
	if (!in.verb_index) {
		msg_error("which verb?");
		msg_hint(PROGRAM " --help lists them");
		return EXIT_USAGE;
	}
	code = run_verb(&app, argc - in.verb_index, argv + in.verb_index);
	return finish_stdout(code);
}
