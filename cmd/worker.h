/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child that opens devices and does what can sleep in the kernel: opening,
 * resuming, resetting take a second on real platforms, for ever on a wedged
 * one. The caller is never stuck with it.
 */
#ifndef WORKER_H
#define WORKER_H

#include <poll.h>

#include "cmd.h"

/* "The kernel has not answered for 30 s." */
#define WORKER_LIMIT_MS 30000
#define WORKER_CONFIG_MAX 4096
/* Descriptors of the caller's own in worker_wait(). */
#define WORKER_MORE 2

struct worker;

/* A register of a BAR, 32 bits wide. */
struct worker_register {
	unsigned int bar;
	uint64_t offset;
};

struct worker_reply {
	int64_t took_ns;	/* in the kernel */
	uint32_t value;		/* of a register */
	uint32_t features;	/* OP_OPEN: VFIOPM_FEATURE_* */
	uint32_t config_len;
	uint8_t config[WORKER_CONFIG_MAX];
};

enum worker_op {
	WORKER_OPEN,		/* open, probe, say that we let go when asked */
	WORKER_ARM,		/* set up an interrupt vector; -ENOTTY: it has none */
	WORKER_ENTER,
	WORKER_EXIT,
	WORKER_CONFIG,		/* read the config space: wakes the device */
	WORKER_REG_READ,
	WORKER_REG_WRITE,
	WORKER_CLOSE,		/* leave low power if that is engaged, and close */
};

/* Start the child; nothing is opened yet. */
int worker_new(const struct targets *targets, struct worker **ret);
/*
 * Have @op done to device @i. 0 or the errno of the operation; -ETIME: the
 * kernel hasn't answered for WORKER_LIMIT_MS; -EPIPE: the child was killed.
 * After either every further call fails with the same.
 */
int worker_call(struct worker *worker, enum worker_op op, size_t i,
		const struct worker_register *reg, uint32_t value, struct worker_reply *ret);
/* Has the host asked for device @i back? It stays so. */
bool worker_is_asked(const struct worker *worker, size_t i);
/* Has device @i reported an error since this was last asked? */
bool worker_take_error(const struct worker *worker, size_t i);
/* Can the child be called? Else -ETIME or -EPIPE, as worker_call(). */
int worker_check(const struct worker *worker);
/*
 * Wait for @ms at most (-1: however long, 0: only look) until a device is asked for or reports an
 * error, the child has ended, or one of the caller's @count descriptors has something (at most
 * WORKER_MORE; as poll(2) does, negative ones are passed over, @revents is set). One system call,
 * and no other when it was nothing. True: it is one of the worker's; the three above tell which.
 */
bool worker_wait(struct worker *worker, struct pollfd *more, size_t count, int ms);
/* Readable from then on, for poll(2). */
int worker_get_asked_fd(const struct worker *worker, size_t i);
int worker_get_error_fd(const struct worker *worker, size_t i);
pid_t worker_get_pid(const struct worker *worker);
/*
 * Leave low power, close all, end the child. -ETIME: it is stuck in the kernel
 * and was left behind.
 */
int worker_free(struct worker *worker);

#endif /* WORKER_H */
