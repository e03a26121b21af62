// SPDX-License-Identifier: GPL-2.0-or-later
/* The loop is a child's; its parent looks whether it gets on, and tells what became of it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cycle.h"

/*
 * How often the parent looks. It counts its looks, not the clock: while both are stopped, by ^Z
 * say, nobody looks.
 */
#define LOOK_MS 1000
#define LOOKS (OPENED_LIMIT_MS / LOOK_MS)
/* How long one that is killed may take to end; in the kernel it can't. */
#define KILLED_MS 1000

struct cycle *cycle_alloc(size_t count)
{
	size_t size = sizeof(struct cycle) + count * sizeof(struct cycled);
	struct cycle *c = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			       0);

	if (c == MAP_FAILED)
		return NULL;
	c->count = count;
	c->stop.fd = c->journal.fd = -1;
	return c;
}

void cycle_free(struct cycle *c)
{
	munmap(c, sizeof(*c) + c->count * sizeof(c->dev[0]));
}

int cycle_do(struct cycle *c, const char *what, enum opened_op op, size_t i,
	     const struct opened_register *reg, uint32_t value, struct opened_reply *ret)
{
	int r;

	c->doing = what;
	c->doing_to = i;
	atomic_fetch_add(&c->beats, 1);
	r = opened_do(c->opened, op, i, reg, value, ret);
	atomic_fetch_add(&c->beats, 1);
	c->doing = NULL;
	return r;
}

bool cycle_is_orphan(const struct cycle *c)
{
	return getppid() != c->parent;
}

/* ---- the child ---- */

static void __attribute__((noreturn)) child(struct cycle *c, int (*body)(struct cycle *c))
{
	bool is_unread;
	int code;

	prctl(PR_SET_NAME, PROGRAM "-work");
	/* However the parent ends, the devices are left as they should be. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	code = cycle_is_orphan(c) ? EXIT_FAILED : body(c);
	/* It may take long to close a device; what is to be said of it has been. */
	atomic_store(&c->pace, PACE_TELLS);
	is_unread = fflush(stdout) < 0 && errno == EPIPE;
	atomic_store(&c->pace, PACE_WORKS);
	c->code = code;
	c->stage = STAGE_CLOSING;
	for (size_t i = 0; i < c->count; i++) {
		struct opened_reply reply;

		cycle_do(c, "closing it", DO_CLOSE, i, NULL, 0, &reply);
	}
	c->stage = STAGE_OVER;
	/* Who writes into a pipe that nobody reads ends by that, now that it may. */
	signal(SIGPIPE, c->stop.saved_pipe);
	if (is_unread)
		raise(SIGPIPE);
	_exit(finish_stdout(code));
}

/* ---- the parent ---- */

/* A write that blocks does so for as long as there is no room. */
static bool has_readers(void)
{
	struct pollfd p[] = {
		{ .fd = STDOUT_FILENO, .events = POLLOUT },
		{ .fd = STDERR_FILENO, .events = POLLOUT },
	};

	return poll(p, 2, 0) == 2;
}

/* It needn't get on: @told to end it waits for nothing any more but its readers. */
static bool may_stay(struct cycle *c, bool told)
{
	switch (atomic_load(&c->pace)) {
	case PACE_TELLS:
		return !has_readers();
	case PACE_WAITS:
		return !told;
	}
	return false;
}

/* 0: the child has ended; -ETIME: it is stuck. */
static int watch(struct cycle *c, int pidfd)
{
	unsigned int beats = 0, looks = 0;
	bool told = false;

	while (looks < LOOKS) {
		struct pollfd p[] = {
			{ .fd = c->stop.fd, .events = POLLIN },
			{ .fd = pidfd, .events = POLLIN },
		};
		int n = poll(p, 2, LOOK_MS), signo;

		if (n > 0 && p[1].revents)
			return 0;
		if (n > 0) {
			signo = stop_signal(&c->stop);
			if (signo)
				kill(c->child, signo);
			told = told || signo;
		} else if (n == 0) {
			unsigned int now = atomic_load(&c->beats);

			looks = now == beats && !may_stay(c, told) ? looks + 1 : 0;
			beats = now;
		}
	}
	return -ETIME;
}

/* What it did, or nothing that we would know of, with @d: the cause of this cycle's end. */
static void fail(struct cycle *c, size_t i, const char *what, bool hung)
{
	struct cycled *d = &c->dev[i];

	if (!hung) {
		cycle_fail(d, OUTCOME_KILLED, "%s: the process that held the device was killed",
			   what);
	} else if (d->outcome == OUTCOME_OK) {
		cycle_fail(d, OUTCOME_HUNG, "%s: the kernel has not answered for %d s", what,
			   OPENED_LIMIT_MS / 1000);
		snprintf(d->hint, sizeof(d->hint),
			 "process %d is stuck in the kernel with it; a reboot may be needed",
			 (int)c->child);
	}
}

/* The child's cycle ends here. */
static int tell_step(struct cycle *c, bool hung)
{
	const char *doing = c->doing;

	if (journal_attach(&c->journal) < 0)
		c->journal.count = 0;
	c->interrupted = false;
	if (!c->in_step) {
		c->number++;
		cycle_begin(c);
	}
	if (doing)
		fail(c, c->doing_to, doing, hung);
	for (size_t i = 0; i < c->count; i++)
		fail(c, i, "meanwhile", hung);
	cycle_finish(c);
	report_step(c);
	code_merge(&c->code, report_summary(c));
	return c->code;
}

static int tell(struct cycle *c, bool hung)
{
	size_t i = c->doing ? c->doing_to : 0;
	struct cycled *d = &c->dev[i];

	if (c->stage == STAGE_CYCLING)
		return tell_step(c, hung);
	/* How its last cycle ended has been told. */
	d->outcome = OUTCOME_OK;
	d->hint[0] = '\0';
	fail(c, i, c->doing ? c->doing : "meanwhile", hung);
	msg_cannot("cycle", vfiopm_device_get_name(d->dev), "%s", d->why);
	if (*d->hint)
		msg_hint("%s", d->hint);
	code_merge(&c->code, EXIT_FAILED);
	return c->code;
}

/* One that was killed: in the kernel it can't end. */
static bool ends(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, KILLED_MS) == 1;
}

int cycle_in_child(struct cycle *c, int (*body)(struct cycle *c))
{
	int pidfd, status;
	bool stuck;
	pid_t pid;

	/* What it holds would be written by both. */
	fflush(stdout);
	c->parent = getpid();
	pid = fork();
	if (pid == 0)
		child(c, body);
	pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (pidfd < 0) {
		msg_error("cannot start: %s", strerror(errno));
		if (pid > 0)
			kill(pid, SIGKILL);
		return EXIT_FAILED;
	}
	c->child = pid;
	stuck = watch(c, pidfd) < 0;
	if (stuck)
		kill(c->child, SIGKILL);
	if (!stuck || ends(pidfd))
		waitpid(c->child, &status, 0);
	close(pidfd);
	/* What the child has allocated and mapped isn't ours. */
	c->journal.rows = NULL;
	for (size_t i = 0; i < c->count; i++)
		c->dev[i].log = NULL;
	if (!stuck && WIFEXITED(status))
		return WEXITSTATUS(status);
	/* A command of the child's doesn't go on without it. */
	if (c->command > 0)
		kill(-c->command, SIGKILL);
	if (stuck || c->stage != STAGE_OVER || WTERMSIG(status) != SIGPIPE)
		return tell(c, stuck);
	signal(SIGPIPE, c->stop.saved_pipe);
	raise(SIGPIPE);
	return EXIT_FAILED;
}
