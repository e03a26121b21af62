/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power cycling.
 *
 * cycle.c         the command line, the loop
 * cycle_open.c    before the first cycle
 * cycle_step.c    one cycle of all devices
 * cycle_command.c the user's own check
 * cycle_verify.c  is the device as it was before?
 * cycle_report.c  progress, lines, tables
 */
#ifndef CYCLE_H
#define CYCLE_H

#include "stats.h"
#include "stop.h"
#include "worker.h"

struct cycle_options {
	struct device_args devices;
	int64_t count;			/* 0: by duration */
	int64_t duration_ms;		/* 0: by count */
	int64_t asleep_ms, awake_ms, timeout_ms;
	enum vfiopm_state state;	/* at least that deep */
	const char *command;
	bool keep_going, no_verify, json, json_lines;
	bool has_reg;
	struct worker_register reg;
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

#define CONFIG_MAX WORKER_CONFIG_MAX

/* AER, of all kinds, so far. */
struct error_counts {
	uint64_t own, above;		/* the device's; those of the ports above it */
};

struct cycled {
	struct vfiopm_device *dev;
	struct vfiopm_glance *glance;	/* NULL: none to be had */
	/* The baseline of all comparisons: taken once, while awake and before the first sleep. */
	uint8_t config[CONFIG_MAX];
	size_t config_len;
	bool has_reg;			/* a register to write before and read after */
	struct worker_register reg;
	uint32_t reg_value;
	uint32_t reg_reset;		/* value of the register when opened */
	struct error_counts errors;
	/* Of this cycle. */
	enum outcome outcome;
	bool entered;
	int64_t entered_ns;		/* when, by cycle_now_ns() */
	bool has_error;			/* it reported one */
	enum vfiopm_state reached;
	int64_t entry_ns, asleep_ns, wake_ns, exit_ns;	/* -1: not measured */
	char why[512], hint[256];
	char *log;			/* the kernel's messages, lines */
	/* Of all. */
	struct stats entry, fall_asleep, wake, exit;
	int64_t cycles, failures;
	int64_t first_failed;		/* its number; 0: none */
	char first_why[512];
};

struct cycle {
	struct app *app;
	const struct cycle_options *options;
	struct worker *worker;
	struct stop stop;
	struct vfiopm_klog *klog;	/* NULL: not permitted */
	struct cycled *dev;
	size_t count;
	int64_t number;			/* of the running cycle, from 1 */
	int64_t start_ns;
	bool has_progress;		/* both outputs are a terminal */
	bool interrupted;
};

int64_t cycle_now_ns(void);

/* ---- cycle_open.c ---- */

/* Open all devices and take the baseline. Reports; returns an exit code. */
int cycle_open(struct cycle *c);
void cycle_count_errors(const struct cycled *d, struct error_counts *ret);

/* ---- cycle_step.c ---- */

/* One cycle of all devices; each has its outcome then. */
void cycle_step(struct cycle *c);
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

/* ---- cycle_report.c ---- */

void report_progress(const struct cycle *c, bool last);
void report_line(const struct cycle *c, const struct cycled *d);
void report_failure(const struct cycle *c, const struct cycled *d);
int report_summary(struct cycle *c);

#endif /* CYCLE_H */
