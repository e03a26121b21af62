/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes that put right what their maker can't: killed, or stuck in the kernel.
 *
 * guard.c            how one is made, and spoken to
 * freeze_guard.c     lets a stopped owner run
 * keeper.c           puts attributes back
 */
#ifndef VFIOPM_GUARD_H
#define VFIOPM_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a guard finds open. */
#define GUARD_SOCK 3
#define GUARD_EXTRA 4

/* Descriptors in one message. */
#define GUARD_FDS_MAX 3

/*
 * Start a process that calls @run. It is a fork of a perhaps threaded process, so
 * that all it calls must be async-signal-safe. It is nobody's child, ignores all
 * signals but SIGKILL, and holds no descriptor but its socket and a duplicate of
 * @extra (-1: none). Return the other end of the socket, or a negative errno.
 */
int guard_fork(const char *name, void (*run)(void), int extra);

/* Whole messages, with up to GUARD_FDS_MAX descriptors. 0 or a negative errno. */
int guard_send(int sock, const void *message, size_t size, const int *fds, size_t n);
/* 1; 0: not one of @size bytes; -EPIPE: the other end is gone. Descriptors there aren't: -1. */
int guard_receive(int sock, void *message, size_t size, int *fds);
/* Wait for one byte: 0; -ETIMEDOUT; -EPIPE. */
int guard_wait(int sock, int64_t timeout_ms, char *ret);

#endif /* VFIOPM_GUARD_H */
