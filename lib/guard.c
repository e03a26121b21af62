// SPDX-License-Identifier: LGPL-2.1-or-later
/* Processes that put right what their maker can't: how one is made, and spoken to. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard.h"
#include "private.h"

union control {
	char buf[CMSG_SPACE(GUARD_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static void __attribute__((noreturn)) become(const char *name, void (*run)(void), int sock,
					     int extra)
{
	/* Out of the way of the numbers that they get. */
	int high[2] = { fcntl(sock, F_DUPFD, 16), extra < 0 ? -1 : fcntl(extra, F_DUPFD, 16) };
	int keep = extra < 0 ? GUARD_SOCK : GUARD_EXTRA;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, name);
	if (high[0] < 0 || dup2(high[0], GUARD_SOCK) < 0 ||
	    (extra >= 0 && (high[1] < 0 || dup2(high[1], GUARD_EXTRA) < 0)) ||
	    syscall(SYS_close_range, keep + 1, ~0u, 0) < 0)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (chdir("/") < 0)
		_exit(1);
	run();
	_exit(0);
}

int guard_fork(const char *name, void (*run)(void), int extra)
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
			become(name, run, fds[1], extra);
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

int guard_send(int sock, const void *message, size_t size, const int *fds, size_t n)
{
	union control control = { 0 };
	struct iovec io = { .iov_base = (void *)message, .iov_len = size };
	struct msghdr head = { .msg_iov = &io, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n) {
		head.msg_control = control.buf;
		head.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&head);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(sock, &head, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int guard_receive(int sock, void *message, size_t size, int *fds)
{
	union control control;
	struct iovec io = { .iov_base = message, .iov_len = size };
	struct msghdr head = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *c;
	ssize_t len;

	for (size_t i = 0; i < GUARD_FDS_MAX; i++)
		fds[i] = -1;
	do
		len = recvmsg(sock, &head, MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len <= 0)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&head);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return len == (ssize_t)size;
}

int guard_wait(int sock, int64_t timeout_ms, char *ret)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, timeout_ms < 0 ? 0 : (int)timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -ETIMEDOUT;
	return recv(sock, ret, 1, 0) == 1 ? 0 : -EPIPE;
}
