/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs share: the command table, exit codes, messages, arguments. */
#ifndef CMD_H
#define CMD_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "vfiopm.h"

#define PROGRAM "vfio-pm"

/* Documented exit codes; one table in vfio-pm(8) names them. */
enum exit_code {
	EXIT_OK = 0,		/* done, or already so */
	EXIT_FAILED = 1,	/* permission, I/O, device didn't come back */
	EXIT_USAGE = 2,		/* the command line is wrong */
	EXIT_NODEV = 3,		/* no such device */
	EXIT_UNUSABLE = 4,	/* not usable as it is */
	EXIT_BUSY = 5,		/* another owner */
	EXIT_STATE = 6,		/* wanted state not reached */
};

/* describe.c: the same, for help and man page. */
struct exit_meaning {
	int code;
	const char *text;
};
extern const struct exit_meaning exit_meanings[];	/* ends with a NULL text */

struct verb;

/* Why a device failed, without its name: for output that isn't a message. */
struct cause {
	char text[256];
};

/* Made once in main() and handed down: there is no global state. */
struct app {
	struct vfiopm_ctx *ctx;
	const struct verb *verb;	/* the verb that runs */
	const char *sysroot;		/* NULL: this system */
	unsigned int verbose;
	struct cause *cause;		/* gets what app_cannot() says; NULL: nobody asks */
};

/* One row of the command table in main.c. */
struct verb {
	const char *name;
	const char *summary;		/* one line, for the list of verbs */
	const struct argp *argp;	/* options, arguments, help text */
	int (*run)(struct app *app, int argc, char **argv);	/* returns an exit code */
	unsigned int flags;
};

#define VERB_WRITES	(1u << 0)	/* opens, writes or signals: refuses --sysroot */
#define VERB_HIDDEN	(1u << 1)	/* not in the list of verbs */

extern const struct verb verbs[];	/* main.c; ends with a NULL name */

/* Keys of long-only options: verbs may use KEY_VERB and up. */
enum {
	KEY_SYSROOT = 0x100,
	KEY_DESCRIBE,
	KEY_VERB = 0x200,
};

/*
 * Parse a verb's command line with its argp. The parser sees @input; on a
 * mistake argp prints and exits with EXIT_USAGE.
 */
void verb_parse(struct app *app, int argc, char **argv, void *input);

/* describe.c: print verbs, options, columns and exit codes as JSON. */
int describe(const struct argp *main_argp);

/*
 * main.c: the end of a process that wrote to stdout. Success is told only when the output has
 * really been written: /dev/full, a closed pipe.
 */
int finish_stdout(int code);

/* messages.c: one format for everything on stderr. */
void msg_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "cannot VERB 'ADDR': cause", the format of every failure on a device. */
void msg_cannot(const char *what, const char *addr, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, and kept in @app->cause. */
void app_cannot(struct app *app, const char *what, const char *addr, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* With --verbose: what is done. */
void app_say(const struct app *app, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* It was there, and is no more. Returns EXIT_NODEV. */
int app_gone(struct app *app, const char *what, const char *addr);
void app_remember(struct app *app, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What a refusal of the library means, for people. */
const char *refusal_text(enum vfiopm_refusal refusal);

/* args.c: what the verbs' parsers share. */
struct device_args {
	char **specs; /* in argv */
	size_t count;
	bool group; /* the endpoints of their IOMMU groups, too: targets_resolve() adds them */
};
/* A child of verbs' parsers, --group; its input is a struct device_args. */
extern const struct argp group_argp;
/*
 * What a verb's parser returns for a key that isn't its own: takes the DEVICE
 * arguments, and asks for one when @needed and there is none.
 */
error_t devices_parse(int key, struct argp_state *state, struct device_args *devices, bool needed);
/* TIME; a mistake is the end, as argp_error(). */
void time_parse(struct argp_state *state, const char *arg, int64_t *ret_ms);
/* The same, and not 0. */
void interval_parse(struct argp_state *state, const char *arg, int64_t *ret_ms);
/* A number from 0 to @max; as time_parse(). */
void number_parse(struct argp_state *state, const char *arg, unsigned int max, unsigned int *ret);

/* targets.c: DEVICE arguments as devices. */
struct targets {
	size_t count;
	struct vfiopm_device **dev;	/* references held; unique, in the order given */
};
/*
 * Resolve all arguments. Each one that is malformed or matches nothing is
 * reported; what was found is in @ret all the same. Returns the exit code of
 * the first failure, or EXIT_OK.
 */
int targets_resolve(struct app *app, const struct device_args *args, struct targets *ret);
/* Add what isn't there yet; -ENOMEM. */
int targets_add(struct targets *targets, struct vfiopm_list *list);
/* Add every endpoint of the device's IOMMU group. */
int targets_add_group(struct targets *targets, const struct vfiopm_device *dev);
/* All of the system, or all that are on a VFIO driver. Reports. */
int targets_all(struct app *app, bool vfio_only, struct targets *ret);
void targets_free(struct targets *targets);
/* Keeps the first failure's code: several devices, all are tried. */
static inline void code_merge(int *code, int next)
{
	if (*code == EXIT_OK)
		*code = next;
}

/* clock.c: CLOCK_MONOTONIC, for differences; since boot, the host's sleep included; the date. */
int64_t monotonic_ns(void);
int64_t monotonic_us(void);
int64_t monotonic_ms(void);
int64_t boot_ms(void);
int64_t wall_ns(void);
int64_t wall_ms(void);

/* units.c: TIME is a number with ms, s, m or h, default seconds; result in ms. */
int parse_time(const char *text, int64_t *ret_ms);
/* "38 ms", "4.2 s", "3 min 5 s", "2 d 4 h": for people. */
char *format_time(int64_t ms, char *buf, size_t size);

/* One function and one command line a verb. */
#define NAMED_VERB(verb_name, text, verb_flags, verb_summary)         \
	int cmd_##verb_name(struct app *app, int argc, char **argv); \
	extern const struct argp verb_name##_argp;
#include "verbs.h"
#undef NAMED_VERB

#endif /* CMD_H */
