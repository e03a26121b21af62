/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child that opens devices and does what can sleep in the kernel, a call at a time. */
#ifndef WORKER_H
#define WORKER_H

#include "opened.h"

struct worker;

/* Start the child; nothing is opened yet. @opened stays the caller's. */
int worker_new(struct opened *opened, struct worker **ret);
/*
 * opened_do() in the child. -ETIME: the kernel hasn't answered for OPENED_LIMIT_MS; -EPIPE: the
 * child was killed. After either every further call fails with the same.
 */
int worker_call(struct worker *worker, enum opened_op op, size_t i, struct opened_reply *ret);
/*
 * Leave low power, close all, end the child. -ETIME: it is stuck in the kernel
 * and was left behind.
 */
int worker_free(struct worker *worker);

#endif /* WORKER_H */
