// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm run: low power while a command runs. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cycle.h"
#include "fall.h"
#include "holder.h"
#include "stop.h"
#include "worker.h"

enum { KEY_TIMEOUT = KEY_VERB, KEY_NO_WAIT };

/* Failures of its own, as of env(1); the rest is the command's. */
#define RUN_FAILED	125
#define RUN_NO_EXEC	126
#define RUN_NOT_FOUND	127

/* How often a device that falls asleep is looked at. */
#define LOOK_MS 10

struct input {
	struct device_args devices;
	char **command;
	int64_t timeout_ms;
	bool no_wait;
};

struct device {
	struct vfiopm_device *dev;
	uint8_t config[CONFIG_MAX];
	size_t config_len;
	bool open;
};

struct run {
	struct app *app;
	const struct input *in;
	struct opened *opened;
	struct worker *worker;
	struct device *dev;
	size_t count;
	int signal_fd;
	sigset_t saved;
};

static const struct argp_option options[] = {
	{ "timeout", KEY_TIMEOUT, "TIME", 0, "How long it may take to fall asleep (10s)", 0 },
	{ "no-wait", KEY_NO_WAIT, NULL, 0, "Start COMMAND at once, asleep or not", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case KEY_TIMEOUT:
		time_parse(state, arg, &in->timeout_ms);
		return 0;
	case KEY_NO_WAIT:
		in->no_wait = true;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->devices;
		return 0;
	case ARGP_KEY_END:
		if (!in->command || !in->command[0])
			argp_error(state, "which command? give it after --");
		return 0;
	}
	return devices_parse(key, state, &in->devices, true);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp run_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE... -- COMMAND [ARGUMENT...]",
	.doc = "Keep devices in low power while COMMAND runs."
	       "\vThe exit status is the command's, or 128 and the signal that ended it; 125 when "
	       "a device could not be put to sleep or did not come back, 126 when COMMAND can't be "
	       "executed, 127 when it isn't found. Signals are handed on to COMMAND; one that "
	       "comes before it is started is the end. Low power is left, and that is verified, "
	       "before the devices are closed, also when this process is killed.",
	.children = children,
};

/* ---- devices ---- */

static int failed(const struct device *d, const char *text)
{
	msg_cannot("run with", vfiopm_device_get_name(d->dev), "%s", text);
	return RUN_FAILED;
}

static int put_to_sleep(struct run *run, size_t i)
{
	struct device *d = &run->dev[i];
	struct opened_reply reply;
	int r;

	if (trouble_check(run->app, "run with", d->dev) != EXIT_OK)
		return RUN_FAILED;
	r = worker_call(run->worker, DO_OPEN, i, &reply);
	if (r == -EBUSY) {
		trouble_busy(run->app, "run with", d->dev);
		return RUN_FAILED;
	}
	d->open = r == 0;
	if (r == 0 && !(reply.features & VFIOPM_FEATURE_ENTRY))
		return failed(d, "its driver has no low-power features");
	if (r == 0)
		r = worker_call(run->worker, DO_CONFIG, i, &reply);
	if (r == 0) {
		memcpy(d->config, reply.config, reply.config_len);
		d->config_len = reply.config_len;
		r = worker_call(run->worker, DO_ENTER, i, NULL);
	}
	if (r == -ETIME)
		return failed(d, "the kernel has not answered for 30 s");
	return r < 0 ? failed(d, strerror(-r)) : 0;
}

/* The host wants a device back, or it failed: true when one was let go of. */
static bool give_back(struct run *run)
{
	bool any = false;

	for (size_t i = 0; i < run->count; i++) {
		struct device *d = &run->dev[i];

		if (!d->open ||
		    (!opened_is_asked(run->opened, i) && !opened_take_error(run->opened, i)))
			continue;
		d->open = false;
		any = true;
		worker_call(run->worker, DO_CLOSE, i, NULL);
		msg_warn("'%s' was let go of: the host asked for it, or it failed",
			 vfiopm_device_get_name(d->dev));
	}
	return any;
}

/* A signal would have ended us, or there is nothing to wait for any more: COMMAND isn't run. */
static bool is_called_off(struct run *run)
{
	struct signalfd_siginfo info;
	struct sigaction action;

	while (signals_take(run->signal_fd, &info)) {
		/* One that is ignored, as nohup(1) does, comes all the same while it is blocked. */
		if (info.ssi_signo == SIGCHLD || info.ssi_signo == SIGCONT ||
		    (sigaction((int)info.ssi_signo, NULL, &action) == 0 &&
		     action.sa_handler == SIG_IGN))
			continue;
		msg_error("ended by a signal before the command was started: %s",
			  strsignal((int)info.ssi_signo));
		return true;
	}
	return give_back(run);
}

/* A signal, or a device that is wanted back, or the time is over; negative: none. */
static int wait_event(const struct run *run, int timeout_ms)
{
	struct pollfd *fds;
	nfds_t n = 0;

	fds = calloc(1 + 2 * run->count, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	fds[n++] = (struct pollfd){ .fd = run->signal_fd, .events = POLLIN };
	for (size_t i = 0; i < run->count; i++) {
		if (!run->dev[i].open)
			continue;
		fds[n].fd = opened_get_asked_fd(run->opened, i);
		fds[n++].events = POLLIN;
		fds[n].fd = opened_get_error_fd(run->opened, i);
		fds[n++].events = POLLIN;
	}
	poll(fds, n, timeout_ms);
	free(fds);
	return 0;
}

static int wait_asleep(struct run *run, struct device *d)
{
	int64_t start = monotonic_ms();
	struct fall fall = { .since = start };
	struct vfiopm_power *power;
	int code = 0, r;

	for (;;) {
		power = NULL;
		r = fall_look(d->dev, &fall, &power);
		if (is_called_off(run)) {
			vfiopm_power_free(power);
			return RUN_FAILED;
		}
		if (r != -ETIMEDOUT || monotonic_ms() - start >= run->in->timeout_ms)
			break;
		vfiopm_power_free(power);
		wait_event(run, LOOK_MS);
	}
	if (r < 0 && power && !fall.asleep) {
		trouble_awake(run->app, d->dev, power, r, monotonic_ms() - start);
		code = RUN_FAILED;
	} else if (r < 0 && !power) {
		code = failed(d, strerror(-r));
	}
	vfiopm_power_free(power);
	return code;
}

static int wake_up(struct run *run, size_t i)
{
	struct device *d = &run->dev[i];
	struct opened_reply reply;
	char why[256];
	int r;

	if (!d->open)
		return 0;
	d->open = false;
	r = worker_call(run->worker, DO_EXIT, i, NULL);
	if (r == 0)
		r = worker_call(run->worker, DO_CONFIG, i, &reply);
	if (r == -EPIPE)
		return failed(d, "the process that held it was killed");
	if (r == -ETIME)
		return failed(d, "it does not come back: the kernel has not answered for 30 s");
	if (r < 0)
		return failed(d, strerror(-r));
	if (d->config_len &&
	    !verify_config(d->config, reply.config, d->config_len, why, sizeof(why)))
		return failed(d, why);
	worker_call(run->worker, DO_CLOSE, i, NULL);
	return 0;
}

/* ---- the command ---- */

static int block_signals(struct run *run)
{
	static const int handed_on[] = { SIGINT,  SIGTERM, SIGHUP, SIGQUIT,
					 SIGUSR1, SIGUSR2, SIGCONT, SIGALRM };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
		sigaddset(&set, handed_on[i]);
	run->signal_fd = signals_open(&set, &run->saved);
	return run->signal_fd < 0 ? run->signal_fd : 0;
}

static pid_t start(const struct run *run)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	sigprocmask(SIG_SETMASK, &run->saved, NULL);
	execvp(run->in->command[0], run->in->command);
	msg_error("cannot run '%s': %s", run->in->command[0], strerror(errno));
	_exit(errno == ENOENT ? RUN_NOT_FOUND : RUN_NO_EXEC);
}

/* One the terminal sent to the whole foreground group has reached the command already. */
static void hand_on(const struct run *run, pid_t pid)
{
	struct signalfd_siginfo info;

	while (signals_take(run->signal_fd, &info))
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
			kill(pid, (int)info.ssi_signo);
}

static int follow(struct run *run, pid_t pid)
{
	int status;

	while (wait_event(run, -1) == 0) {
		pid_t ended;

		hand_on(run, pid);
		ended = waitpid(pid, &status, WNOHANG);
		if (ended == pid)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		if (ended < 0)
			return RUN_FAILED;
		give_back(run);
	}
	waitpid(pid, &status, 0);
	return RUN_FAILED;
}

static int run_devices(struct run *run)
{
	bool told = false;
	int code = 0;
	pid_t pid;

	for (size_t i = 0; i < run->count && code == 0; i++)
		code = put_to_sleep(run, i);
	for (size_t i = 0; i < run->count && code == 0 && !run->in->no_wait; i++)
		code = wait_asleep(run, &run->dev[i]);
	if (code == 0 && is_called_off(run))
		code = RUN_FAILED;
	if (code == 0) {
		pid = start(run);
		if (pid < 0)
			msg_error("cannot start a process: %s", strerror(errno));
		code = pid < 0 ? RUN_FAILED : follow(run, pid);
	}
	for (size_t i = 0; i < run->count; i++)
		if (wake_up(run, i) && !told) {
			told = true;
			/* A command that failed itself keeps its word. */
			code = code ? code : RUN_FAILED;
		}
	return code;
}

static int run_targets(struct run *run, const struct targets *targets)
{
	int r;

	run->dev = calloc(targets->count, sizeof(*run->dev));
	if (!run->dev)
		return RUN_FAILED;
	for (size_t i = 0; i < targets->count; i++)
		run->dev[run->count++].dev = targets->dev[i];
	/* First the signals, which the worker must not be ended by. */
	r = block_signals(run);
	if (r == 0)
		r = opened_new(targets, &run->opened);
	if (r == 0)
		r = worker_new(run->opened, &run->worker);
	if (r < 0) {
		msg_error("cannot start: %s", strerror(-r));
		return RUN_FAILED;
	}
	return run_devices(run);
}

/* argp would take the command's options for ours: it is cut off first. */
static char **split(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		argv[i] = NULL;
		*argc = i;
		return argv + i + 1;
	}
	return NULL;
}

int cmd_run(struct app *app, int argc, char **argv)
{
	struct input in = { .timeout_ms = 10000 };
	struct run run = { .app = app, .in = &in, .signal_fd = -1 };
	struct targets targets;
	int code;

	in.command = split(&argc, argv);
	verb_parse(app, argc, argv, &in);
	code = targets_resolve(app, &in.devices, &targets);
	code = code == EXIT_OK ? run_targets(&run, &targets) : RUN_FAILED;
	if (worker_free(run.worker) < 0)
		msg_error("the kernel has not answered for 30 s: a process is left with a device");
	opened_free(run.opened);
	if (run.signal_fd >= 0)
		close(run.signal_fd);
	free(run.dev);
	targets_free(&targets);
	return code;
}
