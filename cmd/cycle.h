/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power cycling.
 *
 * cycle.c         the command line, the loop
 * cycle_child.c   the loop is a child's; what becomes of it
 * cycle_open.c    before the first cycle
 * cycle_step.c    one cycle of all devices
 * cycle_command.c the user's own check
 * cycle_verify.c  is the device as it was before?
 * cycle_journal.c the times of all cycles
 * cycle_report.c  progress, lines, tables
 *
 * What can sleep in the kernel for ever is done by a child, and so that a cycle costs no switch of
 * processes, the child has the whole loop. Its parent only looks whether it gets on, and tells the
 * failure and the figures if it doesn't: struct cycle and what it points to is shared by both, but
 * for what malloc(3) has given either since the fork.
 */
#ifndef CYCLE_H
#define CYCLE_H

#include <stdatomic.h>

#include "opened.h"
#include "stats.h"
#include "stop.h"

struct cycle_options {
	struct device_args devices;
	int64_t count;			/* 0: by duration */
	int64_t duration_ms;		/* 0: by count */
	int64_t asleep_ms, awake_ms, timeout_ms;
	enum vfiopm_state state;	/* at least that deep */
	const char *command;
	bool keep_going, no_verify, json, json_lines;
	bool has_reg;
	struct opened_register reg;
	uint32_t reg_value;
};

/* How a cycle of one device ended. */
enum outcome {
	OUTCOME_OK,
	OUTCOME_NOT_ASLEEP,	/* the state wasn't reached */
	OUTCOME_NOT_BACK,	/* it didn't come back, or not as it was */
	OUTCOME_COMMAND,	/* the user's check failed */
	OUTCOME_REFUSED,	/* the kernel refused low power */
	OUTCOME_ASKED,		/* the host wants the device back: unbind, unplug */
	OUTCOME_GONE,		/* the device was removed */
	OUTCOME_KILLED,		/* the process that held it was */
	OUTCOME_HUNG,		/* the kernel doesn't answer */
};

#define CONFIG_MAX OPENED_CONFIG_MAX

/* AER, of all kinds, so far. */
struct error_counts {
	uint64_t own, above;		/* the device's; those of the ports above it */
};

enum phase { PHASE_ENTRY, PHASE_FALL_ASLEEP, PHASE_WAKE, PHASE_EXIT, N_PHASES };

/* The times of all cycles of all devices, in a file without a name. */
struct journal {
	int fd;
	struct journal_row *rows;	/* as mapped by who adds them */
	size_t count, room;
};

struct journal_row {
	int64_t device;			/* by index */
	int64_t took_ns[N_PHASES];	/* -1: not measured */
};

enum pace {
	PACE_WORKS,			/* the kernel answers, or it is stuck */
	PACE_WAITS,			/* for what takes however long; for no signal */
	PACE_TELLS,			/* who reads may take however long */
};

enum stage { STAGE_OPENING, STAGE_CYCLING, STAGE_CLOSING, STAGE_OVER };

struct cycled {
	struct vfiopm_device *dev;
	struct vfiopm_glance *glance;	/* NULL: none to be had */
	/* The baseline of all comparisons: taken once, while awake and before the first sleep. */
	uint8_t config[CONFIG_MAX];
	size_t config_len;
	bool has_reg;			/* a register to write before and read after */
	struct opened_register reg;
	uint32_t reg_value;
	uint32_t reg_reset;		/* value of the register when opened */
	struct error_counts errors;
	/* Of this cycle. */
	enum outcome outcome;
	bool entered;
	int64_t entered_ns;		/* when, by monotonic_ns() */
	bool has_error;			/* it reported one */
	enum vfiopm_state reached;
	int64_t took_ns[N_PHASES];	/* -1: not measured */
	char why[512], hint[256];
	char *log;			/* the kernel's messages, lines; not shared */
	/* Of all. */
	int64_t cycles, failures;
	int64_t first_failed;		/* its number; 0: none */
	char first_why[512];
};

struct cycle {
	struct app *app;
	const struct cycle_options *options;
	struct opened *opened;
	struct stop stop;
	struct vfiopm_klog *klog;	/* NULL: not permitted */
	struct journal journal;
	int64_t number;			/* of the running cycle, from 1 */
	int64_t start_ns;
	bool has_progress;		/* both outputs are a terminal */
	bool interrupted;
	int code;			/* so far */
	/* Where the child is, for its parent. */
	pid_t parent, child, command;	/* command: its process group, 0: none runs */
	enum stage stage;
	bool in_step;			/* else between two cycles */
	const char *doing;		/* what may sleep, and to which device */
	size_t doing_to;
	atomic_uint beats;		/* grows as long as it gets on ... */
	atomic_int pace;		/* ... if it need get on: enum pace */
	size_t count;
	struct cycled dev[];
};

/* ---- cycle_child.c ---- */

/* With room for @count devices, shared with children. NULL: no memory. */
struct cycle *cycle_alloc(size_t count);
void cycle_free(struct cycle *c);
/*
 * Have a child call @body, and return the exit code: what @body returned, or that of the failure
 * that has been told for it.
 */
int cycle_in_child(struct cycle *c, int (*body)(struct cycle *c));
/* In the child: opened_do(), @what being its name for the user. */
int cycle_do(struct cycle *c, const char *what, enum opened_op op, size_t i,
	     const struct opened_register *reg, uint32_t value, struct opened_reply *ret);
/* In the child: has its parent gone? */
bool cycle_is_orphan(const struct cycle *c);

/* ---- cycle_open.c ---- */

/* Open all devices and take the baseline. Reports; returns an exit code. */
int cycle_open(struct cycle *c);
void cycle_count_errors(const struct cycled *d, struct error_counts *ret);

/* ---- cycle_step.c ---- */

/* One cycle of all devices; each has its outcome then. */
void cycle_step(struct cycle *c);
/* The two ends of that, for a child that didn't come to the second. */
void cycle_begin(struct cycle *c);
void cycle_finish(struct cycle *c);
/* An interrupted cycle is none, nor is one that ended before this device slept. */
bool cycle_counts(const struct cycle *c, const struct cycled *d);
/* Nothing, if it has failed already: what failed first is the cause of the rest. */
void cycle_fail(struct cycled *d, enum outcome outcome, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What the host asks for, or the device reports. True: this cycle ends. */
bool cycle_check_requests(struct cycle *c);
/*
 * Until @fd is readable (-1: never is), for @ms at most (-1: however long), and not beyond a
 * signal or the host's request. True: it is readable.
 */
bool cycle_wait_readable(struct cycle *c, int fd, int64_t ms);
/* Wait, but not beyond a signal or the host's request. */
void cycle_pause(struct cycle *c, int64_t ms);
int cycle_exit_code(enum outcome outcome);
/* After that nothing can be cycled any more. */
bool cycle_is_final(enum outcome outcome);

/* ---- cycle_command.c ---- */

/* --command, if there is one, in @phase ("asleep", "awake"). */
void cycle_run_command(struct cycle *c, struct cycled *d, const char *phase);

/* ---- cycle_verify.c ---- */

/* Is @after as @before was? Else @why says in which register, what was expected and found. */
bool verify_config(const uint8_t *before, const uint8_t *after, size_t len, char *why,
		   size_t size);
/* Does the device's PM capability say that D3hot loses its state (No_Soft_Reset clear)? */
bool config_loses_state(const uint8_t *config, size_t len);

/* ---- cycle_journal.c ---- */

/* Negative errno. */
int journal_open(struct journal *j);
int journal_add(struct journal *j, size_t device, const int64_t *took_ns);
/* The rows as a child has left them: its mapping may have been moved. */
int journal_attach(struct journal *j);
/* All times of @phase of one device. The caller frees @ret by stats_free(). */
int journal_stats(const struct journal *j, size_t device, enum phase phase, struct stats *ret);
void journal_close(struct journal *j);

/* ---- cycle_report.c ---- */

/* Line and failure of each device whose cycle counts; into c->code. True: it was the last. */
bool report_step(struct cycle *c);
void report_progress(const struct cycle *c, bool last);
int report_summary(struct cycle *c);

#endif /* CYCLE_H */
