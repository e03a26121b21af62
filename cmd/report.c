// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm report: what an explanation rests on, as an archive that travels. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "explain.h"
#include "tar.h"

#define FOLDER "vfio-pm-report"

struct report_args {
	const char *output;
	struct device_args devices;
};

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "Write the archive to FILE; '-' is standard output", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct report_args *args = state->input;

	switch (key) {
	case 'o':
		args->output = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->devices.count)
			argp_error(state, "which device?");
		if (!args->output)
			argp_error(state, "where to? -o FILE");
		return 0;
	}
	return devices_parse(key, state, &args->devices, false);
}

const struct argp report_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE... -o FILE",
	.doc = "Write a tar archive of what explain reads of each DEVICE and of the system, and "
	       "the explanation itself. Nothing is woken.\v"
	       "The archive holds no serial numbers, host names or UUIDs, and of the kernel's "
	       "command line only parameters that the rules know. Unpacked on another machine it "
	       "gives the same explanation: " PROGRAM " --sysroot=" FOLDER " explain DEVICE",
};

static int take_entry(void *data, enum vfiopm_report_type type, const char *path,
		      const char *content)
{
	struct tar *tar = data;
	char *full;
	int r;

	if (asprintf(&full, FOLDER "/%s", path) < 0)
		return -ENOMEM;
	switch (type) {
	case VFIOPM_REPORT_FILE:
		r = tar_file(tar, full, content, strlen(content));
		break;
	case VFIOPM_REPORT_LINK:
		r = tar_link(tar, full, content);
		break;
	default:
		r = tar_folder(tar, full);
		break;
	}
	free(full);
	return r;
}

/* The explanations, as text and as JSON, next to what they rest on. */
static int add_explanations(struct tar *tar, struct vfiopm_survey *survey,
			    const struct targets *targets)
{
	struct json_object *top = json_object_new_object(), *devices = json_object_new_array();
	char *text = NULL;
	size_t size = 0;
	FILE *out;
	int r = 0;

	json_object_object_add(top, "devices", devices);
	out = open_memstream(&text, &size);
	if (!out) {
		json_object_put(top);
		return -ENOMEM;
	}
	for (size_t i = 0; i < targets->count && r == 0; i++) {
		struct vfiopm_explanation *e;

		r = vfiopm_explain_new(survey, targets->dev[i], VFIOPM_STATE_UNKNOWN, 0, 0, &e);
		if (r < 0)
			break;
		explain_print(out, e, true, false);
		json_object_array_add(devices, explain_json(e));
		vfiopm_explanation_free(e);
	}
	if (fclose(out) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0)
		r = tar_file(tar, FOLDER "/explanation.txt", text, size);
	free(text);
	if (r == 0) {
		const char *json = json_object_to_json_string_ext(
			top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
				     JSON_C_TO_STRING_NOSLASHESCAPE);

		r = json ? tar_file(tar, FOLDER "/explanation.json", json, strlen(json)) : -ENOMEM;
	}
	json_object_put(top);
	return r;
}

static int write_report(struct app *app, FILE *out, const struct targets *targets)
{
	static const char version[] = PROGRAM " " VFIOPM_VERSION "\n";
	struct tar tar = { .out = out, .mtime = time(NULL) };
	struct vfiopm_survey *survey;
	int r;

	r = vfiopm_survey_new(app->ctx, &survey);
	if (r < 0)
		return r;
	/* First the explanation: the archive then holds the very values that it was made from. */
	r = add_explanations(&tar, survey, targets);
	if (r == 0)
		r = tar_file(&tar, FOLDER "/version", version, sizeof(version) - 1);
	if (r == 0)
		r = vfiopm_report_foreach(survey, targets->dev, targets->count, take_entry, &tar);
	if (r == 0)
		r = tar_end(&tar);
	vfiopm_survey_unref(survey);
	return r;
}

/* Written aside and renamed: a report is whole or not there. */
static int write_file(struct app *app, const char *path, const struct targets *targets)
{
	char *temp;
	FILE *out;
	int fd, r;

	if (asprintf(&temp, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temp, O_CLOEXEC);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		r = -errno;
		if (fd >= 0) {
			close(fd);
			unlink(temp);
		}
		free(temp);
		return r;
	}
	r = write_report(app, out, targets);
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temp);
	free(temp);
	return r;
}

/* A pipe, a device: what can't be renamed to is written to. */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static int write_special(struct app *app, const char *path, const struct targets *targets)
{
	FILE *out = fopen(path, "we");
	int r;

	if (!out)
		return -errno;
	r = write_report(app, out, targets);
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	return r;
}

int cmd_report(struct app *app, int argc, char **argv)
{
	struct report_args args = { 0 };
	struct targets targets;
	int code, r;

	verb_parse(app, argc, argv, &args);
	if (!strcmp(args.output, "-") && isatty(STDOUT_FILENO)) {
		msg_error("the archive isn't written to a terminal");
		msg_hint("-o FILE");
		return EXIT_USAGE;
	}
	code = targets_resolve(app, &args.devices, &targets);
	if (code != EXIT_OK) {
		targets_free(&targets);
		return code;
	}
	if (!strcmp(args.output, "-"))
		r = write_report(app, stdout, &targets);
	else if (is_special(args.output))
		r = write_special(app, args.output, &targets);
	else
		r = write_file(app, args.output, &targets);
	targets_free(&targets);
	if (r < 0) {
		msg_error("cannot write the report to '%s': %s", args.output, strerror(-r));
		return r == -ENODEV ? EXIT_NODEV : EXIT_FAILED;
	}
	if (strcmp(args.output, "-")) {
		printf("%s: written; unpacked, " PROGRAM " --sysroot=" FOLDER " explain",
		       args.output);
		for (size_t i = 0; i < args.devices.count; i++)
			printf(" %s", args.devices.specs[i]);
		puts(" says the same");
	}
	return EXIT_OK;
}
