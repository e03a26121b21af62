/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that this process opens, and all that is done to them which can sleep
 * in the kernel: opening, resuming, resetting take a second on real platforms,
 * for ever on a wedged one. So it is a child that does it (worker.h; cycle),
 * and the parent is never stuck with it. What the kernel tells on eventfds both
 * see.
 */
#ifndef OPENED_H
#define OPENED_H

#include <poll.h>

#include "cmd.h"

/* "The kernel has not answered for 30 s." */
#define OPENED_LIMIT_MS 30000
#define OPENED_CONFIG_MAX 4096
/* Descriptors of the caller's own in opened_wait(). */
#define OPENED_MORE 2

struct opened;

/* A register of a BAR, 32 bits wide. */
struct opened_register {
	unsigned int bar;
	uint64_t offset;
};

struct opened_reply {
	int64_t took_ns;	/* in the kernel */
	uint32_t value;		/* of a register */
	uint32_t features;	/* DO_OPEN: VFIOPM_FEATURE_* */
	uint32_t config_len;
	uint8_t config[OPENED_CONFIG_MAX];
};

enum opened_op {
	DO_OPEN,		/* open, probe, say that we let go when asked */
	DO_ARM,			/* set up an interrupt vector; -ENOTTY: it has none */
	DO_ENTER,
	DO_EXIT,
	DO_CONFIG,		/* read the config space: wakes the device */
	DO_REG_READ,
	DO_REG_WRITE,
	DO_CLOSE,		/* leave low power if that is engaged, and close */
};

/* Nothing is opened yet. Before the fork, so that both have the eventfds. */
int opened_new(const struct targets *targets, struct opened **ret);
/*
 * Have @op done to device @i; @reg and @value are of the registers' ops, all that @ret has but
 * took_ns is of the op that it names. 0 or a negative errno.
 */
int opened_do(struct opened *opened, enum opened_op op, size_t i,
	      const struct opened_register *reg, uint32_t value, struct opened_reply *ret);
/* DO_CLOSE to all. */
void opened_leave_all(struct opened *opened);
/* The eventfds: the devices are the kernel's to close, at the latest when the process ends. */
void opened_free(struct opened *opened);

/* Has the host asked for device @i back? It stays so. */
bool opened_is_asked(const struct opened *opened, size_t i);
/* Has device @i reported an error since this was last asked? */
bool opened_take_error(const struct opened *opened, size_t i);
/* Readable from then on, for poll(2). */
int opened_get_asked_fd(const struct opened *opened, size_t i);
int opened_get_error_fd(const struct opened *opened, size_t i);
/*
 * Wait for @ms at most (-1: however long, 0: only look) until a device is asked for or reports an
 * error, or one of the caller's @count descriptors has something (at most OPENED_MORE; as poll(2)
 * does, negative ones are passed over, @revents is set). One system call, and no other when it
 * was nothing. True: it is a device; the first two above tell which.
 */
bool opened_wait(struct opened *opened, struct pollfd *more, size_t count, int ms);

#endif /* OPENED_H */
