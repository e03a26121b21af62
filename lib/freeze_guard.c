// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The process that lets a stopped owner run again when its stopper can't:
 * killed, or stuck in the kernel.
 *
 * It leaves low power first. Low power that is engaged on a device that hasn't
 * suspended yet isn't ended by an access (drivers/vfio/pci/vfio_pci_core.c: the
 * wakeup mode ends itself in the resume callback only), so an owner that runs
 * again then would die of SIGBUS at its next access to a BAR.
 *
 * It is a fork of a perhaps threaded process, so that all it calls is
 * async-signal-safe. It is nobody's child, ignores all signals but SIGKILL, and
 * holds no descriptor but its socket and, while armed, those it needs.
 */
#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "freeze.h"
#include "uapi.h"

/* To leave low power takes as long as a resume: 20 ms, a second on slow platforms. */
#define EXIT_MS 2000
/* The guard's answer to a disarm is one round trip, on a busy machine a slow one. */
#define ANSWER_MS 5000

enum order { ORDER_ARM = 1, ORDER_DISARM };

/* One message; an ARM comes with one or two descriptors: the thaw's and the device's. */
struct message {
	uint32_t order;
	uint32_t has_device;
	int64_t bound_ms;
	struct thaw thaw;	/* but for its descriptor */
};

/* ---- the guard itself ---- */

struct guard {
	int sock;
	bool armed, acted;
	int64_t deadline_ms;
	struct thaw thaw;
	int device_fd;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void leave_low_power(int fd)
{
	struct vfio_device_feature rq = {
		.argsz = sizeof(rq),
		.flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
	};

	ioctl(fd, VFIO_DEVICE_FEATURE, &rq);
}

/* In a process of its own: a device that doesn't come back must not keep the owner stopped. */
static void leave_low_power_bounded(int fd)
{
	const struct timespec gap = { .tv_nsec = 1000000 };
	int64_t end = now_ms() + EXIT_MS;
	pid_t pid = fork();

	if (pid == 0) {
		leave_low_power(fd);
		_exit(0);
	}
	if (pid < 0)
		leave_low_power(fd);
	while (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0 && now_ms() < end)
		nanosleep(&gap, NULL);
}

static void guard_close(struct guard *g)
{
	if (g->thaw.fd >= 0)
		close(g->thaw.fd);
	if (g->device_fd >= 0)
		close(g->device_fd);
	g->thaw.fd = g->device_fd = -1;
	g->armed = false;
}

static void guard_act(struct guard *g)
{
	if (g->device_fd >= 0)
		leave_low_power_bounded(g->device_fd);
	thaw_do(&g->thaw);
	guard_close(g);
	g->acted = true;
}

static void take_order(struct guard *g, const struct message *m, const int *fds, size_t n_fds)
{
	char answer;

	switch (m->order) {
	case ORDER_ARM:
		guard_close(g);
		g->thaw = m->thaw;
		g->thaw.fd = n_fds > 0 ? fds[0] : -1;
		g->device_fd = n_fds > 1 ? fds[1] : -1;
		g->deadline_ms = now_ms() + m->bound_ms;
		g->acted = false;
		g->armed = true;
		return;
	case ORDER_DISARM:
		guard_close(g);
		answer = (char)g->acted;
		g->acted = false;
		send(g->sock, &answer, 1, MSG_NOSIGNAL);
		return;
	}
}

/* False: the other end is gone. */
static bool next_order(struct guard *g)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct message m = { 0 };
	struct iovec io = { .iov_base = &m, .iov_len = sizeof(m) };
	struct msghdr head = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *c;
	int fds[2];
	size_t n = 0;
	ssize_t len;

	do
		len = recvmsg(g->sock, &head, MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len <= 0)
		return false;
	c = CMSG_FIRSTHDR(&head);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	}
	if (len == (ssize_t)sizeof(m))
		take_order(g, &m, fds, n);
	return true;
}

static void __attribute__((noreturn)) guard_run(int sock)
{
	struct guard g = { .sock = 3, .thaw.fd = -1, .device_fd = -1 };
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "vfio-pm-guard");
	if (dup2(sock, 3) < 0 || syscall(SYS_close_range, 4, ~0u, 0) < 0)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (chdir("/") < 0)
		_exit(1);
	for (;;) {
		struct pollfd p = { .fd = g.sock, .events = POLLIN };
		int64_t left = g.armed ? g.deadline_ms - now_ms() : -1;
		int n;

		n = poll(&p, 1, left < 0 && g.armed ? 0 : (int)left);
		if (n > 0 && !next_order(&g))
			break;
		if (n == 0 && g.armed)
			guard_act(&g);
	}
	if (g.armed)
		guard_act(&g);
	_exit(0);
}

/* ---- its client ---- */

int guard_start(void)
{
	int fds[2], status = 0, r = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	/* Twice, so that it is nobody's child and needs no wait(2). */
	pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			guard_run(fds[1]);
		_exit(pid < 0);
	}
	if (pid < 0)
		r = -errno;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && status)
		r = -EAGAIN;
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	return fds[0];
}

int guard_arm(int sock, const struct thaw *thaw, int device_fd, int64_t bound_ms)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct message m = {
		.order = ORDER_ARM,
		.has_device = device_fd >= 0,
		.bound_ms = bound_ms,
		.thaw = *thaw,
	};
	int fds[2] = { thaw->fd, device_fd };
	size_t n = device_fd >= 0 ? 2 : 1;
	struct iovec io = { .iov_base = &m, .iov_len = sizeof(m) };
	struct msghdr head = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&head);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(sock, &head, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int guard_disarm(int sock)
{
	struct message m = { .order = ORDER_DISARM };
	struct pollfd p = { .fd = sock, .events = POLLIN };
	char answer;
	int n;

	if (send(sock, &m, sizeof(m), MSG_NOSIGNAL) < 0)
		return -errno;
	do
		n = poll(&p, 1, ANSWER_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -ETIMEDOUT;
	if (recv(sock, &answer, 1, 0) != 1)
		return -EPIPE;
	return answer != 0;
}
