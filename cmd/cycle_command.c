// SPDX-License-Identifier: GPL-2.0-or-later
/* The user's own check: a power meter, a workload. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cycle.h"

/* How long a command that is told to end may take for that. */
#define END_MS 1000

static pid_t start_command(const struct cycle *c, const struct cycled *d, const char *phase)
{
	char number[32];
	pid_t pid;

	fflush(stdout);
	snprintf(number, sizeof(number), "%" PRId64, c->number);
	pid = fork();
	if (pid > 0)
		setpgid(pid, pid);
	if (pid)
		return pid;
	stop_restore(&c->stop);
	/* In the background of a terminal: a read of that fails, rather than stop it for ever. */
	setpgid(0, 0);
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	setenv("VFIO_PM_DEVICE", vfiopm_device_get_name(d->dev), 1);
	setenv("VFIO_PM_PHASE", phase, 1);
	setenv("VFIO_PM_CYCLE", number, 1);
	setenv("VFIO_PM_STATE", vfiopm_state_name(d->reached), 1);
	execlp("sh", "sh", "-c", c->options->command, (char *)NULL);
	_exit(127);
}

/* True: it ended by itself, and @status is its own. */
static bool await_command(struct cycle *c, pid_t pid, int pidfd, int *status)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	bool ended = cycle_wait_readable(c, pidfd, -1);

	if (!ended) {
		/* A device that is wanted back isn't kept for it, nor for what the shell runs. */
		kill(-pid, SIGTERM);
		if (poll(&p, 1, END_MS) <= 0)
			kill(-pid, SIGKILL);
	}
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return false;
	/* Who ends a whole unit has told both of us, and it may have been faster. */
	cycle_pause(c, 0);
	return ended && !c->interrupted;
}

void cycle_run_command(struct cycle *c, struct cycled *d, const char *phase)
{
	int status, pidfd;
	bool ended;
	pid_t pid;

	if (!c->options->command || d->outcome != OUTCOME_OK || c->interrupted ||
	    cycle_check_requests(c))
		return;
	pid = c->command = start_command(c, d, phase);
	pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (pidfd < 0) {
		cycle_fail(d, OUTCOME_COMMAND, "the command can't be started: %s", strerror(errno));
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		c->command = 0;
		return;
	}
	ended = await_command(c, pid, pidfd, &status);
	c->command = 0;
	if (ended) {
		if (WIFSIGNALED(status))
			cycle_fail(d, OUTCOME_COMMAND, "%s: the command was ended by signal %d",
				   phase, WTERMSIG(status));
		else if (WEXITSTATUS(status))
			cycle_fail(d, OUTCOME_COMMAND,
				   "%s: the command's exit status: expected 0, found %d", phase,
				   WEXITSTATUS(status));
	}
	close(pidfd);
}
