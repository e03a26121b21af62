// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stopping a process and letting it run, and the guard, with owners of our own: threads that count
 * in shared memory, so that whether they run can be seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/freeze.h"

#define THREADS 4

static atomic_ulong *ticks;
static int tests, failures;

static void ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, name);
	failures += !good;
}

static void *spin(void *data)
{
	for (;;) {
		atomic_fetch_add(ticks, 1);
		usleep(1000);
	}
	return data;
}

struct owner {
	struct vfiopm_borrow borrow;
	struct vfiopm_handle handle;
};

/* A borrow as vfiopm_borrow_new() would make it; its device knows no ioctl of VFIO. */
static void owner_start_at(struct owner *o, const char *terminal)
{
	pthread_t thread;
	int ready[2];
	char byte;

	memset(o, 0, sizeof(*o));
	if (pipe2(ready, O_CLOEXEC) < 0)
		_exit(1);
	o->borrow.pid = fork();
	if (o->borrow.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Wherever the test runs, it is in the foreground of no terminal. */
		setsid();
		/* The session's first terminal is its controlling one, with itself in front. */
		if (terminal && open(terminal, O_RDWR) < 0)
			_exit(1);
		for (int i = 0; i < THREADS; i++)
			pthread_create(&thread, NULL, spin, NULL);
		if (write(ready[1], "", 1) < 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) < 1)
		_exit(1);
	close(ready[0]);
	o->borrow.pidfd = (int)syscall(SYS_pidfd_open, o->borrow.pid, 0);
	o->handle.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	o->borrow.handle = &o->handle;
}

static void owner_start(struct owner *o)
{
	owner_start_at(o, NULL);
}

static void owner_end(struct owner *o)
{
	kill(o->borrow.pid, SIGKILL);
	waitpid(o->borrow.pid, NULL, 0);
	close(o->borrow.pidfd);
	close(o->handle.fd);
}

static bool runs(unsigned int ms)
{
	unsigned long before = atomic_load(ticks);

	for (unsigned int i = 0; i < ms; i++) {
		if (atomic_load(ticks) != before)
			return true;
		usleep(1000);
	}
	return false;
}

static char state_of(pid_t pid)
{
	char path[64], text[512], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')');
	return at ? at[2] : '?';
}

static void test_freeze(struct vfiopm_ctx *ctx)
{
	struct vfiopm_freezer *f = NULL;
	struct owner o;

	owner_start(&o);
	ok(vfiopm_freezer_new(ctx, 0, &f) == -EINVAL, "a bound of nothing is refused");
	ok(vfiopm_freezer_new(ctx, 4000, &f) == 0, "a freezer");
	ok(runs(500), "the owner runs");
	ok(vfiopm_freezer_freeze(f, &o.borrow, 2000) == 0, "freeze");
	ok(!runs(50), "none of its threads runs");
	ok(vfiopm_freezer_holds(f) == 1, "it holds");
	ok(vfiopm_freezer_freeze(f, &o.borrow, 2000) == -EBUSY, "one at a time");
	ok(vfiopm_freezer_thaw(f) == 0, "thaw");
	ok(runs(500), "it runs again");
	ok(vfiopm_freezer_get_pause(f) >= 50000, "the pause is told");
	ok(vfiopm_freezer_thaw(f) == 0, "nothing to thaw");
	ok(vfiopm_freezer_holds(f) == 0, "nothing holds");
	vfiopm_freezer_free(f);
	owner_end(&o);
}

/* As `qemu-system-x86_64 ...' typed in a terminal. */
static void test_foreground(struct vfiopm_ctx *ctx)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct vfiopm_freezer *f;
	struct owner o;

	if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0)
		_exit(1);
	vfiopm_freezer_new(ctx, 4000, &f);
	owner_start_at(&o, ptsname(terminal));
	ok(vfiopm_freezer_freeze(f, &o.borrow, 2000) == -EOPNOTSUPP,
	   "a terminal's foreground job is refused");
	ok(runs(500) && state_of(o.borrow.pid) != 'T', "and goes on");
	vfiopm_freezer_free(f);
	owner_end(&o);
	close(terminal);
}

static void test_stopped_before(struct vfiopm_ctx *ctx)
{
	struct vfiopm_freezer *f;
	struct stop stop;
	struct owner o;

	owner_start(&o);
	vfiopm_freezer_new(ctx, 4000, &f);
	kill(o.borrow.pid, SIGSTOP);
	/* Each thread stops by itself, on a busy machine late. */
	for (int i = 0; i < 5000; i++) {
		if (stop_prepare(ctx, o.borrow.pid, o.borrow.pidfd, &stop) == -EALREADY)
			break;
		stop_release(&stop);
		usleep(1000);
	}
	ok(vfiopm_freezer_freeze(f, &o.borrow, 2000) == -EALREADY, "stopped by somebody else");
	ok(state_of(o.borrow.pid) == 'T', "and it stays so");
	kill(o.borrow.pid, SIGCONT);
	ok(runs(500), "until he lets it run");
	vfiopm_freezer_freeze(f, &o.borrow, 2000);
	kill(o.borrow.pid, SIGCONT);
	runs(500);
	ok(vfiopm_freezer_holds(f) == 0, "let run by somebody else: noticed");
	vfiopm_freezer_thaw(f);
	kill(o.borrow.pid, SIGKILL);
	waitpid(o.borrow.pid, NULL, 0);
	ok(vfiopm_freezer_freeze(f, &o.borrow, 2000) == -ESRCH, "an owner that has ended");
	vfiopm_freezer_free(f);
	owner_end(&o);
}

static void test_bound(struct vfiopm_ctx *ctx)
{
	struct vfiopm_freezer *f;
	struct owner o;

	owner_start(&o);
	vfiopm_freezer_new(ctx, 1000, &f);
	ok(vfiopm_freezer_freeze(f, &o.borrow, 500) == 0, "freeze, with a bound of a second");
	usleep(600000);
	ok(vfiopm_freezer_holds(f) == 0, "after half of it nothing may be begun");
	ok(runs(2000), "after it the guard lets the owner run");
	ok(vfiopm_freezer_thaw(f) == -ETIME, "which is told");
	ok(vfiopm_freezer_freeze(f, &o.borrow, 2000) == 0, "the next freeze has its own bound");
	ok(vfiopm_freezer_thaw(f) == 0, "and ends by itself");
	vfiopm_freezer_free(f);
	owner_end(&o);
}

static pid_t find_newest(const char *comm)
{
	char command[64];
	int pid = 0;
	FILE *f;

	snprintf(command, sizeof(command), "pgrep -nx %s", comm);
	f = popen(command, "r");

	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		pclose(f);
	return pid;
}

/* The device never comes back: whoever leaves low power is stuck. */
static void test_bound_of_all(struct vfiopm_ctx *ctx)
{
	struct vfiopm_freezer *f;
	pid_t leaver;
	struct owner o;

	owner_start(&o);
	vfiopm_freezer_new(ctx, 4000, &f);
	usleep(50000);
	leaver = find_newest("vfio-pm-leaver");
	ok(leaver > 0 && kill(leaver, SIGSTOP) == 0, "somebody waits to leave low power");
	ok(vfiopm_freezer_freeze(f, &o.borrow, 500) == 0, "freeze");
	usleep(2600000);
	ok(!runs(50), "after 5/8 of the bound the owner is still stopped: low power isn't left");
	ok(runs(3000), "after the bound it runs whatever has become of that");
	ok(vfiopm_freezer_thaw(f) == -ETIME, "which is told");
	kill(leaver, SIGKILL);
	vfiopm_freezer_free(f);
	owner_end(&o);
}

/* The caller is killed while the owner is stopped. */
static void test_killed(struct vfiopm_ctx *ctx)
{
	int good = 0;
	struct owner o;

	owner_start(&o);
	for (int i = 0; i < 20; i++) {
		int ready[2];
		char byte;
		pid_t pid;

		if (pipe2(ready, O_CLOEXEC) < 0)
			break;
		pid = fork();
		if (pid == 0) {
			struct vfiopm_freezer *f;

			if (vfiopm_freezer_new(ctx, 10000, &f) < 0 ||
			    vfiopm_freezer_freeze(f, &o.borrow, 2000) < 0)
				_exit(1);
			if (write(ready[1], "", 1) < 1)
				_exit(1);
			for (;;)
				pause();
		}
		close(ready[1]);
		if (read(ready[0], &byte, 1) == 1 && !runs(10)) {
			kill(pid, SIGKILL);
			good += runs(2000);
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(ready[0]);
	}
	ok(good == 20, "killed 20 times, the owner runs on");
	owner_end(&o);
}

/* The host stands still until after the bound, and the caller is killed. */
static void test_stall(struct vfiopm_ctx *ctx)
{
	pid_t pid, guard, leaver;
	int ready[2];
	char byte;
	struct owner o;

	if (pipe2(ready, O_CLOEXEC) < 0)
		_exit(1);
	owner_start(&o);
	pid = fork();
	if (pid == 0) {
		struct vfiopm_freezer *f;

		if (vfiopm_freezer_new(ctx, 1500, &f) < 0)
			_exit(1);
		usleep(50000);
		if (vfiopm_freezer_freeze(f, &o.borrow, 500) < 0 || write(ready[1], "", 1) < 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		_exit(1);
	guard = find_newest("vfio-pm-guard");
	leaver = find_newest("vfio-pm-leaver");
	kill(guard, SIGSTOP);
	kill(leaver, SIGSTOP);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	usleep(2000000);
	kill(guard, SIGCONT);
	ok(!runs(200), "after a stall longer than the bound: low power is left first all the same");
	kill(leaver, SIGCONT);
	ok(runs(1000), "and then the owner runs");
	close(ready[0]);
	owner_end(&o);
}

static void test_guard_killed(struct vfiopm_ctx *ctx)
{
	struct vfiopm_freezer *f;
	struct owner o;
	pid_t guard;

	owner_start(&o);
	vfiopm_freezer_new(ctx, 4000, &f);
	usleep(50000);
	guard = find_newest("vfio-pm-guard");
	ok(guard > 0, "there is a guard");
	kill(guard, SIGTERM);
	usleep(20000);
	ok(kill(guard, 0) == 0, "which no SIGTERM ends");
	if (guard > 0)
		kill(guard, SIGKILL);
	usleep(50000);
	ok(vfiopm_freezer_freeze(f, &o.borrow, 2000) == 0, "one that was killed is replaced");
	ok(vfiopm_freezer_thaw(f) == 0 && runs(500), "and all is well");
	vfiopm_freezer_free(f);
	owner_end(&o);
}

/* It can't be told whether it has acted, and its answer, should it come, is to an old question. */
static void test_guard_silent(struct vfiopm_ctx *ctx)
{
	struct vfiopm_freezer *f;
	struct owner o;
	pid_t guard;

	owner_start(&o);
	vfiopm_freezer_new(ctx, 60000, &f);
	usleep(50000);
	guard = find_newest("vfio-pm-guard");
	vfiopm_freezer_freeze(f, &o.borrow, 2000);
	kill(guard, SIGSTOP);
	ok(vfiopm_freezer_thaw(f) == -ETIMEDOUT, "a guard that doesn't answer isn't disarmed");
	ok(runs(500), "the owner runs all the same");
	ok(vfiopm_freezer_freeze(f, &o.borrow, 2000) == 0, "another takes its place");
	kill(guard, SIGCONT);
	ok(vfiopm_freezer_thaw(f) == 0 && runs(500), "and answers for itself");
	vfiopm_freezer_free(f);
	owner_end(&o);
}

/* ---- a stop of the caller's own kind: a monitor, with its answers ---- */

struct monitor {
	int ours, its;
	int begun[2]; /* a pipe: one byte a stop */
	int64_t stop_ms; /* how long the stop takes */
};

#define CONT "cont guard\n"

static int monitor_stop(void *data, int64_t timeout_ms)
{
	struct monitor *m = data;

	if (write(m->begun[1], "", 1) != 1)
		return -EIO;
	usleep((unsigned int)m->stop_ms * 1000);
	return m->stop_ms > timeout_ms ? -ETIMEDOUT : 0;
}

static int monitor_holds(void *data)
{
	return data != NULL;
}

static int monitor_thaw(void *data)
{
	return data ? 0 : -EINVAL;
}

static int monitor_get_thaw(void *data, const char **text, const char **answer)
{
	struct monitor *m = data;

	*text = CONT;
	*answer = "to guard";
	return m->ours;
}

static const struct vfiopm_freeze_ops monitor_ops = { monitor_stop, monitor_holds, monitor_thaw,
						      monitor_get_thaw };

static void monitor_start(struct monitor *m, struct vfiopm_freezer *f)
{
	int fds[2] = { -1, -1 };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		_exit(1);
	*m = (struct monitor){ .ours = fds[0], .its = fds[1] };
	if (pipe2(m->begun, O_CLOEXEC) < 0)
		_exit(1);
	vfiopm_freezer_set_ops(f, &monitor_ops, m);
}

static void monitor_end(struct monitor *m)
{
	close(m->ours);
	close(m->its);
	close(m->begun[0]);
	close(m->begun[1]);
}

static void *thaw_later(void *data)
{
	usleep(100000);
	vfiopm_freezer_thaw(data);
	return NULL;
}

/* What the first one does to the owner doesn't show: the lock alone keeps the second one off. */
static void test_two(struct vfiopm_ctx *ctx)
{
	struct vfiopm_freezer *first, *second;
	struct owner o, other;
	struct monitor m;
	pthread_t thread;

	owner_start(&o);
	owner_start(&other);
	vfiopm_freezer_new(ctx, 4000, &first);
	vfiopm_freezer_new(ctx, 4000, &second);
	monitor_start(&m, first);
	ok(vfiopm_freezer_freeze(first, &o.borrow, 2000) == 0, "one freezer has the owner");
	ok(vfiopm_freezer_freeze(second, &o.borrow, 50) == -EALREADY, "another can't have it");
	ok(vfiopm_freezer_holds(second) == 0 && runs(500), "and changes nothing");
	ok(vfiopm_freezer_freeze(second, &other.borrow, 2000) == 0 &&
		   vfiopm_freezer_thaw(second) == 0,
	   "another owner it can");
	pthread_create(&thread, NULL, thaw_later, first);
	ok(vfiopm_freezer_freeze(second, &o.borrow, 2000) == 0, "it is waited for");
	pthread_join(thread, NULL);
	ok(vfiopm_freezer_holds(second) == 1 && vfiopm_freezer_thaw(second) == 0, "and then held");
	vfiopm_freezer_free(first);
	vfiopm_freezer_free(second);
	monitor_end(&m);
	owner_end(&o);
	owner_end(&other);
}

/*
 * The caller is killed while its monitor is still at the stop; @late: after the bound, when
 * the guard has acted already.
 */
static void test_slow_monitor(struct vfiopm_ctx *ctx, bool late)
{
	struct vfiopm_freezer *f, *second;
	struct pollfd p = { .events = POLLIN };
	struct monitor m;
	char text[64];
	struct owner o;
	ssize_t n;
	pid_t pid;

	owner_start(&o);
	/* Before the monitor: its guard must not hold our end. */
	vfiopm_freezer_new(ctx, late ? 100 : 60000, &f);
	vfiopm_freezer_new(ctx, 4000, &second);
	monitor_start(&m, f);
	m.stop_ms = 10000;
	pid = fork();
	if (pid == 0) {
		vfiopm_freezer_freeze(f, &o.borrow, 60000);
		_exit(0);
	}
	vfiopm_freezer_free(f);
	close(m.ours);
	ok(read(m.begun[0], text, 1) == 1, "the stop has begun");
	if (late)
		ok(read(m.its, text, strlen(CONT)) == strlen(CONT), "late: the guard acts");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	n = read(m.its, text, sizeof(text));
	ok(n == strlen(CONT) && !memcmp(text, CONT, strlen(CONT)), "killed: the guard lets it run");
	p.fd = m.its;
	ok(poll(&p, 1, 300) == 0, "and doesn't hang up before the answer");
	ok(vfiopm_freezer_freeze(second, &o.borrow, 50) == -EALREADY, "nobody else has the owner");
	ok(write(m.its, "an event, to gu", 15) == 15 && poll(&p, 1, 300) == 0,
	   "which may come late, and in pieces");
	ok(write(m.its, "ard\n", 4) == 4 && poll(&p, 1, 5000) == 1 &&
		   read(m.its, text, sizeof(text)) == 0,
	   "with it the guard ends");
	ok(vfiopm_freezer_freeze(second, &o.borrow, 2000) == 0 && vfiopm_freezer_thaw(second) == 0,
	   "and the owner is free");
	vfiopm_freezer_free(second);
	close(m.its);
	close(m.begun[0]);
	close(m.begun[1]);
	owner_end(&o);
}

int main(void)
{
	struct vfiopm_ctx *ctx;

	setvbuf(stdout, NULL, _IONBF, 0);
	ticks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ticks == MAP_FAILED || vfiopm_ctx_new(NULL, &ctx) < 0)
		return 1;
	test_freeze(ctx);
	test_foreground(ctx);
	test_stopped_before(ctx);
	test_bound(ctx);
	test_bound_of_all(ctx);
	test_stall(ctx);
	test_killed(ctx);
	test_guard_killed(ctx);
	test_guard_silent(ctx);
	test_two(ctx);
	test_slow_monitor(ctx, false);
	test_slow_monitor(ctx, true);
	vfiopm_ctx_unref(ctx);
	printf("1..%d\n", tests);
	return failures > 0;
}
