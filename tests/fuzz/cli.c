// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole command line, with --sysroot on a hostile tree. */
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "fuzz.h"

int vfio_pm_main(int argc, char **argv);	/* main() of cmd/main.c */
error_t __real_argp_parse(const struct argp *argp, int argc, char **argv, unsigned int flags,
			  int *index, void *input);
error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv, unsigned int flags,
			  int *index, void *input);
void __wrap_argp_error(const struct argp_state *state, const char *fmt, ...);
void __wrap_argp_failure(const struct argp_state *state, int status, int errnum, const char *fmt,
			 ...);
void __real_exit(int code) __attribute__((noreturn));
void __wrap_exit(int code) __attribute__((noreturn));
int __real_fclose(FILE *stream);
int __wrap_fclose(FILE *stream);
int __real_vfiopm_ctx_new(const char *root, struct vfiopm_ctx **ret);
int __wrap_vfiopm_ctx_new(const char *root, struct vfiopm_ctx **ret);

static jmp_buf out;
static struct vfiopm_ctx *held;

void leave(void)
{
	longjmp(out, 1);
}

/* argp would end the process on a mistake; after --help it goes on here. */
error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv, unsigned int flags,
			  int *index, void *input)
{
	error_t r = __real_argp_parse(argp, argc, argv, flags | ARGP_NO_EXIT, index, input);

	if (r)
		leave();
	return r;
}

void __wrap_argp_error(const struct argp_state *state, const char *fmt, ...)
{
	leave();
}

void __wrap_argp_failure(const struct argp_state *state, int status, int errnum, const char *fmt,
			 ...)
{
	leave();
}

void __wrap_exit(int code)
{
	if (!clock_running)
		__real_exit(code);
	leave();
}

int __wrap_fclose(FILE *stream)
{
	return stream == stdout ? fflush(stdout) : __real_fclose(stream);
}

/* Whatever the arguments say: never this machine. */
int __wrap_vfiopm_ctx_new(const char *root, struct vfiopm_ctx **ret)
{
	int r = __real_vfiopm_ctx_new(tree_root(), ret);

	held = r == 0 ? *ret : NULL;
	return r;
}

/* Words that mean something; others come from the input. */
static const char *const words[] = {
	"0000:01:00.0", "01:00.1", "8086:10d3", "group:7", "00:01.0", "-a", "-J", "-P", "-r",
	"-n", "-o", "--timeout=0", "--sort", "--json-lines", "--list-columns", "--help",
	"--dry-run", "--fix",
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

/* The lowest free number stays the same when each descriptor is closed. */
static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char program[] = "vfio-pm", sysroot[] = "--sysroot=/nonexistent";
	struct input in = { data, size };
	char room[8][64], *argv[12] = { program, sysroot };
	unsigned int verb = input_byte(&in), n = input_byte(&in) % 8;
	int argc = 2;
	size_t known = 0;
	int fd;

	while (verbs[known].name)
		known++;
	/* An act on a device is refused before anything is opened; try that, too. */
	snprintf(room[0], sizeof(room[0]), "%s", verbs[verb % known].name);
	argv[argc++] = room[0];
	for (unsigned int i = 1; i <= n; i++) {
		unsigned int word = input_byte(&in);

		if (word < 128)
			snprintf(room[i], sizeof(room[i]), "%s", words[word % N_WORDS]);
		else
			input_text(&in, room[i], sizeof(room[i]));
		argv[argc++] = room[i];
	}
	tree_build(&in);
	fd = next_fd();
	held = NULL;
	clock_start();
	if (setjmp(out) == 0) {
		vfio_pm_main(argc, argv);
		if (next_fd() != fd) {
			fprintf(stderr, "descriptors left open from %d on\n", fd);
			abort();
		}
	} else {
		vfiopm_ctx_unref(held);
		close_range((unsigned int)fd, ~0U, 0);
	}
	clock_running = false;
	return 0;
}
